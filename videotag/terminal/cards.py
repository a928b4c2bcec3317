"""Moments and whole videos as a person sees them in the terminal: cards.

What comes from the database is made printable before any code for the terminal is added.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from videotag import cli
from videotag.fields import SUMMARY
from videotag.search.ask import Answer
from videotag.search.forms import matches
from videotag.search.hits import excerpt, texts
from videotag.search.moments import Hit
from videotag.text import printable
from videotag.times import clock

WIDTH = 100  # characters
LINES = 3  # at most, of each text on a card
CHAPTERS = 8  # at most, on a video's card
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Style:
    """Codes for the terminal, as far as it understands them: bold and dim, clickable addresses (OSC 8)."""

    def __init__(self, stream: TextIO | None = None, environment: Mapping[str, str] = os.environ) -> None:
        """`stream`: None is the standard output."""
        terminal = environment.get("TERM", "" if os.name != "nt" else "windows")
        plain = environment.get("NO_COLOR") or terminal in ("", "dumb")
        old_windows = os.name == "nt" and "WT_SESSION" not in environment
        self.marks = (stream or sys.stdout).isatty() and not plain and not old_windows
        self.links = self.marks and _knows_links(terminal, environment)

    def bold(self, text: str) -> str:
        return f"{_BOLD}{text}{_PLAIN}" if self.marks and text else text

    def dim(self, text: str) -> str:
        return f"{_DIM}{text}{_PLAIN}" if self.marks and text else text

    def link(self, text: str, address: str) -> str:
        return f"\x1b]8;;{address}\x1b\\{text}\x1b]8;;\x1b\\" if self.links else text


def _knows_links(terminal: str, environment: Mapping[str, str]) -> bool:
    """Others may print the address as it is; there is no way to ask."""
    if terminal.startswith(("screen", "tmux")):
        return False
    if environment.get("TERM_PROGRAM") in ("iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio"):
        return True
    if terminal.startswith(("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "contour", "wezterm")):
        return True
    if "WT_SESSION" in environment or "KONSOLE_VERSION" in environment:
        return True
    vte = environment.get("VTE_VERSION", "")
    return vte.isdecimal() and int(vte) >= 5000


def show(answer: Answer, style: Style) -> None:
    """Print what is to be said of an answer, and its cards."""
    for remark in answer.remarks:
        cli.say(printable(str(remark)))
    if answer.about:
        print(about(answer.about, style, _width()), flush=True)
    if answer.moments and not answer.close:
        print(style.dim("── best guesses: ".ljust(_width(), "─")), flush=True)
    show_cards(answer.moments, answer.question.words, style)


def show_cards(found: Iterable[Hit], query: str, style: Style, first: int = 1) -> None:
    """Print cards of moments or whole videos, numbered from `first`."""
    width = _width()
    for number, one in enumerate(found, start=first):
        for line in (video_card if is_whole(one) else card)(number, one, query, style, width):
            print(line, flush=True)


def is_whole(hit: Hit) -> bool:
    """Whether it is a whole video, and no moment of one."""
    return "segment_index" not in hit


def about(videos: Iterable[Hit], style: Style, width: int = WIDTH) -> str:
    """The line that tells which whole videos answer."""
    told = [f"{one['video_name']}: {one['title']}" if one.get("title") else one["video_name"] for one in videos]
    line = " ".join(printable(f"whole videos (:videos, --videos): {'; '.join(told)}").split())
    return style.bold(textwrap.shorten(line, width, placeholder=" …"))


def video_card(number: int, video: Hit, query: str, style: Style, width: int = WIDTH) -> list[str]:
    """The lines of a whole video: title, summary, chapters with the times at which they begin, names, keywords."""
    place = style.link(style.bold(printable(f"{video['video_name']}  {clock(video['end'])}")), address(video))
    used, total = video.get("segments_used", 0), video.get("segments_total", 0)
    part = f"  of {used} of {total} segments" if used < total else ""
    lines = [f"{number}. {place}  {video['score']:.3f}  {printable(video.get('method', ''))}{part}"]
    lines += [f"   {line}" for line in _marked(video.get("title") or "", query, style, width - 3, "")]
    for field in SUMMARY:
        value = video.get(field.name)
        if field.name == "chapters":
            lines += [f"   {line}" for line in _chapters(video, query, style, width - 3)]
        elif field.shown is not None and value:
            text = field.joint.join(value) if isinstance(value, list) else str(value)
            lines += [f"   {line}" for line in _marked(text, query, style, width - 3, field.shown)]
    return lines


def _chapters(video: Hit, query: str, style: Style, width: int) -> list[str]:
    """A line each; of many those that hold the question's words, and the first ones."""
    there = sorted(enumerate(video["chapters"]), key=lambda pair: not matches(pair[1]["title"], query))
    lines = []
    for _, chapter in sorted(there[:CHAPTERS], key=lambda pair: pair[0]):
        [title, *_] = _marked(chapter["title"], query, style, width - 10, "") or [""]
        time = style.link(clock(chapter["start"]), address({**video, "start": chapter["start"]}))
        lines.append(f"{time}  {title}")
    left = len(there) - CHAPTERS
    return [*lines, *([f"… {left} more chapters"] if left > 0 else [])]


def _width() -> int:
    return max(30, min(WIDTH, shutil.get_terminal_size().columns))


def card(number: int, moment: Hit, query: str, style: Style, width: int = WIDTH) -> list[str]:
    """The lines of a moment: where it is, also by timecode and picture; what is seen, said, written; keywords."""
    place = f"{moment['video_name']}  {clock(moment['start'])}-{clock(moment['end'])}"
    code = f"  TC {moment['source_timecode']}" if moment.get("source_timecode") else ""
    seen = f"  seen at {clock(moment['seen_at'])}" if "seen_at" in moment else ""
    lines = [
        f"{number}. {style.link(style.bold(printable(place)), address(moment))}  {moment['score']:.3f}{seen}{code}"
    ]
    for one in texts(moment, query):
        lines += [f"   {line}" for line in _marked(one.text, query, style, width - 3, one.mark)]
    return lines


def address(moment: Hit) -> str:
    """Of the video file at the moment's start; percent-encoded, so nothing in it can end the link."""
    return f"{Path(moment.get('video_path') or '').absolute().as_uri()}#t={moment['start']:g}"


def _marked(text: str, query: str, style: Style, width: int, mark: str) -> list[str]:
    """The text in lines, cut to where the query's words are, and these words bold."""
    text = excerpt(mark + " ".join(printable(text).split()), query, width, LINES, len(mark))
    lines = textwrap.wrap(text, width, max_lines=LINES, placeholder=" …", break_on_hyphens=False)
    spans = matches(text, query) if style.marks else []
    result, position = [], 0
    for line in lines:
        kept = line.removesuffix("…").rstrip() if line is lines[-1] else line  # the placeholder may stand alone
        begin = text.index(kept, position)
        position = begin + len(kept)
        inside = [(first - begin, last - begin) for first, last in spans if begin <= first and last <= position]
        for first, last in reversed(inside):  # the last one first: the places before it stay what they are
            line = line[:first] + style.bold(line[first:last]) + line[last:]
        result.append(line)
    return result
