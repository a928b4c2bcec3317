"""Light and colour of still pictures. Imported only once there are pictures: it needs OpenCV.

Pictures are BGR uint8 [height, width, 3]. Black bars are cut off before anything is measured.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

import cv2  # noqa: TID253  (this module is imported late itself)
import numpy as np

from videotag.analyzers.contract import Frame
from videotag.analyzers.local.sentences import Light

MEASURED_WIDTH = 160  # pixels; colour by area needs no more, and the averaging takes the noise out
BAR_LEVEL = 24
"""Luma (0-255) up to which a row or column at the edge is a black bar: 16 is video's black, the rest coding noise."""
DARK, BRIGHT = 60, 175  # mean luma below which pictures are dark, and above which they are bright
COLOURLESS = 18
"""95th percentile of max(B,G,R) - min(B,G,R) of a black-and-white picture. Measured: a film of 1940 0-5, colour 47+."""
COLOUR_SHARE = 0.15  # a colour is named if it covers this much of the picture
MAX_COLOURS = 3

# Upper ends of OpenCV's hue (0-179, half degrees), in order; what is beyond the last is red again.
_HUES = ((8, "red"), (20, "orange"), (33, "yellow"), (85, "green"), (100, "cyan"), (130, "blue"), (150, "purple"),
         (169, "pink"))  # fmt: skip


def decode(frames: Iterable[Frame]) -> tuple[list[np.ndarray], list[float]]:
    """The pictures that can be decoded, and their times; a broken one is left out."""
    images: list[np.ndarray] = []
    times: list[float] = []
    for frame in frames:
        with suppress(ValueError):
            images.append(frame.decoded())
            times.append(frame.time)
    return images, times


def look(images: Sequence[np.ndarray]) -> Light:
    """Light and colours of the pictures taken together. `images` must not be empty."""
    small = [_small(without_bars(image)) for image in images]
    chroma = [np.percentile(image.max(axis=2).astype(int) - image.min(axis=2), 95) for image in small]
    colourless = max(chroma) <= COLOURLESS
    return Light(_brightness(small), () if colourless else _dominant(small), bool(colourless))


def without_bars(image: np.ndarray) -> np.ndarray:
    """The picture without black bars. A picture that is mostly black stays whole: that is darkness, not bars."""
    lit = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) > BAR_LEVEL
    rows, columns = np.flatnonzero(lit.mean(axis=1) > 0.01), np.flatnonzero(lit.mean(axis=0) > 0.01)
    if not len(rows) or not len(columns):
        return image
    inner = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inner if inner.size >= 0.4 * image.size else image


def _small(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = min(1.0, MEASURED_WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _brightness(images: Sequence[np.ndarray]) -> str:
    luma = np.mean([cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean() for image in images])
    return "dark" if luma < DARK else "bright" if luma > BRIGHT else "normal"


def _dominant(images: Sequence[np.ndarray]) -> tuple[str, ...]:
    """The colours that cover most, the greatest first."""
    shares: Counter[str] = Counter()
    for image in images:
        names, counts = np.unique(_named(image), return_counts=True)
        for name, count in zip(names, counts, strict=True):
            shares[str(name)] += count / counts.sum() / len(images)
    return tuple(name for name, share in shares.most_common(MAX_COLOURS) if share >= COLOUR_SHARE)


def _named(image: np.ndarray) -> np.ndarray:
    """The name of each pixel's colour, str [pixels]."""
    hue, saturation, value = (channel.ravel() for channel in cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV)))
    names = np.full(hue.shape, "red", dtype="<U8")
    for limit, name in reversed(_HUES):
        names[hue <= limit] = name
    warm = (names == "orange") | ((names == "red") & (saturation < 130))
    names[warm & (value < 150)] = "brown"
    names[warm & (saturation < 110) & (value >= 150)] = "beige"
    names[saturation < 45] = "grey"
    names[(saturation < 45) & (value > 205)] = "white"
    names[value < 45] = "black"
    return names
