"""Texts of subtitles: SubRip and WebVTT read, whatever their encoding; markup of all kinds taken out. No I/O."""

import codecs
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from videotag.text import READING_SPEED, clean

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMES = re.compile(rf"\s*{_TIME}\s*--+>\s*{_TIME}(?:\s|$)")
# What is repeated is never gone back into: a hostile text costs no more than its length.
_LINE_END = re.compile(r"\r{0,2}\n|\r")
_DRAWN = re.compile(
    r"\{(?:[^{}\\]|\\(?!p[1-9]))*+\\p[1-9][^{}]*+\}.*?(?:\{(?:[^{}\\]|\\(?!p0))*+\\p0[^{}]*+\}|$)", re.DOTALL
)
_STYLE = re.compile(r"\{\\[^{}]*+\}|</?(?:[a-zA-Z][^<>]*|\d\d[\d:.]*)?>")
"""Overrides of ASS, which SubRip has too; tags of SubRip and WebVTT, their times of words among them."""
_BREAK = re.compile(r"\\[Nnh]")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_OLD = {"kk": "kz1048", "pl": "cp1250", "cs": "cp1250", "hu": "cp1250", "tr": "cp1254", "az": "cp1254"} | dict.fromkeys(
    ("en", "de", "fr", "es", "it", "pt"), "cp1252"
)
"""What Windows wrote before Unicode, where it is not cp1251."""
_TOUCH = 0.1  # seconds between two texts that follow each other at once
_SCREEN = 20  # lines, of which some stay while others come


@dataclass(frozen=True)
class Cue:
    """Lines of plain text, shown from `start` to `end`, in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def decoded(data: bytes, language: str = "") -> str:
    """Text in UTF-8, UTF-16, or Windows' encoding of a language (ISO 639-1; "": Cyrillic)."""
    known = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None)
    if known is None and 5 * data.count(0) > len(data):  # letters of Latin, digits and spaces have a zero byte each
        known = "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"
    if known:
        return data.decode(known, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_OLD.get(language, "cp1251"), "replace")


def cues(text: str) -> list[Cue]:
    """The texts of a SubRip or WebVTT file, in order of time; what is neither times nor text between them is passed."""
    found: list[Cue] = []
    lines = iter(_LINE_END.split(text))
    for line in lines:
        if match := _TIMES.match(line):
            shown: list[str] = []
            for below in lines:
                if not below.strip():
                    break
                shown.append(below)
            found += cue(_seconds(*match.groups()[:4]), _seconds(*match.groups()[4:]), shown)
    return in_order(found)


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}")


def cue(start: float, end: float, lines: Iterable[str]) -> list[Cue]:
    """A text without its markup; [] where nothing is left. One that ends before it begins is there to be read."""
    whole = _DRAWN.sub("", "\n".join(lines))
    whole = html.unescape(_STYLE.sub("", _BREAK.sub("\n", whole)))
    kept = tuple(line for raw in whole.split("\n") if (line := " ".join(clean(raw).split())))
    if end <= start:
        end = start + max(1.0, sum(map(len, kept)) / READING_SPEED)
    return [Cue(round(start, 3), round(end, 3), kept)] if kept else []


def in_order(found: Iterable[Cue]) -> list[Cue]:
    """Texts in order of time. A line that stays while the next one comes below it counts once."""
    return list(_unrolled(sorted(found, key=lambda cue: (cue.start, cue.end))))


def _unrolled(found: Iterable[Cue]) -> Iterator[Cue]:
    last: Cue | None = None  # as it was shown; held back, as it may be shown on
    held: Cue | None = None
    for one in found:
        if last and held and one.start <= last.end + _TOUCH:
            sizes = range(min(len(last.lines), len(one.lines), _SCREEN), 0, -1)
            same = next((n for n in sizes if last.lines[-n:] == one.lines[:n]), 0)
        else:
            same = 0
        last = one
        if same == len(one.lines) and held:
            held = replace(held, end=max(held.end, one.end))
            continue
        if held:
            yield held
        held = replace(one, lines=one.lines[same:])
    if held:
        yield held
