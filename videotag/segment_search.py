"""Search in the segments' collection: ChromaDB knows meanings and filters, the index beside it the words.

What one question can use of another's is kept as long as nobody changes the collection: vectors that stand for all, and
what a filter lets through.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from videotag import ranking, stored
from videotag.forms import exact_pattern, quoted
from videotag.records import BOOKKEEPING, SEGMENT_FIELDS, ordered, segment_words
from videotag.words import WordIndex

if TYPE_CHECKING:
    import numpy as np

    from videotag.typical import Typical

log = logging.getLogger("videotag")

By = Literal["together", "vectors", "words"]

# So few segments are all ranked: exact, in 20 ms. With so narrow a filter ChromaDB takes longer (5 to 100 ms).
FEW = 500
SPOKEN = 2000  # segments in which a phrase in quotes is looked for in the speech itself
SLACK = 600_000  # ms; what another client of a server wrote so long before its generation was seen is read once more
PATIENCE = 2.0  # s for a server's collection that is just coming into being
# ChromaDB takes 0.2 s for a filter on 100,000 segments, and again with each query; so many more of the nearest cost
# 0.02 s. Of them twice as many are asked for as the filter's share of all would need.
MOST, SPARE = 10_000, 2


class SegmentSearch:
    """The collection and its word index, asked together. For one thread at a time."""

    def __init__(self, words: WordIndex, now: Callable[[Any], Any] | None = None) -> None:
        """Touch nothing yet.

        Args:
            now: of a collection of a server, which its other clients may be changing: the same as it is now. None:
                nobody can change it meanwhile.
        """
        self.words = words
        self._now = now
        self._background: tuple[stored.State | None, Any, ranking.Background] | None = None  # state, typical
        self._allowed: tuple[Any, set[str]] = None, set()  # state, filter and phrases; ids

    def find(
        self,
        collection: Any,
        query: str,
        vector: np.ndarray,
        typical: Typical | None,
        limit: int,
        where: dict[str, Any] | None,
        by: By,
    ) -> list[dict[str, Any]]:
        """The hits as `ChromaDBManager.search` gives them.

        Args:
            vector: float32 [dimension], the query's.
            typical: by the same embedder; None if the query is itself a segment.
            where: ChromaDB's filter.
        """
        state = self.follow(collection)
        allowed = self._let_through(state, collection, where, query)
        background = self._measured(state, collection, typical, len(vector))
        count = max(limit, ranking.POOL)
        shares = {} if by == "vectors" else dict(self.words.search(query, count, allowed))
        towards = background.without_common(vector)
        total = state.count if state else collection.count()
        near = [] if by == "words" else _nearest(collection, total, towards, count, where, allowed)
        vectors = stored.read_vectors(collection, list({*near, *shares}))
        return _hits(collection, ranking.rank(vectors, shares, vector, background)[:limit])

    def _let_through(
        self, state: stored.State | None, collection: Any, where: dict[str, Any] | None, query: str
    ) -> set[str] | None:
        """The ids that pass the filter and hold the phrases that the query has in quotes; None: all."""
        phrases = quoted(query)
        if not where and not phrases:
            return None
        asked = (state, where, phrases)
        if state is None or self._allowed[0] != asked:
            spoken = [id_ for id_, _ in self.words.search(" ".join(phrases), SPOKEN)]
            patterns = [exact_pattern(phrase) for phrase in phrases]
            self._allowed = asked, _passing(collection, where, patterns, spoken)
        return self._allowed[1]

    def _measured(
        self, state: stored.State | None, collection: Any, typical: Typical | None, dimension: int
    ) -> ranking.Background:
        import numpy as np

        known = self._background
        if state is None or known is None or known[0] != state or known[1] is not typical:
            vectors = list(stored.read_vectors(collection, self.words.sample(ranking.SAMPLE)).values())
            sample = np.array(vectors, np.float32).reshape(len(vectors), dimension)
            known = state, typical, ranking.Background(sample, typical)
            self._background = known
        return known[2]

    def follow(self, collection: Any) -> stored.State | None:
        """Bring the word index to the collection's state, and give that; None if its other clients were quicker."""
        for _ in range(10):
            seen, state = self.words.state, stored.state_of(collection)
            if seen == str(state):
                return state
            if seen is None or not self._catch_up(collection, seen, state):
                self.words.update(str(state), _all_words(collection, state.count), since=None)
            if self._now is None or self.words.state == str(state):
                return state
            collection = self._now(collection)
        return None  # the next search goes on from here

    def _catch_up(self, collection: Any, seen: str, state: stored.State) -> bool:
        """Put in what changed since a state; False if that is not one of this collection's past."""
        known, generation, _ = seen.split(":")
        if known != state.collection or int(generation) > state.generation:
            return False
        since = int(generation) - (SLACK if self._now else 0)
        records = stored.read_records(collection, where={"run_id": {"$gt": since}})
        had, removed = self.words.ids(), set()
        if len(had | records.keys()) != state.count:
            ids = {id_ for page in stored.read_pages(collection, include=[]) for id_ in page["ids"]}
            removed = (had | records.keys()) - ids
            records |= stored.read_records(collection, ids=list(ids - had - records.keys()))
        texts = [(id_, segment_words(text, fields)) for id_, (fields, text) in records.items() if id_ not in removed]
        return self.words.update(str(state), texts, removed, since=seen) or self.words.state is not None


