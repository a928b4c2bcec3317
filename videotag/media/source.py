"""A media file as it is read: its streams, times, packets, seeking and decoding. PyAV (FFmpeg's libraries) underneath.

Every time is in seconds from the start of the file as players count it: presentation time less the container's start.
"""

import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from videotag.errors import UserError
from videotag.media import colour
from videotag.media.headers import is_protected

log = logging.getLogger("videotag")

ENCRYPTED = "{}: is encrypted; give a copy without protection"
TIME_SLACK = 1e-6
LEAD = 10.0  # seconds before the wanted time to which is sought: some formats land later than asked
_LEAP = 3600.0
"""Seconds from one packet to the next that a second packet must bear out: a single damaged time can say anything."""
_MOST_PIXELS = 1 << 26  # more than 8K video has; larger pictures are not decoded, whatever memory they ask for
_PHOTO = "{}: is a photo, not a video; if it moves, save its film as a video; else take its entry out of the list"
_PHOTOS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"}
"""Brands of MP4's family whose files hold pictures, not films."""
_PROGRESSIVE = 1  # FFmpeg's order of fields: 0 is unknown, above 1 are the kinds of interlacing
_JPEG = b"\xff\xd8\xff"  # how each begins
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that keep the alpha of a codec, by the one of FFmpeg's own that drops it."""
_PLAYLISTS = {"hls", "dash", "concat", "sdp", "tty", "imf"}
"""FFmpeg's formats that are text and lead elsewhere, or no video."""


class State(NamedTuple):
    """What a frame itself does not tell, as it was when it was decoded; kept in its `opaque`.

    Attributes:
        shape: of a pixel, as the decoder knows it; None if it does not.
        matrix: FFmpeg's display matrix, which also holds for what comes after the picture that has it; None without.
    """

    shape: Fraction | None
    matrix: bytes | None


