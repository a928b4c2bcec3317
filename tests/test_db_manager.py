"""The video database: one suite embedded and through a server, then what only a folder can suffer."""

import contextlib
import logging
import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import FakeEmbedder
from filelock import FileLock

import db_manager
from db_manager import REBUILD, VIDEO_FILES, VIDEO_SEGMENTS, ChromaDBManager
from videotag import mending
from videotag.errors import UserError
from videotag.records import segment_document

ROOT = Path(db_manager.__file__).parent
spawn = multiprocessing.get_context("spawn")


def add_video(db: ChromaDBManager, name: str = "news", **fields) -> None:
    db.create_or_update_video_file(
        **{
            "video_name": name,
            "video_path": f"video/{name}.mp4",
            "language": "kk",
            "video_duration": 3000.0,
            "total_segments": 86,
            "width": 1920,
            "height": 1080,
            "fps": 25.0,
            **fields,
        }
    )


def segment(index: int, description: str, name: str = "news", **fields) -> dict:
    return {
        "video_name": name,
        "segment_index": index,
        "start_time": 35.0 * index,
        "end_time": 35.0 * index + 50,
        "transcript": "",
        "language": "ru",
        "description": description,
        **fields,
    }


def names(records: list[dict]) -> list[str]:
    return [record["video_name"] for record in records]


def ids(hits: list[dict]) -> list[str]:
    return [hit["id"] for hit in hits]


# === video_files ===


def test_nothing_is_there_yet(db):
    assert db.list_videos() == []
    assert db.get_video_status("news") == {}
    assert db.search("water") == []
    assert db.stamp() is None
    assert db.count_segments() == db.count_segments("news") == db.delete_video_segments("news") == 0
    assert db.delete_video_file("news") is False
    assert db.rebuild_segments(FakeEmbedder("other")) == 0


def test_a_new_record_holds_all_three_statuses(db):
    add_video(db, phase1_status="processing", phase1_start_time="2025-11-20T14:30:00")
    record = db.get_video_status("news")
    assert record.pop("created_at") == record.pop("updated_at")
    assert record == {
        "video_name": "news",
        "video_path": "video/news.mp4",
        "language": "kk",
        "phase1_status": "processing",
        "phase1_start_time": "2025-11-20T14:30:00",
        "phase2_status": "pending",
        "db_load_status": "pending",
        "video_duration": 3000.0,
        "total_segments": 86,
        "width": 1920,
        "height": 1080,
        "fps": 25.0,
    }


def test_creating_again_keeps_what_is_not_named(db):
    add_video(db, phase1_status="completed", phase1_attempts=2, keywords=["новости"])
    created = db.get_video_status("news")["created_at"]
    add_video(db, video_duration=60, phase1_attempts=None)
    record = db.get_video_status("news")
    assert (record["phase1_status"], record["video_duration"], record["keywords"]) == ("completed", 60.0, ["новости"])
    assert "phase1_attempts" not in record
    assert record["created_at"] == created
    assert len(db.list_videos()) == 1


def test_update_changes_sets_and_deletes(db):
    add_video(db, phase1_error="no audio", phase1_heartbeat=1.5)
    db.update_video_status("news", phase1_status="completed", phase1_error=None, phase1_heartbeat=7, keywords=[])
    record = db.get_video_status("news")
    assert record["phase1_status"] == "completed"
    assert record["phase1_heartbeat"] == 7.0
    assert "phase1_error" not in record
    assert "keywords" not in record


