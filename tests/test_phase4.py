"""Phase 4 with a scripted reader: what it writes, when it runs, and how it goes on."""

import json

import pytest

from tests.pipeline import analysis
from videotag import artifacts
from videotag.analyzers.contract import SegmentFailure
from videotag.errors import EngineError, UserError
from videotag.stages import PHASE2, PHASE4
from videotag.summaries.contract import Cited, Items


@pytest.fixture
def seen(project):
    """A project whose video "news", of three segments (0-50, 35-85 and 70-95 s), has been through phase 2."""
    project.one_video()
    assert project.phase1() == project.phase2() == 0
    project.loads.clear()
    return project


def test_the_file_and_the_record(seen):
    assert seen.phase4() == 0
    assert "phase 4: 1 done; results: " in seen.out
    record = seen.record()
    assert (record["phase4_status"], record["phase4_segments_used"]) == ("completed", 3)
    assert (record["summary"], record["keywords"]) == ("news 0 news 1 news 2", ["слово 0", "слово 1", "слово 2"])
    assert record["content_type"] == "новости"
    result = json.loads((seen.data / "news_phase4_summary.json").read_text(encoding="utf-8"))
    assert result["video_name"] == "news" and result["input"] == record["phase2_result"]
    assert (result["title"], result["summary"], result["method"]) == ("О news", record["summary"], "extractive")
    assert result["sentences"] == [{"text": f"news {n}", "segments": [n]} for n in range(3)]
    [chapter] = result["chapters"]
    assert (chapter["title"], chapter["first_segment"], chapter["last_segment"]) == ("Всё", 0, 2)
    assert (chapter["start_time"], chapter["end_time"]) == (0.0, result["video_duration"])
    assert [s["segment_index"] for s in result["segments"]] == [0, 1, 2]
    assert (result["segments_total"], result["gaps"], result["faults"]) == (3, [], [])
    assert (result["languages"], result["output_language"]) == (["ru"], "ru")
    assert result["made_by"] == {"summarizer": "local", "model": "none", "output_language": "ru"}
    assert seen.files()[-1] == "news_phase4_summary.json"  # and no .part


def test_once_done_it_is_left_alone_and_no_engine_is_built(seen):
    seen.phase4()
    seen.loads.clear()
    assert seen.phase4() == 0
    assert "1 skipped (done before: news)" in seen.out
    assert seen.loads == []


def test_before_phase_2_it_waits(project):
    project.one_video()
    project.phase1()
    assert project.phase4() == 0
    assert "1 skipped (phase2 is not completed: news)" in project.out
    assert project.loads == ["transcriber base"]


def test_a_dry_run_says_why_and_does_nothing(seen):
    assert seen.phase4("--dry-run") == 0
    assert "news: would run: new" in seen.out
    assert (seen.loads, seen.record()["phase4_status"]) == ([], "pending")


def test_when_the_segments_changed_it_is_due(seen):
    seen.phase4()
    seen.analyzer.results["news", 1] = analysis("иначе")
    seen.phase2("--force")
    assert seen.record()["phase4_status"] == "pending"
    assert seen.phase4() == 0
    assert "news: phase 2 was done again" in seen.out
    assert seen.record()["summary"] == "news 0 иначе news 2"


def test_the_same_segments_again_are_no_reason(seen):
    seen.phase4()
    before = seen.result4()
    seen.phase2("--force")
    assert seen.phase4() == 0
    assert f"news: taken over from {seen.data / 'news_phase4_summary.json'}" in seen.out
    assert seen.result4() == before


def test_a_named_engine_makes_it_again_and_auto_does_not(seen):
    seen.phase4()
    seen.db.update_video_status("news", phase4_made_by=json.dumps({"summarizer": "openai", "model": "qwen"}))
    assert seen.phase4() == 0
    assert "1 skipped (done before: news)" in seen.out
    assert seen.phase4("--summarizer", "local") == 0
    assert "news: summarizer changed from openai to local" in seen.out


def test_it_writes_in_the_descriptions_language_unless_another_is_named(seen):
    seen.phase2("--output-language", "kk")
    seen.phase4()
    assert seen.result4()["output_language"] == "kk"
    seen.phase4("--output-language", "en")
    assert "news: output_language changed from kk to en" in seen.out
    assert seen.result4()["output_language"] == "en"
    assert seen.phase4("--output-language", "english") == 2
    assert "--output-language english: is no language code" in seen.err


def test_after_an_interruption_the_windows_that_were_read_are_kept(seen):
    seen.summarizer.results["news", 2] = KeyboardInterrupt()
    assert seen.phase4() == 130
    assert "interrupted; run the same command again to go on" in seen.out
    assert seen.record()["phase4_status"] == "pending"
    assert "news_phase4_summary.json.part" in seen.files()
    seen.summarizer.results.clear()
    assert seen.phase4() == 0
    assert seen.summarizer.seen == [("news", 0, 1), ("news", 2, 2)]
    assert seen.record()["summary"] == "news 0 news 1 news 2"