class Source:
    """An opened file: what is read of it, and how. Made by `opened`, for one reader at a time.

    Attributes:
        path: as it was given.
        container: PyAV's.
        video: the main picture stream; cover art is none. None where there is none, or none that can be decoded.
        sounds: the sound streams for which there is a decoder.
        audio: the one of them that the container puts first, or None.
        origin: the container's start, in its own seconds: what is second 0 here.
        unordered: whether pictures have only the times at which they are decoded.
        by_edits: whether an edit list tells what is shown, and an index all pictures (MP4, QuickTime).
        by_fields: whether its frames may be of two fields though they do not say so: the container does, or is AVI.
        broken: the times, in the stream's units, of picture packets read so far that are not whole.
        claimed: the length in seconds that the header tells, 0 if none.
    """

    def __init__(self, path: str, container: Any) -> None:
        self.path, self.container = path, container
        self.video = _video_stream(container)
        self.sounds: list[Any] = [stream for stream in container.streams.audio if stream.codec_context]
        best = container.streams.best("audio", related=self.video)
        self._colours = colour.told(self.video.codec_context) if self.video else {}
        self._with_alpha = self.video and _alpha_decoder(self.video)
        self.audio: Any = best if best in self.sounds else next(iter(self.sounds), None)
        # AVI tells no times of presentation, and PyAV's are guesses where pictures may be stored out of order.
        context = self.video and self.video.codec_context
        guessed = context and (context.has_b_frames or context.name in ("h264", "hevc"))
        self.unordered = container.format.name == "avi" and bool(guessed)
        order = context.field_order if context else 0
        self.by_fields = order > _PROGRESSIVE or (container.format.name == "avi" and not order)
        self.broken: set[int] = set()
        self._whole: int | None = None  # time of the last picture that was
        self._state_known, self._matrix = False, None
        self._latest = 0  # time of the last picture that was decoded, where they are unordered
        self.by_edits = "mp4" in container.format.name
        self.origin = (container.start_time or 0) / 1_000_000
        self.claimed = (container.duration or 0) / 1_000_000
        if "matroska" in container.format.name and self.origin > 0:
            self.claimed = max(0.0, self.claimed - self.origin)  # its writers put the end there, not the length

    def time(self, stamp: int, base: Fraction) -> float:
        """The second of a time stamp that counts in units of `base`."""
        return float(stamp * base) - self.origin

    def decoder(self, stream: Any) -> Any:
        """What decodes the stream."""
        return (stream is self.video and self._with_alpha) or stream.codec_context

    def packets(self, *streams: Any) -> Iterator[Any]:
        """Packets up to the end or to where the file is broken off."""
        from av.error import FFmpegError

        try:
            for packet in self.container.demux(*streams):
                if self.unordered and packet.stream is self.video:
                    packet.pts = packet.dts
                if packet.stream is self.video and _is_broken(packet):
                    self.broken.add(packet.pts)
                yield packet
        except (FFmpegError, OSError) as error:
            _breaks_off(self.path, error.strerror)

    def apart(self, streams: Sequence[Any]) -> list[Iterator[Any]]:
        """The packets of each stream by itself, in one reading of the file: what is read ahead waits."""
        waiting: dict[int, deque[Any]] = {stream.index: deque() for stream in streams}
        packets = self.packets(*streams)

        def of(stream: Any) -> Iterator[Any]:
            own = waiting[stream.index]
            while True:
                while own:
                    yield own.popleft()
                if (packet := next(packets, None)) is None:
                    return
                waiting[packet.stream.index].append(packet)

        return [of(stream) for stream in streams]

    def frames(
        self, stream: Any, damaged: Callable[[], None] | None = None, packets: Iterator[Any] | None = None
    ) -> Iterator[Any]:
        """Frames in order of presentation; a damaged packet costs itself, not the rest.

        `damaged`: called where one was lost; some decoders lose a broken packet without a word.
        `packets`: the stream's, where several streams are read together.
        """
        for packet in chain(self.packets(stream) if packets is None else packets, [None]):
            frames = self.pictures_in(packet) if stream is self.video else decode(stream.codec_context, packet)
            if not frames and damaged:
                damaged()
            yield from frames or ()

    def pictures_in(self, packet: Any) -> list[Any] | None:
        """The pictures that come out when `packet` goes in, as `decode` gives them; unordered ones are put in order.

        The decoder gives them out in the order of presentation, each as many packets late as it needs to put them so.
        """
        frames = decode(self.decoder(self.video), packet)
        if self.unordered:
            step = round(1 / (self.video.average_rate or 25) / self.video.time_base)
            for frame in frames or ():
                late = self.video.codec_context.reorder_depth * step
                self._latest = self._latest + step if frame.dts is None else max(0, frame.dts - late)
                frame.pts = self._latest
        for frame in frames or ():
            colour.complete(frame, self.video.codec_context.name, self._colours)
            frame.opaque = self._state(frame)
        return frames and [frame for frame in frames if self._is_shown(frame)]

    def _state(self, frame: Any) -> State:
        from av.sidedata.sidedata import Type

        if frame.key_frame or frame.rotation or not self._state_known:  # to ask each frame costs
            self._state_known = True
            self._matrix = frame.side_data.get(Type.DISPLAYMATRIX)
        return State(self.decoder(self.video).sample_aspect_ratio, self._matrix and bytes(self._matrix))

    def _is_shown(self, frame: Any) -> bool:
        """Whether a picture is whole, or there is none for the second before: it is better than nothing then."""
        if not frame.is_corrupt and frame.pts not in self.broken:
            self._whole = frame.pts
            return True
        _is_damaged(self.path)
        return self._whole is None or not 0 < (frame.pts - self._whole) * self.video.time_base < 1

    def frames_from(
        self, stream: Any, start: float, coming: Callable[[Any], None] = lambda packet: None
    ) -> Iterator[Any]:
        """Frames from the last keyframe before second `start` on, or from an earlier one.

        `coming`: called with each packet before it is decoded.
        """

        def packets() -> Iterator[Any]:
            for packet in self.packets(stream):
                coming(packet)
                yield packet

        for back in (1.0, 10.0, 60.0):
            if start <= back:
                break
            self.seek(stream, start - back)
            frames = self.frames(stream, packets=packets())
            first = next(frames, None)
            if first is not None and self.time(first.pts, stream.time_base) <= start + TIME_SLACK:
                yield first
                yield from frames
                return
        if start > 0:
            self.seek(stream, 0.0)
        yield from self.frames(stream, packets=packets())

    def seek(self, stream: Any, second: float) -> None:
        """Go to a keyframe before `second`, or to the start. Some formats land after it."""
        from av.error import FFmpegError

        if second <= 0:
            second = -LEAD  # the first packet is decoded, so sought, before it is presented
        try:
            self.container.seek(int((self.origin + second) / stream.time_base), stream=stream, backward=True)
        except FFmpegError:
            for start in (self.origin - LEAD, self.origin):  # AVI knows nothing before its first packet
                with suppress(FFmpegError):  # a format without seeking: whoever reads on looks at the times
                    self.container.seek(int(start * 1_000_000))
                    break
        self.decoder(stream).flush_buffers()


