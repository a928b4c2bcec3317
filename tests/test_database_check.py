"""doctor.py's comparison of the database with data/, and its repair: each kind of damage, made for real."""

import argparse
import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import doctor
import load_data_to_chroma
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from videotag import artifacts
from videotag.stages import PHASE1, PHASE2
from videotag.store import mending
from videotag.store.collection import SEGMENTS

VIDEOS = {"news": 7, "film": 3}


class Loaded:
    """Two loaded videos, their results in data/, and the doctor to look at them."""

    def __init__(self, db: ChromaDBManager, folder: Path) -> None:
        self.db, self.data = db, folder / "data"
        self.args = argparse.Namespace(db=str(db.directory), chroma_url=db.chroma_url, data_dir=self.data)
        self.asked = doctor.Asked(self.args, lambda *_: FakeEmbedder())
        for name, count in VIDEOS.items():
            self.record(name, count)
        assert load_data_to_chroma.main([*self.place(), "--data-dir", str(self.data)], self.asked.load) == 0

    def record(self, name: str, count: int) -> None:
        result = {"video_name": name, "output_language": "ru", "made_by": {}, "input": "phase 1"}
        result["segments"] = [segment(name, i) for i in range(count)]
        draft = artifacts.Draft(artifacts.path_of(PHASE2, self.data, name), result)
        draft.publish()
        done = {"phase1_status": "completed", "phase1_result": "phase 1", "phase2_status": "completed"}
        self.db.create_or_update_video_file(
            name,
            f"{name}.mp4",
            "ru",
            60.0,
            count,
            1,
            1,
            1.0,
            phase1_version=PHASE1.version,
            phase2_input="phase 1",
            phase2_result=draft.result_id,
            **done,
        )

    def place(self) -> list[str]:
        return ["--db", self.args.db, *(["--chroma-url", self.db.chroma_url] if self.db.chroma_url else [])]

    def collection(self, use: Callable[[Any], Any]) -> Any:
        """Reach into the collection behind the manager's back."""
        with self.db.session():
            return use(self.db._segments.find())

    def content(self) -> dict[str, str]:
        found = self.collection(lambda collection: collection.get())
        return dict(zip(found["ids"], found["documents"], strict=True))

    def differences(self) -> list[str]:
        return [f"{d.video_name}: {d.what}; {d.remedy}" for d in doctor.differences(self.db, self.data)]

    def repair(self) -> int:
        return doctor.repair(self.asked)


@pytest.fixture
def loaded(db: ChromaDBManager, tmp_path: Path) -> Loaded:
    return Loaded(db, tmp_path)


def segment(name: str, index: int) -> dict:
    return {
        "video_name": name,
        "segment_index": index,
        "start_time": 35.1 * index,
        "end_time": 35.1 * index + 50 / 3,
        "description": f"{name} слово{index}",
        "keywords": ["снег", "вода"],
    }


WHOLE = {f"{name}_seg_{i}": f"{name} слово{i}\nснег, вода" for name, count in VIDEOS.items() for i in range(count)}


def lose(collection: Any) -> None:
    collection.delete(ids=["news_seg_0", "news_seg_5"])


def change_a_document(collection: Any) -> None:
    vectors = collection.get(ids=["news_seg_3"], include=["embeddings"])["embeddings"]
    collection.update(ids=["news_seg_3"], documents=["иное"], embeddings=vectors)


def change_a_field(collection: Any) -> None:
    collection.update(ids=["film_seg_1"], metadatas=[{"start_time": 34.0}])


def drop_a_field(collection: Any) -> None:
    collection.update(ids=["film_seg_2"], metadatas=[{"keywords": None}])


def add_beyond_the_last(collection: Any) -> None:
    ids = [f"news_seg_{i}" for i in range(7, 14)]
    rows = [{"video_name": "news", "segment_index": i} for i in range(7, 14)]
    collection.add(ids=ids, embeddings=np.eye(7, 16), documents=ids, metadatas=rows)


def add_of_an_unknown_video(collection: Any) -> None:
    rows = [{"video_name": "ghost", "segment_index": i} for i in range(2)]
    collection.add(ids=["ghost_seg_0", "ghost_seg_1"], embeddings=np.eye(2, 16), documents=["a", "b"], metadatas=rows)


DAMAGE = (
    (lose, "news: segments: 2 missing (0, 5); load it again"),
    (change_a_document, "news: segments: 2 missing (0, 5), 1 different (3); load it again"),
    (
        add_beyond_the_last,
        "news: segments: 2 missing (0, 5), 7 surplus (7, 8, 9, 10, 11, ...), 1 different (3); load it again",
    ),
    (change_a_field, "film: segments: 1 different (1); load it again"),
    (drop_a_field, "film: segments: 2 different (1, 2); load it again"),
    (add_of_an_unknown_video, "ghost: 2 segments, and there is no such video; delete them"),
)


