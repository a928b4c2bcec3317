"""Texts of subtitles: SubRip and WebVTT read, whatever their encoding; markup of all kinds taken out. No I/O."""

import codecs
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from typing import Any

from videotag.text import READING_SPEED, clean

_TIME = r"(?:(\d{1,3}):[ ]?)?(\d{1,2}):[ ]?(\d{1,2})(?:[.,:;][ ]?(\d{1,9}))?"
_TIMES = re.compile(rf"\s*{_TIME}\s*(?:[-–—]{{1,9}}[ ]?(?:>|&gt;))\s*{_TIME}(?:\s|$)", re.ASCII)
"""Of SubRip and WebVTT, and as hands, translators and other clocks write them."""
_EVENT = re.compile(rf"Dialogue:[^,]*,\s*{_TIME}\s*,\s*{_TIME}\s*,(?:[^,]*,){{6}}", re.ASCII)
"""Of ASS and SSA: layer, times, style, speaker, three margins and an effect go before the text."""
# What is repeated is never gone back into: a hostile text costs no more than its length.
_LINE_END = re.compile(r"\r{0,2}\n|\r")
_DRAWN = re.compile(
    r"\{(?:[^{}\\]|\\(?!p[1-9]))*+\\p[1-9][^{}]*+\}.*?(?:\{(?:[^{}\\]|\\(?!p0))*+\\p0[^{}]*+\}|$)", re.DOTALL
)
_STYLE = re.compile(r"\{\\[^{}]*+\}|</?(?:[a-zA-Z][^<>]*|\d\d[\d:.]*)?>")
"""Overrides of ASS, which SubRip has too; tags of SubRip and WebVTT, their times of words among them."""
_REMARK = re.compile(r"\{[^{}\\]*+\}")
_BREAK = re.compile(r"\\[Nnh]")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_WINDOWS = """
ar cp1256, az cp1254, be cp1251, bg cp1251, bs cp1250, cs cp1250, el cp1253, et cp1257, fa cp1256, he cp1255,
hr cp1250, hu cp1250, ja cp932, kk kz1048, ko cp949, ky cp1251, lt cp1257, lv cp1257, mk cp1251, mn cp1251, pl cp1250,
ro cp1250, ru cp1251, sk cp1250, sl cp1250, sr cp1251, th cp874, tr cp1254, tt cp1251, uk cp1251, ur cp1256,
uz cp1251, vi cp1258, zh gb18030
"""
_OLD = {code: encoding for code, encoding in map(str.split, _WINDOWS.split(","))}
"""What Windows wrote before Unicode, where it is not cp1252."""
_CYRILLIC = ("cp1251", "kz1048", "koi8-r", "cp866", "iso8859-5")
_COMMON = frozenset("оеаинтсрвлкмдыіәңқғұөүїєґў")
"""The commonest letters of Russian and those that are its neighbours' own: four of five letters of a text."""
_CLEARLY = 0.15  # of the letters: so many more must be common ones in another encoding than the expected one,
_ENOUGH = 20  # and there must be so many
_SAMPLE = 200_000  # bytes, of which an encoding is told
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
    """Text in UTF-8, UTF-16, or what was written before them in a language (ISO 639-1; "": Cyrillic or Latin)."""
    known = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None) or _unmarked(data)
    if known:
        return data.decode(known, "replace")
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if 2 * broken <= len(text) - len(text.encode("ascii", "ignore")):  # lost bytes cost no more than themselves
        return text
    return data.decode(_before_unicode(data, language), "replace")


def _unmarked(data: bytes) -> str | None:
    """UTF-16 without its mark: spaces and digits have a zero byte each, always on the same side."""
    little, big = data[1::2].count(0), data[::2].count(0)
    if 50 * max(little, big) < len(data) or not data or min(little, big) * 9 > max(little, big):
        return None
    return "utf-16-le" if little > big else "utf-16-be"


def _before_unicode(data: bytes, language: str) -> str:
    """The encoding of text with a byte a letter; of Cyrillic the one in which the commonest letters are common."""
    expected = _OLD.get(language, "cp1252" if language else "cp1251")
    sample = data[:_SAMPLE]
    foreign = bytes(byte for byte in sample if byte > 127)
    if not language and len(re.findall(rb"[A-Za-z]", sample)) > 2 * len(foreign):
        return "cp1252"
    if expected not in _CYRILLIC:
        return expected

    def common(encoding: str) -> float:
        return sum(char in _COMMON for char in foreign.decode(encoding, "replace").lower()) / (len(foreign) or 1)

    others = [encoding for encoding in _CYRILLIC if encoding != "kz1048" or not language]
    best = max(others, key=common)
    margin = 0.0 if best == "kz1048" else _CLEARLY if len(foreign) >= _ENOUGH else 1.0
    return best if common(best) > common(expected) + margin else expected


def cues(text: str) -> list[Cue]:
    """The texts of a SubRip, WebVTT or ASS file, in order of time; what is neither times nor text is passed over.

    A blank line ends a text of WebVTT; in SubRip, where it may also be within one, the times of the next one do.
    """
    lines = _LINE_END.split(text.lstrip("\ufeff"))
    if any(line.startswith("[Events]") for line in lines):
        return in_order(chain.from_iterable(map(_event, lines)))
    found: list[Cue] = []
    times = [(number, match) for number, line in enumerate(lines) if (match := _TIMES.match(line))]
    numbered = bool(times) and times[0][0] > 0 and lines[times[0][0] - 1].strip().isdecimal()
    for (number, match), following in zip(times, [*(number for number, _ in times[1:]), len(lines)], strict=False):
        shown = lines[number + 1 : following]
        if numbered and following < len(lines) and shown and shown[-1].strip().isdecimal():
            del shown[-1]
        if lines[0].startswith("WEBVTT"):
            shown = list(takewhile(str.strip, shown))
        found += cue(_seconds(*match.groups()[:4]), _seconds(*match.groups()[4:]), shown)
    return in_order(found)


def _event(line: str) -> list[Cue]:
    match = _EVENT.match(line)
    if match is None:
        return []
    return cue(_seconds(*match.groups()[:4]), _seconds(*match.groups()[4:]), [uncommented(line[match.end() :])])


def uncommented(text: str) -> str:
    """The text of an event of ASS without its author's remarks: braces without an override."""
    return _REMARK.sub("", text)


def dialogue(context: Any, packet: Any) -> list[str]:
    """What comes out of a decoder of subtitles, as text; nothing of a damaged packet."""
    from av.error import FFmpegError

    try:
        shown = [part.dialogue for part in context.decode(packet) if hasattr(part, "dialogue")]
    except (FFmpegError, ValueError):
        return []
    return [text.decode("utf-8", "replace") for text in shown]


def sample_texts(data: bytes) -> Iterator[str]:
    """The texts of a sample of WebVTT in MP4, one a cue: ISO/IEC 14496-30, boxes "payl" in "vttc"."""
    for kind, body in _boxes(data):
        if kind == b"vttc":
            yield from (text.decode("utf-8", "replace") for kind, text in _boxes(body) if kind == b"payl")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while (size := int.from_bytes(data[at : at + 4])) >= 8:
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


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