def _all_words(collection: Any, total: int) -> Iterator[tuple[str, str]]:
    """(id, text whose words are searched) of all segments."""
    done = 0
    for page in stored.read_pages(collection, include=["metadatas", "documents"]):
        if total > stored.PAGE:
            log.warning("the word index is made: %d of %d segments", done, total)
        done += len(page["ids"])
        for id_, metadata, document in zip(page["ids"], page["metadatas"], page["documents"], strict=True):
            yield id_, segment_words(document or "", metadata or {})


def _passing(collection: Any, where: dict[str, Any] | None, phrases: list[str], spoken: list[str]) -> set[str]:
    """The ids that the filter lets through and in which all the phrases (regular expressions) occur.

    Args:
        spoken: the ids with most of the phrases' words, the only ones in which the speech in another language than the
            document's is looked at: ChromaDB's own search for a pattern sees documents only.
    """
    patterns = [{"$regex": phrase} for phrase in phrases]
    text = {"$and": patterns} if len(patterns) > 1 else patterns[0] if patterns else None
    passing = set(collection.get(where=where, where_document=text, include=[])["ids"])
    other = stored.read_records(collection, ids=[id_ for id_ in spoken if id_ not in passing])
    heard = {
        id_
        for id_, (fields, document) in other.items()
        if all(re.search(phrase, segment_words(document, fields)) for phrase in phrases)
    }
    return passing | (heard & set(collection.get(where=where, include=[])["ids"]) if where and heard else heard)


def _nearest(
    collection: Any, total: int, vector: np.ndarray, count: int, where: dict[str, Any] | None, allowed: set[str] | None
) -> list[str]:
    """The ids of the nearest that are allowed, of `total`; of few, all."""
    if allowed is None:
        return collection.get(include=[])["ids"] if total <= FEW else _query(collection, vector, count)
    if len(allowed) <= FEW:
        return list(allowed)
    asked = math.ceil(SPARE * count * total / len(allowed))
    if asked <= MOST:
        near = [id_ for id_ in _query(collection, vector, asked) if id_ in allowed]
        if len(near) >= count:
            return near[:count]
    return [id_ for id_ in _query(collection, vector, count, where) if id_ in allowed]


def _query(collection: Any, vector: np.ndarray, count: int, where: dict[str, Any] | None = None) -> list[str]:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return collection.query(query_embeddings=[vector], n_results=count, where=where, include=[])["ids"][0]
        except BaseException as error:
            # A server's collection whose first vectors are being written.
            if "Nothing found on disk" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def _hits(collection: Any, ranked: Iterable[ranking.Ranked]) -> list[dict[str, Any]]:
    ranked = list(ranked)
    records = stored.read_records(collection, ids=[hit.id for hit in ranked])
    hits = []
    for hit in ranked:
        if hit.id in records:  # else another client of the server has deleted it meanwhile
            metadata, document = records[hit.id]
            fields = {key: value for key, value in ordered(metadata, SEGMENT_FIELDS).items() if key not in BOOKKEEPING}
            close = {"score": min(1.0, hit.cosine), "close": hit.close}
            hits.append({"id": hit.id, **fields, "document": document, **close})
    return hits
