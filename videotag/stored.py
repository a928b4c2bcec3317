"""What is stored in a ChromaDB collection: records, vectors and what the collection says of itself.

Nothing here opens a database; `ChromaDBManager` hands over collections of its open session.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from videotag import artifacts
from videotag.embedders import Embedder
from videotag.records import BOOKKEEPING, STAGES, VIDEO_FILTERS, ordered, segment_document, video_document

if TYPE_CHECKING:
    import numpy as np

PAGE = 5000  # get() of more than 32,766 records fails
UPSERT = 200  # records a call, 6 ms each: so long Ctrl-C waits at most. ChromaDB's limit is 5,461, the server's 40 MiB
SAME = 1e-5  # cosine distance of equal vectors, with what float32 makes of it

Snapshot = dict[str, tuple[dict[str, Any], str]]
"""Id to (metadata, document)."""


class Unreadable(Exception):
    """A vector that is stored, and is none."""


def is_internal(error: BaseException) -> bool:
    """Whether the library itself failed, and not the caller: Rust's panics too."""
    if isinstance(error, Unreadable):
        return True
    name = type(error).__name__
    return (type(error).__module__, name) == ("chromadb.errors", "InternalError") or name == "PanicException"


def read_pages(collection: Any, *, include: list[str], where: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        page = collection.get(where=where, include=include, limit=PAGE, offset=offset)
        yield page
        offset += PAGE
        if len(page["ids"]) < PAGE:
            return


def _pages_of(collection: Any, ids: Sequence[str], include: list[str]) -> Iterator[dict[str, Any]]:
    """The records of these ids, as far as they are there, in any order."""
    for start in range(0, len(ids), PAGE):
        yield collection.get(ids=list(ids[start : start + PAGE]), include=include)


def count_segments(collection: Any, video_name: str) -> int:
    return sum(len(page["ids"]) for page in read_pages(collection, where={"video_name": video_name}, include=[]))


def read_records(collection: Any, *, where: dict[str, Any] | None = None, ids: Sequence[str] | None = None) -> Snapshot:
    """Id to (metadata, document), by filter or by ids."""
    include = ["metadatas", "documents"]
    pages = read_pages(collection, where=where, include=include) if ids is None else _pages_of(collection, ids, include)
    return {id_: record for page in pages for id_, record in snapshot(page).items()}


def snapshot(page: dict[str, Any]) -> Snapshot:
    """A page with metadatas and documents."""
    return {
        id_: (metadata or {}, document if document is not None else segment_document(metadata or {}))
        for id_, metadata, document in zip(page["ids"], page["metadatas"], page["documents"], strict=True)
    }


def read_vectors(collection: Any, ids: Sequence[str]) -> dict[str, np.ndarray]:
    return {
        id_: vector
        for page in _pages_of(collection, ids, ["embeddings"])
        for id_, vector in zip(page["ids"], page["embeddings"], strict=True)
    }


def readable_vectors(collection: Any, ids: list[str]) -> dict[str, np.ndarray]:
    """Vectors by id; without those that the index does not give."""
    vectors: dict[str, np.ndarray] = {}
    for start in range(0, len(ids), UPSERT):
        vectors |= _vectors_of(collection, ids[start : start + UPSERT])
    return vectors


def _vectors_of(collection: Any, ids: list[str]) -> dict[str, np.ndarray]:
    import numpy as np

    try:
        page = collection.get(ids=ids, include=["embeddings"])
    except BaseException as error:
        if not is_internal(error):
            raise
        # One that cannot be read spoils the whole page.
        half = len(ids) // 2
        return _vectors_of(collection, ids[:half]) | _vectors_of(collection, ids[half:]) if half else {}
    return {
        id_: vector for id_, vector in zip(page["ids"], page["embeddings"], strict=True) if np.isfinite(vector).all()
    }


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector with the length 1.

    Raises:
        Unreadable: it has none: the collection's index is damaged.
    """
    import numpy as np

    length = float(np.linalg.norm(vector))
    if not 0 < length < math.inf:
        raise Unreadable("a stored vector has no length")
    return np.asarray(vector, np.float32) / length


def differs(stored: tuple[dict[str, Any], str], expected: dict[str, Any]) -> bool:
    metadata, document = stored
    if document != segment_document(expected) or metadata.keys() - set(BOOKKEEPING) != expected.keys():
        return True
    for key, value in expected.items():
        # ChromaDB keeps 16 digits of a float.
        same = math.isclose(metadata[key], value) if isinstance(value, float) else metadata[key] == value
        if not same:
            return True
    return False


def video_record(collection: Any, video_name: str) -> dict[str, Any] | None:
    metadatas = collection.get(ids=[video_name], include=["metadatas"])["metadatas"]
    return ordered(metadatas[0], VIDEO_FILTERS) if metadatas else None


def write_video_records(collection: Any, videos: Mapping[str, dict[str, Any]]) -> None:
    """Bring the records there are up to date, and make those that are not there."""
    found = collection.get(ids=list(videos), include=["metadatas"])
    old = dict(zip(found["ids"], found["metadatas"], strict=True))
    plain = {name: fields for name, fields in videos.items() if name in old and not _DESCRIBED & fields.keys()}
    if plain:
        changes = [{**fields, "updated_at": artifacts.now()} for fields in plain.values()]
        collection.update(ids=list(plain), metadatas=changes)
    for name in videos.keys() & old.keys() - plain.keys():
        update_video_record(collection, old[name], videos[name])
    if new := [_new_record(name, fields) for name, fields in videos.items() if name not in old]:
        collection.add(
            ids=[record["video_name"] for record in new],
            embeddings=[[1.0]] * len(new),  # a record cannot be without a vector
            metadatas=new,
            documents=[video_document(record) for record in new],
        )


def update_video_record(collection: Any, old: dict[str, Any], fields: dict[str, Any]) -> None:
    changes = {**fields, "updated_at": artifacts.now()}
    document = {}
    if _DESCRIBED & fields.keys():
        # With a document the vector must be passed as well, or chromadb would embed it with its default model.
        document = {"documents": [video_document(old | fields)], "embeddings": [[1.0]]}
    collection.update(ids=[old["video_name"]], metadatas=[changes], **document)


def _new_record(video_name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    now = artifacts.now()
    pending = {f"{stage}_status": "pending" for stage in STAGES}
    record = {"video_name": video_name, **pending, **fields, "created_at": now, "updated_at": now}
    return {key: value for key, value in record.items() if value is not None}


_DESCRIBED = {"summary", "keywords"}
"""Fields that make a record's document."""


def replace_segments(
    collection: Any, name: str, generation: int, records: list[dict], documents: list[str], vectors: Any
) -> None:
    # In place, then the surplus: deleting and adding again makes live records unreachable (chroma #7758).
    old = read_records(collection, where={"video_name": name})
    ids = [f"{name}_seg_{record['segment_index']}" for record in records]
    merged = []
    for id_, record in zip(ids, records, strict=True):
        before, _ = old.get(id_, ({}, ""))
        kept = {"run_id": generation, "added": before.get("added", time.time())}
        # An upsert merges keys: one that is not there any more has to be deleted by name.
        merged.append(dict.fromkeys(before) | record | kept)
    for start in range(0, len(ids), UPSERT):
        part = slice(start, start + UPSERT)
        collection.upsert(ids=ids[part], metadatas=merged[part], documents=documents[part], embeddings=vectors[part])
    surplus = {"$and": [{"video_name": name}, {"run_id": {"$ne": generation}}]}
    collection.delete(where=surplus)


@dataclass(frozen=True)
class State:
    """Of the search collection, as far as it can be told at once. Each writer raises the generation (ms since 1970)."""

    collection: str
    generation: int
    count: int

    def __str__(self) -> str:
        return f"{self.collection}:{self.generation}:{self.count}"


def state_of(collection: Any) -> State:
    return State(str(collection.id), generation_of(collection), collection.count())


def generation_of(collection: Any) -> int:
    """0 of a collection that was made before there were generations."""
    return int((collection.metadata or {}).get("generation") or 0)


def raise_generation(collection: Any) -> int:
    """Before records change: who reads this collection sees that what he knows of it is old."""
    generation = max(generation_of(collection) + 1, milliseconds())
    collection.modify(metadata=(collection.metadata or {}) | {"generation": generation})
    return generation


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


def stamp_for(embedder: Embedder) -> dict[str, Any]:
    return {"embedder": embedder.name, "model": embedder.model, "dimension": embedder.dimension}


def stamp_of(collection: Any) -> dict[str, Any]:
    """What the collection remembers; {} if it was not made here."""
    metadata = collection.metadata or {}
    stamp = {key: metadata.get(key) for key in ("embedder", "model", "dimension")}
    return {} if None in stamp.values() else stamp


def options_for(stamp: Mapping[str, Any]) -> str:
    """The options of load_data_to_chroma.py that name that embedder."""
    return f"--embedder {stamp['embedder']} --embedding-model {shlex.quote(stamp['model'])}"


def title_of(embedder: Embedder) -> str:
    return title(stamp_for(embedder))


def title(stamp: Mapping[str, Any]) -> str:
    return f"{stamp['embedder']} ({stamp['model']}, {stamp['dimension']} dimensions)"
