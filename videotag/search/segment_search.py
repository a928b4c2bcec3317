"""Search in the segments' collection: ChromaDB knows the records and filters, the index beside it vectors and words.

What one question can use of another's is kept as long as nobody changes the collection: the vectors, what they have in
common, and what a filter lets through.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from videotag.errors import UserError
from videotag.fields import BOOKKEEPING, SEGMENT_FIELDS
from videotag.search import ranking
from videotag.search.forms import count_words, exact_pattern, has_no_spaces, is_all_quoted, quoted
from videotag.search.index import Entry, SegmentIndex, Segments
from videotag.store import pages
from videotag.store.records import ordered, segment_words
from videotag.store.stamp import State, state_of

if TYPE_CHECKING:
    import numpy as np

    from videotag.search.typical import Typical

log = logging.getLogger("videotag")

By = Literal["together", "vectors", "words"]
Result = TypeVar("Result")

LONGEST = 100  # words in quotes; of twice as many ChromaDB's search for a pattern fails
NEEDED = {"video_name", "segment_index", "start_time", "end_time"}
SPOKEN = 2000  # segments in which a phrase in quotes is looked for in the speech itself
SLACK = 600_000  # ms; what another client of a server wrote so long before its generation was seen is read once more
PATIENCE = 2.0  # s for a server's collection that is just coming into being


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is looked for.

    Attributes:
        query: its words count; may be empty.
        vector: float32 [dimension], the query's.
        typical: by the same embedder; may be None if `alike`, of `ranking.FEWEST` segments and more.
        where: ChromaDB's filter.
        by: what counts.
        alike: the query is itself a segment.
    """

    query: str
    vector: np.ndarray
    typical: Typical | None
    where: dict[str, Any] | None
    by: By = "together"
    alike: bool = False


