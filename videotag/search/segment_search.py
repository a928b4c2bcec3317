"""Search among the segments: their source knows records and filters, the index beside it vectors and words.

What one question can use of another's is kept as long as nobody changes the records: the vectors, what they have in
common, and what a filter lets through.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from videotag.errors import UserError
from videotag.languages import written_in
from videotag.search import ranking
from videotag.search.forms import count_words, exact_pattern, has_no_spaces, is_all_quoted, quoted
from videotag.search.index import Entry, SegmentIndex, Segments
from videotag.store import pages
from videotag.store.records import segment_words
from videotag.store.source import StoredRecords
from videotag.store.stamp import State

if TYPE_CHECKING:
    import numpy as np

    from videotag.search.typical import Typical

log = logging.getLogger("videotag")

By = Literal["together", "vectors", "words", "alike"]
"""What counts; "alike": vectors, and the question is itself a segment."""

LONGEST = 100  # words in quotes; of twice as many ChromaDB's search for a pattern fails
SPOKEN = 2000  # segments in which a phrase in quotes is looked for in the speech itself
ASKED_IN = ("ru", "en")  # what a question's script tells; Kazakh by its letters
SLACK = 600_000  # ms; what another client of a server wrote so long before its generation was seen is read once more


@dataclass(frozen=True, eq=False)
class Chosen:
    """What is ranked: all segments, and the ids of those that may be found; None is all."""

    segments: Segments
    allowed: set[str] | None
    shares: np.ndarray  # of the query's words in each, `SegmentIndex.shares`; later the index may be another


class SegmentSearch:
    """The stored segments and their index, asked together.

    Safe in several threads, which do not wait for each other: what is kept is never changed, only replaced.
    """

    def __init__(self, index: SegmentIndex) -> None:
        self.index = index
        self._segments: tuple[State | None, Segments] | None = None
        self._background: tuple[Segments, Any, bool, ranking.Background] | None = None  # and what it was measured by
        self._allowed: tuple[Any, set[str]] = None, set()  # state, filter and phrases; ids

    def choose(self, records: StoredRecords, where: dict[str, Any] | None, query: str, by: By = "together") -> Chosen:
        """What passes the filter and holds the phrases that the query has in quotes."""
        state, segments = self._now_there(records)
        allowed = self._let_through(state, segments, records, where, query) if segments.ids else None
        return Chosen(segments, allowed, self.index.shares("" if by == "vectors" else query, segments))

    def rank(
        self, chosen: Chosen, query: str, vector: np.ndarray, typical: Typical | None, by: By, page: int
    ) -> Iterator[ranking.Ranked]:
        """All that were chosen, best first. Needs no session: others may read and write.

        Args:
            vector: float32 [dimension], the query's.
            typical: by the same embedder; may be None of what is alike, of `ranking.FEWEST` segments and more.
            page: as of `ranking.rank`.
        """
        import numpy as np

        segments, allowed, shares = chosen.segments, chosen.allowed, chosen.shares
        if not segments.ids:
            return iter(())
        background = self._measured(segments, typical, by == "alike").asked_in(written_in(query, ASKED_IN))
        rows = None if allowed is None else [segments.rows[id_] for id_ in allowed if id_ in segments.rows]
        if rows is not None and by != "vectors" and is_all_quoted(query):
            shares[rows] = 1.0  # they hold all that is asked for, also where no word of it says anything
        if by == "words":
            rows = np.flatnonzero(shares) if rows is None else [row for row in rows if shares[row]]
        ranked = ranking.rank(segments, rows, shares, vector, background, page)
        return (
            ranked if by != "words" else iter(sorted(ranked, key=lambda hit: -round(shares[segments.rows[hit.id]], 9)))
        )

    def not_found(self, records: StoredRecords, vectors: Mapping[str, np.ndarray]) -> set[str]:
        """Those of the stored vectors that the index lacks or knows as others: a search would compare with these."""
        known = self._now_there(records)[1]
        right = {
            id_
            for id_, vector in vectors.items()
            if id_ in known.rows and known.vectors[known.rows[id_]] @ pages.unit(vector) >= 1 - pages.SAME
        }
        return vectors.keys() - right

    def kept(self, records: StoredRecords, run_ids: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The vectors, by id, of the records that have not changed since the index was brought up to date.

        `run_ids`: of all records; when each was written.
        """
        since = _since(self.index.state, records.state())
        if since is None:
            return {}
        segments = self.index.segments()
        known = zip(segments.ids, segments.vectors, strict=True)
        return {id_: vector for id_, vector in known if isinstance(when := run_ids.get(id_), int) and when <= since}

    def _now_there(self, records: StoredRecords) -> tuple[State | None, Segments]:
        state, known = self.follow(records), self._segments
        if state is None or known is None or known[0] != state or known[1].file != self.index.file:
            segments = self.index.segments()
            if not segments.ids and records.state().count:  # it was damaged
                state, segments = self.follow(records), self.index.segments()
            known = self._segments = state, segments
        return known

    def _let_through(
        self, state: State | None, segments: Segments, records: StoredRecords, where: dict[str, Any] | None, query: str
    ) -> set[str] | None:
        """The ids that pass the filter and hold the phrases that the query has in quotes; None: all."""
        phrases = quoted(query)
        if not where and not phrases:
            return None
        asked, known = (state, where, phrases), self._allowed
        if state is None or known[0] != asked:
            if sum(map(count_words, phrases)) > LONGEST:
                raise UserError(f"what is in quotes has more than {LONGEST} words: leave some out")
            patterns = [exact_pattern(phrase) for phrase in phrases]
            known = self._allowed = asked, _passing(records, where, patterns, self._spoken(phrases, segments))
        return known[1]

    def _spoken(self, phrases: list[str], segments: Segments) -> list[str]:
        """The ids with most of the phrases' words, SPOKEN at most; of writing without spaces any may hold them."""
        import numpy as np

        shares, any_ = self.index.shares(" ".join(phrases), segments, every=True), any(map(has_no_spaces, phrases))
        return [segments.ids[row] for row in np.argsort(-shares, kind="stable")[:SPOKEN] if any_ or shares[row]]

    def _measured(self, segments: Segments, typical: Typical | None, alike: bool) -> ranking.Background:
        known = self._background
        if known is None or known[0] is not segments or known[1] is not typical or known[2] is not alike:
            some = [segments.rows[id_] for id_ in sample(segments.ids, ranking.SAMPLE)]
            known = (
                segments,
                typical,
                alike,
                ranking.Background(segments.vectors[some], len(segments.ids), typical, alike),
            )
            self._background = known
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
        if since is None:
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


def sample(ids: list[str], count: int) -> list[str]:
    """So many of the ids at random, always the same ones of the same ids; all, if there are no more."""
    return ids if len(ids) <= count else random.Random(count).sample(sorted(ids), count)


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
            yield id_, segment_words(document, metadata), pages.unit(vectors[id_])


def _passing(records: StoredRecords, where: dict[str, Any] | None, phrases: list[str], spoken: list[str]) -> set[str]:
    """The ids that the filter lets through and in which all the phrases (regular expressions) occur.

    `spoken`: the ids with most of the phrases' words, the only ones in which the speech in another language than the
    document's is looked at: the source's own search for a pattern sees documents only.
    """
    passing = records.passing(where, phrases)
    other = records.records([id_ for id_ in spoken if id_ not in passing])
    heard = {
        id_
        for id_, (fields, document) in other.items()
        if all(re.search(phrase, segment_words(document, fields)) for phrase in phrases)
    }
    return passing | (heard & records.passing(where) if where and heard else heard)
