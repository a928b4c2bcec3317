"""scale_out.py on this machine, with Ray and scripted engines: undisturbed, and with parts of it killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from db_manager import ChromaDBManager
from tests import clips
from tests.conftest import FakeEmbedder
from tests.kills import MAINS, Run, calls
from tests.states import content

pytest.importorskip("ray", reason="ray is not installed (requirements-ray.txt)")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ONCE = {"hear": 2, "see": 2, "read": 2, "embed": 4}  # calls of engines for two videos of one segment


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two videos, to which the stages' scripts have been started by hand."""
    return by_hand(videos_in(tmp_path_factory.mktemp("videos"), 2))


@pytest.fixture
def folder(videos: Path, tmp_path: Path) -> Path:
    """The same two, and nothing done."""
    return fresh(videos, tmp_path)


def fresh(videos: Path, folder: Path) -> Path:
    shutil.copy(videos / "videos_config.json", folder)
    return folder


def by_hand(folder: Path) -> Path:
    for stage in MAINS:
        assert Run(stage, folder).finish() == 0
    return folder


def videos_in(folder: Path, count: int) -> Path:
    """A project of videos of 1.2 s."""
    sound = clips.Sound([(0.0, clips.tones(0.0, 1.2, 16_000, 0.5))], 16_000)
    clip = clips.write(folder / "clip.mp4", clips.Pictures(clips.steady(1.2)), sound)
    entries = []
    for number in range(count):
        path = folder / f"v{number}.mp4"
        path.write_bytes(clip.read_bytes() + b"\0\0\0\x18free" + path.stem.encode().ljust(16, b"\0"))
        entries.append({"name": path.stem, "path": str(path), "language": "ru"})
    (folder / "videos_config.json").write_text(json.dumps({"videos": entries}))
    return folder


@contextmanager
def started(folder: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.cluster.scripted", str(folder), "--db", str(folder / "chroma_db"), *args]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[str], folder: Path) -> int:
    try:
        return process.wait(300)
    except subprocess.TimeoutExpired:
        pytest.fail("does not end:\n" + (folder / "log").read_text())


def run(folder: Path, *args: str) -> int:
    with started(folder, *args) as process:
        return ended(process, folder)


def wait_until(true: Callable[[], Any], folder: Path) -> Any:
    end = time.monotonic() + 300
    while not (found := true()):
        assert time.monotonic() < end, (folder / "log").read_text()
        time.sleep(0.05)
    return found


def called(folder: Path) -> Counter[str]:
    """How often each engine was called."""
    return Counter(call.split()[0] for call in calls(folder).elements())


def slots_of(driver: int) -> list[int]:
    """The processes under the driver that are a slot at work."""
    return [pid for pid in under(driver) if command_of(pid).startswith(b"ray::Slot.do")]


def head_of(driver: int) -> int:
    """The process of the driver's own Ray that knows all others."""
    [found] = [pid for pid in under(driver) if command_of(pid).partition(b"\0")[0].endswith(b"gcs_server")]
    return found


def under(process: int) -> set[int]:
    """All that it has started, and what those have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found = {process}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def command_of(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def in_the_end(folder: Path) -> dict[str, Any]:
    return content(folder, ChromaDBManager(folder / "chroma_db", embedder=FakeEmbedder()))


def test_all_stages_and_then_nothing(folder: Path, videos: Path) -> None:
    (folder / "gate").touch()
    assert run(folder) == 0, (folder / "log").read_text()
    assert in_the_end(folder) == in_the_end(videos)
    assert called(folder) == ONCE
    assert run(folder) == 0
    assert called(folder) == ONCE


def test_a_worker_is_killed_and_the_run_goes_on(folder: Path, videos: Path) -> None:
    with started(folder) as process:
        wait_until(lambda: calls(folder)["hear"], folder)
        for pid in wait_until(lambda: slots_of(process.pid), folder):
            os.kill(pid, signal.SIGKILL)
        (folder / "gate").touch()
        assert ended(process, folder) == 0, (folder / "log").read_text()
    assert "has died" in (folder / "log").read_text()
    assert in_the_end(folder) == in_the_end(videos)


@pytest.mark.parametrize("sends, code", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_the_driver_is_stopped_and_the_same_command_finishes(sends: int, code: int, folder: Path, videos: Path) -> None:
    with started(folder) as process:
        wait_until(lambda: calls(folder)["hear"], folder)
        process.send_signal(sends)
        assert ended(process, folder) == code
    if sends == signal.SIGINT:
        records = ChromaDBManager(folder / "chroma_db").list_videos()
        assert records and all(record.get("phase1_owner") is None for record in records), (folder / "log").read_text()
    (folder / "gate").touch()
    assert run(folder) == 0, (folder / "log").read_text()
    assert in_the_end(folder) == in_the_end(videos)


def test_the_head_is_killed_and_the_same_command_finishes(folder: Path, videos: Path) -> None:
    with started(folder) as process:
        wait_until(lambda: calls(folder)["hear"], folder)
        os.kill(head_of(process.pid), signal.SIGKILL)
        assert ended(process, folder) == 1
    (folder / "gate").touch()
    assert "first machine does not answer any more; start cluster.py there again" in (folder / "log").read_text()
    assert run(folder) == 0, (folder / "log").read_text()
    assert in_the_end(folder) == in_the_end(videos)
