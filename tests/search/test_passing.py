"""Filters: words that a model writes freely by their forms, names in composed and decomposed letters."""

import sqlite3
from unicodedata import normalize

import numpy as np
import pytest

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.test_db_manager import segment
from videotag.search import coarse
from videotag.search import index as index_module
from videotag.search.index import Entry, SegmentIndex
from videotag.search.passing import same


@pytest.fixture
def factory(tmp_path) -> ChromaDBManager:
    """Three videos whose keywords and moods a model has written each in its own way, and one that has none."""
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    for video, keyword, mood in (
        ("a", "Завод", "деловое, спокойное"),
        ("b", "завод", "деловое"),
        ("c", "заводы", "Деловое"),
    ):
        fields = {"keywords": [keyword, "цех"], "mood_atmosphere": mood, "content_type": "Новости"}
        db.add_segments(video, [segment(0, "предприятие", video, **fields)])
    db.add_segments("d", [segment(0, "предприятие", "d")])
    return db


def videos(hits) -> str:
    return "".join(sorted(hit["video_name"] for hit in hits))


@pytest.mark.parametrize(
    ("wanted", "right"),
    [
        ({"keywords": "завод"}, "abc"),
        ({"keywords": "Заводы"}, "abc"),
        ({"keywords": "заводской"}, ""),
        ({"keywords": "завод цех"}, ""),  # no single keyword
        ({"without": {"keywords": "завод"}}, "d"),
        ({"without": {"keywords": ["цеха"]}}, "d"),
        ({"mood_atmosphere": "деловое"}, "abc"),
        ({"mood_atmosphere": "спокойное"}, "a"),
        ({"mood_atmosphere": "Спокойное, деловое"}, "a"),
        ({"mood_atmosphere": ["спокойное", "нет такого"]}, "a"),
        ({"without": {"mood_atmosphere": "спокойное"}}, "bcd"),
        ({"content_type": "новость"}, "abc"),
        ({"content_type": "новости", "without": {"keywords": "завод"}}, ""),
        ({"video_name": "A"}, ""),  # a name is not freely written
    ],
)
def test_freely_written_words(factory, wanted, right):
    assert videos(factory.search("предприятие", **wanted)) == right


def test_values_of_what_was_replaced_or_deleted_find_nothing(factory):
    factory.add_segments("a", [segment(0, "предприятие", "a", keywords=["река"])])
    factory.delete_video_segments("b")
    assert videos(factory.search("предприятие", keywords="завод")) == "c"
    assert videos(factory.search("предприятие", keywords="реки")) == "a"
    assert videos(factory.search("предприятие", without={"keywords": "завод"})) == "ad"


@pytest.mark.parametrize(
    ("field", "one", "other", "right"),
    [
        ("keywords", "trains", "Train", True),
        ("keywords", "көпірдің", "көпір", True),
        ("keywords", "ёлка", "елка", True),
        ("keywords", "№ 5", "5", True),
        ("keywords", "富士山", "富士山", True),
        ("keywords", "красная площадь", "Красные площади", True),
        ("keywords", "красная площадь", "площадь", False),
        ("mood_atmosphere", "деловое", "спокойное, деловое", True),
        ("mood_atmosphere", "спокойное, деловое", "деловое", False),
        ("keywords", "!", "?", False),
        ("language", "ru", "RU", False),
        ("video_name", "мост", "мосты", False),
    ],
)
def test_what_is_the_same(field, one, other, right):
    assert same(field, one, other) == right


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_composed_and_decomposed_letters_are_the_same(tmp_path, stored, asked):
    name, other = normalize(stored, "йогурт"), normalize(asked, "йогурт")
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    db.add_segments("x", [segment(0, "вода", name, keywords=[name]), segment(5, "снег", name)])
    db.add_segments("y", [segment(0, "вода", "y")])
    assert [hit["video_name"] for hit in db.search("вода", keywords=other)] == [name]
    assert {hit["video_name"] for hit in db.search("вода", video_name=other)} == {name}
    assert videos(db.search("вода", without={"video_name": other})) == "y"
    assert [hit["segment_index"] for hit in db.search_like(other, 10.0, video_name=other)] == [5]


