"""The file of a video: found by its record, known again by its content, and how a browser comes to play it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from videotag import content
from videotag.errors import UserError
from videotag.media import tracks
from videotag.media.coding import Coding, coding_of
from videotag.media.copies import BITS, SOUND_BITS, Copy
from videotag.web.playable import Browser, Playable, tracks_heard, verdict

LEAD = 3.0  # s before the second that is asked for at which playing starts
PART, STEP = 30.0, 15.0  # s; parts overlap, so that one goes on for a while after any second


class Gone(UserError):
    """The file of a video is not there, or is another one by now."""


@dataclass(frozen=True)
class Film:
    """The file of a video, as it is now."""

    name: str
    path: str
    duration: float  # seconds
    coding: Coding
    heard: tuple[int, ...]  # numbers of sound tracks
    browser: Browser = "other"  # in which it is to be played

    @cached_property
    def plays(self) -> Playable:
        """How the browser comes to play it."""
        return verdict(self.coding, self.heard, self.browser)

    @property
    def whole(self) -> Copy:
        return Copy(self.path, self.coding, self.heard)

    def part(self, second: float) -> Copy:
        """The part in which that second is played, and what comes before it."""
        begin = max(0.0, (max(0.0, second - LEAD) // STEP) * STEP)
        begin = min(begin, max(0.0, (self.duration - LEAD) // STEP * STEP))
        end = min(begin + PART, self.duration) if self.duration > begin else begin + PART
        return Copy(self.path, self.coding, self.heard, (begin, end))

    @property
    def most_bytes(self) -> int:
        """What a copy of the whole takes at most."""
        if self.whole.keeps_pictures:
            return content.source_of(self.path)["size"]
        return round(self.duration * (BITS + SOUND_BITS) / 8)


def film_of(record: dict[str, Any], browser: Browser = "other") -> Film:
    """The file of a record, to be played in a browser.

    Raises:
        Gone: it is not there, cannot be read, or is not the one whose record this is.
    """
    path = record.get("video_path") or ""
    try:
        _check(record, path)
        coding = coding_of(path)
    except Gone:
        raise
    except UserError as error:
        raise Gone(str(error)) from None
    heard = tracks_heard(coding, tracks.heard(record.get("audio_track")))
    return Film(record["video_name"], path, record.get("video_duration") or 0.0, coding, heard, browser)


def _check(record: dict[str, Any], path: str) -> None:
    """A record may be anybody's and a link may lead anywhere: nothing is shown but what was looked into."""
    names = {"size": "source_size", "mtime_ns": "source_mtime_ns", "fingerprint": "source_fingerprint"}
    then = {key: record[name] for key, name in names.items() if record.get(name) is not None}
    if not content.same(then, content.source_of(path)) and not content.same(then, content.looked_into(path)):
        raise Gone(f"{path}: is not the file that phase 1 has seen; run phase1_whisper_frames.py")
