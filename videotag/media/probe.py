"""What a file is: its length, its size as displayed, whether it has pictures and sound."""

import logging
from dataclasses import dataclass
from pathlib import Path

from videotag.errors import UserError
from videotag.media.source import measured_duration, opened
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
        if video is None and audio is None:
            raise UserError(f"{path}: has neither sound nor pictures; take its entry out of the list of videos")
        length = measured_duration(path)
        if not length:
            remedy = "convert it to .mp4 or take its entry out of the list"
            raise UserError(f"{path}: is empty, or tells no times; {remedy}")
        width, height, fps, claimed = 0, 0, 0.0, 0.0
        if video:
            frame = next(source.frames(video), None)
            if frame is None:
                raise UserError(f"{path}: not one frame of it can be decoded; check that it plays")
            width, height = Upright(source).size(frame)  # rotation, which only a decoded frame tells, honoured
            fps, claimed = float(video.guessed_rate or video.average_rate or 0), source.claimed
        unknown = {stream.type for stream in source.container.streams if stream.codec_context is None}
    if length < 0.95 * claimed - 1:
        log.warning("%s: holds %.0f of the %.0f s that its header tells; check that it is whole", path, length, claimed)
    if ("video" in unknown and not video) or ("audio" in unknown and not audio):
        lost, used = ("sound", "pictures are") if video else ("pictures", "sound is")
        log.warning("%s: its %s cannot be decoded, only its %s used; convert it", path, lost, used)
    return Media(length, width, height, round(fps, 3), bool(video), bool(audio))


def checked_path(path: str) -> Path:
    """The absolute path, which no program takes for an option or an address; of a file that is a video or sound."""
    video = Path(path).absolute()
    probe(str(video))
    return video