@contextmanager
def opened(path: str) -> Iterator[Source]:
    """The opened file. A folder, a pipe or a playlist that leads elsewhere is refused, and never waited for."""
    import av
    from av.error import FFmpegError

    try:
        kind = os.stat(path).st_mode
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; put the file there or mend its path in the list") from None
    if not stat.S_ISREG(kind):
        raise UserError(f"{path}: is not a file; give the path of a video")
    first = _first_bytes(path)
    if first[4:8] == b"ftyp" and first[8:12] in _PHOTOS:
        raise UserError(_PHOTO.format(path))
    try:
        # An absolute path cannot be taken for a protocol; the white list keeps playlists from the network.
        # Tags may be in any of the world's old encodings.
        options = {"protocol_whitelist": "file"}
        container = av.open(str(Path(path).absolute()), options=options, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        if first.startswith(_JPEG):  # a phone's photo with its film behind it, under the name of a film
            raise UserError(_PHOTO.format(path)) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: cannot be read as video or sound ({reason}); check that it plays") from None
    with container:
        if set(container.format.name.split(",")) & _PLAYLISTS:
            raise UserError(f"{path}: is a list or a text, not a video; give the paths of the videos themselves")
        if container.format.name == "webp_pipe" and b"ANIM" in first:
            raise UserError(f"{path}: is an animated WebP, which is not decoded here; convert it to .gif or .mp4")
        if _is_photo(container):
            raise UserError(_PHOTO.format(path))
        if is_protected(path, container.format.name):
            raise UserError(ENCRYPTED.format(path))
        for stream in container.streams.video:
            if (context := stream.codec_context) is not None:
                if context.width * context.height > _MOST_PIXELS:
                    size = f"{context.width} x {context.height}"
                    raise UserError(f"{path}: has pictures of {size}, larger than any video; scale it down")
                context.options = {"max_pixels": str(_MOST_PIXELS)}  # the pictures may tell another size
        for stream in container.streams.audio:
            if stream.codec_context is not None:
                _plain_layout(stream.codec_context)
        yield Source(path, container)


def _plain_layout(context: Any) -> None:
    """Sets the layout of channels as it is, or without places where they stand in an order that has no name.

    PyAV 18.1 shares the map of such an order with each layout that it gives out, and frees it with each: the process
    ends. What is set in its place has none.
    """
    layout = context.layout
    count, name = layout.nb_channels, layout.name
    if count:
        context.layout = {1: "mono", 2: "stereo"}.get(count, f"{count} channels") if " channels" in name else name


def _first_bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(64)
    except PermissionError as error:
        raise UserError(f"{path}: may not be read ({error.strerror}); mend its permissions") from None


def _is_photo(container: Any) -> bool:
    """Whether the file is of a single picture: JPEG, PNG, WebP and the like."""
    return container.format.name == "image2" or container.format.name.endswith("_pipe")


def measured_duration(path: str) -> float:
    """Where the last packet ends, in seconds: see `measured`."""
    return measured(path)[0]


def measured(path: str) -> tuple[float, float]:
    """Where the last packet ends, in seconds, and pictures a second, 0 without any: over all of them, or the last ones.

    The header's word is taken if what is found near there bears it out.

    Raises:
        UserError: the file cannot be opened, or is encrypted.
    """
    with opened(path) as source:
        # Files of sound alone are small, and may have no times but those guessed from the bit rate.
        if source.claimed > LEAD and source.video:
            source.seek(source.video, source.claimed - LEAD)
            found = _end(source)
            if abs(found[0] - source.claimed) < 1.0:
                return found
    with opened(path) as source:
        return _end(source)


def decode(context: Any, packet: Any) -> list[Any] | None:
    """The frames that come out of a decoder when `packet` goes in, or at the end (None); None if it is damaged.

    A picture without a time is none that can be shown.
    Sound without a time follows what comes before it: of several frames in a packet only the first is told its time.
    """
    from av.error import FFmpegError

    if packet is not None and not packet.size:
        return []  # PyAV's own mark of the end, which does not come where a file is broken off
    try:
        return [f for f in context.decode(packet) if f.pts is not None or context.type == "audio"]
    except FFmpegError:
        return None


def _video_stream(container: Any) -> Any:
    """The main picture stream: cover art is none."""
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic and s.codec_context]
    best = container.streams.best("video")
    return best if best in streams else (streams[0] if streams else None)


