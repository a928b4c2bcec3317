"""Search by meaning and by words together: what it finds, what it leaves out, and that nothing stale is ever asked."""

import multiprocessing
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from chromadb.api.models.Collection import Collection

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from videotag.errors import UserError
from videotag.search import ask, ranking
from videotag.search.filters import Filters
from videotag.search.index import SegmentIndex, Segments
from videotag.search.typical import Typical
from videotag.store import collection as store_collection
from videotag.store import folder as store_folder
from videotag.store import pages as store_pages
from videotag.store import repair as store_repair
from videotag.store import stamp
from videotag.store.records import segment_where


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def segment(index: int, description: str, name: str = "news", **fields) -> dict:
    times = {"start_time": 35.0 * index, "end_time": 35.0 * index + 50}
    return {"video_name": name, "segment_index": index, "description": description, **times, **fields}


def ids(hits: list[dict]) -> list[str]:
    return [hit["id"] for hit in hits]


def close(hits: list[dict]) -> list[str]:
    return [hit["id"] for hit in hits if hit["close"]]


# === Ranking ===


@pytest.fixture
def background():
    """Segments (0.6, +-0.8, 0), questions (0.8, +-0.6, 0).

    Without the mean (0.6, 0, 0) and half the mean (0.8, 0, 0): (0, +-1, 0) and (0.4, +-0.6, 0) / 0.7211. Cosines of
    +-0.8321, one half each: that is the standard deviation.
    """
    sample = np.array([[0.6, 0.8, 0], [0.6, -0.8, 0]] * 100, np.float32)
    questions = np.array([[0.8, 0.6, 0], [0.8, -0.6, 0]], np.float32)
    return ranking.Background(sample, 200, Typical({"ru": questions}, sample[:0]))


QUESTION = np.array([0.8, 0, 0.6], np.float32)  # without what is common: (0.4, 0, 0.6) / 0.7211
FOUND = np.array(
    [
        [0.6, 0, 0.8],  # a; (0, 0, 1) without what is common: cosine 0.8321, one deviation
        [0.6, 0.8, 0],  # b; (0, 1, 0): none
        [0.6, 0, -0.8],  # c; minus one
    ],
    np.float32,
)
A, B, C = range(3)


@dataclass(frozen=True, eq=False)
class Given(Segments):
    """Segments that are in no index, in the order of their letters."""

    ids: str = "abc"

    def exactly(self, numbers):
        return [self.ids[number] for number in numbers], FOUND_BY[self.ids][numbers]


def segments(ids: str, vectors: np.ndarray) -> Segments:
    FOUND_BY[ids] = vectors
    return Given(SegmentIndex(""), 0, np.ones(len(ids), bool), vectors, len(ids), ids=ids)


FOUND_BY: dict[str, np.ndarray] = {}


def rank(background, shares=(0.0, 0.0, 0.0), rows=(A, B, C), limit=3):
    among = np.isin([A, B, C], rows)
    ranked = ranking.rank(segments("abc", FOUND), among, np.array(shares), QUESTION, background, limit)
    return list(islice(ranked, limit))


def test_deviations_are_counted_without_what_is_common(background):
    assert background.deviations(QUESTION, FOUND) == pytest.approx([1, 0, -1], abs=1e-5)


def test_words_outweigh_what_chance_makes_of_meanings(background):
    ranked = rank(background, (0, 0.5, 0))
    assert [hit.id for hit in ranked] == ["b", "a", "c"]  # 3 * 0.5, 1 and -1 deviations
    assert [hit.cosine for hit in ranked] == pytest.approx([0.48, 0.96, 0], abs=1e-6)
    assert not any(hit.close for hit in ranked)  # from 0.9 + 0.44 ln 200 = 3.231 on
    assert not rank(background, (0, 0.99, 0))[0].close  # 2.97
    assert rank(background, (0, 1.0, 0))[0].close  # all of the question's words: that answers
    assert not rank(background, (0.73, 0, 0))[0].close and rank(background, (0.75, 0, 0))[0].close  # 3.19, 3.25


def test_only_some_are_ranked_and_only_the_best_given(background):
    assert [hit.id for hit in rank(background, limit=2)] == ["a", "b"]
    assert [hit.id for hit in rank(background, rows=[C, B], limit=1)] == ["b"]
    assert rank(background, rows=[]) == []


def test_equal_ones_are_ordered_by_their_ids(background):
    equal = segments("dbca", FOUND[[A, A, A, B]])
    for page in (1, 2, 3, 4, 5):
        ranked = ranking.rank(equal, equal.alive, np.zeros(4), QUESTION, background, page)
        assert [hit.id for hit in ranked] == ["b", "c", "d", "a"]  # the first three are A, the last is B


