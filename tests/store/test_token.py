"""A server behind a proxy that asks for a token, as the README shows it with Caddy: ChromaDB itself asks for none."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from db_manager import ChromaDBManager
from videotag.errors import UserError


class Proxy(BaseHTTPRequestHandler):
    port = 0  # of the server behind it

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != "Bearer right":
            self.send_response(401)  # as Caddy: without a text
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        behind = http.client.HTTPConnection("127.0.0.1", self.port)
        behind.request(self.command, self.path, body, {"Content-Type": "application/json"})
        answer = behind.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = forward

    def log_message(self, format: str, *args: object) -> None:
        """Not to the tests' output."""


@pytest.fixture
def proxy_url(server_url: str) -> Iterator[str]:
    Proxy.port = int(server_url.rpartition(":")[2])
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_token_is_sent(proxy_url, fake_embedder, monkeypatch):
    monkeypatch.setenv("CHROMA_TOKEN", "right")
    db = ChromaDBManager(chroma_url=proxy_url, embedder=fake_embedder)
    db.create_or_update_video_file("news", "a.mp4", "ru", 20.0, 1, 640, 360, 25.0)
    assert db.get_video_status("news")["phase1_status"] == "pending"


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_the_right_token_the_line_says_what_is_missing(proxy_url, fake_embedder, monkeypatch, token):
    monkeypatch.delenv("CHROMA_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("CHROMA_TOKEN", token)
    db = ChromaDBManager(chroma_url=proxy_url, embedder=fake_embedder)
    with pytest.raises(UserError, match=r"wants a token: set CHROMA_TOKEN") as caught:
        db.list_videos()
    assert "wrong" not in str(caught.value)
