"""Phase 1 on real files with a scripted ear: what it writes, when it runs, and how it goes on."""

import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import phase1_whisper_frames
from tests import tiny_ctc
from tests.pipeline import FakeTranscriber
from videotag import artifacts, model_shelf
from videotag.errors import UserError
from videotag.media import pictures as media_pictures
from videotag.media import probe
from videotag.speech.words import Transcription, Unheard
from videotag.stages import PHASE1

PLAN_FIELDS = {
    "video_name": str,
    "video_path": str,
    "language": str,
    "phase1_status": str,
    "phase1_start_time": str,
    "phase1_segments_created": int,
    "phase2_status": str,
    "db_load_status": str,
    "video_duration": float,
    "total_segments": int,
    "width": int,
    "height": int,
    "fps": float,
    "created_at": str,
    "updated_at": str,
}


def test_the_record_has_every_field_of_the_plan(project):
    project.one_video()
    assert project.phase1() == 0
    record = project.record()
    assert {field: type(record[field]) for field in PLAN_FIELDS} == PLAN_FIELDS
    statuses = [record[f"{stage}_status"] for stage in ("phase1", "phase2", "db_load")]
    assert statuses == ["completed", "pending", "pending"]
    assert (record["width"], record["height"], record["fps"]) == (640, 360, 15.0)
    assert record["total_segments"] == record["phase1_segments_created"] == len(project.result1()["segments"])


def test_speech_and_frames_are_dealt_out(project):
    project.one_video()
    project.phase1()
    result = project.result1()
    duration = probe.probe(str(project.folder / "news.mp4")).duration
    starts = [segment["start_time"] for segment in result["segments"]]
    assert starts == [35.0 * i for i in range(len(starts))]
    assert result["segments"][-1]["end_time"] == duration
    # The scripted word " n" has its middle at n + 0.5 s.
    assert result["segments"][0]["transcript"].split() == [str(n) for n in range(50)]
    assert result["segments"][1]["transcript"].split()[0] == "35"
    for segment in result["segments"]:
        times = [result["frames"][number]["time"] for number in segment["frames"]]
        slice_ = segment["duration"] / 6
        middles = [segment["start_time"] + slice_ * (k + 0.5) for k in range(6)]
        # 15 frames/s: the frame on screen began less than 0.0667 s before.
        assert all(0 <= middle - time < 0.0668 for middle, time in zip(middles, times, strict=True))
    assert all(Image.open(io.BytesIO(frame["jpeg"])).size == (640, 360) for frame in result["frames"])
    assert len({frame["time"] for frame in result["frames"]}) == len(result["frames"])


def test_a_second_run_does_nothing(project):
    project.one_video()
    project.phase1()
    record, loads = project.record(), list(project.loads)
    assert project.phase1() == 0
    assert "1 skipped (done before: news)" in project.out
    assert (project.record(), project.loads) == (record, loads)
    assert project.files() == ["news_phase1_data.pkl"]


@pytest.mark.parametrize(
    ("change", "reason", "heard_again"),
    [
        (lambda p: os.replace(p.video("film.mp4"), p.folder / "news.mp4"), "the file changed", True),  # of one size
        (lambda p: p.one_video(language="kk"), "language changed", True),
        (lambda p: p.one_video(force_reprocess=True), "force_reprocess is set", True),
        (lambda p: p.config({"name": "news", "path": p.moved(), "language": "ru"}), "video_path changed", False),
    ],
)
def test_a_change_of_the_list_or_the_file(project, change, reason, heard_again):
    project.one_video()
    project.moved = lambda: str(shutil.copy2(project.folder / "news.mp4", project.folder / "moved.mp4"))
    os.utime(project.folder / "news.mp4", ns=(0, 0))
    project.phase1()
    heard = len(project.transcriber.heard)
    change(project)
    if reason != "the file changed":
        os.utime(project.folder / "news.mp4", ns=(0, 0))
    assert project.phase1() == 0
    assert f"news: {reason}" in project.out
    assert (len(project.transcriber.heard) > heard) is heard_again
    assert project.phase1() == 0
    assert "done before: news" in project.out


