"""A hub of models: the listing of a repository and its files over HTTP, as huggingface.co gives them.

    GET  /api/models/{repository}/revision/main    names of the files and the commit
    HEAD /{repository}/resolve/{commit}/{file}     size and checksum; a large file's are those of where it is kept
    GET  the same                                  a large file is redirected to /kept/{sha256}, with Range

Source: what huggingface_hub 2.4.0 asks for (`get_hf_file_metadata`, `http_get`, `HfApi.model_info`).
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c" * 40
LARGE = 1000  # bytes from which on a file is kept apart
CHUNK = 64 << 10


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Hub:
    """What the server has and does; it may be changed while it runs.

    Attributes:
        files: repository to names to contents.
        listed: names that a listing has besides.
        renamed: repository to the name that it has now.
        cut_after: bytes of a kept file after which the connection is cut, once for each entry.
        ranges: whether a part of a file can be asked for.
        status: answers with this to every request whose path matches the pattern.
        lies: names of files whose contents differ from their checksum.
        gate: set in front of each piece of a kept file after the first.
        elsewhere: the address of kept files, if not the same.
        asked: (method, path, headers) of every request.
    """

    files: dict[str, dict[str, bytes]]
    listed: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    ranges: bool = True
    status: list[tuple[str, int]] = field(default_factory=list)
    lies: set[str] = field(default_factory=set)
    gate: threading.Event | None = None
    elsewhere: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> "Hub":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda request, client_address: None  # the client has left
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.gate:
            self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def gets(self, what: str) -> list[str | None]:
        """The Range of each GET of a path that has `what` in it, None where all was asked for."""
        return [headers.get("range") for method, path, headers in self.asked if method == "GET" and what in path]


def _handler(hub: Hub) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            hub.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            for at, (pattern, status) in enumerate(hub.status):
                if re.search(pattern, self.path):
                    del hub.status[at]
                    self._send(status, b"{}")
                    return
            for old, new in hub.renamed.items():
                if f"/{old}/" in self.path:
                    self._send(307, b"", Location=self.path.replace(old, new))
                    return
            if match := re.fullmatch(r"/api/models/(.+)/revision/main(?:\?.*)?", self.path):
                self._list(match[1])
            elif match := re.fullmatch(r"/kept/(\w{64})", self.path):
                self._kept(match[1])
            elif match := re.fullmatch(rf"/(.+)/resolve/{COMMIT}/(.+)", self.path):
                self._resolve(match[1], match[2])
            else:
                self._send(404, b"\x1b[31mnothing here")

        def _list(self, repository: str) -> None:
            if repository not in hub.files:
                self._send(404, b"{}")
                return
            names = [*hub.files[repository], *hub.listed]
            answer = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            self._send(200, json.dumps(answer).encode())

        def _resolve(self, repository: str, name: str) -> None:
            data = hub.files.get(repository, {}).get(name)
            if data is None:
                self._send(404, b"")
            elif len(data) < LARGE:
                told = b"-" * len(data) if name in hub.lies else data
                self._send(200, told, ETag=f'"{git_blob(data)}"', X_Repo_Commit=COMMIT)
            else:
                there = f"{hub.elsewhere or hub.url}/kept/{sha256(data)}"
                linked = {"X_Linked_Etag": f'"{sha256(data)}"', "X_Linked_Size": str(len(data))}
                self._send(302, b"", Location=there, X_Repo_Commit=COMMIT, **linked)

        def _kept(self, key: str) -> None:
            found = ((n, data) for files in hub.files.values() for n, data in files.items() if sha256(data) == key)
            name, data = next(found)
            if name in hub.lies:
                data = b"-" * len(data)
            match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if hub.ranges else None
            start = int(match[1]) if match else 0
            self.send_response(206 if match else 200)
            self.send_header("Content-Length", str(len(data) - start))
            if match:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            end = start + hub.cut_after.pop(0) if hub.cut_after else len(data)
            for at in range(start, min(end, len(data)), CHUNK):
                if hub.gate and at > start:
                    hub.gate.wait()
                self.wfile.write(data[at : min(at + CHUNK, end)])
                self.wfile.flush()
            self.close_connection = end < len(data)

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler
