"""A part of a video cut out into a file of its own, by an ffmpeg program that comes as a package."""

import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from videotag.errors import UserError
from videotag.media.probe import checked_path

CLIP_KINDS = (".mp4", ".mkv", ".mov")


def clip(
    path: str, start: float, end: float, target: Path, progress: Callable[[float], None] = lambda seconds: None
) -> None:
    """Cut [start, end) out of a video into a new file.

    It is encoded again: a copy of the stream can only begin at a keyframe, which may be ten seconds before.

    Args:
        start, end: seconds.
        target: .mp4, .mkv or .mov.
        progress: called with the seconds that are done.

    Raises:
        UserError: the video cannot be read, the target exists, is of another kind or cannot be written.
    """
    import ffmpeg
    from imageio_ffmpeg import get_ffmpeg_exe

    video = checked_path(path)
    target = target.absolute()
    if target.suffix.lower() not in CLIP_KINDS:
        raise UserError(f"{target}: choose a name that ends in {', '.join(CLIP_KINDS)}")
    _refuse_existing(target)
    if not target.parent.is_dir():
        raise UserError(f"{target}: there is no folder {target.parent}; make it, or choose another name")
    whole = ffmpeg.input(str(video), ss=f"{start:.3f}", t=f"{end - start:.3f}", protocol_whitelist="file")
    unfinished = target.with_name(f".{uuid.uuid4().hex[:8]}{target.suffix}")
    cut = ffmpeg.output(
        whole["V:0?"],  # the pictures, not the cover of a sound file
        whole["a:0?"],
        str(unfinished),
        vcodec="libx264",
        preset="veryfast",
        crf=18,
        pix_fmt="yuv420p",
        vf="pad=ceil(iw/2)*2:ceil(ih/2)*2",  # H.264 wants even sides
        acodec="aac",
        audio_bitrate="160k",
        map_chapters=-1,
    ).global_args("-nostdin", "-loglevel", "error", "-progress", "pipe:1")
    try:
        _encode(ffmpeg.compile(cut, cmd=get_ffmpeg_exe()), path, progress)
        _refuse_existing(target)
        unfinished.rename(target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _encode(command: Sequence[str], path: str, progress: Callable[[float], None]) -> None:
    with tempfile.TemporaryFile() as errors:  # not a pipe: nobody reads it meanwhile
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                name, _, value = line.strip().partition("=")
                if name == "out_time_us" and value.isdecimal():
                    progress(int(value) / 1e6)
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        if code:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or [f"exit code {code}"]
            raise UserError(f"{path}: ffmpeg could not cut it: {lines[-1]}")


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise UserError(f"{target}: exists already; choose another name, or delete it first")
