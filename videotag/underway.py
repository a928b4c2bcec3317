"""How far the work in hand is, by the `.part` file beside its result. A load has none: it takes seconds."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from videotag import artifacts
from videotag.errors import UserError
from videotag.segments import Windows, frame_times, windows
from videotag.stages import PHASE1, PHASE2, PHASE4, Record, Stage

POINTS = 20  # of progress: the speed is that of the last ones
ROUGHLY = 10.0  # s to which the time that is left is told: else it were news at every look
Header = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What a worker has done of the part of its work in hand.

    Attributes:
        what: "speech" (s of the video), "frames" or "segments": the unit of the next two.
        left: seconds until it is done, if it goes on as it went; None where that cannot be told yet.
    """

    what: str
    done: float
    total: float
    left: float | None = None


@dataclass
class _Reading:
    """What was read of a `.part` file so far. `file`: another one when the work is begun again, or gone on with."""

    file: int
    count: Any  # of _COUNTS
    end: int = 0
    header: Header = field(default_factory=dict)
    points: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=POINTS))  # when, how much was done


class Underway:
    """Looks at `.part` files again and again, and reads each of their records once. For one thread."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._readings: dict[tuple[str, str], _Reading] = {}

    def step(self, stage: Stage, record: Record, clock: float) -> Step | None:
        """How far the stage is, or None where nothing tells it. `clock`: seconds since the epoch."""
        try:
            return self._step(stage, record, clock) if stage.key in _COUNTS else None
        except (OSError, UserError, LookupError, TypeError, ValueError, ArithmeticError):
            return None  # there is none, or the database or the file is not of the scripts

    def _step(self, stage: Stage, record: Record, clock: float) -> Step | None:
        result = artifacts.path_of(stage, self._data_dir, record["video_name"])
        state = artifacts.part_path(result).stat()
        key = (record["video_name"], stage.key)
        reading = self._readings.get(key)
        if reading is None or reading.file != state.st_ino or state.st_size < reading.end:
            reading = self._readings[key] = _Reading(state.st_ino, _COUNTS[stage.key]())
        for one, end in artifacts.part_records(result, reading.end):
            if reading.end == 0:
                reading.header = one
            else:
                reading.count.add(one)
            reading.end = end
        step = reading.count.step(record, reading.header)
        return step and _timed(step, reading, state.st_mtime, clock)

    def forget(self, others_than: set[tuple[str, str]]) -> None:
        """Work that is over: all but that of these names and stages' keys."""
        self._readings = {key: reading for key, reading in self._readings.items() if key in others_than}


def _timed(step: Step, reading: _Reading, written: float, clock: float) -> Step:
    """With the time that is left by the speed between two records at least. `written`: when the last one was."""
    points = reading.points
    if points and points[-1][1] > step.done:  # frames come after speech
        points.clear()
    if not points or points[-1][1] < step.done:
        points.append((written, step.done))
    (first, before), (last, done) = points[0], points[-1]
    if done <= before or last <= first:
        return step
    left = (step.total - done) * (last - first) / (done - before) - max(0.0, clock - last)
    return replace(step, left=max(0.0, ROUGHLY * math.ceil(left / ROUGHLY)))


class _Phase1:
    """Speech first, second by second of the video, then the frames."""

    def __init__(self) -> None:
        self._heard, self._all_heard, self._frames, self._wanted = 0.0, False, 0, -1

    def add(self, record: Any) -> None:
        if record["kind"] == "speech":
            self._heard, self._all_heard = record["end"], record["last"]
        else:
            self._frames += len(record["frames"])

    def step(self, record: Record, header: Header) -> Step | None:
        duration = record["video_duration"]
        if not self._all_heard:
            return Step("speech", min(self._heard, duration), duration)
        if not record["height"]:
            return None
        if self._wanted < 0:
            cut = Windows(header["segment_seconds"], header["overlap_seconds"], header["frames_per_segment"])
            times = (frame_times(window, cut.frames_per_segment) for window in windows(duration, cut))
            self._wanted = len({time for of_one in times for time in of_one})
        return Step("frames", self._frames, self._wanted)


class _Phase2:
    def __init__(self) -> None:
        self._analyzed: set[int] = set()

    def add(self, record: Any) -> None:
        self._analyzed.add(record["segment_index"])

    def step(self, record: Record, header: Header) -> Step | None:
        return Step("segments", len(self._analyzed), record["total_segments"])


class _Phase4:
    def __init__(self) -> None:
        self._read = 0

    def add(self, record: Any) -> None:
        first, last = record["window"]
        self._read += last - first + 1

    def step(self, record: Record, header: Header) -> Step | None:
        return Step("segments", self._read, record[PHASE2.counter])


_COUNTS: dict[str, Callable[[], Any]] = {PHASE1.key: _Phase1, PHASE2.key: _Phase2, PHASE4.key: _Phase4}
"""What the scripts append to the `.part` files of their stages, and how much that is of the whole."""
