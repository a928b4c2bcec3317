"""A question and what answers it: the moments, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from videotag.errors import did_you_mean
from videotag.search import moments
from videotag.search.filters import FIELDS, Filters
from videotag.search.forms import quoted
from videotag.search.moments import Hit
from videotag.times import clock


class Database(Protocol):
    """What is asked of ChromaDBManager."""

    def search(self, query: str, limit: int = 10, **filters: Any) -> list[Hit]: ...

    def search_like(self, video_name: str, seconds: float, /, limit: int = 10, **filters: Any) -> list[Hit]: ...

    def facets(self, field: str) -> Mapping[Any, int]: ...


@dataclass(frozen=True)
class Question:
    """Words, or a place (video, seconds) whose like is sought; and the filters for it."""

    words: str
    like: tuple[str, float] | None
    filters: Filters

    @property
    def title(self) -> str:
        return f"like {self.like[0]}@{clock(self.like[1])}" if self.like else self.words


def find(db: Database, question: Question, limit: int | None, per_video: int | None = None) -> list[Hit]:
    """The moments that answer; limit None is all that are close.

    Raises:
        UserError: there is no such place.
    """
    filters = question.filters.arguments()

    def search(limit: int) -> list[Hit]:
        if question.like:
            return db.search_like(*question.like, limit=limit, **filters)
        return db.search(question.words, limit=limit, **filters)

    within = (question.filters.start, question.filters.end)
    return moments.find(search, question.words, limit, per_video, within)


def nothing(db: Database, question: Question, filters: Filters) -> str:
    """Why nothing was found, as far as it can be told: a value that does not occur, or words in quotes.

    Args:
        filters: those of the question, and those that hold for every one.
    """
    for name, values in filters.wanted.items():
        known = [str(value) for value in db.facets(FIELDS[name])]
        for value in values:
            if known and value not in known:
                return f"nothing found: no {name} {value}{did_you_mean(value, known)}"
    if not question.like and not db.search("?", limit=1):
        return "nothing found: no segment is loaded (load_data_to_chroma.py loads them)"
    fitting = "no other segment" if question.like else "no segment"
    if filters != Filters():
        fitting += " that passes the filters"
    if quoted(question.words):
        return f"nothing found: {fitting} holds the words in quotes"
    return f"nothing found: {fitting} is loaded"
