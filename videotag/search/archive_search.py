"""A search from the question to the hits, segments or whole videos: index, embedder, patience while it is replaced.

The database is held only while it is looked whether it has changed, and opened only if it has.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.fields import BOOKKEEPING
from videotag.search import meant
from videotag.search.index import Moved, SegmentIndex
from videotag.search.ranking import FEWEST, Ranked
from videotag.search.segment_search import By, SegmentSearch
from videotag.search.typical import typical
from videotag.store.documents import DocumentCollection
from videotag.store.pages import Snapshot
from videotag.store.records import only_measured, ordered
from videotag.store.source import StoredRecords
from videotag.store.stamp import stamp_of
from videotag.text import clean_text

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

Where = dict[str, Any] | None
"""The store's filter (`videotag.store.records.segment_where`)."""

TRIES = 6
CLEARLY = 1.0  # standard deviations: so much nearer has to be what other words than those typed find


class ArchiveSearch:
    """Searches a collection by way of the index beside it, which it keeps up to date. Safe in several threads."""

    def __init__(self, searched: DocumentCollection) -> None:
        self._searched, self._embedders = searched, searched.embedders
        searched.follower = self

    @cached_property
    def index(self) -> SegmentIndex:
        """All that a search reads of the collection, in a file of its own."""
        kind = self._searched.kind
        return SegmentIndex(self._searched.place.index_path(kind.index), kind.words)

    @cached_property
    def _search(self) -> SegmentSearch:
        return SegmentSearch(self.index)

    def as_meant(self, question: str) -> str:
        """What was meant by a question as it was typed (`videotag.search.meant`), by the words of the archive.

        Other words than those typed only if something is nearer to them; clearly, if the words themselves do not tell.
        """
        stamp = self._prepared()
        said, read, told = meant.readings(question, self.index)
        if stamp is None or read == said:
            return said
        nearer = self._nearest(read, stamp) - self._nearest(said, stamp)
        return read if nearer > (0 if told else CLEARLY) else said

    def _nearest(self, query: str, stamp: dict[str, Any]) -> float:
        """`Ranked.evidence` of the nearest segment."""
        embedder = self._embedders.for_stamp(stamp)
        vector = self._embedders.of_question(query, embedder)
        with suppress(Moved):
            chosen = self._search.choose(None, query)
            for hit in self._search.rank(chosen, query, vector, typical(embedder), "together", 1):
                return hit.evidence
        return -math.inf

    def hits(self, query: str, where: Where, by: By, page: int, opening: bool = True) -> Iterator[dict[str, Any]]:
        """All records as `ChromaDBManager.search` gives them, best first, read as they are asked for.

        Args:
            page: so many are read at first, 1 or more; then twice as many as were read so far.
            opening: else nothing is found where a folder's database would be opened to learn whether there is anything.
        """

        def rank() -> Iterator[Ranked]:
            stamp = self._prepared(opening)
            if stamp is None:
                return iter(())
            chosen = self._search.choose(where, query, by)
            embedder = self._embedders.for_stamp(stamp)
            vector = self._embedders.of_question(query, embedder)
            return self._search.rank(chosen, query, vector, typical(embedder), by, page)

        yield from self._fetched(rank, page)

    def like(self, video_name: str, seconds: float, where: Where, page: int) -> Iterator[dict[str, Any]]:
        """The segments nearest in meaning to the one at that time of a video, without those that overlap it.

        Args and results as of `hits`.

        Raises:
            UserError: there is no such segment.
        """
        same: set[str] = set()

        def rank() -> Iterator[Ranked]:
            stamp = self._prepared()
            best, overlapping = _at(self.index.of_video(clean_text(video_name)), video_name, seconds)
            same.update(overlapping)
            vector, chosen = self.index.exact_vectors([best]).get(best), self._search.choose(where, "")
            if vector is None:
                raise Moved
            known = None
            with suppress(UserError):  # without an embedder all of few are close
                known = typical(self._embedders.for_stamp(stamp)) if chosen.segments.count < FEWEST else None
            return self._search.rank(chosen, "", vector, known, "alike", page + len(same))

        hits = self._fetched(rank, page)
        yield from (hit for hit in hits if hit["id"] not in same)

    def _fetched(self, rank: Callable[[], Iterator[Ranked]], page: int) -> Iterator[dict[str, Any]]:
        """The segments as they are ranked; ranked once more where what was ranked has changed meanwhile."""
        seen: set[str] = set()
        unknown: list[dict[str, Any]] = []
        for _ in range(TRIES):
            with suppress(Moved):
                ranked = rank()
                while some := list(islice(ranked, 2 * len(seen) or page)):
                    records = self.index.records([hit.id for hit in some])
                    if not records and self.index.state is None:
                        raise Moved
                    for hit in some:
                        metadata, document = records.get(hit.id) or ({}, "")
                        # Else it was deleted after it was ranked, or it is another program's and none of ours.
                        if metadata.keys() >= self._searched.kind.needed and hit.id not in seen:
                            seen.add(hit.id)
                            if only_measured(metadata):
                                unknown.append({**self._hit(hit, metadata, document), "close": False})
                            else:
                                yield self._hit(hit, metadata, document)
                    seen.update(hit.id for hit in some)
                yield from unknown  # last: nothing of them can be meant
                return
        raise self._being_rebuilt()

    def _hit(self, hit: Ranked, metadata: dict[str, Any], document: str) -> dict[str, Any]:
        fields = {k: v for k, v in ordered(metadata, self._searched.kind.fields).items() if k not in BOOKKEEPING}
        text = document or self._searched.kind.document(metadata)  # another program's may have none
        return {"id": hit.id, **fields, "document": text, "score": min(1.0, hit.cosine), "close": hit.close}

    # === The index ===

    def _prepared(self, opening: bool = True) -> dict[str, Any] | None:
        """The collection's stamp, with the index brought to its state; None where there is no collection.

        In a folder the database is opened only if its seal does not say that the index is of this very state, and not
        to learn whether there is the collection without `opening`.
        """
        place, kind = self._searched.place, self._searched.kind
        for _ in range(TRIES):
            try:
                with place.reading() as there:
                    noted = place.noted(kind.name) if there else None
                    if noted and noted.state == self.index.state:
                        return noted.stamp
                    if noted is None and not (opening or place.shared):
                        return None
                    collection = self._searched.find() if there else None
                    if collection is None:
                        return None
                    self._search.follow(self._as_records(collection))
                    return stamp_of(collection)
            except Exception as error:
                # What a server says of a collection that is being replaced at this very moment.
                if type(error).__name__ != "NotFoundError" and "Missing metadata segment" not in str(error):
                    raise
            time.sleep(0.1)
        raise self._being_rebuilt()

    def _being_rebuilt(self) -> UserError:
        return UserError(
            f"the database {self._searched.place.title} is being rebuilt: search again when that has ended"
        )

    def _as_records(self, collection: Any) -> StoredRecords:
        return StoredRecords(collection, self._searched.find if self._searched.place.shared else None)

    def follow(self) -> None:
        """Bring the index up to date after a change, so that the next search need not."""
        try:
            with self._searched.reading() as found:
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
