"""A file that is copied, moved, renamed in the list or listed twice is one video: no engine is called for it again."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from tests import clips
from tests.pipeline import Project
from tests.test_load_and_search import sum_up
from videotag import artifacts, content
from videotag.segments import described
from videotag.stages import PHASE1, PHASE2, PHASE4

SCRIPTS = ("phase1", "phase2", "load")


@pytest.fixture
def done(project: Project) -> Project:
    """A clip of 5 s, "news", through all stages."""
    sound = clips.tones(0.0, 5.0, 16_000, 1.0, 2.0)
    video = project.folder / "news.mkv"
    clips.write(video, clips.Pictures(clips.steady(5.0)), clips.Sound([(0.0, sound)], 16_000))
    os.utime(video, ns=(1_700_000_001_123_456_789, 1_700_000_001_123_456_789))
    listed(project, news=video)
    run(project)
    return project


def listed(project: Project, **paths: Path) -> None:
    project.config(*({"name": name, "path": str(path), "language": "ru"} for name, path in paths.items()))


def run(project: Project) -> str:
    """All three scripts; what they printed."""
    out = ""
    for script in SCRIPTS:
        assert getattr(project, script)() == 0, project.err
        out += project.out + project.err
    return out


def calls(project: Project) -> tuple[Any, ...]:
    """How often each engine was built and called."""
    return list(project.loads), len(project.transcriber.heard), len(project.analyzer.seen), project.embedder.embedded[:]


def stored(project: Project) -> dict[str, Any]:
    """The segments: id to (fields, document, vector)."""
    with project.db.session():
        found = project.db._segments.find().get(include=["metadatas", "documents", "embeddings"])
    kept = zip(found["metadatas"], found["documents"], found["embeddings"], strict=True)
    return dict(zip(found["ids"], kept, strict=True))


def kept_time(source: Path, target: Path) -> None:
    shutil.copy2(source, target)


def fat(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    whole = int(source.stat().st_mtime) // 2 * 2 * 10**9
    os.utime(target, ns=(whole, whole))


def cp(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def mv(source: Path, target: Path) -> None:
    os.replace(source, target)


@pytest.mark.parametrize(
    ("way", "gone", "old"),
    [
        *((way, True, False) for way in (mv, kept_time, fat, cp)),
        *((way, True, True) for way in (mv, fat, cp)),
        (cp, False, True),
    ],
)
def test_a_file_in_another_place(done, way, gone, old):
    target = done.folder / "disk" / "news.mkv"
    target.parent.mkdir()
    if old:
        as_older(done)
    way(done.folder / "news.mkv", target)
    if gone:
        (done.folder / "news.mkv").unlink(missing_ok=True)
    listed(done, news=target)
    before, record, segments = calls(done), done.record(), stored(done)
    out = run(done)
    if old and gone and way is cp:  # nothing that is left tells that it is the same
        assert "news: video_path changed" in out and calls(done) != before
        return
    assert calls(done) == before
    assert done.record()["video_path"] == str(target)
    assert {fields["video_path"] for fields, _, _ in stored(done).values()} == {str(target)}
    for id_, (_, document, vector) in stored(done).items():
        assert document == segments[id_][1]
        assert np.allclose(vector, segments[id_][2], atol=1e-6)
    for field in ("phase1_result", "phase2_result", "phase2_input", "db_load_input", "db_load_end_time"):
        assert done.record()[field] == record[field]
    assert run(done).count("done before: news") == 3
    assert [moment["video_path"] for moment in done.db.search("фрагмент 0", limit=1)] == [str(target)]


def test_a_file_that_has_grown_is_another(done):
    with (done.folder / "news.mkv").open("ab") as file:
        file.write(bytes(100))
    before = len(done.transcriber.heard)
    assert done.phase1() == 0
    assert "news: the file changed" in done.out
    assert len(done.transcriber.heard) == before + 1


def test_a_file_in_decomposed_letters(done):
    """Listed in composed ones; its disk is taken away, and comes back."""
    target = done.folder / "Новый и\u0306огурт.mkv"
    mv(done.folder / "news.mkv", target)
    listed(done, news=done.folder / "Новый \u0439огурт.mkv")
    before = calls(done)
    run(done)
    assert done.record()["video_path"] == str(target)
    mv(target, done.folder / "away")
    assert done.phase1() == 0 and "done before: news" in done.out
    mv(done.folder / "away", target)
    assert done.phase1("--only", "news") == 0 and "done before: news" in done.out
    assert calls(done) == before


# --- renamed in the list


@pytest.mark.parametrize("way", [None, cp])
def test_an_entry_that_is_renamed_takes_everything_along(done, way):
    """With its file, or with a copy of it under another name too."""
    path = done.folder / "news.mkv"
    if way:
        way(path, path := done.folder / "новости.mkv")
    listed(done, **{"новости": path})
    before, record, [(_, document, vector)] = calls(done), done.record(), stored(done).values()
    added = {fields["added"] for fields, _, _ in stored(done).values()}
    assert done.phase1("--dry-run") == 0
    assert 'новости: would run: was "news" in the list before' in done.out
    out = run(done)
    assert 'новости: was "news" in the list before\nновости: taken over from ' in out
    assert calls(done) == before
    assert done.files() == ["новости_phase1_data.pkl", "новости_phase2_vllm_analysis.json"]
    assert done.record() == {}
    [renamed] = done.db.list_videos()
    assert [renamed[f"{stage}_status"] for stage in ("phase1", "phase2", "db_load")] == ["completed"] * 3
    same = ("analyzer", "phase2_end_time", "db_load_end_time", "db_segments_loaded", "spoken_languages", "width")
    assert {field: renamed[field] for field in same} == {field: record[field] for field in same}
    one, two = done.result1("новости"), done.result2("новости")
    assert renamed["phase2_input"] == renamed["phase1_result"] == one["result_id"] == two["input"]
    assert renamed["db_load_input"] == renamed["phase2_result"] == two["result_id"]
    assert {one["video_path"], two["video_path"], renamed["video_path"]} == {str(path)}
    [(id_, (fields, text, numbers))] = stored(done).items()
    assert (id_, fields["video_name"], fields["video_path"]) == ("новости_seg_0", "новости", str(path))
    assert text == document and np.allclose(numbers, vector, atol=1e-6)
    assert {fields["added"]} == added
    assert [moment["id"] for moment in done.db.search("фрагмент", limit=5)] == ["новости_seg_0"]
    assert done.db.check_segments("новости", str(path), described(two)) == {}
    assert run(done).count("done before: новости") == 3


def test_unfinished_work_is_gone_on_with_under_the_new_name(done):
    assert done.phase1("--segment-seconds", "2", "--overlap-seconds", "0") == 0
    done.analyzer.results["news", 1] = KeyboardInterrupt()
    assert done.phase2() == 130
    listed(done, film=done.folder / "news.mkv")
    seen = len(done.analyzer.seen)
    heard = len(done.transcriber.heard)
    run(done)
    assert [segment.segment_index for segment in done.analyzer.seen[seen:]] == [1, 2]
    assert len(done.transcriber.heard) == heard
    assert done.files() == ["film_phase1_data.pkl", "film_phase2_vllm_analysis.json"]
    assert sorted(stored(done)) == ["film_seg_0", "film_seg_1", "film_seg_2"]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_what_somebody_works_on_keeps_its_name_meanwhile(done, where):
    listed(done, film=done.folder / "news.mkv")
    before, heard = done.record(), len(done.transcriber.heard)
    if where == "here":
        with FileLock(artifacts.lock_path(done.data, "news", "phase2")):
            assert done.phase1() == 0
    else:
        claim = {"phase2_status": "processing", "phase2_owner": "other:1:a", "phase2_heartbeat": time.time()}
        done.db.update_video_status("news", **claim)
        assert done.phase1() == 0
        done.db.update_video_status("news", phase2_status="completed", phase2_owner=None, phase2_heartbeat=None)
    assert "1 skipped (held by " in done.out
    assert len(done.transcriber.heard) == heard
    assert {**done.record(), "updated_at": ""} == {**before, "updated_at": ""}
    assert done.phase1() == 0
    assert done.record() == {} and done.record("film")["db_load_status"] == "completed"
    assert len(done.transcriber.heard) == heard


def test_segments_that_cannot_all_go_along_are_loaded_again(done):
    done.db._segments.delete({"video_name": "news"})
    listed(done, film=done.folder / "news.mkv")
    out = run(done)
    assert "film: its segments are not in the database: 1 segments" in out
    assert list(stored(done)) == ["film_seg_0"]


# --- listed twice


def test_the_same_file_under_two_names_is_said_once_and_done_once(project):
    first, second = Path(project.video("news.mp4")), project.folder / "copy.mp4"
    cp(first, second)
    listed(project, news=first, copy=second)
    assert project.phase1("--dry-run") == 0
    assert "news: would run: new" in project.out and "copy: would run" not in project.out
    line = f"WARNING: copy: is the same file as news ({second}, {first}): done once, as news, and found once; "
    for _ in range(2):
        assert project.phase1() == 0
        assert [one for one in project.err.splitlines() if "copy" in one] == [
            f"{line}take one of the two out of the list"
        ]
        assert "1 skipped (listed twice: copy)" in project.out
    assert (project.phase2(), project.load()) == (0, 0)
    before = calls(project)
    assert sum(before[1:2]) == 1
    assert [record["video_name"] for record in project.db.list_videos()] == ["news"]
    assert {found["video_name"] for found in project.db.search("снег", limit=10)} == {"news"}
    # The first is deleted, taken out, or renamed: nothing is lost, and nothing done again.
    mv(first, project.folder / "away.mp4")
    assert project.phase1() == 0
    assert project.err.endswith("found once; the latter is gone: take news out of the list\n")
    mv(project.folder / "away.mp4", first)
    listed(project, copy=second)
    run(project)
    listed(project, news=first, copy=second)
    assert project.phase1() == 0 and "news: is the same file as copy" in project.err
    listed(project, film=first, news=second)
    assert project.phase1() == 0 and "news: is the same file as film" in project.err
    run(project)
    assert calls(project) == before
    assert {found["video_name"] for found in project.db.search("снег", limit=10)} == {"film"}


@pytest.mark.parametrize(
    ("other", "videos"),
    [
        ({"language": "kk"}, 2),
        ({"audio_track": 1}, 2),
        ({"transcript": "speech"}, 2),
        ({"language": "auto"}, 1),
        ({"language": ["kk", "ru"]}, 1),
        ({"description": "копия"}, 1),
    ],
)
def test_entries_of_one_file_that_want_something_else_of_it_are_both_done(project, other, videos):
    entry = {"name": "news", "path": project.video(), "language": "ru"}
    project.config(entry, {**entry, "name": "other", **other})
    assert project.phase1() == 0
    assert len(project.db.list_videos()) == videos


def as_older(project: Project) -> None:
    """The record and the result as a version wrote them that did not look into files."""
    state = content.source_of(str(project.folder / "news.mkv"))
    path = artifacts.path_of(PHASE1, project.data, "news")
    one = artifacts.read(PHASE1, path)
    body = {key: value for key, value in one.items() if key not in artifacts.OF_THE_FILE}
    with artifacts.Draft(path, body | {"source": state}) as draft:
        draft.publish()
    path = artifacts.path_of(PHASE2, project.data, "news")
    two = artifacts.read(PHASE2, path)
    body = {key: value for key, value in two.items() if key not in artifacts.OF_THE_FILE}
    with artifacts.Draft(path, body | {"input": draft.result_id}) as second:
        second.publish()
    key = project.record()["phase1_key"].removesuffix(" known")
    ids = {"phase1_result": draft.result_id, "phase2_input": draft.result_id}
    ids |= {"phase2_result": second.result_id, "db_load_input": second.result_id}
    project.db.update_video_status("news", source_fingerprint=None, phase1_key=key, **ids)


def test_a_summary_goes_along(done):
    sum_up(done, "news", "Наводнение в степи.")
    run(done)
    path = done.folder / "news.mkv"
    listed(done, **{"новости": path})
    run(done)
    record = done.record("новости")
    four = artifacts.read(PHASE4, artifacts.path_of(PHASE4, done.data, "новости"))
    assert four and (four["video_name"], four["video_path"]) == ("новости", str(path))
    assert (four["segments"], four["input"]) == ([0, 1, 2], record["phase2_result"])
    assert record["phase4_result"] == four["result_id"]
    assert record["db_load_input"] == f"{record['phase2_result']} {four['result_id']}"
    assert done.db.whole_videos.names() == {"новости"}
    assert done.db.whole_videos.get("новости")["video_path"] == str(path)
    assert "done before: новости" in run(done)
    assert "news_phase4_summary.json" not in done.files()
