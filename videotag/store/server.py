"""A database behind a server (`chroma run`). Others may change it at any moment."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from videotag.errors import UserError
from videotag.store import mending
from videotag.store.chroma import first_line, is_internal, load_chromadb
from videotag.store.place import Place
from videotag.store.stamp import Noted


class Server(Place):
    """A server. Only the threads of this object wait for each other, not other processes."""

    shared = True

    def __init__(self, url: str, lock_timeout: float) -> None:
        """Ask nothing yet; raises UserError where `url` is not "http(s)://host[:port]"."""
        super().__init__(url, lock_timeout)
        self._address = _parsed_address(url)

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if type(error).__module__.startswith("httpx"):
                raise _unreachable(self.title) from error
            if is_internal(error):
                raise self._failure(error) from error
            raise

    def _open(self) -> Any:
        return _connect(*self._address, os.environ.get("CHROMA_TOKEN"), os.getpid())

    def notes(self) -> dict[str, Noted]:
        """None: others may change it at any moment."""
        return {}

    def asked_for(self, name: str) -> None:
        """There is no seal that would say what has changed."""

    def exists(self) -> bool:
        return True

    def _holder(self) -> str:
        return "another thread"

    def index_path(self, ending: str) -> Path:
        """Among this user's cached files."""
        import platformdirs

        name = hashlib.sha256(repr(self._address).encode()).hexdigest()[:16]
        return platformdirs.user_cache_path("videotag") / f"index-{name}{ending}.sqlite3"

    def clear_up(self) -> None:
        """The server's own affair."""

    def _failure(self, error: BaseException) -> UserError:
        text = first_line(error)
        if any(words in text for words in mending.FULL):
            return UserError(f"the disk of the database {self.title} is full: make room there, then run again")
        return UserError(
            f"the database {self.title} failed ({text}): stop the server and run: python doctor.py --repair --db FOLDER"
        )


def _parsed_address(url: str) -> tuple[str, int, bool]:
    """(host, port, TLS) of a server's address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f'the ChromaDB address "{url}" is not like http://127.0.0.1:8000')
    secure = parts.scheme == "https"
    return parts.hostname, port or (443 if secure else 8000), secure


@cache  # ChromaDB keeps each client, its two sockets and 1.6 MB to the end, and takes 0.1 s of CPU to make it
def _connect(host: str, port: int, secure: bool, token: str | None, process: int) -> Any:
    """A client for a `process`: one that was forked must not write into the sockets of the other."""
    chromadb = load_chromadb()
    from chromadb.config import Settings

    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        anonymized_telemetry=False,
        chroma_server_host=host,
        chroma_server_http_port=port,
    )
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        return chromadb.HttpClient(host, port, ssl=secure, headers=headers, settings=settings)
    except Exception as error:
        url = f"{'https' if secure else 'http'}://{host}:{port}"
        if not {401, 403}.isdisjoint(_statuses(error)):
            raise UserError(f"the ChromaDB server at {url} wants a token: set CHROMA_TOKEN to the right one") from error
        raise _unreachable(url) from error


def _statuses(error: BaseException | None) -> Iterator[int | None]:
    """The HTTP status of the answer that an error came from, somewhere along the chain: ChromaDB's own does not say."""
    while error is not None:
        yield getattr(getattr(error, "response", None), "status_code", None)
        error = error.__cause__ or error.__context__


def _unreachable(url: str) -> UserError:
    port = urlsplit(url).port or 8000
    return UserError(
        f"no ChromaDB server answers at {url}: start one with chroma run --path ./chroma_db --port {port}, or "
        "leave the address out"
    )
