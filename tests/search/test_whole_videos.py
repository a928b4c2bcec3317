"""Whole videos: stored, found, told beside the moments; in a folder and through a server."""

from typing import Any

import pytest

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.test_db_manager import add_video, segment
from videotag.errors import UserError
from videotag.search import ask
from videotag.search.filters import Filters
from videotag.store.records import summary_document, summary_record
from videotag.text import clean_text


def summed_up(name: str, summary: str, **changes: Any) -> dict[str, Any]:
    """A result of phase 4."""
    return {
        "video_name": name,
        "video_path": f"old/{name}.mp4",
        "video_duration": 120.0,
        "title": f"Фильм {name}",
        "summary": summary,
        "keywords": ["река"],
        "chapters": [
            {"title": "Начало", "summary": "О снеге.", "first_segment": 0, "start_time": 0.0, "end_time": 70.0},
            {"title": "Ледоход", "summary": "", "first_segment": 2, "start_time": 70.0, "end_time": 120.0},
        ],
        "people": [{"text": "Абай Құнанбаев", "segments": [1]}],
        "places": [],
        "languages": ["kk", "ru"],
        "content_type": "новости",
        "method": "extractive",
        "segments": [0, 1, 2],
        "segments_total": 4,
        **changes,
    }


def put(db: ChromaDBManager, *results: dict[str, Any]) -> None:
    by = db.embedder
    for result in results:
        db.whole_videos.put(result, f"{result['video_name']}.mp4", db.whole_videos.embedded(result, by), by)


def found(hits: list[dict[str, Any]]) -> list[str]:
    return [hit["video_name"] for hit in hits]


def test_nothing_is_stored_yet(db):
    assert (db.whole_videos.get("news"), db.whole_videos.names(), db.whole_videos.search("вода")) == ({}, set(), [])
    assert db.whole_videos.about("вода") == []


def test_what_is_stored(db):
    put(db, summed_up("news", "Наводнение в степи."))
    assert db.whole_videos.get("news") == {
        "video_name": "news",
        "video_path": "news.mp4",
        "video_duration": 120.0,
        "title": "Фильм news",
        "summary": "Наводнение в степи.",
        "keywords": ["река"],
        "chapters": [
            {"start": 0.0, "end": 70.0, "title": "Начало", "summary": "О снеге."},
            {"start": 70.0, "end": 120.0, "title": "Ледоход", "summary": ""},
        ],
        "people": ["Абай Құнанбаев"],
        "language": "kk",
        "languages": ["kk", "ru"],
        "content_type": "новости",
        "method": "extractive",
        "segments_used": 3,
        "segments_total": 4,
    }
    put(db, summed_up("news", "Другое."))
    assert (db.whole_videos.count(), db.whole_videos.get("news")["summary"]) == (1, "Другое.")
    assert summary_document(db.whole_videos.get("news")) == "Фильм news\nДругое.\nрека"


def test_found_by_summary_chapter_and_name(db):
    summaries = ["Наводнение в степи.", "Выставка картин.", "Хоккей и лыжи."]
    others: dict[str, Any] = {"people": [], "chapters": [], "keywords": [], "languages": ["ru"]}
    put(db, *(summed_up(f"v{n}", text, **(others if n else {})) for n, text in enumerate(summaries)))
    for question, name in [("наводнения", "v0"), ("ледоход", "v0"), ("Құнанбаев", "v0"), ("картина", "v1")]:
        [first, *rest] = db.whole_videos.search(question)
        assert (first["video_name"], first["close"]) == (name, True), question
        assert len(rest) == 2
        assert found(db.whole_videos.about(question))[:1] == [name]
    assert db.whole_videos.search('"ледоход"')[0]["chapters"][1]["start"] == 70.0
    assert found(db.whole_videos.search("лыжи", language="kk")) == ["v0"]
    assert found(db.whole_videos.search("лыжи", without={"video_name": "v2"}, limit=1)) != ["v2"]
    with pytest.raises(ValueError, match='no field "confidence"'):
        db.whole_videos.search("лыжи", confidence="высокая")


