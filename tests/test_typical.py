"""Typical questions' vectors: embedded once a model, then from a cached file, made anew if that is damaged."""

import io
import logging
import pickle

import numpy as np
import pytest
from conftest import FakeEmbedder

from videotag.typical import QUESTIONS, typical_questions


class Counting(FakeEmbedder):
    def __init__(self, model: str = "words", dimension: int = 16) -> None:
        super().__init__(model, dimension)
        self.asked = 0

    def embed_queries(self, texts):
        self.asked += len(texts)
        return super().embed_queries(texts)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    typical_questions.cache_clear()
    yield tmp_path / "videotag"
    typical_questions.cache_clear()


def again(embedder: Counting) -> np.ndarray:
    """As in another process."""
    typical_questions.cache_clear()
    return typical_questions(embedder)


def test_once_a_model(folder):
    one, other = Counting(), Counting("other model", 8)
    first = typical_questions(one)
    assert first.shape == (24, 16) and one.asked == len(QUESTIONS) == len(set(QUESTIONS))
    assert np.array_equal(again(one), first) and one.asked == 24
    assert again(other).shape == (24, 8) and other.asked == 24
    assert np.array_equal(again(one), first) and one.asked == 24


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
    [b"", b"no array", pickle.dumps([1.0]), evil(), wrong((24, 8)), wrong((24, 16), np.nan)],
    ids=["empty", "text", "pickle", "objects", "another shape", "nan"],
)
def test_a_damaged_file_is_made_anew(content, folder, caplog):
    embedder = Counting()
    right = typical_questions(embedder)
    (file,) = folder.iterdir()
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(again(embedder), right)
    assert "is made anew" in caplog.text and embedder.asked == 48
    assert np.array_equal(np.load(file), right)


def test_a_cache_that_cannot_be_written_is_said(folder, caplog):
    folder.write_text("in the way")
    embedder = Counting()
    with caplog.at_level(logging.WARNING):
        assert typical_questions(embedder).shape == (24, 16)
    assert str(folder) in caplog.text
