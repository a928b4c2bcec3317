"""What a script is made of, by one of a few lines: a stage more, with two inputs, one of which is not needed."""

from contextlib import closing
from dataclasses import replace

import pytest

from db_manager import ChromaDBManager
from videotag import artifacts, claims, cli, jobs, stages
from videotag.errors import EngineError
from videotag.stages import LOAD, PHASE1, PHASE2, Input, Stage

KEYS = ("video_name", "input", "made_by", "segments")
TITLES = Stage("titles", "titles", "titles.py", (Input("phase1"),), "titles_made", "_titles.json", KEYS)
INPUTS = (Input("phase2"), Input("titles", needed=False))
SUMMARY = Stage("phase4", "phase 4", "phase4.py", INPUTS, "phase4_windows", "_phase4.json", KEYS)
OPTIONS = {"style": "--style"}


class Summaries:
    """The script, on one video of three segments."""

    def __init__(self, folder, capsys):
        self.db = ChromaDBManager(folder / "db")
        self.data, self.capsys = folder / "data", capsys
        self.read: list[str] = []  # what the engine was given
        self.break_at: str | None = None
        self.path = artifacts.path_of(SUMMARY, self.data, "news")

    @property
    def record(self):
        return self.db.get_video_status("news")

    def run(self, *options, style=None):
        args = cli.parser("").parse_args(["--data-dir", str(self.data), *options])
        named = {"style": style} if style else {}
        run = jobs.Run(self.db, SUMMARY, args, cli.Report("phase 4"), named, OPTIONS)
        due = run.due(run.why_due, finished_too=bool(named))
        run.mark(due, lambda: self)
        try:
            for seen in due:
                intent = claims.Intent(run.why_due, seen, named=named)
                with run.report.outcome_of("news"), run.claimed("news", intent) as job:
                    if not job.taken_over():
                        job.publish(self.summed_up(job, {"style": style or "short"}))
        except KeyboardInterrupt:
            run.report.skip("news", "interrupted")
        run.report.finish(self.data)
        return self.capsys.readouterr().out.splitlines()

    def summed_up(self, job, made_by):
        texts = [text for result in job.inputs().values() for text in result["segments"]]
        with closing(job.part(made_by, lambda: self.read.append("engine"))) as part:
            for text in texts[len(part.records) :]:
                if text == self.break_at:
                    raise KeyboardInterrupt
                self.read.append(text)
                part.append(text.upper())
            return {"video_name": "news", **job.made_of, "made_by": made_by, "segments": part.records}


def finished(summaries, stage, segments):
    """A result of another stage, in data/ and in the record; its id."""
    result = {key: "" for key in stage.keys} | {"video_name": "news", "segments": segments}
    with artifacts.Draft(artifacts.path_of(stage, summaries.data, "news"), result) as draft:
        draft.publish()
    done = {stage.field("status"): "completed", stage.field("result"): draft.result_id}
    follows = stages.follow_up(stage, summaries.record, draft.result_id, again=True)
    summaries.db.update_video_status("news", **done, **follows)
    return draft.result_id


@pytest.fixture
def summaries(tmp_path, monkeypatch, capsys):
    load = replace(LOAD, inputs=(Input("phase2"), Input("phase4", needed=False)))
    monkeypatch.setattr(stages, "STAGES", (PHASE1, PHASE2, TITLES, SUMMARY, load))
    made = Summaries(tmp_path, capsys)
    made.db.create_or_update_video_file("news", "a.mp4", "ru", 20.0, 1, 640, 360, 25.0, phase1_status="completed")
    return made