def test_a_new_description_needs_no_new_ear(project):
    project.config({"name": "news", "path": project.video(), "language": "ru"})
    project.phase1()
    project.config(
        {"name": "news", "path": str(project.folder / "news.mp4"), "language": "ru", "description": "зимний город"}
    )
    assert project.phase1() == 0
    assert "news: description changed" in project.out
    assert "taken over" in project.out
    assert project.record()["description"] == "зимний город"
    assert project.loads == ["transcriber base"]


def test_only_a_named_model_makes_finished_work_due(project):
    project.one_video()
    project.phase1("--whisper-model", "large-v3")
    project.phase1()
    assert project.loads == ["transcriber large-v3"]
    project.phase1("--whisper-model", "base")
    assert "news: model changed from large-v3 to base" in project.out
    assert project.loads == ["transcriber large-v3", "transcriber base"]
    assert project.result1()["made_by"]["model"] == "base"


def test_other_windows_are_another_result(project):
    project.one_video()
    project.phase1()
    assert project.phase1("--segment-seconds", "20", "--overlap-seconds", "5", "--frames-per-segment", "2") == 0
    assert [s["start_time"] for s in project.result1()["segments"]][:3] == [0.0, 15.0, 30.0]
    assert all(len(segment["frames"]) == 2 for segment in project.result1()["segments"])


def test_a_lost_database_comes_back_from_the_results(project):
    project.one_video()
    project.phase1()
    before = project.record()
    shutil.rmtree(project.folder / "chroma_db")
    assert project.phase1() == 0
    assert project.loads == ["transcriber base"]
    changing = {"created_at", "updated_at", "phase1_start_time", "phase1_end_time"}
    after = project.record()
    assert {k: v for k, v in after.items() if k not in changing} == {
        k: v for k, v in before.items() if k not in changing
    }


def test_force_does_it_again_and_what_follows_is_due(project):
    project.one_video()
    project.phase1()
    project.phase2()
    assert project.phase1("--force") == 0
    assert project.loads.count("transcriber base") == 2
    assert project.record()["phase2_status"] == "pending"
    assert project.record()["phase2_reason"] == "phase 1 was done again"


def test_force_leaves_alone_what_cannot_be_done_again(project):
    project.one_video()
    project.phase1()
    before, loads = project.record(), list(project.loads)
    (project.folder / "news.mp4").write_bytes(b"no video any more")
    assert project.phase1("--force", "--whisper-model", "turbo") == 1
    assert "cannot be read as video or sound" in project.err
    assert (project.record(), project.loads) == (before, loads)


def test_no_sound_and_no_pictures(project):
    project.config(
        {"name": "silent", "path": project.video("silent.mp4", "v"), "language": "ru"},
        {"name": "radio", "path": project.video("radio.mp4", "a"), "language": "ru"},
    )
    assert project.phase1() == 0
    silent, radio = project.result1("silent"), project.result1("radio")
    assert {segment["transcript"] for segment in silent["segments"]} == {""}
    assert all(len(segment["frames"]) == 6 for segment in silent["segments"])
    assert radio["segments"][0]["transcript"].startswith("0 1 2")
    assert (radio["frames"], radio["width"], radio["fps"]) == ([], 0, 0.0)
    assert [project.record(name)["phase1_status"] for name in ("silent", "radio")] == ["completed", "completed"]


def test_a_language_that_is_not_known_is_heard_and_stored(project):
    project.one_video(language="auto")
    project.transcriber.language = "kk"
    assert project.phase1() == 0
    record = project.record()
    assert (record["language"], record["detected_language"]) == ("auto", "kk")
    assert record["language_probability"] == 0.75
    assert project.result1()["spoken_language"] == "kk"


