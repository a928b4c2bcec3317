"""Phase 2 with a scripted eye: what it writes, when it runs, and how it goes on."""

import itertools
import json
import os
import shutil

import pytest

import phase1_whisper_frames
import phase2_vllm_analysis
from tests.pipeline import FakeAnalyzer, analysis
from videotag import artifacts, claims
from videotag.analyzers.contract import Analysis, NotedAnalysis, Part, SegmentFailure
from videotag.analyzers.engines import ANALYZERS, choose_analyzer, load_analyzer
from videotag.errors import EngineError, UserError
from videotag.progress import Progress
from videotag.stages import PHASE1, PHASE2

FIELDS = [
    "description",
    "dialogue_translation",
    "on_screen_text",  # the one that the plan does not have
    "keywords",
    "content_type",
    "mood_atmosphere",
    "confidence",
    "scene_change",
    "screen_times",  # nor this
    "cut_times",  # nor this
]


@pytest.fixture
def seen(project):
    """A project whose videos have been through phase 1: "news" with three segments, "radio" without pictures."""
    project.config(
        {"name": "news", "path": project.video(), "language": "ru"},
        {"name": "radio", "path": project.video("radio.mp4", "a"), "language": "kk"},
    )
    assert project.phase1() == 0
    project.loads.clear()
    return project


def test_the_file_and_the_record(seen):
    assert seen.phase2() == 0
    record = seen.record()
    assert (record["phase2_status"], record["db_load_status"]) == ("completed", "pending")
    assert record["phase2_segments_analyzed"] == record["total_segments"] == 3
    assert (record["analyzer"], record["output_language"]) == ("local", "ru")
    result = json.loads((seen.data / "news_phase2_vllm_analysis.json").read_text(encoding="utf-8"))
    assert [segment["description"] for segment in result["segments"]] == ["news 0", "news 1", "news 2"]
    first = result["segments"][0]
    assert [first[key] for key in ("video_name", "segment_index", "start_time", "end_time", "duration")] == [
        "news",
        0,
        0.0,
        50.0,
        50.0,
    ]
    assert list(first)[-len(FIELDS) :] == FIELDS
    assert first["transcript"].startswith("0 1 2")
    assert seen.files() == [
        "news_phase1_data.pkl",
        "news_phase2_vllm_analysis.json",
        "radio_phase1_data.pkl",
        "radio_phase2_vllm_analysis.json",
    ]


def test_what_an_analyzer_is_given(seen):
    seen.phase2("--output-language", "kk")
    given = {(s.video_name, s.segment_index): s for s in seen.analyzer.seen}
    assert sorted(given) == [(name, index) for name in ("news", "radio") for index in range(3)]
    news = given["news", 1]
    assert [len(news.frames), news.start_time, news.end_time] == [6, 35.0, 85.0]
    assert all(35 <= frame.time < 85 and frame.jpeg.startswith(b"\xff\xd8") for frame in news.frames)
    assert (news.language, news.output_language) == ("ru", "kk")
    assert news.transcript.split()[0] == "35"
    assert os.path.basename(news.video_path) == "news.mp4"
    assert (given["radio", 0].frames, given["radio", 0].language) == ((), "kk")


def rewrite(project, change):
    """Change the result of phase 1 for "news" as another phase 1 would have written it."""
    result = project.result1()
    del result["format"], result["result_id"]
    change(result)
    with artifacts.Draft(artifacts.path_of(PHASE1, project.data, "news"), result) as draft:
        draft.publish()
    project.db.update_video_status("news", phase1_result=draft.result_id)


def russian_then_english(result):
    """Words 0 to 54 are Russian, 55 to 94 English: two parts in the second of three segments."""
    for segment, languages in zip(result["segments"], (["ru"], ["en", "ru"], ["en"]), strict=True):
        segment["languages"] = languages
        for word in segment["words"]:
            word["language"] = "ru" if word["start"] < 55 else "en"


