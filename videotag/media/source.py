"""A media file as it is read: its streams, times, packets, seeking and decoding. PyAV (FFmpeg's libraries) underneath.

Every time is in seconds from the start of the file as players count it: presentation time less the container's start.
"""

import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from videotag.errors import UserError

log = logging.getLogger("videotag")

TIME_SLACK = 1e-6
LEAD = 10.0  # seconds before the wanted time to which is sought: some formats land later than asked
_LEAP = 3600.0
"""Seconds from one packet to the next that a second packet must bear out: a single damaged time can say anything."""
_MOST_PIXELS = 1 << 26  # more than 8K video has; larger pictures are not decoded, whatever memory they ask for
_PLAYLISTS = {"hls", "dash", "concat", "sdp", "tty", "imf"}
"""FFmpeg's formats that are text and lead elsewhere, or no video."""


class Source:
    """An opened file: what is read of it, and how. Made by `opened`, for one reader at a time.

    Attributes:
        path: as it was given.
        container: PyAV's.
        video: the main picture stream; cover art is none. None where there is none, or none that can be decoded.
        audio: the sound stream that belongs to it, or None.
        origin: the container's start, in its own seconds: what is second 0 here.
        claimed: the length in seconds that the header tells, 0 if none.
    """

    def __init__(self, path: str, container: Any) -> None:
        self.path, self.container = path, container
        self.video = _video_stream(container)
        sound = container.streams.best("audio", related=self.video)
        self.audio: Any = sound if sound is not None and sound.codec_context else None
        self.origin = (container.start_time or 0) / 1_000_000
        self.claimed = (container.duration or 0) / 1_000_000

    def time(self, stamp: int, base: Fraction) -> float:
        """The second of a time stamp that counts in units of `base`."""
        return float(stamp * base) - self.origin

    def packets(self, *streams: Any) -> Iterator[Any]:
        """Packets up to the end or to where the file is broken off."""
        from av.error import FFmpegError

        try:
            yield from self.container.demux(*streams)
        except (FFmpegError, OSError) as error:
            _breaks_off(self.path, error.strerror)

    def frames(
        self,
        stream: Any,
        damaged: Callable[[], None] | None = None,
        coming: Callable[[Any], None] | None = None,
    ) -> Iterator[Any]:
        """Frames in order of presentation; a damaged packet costs itself, not the rest.

        `damaged`: called where one was lost; some decoders lose a broken packet without a word. `coming`: called with
        each packet before it is decoded.
        """
        for packet in chain(self.packets(stream), [None]):
            if coming and packet is not None:
                coming(packet)
            frames = decode(stream, packet)
            if not frames and damaged:
                damaged()
            yield from frames or ()

    def frames_from(self, stream: Any, start: float, coming: Callable[[Any], None] | None = None) -> Iterator[Any]:
        """Frames from the last keyframe before second `start` on, or from an earlier one; `coming` as in `frames`."""
        for back in (1.0, 10.0, 60.0):
            if start <= back:
                break
            self.seek(stream, start - back)
            frames = self.frames(stream, coming=coming)
            first = next(frames, None)
            if first is not None and self.time(first.pts, stream.time_base) <= start + TIME_SLACK:
                yield first
                yield from frames
                return
        if start > 0:
            self.seek(stream, 0.0)
        yield from self.frames(stream, coming=coming)

    def seek(self, stream: Any, second: float) -> None:
        """Go to a keyframe before `second`, or to the start. Some formats land after it."""
        from av.error import FFmpegError

        if second <= 0:
            second = -LEAD  # the first packet is decoded, so sought, before it is presented
        try:
            self.container.seek(int((self.origin + second) / stream.time_base), stream=stream, backward=True)
        except FFmpegError:
            with suppress(FFmpegError):  # a format without seeking: whoever reads on looks at the times
                self.container.seek(int((self.origin - LEAD) * 1_000_000))
        stream.codec_context.flush_buffers()


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
        yield Source(path, container)


def measured_duration(path: str) -> float:
    """Where the last packet ends, in seconds. The header's word is taken if what is found near there bears it out.

    Raises:
        UserError: the file cannot be opened, or is encrypted.
    """
    with opened(path) as source:
        # Files of sound alone are small, and may have no times but those guessed from the bit rate.
        if source.claimed and source.video:
            source.seek(source.video, source.claimed - LEAD)
            found = _end(source)
            if abs(found - source.claimed) < 1.0:
                return found
    with opened(path) as source:
        return _end(source)


def decode(stream: Any, packet: Any) -> list[Any] | None:
    """The frames that come out when `packet` goes in, or at the end (None); None if it is damaged."""
    from av.error import FFmpegError

    if packet is not None and not packet.size:
        return []  # PyAV's own mark of the end, which does not come where a file is broken off
    try:
        return [frame for frame in stream.codec_context.decode(packet) if frame.pts is not None]
    except FFmpegError:
        return None


def _video_stream(container: Any) -> Any:
    """The main picture stream: cover art is none."""
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic and s.codec_context]
    best = container.streams.best("video")
    return best if best in streams else (streams[0] if streams else None)


def _end(source: Source) -> float:
    """Where the last of the packets ends that are still to be read."""
    end = 0.0
    before: float | None = None
    streams = [stream for stream in (source.video, source.audio) if stream]
    for packet in source.packets(*streams):
        if packet.has_sidedata("encryption_info"):  # decoders make noise of it, and do not complain
            raise UserError(f"{source.path}: is encrypted; give a copy without protection")
        if packet.pts is not None:
            time = source.time(packet.pts, packet.time_base)
            if before is None or time - before < _LEAP:
                length = float((packet.duration or 0) * packet.time_base) or _frame_length(packet.stream)
                end = max(end, time + length)
            before = time
    return round(end, 6)


def _frame_length(stream: Any) -> float:
    return float(1 / stream.average_rate) if stream.type == "video" and stream.average_rate else 0.0


@cache
def _breaks_off(path: str, reason: str) -> None:
    """Say so, once, though the file is read several times."""
    log.warning("%s: breaks off (%s); what comes before is used", path, reason)
