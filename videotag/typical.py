"""Questions as people put them to any archive: what their vectors have in common tells nothing of what one asks for."""

from __future__ import annotations

import hashlib
import io
import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from videotag import artifacts
from videotag.embedders import Embedder
from videotag.errors import UserError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

QUESTIONS = (
    "что говорят о погоде",
    "разговор двух людей за столом",
    "когда это произошло",
    "смешной случай с детьми",
    "сколько это стоит",
    "спортсмен радуется победе",
    "как приготовить это блюдо",
    "новости экономики",
    "бұл қашан болды",
    "ауа райы туралы хабар",
    "балалар ойнап жүр",
    "ән айтып тұрған әнші",
    "қала көшелері",
    "спорт жарысының жеңімпазы",
    "тарихи оқиға туралы",
    "дәрігер кеңесі",
    "what happened in the end",
    "people walking in the street",
    "interview with a woman",
    "animals in the wild",
    "the price of things",
    "an old photograph",
    "music and dancing",
    "who won the prize",
)


@lru_cache(maxsize=1)
def typical_questions(embedder: Embedder) -> np.ndarray:
    """Their vectors, float32 [24, dimension]: embedded once (1 s of CPU), then among the user's cached files."""
    import numpy as np
    import platformdirs

    made_by = repr((embedder.name, embedder.model, embedder.dimension, QUESTIONS))
    name = hashlib.sha256(made_by.encode()).hexdigest()[:16]
    path = platformdirs.user_cache_path("videotag") / f"questions-{name}.npy"
    try:
        vectors = np.load(path, allow_pickle=False)
        if vectors.shape == (len(QUESTIONS), embedder.dimension) and np.isfinite(vectors).all():
            return vectors
        log.warning("%s is damaged and is made anew", path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError) as error:
        log.warning("%s cannot be read (%s) and is made anew", path, error)
    vectors = embedder.embed_queries(QUESTIONS)
    file = io.BytesIO()
    np.save(file, vectors)
    try:
        artifacts.write_whole(path, file.getvalue())
    except UserError as error:
        log.warning("%s (each start takes a second longer)", error)
    return vectors
