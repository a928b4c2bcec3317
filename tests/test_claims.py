"""Who works on a stage, with real locks and processes."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from db_manager import ChromaDBManager
from videotag import claims, stages
from videotag.errors import ClaimLost, EngineError, UserError
from videotag.stages import PHASE1, PHASE2

WORKING = {"phase1_status": "processing", "phase1_owner": "far:12:ab", "phase1_heartbeat": 1000.0}


@pytest.mark.parametrize(
    ("changes", "duration", "clock", "held"),
    [
        ({}, 20.0, 1599.0, True),  # 10 minutes at least
        ({}, 20.0, 1601.0, False),
        ({}, 3600.0, 8199.0, True),  # twice the length of a longer video
        ({}, 3600.0, 8201.0, False),
        ({"phase1_owner": "here:12:ab"}, 20.0, 1001.0, False),  # its lock can be tested
        ({"phase1_status": "pending"}, 20.0, 1001.0, False),
        ({}, 20.0, 900.0, True),  # its clock runs ahead of ours
    ],
)
def test_held_elsewhere(changes, duration, clock, held):
    record = {**WORKING, "video_duration": duration, **changes}
    assert bool(claims.held_elsewhere(PHASE1, record, "here", clock)) is held


@pytest.mark.parametrize(
    ("gone", "clock", "held"),
    [
        ("far:12", 1119.0, True),  # it may have lost its link only: four heartbeats
        ("far:12", 1121.0, False),
        ("far:1", 1121.0, True),  # another process
    ],
)
def test_what_a_worker_held_that_is_said_to_be_gone(gone, clock, held, monkeypatch):
    monkeypatch.setattr(claims, "said_gone", {gone})
    assert bool(claims.held_elsewhere(PHASE1, {**WORKING, "video_duration": 3600.0}, "here", clock)) is held


@pytest.fixture
def records(tmp_path):
    db = ChromaDBManager(tmp_path / "db")
    db.create_or_update_video_file("news", "a.mp4", "ru", 20.0, 1, 640, 360, 25.0)
    return db


def take(records, tmp_path, why=lambda record: "new", stage=PHASE1, seen=None):
    return claims.claim(records, tmp_path / "data", stage, "news", claims.Intent(why, seen))


def test_a_claim_is_written_and_completed(records, tmp_path):
    with take(records, tmp_path) as claim:
        record = records.get_video_status("news")
        assert record["phase1_status"] == "processing"
        assert record["phase1_owner"].startswith(f"{socket.gethostname()}:{os.getpid()}:")
        assert abs(record["phase1_heartbeat"] - time.time()) < 60
        claim.complete(1, phase1_result="r1")
    record = records.get_video_status("news")
    assert (record["phase1_status"], record["phase1_segments_created"], record["phase1_result"]) == (
        "completed",
        1,
        "r1",
    )
    assert record["phase1_end_time"] >= record["phase1_start_time"]
    assert not {"phase1_owner", "phase1_heartbeat", "phase1_error", "phase1_reason"} & set(record)


def test_an_error_is_recorded_and_counted(records, tmp_path):
    for attempt in (1, 2):
        with pytest.raises(RuntimeError), take(records, tmp_path):
            raise RuntimeError("disk\n on fire")
        record = records.get_video_status("news")
        assert (record["phase1_status"], record["phase1_error"]) == ("pending", "disk on fire")
        assert record["phase1_attempts"] == attempt
    with take(records, tmp_path) as claim:
        claim.complete(1)
    assert not {"phase1_error", "phase1_attempts"} & set(records.get_video_status("news"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, EngineError])
def test_an_interruption_is_nobodys_fault(records, tmp_path, error):
    with pytest.raises(error), take(records, tmp_path):
        raise error
    record = records.get_video_status("news")
    assert record["phase1_status"] == "pending"
    assert not {"phase1_error", "phase1_attempts", "phase1_owner"} & set(record)


def test_one_claim_at_a_time(records, tmp_path):
    with take(records, tmp_path) as claim:
        with pytest.raises(claims.Held, match=f"process {os.getpid()} on .* since 20"), take(records, tmp_path):
            pass
        with take(records, tmp_path, stage=PHASE2):
            pass  # another stage of the same video
        claim.complete(1)
    with pytest.raises(claims.NotDue), take(records, tmp_path, why=lambda record: None):
        pass


def test_what_another_worker_has_finished_meanwhile_is_not_done_twice(records, tmp_path):
    """Two runs with --force, for which everything is due."""
    seen = records.get_video_status("news")
    with take(records, tmp_path, why=lambda record: "--force", seen=seen) as claim:
        claim.complete(1)
    with pytest.raises(claims.NotDue), take(records, tmp_path, why=lambda record: "--force", seen=seen):
        pass
    with take(records, tmp_path, why=lambda record: "--force", seen=records.get_video_status("news")) as claim:
        claim.complete(1)


def test_a_record_that_vanishes_is_told_as_such(records, tmp_path):
    with pytest.raises(UserError, match="its record has vanished"), take(records, tmp_path) as claim:
        records.delete_video_file("news")
        claim.complete(1)


def test_a_clock_that_runs_ahead_is_told(records, tmp_path):
    records.update_video_status(
        "news", phase1_status="processing", phase1_owner="far:7:x", phase1_heartbeat=time.time() + 3600
    )
    with pytest.raises(claims.Held, match=r"process 7 on far, its clock is (59|60) min ahead"), take(records, tmp_path):
        pass


def test_a_dead_workers_claim_is_taken_at_once(records, tmp_path):
    program = (
        "import time; from pathlib import Path; from db_manager import ChromaDBManager; from videotag import claims\n"
        "from videotag import stages\n"
        f"db = ChromaDBManager({str(tmp_path / 'db')!r})\n"
        f"data, intent = Path({str(tmp_path / 'data')!r}), claims.Intent(lambda r: 'new')\n"
        "with claims.claim(db, data, stages.PHASE1, 'news', intent):\n"
        "    print('claimed', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "claimed\n"
        with pytest.raises(claims.Held, match=f"process {worker.pid}"), take(records, tmp_path):
            pass
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert records.get_video_status("news")["phase1_status"] == "processing"
    with take(records, tmp_path, why=lambda record: stages.due(PHASE1, record, {}, {}, False)) as claim:
        assert claim.reason == "interrupted before"


def test_a_worker_on_another_machine_is_left_alone_until_it_is_silent(records, tmp_path):
    records.update_video_status(
        "news", phase1_status="processing", phase1_owner="far:7:x", phase1_heartbeat=time.time() - 500
    )
    with pytest.raises(claims.Held, match="process 7 on far"), take(records, tmp_path):
        pass
    records.update_video_status("news", phase1_heartbeat=time.time() - 700)
    with take(records, tmp_path) as claim:
        claim.complete(1)


def test_a_lost_claim_writes_nothing(records, tmp_path):
    """Two machines: the lock folders differ, so the second one cannot see the first one's lock."""
    with take(records, tmp_path) as slow:
        records.update_video_status("news", phase1_owner="far:1:x", phase1_heartbeat=0.0)
        with claims.claim(records, tmp_path / "other", PHASE1, "news", claims.Intent(lambda record: "new")) as quick:
            quick.complete(3, phase1_result="quick")
            with pytest.raises(ClaimLost):
                slow.complete(5, phase1_result="slow")
    record = records.get_video_status("news")
    assert (record["phase1_status"], record["phase1_result"], record["phase1_segments_created"]) == (
        "completed",
        "quick",
        3,
    )


def test_the_heart_beats(records, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT_SECONDS", 0.05)
    with take(records, tmp_path) as claim:
        first = records.get_video_status("news")["phase1_heartbeat"]
        deadline = time.monotonic() + 20
        while records.get_video_status("news")["phase1_heartbeat"] == first and time.monotonic() < deadline:
            time.sleep(0.05)
        assert records.get_video_status("news")["phase1_heartbeat"] > first
        records.update_video_status("news", phase1_owner="far:1:x")
        with pytest.raises(ClaimLost):
            while time.monotonic() < deadline:
                claim.alive()
                time.sleep(0.05)
