"""The slate of a file: what its camera or recorder wrote down of where and when it was taken."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any

from videotag.media.source import Source, opened
from videotag.text import clean
from videotag.timecode import TEXT

_PACKETS = 250
"""So many packets of pictures are looked at to tell whether their rate is constant, besides what an index tells."""
_FRAMES = 25  # a group of pictures says its time code at its front, within a second of any point of a broadcast
_OFF_GRID = Fraction(1, 20)  # of a frame: clocks of 1/600 and 1/90000 s round by less, those of 1/1000 have more room
_RATES = [
    *(Fraction(n) for n in (10, 12, 15, 24, 25, 30, 48, 50, 60, 100, 120, 200, 240)),
    *(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)),
    Fraction(25, 2),
]
_GAPS = 0.02
"""This share of pictures may be missing where a rate is constant: some that a recorder has dropped."""
_FASTEST = 300  # frames a second: more is a clock that was taken for a rate
_PLACE = re.compile(r"[+-]\d{1,6}(?:\.\d+)?[+-]\d{1,7}(?:\.\d+)?(?:[+-]\d+(?:\.\d+)?)?(?:CRS[\w-]+)?(?=/|$)")
"""ISO 6709, annex H: latitude, longitude, height."""
_PLACES = ("com.apple.quicktime.location.iso6709", "location", "location-eng")
_MADE = ("com.apple.quicktime.creationdate", "creation_time", "date_recorded")
"""The first has the offset of the clock where it was taken."""
_PUBLISHED = "date"  # or taken: with the hour, and in AVI, whose cameras write the day alone
_DAY = re.compile(r"(?:UTC )?(\d{4})([-:/._ ]?)(\d\d)\2(\d\d)(?!\d)")
_IN_WORDS = "%a %b %d %H:%M:%S %Y"  # as C writes it, and cameras into AVI


@dataclass(frozen=True)
class Slate:
    """What a file says of itself; "" where it says nothing.

    Attributes:
        timecode: of the first picture, SMPTE 12M: "10:00:00:00", drop frame "10:00:00;00". Of sound alone, which has
            no frames, "10:00:00.000".
        frame_rate: exact, in frames a second: "25", "30000/1001". "" where it varies: such pictures have no time code.
        shot_at: ISO 8601, with an offset from UTC as far as the file has one.
        location: ISO 6709: "+43.2389+076.8897/".
    """

    timecode: str = ""
    frame_rate: str = ""
    shot_at: str = ""
    location: str = ""


def slate(path: str, fps: float = 0.0) -> Slate:
    """What the file says of itself.

    Args:
        fps: pictures a second, as `probe` counts them: half of the coded ones where each is a single field.

    Raises:
        UserError: it cannot be opened.
    """
    with opened(path) as source:
        tags = list(_tags(source))
        said = _first(tags, ("timecode",), _timecode) or _sound_time(tags, source)
        by_camera = source.container.format.name == "avi"
        shot_at, location = _shot_at(tags, by_camera), _first(tags, _PLACES, _location)
        rate = _frame_rate(source) if source.video else None
    if rate and fps and abs(rate / 2 - Fraction(fps)) < rate / 1000:
        rate /= 2
    if not said:
        with opened(path) as source:
            said = _counted(source) if source.video else ""
    return Slate(said, str(rate) if rate else "", shot_at, location)


def _tags(source: Source) -> Iterator[Mapping[str, str]]:
    """Of the container and of its streams, those of the pictures first; names in lower case."""
    streams = sorted(source.container.streams, key=lambda stream: stream is not source.video)
    for holder in (source.container, *streams):
        yield {name.lower(): clean(value).strip() for name, value in dict(holder.metadata).items()}


def _first(tags: list[Mapping[str, str]], names: tuple[str, ...], read: Any) -> str:
    """The first value under any of the names that `read` makes something of."""
    values = (read(of_one[name]) for name in names for of_one in tags if name in of_one)
    return next(filter(None, values), "")


def _timecode(text: str) -> str:
    text = text.replace(".", ";")  # as some tools write drop frame
    return text if TEXT.fullmatch(text) else ""


def _location(text: str) -> str:
    found = _PLACE.search(text)
    if not found or not re.search("[1-9]", found[0].partition("CRS")[0]):  # null island: a phone without a fix
        return ""
    return f"{found[0]}/"


def _shot_at(tags: list[Mapping[str, str]], day_alone: bool) -> str:
    # A broadcast wave file has the day and the time of day apart.
    apart = [(t["date"], t["creation_time"]) for t in tags if "date" in t and "T" not in t.get("creation_time", "T")]
    joined = [f"{day}T{re.sub('[-_. ]', ':', hour)}" for day, hour in apart]  # EBU Tech 3285: any of these signs
    said = next(filter(None, map(_moment, joined)), "") or _first(tags, _MADE, _moment)
    return said or _first(tags, (_PUBLISHED,), lambda text: _moment(text) if day_alone or len(text) > 10 else "")


def _moment(text: str) -> str:
    """ISO 8601 to the second; "" for what is no moment, or that of a clock that nobody has set."""
    text = " ".join(text.split())
    try:
        if day := _DAY.match(text):
            moment = datetime.fromisoformat(f"{day[1]}-{day[3]}-{day[4]}{text[day.end() :]}")
        else:
            moment = datetime.strptime(text, _IN_WORDS)
    except ValueError:
        return ""
    if not 1970 < moment.year <= datetime.now().year + 1:
        return ""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _sound_time(tags: list[Mapping[str, str]], source: Source) -> str:
    """Of a broadcast wave file: the samples since midnight at its first one (EBU Tech 3285, TimeReference)."""
    count = _first(tags, ("time_reference",), lambda text: text if text.isdecimal() else "")
    if not count or source.audio is None or not source.audio.rate or source.video is not None:
        return ""
    seconds, rest = divmod(int(count), source.audio.rate)
    if seconds >= 24 * 3600:
        return ""
    milliseconds = rest * 1000 // source.audio.rate
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds:03d}"


def _counted(source: Source) -> str:
    """What the pictures themselves count: MPEG-2's groups of pictures, the time codes in H.264 and HEVC.

    All zeros are an encoder's that was told none.
    """
    for number, frame in enumerate(islice(source.frames(source.video), _FRAMES)):
        for side in frame.side_data:
            read = {"GOP_TIMECODE": _of_group, "S12M_TIMECODE": _of_smpte}.get(side.type.name)
            if read and (said := read(bytes(side))):
                return said if number == 0 and re.search("[1-9]", said) else ""
    return ""


def _of_group(data: bytes) -> str:
    """ISO/IEC 13818-2, 6.3.8: 25 bits, drop frame the highest."""
    code = int.from_bytes(data[:8], "little")
    hours, minutes, seconds, frames = code >> 19 & 31, code >> 13 & 63, code >> 6 & 63, code & 63
    return _timecode(f"{hours:02d}:{minutes:02d}:{seconds:02d}{';' if code >> 24 & 1 else ':'}{frames:02d}")


def _of_smpte(data: bytes) -> str:
    """SMPTE 12M in 32 bits, binary coded decimal, after their number: FFmpeg's AV_FRAME_DATA_S12M_TIMECODE."""
    code = int.from_bytes(data[4:8], "little")

    def decimal(at: int, mask: int) -> int:
        return 10 * (code >> at + 4 & mask) + (code >> at & 15)

    frames, drop = decimal(24, 3), ";" if code >> 30 & 1 else ":"
    return _timecode(f"{decimal(0, 3):02d}:{decimal(8, 7):02d}:{decimal(16, 7):02d}{drop}{frames:02d}")