def test_update_of_an_absent_record(db):
    with pytest.raises(UserError, match='"news" is not in the database'):
        db.update_video_status("news", phase1_status="completed")
    assert db.list_videos() == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"phase1_statsu": "pending"}, 'no field "phase1_statsu"; did you mean phase1_status'),
        (
            {"phase1_status": "complete"},
            '"complete" is none of pending, processing, completed; did you mean completed',
        ),
        ({"phase1_status": None}, "phase1_status: str expected"),
        ({"created_at": "2025-11-20T14:30:00"}, 'no field "created_at"'),
        ({"phase1_attempts": "2"}, "phase1_attempts: int expected"),
        ({"phase1_attempts": True}, "phase1_attempts: int expected"),
        ({"phase1_attempts": 2**63}, "beyond 64 bits"),
        ({"phase1_heartbeat": float("nan")}, "phase1_heartbeat: nan"),
        ({"video_duration": float("inf")}, "video_duration: inf"),
        ({"phase1_error": ["a"]}, "phase1_error: str expected"),
        ({"keywords": "новости"}, "keywords: list expected"),
        ({"keywords": ["новости", 1]}, "keywords: str expected"),
        ({"summary": {}}, "summary: str expected"),
        ({"width": np.int64(5)}, "width: int expected"),
    ],
)
def test_values_that_poison_or_vanish_are_refused(tmp_path, fields, message):
    db = ChromaDBManager(tmp_path / "db")
    with pytest.raises(ValueError, match=message):
        db.update_video_status("news", **fields)
    with pytest.raises(ValueError, match=message):
        add_video(db, **fields)
    assert not (tmp_path / "db").exists()


def test_hostile_texts(db):
    add_video(db, "қыс 1.2", video_path="видео/қыс.mp4", phase1_error="bad\ud83d\0name", description="x" * 200_000)
    record = db.get_video_status("қыс 1.2")
    assert (record["video_path"], record["phase1_error"]) == ("видео/қыс.mp4", "bad? name")
    assert len(record["description"]) == 200_000
    with pytest.raises(ValueError, match="video_path"):
        add_video(db, video_path="video/\udcff.mp4")
    with pytest.raises(ValueError, match="video_name"):
        add_video(db, name="")


def test_keywords_are_capped(db):
    add_video(db, keywords=[f"word{i}" for i in range(6000)], summary="сводка")
    assert db.get_video_status("news")["keywords"] == [f"word{i}" for i in range(50)]
    assert names(db.list_videos({"keywords": ["word49", "absent"]})) == ["news"]


def test_the_document_is_summary_and_keywords(db):
    def document() -> str | None:
        with db.session():
            return db._find(VIDEO_FILES).get(ids=["news"])["documents"][0]

    add_video(db)
    assert not document()
    db.update_video_status("news", summary="Общее описание", keywords=["погода", "Казахстан"])
    assert document() == "Общее описание\nпогода, Казахстан"
    db.update_video_status("news", summary=None)
    assert document() == "погода, Казахстан"
    db.update_video_status("news", phase1_status="completed")
    assert document() == "погода, Казахстан"
    db.update_video_status("news", keywords=None)
    assert document() == ""


def test_filters(db):
    add_video(db, "a", phase1_status="completed")
    add_video(db, "b", phase1_status="completed", phase2_status="processing")
    add_video(db, "c", phase1_status="completed", phase2_status="completed", language="ru")
    add_video(db, "d")

    def found(**fields) -> list[str]:
        return names(db.list_videos(status_filter=fields))

    assert found(phase1_status="completed", phase2_status=["pending", "processing"]) == ["a", "b"]
    assert found(phase2_status="pending") == ["a", "d"]
    assert found(db_load_status="pending", language="ru") == ["c"]
    assert found(video_name=["a", "d", "x"]) == ["a", "d"]
    assert found(total_segments=86, fps=25) == ["a", "b", "c", "d"]
    assert found(phase1_status=[]) == []
    assert found() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="did you mean phase1_status"):
        found(phase1_stauts="pending")
    with pytest.raises(ValueError, match="is none of"):
        found(phase1_status="failed")


def test_delete_video_file(db):
    add_video(db, "a")
    add_video(db, "b")
    assert db.delete_video_file("a") is True
    assert db.delete_video_file("a") is False
    assert names(db.list_videos()) == ["b"]


