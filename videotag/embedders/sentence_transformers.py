"""Any model of the sentence-transformers library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from videotag.embedders.contract import BATCH
from videotag.embedders.prompts import missing_prompts
from videotag.errors import UserError
from videotag.text import clean_text

if TYPE_CHECKING:
    import numpy as np


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
            from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
        except ImportError as error:
            raise UserError(f"{install} ({error})") from error
        if not hasattr(SentenceTransformer, "encode_query"):
            raise UserError(f"{install} (the one installed is older)")
        self.model = model or self.DEFAULT_MODEL
        try:
            self._engine: Any = SentenceTransformer(self.model, trust_remote_code=False)
        except (OSError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            fault = f'model "{self.model}" cannot be loaded ({reason})'
            raise UserError(f'embedder "{self.name}": {fault}: give a hub name or a folder') from error
        if not any(self._engine.prompts.get(key) for key in ("query", "document", "passage")):
            self._engine.prompts.update(missing_prompts(self.model))
        # A model that takes pictures, too, opens a bare text that looks like an address of one, here or on the network.
        self._sees = len(getattr(self._engine, "modalities", ())) > 1
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
        cleaned = [clean_text(text) for text in texts]
        vectors = encode(
            [{"text": text} for text in cleaned] if self._sees else cleaned,
            batch_size=BATCH,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return np.asarray(vectors, dtype=np.float32)
