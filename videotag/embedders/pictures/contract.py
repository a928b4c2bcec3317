"""What a frame embedder is: pictures and texts to unit vectors of one space; a text lies near what it describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class FrameEmbedder(Protocol):
    """Pictures and texts to vectors: float32 [n, dimension], each row of length 1: a dot product is the cosine.

    A model has two towers, for pictures and for texts. Each is loaded at its first use and not before, since either
    alone is large: who makes vectors of frames never loads the text tower, who asks with words never the other.
    """

    name: str  # key in FRAME_EMBEDDERS
    model: str  # what tells two models of one engine apart
    languages: frozenset[str] | None  # ISO 639-1, those that its texts are known to be understood in; None: not known

    @property
    def dimension(self) -> int:
        """Asked for before either tower is loaded, it may load the one for pictures."""
        ...

    def embed_frames(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Embed pictures, each RGB uint8 [h, w, 3] of any size: float32 [len(pictures), dimension].

        Raises:
            UserError: the tower for pictures cannot be loaded.
        """
        ...

    def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        """Embed what is asked: float32 [len(texts), dimension].

        Raises:
            UserError: the tower for texts cannot be loaded.
        """
        ...