def test_ten_thousand_records(db):
    """Filled as one would not (10,000 sessions take minutes), listed as one does."""
    with db.session():
        for start in range(0, 10_000, 5000):
            rows = [
                {
                    "video_name": f"video{i:05}",
                    "phase1_status": ["pending", "processing", "completed"][i % 3],
                    "created_at": f"2025-11-20T14:00:{59 - i % 60:02}",
                }
                for i in range(start, start + 5000)
            ]
            db._video_files().add(
                ids=[row["video_name"] for row in rows], embeddings=[[1.0]] * len(rows), metadatas=rows
            )
    videos = db.list_videos()
    assert len(videos) == len(set(names(videos))) == 10_000
    assert names(videos)[:2] == ["video00059", "video00119"]  # 14:00:00, then by name
    assert names(videos)[-1] == "video09960"
    assert len(db.list_videos({"phase1_status": ["pending", "completed"]})) == 3334 + 3333
    db.update_video_status("video09999", phase1_status="completed")
    assert len(db.list_videos({"phase1_status": "pending"})) == 3333


# === video_segments ===

ANALYSIS = {
    "dialogue_translation": "Добрый вечер",
    "keywords": ["новости", "Студия"],
    "content_type": "новости",
    "mood_atmosphere": "официальная",
    "confidence": "высокая",
    "scene_change": False,
}


def test_a_hit_holds_the_plans_fields(db):
    full = segment(2, "Ведущий за столом", transcript="Қайырлы кеш", language="kk", frames=[1, 2], **ANALYSIS)
    assert db.add_segments("video/news.mp4", [full]) == 1
    (hit,) = db.search("Ведущий")
    assert hit.pop("score") == pytest.approx(1 / np.sqrt(7), abs=0.35)
    assert hit == {
        "id": "news_seg_2",
        "video_name": "news",
        "video_path": "video/news.mp4",
        "segment_index": 2,
        "start_time": 70.0,
        "end_time": 120.0,
        "duration": 50.0,
        "language": "kk",
        "transcript": "Қайырлы кеш",
        "description": "Ведущий за столом",
        **ANALYSIS,
        "document": "Ведущий за столом\nДобрый вечер\nновости, Студия",
        "close": True,
    }


@pytest.mark.parametrize(
    ("fields", "document"),
    [
        ({"description": "a", "dialogue_translation": "b", "keywords": ["c", "d"], "transcript": "e"}, "a\nb\nc, d"),
        ({"description": "a", "dialogue_translation": "", "keywords": [], "transcript": " e "}, "a\ne"),
        ({"description": "", "dialogue_translation": None, "transcript": "e"}, "e"),
        ({}, ""),
    ],
)
def test_segment_document(fields, document):
    assert segment_document(fields) == document


def test_search_ranks_by_the_cosine(db):
    db.add_segments("n", [segment(0, "вода река"), segment(1, "вода"), segment(2, "снег горы лыжи")])
    hits = db.search("вода", limit=2)
    assert ids(hits) == ["news_seg_1", "news_seg_0"]
    assert [hit["score"] for hit in hits] == pytest.approx([1, 0.7071], abs=1e-4)
    assert len(db.search("вода", limit=50)) == 3


def test_search_filters(db):
    first = {**ANALYSIS, "content_type": "новости", "confidence": "высокая", "scene_change": True}
    second = {**ANALYSIS, "keywords": ["спорт"], "content_type": "спорт", "mood_atmosphere": "весёлая"}
    db.add_segments("a", [segment(0, "вода", "a", **first), segment(1, "вода", "a", language="kk")])
    db.add_segments("b", [segment(0, "вода", "b", **second)])

    def found(**filters) -> list[str]:
        return sorted(ids(db.search("вода", **filters)))

    assert found() == found(language=None, keywords=[]) == ["a_seg_0", "a_seg_1", "b_seg_0"]
    assert found(video_name="a") == ["a_seg_0", "a_seg_1"]
    assert found(video_name=["a", "b"], language="kk") == ["a_seg_1"]
    assert found(keywords="спорт") == ["b_seg_0"]
    assert found(keywords=["спорт", "Студия"]) == ["a_seg_0", "b_seg_0"]
    assert found(keywords=["студия"]) == []
    assert found(scene_change=True) == ["a_seg_0"]
    assert found(content_type=["спорт"], mood_atmosphere="весёлая", confidence="высокая") == ["b_seg_0"]
    assert found(video_name="nothing") == []


