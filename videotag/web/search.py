"""The search page, the same as JSON, and what was found as files."""

import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from heapq import nlargest
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from videotag.errors import UserError
from videotag.fields import SUMMARY
from videotag.search import hits
from videotag.search.filters import BOUNDS, FIELDS, OPTIONS
from videotag.search.forms import matches
from videotag.search.moments import LEAD, Hit
from videotag.segments import Window, frame_times
from videotag.text import one_line
from videotag.web.archive import Archive
from videotag.web.asked import LIMIT, MOST, Asked, asked, parameters
from videotag.web.attached import attached
from videotag.web.pages import Pages, address
from videotag.web.watch import Watch

FRAMES = 6  # of a segment that are shown
NEWEST = 12  # videos on the page where nothing is asked
PATIENCE = 2.0  # s that this page waits to know them
WIDTH, LINES = 90, 3  # characters and lines of a text on a card that are seen

Made = TypeVar("Made")


def routes(archive: Archive, watch: Watch, pages: Pages) -> APIRouter:
    router = APIRouter()
    # The processor does no more searches at once any sooner. The others wait, and hold no thread meanwhile.
    at_once = CapacityLimiter(max(2, os.cpu_count() or 1))

    async def searching(work: Callable[[], Made]) -> Made:
        return await to_thread.run_sync(work, limiter=at_once)

    @router.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        def work() -> Response:
            try:
                wanted = asked(request.query_params)
            except UserError as error:
                return pages.render(request, "search.html", 400, **_nothing(request, str(error)))
            try:
                return pages.render(request, "search.html", **_shown(archive, watch, wanted))
            except UserError as error:
                return pages.render(request, "search.html", 503, **_nothing(request, str(error)))

        return await searching(work)

    @router.get("/api/search", openapi_extra={"parameters": parameters()})
    async def search(request: Request) -> Response:
        """Moments, or whole videos, as a JSON list: the same as of test_search.py --json."""

        def work() -> str:
            wanted = _wanted(request)
            answer = wanted.answer(archive.db)
            if answer is None:
                raise HTTPException(400, "q: is empty; write what to find")
            return hits.as_json(answer.moments, hits.KEYS_OF_VIDEOS if answer.question.whole else hits.KEYS)

        return Response(await searching(work), media_type="application/json")

    @router.get("/found.{form}", include_in_schema=False)
    async def found(request: Request, form: str) -> Response:
        def work() -> Response:
            wanted = _wanted(request)
            answer = wanted.answer(archive.db)
            if form not in hits.ENDINGS or answer is None or answer.question.whole or not answer.moments:
                raise HTTPException(404)
            files, lines = hits.written(answer.moments, answer.question.title, form)
            left_out = {"_left_out.txt": "".join(f"{line}\n" for line in lines).encode()} if lines else {}
            return attached("found", {**files, **left_out})

        return await searching(work)

    return router


def _wanted(request: Request) -> Asked:
    try:
        return asked(request.query_params)
    except UserError as error:
        raise HTTPException(400, str(error)) from None


# === What the page shows ===


def _nothing(request: Request, told: str) -> dict[str, Any]:
    """The page with what is wrong, and with what was given."""
    given = {name: request.query_params.getlist(name) for name in ("q", *OPTIONS) if name in request.query_params}
    return {"told": told, **_form(given), "answer": None, "start": None}


def _shown(archive: Archive, watch: Watch, wanted: Asked) -> dict[str, Any]:
    answer = wanted.answer(archive.db)
    values = {"told": "", **_form(wanted.given), "answer": answer, "start": None}
    if answer is None:
        return values | {"start": start(archive, watch)}
    words = answer.question.words
    make = video_card if answer.question.whole else card
    more = min(wanted.limit + LIMIT, MOST) if len(answer.moments) == wanted.limit < MOST and answer.close else None

    def but(*names: str) -> dict[str, Any]:
        """What was given but for these: one address is made of it for many links, and what differs put at its end."""
        return {name: value for name, value in wanted.given.items() if name not in names}

    return values | {
        "words": words,
        "but": but,
        "cards": [make(moment, words) for moment in answer.moments],
        "seen": _values(answer.moments),
        "more": more,
        "endings": hits.ENDINGS,
    }


