"""The application: the parts of the site, behind the guard."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from videotag.errors import UserError
from videotag.web import api, frames, media, search, status, video
from videotag.web.archive import Archive
from videotag.web.pages import HERE, Pages
from videotag.web.proxies import ROOM, Proxies
from videotag.web.safety import Guard, Safety
from videotag.web.watch import Watch


def app(
    archive: Archive,
    safety: Safety | None = None,
    room: float = ROOM,
    is_ending: Callable[[], bool] = lambda: False,
) -> ASGIApp:
    """The site of an archive.

    Args:
        safety: None is for this machine alone, without a token.
        room: GB that copies of videos may take.
        is_ending: whether the server is about to end, and waits for the answers that are under way.
    """
    pages, watch = Pages(), Watch(archive)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        watch.look(0)  # in a large archive the first look takes long, and the first page shows what it saw
        yield

    site = FastAPI(title="videotag", docs_url=None, redoc_url=None, lifespan=running)
    site.mount("/static", StaticFiles(directory=HERE / "static"))
    site.include_router(search.routes(archive, watch, pages))
    site.include_router(frames.routes(archive))
    site.include_router(api.routes(archive, pages))
    proxies = Proxies(archive.data_dir / "proxy", room)
    site.include_router(media.routes(archive, pages, proxies))
    site.include_router(video.routes(archive, pages, proxies))
    site.include_router(status.routes(archive, watch, pages, is_ending))

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        told = "" if error.detail == HTTPStatus(error.status_code).phrase else error.detail
        return pages.error(request, error.status_code, told)

    def user_error(request: Request, error: Exception) -> Response:
        return pages.error(request, 503, str(error))

    site.add_exception_handler(HTTPException, http_error)
    site.add_exception_handler(RequestValidationError, lambda request, error: pages.error(request, 400))
    site.add_exception_handler(UserError, user_error)
    site.add_exception_handler(Exception, lambda request, error: pages.error(request, 500))
    return Guard(site, safety or Safety(), pages.error)
