"""Typical questions and segments: embedded once a model, then from cached files, made anew if those are damaged."""

import io
import logging
import pickle

import numpy as np
import pytest

from tests.conftest import FakeEmbedder
from videotag.search.typical import ASKED, QUESTIONS, SEGMENTS, Typical, typical


class Counting(FakeEmbedder):
    def __init__(self, model: str = "words", dimension: int = 16) -> None:
        super().__init__(model, dimension)
        self.asked = 0

    def embed_queries(self, texts):
        if list(texts) == list(ASKED):  # the fake embeds documents by this, too
            self.asked += len(texts)
        return super().embed_queries(texts)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    typical.cache_clear()
    yield tmp_path / "videotag"
    typical.cache_clear()


def again(embedder: Counting) -> Typical:
    """As in another process."""
    typical.cache_clear()
    return typical(embedder)


def test_once_a_model(folder):
    one, other = Counting(), Counting("other model", 8)
    first = typical(one)
    assert {language: vectors.shape for language, vectors in first.questions.items()} == dict.fromkeys(
        ("ru", "kk", "en"), (40, 16)
    )
    assert np.array_equal(first.questions["kk"], FakeEmbedder().embed_queries(QUESTIONS["kk"]))
    assert one.asked == 120 == len(set(ASKED))
    assert first.segments.shape == (24, 16) and one.embedded == list(SEGMENTS)
    assert np.array_equal(again(one).questions["en"], first.questions["en"]) and one.asked == 120
    assert again(other).segments.shape == (24, 8) and (other.asked, len(other.embedded)) == (120, 24)
    assert np.array_equal(again(one).segments, first.segments) and (one.asked, len(one.embedded)) == (120, 24)


def evil() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"what": "an object"}], dtype=object), allow_pickle=True)
    return file.getvalue()


def wrong(shape: tuple[int, ...], value: float = 1.0) -> bytes:
    file = io.BytesIO()
    np.save(file, np.full(shape, value, np.float32))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"no array", pickle.dumps([1.0]), evil(), wrong((120, 8)), wrong((120, 16), np.nan)],
    ids=["empty", "text", "pickle", "objects", "another shape", "nan"],
)
def test_a_damaged_file_is_made_anew(content, folder, caplog):
    embedder = Counting()
    right = typical(embedder)
    files = sorted(folder.iterdir())
    assert [file.name.partition("-")[0] for file in files] == ["questions", "segments"]
    for file in files:
        file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        found = again(embedder)
    assert caplog.text.count("is made anew") == 2 and (embedder.asked, len(embedder.embedded)) == (240, 48)
    both = [(np.vstack(list(made.questions.values())), made.segments) for made in (found, right)]
    for file, vectors, expected in zip(files, *both, strict=True):
        assert np.array_equal(vectors, expected) and np.array_equal(np.load(file), expected)


def test_a_cache_that_cannot_be_written_is_said(folder, caplog):
    folder.write_text("in the way")
    embedder = Counting()
    with caplog.at_level(logging.WARNING):
        assert typical(embedder).questions["ru"].shape == (40, 16)
    assert str(folder) in caplog.text