def _form(given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What was given; the fields of the form, one for each value; each filter that is set, with all the others."""
    shown = (*FIELDS, "not-keyword", *BOUNDS)
    fields = [(name, given.get(name) or [""]) for name in OPTIONS if name in shown or name in given]
    filters = [(name, value) for name in OPTIONS for value in given.get(name, ()) if value.strip()]
    taken_off = [{**given, name: [one for one in given[name] if one != value]} for name, value in filters]
    return {"given": given, "fields": fields, "field_of": FIELDS, "filters": list(zip(filters, taken_off, strict=True))}


def _values(moments: Sequence[Hit]) -> dict[str, list[str]]:
    """What the filters could be set to: what occurs among the answers."""
    seen: dict[str, dict[str, None]] = {name: {} for name in FIELDS}
    for moment in moments:
        for name, field in FIELDS.items():
            value = moment.get(field) or ()
            seen[name].update(dict.fromkeys([value] if isinstance(value, str) else value))
    return {name: sorted(values) for name, values in seen.items()}


class Line(NamedTuple):
    """A text on a card."""

    field: str  # name in the database
    pieces: list[tuple[str, bool]]  # of the text; whether one is of the question's words


def in_pieces(text: str, query: str) -> list[tuple[str, bool]]:
    """A text in parts: of the question's words, or not."""
    parts, end = [], 0
    for first, last in matches(text, query):
        parts += [(text[end:first], False), (text[first:last], True)]
        end = last
    return [part for part in (*parts, (text[end:], False)) if part[0]]


def _line(field: str, text: str, query: str) -> Line:
    seen = hits.excerpt(one_line(text), query, WIDTH, LINES)
    if len(seen) > WIDTH * LINES:
        seen = textwrap.shorten(seen, WIDTH * LINES, placeholder=" …")
    return Line(field, in_pieces(seen, query))


def card(moment: Hit, query: str) -> dict[str, Any]:
    """What a card shows of a moment."""
    read = hits.texts(moment, query)
    times = frame_times(Window(moment["segment_index"], moment["start_time"], moment["end_time"]), FRAMES)
    best = moment.get("seen_at", min(moment["start"] + LEAD, moment["end"]))
    return {
        "hit": moment,
        "picture": address("frame", moment["video_name"]),
        "times": [round(time, 1) for time in times],
        "best": round(best, 2),
        "large": min(range(FRAMES), key=lambda number: abs(times[number] - best)),
        "how": hits.found_by(read, query),
        "lines": [_line(one.field.name, one.text, query) for one in read if one.field.name != "keywords"],
        "keywords": [(word, bool(matches(word, query))) for word in moment.get("keywords") or ()],
        "place": f"{moment['video_name']}@{(moment['start_time'] + moment['end_time']) / 2:.1f}",
    }


def video_card(video: Hit, query: str) -> dict[str, Any]:
    """What a card shows of a whole video."""
    names = [field.name for field in SUMMARY if field.shown is not None and field.name != "keywords"]
    texts = {name: ", ".join(value) if isinstance(value := video.get(name) or "", list) else value for name in names}
    return {
        "hit": video,
        "title": in_pieces(one_line(video.get("title") or ""), query),
        "lines": [_line(name, text, query) for name, text in texts.items() if text],
        "chapters": [(one["start"], in_pieces(one_line(one["title"]), query)) for one in video.get("chapters") or ()],
        "keywords": [(word, bool(matches(word, query))) for word in video.get("keywords") or ()],
        "picture": address("frame", video["video_name"], round(video["end"] / 3, 1)),
    }


def start(archive: Archive, watch: Watch) -> dict[str, Any]:
    """What there is to see before anything is asked.

    Raises:
        UserError: the database cannot be read, and has not been before.
    """
    seen = watch.look(PATIENCE)
    if seen.fault and not seen.videos:
        raise UserError(seen.fault)
    cut = [video for video in seen.videos.values() if video.total_segments]
    names = [video.video_name for video in nlargest(NEWEST, cut, key=attrgetter("created_at"))]
    records = {one["video_name"]: one for one in archive.db.list_videos({"video_name": names})} if names else {}
    return {
        "seen": bool(seen.at),
        "videos": seen.totals.videos,
        "segments": seen.segments,
        "seconds": seen.totals.seconds,
        "newest": [_told(records[name]) for name in names if name in records],
    }


def _told(record: Mapping[str, Any]) -> dict[str, Any]:
    name, seconds = record["video_name"], record.get("video_duration") or 0.0
    return {
        "name": name,
        "title": record.get("title") or name,
        "text": record.get("summary") or record.get("description") or "",
        "seconds": seconds,
        "picture": address("frame", name, round(seconds / 3, 1)),
    }
