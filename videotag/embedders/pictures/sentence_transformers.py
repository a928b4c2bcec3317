"""Any model of the sentence-transformers library that takes pictures and texts."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.text import clean_text

if TYPE_CHECKING:
    import numpy as np

BATCH = 16  # pictures or texts a call of the network
SIGLIP = ("siglip", "siglip2")
LONGEST = 64  # tokens that SigLIP's texts are filled up to


class SentenceTransformersFrames:
    """SigLIP 2, Qwen3-VL-Embedding and others, by a folder or the name of a model that is here. GPU if there is one.

    See `FrameEmbedder`; the library loads both towers at once, at the first use of either. Nothing is downloaded, and
    no code that comes with a model is run: one that needs its own (mexma-siglip2) is refused.
    """

    name = "sentence-transformers"
    languages: frozenset[str] | None = None

    def __init__(self, model: str | None = None) -> None:
        """Look whether the library is there.

        Raises:
            UserError: it is not, or no model is named.
        """
        if importlib.util.find_spec("sentence_transformers") is None:
            raise UserError(f'frame embedder "{self.name}" needs the library: pip install "sentence-transformers>=5.4"')
        if not model:
            raise UserError(f'frame embedder "{self.name}": name a model: --frame-model FOLDER, or a name on the hub')
        self.model = model
        self._loading = threading.Lock()
        self._loaded: Any = None

    @property
    def dimension(self) -> int:
        return int(self.embed_questions(["?"]).shape[1])

    def embed_frames(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        from PIL import Image

        return self._embed([Image.fromarray(picture) for picture in pictures])

    def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        cleaned = [clean_text(text) for text in texts]
        if self._engine()[0].config.model_type not in SIGLIP:
            return self._embed([{"text": text} for text in cleaned])
        # The library fills a text up to the longest of its batch, for any model; SigLIP's vector is that of place 64.
        filled = {"padding": "max_length", "max_length": LONGEST, "truncation": True}
        return self._embed([{"text": text.lower()} for text in cleaned], processing_kwargs={"text": filled})

    def _embed(self, given: Sequence[Any], **options: Any) -> np.ndarray:
        """`given`: pictures, or each text in a dict: a bare one that looks like an address of a picture is fetched."""
        import numpy as np

        engine = self._engine()
        if not given:
            return np.zeros((0, self.dimension), np.float32)
        silent = {"show_progress_bar": False, "convert_to_numpy": True, "normalize_embeddings": True}
        return np.asarray(engine.encode(list(given), batch_size=BATCH, **silent, **options), np.float32)

    def _engine(self) -> Any:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._opened()
            return self._loaded

    def _opened(self) -> Any:
        from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

        try:
            engine = SentenceTransformer(self.model, trust_remote_code=False, local_files_only=True)
            kinds = set(engine.modalities)
        except (OSError, ValueError, AttributeError) as error:
            reason = str(error).strip().partition("\n")[0]
            fault = f'frame embedder "{self.name}": model "{self.model}" cannot be loaded ({reason})'
            raise UserError(f"{fault}: give a folder, or get it first: hf download {self.model}") from error
        if not {"text", "image"} <= kinds:
            raise UserError(f'frame embedder "{self.name}": model "{self.model}" takes no pictures and texts')
        return engine
