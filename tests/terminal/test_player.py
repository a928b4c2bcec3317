"""Playing, with real files; most players are programs that note how they were called."""

import json
import os
import shutil
import socket
import sys
import time

import pytest

from tests.clips import Pictures, steady, write
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
    place = ["--start=75.250", "--hr-seek-demuxer-offset=0.000"]
    assert called(tmp_path, "mpv") == ["--no-terminal", "--force-window=yes", *place, "--", str(video)]
    assert not (tmp_path / "b.mp4").exists()
    assert text_of(tmp_path / "played") == "to the end\n"


@posix_only
@pytest.mark.parametrize(("name", "told"), [("mpv", "--aid=2"), ("vlc", "--audio-track=1")])
def test_the_sound_that_was_heard_is_played(programs, tmp_path, name, told):
    programs(name)
    player.play(str(SAMPLE), 5, 2)
    assert told in called(tmp_path, name)


@posix_only
def test_vlc_is_the_next(programs, tmp_path):
    programs("vlc")
    programs("xdg-open")
    assert player.play(str(SAMPLE), 5) == "playing in VLC"
    assert called(tmp_path, "vlc") == ["--start-time=5.000", str(SAMPLE)]


@posix_only
def test_vlc_waits_for_a_keyframe_of_a_file_without_index_and_it_is_said(programs, tmp_path):
    programs("vlc")
    told = player.play(str(write(tmp_path / "recording.ts", Pictures(steady(25), gop=250))), 13.5)
    assert told == "playing in VLC, where the picture of such a file may come seconds late (not in mpv)"
    assert called(tmp_path, "vlc")[0] == "--start-time=13.500"


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
@pytest.mark.parametrize("second", (13.5, 20.0))
def test_the_real_mpv_shows_the_moment_between_two_keyframes_of_a_recording(tmp_path, monkeypatch, second):
    video = write(tmp_path / "recording.ts", Pictures(steady(25), gop=250, b_frames=2), output_ts_offset="3600")
    assert shown_by_mpv(tmp_path, monkeypatch, video, second) == pytest.approx(second, abs=0.041)  # a picture is 0.04 s


@pytest.mark.skipif(not shutil.which("mpv") or os.name == "nt", reason="mpv is not installed")
def test_the_real_mpv_starts_at_the_second(tmp_path, monkeypatch):
    shown = shown_by_mpv(tmp_path, monkeypatch, SAMPLE, 41.7)
    assert shown == pytest.approx(626 / 15, abs=0.001)  # the next of 15 frames a second


def shown_by_mpv(tmp_path, monkeypatch, video, second):
    """The time of the picture that the real mpv shows first."""
    ear = tmp_path / "ear"
    (tmp_path / "mpv.conf").write_text(f"vo=null\nao=null\nforce-window=no\npause=yes\ninput-ipc-server={ear}\n")
    monkeypatch.setenv("MPV_HOME", str(tmp_path))
    assert player.play(str(video), second) == "playing in mpv"
    with socket.socket(socket.AF_UNIX) as line:
        end = time.monotonic() + 20
        while line.connect_ex(str(ear)) and time.monotonic() < end:
            time.sleep(0.05)
        answers = line.makefile("rw", encoding="utf-8")

        def ask(*command):
            print(json.dumps({"command": command, "request_id": 7}), file=answers, flush=True)
            return next(row for row in map(json.loads, answers) if row.get("request_id") == 7).get("data")

        # Until it is shown, `video-frame-info` is not there, and the time is the one that was asked for.
        while ask("get_property", "video-frame-info") is None and time.monotonic() < end:
            time.sleep(0.05)
        assert ask("get_property", "path") == str(video)
        shown = ask("get_property", "time-pos")
        ask("quit")
        return shown
