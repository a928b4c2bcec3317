"""Several starts at once on one folder, on one machine and on two, with the database embedded and behind a server."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db_manager import ChromaDBManager
from tests import clips
from tests.conftest import FakeEmbedder
from tests.kills import POINTS, Run, calls
from videotag import artifacts
from videotag.stages import PHASE1

PATIENCE = 3.0
"""Seconds of silence after which a worker on another machine is taken for dead, in these tests."""
STAGES = list(POINTS)
STATUS = {**{stage: f"{stage}_status" for stage in STAGES}, "load": "db_load_status"}


@pytest.fixture(params=["embedded", "server"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Of the database's server; None for the embedded one."""
    return None if request.param == "embedded" else request.getfixturevalue("server_url")


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A project of two videos of 1.2 s, or of as many as the test asks for by `videos`."""
    marker = request.node.get_closest_marker("videos")
    names = [f"v{number}" for number in range(marker.args[0] if marker else 2)]
    sound = clips.Sound([(0.0, clips.tones(0.0, 1.2, 16_000, 0.5))], 16_000)
    clip = clips.write(tmp_path / "clip.mp4", clips.Pictures(clips.steady(1.2)), sound)
    entries = []
    for name in names:
        path = tmp_path / f"{name}.mp4"
        # A box that no player reads: each is a file of its own.
        path.write_bytes(clip.read_bytes() + b"\0\0\0\x18free" + name.encode().ljust(16, b"\0"))
        entries.append({"name": name, "path": str(path), "language": "ru"})
    (tmp_path / "videos_config.json").write_text(json.dumps({"videos": entries}))
    return tmp_path


def database(folder: Path, url: str | None) -> ChromaDBManager:
    return ChromaDBManager(folder / "chroma_db", chroma_url=url, embedder=FakeEmbedder())


def prepare(folder: Path, url: str | None, stage: str) -> None:
    """Do what comes before the stage."""
    for before in STAGES[: STAGES.index(stage)]:
        run = Run(before, folder, chroma_url=url)
        assert run.finish() == 0, run.printed
    (folder / "calls.log").unlink(missing_ok=True)


def wait_until(true: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"in vain waited for: {what}"
        time.sleep(0.02)


def ended(process: Any, run: Run) -> int:
    process.join(90)
    assert process.exitcode is not None, run.printed
    return process.exitcode


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


# --- one stage, several starts


@pytest.mark.parametrize("stage", STAGES)
def test_two_starts_share_and_a_third_says_who_works(stage, folder, url) -> None:
    prepare(folder, url, stage)
    gate = folder / "gate"
    first = Run(stage, folder, gate=gate, chroma_url=url)
    one = first.start()
    wait_until(lambda: calls(folder).total() == 1, "the first worker's engine")
    two = first.start()
    wait_until(lambda: calls(folder).total() == 2, "the second worker's engine")
    third = Run(stage, folder, chroma_url=url)
    assert third.finish() == 0
    for process in (one, two):
        assert f"held by process {process.pid} on {os.uname().nodename} since 20" in third.printed, third.printed
    gate.touch()
    assert [ended(process, first) for process in (one, two)] == [0, 0], first.printed
    records = database(folder, url).list_videos()
    assert [record[STATUS[stage]] for record in records] == ["completed", "completed"]
    engine = {"phase1": "hear", "phase2": "see", "phase4": "read", "load": "embed"}[stage]
    each = 2 if stage == "load" else 1  # it embeds the segments, and the whole video
    assert sum(count for call, count in calls(folder).items() if call.startswith(engine)) == 2 * each  # once


@pytest.mark.videos(6)
@pytest.mark.parametrize("args", [(), ("--force",)])
def test_two_starts_at_the_same_moment(args, folder, url) -> None:
    """Also with --force, for which everything is due as long as nobody has done it meanwhile."""
    for stage in STAGES:
        if args:  # to see that a video was done, a second must lie between the last time and this one
            assert Run(stage, folder, chroma_url=url).finish() == 0
            time.sleep(1.1)
        (folder / "calls.log").unlink(missing_ok=True)
        gate = folder / f"gate {stage}"  # a run that began when the other one was done would rightly do all again
        run = Run(stage, folder, args, chroma_url=url, gate=gate)
        starts = [run.start() for _ in range(2)]
        wait_until(lambda: calls(folder).total() == 2, "both workers' engines")
        gate.touch()
        assert [ended(process, run) for process in starts] == [0, 0], run.printed
        counts = calls(folder)
        done = sum(count for call, count in counts.items() if call.startswith(("hear", "see", "read", "embed")))
        assert done == (12 if stage == "load" else 6), (counts, run.printed)
    assert {record["db_load_status"] for record in database(folder, url).list_videos()} == {"completed"}


# --- two machines


def test_a_worker_elsewhere_that_lives_is_left_alone(folder, url) -> None:
    gate = folder / "gate"
    far = Run("phase1", folder, ("--only", "v0"), host="far", gate=gate, chroma_url=url, patience=PATIENCE)
    process = far.start()
    wait_until(lambda: calls(folder).total() == 1, "the engine")
    time.sleep(PATIENCE + 1)  # longer than it may be silent
    near = Run("phase1", folder, ("--only", "v0"), host="near", chroma_url=url, patience=PATIENCE)
    assert near.finish() == 0
    assert f"held by process {process.pid} on far" in near.printed
    gate.touch()
    assert ended(process, far) == 0
    assert calls(folder)["hear"] == 1


@pytest.mark.parametrize("point", ["hear", "made"])
def test_a_worker_that_slept_too_long_drops_its_work(point, folder, url) -> None:
    """Stopped in the middle of the speech, and when nothing is left but to write the result."""
    only = ("--only", "v0")
    far = Run(
        "phase1", folder, only, point, sends=signal.SIGSTOP, host="far", chroma_url=url, patience=PATIENCE, says="far"
    )
    process = far.start()
    wait_until(lambda: calls(folder).total() >= 1 and is_stopped(process.pid), "the worker to be stopped")
    near = Run("phase1", folder, only, host="near", chroma_url=url, patience=PATIENCE, says="near")
    assert near.finish() == 0
    assert f"held by process {process.pid} on far" in near.printed
    time.sleep(PATIENCE)
    assert near.finish() == 0, near.printed
    result = artifacts.path_of(PHASE1, folder / "data", "v0")
    whole = result.read_bytes()
    record = database(folder, url).get_video_status("v0")
    os.kill(process.pid, signal.SIGCONT)
    assert ended(process, far) == 0
    assert "v0: another worker has taken over; this one's work is dropped" in far.printed
    assert result.read_bytes() == whole
    found = artifacts.read(PHASE1, result)
    # What the first one had kept was used; what it made after its time is nowhere.
    assert found is not None and found["segments"][0]["transcript"] == ("0near" if point == "hear" else "0far")
    assert database(folder, url).get_video_status("v0") == record
    assert record["phase1_status"] == "completed" and "phase1_owner" not in record
    assert sorted(path.name for path in (folder / "data").iterdir() if path.is_file()) == [result.name]


@pytest.mark.videos(6)
def test_two_machines_at_the_same_moment(folder, server_url) -> None:
    runs = [Run("phase1", folder, host=host, chroma_url=server_url) for host in ("far", "near")]
    starts = [run.start() for run in runs]
    assert [ended(process, run) for process, run in zip(starts, runs, strict=True)] == [0, 0], runs[0].printed
    assert calls(folder)["hear"] == 6, runs[0].printed
    assert {record["phase1_status"] for record in database(folder, server_url).list_videos()} == {"completed"}


# --- all at once


@pytest.mark.videos(4)
def test_everything_at_once_and_a_search_that_stays_open(folder, url) -> None:
    """All stages, each twice at the same moment, over and over, then with --force; a search goes on all the time."""
    stop, faults = folder / "stop", folder / "faults"
    search = multiprocessing.get_context("forkserver").Process(target=_search, args=(folder, url))
    search.start()
    try:
        for args in ((), (), ("--force",), ("--force",)):
            both = [Run(stage, folder, args, chroma_url=url) for stage in STAGES for _ in range(2)]
            processes = [run.start() for run in both]
            codes = [ended(process, run) for process, run in zip(processes, both, strict=True)]
            assert not any(codes), both[-1].printed
        for stage in STAGES:  # what could not be done while the stage before was at it again
            assert Run(stage, folder, chroma_url=url).finish() == 0
    finally:  # or it would go on for ever
        stop.touch()
    search.join(300)
    assert search.exitcode == 0 and faults.read_text() == "", faults.read_text()
    printed = "".join((folder / f"{stage}.log").read_text() for stage in STAGES)
    assert not any(word in printed for word in ("locked", "Traceback", "error", "busy")), printed
    db = database(folder, url)
    assert {record["db_load_status"] for record in db.list_videos()} == {"completed"}
    for number in range(4):
        hits = db.search(f"v{number} 0", video_name=f"v{number}")
        assert [hit["id"] for hit in hits] == [f"v{number}_seg_0"]
        assert hits[0]["score"] > 0.5  # its vector is there


def _search(folder: Path, url: str | None) -> None:
    """Ask with one and the same manager until told to stop; then everything must be there."""
    db = database(folder, url)
    faults = []
    while not (folder / "stop").exists():
        for hit in db.search("v0 v1 v2 v3 0", limit=10):
            if hit["document"].split("\n")[0] != f"{hit['video_name']} 0" or hit["segment_index"] != 0:
                faults.append(f"stale: {hit}")
    found = {hit["id"] for hit in db.search("v0 v1 v2 v3 0", limit=10)}
    if found != {f"v{number}_seg_0" for number in range(4)}:
        faults.append(f"at the end: {found}")
    (folder / "faults").write_text("\n".join(faults[:10]))