def test_each_segment_has_its_own_languages(seen):
    rewrite(seen, russian_then_english)
    assert seen.phase2("--only", "news") == 0
    given = seen.analyzer.seen
    assert [(s.language, s.languages) for s in given] == [("ru", ("ru",)), ("en", ("en", "ru")), ("en", ("en",))]
    russian, english = (" ".join(map(str, numbers)) for numbers in (range(35, 55), range(55, 85)))
    assert [s.parts for s in given] == [(), (Part("ru", russian), Part("en", english)), ()]
    assert {s.video_language for s in given} == {"ru"}
    entries = seen.result2()["segments"]
    assert [(e["language"], e["languages"]) for e in entries] == [("ru", ["ru"]), ("en", ["en", "ru"]), ("en", ["en"])]
    assert seen.load("--only", "news") == 0
    assert [sorted(found(seen, code)) for code in ("ru", "en", "kk")] == [[0, 1], [1, 2], []]


def found(project, language):
    return [hit["segment_index"] for hit in project.db.search("news", language=language)]


def older(result):
    """Words without a language, and nothing is said in the last segment."""
    result.pop("spoken_languages", None)
    for segment in result["segments"]:
        segment.pop("languages", None)
        segment["words"] = [{k: v for k, v in word.items() if k != "language"} for word in segment["words"]]
    result["segments"][2] |= {"words": [], "transcript": ""}


def test_segments_of_older_results_are_in_the_videos_language(seen):
    rewrite(seen, older)
    assert seen.phase2("--only", "news") == 0
    assert {(s.language, s.languages, s.parts) for s in seen.analyzer.seen} == {("ru", ("ru",), ())}
    entries = seen.result2()["segments"]
    assert [(e["language"], e["languages"]) for e in entries] == [("ru", ["ru"]), ("ru", ["ru"]), ("ru", [])]


def test_the_config_is_not_read(seen):
    (seen.folder / "videos_config.json").unlink()
    assert seen.phase2() == 0


def test_a_second_run_does_nothing(seen):
    seen.phase2()
    seen.loads.clear()
    assert seen.phase2() == 0
    assert "2 skipped (done before: news, radio)" in seen.out
    assert seen.loads == []


def test_nothing_is_due_before_phase_1(project):
    project.config({"name": "news", "path": "none.mp4", "language": "ru"})
    project.phase1()
    assert project.phase2() == 0
    assert "1 skipped (phase1 is not completed: news)" in project.out


def test_a_new_result_of_phase_1_is_analyzed_again(seen):
    seen.phase2()
    os.replace(seen.video("film.mp4"), seen.folder / "news.mp4")
    seen.phase1()
    seen.loads.clear()
    assert seen.phase2() == 0
    assert "news: phase 1 was done again" in seen.out
    assert len(seen.analyzer.seen) == 3 + 3 + 3


def test_auto_never_redoes_what_a_named_analyzer_finished(seen):
    seen.phase2("--analyzer", "vllm")
    assert seen.record()["analyzer"] == "vllm"
    assert seen.phase2() == 0
    assert "2 skipped (done before" in seen.out
    assert seen.phase2("--analyzer", "local") == 0
    assert "news: analyzer changed from vllm to local" in seen.out
    assert seen.record()["analyzer"] == "local"


def test_another_output_language_is_due(seen):
    seen.phase2()
    assert seen.phase2("--output-language", "en") == 0
    assert "news: output_language changed from ru to en" in seen.out
    assert seen.record()["output_language"] == "en"
    assert seen.phase2() == 0
    assert "2 skipped (done before" in seen.out


def test_a_lost_database_comes_back_without_an_analyzer(seen):
    seen.phase2()
    result = seen.record()["phase2_result"]
    shutil.rmtree(seen.folder / "chroma_db")
    seen.phase1()
    seen.loads.clear()
    assert seen.phase2() == 0
    assert seen.loads == []
    assert "taken over" in seen.out
    assert seen.record()["phase2_result"] == result