def test_search_refuses(db):
    with pytest.raises(ValueError, match='"contenttype"; did you mean content_type'):
        db.search("вода", contenttype="новости")
    with pytest.raises(ValueError, match="scene_change: bool expected"):
        db.search("вода", scene_change="true")
    with pytest.raises(ValueError, match="limit is 0"):
        db.search("вода", limit=0)


def test_adding_again_replaces(db):
    db.add_segments("old.mp4", [segment(i, f"старое{i}", **ANALYSIS) for i in range(5)])
    db.add_segments("other.mp4", [segment(0, "чужое", "other")])
    assert db.add_segments("new.mp4", [segment(i, f"новое{i}", keywords=[]) for i in range(3)]) == 3
    assert (db.count_segments("news"), db.count_segments("other"), db.count_segments()) == (3, 1, 4)
    hits = db.search("новое1", limit=3, video_name="news")
    assert hits[0]["document"] == "новое1"
    assert sorted(ids(hits)) == ["news_seg_0", "news_seg_1", "news_seg_2"]
    for hit in hits:
        assert hit["video_path"] == "new.mp4"
        assert not hit.keys() & (ANALYSIS.keys() - {"keywords"}), "fields of the old ones are gone"
        assert "keywords" not in hit


def test_more_segments_than_one_call_takes(db):
    many = [segment(i, f"слово{i}") for i in range(1201)]
    done = []
    assert db.add_segments("long.mp4", many, progress=lambda n, total: done.append((n, total))) == 1201
    assert db.count_segments("news") == 1201
    assert done[:2] == [(64, 1201), (128, 1201)]
    assert done[-1] == (1201, 1201)


def test_no_segments_delete_the_videos_segments(db):
    db.add_segments("n", [segment(0, "вода"), segment(1, "снег")])
    db.add_segments("o", [segment(0, "вода", "other")])
    assert db.add_segments("n", [], video_name="news") == 0
    assert (db.count_segments("news"), db.count_segments()) == (0, 1)
    with pytest.raises(ValueError, match="no video_name"):
        db.add_segments("n", [])


def test_delete_video_segments(db):
    db.add_segments("n", [segment(0, "вода"), segment(1, "снег")])
    assert db.delete_video_segments("news") == 2
    assert db.delete_video_segments("news") == 0
    assert db.search("вода") == []


def test_two_silent_segments_are_two(db):
    db.add_segments("n", [segment(0, ""), segment(1, "")])
    assert ids(db.search("", limit=5)) in (["news_seg_0", "news_seg_1"], ["news_seg_1", "news_seg_0"])


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([segment(0, "a"), segment(0, "b")], 'video "news": segment_index 0 is given twice'),
        ([segment(0, "a"), segment(1, "b", "other")], r"one video expected, got those of \['news', 'other'\]"),
        ([segment(0, "a") | {"end_time": None}], 'video "news", segment 0: no end_time'),
        ([segment(0, "a") | {"start_time": float("nan")}], 'video "news", segment 0, start_time: nan'),
        ([segment(1, "a", keywords=[["x"]])], 'video "news", segment 1, keywords: str expected'),
        ([segment(1, "a", scene_change="да")], 'video "news", segment 1, scene_change: bool expected'),
        ([segment(1, "a", confidence=0.9)], 'video "news", segment 1, confidence: str expected'),
        ([segment(-1, "a")], "segment_index below 0"),
    ],
)
def test_bad_segments_are_refused_before_anything_is_written(db, segments, message):
    db.add_segments("n", [segment(7, "вода")])
    with pytest.raises(ValueError, match=message):
        db.add_segments("n", segments)
    assert ids(db.search("вода")) == ["news_seg_7"]


