"""The only decoder code: what a file is, its sound, its pictures. PyAV (FFmpeg's libraries) underneath.

Every time is in seconds from the start of the file as players count it: presentation time less the container's
start. Sound is float32 mono [n] at 16 kHz, pictures are BGR uint8 [height, width, 3] as displayed.
"""

import logging
import math
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from av.container import InputContainer

log = logging.getLogger("videotag")

SAMPLE_RATE = 16_000
LONG_SIDE = 1280
"""Frames are stored with at most this many pixels on the long side."""
JPEG_QUALITY = 85

_GAP = 0.1
"""Seconds between sound and its timestamps that are put right; less is jitter. As FFmpeg's `min_hard_comp`."""
_RESTART = 1.0
"""Seconds that timestamps go back by and are taken to count anew from there, not to repeat what was."""
_LEAD = 10.0
"""Seconds before the wanted time to which is sought: some formats land later than asked."""
_FAR = 30.0
"""Seconds of packets that are rather sought over than read, and the most that is held undecoded."""
_TIME_SLACK = 1e-6
_LEAP = 3600.0
"""Seconds from one packet to the next that a second packet must bear out: a single damaged time can say anything."""
_MOST_PIXELS = 1 << 26
"""More than 8K video has; larger pictures are not decoded, whatever memory they ask for."""
_PLAYLISTS = {"hls", "dash", "concat", "sdp", "tty", "imf"}
"""FFmpeg's formats that are text and lead elsewhere, or no video."""


@dataclass(frozen=True)
class Media:
    """What a file is. `width` and `height` are those displayed (rotation and pixel shape honoured), 0 without video."""

    duration: float
    width: int
    height: int
    fps: float
    has_video: bool
    has_audio: bool


@dataclass(frozen=True)
class Picture:
    """A frame: the time that was asked for, its real presentation time, and the JPEG file's bytes."""

    asked: float
    time: float
    jpeg: bytes


def probe(path: str) -> Media:
    """Say what the file is.

    Raises:
        UserError: it is missing, unreadable, no media file, or holds neither sound nor pictures.
    """
    with _open(path) as container:
        video, audio = _video_stream(container), _audio_stream(container)
        if video is None and audio is None:
            raise UserError(f"{path}: has neither sound nor pictures; take its entry out of the list of videos")
        duration = _duration(path)
        if not duration:
            raise UserError(
                f"{path}: is empty, or tells no times; convert it to .mp4 or take its entry out of the list"
            )
        width, height = _display_size(path, container, video) if video else (0, 0)
        fps = float((video.guessed_rate or video.average_rate or 0) if video else 0)
        claimed = _claimed(container) if video else 0.0
        unknown = {stream.type for stream in container.streams if stream.codec_context is None}
    if duration < 0.95 * claimed - 1:
        log.warning(
            "%s: holds %.0f of the %.0f s that its header tells; check that it is whole", path, duration, claimed
        )
    if ("video" in unknown and not video) or ("audio" in unknown and not audio):
        lost, used = ("sound", "pictures are") if video else ("pictures", "sound is")
        log.warning("%s: its %s cannot be decoded, only its %s used; convert it", path, lost, used)
    return Media(duration, width, height, round(fps, 3), bool(video), bool(audio))


def stretches(path: str, start: float = 0.0, seconds: float = 300.0) -> "Iterator[tuple[float, np.ndarray]]":
    """The sound from `start` on, in stretches of about `seconds`, cut where it is quietest.

    Memory stays bounded however long the file is. Damaged or missing sound is silence.

    Yields:
        The stretch's start in seconds, and float32 mono [n] at 16 kHz. Nothing for a file without sound.

    Raises:
        UserError: the file cannot be opened.
    """
    import numpy as np

    longest, search = int(seconds * SAMPLE_RATE), int(seconds * SAMPLE_RATE / 5)
    first = round(start * SAMPLE_RATE)
    held: list[np.ndarray] = []
    size = 0
    for chunk in _sound_from(path, first):
        held.append(chunk)
        size += len(chunk)
        if size >= longest:
            audio = np.concatenate(held)
            cut = size - search + _quietest(audio[-search:])
            yield first / SAMPLE_RATE, audio[:cut]
            first += cut
            held, size = [audio[cut:]], size - cut
    if size:
        yield first / SAMPLE_RATE, np.concatenate(held)


