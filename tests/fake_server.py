"""A server with OpenAI's HTTP interface that answers as a test tells it, and remembers what it was asked."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "tiny-vl"


@dataclass
class Answer:
    """What comes back: JSON (dict), a text for the model to have said (str), or raw bytes, after `wait` seconds."""

    body: dict[str, Any] | str | bytes = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    wait: float = 0.0
    drip: float = 0.0
    """Seconds between the bytes; then it never ends."""
    reset: bool = False
    """Break the connection instead."""


@dataclass
class Asked:
    """A request: its body, and its headers by their names in small letters."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """The user's text."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else content[-1]["text"]

    @property
    def pictures(self) -> list[str]:
        content = self.body["messages"][-1]["content"]
        return [] if isinstance(content, str) else [part["image_url"]["url"] for part in content[:-1]]

    @property
    def form(self) -> str:
        return self.body.get("response_format", {}).get("type", "text")

    @property
    def tiny(self) -> bool:
        """One of the questions that only test the server."""
        return self.text == "{}"


class FakeServer:
    """Answers on a port of its own.

    Attributes:
        reply: the answer to a question about a segment.
        probe: the answer to a tiny question.
        models: what GET /models tells.
        asked: questions about segments, in order; `probes`: tiny ones.
        most: the most questions about segments that were there at once.
    """

    def __init__(self, reply: Callable[[Asked], Answer], models: list[str] | None = None) -> None:
        self.reply = reply
        self.probe: Callable[[Asked], Answer] = lambda asked: Answer("{}", finish_reason="length")
        self.models: list[str] | Answer = [MODEL] if models is None else models
        self.asked: list[Asked] = []
        self.probes: list[Asked] = []
        self.most = self._now = 0
        self._lock = threading.Lock()
        self.start(0)

    def start(self, port: int | None = None) -> None:
        """Listen, on the same port as before if there was one."""
        handler = type("Bound", (_Handler,), {"fake": self})
        self._http = _Http(("127.0.0.1", self._port if port is None else port), handler)
        self._port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self._port}/v1"
        threading.Thread(target=self._http.serve_forever, args=[0.01], daemon=True).start()

    def stop(self) -> None:
        """Break all connections, and refuse new ones."""
        self._http.shutdown()
        self._http.server_close()
        for connection in self._http.open:
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, asked: Asked) -> Answer:
        if asked.tiny:
            self.probes.append(asked)
            answer = self.probe(asked)
            time.sleep(answer.wait)
            return answer
        with self._lock:
            self.asked.append(asked)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            answer = self.reply(asked)
            time.sleep(answer.wait)
            return answer
        finally:
            with self._lock:
                self._now -= 1


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.append(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has left is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer takes 40 ms
    fake: FakeServer

    def do_GET(self) -> None:
        models = self.fake.models
        self._send(models if isinstance(models, Answer) else Answer({"data": [{"id": name} for name in models]}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.fake.answer(Asked(self.path, body, headers)))

    def _send(self, answer: Answer) -> None:
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(_form(answer)).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) + (1 << 20 if answer.drip else 0)))
        self.end_headers()
        self.wfile.write(data)
        while answer.drip:
            time.sleep(answer.drip)
            self.wfile.write(b" ")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _form(answer: Answer) -> dict[str, Any]:
    if isinstance(answer.body, dict):
        return answer.body
    message = {"role": "assistant", "content": answer.body}
    return {"object": "chat.completion", "choices": [{"message": message, "finish_reason": answer.finish_reason}]}
