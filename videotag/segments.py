"""Windows over a video, the times of their frames, and the words that belong to them. Arithmetic, no I/O.

All times are seconds from the start of the video.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from videotag.times import tenths

SEGMENT_SECONDS = 50.0
OVERLAP_SECONDS = 15.0
FRAMES_PER_SEGMENT = 6


@dataclass(frozen=True)
class Windows:
    """How a video is cut: length and overlap of the windows in seconds, and frames in each.

    Raises:
        ValueError: a length that is not positive, an overlap outside [0, length), or fewer than one frame.
    """

    seconds: float = SEGMENT_SECONDS
    overlap: float = OVERLAP_SECONDS
    frames: int = FRAMES_PER_SEGMENT

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"a segment must be longer than 0 s, not {self.seconds}")
        if not 0 <= self.overlap < self.seconds:
            raise ValueError(f"the overlap must be at least 0 s and less than a segment ({self.seconds} s)")
        if self.frames < 1:
            raise ValueError(f"a segment needs at least 1 frame, not {self.frames}")


@dataclass(frozen=True)
class Window:
    """One segment of a video: [start, end)."""

    index: int
    start: float
    end: float


class Timed(Protocol):
    """Something said between two times: a word."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


Word_ = TypeVar("Word_", bound=Timed)


def windows(duration: float, cut: Windows = Windows()) -> list[Window]:
    """Cut `duration` seconds into windows that start every `seconds - overlap`.

    The last one ends at the end of the video; none lies wholly inside the one before it. A video of no length
    has no windows.
    """
    step = cut.seconds - cut.overlap
    # A window i > 0 adds something only if the one before ends earlier: step * (i - 1) + seconds < duration.
    count = 0 if duration <= 0 else 1 + max(0, math.ceil((duration - cut.seconds) / step - 1e-9))
    return [Window(i, step * i, min(step * i + cut.seconds, duration)) for i in range(count)]


def frame_times(window: Window, frames: int = FRAMES_PER_SEGMENT) -> list[float]:
    """The middles of `frames` equal slices of the window."""
    slice_ = (window.end - window.start) / frames
    return [window.start + slice_ * (k + 0.5) for k in range(frames)]


def words_in(window: Window, words: Sequence[Word_], last: bool = False) -> list[Word_]:
    """The words whose middle lies in the window, in their order.

    Args:
        last: the window is the video's last one, to which words timed past its end belong as well: speech
            engines are wrong by a fraction of a second.
    """
    end = math.inf if last else window.end
    return [word for word in words if window.start <= (word.start + word.end) / 2 < end]


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
