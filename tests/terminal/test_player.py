"""Playing, with real files; most players are programs that note how they were called."""

import json
import os
import shutil
import socket
import sys
import time

import pytest

from tests.pipeline import SAMPLE
from videotag.errors import UserError
from videotag.terminal import player

posix_only = pytest.mark.skipif(os.name == "nt", reason="the players are shell scripts")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that is all of PATH. `programs(name, body)` puts a shell script there, which notes its arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(player, "_PLACES", ())

    def add(name, body=""):
        script = folder / name
        script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/{name}.called"\n{body}\n')
        script.chmod(0o755)

    return add


def called(tmp_path, name):
    return text_of(tmp_path / f"{name}.called").splitlines()


def text_of(path):
    """What a program writes there, once it has."""
    end = time.monotonic() + 20
    while not (path.exists() and path.read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    return path.read_text()


@posix_only
def test_mpv_plays_at_the_second_and_goes_on_by_itself(programs, tmp_path, monkeypatch):
    for name in ("vlc", "xdg-open"):
        programs(name)
    programs("mpv", f'PATH=/bin:/usr/bin; sleep 1; echo to the end > "{tmp_path}/played"')
    # A name that would be an option, a second command, and an address, if anybody let it.
    video = tmp_path / "--script=a;touch b.mp4"
    video.write_bytes(SAMPLE.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert player.play(video.name, 75.25) == "playing in mpv"
    assert called(tmp_path, "mpv") == ["--no-terminal", "--force-window=yes", "--start=75.250", "--", str(video)]
    assert not (tmp_path / "b.mp4").exists()
    assert text_of(tmp_path / "played") == "to the end\n"


@posix_only
def test_vlc_is_the_next(programs, tmp_path):
    programs("vlc")
    programs("xdg-open")
    assert player.play(str(SAMPLE), 5) == "playing in VLC"
    assert called(tmp_path, "vlc") == ["--start-time=5.000", str(SAMPLE)]


@posix_only
@pytest.mark.skipif(sys.platform == "darwin", reason="it has another opener")
def test_the_systems_player_cannot_be_told_the_time(programs, tmp_path):
    programs("xdg-open")
    assert player.play(str(SAMPLE), 5).startswith("opened by xdg-open, which cannot be told the time")
    assert called(tmp_path, "xdg-open") == [str(SAMPLE)]


@posix_only
def test_no_player_a_player_that_cannot_and_no_video(programs, tmp_path):
    with pytest.raises(UserError, match="no player found: install mpv or VLC"):
        player.play(str(SAMPLE), 5)
    programs("mpv", "exit 3")
    with pytest.raises(UserError, match="mpv: ended at once with exit code 3"):
        player.play(str(SAMPLE), 5)
    (tmp_path / "mpv.called").unlink()
    program = tmp_path / "evil.mp4"
    program.write_text("#!/bin/sh\n")
    for path, told in ((str(tmp_path / "gone.mp4"), "put the file there"), (str(program), "cannot be read as video")):
        with pytest.raises(UserError, match=told):
            player.play(path, 5)
    assert not (tmp_path / "mpv.called").exists()


@posix_only
def test_ctrl_c_at_the_prompt_does_not_reach_a_player(tmp_path):
    """It is the leader of a session of its own: the terminal signals the prompt's."""
    program = f"import os; open({str(tmp_path / 'session')!r}, 'w').write(str(os.getsid(0) == os.getpid()))"
    player._start([sys.executable, "-S", "-c", f"{program}; import time; time.sleep(1)"])
    assert text_of(tmp_path / "session") == "True"


@pytest.mark.skipif(not shutil.which("mpv") or os.name == "nt", reason="mpv is not installed")
def test_the_real_mpv_starts_at_the_second(tmp_path, monkeypatch):
    ear = tmp_path / "ear"
    (tmp_path / "mpv.conf").write_text(f"vo=null\nao=null\nforce-window=no\npause=yes\ninput-ipc-server={ear}\n")
    monkeypatch.setenv("MPV_HOME", str(tmp_path))
    assert player.play(str(SAMPLE), 41.7) == "playing in mpv"
    with socket.socket(socket.AF_UNIX) as line:
        end = time.monotonic() + 20
        while line.connect_ex(str(ear)) and time.monotonic() < end:
            time.sleep(0.05)
        answers = line.makefile("rw", encoding="utf-8")

        def ask(*command):
            print(json.dumps({"command": command, "request_id": 7}), file=answers, flush=True)
            return next(row for row in map(json.loads, answers) if row.get("request_id") == 7).get("data")

        shown = pytest.approx(626 / 15, abs=0.001)  # the next of 15 frames a second; until it is shown, 41.7 or none
        while ask("get_property", "time-pos") != shown and time.monotonic() < end:
            time.sleep(0.05)
        assert ask("get_property", "path") == str(SAMPLE)
        assert ask("get_property", "time-pos") == shown
        ask("quit")
