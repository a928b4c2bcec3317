"""A search from the question to the hits: sessions, the embedder, and patience while the collection is replaced.

The database is held only while it is read: not while a query is embedded or segments are ranked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from videotag.errors import UserError
from videotag.fields import BOOKKEEPING, SEGMENT_FIELDS
from videotag.search import meant
from videotag.search.index import SegmentIndex
from videotag.search.ranking import FEWEST, Ranked
from videotag.search.segment_search import By, SegmentSearch
from videotag.search.typical import typical
from videotag.store.collection import VectorCollection
from videotag.store.pages import Snapshot
from videotag.store.records import only_measured, ordered
from videotag.store.source import StoredRecords
from videotag.text import clean_text

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

Result = TypeVar("Result")
Where = dict[str, Any] | None
"""The store's filter (`videotag.store.records.segment_where`)."""

NEEDED = {"video_name", "segment_index", "start_time", "end_time"}


class ArchiveSearch:
    """Searches a collection by way of the index beside it, which it keeps up to date. Safe in several threads."""

    def __init__(self, segments: VectorCollection) -> None:
        self._segments, self._embedders = segments, segments.embedders
        self._known: StoredRecords | None = None  # of a kept client, the same in the next session
        segments.follower = self

    @cached_property
    def index(self) -> SegmentIndex:
        """The words and the vectors of all segments, in a file of their own."""
        return SegmentIndex(self._segments.place.index_path(self._segments.kind.index))

    @cached_property
    def _search(self) -> SegmentSearch:
        return SegmentSearch(self.index)

    def as_meant(self, question: str) -> str:
        """What was meant by a question as it was typed (`videotag.search.meant`), by the words of the archive."""
        self._read(self._search.follow)
        return meant.as_meant(question, self.index)

    def hits(self, query: str, where: Where, by: By, page: int) -> Iterator[dict[str, Any]]:
        """All segments as `ChromaDBManager.search` gives them, best first, read as they are asked for.

        `page`: so many are read at first, 1 or more; then twice as many as were read so far.
        """
        there = self._read(lambda records: (records.stamp(), self._search.choose(records, where, query, by)))
        if there is None:
            return
        stamp, chosen = there
        embedder = self._embedders.for_stamp(stamp)
        vector = embedder.embed_queries([query])[0]
        yield from self._fetched(self._search.rank(chosen, query, vector, typical(embedder), by, page), page)

    def like(self, video_name: str, seconds: float, where: Where, page: int) -> Iterator[dict[str, Any]]:
        """The segments nearest in meaning to the one at that time of a video, without those that overlap it.

        Args and results as of `hits`.

        Raises:
            UserError: there is no such segment.
        """

        def look(records: StoredRecords) -> tuple[Any, ...]:
            found = records.of_video(clean_text(video_name))
            best, same = _at(found, video_name, seconds)
            return records.stamp(), self._search.choose(records, where, ""), records.vectors([best])[best], same

        there = self._read(look)
        if there is None:
            raise _no_video(video_name)
        stamp, chosen, vector, same = there
        known = None
        with suppress(UserError):  # without an embedder all of few are close
            known = typical(self._embedders.for_stamp(stamp)) if len(chosen.segments.ids) < FEWEST else None
        page += len(same)
        hits = self._fetched(self._search.rank(chosen, "", vector, known, "alike", page), page)
        yield from (hit for hit in hits if hit["id"] not in same)

    def _fetched(self, ranked: Iterator[Ranked], page: int) -> Iterator[dict[str, Any]]:
        read, unknown = 0, []
        while some := list(islice(ranked, page)):
            records = self._read(partial(StoredRecords.records, ids=[hit.id for hit in some])) or {}
            for hit in some:
                metadata, document = records.get(hit.id, ({}, ""))
                # Else it was deleted after it was ranked, or it is another program's and no segment.
                if metadata.keys() >= NEEDED:
                    fields = {k: v for k, v in ordered(metadata, SEGMENT_FIELDS).items() if k not in BOOKKEEPING}
                    close = {"score": min(1.0, hit.cosine), "close": hit.close}
                    text = document or self._segments.kind.document(metadata)  # another program's may have none
                    if only_measured(metadata):
                        unknown.append({"id": hit.id, **fields, "document": text, **close, "close": False})
                    else:
                        yield {"id": hit.id, **fields, "document": text, **close}
            read += page
            page = 2 * read
        yield from unknown  # last: nothing of them can be meant

    def _read(self, read: Callable[[StoredRecords], Result]) -> Result | None:
        """What `read` gives of the records, in a session of its own; None where there is no collection."""
        for _ in range(6):
            try:
                with self._segments.reading(keep=True) as collection:
                    return None if collection is None else read(self._as_records(collection))
            except Exception as error:
                # What a server says of a collection that is being replaced at this very moment.
                if type(error).__name__ != "NotFoundError" and "Missing metadata segment" not in str(error):
                    raise
            time.sleep(0.1)
        raise UserError(f"the database {self._segments.place.title} is being rebuilt: search again when that has ended")

    def _as_records(self, collection: Any) -> StoredRecords:
        if self._known is None or self._known.collection is not collection:
            self._known = StoredRecords(collection, self._segments.find if self._segments.place.shared else None)
        return self._known

    # === The index ===

    def follow(self) -> None:
        """Bring the index up to date after a change, so that the next search need not."""
        try:
            with self._segments.reading() as found:
                if found is not None:
                    self._search.follow(self._as_records(found))
        except UserError as error:
            log.warning("%s (the next search tries again)", error)

    def kept(self, collection: Any, run_ids: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return self._search.kept(self._as_records(collection), run_ids)

    def not_found(self, collection: Any, vectors: Mapping[str, np.ndarray]) -> set[str]:
        return self._search.not_found(self._as_records(collection), vectors)


def _no_video(name: str) -> UserError:
    return UserError(f'"{name}": there is no video of that name in the search collection')


def _at(found: Snapshot, video_name: str, seconds: float) -> tuple[str, set[str]]:
    """Of a video's segments the one at that time, and all that overlap it."""
    if not found:
        raise _no_video(video_name)
    spans = {id_: (fields["start_time"], fields["end_time"]) for id_, (fields, _) in found.items()}
    at = [id_ for id_, (start, end) in spans.items() if start <= seconds <= end]
    if not at:
        last = max(end for _, end in spans.values())
        raise UserError(f'"{video_name}": there is no segment at {seconds:g} s: it ends at {last:g} s')
    best = min(at, key=lambda id_: abs(sum(spans[id_]) - 2 * seconds))
    first, last = spans[best]
    return best, {id_ for id_, (start, end) in spans.items() if start < last and first < end} | {best}
