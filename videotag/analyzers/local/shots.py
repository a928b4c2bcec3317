"""Cuts, movement and captions of whole videos, in one pass. Imported only once there is a video: it needs OpenCV.

Windows overlap by 15 s, and decoding is what costs, so a pass goes through a video once, without the frames that no
other refers to, and keeps what it found for as long as a window may still ask for it. All times are seconds from the
start of the video.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import cv2  # noqa: TID253  (this module is imported late itself)
import numpy as np

from videotag.analyzers.local.captions import Band, Captions
from videotag.analyzers.local.sentences import Shots
from videotag.media.pictures import small_frames
from videotag.media.skim import Skimmed, skim

FrameReader = Callable[[str, float], Iterator[Skimmed]]
"""(path, start) -> the frames from `start` on. See media/skim.py."""

CUT_THRESHOLD = 27.0
"""Levels (of 255) by which hue, saturation and value of a pixel differ at a cut, on average: measure and default of
PySceneDetect's ContentDetector (scenedetect.com/docs). Found 7 of 7 joins and nothing else on our clips."""
SHORTEST_SHOT = 0.6
"""Seconds; PySceneDetect's default of 15 frames at 25 fps, in time because frame rates vary. Keeps out flashes."""
LEAD_IN = 1.0
"""Seconds before the first window: a pass that begins in the middle finds the same cuts as one from the start."""
SAMPLE_EVERY = 0.2  # seconds between the pictures that are compared for movement
LONGEST_STEP = 0.5  # seconds; pictures further apart (slides, 1 frame a second) say nothing about movement
WIDTH = 160
"""Pixels. All cuts of our clips are the same at 320 and at 160, but in black and white: scaling tints its greys by a
level or not, as the size is, and the hue of a grey is then anything. At 320 three false cuts in 30 s of an old film."""
CHANGED = 12  # levels of luma (of 255) by which a blurred pixel must differ: coding noise stays below
LIT = 16  # luma above which a pixel counts as picture: black bars do not move and must not dilute what does
STILL, STRONG = 0.01, 0.2
"""Share of the picture that changes in `SAMPLE_EVERY`, median of a window. Measured: still pictures with coding noise
0.000-0.003, a fixed camera over pedestrians 0.02-0.04, a talking head on shaky film 0.13-0.15, action 0.25-0.35."""
OPEN_VIDEOS = 4


class Videos:
    """The passes under way, for a stream in which the segments of several videos may be mixed."""

    def __init__(self, read: FrameReader | None = None) -> None:
        self._read = read or partial(skim, width=WIDTH)
        self._passes: dict[str, Pass] = {}

    def shots(self, path: str, start: float, end: float) -> Shots | None:
        """What was measured in [start, end); None if no frame of the video lies there.

        Raises:
            UserError: the video cannot be opened.
        """
        current = self._passes.pop(path, None)
        if current is None or start < current.forgotten:
            while len(self._passes) >= OPEN_VIDEOS:
                self._passes.pop(next(iter(self._passes))).close()
            current = Pass(path, self._read(path, max(0.0, start - LEAD_IN)))
        found = current.window(start, end)
        self._passes[path] = current  # last in the dict: most recently used
        return found

    def captions(self, path: str, start: float, end: float, shown: Sequence[float]) -> list[Band]:
        """Parts of frames of the window `shots` was last asked about: text that stands at none of the times `shown`.

        In the order of their times; at most `captions.MOST`.
        """
        return self._passes[path].captions.bands(start, end, shown)

    def close(self) -> None:
        while self._passes:
            self._passes.popitem()[1].close()


@dataclass(frozen=True)
class _Doubt:
    """A frame at `time` that differs from the one at `before` like a cut or the first step of a dissolve."""

    before: float
    time: float
    differs: float


