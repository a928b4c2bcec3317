"""Who may ask what."""

import base64

import pytest
from starlette.requests import Request

import web
from tests.fake_database import FakeDatabase, hit
from tests.web.site import client
from videotag.errors import UserError
from videotag.web.safety import Safety

TOKEN = "a-secret-of-many-letters"


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
        ("10.9.8.7:8000", 421),  # an address at which nobody has reached us
        ("", 421),
        ("[::1", 421),
    ],
)
def test_only_names_of_this_machine_are_answered(tmp_path, host, status):
    assert client(FakeDatabase(), tmp_path).get("/", headers={"host": host}).status_code == status


def asked_at(server: str, host: str, **headers: str) -> Request:
    named = [(b"host", host.encode()), *((name.encode(), value.encode()) for name, value in headers.items())]
    return Request({"type": "http", "method": "GET", "path": "/", "server": (server, 8000), "headers": named})


def test_the_address_at_which_a_connection_arrived_is_a_name_of_this_machine():
    safety = Safety("0.0.0.0")
    assert safety.refusal(asked_at("192.168.1.5", "192.168.1.5:8000")) is None
    assert safety.refusal(asked_at("192.168.1.5", "192.168.1.6:8000")) == 421
    assert safety.refusal(asked_at("evil.example", "evil.example:8000")) == 421
    assert Safety("archive.lan").refusal(asked_at("192.168.1.5", "Archive.LAN:8000")) is None


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        (f"Bearer {TOKEN}", 200),
        (basic(TOKEN), 200),
        (f"Bearer {TOKEN}x", 401),
        (basic(""), 401),
        ("Basic !!!", 401),
        ("Basic /w==", 401),
        (f"Digest {TOKEN}", 401),
        (TOKEN, 401),
    ],
)
def test_a_token_has_to_be_shown_for_everything(tmp_path, authorization, status):
    guarded = client(FakeDatabase(hit()), tmp_path, Safety(token=TOKEN), authorization=authorization)
    for address in ("/", "/api/videos", "/static/style.css"):
        answer = guarded.get(address)
        assert answer.status_code == status
        assert answer.headers.get("www-authenticate", "").startswith("Basic") == (status == 401)
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 405),  # passes, and there is nothing to post
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8000"}, 403),
        ({"origin": "http://127.0.0.1:8000"}, 405),
        ({"origin": "http://127.0.0.1:9000"}, 403),
        ({"origin": "null"}, 403),
        ({}, 405),
    ],
)
def test_nothing_is_posted_from_another_site(tmp_path, headers, status):
    assert client(FakeDatabase(), tmp_path).post("/", headers=headers).status_code == status


def test_all_answers_say_what_a_page_may_do(tmp_path):
    site = client(FakeDatabase(), tmp_path)
    for address in ("/", "/nothing", "/static/style.css", "/api/videos"):
        headers = site.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"].startswith("private")


def test_others_are_let_in_by_a_token_only(monkeypatch):
    monkeypatch.delenv(web.TOKEN, raising=False)
    assert web.token("127.0.0.1") is None
    for host in ("0.0.0.0", "archive.lan"):
        with pytest.raises(UserError, match="set a token first, such as VIDEOTAG_TOKEN="):
            web.token(host)
    monkeypatch.setenv(web.TOKEN, TOKEN)
    assert web.token("0.0.0.0") == web.token("127.0.0.1") == TOKEN
    monkeypatch.setenv(web.TOKEN, "secret")
    with pytest.raises(UserError, match="too easily guessed"):
        web.token("127.0.0.1")


def test_a_port_that_is_taken_is_one_line():
    with web.listening("127.0.0.1", 0) as taken, pytest.raises(UserError, match="cannot listen there"):
        web.listening("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UserError, match="cannot listen there"):
        web.listening("127.0.0.1", 99999)