def test_a_lost_phase_1_file_makes_phase_1_due(seen):
    (seen.data / "news_phase1_data.pkl").unlink()
    assert seen.phase2() == 1
    assert "run phase1_whisper_frames.py" in seen.err
    assert seen.record("radio")["phase2_status"] == "completed"
    assert seen.record()["phase1_status"] == "pending"
    assert seen.phase1() == 0
    assert "news: its result is missing" in seen.out
    assert seen.phase2() == 0
    assert seen.record()["phase2_status"] == "completed"


def test_each_segment_is_analyzed_once_through_interruptions(seen):
    seen.phase2()
    whole = seen.record()["phase2_result"]
    for stop in range(3):
        (seen.data / "news_phase2_vllm_analysis.json").unlink()
        seen.analyzer.seen.clear()
        seen.analyzer.results = {("news", stop): KeyboardInterrupt()}
        assert seen.phase2("--force", "--only", "news") == 130
        assert seen.record()["phase2_status"] == "pending"
        assert "phase2_error" not in seen.record()
        seen.analyzer.results.clear()
        assert seen.phase2() == 0
        assert [segment.segment_index for segment in seen.analyzer.seen] == [0, 1, 2]
        assert seen.record()["phase2_result"] == whole
        assert not [name for name in seen.files() if name.endswith(".part")]


def test_results_may_come_in_any_order(seen, monkeypatch):
    def backwards(self, segments):
        for segment in reversed(list(segments)):
            self.seen.append(segment)
            yield segment, analysis(f"{segment.video_name} {segment.segment_index}")

    monkeypatch.setattr(FakeAnalyzer, "analyze", backwards)
    assert seen.phase2() == 0
    assert [s["description"] for s in seen.result2()["segments"]] == ["news 0", "news 1", "news 2"]
    assert [s["description"] for s in seen.result2("radio")["segments"]] == ["radio 0", "radio 1", "radio 2"]


def test_a_few_unreadable_segments_are_named_and_left_out(seen):
    seen.phase1("--only", "news", "--segment-seconds", "10", "--overlap-seconds", "0")  # 10 segments
    seen.analyzer.results = {("news", 4): SegmentFailure("the answer is no JSON", "{")}
    assert seen.phase2() == 0
    result = seen.result2()
    assert [s["segment_index"] for s in result["segments"]] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert result["unreadable"] == [{"segment_index": 4, "reason": "the answer is no JSON", "raw_text": "{"}]
    assert seen.record()["phase2_segments_analyzed"] == 9
    assert "1 of them unreadable" in seen.out


def test_a_doubt_is_kept_beside_the_analysis(seen):
    seen.analyzer.results = {
        ("news", 0): NotedAnalysis(analysis("an answer in English"), "not in the output language"),
        ("news", 2): KeyboardInterrupt(),
    }
    assert seen.phase2("--only", "news") == 130
    seen.analyzer.results.clear()
    assert seen.phase2("--only", "news") == 0
    result = seen.result2()
    assert result["segments"][0]["description"] == "an answer in English"
    assert result["notes"] == [{"segment_index": 0, "note": "not in the output language"}]


def test_too_many_unreadable_segments_fail_the_video_and_no_other(seen):
    seen.analyzer.results = {("news", 1): SegmentFailure("the answer is no JSON", "{")}
    assert seen.phase2() == 1
    assert "1 of 3 segments were not analyzed: the answer is no JSON" in seen.record()["phase2_error"]
    assert seen.record()["phase2_status"] == "pending"
    assert seen.record("radio")["phase2_status"] == "completed"
    assert artifacts.read(PHASE2, seen.data / "news_phase2_vllm_analysis.json") is None
    seen.analyzer.results.clear()
    seen.analyzer.seen.clear()
    assert seen.phase2() == 0
    assert [s.segment_index for s in seen.analyzer.seen] == [1]  # the good ones were kept


