"""What a collection says of itself: its generation, which each writer raises, and who made its vectors and documents.

`Embedders` loads the one that fits.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from videotag.embedders.contract import DEFAULT_EMBEDDER, Embedder, Maker
from videotag.errors import UserError

if TYPE_CHECKING:
    import numpy as np

REMEMBERED = 64  # questions: of some people at once, and those that somebody goes back to


@dataclass(frozen=True)
class State:
    """Of a collection, as far as it can be told at once. Each writer raises the generation (ms since 1970)."""

    collection: str
    generation: int
    count: int

    def __str__(self) -> str:
        return f"{self.collection}:{self.generation}:{self.count}"


@dataclass(frozen=True)
class Noted:
    """What a seal says of a collection, so that who only searches need not open the database."""

    state: str
    stamp: dict[str, Any]  # `stamp_of`


def state_of(collection: Any) -> State:
    return State(str(collection.id), generation_of(collection), collection.count())


def generation_of(collection: Any) -> int:
    """0 of a collection that was made before there were generations."""
    return int((collection.metadata or {}).get("generation") or 0)


def document_version_of(collection: Any) -> int:
    """By which its documents were made, if not those of videos that are due; 1 where it is older than versions."""
    return int((collection.metadata or {}).get("document_version") or 1)


def raise_generation(collection: Any, **noted: Any) -> int:
    """Before records change: who reads this collection sees that what he knows of it is old. `noted`: in its stamp."""
    generation = max(generation_of(collection) + 1, milliseconds())
    collection.modify(metadata=(collection.metadata or {}) | noted | {"generation": generation})
    return generation


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


class Made(NamedTuple):
    """A `Maker` that is not here."""

    name: str
    model: str
    dimension: int


def stamp_for(embedder: Maker) -> dict[str, Any]:
    return {"embedder": embedder.name, "model": embedder.model, "dimension": embedder.dimension}


def stamp_of(collection: Any) -> dict[str, Any]:
    """What the collection remembers; {} if it was not made here."""
    metadata = collection.metadata or {}
    stamp = {key: metadata.get(key) for key in ("embedder", "model", "dimension")}
    return {} if None in stamp.values() else stamp


def options_for(stamp: Mapping[str, Any]) -> str:
    """The options of load_data_to_chroma.py that name that embedder."""
    return f"--embedder {stamp['embedder']} --embedding-model {shlex.quote(stamp['model'])}"


def title(stamp: Mapping[str, Any]) -> str:
    return f"{stamp['embedder']} ({stamp['model']}, {stamp['dimension']} dimensions)"


class Embedders:
    """Of a collection: the embedder that the user named, or the one that it remembers, loaded when it is needed."""

    def __init__(self, collection: str, given: Embedder | None, load: Callable[[str, str | None], Embedder]) -> None:
        """`given`: the embedder that was named. Arguments as of `ChromaDBManager`."""
        self._collection, self.given, self._load = collection, given, load
        self._loaded: Embedder | None = None
        self._vector = lru_cache(REMEMBERED)(lambda embedder, question: embedder.embed_queries([question])[0])
        self._lock = threading.Lock()

    def for_stamp(self, stamp: dict[str, Any] | None) -> Embedder:
        """The embedder for a collection of that stamp (None: a new one); raises UserError if another one made it."""
        way_out = "run: python load_data_to_chroma.py --rebuild"
        if stamp == {}:
            raise UserError(f"{self._collection} does not say which embedder made it: {way_out}")
        if self.given is not None:
            if stamp and stamp != stamp_for(self.given):
                raise UserError(
                    f"{self._collection} was made with {title(stamp)}, not with {title(stamp_for(self.given))}: "
                    f"choose the former, or {way_out} {options_for(stamp_for(self.given))}"
                )
            return self.given
        with self._lock:  # who asks meanwhile waits for it, and loads no second one
            if self._loaded is None or (stamp and stamp != stamp_for(self._loaded)):
                self._loaded = self.as_stamped(stamp) if stamp else self._load(DEFAULT_EMBEDDER, None)
            return self._loaded

    def as_stamped(self, stamp: dict[str, Any]) -> Embedder:
        """The very embedder that a stamp names, whatever the user named; raises UserError if it is another by now."""
        for embedder in (self.given, self._loaded):
            if embedder is not None and stamp_for(embedder) == stamp:
                return embedder
        embedder = self._load(stamp["embedder"], stamp["model"])
        if stamp_for(embedder) != stamp:
            raise UserError(
                f"{self._collection} was made with {title(stamp)}, which is now {title(stamp_for(embedder))}: "
                f"run: python load_data_to_chroma.py --rebuild {options_for(stamp)}"
            )
        return embedder

    def of_question(self, question: str, embedder: Embedder) -> np.ndarray:
        """Its vector, float32 [dimension]. Of the last ones it is known: one is asked of segments and of videos."""
        return self._vector(embedder, question)

    def use(self, embedder: Embedder) -> None:
        """From now on: the collection was made again with it."""
        if self.given is not None:
            self.given = embedder
        self._loaded = embedder
