"""The embedders that there are."""

from videotag.embedders.contract import DEFAULT_EMBEDDER, Embedder
from videotag.embedders.e5 import E5Small
from videotag.embedders.onnx import OnnxEmbedder
from videotag.embedders.sentence_transformers import SentenceTransformersEmbedder
from videotag.errors import UserError

EMBEDDERS = {engine.name: engine for engine in (E5Small, OnnxEmbedder, SentenceTransformersEmbedder)}


def load_embedder(name: str = DEFAULT_EMBEDDER, model: str | None = None) -> Embedder:
    """Build the embedder of that name; model None is the engine's own choice.

    Raises:
        UserError: unknown name, or something is missing; the line says what to install.
    """
    if name not in EMBEDDERS:
        raise UserError(f'there is no embedder "{name}": choose one of {", ".join(EMBEDDERS)}')
    return EMBEDDERS[name](model)
