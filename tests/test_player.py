"""Playing, cutting and frames, with real files; most players are programs that note how they were called."""

import json
import os
import shutil
import socket
import sys
import time

import av
import numpy as np
import pytest

from tests.clips import Pictures, Sound, number_in, steady, tones, write
from tests.fake_database import hit
from tests.pipeline import SAMPLE
from videotag import media, player
from videotag.errors import UserError

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


# --- clips


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """Six seconds of numbered pictures with one keyframe only, at the start, and a tone at 3 s."""
    video = Pictures(steady(6), gop=250, b_frames=2)
    return write(tmp_path_factory.mktemp("clip") / "numbered.mkv", video, Sound([(0, tones(0, 6, 48_000, 3.0)[None])]))


def numbers(path):
    with av.open(str(path)) as container:
        return [number_in(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


def test_a_clip_is_exact_far_from_a_keyframe(numbered, tmp_path):
    target = tmp_path / "clip.mp4"
    done = []
    player.clip(str(numbered), 2.2, 4.2, target, done.append)
    assert numbers(target) == list(range(55, 105))  # 25 a second
    assert media.probe(str(target)).duration == pytest.approx(2.0, abs=0.05)
    [(start, sound)] = list(media.stretches(str(target)))
    assert start + np.abs(sound).argmax() / 16_000 == pytest.approx(0.8, abs=0.02)  # 3 s of the video
    assert done and done == sorted(done) and done[-1] == pytest.approx(2.0, abs=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_clip_of_the_sample(tmp_path):
    player.clip(str(SAMPLE), 40.0, 42.0, tmp_path / "clip.mkv")
    found, whole = media.probe(str(tmp_path / "clip.mkv")), media.probe(str(SAMPLE))
    assert found.duration == pytest.approx(2.0, abs=0.1)
    assert (found.width, found.height, found.has_audio) == (whole.width, whole.height, True)


def test_a_clip_of_sound_alone_and_of_odd_pictures(tmp_path):
    sound = write(tmp_path / "sound.flac", None, Sound([(0, tones(0, 3, 48_000, 1.0)[None])]))
    player.clip(str(sound), 0.5, 2.0, tmp_path / "sound.mp4")
    found = media.probe(str(tmp_path / "sound.mp4"))
    assert (found.has_video, found.has_audio) == (False, True)
    assert found.duration == pytest.approx(1.5, abs=0.1)
    odd = write(tmp_path / "odd.mkv", Pictures(steady(1), size=(127, 95), codec="ffv1"))
    player.clip(str(odd), 0, 1, tmp_path / "even.mp4")
    assert (media.probe(str(tmp_path / "even.mp4")).width, len(numbers(tmp_path / "even.mp4"))) == (128, 25)


def test_a_clip_overwrites_nothing_and_leaves_nothing_half_done(numbered, tmp_path, monkeypatch):
    target = tmp_path / "clip.mp4"
    target.write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        player.clip(str(numbered), 1, 2, target)
    assert target.read_text() == "mine"
    with pytest.raises(UserError, match=r"choose a name that ends in \.mp4"):
        player.clip(str(numbered), 1, 2, tmp_path / "clip.exe")
    with pytest.raises(UserError, match=r"there is no folder .*missing; make it"):
        player.clip(str(numbered), 1, 2, tmp_path / "missing" / "clip.mp4")

    def interrupt(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        player.clip(str(numbered), 1, 2, tmp_path / "other.mp4", interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_list_of_addresses_is_no_video(tmp_path):
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(UserError):
        player.clip(str(playlist), 0, 1, tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


# --- frames


def test_frames_are_written_as_they_were_taken(project):
    project.one_video()
    assert project.phase1() == 0
    result, folder = project.result1(), project.folder / "frames"
    found = hit("news", 35)
    written = player.write_frames(found, project.data, folder)
    assert player.write_frames(found, project.data, folder) == written  # they are there already
    taken = [result["frames"][number] for number in result["segments"][1]["frames"]]
    assert [path.read_bytes() for path in written] == [frame["jpeg"] for frame in taken]
    assert [path.name for path in written][:2] == ["1_00-39.jpg", "2_00-47.jpg"]  # 35 + 50/12 and 35 + 3 * 50/12 s
    assert len(written) == 6 == len(list(folder.iterdir()))
    for wrong, told in (
        (hit("film", 0), "film_phase1_data.pkl: is not there or damaged"),
        (hit("news", 35, start_time=40.0), "is not what news was loaded from"),
        (hit("news", 350), "is not what news was loaded from"),
        (hit("../news", 0), "its name"),
    ):
        with pytest.raises(UserError, match=told):
            player.write_frames(wrong, project.data, project.folder / "others")
    assert not (project.folder / "others").exists()


def test_sound_alone_has_no_frames(project):
    project.config({"name": "news", "path": project.video(streams="a"), "language": "ru"})
    assert project.phase1() == 0
    with pytest.raises(UserError, match="has no pictures there"):
        player.write_frames(hit("news", 35), project.data, project.folder / "frames")


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
