"""Sessions with a database in a folder or behind a server: who waits, what is left, what cannot be."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.test_db_manager import ROOT, add_video, names, segment
from videotag.errors import UserError


def test_sessions_nest_and_hold(db):
    with db.session():
        add_video(db)
        with db.session():
            db.update_video_status("news", phase1_status="processing")
        assert db.get_video_status("news")["phase1_status"] == "processing"
    assert db.get_video_status("news")["phase1_status"] == "processing"


def test_a_second_thread_waits(db):
    add_video(db, phase1_attempts=0)

    def count_up() -> None:
        for _ in range(10):
            with db.session():
                attempts = db.get_video_status("news")["phase1_attempts"]
                db.update_video_status("news", phase1_attempts=attempts + 1)

    threads = [threading.Thread(target=count_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.get_video_status("news")["phase1_attempts"] == 30


def test_an_error_inside_leaves_the_database_open_to_the_next(db):
    with pytest.raises(ZeroDivisionError), db.session():
        add_video(db)
        _ = 1 / 0
    assert names(db.list_videos()) == ["news"]
    assert not Path(f"{db.directory}.open").exists()


def test_little_is_left_to_apply_again(tmp_path):
    """What is not in the saved index costs each later session up to 6 ms a vector."""
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    for _ in range(2):
        db.add_segments("n", [segment(i, f"слово{i}") for i in range(250)])
    add_video(db)
    with db.session():
        for i in range(250):
            db.update_video_status("news", phase1_attempts=i)
    with contextlib.closing(sqlite3.connect(db.directory / "chroma.sqlite3")) as connection:
        topics = "SELECT count(*) FROM embeddings_queue GROUP BY topic"
        assert max((count for (count,) in connection.execute(topics)), default=0) < 100


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted by Linux's /proc")
def test_vectors_are_put_in_by_one_thread(tmp_path):
    """By several at once a vector can lose all links to it: 1 opening in 200 after a few updates of 30 vectors."""
    program = """
import os, sys
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder

db = ChromaDBManager(sys.argv[1], embedder=FakeEmbedder())
with db.session():
    db._place.client()
before = len(os.listdir("/proc/self/task"))
db.add_segments("n", [
    {"video_name": "n", "segment_index": i, "start_time": 0.0, "end_time": 1.0, "description": str(i)} for i in range(9)
])
print(len(os.listdir("/proc/self/task")) - before)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAYON_NUM_THREADS": "200"}
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "db"], env=environment, capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 100  # ChromaDB has other threads too


def test_reading_makes_nothing(tmp_path):
    db = ChromaDBManager(tmp_path / "sub" / "db")
    assert db.list_videos() == []
    assert db.get_video_status("news") == {}
    assert db.search("вода") == []
    with pytest.raises(UserError):
        db.update_video_status("news", phase1_status="completed")
    assert list(tmp_path.iterdir()) == []


def test_a_busy_database_says_who_holds_it(tmp_path):
    holder = ChromaDBManager(tmp_path / "db")
    add_video(holder)
    waiting = ChromaDBManager(tmp_path / "db", lock_timeout=0.2)
    with holder.session():
        holder.list_videos()
        with pytest.raises(UserError, match=f"busy: process {os.getpid()} on .* has held it"):
            waiting.list_videos()
    assert names(waiting.list_videos()) == ["news"]


def test_a_search_that_knows_all_waits_for_nobody(tmp_path):
    directory = tmp_path / "db"
    made = ChromaDBManager(directory, embedder=FakeEmbedder())
    add_video(made)
    made.add_segments("n", [segment(0, "снег")])
    searching = ChromaDBManager(directory, embedder=FakeEmbedder(), lock_timeout=0.1)
    asked = {"video_name": ["news"]}
    assert (len(searching.search("снег")), len(searching.list_videos(asked))) == (1, 1)
    with FileLock(f"{directory}.lock"):  # another process has just begun: nothing has changed as yet
        assert (len(searching.search("снег")), len(searching.list_videos(asked))) == (1, 1)
        with pytest.raises(UserError, match="is busy"):
            searching.count_segments()


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be locked"):
        add_video(ChromaDBManager(tmp_path / "file" / "db"))
    with pytest.raises(UserError, match="cannot be written to"):
        add_video(ChromaDBManager(tmp_path / "file"))


def test_settings_of_other_programs_do_not_reach_chromadb(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("PERSIST_DIRECTORY=/nonsense\nMIGRATIONS=none\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHROMA_SERVER_NOFILE", "x")
    monkeypatch.setenv("MIGRATIONS", "none")
    db = ChromaDBManager("db")
    monkeypatch.chdir("/")
    add_video(db)
    assert (tmp_path / "db" / "chroma.sqlite3").exists()
    assert names(ChromaDBManager(tmp_path / "db").list_videos()) == ["news"]


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", "http://host:port"])
def test_bad_addresses(url):
    with pytest.raises(UserError, match="is not like http"):
        ChromaDBManager(chroma_url=url)


def test_a_server_is_connected_to_once(server_url):
    """Each connection stays open to the end of the process, and a slot of scale_out.py makes a database a step."""
    first, second = (ChromaDBManager(chroma_url=server_url)._place.client() for _ in range(2))
    assert first is second


def test_no_server(tmp_path):
    db = ChromaDBManager(tmp_path / "db", chroma_url="http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"no ChromaDB server answers at http://127.0.0.1:9: .*chroma run --path"):
        db.list_videos()


def test_records_by_name_are_read_again_only_when_some_have_changed(tmp_path, monkeypatch):
    db, other = (ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder()) for _ in range(2))
    add_video(other)
    named = {"video_name": ["news", "nobody"]}
    for _ in range(2):  # what the first has read is known of the state that its session has noted
        [record] = db.list_videos(named)
        record["phase1_status"] = "mine"
    opened = []
    monkeypatch.setattr(db._place, "_open", lambda whole=db._place._open: opened.append(1) or whole())
    assert [one["phase1_status"] for one in db.list_videos(named)] == ["pending"] and opened == []
    other.add_segments("n", [segment(0, "слово")])  # changes no record of a video
    assert len(db.list_videos(named)) == 1 and opened == []
    other.update_video_status("news", phase1_status="processing")
    assert [one["phase1_status"] for one in db.list_videos(named)] == ["processing"] and opened == [1]
    add_video(other, "nobody")
    assert names(db.list_videos(named)) == ["news", "nobody"]
    other.delete_video_file("news")
    assert names(db.list_videos(named)) == ["nobody"]
