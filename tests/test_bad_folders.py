"""A full disk, a folder that cannot be written to, folders that vanish, a clock that goes back, Ctrl-C: a way on."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kills import POINTS, Run, calls
from tests.test_kills import WINDOWS, before, copy, finish, state, undisturbed

__all__ = ["before", "undisturbed"]  # fixtures


def options(stage: str) -> tuple[str, ...]:
    return WINDOWS if stage == "phase1" else ()


def same_as(undisturbed: dict[str, Any], stage: str, folder: Path) -> bool:
    """Whether the user has what he would have if nothing had happened."""
    now, whole = state(folder), undisturbed[stage][0]
    return all(now[part] == whole[part] for part in ("results", "records", "segments"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("a disk in memory cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def on_disk(folder: Path, target: Path, disk: Path) -> Path:
    """A copy of the project with its data/ on that disk."""
    copy(folder, target)
    shutil.copytree(target / "data", disk, dirs_exist_ok=True)
    shutil.rmtree(target / "data")
    (target / "data").symlink_to(disk)
    return target


@pytest.mark.parametrize("room", [0, 8, 16, 24])
def test_a_full_disk(room, before, undisturbed, disk, tmp_path) -> None:
    """With room for so many kB: for nothing, for some of the parts, for all of them and not for the result."""
    folder = on_disk(before["phase1"], tmp_path / "full", disk)
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(free - room * 1024))
    run = Run("phase1", folder, WINDOWS)
    assert run.finish() == 1, run.printed
    faults = [line for line in run.printed.splitlines() if line.startswith("error: ")]
    assert len(faults) == 2 and all("No space left on device; make room" in line for line in faults), run.printed
    assert "Traceback" not in run.printed
    (disk / "filler").unlink()
    finish(run)
    assert same_as(undisturbed, "phase1", folder), run.printed


@pytest.mark.parametrize("room", [0, 4])
def test_a_disk_that_is_full_in_phase_2(room, before, undisturbed, disk, tmp_path) -> None:
    folder = on_disk(before["phase2"], tmp_path / "full", disk)
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - room * 1024))
    run = Run("phase2", folder)
    assert run.finish() == 1, run.printed
    assert "No space left on device; make room" in run.printed and "Traceback" not in run.printed
    (disk / "filler").unlink()
    finish(run)
    assert same_as(undisturbed, "phase2", folder), run.printed


@pytest.mark.parametrize("stage", ["phase1", "phase2"])
def test_a_folder_that_cannot_be_written_to(stage, before, undisturbed, disk, tmp_path) -> None:
    folder = on_disk(before[stage], tmp_path / "readonly", disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    run = Run(stage, folder, options(stage))
    assert run.finish() == 1, run.printed
    assert "Read-only file system; make room, mend the folder's rights, or delete it" in run.printed
    assert "Traceback" not in run.printed
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    finish(run)
    assert same_as(undisturbed, stage, folder), run.printed


@pytest.mark.parametrize("what", ["data", "chroma_db", "both"])
@pytest.mark.parametrize("stage", ["phase1", "phase2", "load"])
def test_folders_that_vanish_under_a_run(stage, what, before, undisturbed, tmp_path) -> None:
    """The run may fail, with a clear line; the scripts make everything again. Without data/ that takes the engines."""
    folder = copy(before[stage], tmp_path / "gone")
    gate = tmp_path / "gate"
    run = Run(stage, folder, options(stage), gate=gate)
    process = run.start()
    end = time.monotonic() + 60
    while not calls(folder) and time.monotonic() < end:
        time.sleep(0.02)
    for one in ("data", "chroma_db"):
        if what in (one, "both"):
            shutil.rmtree(folder / one)
    gate.touch()
    process.join(300)
    assert process.exitcode in (0, 1, 2), run.printed
    assert "Traceback" not in run.printed and ("error: " in run.printed) == (process.exitcode > 0), run.printed
    for again in list(POINTS) * 2:
        Run(again, folder, options(again)).finish()  # a stage may only find out that the one before it is due
    for again in POINTS:
        finish(Run(again, folder, options(again)))
    now, whole = state(folder), undisturbed["load"][0]
    assert now["segments"] == whole["segments"], run.printed
    statuses = ("phase1_status", "phase2_status", "db_load_status")
    assert {record[status] for record in now["records"].values() for status in statuses} == {"completed"}


@pytest.mark.parametrize("stage", list(POINTS))
def test_a_clock_set_back_by_an_hour(stage, before, undisturbed, tmp_path) -> None:
    folder = copy(before[stage], tmp_path / "clock")
    killed = Run(stage, folder, options(stage), "claimed").start()
    killed.join(300)
    assert killed.exitcode == -signal.SIGKILL
    back = Run(stage, folder, options(stage), clock=-3600.0)
    finish(back)
    assert same_as(undisturbed, stage, folder), back.printed


@pytest.mark.parametrize(("stage", "engine"), [("phase1", "hear"), ("phase2", "see"), ("load", "embed")])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interruption_is_heard_while_an_engine_is_lost_in_thought(
    stage, engine, number, code, before, undisturbed, tmp_path
) -> None:
    folder = copy(before[stage], tmp_path / "interrupted")
    run = Run(stage, folder, options(stage), hang=engine)
    process = run.start()
    end = time.monotonic() + 60
    while not calls(folder) and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(process.pid, number)
    process.join(30)
    assert process.exitcode == code, run.printed
    assert "interrupted; run the same command again to go on" in run.printed
    assert "Traceback" not in run.printed
    finish(Run(stage, folder, options(stage)))
    assert same_as(undisturbed, stage, folder), run.printed
