"""A video played at a second by a program that is installed: mpv, VLC, or what the system opens it with."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from videotag.errors import UserError
from videotag.media.clip import lead
from videotag.media.probe import checked_path

_START = 0.5  # s in which a player that cannot work has ended
_WAIT = 2.0  # s between keyframes for which nobody minds to wait
_PLACES = (
    "/Applications/VLC.app/Contents/MacOS/VLC",
    r"C:\Program Files\VideoLAN\VLC\vlc.exe",
    r"C:\Program Files (x86)\VideoLAN\VLC\vlc.exe",
)
"""Where VLC is installed without being on the PATH."""


def play(path: str, second: float, track: int = 0) -> str:
    """Start the first player found at that second; what was done, in words. It goes on by itself.

    `track`: the number of the sound track, from 1; 0: what the player takes.

    Raises:
        UserError: the file is not there or no video, no player is installed, or it ended at once.
    """
    video = checked_path(path)
    before = lead(str(video), second)
    if mpv := shutil.which("mpv"):
        place = (f"--start={second:.3f}", f"--hr-seek-demuxer-offset={before:.3f}")
        sound = [f"--aid={track}"] if track else []
        _start([mpv, "--no-terminal", "--force-window=yes", *place, *sound, "--", str(video)])
        return "playing in mpv"
    if vlc := shutil.which("vlc") or next(filter(os.path.isfile, _PLACES), None):
        sound = [f"--audio-track={track - 1}"] if track else []
        _start([vlc, f"--start-time={second:.3f}", *sound, str(video)])
        late = ", where the picture of such a file may come seconds late (not in mpv)" if before > _WAIT else ""
        return f"playing in VLC{late}"
    opener = _open_with_system(video)
    return f"opened by {opener}, which cannot be told the time: go there by hand (mpv or VLC would start there)"


def _open_with_system(video: Path) -> str:
    if sys.platform == "win32":
        os.startfile(video)  # only after `checked_path` has found it to be a video: it would start a program too
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
