"""Windows over a video, and the times of their frames and words. Arithmetic, no I/O.

All times are seconds from the start of the video.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videotag.results import Heard, HeardSegment, Subtitle, languages_of
from videotag.times import tenths


@dataclass(frozen=True)
class Windows:
    """How a video is cut: length and overlap of the windows in seconds, and frames in each.

    Raises:
        ValueError: a length that is not positive, an overlap outside [0, length), or fewer than one frame.
    """

    segment_seconds: float = 50.0
    overlap_seconds: float = 15.0
    frames_per_segment: int = 6

    def __post_init__(self) -> None:
        if not (math.isfinite(self.segment_seconds) and self.segment_seconds > 0):
            raise ValueError(f"a segment must be longer than 0 s, not {self.segment_seconds}")
        if not 0 <= self.overlap_seconds < self.segment_seconds:
            raise ValueError(f"the overlap must be at least 0 s and less than a segment ({self.segment_seconds} s)")
        if self.frames_per_segment < 1:
            raise ValueError(f"a segment needs at least 1 frame, not {self.frames_per_segment}")


@dataclass(frozen=True)
class Window:
    """One segment of a video: [start, end)."""

    index: int
    start: float
    end: float


def windows(duration: float, cut: Windows = Windows()) -> list[Window]:
    """Cut `duration` seconds into windows that start every `segment_seconds - overlap_seconds`.

    The last one ends at the end of the video; none lies wholly inside the one before it. A video of no length
    has no windows.
    """
    length, step = cut.segment_seconds, cut.segment_seconds - cut.overlap_seconds
    # A window i > 0 adds something only if the one before ends earlier: step * (i - 1) + length < duration.
    count = 0 if duration <= 0 else 1 + max(0, math.ceil((duration - length) / step - 1e-9))
    return [Window(i, step * i, min(step * i + length, duration)) for i in range(count)]


def frame_times(window: Window, frames: int = Windows.frames_per_segment) -> list[float]:
    """The middles of `frames` equal slices of the window."""
    slice_ = (window.end - window.start) / frames
    return [window.start + slice_ * (k + 0.5) for k in range(frames)]


def word_times(words: Sequence[tuple[str, float]], start: float) -> str:
    """When each word of a transcript begins, for the hit of a search to begin there.

    Args:
        words: pieces of the transcript, as a speech engine gives them, with the second at which each begins. A piece
            without a space before it goes on with the word before.
        start: the segment's.

    Returns:
        A number for each of `"".join(pieces).split()`: tenths of a second after `start`, separated by spaces.
    """
    times: list[float] = []
    open_ = False  # the word before has not ended yet
    for text, begins in words:
        pieces = len(text.split())
        if not pieces:
            open_ = open_ and not text
            continue
        if open_ and not text[0].isspace():
            pieces -= 1
        times += [begins - start] * pieces
        open_ = not text[-1].isspace()
    return tenths(times)


def subtitles_of(window: Window, subtitles: Sequence[Subtitle]) -> dict[str, Any]:
    """Those that are shown at some time of the window, whole: some reach out of it, or over all of it."""
    # Copies: a pickle in which anything but text stands twice is not read again (`artifacts.plain_loads`).
    found = [one.copy() for one in subtitles if one["start"] < window.end and one["end"] > window.start]
    return {"subtitles": found} if found else {}


def shown_once(tracks: Iterable[Sequence[Subtitle]]) -> list[Subtitle]:
    """The subtitles of all tracks; what several of one language show at about the same second counts once."""
    shown: list[Subtitle] = []
    seen: set[tuple[str, str, int]] = set()
    for track in tracks:
        keys = [(one["language"], _bare(one["text"]), int(one["start"])) for one in track]
        shown += [
            one
            for one, (language, text, second) in zip(track, keys, strict=True)
            if not any((language, text, second + off) in seen for off in (-1, 0, 1))
        ]
        seen.update(keys)
    return shown


def texts_of(segment: HeardSegment, phase1: Heard, output_language: str = "") -> dict[str, Any]:
    """What a segment's record holds of the texts that are in the file; nothing of what is not there.

    Subtitles are lines, those in the speech's languages first; `subtitle_times` has tenths of a second after the
    segment's start for each. What of them is in the output language, where something else is spoken, is a translation.
    """
    shown, start, end = segment.get("subtitles", []), segment["start_time"], segment["end_time"]
    spoken = languages_of(segment, phase1)
    rank = {language: number for number, language in enumerate(spoken)}
    shown = sorted(shown, key=lambda one: (rank.get(one["language"], len(rank)), one["language"], one["start"]))
    shot_at = phase1.get("shot_at", "")
    chapters = [c for c in phase1.get("chapters", []) if c["start"] < end and c["end"] > start]
    translated = output_language not in spoken[:1]
    inside = [one for one in shown if start <= (one["start"] + one["end"]) / 2 < end] if translated else []
    return {
        name: value
        for name, value in {
            "subtitles": "\n".join(one["text"] for one in shown),
            "subtitle_times": tenths(one["start"] - start for one in shown),
            "chapters": [chapter["title"] for chapter in chapters],
            "chapter_times": tenths(chapter["start"] - start for chapter in chapters),
            "title": phase1.get("title", ""),
            "shot_on": int(shot_at[:10].replace("-", "")) if shot_at else 0,
            "dialogue_translation": " ".join(one["text"] for one in inside if one["language"] == output_language),
        }.items()
        if value
    }


def described(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The segments of a result of phase 2, as they are loaded; with a mark where nobody has looked at the pictures."""
    seen = {} if result["made_by"].get("analyzer") != "local" else {"measured": True}
    return [{**segment, **seen} for segment in result["segments"]]


def unsaid(record: Mapping[str, Any]) -> list[str]:
    """The lines of a record's subtitles that neither its transcript nor its translation has."""
    said = [_bare(record.get(name)) for name in ("transcript", "dialogue_translation")]
    lines = (record.get("subtitles") or "").split("\n")
    return [line for line in lines if _bare(line) and not any(_bare(line) in text for text in said)]


def _bare(text: str | None) -> str:
    return "".join(char for char in (text or "").casefold() if char.isalnum())
