"""The load program, with an embedder whose vectors are known by hand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import doctor
import load_data_to_chroma
import test_search as search_program
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.pipeline import analysis
from tests.search.test_whole_videos import summed_up
from videotag import artifacts, stages
from videotag.stages import PHASE4

ROOT = Path(__file__).parent.parent


@pytest.fixture
def loaded(project):
    """Two videos of three segments each, with descriptions of different words."""
    path = project.video()
    project.config({"name": "news", "path": path, "language": "ru"}, {"name": "film", "path": path, "language": "kk"})
    project.phase1()
    words = {
        ("news", 0): "снег зима город",
        ("news", 1): "снег зима",
        ("news", 2): "река вода",
        ("film", 0): "поезд степь",
        ("film", 1): "поезд",
        ("film", 2): "лес",
    }
    project.analyzer.results = {
        key: analysis(text, dialogue_translation=f"речь {key[1]}", keywords=[]) for key, text in words.items()
    }
    project.phase2("--analyzer", "vllm")  # of what `local` describes other texts are searched
    assert project.load() == 0
    return project


def ask(project, capsys, *args):
    capsys.readouterr()
    code = search_program.main([*args, "--db", str(project.folder / "chroma_db")], lambda *a: project.embedder)
    return code, capsys.readouterr().out


def found(project, capsys, *args):
    code, out = ask(project, capsys, *args, "--json")
    assert code == 0
    return [(hit["video_name"], hit["start_time"]) for hit in json.loads(out)]


def test_all_segments_are_loaded(loaded):
    assert loaded.db.count_segments() == 6
    record = loaded.record()
    assert (record["db_load_status"], record["db_segments_loaded"]) == ("completed", 3)
    [hit] = loaded.db.search("река вода", limit=1)
    assert (hit["id"], hit["video_name"], hit["language"]) == ("news_seg_2", "news", "ru")
    assert hit["document"] == "река вода\nречь 2"


def test_a_second_run_does_nothing(loaded):
    embedded = len(loaded.embedder.embedded)
    assert loaded.load() == 0
    assert "2 skipped (done before: film, news)" in loaded.out
    assert len(loaded.embedder.embedded) == embedded


def test_a_changed_analysis_replaces_the_old_one(loaded):
    loaded.analyzer.results["news", 2] = analysis("озеро", keywords=[], dialogue_translation="речь")
    loaded.phase2("--analyzer", "vllm", "--force", "--only", "news")
    assert loaded.load() == 0
    assert loaded.out.splitlines()[2].startswith("news: phase 2 was done again")
    assert loaded.db.count_segments() == 6
    assert loaded.db.search("озеро речь", limit=1)[0]["description"] == "озеро"


def test_fewer_segments_leave_no_stale_ones(loaded):
    loaded.phase1("--only", "news", "--segment-seconds", "95", "--overlap-seconds", "0")
    loaded.phase2()
    assert loaded.load() == 0
    assert loaded.db.count_segments("news") == 1


def test_a_lost_database_comes_back_whole(loaded):
    before = {hit["id"]: hit["document"] for hit in loaded.db.search("снег", limit=10)}
    shutil.rmtree(loaded.folder / "chroma_db")
    loaded.loads.clear()
    assert [loaded.phase1(), loaded.phase2(), loaded.load()] == [0, 0, 0]
    assert {hit["id"]: hit["document"] for hit in loaded.db.search("снег", limit=10)} == before
    assert not [name for name in loaded.loads if not name.startswith("embedder")]


def test_segments_that_vanished_from_the_collection_are_loaded_again(loaded):
    loaded.db.delete_video_segments("news")
    assert loaded.load() == 0
    assert "news: its segments were deleted: 3 segments" in loaded.out
    assert loaded.db.count_segments() == 6


def test_a_lost_analysis_makes_phase_2_due(loaded):
    loaded.phase2("--analyzer", "vllm", "--force", "--only", "news")
    (loaded.data / "news_phase2_vllm_analysis.json").unlink()
    assert loaded.load() == 1
    assert "run phase2_vllm_analysis.py" in loaded.err
    assert loaded.record()["phase2_status"] == "pending"
    assert [loaded.phase2(), loaded.load()] == [0, 0]


def test_another_embedder_is_refused_and_rebuild_is_the_way(loaded, capsys):
    other = FakeEmbedder(model="other")
    loaded.embedder, first = other, loaded.embedder
    loaded.phase2("--analyzer", "vllm", "--force", "--only", "news")
    assert loaded.load("--embedder", "sentence-transformers") == 2
    assert "words" in loaded.err
    assert "other" in loaded.err
    assert f"--rebuild --embedder {other.name} --embedding-model other" in loaded.err
    assert loaded.record()["db_load_status"] == "pending"
    assert loaded.load("--rebuild", "--embedder", "sentence-transformers") == 0
    assert loaded.db.stamp()["model"] == "other"
    assert loaded.db.count_segments() == 6
    assert found(loaded, capsys, "лес", "--limit", "1") == [("film", 70.0)]
    with pytest.raises(Exception, match="--rebuild"):
        ChromaDBManager(loaded.folder / "chroma_db", embedder=first).search("лес")


def test_another_embedder_is_refused_also_where_nothing_is_due(loaded):
    loaded.embedder = FakeEmbedder(model="other")
    assert loaded.load("--embedder", "sentence-transformers") == 2
    assert "was made with" in loaded.err
    assert loaded.load() == 0


def test_a_dry_run_loads_nothing(loaded):
    loaded.phase2("--analyzer", "vllm", "--force", "--only", "news")
    assert loaded.load("--dry-run") == 0
    assert "news: would run: phase 2 was done again" in loaded.out
    assert loaded.record()["db_load_status"] == "pending"


def test_help_needs_no_library():
    for script in ("phase1_whisper_frames", "phase2_vllm_analysis", "load_data_to_chroma", "test_search"):
        program = (
            f"import sys, {script}\n"
            f"try: {script}.main(['--help'])\n"
            "except SystemExit as end: print(end.code)\n"
            "heavy = {'chromadb', 'numpy', 'cv2', 'av', 'faster_whisper', 'tqdm', 'prompt_toolkit'}\n"
            "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "0"
        assert done.stderr == "[]\n"


def test_a_lost_database_and_a_rebuild_to_come_are_said(loaded):
    loaded.embedder, mine = FakeEmbedder(model="other"), loaded.embedder
    assert loaded.load("--rebuild", "--dry-run", "--embedder", "e5-small") == 0
    loaded.embedder = mine
    assert "would make the vectors of 6 segments again, by e5-small" in loaded.out
    shutil.rmtree(loaded.folder / "chroma_db")
    for stage in (loaded.load, loaded.phase2):
        assert stage() == 0
        assert f"{loaded.data} has results of 2 videos, the database of none: phase 1 takes them over" in loaded.out


def test_a_lost_collection_is_loaded_in_parts_too(loaded, monkeypatch):
    with loaded.db.session():
        loaded.db._place.client().delete_collection("video_segments")
    assert loaded.load("--only", "news") == 0
    assert "news: its segments are not in the database" in loaded.out
    assert loaded.load() == 0
    assert "film: its segments are not in the database" in loaded.out
    assert loaded.db.count_segments() == 6


class Meanwhile(FakeEmbedder):
    """Something happens while it embeds, once."""

    def __init__(self, happens):
        super().__init__()
        self._happens = happens

    def embed_documents(self, texts):
        happens, self._happens = self._happens, lambda: None
        happens()
        return super().embed_documents(texts)


def test_a_rebuild_during_a_load_is_noticed(loaded):
    """Of the same dimension: ChromaDB would take the old embedder's vectors."""
    other = FakeEmbedder(model="other")
    loaded.phase2("--analyzer", "vllm", "--force", "--only", "news")
    folder = loaded.folder / "chroma_db"
    loaded.embedder = Meanwhile(lambda: ChromaDBManager(folder, embedder=other).rebuild_segments(other))
    embedders = [loaded.embedder, other]
    main = [load_data_to_chroma.main, ["--force"]]
    assert loaded._run(*main, lambda name, model: embedders[model == "other"]) == 1
    assert "rebuilt with another embedder meanwhile; run again" in loaded.err
    assert loaded._run(*main, lambda name, model: embedders[model == "other"]) == 0
    db = ChromaDBManager(folder, embedder=other)
    with db.session():
        found = db._segments.find().get(include=["documents", "embeddings"])
    assert len(found["ids"]) == 6
    assert found["embeddings"] == pytest.approx(other.embed_documents(found["documents"]), abs=1e-5)


