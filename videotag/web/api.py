"""The videos as JSON, and a page that tells what can be asked so."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from videotag.web.archive import Archive
from videotag.web.pages import Pages

PAGE, LARGEST = 100, 1000  # videos


def routes(archive: Archive, pages: Pages) -> APIRouter:
    router = APIRouter()

    @router.get("/api/videos")
    def videos(
        offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=LARGEST)] = PAGE
    ) -> dict[str, Any]:
        """The records of videos, oldest first: how many there are, and those from `offset` on."""
        records = archive.db.list_videos()
        return {"total": len(records), "videos": records[offset : offset + limit]}

    @router.get("/api/videos/{name}")
    def video(name: str) -> dict[str, Any]:
        """A video's record: what it is, how far each stage got."""
        if (record := archive.record(name)) is None:
            raise HTTPException(404)
        return record

    @router.get("/api", include_in_schema=False)
    def told(request: Request) -> Response:
        return pages.render(request, "api.html", paths=request.app.openapi()["paths"])

    return router
