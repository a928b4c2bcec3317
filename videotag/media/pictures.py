"""Pictures of a file: the frames at given times as JPEG, or every frame small. BGR uint8 [height, width, 3]."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.media.source import LEAD, TIME_SLACK, Source, opened
from videotag.media.upright import Upright

if TYPE_CHECKING:
    import numpy as np

LONG_SIDE = 1280  # frames are stored with at most this many pixels on the long side
JPEG_QUALITY = 85
_FAR = 30.0  # seconds of packets that are rather sought over than read, and the most that is held undecoded


@dataclass(frozen=True)
class Picture:
    """A frame: the time that was asked for, its real presentation time, and the JPEG file's bytes."""

    asked: float
    time: float
    jpeg: bytes


def pictures(path: str, times: Sequence[float], long_side: int = LONG_SIDE) -> Iterator[Picture]:
    """The frame on screen at each of the rising `times`, as JPEG; one after another, exact.

    Past the end of the file, or of what is whole of it, that is the last frame: its own time tells.

    Raises:
        UserError: the file cannot be opened, or not one frame of it can be decoded.
    """
    with opened(path) as source:
        if source.video is None:
            return
        seeker, upright = _Seeker(source), Upright(source)
        last: tuple[Any, bytes] | None = None
        for asked in times:
            frame = seeker.at(asked)
            if last is None or frame is not last[0]:
                by_fields = frame.interlaced_frame or source.by_fields
                whole = upright.whole(*seeker.around(asked)) if by_fields else frame
                last = (frame, jpeg_of(whole, upright, long_side))
            yield Picture(asked, round(source.time(frame.pts, source.video.time_base), 6), last[1])


def small_frames(
    path: str, start: float = 0.0, end: float | None = None, width: int = 320
) -> "Iterator[tuple[float, np.ndarray]]":
    """Every frame presented in [start, end), scaled to `width`; fields are not told apart at such a size.

    Yields:
        Its time in seconds, and BGR uint8 [h, width, 3]. Nothing for a file without pictures.

    Raises:
        UserError: the file cannot be opened.
    """
    with opened(path) as source:
        stream = source.video
        if stream is None:
            return
        stream.thread_type = "AUTO"
        upright = Upright(source)

        def skip_before(packet: Any) -> None:
            early = packet.pts is not None and source.time(packet.pts, stream.time_base) < start - TIME_SLACK
            stream.codec_context.skip_frame = "NONREF" if early else "DEFAULT"

        for frame in source.frames_from(stream, start, skip_before):
            time = source.time(frame.pts, stream.time_base)
            if end is not None and time >= end - TIME_SLACK:
                return
            if time >= start - TIME_SLACK:
                yield time, upright.image(frame, width / upright.size(frame)[0])