def pictures(path: str, times: Sequence[float], long_side: int = LONG_SIDE) -> Iterator[Picture]:
    """The frame on screen at each of the rising `times`, as JPEG; one after another, exact.

    Past the end of the file, or of what is whole of it, that is the last frame: its own time tells.

    Raises:
        UserError: the file cannot be opened, or not one frame of it can be decoded.
    """
    with _open(path) as container:
        stream = _video_stream(container)
        if stream is None:
            return
        seeker = _Seeker(path, container, stream)
        last: tuple[Any, bytes] | None = None
        for asked in times:
            frame = seeker.at(asked)
            if last is None or frame is not last[0]:
                last = (frame, _jpeg(frame, stream, long_side))
            yield Picture(asked, round(seeker.time(frame), 6), last[1])


def small_frames(
    path: str, start: float = 0.0, end: float | None = None, width: int = 320
) -> "Iterator[tuple[float, np.ndarray]]":
    """Every frame presented in [start, end), scaled down to `width`.

    Yields:
        Its time in seconds, and BGR uint8 [h, width, 3]. Nothing for a file without pictures.

    Raises:
        UserError: the file cannot be opened.
    """
    with _open(path) as container:
        stream = _video_stream(container)
        if stream is None:
            return
        stream.thread_type = "AUTO"
        origin = _origin(container)
        for frame in _frames_from(path, container, stream, start):
            time = float(frame.pts * stream.time_base) - origin
            if end is not None and time >= end - _TIME_SLACK:
                return
            if time >= start - _TIME_SLACK:
                yield time, _bgr(frame, stream, width / _shown_size(frame, stream)[0])


@contextmanager
def _open(path: str) -> "Iterator[InputContainer]":
    """The opened file. A folder, a pipe or a playlist that leads elsewhere is refused, and never waited for."""
    import av
    from av.error import FFmpegError

    try:
        kind = os.stat(path).st_mode
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; put the file there or mend its path in the list") from None
    if not stat.S_ISREG(kind):
        raise UserError(f"{path}: is not a file; give the path of a video")
    try:
        # An absolute path cannot be taken for a protocol; the white list keeps playlists from the network.
        # Tags may be in any of the world's old encodings.
        options = {"protocol_whitelist": "file"}
        container = av.open(str(Path(path).absolute()), options=options, metadata_errors="replace")
    except PermissionError as error:
        raise UserError(f"{path}: may not be read ({error.strerror}); mend its permissions") from None
    except (FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: cannot be read as video or sound ({reason}); check that it plays") from None
    with container:
        if set(container.format.name.split(",")) & _PLAYLISTS:
            raise UserError(f"{path}: is a list or a text, not a video; give the paths of the videos themselves")
        for stream in container.streams.video:
            if (context := stream.codec_context) is not None:
                if context.width * context.height > _MOST_PIXELS:
                    size = f"{context.width} x {context.height}"
                    raise UserError(f"{path}: has pictures of {size}, larger than any video; scale it down")
                context.options = {"max_pixels": str(_MOST_PIXELS)}  # the pictures may tell another size
        yield container


def _video_stream(container: Any) -> Any:
    """The main picture stream: cover art is none."""
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic and s.codec_context]
    best = container.streams.best("video")
    return best if best in streams else (streams[0] if streams else None)


def _audio_stream(container: Any) -> Any:
    best = container.streams.best("audio", related=_video_stream(container))
    return best if best is not None and best.codec_context else None


def _origin(container: Any) -> float:
    return (container.start_time or 0) / 1_000_000


def _claimed(container: Any) -> float:
    """The length that the header tells, 0 if none."""
    return (container.duration or 0) / 1_000_000


def _duration(path: str) -> float:
    """Where the last packet ends. The header's word is taken if what is found near there bears it out."""
    with _open(path) as container:
        video, claimed = _video_stream(container), _claimed(container)
        # Files of sound alone are small, and may have no times but those guessed from the bit rate.
        if claimed and video:
            _seek(container, video, _origin(container) + claimed - _LEAD)
            found = _end(path, container)
            if abs(found - claimed) < 1.0:
                return found
    with _open(path) as container:
        return _end(path, container)


def _end(path: str, container: Any) -> float:
    """Where the last of the packets ends that are still to be read."""
    end, origin = 0.0, _origin(container)
    before: float | None = None
    streams = [stream for stream in (_video_stream(container), _audio_stream(container)) if stream]
    for packet in _packets(path, container, streams):
        if packet.has_sidedata("encryption_info"):  # decoders make noise of it, and do not complain
            raise UserError(f"{path}: is encrypted; give a copy without protection")
        if packet.pts is not None:
            time = float(packet.pts * packet.time_base) - origin
            if before is None or time - before < _LEAP:
                length = float((packet.duration or 0) * packet.time_base) or _frame_length(packet.stream)
                end = max(end, time + length)
            before = time
    return round(end, 6)


