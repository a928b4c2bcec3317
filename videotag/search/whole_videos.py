"""Whole videos: what phase 4 says of each, stored with a vector, and searched as segments are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from videotag.embedders.contract import Embedder, checked_vectors
from videotag.fields import FILTERS_OF_VIDEOS, SUMMARY_FIELDS
from videotag.search.archive_search import ArchiveSearch
from videotag.store.collection import SUMMARIES
from videotag.store.documents import DocumentCollection
from videotag.store.place import Place
from videotag.store.records import chapters, check_known, segment_where, summary_record
from videotag.store.stamp import Embedders

if TYPE_CHECKING:
    import numpy as np

Result = Mapping[str, Any]
"""Of phase 4, as data/{video}_phase4_summary.json holds it."""

_ABOUT = 3  # videos at most that are told beside the moments


class WholeVideos(DocumentCollection):
    """The collection video_summaries, one record a video. Methods raise as those of `ChromaDBManager`."""

    def __init__(self, place: Place, embedders: Embedders) -> None:
        super().__init__(SUMMARIES, place, embedders)
        self._search = ArchiveSearch(self)

    # === What is stored ===

    def embedded(self, result: Result, by: Embedder, anew: bool = False) -> np.ndarray:
        """The vector of a result's title, summary and keywords, float32 [1, dimension]; `anew`: though it is known."""
        return self.vectors([summary_record(result, "-")], by, None, anew)

    def put(self, result: Result, video_path: str, vector: np.ndarray, by: Embedder) -> None:
        """Put a result in place of what is there of its video. `vector`: as of `embedded`, made `by` that embedder.

        Raises:
            ValueError: a value that a record cannot hold; names video and field.
        """
        record = summary_record(result, video_path)
        self.replace(record["video_name"], [record], checked_vectors(vector, 1, by), by=by)

    def get(self, video_name: str) -> dict[str, Any]:
        """The fields of `fields.SUMMARY`, `chapters` as of `hits`; {} if nothing is stored."""
        with self.reading() as collection:
            found = [] if collection is None else collection.get(ids=[video_name], include=["metadatas"])["metadatas"]
        record = {name: found[0][name] for name in SUMMARY_FIELDS if name in found[0]} if found else {}
        return record and {**record, "chapters": chapters(record)}

    def names(self) -> set[str]:
        """The videos of which something is stored, whether or not they have a record."""
        return set(self.values("video_name"))

    def faults(self, video_name: str, video_path: str, result: Result | None) -> list[str]:
        """The faults of what is stored, as `ChromaDBManager.check_segments` names them. None: nothing was loaded."""
        records = [summary_record(result, video_path)] if result else []
        return sorted(self.check(video_name, records))

    # === Search ===

    def search(self, query: str, limit: int = 10, **filters: Any) -> list[dict[str, Any]]:
        """The videos that answer best what was meant by the query, as `hits` gives them.

        By the meaning of title, summary and keywords, and the words of these, of chapters' titles and of names.

        Args:
            filters: video_name, language, content_type, keywords, without, added, as of `ChromaDBManager.search`.
        """
        if limit < 1:
            raise ValueError(f"limit is {limit}, has to be 1 or more")
        return list(islice(self.hits(self.as_meant(query), page=limit, **filters), limit))

    def as_meant(self, question: str) -> str:
        """What a question as it was typed meant, by the words of what is stored."""
        return self._search.as_meant(question)

    def hits(self, query: str, *, page: int = 10, **filters: Any) -> Iterator[dict[str, Any]]:
        """All that pass, best first, those that are close before the others.

        Each the fields of `fields.SUMMARY` with "id", "document", "score", "close", and "start" and "end" of the video
        (s); `chapters`: a list of start, end (s), title and summary.
        """
        return map(_whole, self._search.hits(query, _where(filters), "together", page))

    def about(self, query: str, **filters: Any) -> list[dict[str, Any]]:
        """Those that are close, three at most. Costs little: no folder's database is opened to learn of none."""
        found = self._search.hits(query, _where(filters), "together", _ABOUT, opening=False)
        return [_whole(hit) for hit in islice(takewhile(itemgetter("close"), found), _ABOUT)]


def _where(filters: Mapping[str, Any]) -> dict[str, Any] | None:
    fields = {name: value for name, value in filters.items() if name not in ("without", "added")}
    for asked in (fields, filters.get("without") or {}):
        check_known(asked, dict.fromkeys(FILTERS_OF_VIDEOS, str))
    return segment_where(**filters)


def _whole(hit: dict[str, Any]) -> dict[str, Any]:
    return {**hit, "chapters": chapters(hit), "start": 0.0, "end": hit.get("video_duration", 0.0)}