class SegmentSearch:
    """The collection and its index, asked together. For one thread at a time."""

    def __init__(self, index: SegmentIndex, now: Callable[[Any], Any] | None = None) -> None:
        """Touch nothing yet.

        Args:
            now: of a collection of a server, which its other clients may be changing: the same as it is now. None:
                nobody can change it meanwhile.
        """
        self.index = index
        self._now = now
        self._segments: tuple[State | None, Segments] | None = None
        self._background: tuple[Segments, Any, bool, ranking.Background] | None = None  # and what it was measured by
        self._allowed: tuple[Any, set[str]] = None, set()  # state, filter and phrases; ids

    def find(self, collection: Any, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
        """The hits as `ChromaDBManager.search` gives them."""
        import numpy as np

        state, segments = self._now_there(collection)
        if not segments.ids:
            return []
        allowed = self._let_through(state, segments, collection, wanted.where, wanted.query)
        background = self._measured(segments, wanted.typical, wanted.alike)
        shares = self.index.shares("" if wanted.by == "vectors" else wanted.query, segments)
        rows = None if allowed is None else [segments.rows[id_] for id_ in allowed if id_ in segments.rows]
        if rows is not None and wanted.by != "vectors" and is_all_quoted(wanted.query):
            shares[rows] = 1.0  # they hold all that is asked for, also where no word of it says anything
        if wanted.by == "words":
            rows = np.flatnonzero(shares) if rows is None else [row for row in rows if shares[row]]
        return _hits(collection, ranking.rank(segments, rows, shares, wanted.vector, background, limit))

    def not_found(self, collection: Any, vectors: Mapping[str, np.ndarray]) -> set[str]:
        """Those of the stored vectors that the index lacks or knows as others: a search would compare with these."""
        known = self._now_there(collection)[1]
        right = {
            id_
            for id_, vector in vectors.items()
            if id_ in known.rows and known.vectors[known.rows[id_]] @ pages.unit(vector) >= 1 - pages.SAME
        }
        return vectors.keys() - right

    def kept(self, collection: Any, run_ids: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The vectors, by id, of the records that have not changed since the index was brought up to date.

        Args:
            run_ids: of all records; when each was written.
        """
        since = _since(self.index.state, state_of(collection))
        if since is None:
            return {}
        segments = self.index.segments()
        known = zip(segments.ids, segments.vectors, strict=True)
        return {id_: vector for id_, vector in known if isinstance(when := run_ids.get(id_), int) and when <= since}

    def _now_there(self, collection: Any) -> tuple[State | None, Segments]:
        state = self.follow(collection)
        known = self._segments
        if state is None or known is None or known[0] != state or known[1].file != self.index.file:
            segments = self.index.segments()
            if not segments.ids and collection.count():  # it was damaged
                state = self.follow(collection)
                segments = self.index.segments()
            known = self._segments = state, segments
        return known

    def _let_through(
        self, state: State | None, segments: Segments, collection: Any, where: dict[str, Any] | None, query: str
    ) -> set[str] | None:
        """The ids that pass the filter and hold the phrases that the query has in quotes; None: all."""
        phrases = quoted(query)
        if not where and not phrases:
            return None
        asked = (state, where, phrases)
        if state is None or self._allowed[0] != asked:
            if sum(map(count_words, phrases)) > LONGEST:
                raise UserError(f"what is in quotes has more than {LONGEST} words: leave some out")
            patterns = [exact_pattern(phrase) for phrase in phrases]
            self._allowed = asked, _passing(collection, where, patterns, self._spoken(phrases, segments))
        return self._allowed[1]

    def _spoken(self, phrases: list[str], segments: Segments) -> list[str]:
        """The ids with most of the phrases' words, SPOKEN at most; of writing without spaces any may hold them."""
        import numpy as np

        shares, any_ = self.index.shares(" ".join(phrases), segments, every=True), any(map(has_no_spaces, phrases))
        return [segments.ids[row] for row in np.argsort(-shares, kind="stable")[:SPOKEN] if any_ or shares[row]]

    def _measured(self, segments: Segments, typical: Typical | None, alike: bool) -> ranking.Background:
        known = self._background
        if known is None or known[0] is not segments or known[1] is not typical or known[2] is not alike:
            some = [segments.rows[id_] for id_ in sample(segments.ids, ranking.SAMPLE)]
            known = segments, typical, alike, ranking.Background(segments.vectors[some], typical, alike)
            self._background = known
        return known[3]

    def follow(self, collection: Any) -> State | None:
        """Bring the index to the collection's state, and give that; None if its other clients were quicker."""
        for _ in range(10):
            seen, state = self.index.state, state_of(collection)
            if seen == str(state):
                return state
            if seen is None or not self._catch_up(collection, seen, state):
                self.index.update(str(state), _whole(collection, state.count), since=None)
            if self._now is None or self.index.state == str(state):
                return state
            collection = self._now(collection)
        return None  # the next search goes on from here

    def _catch_up(self, collection: Any, seen: str, state: State) -> bool:
        """Put in what changed since a state; False if that is not one of this collection's past."""
        since = _since(seen, state)
        if since is None:
            return False
        records = pages.read_records(collection, where={"run_id": {"$gt": since - (SLACK if self._now else 0)}})
        had, removed = self.index.ids(), set()
        # Pages that are read while a server's other client deletes can have missed as many as they have too many.
        if self._now or len(had | records.keys()) != state.count:
            ids = {id_ for page in pages.read_pages(collection, include=[]) for id_ in page["ids"]}
            removed = (had | records.keys()) - ids
            records |= pages.read_records(collection, ids=list(ids - had - records.keys()))
        changed = _entries(collection, {id_: record for id_, record in records.items() if id_ not in removed})
        return self.index.update(str(state), changed, removed, since=seen) or self.index.state is not None


def _since(seen: str | None, state: State) -> int | None:
    """The generation of a state that was seen before; None if that is not of this collection's past."""
    known, generation, _ = seen.split(":") if seen else ("", "0", "")
    return int(generation) if known == state.collection and int(generation) <= state.generation else None


def sample(ids: list[str], count: int) -> list[str]:
    """So many of the ids at random, always the same ones of the same ids; all, if there are no more."""
    return ids if len(ids) <= count else random.Random(count).sample(sorted(ids), count)


def _whole(collection: Any, total: int) -> Iterator[Entry]:
    """All segments, as the index wants them."""
    done = 0
    for page in pages.read_pages(collection, include=["metadatas", "documents"]):
        if total > pages.PAGE:
            log.warning("the search index is made: %d of %d segments", done, total)
        done += len(page["ids"])
        yield from _entries(collection, pages.snapshot(page))


def _entries(collection: Any, records: pages.Snapshot) -> Iterator[Entry]:
    """These segments, as the index wants them; without what another client of a server has deleted meanwhile."""
    vectors = _patient(lambda: pages.read_vectors(collection, list(records)))
    for id_, (metadata, document) in records.items():
        if id_ in vectors:
            yield id_, segment_words(document, metadata), pages.unit(vectors[id_])


def _patient(read: Callable[[], Result]) -> Result:
    """What `read` gives; of a server's collection whose first vectors are being written, a little later."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return read()
        except BaseException as error:
            if "Nothing found on disk" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def _passing(collection: Any, where: dict[str, Any] | None, phrases: list[str], spoken: list[str]) -> set[str]:
    """The ids that the filter lets through and in which all the phrases (regular expressions) occur.

    Args:
        spoken: the ids with most of the phrases' words, the only ones in which the speech in another language than the
            document's is looked at: ChromaDB's own search for a pattern sees documents only.
    """
    patterns = [{"$regex": phrase} for phrase in phrases]
    text = {"$and": patterns} if len(patterns) > 1 else patterns[0] if patterns else None
    passing = set(collection.get(where=where, where_document=text, include=[])["ids"])
    other = pages.read_records(collection, ids=[id_ for id_ in spoken if id_ not in passing])
    heard = {
        id_
        for id_, (fields, document) in other.items()
        if all(re.search(phrase, segment_words(document, fields)) for phrase in phrases)
    }
    return passing | (heard & set(collection.get(where=where, include=[])["ids"]) if where and heard else heard)


def _hits(collection: Any, ranked: Iterable[ranking.Ranked]) -> list[dict[str, Any]]:
    ranked = list(ranked)
    records = pages.read_records(collection, ids=[hit.id for hit in ranked])
    hits = []
    for hit in ranked:
        metadata, document = records.get(hit.id, ({}, ""))
        # Else another client of the server has deleted it meanwhile, or it is another program's and no segment.
        if metadata.keys() >= NEEDED:
            fields = {key: value for key, value in ordered(metadata, SEGMENT_FIELDS).items() if key not in BOOKKEEPING}
            close = {"score": min(1.0, hit.cosine), "close": hit.close}
            hits.append({"id": hit.id, **fields, "document": document, **close})
    return hits