def _frame_rate(source: Source) -> Fraction | None:
    """The exact rate, if the pictures come at it; None if it varies or is not known."""
    stream = source.video
    told = [rate for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate) if rate]
    rates = [rate for rate in dict.fromkeys(map(_exact, told)) if 0 < rate <= _FASTEST]
    indexed = sorted(entry.timestamp * stream.time_base for entry in stream.index_entries if not entry.is_discard)
    packets = islice(source.packets(stream), _PACKETS)
    shown = sorted(packet.pts * packet.time_base for packet in packets if packet.pts is not None)
    if len(shown) < 2:
        return None
    if not indexed or abs(indexed[0] - shown[0]) > 1:  # in some formats it counts in other units
        indexed = []
    whole = 0 < stream.frames <= len(indexed)  # else of the keyframes alone
    tests = [shown, indexed] if whole else [shown]
    steady = (rate for rate in rates if _on_grid([*shown, *indexed], rate, stream.time_base))
    return next((rate for rate in steady if all(_gapless(times, rate) for times in tests)), None)


def _exact(rate: Fraction) -> Fraction:
    """The rate of the world's that is within a few millionths: headers round 30000/1001 to 29.97."""
    near = min(_RATES, key=lambda known: abs(known - rate))
    return near if abs(near - rate) * 20_000 < rate else rate


def _on_grid(times: list[Fraction], rate: Fraction, clock: Fraction) -> bool:
    """Whether the times (s) are whole frames apart, as exactly as the stream's clock can tell."""
    allowed = max(_OFF_GRID, Fraction(11, 10) * clock * rate)
    frames = ((time - times[0]) * rate for time in times)
    return all(abs(frame - round(frame)) <= allowed for frame in frames)


def _gapless(times: list[Fraction], rate: Fraction) -> bool:
    """Whether hardly a frame is missing between times in order."""
    apart = [round((after - before) * rate) for before, after in pairwise(times)]
    return sum(step != 1 for step in apart) <= _GAPS * len(apart)
