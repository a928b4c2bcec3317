"""The frame embedders that there are."""

from videotag.embedders.pictures.contract import FrameEmbedder
from videotag.embedders.pictures.sentence_transformers import SentenceTransformersFrames
from videotag.embedders.pictures.siglip2 import Siglip2
from videotag.errors import UserError

FRAME_EMBEDDERS = {engine.name: engine for engine in (Siglip2, SentenceTransformersFrames)}


def load_frame_embedder(name: str, model: str | None = None) -> FrameEmbedder:
    """Build the frame embedder of that name; model None is the engine's own choice.

    Raises:
        UserError: unknown name, or something is missing; the line says what to install or to get.
    """
    if name not in FRAME_EMBEDDERS:
        raise UserError(f'there is no frame embedder "{name}": choose one of {", ".join(FRAME_EMBEDDERS)}')
    return FRAME_EMBEDDERS[name](model)
