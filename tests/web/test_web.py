"""web.py: a server as a process, beside whatever else happens to its archive."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.test_db_manager import add_video, segment
from tests.web.site import HERE
from videotag.web.app import app
from videotag.web.archive import Archive

WEB = Path(__file__).parents[2] / "web.py"


def asked(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture
def started(tmp_path) -> Iterator[subprocess.Popen]:
    add_video(ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder()))
    command = [sys.executable, WEB, "--port", "0", "--db", tmp_path / "db", "--data-dir", tmp_path / "data"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    yield process
    process.kill()
    process.wait(10)


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_says_where_it_is_answers_and_ends(started, number, code):
    assert started.stdout is not None
    address = started.stdout.readline().split()[0]
    assert address.startswith("http://127.0.0.1:")
    assert asked(f"{address}/")[0] == 200
    assert json.loads(asked(f"{address}/api/videos")[1])["total"] == 1
    assert asked(f"{address}/api/videos/nobody")[0] == 404
    started.send_signal(number)
    _, err = started.communicate(timeout=30)
    assert (started.returncode, err) == (code, "")  # nothing that was asked is logged


@pytest.fixture
def site(db) -> TestClient:
    """The site of a real database, with the segment "плотина" of one video."""
    add_video(db)
    db.add_segments("news.mp4", [segment(0, "плотина")])
    return TestClient(app(Archive(db, Path("nowhere"))), HERE, headers={"accept-language": "en"})


def test_what_the_scripts_write_shows_at_the_next_question(site, db):
    other = ChromaDBManager(db.directory, chroma_url=db.chroma_url, embedder=FakeEmbedder())
    assert "плотина" in site.get("/?q=плотина").text
    other.add_segments("news.mp4", [segment(0, "поезд")])
    assert "<mark>поезд</mark>" in site.get("/?q=поезд").text
    other.update_video_status("news", phase1_status="processing")
    assert site.get("/api/videos/news").json()["phase1_status"] == "processing"
    other.delete_video_segments("news")
    other.delete_video_file("news")
    assert site.get("/api/videos/news").status_code == 404
    page = site.get("/?q=поезд")
    assert page.status_code == 200 and "no segments are loaded yet" in page.text
    assert site.get("/?like=news@0:10").status_code == 503


def test_a_database_that_vanishes_and_comes_again(tmp_path, fake_embedder):
    db = ChromaDBManager(tmp_path / "db", embedder=fake_embedder)
    add_video(db)
    db.add_segments("news.mp4", [segment(0, "плотина")])
    site = TestClient(app(Archive(db, tmp_path)), HERE)
    assert site.get("/?q=плотина").status_code == 200
    shutil.rmtree(tmp_path / "db")
    for address in ("/?q=плотина", "/", "/api/search?q=плотина", "/api/videos", "/api/videos/news"):
        assert site.get(address).status_code == 503
    again = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    add_video(again, "film")
    again.add_segments("film.mp4", [segment(0, "поезд", "film")])
    assert "/video/film" in site.get("/?q=поезд").text
    assert site.get("/api/videos/news").status_code == 404


def test_many_ask_while_another_writes(tmp_path):
    loaded = []
    db = ChromaDBManager(tmp_path / "db", load=lambda name, model: loaded.append(name) or FakeEmbedder())
    other = ChromaDBManager(tmp_path / "db", embedder=FakeEmbedder())
    add_video(other)
    other.add_segments("news.mp4", [segment(0, "плотина")])
    seen: list[int] = []

    def ask() -> None:
        seen.extend(site.get("/", params={"q": f"плотина {n}"}).status_code for n in range(4))

    with TestClient(app(Archive(db, tmp_path)), HERE) as site:  # one event loop for all
        askers = [threading.Thread(target=ask) for _ in range(4)]
        for one in askers:
            one.start()
        for n in range(3):
            other.add_segments("news.mp4", [segment(0, f"плотина {n}")])
            other.update_video_status("news", phase1_attempts=n)
        for one in askers:
            one.join()
    assert seen == [200] * 16
    assert len(loaded) == 1  # one embedder for all
