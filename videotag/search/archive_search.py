"""A search from the question to the hits: sessions, the embedder, and patience while the collection is replaced."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.search.index import SegmentIndex
from videotag.search.ranking import FEWEST
from videotag.search.segment_search import By, SegmentSearch, Wanted
from videotag.search.typical import Typical, typical
from videotag.store import pages
from videotag.store.collection import VectorCollection
from videotag.store.stamp import stamp_of
from videotag.text import clean_text

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")


class ArchiveSearch:
    """Searches a collection by way of the index beside it, which it keeps up to date."""

    def __init__(self, segments: VectorCollection) -> None:
        self._segments, self._embedders = segments, segments.embedders
        segments.follower = self
        self._stamp: dict[str, Any] | None = None  # of the collection, when it was last searched

    @functools.cached_property
    def index(self) -> SegmentIndex:
        """The words and the vectors of all segments, in a file of their own."""
        return SegmentIndex(self._segments.place.index_path(self._segments.kind.index))

    @functools.cached_property
    def _search(self) -> SegmentSearch:
        now = (lambda old: self._segments.find() or old) if self._segments.place.shared else None
        return SegmentSearch(self.index, now)

    def search(self, query: str, limit: int, where: dict[str, Any] | None, by: By) -> list[dict[str, Any]]:
        """The hits as `ChromaDBManager.search` gives them.

        Args:
            where: ChromaDB's filter.
        """
        stamp = self._stamp  # mostly still so
        for _ in range(6):
            try:
                asked = None if stamp is None else self._asked(query, stamp)
                with self._segments.reading(keep=True) as collection:
                    if collection is None:
                        return []
                    before, stamp = stamp, stamp_of(collection)
                    if asked is not None and stamp == before:
                        self._stamp = stamp
                        return self._search.find(collection, Wanted(query, *asked, where, by), limit)
                if asked is None:
                    continue
            except Exception as error:
                # What a server says of a collection that is being replaced at this very moment.
                if type(error).__name__ != "NotFoundError" and "Missing metadata segment" not in str(error):
                    raise
            time.sleep(0.1)  # rebuilt meanwhile, or under another embedder
        raise UserError(f"the database {self._segments.place.title} is being rebuilt: search again when that has ended")

    def _asked(self, query: str, stamp: dict[str, Any]) -> tuple[np.ndarray, Typical]:
        """The vectors of the query, float32 [dimension], and those that are typical."""
        embedder = self._embedders.for_stamp(stamp)
        return embedder.embed_queries([query])[0], typical(embedder)

    def like(self, video_name: str, seconds: float, limit: int, where: dict[str, Any] | None) -> list[dict[str, Any]]:
        """The segments nearest in meaning to the one at that time of a video, without those that overlap it.

        Raises:
            UserError: there is no such segment.
        """
        with self._segments.reading(keep=True) as collection:
            few = collection is not None and 0 < collection.count() < FEWEST
        known = None
        with suppress(UserError):  # without an embedder all of few are close
            known = typical(self._embedders.for_stamp(self._segments.stamp())) if few else None
        with self._segments.reading(keep=True) as collection:
            wanted = {"video_name": clean_text(video_name)}
            found = {} if collection is None else pages.read_records(collection, where=wanted)
            at = [id_ for id_, (fields, _) in found.items() if fields["start_time"] <= seconds <= fields["end_time"]]
            if not at:
                if not found:
                    raise UserError(f'"{video_name}": there is no video of that name in the search collection')
                end = max(fields["end_time"] for fields, _ in found.values())
                raise UserError(f'"{video_name}": there is no segment at {seconds:g} s: it ends at {end:g} s')
            best = min(at, key=lambda id_: abs(found[id_][0]["start_time"] + found[id_][0]["end_time"] - 2 * seconds))
            start, end = found[best][0]["start_time"], found[best][0]["end_time"]
            same = {id_ for id_, (f, _) in found.items() if f["start_time"] < end and start < f["end_time"]} | {best}
            vector = pages.read_vectors(collection, [best])[best]
            alike = Wanted("", vector, known, where, "vectors", alike=True)
            hits = self._search.find(collection, alike, limit + len(same))
        return [hit for hit in hits if hit["id"] not in same][:limit]

    # === The index ===

    def follow(self) -> None:
        """Bring the index up to date after a change, so that the next search need not."""
        self._stamp = None  # another embedder may have made the vectors
        try:
            with self._segments.reading() as found:
                if found is not None:
                    self._search.follow(found)
        except UserError as error:
            log.warning("%s (the next search tries again)", error)

    def kept(self, collection: Any, run_ids: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """See `SegmentSearch.kept`."""
        return self._search.kept(collection, run_ids)

    def not_found(self, collection: Any, vectors: Mapping[str, np.ndarray]) -> set[str]:
        """See `SegmentSearch.not_found`."""
        return self._search.not_found(collection, vectors)