def test_vectors_made_elsewhere(db, fake_embedder):
    vectors = fake_embedder.embed_queries(["снег", "вода"])
    db.add_segments("n", [segment(0, "a"), segment(1, "b")], embeddings=vectors)
    assert fake_embedder.embedded == []
    assert ids(db.search("вода", limit=1)) == ["news_seg_1"]
    with pytest.raises(ValueError, match="shape"):
        db.add_segments("n", [segment(0, "a")], embeddings=vectors)
    with pytest.raises(ValueError, match="not finite"):
        db.add_segments("n", [segment(0, "a")], embeddings=np.full((1, 16), np.nan))


# === Which embedder ===


def same_place(db: ChromaDBManager, **options) -> ChromaDBManager:
    return ChromaDBManager(db.directory, chroma_url=db.chroma_url, **options)


def test_another_embedder_is_refused(db):
    db.add_segments("n", [segment(0, "вода")])
    assert db.stamp() == {"embedder": "fake", "model": "words", "dimension": 16}
    other = same_place(db, embedder=FakeEmbedder("letters"))
    expected = r"fake \(words, 16 dimensions\), not with fake \(letters, 16 dimensions\).*--rebuild"
    with pytest.raises(UserError, match=expected):
        other.search("вода")
    with pytest.raises(UserError, match=expected):
        other.add_segments("n", [segment(0, "вода")])
    with pytest.raises(UserError, match=expected):
        _ = other.embedder
    add_video(other)  # records need no embedder
    assert names(db.list_videos()) == ["news"]


def test_the_remembered_embedder_is_loaded_at_need(db):
    db.add_segments("n", [segment(0, "вода")])
    loaded = []

    def load(name: str, model: str | None) -> FakeEmbedder:
        loaded.append((name, model))
        return FakeEmbedder(model or "words")

    other = same_place(db, load=load)
    assert other.count_segments() == 1
    assert loaded == []
    assert ids(other.search("вода")) == ids(other.search("снег")) == ["news_seg_0"]
    assert loaded == [("fake", "words")]
    db.rebuild_segments(FakeEmbedder("letters"))
    assert ids(other.search("вода")) == ["news_seg_0"]
    assert loaded == [("fake", "words"), ("fake", "letters")]


def test_an_empty_database_gets_the_default(tmp_path):
    loaded = []

    def load(name: str, model: str | None) -> FakeEmbedder:
        loaded.append((name, model))
        return FakeEmbedder()

    db = ChromaDBManager(tmp_path / "db", load=load)
    assert db.search("вода") == []
    assert loaded == []
    db.add_segments("n", [segment(0, "вода")])
    assert loaded == [("e5-small", None)]


def test_a_collection_of_another_program(db):
    """It was made with Chroma's own model: refused, and taken over by a rebuild."""
    with db.session():
        foreign = db._open().create_collection(VIDEO_SEGMENTS)
        foreign.add(
            ids=["a", "b"],
            documents=["вода", "снег"],
            embeddings=np.eye(2, 384),
            metadatas=[
                {"video_name": name, "segment_index": 0, "start_time": 0.0, "end_time": 50.0} for name in ("a", "b")
            ],
        )
    assert db.stamp() == {}
    with pytest.raises(UserError, match=r"does not say which embedder made it.*--rebuild"):
        db.search("вода")
    assert db.rebuild_segments(FakeEmbedder()) == 2
    hits = db.search("вода")
    assert (ids(hits), hits[0]["score"]) == (["a", "b"], pytest.approx(1))


def stored(db):
    """Every segment as it is stored, by id. Not by a search, which is approximate and need not find all."""
    with db.session():
        found = db._find(VIDEO_SEGMENTS).get()
    return dict(zip(found["ids"], zip(found["metadatas"], found["documents"], strict=True), strict=True))