class Pass:
    """One video from front to back. Frames must come in the order of their time."""

    def __init__(self, path: str, frames: Iterator[Skimmed]) -> None:
        self._path = path
        self._frames = frames
        self.captions = Captions()
        self._before: np.ndarray | None = None  # the last frame, small, HSV
        self._differed = 0.0  # levels, the last frame from the one before
        self._doubt: _Doubt | None = None
        self._shot = 0.0  # when the shot under way began
        self._cuts: list[float] = []
        self._samples: list[tuple[float, float | None]] = []
        self._last: tuple[float, np.ndarray] | None = None
        self._reached = -1.0
        self.forgotten = 0.0

    def window(self, start: float, end: float) -> Shots | None:
        """Decode up to `end` and say what lies in [start, end). `start` must not fall."""
        self.forgotten = start
        self._cuts = [time for time in self._cuts if time >= start]
        self._samples = [sample for sample in self._samples if sample[0] >= start]
        self.captions.forget(start)
        while self._reached < end and (frame := next(self._frames, None)) is not None:
            self._take(frame)
        if self._reached < end:
            self._reached = float("inf")  # the video is over
            self._settle(float("inf"))
        moved = [share for time, share in self._samples if time < end]
        if not moved:
            return None
        # A shot that begins with the window is no cut inside it.
        cuts = tuple(time for time in self._cuts if start < time < end)
        movement = _movement([share for share in moved if share is not None])
        return Shots(cuts, (end - start) / (len(cuts) + 1), movement)

    def close(self) -> None:
        getattr(self._frames, "close", lambda: None)()

    def _take(self, frame: Skimmed) -> None:
        before, self._reached = self._reached, frame.time
        self.captions.take(frame)
        small = frame.image
        last, self._before = self._before, cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
        if last is None:
            self._shot = frame.time
        elif last.shape != small.shape:  # a broadcast that switches from 4:3 to 16:9
            self._settle(float("inf"))
            self._begin(frame.time)
        else:
            self._compare(frame, _difference(last, self._before), before)
        self._sample(frame.time, small)

    def _compare(self, frame: Skimmed, differs: float, before: float) -> None:
        """Whether a shot begins with a frame or one passed over, if it differs so from the one at `before`."""
        self._settle(differs)
        differed, self._differed = self._differed, differs
        if differs < CUT_THRESHOLD or frame.time - self._shot < SHORTEST_SHOT - 1e-3:
            return
        # Two frames with one between may differ though neither does from its neighbour; but not by twice as much.
        if frame.intra or not frame.passed or (frame.passed == 1 and differs >= 2 * CUT_THRESHOLD):
            self._begin(frame.time)
        elif frame.passed == 1 and differed < differs / 2:
            self._doubt = _Doubt(before, frame.time, differs)
            self._last = None
        else:
            self._begin(self._among_passed(before, frame.time))

    def _settle(self, differs: float) -> None:
        """Decide on a doubt, now that it is known by how much the next frame `differs`.

        Before and after a cut little changes, in a dissolve as much again. To look at the frames passed over costs
        the decoding from the keyframe on.
        """
        doubt, self._doubt = self._doubt, None
        if doubt:
            alone = differs < doubt.differs / 2
            self._begin(doubt.time if alone else self._among_passed(doubt.before, doubt.time))

    def _begin(self, cut: float | None) -> None:
        if cut is not None:
            self._shot = cut
            self._cuts.append(cut)
            self._last = None

    def _sample(self, time: float, small: np.ndarray) -> None:
        if self._last is not None and time - self._last[0] < SAMPLE_EVERY - 1e-3:
            return
        grey, share = _blurred(small), None
        if self._last is not None and (step := time - self._last[0]) <= LONGEST_STEP:
            share = _changed(self._last[1], grey) * SAMPLE_EVERY / step
        self._last = (time, grey)
        if time >= self.forgotten:
            self._samples.append((time, share))

    def _among_passed(self, before: float, time: float) -> float | None:
        """The frame that begins a shot, of all that follow the one at `before` up to the one at `time`."""
        frames = small_frames(self._path, before, time + 1e-3, WIDTH)
        colours = ((at, cv2.cvtColor(image, cv2.COLOR_BGR2HSV)) for at, image in frames)
        return next(
            (at for (_, one), (at, other) in pairwise(colours) if _difference(one, other) >= CUT_THRESHOLD), None
        )


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of the channels of two pictures of one shape, in levels."""
    return cv2.norm(one, other, cv2.NORM_L1) / one.size


def _blurred(image: np.ndarray) -> np.ndarray:
    """Luma, uint8 [h, WIDTH], without the finest grain."""
    return cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (3, 3), 0)


def _changed(before: np.ndarray, after: np.ndarray) -> float:
    """Share of the lit picture that differs. A nearly black picture counts as if a twentieth of it were lit."""
    lit = np.count_nonzero(np.maximum(before, after) > LIT)
    return np.count_nonzero(cv2.absdiff(before, after) > CHANGED) / max(lit, before.size / 20)


def _movement(shares: list[float]) -> str | None:
    if not shares:
        return None
    median = float(np.median(shares))
    return "still" if median < STILL else "strong" if median >= STRONG else "slight"
