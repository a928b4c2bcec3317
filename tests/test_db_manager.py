"""The video database: one suite, embedded and through a server."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import db_manager
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from videotag.errors import UserError
from videotag.store import pages as store_pages
from videotag.store.collection import SEGMENTS
from videotag.store.records import segment_document

ROOT = Path(db_manager.__file__).parent


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


def test_a_new_record_holds_all_statuses(db):
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
        "phase4_status": "pending",
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
            return db._videos.collection().get(ids=["news"])["documents"][0]

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


def test_many_names_and_keys_are_asked_for_in_parts(db, monkeypatch):
    """A filter by tens of thousands of values is too much for SQLite."""
    for name in "abcde":
        add_video(db, name, phase1_status="pending" if name == "c" else "completed", phase1_key=name.upper())
    wheres, read = [], store_pages.read_pages
    monkeypatch.setattr(store_pages, "PAGE", 2)
    monkeypatch.setattr(
        store_pages, "read_pages", lambda *of, where, **how: wheres.append(where) or read(*of, **how, where=where)
    )
    wanted = {"video_name": ["a", "x", "c", "d", "a", "e"], "phase1_status": "completed"}
    assert names(db.list_videos(wanted)) == ["a", "d", "e"]
    assert db.video_names(wanted, without={"phase1_status": "pending"}) == ["a", "d", "e"]
    asked = [where["$and"][0]["video_name"]["$in"] for where in wheres]
    assert asked == [["a", "x"], ["c", "d"], ["e"]] * 2
    assert db.video_names({"phase1_key": ["E", "D", "X", "A", "Y"], "video_name": ["a", "b", "c", "d"]}) == ["a", "d"]
    with pytest.raises(ValueError, match="video_name"):
        db.list_videos({"video_name": ["a", "b", 3]})


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
            db._videos.collection().add(
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
        # Of two languages one was the output language: that is not all that was said.
        ({"dialogue_translation": "e", "transcript": "e f", "languages": ["ru", "en"]}, "e f"),
        ({"dialogue_translation": "e g", "transcript": "e f", "languages": ["ru", "en"]}, "e g"),
        ({"dialogue_translation": "e", "transcript": "e f", "languages": ["ru"]}, "e"),
        ({"dialogue_translation": "e", "transcript": "e f"}, "e"),
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
    assert found(keywords=["студия"]) == ["a_seg_0"]  # as a model may write it
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
        foreign = db._place.client().create_collection(SEGMENTS.name)
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
        found = db._segments.find().get()
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
        names = [collection.name for collection in db._place.client().list_collections()]
        assert [name for name in names if not name.startswith("old-")] == [SEGMENTS.name]
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
    create, loaded = db._segments.create, []

    def loading(name, embedder, version):
        if name == SEGMENTS.rebuild and not loaded:
            loaded.append(writer.add_segments("n", [segment(i, f"новое{i}") for i in range(3)]))
        return create(name, embedder, version)

    monkeypatch.setattr(db._segments, "create", loading)
    assert db.rebuild_segments(FakeEmbedder("other")) == 3
    assert loaded == [3] and sorted(document for _, document in stored(db).values()) == ["новое0", "новое1", "новое2"]


def test_a_rebuild_that_ended_before_its_rename(db):
    db.add_segments("n", [segment(0, "вода")])
    with db.session():
        db._segments.find().modify(name=SEGMENTS.rebuild)
    assert ids(db.search("вода")) == ["news_seg_0"]
    with db.session():
        names = [collection.name for collection in db._place.client().list_collections()]
        assert [name for name in names if not name.startswith("old-")] == [SEGMENTS.name]


def test_two_may_rename_a_rebuilt_collection_at_once(db):
    db.add_segments("n", [segment(0, "вода")])
    with db.session():
        db._segments.find().modify(name=SEGMENTS.rebuild)
        client = db._place.client()
        first, second = (store_pages.get(client, SEGMENTS.rebuild) for _ in range(2))
        db._segments.rename(first)
        db._segments.rename(second)
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
        db._place.client().create_collection("trap").add(ids=["a"], documents=["the trap works"])
    with db.session():
        db._place.client().delete_collection("trap")
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
