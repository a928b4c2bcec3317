"""What an address asks: its names are those of the options of test_search.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from videotag.errors import UserError
from videotag.fields import FILTERS
from videotag.search.ask import Answer, Database, Question, find, place
from videotag.search.filters import BOUNDS, FIELDS, OPTIONS, read

LONGEST = 1000  # characters of a question or a value
LIMIT, MOST = 12, 120  # moments, or videos


@dataclass(frozen=True)
class Asked:
    """A question, and how many answers to it are wanted. `given` is what the address says of it, without blanks."""

    question: Question
    limit: int
    per_video: int | None
    given: Mapping[str, list[str]]

    def answer(self, db: Database) -> Answer | None:
        """None: nothing is asked."""
        if not self.question.words and not self.question.of_likeness:
            return None
        return find(db, self.question, self.limit, self.per_video)


def asked(params: QueryParams) -> Asked:
    """
    Raises:
        UserError: a value is too long or cannot be read.
    """
    names = ("q", "like", "like-picture", "videos", "as-typed", "limit", "per-video", *OPTIONS)
    given = {name: values for name in names if (values := [v.strip() for v in params.getlist(name) if v.strip()])}
    for name, values in given.items():
        if any(len(value) > LONGEST for value in values) or len(values) > LONGEST // 10:
            raise UserError(f"{name}: is too long; {LONGEST} characters are the most")
    words, like, picture = (given.get(name, [""])[0] for name in ("q", "like", "like-picture"))
    filters = read({name: given[name] for name in OPTIONS if name in given})
    places = [place(text) if text else None for text in (like, picture)]
    question = Question(words, places[0], filters, "as-typed" in given, "videos" in given, places[1])
    if question.of_likeness and question.whole:
        raise UserError("like: is of moments; leave videos out")
    limit, per_video = (_number(name, given) for name in ("limit", "per-video"))
    return Asked(question, min(limit or LIMIT, MOST), per_video, given)


def _number(name: str, given: Mapping[str, list[str]]) -> int | None:
    [text] = given.get(name, [""])[:1]
    if text and not (text.isdecimal() and len(text) < 9 and int(text) > 0):
        raise UserError(f"{name}: {text}: is no number from 1 on")
    return int(text) if text else None


def parameters() -> list[dict[str, Any]]:
    """The same for OpenAPI."""
    told = {
        "q": "the question; words in double quotes have to occur",
        "like": "instead of a question: news@12:30, moments like that one",
        "like-picture": "instead of a question: news@12:41, moments that look like the picture there",
        "videos": "1: whole videos instead of moments",
        "as-typed": "1: nothing is mended in the question",
        "limit": f"at most so many ({LIMIT}; {MOST} are the most)",
        "per-video": "at most so many moments of one video",
    }
    helps = {field.option: field.help for _, field in FILTERS}
    told |= {name: f"{helps[name]} (repeatable: any of several)" for name in FIELDS}
    told |= {f"not-{name}": f"not {helps[name]} (repeatable)" for name in FIELDS}
    told |= {
        name: "a time in the video: 1:30 or 90" if name in ("from", "to") else "a day: 2026-01-31" for name in BOUNDS
    }
    return [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string", "maxLength": LONGEST}}
        for name, text in told.items()
    ]