class Bilingual(FakeTranscriber):
    """Says a word a second: Russian up to 20 s of the first stretch, then English; two stretches have no words."""

    def transcribe(self, audio, expected, heard=None):
        made = super().transcribe(audio, expected, heard)
        words = tuple(replace(w, language="ru" if w.start < 20 else "en") for w in made.words if not 30 < w.start < 40)
        return replace(made, words=words, unheard=(Unheard(30.0, 40.0, "a loop"), Unheard(50.0, 53.5, "no words")))


def test_every_word_has_its_language_and_what_has_none_is_told(project):
    project.one_video(language=["ru", "en"])
    project.transcriber = Bilingual()
    assert project.phase1() == 0
    assert project.transcriber.asked[0].languages == ("ru", "en")
    result, record = project.result1(), project.record()
    assert record["language"] == "ru,en"
    first, second = result["segments"][:2]
    # 0 to 50 s: 20 words of Russian, 10 + 10 of English; 35 to 85 s: no more Russian.
    assert {word["language"] for word in first["words"] if word["start"] < 20} == {"ru"}
    assert (first["languages"], second["languages"]) == (["ru", "en"], ["en"])
    # Each word lasts half a second.
    english = sum(word["language"] == "en" for s in result["segments"][:1] for word in s["words"])
    assert english == 20
    assert result["spoken_languages"]["ru"] == 10.0
    assert result["detected_language"] == result["spoken_language"] == next(iter(result["spoken_languages"]))
    assert record["spoken_languages"] == list(result["spoken_languages"])
    assert json.loads(record["spoken_seconds"]) == result["spoken_languages"]
    assert result["unheard"] == [
        {"start": 30.0, "end": 40.0, "why": "a loop"},
        {"start": 50.0, "end": 53.5, "why": "no words"},
    ]
    assert record["unheard_seconds"] == 13.5
    assert "news: 14 s of speech have no words: 00:30-00:40, 00:50-00:53" in project.out


def test_sound_without_a_word_is_told(project):
    project.one_video()
    project.transcriber.transcribe = lambda *args: Transcription()
    assert project.phase1() == 0
    assert "news: has sound, and no word was heard in it" in project.out
    result = project.result1()
    assert (result["spoken_language"], result["spoken_languages"], result["unheard"]) == ("ru", {}, [])
    assert [segment["languages"] for segment in result["segments"]] == [[] for _ in result["segments"]]


def test_names_reach_the_ear_and_make_nothing_due_unless_asked_for(project):
    entry = {"name": "news", "path": project.video(), "language": "ru"}
    project.config({**entry, "names": ["Байтерек"]})
    assert project.phase1() == 0
    assert {asked.names for asked in project.transcriber.asked} == {("Байтерек",)}
    project.config({**entry, "names": ["Абай"]})
    assert project.phase1() == 0
    assert "1 skipped (done before: news)" in project.out
    file = project.folder / "names.txt"
    file.write_text("Назарбаев\n", encoding="utf-8")
    assert project.phase1("--names", str(file)) == 0
    assert project.transcriber.asked[-1].names == ("Абай", "Назарбаев")
    assert project.phase1("--names", str(file)) == 0
    assert "1 skipped (done before: news)" in project.out
    file.write_text("Назарбаев\nТокаев\n", encoding="utf-8")
    assert project.phase1("--names", str(file)) == 0
    assert project.transcriber.asked[-1].names == ("Абай", "Назарбаев", "Токаев")
    assert project.phase1("--names", str(project.folder / "none.txt")) == 2
    assert "none.txt: cannot be read" in project.err


@pytest.mark.parametrize(
    ("language", "args", "told"),
    [("kk", [], True), ("kk", ["--whisper-model", "turbo"], False), ("ru", [], False)],
)
def test_a_model_too_small_for_the_language_is_told(project, language, args, told):
    project.one_video(language=language)
    assert project.phase1(*args) == 0
    assert ('news: Whisper base makes nothing of speech in "kk"' in project.err) is told
    assert project.phase1(*args) == 0
    assert "makes nothing" not in project.err  # nothing is heard


