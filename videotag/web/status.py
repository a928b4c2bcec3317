"""The statuses: how far each video is, who works on what, what failed; as a page, as JSON, and as a stream of news."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from videotag.claims import Held
from videotag.config import name_mistake
from videotag.errors import UserError
from videotag.stages import BY_KEY
from videotag.text import printable
from videotag.times import now
from videotag.web.again import again, command
from videotag.web.archive import Archive
from videotag.web.overview import STATES, Totals, Video, chosen
from videotag.web.pages import Pages, address
from videotag.web.watch import Disk, Overview, Watch

PAGE = 25  # videos
LISTEN_SECONDS = 1.0  # between two questions of a listener whether there is news
MOST_NEWS = 200  # videos in one event; whoever is told of more had better look anew

PhaseKey = Literal["phase1", "phase2", "phase4", "db_load"]
State = Literal["working", "silent", "failed", "waiting", "blocked", "completed", "unheard"]


class Choice(BaseModel):
    """Which videos are shown: as the address of a page says."""

    phase: Annotated[Literal[PhaseKey, ""], Field(description="of which a phase")] = ""
    state: Annotated[Literal[State, ""], Field(description="is in this state, or some speech has no words")] = ""
    sort: Annotated[Literal["state", "name", "duration"], Field(description="what comes first")] = "state"
    page: Annotated[int, Field(ge=1, le=1_000_000, description=f"of {PAGE} videos")] = 1

    def query(self, **changes: object) -> dict[str, object]:
        """For an address, of the first page if anything is changed; what needs not be said is left out."""
        chosen_by = {**self.model_dump(), "page": 1, **changes} if changes else self.model_dump()
        return {name: value for name, value in chosen_by.items() if value != Choice.model_fields[name].default}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The archive at a look.

    Attributes:
        at: when it was seen, local time; "" while the records of a large archive are read for the first time.
        fault: why the database could not be read then: the rest is older.
        segments: how many are stored, with vectors by `embedder`.
    """

    at: str
    fault: str
    totals: Totals
    segments: int
    embedder: str
    disk: Disk | None


@dataclass(frozen=True, kw_only=True)
class Status(Seen):
    """All of it in numbers, and a page of the videos that were chosen.

    Attributes:
        version: grows with each change; that of the stream's events, too.
        found: how many videos were chosen, on so many `pages`.
    """

    version: int
    found: int
    page: int
    pages: int
    videos: list[Video]


@dataclass(frozen=True, kw_only=True)
class News(Seen):
    """What has changed since another event.

    Attributes:
        videos: those that are new or have changed; `gone`: the names of those that are no more.
        anew: too much has changed, or it is unknown what: /api/status tells.
    """

    videos: list[Video]
    gone: list[str]
    anew: bool


def routes(archive: Archive, watch: Watch, pages: Pages, is_ending: Callable[[], bool]) -> APIRouter:
    router = APIRouter()

    @router.get("/status", include_in_schema=False)
    def status(request: Request, choice: Annotated[Choice, Query()]) -> Response:
        return page(request, choice)

    @router.post("/status/{phase}/{name}/again", include_in_schema=False)
    def try_again(request: Request, phase: PhaseKey, name: str, choice: Annotated[Choice, Query()]) -> Response:
        try:
            again(archive, BY_KEY[phase], name)
        except Held as by:
            return page(request, choice, 409, f"{name}: {by}")
        except UserError as error:
            return page(request, choice, 409, str(error))
        watch.expire()
        back = address("status", **choice.query(), lang=request.query_params.get("lang"))
        return RedirectResponse(f"{back}#{anchor(name)}", 303)

    @router.get("/api/status")
    def api_status(choice: Annotated[Choice, Query()]) -> Status:
        """How far each video is, the whole archive in numbers, who is at work, the last errors."""
        return status_of(watch.look(), choice)

    def page(request: Request, choice: Choice, code: int = 200, refused: str = "") -> Response:
        found = status_of(watch.look(), choice)

        def typed(key: str, name: str = "") -> str:
            return command(archive, BY_KEY[key], name)

        shown = {"choice": choice, "states": STATES, "refused": refused, "today": now()[:10], "command": typed}
        helpers = {"anchor": anchor, "size": size, "name_mistake": name_mistake, "printable": printable}
        return pages.render(request, "status.html", code, seen=found, **shown, **helpers)

    @router.get("/api/status/stream", response_class=EventSourceResponse)
    async def stream(
        last_event_id: Annotated[str, Header(description="the last one that came")] = "",
    ) -> AsyncIterator[ServerSentEvent]:
        """What changes from now on, or since the event of that id. An event's `data` is `News`, its id a version."""
        seen = int(last_event_id) if last_event_id.isdecimal() else None
        while not is_ending():  # else the server would wait for whoever listens
            overview = watch.look(patience=0)
            if overview.at and overview.version != seen:
                news = news_of(overview, seen if seen is None or seen >= watch.first else 0)
                yield ServerSentEvent(data=news, id=str(overview.version))
                seen = overview.version
            await asyncio.sleep(LISTEN_SECONDS)

    return router


def status_of(overview: Overview, choice: Choice) -> Status:
    videos = chosen(overview.videos.values(), choice.phase, choice.state, choice.sort)
    count = max(1, -(-len(videos) // PAGE))
    number = min(choice.page, count)
    listed = {
        "found": len(videos),
        "page": number,
        "pages": count,
        "videos": videos[PAGE * (number - 1) : PAGE * number],
    }
    return Status(version=overview.version, **seen_in(overview), **listed)


def news_of(overview: Overview, since: int | None) -> News:
    """What has changed since a version: 0 is one of which nothing is known, None has seen what there is."""
    changed = [] if since is None else sorted(n for n, version in overview.changed.items() if version > since)
    anew = since == 0 or len(changed) > MOST_NEWS
    videos = [] if anew else [overview.videos[name] for name in changed if name in overview.videos]
    gone = [] if anew else [name for name in changed if name not in overview.videos]
    return News(**seen_in(overview), videos=videos, gone=gone, anew=anew)


def seen_in(overview: Overview) -> dict[str, Any]:
    return {one.name: getattr(overview, one.name) for one in fields(Seen)}


def anchor(video_name: str) -> str:
    """The id of a video's row: an address may end in it."""
    return f"v-{quote(video_name, safe='')}"


def size(count: int) -> tuple[str, str]:
    """Bytes as people read them: the key of the unit's text, and how many of these."""
    return ("status.gb", f"{count / 1e9:.1f}") if count >= 1e9 else ("status.mb", f"{count / 1e6:.0f}")