def test_no_more_is_asked_of_a_video_that_has_failed(seen, monkeypatch):
    seen.phase1("--only", "news", "--segment-seconds", "10", "--overlap-seconds", "0")  # 10 segments
    append = artifacts.Part.append

    def full(self, record):
        if record["analysis"]["description"] == "news 1":
            raise OSError("No space left on device")
        append(self, record)

    monkeypatch.setattr(artifacts.Part, "append", full)
    assert seen.phase2() == 1
    asked = [(given.video_name, given.segment_index) for given in seen.analyzer.seen]
    assert sorted(asked) == [("news", 0), ("news", 1), ("radio", 0), ("radio", 1), ("radio", 2)]
    assert "No space left on device" in seen.record()["phase2_error"]
    assert seen.record("radio")["phase2_status"] == "completed"


def test_force_begins_anew(seen):
    seen.phase2()
    seen.analyzer.seen.clear()
    assert seen.phase2("--force", "--only", "news") == 0
    assert len(seen.analyzer.seen) == 3


def test_a_dry_run_says_why_and_does_nothing(seen):
    before = seen.record()
    assert seen.phase2("--dry-run") == 0
    assert "news: would run: new" in seen.out
    assert (seen.record(), seen.loads) == (before, [])


def test_an_unknown_name(seen):
    assert seen.phase2("--only", "news2") == 2
    assert "did you mean news?" in seen.err


# --- the contract


@pytest.mark.parametrize(
    "changes",
    [
        {"description": ""},
        {"confidence": "high"},
        {"content_type": "news"},
        {"scene_change": "yes"},
        {"keywords": "снег"},
        {"keywords": ["снег"] * 51},
        {"score": 1},
        {"mood_atmosphere": None},
    ],
)
def test_an_analysis_is_checked(changes):
    with pytest.raises(ValueError):
        Analysis(**{**analysis("x").model_dump(), **changes})


def test_an_analysis_has_these_fields_and_no_other():
    assert list(Analysis.model_fields) == FIELDS