def test_rebuild(db, tmp_path):
    segments = [segment(i, f"слово{i}", **ANALYSIS) for i in range(150)]
    db.add_segments("n", segments)
    before = stored(db)
    wider, done = FakeEmbedder("wide", 32), []
    assert db.rebuild_segments(wider, progress=lambda n, total: done.append((n, total))) == 150
    assert done == [(64, 150), (128, 150), (150, 150)]
    assert db.stamp() == {"embedder": "fake", "model": "wide", "dimension": 32}
    assert len(before) == 150
    assert stored(db) == before
    assert db.search(segment_document(segments[7]), limit=1)[0]["score"] == pytest.approx(1)
    with db.session():
        names = [collection.name for collection in db._open().list_collections()]
        assert [name for name in names if not name.startswith("old-")] == [VIDEO_SEGMENTS]
    if not db.chroma_url:
        indexes = [path for path in db.directory.iterdir() if path.is_dir()]
        assert len(indexes) <= 1, "the old index's folder is gone"
    assert db.add_segments("n", segments[:1]) == 1, "the manager goes on with the new embedder"


def test_rebuild_takes_in_what_changes_meanwhile(db):
    db.add_segments("a", [segment(0, "вода", "a"), segment(1, "снег", "a")])
    writer = same_place(db, embedder=FakeEmbedder())

    class Slow(FakeEmbedder):
        def embed_documents(self, texts):
            if not self.embedded:
                writer.add_segments("b", [segment(0, "лыжи", "b")])
                writer.add_segments("a", [segment(0, "река", "a")])
            return super().embed_documents(texts)

    slow = Slow("slow")
    assert db.rebuild_segments(slow) == 2
    assert slow.embedded == ["вода", "снег", "лыжи", "река"] or slow.embedded == ["вода", "снег", "река", "лыжи"]
    assert ids(db.search("лыжи", limit=1)) == ["b_seg_0"]
    assert ids(db.search("река", limit=1)) == ["a_seg_0"]
    assert db.count_segments() == 2
    with pytest.raises(UserError, match="slow"):
        writer.add_segments("a", [segment(0, "вода", "a")])


def test_what_is_loaded_just_before_a_rebuild_swaps_is_kept(server_url, tmp_path, monkeypatch):
    """Nobody keeps other clients of a server out; what the rebuild has read is not what is there any more."""
    db = ChromaDBManager(tmp_path, chroma_url=server_url, embedder=FakeEmbedder())
    db.add_segments("n", [segment(i, f"старое{i}") for i in range(3)])
    writer = same_place(db, embedder=FakeEmbedder())
    create, loaded = db_manager._create_segments, []

    def loading(client, name, embedder):
        if name == REBUILD and not loaded:
            loaded.append(writer.add_segments("n", [segment(i, f"новое{i}") for i in range(3)]))
        return create(client, name, embedder)

    monkeypatch.setattr(db_manager, "_create_segments", loading)
    assert db.rebuild_segments(FakeEmbedder("other")) == 3
    assert loaded == [3] and sorted(document for _, document in stored(db).values()) == ["новое0", "новое1", "новое2"]


def test_a_rebuild_that_ended_before_its_rename(db):
    db.add_segments("n", [segment(0, "вода")])
    with db.session():
        db._find(VIDEO_SEGMENTS).modify(name=REBUILD)
    assert ids(db.search("вода")) == ["news_seg_0"]
    with db.session():
        names = [collection.name for collection in db._open().list_collections()]
        assert [name for name in names if not name.startswith("old-")] == [VIDEO_SEGMENTS]


def test_two_may_rename_a_rebuilt_collection_at_once(db):
    db.add_segments("n", [segment(0, "вода")])
    with db.session():
        db._find(VIDEO_SEGMENTS).modify(name=REBUILD)
        client = db._open()
        first, second = (db_manager._get(client, REBUILD) for _ in range(2))
        db_manager._rename(client, first)
        db_manager._rename(client, second)
    assert ids(db.search("вода")) == ["news_seg_0"]


def test_a_full_disk_of_the_server(server_url):
    from chromadb.errors import InternalError

    db = ChromaDBManager(chroma_url=server_url)
    with pytest.raises(UserError, match=r"the disk of the database http://.* is full: make room there"), db.session():
        raise InternalError("error returned from database: (code: 13) database or disk is full")


