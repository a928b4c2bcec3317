"""What can be done with a moment: play it, cut it out, look at its frames."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from videotag import artifacts, cli, media
from videotag.errors import UserError

CLIP_KINDS = (".mp4", ".mkv", ".mov")
_START = 0.5  # s in which a player that cannot work has ended
_PLACES = (
    "/Applications/VLC.app/Contents/MacOS/VLC",
    r"C:\Program Files\VideoLAN\VLC\vlc.exe",
    r"C:\Program Files (x86)\VideoLAN\VLC\vlc.exe",
)
"""Where VLC is installed without being on the PATH."""


# === Play ===


def play(path: str, second: float) -> str:
    """Start the first player found at that second; what was done, in words. It goes on by itself.

    Raises:
        UserError: the file is not there or no video, no player is installed, or it ended at once.
    """
    video = _video(path)
    if mpv := shutil.which("mpv"):
        command = [mpv, "--no-terminal", "--force-window=yes", f"--start={second:.3f}", "--", str(video)]
        _start(command)
        return "playing in mpv"
    if vlc := shutil.which("vlc") or next(filter(os.path.isfile, _PLACES), None):
        _start([vlc, f"--start-time={second:.3f}", str(video)])
        return "playing in VLC"
    opener = _open_with_system(video)
    return f"opened by {opener}, which cannot be told the time: go there by hand (mpv or VLC would start there)"


def _open_with_system(video: Path) -> str:
    if sys.platform == "win32":
        os.startfile(video)  # only after `_video` has found it to be a video: it would start a program too
        return "Windows"
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if not opener:
        raise UserError("no player found: install mpv or VLC")
    _start([opener, str(video)])
    return Path(opener).name


def _start(command: Sequence[str]) -> None:
    """Start a program that outlives this one. No shell, and none of it is heard of Ctrl-C at the prompt."""
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    except OSError as error:
        raise UserError(f"{command[0]}: cannot be started: {error.strerror}") from None
    try:
        code = process.wait(timeout=_START)
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, daemon=True).start()  # so that it is no zombie when it has ended
        return
    if code:
        raise UserError(f"{command[0]}: ended at once with exit code {code}; try it by hand: does it play there?")


def _video(path: str) -> Path:
    """The absolute path, which no program takes for an option or an address; of a file that is a video or sound."""
    video = Path(path).absolute()
    media.probe(str(video))
    return video


# === Cut ===


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

    video = _video(path)
    target = target.absolute()
    if target.suffix.lower() not in CLIP_KINDS:
        raise UserError(f"{target}: choose a name that ends in {', '.join(CLIP_KINDS)}")
    refuse_existing(target)
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
        refuse_existing(target)
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


def refuse_existing(target: Path) -> None:
    """
    Raises:
        UserError: there is such a file.
    """
    if os.path.lexists(target):
        raise UserError(f"{target}: exists already; choose another name, or delete it first")


# === Frames ===


def write_frames(hit: Mapping[str, Any], data_dir: Path, folder: Path) -> list[Path]:
    """Write the frames of a hit's segment, as phase 1 has taken them, as JPEG files; their paths, in order.

    Frames that are there already are written again: they are the same.

    Raises:
        UserError: there are none, the segment is another one by now, or they cannot be written.
    """
    name = hit["video_name"]
    source = artifacts.phase1_path(data_dir, name)
    result = artifacts.read_phase1(source)
    if result is None:
        raise UserError(
            f"{source}: is not there or damaged; give its folder by --data-dir, or run phase 1 with --force"
        )
    segment = next((s for s in result["segments"] if s["segment_index"] == hit["segment_index"]), None)
    if segment is None or abs(segment["start_time"] - hit["start_time"]) > 0.01:
        raise UserError(
            f"{source}: is not what {name} was loaded from; run phase 2 and load_data_to_chroma.py, and if they have "
            "nothing to do, doctor.py"
        )
    frames = [result["frames"][number] for number in segment["frames"]]
    if not frames:
        raise UserError(f"{name}: has no pictures there")
    written = [folder / f"{number}_{time_name(frame['time'])}.jpg" for number, frame in enumerate(frames, start=1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, frame in zip(written, frames, strict=True):
            path.write_bytes(frame["jpeg"])
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    return written


def time_name(seconds: float) -> str:
    """A time for the name of a file: `01-30`, `1-02-30`."""
    return cli.clock(seconds).replace(":", "-")
