"""The records of a ChromaDB collection as a search asks for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from videotag.store import pages
from videotag.store.pages import Snapshot
from videotag.store.stamp import State, stamp_of, state_of

if TYPE_CHECKING:
    import numpy as np

PATIENCE = 2.0  # s for a server's collection that is just coming into being


class StoredRecords:
    """A collection of the open session. `shared`: others may change it meanwhile."""

    def __init__(self, collection: Any, find: Callable[[], Any] | None = None) -> None:
        """`find`: gives a server's collection as it is now, or None; None: nobody can change it meanwhile."""
        self._collection, self._find = collection, find
        self.shared = find is not None

    def now(self) -> StoredRecords:
        """The same as they are now, if they are shared."""
        return StoredRecords((self._find and self._find()) or self._collection, self._find)

    def state(self) -> State:
        return state_of(self._collection)

    def stamp(self) -> dict[str, Any]:
        return stamp_of(self._collection)

    def in_pages(self) -> Iterator[Snapshot]:
        """All of them, a few thousand at a time."""
        return map(pages.snapshot, pages.read_pages(self._collection, include=["metadatas", "documents"]))

    def ids(self) -> set[str]:
        return {id_ for page in pages.read_pages(self._collection, include=[]) for id_ in page["ids"]}

    def since(self, generation: int) -> Snapshot:
        """Those that were written after it."""
        return pages.read_records(self._collection, where={"run_id": {"$gt": generation}})

    def of_video(self, name: str) -> Snapshot:
        return pages.read_records(self._collection, where={"video_name": name})

    def records(self, ids: Sequence[str]) -> Snapshot:
        """Those of these ids that are there, in any order."""
        return pages.read_records(self._collection, ids=ids)

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The same, float32 [dimension] each."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return pages.read_vectors(self._collection, ids)
            except BaseException as error:
                if "Nothing found on disk" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def passing(self, where: dict[str, Any] | None, patterns: Sequence[str] = ()) -> set[str]:
        """The ids that a filter lets through and in whose document all the patterns (regular expressions) occur."""
        texts = [{"$regex": pattern} for pattern in patterns]
        text = {"$and": texts} if len(texts) > 1 else texts[0] if texts else None
        return set(self._collection.get(where=where, where_document=text, include=[])["ids"])
