"""What is due, as a table; and who works on it, with real locks and processes."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from db_manager import ChromaDBManager
from videotag import claims
from videotag.claims import LOAD, PHASE1, PHASE2
from videotag.errors import ClaimLost, EngineError, UserError

BASE = {"transcriber": "faster-whisper", "model": "base"}
DONE1 = {"phase1_status": "completed", "phase1_result": "r1"}
FORCED = {**DONE1, "phase1_status": "pending", "phase1_reason": "--force"}
OTHERS = "asked for by --force with other settings"
DONE2 = {**DONE1, "phase2_status": "completed", "phase2_input": "r1", "phase2_result": "r2"}


@pytest.mark.parametrize(
    ("stage", "record", "named", "force", "reason"),
    [
        # phase 1
        (PHASE1, {"phase1_status": "pending"}, {}, False, "new"),
        (
            PHASE1,
            {"phase1_status": "pending", "phase1_reason": "its result is missing"},
            {},
            False,
            "its result is missing",
        ),
        (PHASE1, {"phase1_status": "pending", "phase1_attempts": 2}, {}, False, "failed before (2x)"),
        (PHASE1, {"phase1_status": "processing"}, {}, False, "interrupted before"),
        (PHASE1, {"phase1_status": "processing", "phase1_reason": "--force"}, {}, False, "--force"),
        (PHASE1, DONE1, {}, False, None),
        (PHASE1, DONE1, {"model": "base"}, False, None),
        (PHASE1, DONE1, {"model": "large-v3"}, False, "model changed from base to large-v3"),
        (PHASE1, DONE1, {}, True, "--force"),
        (PHASE1, FORCED, {}, False, "--force"),
        (PHASE1, {**FORCED, "phase1_wanted": '{"model": "turbo"}'}, {"model": "turbo", "x": 1}, False, "--force"),
        (PHASE1, {**FORCED, "phase1_wanted": '{"model": "turbo"}'}, {}, False, OTHERS),
        (PHASE1, {**FORCED, "phase1_wanted": '{"model": "turbo"}'}, {"model": "base"}, False, OTHERS),
        # phase 2
        (PHASE2, {"phase1_status": "pending"}, {}, False, None),
        (PHASE2, {"phase1_status": "processing"}, {}, True, None),
        (PHASE2, DONE1, {}, False, "new"),
        (PHASE2, {**DONE1, "phase2_status": "processing"}, {}, False, "interrupted before"),
        (PHASE2, DONE2, {}, False, None),
        (PHASE2, {**DONE2, "phase1_result": "other"}, {}, False, "phase1 has another result"),
        (PHASE2, DONE2, {"transcriber": "other"}, False, "transcriber changed from faster-whisper to other"),
        # load
        (LOAD, DONE1, {}, False, None),
        (LOAD, DONE2, {}, False, "new"),
        (LOAD, {**DONE2, "db_load_status": "completed", "db_load_input": "r2"}, {}, False, None),
        (LOAD, {**DONE2, "db_load_status": "completed", "db_load_input": "r2"}, {}, True, "--force"),
        (
            LOAD,
            {**DONE2, "db_load_status": "completed", "db_load_input": "old"},
            {},
            False,
            "phase2 has another result",
        ),
    ],
)
def test_due(stage, record, named, force, reason):
    assert claims.due(stage, record, named, BASE, force) == reason


ENTRY = {"video_path": "a.mp4", "language": "ru", "description": "", "force_reprocess": False, "config_hash": "h1"}
SOURCE = {"size": 10, "mtime_ns": 20}
RECORD = {"video_path": "a.mp4", "language": "ru", "config_hash": "h1", "source_size": 10, "source_mtime_ns": 20}


@pytest.mark.parametrize(
    ("changes", "source", "reason"),
    [
        ({}, SOURCE, None),
        ({}, {}, None),  # the file is away: what is done stays done
        ({}, {"size": 11, "mtime_ns": 20}, "the file changed"),
        ({}, {"size": 10, "mtime_ns": 21}, "the file changed"),
        ({"language": "kk", "config_hash": "h2"}, SOURCE, "language changed"),
        ({"video_path": "b.mp4", "config_hash": "h2"}, SOURCE, "video_path changed"),
        ({"description": "x", "config_hash": "h2"}, SOURCE, "description changed"),
        ({"force_reprocess": True, "config_hash": "h2"}, SOURCE, "force_reprocess is set"),
        ({"force_reprocess": True}, SOURCE, None),  # seen before: it counts once
        ({"config_hash": "h2"}, SOURCE, None),  # the flag was taken away
    ],
)
def test_due_by_the_list_and_the_file(changes, source, reason):
    assert claims.source_due(RECORD, {**ENTRY, **changes}, source) == reason


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


def test_what_follows_is_due_again():
    used = {"phase2_input": "r1", "db_load_input": "r2"}
    pending = {"phase2_status": "pending", "db_load_status": "pending"}
    why = {"phase2_reason": "phase 1 was done again", "db_load_reason": "phase 1 was done again"}
    assert claims.follow_up(PHASE1, used, "r1", again=True) == {**pending, **why}
    assert claims.follow_up(PHASE1, used, "new", again=False) == {**pending, **why}
    assert claims.follow_up(PHASE1, used, "r1", again=False) == {}
    assert claims.follow_up(PHASE1, {}, "r1", again=True) == {**pending, "phase2_reason": None, "db_load_reason": None}


# --- claims, on a real database


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
        f"db = ChromaDBManager({str(tmp_path / 'db')!r})\n"
        f"data, intent = Path({str(tmp_path / 'data')!r}), claims.Intent(lambda r: 'new')\n"
        "with claims.claim(db, data, claims.PHASE1, 'news', intent):\n"
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
    with take(records, tmp_path, why=lambda record: claims.due(PHASE1, record, {}, {}, False)) as claim:
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
