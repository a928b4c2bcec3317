"""What the headers of MP4 and Matroska files tell and PyAV does not hand on: cropping, protection, edit lists."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MOST = 10_000  # parts of a level that are looked through
_EDITED = 0.25  # s: what undoes the delay of a codec is shorter


class Crop(NamedTuple):
    """Pixels of the stored picture that are cut off at each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


def crop(path: str, container: str, stream: int, size: tuple[int, int]) -> Crop:
    """What a file cuts off its pictures: `clap` of MP4 and QuickTime, PixelCrop of Matroska.

    Args:
        container: FFmpeg's name of the format.
        stream: the number of the track in the file.
        size: width and height as stored.
    """
    read = _quicktime if "mp4" in container else _matroska if "matroska" in container else None
    if read is None:
        return Crop()
    with Path(path).open("rb") as file:
        try:
            found = read(file, stream, size)
        except (struct.error, ValueError, ZeroDivisionError, IndexError):  # damaged: then as FFmpeg reads it
            return Crop()
    inside = min(found) >= 0 and found.left + found.right < size[0] and found.top + found.bottom < size[1]
    return found if inside else Crop()


def is_protected(path: str, container: str) -> bool:
    """Whether a track of an MP4 file is encrypted: its kind is then `encv` or `enca` (ISO/IEC 14496-12, 8.12)."""
    if "mp4" not in container:
        return False
    with Path(path).open("rb") as file:
        try:
            entries = [entry for track in _tracks(file) for entry in _sample_entries(file, track)]
        except (struct.error, ValueError):
            return False
    return any(name in (b"encv", b"enca") for name, _, _ in entries)


def is_edited(path: str, container: str) -> bool:
    """Whether edit lists of MP4 or QuickTime cut, delay or reorder pictures or sound (ISO/IEC 14496-12, 8.6.6)."""
    if "mp4" not in container:
        return False
    with Path(path).open("rb") as file:
        try:
            return any(_is_edited(file, track) for track in _tracks(file))
        except (struct.error, ValueError, ZeroDivisionError, IndexError):
            return False


def _is_edited(file: BinaryIO, track: tuple[int, int]) -> bool:
    edits = _inside(file, track, b"edts", b"elst")
    media, kind = (_inside(file, track, b"mdia", name) for name in (b"mdhd", b"hdlr"))
    movie = _inside(file, (0, _end(file)), b"moov", b"mvhd")
    if not (edits and media and movie and kind):
        return False
    file.seek(kind[0] + 8)
    if file.read(4) not in (b"vide", b"soun"):  # texts and timecode may begin when they like
        return False
    seconds = [Fraction(1, _timescale(file, header)) for header in (movie, media)]
    file.seek(edits[0])
    version, count = struct.unpack(">B3xI", file.read(8))
    edit = struct.Struct(">Qqhh" if version else ">Iihh")
    found = [edit.unpack(file.read(edit.size)) for _ in range(min(count, _MOST))]
    delay = sum(length * seconds[0] for length, first, *_ in found if first == -1)  # nothing is shown for so long
    shown = [first * seconds[1] for _, first, *_ in found if first != -1]
    return delay > _EDITED or len(shown) > 1 or any(first > _EDITED for first in shown)


def _timescale(file: BinaryIO, header: tuple[int, int]) -> int:
    """How many units a second has, of `mvhd` or `mdhd` (8.2.2, 8.4.2)."""
    file.seek(header[0])
    version = file.read(4)[0]
    scale = struct.Struct(">16xI" if version else ">8xI")
    return scale.unpack(file.read(scale.size))[0]


def _inside(file: BinaryIO, box: tuple[int, int], *names: bytes) -> tuple[int, int] | None:
    """Place and length of a box in a box in a box."""
    place: tuple[int, int] | None = box
    for name in names:
        place = place and _first(_boxes(file, sum(place), place[0]), name)
    return place


def _quicktime(file: BinaryIO, stream: int, size: tuple[int, int]) -> Crop:
    """ISO/IEC 14496-12, 12.1.4: width, height and the centre's place, each a fraction."""
    entry = next(_sample_entries(file, _tracks(file)[stream]), None)
    clap = entry and _first(_boxes(file, entry[1] + entry[2], entry[1] + 78), b"clap")
    if not clap:
        return Crop()
    file.seek(clap[0])
    numbers = struct.unpack(">8i", file.read(32))
    width, height, across, down = (Fraction(*numbers[n : n + 2]) for n in (0, 2, 4, 6))
    left, top = (size[0] - width) / 2 + across, (size[1] - height) / 2 + down
    return Crop(round(left), round(top), size[0] - round(left + width), size[1] - round(top + height))


def _tracks(file: BinaryIO) -> list[tuple[int, int]]:
    """Place and length of each track."""
    moov = _first(_boxes(file, _end(file)), b"moov")
    inside = _boxes(file, sum(moov), moov[0]) if moov else ()
    return [(place, length) for name, place, length in inside if name == b"trak"]


def _sample_entries(file: BinaryIO, track: tuple[int, int]) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each description of a track's samples."""
    place = _inside(file, track, b"mdia", b"minf", b"stbl", b"stsd")
    return _boxes(file, sum(place), place[0] + 8) if place else iter(())


def _boxes(file: BinaryIO, end: int, place: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of the content of each box up to `end`."""
    for _ in range(_MOST):
        if place + 8 > end:
            return
        file.seek(place)
        length, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if length == 1:
            (length,), head = struct.unpack(">Q", file.read(8)), 16
        length = length or end - place
        if length < head:
            return
        yield name, place + head, length - head
        place += length


def _first(boxes: Iterator[tuple[bytes, int, int]], name: bytes) -> tuple[int, int] | None:
    return next(((place, length) for found, place, length in boxes if found == name), None)


def _matroska(file: BinaryIO, stream: int, size: tuple[int, int]) -> Crop:
    """RFC 9559: Segment, Tracks, TrackEntry, Video; its PixelCropLeft, -Top, -Right and -Bottom."""
    segment = _first(_elements(file, _end(file)), b"\x18\x53\x80\x67")
    tracks = segment and _first(_elements(file, sum(segment), segment[0]), b"\x16\x54\xae\x6b")
    if not tracks:
        return Crop()
    entries = [place for name, *place in _elements(file, sum(tracks), tracks[0]) if name == b"\xae"]
    video = _first(_elements(file, sum(entries[stream]), entries[stream][0]), b"\xe0")
    if video is None:
        return Crop()
    cut = dict.fromkeys((b"\x54\xcc", b"\x54\xbb", b"\x54\xdd", b"\x54\xaa"), 0)
    for name, place, length in _elements(file, sum(video), video[0]):
        if name in cut:
            file.seek(place)
            cut[name] = int.from_bytes(file.read(min(length, 8)))
    return Crop(*cut.values())


def _elements(file: BinaryIO, end: int, place: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Identifier, place and length of the content of each EBML element up to `end`."""
    for _ in range(_MOST):
        if place >= end:
            return
        file.seek(place)
        name = _number(file)
        size = _number(file)
        if not name or not size:
            return
        mask = (1 << 7 * len(size)) - 1
        length = int.from_bytes(size) & mask
        here = file.tell()
        length = end - here if length == mask else length  # written live: of unknown length
        yield name, here, length
        place = here + length


def _number(file: BinaryIO) -> bytes:
    """A number of EBML with its marker: its first set bit tells how many bytes it has."""
    first = file.read(1)
    return first + file.read(8 - first[0].bit_length()) if first and first[0] else b""


def _end(file: BinaryIO) -> int:
    return file.seek(0, 2)