def _alpha_decoder(stream: Any) -> Any:
    """A decoder that keeps the alpha of a stream that says to have one, where its own drops it; else None."""
    from av import CodecContext, codecs_available

    own = stream.codec_context
    name = _WITH_ALPHA.get(own.name)
    if stream.metadata.get("alpha_mode") != "1" or name not in codecs_available:
        return None
    decoder = CodecContext.create(name, "r")
    decoder.extradata, decoder.options = own.extradata, dict(own.options)
    return decoder


def _end(source: Source) -> tuple[float, float]:
    """Where the last of the packets ends that are still to be read, and how many pictures a second they hold."""
    end = 0.0
    before: float | None = None
    shown: set[float] = set()
    # Sound alone may be of several microphones, one of which goes on longer.
    streams = [source.video, *([source.audio] if source.audio else [])] if source.video else source.sounds
    for packet in source.packets(*streams):
        if packet.has_sidedata("encryption_info"):  # decoders make noise of it, and do not complain
            raise UserError(ENCRYPTED.format(source.path))
        if packet.pts is None or packet.is_discard:
            continue
        time = source.time(packet.pts, packet.time_base)
        if before is None or time - before < _LEAP:
            length = float((packet.duration or 0) * packet.time_base) or _frame_length(packet.stream)
            cut = source.by_edits and time < source.claimed < time + length
            end = max(end, source.claimed if cut else time + length)
            if packet.stream is source.video:
                shown.add(time)
        before = time
    return round(end, 6), _rate(source, sorted(shown))


def _rate(source: Source, times: list[float]) -> float:
    """Pictures a second: those of the file's index over their length, or those that were read over their span."""
    video = source.video
    if video is None:
        return 0.0
    guess = float(video.guessed_rate or video.average_rate or 0)
    if source.by_edits and len(video.index_entries) > 2:
        entries = video.index_entries
        rate = (len(entries) - 1) / float((entries[-1].timestamp - entries[0].timestamp) * video.time_base)
    elif len(times) > 2:
        rate = (len(times) - 1) / (times[-1] - times[0])
    else:
        return guess
    return guess if abs(guess - rate) < 0.02 * rate else rate


def _frame_length(stream: Any) -> float:
    return float(1 / stream.average_rate) if stream.type == "video" and stream.average_rate else 0.0


def _is_broken(packet: Any) -> bool:
    """Whether pixels are missing: the file is cut off there, or a twentieth of a DV frame was never written.

    A block of DV has 80 bytes, the first of which is never 0 (IEC 61834-2, the section's type).
    """
    if packet.stream.codec_context.name != "dvvideo" or not packet.size:
        return packet.is_corrupt
    kinds = bytes(packet)[::80]
    return packet.is_corrupt or kinds.count(0) > len(kinds) // 20


@cache
def _is_damaged(path: str) -> None:
    log.warning("%s: has damaged pictures; whole ones before them are used; check the copy", path)


@cache
def _breaks_off(path: str, reason: str) -> None:
    """Say so, once, though the file is read several times."""
    log.warning("%s: breaks off (%s); what comes before is used", path, reason)