def test_a_path_that_changes_during_a_load_is_the_one_that_is_stored(loaded):
    loaded.phase2("--analyzer", "vllm", "--force", "--only", "news")
    loaded.embedder = Meanwhile(lambda: loaded.db.update_video_status("news", video_path="moved.mp4"))
    assert loaded.load("--force", "--only", "news") == 0
    assert {hit["video_path"] for hit in loaded.db.search("лес", 9, video_name="news")} == {"moved.mp4"}


def test_a_text_that_is_stored_is_not_embedded_again(loaded):
    """Not of the same video analyzed again, not of another one; with --force all are."""
    loaded.analyzer.results["news", 1] = analysis("поезд степь", keywords=[], dialogue_translation="речь 0")  # of film
    loaded.phase2("--analyzer", "vllm", "--force", "--only", "news")
    loaded.embedder.embedded.clear()
    assert loaded.load() == 0
    assert loaded.embedder.embedded == []
    [hit, other] = loaded.db.search("поезд степь", limit=2)
    assert {hit["id"], other["id"]} == {"news_seg_1", "film_seg_0"} and hit["score"] == pytest.approx(other["score"])
    assert loaded.load("--force", "--only", "film") == 0
    assert sorted(loaded.embedder.embedded) == ["лес\nречь 2", "поезд\nречь 1", "поезд степь\nречь 0"]


