"""How a file is coded, and what a player has to do to show it rightly."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from videotag.content import source_of
from videotag.errors import UserError
from videotag.media import colour
from videotag.media.headers import is_edited
from videotag.media.interlace import is_combed, is_field
from videotag.media.probe import undecodable
from videotag.media.source import Source, opened
from videotag.media.upright import Upright

_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of a file's length: where nothing moves, combs are not seen
_LOOKED_AT = 25  # frames or packets at each
MARKED, ALL, FIELDS = "marked", "all", "fields"


@dataclass(frozen=True)
class Coding:
    """How a file is coded. Names of containers, codecs and pixel formats are FFmpeg's.

    Attributes:
        container: all names of it, "mov,mp4,m4a,3gp,3g2,mj2".
        pictures: the codec of the pictures, "" where there are none.
        tag: the codec's four characters in the container, "hvc1".
        pixels: "yuv420p10le", "" without pictures.
        size: width and height as displayed, (0, 0) without pictures.
        colours: transfer and primaries of the first picture, numbers of ITU-T H.273.
        plain: whether those are a screen's.
        interlaced: "" where no combs are seen; else what has to be made whole: the frames that are marked so, all
            frames, or fields that come as pictures of their own.
        sounds: of each sound track, in the file's order: its stream's index and codec, "" if it cannot be decoded.
        best: the number, from 1, of the track that the container puts first; 0 without any that can be decoded.
        lost: what nothing here decodes, "video mvha"; "" if all is.
        start: where the container's own clock begins, s; second 0 for everything here.
        late: the second of the first picture, 0 without pictures.
        length: seconds that the header tells, 0 if none.
        edited: whether edit lists cut, delay or reorder what an MP4 or QuickTime file holds.
        reckoned: whether a second's place can only be reckoned: MP3 of a varying rate and raw AAC have no index.
    """

    container: str
    pictures: str = ""
    tag: str = ""
    pixels: str = ""
    size: tuple[int, int] = (0, 0)
    colours: tuple[int, int] = (2, 2)
    plain: bool = True
    interlaced: str = ""
    sounds: tuple[tuple[int, str], ...] = ()
    best: int = 0
    lost: str = ""
    start: float = 0.0
    late: float = 0.0
    length: float = 0.0
    edited: bool = False
    reckoned: bool = False

    @property
    def is_hdr(self) -> bool:
        return self.colours[0] in colour.HDR


def coding_of(path: str) -> Coding:
    """How a file is coded; looked into once as long as it stays the same.

    Raises:
        UserError: it is missing, or is no video or sound that can be read.
    """
    source = source_of(path)
    return _coding_of(path, source["size"], source["mtime_ns"])


@lru_cache(maxsize=1024)
def _coding_of(path: str, size: int, mtime_ns: int) -> Coding:
    with opened(path) as source:
        tracks = list(source.container.streams.audio)
        sounds = tuple((track.index, track.codec_context.name if track in source.sounds else "") for track in tracks)
        best = tracks.index(source.audio) + 1 if source.audio else 0
        container = source.container.format.name
        known = {"container": container, "sounds": sounds, "best": best, "start": source.origin}
        known |= {"length": source.claimed, "edited": is_edited(path, container), "reckoned": _is_reckoned(source)}
        known["lost"] = ", ".join(sorted(undecodable(source).values()))
        if source.video is None:
            return Coding(**known)
        context = source.video.codec_context
        frame = next(source.frames(source.video), None)
        if frame is None:
            raise UserError(f"{path}: not one frame of it can be decoded; check that it plays")
        return Coding(
            **known,
            pictures=context.name,
            tag=context.codec_tag.rstrip("\0"),
            pixels=context.pix_fmt or "",
            size=Upright(source).size(frame),
            late=max(0.0, source.time(frame.pts, source.video.time_base)),
            colours=(int(frame.color_trc), int(frame.color_primaries)),
            plain=colour.is_plain(frame),
            interlaced=_interlaced(source, frame),
        )


def _is_reckoned(source: Source) -> bool:
    name = source.container.format.name
    if name != "mp3" or source.audio is None:
        return name == "aac"
    sizes: set[int] = set()
    for place in _PLACES:
        source.seek(source.audio, place * source.claimed)
        sizes |= {packet.size for packet in islice(source.packets(source.audio), _LOOKED_AT) if packet.size}
    return max(sizes, default=0) - min(sizes, default=0) > 1  # a byte fills up what does not divide evenly


def _interlaced(source: Source, first: Any) -> str:
    if is_field(first, source.video):
        return FIELDS
    if not first.interlaced_frame and not source.by_fields:
        return ""
    for place in _PLACES:
        frames = list(islice(source.frames_from(source.video, place * source.claimed), _LOOKED_AT))
        around = zip(frames, frames[1:], frames[2:], strict=False)
        if any(is_combed(*three) for three in islice(around, 0, None, 4)):
            return MARKED if first.interlaced_frame else ALL
    return ""