def test_what_was_spoken_last_is_told_to_the_next_stretch(project, monkeypatch):
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 20.0)
    project.one_video(language="auto")
    project.phase1()
    assert len(project.transcriber.asked) > 2
    before = [asked.before for asked in project.transcriber.asked]
    assert before == ["", *["ru"] * (len(before) - 1)]
    assert {asked.languages for asked in project.transcriber.asked} == {()}


def test_one_bad_file_does_not_stop_the_others(project):
    (project.folder / "text.mp4").write_text("no video")
    project.config(
        {"name": "text", "path": str(project.folder / "text.mp4"), "language": "ru"},
        {"name": "none", "path": str(project.folder / "none.mp4"), "language": "ru"},
        {"name": "news", "path": project.video(), "language": "ru"},
    )
    assert project.phase1() == 1
    assert project.record("news")["phase1_status"] == "completed"
    for name in ("text", "none"):
        record = project.record(name)
        assert record["phase1_status"] == "pending"
        assert f"{name}.mp4" in record["phase1_error"]
        assert record["phase1_attempts"] == 1
        assert record["phase1_error"] in project.err
    assert "1 done, 2 failed" in project.out
    project.phase1()
    assert project.record("none")["phase1_attempts"] == 2


def test_a_mended_file_is_done(project):
    project.config({"name": "news", "path": str(project.folder / "news.mp4"), "language": "ru"})
    assert project.phase1() == 1
    project.video()
    assert project.phase1() == 0
    assert "phase1_error" not in project.record()
    assert project.record()["width"] == 640


def test_a_mistyped_path_of_a_video_that_is_done_leaves_its_record_alone(project):
    path = project.video()
    project.config({"name": "news", "path": path, "language": "ru"})
    project.phase1()
    done = project.record()
    project.config({"name": "news", "path": str(project.folder / "nwes.mp4"), "language": "ru"})
    assert project.phase1() == 1
    assert "nwes.mp4: No such file" in project.err
    assert project.record() == done
    project.config({"name": "news", "path": path, "language": "ru"})
    assert project.phase1() == 0
    assert "done before: news" in project.out
    assert project.record()["video_path"] == path


def test_the_segments_of_a_moved_file_get_its_new_path(project):
    project.one_video()
    for stage in (project.phase1, project.phase2, project.load):
        assert stage() == 0
    moved = str(shutil.copy2(project.folder / "news.mp4", project.folder / "moved.mp4"))
    project.config({"name": "news", "path": moved, "language": "ru"})
    loads = list(project.loads)
    assert project.phase1() == 0
    assert "news: taken over" in project.out
    assert project.phase2() == 0
    assert "done before: news" in project.out
    assert project.loads == loads
    assert {found["video_path"] for found in project.db.search("снег", limit=10)} == {moved}
    assert project.load() == 0
    assert "done before: news" in project.out


def test_mistakes_in_the_list_touch_nothing(project):
    project.config({"name": "../news", "path": "", "language": "ru"}, {"name": "b"})
    assert project.phase1() == 2
    assert len(project.err.splitlines()) == 4
    assert os.listdir(project.folder) == ["videos_config.json"]


def test_an_unknown_name_is_told_with_the_nearest(project):
    project.one_video()
    assert project.phase1("--only", "new") == 2
    assert "--only new: no such video; did you mean news?" in project.err


def test_only(project):
    path = project.video()
    other = {"name": "other", "path": project.video("other.mp4"), "language": "ru"}
    project.config({"name": "news", "path": path, "language": "ru"}, other)
    assert project.phase1("--only", "other") == 0
    assert [record["video_name"] for record in project.db.list_videos()] == ["other"]


def test_a_dry_run_says_why_and_does_nothing(project):
    project.one_video()
    assert project.phase1("--dry-run") == 0
    assert "news: would run: new" in project.out
    assert sorted(os.listdir(project.folder)) == ["news.mp4", "videos_config.json"]