class _Seeker:
    """Finds frames at rising times.

    Packets are read ahead of the decoder, up to the wanted time: that costs next to nothing. So it is known, in every
    format and without trust in an index, at which keyframe to begin and which packet holds the wanted frame.
    """

    def __init__(self, source: Source) -> None:
        self._source, self._stream = source, source.video
        self._before: Any = None  # the frame before that, of whatever was decoded
        self._held: Any = None  # the last frame at or before the wanted time
        self._ahead: deque[Any] = deque()  # decoded frames after it
        self._far = round(_FAR / self._stream.time_base)
        self._lead = 0  # ticks that a keyframe must lie before the wanted frame
        self._neighbours = False  # whether the frame before the wanted one is decoded too
        self._stream.thread_type = "SLICE"  # frame threads decode ahead: wasted at every keyframe that is jumped to
        self._restart()

    def at(self, wanted: float) -> Any:
        target = self._ticks(wanted)
        if self._far_from(target):
            self._jump(target)
        entered = self._forward(target)
        if entered is not None and (self._held is None or self._held.pts < entered):
            # A keyframe that does not do by itself (intra refresh, damage): take one that lies as much further back,
            # or before the end, a second.
            late = self._ahead[0].pts - entered if self._ahead else round(1 / self._stream.time_base)
            self._lead = max(self._lead, late)
            target = target if self._ahead else entered
            self._jump(target)
            self._forward(target)
        found = self._held if self._held is not None else next(iter(self._ahead), None)
        if found is None:
            raise UserError(f"{self._source.path}: not one frame of it can be decoded; check that it plays")
        return found

    def around(self, wanted: float) -> tuple[Any, Any, Any]:
        """The frame at the time last asked for, between its neighbours; None for one that is not there."""
        if not self._neighbours:
            self._neighbours = True
            self._lead = max(self._lead, round(2 / (self._stream.guessed_rate or 25) / self._stream.time_base))
            self._jump(self._ticks(wanted))
            self._before = self._held = None
        frame = self.at(wanted)
        while not self._ahead and self._decode_next(None):
            pass
        return self._before, frame, next(iter(self._ahead), None)

    def _ticks(self, time: float) -> int:
        return math.floor((time + self._source.origin + TIME_SLACK) / self._stream.time_base)

    def _restart(self) -> None:
        """Begin with the packets that the container now stands before."""
        self._packets = self._source.packets(self._stream)
        self._waiting: deque[Any] = deque()  # read, not yet decoded
        self._read_to = self._ticks(0)  # no packet to come is presented before this
        self._ended = False
        self._times: set[int] = set()  # of the packets read, from the last one wanted on
        self._ahead.clear()

    def _far_from(self, target: int) -> bool:
        return not self._ended and target - self._read_to > self._far

    def _jump(self, target: int) -> None:
        """Seek to a keyframe well before `target`, or to the start."""
        second = self._source.time(target - self._lead, self._stream.time_base)
        for back in (LEAD, 6 * LEAD):
            self._source.seek(self._stream, second - back)
            self._restart()
            self._read(target)
            if self._keyframe(target) is not None:
                return
        self._source.seek(self._stream, 0.0)
        self._restart()

    def _forward(self, target: int) -> int | None:
        """Go on until the frame at `target` is held; the keyframe that was begun at, if what lay before was dropped."""
        while self._far_from(target):  # a file without keyframes to seek to
            self._enter(self._read_to + self._far)
            self._decode_to(self._read_to)
        entered = self._enter(target)
        self._decode_to(target)
        return entered

    def _enter(self, target: int) -> int | None:
        """Drop what lies before the last keyframe in front of `target`; its time, or None if decoding just goes on."""
        self._read(target)
        index = self._keyframe(target)
        if not index:
            return None
        for _ in range(index):
            self._waiting.popleft()
        self._ahead.clear()
        self._source.decoder(self._stream).flush_buffers()
        return self._waiting[0].pts

    def _read(self, target: int) -> None:
        while self._read_to <= target and not self._ended:
            self._read_packet()

    def _read_packet(self) -> None:
        packet = next(self._packets, None)
        if packet is None or (not packet.size and packet.dts is None):
            self._ended = True
            return
        if packet.size:  # an empty one says that the picture before it goes on
            self._waiting.append(packet)
            if packet.pts is not None and not packet.is_discard:
                self._times.add(packet.pts)
        # Frames come in order of decoding, which is never after that of presentation.
        if packet.dts is not None:
            self._read_to = packet.dts
        elif packet.pts is not None:
            self._read_to = packet.pts - self._far

    def _keyframe(self, target: int) -> int | None:
        """The place among the waiting packets of the last keyframe, a whole one if there is, well before `target`."""
        broken: int | None = None
        for index in range(len(self._waiting) - 1, -1, -1):
            packet = self._waiting[index]
            if packet.is_keyframe and packet.pts is not None and packet.pts <= target - self._lead:
                if packet.pts not in self._source.broken:
                    return index
                broken = index if broken is None else broken
        return broken

    def _decode_to(self, target: int) -> None:
        """Decode until the frame on screen at `target` is held."""
        times = sorted(time for time in self._times if time <= target)
        shown = times[-1] if times else None
        needed = times[-2:][0] if self._neighbours and times else shown
        self._times = {time for time in self._times if needed is None or time >= needed}
        self._take(target)
        while not self._ahead and (shown is None or self._held is None or self._held.pts != shown):
            more = self._decode_next(needed)
            self._take(target)
            if not more:
                return

    def _decode_next(self, needed: int | None) -> bool:
        """Decode a packet, and what no other frame refers to only from `needed` on; False at the end."""
        if not self._waiting:
            self._read_packet()
        if not self._waiting:
            self._ahead.extend(self._source.pictures_in(None) or ())
            return False
        packet = self._waiting.popleft()
        early = needed is not None and packet.pts is not None and packet.pts < needed
        passed_over = early and not self._source.unordered
        self._stream.codec_context.skip_frame = "NONREF" if passed_over else "DEFAULT"
        self._ahead.extend(self._source.pictures_in(packet) or ())
        return True

    def _take(self, target: int) -> None:
        while self._ahead and self._ahead[0].pts <= target:
            self._before, self._held = self._held, self._ahead.popleft()


def jpeg_of(frame: Any, upright: Upright, long_side: int) -> bytes:
    import cv2

    image = upright.image(frame, min(1.0, long_side / max(upright.size(frame))))
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not ok:
        raise ValueError(f"OpenCV cannot write a JPEG of {image.shape}")
    return data.tobytes()
