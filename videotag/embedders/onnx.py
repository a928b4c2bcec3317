"""Text models for onnxruntime: no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from videotag.embedders import model_files
from videotag.errors import UserError
from videotag.text import clean_text

if TYPE_CHECKING:
    import numpy as np

TOKENS = 1024
"""In a call of the network, those that only fill it up among them, unless one text has more: on a CPU larger ones take
as long a token, and Ctrl-C has to wait for a call."""
TOKEN_VECTORS = ("last_hidden_state", "token_embeddings")  # by Optimum and by sentence-transformers


class OnnxEmbedder:
    """multilingual-e5, bge-m3 and their like, from the models' shelf or a folder. Any CPU; see `Embedder`.

    The vectors are those of sentence-transformers: prompts, cut and pooling as the model's own files say.
    """

    name = "onnx"
    DEFAULT_MODEL = "multilingual-e5-small"

    def __init__(self, model: str | None = None) -> None:
        """Load the model: its name on the shelf, or a folder.

        Raises:
            UserError: the model is not there, or not whole; nothing is fetched here.
        """
        try:
            folder = model_files.find(model or self.DEFAULT_MODEL)
            self._files = model_files.read(folder)
            self._tokenizer = model_files.tokenizer_of(self._files.tokenizer)
            self._session = model_files.opened(self._files.network)
        except UserError as error:
            raise UserError(f'embedder "{self.name}": {error}') from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._files.longest)
        self._wanted = {given.name for given in self._session.get_inputs()}
        self._output = self._token_vectors()
        self.model = self._files.model
        model_files.remember(self.model, folder)
        self.dimension = int(self._embed("", ["?"]).shape[1])

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        return self._embed(self._files.document_prompt, texts)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._embed(self._files.query_prompt, texts)

    def _token_vectors(self) -> str:
        """The name of the output that has a vector a token."""
        outputs = self._session.get_outputs()
        named = [output.name for output in outputs if output.name in TOKEN_VECTORS]
        named += [output.name for output in outputs if len(output.shape or ()) == 3]
        if not named or not {"input_ids", "attention_mask"} <= self._wanted:
            raise UserError(
                f'embedder "{self.name}": {self._files.network} is no text model with a vector a token: '
                "use --embedder sentence-transformers"
            )
        return named[0]

    def _embed(self, prompt: str, texts: Sequence[str]) -> np.ndarray:
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        found = self._tokenizer.encode_batch([prompt + clean_text(text) for text in texts])
        tokens = [encoding.ids for encoding in found]
        vectors: list[Any] = [None] * len(tokens)
        for batch in _batches([len(ids) for ids in tokens]):
            for place, vector in zip(batch, self._run([tokens[place] for place in batch]), strict=True):
                vectors[place] = vector
        return np.stack(vectors)

    def _run(self, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """float32 [len(tokens), dimension], of length 1."""
        import numpy as np

        ids = np.full((len(tokens), max(map(len, tokens))), self._files.padding, np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(tokens):
            ids[row, : len(text)], mask[row, : len(text)] = text, 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        [states] = self._session.run([self._output], {name: given[name] for name in self._wanted & given.keys()})
        states = np.asarray(states, np.float32)
        # The sum points where the mean does.
        pooled = states[:, 0] if self._files.pooling == "cls" else np.einsum("btd,bt->bd", states, mask.astype("f4"))
        return pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The places of texts of these lengths, those of like length together, as many as `TOKENS` allows."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if batch and (len(batch) + 1) * lengths[place] > TOKENS:
            yield batch
            batch = []
        batch.append(place)
    yield batch
