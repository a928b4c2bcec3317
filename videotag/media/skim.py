"""A video gone through from front to back at the least cost: pictures that no other refers to are passed over."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from videotag.media.pictures import LONG_SIDE, jpeg_of
from videotag.media.source import TIME_SLACK, opened
from videotag.media.upright import Upright

if TYPE_CHECKING:
    import numpy as np

SPARSEST = 0.2
"""Seconds. Where passing over leaves a longer gap, every frame is decoded from there on."""


@dataclass(frozen=True)
class Skimmed:
    """A decoded frame: its time in seconds, and the picture small, BGR uint8 [h, width, 3].

    Attributes:
        passed: how many frames were passed over between the frame before and this one.
        intra: it is coded without others, as encoders do where a shot begins.
        scaled: makes the picture of another width in pixels, from the whole one.
        jpeg: makes the JPEG file's bytes that `pictures` would give of it.
    """

    time: float
    image: "np.ndarray"
    passed: int
    intra: bool
    scaled: "Callable[[int], np.ndarray]"
    jpeg: Callable[[], bytes]


def skim(path: str, start: float = 0.0, width: int = 160) -> Iterator[Skimmed]:
    """The frames from second `start` on, but for those that can be left out and cost no more than `SPARSEST`.

    Half of the frames of common H.264 and HEVC; none of a file without frames that nothing refers to. H.264's frames
    with two references come without the loop filter, a sixth of the decoding: they differ by half a level on average,
    at 160 pixels, and hardly add up. Without it on all frames it is two levels, as much as some cuts in old films.

    Raises:
        UserError: the file cannot be opened.
    """
    from av.video.frame import PictureType

    with opened(path) as source:
        stream = source.video
        if stream is None:
            return
        stream.thread_type = "AUTO"
        stream.codec_context.skip_frame = "NONREF"
        if stream.codec_context.name == "h264":
            stream.codec_context.options = {"skip_loop_filter": "bidir"}
        waiting, upright = _Waiting(), Upright(source)
        before = start
        for frame in source.frames_from(stream, start, waiting.put):
            time, passed = source.time(frame.pts, stream.time_base), waiting.passed(frame.pts)
            if time < start - TIME_SLACK:
                continue
            if passed and time - before > SPARSEST + TIME_SLACK:
                stream.codec_context.skip_frame = "DEFAULT"
            before = time

            def scaled(width: int, frame: Any = frame) -> "np.ndarray":
                return upright.image(frame, width / upright.size(frame)[0])

            intra = frame.pict_type == PictureType.I
            yield Skimmed(
                time, scaled(width), passed, intra, scaled, lambda frame=frame: jpeg_of(frame, upright, LONG_SIDE)
            )


class _Waiting:
    """The times of the packets that went into the decoder, until a frame of theirs or a later one comes out."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._last: int | None = None

    def put(self, packet: Any) -> None:
        if packet.pts is not None:
            heappush(self._times, packet.pts)

    def passed(self, time: int) -> int:
        """How many lie between the frame asked about before and the one at `time`."""
        between = set()
        while self._times and self._times[0] <= time:
            between.add(heappop(self._times))
        last, self._last = self._last, time
        return sum(last is not None and last < other < time for other in between)