def test_a_damaged_result_is_refused(db):
    wrong = summed_up("news", "Текст.")
    wrong["chapters"][0]["start_time"] = float("nan")
    with pytest.raises(ValueError, match='summary of video "news", chapters: nan cannot be stored'):
        put(db, wrong)
    record = summary_record(summed_up("news", "a\0b", keywords=[f"w{n}" for n in range(6000)]), "news.mp4")
    assert (record["summary"], len(record["keywords"])) == (clean_text("a\0b"), 50)
    assert db.whole_videos.count() == 0


def test_it_goes_with_its_video(db):
    for name in ("news", "film"):
        add_video(db, name)
        db.add_segments(f"{name}.mp4", [segment(0, "снег", name)])
    put(db, summed_up("news", "Наводнение."), summed_up("film", "Поезд."), summed_up("lost", "Лес."))
    assert db.move_segments("news", "news2", "new.mp4") == 1
    assert db.whole_videos.names() == {"news2", "film", "lost"}
    assert db.whole_videos.get("news2")["video_path"] == "new.mp4"
    assert db.whole_videos.search("Наводнение")[0]["video_name"] == "news2"
    assert db.delete_video_segments("film") == 1
    assert db.whole_videos.names() == {"news2", "lost"}
    assert db.delete_unknown_segments() == 1
    assert db.whole_videos.names() == set()


def test_a_rebuild_is_of_both(db):
    db.add_segments("news.mp4", [segment(0, "снег")])
    put(db, summed_up("news", "Наводнение."))
    other = FakeEmbedder("other", 8)
    assert db.rebuild_segments(other) == 1
    assert db.stamp() == db.whole_videos.stamp() == {"embedder": "fake", "model": "other", "dimension": 8}
    assert db.whole_videos.faults("news", "news.mp4", summed_up("news", "Наводнение.")) == []
    assert db.whole_videos.faults("news", "news.mp4", summed_up("news", "Вода.")) == ["different"]
    assert db.whole_videos.faults("news", "news.mp4", None) == ["surplus"]
    result, old = summed_up("news", "Вода."), FakeEmbedder()
    with pytest.raises(UserError, match="video_summaries was made with fake"):
        db.whole_videos.put(result, "news.mp4", db.whole_videos.embedded(result, old), old)


def test_a_line_beside_the_moments(db):
    db.add_segments("film.mp4", [segment(n, f"слово{n}", "film") for n in range(3)])
    put(db, summed_up("news", "Наводнение в степи."), summed_up("other", "Хоккей.", keywords=["лыжи"]))
    question = ask.Question("наводнение", None, Filters())
    answer = ask.find(db, question, 5)
    assert found(answer.about) == ["news"]
    assert set(found(answer.moments)) == {"film"}
    whole = ask.find(db, ask.Question("наводнение", None, Filters(), whole=True), 5)
    assert (found(whole.moments), whole.close, whole.about) == (["news"], True, [])
    with pytest.raises(UserError, match=r"^mood: is a filter of moments; whole videos have video, "):
        ask.find(db, ask.Question("x", None, Filters({"mood": ("a",)}), whole=True), 5)


def test_an_older_database_is_not_opened_for_the_line(tmp_path, monkeypatch):
    folder = tmp_path / "db"
    ChromaDBManager(folder, embedder=FakeEmbedder()).add_segments("news.mp4", [segment(0, "снег")])
    db = ChromaDBManager(folder, embedder=FakeEmbedder())
    monkeypatch.setattr("videotag.store.folder.open_folder", None)  # opening it would fail
    assert found(db.search("снег")) == ["news"]
    assert db.whole_videos.about("снег") == []
    assert not (folder / "index-videos.sqlite3").exists()


def test_neither_is_one_with_summaries(tmp_path, monkeypatch):
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    db.add_segments("news.mp4", [segment(0, "снег")])
    put(db, summed_up("news", "Наводнение."))
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    monkeypatch.setattr("videotag.store.folder.open_folder", None)
    assert found(db.whole_videos.about("наводнение")) == ["news"]