def test_a_damaged_vector_is_not_taken_for_that_of_its_text(loaded):
    with loaded.db._segments.reading() as collection:
        collection.update(ids=["news_seg_0"], embeddings=[[5.0] * 16])
    loaded.phase2("--analyzer", "vllm", "--force", "--only", "news")
    loaded.embedder.embedded.clear()
    assert loaded.load() == 0
    assert loaded.embedder.embedded == ["снег зима город\nречь 0"]


# --- summaries of whole videos


def sum_up(project, name, summary):
    """Write a result of phase 4, and mark it completed as the stage does."""
    result = {**summed_up(name, summary), "output_language": "ru", "made_by": {}}
    result["input"] = project.record(name)["phase2_result"]
    with artifacts.Draft(artifacts.path_of(PHASE4, project.data, name), result) as draft:
        draft.publish()
    follows = stages.follow_up(PHASE4, project.record(name), draft.result_id, again=True)
    done = PHASE4.fields(status="completed", result=draft.result_id, input=result["input"])
    project.db.update_video_status(name, **done, **follows)


def test_a_summary_is_loaded_and_goes_when_it_is_due_again(loaded, capsys):
    sum_up(loaded, "news", "Наводнение в степи.")
    assert loaded.load() == 0
    assert "news: phase 4 was done again: 3 segments" in loaded.out
    record = loaded.record()
    assert record["db_load_input"] == f"{record['phase2_result']} {record['phase4_result']}"
    assert loaded.db.whole_videos.names() == {"news"}
    code, out = ask(loaded, capsys, "--videos", "наводнения", "--json")
    [video] = json.loads(out)
    assert (code, video["video_name"], video["close"]) == (0, "news", True)
    assert [chapter["start"] for chapter in video["chapters"]] == [0.0, 70.0]
    assert "whole videos (:videos, --videos): news: Фильм news" in ask(loaded, capsys, "наводнения")[1]
    assert list(doctor.differences(loaded.db, loaded.data)) == []

    assert loaded.load() == 0
    assert "0 done" in loaded.out
    loaded.phase2("--analyzer", "vllm", "--force", "--only", "news")
    assert loaded.load() == 0
    assert loaded.db.whole_videos.names() == set()


def test_lost_summaries_are_loaded_again(loaded):
    sum_up(loaded, "news", "Наводнение в степи.")
    loaded.load()
    with loaded.db.session():
        loaded.db._place.client().delete_collection("video_summaries")
    [difference] = doctor.differences(loaded.db, loaded.data)
    assert (difference.video_name, difference.what, difference.remedy) == ("news", "summary: missing", doctor.RELOAD)
    assert loaded.load("--dry-run") == 0
    assert f"news: would run: {load_data_to_chroma.NO_SUMMARY}" in loaded.out and "film: would" not in loaded.out
    assert loaded.load() == 0
    assert "1 done" in loaded.out
    assert loaded.db.whole_videos.names() == {"news"}


def test_a_rebuild_that_was_killed_between_the_collections_is_finished(loaded):
    sum_up(loaded, "news", "Наводнение в степи.")
    loaded.load()
    loaded.embedder = FakeEmbedder("other", 8)
    loaded.db._segments.rebuild(loaded.embedder)
    assert loaded.db.whole_videos.stamp() != loaded.db.stamp()
    assert loaded.load() == 0
    assert loaded.db.whole_videos.stamp() == loaded.db.stamp()
    assert loaded.db.whole_videos.search("Наводнение")[0]["close"]
