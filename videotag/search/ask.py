"""The one door of search: a question, and what answers it or why nothing does. For the terminal, JSON and pages.

What answers are moments, or whole videos where these are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, takewhile
from typing import Any, NamedTuple, Protocol

from videotag.editors.clips import Clip, video_of
from videotag.errors import UserError, nearest
from videotag.fields import FILTERS_OF_VIDEOS
from videotag.search.filters import FIELDS, Filters
from videotag.search.forms import exact_pattern, quoted
from videotag.search.moments import GUESSES, Hit, best_moments, read_first
from videotag.search.passing import same
from videotag.search.pictures import Picture
from videotag.times import clock, exact_clock, seconds

OF_VIDEOS = [name for name, field in FIELDS.items() if field in FILTERS_OF_VIDEOS] + ["added-after", "added-before"]
"""The filters that whole videos have."""


class Searched(Protocol):
    """What is asked of segments, and of whole videos alike."""

    def as_meant(self, question: str) -> str: ...

    def hits(self, query: str, *, page: int = 10, **filters: Any) -> Iterator[Hit]: ...

    def facets(self, field: str) -> Mapping[Any, int]: ...


class Whole(Searched, Protocol):
    """What is asked of whole videos."""

    def about(self, query: str, **filters: Any) -> list[Hit]: ...


class Shown(Protocol):
    """What is asked of pictures."""

    def remark(self, question: str) -> tuple[str, dict[str, str]] | None: ...


class Database(Searched, Protocol):
    """What is asked of ChromaDBManager."""

    @property
    def whole_videos(self) -> Whole: ...

    def list_videos(self, status_filter: Mapping[str, Any] | None = None) -> list[dict[str, Any]]: ...

    @property
    def pictures(self) -> Shown: ...


@dataclass(frozen=True)
class Question:
    """Words, or a place (video, seconds) or a picture whose like is sought; and the filters for it."""

    words: str
    like: tuple[str, float] | None
    filters: Filters
    as_typed: bool = False  # nothing in the words is mended (videotag/search/meant.py)
    whole: bool = False  # whole videos are asked for
    picture: Picture | None = field(default=None, compare=False)

    @property
    def title(self) -> str:
        if isinstance(self.picture, tuple):
            return f"like the picture {self.picture[0]}@{exact_clock(self.picture[1])}"
        if self.picture is not None:
            return "like a picture"
        return f"like {self.like[0]}@{clock(self.like[1])}" if self.like else self.words

    @property
    def of_likeness(self) -> bool:
        """Whether there are no words in it."""
        return self.like is not None or self.picture is not None


REMARKS = {
    "meant": "showing results for: {words}",
    "no_value": "nothing found: no {field} {value}",
    "no_value_but": "nothing found: no {field} {value}; did you mean {near}?",
    "no_segment": "nothing found: no segment is loaded (load_data_to_chroma.py loads them)",
    "no_summary": "nothing found: no summary is loaded (phase4_video_summary.py makes summaries, "
    "load_data_to_chroma.py loads them)",
    "no_segment_passes": "nothing found: no segment that passes the filters is loaded",
    "no_summary_passes": "nothing found: no summary that passes the filters is loaded",
    "no_other": "nothing found: no other segment is loaded",
    "no_other_passes": "nothing found: no other segment that passes the filters is loaded",
    "not_exact": "the words in quotes do not occur: the nearest",
    "not_close": "nothing close",
    "pictures_not_asked": "(found by words and meaning alone; the pictures were not asked: {why})",
    "pictures_language": "(found by words and meaning; the pictures were asked too, by a model that is not known to "
    "understand this language: {language})",
    "unseen": "(analyzed without a vision model: what is only seen is not found; see the README)",
}
"""What there is to say of an answer."""


class Remark(NamedTuple):
    """A key of REMARKS, and what stands in its gaps. As a text it is English."""

    key: str
    values: Mapping[str, str]

    def __str__(self) -> str:
        return REMARKS[self.key].format(**self.values)


@dataclass(frozen=True)
class Answer:
    """The moments or whole videos, best first; where nothing is close, the best guesses."""

    question: Question  # as it was asked: the words as they were meant, and all the filters that held for it
    moments: list[Hit]
    db: Database  # asked once more for the remarks, if there are no moments
    typed: str | None = None  # the words as they were typed, where others were asked

    @property
    def close(self) -> bool:
        """Whether the moments answer, and are not merely the least far."""
        return bool(self.moments) and self.moments[0]["close"]

    @cached_property
    def about(self) -> list[Hit]:
        """The whole videos that answer as well: a few, to be told beside the moments."""
        asked = self.question
        if asked.whole or asked.of_likeness or asked.filters.of_moments():
            return []
        return self.db.whole_videos.about(asked.words, **asked.filters.arguments())

    @cached_property
    def remarks(self) -> tuple[Remark, ...]:
        """What was asked for what was typed, why nothing was found, or that nothing is close."""
        return tuple(self._remarks())

    def _remarks(self) -> Iterator[Remark]:
        if self.typed is not None:
            yield Remark("meant", {"words": self.question.words})
        yield from self._of_moments()
        asked = self.question
        if not (asked.whole or asked.of_likeness) and (told := self.db.pictures.remark(asked.words)):
            yield Remark(*told)

    def _of_moments(self) -> Iterator[Remark]:
        phrases = quoted(self.question.words)
        if not self.moments:
            yield _why_nothing(self.db, self.question)
        elif self.close:
            return
        elif phrases and not any(_holds(self.moments[0], phrase) for phrase in phrases):
            yield Remark("not_exact", {})
        else:
            yield Remark("not_close", {})
            if all(moment.get("measured") and "seen_at" not in moment for moment in self.moments):
                yield Remark("unseen", {})


def place(text: str) -> tuple[str, float]:
    """A video and a second in it, from `news@12:30`.

    Raises:
        UserError: it is no such thing.
    """
    name, at, time = text.rpartition("@")
    if not at or not name.strip():
        raise UserError(f"{text}: write the video's name and the time, such as news@12:30")
    return name.strip(), seconds(time)


def find(db: Database, question: Question, limit: int | None, per_video: int | None = None) -> Answer:
    """Ask what was meant by the words. What is found also holds `asked_as` (None: as typed) and its source.

    Where it was ranked by a picture, `seen_at` and `seen_frame` (`ChromaDBManager.search`).
    The source is `video` (an editors.clips.Video), `source_timecode` and its end.

    Args:
        limit: at most so many moments or videos; None is all that are close.
        per_video: at most so many moments of one video.

    Raises:
        UserError: there is no such place, or whole videos have no such filter.
    """
    filters, typed = question.filters, question.words
    if question.whole and (other := filters.of_moments()):
        raise UserError(f"{other}: is a filter of moments; whole videos have {', '.join(OF_VIDEOS)}")
    asked = searched(db, question)
    if not (question.of_likeness or question.as_typed):
        question = replace(question, words=asked.as_meant(typed))
    instead = {"like": question.like, "picture": question.picture}
    given = {name: value for name, value in instead.items() if value is not None}
    hits = asked.hits(question.words, page=read_first(limit), **given, **filters.arguments())
    if question.whole:
        found = _best_videos(hits, limit)
    else:
        found = best_moments(hits, question.words, limit, per_video, (filters.start, filters.end))
    same = question.words.lower() == typed.lower()  # capitals are no other words
    asked_as = {"asked_as": None if same else question.words}
    moments = [{**moment, **asked_as} for moment in _with_sources(found, db)]
    return Answer(question, moments, db, None if same else typed)


def searched(db: Database, question: Question) -> Searched:
    """What is asked: segments, or whole videos."""
    return db.whole_videos if question.whole else db


def _best_videos(found: Iterator[Hit], limit: int | None) -> list[Hit]:
    """Those that are close; where none is, the best guesses instead."""
    first = next(found, None)
    if first is None:
        return []
    most = limit if first["close"] else min(limit or GUESSES, GUESSES)
    others = takewhile(lambda hit: hit["close"] == first["close"], found)
    return [first, *islice(others, None if most is None else most - 1)]


def _with_sources(moments: list[Hit], db: Database) -> list[Hit]:
    names = list(dict.fromkeys(moment["video_name"] for moment in moments))
    records = {record["video_name"]: record for record in (db.list_videos({"video_name": names}) if names else ())}
    whole = []
    for moment in moments:
        record = records.get(moment["video_name"], {})
        video = video_of({**record, "video_path": moment.get("video_path")})
        first, last = Clip(video, moment["start"], moment["end"], "").timecodes or (None, None)
        codes = {"source_timecode": first and str(first), "source_timecode_end": last and str(last)}
        more = {"frame_rate": video.rate and str(video.rate), "audio_track": record.get("audio_track")}
        whole.append({**moment, **codes, **more, "video": video})
    return whole


def _why_nothing(db: Database, question: Question) -> Remark:
    """As far as it can be told: a value that does not occur, or that nothing is there."""
    asked = searched(db, question)
    for name, values in question.filters.wanted.items():
        known = [str(value) for value in asked.facets(FIELDS[name])]
        for value in values:
            if known and not any(same(FIELDS[name], value, one) for one in known):
                near = nearest(value, known)
                told = {"field": name, "value": value, **({"near": near} if near else {})}
                return Remark("no_value_but" if near else "no_value", told)
    what = "no_summary" if question.whole else "no_segment"
    if not question.of_likeness and next(asked.hits("?", page=1), None) is None:
        return Remark(what, {})
    passes = "_passes" if question.filters != Filters() else ""
    return Remark(("no_other" if question.of_likeness else what) + passes, {})


def _holds(moment: Hit, phrase: str) -> bool:
    return any(re.search(exact_pattern(phrase), moment.get(name) or "") for name in ("document", "transcript"))
