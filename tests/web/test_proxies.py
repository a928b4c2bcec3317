"""Copies for browsers: one at a time, whole or absent, within their room; by the real ffmpeg and tiny files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.web.watched import film, numbers_of
from videotag.errors import UserError
from videotag.media.coding import coding_of
from videotag.media.copies import Copy
from videotag.web.films import Film
from videotag.web.proxies import Proxies, Stopped

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return film(tmp_path_factory.mktemp("video") / "a.ts", 6, "mpeg2video", "ac3")


@pytest.fixture(scope="module")
def long_video(tmp_path_factory):
    """Such that a copy takes some seconds."""
    return film(tmp_path_factory.mktemp("video") / "long.ts", 40, "mpeg2video", "ac3", size=(640, 360))


@pytest.fixture
def proxies(tmp_path):
    made = Proxies(tmp_path / "proxy")
    yield made
    made.close()


def whole(path: Path) -> Copy:
    return Copy(str(path), coding_of(str(path)), (1,))


def names(proxies: Proxies) -> list[str]:
    return [path.name for path in sorted(proxies.folder.iterdir()) if path.name != ".lock"]


def until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_part_is_made_once_and_plays(proxies, video):
    part = Film("news", str(video), 6.0, coding_of(str(video)), (1,)).part(4.0)
    assert part.span == (0.0, 6.0)
    first, second = proxies.part("news", part), proxies.part("news", part)
    assert first is second
    path = first.result(30)
    assert numbers_of(path) == list(range(150))
    written = path.stat().st_ino
    assert proxies.part("news", part).result(30) == path and path.stat().st_ino == written
    assert names(proxies) == [path.name]


@pytest.mark.parametrize(
    ("second", "begin", "end"), [(0, 0, 30), (17.9, 0, 30), (18, 15, 45), (97, 90, 100), (100, 90, 100), (1e7, 90, 100)]
)
def test_which_part_shows_a_second(video, second, begin, end):
    """A little before it is in it, and after it at least 12 s, or all there is."""
    assert Film("a", str(video), 100.0, coding_of(str(video)), ()).part(second).span == (begin, end)


def test_a_copy_of_the_whole_tells_how_far_it_is(proxies, long_video):
    copy = whole(long_video)
    assert proxies.state("news", copy).state == "none"
    proxies.start("news", copy)
    proxies.start("news", copy)
    until(lambda: proxies.state("news", copy).seconds > 0)
    assert proxies.state("news", copy).state == "making"
    until(lambda: proxies.state("news", copy).state == "ready", 120)
    [name] = names(proxies)
    assert proxies.state("news", copy).size == (proxies.folder / name).stat().st_size
    assert len(numbers_of(proxies.folder / name)) == 1000


def test_a_copy_is_cancelled_and_begun_again(proxies, long_video):
    copy = whole(long_video)
    proxies.start("news", copy)
    until(lambda: proxies.state("news", copy).seconds > 0)
    proxies.cancel("news", copy)
    assert proxies.state("news", copy).state == "none"
    until(lambda: names(proxies) == [])
    proxies.start("news", copy)
    assert proxies.state("news", copy).state in ("waiting", "making")


def test_the_end_of_the_server_is_the_end_of_its_work(proxies, long_video, tmp_path):
    copy = whole(long_video)
    part = Copy(copy.path, copy.coding, copy.heard, (0.0, 39.0))
    waited = [proxies.part("news", part), proxies.part("other", part), proxies.part("third", part)]
    proxies.start("news", copy)
    proxies.close()
    assert names(proxies) == []
    for future in waited:
        with pytest.raises(Stopped):
            future.result(0)
    assert Proxies(tmp_path / "proxy")._alone  # the folder may be had by the next one


def test_what_a_killed_server_leaves_is_not_taken_for_whole(tmp_path, long_video):
    code = (
        "import sys, time; from pathlib import Path; from videotag.web.proxies import Proxies\n"
        "from videotag.media.coding import coding_of; from videotag.media.copies import Copy\n"
        "proxies = Proxies(Path(sys.argv[1])); proxies.start('news', Copy(sys.argv[2], coding_of(sys.argv[2]), (1,)))\n"
        "time.sleep(60)"
    )
    folder = tmp_path / "proxy"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder), str(long_video)], cwd=ROOT)
    try:
        until(lambda: any(path.suffix == ".tmp" and path.stat().st_size for path in folder.glob("*")))
        beside = Proxies(folder)  # of another server: what is being made is left alone
        assert any(path.suffix == ".tmp" for path in folder.iterdir())
        beside.close()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    after = Proxies(folder)
    assert names(after) == []
    assert after.state("news", whole(long_video)).state == "none"
    after.close()


def test_the_least_used_are_forgotten(tmp_path, video):
    folder = tmp_path / "proxy"
    folder.mkdir()
    for age, name in ((50, "a.1.mp4"), (10, "b.1.mp4"), (90, "c.1.mp4")):
        (folder / name).write_bytes(bytes(400_000))
        os.utime(folder / name, (time.time() - age, time.time() - age))
    proxies = Proxies(folder, 0.001)
    assert proxies.ready(folder / "c.1.mp4")  # it is used now
    path = proxies.part("news", whole(video)).result(30)
    assert path.stat().st_size < 200_000
    assert names(proxies) == sorted(["b.1.mp4", "c.1.mp4", path.name])
    proxies.close()


def test_a_copy_that_would_be_larger_than_all_the_room(tmp_path, video):
    proxies = Proxies(tmp_path / "proxy", 1e-6)
    copy = whole(video)
    proxies.start("news", copy)
    until(lambda: proxies.state("news", copy).state == "failed")
    assert "--proxy-space" in proxies.state("news", copy).error
    assert names(proxies) == []
    proxies.cancel("news", copy)
    assert proxies.state("news", copy).state == "none"
    proxies.close()


def test_a_file_that_changes_has_another_copy(proxies, tmp_path):
    path = film(tmp_path / "a.ts", 2, "mpeg2video", "ac3")
    before = proxies.path("news", whole(path))
    os.utime(path, (1, 1))
    assert proxies.path("news", whole(path)) != before
    assert proxies.path("news", Copy(str(path), coding_of(str(path)), ())) != before
    gone = whole(path)
    path.unlink()
    with pytest.raises(UserError, match="put the file there"):
        proxies.path("news", gone)