def test_an_engine_that_cannot_be_had_is_no_fault_of_a_video(project):
    project.one_video()

    def load(*args):
        raise UserError("Whisper model giant: cannot be loaded; give a known name")

    project._run(phase1_whisper_frames.main, ["--config", str(project.folder / "videos_config.json")], load)
    assert "Whisper model giant" in project.err
    assert project.record()["phase1_status"] == "pending"
    assert "phase1_error" not in project.record()


OPENAI_WHISPER = ["--transcriber", "openai-whisper"]


def as_written_before(result: Path, sequential: bool) -> None:
    """Give the `.part` file beside a result the header that older versions gave to work of openai-whisper."""
    path = artifacts.part_path(result)
    (header, *records), _ = artifacts._whole_records(path.read_bytes())
    path.write_bytes(b"".join(artifacts._packed(r) for r in [header | {"sequential": sequential}, *records]))


@pytest.mark.parametrize("named_then", [True, False])
def test_what_an_older_version_began_by_openai_whisper_is_gone_on_with(project, monkeypatch, named_then):
    """It wrote what was named, though openai-whisper hears one piece after the other whatever is named."""
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 15.0)
    project.one_video()
    project.transcriber.break_at = 2
    assert project.phase1(*OPENAI_WHISPER) == 130
    as_written_before(artifacts.path_of(PHASE1, project.data, "news"), named_then)
    assert project.phase1(*OPENAI_WHISPER) == 0
    assert "starting anew" not in project.err
    result = project.result1()
    assert sum(project.transcriber.heard) == pytest.approx(result["video_duration"], abs=1)  # each stretch once
    assert result["made_by"]["sequential"] is True


@pytest.mark.parametrize(("begun_by", "stamp"), [(PHASE1.version, PHASE1.version), (2, 2), (None, 1)])
def test_a_result_is_of_the_version_that_began_it(project, monkeypatch, begun_by, stamp):
    """Else nobody would be told what is heard and seen better today. Older versions wrote none of their own."""
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 15.0)
    project.one_video()
    project.transcriber.break_at = 2
    assert project.phase1() == 130
    path = artifacts.part_path(artifacts.path_of(PHASE1, project.data, "news"))
    (header, *records), _ = artifacts._whole_records(path.read_bytes())
    assert header.pop("stage_version") == PHASE1.version
    header |= {"stage_version": begun_by} if begun_by else {}
    path.write_bytes(b"".join(artifacts._packed(record) for record in [header, *records]))
    assert project.phase1() == 0
    result = project.result1()
    assert sum(project.transcriber.heard) == pytest.approx(result["video_duration"], abs=1)  # each stretch once
    assert (result["version"], project.record()["phase1_version"]) == (stamp, stamp)
    assert ("news: goes on with what an older version began" in project.err) is (stamp < PHASE1.version)
    assert project.phase1("--force") == 0
    assert project.result1()["version"] == PHASE1.version


def test_a_model_that_came_meanwhile_is_no_reason_to_begin_anew(project, monkeypatch):
    """Begun by Whisper alone; then a GigaAM was fetched, and `auto` is another transcriber."""
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 15.0)
    project.one_video()
    project.transcriber.break_at = 2
    assert project.phase1() == 130
    tiny_ctc.make(model_shelf.folder_of("gigaam-multilingual-ctc"))
    try:
        assert project.phase1() == 0
        assert "kk by gigaam-multilingual-ctc" in project.out
    finally:
        shutil.rmtree(model_shelf.folder_of("gigaam-multilingual-ctc"))
    length = project.result1()["video_duration"]
    assert sum(project.transcriber.heard) == pytest.approx(length, abs=1)  # each stretch once