def test_the_other_analyzers_say_what_they_need(seen, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert choose_analyzer("auto") == ("local", "vLLM is not installed")
    assert choose_analyzer("vllm") == ("vllm", "asked for")
    for name in ("vllm", "openai"):
        with pytest.raises(EngineError, match="pip install"):
            load_analyzer(name, "ru", ANALYZERS[name].Options())


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        (["--model", "Qwen/Qwen2.5-VL-3B-Instruct"], "--model: the analyzer local has no use for it; add --analyzer v"),
        (["--base-url", "http://127.0.0.1:9/v1"], "--base-url: the analyzer local has no use for it; add --analyzer o"),
        (["--analyzer", "openai", "--max-model-len", "9"], "--max-model-len: the analyzer openai has no use for it"),
        (["--analyzer", "vllm", "--concurrency", "9"], "--concurrency: the analyzer vllm has no use for it"),
        (["--output-language", "russian"], "--output-language russian: is no language code"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(seen, args, fault):
    assert seen.phase2(*args) == 2
    assert fault in seen.err
    assert seen.loads == []


ANOTHER = {"phase1": ["--whisper-model", "larg-v3"], "phase2": ["--analyzer", "vllm", "--model", "Qwen2.5-VL-8B"]}


@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize("stage", ["phase1", "phase2"])
def test_an_engine_that_cannot_be_had_leaves_finished_work_alone(stage, forced, project):
    project.one_video()
    named = {"phase1": ["--segment-seconds", "40"], "phase2": ["--output-language", "en"]}
    assert [project.phase1(*named["phase1"]), project.phase2(*named["phase2"])] == [0, 0]
    before = project.record()
    assert without_an_engine(project, stage, ["--force"] if forced else ANOTHER[stage]) == 2
    assert "there is no such model" in project.err
    assert project.record() == before
    assert [project.phase1(), project.phase2()] == [0, 0]
    assert project.record() == before


@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize("stage", ["phase1", "phase2"])
def test_an_engine_that_cannot_be_had_leaves_unfinished_work_alone(stage, forced, project, monkeypatch):
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 15.0)
    project.one_video()
    project.transcriber.break_at = 2 if stage == "phase1" else None
    project.analyzer.results = {("news", 2): KeyboardInterrupt()}
    assert project.phase1() == (130 if stage == "phase1" else 0)
    assert stage == "phase1" or project.phase2() == 130
    (part,) = project.data.glob("*.part")
    kept = part.read_bytes()
    assert without_an_engine(project, stage, ["--force"] if forced else ANOTHER[stage]) == 2
    assert "there is no such model" in project.err
    assert part.read_bytes() == kept


def without_an_engine(project, stage, args):
    def load(*args):
        raise UserError("there is no such model")

    main = {"phase1": phase1_whisper_frames, "phase2": phase2_vllm_analysis}[stage].main
    config = ["--config", str(project.folder / "videos_config.json")] if stage == "phase1" else []
    return project._run(main, [*config, *args], load)


@pytest.mark.parametrize("stage", ["phase1", "phase2", "load"])
def test_force_over_several_videos_that_was_stopped_goes_on_without_force(stage, project, monkeypatch):
    """Also with those that it had not begun; what it had done is not done again."""
    project.several_videos(*"abc")
    stages = {"phase1": project.phase1, "phase2": project.phase2, "load": project.load}
    assert [run() for run in stages.values()] == [0, 0, 0]
    done: list[str] = []

    def stop_at_the_second(name):
        done.append(name)
        if len(done) == 2:
            raise KeyboardInterrupt

    begin = claims.Claim.__init__
    monkeypatch.setattr(
        claims.Claim, "__init__", lambda self, *args: (begin(self, *args), stop_at_the_second(self.video_name))[0]
    )
    assert stages[stage]("--force") == 130
    assert "again without --force to go on" in project.out
    assert stages[stage]() == 0
    assert done == ["a", "b", "b", "c"]
    assert "2 done, 1 skipped (done before: a)" in project.out
    assert stages[stage]() == 0
    assert "3 skipped (done before: a, b, c)" in project.out


def test_what_is_done_already_is_not_counted_as_to_be_done(seen, monkeypatch):
    totals = []
    monkeypatch.setattr(Progress, "of", lambda self, total: totals.append(total))
    seen.analyzer.results = {("news", 2): KeyboardInterrupt()}
    assert seen.phase2() == 130
    seen.analyzer.results.clear()
    totals.clear()
    assert seen.phase2() == 0
    assert totals == [4] * 4  # news has 1 of its 3 left, radio 3


@pytest.fixture
def ticking(monkeypatch):
    """A clock that is a second later each time it is looked at."""
    seconds = itertools.count()
    monkeypatch.setattr(claims, "now", lambda: f"2026-01-01T00:{next(seconds) // 60:02d}:{next(seconds) % 60:02d}")


def test_what_another_forced_while_the_engine_was_built_is_not_done_again(seen, ticking):
    assert seen.phase2() == 0
    seen.analyzer.seen.clear()

    def load(*args):
        assert seen.phase2("--force") == 0  # from its start to its end
        return FakeAnalyzer()

    assert seen._run(phase2_vllm_analysis.main, ["--force"], load) == 0
    assert "0 done, 2 skipped (done by another process: news, radio)" in seen.out
    assert len(seen.analyzer.seen) == 6


def test_a_run_with_other_settings_leaves_what_force_has_not_begun(seen, ticking):
    assert seen.phase2("--output-language", "kk") == 0
    before = seen.result2("radio")["result_id"]
    seen.analyzer.results = {("news", 1): KeyboardInterrupt()}
    assert seen.phase2("--force", "--output-language", "kk") == 130
    seen.analyzer.results.clear()
    seen.analyzer.seen.clear()
    assert seen.phase2() == 0
    assert "radio: taken over" in seen.out
    assert (seen.result2("radio")["result_id"], seen.analyzer.seen) == (before, [])
    assert {seen.record(name)["output_language"] for name in ("news", "radio")} == {"kk"}


def test_what_a_plain_run_has_taken_over_meanwhile_is_still_forced(seen, ticking):
    assert seen.phase2("--output-language", "kk") == 0
    seen.analyzer.seen.clear()
    analyze = seen.analyzer.analyze

    def beside(segments):
        for number, found in enumerate(analyze(segments)):
            if number == 0:
                assert seen.phase2() == 0
                assert "radio: taken over" in seen.out
            yield found

    seen.analyzer.analyze = beside
    assert seen.phase2("--force", "--output-language", "kk") == 0
    assert [segment.video_name for segment in seen.analyzer.seen] == ["news"] * 3 + ["radio"] * 3


def test_a_stop_before_anything_was_forced_says_so(seen):
    assert seen.phase2() == 0

    def load(*args):
        raise KeyboardInterrupt  # while it is fetched

    assert seen._run(phase2_vllm_analysis.main, ["--force"], load) == 130
    assert seen.out.splitlines()[-1] == "interrupted; run the same command again to go on"
    assert seen.phase2() == 0
    assert "2 skipped (done before: news, radio)" in seen.out


def test_phase_1_that_is_forced_meanwhile_is_told(seen, monkeypatch):
    analyze = seen.analyzer.analyze

    def beside(segments):
        for number, found in enumerate(analyze(segments)):
            if number == 0:
                seen.db.update_video_status("radio", phase1_status="pending", phase1_reason="--force")
            yield found

    monkeypatch.setattr(phase2_vllm_analysis, "feed", in_turn(phase2_vllm_analysis.feed))
    seen.analyzer.analyze = beside
    assert seen.phase2() == 0
    assert "1 skipped (phase1 is not completed any more: radio)" in seen.out


def in_turn(feed):
    return lambda run, due: itertools.chain.from_iterable(feed(run, [record]) for record in due)


@pytest.mark.parametrize(
    ("stage", "begun", "other", "told"),
    [
        ("phase1", ["--whisper-model", "turbo"], ["--whisper-model", "base"], "with --whisper-model turbo; name that"),
        ("phase1", ["--sequential"], ["--no-sequential"], "with --sequential; name that"),
        ("phase2", ["--analyzer", "vllm"], ["--analyzer", "local"], "with --analyzer vllm; name that"),
        ("phase2", ["--output-language", "kk"], ["--output-language", "ru"], "with --output-language kk; name that"),
    ],
)
def test_a_run_that_forgets_an_option_does_not_begin_anew(stage, begun, other, told, project, monkeypatch):
    """Hours of a better model would go; a run that names the other setting means it."""
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 15.0)
    project.one_video()
    if stage == "phase2":
        assert project.phase1() == 0
    run = {"phase1": project.phase1, "phase2": project.phase2}[stage]
    project.transcriber.break_at, project.analyzer.results = 2, {("news", 2): KeyboardInterrupt()}
    assert run(*begun) == 130
    project.analyzer.results.clear()
    (part,) = project.data.glob("*.part")
    kept = part.read_bytes()
    assert run() == 1
    assert told in project.err and f"{' '.join(other)} to begin anew" in project.err
    assert part.read_bytes() == kept
    project.transcriber.heard.clear()
    project.analyzer.seen.clear()
    assert run(*begun) == 0
    assert len(project.analyzer.seen) == (1 if stage == "phase2" else 0)
    project.transcriber.break_at, project.analyzer.results = 2, {("news", 2): KeyboardInterrupt()}
    project.transcriber.heard.clear()
    assert run("--force", *begun) == 130
    project.analyzer.results.clear()
    assert run(*other) == 0
    assert "holds work under other settings" in project.err