def test_a_segment_is_not_near_to_itself_by_chance():
    axes = np.eye(20, dtype=np.float32)  # mean 1/20 each; all cosines between two of them are equal: no deviation, 1
    between = ranking.Background(axes, 20, None).deviations(axes[0], axes[1:2])
    assert between == pytest.approx([-0.05 / (0.95**0.5 * 0.9625**0.5)], abs=1e-6)


def test_of_few_segments_typical_ones_tell_what_chance_makes():
    """One segment (1, 0, 0), typical ones (0, 1, 0) and (-1, -1, 0): together their mean is 0.

    Questions (0, 0, 1) and (0, 0, -1) have the mean 0 as well. Their cosines with all are 0: no deviation, 1. With
    (1, 0, 0) and (-1, 0, 0) the cosines are +-1, 0, and +-1/sqrt(2): deviations of sqrt((1 + 0 + 0.5) / 3).
    """
    segments = np.array([[0, 1, 0], [-1, -1, 0]], np.float32)
    asked, one = np.array([1, 0, 0], np.float32), np.array([[1, 0, 0]], np.float32)
    for question, spread in (([0, 0, 1], 1.0), ([1, 0, 0], 0.5**0.5)):
        questions = np.array([question, [-x for x in question]], np.float32)
        background = ranking.Background(one, 1, Typical({"ru": questions}, segments))
        assert background.deviations(asked, one) == pytest.approx([1 / spread], abs=1e-6)
        assert background.close_from == pytest.approx(1.6082, abs=1e-4)  # as of 5: 0.9 + 0.44 * 1.6094


def test_how_much_is_asked_of_a_hit():
    """The more segments there are, the more: 0.9 + 0.44 ln n, without an end."""
    rows = np.eye(20, dtype=np.float32)
    typical = Typical({"ru": rows[:2]}, rows[:2])
    counts = {0: 1.6082, 5: 1.6082, 20: 2.2181, 200: 3.2312, 100_000: 5.9657, 1_000_000: 6.9788}
    of = {n: ranking.Background(rows[:n], n, typical).close_from for n in counts}
    assert of == pytest.approx(counts, abs=1e-4)


def test_a_question_is_measured_by_those_in_its_language():
    """Two segments (0, +-1, 0). Questions (+-0.6, +-0.8, 0) in Kazakh and (+-1, 0, 0) in Russian have the mean 0.

    Their cosines with the segments are +-0.8 and 0: deviations of 0.8 and none, which counts as 1; of both of them, or
    in a language that no question is in, the root of (0.64 + 0) / 2.
    """
    sample = np.array([[0, 1, 0], [0, -1, 0]] * 10, np.float32)
    kazakh = np.array([[0.6, 0.8, 0], [-0.6, -0.8, 0]], np.float32)
    russian = np.array([[1, 0, 0], [-1, 0, 0]], np.float32)
    background = ranking.Background(sample, 20, Typical({"kk": kazakh, "ru": russian}, sample[:0]))
    question, one = np.array([0, 0.6, 0.8], np.float32), sample[:1]  # cosine 0.6
    for language, deviations in (("kk", 0.75), ("ru", 0.6), ("en", 0.6 / 0.32**0.5), ("", 0.6 / 0.32**0.5)):
        assert background.asked_in(language).deviations(question, one) == pytest.approx([deviations], abs=1e-6)


def test_what_is_like_one_of_few_segments_is_all_close():
    rows = np.eye(20, dtype=np.float32)
    few = ranking.Background(rows[:19], 19, None)
    both = segments("ab", np.array([rows[0], -rows[0]]))
    ranked = ranking.rank(both, both.alive, np.zeros(2), rows[0], few, 2)
    assert [hit.close for hit in ranked] == [True, True]


# === What is found ===


def test_a_word_is_found_whose_vector_is_far(db):
    db.add_segments("n", [segment(0, "Президент Токаев прибыл"), segment(1, "снег"), segment(2, "лес")])
    assert ids(db.search("Tokayev"))[0] == "news_seg_0"  # the fake vectors know no transcription
    assert ids(db.search("Tokayev", by="words")) == ["news_seg_0"]
    assert len(db.search("Tokayev", by="vectors")) == 3


def test_speech_in_its_own_language_is_found(db):
    db.add_segments(
        "n",
        [
            segment(0, "стол", dialogue_translation="сушка творога", transcript="құрт кептіру", language="kk"),
            *(segment(i, f"фон {i}") for i in range(1, 5)),
        ],
    )
    assert ids(db.search("құртты", by="words")) == ["news_seg_0"]
    assert ids(db.search('"Құрт  кептіру"')) == ["news_seg_0"]
    assert close(db.search('"кептіру құрт"')) == []
    assert close(db.search('"құрт кептіру"', language="ru")) == []