def test_unfinished_work_of_another_engine_is_not_dropped_unasked(seen):
    seen.summarizer.results["news", 2] = KeyboardInterrupt()
    seen.phase4()
    seen.summarizer.results.clear()
    seen.summarizer.made_by["model"] = "other"
    assert seen.phase4() == 1
    assert "is unfinished work with --model none; name that to go on with it, or --model other" in seen.err


def test_one_video_that_fails_leaves_the_others_alone(project):
    project.several_videos("news", "film")
    project.phase1()
    project.phase2()
    project.summarizer.results["film", 0] = UserError("nothing comes of it")
    assert project.phase4() == 1
    assert "error: film: nothing comes of it" in project.err
    assert project.record("film")["phase4_error"] == "nothing comes of it"
    assert (project.record("film")["phase4_status"], project.record("news")["phase4_status"]) == (
        "pending",
        "completed",
    )
    project.summarizer.results.clear()
    assert project.phase4() == 0
    assert "phase4_error" not in project.record("film")


def test_an_engine_that_cannot_go_on_ends_the_run(seen):
    seen.summarizer.results["news", 2] = EngineError("the server is gone")
    assert seen.phase4() == 1
    assert "error: the server is gone" in seen.err
    assert (seen.record()["phase4_status"], "phase4_error" in seen.record()) == ("pending", False)


def test_segments_that_were_not_analyzed_are_named_as_gaps(project):
    project.config({"name": "radio", "path": project.video("radio.mp4"), "language": "ru"})
    project.phase1("--segment-seconds", "10", "--overlap-seconds", "0")  # 10 segments
    project.analyzer.results["radio", 4] = SegmentFailure("the answer was cut off, twice", "{")
    assert project.phase2() == 0
    assert project.phase4() == 0
    result = project.result4("radio")
    assert result["gaps"] == [{"segment_index": 4, "reason": "the answer was cut off, twice"}]
    assert (len(result["segments"]), result["segments_total"]) == (9, 10)
    assert project.record("radio")["phase4_segments_used"] == 9


def test_what_the_engine_noted_is_in_the_result(seen):
    events = (Cited(text="одно", segments=(0, 1)),)
    seen.summarizer.results["news", 0] = Items(events=events, faults=("segments 0 to 1: the answer repeats itself",))
    seen.phase4()
    assert seen.result4()["faults"] == ["segments 0 to 1: the answer repeats itself"]
    assert seen.result4()["sentences"][0] == {"text": "одно", "segments": [0, 1]}


def test_the_files_own_title_is_kept(seen):
    seen.db.update_video_status("news", title="Вечерний выпуск")
    seen.phase4()
    assert seen.result4()["title"] == "Вечерний выпуск"


def test_the_engine_is_told_how_common_keywords_are(project):
    project.several_videos("a", "b", "c")
    project.phase1()
    project.analyzer.results["a", 0] = analysis("a", keywords=["Вода", "вода", "плотина"])
    project.phase2()
    project.phase4()
    archive = project.summarizer.archive
    assert (archive.videos, archive.keywords) == (3, {"снег": 3, "вода": 1, "плотина": 1})


def test_a_lost_database_takes_the_results_over(seen):
    seen.phase4()
    before = seen.result4()
    seen.db.delete_video_file("news")
    assert seen.phase1() == seen.phase2() == seen.phase4() == 0
    assert seen.summarizer.seen == [("news", 0, 1), ("news", 2, 2)]  # once
    assert (seen.result4(), seen.record()["summary"]) == (before, "news 0 news 1 news 2")


def test_a_record_that_is_older_than_the_stage(seen):
    seen.load()
    seen.db.update_video_status("news", phase4_status="completed", phase4_result="gone")
    with seen.db.session():  # as an older version of the program left it
        collection = seen.db._videos.collection()
        collection.update(ids=["news"], metadatas=[{"phase4_status": None, "phase4_result": None}])
    assert "phase4_status" not in seen.record()
    assert seen.load() == 0
    assert "1 skipped (done before: news)" in seen.out
    assert seen.phase4() == 0
    assert seen.record()["phase4_status"] == "completed"
    assert seen.record()["db_load_reason"] == "phase 4 was done again"


def test_a_damaged_result_of_phase_2_is_told(seen):
    artifacts.path_of(PHASE2, seen.data, "news").write_text("{")
    assert seen.phase4() == 1
    assert "news_phase2_vllm_analysis.json: is missing or damaged; run phase2_vllm_analysis.py" in seen.err
    assert not artifacts.path_of(PHASE4, seen.data, "news").exists()
