"""A copy of a video, or of a part of it, that every browser plays: MP4 of H.264 and AAC, as it is meant to be seen.

It has no edit list but for the delays of its codecs, for Firefox ignores others: what is cut away is not in it, and
what begins late is filled up.
"""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videotag.errors import UserError
from videotag.media import colour
from videotag.media.clip import encode, has_pictures, lead
from videotag.media.coding import ALL, MARKED, Coding

LINES = 720  # rows of a copy at most
BITS = 2_500_000  # a second of pictures at most
SOUND_BITS = 128_000  # a second
UNFINISHED = ".tmp"
_KEYFRAMES = 50  # pictures between two: a browser goes to any second at once
_KEPT_IN = ("mp4", "matroska", "mpegts")  # they tell when each picture is shown, which AVI does not
_LATE = 0.1  # s; pictures or sound that begin later than a part are filled up
_DEINTERLACED = {MARKED: "interlaced", ALL: "all"}


@dataclass(frozen=True)
class Copy:
    """What is copied.

    Attributes:
        path: of the video.
        heard: the sound tracks, numbered from 1 in the file; several are mixed, none is silence.
        span: seconds [start, end) of it; None is the whole.
    """

    path: str
    coding: Coding
    heard: tuple[int, ...]
    span: tuple[float, float] | None = None

    @property
    def keeps_pictures(self) -> bool:
        """Whether the pictures go into a copy of the whole as they are: then it is made in a fraction of the time."""
        coding = self.coding
        known = coding.pictures == "h264" and coding.pixels in ("yuv420p", "yuvj420p")
        shown = coding.plain and not coding.interlaced and any(kind in coding.container for kind in _KEPT_IN)
        in_place = not coding.edited and coding.late < _LATE
        return self.span is None and known and shown and in_place


def make(copy: Copy, target: Path, progress: Callable[[float], None] = lambda seconds: None) -> None:
    """Write a copy whole or not at all, as .mp4.

    Args:
        progress: called twice a second with the seconds that are done; what it raises ends the work.

    Raises:
        UserError: the video cannot be read, or the copy not be written.
    """
    target = target.absolute()
    unfinished = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}{UNFINISHED}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            for command in _commands(copy, Path(folder), unfinished):
                encode(command, copy.path, progress)
                if not copy.coding.pictures or has_pictures(unfinished):
                    break
            else:
                raise UserError(f"{copy.path}: ffmpeg found no pictures there")
        os.replace(unfinished, target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _commands(copy: Copy, folder: Path, target: Path) -> Iterator[list[str]]:
    """What ffmpeg is told, and what it is told next where that gives no pictures. `folder`: for files of its own."""
    import ffmpeg
    from imageio_ffmpeg import get_ffmpeg_exe

    for at, cut in _places(copy):
        whole = ffmpeg.input(str(Path(copy.path).absolute()), protocol_whitelist="file", **at)
        streams = []
        options: dict[str, Any] = {"format": "mp4", "movflags": "+faststart", "map_metadata": -1, "map_chapters": -1}
        if copy.coding.pictures:
            streams.append(whole["V:0"] if copy.keeps_pictures else _shown(whole["V:0"], copy, folder))
            options |= {"vcodec": "copy"} if copy.keeps_pictures else _h264(copy)
        if copy.heard:
            tracks = [whole[str(copy.coding.sounds[number - 1][0])] for number in copy.heard]
            mixed = tracks[0] if len(tracks) == 1 else ffmpeg.filter(tracks, "amix", inputs=len(tracks))
            streams.append(mixed.filter("aresample", first_pts=0))
            options |= {"acodec": "aac", "audio_bitrate": SOUND_BITS, "ac": 2, "ar": 48_000}
        made = ffmpeg.output(*streams, str(target), **options, **cut)
        told = made.global_args("-nostdin", "-y", "-loglevel", "error", "-progress", "pipe:1")
        yield list(map(str, ffmpeg.compile(told, cmd=get_ffmpeg_exe())))


def _h264(copy: Copy) -> dict[str, Any]:
    """Somebody waits for a part; a whole is to be small."""
    if copy.span:
        return {"vcodec": "libx264", "preset": "ultrafast", "crf": 23}
    return {"vcodec": "libx264", "preset": "veryfast", "crf": 23, "maxrate": BITS, "bufsize": 2 * BITS, "g": _KEYFRAMES}


def _places(copy: Copy) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Where reading begins and what of that is written, as options."""
    if copy.span is None:
        yield {}, {}
        return
    start, end = copy.span
    # MPEG program streams are not always found again where they are sought: then all before is decoded.
    for before in dict.fromkeys((lead(copy.path, start), start)):
        at = {"ss": f"{start - before:.3f}"} if start > before else {}
        yield at, {"ss": f"{before:.3f}", "t": f"{end - start:.3f}"}


def _shown(pictures: Any, copy: Copy, folder: Path) -> Any:
    """The pictures as they are meant to be seen, at most `LINES` high, with square pixels."""
    coding = copy.coding
    if coding.late >= _LATE and not (copy.span and copy.span[0]):
        pictures = pictures.filter("setpts", "PTS-STARTPTS").filter(
            "tpad", start_duration=round(coding.late, 3), start_mode="clone"
        )
    if kind := _DEINTERLACED.get(coding.interlaced):  # of `FIELDS` each is stretched to a picture
        pictures = pictures.filter("bwdif", mode="send_frame", deint=kind)
    width, height = coding.size
    scale = min(1.0, LINES / height)
    sides = [max(2, 2 * round(side * scale / 2)) for side in (width, height)]
    pictures = pictures.filter("scale", *sides).filter("setsar", 1)
    if not coding.plain:
        table = folder / "colours.cube"
        table.write_text(colour.cube(*coding.colours), encoding="ascii")
        pictures = pictures.filter("format", "gbrp16le").filter("lut3d", file=str(table))
        pictures = pictures.filter("scale", out_color_matrix="bt709", out_range="limited")
        pictures = pictures.filter("format", "yuv420p")
        tags = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709", "range": "limited"}
        return pictures.filter("setparams", **tags)
    return pictures.filter("format", "yuv420p")
