"""Several processes, killed ones, and the mending of what they leave."""

import contextlib
import logging
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.test_db_manager import add_video, names, segment
from videotag.errors import UserError
from videotag.store import mending
from videotag.store.collection import SEGMENTS
from videotag.store.place import VIDEO_FILES
from videotag.store.stamp import raise_generation

spawn = multiprocessing.get_context("spawn")


def write_videos(directory: Path, worker: int, rounds: int) -> None:
    db = ChromaDBManager(directory, embedder=FakeEmbedder())
    for i in range(rounds):
        name = f"w{worker}v{i}"
        add_video(db, name)
        db.add_segments("n", [segment(0, f"{name} {j}", name) | {"segment_index": j} for j in range(5)])
        db.update_video_status(name, db_load_status="completed", db_segments_loaded=5)
        with db.session():
            shared = db.get_video_status("shared")["phase1_attempts"]
            db.update_video_status("shared", phase1_attempts=shared + 1)


def test_four_processes_at_once(tmp_path):
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    add_video(db, "shared", phase1_attempts=0)
    workers = [spawn.Process(target=write_videos, args=(db.directory, worker, 6)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert len(db.list_videos({"db_load_status": "completed", "db_segments_loaded": 5})) == 24
    assert db.get_video_status("shared")["phase1_attempts"] == 24
    assert_all_found(db, {f"w{w}v{i}_seg_{j}": f"w{w}v{i} {j}" for w in range(4) for i in range(6) for j in range(5)})


def assert_all_found(db: ChromaDBManager, texts: dict[str, str]) -> None:
    """Every segment is there with its text and its own vector, and a query with its text finds that vector."""
    fake = FakeEmbedder()
    with db.session():
        collection = db._segments.find()
        stored = collection.get(include=["documents", "embeddings"], limit=10_000)
        assert dict(zip(stored["ids"], stored["documents"], strict=True)) == texts
        expected = fake.embed_queries(stored["documents"])
        assert np.allclose(stored["embeddings"], expected, atol=1e-6)
        # Fake vectors are often the same, so the nearest may be a twin: at distance 0 it is.
        for start in range(0, len(expected), 500):
            nearest = collection.query(query_embeddings=expected[start : start + 500], n_results=1)
            assert np.allclose(nearest["distances"], 0, atol=1e-5)


def write_until_killed(directory: Path, acknowledged, start: int) -> None:
    db = ChromaDBManager(directory, embedder=FakeEmbedder())
    for i in range(start, start + 10_000):
        add_video(db, f"v{i}", phase1_attempts=i)
        db.add_segments("n", [segment(j, f"слово{i} {j}", f"v{i}") for j in range(3)])
        acknowledged.send(i)


def test_kill_in_the_middle_of_writing(tmp_path, caplog):
    directory, last, confirmed = tmp_path / "db", -1, set()
    for delay in (0.02, 0.15, 0.3):
        receiver, sender = spawn.Pipe(duplex=False)
        writer = spawn.Process(target=write_until_killed, args=(directory, sender, last + 1))
        writer.start()
        sender.close()
        confirmed.add(receiver.recv())  # it works by now
        time.sleep(delay)
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        with contextlib.suppress(EOFError):
            while True:
                confirmed.add(receiver.recv())
        last = max(confirmed) + 1  # the one in hand may be there as well
    db = ChromaDBManager(directory, embedder=FakeEmbedder())
    attempts = {video["video_name"]: video["phase1_attempts"] for video in db.list_videos()}
    assert {i: attempts.get(f"v{i}") for i in confirmed} == {i: i for i in confirmed}
    found = {hit["id"] for hit in db.search("слово", limit=10_000)}
    assert {f"v{i}_seg_{j}" for i in confirmed for j in range(3)} <= found
    assert not Path(f"{directory}.open").exists()


# === A broken index ===

TEXTS = {f"v{v}_seg_{i}": f"слово{v} предмет{i}" for v in range(7) for i in range(100)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose two indexes were saved to disk (after SYNC_THRESHOLD changes)."""
    db = ChromaDBManager(tmp_path_factory.mktemp("saved") / "db", embedder=FakeEmbedder())
    with db.session():
        for v in range(7):
            db.add_segments("n", [segment(i, TEXTS[f"v{v}_seg_{i}"], f"v{v}") for i in range(100)])
        rows = [{"video_name": f"v{i:04}", "phase1_status": "pending", "phase1_attempts": i} for i in range(700)]
        db._videos.collection().add(ids=[row["video_name"] for row in rows], embeddings=[[1.0]] * 700, metadatas=rows)
    return db.directory


@pytest.fixture
def broken_db(saved: Path, tmp_path: Path) -> ChromaDBManager:
    """A copy of it, with the marker of a killed session. The tests break its files."""
    copy = tmp_path / "db"
    subprocess.run(["cp", "-r", saved, copy], check=True)
    mending.write_marker(Path(f"{copy}.open"))
    return ChromaDBManager(copy, embedder=FakeEmbedder())


def index_file(db: ChromaDBManager, collection: str, name: str) -> Path:
    (index,) = [index for index in mending.vector_indexes(db.directory) if index.collection == collection]
    path = index.folder / name
    assert path.stat().st_size >= 100, "the index was saved"
    return path


def cut(path: Path) -> None:
    """As a kill in the middle of a save leaves it."""
    os.truncate(path, path.stat().st_size // 2)


def assert_whole(db: ChromaDBManager) -> None:
    videos = db.list_videos()
    assert [video["phase1_attempts"] for video in videos] == list(range(700))
    db.update_video_status("v0007", phase1_status="completed")
    assert names(db.list_videos({"phase1_status": "completed"})) == ["v0007"]
    assert_all_found(db, TEXTS)
    assert not Path(f"{db.directory}.open").exists()
    assert not Path(f"{db.directory}.broken").exists()


@pytest.mark.parametrize("name", ["index_metadata.pickle", "data_level0.bin"])
def test_a_broken_segment_index_is_mended(broken_db, caplog, name):
    cut(index_file(broken_db, SEGMENTS.name, name))
    with caplog.at_level(logging.WARNING, logger="videotag"):
        assert broken_db.count_segments() == 700
    assert "mending video_segments" in caplog.text
    assert "700 vectors put in again" in caplog.text
    assert broken_db._embedders.given.embedded == []  # the index beside the collection has them
    assert_whole(broken_db)
    assert broken_db.add_segments("n", [segment(0, "новое", "v3")]) == 1
    assert broken_db.count_segments("v3") == 1
    assert [hit["document"] for hit in broken_db.search("новое", video_name="v3")] == ["новое"]


def test_a_broken_record_index_costs_no_embedding(broken_db, caplog):
    cut(index_file(broken_db, VIDEO_FILES, "index_metadata.pickle"))
    with caplog.at_level(logging.WARNING, logger="videotag"):
        broken_db.update_video_status("v0000", phase1_attempts=0)
    assert "mending video_files, " in caplog.text
    assert_whole(broken_db)
    assert broken_db._embedders.given.embedded == []


def test_a_marker_with_nothing_broken(broken_db, caplog):
    with caplog.at_level(logging.WARNING, logger="videotag"):
        assert broken_db.count_segments() == 700
    assert "nothing is broken" in caplog.text
    assert broken_db._embedders.given.embedded == []
    caplog.clear()
    assert_whole(broken_db)
    assert caplog.text == ""


def test_without_a_marker_a_broken_seal_tells(broken_db, caplog):
    """Broken by something else than a session."""
    Path(f"{broken_db.directory}.open").unlink()
    cut(index_file(broken_db, SEGMENTS.name, "index_metadata.pickle"))
    with caplog.at_level(logging.WARNING, logger="videotag"):
        assert len(broken_db.search("слово1", limit=7)) == 7
    assert "was changed by something else, such as a server: mending video_segments" in caplog.text
    assert_whole(broken_db)


def test_overwritten_vectors_are_put_right(broken_db):
    """As a power cut can leave a file: a sector of zeros. Nothing fails by it, the vectors are only wrong."""
    Path(f"{broken_db.directory}.open").unlink()
    path = index_file(broken_db, SEGMENTS.name, "data_level0.bin")
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(512))
    assert_whole(broken_db)
    assert broken_db._embedders.given.embedded == []


@pytest.mark.parametrize("loss", ["gone", "of another state", "damaged"])
def test_without_the_index_beside_it_vectors_are_made_anew(broken_db, loss):
    cut(index_file(broken_db, SEGMENTS.name, "index_metadata.pickle"))
    if loss == "gone":
        broken_db._search.index.path.unlink()
    elif loss == "damaged":
        broken_db._search.index.path.write_bytes(b"no database" * 1000)
    else:
        broken_db._search.index.update("another:1:700", (), since=broken_db._search.index.state)
    assert_whole(broken_db)
    assert len(broken_db._embedders.given.embedded) == 700


def test_one_changed_letter_is_noticed(broken_db):
    path = broken_db.directory / "chroma.sqlite3"
    data, text = path.read_bytes(), "слово3 предмет77".encode()
    for found in re.finditer(re.escape(text), data):  # some are in pages that are not in use any more
        path.write_bytes(data[: found.end() - 1] + b"8" + data[found.end() :])
        if mending.damage(broken_db.directory):
            break
    with pytest.raises(UserError, match=r"db is damaged \(.+\): run: python run.py doctor --repair --db .+/db, then"):
        broken_db.list_videos()


def test_without_any_sign_the_failure_leaves_one(broken_db):
    """Rot that changes no file's time: the call fails with what to do, and the next one mends."""
    Path(f"{broken_db.directory}.open").unlink()
    cut(index_file(broken_db, SEGMENTS.name, "index_metadata.pickle"))
    mending.seal(broken_db.directory)
    with pytest.raises(UserError, match="run the same command again"):
        broken_db.search("слово1")
    assert len(broken_db.search("слово1", limit=7)) == 7
    assert_whole(broken_db)


def test_repeated_vectors_are_no_damage(tmp_path, caplog):
    """They hide others from ChromaDB's own queries, also in an index that is whole."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(900, 16)).astype(np.float32)
    vectors[rng.permutation(900)[:400]] = vectors[0]
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    db.add_segments("n", [segment(i, f"слово{i}") for i in range(900)], embeddings=vectors)
    mending.write_marker(Path(f"{db.directory}.open"))
    with caplog.at_level(logging.WARNING, logger="videotag"):
        assert db.count_segments() == 900
    assert "nothing is broken" in caplog.text


def test_after_a_kill_within_a_write_only_what_it_wrote_is_embedded_again(broken_db):
    with broken_db.session():  # the check of the marker, and what a killed load leaves: its first records
        collection = broken_db._segments.find()
        generation = raise_generation(collection)
        texts = [f"иное{i}" for i in range(5)]
        collection.upsert(
            ids=[f"v3_seg_{i}" for i in range(5)],
            documents=texts,
            embeddings=FakeEmbedder().embed_queries(texts),
            metadatas=[{"run_id": generation}] * 5,
        )
    mending.write_marker(Path(f"{broken_db.directory}.open"))
    cut(index_file(broken_db, SEGMENTS.name, "data_level0.bin"))
    assert broken_db.count_segments() == 700
    assert sorted(broken_db._embedders.given.embedded) == texts


def test_mending_interrupted_is_taken_up(broken_db):
    cut(index_file(broken_db, SEGMENTS.name, "data_level0.bin"))
    broken_db._search.index.path.unlink()

    class Interrupted(FakeEmbedder):
        def embed_documents(self, texts):
            if len(self.embedded) > 520:
                raise KeyboardInterrupt
            return super().embed_documents(texts)

    broken_db._embedders.given = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        broken_db.list_videos()
    assert Path(f"{broken_db.directory}.open").exists()
    assert_whole(ChromaDBManager(broken_db.directory, embedder=FakeEmbedder()))


def test_mending_by_hand_loads_what_the_collection_remembers(broken_db):
    """Not the embedder that the manager was given: that one may be meant for a rebuild."""
    Path(f"{broken_db.directory}.open").unlink()
    cut(index_file(broken_db, SEGMENTS.name, "header.bin"))  # reads well, dies at the next write
    broken_db._search.index.path.unlink()
    loaded = []

    def load(name: str, model: str | None) -> FakeEmbedder:
        loaded.append((name, model))
        return FakeEmbedder(model or "")

    other = ChromaDBManager(broken_db.directory, embedder=FakeEmbedder("letters"), load=load)
    assert other.mend() == [SEGMENTS.name]
    assert loaded == [("fake", "words")]
    assert_whole(broken_db)


def test_a_probe_that_dies_condemns_only_where_it_died():
    """A stand-in for the probe that dies of a signal at "b", as chromadb can, and finds "d" broken."""
    program = """
import os, sys
for name in sys.argv[1:]:
    if name == "b":
        os.kill(os.getpid(), 11)
    print("broken" if name == "d" else "ok", name, flush=True)
"""
    probe = [sys.executable, "-c", program]
    assert mending.broken_collections(probe, ["a", "b", "c", "d", "e"], None) == ["b", "d"]
    assert mending.broken_collections(probe, ["a", "c"], None) == []


def test_a_rebuild_killed_before_its_swap(broken_db, caplog):
    Path(f"{broken_db.directory}.open").unlink()
    with broken_db.session():
        half = broken_db._segments.create(SEGMENTS.rebuild, FakeEmbedder("other"), 1)
        half.add(ids=["v0_seg_0"], embeddings=np.eye(1, 16), documents=["x"])
    mending.write_marker(Path(f"{broken_db.directory}.open"))
    assert broken_db.count_segments() == 700
    assert {index.collection for index in mending.vector_indexes(broken_db.directory)} == {VIDEO_FILES, SEGMENTS.name}
    assert_whole(broken_db)


def test_a_marker_and_no_database(tmp_path):
    """Killed before it was made."""
    mending.write_marker(tmp_path / "db.open")
    db = ChromaDBManager(tmp_path / "db")
    assert db.list_videos() == []
    add_video(db)
    assert names(db.list_videos()) == ["news"]


def test_a_destroyed_database_says_how_to_make_it_anew(broken_db):
    (broken_db.directory / "chroma.sqlite3").write_bytes(b"not a database" * 1000)
    for _ in range(2):
        with pytest.raises(UserError, match=r"damaged \(file is not a database\): run: python run.py doctor --repair"):
            broken_db.list_videos()
    for kept in ("db.damaged", "db.damaged2"):
        with pytest.raises(UserError, match=rf"it is kept as .*/{kept}: run the scripts again"):
            broken_db.mend()
        assert (broken_db.directory.with_name(kept) / "chroma.sqlite3").read_bytes().startswith(b"not a database")
        assert broken_db.list_videos() == []
        add_video(broken_db)
        (broken_db.directory / "chroma.sqlite3").write_bytes(b"not a database" * 1000)


def test_the_probe_holds_the_lock_when_its_parent_dies(tmp_path):
    """Else a second process would open the database beside the probe."""
    lock = FileLock(tmp_path / "lock")
    with lock:
        fd = lock._context.lock_file_fd
        assert fd is not None
        child = subprocess.Popen(["sleep", "30"], pass_fds=(fd,))
        # what SIGKILL does: the descriptor goes, without an unlock
        os.dup2(os.open(os.devnull, os.O_RDONLY), fd)
        other = FileLock(tmp_path / "lock", timeout=0.1)
        with pytest.raises(TimeoutError):
            other.acquire()
        child.kill()
        child.wait()
        other.acquire(timeout=5)
        other.release()
