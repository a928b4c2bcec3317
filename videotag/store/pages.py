"""Records and vectors of a ChromaDB collection, read in pages.

Nothing here opens a database; a `Place` gives collections of its open session.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from videotag.store.chroma import Unreadable, is_internal

if TYPE_CHECKING:
    import numpy as np

PAGE = 5000  # get() of more than 32,766 records fails, and so does a filter by as many values
UPSERT = 200  # records a call, 6 ms each: so long Ctrl-C waits at most. ChromaDB's limit is 5,461, the server's 40 MiB
NOT_UNIT = 1e-3  # a vector whose length differs so much from 1 is damaged
SAME = 1e-5  # cosine distance of equal vectors, with what float32 makes of it

Item = TypeVar("Item")
Snapshot = dict[str, tuple[dict[str, Any], str]]
"""Id to (metadata, document)."""


def in_parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """At most `size` of them at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def get(client: Any, name: str) -> Any:
    """The collection, or None."""
    from chromadb.errors import NotFoundError  # not before load_chromadb() has imported it at less cost

    try:
        return client.get_collection(name, embedding_function=None)
    except NotFoundError:
        return None


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
    return (collection.get(ids=list(part), include=include) for part in in_parts(ids, PAGE))


def read_records(collection: Any, *, where: dict[str, Any] | None = None, ids: Sequence[str] | None = None) -> Snapshot:
    """Id to (metadata, document), by filter or by ids."""
    include = ["metadatas", "documents"]
    pages = read_pages(collection, where=where, include=include) if ids is None else _pages_of(collection, ids, include)
    return {id_: record for page in pages for id_, record in snapshot(page).items()}


def snapshot(page: dict[str, Any]) -> Snapshot:
    """A page with metadatas and documents; "" where another program has written none."""
    return {
        id_: (metadata or {}, document or "")
        for id_, metadata, document in zip(page["ids"], page["metadatas"], page["documents"], strict=True)
    }


def read_vectors(collection: Any, ids: Sequence[str]) -> dict[str, np.ndarray]:
    pages = _pages_of(collection, ids, ["embeddings"])
    return {id_: vector for page in pages for id_, vector in zip(page["ids"], page["embeddings"], strict=True)}


def readable_vectors(collection: Any, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Vectors by id; without those that the index does not give."""
    return {id_: v for part in in_parts(ids, UPSERT) for id_, v in _vectors_of(collection, part).items()}


def _vectors_of(collection: Any, ids: Sequence[str]) -> dict[str, np.ndarray]:
    import numpy as np

    try:
        page = collection.get(ids=list(ids), include=["embeddings"])
    except BaseException as error:
        if not is_internal(error):
            raise
        # One that cannot be read spoils the whole page.
        half = len(ids) // 2
        return _vectors_of(collection, ids[:half]) | _vectors_of(collection, ids[half:]) if half else {}
    return {
        id_: vector for id_, vector in zip(page["ids"], page["embeddings"], strict=True) if np.isfinite(vector).all()
    }


def is_unit(vector: np.ndarray) -> bool:
    """Whether its length is 1, as that of every stored vector is until it is damaged."""
    import numpy as np

    return abs(float(np.linalg.norm(vector)) - 1) < NOT_UNIT


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector with the length 1; raises Unreadable if it has none: the collection's index is damaged."""
    import numpy as np

    length = float(np.linalg.norm(vector))
    if not 0 < length < math.inf:
        raise Unreadable("a stored vector has no length")
    return np.asarray(vector, np.float32) / length