def _frame_length(stream: Any) -> float:
    return float(1 / stream.average_rate) if stream.type == "video" and stream.average_rate else 0.0


def _display_size(path: str, container: Any, stream: Any) -> tuple[int, int]:
    """Width and height after rotation, which only a decoded frame tells."""
    for frame in _decoded(path, container, stream):
        return _shown_size(frame, stream)
    raise UserError(f"{path}: not one frame of it can be decoded; check that it plays")


def _shown_size(frame: Any, stream: Any) -> tuple[int, int]:
    aspect: Fraction = stream.sample_aspect_ratio or Fraction(1)
    width, height = round(frame.width * aspect), frame.height
    return (height, width) if _quarter_turns(frame) % 2 else (width, height)


def _quarter_turns(frame: Any) -> int:
    """How often to turn the stored picture left by 90 degrees."""
    return round(frame.rotation / 90) % 4


def _packets(path: str, container: Any, streams: Any) -> Iterator[Any]:
    """Packets up to the end or to where the file is broken off."""
    from av.error import FFmpegError

    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (FFmpegError, OSError) as error:
            _breaks_off(path, error.strerror)
            return
        yield packet


@cache
def _breaks_off(path: str, reason: str) -> None:
    """Say so, once, though the file is read several times."""
    log.warning("%s: breaks off (%s); what comes before is used", path, reason)


def _decoded(path: str, container: Any, stream: Any, damaged: Callable[[], None] | None = None) -> Iterator[Any]:
    """Frames in order of presentation; a damaged packet costs itself, not the rest."""
    for packet in chain(_packets(path, container, stream), [None]):
        frames = _decode(stream, packet)
        if not frames and damaged:
            damaged()  # some decoders lose a broken packet without a word
        yield from frames or ()


def _decode(stream: Any, packet: Any) -> list[Any] | None:
    """The frames that come out when `packet` goes in, or at the end (None); None if it is damaged."""
    from av.error import FFmpegError

    if packet is not None and not packet.size:
        return []  # PyAV's own mark of the end, which does not come where a file is broken off
    try:
        return [frame for frame in stream.codec_context.decode(packet) if frame.pts is not None]
    except FFmpegError:
        return None


def _frames_from(path: str, container: Any, stream: Any, start: float) -> Iterator[Any]:
    """Frames from the last keyframe before `start` on, or from an earlier one."""
    origin = _origin(container)
    for back in (1.0, 10.0, 60.0):
        if start <= back:
            break
        _seek(container, stream, origin + start - back)
        frames = _decoded(path, container, stream)
        first = next(frames, None)
        if first is not None and float(first.pts * stream.time_base) - origin <= start + _TIME_SLACK:
            yield first
            yield from frames
            return
    if start > 0:
        _seek(container, stream, origin)
    yield from _decoded(path, container, stream)


def _seek(container: Any, stream: Any, time: float) -> None:
    """Go to a keyframe before container time `time`, or to the start. Some formats land after it."""
    from av.error import FFmpegError

    if time <= _origin(container):
        time = _origin(container) - _LEAD  # the first packet is decoded, so sought, before it is presented
    try:
        container.seek(int(time / stream.time_base), stream=stream, backward=True)
    except FFmpegError:
        with suppress(FFmpegError):  # a format without seeking: whoever reads on looks at the times
            container.seek(int((_origin(container) - _LEAD) * 1_000_000))
    stream.codec_context.flush_buffers()


# --- sound


def _sound_from(path: str, first: int) -> "Iterator[np.ndarray]":
    """Sound from sample `first` on.

    What comes before is decoded and dropped, not sought over: seconds for an hour, and a resumed run hears the
    very samples that an undisturbed one does.
    """
    passed = 0
    for chunk in _sound(path):
        if passed + len(chunk) > first:
            yield chunk[max(0, first - passed) :]
        passed += len(chunk)


def _sound(path: str) -> "Iterator[np.ndarray]":
    """Sound without holes: placed by presentation times, zeros where there is none."""
    import numpy as np

    with _open(path) as container:
        stream = _audio_stream(container)
        if stream is None:
            return
        limit = _duration(path)
        position = 0  # samples given out
        for time, samples in _runs(path, container, stream):
            start = round(time * SAMPLE_RATE)
            if start + len(samples) <= position:
                continue
            if start > position and time > limit:
                start = position  # a nonsensical time, or sound that outlasts the file's times
            if start > position:
                for at in range(position, start, SAMPLE_RATE):
                    yield np.zeros(min(SAMPLE_RATE, start - at), np.float32)
                position = start
            yield samples[position - start :]
            position = start + len(samples)
        if not position and limit:
            if _video_stream(container) is None:
                raise UserError(f"{path}: nothing of its sound can be decoded; check that it plays")
            log.warning("%s: nothing of its sound can be decoded; it is taken as silent", path)


