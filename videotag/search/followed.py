"""An index beside a collection, brought to the state of its records: before a search, and after each change.

The database is held only while it is looked whether it has changed, and opened only if it has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.search.index import SegmentIndex
from videotag.search.segment_search import SegmentSearch
from videotag.store.collection import VectorCollection
from videotag.store.source import StoredRecords
from videotag.store.stamp import stamp_of

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

TRIES = 6


class Followed:
    """The follower of a collection, which searches in it. Safe in several threads."""

    def __init__(self, searched: VectorCollection, exact: int | None = None) -> None:
        """`exact`: as of `SegmentIndex`."""
        self.searched, self._exact = searched, exact
        searched.follower = self

    @cached_property
    def index(self) -> SegmentIndex:
        """All that a search reads of the collection, in a file of its own."""
        kind = self.searched.kind
        return SegmentIndex(self.searched.place.index_path(kind.index), kind.words, self._exact)

    @cached_property
    def search(self) -> SegmentSearch:
        return SegmentSearch(self.index)

    def prepared(self, opening: bool = True) -> dict[str, Any] | None:
        """The collection's stamp, with the index brought to its state; None where there is no collection.

        In a folder the database is opened only if its seal does not say that the index is of this very state, and not
        to learn whether there is the collection without `opening`, if it is not open anyway.
        """
        place, kind = self.searched.place, self.searched.kind
        for _ in range(TRIES):
            try:
                notes = place.notes()  # mostly they tell all: then the database is not held
                if (noted := notes.get(kind.name)) and noted.state == self.index.state:
                    return noted.stamp
                if notes and not (noted or opening):
                    return None
                with place.reading() as there:
                    if not (opening or place.shared or place.is_open or kind.name in place.notes()):
                        return None
                    collection = self.searched.find() if there else None
                    if collection is None:
                        return None
                    self.search.follow(self._as_records(collection))
                    return stamp_of(collection)
            except Exception as error:
                # What a server says of a collection that is being replaced at this very moment.
                if type(error).__name__ != "NotFoundError" and "Missing metadata segment" not in str(error):
                    raise
            time.sleep(0.1)
        raise self.being_rebuilt()

    def being_rebuilt(self) -> UserError:
        return UserError(f"the database {self.searched.place.title} is being rebuilt: search again when that has ended")

    def _as_records(self, collection: Any) -> StoredRecords:
        return StoredRecords(collection, self.searched.find if self.searched.place.shared else None)

    def follow(self) -> None:
        """Bring the index up to date after a change, so that the next search need not."""
        try:
            with self.searched.reading() as found:
                if found is not None:
                    self.search.follow(self._as_records(found))
        except UserError as error:
            log.warning("%s (the next search tries again)", error)

    def kept(self, collection: Any, run_ids: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return self.search.kept(self._as_records(collection), run_ids)

    def not_found(self, collection: Any, vectors: Mapping[str, np.ndarray]) -> set[str]:
        return self.search.not_found(self._as_records(collection), vectors)
