"""A site of a scripted database, as TestClient asks it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import uvicorn
from starlette.testclient import TestClient

from videotag import artifacts
from videotag.stages import PHASE1
from videotag.web.app import app
from videotag.web.archive import Archive
from videotag.web.safety import Safety

HERE = "http://127.0.0.1:8000"


def client(db: Any, data_dir: Path, safety: Safety | None = None, **headers: str) -> TestClient:
    site = app(Archive(db, data_dir), safety)
    return TestClient(site, HERE, headers={"accept-language": "en", **headers}, raise_server_exceptions=False)


@contextmanager
def serving(archive: Archive) -> Iterator[str]:
    """The address of a real server."""
    server = uvicorn.Server(uvicorn.Config(app(archive), port=0, log_level="critical"))
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    end = time.monotonic() + 30
    while not server.started and time.monotonic() < end:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    running.join(10)


def record(name: str = "news", **fields: Any) -> dict[str, Any]:
    return {"video_name": name, "video_duration": 100.0, "total_segments": 3, "db_segments_loaded": 3, **fields}


def jpeg(width: int, height: int, grey: int = 128) -> bytes:
    return cv2.imencode(".jpg", np.full((height, width, 3), grey, np.uint8))[1].tobytes()


def heard(data_dir: Path, name: str, pictures: list[bytes], segments: list[list[int]]) -> Path:
    """A result of phase 1 with these pictures; each segment's are named by their numbers."""
    result: dict[str, Any] = dict.fromkeys(PHASE1.keys, "")
    result |= {"video_name": name, "frames": [{"time": float(n), "jpeg": one} for n, one in enumerate(pictures)]}
    result["segments"] = [{"segment_index": n, "frames": frames} for n, frames in enumerate(segments)]
    path = artifacts.path_of(PHASE1, data_dir, name)
    with artifacts.Draft(path, result) as draft:
        draft.publish()
    return path