def test_what_an_older_version_finished_by_openai_whisper_is_not_due(project):
    project.one_video()
    assert project.phase1(*OPENAI_WHISPER) == 0
    path = artifacts.path_of(PHASE1, project.data, "news")
    before = project.result1()
    before["made_by"]["sequential"] = False
    with artifacts.Draft(path, {k: v for k, v in before.items() if k not in ("format", "result_id")}) as draft:
        draft.publish()
    made_by = json.dumps(before["made_by"], ensure_ascii=False)
    project.db.update_video_status("news", phase1_made_by=made_by, phase1_result=draft.result_id)
    project.loads.clear()
    assert project.phase1(*OPENAI_WHISPER) == 0
    assert "1 skipped (done before: news)" in project.out
    shutil.rmtree(project.folder / "chroma_db")
    assert project.phase1(*OPENAI_WHISPER) == 0
    assert "news: taken over from" in project.out
    assert project.phase1(*OPENAI_WHISPER, "--sequential") == 2
    assert (
        "--sequential: the transcriber openai-whisper has no use for it; add --transcriber auto or fas" in project.err
    )
    assert project.loads == []


def test_an_interrupted_ear_goes_on_where_it_was(project, monkeypatch):
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 15.0)
    project.one_video()
    project.phase1()
    whole, heard = project.result1()["result_id"], list(project.transcriber.heard)
    assert len(heard) > 3
    for stop in range(1, len(heard)):
        shutil.rmtree(project.data)
        shutil.rmtree(project.folder / "chroma_db")
        project.transcriber.heard = []
        project.transcriber.break_at = stop
        assert project.phase1() == 130
        assert project.record()["phase1_status"] == "pending"
        assert project.files() == ["news_phase1_data.pkl.part"]
        assert project.phase1() == 0
        assert project.transcriber.heard == heard  # each stretch once
        assert project.result1()["result_id"] == whole
        assert project.files() == ["news_phase1_data.pkl"]


def test_force_that_was_interrupted_goes_on_without_force(project, monkeypatch):
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 15.0)
    project.one_video()
    project.phase1()
    heard = list(project.transcriber.heard)
    project.transcriber.heard, project.transcriber.break_at = [], 2
    assert project.phase1("--force") == 130
    assert project.out.splitlines()[-1] == "interrupted; run the same command again without --force to go on"
    assert project.phase1() == 0
    assert project.transcriber.heard == heard  # all of it anew, each stretch once
    project.transcriber.heard, project.transcriber.break_at = [], 0
    project.one_video(language="kk")
    assert project.phase1() == 130
    assert project.out.splitlines()[-1] == "interrupted; run the same command again to go on"


def test_what_heard_is_known_also_if_only_the_end_is_missing(project, monkeypatch):
    project.one_video()
    project.phase1()
    whole = project.result1()["result_id"]
    shutil.rmtree(project.data)
    shutil.rmtree(project.folder / "chroma_db")
    append = artifacts.Part.append

    def killed(self, record):
        if record["kind"] == "speech" and record["last"]:
            raise KeyboardInterrupt
        append(self, record)

    with monkeypatch.context() as patched:
        patched.setattr(artifacts.Part, "append", killed)
        assert project.phase1() == 130
    assert project.phase1() == 0
    assert project.result1()["result_id"] == whole


def test_a_flag_that_was_taken_back_counts_again(project):
    heard = []
    for flag in (False, True, True, False, True, True):
        project.one_video(force_reprocess=flag)
        os.utime(project.folder / "news.mp4", ns=(1, 1))
        assert project.phase1() == 0
        heard.append(len(project.transcriber.heard))
    assert heard == [1, 2, 2, 2, 3, 3]
    assert "done before: news" in project.out


