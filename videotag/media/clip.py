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
from videotag.media.source import opened

CLIP_KINDS = (".mp4", ".mkv", ".mov")
_LEADS = (0.0, 2.0, 15.0, 60.0)  # s; broadcasts have a keyframe every 0.5 s, recordings every 10 s at most
_SLACK = 0.25  # s by which programs differ in where they land: FFmpeg's own goes back 3 pictures of 23 a second


def clip(
    path: str,
    start: float,
    end: float,
    target: Path,
    progress: Callable[[float], None] = lambda seconds: None,
    track: int = 0,
) -> None:
    """Cut [start, end) out of a video into a new file, with all of its sound tracks.

    It is encoded again: a copy of the stream can only begin at a keyframe, which may be ten seconds before.

    Args:
        start, end: seconds.
        target: .mp4, .mkv or .mov.
        progress: called with the seconds that are done.
        track: the number, from 1, of the sound track that players take; 0: the container's best.

    Raises:
        UserError: the video cannot be read, the target exists, is of another kind or cannot be written.
    """
    video = checked_path(path)
    target = target.absolute()
    if target.suffix.lower() not in CLIP_KINDS:
        raise UserError(f"{target}: choose a name that ends in {', '.join(CLIP_KINDS)}")
    _refuse_existing(target)
    if not target.parent.is_dir():
        raise UserError(f"{target}: there is no folder {target.parent}; make it, or choose another name")
    sounds = _sounds(str(video), track)
    unfinished = target.with_name(f".{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        # MPEG program streams are not always found again where they are sought: then all before is decoded.
        for before in dict.fromkeys((lead(str(video), start), start)):
            encode(_command(video, (start, end), before, sounds, unfinished), path, progress)
            if has_pictures(unfinished) or not has_pictures(video):
                break
        _refuse_existing(target)
        unfinished.rename(target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _command(
    video: Path, span: tuple[float, float], before: float, sounds: Sequence[int], target: Path
) -> Sequence[str]:
    """What the program is told, that is to begin to decode so many seconds `before`; `sounds`: indices of tracks."""
    import ffmpeg
    from imageio_ffmpeg import get_ffmpeg_exe

    start, end = span
    # FLV that begins after 0 gives no picture where 0 is sought.
    place = {"ss": f"{start - before:.3f}"} if start > before else {}
    whole = ffmpeg.input(str(video), protocol_whitelist="file", **place)
    flags = {f"disposition:a:{n}": "-default" if n else "default" for n in range(len(sounds))}
    cut = ffmpeg.output(
        whole["V:0?"],  # the pictures, not the cover of a sound file
        *(whole[str(index)] for index in sounds),
        str(target),
        ss=f"{before:.3f}",
        t=f"{end - start:.3f}",
        vcodec="libx264",
        preset="veryfast",
        crf=18,
        pix_fmt="yuv420p",
        vf="pad=ceil(iw/2)*2:ceil(ih/2)*2",  # H.264 wants even sides
        acodec="aac",
        audio_bitrate="160k",
        map_chapters=-1,
        **flags,
    ).global_args("-nostdin", "-y", "-loglevel", "error", "-progress", "pipe:1")
    return ffmpeg.compile(cut, cmd=get_ffmpeg_exe())


def _sounds(path: str, track: int) -> list[int]:
    """The indices of the sound tracks that can be decoded, the wanted one first."""
    with opened(path) as source:
        streams = list(source.container.streams.audio)
        wanted = streams[track - 1] if 0 < track <= len(streams) else source.audio
        return [stream.index for stream in sorted(source.sounds, key=lambda stream: stream != wanted)]


def has_pictures(path: Path) -> bool:
    """Whether there are any in the file."""
    with opened(str(path)) as source:
        return source.video is not None


def lead(path: str, second: float) -> float:
    """Seconds before `second` to which a program has to be sent, so that it can show the picture of `second`.

    0 where it goes back to the keyframe by itself. In a format without an index, such as MPEG-TS, programs start at
    the next keyframe after the place that they seek.

    Raises:
        UserError: the file cannot be opened.
    """
    with opened(path) as source:
        for back in _LEADS if source.video else ():
            if second <= back:
                break
            source.seek(source.video, second - back)
            first = next(source.frames(source.video), None)
            if first is not None and source.time(first.pts, source.video.time_base) <= second - _SLACK:
                return back
        return second if source.video else 0.0


def encode(command: Sequence[str], path: str, progress: Callable[[float], None]) -> None:
    """Run ffmpeg, which is told to report to its output; ended where `progress`, called twice a second, raises.

    Raises:
        UserError: it fails.
    """
    with tempfile.TemporaryFile() as errors:  # not a pipe: nobody reads it meanwhile
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        try:
            done = 0.0
            for line in process.stdout:
                name, _, value = line.strip().partition("=")
                if name == "out_time_us" and value.isdecimal():
                    done = int(value) / 1e6
                elif name == "progress":
                    progress(done)
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