def test_damage_is_told_and_repaired(loaded):
    assert loaded.differences() == []
    for damage, told in DAMAGE:
        loaded.collection(damage)
        assert told in loaded.differences()
    assert len(loaded.differences()) == 3, "one line a video"
    loaded.repair()
    assert loaded.differences() == []
    assert loaded.content() == WHOLE
    statuses = {video["video_name"]: video["db_load_status"] for video in loaded.db.list_videos()}
    assert statuses == dict.fromkeys(VIDEOS, "completed")


def test_nothing_is_left_of_the_collection(loaded):
    with loaded.db.session():
        loaded.db._place.client().delete_collection(SEGMENTS.name)
    assert len(loaded.differences()) == 2
    loaded.repair()
    assert (loaded.differences(), loaded.content()) == ([], WHOLE)


def test_a_result_that_is_gone(loaded, capsys):
    path = artifacts.path_of(PHASE2, loaded.data, "film")
    path.unlink()
    assert loaded.differences() == [], "the number is right"
    loaded.collection(lambda collection: collection.delete(ids=["film_seg_2"]))
    [told] = loaded.differences()
    assert told.startswith("film: 2 of 3 segments are stored")
    assert "run doctor.py --repair" in told
    assert loaded.repair() == 1
    assert (
        "film_phase2_vllm_analysis.json: is missing or damaged; run phase2_vllm_analysis.py" in capsys.readouterr().err
    )
    record = loaded.db.get_video_status("film")
    assert (record["phase2_status"], record["db_load_status"]) == ("pending", "pending")
    assert loaded.db.get_video_status("news")["db_load_status"] == "completed"


def test_a_result_of_another_time_than_the_database(loaded, capsys):
    """An older copy of one of the two was put back: the numbers agree, the texts do not."""
    path = artifacts.path_of(PHASE2, loaded.data, "film")
    result = artifacts.read(PHASE2, path)
    assert result is not None
    older = {key: value for key, value in result.items() if key not in ("format", "result_id")}
    older["segments"][0]["description"] = "раньше"
    artifacts.Draft(path, older).publish()
    [told] = loaded.differences()
    assert told.startswith(f"film: {path} is damaged, or of another time than the database; run doctor.py --repair")
    assert loaded.repair() == 1
    assert "is not what the database speaks of; run phase2_vllm_analysis.py" in capsys.readouterr().err
    assert loaded.db.get_video_status("film")["phase2_status"] == "pending"
    assert loaded.content() == WHOLE  # search goes on with what it has


def test_where_phase_2_is_not_done_the_load_cannot_repair(loaded):
    loaded.collection(lambda collection: collection.delete(ids=["film_seg_2"]))
    loaded.db.update_video_status("film", phase2_status="pending")
    [told] = loaded.differences()
    assert told == "film: segments: 1 missing (2); run phase2_vllm_analysis.py, then load_data_to_chroma.py"
    assert loaded.repair() == 0


def test_what_is_not_loaded_yet_is_no_damage(loaded):
    loaded.record("new", 4)
    loaded.db.update_video_status("film", phase2_status="pending", db_load_status="pending")
    assert loaded.differences() == []


@pytest.fixture
def folder_only(tmp_path: Path, fake_embedder: FakeEmbedder) -> Loaded:
    return Loaded(ChromaDBManager(tmp_path / "db", embedder=fake_embedder), tmp_path)


def test_vectors_that_cannot_be_read(folder_only):
    """The index's list of ids has lost some: their records live, without vectors."""
    long = [segment("long", i) for i in range(120)]  # over SYNC_THRESHOLD, so that the index is saved
    folder_only.db.create_or_update_video_file("long", "long.mp4", "ru", 60.0, 120, 1, 1, 1.0)
    folder_only.db.add_segments("long.mp4", long)
    [index] = [i for i in mending.vector_indexes(folder_only.db.directory) if i.collection == SEGMENTS.name]
    path = index.folder / "index_metadata.pickle"
    lists = pickle.loads(path.read_bytes())
    for id_ in ("news_seg_2", "film_seg_0"):
        lists["label_to_id"].pop(lists["id_to_label"].pop(id_))
    path.write_bytes(pickle.dumps(lists))
    mending.seal(folder_only.db.directory)  # else it would be mended at once
    assert folder_only.differences() == [
        "film: segments: 1 without a vector (0); load it again",
        "news: segments: 1 without a vector (2); load it again",
    ]
    folder_only.repair()
    assert folder_only.differences() == []
    assert folder_only.content().items() > WHOLE.items()


def test_a_search_index_with_other_vectors(loaded):
    """One is lost, one is another segment's: as no crash leaves it, but a failing disk may."""
    with sqlite3.connect(loaded.db._search.index.path) as index:
        index.execute(
            "UPDATE vector SET exact = (SELECT exact FROM segment JOIN vector USING (number) WHERE id = 'news_seg_1') "
            "WHERE number = (SELECT number FROM segment WHERE id = 'film_seg_1')"
        )
        index.execute("DELETE FROM segment WHERE id = 'news_seg_6'")
    other = ChromaDBManager(loaded.db.directory, chroma_url=loaded.db.chroma_url, embedder=FakeEmbedder())
    assert [d.what for d in doctor.differences(other, loaded.data)] == [
        "segments: 1 not found by search (1)",
        "segments: 1 not found by search (6)",
    ]
    loaded.repair()
    assert list(doctor.differences(other, loaded.data)) == []


