"""Records that a search has read are there for the next process, until a record changes."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.test_db_manager import add_video, segment
from videotag.store.known import MOST, KnownRecords

ROOT = Path(__file__).parents[2]
ASK = """
import json, sys
from db_manager import ChromaDBManager
found = ChromaDBManager(sys.argv[1]).list_videos({"video_name": ["news", "nobody"]})
print(json.dumps([[one["phase1_status"] for one in found], "chromadb" in sys.modules]))
"""


def ask(directory: Path) -> list:
    """In a process of its own: the statuses, and whether ChromaDB was imported for them."""
    run = [sys.executable, "-c", ASK, str(directory)]
    return json.loads(subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def test_another_process_opens_the_database_only_where_a_record_has_changed(tmp_path):
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    add_video(db)
    assert ask(tmp_path / "db") == [["pending"], True]
    assert ask(tmp_path / "db") == [["pending"], False]
    db.add_segments("n", [segment(0, "слово")])  # changes no record of a video
    assert ask(tmp_path / "db") == [["pending"], False]
    db.update_video_status("news", phase1_status="processing")
    assert ask(tmp_path / "db") == [["processing"], True]
    assert ask(tmp_path / "db") == [["processing"], False]


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    path = tmp_path / "index-records.sqlite3"
    path.write_bytes(damage)
    known = KnownRecords(path)
    assert known.read("1", ["news"]) == {}
    for _ in range(2):  # what is damaged goes away, and then it is kept
        known.keep("1", {"news": {"width": 640}, "nobody": {}})
    assert known.read("1", ["news", "nobody", "film"]) == {"news": {"width": 640}, "nobody": {}}


def test_what_is_no_record_is_not_believed(tmp_path):
    path = tmp_path / "index-records.sqlite3"
    KnownRecords(path).keep("1", {"news": {"width": 640}})
    for value in ("[1]", "{"):
        with sqlite3.connect(path) as db:
            db.execute("UPDATE known SET record = ?", (value,))
        db.close()
        assert KnownRecords(path).read("1", ["news"]) == {}


def test_only_those_of_the_last_state_and_no_more_than_are_worth_it(tmp_path):
    known = KnownRecords(tmp_path / "index-records.sqlite3")
    known.keep("1", {"news": {"width": 1}})
    known.keep("2", {f"film{n}": {"width": n} for n in range(MOST)})
    assert known.read("1", ["news"]) == {} and len(known.read("2", [f"film{n}" for n in range(MOST)])) == MOST
    known.keep("2", {"news": {"width": 2}})
    known.keep("2", {"last": {"width": 3}})
    assert known.read("2", ["news", "film0", "last"]) == {"last": {"width": 3}}


def test_a_folder_that_cannot_be_written_to_is_no_fault(tmp_path):
    known = KnownRecords(tmp_path / "gone" / "index-records.sqlite3")
    known.keep("1", {"news": {"width": 640}})
    assert known.read("1", ["news"]) == {}


def test_who_asks_for_others_of_the_same_state_has_all_of_them(tmp_path, monkeypatch):
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    for number in range(4):
        add_video(db, f"film{number}")
    for name in ("film0", "film1"):
        assert [one["video_name"] for one in db.list_videos({"video_name": [name]})] == [name]
    monkeypatch.setattr(db._place, "_open", lambda: pytest.fail("the database is opened"))
    assert len(db.list_videos({"video_name": ["film2", "film3", "film0"]})) == 3
