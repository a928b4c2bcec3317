"""Frames of two fields, taken a moment apart: told by what they show, and made whole. PyAV's frames in and out."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_MOVED = 12  # levels of 255 that tell movement from noise
_MOVED_SHARE = 0.05  # of a block's pixels that must have moved on both sides
_BLOCK = 16  # pixels, in rows of the frame
_COMB = 10  # levels by which a row must differ from both its neighbours to be a tooth
_ONE_MOMENT = 0.67  # of the teeth that the fields of two frames show together: fewer say that a frame is of one moment
_CUT_SHARE = 0.8  # of a picture's blocks that have moved: more are a cut, or as good as one
_COMBED_SHARE = 3e-4  # of a frame's pixels, a tenth of what is seen; progressive clips stayed below 3e-4


def is_field(frame: Any, stream: Any) -> bool:
    """Whether the frame is a single field: HEVC's decoder gives them out one by one, those of others come in pairs."""
    return frame.interlaced_frame and stream.codec_context.name == "hevc"


def is_combed(before: Any, frame: Any, after: Any) -> bool:
    """Whether the two fields of a frame show two moments. Many frames that are marked interlaced show only one.

    Where a picture moves, rows that alternate are the teeth of a comb if the fields of neighbouring frames fit one
    another no worse (the idea of FFmpeg's idet), and a texture if they do.
    """
    import numpy as np

    earlier, now, later = (f.to_ndarray(format="gray").astype(np.int16) for f in (before, frame, after))
    if earlier.shape != now.shape or later.shape != now.shape or min(now.shape) < 2 * _BLOCK:
        return False
    others = earlier, later
    changed = [_changed(other, now) for other in others]
    moved = [_blocks(pixels) > _MOVED_SHARE for pixels in changed]
    both = moved[0] & moved[1]
    if not both.any():
        return False
    shares = [side.mean() for side in moved]
    sides = [0, 1] if max(shares) < _CUT_SHARE else [int(np.argmin(shares))]  # what lies beyond a cut says nothing
    where = np.logical_and.reduce([changed[side] for side in sides])
    alike = [np.minimum(_teeth(now, others[side], where), _teeth(others[side], now, where)) for side in sides]
    combed = both & (_teeth(now, now, where) > _ONE_MOMENT * np.maximum.reduce(alike))
    return float(_blocks(_alternates(now) & where)[combed].sum() / combed.size) > _COMBED_SHARE


def _rows(image: "np.ndarray") -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """The rows of the lower field, those of the upper field above them, and those below."""
    count = (len(image) - 1) // 2
    return image[1 : 2 * count : 2], image[0 : 2 * count : 2], image[2 : 2 * count + 1 : 2]


def _blocks(values: "np.ndarray") -> "np.ndarray":
    """Means of blocks of a field. float32"""
    import cv2
    import numpy as np

    height, width = values.shape[0] // (_BLOCK // 2), values.shape[1] // _BLOCK
    whole = values[: height * _BLOCK // 2, : width * _BLOCK].astype(np.float32)
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def _changed(other: "np.ndarray", now: "np.ndarray") -> "np.ndarray":
    """Pixels of the lower field that have changed, or one above or below them."""
    import numpy as np

    lower, above, below = _rows(np.abs(other - now) > _MOVED)
    return lower | above | below


def _teeth(lower: "np.ndarray", upper: "np.ndarray", where: "np.ndarray") -> "np.ndarray":
    """How much the lower field of one frame stands out from the upper field of another, in the pixels of `where`."""
    import numpy as np

    row, (_, above, below) = _rows(lower)[0], _rows(upper)
    return _blocks(np.abs(2 * row - above - below) * where)


def _alternates(image: "np.ndarray") -> "np.ndarray":
    """Pixels that differ from above and below in the same way, which are themselves alike."""
    import numpy as np

    row, above, below = _rows(image)
    first, second = row - above, row - below
    stands_out = (np.minimum(np.abs(first), np.abs(second)) > _COMB) & ((first ^ second) >= 0)
    return stands_out & (2 * np.abs(above - below) < np.abs(first))


class Deinterlacer:
    """Makes whole frames of fields. FFmpeg's bwdif, one graph as long as frames are of one kind."""

    def __init__(self) -> None:
        self._kind: Any = None
        self._filter: Any = None

    def whole(self, before: Any, frame: Any, after: Any) -> Any:
        """The frame at the moment of its first field; what the other rows show then is made of the frames around it."""
        from av.error import BlockingIOError

        kinds = [(f.width, f.height, f.format.name) for f in (before, frame, after)]
        if self._kind != kinds[1]:
            self._kind, self._filter = kinds[1], _graph("bwdif=mode=send_frame:deint=all", frame)
        made = frame
        for given, kind in zip((before, frame, after), kinds, strict=True):
            self._filter.vpush(given if kind == self._kind else frame)
            with suppress(BlockingIOError):  # a frame comes out when the next one goes in
                made = self._filter.vpull()
        return made


def woven(before: Any, field: Any, after: Any) -> Any:
    """A picture of twice a field's height: rows between come from the fields around it, or where they differ, its own.

    Args:
        before, field, after: three fields in a row, as HEVC's decoder gives them; None for one that is not there.
    """
    import av
    import numpy as np

    layout = "yuv444p16le"
    size = {"width": field.width, "height": field.height, "format": layout}
    earlier, own, later = (f and f.to_ndarray(**size).astype(np.int32) for f in (before, field, after))
    first = 0 if _is_top(field) else 1
    beside = np.concatenate([own[:1], own[:-1]] if first else [own[1:], own[-1:]])
    between = (own + beside) // 2
    if before and after:
        still = _still(np.abs(earlier - later).max(axis=2))[:, :, None]
        between = np.where(still, (earlier + later) // 2, between)
    picture = np.empty((2 * field.height, field.width, 3), np.uint16)
    picture[first::2] = own
    picture[1 - first :: 2] = between
    made = av.VideoFrame.from_ndarray(picture, format=layout)
    for tag in ("colorspace", "color_range", "color_trc", "color_primaries", "pts", "time_base"):
        if (value := getattr(field, tag)) is not None:
            setattr(made, tag, value)
    return made


def _still(changes: "np.ndarray") -> "np.ndarray":
    import cv2
    import numpy as np

    moved = (changes > _MOVED * 256).astype(np.uint8)
    return cv2.dilate(moved, np.ones((3, 5), np.uint8)) == 0


def _is_top(field: Any) -> bool:
    """Whether a field is the upper one: PyAV does not tell, a filter does."""
    from av.error import BlockingIOError

    graph = _graph(r"select=eq(interlace_type\,TOPFIRST)", field)
    graph.vpush(field)
    try:
        graph.vpull()
    except BlockingIOError:
        return False
    return True


def _graph(work: str, frame: Any) -> Any:
    """A graph of one filter, "name=arguments", for frames of this kind."""
    from fractions import Fraction

    from av.filter import Graph

    graph = Graph()
    name, _, arguments = work.partition("=")
    kind = {"width": frame.width, "height": frame.height, "format": frame.format}
    source = graph.add_buffer(**kind, time_base=frame.time_base or Fraction(1, 1000))
    graph.link_nodes(source, graph.add(name, arguments), graph.add("buffersink")).configure()
    return graph
