"""What is handed to an editor: stretches of videos, in seconds and in pictures of the source."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from videotag.text import clean, printable
from videotag.timecode import Timecode, frames_until, rate_of, timecode

_NO_CHARACTERS = {0xFFFE: None, 0xFFFF: None}  # which XML cannot hold
_SOURCE_SINCE = 3  # version of phase 1 whose records tell where the words come from
_LONGEST = 300  # characters of a note or marker


@dataclass(frozen=True)
class Video:
    """A source. `width` and `height` are 0 where there are no pictures, or where that is not known."""

    path: str
    duration: float  # seconds
    width: int
    height: int
    rate: Fraction | None  # pictures a second; None where it varies or is not known
    start: Timecode | None  # of the first picture; None where the file tells none
    sounds: bool = True  # whether it has sound

    @property
    def zero(self) -> Timecode | None:
        """The first picture's number: editors count from 0 where the file tells no timecode. None without a rate."""
        return self.start or (Timecode(0, self.rate) if self.rate else None)

    @property
    def pictures(self) -> int:
        """How many there are, as far as duration and rate tell; 0 without a rate."""
        return max(1, round(Fraction(str(self.duration)) * self.rate)) if self.rate else 0

    @property
    def file_name(self) -> str:
        """With its ending, by which editors find the file again."""
        return printable(Path(self.path).name).translate(_NO_CHARACTERS)

    @property
    def address(self) -> str:
        """file:///..., percent-encoded."""
        return Path(self.path).absolute().as_uri()

    @property
    def guard(self) -> str:
        """What to beware of, or nothing."""
        if self.rate is None:
            return "frame rate varies or is not known: seconds only, no timecode"
        return "" if self.start else "no timecode in the file: editors count from 00:00:00:00"


@dataclass(frozen=True)
class Clip:
    """A stretch [start, end) of a video, in seconds, and what there is to say of it."""

    video: Video
    start: float
    end: float
    text: str

    @property
    def span(self) -> tuple[int, int]:
        """Its pictures, numbered from the video's first: from, to (not included); never empty. Needs a rate."""
        assert self.video.rate
        last = max(frames_until(self.end, self.video.rate), 1)
        if self.video.duration:
            last = min(last, self.video.pictures)
        return min(frames_until(self.start, self.video.rate), last - 1), last

    @property
    def timecodes(self) -> tuple[Timecode, Timecode] | None:
        """Source timecode of the first picture and of that after the last; None where the file tells none."""
        if self.video.start is None:
            return None
        first, last = self.span
        return self.video.start.after(first), self.video.start.after(last)

    @property
    def note(self) -> str:
        """The text as one short line."""
        return textwrap.shorten(plain(self.text), _LONGEST, placeholder=" …")


def plain(text: str) -> str:
    """One line that XML can hold, without control characters."""
    return " ".join(clean(text).translate(_NO_CHARACTERS).split())


def video_of(record: Mapping[str, Any]) -> Video:
    """The source that a record of video_files, or a result of phase 1, tells of. Older ones tell no rate."""
    rate = rate_of(record.get("frame_rate"))
    return Video(
        record.get("video_path") or "",
        record.get("video_duration") or 0.0,
        record.get("width") or 0,
        record.get("height") or 0,
        rate,
        timecode(record.get("timecode"), rate),
        _sounds(record),
    )


def _sounds(record: Mapping[str, Any]) -> bool:
    """Whether it tells whose or what the words are, or is too old to; what is empty is left out of a video's record."""
    source = record.get("transcript_source")
    if source is None and record.get("phase1_version", 1) >= _SOURCE_SINCE:
        source = ""
    return source != ""


def chapters_of(record: Mapping[str, Any]) -> list[Clip]:
    """The chapters that a record of video_files (as JSON), or a result of phase 1, tells of."""
    found, video = record.get("chapters") or [], video_of(record)
    chapters = json.loads(found) if isinstance(found, str) else found
    return [Clip(video, chapter["start"], chapter["end"], chapter.get("title") or "") for chapter in chapters]