def test_quoted_words_have_to_occur(db):
    db.add_segments("n", [segment(0, "Ёлка, стоит"), segment(1, "стоит елка"), segment(2, "лес")])
    assert ids(db.search('"елка стоит"')) == ["news_seg_0"]
    assert sorted(ids(db.search('лес "ЁЛКА"'))) == ["news_seg_0", "news_seg_1"]
    assert close(db.search('"елка" "лес"')) == []


def test_a_phrase_of_words_that_say_nothing_is_found_in_the_speech_itself(db):
    spoken = {"transcript": "To be or not to be, that is the question", "dialogue_translation": "Быть или не быть"}
    db.add_segments("n", [segment(0, "Принц на сцене", language="en", **spoken), segment(1, "снег")])
    assert ids(db.search('"to be or not to be"')) == ["news_seg_0"]
    assert close(db.search('"be to or"')) == []


def test_a_phrase_of_numbers_is_found_in_the_speech_itself_and_is_close(db):
    """Words of which the index keeps the number, and those that it takes for an article ("first")."""
    spoken = ("үш жүз адам", "it was the first time", "бірінші қар", "富士山は日本で一番高い山です")
    segments = [
        segment(i, f"фон {i}", dialogue_translation="другое", transcript=text, language="xx")
        for i, text in enumerate(spoken)
    ]
    filler = [segment(i, f"слово{i} ряд{i % 7}") for i in range(4, 60)]
    db.add_segments("n", [*segments, *filler, segment(60, "он был первый")])
    for query, right in {
        '"жүз"': 0, '"үш жүз"': 0, '"first"': 1, '"бірінші"': 2, '"富士山"': 3, '"日本"': 3, '"первый"': 60
    }.items():  # fmt: skip
        hits = db.search(query)
        assert (ids(hits), [hit["close"] for hit in hits]) == ([f"news_seg_{right}"], [True]), query
        assert db.search(query, by="vectors")[0]["score"] == hits[0]["score"]


def test_a_phrase_may_be_of_any_length(db):
    db.add_segments("n", [segment(0, "вода " * 400)])
    assert ids(db.search(f'"{"вода " * 400}"')) == ids(db.search(f'"{"вода-" * 250}"')) == ["news_seg_0"]
    assert close(db.search(f'"{"вода " * 401}"')) == []


def test_what_is_not_in_the_collection_is_not_close(db):
    rng = np.random.default_rng(0)
    filler = [segment(i, " ".join(f"слово{n}" for n in rng.integers(0, 400, 8))) for i in range(60)]
    db.add_segments("n", [*filler, segment(60, "вулкан извергается")])
    hits = db.search("вулкан извергается", limit=61)
    assert ids(hits)[0] == "news_seg_60" and hits[0]["close"]
    flags = [hit["close"] for hit in hits]
    assert flags == sorted(flags, reverse=True) and not all(flags)


class Numbered(FakeEmbedder):
    """A text that is a number has the vector of that number."""

    def __init__(self, vectors: np.ndarray) -> None:
        super().__init__()
        self._vectors = vectors

    def embed_queries(self, texts):
        return np.array(
            [self._vectors[int(t)] if t.isdecimal() else super(Numbered, self).embed_queries([t])[0] for t in texts]
        )


