"""The frames that phase 1 took, as pictures of a page."""

import math
import os
import threading
from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from videotag import artifacts
from videotag.media.jpeg import in_bgr
from videotag.stages import PHASE1
from videotag.web.archive import Archive

WIDTHS = (160, 320, 640)  # pixels
QUALITY = 80  # of JPEG
KEPT = 200  # results of which it is remembered where their pictures lie: some 20 kB each

_reading = threading.Lock()  # of whole results: one at a time, and none twice


def routes(archive: Archive) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/frame/{name}/{second}")
    def frame(request: Request, name: str, second: float, width: Annotated[int, Query()] = WIDTHS[-1]) -> Response:
        """The frame that is nearest to a second of the video: how many a segment has is the archive's affair."""
        path = archive.result_path(PHASE1, name)
        if path is None or width not in WIDTHS or not math.isfinite(second):
            raise HTTPException(404)
        status = path.stat()
        with _reading:
            whole = _pictures(path, status.st_size, status.st_mtime_ns)
        if whole is None or not whole.frames:
            raise HTTPException(404)
        place = whole.frames[min(range(len(whole.frames)), key=lambda number: abs(whole.times[number] - second))]
        headers = {"etag": f'"{whole.result_id}-{place.offset}-{width}"', "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(scaled(_read(path, place), width), media_type="image/jpeg", headers=headers)

    return router


def scaled(jpeg: bytes, width: int) -> bytes:
    """The picture in that width, never wider than it is.

    Raises:
        HTTPException: it is no picture.
    """
    import cv2

    picture = in_bgr(jpeg)
    if picture is None:
        raise HTTPException(404)
    height, full = picture.shape[:2]
    if full <= width:
        return jpeg
    small = cv2.resize(picture, (width, max(1, round(height * width / full))), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


class _Place(NamedTuple):
    """Where a picture lies in the file of its result, in bytes."""

    offset: int
    length: int


class _Pictures(NamedTuple):
    result_id: str
    times: list[float]  # s
    frames: list[_Place]  # at these times


@lru_cache(maxsize=KEPT)
def _pictures(path: Path, size: int, changed: int) -> _Pictures | None:
    """Where the pictures of a result lie: it may have a hundred megabytes of them. None: it is damaged.

    `size`, `changed` (bytes, ns): its state.
    """
    result, data = artifacts.read(PHASE1, path), path.read_bytes()
    status = os.stat(path)
    if result is None or (len(data), status.st_mtime_ns) != (size, changed):  # or it is being replaced now
        return None
    frames, end = [], 0
    for frame in result["frames"]:
        found = data.find(frame["jpeg"], end)
        offset = found if found >= 0 else data.find(frame["jpeg"])  # equal pictures are stored once
        frames.append(_Place(offset, len(frame["jpeg"])))
        end = max(end, offset + len(frame["jpeg"]))
    return _Pictures(result["result_id"], [frame["time"] for frame in result["frames"]], frames)


def _read(path: Path, place: _Place) -> bytes:
    with path.open("rb") as file:
        file.seek(place.offset)
        return file.read(place.length)