# === Vectors in 8 bits ===


def unit(count: int, dimension: int = 64) -> np.ndarray:
    rows = np.random.default_rng(7).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_products_in_8_bits_are_near_the_exact_ones():
    rows = unit(300)
    eight = coarse.EightBits(*coarse.in_steps(rows))
    assert np.abs(eight @ rows[0] - rows @ rows[0]).max() < 0.003 * 384 / 64
    assert np.allclose(eight[np.array([5, 2])] @ rows[1], (eight @ rows[1])[[5, 2]])


def test_products_of_exact_vectors_are_what_numpy_makes_of_them():
    rows = unit(300)
    assert np.abs(coarse.products(rows, rows[0]) - rows.astype(float) @ rows[0].astype(float)).max() < 1e-6
    assert np.array_equal(coarse.products(rows[::2], rows[0]), coarse.products(rows, rows[0])[::2])
    assert coarse.products(rows[:0], rows[0]).shape == (0,)


def test_many_segments_are_ranked_as_few_are(tmp_path, monkeypatch):
    """Over EXACT the vectors are held in 8 bits; what is given is ranked by the exact ones all the same."""
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    texts = [" ".join(f"слово{(n * k) % 37}" for k in range(1, 9)) for n in range(60)]
    db.add_segments("n", [segment(n, text, language=("ru", "kk")[n % 2]) for n, text in enumerate(texts)])
    few = [db.search("слово5 слово7", 60), db.search("слово5", 20, language="kk"), db.search_like("news", 20.0, 20)]
    monkeypatch.setattr(coarse, "EXACT", 10)
    again = ChromaDBManager(db.directory, embedder=FakeEmbedder())
    many = [again.search("слово5 слово7", 60), again.search("слово5", 20, language="kk")]
    many.append(again.search_like("news", 20.0, 20))
    assert isinstance(again._search.index.segments().vectors, coarse.EightBits)
    assert many == few


def test_what_changes_in_8_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(coarse, "EXACT", 1)
    rows, index = unit(600), SegmentIndex(tmp_path / "index.sqlite3")
    index.update("1", (Entry(f"s{n}", {}, "вода", row) for n, row in enumerate(rows[:500])), since=None)
    changed = [Entry("s3", {}, "вода", rows[500]), Entry("s3", {}, "вода", rows[501])]  # twice: the last one counts
    index.update("2", changed, ["s7"], since="1")
    segments = index.segments()
    assert (segments.count, int(segments.alive.sum())) == (499, 499)
    best = int(np.argmax(np.where(segments.alive, segments.vectors @ rows[501], -1)))
    assert segments.exactly(np.array([best]))[0] == ["s3"]
    assert np.array_equal(index.exact_vectors(["s3", "s7"])["s3"], rows[501])


def test_an_index_of_mostly_replaced_segments_is_sparse(tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "SPARE", 2)
    index = SegmentIndex(tmp_path / "index.sqlite3")
    entry = [Entry("a", {}, "вода", unit(1)[0])]
    index.update("1", entry, since=None)
    for state in "23":
        index.update(state, entry, since=str(int(state) - 1))
        assert not index.is_sparse()
    index.update("4", entry, since="3")  # the fourth number, of one segment: two and the spare ones are borne
    index.update("5", entry, since="4")
    assert index.is_sparse()
    index.update("6", entry, since=None)
    assert not index.is_sparse() and index.segments().count == 1


def test_a_lost_block_of_vectors_makes_the_index_anew(tmp_path, caplog):
    index = SegmentIndex(tmp_path / "index.sqlite3")
    index.update("1", (Entry(f"s{n}", {}, "вода", row) for n, row in enumerate(unit(300))), since=None)
    with sqlite3.connect(index.path) as db:
        db.execute("DELETE FROM block WHERE number = 1")
    assert index.segments().count == 0 and index.state is None and "made anew" in caplog.text