def test_what_says_the_same_hides_nothing_else(db):
    """By ChromaDB's own index a quarter of such others is found by no question."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[::2] = vectors[0]  # every other one is silent
    db = ChromaDBManager(db.directory, chroma_url=db.chroma_url, embedder=Numbered(vectors))
    db.add_segments("n", [segment(i, str(i)) for i in range(400)])
    found = [ids(db.search(str(i), 1, by="vectors")) for i in range(1, 400, 2)]
    assert found == [[f"news_seg_{i}"] for i in range(1, 400, 2)]


# === Beside each other ===


def test_a_search_does_not_wait_for_one_that_is_ranking(db, monkeypatch):
    db.add_segments("n", [segment(0, "вода"), segment(1, "снег")])
    rank, ranking_now, go_on = ranking.rank, threading.Event(), threading.Event()

    def held(*args):
        if not ranking_now.is_set():  # the first search
            ranking_now.set()
            assert go_on.wait(60)
        return rank(*args)

    monkeypatch.setattr(ranking, "rank", held)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(db.search, "вода")
        assert ranking_now.wait(60)
        try:
            for manager in (db, other(db)):  # a thread beside it, and as another process would
                assert ids(pool.submit(manager.search, "снег", 1).result(60)) == ["news_seg_1"]
            other(db).add_segments("n", [segment(1, "лес")])
            other(db).add_segments("b", [segment(0, "вода", "b")])
        finally:
            go_on.set()
        # Of what was to be ranked the first is deleted by now, the second is another one: the search begins again.
        found = [(hit["id"], hit["description"]) for hit in first.result(60)]
        assert found == [("b_seg_0", "вода"), ("news_seg_1", "лес")]


class Meanwhile(FakeEmbedder):
    """While it embeds a question, somebody else does something."""

    def __init__(self) -> None:
        super().__init__()
        self.do: Callable[[], object] = lambda: None

    def embed_queries(self, texts):
        self.do()
        return super().embed_queries(texts)


def test_what_others_do_while_a_question_is_embedded(db):
    embedder = Meanwhile()
    mine = ChromaDBManager(db.directory, chroma_url=db.chroma_url, load=lambda *_: embedder)
    db.add_segments("n", [segment(i, text) for i, text in enumerate(["вода плотина", "лес", "снег"])])
    before = mine.search("вода плотина", 1)
    assert before[0]["close"]
    embedder.do = lambda: other(db).rebuild_segments(FakeEmbedder())
    assert mine.search("вода плотина", 1) == before
    assert ids(mine.search("плотина", by="words")) == ["news_seg_0"]
    embedder.do = lambda: other(db).delete_video_segments("news")
    assert mine.search("плотина вода") == []


class Counting(FakeEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def embed_queries(self, texts):
        self.asked += texts
        return super().embed_queries(texts)


def test_a_question_is_embedded_once_also_when_somebody_goes_back_to_it(db):
    db.add_segments("n", [segment(i, text) for i, text in enumerate(["вода плотина", "лес", "снег"])])
    embedder = Counting()
    mine = ChromaDBManager(db.directory, chroma_url=db.chroma_url, load=lambda *_: embedder)
    first = mine.search("вода")
    embedder.asked.clear()  # the typical questions have been embedded, too
    assert mine.search("лес") != first
    assert (mine.search("вода"), embedder.asked) == (first, ["лес"])


def test_hits_are_ranked_once_and_read_as_they_are_asked_for(db, monkeypatch):
    db.add_segments("n", [segment(i, f"вода {i}") for i in range(9)])
    read, times = [], []
    records, rank = SegmentIndex.records, ranking.rank
    monkeypatch.setattr(SegmentIndex, "records", lambda self, ids: read.append(len(ids)) or records(self, ids))
    monkeypatch.setattr(ranking, "rank", lambda *args: times.append(1) or rank(*args))
    hits = db.hits("вода", page=2)
    some = list(islice(hits, 2))
    assert read == [2]
    assert some + list(hits) == db.search("вода")
    assert (read, len(times)) == ([2, 4, 3, 9], 2)  # then the search, which wants ten


# === Filters ===


def test_a_filter_finds_the_nearest_that_pass_it(db):
    # "вода" is in a share of 1/n of the words: the higher its number, the farther a segment is.
    texts = [" ".join(["вода", *["снег"] * n]) for n in range(19)]
    db.add_segments("n", [segment(n, text, language=("ru", "kk")[n % 2]) for n, text in enumerate(texts)])
    kazakh = [f"news_seg_{n}" for n in range(1, 19, 2)]
    assert ids(db.search("вода", 4, by="vectors", language="kk")) == kazakh[:4]
    assert ids(db.search("вода", 30, by="vectors", language="kk")) == kazakh
    assert ids(db.search("вода", 30, by="vectors", language="kk", time=(35.0 * 10, None))) == kazakh[4:]
    db.add_segments("n", [segment(n, text, language="ru") for n, text in enumerate(texts)])
    assert db.search("вода", 4, language="kk") == []  # what passed before is not remembered for longer than it holds


def test_without(db):
    first = segment(0, "вода", "a", language="kk", keywords=["спорт", "лед"])
    db.add_segments("a", [first, segment(1, "вода", "a", keywords=["лес"])])
    db.add_segments("b", [segment(0, "вода", "b")])
    assert sorted(ids(db.search("вода", without={"video_name": ["b"]}))) == ["a_seg_0", "a_seg_1"]
    assert sorted(ids(db.search("вода", without={"language": ["kk"]}))) == ["a_seg_1", "b_seg_0"]  # lacks it, too
    assert ids(db.search("вода", without={"keywords": ["спорт", "лес"]})) == ["b_seg_0"]
    assert len(db.search("вода", without={"language": [], "keywords": None})) == 3


def test_time_overlaps(db):
    db.add_segments("n", [segment(i, "вода") for i in range(4)])  # 0-50, 35-85, 70-120, 105-155
    assert ids(db.search("вода", time=(60, 70))) == ["news_seg_1"]
    assert sorted(ids(db.search("вода", time=(85, None)))) == ["news_seg_2", "news_seg_3"]
    assert sorted(ids(db.search("вода", time=(None, 35)))) == ["news_seg_0"]


def test_added_counts_from_the_first_time(db, monkeypatch):
    day = datetime(2026, 1, 31, 12)
    monkeypatch.setattr(store_collection.time, "time", day.timestamp)
    db.add_segments("n", [segment(0, "вода")])
    monkeypatch.setattr(store_collection.time, "time", (day + timedelta(days=9)).timestamp)
    db.add_segments("n", [segment(0, "вода"), segment(1, "вода")])
    assert ids(db.search("вода", added=("2026-01-31", "2026-02-01"))) == ["news_seg_0"]
    assert ids(db.search("вода", added=("2026-02-01", None))) == ["news_seg_1"]
    assert ids(db.search("вода", added=(None, "2026-01-31"))) == []
    assert "added" not in db.search("вода")[0] and "run_id" not in db.search("вода")[0]


def test_filters_are_joined():
    assert segment_where() is None
    assert segment_where({"keywords": ["a", "b"]}, None, (None, 5.0), language="kk") == {
        "$and": [
            {"$or": [{"language": {"$in": ["kk"]}}, {"languages": {"$contains": "kk"}}]},
            {"keywords": {"$not_contains": "a"}},
            {"keywords": {"$not_contains": "b"}},
            {"start_time": {"$lt": 5.0}},
        ]
    }


def test_a_language_is_any_that_is_spoken_in_the_segment(db):
    spoken = [("ru", ["ru", "en"]), ("en", ["en"]), ("en", None), ("kk", [])]  # the third of an older load, one silent
    db.add_segments("n", [segment(i, "вода", language=main, languages=all_) for i, (main, all_) in enumerate(spoken)])

    def found(without=None, **filters) -> list[int]:
        return sorted(hit["segment_index"] for hit in db.search("вода", without=without, **filters))

    assert found(language="en") == [0, 1, 2]
    assert found(language=["ru", "kk"]) == [0, 3]
    assert found({"language": "en"}) == [3]
    assert found({"language": ["ru", "kk"]}) == [1, 2]
    assert found({"language": "kk"}, language="ru") == [0]
    assert db.facets("language") == {"en": 3, "ru": 1, "kk": 1}
    hits = {hit["segment_index"]: hit.get("languages") for hit in db.search("вода")}
    assert hits == {0: ["ru", "en"], 1: ["en"], 2: None, 3: None}

    db.add_segments("n", [segment(0, "вода", language="ru")])  # loaded again, of an older result
    assert (found(language="en"), found(language="ru")) == ([], [0])


def test_which_languages_there_are_is_told_of_all_that_are_spoken(db):
    db.add_segments("n", [segment(0, "вода", language="ru", languages=["ru", "en"])])

    def remarks(**filters) -> tuple[str, ...]:
        found = ask.find(db, ask.Question("вода", None, Filters(**filters)), 5)
        return tuple(map(str, found.remarks))

    assert remarks(wanted={"language": ("de",)})[0].startswith("nothing found: no language de")
    told = remarks(wanted={"language": ("en",)}, without={"language": ("ru",)})
    assert told == ("nothing found: no segment that passes the filters is loaded",)


def test_like_is_honest_in_a_small_archive(db):
    for video, text in {"a": "снег зима", "b": "снег зима", "c": "вулкан лава"}.items():
        db.add_segments("n", [segment(0, text, video)])
    hits = {hit["id"]: hit["close"] for hit in db.search_like("a", 10.0)}
    assert hits == {"b_seg_0": True, "c_seg_0": False}


def test_like(db):
    db.add_segments("a", [segment(i, text, "a") for i, text in enumerate(["вода", "вода река", "снег", "лес"])])
    db.add_segments("b", [segment(0, "вода", "b"), segment(1, "лыжи", "b")])
    hits = db.search_like("a", 10.0, limit=2)
    assert ids(hits)[0] == "b_seg_0" and len(hits) == 2
    assert not {"a_seg_0", "a_seg_1"} & set(ids(db.search_like("a", 10.0)))  # itself, and what overlaps it
    assert ids(db.search_like("a", 10.0, video_name="b", limit=1)) == ["b_seg_0"]
    with pytest.raises(UserError, match='"a": there is no segment at 999 s'):
        db.search_like("a", 999.0)
    with pytest.raises(UserError, match='"x": there is no video'):
        db.search_like("x", 0.0)


def test_facets(db):
    assert db.facets("language") == {}
    rows = [("ru", ["a", "b"], True), ("ru", ["a"], False), ("kk", [], True)]
    db.add_segments(
        "n",
        [segment(i, "x", language=lang, keywords=words, scene_change=cut) for i, (lang, words, cut) in enumerate(rows)],
    )
    assert list(db.facets("language").items()) == [("ru", 2), ("kk", 1)]
    assert list(db.facets("keywords").items()) == [("a", 2), ("b", 1)]
    assert db.facets("scene_change") == {True: 2, False: 1}
    with pytest.raises(ValueError, match='no field "langage"; did you mean language'):
        db.facets("langage")


# === The index follows ===


def by_words(db: ChromaDBManager, query: str) -> list[str]:
    return sorted(ids(db.search(query, by="words")))


def other(db: ChromaDBManager) -> ChromaDBManager:
    return ChromaDBManager(db.directory, chroma_url=db.chroma_url, embedder=FakeEmbedder())


def test_every_change_reaches_the_words(db):
    db.add_segments("n", [segment(0, "вода"), segment(1, "снег")])
    assert by_words(db, "вода") == ["news_seg_0"]
    writer = other(db)
    writer.add_segments("n", [segment(0, "лес")])
    assert (by_words(db, "вода"), by_words(db, "снег"), by_words(db, "лес")) == ([], [], ["news_seg_0"])
    writer.add_segments("b", [segment(0, "вода", "b")])
    assert by_words(db, "вода") == ["b_seg_0"]
    writer.delete_video_segments("b")
    assert by_words(db, "вода") == []
    writer.add_segments("b", [segment(0, "вода", "b")])
    assert writer.delete_unknown_segments() == 2
    assert db.search("вода") == []


def test_the_segments_of_many_unknown_videos_and_of_none_go_and_no_others(db, monkeypatch):
    """By parts of a few; the known videos may be any number."""
    monkeypatch.setattr(store_pages, "PAGE", 2)
    for name in "abcde":
        db.add_segments("n", [segment(0, f"слово{name}", name), segment(1, "снег", name)])
    add = {"video_path": "n", "language": "kk", "video_duration": 1.0, "total_segments": 2}
    db.create_or_update_video_files({name: {**add, "width": 1, "height": 1, "fps": 1.0} for name in "bd"})
    with db._segments.reading() as collection:
        collection.add(ids=["another program's"], embeddings=[[1.0] + [0.0] * 15], documents=["снег"])
    assert db.segment_counts() == {**dict.fromkeys("abcde", 2), "": 1}
    calls, delete = [], Collection.delete
    monkeypatch.setattr(Collection, "delete", lambda self, **what: calls.append(what) or delete(self, **what))
    assert db.delete_unknown_segments() == 7
    assert [call.keys() == {"ids"} and len(call["ids"]) for call in calls] == [2, 2, 2, 1]
    assert db.segment_counts() == {"b": 2, "d": 2}
    assert by_words(db, "снег") == ["b_seg_1", "d_seg_1"]
    assert db.delete_unknown_segments() == 0


def test_the_index_is_made_again_when_lost_and_after_a_rebuild(db):
    db.add_segments("n", [segment(0, "вода"), segment(1, "снег")])
    db._search.index.path.unlink()
    assert by_words(db, "снег") == ["news_seg_1"]
    embedder = FakeEmbedder("others", 24)
    assert db.rebuild_segments(embedder) == 2
    assert by_words(db, "снег") == ["news_seg_1"]
    vectors = db._search.index.exact_vectors()
    assert sorted(vectors) == ["news_seg_0", "news_seg_1"]
    assert np.allclose(vectors["news_seg_1"], embedder.embed_documents(["снег"])[0])


@pytest.mark.parametrize("loss", ["gone", "damaged"])
def test_a_session_that_stays_open_notices_that_the_index_was_made_anew(loss, db):
    """The same segments have other numbers in the new file."""
    for name in "abc":
        db.add_segments("n", [segment(0, f"слово{name} гора", name)])
    db.delete_video_segments("a")
    reader = other(db)
    assert by_words(reader, "словоc") == ["c_seg_0"]
    if loss == "gone":
        db._search.index.path.unlink()
    else:
        db._search.index.path.write_bytes(b"no database" * 1000)
    assert by_words(other(db), "словоc") == ["c_seg_0"]  # makes it anew
    assert (by_words(reader, "словоc"), by_words(reader, "словоb")) == (["c_seg_0"], ["b_seg_0"])


def test_what_another_machine_deletes_while_the_index_is_made(server_url, tmp_path, monkeypatch):
    """The pages after it are one record short, and one is there that is gone: as many as there should be."""
    writer, reader = (ChromaDBManager(tmp_path, chroma_url=server_url, embedder=FakeEmbedder()) for _ in range(2))
    for number, manager in enumerate((writer, reader)):  # each its own machine's
        monkeypatch.setitem(manager._search.__dict__, "index", SegmentIndex(tmp_path / f"{number}.sqlite3"))
    hour_ago = stamp.milliseconds() - 3_600_000
    with monkeypatch.context() as earlier:
        for module in (stamp, store_collection):
            earlier.setattr(module, "milliseconds", lambda: hour_ago)
        writer.add_segments("x", [segment(i, f"икс{i}", "x") for i in range(4)])
        writer.add_segments("y", [segment(i, f"игрек{i}", "y") for i in range(4)])
    monkeypatch.setattr(store_pages, "PAGE", 5)
    read, deleted = store_pages.read_pages, []

    def pages(collection, *, include, where=None):
        for page in read(collection, include=include, where=where):
            yield page
            if include == ["metadatas", "documents"] and where is None and not deleted:
                deleted.append(page)
                writer.add_segments("x", [segment(i, f"икс{i}", "x") for i in range(3)])

    monkeypatch.setattr(store_pages, "read_pages", pages)
    reader.search("игрек1")
    reader.search("игрек1")  # notices that somebody has written meanwhile
    assert deleted and sorted(reader._search.index.ids()) == [
        *(f"x_seg_{i}" for i in range(3)),
        *(f"y_seg_{i}" for i in range(4)),
    ]


def test_what_another_program_writes_is_found_by_its_number(db):
    db.add_segments("n", [segment(0, "вода")])
    with db.session():
        collection = db._segments.find()
        place = {"video_name": "x", "segment_index": 0, "start_time": 0.0, "end_time": 50.0}
        rows = [{**place, "a": 1}, {"a": 1}]  # the second one is no segment
        vectors = [[1.0] + [0.0] * 15] * 2
        collection.add(ids=["x", "y"], documents=["потоп"] * 2, embeddings=vectors, metadatas=rows)
    assert by_words(db, "потоп") == ["x"]
    with db.session():
        db._segments.find().delete(ids=["news_seg_0"])
    assert by_words(db, "вода") == []


def test_a_database_of_before_is_taken_over(db):
    db.add_segments("n", [segment(0, "вода"), segment(1, "снег")])
    with db.session():
        collection = db._segments.find()
        collection.modify(metadata={k: v for k, v in collection.metadata.items() if k != "generation"})
        collection.update(ids=["news_seg_0", "news_seg_1"], metadatas=[{"run_id": "abc", "added": None}] * 2)
    db._search.index.path.unlink()
    assert by_words(db, "вода") == ["news_seg_0"]
    db.add_segments("n", [segment(0, "лес")])
    assert (by_words(db, "вода"), by_words(db, "лес"), db.count_segments()) == ([], ["news_seg_0"], 1)


# === The client that stays open ===


@pytest.fixture
def folder(tmp_path) -> ChromaDBManager:
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    db.add_segments("n", [segment(0, "вода"), segment(1, "снег")])
    return db


def test_no_query_opens_the_database_unless_somebody_has_written_outside(folder, monkeypatch):
    opened = []
    open_folder = store_folder.open_folder
    for module in (store_folder, store_repair):
        monkeypatch.setattr(module, "open_folder", lambda path: opened.append(path) or open_folder(path))
    for manager in (folder, other(folder)):
        manager.search("вода", language="kk")
        manager.search_like("news", 10.0)
    assert not opened and not folder._place.lock.is_locked
    writer = other(folder)
    writer.add_segments("b", [segment(0, "вода вода", "b")])
    writer.create_or_update_video_file("b", "b", "kk", 1.0, 1, 1, 1, 1.0)
    opened.clear()
    assert "b_seg_0" in ids(folder.search("вода", by="vectors"))
    assert not opened
    os.utime(folder.directory / "chroma.sqlite3")  # as another program that writes
    assert len(folder.search("вода", by="vectors")) == 3
    assert opened and not folder._place.marker.exists()
    opened.clear()
    assert len(folder.search("вода", by="vectors")) == 3 and not opened


def test_a_video_record_of_another_process_is_no_reason_to_be_stale(folder):
    folder.search("вода")
    child = multiprocessing.get_context("spawn").Process(target=_add, args=(folder.directory,))
    child.start()
    child.join(300)
    assert child.exitcode == 0
    assert ids(folder.search("потоп"))[0] == "new_seg_0"


def _add(directory) -> None:
    ChromaDBManager(directory, embedder=FakeEmbedder()).add_segments("n", [segment(0, "потоп", "new")])


def test_a_folder_put_in_place_of_the_old_one_is_seen(folder, tmp_path):
    backup = tmp_path / "backup"
    shutil.copytree(folder.directory, backup)
    folder.add_segments("b", [segment(0, "вода", "b")])
    assert len(folder.search("вода")) == 3
    shutil.rmtree(folder.directory)
    shutil.copytree(backup, folder.directory)
    assert len(folder.search("вода")) == 2
    assert by_words(folder, "вода") == ["news_seg_0"]


def test_mending_between_two_queries_is_noticed(folder):
    assert folder.search("вода")
    Path(f"{folder.directory}.open").write_text("process 1 on elsewhere")
    for index in (path for path in folder.directory.iterdir() if path.is_dir()):
        (index / "header.bin").write_bytes(b"broken")
    assert ids(folder.search("вода", by="vectors"))[0] == "news_seg_0"
    assert not folder._place.marker.exists()


def test_a_damaged_word_index_is_made_again(folder, caplog):
    folder._search.index.path.write_bytes(b"no database" * 1000)
    assert by_words(folder, "снег") == ["news_seg_1"]
    assert "made anew" in caplog.text


def test_a_load_whose_words_cannot_be_written_says_so_and_stands(folder, monkeypatch, caplog):
    monkeypatch.setattr("videotag.search.index.BUSY", 0.05)
    with sqlite3.connect(folder._search.index.path) as blocking:
        blocking.execute("BEGIN EXCLUSIVE")
        assert folder.add_segments("b", [segment(0, "лес", "b")]) == 1
        blocking.rollback()
    assert "the next search tries again" in caplog.text
    assert by_words(folder, "лес") == ["b_seg_0"]


def test_a_servers_collection_that_is_coming_into_being(server_url, tmp_path):
    """The index's files are not there yet when the first query comes."""
    db = ChromaDBManager(tmp_path, chroma_url=server_url, embedder=FakeEmbedder())
    writer = multiprocessing.get_context("spawn").Process(target=_write_many, args=(server_url, tmp_path))
    writer.start()
    while writer.is_alive():
        db.search("вода")
    writer.join()
    assert writer.exitcode == 0 and len(db.search("вода", limit=50)) == 3