def test_chromas_default_embedder_never_runs(db, monkeypatch):
    from chromadb.api.types import DefaultEmbeddingFunction
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    def refuse(self, input):
        raise AssertionError("Chroma's default embedder ran")

    for default in (DefaultEmbeddingFunction, ONNXMiniLM_L6_V2):
        monkeypatch.setattr(default, "__call__", refuse)
        monkeypatch.setattr(default, "embed_query", refuse, raising=False)
    with pytest.raises(AssertionError, match="default embedder ran"), db.session():
        db._open().create_collection("trap").add(ids=["a"], documents=["the trap works"])
    with db.session():
        db._open().delete_collection("trap")
    add_video(db, summary="сводка", keywords=["погода"])
    add_video(db, "other", description="x")
    db.update_video_status("news", summary="другая", phase1_status="completed")
    assert len(db.list_videos({"language": "kk"})) == 2
    db.add_segments("n", [segment(i, f"слово{i}") for i in range(3)])
    db.add_segments("n", [segment(i, f"иное{i}") for i in range(2)])
    assert ids(db.search("иное1", limit=1, video_name="news")) == ["news_seg_1"]
    assert db.rebuild_segments(FakeEmbedder("other")) == 2
    assert len(db.search("иное1")) == 2
    assert db.delete_video_segments("news") == 2
    assert db.delete_video_file("news")


# === Sessions ===


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
    db._open()
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


def test_no_server(tmp_path):
    db = ChromaDBManager(tmp_path / "db", chroma_url="http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"no ChromaDB server answers at http://127.0.0.1:9: .*chroma run --path"):
        db.list_videos()


def test_the_plans_check_of_statuses(tmp_path):
    """The section of the plan, as it is written."""
    program = """
from db_manager import ChromaDBManager

db = ChromaDBManager()

videos = db.list_videos()
print(f"Total videos: {len(videos)}")

pending = db.list_videos(status_filter={"phase2_status": "pending"})
print(f"Videos pending Phase 2: {len(pending)}")

status = db.get_video_status("news")
print(f"news status: {status}")
"""
    add_video(ChromaDBManager(tmp_path / "chroma_db"), "SovKz")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == "Total videos: 1\nVideos pending Phase 2: 1\nnews status: {}\n"


def test_chromadb_is_not_imported_before_it_is_needed():
    program = "import sys, db_manager; db_manager.ChromaDBManager(); print({'chromadb', 'numpy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


# === Several processes, killed processes ===


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
        collection = db._find(VIDEO_SEGMENTS)
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
        db._video_files().add(ids=[row["video_name"] for row in rows], embeddings=[[1.0]] * 700, metadatas=rows)
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
    cut(index_file(broken_db, VIDEO_SEGMENTS, name))
    with caplog.at_level(logging.WARNING, logger="videotag"):
        assert broken_db.count_segments() == 700
    assert "mending video_segments" in caplog.text
    assert "700 vectors put in again" in caplog.text
    assert broken_db._given.embedded == []  # the index beside the collection has them
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
    assert broken_db._given.embedded == []


def test_a_marker_with_nothing_broken(broken_db, caplog):
    with caplog.at_level(logging.WARNING, logger="videotag"):
        assert broken_db.count_segments() == 700
    assert "nothing is broken" in caplog.text
    assert broken_db._given.embedded == []
    caplog.clear()
    assert_whole(broken_db)
    assert caplog.text == ""


def test_without_a_marker_a_broken_seal_tells(broken_db, caplog):
    """Broken by something else than a session."""
    Path(f"{broken_db.directory}.open").unlink()
    cut(index_file(broken_db, VIDEO_SEGMENTS, "index_metadata.pickle"))
    with caplog.at_level(logging.WARNING, logger="videotag"):
        assert len(broken_db.search("слово1", limit=7)) == 7
    assert "was changed by something else, such as a server: mending video_segments" in caplog.text
    assert_whole(broken_db)


def test_overwritten_vectors_are_put_right(broken_db):
    """As a power cut can leave a file: a sector of zeros. Nothing fails by it, the vectors are only wrong."""
    Path(f"{broken_db.directory}.open").unlink()
    path = index_file(broken_db, VIDEO_SEGMENTS, "data_level0.bin")
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(512))
    assert_whole(broken_db)
    assert broken_db._given.embedded == []


