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
    """A collection of the open session, which nobody changes meanwhile, or others may if it is `shared`."""

    def __init__(self, collection: Any, find: Callable[[], Any] | None = None) -> None:
        """`find`: gives a server's collection as it is now, or None; None: nobody can change it meanwhile."""
        self.collection, self._find = collection, find
        self._state: State | None = None
        self.shared = find is not None

    def now(self) -> StoredRecords:
        """The same as they are now, if they are shared."""
        return StoredRecords((self._find and self._find()) or self.collection, self._find)

    def state(self) -> State:
        if self.shared or self._state is None:  # it is counted for it: 2 ms of 10,000
            self._state = state_of(self.collection)
        return self._state

    def stamp(self) -> dict[str, Any]:
        return stamp_of(self.collection)

    def in_pages(self) -> Iterator[Snapshot]:
        """All of them, a few thousand at a time."""
        return map(pages.snapshot, pages.read_pages(self.collection, include=["metadatas", "documents"]))

    def ids(self) -> set[str]:
        return {id_ for page in pages.read_pages(self.collection, include=[]) for id_ in page["ids"]}

    def since(self, generation: int) -> Snapshot:
        """Those that were written after it."""
        return pages.read_records(self.collection, where={"run_id": {"$gt": generation}})

    def of_video(self, name: str) -> Snapshot:
        return pages.read_records(self.collection, where={"video_name": name})

    def records(self, ids: Sequence[str]) -> Snapshot:
        """Those of these ids that are there, in any order."""
        return pages.read_records(self.collection, ids=ids)

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The same, float32 [dimension] each."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return pages.read_vectors(self.collection, ids)
            except BaseException as error:
                if "Nothing found on disk" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def passing(self, where: dict[str, Any] | None, patterns: Sequence[str] = ()) -> set[str]:
        """The ids that a filter lets through and in whose document all the patterns (regular expressions) occur."""
        texts = [{"$regex": pattern} for pattern in patterns]
        text = {"$and": texts} if len(texts) > 1 else texts[0] if texts else None
        return set(self.collection.get(where=where, where_document=text, include=[])["ids"])
