"""A second collection with vectors in the place of video_segments: neither touches the other."""

from pathlib import Path

import numpy as np
import pytest

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.store.test_mending import cut, index_file
from tests.test_db_manager import segment
from videotag.errors import UserError
from videotag.search.archive_search import ArchiveSearch
from videotag.search.index import SegmentIndex
from videotag.store import mending
from videotag.store.chroma import open_folder
from videotag.store.collection import Kind
from videotag.store.documents import DocumentCollection
from videotag.store.stamp import Embedders

NOTES = Kind(
    name="video_notes",
    description="Notes",
    id_of=lambda note: f"{note['video_name']}_note{note['number']}",
    document=lambda note: note["text"],
    index="-n",
)


def notes_of(db: ChromaDBManager, embedder: FakeEmbedder | None = None) -> DocumentCollection:
    """The second collection, in the manager's place, with vectors of 8 dimensions."""
    embedder = embedder or FakeEmbedder("notes", 8)
    notes = DocumentCollection(NOTES, db._place, Embedders(NOTES.name, embedder, lambda *_: embedder))
    ArchiveSearch(notes)
    return notes


def notes_on(video: str, *texts: str) -> list[dict]:
    return [{"video_name": video, "number": number, "text": text} for number, text in enumerate(texts)]


def put(notes: DocumentCollection, video: str, *texts: str) -> None:
    embedder = notes.embedders.for_stamp(notes.stamp())
    notes.replace(video, notes_on(video, *texts), embedder.embed_queries(texts), by=embedder)


def content(collection: DocumentCollection) -> dict[str, tuple[str, tuple[float, ...]]]:
    with collection.reading() as found:
        there = found.get(include=["documents", "embeddings"])
    vectors = (tuple(np.round(vector, 5).tolist()) for vector in there["embeddings"])
    return dict(zip(there["ids"], zip(there["documents"], vectors, strict=True), strict=True))


def test_two_collections_in_one_place(db):
    db.add_segments("n", [segment(i, f"слово{i}") for i in range(3)])
    segments, notes = content(db._segments), notes_of(db)
    assert (notes.count(), notes.stamp()) == (0, None)
    put(notes, "news", "вода", "река")
    put(notes, "film", "снег")
    assert (notes.count(), notes.count("news"), dict(notes.values("video_name"))) == (3, 2, {"news": 2, "film": 1})
    otherwise = notes_on("news", "вода", "лес")
    assert notes.check("news", notes_on("news", "вода", "река")) == {}
    assert notes.check("news", otherwise) == {"different": otherwise[1:]}
    assert SegmentIndex(db._place.index_path(NOTES.index)).ids() == {"news_note0", "news_note1", "film_note0"}

    wide = FakeEmbedder("wide", 32)
    assert notes.rebuild(wide) == 3
    assert sorted(wide.embedded) == ["вода", "река", "снег"]
    assert [notes.stamp(), db.stamp()] == [
        {"embedder": "fake", "model": "wide", "dimension": 32},
        {"embedder": "fake", "model": "words", "dimension": 16},
    ]
    assert notes.check("news", notes_on("news", "вода", "река")) == {}
    assert notes.delete({"video_name": "film"}) == 1
    assert content(db._segments) == segments

    before = content(notes)
    assert db.rebuild_segments(FakeEmbedder("other", 8)) == 3
    assert db.delete_video_segments("news") == 3
    assert content(notes) == before
    assert (notes.count(), db.count_segments()) == (2, 0)


def test_what_is_wrong_with_a_collection_names_it(db):
    put(notes_of(db), "news", "вода")
    with pytest.raises(
        UserError, match=r"^video_notes was made with fake \(notes, 8 dimensions\), not with fake \(x, 8"
    ):
        put(notes_of(db, FakeEmbedder("x", 8)), "news", "лес")


def test_a_rebuild_that_ended_before_its_rename(db):
    notes = notes_of(db)
    put(notes, "news", "вода")
    with db.session():
        notes.find().modify(name="video_notes_rebuild")
    assert (notes.count("news"), db.count_segments()) == (1, 0)


@pytest.fixture
def both(tmp_path: Path) -> tuple[ChromaDBManager, DocumentCollection]:
    """A folder with both, their indexes saved to the disk (after SYNC_THRESHOLD changes)."""
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    notes = notes_of(db)
    db.add_segments("n", [segment(i, f"слово{i}") for i in range(120)])
    put(notes, "news", *(f"заметка{number}" for number in range(120)))
    return db, notes


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(("broken", "index"), [("video_notes", "index-n.sqlite3"), ("video_segments", "index.sqlite3")])
def test_a_broken_index_is_mended_with_its_own_vectors(both, caplog, broken, index, kept):
    before = [content(both[0]._segments), content(both[1])]
    cut(index_file(both[0], broken, "index_metadata.pickle"))
    if not kept:
        (both[0].directory / index).unlink()
    embedders = {"video_segments": FakeEmbedder(), "video_notes": FakeEmbedder("notes", 8)}
    db = ChromaDBManager(both[0].directory, embedder=embedders["video_segments"])
    notes = notes_of(db, embedders["video_notes"])
    assert db.mend() == [broken]
    assert f"mending {broken}, " in caplog.text and "120 vectors put in again" in caplog.text
    assert [content(db._segments), content(notes)] == before
    assert len(embedders.pop(broken).embedded) == (0 if kept else 120)
    assert [embedder.embedded for embedder in embedders.values()] == [[]]


def test_what_a_killed_rebuild_left_is_dropped(both):
    db, notes = both
    with db.session():
        notes.create(NOTES.rebuild, FakeEmbedder("half"), 1)
    mending.write_marker(Path(f"{db.directory}.open"))
    assert notes.count() == 120
    names = [index.collection for index in mending.vector_indexes(db.directory)]
    assert names == ["video_notes", "video_segments"]


def test_what_another_program_writes_between_two_searches_is_found(both):
    """Which raises no generation, and another process of ours has noted meanwhile what the files are like."""
    db, _ = both
    for _ in range(2):
        assert db.search("иное", limit=1)[0]["document"] != "иное"
    client = open_folder(db.directory)
    fields = {"video_name": "news", "segment_index": 500, "start_time": 0.0, "end_time": 9.0}
    client.get_collection("video_segments", embedding_function=None).add(
        ids=["another's"], embeddings=FakeEmbedder().embed_queries(["иное"]), documents=["иное"], metadatas=[fields]
    )
    client.close()
    assert ChromaDBManager(db.directory, embedder=FakeEmbedder()).count_segments() == 121
    assert db.search("иное", limit=1)[0]["id"] == "another's"
