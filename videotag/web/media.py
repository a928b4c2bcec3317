"""What players are given: the file of a video, a part of it that plays everywhere, a copy of the whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from videotag.errors import UserError
from videotag.web.archive import Archive
from videotag.web.films import Film, Gone, film_of
from videotag.web.pages import Pages, address
from videotag.web.proxies import Proxies, Stopped

Second = Annotated[float, Query(ge=0, le=1e7, allow_inf_nan=False)]
KEPT = {"cache-control": "private, no-cache"}  # kept by the browser, and asked about before it is used


def routes(archive: Archive, pages: Pages, proxies: Proxies) -> APIRouter:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(proxies.close)

    router = APIRouter(lifespan=lifespan, include_in_schema=False)

    def film(name: str) -> Film:
        record = archive.record(name)
        if record is None:
            raise HTTPException(404)
        return film_of(record)

    @router.api_route("/media/{name}", methods=["GET", "HEAD"])
    def media(request: Request, name: str) -> Response:
        try:
            found = film(name)
        except Gone as error:
            return pages.error(request, 404, str(error))
        return FileResponse(found.path, media_type=found.plays.type.partition(";")[0], headers=KEPT)

    @router.api_route("/clip/{name}", methods=["GET", "HEAD"])
    async def clip(request: Request, name: str, t: Second = 0.0) -> Response:
        try:
            found = await run_in_threadpool(film, name)
            making = await run_in_threadpool(proxies.part, name, found.part(t))
            path = await asyncio.wrap_future(making)
        except Gone as error:
            return pages.error(request, 404, str(error))
        except (UserError, Stopped) as error:
            return pages.error(request, 503, str(error))
        return _mp4(path)

    @router.api_route("/proxy/{name}", methods=["GET", "HEAD"])
    def proxy(request: Request, name: str) -> Response:
        try:
            path = proxies.path(name, film(name).whole)
        except UserError as error:
            return pages.error(request, 404, str(error))
        return _mp4(path) if proxies.ready(path) else pages.error(request, 404)

    @router.get("/proxy/{name}/state")
    def state(request: Request, name: str) -> dict[str, Any]:
        """`state`: none, waiting, making, ready or failed; `share` done (0 to 1), `size` in bytes, `error`."""
        return state_of(film(name), proxies)

    @router.post("/proxy/{name}")
    def start(request: Request, name: str) -> Response:
        proxies.start(name, film(name).whole)
        return _back(request, name)

    @router.post("/proxy/{name}/cancel")
    def cancel(request: Request, name: str) -> Response:
        proxies.cancel(name, film(name).whole)
        return _back(request, name)

    return router


def state_of(film: Film, proxies: Proxies) -> dict[str, Any]:
    """How far the copy of a video is, for programs."""
    state = proxies.state(film.name, film.whole)
    share = min(1.0, state.seconds / film.duration) if film.duration else 0.0
    return {"state": state.state, "share": round(share, 3), "size": state.size, "error": state.error}


def _mp4(path: Path) -> Response:
    return FileResponse(path, media_type="video/mp4", headers=KEPT)


def _back(request: Request, name: str) -> Response:
    """To the page of the video, where one was on it."""
    kept = {key: request.query_params.get(key) for key in ("t", "q", "lang")}
    return RedirectResponse(address("video", name, **kept), 303)