def _write_many(url: str, folder) -> None:
    db = ChromaDBManager(folder, chroma_url=url, embedder=FakeEmbedder())
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        with db.session():
            if db._segments.find():
                db._place.client().delete_collection("video_segments")
        db.add_segments("n", [segment(i, "вода") for i in range(3)])
        time.sleep(0.3)


def test_what_was_only_measured_comes_last_and_answers_nothing(tmp_path):
    """The question's words are those that `local` puts around what it measured."""
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    silent = segment(0, "Изображение цветное", "silent", measured=True)
    spoken = segment(0, "Изображение цветное", "spoken", measured=True, transcript="вода")
    db.add_segments("a.mp4", [silent])
    db.add_segments("b.mp4", [spoken])
    assert [(hit["id"], hit["document"], hit["close"]) for hit in db.search("изображение цветное вода")] == [
        ("spoken_seg_0", "вода", True),
        ("silent_seg_0", "Изображение цветное", False),
    ]
    assert [hit["id"] for hit in db.search("изображение цветное", by="words")] == []


def test_a_phrase_that_does_not_occur_gives_the_nearest(tmp_path):
    """None of them is close, though one has all words of it; filters hold. Where it occurs, that is all there is."""
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    db.add_segments("a.mp4", [segment(0, "высокая плотина", "a", language="ru")])
    db.add_segments("b.mp4", [segment(0, "плотина высокая", "b", language="kk")])
    assert [(hit["id"], hit["close"]) for hit in db.search('"высокая плотина"')] == [("a_seg_0", True)]
    found = db.search('"плотина очень высокая"')
    assert sorted(hit["id"] for hit in found) == ["a_seg_0", "b_seg_0"] and close(found) == []
    assert [(hit["id"], hit["close"]) for hit in db.search('"высокая плотина"', language="kk")] == [("b_seg_0", False)]

    def remarks(words: str, language: str = "kk") -> tuple[str, ...]:
        found = ask.find(db, ask.Question(words, None, Filters({"language": (language,)})), 5)
        return tuple(map(str, found.remarks))

    assert remarks('"высокая плотина"') == ("the words in quotes do not occur: the nearest",)
    assert remarks('"высокая плотина"', "ru") == ()


def test_another_reading_is_taken_only_where_what_was_typed_finds_nothing_as_good(tmp_path, monkeypatch):
    """Each of the words is all that is asked for, or none of it: 3 deviations, and 1 is asked of a better reading."""
    db = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    db.add_segments("a.mp4", [segment(n, text) for n, text in enumerate(("снаряд", "вода", "поезд"))])
    assert db.as_meant("cyfhzl") == "снаряд"
    assert [hit["id"] for hit in db.search("cyfhzl", limit=1)] == ["news_seg_0"]
    assert db.as_meant("СКАЖИТЕ ПОЖАЛУЙСТА ВОДА") == "вода"
    others = {"снаряд": "вода", "корабль": "самолет", "корабл": "вода"}
    monkeypatch.setattr("videotag.search.meant.readings", lambda question, archive: (question, others[question], False))
    assert [db.as_meant(typed) for typed in others] == ["снаряд", "корабль", "вода"]