def _runs(path: str, container: Any, stream: Any) -> "Iterator[tuple[float, np.ndarray]]":
    """Resampled sound with its times: without a break where the file's times have none."""
    resampler = heard_as = None
    out = 0  # the next sample that comes out
    clock = _Clock(_origin(container))
    for frame in _decoded(path, container, stream, clock.doubt):
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if clock.starts_anew(frame) or resampler is None or kind != heard_as:
            if resampler is not None:
                yield out / SAMPLE_RATE, _resampled(resampler, None)
            resampler, heard_as, out = _resampler(), kind, round(clock.now * SAMPLE_RATE)
        clock.now += frame.samples / frame.sample_rate
        block = _resampled(resampler, frame)
        yield out / SAMPLE_RATE, block
        out += len(block)
    if resampler is not None:
        yield out / SAMPLE_RATE, _resampled(resampler, None)
    if clock.restarted:
        log.warning("%s: its times begin anew in the middle; what comes after is heard and not seen; convert it", path)


class _Clock:
    """The time of the next frame of sound: counted by samples as long as the timestamps do not say otherwise."""

    def __init__(self, origin: float) -> None:
        self.now = 0.0
        self._origin = origin
        self._started = self._doubtful = False
        self.restarted = False

    def doubt(self) -> None:
        """Something was lost: the next timestamp counts, however little it differs."""
        self._doubtful = True

    def starts_anew(self, frame: Any) -> bool:
        """Whether there is a break before this frame; `now` is then set to its time."""
        time = float(frame.pts * frame.time_base) - self._origin
        off, allowed = time - self.now, _GAP / 50 if self._doubtful else _GAP
        self._doubtful = False
        if self._started and off < -_RESTART:
            self._origin += off  # the file counts from 0 again
            self.restarted = True
            return False
        if self._started and abs(off) <= allowed:
            return False
        self.now, self._started = time, True
        return True


def _resampler() -> Any:
    import av

    # 16 bits as in Whisper's own loaders: in floating point FFmpeg's mix of channels goes beyond -1..1.
    return av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _resampled(resampler: Any, frame: Any) -> "np.ndarray":
    import numpy as np

    blocks = [block.to_ndarray().reshape(-1) for block in resampler.resample(frame)]
    return np.concatenate([np.zeros(0, np.int16), *blocks]).astype(np.float32) / 32768


