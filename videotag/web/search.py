"""The search page: a question, and the moments that answer it."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from videotag.search.ask import Question, find
from videotag.search.filters import Filters
from videotag.web.archive import Archive
from videotag.web.pages import Pages

LONGEST = 1000  # characters of a question
MOMENTS = 12


def routes(archive: Archive, pages: Pages) -> APIRouter:
    router = APIRouter()

    @router.get("/")
    def search(request: Request, q: Annotated[str, Query(max_length=LONGEST)] = "") -> Response:
        answer = find(archive.db, Question(q, None, Filters()), MOMENTS) if q.strip() else None
        return pages.render(request, "search.html", q=q, answer=answer)

    return router