def test_work_under_other_settings_outlives_a_run_that_takes_the_result_over(project, monkeypatch):
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 15.0)
    project.one_video()
    project.phase1()
    base, heard = project.result1()["result_id"], list(project.transcriber.heard)
    both = ["news_phase1_data.pkl", "news_phase1_data.pkl.part"]
    project.transcriber.heard, project.transcriber.break_at = [], 2
    assert project.phase1("--whisper-model", "large-v3") == 130
    assert project.files() == both
    assert project.phase1() == 0
    assert "news: taken over" in project.out
    assert "news_phase1_data.pkl.part: is kept: unfinished work under other settings" in project.err
    assert (project.result1()["result_id"], project.files()) == (base, both)
    assert project.transcriber.heard == heard[:2]
    assert project.phase1("--whisper-model", "large-v3") == 0
    assert project.transcriber.heard == heard  # each stretch once
    assert project.result1()["made_by"]["model"] == "large-v3"
    assert project.files() == ["news_phase1_data.pkl"]


def test_interrupted_frames_go_on_where_they_were(project, monkeypatch):
    monkeypatch.setattr(phase1_whisper_frames, "FRAME_BATCH", 4)
    project.one_video()
    project.phase1()
    whole = project.result1()
    shutil.rmtree(project.data)
    shutil.rmtree(project.folder / "chroma_db")
    pictures, decoded = media_pictures.pictures, []

    def stopped(path, times):
        for picture in pictures(path, times):
            if len(decoded) == 6:
                raise KeyboardInterrupt
            decoded.append(picture.asked)
            yield picture

    monkeypatch.setattr(media_pictures, "pictures", stopped)
    assert project.phase1() == 130
    project.loads.clear()

    def counted(path, times):
        for picture in pictures(path, times):
            decoded.append(picture.asked)
            yield picture

    monkeypatch.setattr(media_pictures, "pictures", counted)
    assert project.phase1() == 0
    assert project.loads == []  # all speech was in the part
    assert project.result1()["result_id"] == whole["result_id"]
    # The batch in hand, two frames of four, is all that was done twice.
    assert len(decoded) == 6 * len(whole["segments"]) + 2


def test_the_result_holds_plain_values_only(project):
    project.one_video()
    project.phase1()
    # A pickle of anything else, numpy's numbers among them, is refused here.
    data = artifacts.path_of(PHASE1, project.data, "news").read_bytes()
    assert artifacts.plain_loads(data)["format"] == 1


def test_a_part_left_beside_its_own_result_is_deleted(project, monkeypatch):
    """Stopped between the result and its `.part`; the run that finds them knows nothing of the settings."""
    project.one_video()
    with monkeypatch.context() as stopped:
        stopped.setattr(artifacts, "drop_part", interrupted)
        assert project.phase1("--whisper-model", "large-v3", "--segment-seconds", "40") == 130
    assert project.files() == ["news_phase1_data.pkl", "news_phase1_data.pkl.part"]
    assert project.phase1() == 0
    assert (project.files(), project.err) == (["news_phase1_data.pkl"], "")


def test_a_part_of_lesser_settings_is_kept_as_well(project, monkeypatch):
    monkeypatch.setattr(phase1_whisper_frames, "STRETCH_SECONDS", 15.0)
    project.one_video()
    project.phase1("--whisper-model", "large-v3")
    project.transcriber.break_at = len(project.transcriber.heard) + 2
    assert project.phase1("--whisper-model", "base") == 130
    assert project.phase1() == 0
    assert project.result1()["made_by"]["model"] == "large-v3"
    assert project.files() == ["news_phase1_data.pkl", "news_phase1_data.pkl.part"]


def test_a_moved_file_is_remembered_over_an_interruption(project, monkeypatch):
    project.one_video()
    assert [stage() for stage in (project.phase1, project.phase2, project.load)] == [0, 0, 0]
    moved = str(shutil.copy2(project.folder / "news.mp4", project.folder / "moved.mp4"))
    project.config({"name": "news", "path": moved, "language": "ru"})
    with monkeypatch.context() as stopped:
        stopped.setattr(artifacts, "sweep", interrupted)
        assert project.phase1() == 130
    assert [project.phase1(), project.load()] == [0, 0]
    assert {hit["video_path"] for hit in project.db.search("снег")} == {moved}


def interrupted(*args):
    raise KeyboardInterrupt