@pytest.mark.parametrize("loss", ["gone", "of another state", "damaged"])
def test_without_the_index_beside_it_vectors_are_made_anew(broken_db, loss):
    cut(index_file(broken_db, VIDEO_SEGMENTS, "index_metadata.pickle"))
    if loss == "gone":
        broken_db._index.path.unlink()
    elif loss == "damaged":
        broken_db._index.path.write_bytes(b"no database" * 1000)
    else:
        broken_db._index.update("another:1:700", (), since=broken_db._index.state)
    assert_whole(broken_db)
    assert len(broken_db._given.embedded) == 700


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
    cut(index_file(broken_db, VIDEO_SEGMENTS, "index_metadata.pickle"))
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
        collection = broken_db._find(VIDEO_SEGMENTS)
        generation = db_manager.stored.raise_generation(collection)
        texts = [f"иное{i}" for i in range(5)]
        collection.upsert(
            ids=[f"v3_seg_{i}" for i in range(5)],
            documents=texts,
            embeddings=FakeEmbedder().embed_queries(texts),
            metadatas=[{"run_id": generation}] * 5,
        )
    mending.write_marker(Path(f"{broken_db.directory}.open"))
    cut(index_file(broken_db, VIDEO_SEGMENTS, "data_level0.bin"))
    assert broken_db.count_segments() == 700
    assert sorted(broken_db._given.embedded) == texts


def test_mending_interrupted_is_taken_up(broken_db):
    cut(index_file(broken_db, VIDEO_SEGMENTS, "data_level0.bin"))
    broken_db._index.path.unlink()

    class Interrupted(FakeEmbedder):
        def embed_documents(self, texts):
            if len(self.embedded) > 520:
                raise KeyboardInterrupt
            return super().embed_documents(texts)

    broken_db._given = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        broken_db.list_videos()
    assert Path(f"{broken_db.directory}.open").exists()
    assert_whole(ChromaDBManager(broken_db.directory, embedder=FakeEmbedder()))


def test_mending_by_hand_loads_what_the_collection_remembers(broken_db):
    """Not the embedder that the manager was given: that one may be meant for a rebuild."""
    Path(f"{broken_db.directory}.open").unlink()
    cut(index_file(broken_db, VIDEO_SEGMENTS, "header.bin"))  # reads well, dies at the next write
    broken_db._index.path.unlink()
    loaded = []

    def load(name: str, model: str | None) -> FakeEmbedder:
        loaded.append((name, model))
        return FakeEmbedder(model or "")

    other = ChromaDBManager(broken_db.directory, embedder=FakeEmbedder("letters"), load=load)
    assert other.mend() == [VIDEO_SEGMENTS]
    assert loaded == [("fake", "words")]
    assert_whole(broken_db)


def test_mend_as_a_command(broken_db):
    Path(f"{broken_db.directory}.open").unlink()
    command = [sys.executable, str(ROOT / "db_manager.py")]
    run = subprocess.run([*command, "--mend", str(broken_db.directory)], capture_output=True, text=True)
    assert (run.returncode, "nothing is broken" in run.stderr) == (0, True)
    assert subprocess.run(command, capture_output=True).returncode == 2


def test_a_probe_that_dies_condemns_only_where_it_died():
    """A stand-in for db_manager.py --probe that dies of a signal at "b", as chromadb can, and finds "d" broken."""
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
        half = db_manager._create_segments(broken_db._open(), REBUILD, FakeEmbedder("other"))
        half.add(ids=["v0_seg_0"], embeddings=np.eye(1, 16), documents=["x"])
    mending.write_marker(Path(f"{broken_db.directory}.open"))
    assert broken_db.count_segments() == 700
    assert {index.collection for index in mending.vector_indexes(broken_db.directory)} == {VIDEO_FILES, VIDEO_SEGMENTS}
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