def test_what_chromadbs_own_index_hides_is_found(tmp_path):
    """Hundreds of equal vectors hide others from an HNSW index."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(900, 16)).astype(np.float32)
    vectors[rng.permutation(900)[:400]] = vectors[0]
    segments = [segment("news", i) for i in range(900)]

    def hiding(folder):
        """A database, if it hides some: threads build another graph each time, seldom one that hides nothing."""
        db = ChromaDBManager(folder, embedder=FakeEmbedder())
        db.add_segments("news.mp4", segments, embeddings=vectors)
        with db.session():
            collection = db._segments.find()
            found = [set(ids) for ids in collection.query(query_embeddings=vectors, n_results=900, include=[])["ids"]]
        return db if any(f"news_seg_{i}" not in found[i] for i in range(900)) else None

    db = next(filter(None, (hiding(tmp_path / str(attempt)) for attempt in range(5))))
    assert db.check_segments("news", "news.mp4", segments) == {}


def test_equal_vectors_that_are_found_are_no_damage(db):
    segments = [segment("news", i) | {"description": "тишина"} for i in range(60)]
    db.add_segments("news.mp4", segments)
    assert db.check_segments("news", "news.mp4", segments) == {}


def test_segments_of_no_video_go_too_and_count_together(loaded):
    def add(collection: Any) -> None:
        made = [{"segment_index": 0}, {"segment_index": 0, "video_name": ""}]
        collection.add(ids=["none", "empty"], embeddings=[[1.0] * 16] * 2, metadatas=made, documents=["x", "y"])

    loaded.collection(add)
    assert loaded.db.segment_counts() == {"film": 3, "news": 7, "": 2}
    assert loaded.db.delete_unknown_segments() == 2
    assert loaded.content() == WHOLE


def test_the_doctor_looks_at_the_machine_where_the_address_is_wrong(tmp_path, capsys):
    assert doctor.main(["--chroma-url", "ftp://x", "--data-dir", str(tmp_path), "--analyzer", "openai"]) == 1
    told = capsys.readouterr().out
    assert "ok  python" in told and "BAD database" in told
    assert "BAD analysis: the analyzer openai needs --base-url" in told


def test_the_doctor_says_it_and_repairs(loaded, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", {"database": doctor.database, "stored segments": doctor.stored})
    arguments = [*loaded.place(), "--data-dir", str(loaded.data)]
    assert doctor.main(arguments, loaded.asked.load) == 0
    assert "ok  stored segments: the segments of all loaded videos are as in" in capsys.readouterr().out
    loaded.collection(lose)
    loaded.collection(add_of_an_unknown_video)
    assert doctor.main(arguments, loaded.asked.load) == 1
    told = capsys.readouterr().out.splitlines()
    assert "BAD stored segments: news: segments: 2 missing (0, 5); load it again (doctor.py --repair does it)" in told
    assert told[-1] == "2 of these need mending"
    assert doctor.main([*arguments, "--repair"], loaded.asked.load) == 0
    told = capsys.readouterr().out
    assert "deleted 2 segments of videos that are not there" in told
    assert "nothing is missing" in told
    assert loaded.content() == WHOLE


def test_an_interrupted_repair_ends_the_doctor(folder_only, capsys, monkeypatch):
    class Interrupted(FakeEmbedder):
        def embed_documents(self, texts):
            raise KeyboardInterrupt

    looked = []
    monkeypatch.setattr(doctor, "CHECKS", {"database": lambda args: looked.append(args) or []})
    folder_only.collection(lose)
    arguments = [*folder_only.place(), "--data-dir", str(folder_only.data), "--repair"]
    assert doctor.main(arguments, lambda *_: Interrupted()) == 130
    assert looked == []
    assert capsys.readouterr().out.splitlines()[-1] == "interrupted; run the same command again to go on"
    assert doctor.main(arguments, folder_only.asked.load) == 0
    assert folder_only.content() == WHOLE


def test_what_the_doctor_says_of_lost_results_failed_videos_and_a_lost_database(loaded):
    def said(check) -> list[str]:
        asked = doctor.Asked(loaded.args, loaded.asked.load)  # looks at one moment
        return [finding.text for finding in check(asked)]

    assert len(said(doctor.database)) == 1
    artifacts.path_of(PHASE2, loaded.data, "film").unlink()
    assert said(doctor.stored) == [
        f"loaded, but not in {loaded.data} any more: film; --force makes their results anew",
        f"the segments of all other loaded videos are as in {loaded.data}, and found",
    ]
    loaded.db.update_video_status("news", phase1_error="no sound")
    artifacts.path_of(PHASE1, loaded.data, "old").write_bytes(b"")
    assert said(doctor.database)[1:] == [
        f"{loaded.data} has results of old besides: phase 1 takes over those in the list of videos",
        "failed, and tried again by the next run: news",
    ]
