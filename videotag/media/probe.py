"""What a file is: its length, its size as displayed, whether it has pictures and sound."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from videotag.errors import UserError
from videotag.media.interlace import is_field
from videotag.media.source import Source, measured, opened
from videotag.media.upright import Upright

log = logging.getLogger("videotag")


@dataclass(frozen=True)
class Media:
    """What a file is. `width` and `height` are those displayed (rotation and pixel shape honoured), 0 without video."""

    duration: float
    width: int
    height: int
    fps: float
    has_video: bool
    has_audio: bool


def probe(path: str) -> Media:
    """Say what the file is.

    Raises:
        UserError: it is missing, unreadable, no media file, or holds neither sound nor pictures.
    """
    with opened(path) as source:
        video, audio = source.video, source.audio
        unknown = undecodable(source)
        if video is None and audio is None:
            if unknown:
                found = ", ".join(unknown.values())
                raise UserError(f"{path}: nothing here decodes what it holds ({found}); convert it to .mp4")
            raise UserError(f"{path}: has neither sound nor pictures; take its entry out of the list of videos")
        length, rate = measured(path)
        if not length:
            remedy = "convert it to .mp4 or take its entry out of the list"
            raise UserError(f"{path}: is empty, or tells no times; {remedy}")
        width, height, fps, claimed, end = 0, 0, 0.0, 0.0, source.origin + length
        if video:
            frame = next(source.frames(video), None)
            if frame is None:
                raise UserError(f"{path}: not one frame of it can be decoded; check that it plays")
            width, height = Upright(source).size(frame)  # rotation, which only a decoded frame tells, honoured
            fps, claimed = rate / (2 if is_field(frame, video) else 1), source.claimed
    # Fragments of MP4 and WMV that begin later tell where they end, not how long they are.
    if length < 0.95 * claimed - 1 and abs(end - claimed) > 1:
        log.warning("%s: holds %.0f of the %.0f s that its header tells; check that it is whole", path, length, claimed)
    if ("video" in unknown and not video) or ("audio" in unknown and not audio):
        lost, used = ("sound", "pictures are") if video else ("pictures", "sound is")
        kind = unknown["audio" if video else "video"]
        log.warning("%s: its %s cannot be decoded, only its %s used (%s); convert it", path, lost, used, kind)
    return Media(length, width, height, round(fps, 3), bool(video), bool(audio))


def undecodable(source: Source) -> dict[str, str]:
    """The kinds of tracks that cannot be decoded, "video" or "audio", each with the name of a codec."""
    import av.logging

    streams = [s for s in source.container.streams if s.codec_context is None and s.type in ("video", "audio")]
    if not streams:
        return {}
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)  # without it FFmpeg writes no description
    try:
        described = source.container.dumps_format()
    finally:
        av.logging.set_level(level)
    names = {}
    for stream in streams:
        told = re.search(rf"Stream #0:{stream.index}\b.*?: (?:Video|Audio): (\w+(?: \(\w+)?)", described)
        name = told[1].removeprefix("none (") if told else "unknown"
        names.setdefault(stream.type, f"{stream.type} {name.split()[0]}")
    return names


def checked_path(path: str) -> Path:
    """The absolute path, which no program takes for an option or an address; of a file that is a video or sound."""
    video = Path(path).absolute()
    probe(str(video))
    return video
