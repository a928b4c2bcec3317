"""A decoded frame as it is meant to be seen: whole, cropped, square pixels, upright, opaque, in a screen's colours."""

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from videotag.media import colour, interlace
from videotag.media.headers import Crop, crop

if TYPE_CHECKING:
    import numpy as np

    from videotag.media.source import Source

_LIGHT, _DARK = 224, 32  # grounds on which what is transparent is laid
_TURNS = {"90": (0, 1, -1, 0), "180": (-1, 0, 0, -1), "270": (0, -1, 1, 0)}
"""The first four numbers of a display matrix (x' = ax + cy, y' = bx + dy) for clockwise turns."""


class Upright:
    """How the frames of one video are shown. Each frame is taken by its own state, as far as it has one."""

    def __init__(self, source: "Source") -> None:
        from av.video.reformatter import VideoReformatter

        self._path, self._stream = source.path, source.video
        context = self._stream.codec_context
        self._stored = (context.width, context.height)
        self._crop = crop(source.path, source.container.format.name, self._stream.index, self._stored)
        self._told = context.sample_aspect_ratio
        self._turn = _tagged_turn(self._stream.metadata)
        self._last: tuple[Any, tuple[int, int]] = (None, (0, 0))  # the last kind of frame, and its size
        self._deinterlacer = interlace.Deinterlacer()
        self._scaler = VideoReformatter()  # kept: to make one costs more than to use it

    def size(self, frame: Any) -> tuple[int, int]:
        """Width and height as displayed."""
        matrix = self._matrix(frame)
        kind = (frame.width, frame.height, frame.opaque, matrix, frame.interlaced_frame)
        if kind != self._last[0]:
            self._last = (kind, self._size(frame, matrix))
        return self._last[1]

    def _size(self, frame: Any, matrix: tuple[int, ...]) -> tuple[int, int]:
        cut = self._cut(frame)
        width = max(1, round((frame.width - cut.left - cut.right) * self._aspect(frame)))
        height = (frame.height - cut.top - cut.bottom) * (2 if interlace.is_field(frame, self._stream) else 1)
        return (height, width) if abs(matrix[1]) > abs(matrix[0]) else (width, height)

    def image(self, frame: Any, scale: float) -> "np.ndarray":
        """The frame, its displayed size multiplied by `scale`. BGR uint8 [height, width, 3]"""
        import numpy as np

        width, height = (max(1, round(side * scale)) for side in self.size(frame))
        a, b, c, d = self._matrix(frame)
        turned = abs(b) > abs(a)
        image = self._scaled(frame, *((height, width) if turned else (width, height)))
        if turned:
            image, a, d = image.transpose(1, 0, 2), c, b
        return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])

    def whole(self, before: Any, frame: Any, after: Any) -> Any:
        """A frame without the combs of interlacing, made of it and those around it (None where there is none)."""
        if interlace.is_field(frame, self._stream):
            whole = interlace.woven(before, frame, after)
        else:
            before = before or after or frame
            after = after or before
            combed = interlace.is_combed(before, frame, after)
            whole = self._deinterlacer.whole(before, frame, after) if combed else frame
        if whole is not frame:
            whole.opaque = frame.opaque._replace()  # a copy: PyAV forgets an object with the first frame that had it
        return whole

    def _scaled(self, frame: Any, width: int, height: int) -> "np.ndarray":
        """The part that is seen, as it lies in the file, scaled to `width` and `height`."""
        cut = self._cut(frame)
        if not any(cut):
            return self._bgr(frame, width, height)
        whole_width = round(width * frame.width / (frame.width - cut.left - cut.right))
        whole_height = round(height * frame.height / (frame.height - cut.top - cut.bottom))
        left = min(round(cut.left * whole_width / frame.width), whole_width - width)
        top = min(round(cut.top * whole_height / frame.height), whole_height - height)
        return self._bgr(frame, whole_width, whole_height)[top : top + height, left : left + width]

    def _bgr(self, frame: Any, width: int, height: int) -> "np.ndarray":
        """The stored picture scaled. BGR uint8 [height, width, 3]"""
        colour.say_foreign(frame, self._path)
        seen_through = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
        if not colour.is_plain(frame):
            image = self._reformatted(frame, width, height, "rgba64le" if seen_through else "rgb48le")
            shown = colour.to_srgb(image[:, :, :3], frame.color_trc, frame.color_primaries)
            return _on_ground(shown, image[:, :, 3] / 65535) if seen_through else shown
        if seen_through:
            image = self._reformatted(frame, width, height, "bgra")
            return _on_ground(image[:, :, :3], image[:, :, 3] / 255)
        return self._reformatted(frame, width, height, "bgr24")

    def _reformatted(self, frame: Any, width: int, height: int, kind: str) -> "np.ndarray":
        size = {"width": width, "height": height, "interpolation": "AREA", "src_colorspace": colour.matrix(frame)}
        return self._scaler.reformat(frame, format=kind, threads=1, **size).to_ndarray()

    def _cut(self, frame: Any) -> Crop:
        return self._crop if (frame.width, frame.height) == self._stored else Crop()

    def _aspect(self, frame: Any) -> Fraction:
        """The shape of a pixel: the container's word, until the decoder comes to another than it began with."""
        own: Fraction | None = frame.opaque.shape
        changed = self._told and own and own != self._told
        return (own if changed else self._stream.sample_aspect_ratio or own) or Fraction(1)

    def _matrix(self, frame: Any) -> tuple[int, ...]:
        if not frame.opaque.matrix:
            return self._turn
        a, b, _, c, d = struct.unpack("5i", frame.opaque.matrix[:20])
        return a, b, c, d


def _tagged_turn(tags: dict[str, str]) -> tuple[int, int, int, int]:
    """What the tag "rotate" says, the older way of files whose pictures carry no display matrix."""
    turn = next((value for name, value in tags.items() if name.lower() == "rotate"), "0")
    return _TURNS.get(turn.strip(), (1, 0, 0, 1))


def _on_ground(colours: "np.ndarray", share: "np.ndarray") -> "np.ndarray":
    """A picture with alpha on a ground that what is drawn stands out from: dark things on light, light ones on dark.

    Args:
        colours: BGR uint8 [height, width, 3].
        share: float [height, width], 0 where nothing is drawn.
    """
    import cv2
    import numpy as np

    if share.min() == 1:
        return colours
    share = share.astype(np.float32)
    grey = cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_BGR2GRAY)
    ground = _LIGHT if float((grey * share).sum()) < 128 * float(share.sum()) else _DARK
    share = share[:, :, None]
    return np.rint(colours * share + ground * (1 - share)).astype(np.uint8)
