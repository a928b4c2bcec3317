"""SigLIP 2 on onnxruntime: pictures found by words of many languages, without torch and without a language model."""

from __future__ import annotations

import string
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videotag.embedders import model_files
from videotag.embedders.pictures import tower_files
from videotag.embedders.pictures.tower_files import TowerFiles
from videotag.errors import UserError
from videotag.text import clean_text

if TYPE_CHECKING:
    import numpy as np

POOLED = ("pooler_output", "embedding")  # by transformers' exports and by immich's
LANGUAGES = frozenset({
    "ar", "cs", "da", "de", "el", "en", "es", "fa", "fr", "he", "hr", "hu", "id", "it", "ja", "ko", "nl", "no", "pl",
    "pt", "ro", "ru", "sv", "tr", "uk", "vi", "zh",
})  # fmt: skip
"""In which ViT-B-16 finds the picture of a sentence half of the time or more: mean of recall at 1, 5 and 10 on
Crossmodal-3600, as immich publishes it (docs/features/searching.md): ru 84, en 75, tr 67, uk 65. Left out are fi 40,
th 37, hi 28, fil 23, and bn, mi, quz, sw, te below 20. Kazakh is not among its 36 languages."""


class Siglip2:
    """SigLIP 2, from the models' shelf or a folder (`tower_files`). Any CPU; see `FrameEmbedder`."""

    name = "siglip2"
    DEFAULT_MODEL = "siglip2-base-patch16-224"
    languages: frozenset[str] | None = LANGUAGES

    def __init__(self, model: str | None = None) -> None:
        """Look what the model's folder has; a tower is loaded when it is needed.

        Args:
            model: its name on the shelf, or a folder.

        Raises:
            UserError: the model is not there, or not whole; nothing is fetched here.
        """
        try:
            folder = model_files.find(model or self.DEFAULT_MODEL)
            self._files = tower_files.read(folder)
        except UserError as error:
            raise UserError(f'frame embedder "{self.name}": {error}') from error
        self.model = self._files.model
        model_files.remember(self.model, folder)
        self._towers: dict[type[_ImageTower | _TextTower], _ImageTower | _TextTower] = {}
        self._loading = threading.Lock()  # of one who searches and another who does, only one loads it

    @property
    def dimension(self) -> int:
        loaded = next(iter(self._towers.values()), None)
        return (loaded or self._tower(_ImageTower)).dimension

    def embed_frames(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        return self._embed(_ImageTower, pictures)

    def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        return self._embed(_TextTower, texts)

    def _embed(self, tower: type[_ImageTower | _TextTower], given: Sequence[Any]) -> np.ndarray:
        import numpy as np

        used = self._tower(tower)
        # One by one: some exports take no more, and on a CPU each of many takes as long.
        return np.stack([used.vector(one) for one in given]) if given else np.zeros((0, used.dimension), np.float32)

    def _tower(self, kind: type[_ImageTower | _TextTower]) -> _ImageTower | _TextTower:
        with self._loading:
            if kind not in self._towers:
                try:
                    self._towers[kind] = kind(self._files)
                except UserError as error:
                    raise UserError(f'frame embedder "{self.name}": {error}') from error
            return self._towers[kind]


class _Tower:
    """A network with one input, whose output is a vector.

    Raises:
        UserError: it cannot be loaded, or is another kind of network.
    """

    def __init__(self, network: Path, kinds: Sequence[str], probe: Callable[[], Any]) -> None:
        self._session = model_files.opened(network)
        given, outputs = self._session.get_inputs(), self._session.get_outputs()
        named = [one.name for one in outputs if one.name in POOLED] or [outputs[0].name]
        self._given, self._kind, self._output = given[0].name, given[0].type, named[0]
        asked = ", ".join(f"{one.name} ({one.type})" for one in given)
        fault = f"{network} is no tower of SigLIP: its input is {asked}; use --frame-embedder sentence-transformers"
        if len(given) > 1 or self._kind not in kinds:
            raise UserError(fault)
        try:
            self.dimension = len(self.run(probe()))
        except Exception as error:  # onnxruntime raises many kinds
            raise UserError(f"{fault} ({str(error).strip().partition(chr(10))[0]})") from error

    def run(self, given: np.ndarray) -> np.ndarray:
        """The vector of one, float32 [dimension], of length 1. `given`: [1, ...]."""
        import numpy as np

        [[vector]] = self._session.run([self._output], {self._given: given})
        vector = np.asarray(vector, np.float32)
        if vector.ndim != 1:
            raise ValueError(f"the output {self._output} is no vector")
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


class _ImageTower(_Tower):
    def __init__(self, files: TowerFiles) -> None:
        self._files = files
        super().__init__(files.image, ["tensor(float)"], self._grey)

    def vector(self, one: np.ndarray) -> np.ndarray:
        return self.run(self._prepared(one))

    def _grey(self) -> np.ndarray:
        import numpy as np

        return self._prepared(np.full((1, 1, 3), 128, np.uint8))

    def _prepared(self, picture: np.ndarray) -> np.ndarray:
        """RGB uint8 [h, w, 3] as the network has seen pictures when it learnt: float32 [1, 3, height, width].

        By Pillow, as there: OpenCV makes a picture smaller without a filter, and finds other edges in it.
        """
        import numpy as np
        from PIL import Image

        (height, width), files = self._files.size, self._files
        by = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[files.resampling]
        squashed = np.asarray(Image.fromarray(picture).resize((width, height), by), np.float32) / 255
        levels = (squashed - np.asarray(files.mean, np.float32)) / np.asarray(files.std, np.float32)
        return np.ascontiguousarray(levels.transpose(2, 0, 1)[None])


class _TextTower(_Tower):
    def __init__(self, files: TowerFiles) -> None:
        self._bare = files.bare
        self._tokenizer = model_files.tokenizer_of(files.tokenizer)
        padding = self._tokenizer.token_to_id(files.padding)
        if padding is None:
            raise UserError(f"{files.tokenizer}: has no token {files.padding}; get the model again")
        # The vector is that of the last place: a text that is not filled up gives another one, far from all pictures.
        self._tokenizer.enable_truncation(files.longest)
        self._tokenizer.enable_padding(length=files.longest, pad_id=padding, pad_token=files.padding)
        super().__init__(files.text, ["tensor(int64)", "tensor(int32)"], lambda: self._tokens("?"))

    def vector(self, one: str) -> np.ndarray:
        return self.run(self._tokens(one))

    def _tokens(self, text: str) -> np.ndarray:
        """[1, longest]. In lower case: it has learnt no other."""
        import numpy as np

        text = clean_text(text).lower()
        if self._bare:  # as open_clip's `canonicalize_text`
            text = text.replace("_", " ").translate(str.maketrans("", "", string.punctuation))
        kind = np.int32 if self._kind == "tensor(int32)" else np.int64
        return np.asarray([self._tokenizer.encode(" ".join(text.split())).ids], kind)
