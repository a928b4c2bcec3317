"""A search from the question to the hits, segments or whole videos: embedder, pictures, patience while all moves."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from videotag.errors import UserError
from videotag.fields import BOOKKEEPING
from videotag.search import meant
from videotag.search.followed import TRIES, Followed
from videotag.search.index import Moved
from videotag.search.pictures import Picture, Pictures
from videotag.search.ranking import FEWEST, Ranked
from videotag.search.segment_search import By
from videotag.search.typical import typical
from videotag.store.documents import DocumentCollection
from videotag.store.pages import Snapshot
from videotag.store.records import only_measured, ordered, time_of
from videotag.text import clean_text

log = logging.getLogger("videotag")

Where = dict[str, Any] | None
"""The store's filter (`videotag.store.records.segment_where`)."""

CLEARLY = 1.0  # standard deviations: so much nearer has to be what other words than those typed find


class ArchiveSearch(Followed):
    """Searches a collection by way of the index beside it. Safe in several threads."""

    def __init__(self, searched: DocumentCollection, pictures: Pictures | None = None) -> None:
        """`pictures`: those of the segments, asked too where there are any."""
        super().__init__(searched)
        self._embedders, self._pictures = searched.embedders, pictures

    def as_meant(self, question: str) -> str:
        """What was meant by a question as it was typed (`videotag.search.meant`), by the words of the archive.

        Other words than those typed only if something is nearer to them; clearly, if the words themselves do not tell.
        """
        stamp = self.prepared()
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
            chosen = self.search.choose(None, query)
            for hit in self.search.rank(chosen, query, vector, typical(embedder), "together", 1):
                return hit.evidence
        return -math.inf

    def hits(self, query: str, where: Where, by: By, page: int, opening: bool = True) -> Iterator[dict[str, Any]]:
        """All records as `ChromaDBManager.search` gives them, best first, read as they are asked for.

        Args:
            page: so many are read at first, 1 or more; then twice as many as were read so far.
            opening: else nothing is found where a folder's database would be opened to learn whether there is anything.
        """

        def rank() -> Iterator[Ranked]:
            stamp = self.prepared(opening)
            if stamp is None:
                return iter(())
            chosen = self.search.choose(where, query, by)
            embedder = self._embedders.for_stamp(stamp)
            vector = self._embedders.of_question(query, embedder)
            if self._pictures and by == "together" and not chosen.lacking:
                chosen = replace(chosen, seen=self._pictures.answering(query, chosen, time_of(where)))
            return self.search.rank(chosen, query, vector, typical(embedder), by, page)

        yield from self._fetched(rank, page)

    def like(self, video_name: str, seconds: float, where: Where, page: int) -> Iterator[dict[str, Any]]:
        """The segments nearest in meaning to the one at that time of a video, without those that overlap it.

        Args and results as of `hits`.

        Raises:
            UserError: there is no such segment.
        """
        same: set[str] = set()

        def rank() -> Iterator[Ranked]:
            stamp = self.prepared()
            best, overlapping = _at(self.index.of_video(clean_text(video_name)), video_name, seconds)
            same.update(overlapping)
            vector, chosen = self.index.exact_vectors([best]).get(best), self.search.choose(where, "")
            if vector is None:
                raise Moved
            known = None
            with suppress(UserError):  # without an embedder all of few are close
                known = typical(self._embedders.for_stamp(stamp)) if chosen.segments.count < FEWEST else None
            return self.search.rank(chosen, "", vector, known, "alike", page + len(same))

        hits = self._fetched(rank, page)
        yield from (hit for hit in hits if hit["id"] not in same)

    def looking_like(self, picture: Picture, where: Where, page: int) -> Iterator[dict[str, Any]]:
        """The segments with the pictures that look most like one, best first; their `score` is the pictures' cosine.

        Args:
            picture: RGB uint8 [h, w, 3], or a video and a second in it: without the segments there.
            page: as of `hits`.

        Raises:
            UserError: there is no such picture, there are none at all, or the model that made them is not there.
        """
        same: set[str] = set()

        def rank() -> Iterator[Ranked]:
            if self.prepared() is None or self._pictures is None:
                return iter(())
            if isinstance(picture, tuple):
                same.update(_at(self.index.of_video(clean_text(picture[0])), *picture)[1])
            chosen = self.search.choose(where, "")
            found = self._pictures.alike(picture, chosen, time_of(where)).items()
            return (Ranked(id_, seen.cosine, seen.close, 0.0, 0.0, seen) for id_, seen in found)

        hits = self._fetched(rank, page + 5)
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
                        if metadata.keys() >= self.searched.kind.needed and hit.id not in seen:
                            seen.add(hit.id)
                            if only_measured(metadata) and not hit.seen:
                                unknown.append({**self._hit(hit, metadata, document), "close": False})
                            else:
                                yield self._hit(hit, metadata, document)
                    seen.update(hit.id for hit in some)
                yield from unknown  # last: nothing of them can be meant
                return
        raise self.being_rebuilt()

    def _hit(self, hit: Ranked, metadata: dict[str, Any], document: str) -> dict[str, Any]:
        fields = {k: v for k, v in ordered(metadata, self.searched.kind.fields).items() if k not in BOOKKEEPING}
        text = document or self.searched.kind.document(metadata)  # another program's may have none
        found = {"id": hit.id, **fields, "document": text, "score": min(1.0, hit.cosine), "close": hit.close}
        return {**found, "seen_at": hit.seen.second, "seen_frame": hit.seen.number} if hit.seen else found


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
