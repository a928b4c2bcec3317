"""What is due, as a table."""

import pytest

from db_manager import ChromaDBManager
from videotag import cli, jobs, stages
from videotag.stages import LOAD, PHASE1, PHASE2, PHASE4, Input, Stage

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
    assert stages.due(stage, record, named, BASE, force) == reason


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
        ({"audio_asked": "2", "config_hash": "h2"}, SOURCE, "audio_track changed"),
        ({"audio_asked": "", "config_hash": "h2"}, SOURCE, None),  # as a record of before has it
        ({"force_reprocess": True, "config_hash": "h2"}, SOURCE, "force_reprocess is set"),
        ({"force_reprocess": True}, SOURCE, None),  # seen before: it counts once
        ({"config_hash": "h2"}, SOURCE, None),  # the flag was taken away
    ],
)
def test_due_by_the_list_and_the_file(changes, source, reason):
    assert stages.source_due(RECORD, {**ENTRY, **changes}, source) == reason


def test_what_follows_is_due_again():
    used = {"phase2_input": "r1", "phase4_input": "r2", "db_load_input": "r2"}
    follow = ("phase2", "phase4", "db_load")
    pending = {f"{key}_status": "pending" for key in follow}
    why = {f"{key}_reason": "phase 1 was done again" for key in follow}
    assert stages.follow_up(PHASE1, used, "r1", again=True) == {**pending, **why}
    assert stages.follow_up(PHASE1, used, "new", again=False) == {**pending, **why}
    assert stages.follow_up(PHASE1, used, "r1", again=False) == {}
    assert stages.follow_up(PHASE1, {}, "r1", again=True) == {**pending, **dict.fromkeys(why)}


# --- two inputs, of which one is not needed


LOADED = {**DONE2, "db_load_status": "completed", "db_load_input": "r2"}
SUMMED_UP = {"phase4_status": "completed", "phase4_input": "r2", "phase4_result": "r4"}


def test_what_a_stage_is_made_of():
    assert [stage.key for stage in stages.after(PHASE1)] == ["phase2", "phase4", "db_load"]
    assert [stage.key for stage in stages.after(PHASE4)] == ["db_load"]
    assert list(stages.after(LOAD)) == []
    assert stages.lacking(PHASE4, DONE1) is PHASE2 and stages.lacking(PHASE4, DONE2) is None
    assert stages.input_of(LOAD, LOADED) == "r2"  # as a database of before has it
    assert stages.input_of(LOAD, LOADED | SUMMED_UP) == "r2 r4"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),  # what is not needed is not waited for
        (SUMMED_UP, "phase4 has another result"),
        ({**SUMMED_UP, "db_load_input": "r2 r4"}, None),
        ({**SUMMED_UP, "db_load_input": "r2 old"}, "phase4 has another result"),
        ({**SUMMED_UP, "db_load_input": "old r4"}, "phase2 has another result"),
        # It is being made again: what was loaded is not made worse meanwhile.
        ({**SUMMED_UP, "phase4_status": "processing", "db_load_input": "r2 r4"}, None),
    ],
)
def test_a_result_that_is_not_needed_is_used_where_it_is_there(changes, reason):
    assert stages.due(LOAD, LOADED | changes, {}, {}, False) == reason


def test_what_follows_two_stages():
    used = {"phase2_input": "r1", "phase4_input": "r2", "db_load_input": "r2 r4"}
    again = {"db_load_status": "pending", "db_load_reason": "phase 4 was done again"}
    assert stages.follow_up(PHASE4, used, "r4", again=True) == again
    assert stages.follow_up(PHASE4, used, "r4", again=False) == {}
    # The load has used it already, the summary has not.
    taken_over = stages.follow_up(PHASE2, {**used, "phase4_input": "old"}, "r2", again=False)
    assert taken_over.keys() == {"phase4_status", "phase4_reason", "db_load_status", "db_load_reason"}
    assert stages.follow_up(LOAD, used, "r5", again=True) == {}  # the last one
    assert stages.follow_up(LOAD, used, "r5", again=False) == {}


def test_records_that_are_older_than_a_stage(tmp_path, monkeypatch, capsys):
    """They have no status of it, are found all the same, and can be given one."""
    titles = Stage("titles", "titles", "titles.py", (Input("phase2"),), "titles_made")
    db = ChromaDBManager(tmp_path / "db")
    db.create_or_update_video_file("old", "a.mp4", "ru", 20.0, 1, 640, 360, 25.0, **DONE2)
    with pytest.raises(ValueError, match='no field "titles_status"'):
        db.update_video_status("old", titles_status="completed")
    monkeypatch.setattr(stages, "STAGES", (PHASE1, PHASE2, PHASE4, titles, LOAD))
    db.create_or_update_video_file("new", "b.mp4", "ru", 20.0, 1, 640, 360, 25.0, **DONE2)
    db.create_or_update_video_file("waits", "c.mp4", "ru", 20.0, 1, 640, 360, 25.0, **DONE1)
    assert "titles_status" not in db.get_video_status("old")
    assert db.get_video_status("new")["titles_status"] == "pending"

    def due() -> dict[str, str]:
        args = cli.parser("").parse_args(["--data-dir", str(tmp_path)])
        run = jobs.Run(db, titles, args, report := cli.Report("titles"))
        found = {record["video_name"]: "due" for record in run.due(run.why_due, finished_too=False)}
        return found | {name: why for why, names in report.skipped.items() for name in names}

    assert due() == {"old": "due", "new": "due", "waits": "phase2 is not completed"}
    db.update_video_status("old", titles_status="completed", titles_input="r2", titles_made=3)
    assert due() == {"old": "done before", "new": "due", "waits": "phase2 is not completed"}
    assert db.video_names(without={"titles_status": "completed"}) == ["new", "waits"]
