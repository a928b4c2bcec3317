"""What can be asked and commanded at the prompt, one method a command."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from videotag import cli
from videotag.artifacts import safe_name
from videotag.errors import UserError, did_you_mean
from videotag.media import clip as media_clip
from videotag.media.tracks import heard_first
from videotag.progress import Progress
from videotag.search import hits as hit_files
from videotag.search.ask import Answer, Database, Question, find, place
from videotag.search.filters import FIELDS, Filters
from videotag.search.moments import Hit
from videotag.segments import Window, Windows, frame_times
from videotag.terminal import cards, player, typed
from videotag.terminal.cards import Style
from videotag.text import printable
from videotag.times import clock, seconds, time_name

FRAMES = Windows.frames_per_segment
TOP = 8  # values of each field that `:facets` shows
HELP = """
anything else          a question; "exact words" must occur, and
                       --video NAME and the other filters may follow
:videos QUESTION       whole videos, by what they are about, with chapters
:open 3 [TIME]         play hit 3 at its second, or there: mpv, VLC, or
                       another
:frames 3              write its segment's frames to frames/
:clip 3 [FILE]         cut it out to a file (.mp4, .mkv, .mov)
:like 3                moments like that one; also :like news@12:30
:like 3 2              moments that look like its 2nd frame; :like 3 seen:
                       like the picture in which it was seen
:as-typed              the last question again, with nothing mended in it
:more                  the next ones
:filter video=news not-language=kk added-after=2026-01-01 from=1:00 to=5:00
                       set filters: video, language, content-type, mood,
                       confidence, keyword (not-... leaves out),
                       added-after, added-before, from, to
:filter, :filter off   show them, take them off
:facets [FIELD]        which values there are, and how often
:save FILE             the hits shown so far: .json, .csv, .md; for
                       editors and players .edl, .fcpxml, .otio, .m3u8,
                       .xspf
