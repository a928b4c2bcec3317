"""What is seen: pictures stored, found, joined with words and meaning; in a folder and through a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.store.test_mending import cut, index_file
from tests.test_db_manager import add_video, segment
from videotag.errors import UserError
from videotag.frame_vectors import FrameVectors
from videotag.search import ranking
from videotag.search.pictures import OfPictures, exceeded_by_chance
from videotag.search.ranking import Ranked, Sighting
from videotag.search.typical import QUESTIONS

AXES = {"снег": 0, "река": 1, "лес": 2, "огонь": 3}


class FakeFrames:
    """Four things to be seen, an axis each; of a text the first that it names counts, else it lies between all."""

    name = "fake-frames"
    dimension = 4

    def __init__(self, model: str = "things", languages: frozenset[str] | None = frozenset({"ru", "en"})) -> None:
        self.model, self.languages = model, languages
        self.asked: list[str] = []

    def embed_frames(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """By the red of the first pixel."""
        return np.eye(4, dtype=np.float32)[[int(picture[0, 0, 0]) for picture in pictures]]

    def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        found = [next((axis for word, axis in AXES.items() if word in text), None) for text in texts]
        return np.array([np.full(4, 0.5) if axis is None else np.eye(4)[axis] for axis in found], np.float32)


def pictures(*seen: tuple[int, int, float, Sequence[float]], model: str = "things") -> FrameVectors:
    """Of (segment, number, second, vector); vectors are made of length 1."""
    rows = np.array([vector for *_, vector in seen], np.float32).reshape(len(seen), -1)
    return FrameVectors(
        "fake-frames",
        model,
        "result",
        np.array([segment for segment, *_ in seen], np.int32),
        np.array([number for _, number, *_ in seen], np.int32),
        np.array([second for *_, second, _ in seen], np.float64),
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9),
    )


class Shown:
    """A database whose pictures are asked by a scripted model; `missing`: why there is none."""

    def __init__(self, db: ChromaDBManager) -> None:
        self.model, self.missing = FakeFrames(), ""
        self.db = ChromaDBManager(
            db.directory, chroma_url=db.chroma_url, embedder=FakeEmbedder(), load_frames=self.load
        )

    def load(self, name: str, model: str | None) -> FakeFrames:
        if self.missing:
            raise UserError(self.missing)
        assert (name, model) == ("fake-frames", self.model.model)
        return self.model


@pytest.fixture
def anywhere(db: ChromaDBManager) -> Shown:
    """The same in a folder and through a server."""
    return filled(db)


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return filled(ChromaDBManager(tmp_path / "db"))


def filled(db: ChromaDBManager) -> Shown:
    """Five silent segments of one video. Frames of snow and of the river in all; of fire one, in segment 3 at 120 s."""
    found = Shown(db)
    silent = {"measured": True, "transcript": "", "keywords": []}
    found.db.add_segments("n", [segment(i, "серый", **silent) for i in range(5)])
    frames = [(i, j, 35.0 * i + 10 * j + 5, FRAME[j % 2]) for i in range(5) for j in range(3)]
    fire = (3, 1, 120.0, (0.1, 0, 0, 1))
    found.db.pictures.put("news", pictures(*(fire if frame[:2] == (3, 1) else frame for frame in frames)))
    return found


FRAME = [(1, 0.2, 0, 0), (0.2, 1, 0, 0)]
NONE = FrameVectors("fake-frames", "things", "result", np.zeros(0), np.zeros(0), np.zeros(0), np.zeros((0, 4)))


def ids(hits: list[dict[str, Any]]) -> list[str]:
    return [hit["id"] for hit in hits]


# === What is stored ===


def test_what_is_stored(anywhere):
    db = anywhere.db
    assert db.pictures.stamp() == {"embedder": "fake-frames", "model": "things", "dimension": 4}
    assert (db.pictures.counts(), db.pictures.count("news")) == ({"news": 15}, 15)
    with db.pictures.reading() as collection:
        [fire] = collection.get(ids=["news_seg_3_f1"], include=["metadatas"])["metadatas"]
    kept = {"video_name": "news", "segment_index": 3, "place": 1, "second": 120.0, "number": 1}
    assert {name: fire[name] for name in kept} == kept


def test_loaded_again_they_are_replaced(anywhere):
    """Of the extra frames between the stored ones, -1, several are of one segment."""
    again = pictures((0, -1, 1.0, FRAME[0]), (0, -1, 2.0, FRAME[1]), (0, 2, 3.0, (0, 0, 1, 0)))
    anywhere.db.pictures.put("news", again)
    assert anywhere.db.pictures.counts() == {"news": 3}
    assert anywhere.db.pictures.faults("news", again) == []
    [forest, *_] = anywhere.db.search("лес")
    assert (forest["id"], forest["seen_at"], forest["seen_frame"], forest["close"]) == ("news_seg_0", 3.0, 2, True)
    anywhere.db.pictures.put("news", NONE)
    assert (anywhere.db.pictures.counts(), anywhere.db.pictures.faults("news", None)) == ({}, [])


def test_what_differs_is_told(shown):
    kept = pictures((0, 0, 5.0, FRAME[0]), (1, 0, 40.0, FRAME[1]))
    shown.db.pictures.put("news", kept)
    assert shown.db.pictures.faults("news", kept) == []
    assert shown.db.pictures.faults("news", pictures((0, 0, 5.0, FRAME[0]))) == ["surplus"]
    assert shown.db.pictures.faults("news", pictures((0, 0, 6.0, FRAME[0]), (1, 0, 40.0, FRAME[1]))) == ["different"]
    assert shown.db.pictures.faults("news", pictures((0, 0, 5.0, FRAME[1]), (1, 0, 40.0, FRAME[1]))) == ["different"]
    assert shown.db.pictures.faults("film", kept) == ["missing"]


def test_vectors_of_another_model_are_refused_until_all_are_made_anew(anywhere):
    other = pictures((0, 0, 5.0, (1, 0)), model="other")
    refused = r"^video_frames was made with fake-frames \(things, 4 dimensions\), not with fake-frames \(other, 2"
    with pytest.raises(UserError, match=refused):
        anywhere.db.pictures.put("film", other)
    assert anywhere.db.pictures.counts() == {"news": 15}
    assert anywhere.db.pictures.put_all({"film": other, "news": NONE}) == 1
    assert anywhere.db.pictures.counts() == {"film": 1}
    assert anywhere.db.pictures.stamp() == {"embedder": "fake-frames", "model": "other", "dimension": 2}
    assert anywhere.db.pictures.faults("film", other) == []
    anywhere.db.pictures.put("film", other)  # in place of the one that was made with all
    assert anywhere.db.pictures.counts() == {"film": 1}
    with pytest.raises(ValueError, match="several models"):
        anywhere.db.pictures.put_all({"film": other, "news": pictures((0, 0, 5.0, (1, 0)))})


def test_they_go_with_their_video(anywhere):
    add_video(anywhere.db, "news")
    assert anywhere.db.move_segments("news", "archive", "new.mp4") == 5
    assert anywhere.db.pictures.counts() == {"archive": 15}
    assert anywhere.db.search("огонь")[0]["id"] == "archive_seg_3"
    assert anywhere.db.move_segments("archive", "archive", "newer.mp4") == 5
    assert anywhere.db.pictures.counts() == {"archive": 15}
    anywhere.db.delete_unknown_segments()
    assert anywhere.db.pictures.counts() == {}


@pytest.mark.parametrize("kept", [True, False])
def test_a_broken_index_is_mended(tmp_path: Path, caplog, kept):
    """With the vectors that a search keeps; without these the load has to put them in again, and can tell."""
    shown = Shown(ChromaDBManager(tmp_path / "db"))
    many = pictures(*((i, 0, 35.0 * i, (1, i / 99, 0, 0)) for i in range(120)))
    shown.db.pictures.put("news", many)
    cut(index_file(shown.db, "video_frames", "index_metadata.pickle"))
    if not kept:
        (shown.db.directory / "index-frames.sqlite3").unlink()
    again = Shown(shown.db)
    assert again.db.mend() == ["video_frames"]
    assert ("120 vectors of pictures are lost: load_data_to_chroma.py puts them in again" in caplog.text) is not kept
    assert again.db.pictures.counts() == ({"news": 120} if kept else {})
    again.db.pictures.put("news", many)
    assert again.db.pictures.faults("news", many) == []


def test_an_old_database_has_none_and_none_is_made(tmp_path: Path):
    shown = Shown(ChromaDBManager(tmp_path / "db"))
    shown.missing = "never asked for"
    shown.db.add_segments("n", [segment(i, f"слово{i}") for i in range(5)])
    assert ids(shown.db.search("слово3"))[0] == "news_seg_3"
    assert "seen_at" not in shown.db.search("слово3")[0]
    assert (shown.db.pictures.remark("слово3"), shown.db.pictures.stamp()) == (None, None)
    assert not (tmp_path / "db" / "index-frames.sqlite3").exists()
    with pytest.raises(UserError, match="no vectors of pictures are loaded"):
        list(shown.db.hits("", picture=("news", 3.0)))


# === What is found ===


def test_what_is_only_seen_is_found(shown):
    """Nothing but snow and river is in the others: fire is nearer to one picture than typical questions are to any."""
    [first, *others] = shown.db.search("огонь в ночи")
    assert (first["id"], first["close"], first["seen_at"], first["seen_frame"]) == ("news_seg_3", True, 120.0, 1)
    assert not any(hit["close"] or "seen_at" in hit for hit in others)


def test_what_is_not_seen_is_not_close(shown):
    """What lies between all is no nearer to any; the pictures that are least far are guesses, and name their second."""
    found = shown.db.search("кино")
    assert len(found) == 5 and not any(hit["close"] for hit in found)
    assert all("seen_at" in hit for hit in found)


def test_a_filter_holds_for_pictures(shown):
    assert not shown.db.search("огонь", without={"video_name": "news"})
    inside = shown.db.search("огонь", time=(110.0, 125.0))
    assert (inside[0]["id"], inside[0]["seen_at"]) == ("news_seg_3", 120.0)
    outside = shown.db.search("огонь", time=(125.0, 150.0))  # the segment reaches into it, its picture does not
    assert "news_seg_3" in ids(outside) and not any(hit["close"] for hit in outside)


def test_words_in_quotes_have_to_occur(shown):
    assert not any(hit["close"] or "seen_at" in hit for hit in shown.db.search('"огонь"'))


def test_in_8_bits_as_exactly(shown):
    """The vectors are held in 8 bits and compared again exactly: of what looks the same the first comes first."""
    alike = [(i, 0, 35.0 * i, (0, 0, 1, 1e-4 * i)) for i in range(5)]
    shown.db.pictures.put("film", pictures(*alike))
    shown.db.add_segments("f", [segment(i, "зелёный", "film") for i in range(5)])
    found = list(shown.db.hits("", picture=np.full((1, 1, 3), 2, np.uint8)))
    assert ids(found)[:5] == [f"film_seg_{i}" for i in range(5)]
    assert found[0]["score"] == pytest.approx(1, abs=1e-6)


def test_what_looks_like_a_picture(shown):
    """Red 3 is fire. Of a place: the picture that is on the screen there, without the segments of that time."""
    [first, *_] = shown.db.hits("", picture=np.full((2, 2, 3), 3, np.uint8))
    assert (first["id"], first["seen_at"]) == ("news_seg_3", 120.0)
    assert first["score"] == pytest.approx(1 / 1.01**0.5)
    shown.missing = "the model is not needed for a picture of the archive"
    found = list(Shown(shown.db).db.hits("", picture=("news", 127.0)))  # fire, since 120 s
    assert "news_seg_3" not in ids(found) and "news_seg_2" not in ids(found) and len(found) == 2  # 2 and 4 overlap 3
    with pytest.raises(UserError, match='"film": there is no video of that name'):
        list(shown.db.hits("", picture=("film", 1.0)))


def test_without_the_model_the_rest_goes_on_and_why_is_told(shown):
    shown.missing = "the model is not on the shelf: run models.py"
    other = Shown(shown.db)
    other.missing = shown.missing
    assert not any("seen_at" in hit for hit in other.db.search("огонь"))
    assert other.db.pictures.remark("огонь") == ("pictures_not_asked", {"why": shown.missing})
    shown.missing = ""


def test_a_language_that_the_model_does_not_know(shown):
    """Of 12 no language is known; of a model that says nothing, not what it knows. It is asked all the same."""
    for languages, question, language in [
        ({"ru", "en"}, "өрт түнде", "kk"),
        ({"ru", "en"}, "огонь", None),
        ({"ru", "en"}, "fire", None),
        ({"ru", "en"}, "12", None),
        ({"en"}, "огонь", "ru"),
        (None, "өрт түнде", None),
    ]:
        shown.model.languages = languages and frozenset(languages)
        told = language and ("pictures_language", {"language": language})
        assert shown.db.pictures.remark(question) == told, question
    shown.db.search("өрт түнде")
    assert "өрт түнде" in shown.model.asked


def test_another_process_finds_what_was_put_meanwhile(anywhere):
    reader = Shown(anywhere.db)
    assert all(hit.get("seen_at") != 71.0 for hit in reader.db.search("лес"))
    frames = [(2, 0, 71.0, (0, 0, 1, 0)), *((0, j, 1.0 * j, FRAME[0]) for j in range(4))]
    anywhere.db.pictures.put("news", pictures(*frames))
    [first, *_] = reader.db.search("лес")
    assert (first["id"], first["seen_at"], first["close"]) == ("news_seg_2", 71.0, True)


# === How it is joined ===


def ranked(*close: bool) -> list[Ranked]:
    """a, b, c, ...: close or not."""
    return [Ranked("abcdefgh"[n], 0.5, one, 5.0 - n, 0.0) for n, one in enumerate(close)]


def joined(told: list[Ranked], **seen: bool) -> list[tuple[str, bool, bool]]:
    """Id, whether it is close, whether it was seen; `seen`: best first, whether each is close."""
    pictures = {id_: Sighting(1.0, 0, 0.1, close) for id_, close in seen.items()}
    shown = {hit.id: hit for hit in told if hit.id in pictures}
    return [(hit.id, hit.close, hit.seen is not None) for hit in ranking.joined(iter(told), shown, pictures)]


def test_ranks_are_joined():
    """a 1/61, b 1/62, c 1/63 by words; c 1/61, d 1/62 by pictures: c 0.0323, a 0.0164, then b and d, with equal sums.

    The one found by words comes first. e is close by neither.
    """
    told = ranked(True, True, True, False, False)
    assert joined(told, c=True, d=True) == [
        ("c", True, True),
        ("a", True, False),
        ("b", True, False),
        ("d", True, True),
        ("e", False, False),
    ]


def test_pictures_that_tell_nothing_change_nothing():
    told = ranked(True, True, False, False)
    assert [hit[0] for hit in joined(told, d=False, c=False)] == ["a", "b", "c", "d"]
    assert [hit[1:] for hit in joined(told, d=False)] == [(True, False), (True, False), (False, False), (False, False)]


def test_only_pictures_are_close():
    assert joined(ranked(False, False, False), c=True, b=False) == [
        ("c", True, True),
        ("a", False, False),
        ("b", False, False),
    ]


def test_where_nothing_is_close_the_best_of_both_are_guesses():
    """a 1/61, b 1/62 + 1/61, c 1/63 + 1/62."""
    assert joined(ranked(False, False, False), b=False, c=False) == [
        ("b", False, True),
        ("c", False, True),
        ("a", False, False),
    ]


def test_what_does_not_pass_the_filter_is_not_joined():
    told = ranked(False, False)
    pictures = {"z": Sighting(1.0, 0, 0.1, True)}
    assert [hit.id for hit in ranking.joined(iter(told), {}, pictures)] == ["a", "b"]


# === What chance makes of pictures ===


def test_what_is_seldom_exceeded_by_chance():
    """Of Gumbel's law of place 2 and width 0.5 a quarter lies below 2 - 0.5 ln(ln 4), the half below 2 - 0.5 ln(ln 2).

    All but a twentieth lies below 2 + 0.5 * 2.9702. What is above the half does not count: it may be answered. Of ten
    times as many the greatest is by 0.5 ln 10 greater.
    """
    law = [2 - 0.5 * np.log(-np.log(share)) for share in (0.0001, 0.25, 0.5)]
    assert exceeded_by_chance(np.array([*law, 90.0, 95.0])) == pytest.approx(3.4851, abs=1e-4)
    assert exceeded_by_chance(np.array([*law, 90.0, 95.0]), np.log(10)) == pytest.approx(3.4851 + 1.1513, abs=1e-4)


def test_a_language_has_its_own_measure():
    """Pictures (+-1, 0, 0), whose mean is 0. Russian questions see one of them, Kazakh ones none: nothing is near."""
    sample = np.array([[1, 0, 0], [-1, 0, 0]] * 10, np.float32)
    russian = np.array([[1, 0, 0], [-1, 0, 0]] * 2, np.float32)
    kazakh = np.array([[0, 1, 0], [0, -1, 0]] * 2, np.float32)
    measured = OfPictures(sample, 20, {"ru": russian, "kk": kazakh})
    assert measured.asked_in("kk").close_from == pytest.approx(0)
    assert measured.asked_in("ru").close_from == pytest.approx(1)  # 1 of a spread of 1
    assert sum(map(len, QUESTIONS.values())) == 120  # so many are asked once of a model
