"""What is seen: pictures stored, found, joined with words and meaning; in a folder and through a server."""

from collections.abc import Sequence

import numpy as np

from videotag.frame_vectors import FrameVectors

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
