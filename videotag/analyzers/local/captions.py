"""When text comes, stands and goes, told by small frames: so that a caption between two stored frames is read, too.

Text that is laid over a picture stands still, with strokes of high contrast close together in a line, whatever moves
behind it. Imported only once there is a video: it needs OpenCV. All times are seconds from the start of the video.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2  # noqa: TID253  (this module is imported late itself)
import numpy as np

from videotag.analyzers.contract import Frame
from videotag.media.skim import Skimmed

MOST = 6  # frames a window that are read besides the stored ones: as many as are stored
WIDTH = 320  # pixels, of the small frames
EVERY, STANDS = 0.4, 3  # seconds between two looks, and in how many looks on end a stroke must be to be text
STROKE = 40  # levels of luma (of 255) between the left and the right side of a stroke; letters are 100 and more
KEPT = 0.75  # share of a line's strokes that is left while it stands; another text of the same kind keeps a half
SMALLEST = 24  # pixels of strokes in a line: two letters 6 pixels high
DENSE = 0.2  # share of a line's box that is strokes: text has 0.3 to 0.6
GAP = (15, 3)  # pixels that may lie between the strokes of a line


@dataclass(frozen=True)
class Band:
    """A frame and the part of it, of its full width, where lines stand: shares of its height from the top."""

    frame: Frame
    top: float
    bottom: float

    def cut(self, image: np.ndarray) -> np.ndarray:
        """That part of the frame's picture [h, w, 3]. The detector takes as much less time as it is smaller."""
        height = image.shape[0]
        return image[int(self.top * height) : max(1, round(self.bottom * height))]


@dataclass
class _Line:
    """What looks like a line of text: where, of how many rows, its strokes (bool [h, w]), first and last look at it."""

    place: tuple[slice, slice]
    height: int
    strokes: np.ndarray
    since: float
    until: float
    frame: Frame

    def stands(self, time: float) -> bool:
        return self.since <= time <= self.until


class Captions:
    """Lines of one video, from front to back."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, np.ndarray]] = deque(maxlen=STANDS)  # time, strength of strokes [h, w]
        self._standing: list[_Line] = []
        self._gone: list[_Line] = []

    def take(self, frame: Skimmed) -> None:
        """Look at a frame. They must come in the order of their times."""
        if self._looks and frame.time - self._looks[-1][0] < EVERY - 1e-3:
            return
        strength = _strokes(frame.scaled(WIDTH))
        if self._looks and strength.shape != self._looks[-1][1].shape:
            self._looks.clear()
            self._gone += self._standing
            self._standing = []
        self._looks.append((frame.time, strength))
        self._follow(frame.time, strength > STROKE // 2)
        if len(self._looks) == STANDS:
            self._find(frame)

    def bands(self, start: float, end: float, shown: Sequence[float]) -> list[Band]:
        """Bands of the fewest frames in [start, end) that show each line that stands at none of the times `shown`.

        Of more than `MOST` those with the most text. In the order of their times.
        """
        unseen = [
            line
            for line in (*self._gone, *self._standing)
            if start <= line.frame.time < end and not any(map(line.stands, shown))
        ]
        chosen: list[tuple[int, Band]] = []
        while unseen:
            first = min(unseen, key=lambda line: line.until)
            frame = max((line.frame for line in unseen if first.stands(line.frame.time)), key=lambda one: one.time)
            seen = [line for line in unseen if line.stands(frame.time)]
            chosen.append((sum(int(line.strokes.sum()) for line in seen), _band(frame, seen)))
            unseen = [line for line in unseen if not line.stands(frame.time)]
        most = sorted(chosen, key=lambda one: -one[0])[:MOST]
        return sorted((band for _, band in most), key=lambda band: band.frame.time)

    def forget(self, start: float) -> None:
        """Nothing before `start` will be asked about."""
        self._gone = [line for line in self._gone if line.until >= start]

    def _follow(self, time: float, strokes: np.ndarray) -> None:
        for line in self._standing:
            if np.count_nonzero(line.strokes & strokes[line.place]) >= KEPT * np.count_nonzero(line.strokes):
                line.until = time
        self._gone += [line for line in self._standing if line.until < time]
        self._standing = [line for line in self._standing if line.until == time]

    def _find(self, frame: Skimmed) -> None:
        """Add the lines that stand by now."""
        stable = self._looks[-1][1] > STROKE
        for _, strength in list(self._looks)[:-1]:
            stable &= strength > STROKE // 2
        for line in self._standing:
            stable[line.place] = False
        lines = list(_lines(stable))
        if not lines:
            return
        picture = Frame(frame.time, frame.jpeg())
        since = self._looks[0][0]
        self._standing += [
            _Line(place, len(stable), stable[place].copy(), since, frame.time, picture) for place in lines
        ]


def _band(frame: Frame, lines: Sequence[_Line]) -> Band:
    """With a line above and below: strokes are a line's middle, and the next line may be too faint for them."""
    height = lines[0].height
    rim = 2 * max(line.place[0].stop - line.place[0].start for line in lines)
    top = min(line.place[0].start for line in lines) - rim
    bottom = max(line.place[0].stop for line in lines) + rim
    return Band(frame, max(0, top) / height, min(height, bottom) / height)


def _strokes(image: np.ndarray) -> np.ndarray:
    """How much the luma differs between the left and the right neighbour of each pixel. uint8 [h, w - 2]"""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return cv2.absdiff(grey[:, 2:], grey[:, :-2])


def _lines(strokes: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """The boxes of what has the shape of a line of text."""
    joined = cv2.morphologyEx(strokes.astype(np.uint8), cv2.MORPH_CLOSE, np.ones(GAP[::-1], np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined)
    for left, top, width, height, _ in boxes[1:]:
        if not (3 <= height <= strokes.shape[0] // 4 and width >= 1.5 * height):
            continue
        place = slice(top, top + height), slice(left, left + width)
        count = np.count_nonzero(strokes[place])
        if count >= SMALLEST and count >= DENSE * width * height:
            yield place