def _quietest(audio: "np.ndarray") -> int:
    """The sample in the middle of the quietest 0.3 s of `audio`."""
    import numpy as np

    hop = SAMPLE_RATE // 100
    power = np.square(audio[: len(audio) // hop * hop].reshape(-1, hop)).mean(axis=1)
    smooth = np.convolve(power, np.ones(30), mode="valid")
    return (int(smooth.argmin()) + 15) * hop


# --- pictures


class _Seeker:
    """Finds frames at rising times.

    Packets are read ahead of the decoder, up to the wanted time: that costs next to nothing. So it is known, in every
    format and without trust in an index, at which keyframe to begin and which packet holds the wanted frame.
    """

    def __init__(self, path: str, container: Any, stream: Any) -> None:
        self._path, self._container, self._stream = path, container, stream
        self._origin = _origin(container)
        self._held: Any = None  # the last frame at or before the wanted time
        self._ahead: deque[Any] = deque()  # decoded frames after it
        self._far = round(_FAR / stream.time_base)
        self._lead = 0  # ticks that a keyframe must lie before the wanted frame
        stream.thread_type = "SLICE"  # frame threads decode ahead: wasted at every keyframe that is jumped to
        self._restart()

    def time(self, frame: Any) -> float:
        return float(frame.pts * self._stream.time_base) - self._origin

    def at(self, wanted: float) -> Any:
        target = self._ticks(wanted)
        if self._far_from(target):
            self._jump(target)
        entered = self._forward(target)
        if entered is not None and self._ahead and (self._held is None or self._held.pts < entered):
            # A keyframe that does not do by itself (intra refresh, damage): take one that lies as much further back.
            self._lead = max(self._lead, self._ahead[0].pts - entered)
            self._jump(target)
            self._forward(target)
        found = self._held if self._held is not None else next(iter(self._ahead), None)
        if found is None:
            raise UserError(f"{self._path}: not one frame of it can be decoded; check that it plays")
        return found

    def _ticks(self, time: float) -> int:
        return math.floor((time + self._origin + _TIME_SLACK) / self._stream.time_base)

    def _restart(self) -> None:
        """Begin with the packets that the container now stands before."""
        self._packets = _packets(self._path, self._container, self._stream)
        self._waiting: deque[Any] = deque()  # read, not yet decoded
        self._read_to = self._ticks(0)  # no packet to come is presented before this
        self._ended = False
        self._times: set[int] = set()  # of the packets read, from the last one wanted on
        self._ahead.clear()

    def _far_from(self, target: int) -> bool:
        return not self._ended and target - self._read_to > self._far

    def _jump(self, target: int) -> None:
        """Seek to a keyframe well before `target`, or to the start."""
        time = float((target - self._lead) * self._stream.time_base)
        for back in (_LEAD, 6 * _LEAD):
            _seek(self._container, self._stream, time - back)
            self._restart()
            self._read(target)
            if self._keyframe(target) is not None:
                return
        _seek(self._container, self._stream, self._origin)
        self._restart()

    def _forward(self, target: int) -> int | None:
        """Go on until the frame at `target` is held; the keyframe that was begun at, if what lay before was dropped."""
        while self._far_from(target):  # a file without keyframes to seek to
            self._enter(self._read_to + self._far)
            self._decode(self._read_to)
        entered = self._enter(target)
        self._decode(target)
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
        self._stream.codec_context.flush_buffers()
        return self._waiting[0].pts

    def _read(self, target: int) -> None:
        while self._read_to <= target and not self._ended:
            self._read_packet()

    def _read_packet(self) -> None:
        packet = next(self._packets, None)
        if packet is None or not packet.size:
            self._ended = True
            return
        self._waiting.append(packet)
        if packet.pts is not None and not packet.is_discard:
            self._times.add(packet.pts)
        # Frames come in order of decoding, which is never after that of presentation.
        if packet.dts is not None:
            self._read_to = packet.dts
        elif packet.pts is not None:
            self._read_to = packet.pts - self._far

    def _keyframe(self, target: int) -> int | None:
        """The place among the waiting packets of the last keyframe that lies far enough before `target`."""
        for index in range(len(self._waiting) - 1, -1, -1):
            packet = self._waiting[index]
            if packet.is_keyframe and packet.pts is not None and packet.pts <= target - self._lead:
                return index
        return None

    def _decode(self, target: int) -> None:
        """Decode until the frame on screen at `target` is held."""
        shown = max((time for time in self._times if time <= target), default=None)
        self._times = {time for time in self._times if shown is None or time >= shown}
        self._take(target)
        while not self._ahead and (shown is None or self._held is None or self._held.pts != shown):
            if not self._waiting:
                self._read_packet()
            if not self._waiting:
                self._ahead.extend(_decode(self._stream, None) or ())
                self._take(target)
                return
            self._ahead.extend(self._decoded(self._waiting.popleft(), shown))
            self._take(target)

    def _decoded(self, packet: Any, shown: int | None) -> Sequence[Any]:
        # What no other frame refers to need not be decoded on the way.
        passed_over = shown is not None and packet.pts is not None and packet.pts < shown
        self._stream.codec_context.skip_frame = "NONREF" if passed_over else "DEFAULT"
        return _decode(self._stream, packet) or ()

    def _take(self, target: int) -> None:
        while self._ahead and self._ahead[0].pts <= target:
            self._held = self._ahead.popleft()


def _bgr(frame: Any, stream: Any, scale: float) -> "np.ndarray":
    """The frame upright, its displayed size multiplied by `scale`."""
    import numpy as np

    width, height = (max(1, round(side * scale)) for side in _shown_size(frame, stream))
    turns = _quarter_turns(frame)
    stored = (height, width) if turns % 2 else (width, height)
    image = frame.to_ndarray(format="bgr24", width=stored[0], height=stored[1], interpolation="AREA")
    return np.ascontiguousarray(np.rot90(image, turns))


def _jpeg(frame: Any, stream: Any, long_side: int) -> bytes:
    import cv2

    image = _bgr(frame, stream, min(1.0, long_side / max(_shown_size(frame, stream))))
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not ok:
        raise ValueError(f"OpenCV cannot write a JPEG of {image.shape}")
    return data.tobytes()
