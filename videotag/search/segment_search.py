"""Search among the segments by the index beside them, which is brought to their state.

What one question can use of another's is kept as long as nobody changes the records: the vectors, what they have in
common, and what a filter lets through.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from videotag.languages import written_in
from videotag.search import ranking
from videotag.search.forms import exact_pattern, has_no_spaces, is_all_quoted, quoted
from videotag.search.index import Entry, SegmentIndex, Segments
from videotag.store import pages
from videotag.store.source import StoredRecords
from videotag.store.stamp import State

if TYPE_CHECKING:
    import numpy as np

    from videotag.search.typical import Typical

log = logging.getLogger("videotag")

By = Literal["together", "vectors", "words", "alike"]
"""What counts; "alike": vectors, and the question is itself a segment."""

ASKED_IN = ("ru", "en")  # what a question's script tells; Kazakh by its letters
SLACK = 600_000  # ms; what another client of a server wrote so long before its generation was seen is read once more


@dataclass(frozen=True, eq=False)
class Chosen:
    """What is ranked: all segments, and which of them may be found, bool [n]."""

    segments: Segments
    allowed: np.ndarray
    shares: np.ndarray  # of the query's words in each, `SegmentIndex.shares`
    lacking: bool = False  # a phrase in quotes occurs in none of them: they are the nearest, and no answer
    seen: Mapping[str, ranking.Sighting] = field(default_factory=dict)  # by ids, those that show what was asked


class SegmentSearch:
    """The stored segments and their index, asked together.

    Safe in several threads, which do not wait for each other: what is kept is never changed, only replaced.
    """

    def __init__(self, index: SegmentIndex) -> None:
        self.index = index
        self._segments: tuple[str, Segments] | None = None  # of a state of the index
        self._background: tuple[Segments, Any, bool, ranking.Background] | None = None  # and what it was measured by
        self._allowed: tuple[Any, np.ndarray] | None = None  # by segments, filter and phrases

    def choose(self, where: dict[str, Any] | None, query: str, by: By = "together") -> Chosen:
        """What passes the filter and holds the phrases that the query has in quotes, as the index is now.

        Where nothing that passes holds them, all that passes.

        Raises:
            Moved: as `ranking.rank`.
        """
        segments = self.now()
        if not segments.count:
            return Chosen(segments, segments.alive, segments.alive.astype(float))
        phrases = quoted(query)
        allowed = self._let_through(segments, where, phrases)
        if lacking := bool(phrases) and not allowed.any():
            allowed = self._let_through(segments, where, [])
        return Chosen(segments, allowed, self.index.shares("" if by == "vectors" else query, segments), lacking)

    def rank(
        self, chosen: Chosen, query: str, vector: np.ndarray, typical: Typical | None, by: By, page: int
    ) -> Iterator[ranking.Ranked]:
        """All that were chosen, best first. Needs no session: others may read and write.

        Args:
            vector: float32 [dimension], the query's.
            typical: by the same embedder; may be None of what is alike, of `ranking.FEWEST` segments and more.
            page: as of `ranking.rank`.
        """
        segments, allowed, shares = chosen.segments, chosen.allowed, chosen.shares
        if not segments.count:
            return iter(())
        background = self._measured(segments, typical, by == "alike").asked_in(written_in(query, ASKED_IN))
        if by != "vectors" and is_all_quoted(query) and not chosen.lacking:
            shares[allowed] = 1.0  # they hold all that is asked for, also where no word of it says anything
        if by == "words":
            allowed = allowed & (shares > 0)
        ranked = ranking.rank(segments, allowed, shares, vector, background, page)
        if by == "words":
            ranked = iter(sorted(ranked, key=lambda hit: -round(hit.share, 9)))
        if chosen.lacking:
            return (replace(hit, close=False) for hit in ranked)
        return self._joined(chosen, ranked, vector, background) if chosen.seen else ranked

    def _joined(
        self, chosen: Chosen, ranked: Iterator[ranking.Ranked], vector: np.ndarray, background: ranking.Background
    ) -> Iterator[ranking.Ranked]:
        """With those that show what was asked."""
        import numpy as np

        numbers = list(self.index.numbers(chosen.segments, chosen.seen).values())
        among = np.zeros_like(chosen.allowed)
        among[numbers] = True
        shown = ranking.rank(chosen.segments, among, chosen.shares, vector, background, max(len(numbers), 1))
        return ranking.joined(ranked, {hit.id: hit for hit in shown}, chosen.seen)

    def not_found(self, records: StoredRecords, vectors: Mapping[str, np.ndarray]) -> set[str]:
        """Those of the stored vectors that the index lacks or knows as others: a search would compare with these."""
        self.follow(records)
        known = self.index.exact_vectors(vectors)
        right = {id_ for id_, vector in known.items() if vector @ pages.unit(vectors[id_]) >= 1 - pages.SAME}
        return vectors.keys() - right

    def kept(self, records: StoredRecords, run_ids: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The vectors, by id, of the records that have not changed since the index was brought up to date.

        `run_ids`: of all records; when each was written.
        """
        since = _since(self.index.state, records.state())
        if since is None:
            return {}
        known = self.index.exact_vectors().items()
        return {id_: vector for id_, vector in known if isinstance(when := run_ids.get(id_), int) and when <= since}

    def now(self) -> Segments:
        """All of them as the index is now."""
        # The state first: should the segments be later ones already, they are read once more, and not too seldom.
        known, state = self._segments, self.index.state
        if known is None or known[0] != state or known[1].file != self.index.file:
            known = self._segments = state or "", self.index.segments()
        return known[1]

    def _let_through(self, segments: Segments, where: dict[str, Any] | None, phrases: list[str]) -> np.ndarray:
        if not where and not phrases:
            return segments.alive
        asked, known = (segments, where, phrases), self._allowed
        if known is None or known[0] != asked:
            allowed = self.index.allowed(where, segments) if where else segments.alive
            for phrase in phrases:
                allowed = self._holding(phrase, segments, allowed)
            known = self._allowed = asked, allowed
        return known[1]

    def _holding(self, phrase: str, segments: Segments, allowed: np.ndarray) -> np.ndarray:
        """Those of the allowed segments in which a phrase occurs, in the document or in the speech itself."""
        import numpy as np

        # Of writing without spaces no single words are stored.
        some = allowed if has_no_spaces(phrase) else allowed & self.index.holding(phrase, segments)
        holding, pattern = np.zeros(len(allowed), bool), re.compile(exact_pattern(phrase))
        for number, fields, document in self.index.numbered(np.flatnonzero(some), segments):
            holding[number] = bool(pattern.search(self.index.words(document, fields)))
        return holding

    def _measured(self, segments: Segments, typical: Typical | None, alike: bool) -> ranking.Background:
        known = self._background
        if known is None or known[0] is not segments or known[1] is not typical or known[2] is not alike:
            sample = segments.exactly(self.index.sample(ranking.SAMPLE, segments))[1]
            background = ranking.Background(sample, segments.count, typical, alike)
            known = self._background = segments, typical, alike, background
        return known[3]

    def follow(self, records: StoredRecords) -> State | None:
        """Bring the index to the records' state, and give that; None if their other writers were quicker."""
        for _ in range(10):
            seen, state = self.index.state, records.state()
            if seen == str(state):
                return state
            if seen is None or not self._catch_up(records, seen, state):
                self.index.update(str(state), _whole(records, state.count), since=None)
            if not records.shared or self.index.state == str(state):
                return state
            records = records.now()
        return None  # the next search goes on from here

    def _catch_up(self, records: StoredRecords, seen: str, state: State) -> bool:
        """Put in what changed since a state; False if that is not one of these records' past."""
        since = _since(seen, state)
        if since is None or self.index.is_sparse():
            return False
        written = records.since(since - (SLACK if records.shared else 0))
        had, removed = self.index.ids(), set()
        # Pages that are read while a server's other client deletes can have missed as many as they have too many.
        if records.shared or len(had | written.keys()) != state.count:
            ids = records.ids()
            removed = (had | written.keys()) - ids
            written |= records.records(list(ids - had - written.keys()))
        changed = _entries(records, {id_: record for id_, record in written.items() if id_ not in removed})
        return self.index.update(str(state), changed, removed, since=seen) or self.index.state is not None


def _since(seen: str | None, state: State) -> int | None:
    """The generation of a state that was seen before; None if that is not of this collection's past."""
    known, generation, _ = seen.split(":") if seen else ("", "0", "")
    return int(generation) if known == state.collection and int(generation) <= state.generation else None


def _whole(records: StoredRecords, total: int) -> Iterator[Entry]:
    """All segments, as the index wants them."""
    done = 0
    for page in records.in_pages():
        if total > pages.PAGE:
            log.warning("the search index is made: %d of %d segments", done, total)
        done += len(page)
        yield from _entries(records, page)


def _entries(records: StoredRecords, some: pages.Snapshot) -> Iterator[Entry]:
    """These segments, as the index wants them; without what another client of a server has deleted meanwhile."""
    vectors = records.vectors(list(some))
    for id_, (metadata, document) in some.items():
        if id_ in vectors:
            yield Entry(id_, metadata, document, pages.unit(vectors[id_]))
