"""Cuts and movement of whole videos, in one pass. Imported only once there is a video: it needs OpenCV.

Windows overlap by 15 s, and decoding is what costs, so a pass goes through a video once and keeps what it found for
as long as a window may still ask for it. All times are seconds from the start of the video.
"""

from collections.abc import Callable, Iterator
from functools import partial

import cv2  # noqa: TID253  (this module is imported late itself)
import numpy as np
from scenedetect.common import FrameTimecode  # noqa: TID253
from scenedetect.detector import FlashFilter  # noqa: TID253
from scenedetect.detectors import ContentDetector  # noqa: TID253

from videotag.analyzers.local.sentences import Shots
from videotag.media.pictures import small_frames

FrameReader = Callable[[str, float], Iterator[tuple[float, np.ndarray]]]
"""(path, start) -> each frame from `start` on: its time, and BGR uint8 [height, width, 3]. See media/pictures.py."""

CUT_THRESHOLD = 27.0  # PySceneDetect's default; found 7 of 7 joins and nothing else on our clips
SHORTEST_SHOT = 0.6
"""Seconds; PySceneDetect's default of 15 frames at 25 fps, in time because frame rates vary. Keeps out flashes."""
LEAD_IN = 1.0
"""Seconds before the first window: a pass that begins in the middle finds the same cuts as one from the start."""
SAMPLE_EVERY = 0.2  # seconds between the pictures that are compared for movement
LONGEST_STEP = 0.5  # seconds; pictures further apart (slides, 1 frame a second) say nothing about movement
WIDTH = 160
"""Pixels. All cuts of our clips are the same at 320 and at 160, at half the cost; movement is measured so, too."""
CHANGED = 12  # levels of luma (of 255) by which a blurred pixel must differ: coding noise stays below
LIT = 16  # luma above which a pixel counts as picture: black bars do not move and must not dilute what does
STILL, STRONG = 0.01, 0.2
"""Share of the picture that changes in `SAMPLE_EVERY`, median of a window. Measured: still pictures with coding noise
0.000-0.003, a fixed camera over pedestrians 0.02-0.04, a talking head on shaky film 0.13-0.15, action 0.25-0.35."""
SMALL_FRAMES: FrameReader = partial(small_frames, width=WIDTH)
OPEN_VIDEOS = 4


class Videos:
    """The passes under way, for a stream in which the segments of several videos may be mixed."""

    def __init__(self, read: FrameReader) -> None:
        self._read = read
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
            current = Pass(self._read(path, max(0.0, start - LEAD_IN)))
        found = current.window(start, end)
        self._passes[path] = current  # last in the dict: most recently used
        return found

    def close(self) -> None:
        while self._passes:
            self._passes.popitem()[1].close()


class Pass:
    """One video from front to back. Frames must come in the order of their time."""

    def __init__(self, frames: Iterator[tuple[float, np.ndarray]]) -> None:
        self._frames = frames
        self._detector = _make_detector()
        self._shape: tuple[int, ...] | None = None
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
        while self._reached < end and (frame := next(self._frames, None)) is not None:
            self._take(*frame)
        if self._reached < end:
            self._reached = float("inf")  # the video is over
        moved = [share for time, share in self._samples if time < end]
        if not moved:
            return None
        # A shot that begins with the window is no cut inside it.
        cuts = sum(start < time < end for time in self._cuts)
        return Shots(cuts, (end - start) / (cuts + 1), _movement([share for share in moved if share is not None]))

    def close(self) -> None:
        getattr(self._frames, "close", lambda: None)()

    def _take(self, time: float, image: np.ndarray) -> None:
        self._reached = time
        if self._is_cut(time, image):
            self._cuts.append(time)
            self._last = None
        if self._last is None or time - self._last[0] >= SAMPLE_EVERY - 1e-3:
            small, share = _blurred(image), None
            if self._last is not None and time - self._last[0] <= LONGEST_STEP:
                share = _changed(self._last[1], small)
            self._last = (time, small)
            if time >= self.forgotten:
                self._samples.append((time, share))

    def _is_cut(self, time: float, image: np.ndarray) -> bool:
        resized = self._shape is not None and image.shape != self._shape
        if resized:  # a broadcast that switches from 4:3 to 16:9; the detector cannot compare the two
            self._detector = _make_detector()
        self._shape = image.shape
        # A rate of 1000 makes PySceneDetect count in milliseconds, whatever the video's rate.
        return bool(self._detector.process_frame(FrameTimecode(max(0.0, time), fps=1000.0), image)) or resized


def _make_detector() -> ContentDetector:
    # SUPPRESS names a cut at once, at its own frame; MERGE may name it half a second later.
    return ContentDetector(CUT_THRESHOLD, SHORTEST_SHOT, filter_mode=FlashFilter.Mode.SUPPRESS)


def _blurred(image: np.ndarray) -> np.ndarray:
    """Luma, uint8 [h, WIDTH], without the finest grain."""
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    if image.shape[1] != WIDTH:
        image = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
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