:help, :quit           Ctrl-C clears the line, Ctrl-D ends
""".strip()


@dataclass
class Prompt:
    """The state between two lines: the filters, the last question and its hits."""

    db: Database
    filters: Filters  # those that hold for every question
    limit: int  # moments a page
    per_video: int | None
    data_dir: Path
    style: Style
    question: Question | None = None  # the last one, as it was asked, with the filters that were for it alone
    words_typed: str | None = None  # its words as they were typed, where others were asked
    hits: list[Hit] = field(default_factory=list)  # those shown so far, all pages; hit 1 is the first
    _facets: dict[str, Mapping[Any, int]] = field(default_factory=dict)

    def do(self, line: str) -> bool:
        """Do what a line says; whether to go on. Errors are printed, in one line."""
        try:
            return self._do(line)
        except UserError as error:
            cli.complain(" ".join(str(error).split()))
        except BrokenPipeError:  # nobody reads any more
            raise
        except OSError as error:
            cli.complain(cli.short(error))
        except KeyboardInterrupt:
            cli.say("interrupted")
        return True

    def _do(self, line: str) -> bool:
        if not line.startswith(":"):
            self.ask(line)
            return True
        name, _, rest = line.partition(" ")
        if name == ":quit":
            return False
        if name not in COMMANDS:
            raise UserError(f"{name}: there is no such command{did_you_mean(name, COMMANDS) or '; see :help'}")
        COMMANDS[name](self, rest.strip())
        return True

    def values(self, name: str) -> list[str]:
        """The values that a field of FIELDS has, the most frequent first; as they were when first asked for."""
        if name not in self._facets:
            self._facets[name] = self.db.facets(FIELDS[name])
        return [str(value) for value, _ in _by_count(self._facets[name])]

    # === Questions ===

    def ask(self, line: str) -> None:
        words, filters = typed.question(line)
        if not words:
            raise UserError("the question is empty; filters that stay are set by :filter")
        self._show_first(Question(words, None, filters))

    def videos(self, text: str) -> None:
        words, filters = typed.question(text)
        if not words:
            raise UserError("name what they are about: :videos наводнения")
        self._show_first(Question(words, None, filters, whole=True))

    def like(self, text: str) -> None:
        if not text:
            raise UserError("give the number of a hit or a place, such as news@12:30")
        number, _, frame = text.partition(" ")
        if number.isdecimal() and frame.strip():
            self._show_first(Question("", None, Filters(), picture=_picture_of(self._moment(number), frame.strip())))
            return
        if text.isdecimal():
            hit = self._moment(text)
            # The middle: windows overlap at their ends, and it is this one that is meant.
            like = (hit["video_name"], (hit["start_time"] + hit["end_time"]) / 2)
        else:
            like = place(text)
        self._show_first(Question("", like, Filters()))

    def _show_first(self, question: Question) -> None:
        answer = self._find(question, self.limit)
        self.question = replace(question, words=answer.question.words, as_typed=True)  # for the next page
        self.words_typed, self.hits = answer.typed, answer.moments
        cards.show(answer, self.style)
        if answer.typed is not None:
            cli.say(f":as-typed searches for: {printable(answer.typed)}")

    def as_typed(self, text: str) -> None:
        if self.question is None or self.words_typed is None:
            raise UserError("nothing was mended in the last question")
        self._show_first(replace(self.question, words=self.words_typed))

    def _find(self, question: Question, limit: int) -> Answer:
        both = replace(question, filters=self.filters.and_(question.filters))
        return find(self.db, both, limit, self.per_video)

    def more(self, text: str) -> None:
        question = self._answered()
        found = self._find(question, len(self.hits) + self.limit).moments
        new = [moment for moment in found if moment["close"] and not any(_overlap(moment, hit) for hit in self.hits)]
        del new[self.limit :]
        if not new:
            cli.say("no more that are close")
        cards.show_cards(new, question.words, self.style, first=len(self.hits) + 1)
        self.hits += new

    # === Filters ===

    def filter(self, text: str) -> None:
        if text == "off":
            self.filters = Filters()
        elif text:
            self.filters = self.filters.and_(typed.typed_filters(text))
        cli.say(f"filters: {self.filters}" if self.filters != Filters() else "no filters")
        if text and self.question:
            self._show_first(self.question)

    def facets(self, text: str) -> None:
        name = text.replace("_", "-")
        if text and name not in FIELDS:
            raise UserError(f"{text}: there is no such field{did_you_mean(name, FIELDS) or '; ' + ', '.join(FIELDS)}")
        for field_ in [name] if text else FIELDS:
            counts = _by_count(self.db.facets(FIELDS[field_]))
            shown = counts if text else counts[:TOP]
            left = f"  … {len(counts) - TOP} more, see :facets {field_}" if len(counts) > len(shown) else ""
            cli.say(f"{field_}: " + (", ".join(f"{value} ({count})" for value, count in shown) or "none") + left)

    # === One hit ===

    def open(self, text: str) -> None:
        number, _, time = text.partition(" ")
        hit = self._hit(number)
        start = seconds(time) if time.strip() else hit["start"]
        done = player.play(hit["video_path"], start, *_heard(hit))
        cli.say(f"{hit['video_name']} {clock(start)}: {done}")

    def frames(self, text: str) -> None:
        hit = self._moment(text)
        folder = Path("frames", _file_name(hit))
        written = hit_files.write_frames(hit, self.data_dir, folder)
        cli.say(f"{len(written)} frames in {folder.absolute()}")

    def clip(self, text: str) -> None:
        number, _, name = text.partition(" ")
        hit = self._moment(number)
        target = _path(name.strip() or f"{_file_name(hit)}.mp4")
        with Progress("clip", hit["end"] - hit["start"], "s") as progress:
            place = hit["video_path"], hit["start"], hit["end"]
            media_clip.clip(*place, target, lambda done: progress.to(int(done)), *_heard(hit))
        cli.say(f"{clock(hit['start'])}-{clock(hit['end'])} of {hit['video_name']} in {target.absolute()}")

    def save(self, text: str) -> None:
        if not text:
            raise UserError(f"name a file: :save hits.csv; also .{', .'.join(hit_files.ENDINGS)}")
        question = self._answered()
        if question.whole:
            raise UserError("these are whole videos, of which no file is made here: test_search.py --videos ... --json")
        files, left_out = hit_files.save(self.hits, question.title, _path(text))
        for line in left_out:
            cli.complain(line)
        some = f"{len(self.hits)} moments{' but those' if left_out else ''}"
        cli.say(f"{some} in {', '.join(str(path.absolute()) for path in files)}")

    def help(self, text: str) -> None:
        for line in HELP.splitlines():
            cli.say(line)

    def _answered(self) -> Question:
        """The question whose hits are shown."""
        if self.question is None or not self.hits:
            raise UserError("no hits yet: ask first")
        return self.question

    def _hit(self, text: str) -> Hit:
        self._answered()
        if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= len(self.hits):
            raise UserError(f"{text or 'which one'}: give the number of a hit, 1 to {len(self.hits)}")
        return self.hits[int(text) - 1]

    def _moment(self, text: str) -> Hit:
        hit = self._hit(text)
        if cards.is_whole(hit):
            name = hit["video_name"]
            raise UserError(f"{text}: is a whole video; :filter video={name} and a question give moments of it")
        return hit


_METHODS: list[Callable[[Prompt, str], Any]] = [
    *(Prompt.videos, Prompt.open, Prompt.frames, Prompt.clip, Prompt.like, Prompt.more, Prompt.as_typed),
    *(Prompt.filter, Prompt.facets, Prompt.save, Prompt.help),
]
COMMANDS = {f":{method.__name__.replace('_', '-')}": method for method in _METHODS} | {
    ":quit": lambda prompt, text: None
}


def _by_count(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))


def _overlap(one: Hit, other: Hit) -> bool:
    return one["video_name"] == other["video_name"] and one["start"] < other["end"] and other["start"] < one["end"]


def _picture_of(hit: Hit, frame: str) -> tuple[str, float]:
    """The place of a frame of a moment's segment, by its number from 1 on, or of the one in which it was seen."""
    if frame == "seen" and "seen_at" in hit:
        return hit["video_name"], hit["seen_at"]
    if not frame.isdecimal() or not 1 <= int(frame) <= FRAMES:
        seen = " or seen" if "seen_at" in hit else ""
        raise UserError(f"{frame}: give the number of a frame, 1 to {FRAMES}{seen}")
    times = frame_times(Window(hit["segment_index"], hit["start_time"], hit["end_time"]), FRAMES)
    return hit["video_name"], times[int(frame) - 1]


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # which leaves the "~" of somebody who is not there


def _file_name(hit: Hit) -> str:
    """Of a moment: `news_01-30`."""
    return f"{safe_name(hit['video_name'])}_{time_name(hit['start'])}"


def _heard(hit: Hit) -> list[int]:
    """The number of the sound track that was heard, as far as it is told."""
    track = heard_first(hit.get("audio_track"))
    return [track] if track else []