def test_unfinished_work_is_gone_on_with_and_what_follows_is_due(summaries):
    assert summaries.run()[-1].startswith("phase 4: 0 done, 1 skipped (phase2 is not completed: news)")
    two = finished(summaries, PHASE2, ["a", "b", "c"])
    summaries.db.update_video_status("news", db_load_status="completed", db_load_input=two)
    summaries.break_at = "c"
    assert summaries.run()[0] == "news: new"
    assert (summaries.record["phase4_status"], summaries.read) == ("pending", ["a", "b"])
    assert artifacts.part_header(summaries.path) == {
        "stage": "phase4",
        "stage_version": 1,
        "format": 1,
        "input": two,
        "style": "short",
    }
    summaries.break_at = None
    assert summaries.run()[-1].startswith("phase 4: 1 done")
    assert summaries.read == ["a", "b", "c"]
    result = artifacts.read(SUMMARY, summaries.path)
    assert result is not None and result["segments"] == ["A", "B", "C"]
    assert [path.name for path in summaries.data.glob("*_phase4*")] == ["news_phase4.json"]
    record = summaries.record
    assert (record["phase4_status"], record["phase4_windows"], record["phase4_input"]) == ("completed", 3, two)
    assert record["phase4_result"] == result["result_id"] and record["phase4_made_by"] == '{"style": "short"}'
    assert (record["db_load_status"], record["db_load_reason"]) == ("pending", "phase 4 was done again")
    assert "1 skipped (done before: news)" in summaries.run()[-1]


def test_an_input_that_is_not_needed_is_used_once_it_is_there(summaries, caplog):
    two = finished(summaries, PHASE2, ["a"])
    summaries.run()
    titles = finished(summaries, TITLES, ["t"])
    assert summaries.run()[0] == "news: titles was done again"
    assert summaries.read == ["a", "a", "t"]
    assert summaries.record["phase4_input"] == f"{two} {titles}"
    artifacts.path_of(TITLES, summaries.data, "news").unlink()
    assert "1 skipped (done before: news)" in summaries.run()[-1]
    summaries.run("--force")
    assert summaries.read == ["a", "a", "t", "engine", "a"]
    told = "titles.json: is missing or damaged; run titles.py, then this again; going on without it"
    assert told in caplog.text
    assert summaries.record["phase4_input"] == two
    assert (summaries.record["titles_status"], summaries.record["titles_reason"]) == (
        "pending",
        "its result is missing",
    )
    assert "1 skipped (done before: news)" in summaries.run()[-1]


def test_a_result_of_these_very_inputs_is_taken_over_under_the_named_settings(summaries):
    finished(summaries, PHASE2, ["a"])
    summaries.run()
    lost = {"phase4_status": "pending", "phase4_result": None, "phase4_input": None, "phase4_made_by": None}
    for style, again in ((None, False), ("short", False), ("long", True)):
        summaries.read.clear()
        summaries.db.update_video_status("news", **lost)
        assert (f"news: taken over from {summaries.path}" in summaries.run(style=style)) is not again
        assert bool(summaries.read) is again
    summaries.db.update_video_status("news", **lost)
    finished(summaries, PHASE2, ["b"])
    summaries.run()
    assert summaries.read == ["a", "b"]
    assert summaries.run("--force")[0] == "news: --force"
    assert summaries.read == ["a", "b", "engine", "b"]


def test_a_higher_version_makes_nothing_due_and_is_in_the_record_of_what_it_made(summaries, monkeypatch):
    def better():
        return [stage.key for stage in stages.STAGES if stages.better_today(stage, summaries.record)]

    finished(summaries, PHASE2, ["a"])
    summaries.db.update_video_status("news", phase1_version=stages.PHASE1.version)
    summaries.run()
    newer = replace(SUMMARY, version=2)
    monkeypatch.setitem(globals(), "SUMMARY", newer)
    monkeypatch.setattr(stages, "STAGES", tuple(newer if s.key == "phase4" else s for s in stages.STAGES))
    assert better() == ["phase4"]
    assert "1 skipped (done before: news)" in summaries.run()[-1]
    summaries.db.update_video_status("news", phase4_status="pending", phase4_result=None)
    assert f"news: taken over from {summaries.path}" in summaries.run()
    assert better() == ["phase4"]  # it is the old result
    summaries.run("--force")
    assert (better(), summaries.record["phase4_version"]) == ([], 2)
    summaries.db.update_video_status("news", phase4_status="pending", phase4_version=None)
    assert f"news: taken over from {summaries.path}" in summaries.run()
    assert (better(), summaries.record["phase4_version"]) == ([], 2)


