"""Captions of CEA-608: two bytes with each picture, of up to four channels, beside it or on a track of their own.

What the bytes mean for the screen is FFmpeg's to know (its `cc_dec` reads one channel); here the channels are parted,
and each text gets the time at which it comes.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

from videotag.media.source import Source
from videotag.media.subtitle_text import Cue, cue, dialogue, in_order

_CARRIERS = ("h264", "hevc", "mpeg2video", "mpegvideo", "libdav1d", "av1")
_MARKS = (b"GA94", b"CC\x01\xf8", b"\0\0\1\xb2\3")
"""What precedes the codes in a packet: ATSC A/53 (all codecs), DVD, and SCTE 20 (MPEG-2's user data of type 3)."""
_WITHIN = 60  # pictures: captions fill every one, with nothing where there is none
_SHORT = 6.0  # seconds, of which the first frames tell
_ERASE = (0x94, 0x2C)  # the displayed text, with odd parity
_LOADED, _ROLLED, _PAINTED, _SHOWN, _ERASED, _NEXT_LINE = 0x20, (0x25, 0x26, 0x27), 0x29, 0x2F, 0x2C, 0x2D
_PAGES = (0x2A, 0x2B)  # of text, which is no captions


def in_pictures(source: Source) -> dict[int, list[Cue]]:
    """The captions of a file's pictures by their channel, 1 to 4.

    They are in every picture of a programme or in none, so some at the start and in the middle tell.
    """
    if source.video is None or source.video.codec_context.name not in _CARRIERS:
        return {}
    if not _marked(source):
        if source.claimed < _SHORT:
            return {}
        source.seek(source.video, source.claimed / 2)
        if not _marked(source):
            return {}
    source.seek(source.video, 0.0)
    source.video.thread_type = "AUTO"
    return read(_codes(source))


def _marked(source: Source) -> bool:
    """Whether the next packets carry captions: looking for the mark costs next to nothing, decoding does."""
    packets = (bytes(packet) for packet in islice(source.packets(source.video), _WITHIN))
    return any(mark in packet for packet in packets for mark in _MARKS)


def _codes(source: Source) -> Iterator[tuple[float, bytes]]:
    """The second of each frame, and its captions' codes. No frame is kept: sixty of 4K are a gigabyte and more."""
    for frame in source.frames(source.video):
        sides = [bytes(side) for side in frame.side_data if side.type.name == "A53_CC"]
        yield source.time(frame.pts, source.video.time_base), b"".join(sides)


def read(codes: Iterable[tuple[float, bytes]]) -> dict[int, list[Cue]]:
    """The texts of each channel, 1 to 4, from seconds and codes: each a kind and two bytes (CEA-708, 4.4)."""
    channels = {number: _Channel() for number in (1, 2, 3, 4)}
    spoken_to: list[int | None] = [1, 3]  # of the first field and the second; None: not of captions
    time = 0.0
    for time, code in codes:
        for kind, high, low in zip(code[::3], code[1::3], code[2::3], strict=False):
            if kind & 0x06 != 0x04 or not (high | low) & 0x7F:  # not of CEA-608, or empty
                continue
            field = kind & 1
            if 0x10 <= high & 0x7F < 0x20:
                spoken_to[field] = 2 * field + (2 if high & 0x08 else 1)
                high ^= 0x88 if high & 0x08 else 0  # the first channel's code, and its parity
            elif high & 0x7F < 0x10:
                spoken_to[field] = None  # what the programme is called, and the like
            if number := spoken_to[field]:
                channels[number].take(time, high, low)
    for channel in channels.values():
        channel.take(time, *_ERASE)
    return {number: in_order(channel.found) for number, channel in channels.items() if channel.found}


class _Channel:
    """Of one channel the texts that were `found` so far, each from when it is on the screen until that changes."""

    def __init__(self) -> None:
        import av

        self.found: list[Cue] = []
        self._decoder: Any = av.CodecContext.create("cc_dec", "r")  # gives a text out when it is gone
        self._before: tuple[int, int] | None = None
        self._since: float | None = None
        self._direct = False  # letters show at once
        self._page = False

    def take(self, time: float, high: int, low: int) -> None:
        from av import Packet

        control = low & 0x7F if high & 0x7F in (0x14, 0x15) else 0
        if control and (high, low) == self._before:
            self._before = None  # sent twice, for safety
            return
        self._before = (high, low)
        if control in _PAGES or control in (_LOADED, _PAINTED, _SHOWN, *_ROLLED):
            self._page = control in _PAGES
        if self._page:
            return
        packet = Packet(bytes((0xFC, high, low)))
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = round(time * 1000)
        for text in dialogue(self._decoder, packet):
            self.found += cue(time if self._since is None else self._since, time, [text])
            self._since = None
        if control in (_LOADED, _PAINTED, *_ROLLED):
            self._direct = control != _LOADED
        letters = high & 0x7F >= 0x20 and self._direct
        if control in (_SHOWN, _NEXT_LINE) or (letters and self._since is None):
            self._since = time
        elif control == _ERASED:
            self._since = None
