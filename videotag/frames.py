"""Which frames of a video are looked at for a search by what is seen.

Those that phase 1 stored, and one more of each shot of which it has none.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from videotag.errors import UserError
from videotag.frame_vectors import BETWEEN
from videotag.media.jpeg import in_rgb
from videotag.media.pictures import pictures
from videotag.results import Heard
from videotag.times import seconds_of

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

INTO_A_SHOT = 1.0
"""Seconds after a cut at which a shot is looked at, or its middle where that comes first: by then what is faded in is
there."""


class Frame(NamedTuple):
    """A frame and where it belongs: see `frame_vectors.FrameVectors`. `picture`: RGB uint8 [h, w, 3]."""

    segment: int
    number: int
    second: float
    picture: np.ndarray


@dataclass(frozen=True)
class Footage:
    """The frames of a video.

    Args:
        heard: the result of phase 1.
        path: of the video's file.
        between: seconds at which a frame is taken out of the file besides, rising.
    """

    heard: Heard
    path: str
    between: list[float]

    def __len__(self) -> int:
        """How many there are, at most: some may not be decodable."""
        return len(self.heard["frames"]) + len(self.between)

    def frames(self) -> Iterator[Frame]:
        """In the order of their times. Where the file cannot be read, those between are left out with a warning."""
        return heapq.merge(self._stored(), self._taken(), key=lambda frame: frame.second)

    def _stored(self) -> Iterator[Frame]:
        places: dict[int, tuple[int, int]] = {}
        for segment in reversed(self.heard["segments"]):  # the first one has the last word
            index = segment["segment_index"]
            places |= {frame: (index, number) for number, frame in enumerate(segment["frames"])}
        for number, place in sorted(places.items()):
            frame = self.heard["frames"][number]
            if (picture := in_rgb(frame["jpeg"])) is not None:
                yield Frame(*place, frame["time"], picture)

    def _taken(self) -> Iterator[Frame]:
        ends = [segment["end_time"] for segment in self.heard["segments"]]
        try:
            for found in pictures(self.path, self.between) if self.between else ():
                if (picture := in_rgb(found.jpeg)) is not None:
                    place = min(sum(end <= found.time for end in ends), len(ends) - 1)
                    yield Frame(self.heard["segments"][place]["segment_index"], BETWEEN, found.time, picture)
        except UserError as error:
            log.warning("%s (of its shots without a stored frame none is looked at)", error)


def made_of(phase1_result: str, analyzed: Iterable[Mapping[str, Any]]) -> str:
    """What the frames of a video are taken by: with another result of phase 1, or other cuts, they are others.

    Args:
        phase1_result: its `result_id`.
        analyzed: as of `footage`.
    """
    known = json.dumps(sorted(_cuts(analyzed)))
    return f"{phase1_result} {hashlib.sha256(known.encode()).hexdigest()[:16]}"


def footage(heard: Heard, analyzed: Iterable[Mapping[str, Any]], path: str) -> Footage:
    """What is to be looked at of a video.

    Args:
        heard: the result of phase 1.
        analyzed: the segments of that of phase 2, which know the cuts where all frames were seen (`cut_times`).
        path: of the video's file.
    """
    stored = [frame["time"] for frame in heard["frames"]]
    between: list[float] = []
    for start, end in pairwise([*sorted(_cuts(analyzed)), heard["video_duration"]]):
        first = bisect_left(stored, start)
        if first == len(stored) or stored[first] >= end:
            between.append(min(start + INTO_A_SHOT, (start + end) / 2))
    return Footage(heard, path, between)


def _cuts(analyzed: Iterable[Mapping[str, Any]]) -> set[float]:
    """Seconds in the video at which shots begin; windows overlap, and what both know counts once."""
    found = ((segment["start_time"], seconds_of(segment.get("cut_times"))) for segment in analyzed)
    return {round(start + after, 1) for start, later in found for after in later}