def test_a_setting_that_is_called_input_does_not_hide_whose_result_the_work_is_on(summaries, monkeypatch):
    made = summaries.summed_up
    monkeypatch.setattr(summaries, "summed_up", lambda job, made_by: made(job, {**made_by, "input": "video"}))
    one = finished(summaries, PHASE2, ["a", "b"])
    summaries.break_at = "b"
    summaries.run(style="long")
    assert (artifacts.part_header(summaries.path) or {})["input"] == one
    summaries.break_at = None
    assert "is unfinished work with --style long; name that to go on with it" in summaries.run()[-1]
    finished(summaries, PHASE2, ["x", "y"])
    summaries.run(style="long")
    assert summaries.read == ["a", "engine", "x", "y"]  # nothing of what another result was made of


def test_unfinished_work_under_another_setting_is_not_dropped_unasked(summaries):
    finished(summaries, PHASE2, ["a", "b"])
    summaries.break_at = "b"
    summaries.run(style="long")
    summaries.break_at = None
    told = "is unfinished work with --style long; name that to go on with it, or --style short to begin anew"
    assert told in summaries.run()[-1]
    assert summaries.read == ["a"]
    summaries.run(style="short")
    assert summaries.read == ["a", "engine", "a", "b"]


def test_finished_work_is_due_by_force_only_where_the_engine_can_be_had(summaries):
    finished(summaries, PHASE2, ["a"])
    summaries.run()
    before = summaries.record
    run = jobs.Run(summaries.db, SUMMARY, cli.parser("").parse_args(["--force"]), cli.Report("phase 4"))

    def missing():
        raise EngineError("no such model")

    with pytest.raises(EngineError):
        run.mark([before], missing)
    assert (summaries.record, run.report.marked) == (before, False)
    run.mark([before | {"phase4_end_time": "then"}], list)  # done by another since
    assert (summaries.record, run.report.marked) == (before, True)
    run.mark([before], list)
    assert (summaries.record["phase4_status"], summaries.record["phase4_reason"]) == ("pending", "--force")


HEADER = {"stage": "phase4", "format": 1, "input": "r2", "style": "short"}


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (HEADER, False),
        (HEADER | {"style": "long"}, True),
        (HEADER | {"format": 2}, True),
        (HEADER | {"input": "old", "style": "long"}, False),
        ({"stage": "phase4", "style": "long"}, False),
        (["no header"], False),
    ],
)
def test_beside_a_result_only_a_part_of_other_settings_on_the_same_input_is_kept(forgotten, caplog, header, kept):
    part = artifacts.part_path(forgotten.path)
    artifacts.Part(part, header).close()
    forgotten.run()
    assert part.exists() is kept
    assert ("phase4.json.part: is kept: unfinished work under other settings; name them" in caplog.text) is kept


@pytest.mark.parametrize("length", [0, 7, 8, 60, -1])
def test_beside_a_result_a_part_cut_in_its_header_is_dropped(forgotten, length):
    part = artifacts.part_path(forgotten.path)
    artifacts.Part(part, HEADER | {"style": "long"}).close()
    part.write_bytes(part.read_bytes()[:length])
    forgotten.run()
    assert forgotten.path.exists() and not part.exists()


@pytest.fixture
def forgotten(summaries):
    """Phases 2 and 4 are done, and the record does not say so of phase 4."""
    made_of = {"input": "r2", "made_by": {"style": "short", "engine": "7"}, "segments": ["A"]}
    with artifacts.Draft(summaries.path, {"video_name": "news", **made_of}) as draft:
        draft.publish()
    summaries.db.update_video_status("news", phase2_status="completed", phase2_result="r2")
    return summaries
