"""Fixtures: an embedder whose vectors are known by hand, a real `chroma run`, the database embedded and through it."""

import os
import socket
import subprocess
import sys
import time
import uuid
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from db_manager import ChromaDBManager
from tests.pipeline import Project


class FakeEmbedder:
    """A bag of words: each word adds 1 at its hash modulo 16; texts without a common word are (mostly) orthogonal."""

    name = "fake"

    def __init__(self, model: str = "words", dimension: int = 16) -> None:
        self.model = model
        self.dimension = dimension
        self.embedded: list[str] = []  # every document that was asked for

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded.extend(texts)
        return self.embed_queries(texts)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.split() or [""]:
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is cached (Whisper's model, the words of a server's segments) stays out of the user's folders.

    So does what is stored out of the database that the environment names. No model of the user's is at hand.
    """
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    os.environ["VIDEOTAG_MODELS"] = str(tmp_path_factory.mktemp("models"))
    os.environ.pop("CHROMA_URL", None)


@pytest.fixture
def fake_embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `chroma run` that lives as long as the test session."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("chroma")
    folder = tmp_path_factory.mktemp("chroma_server")
    server = subprocess.Popen(
        [program, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_for(port: int, server: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"chroma run did not start (exit code {server.poll()})")


@pytest.fixture
def server_url(chroma_server: str) -> str:
    """The server's address, with nothing in it."""
    import chromadb

    client = chromadb.HttpClient("127.0.0.1", int(chroma_server.rpartition(":")[2]))
    # Put aside, not deleted: ChromaDB leaves the lists of a deleted collection's records behind, and new records that
    # get their row numbers inherit them.
    for collection in client.list_collections():
        if collection.name.startswith("video_"):
            collection.modify(name=f"old-{uuid.uuid4().hex}")
    return chroma_server


@pytest.fixture(params=["embedded", "server"])
def db(request: pytest.FixtureRequest, tmp_path: Path, fake_embedder: FakeEmbedder) -> ChromaDBManager:
    """An empty database, once as a folder and once through a server."""
    if request.param == "embedded":
        return ChromaDBManager(tmp_path / "db", embedder=fake_embedder)
    url = request.getfixturevalue("server_url")
    return ChromaDBManager(tmp_path / "unused", chroma_url=url, embedder=fake_embedder)


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], fake_embedder: FakeEmbedder) -> Project:
    """A folder in which the scripts run with scripted engines."""
    return Project(tmp_path, capsys, fake_embedder)
