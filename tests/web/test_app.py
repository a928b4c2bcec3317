"""The site as a whole: three languages, errors as pages and as JSON, nothing of the archive that acts."""

import re

import pytest

from tests.fake_database import FakeDatabase, FakeVideos, hit, video
from tests.web.site import client
from videotag.errors import UserError
from videotag.search.ask import REMARKS
from videotag.web.pages import HERE, LANGUAGES, Pages

HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J\"'>"


@pytest.mark.parametrize(
    ("address", "accept", "language"),
    [
        ("/", "kk-KZ,kk;q=0.9,ru;q=0.8", "kk"),
        ("/?lang=ru", "kk", "ru"),
        ("/", "de,ru;q=0.3,en;q=0.2", "ru"),
        ("/", "", "en"),
        ("/?lang=xx", "kk;q=nonsense,ru;q=0", "en"),
    ],
)
def test_the_page_is_in_the_language_of_the_address_or_the_browser(tmp_path, address, accept, language):
    page = client(FakeDatabase(), tmp_path).get(address, headers={"accept-language": accept}).text
    assert f'<html lang="{language}">' in page
    assert f">{Pages().words[language]['search.ask']}</button>" in page


def test_a_language_that_was_chosen_stays_in_the_links_and_the_form(tmp_path):
    page = client(FakeDatabase(hit()), tmp_path).get("/?q=x&lang=kk").text
    assert '<input type="hidden" name="lang" value="kk">' in page
    assert 'href="/video/news?lang=kk&amp;t=0.0&amp;q=x"' in page


def test_all_languages_have_the_same_texts_with_the_same_gaps():
    gaps = [{key: set(re.findall(r"\{\w+\}", text)) for key, text in Pages().words[code].items()} for code in LANGUAGES]
    assert gaps[0] == gaps[1] == gaps[2]
    assert {f"search.remark.{key}" for key in REMARKS} <= gaps[0].keys()


def test_every_text_that_a_template_names_is_there():
    named = {
        key
        for path in HERE.glob("templates/*.html")
        for key in re.findall(r"""\bt\(["']([\w.]+)["'][,)]""", path.read_text())
    }
    assert len(named) > 20 and named <= Pages().words["en"].keys()


@pytest.mark.parametrize("address", ["/?q=x", "/?videos=1&q=x", "/?q=" + "%3Cscript%3Ealert(1)", "/"])
def test_what_the_archive_and_the_address_say_is_text_and_nothing_else(tmp_path, address):
    fields = {"description": HOSTILE, "transcript": HOSTILE, "keywords": [HOSTILE], "on_screen_text": [HOSTILE]}
    db = FakeDatabase(hit(HOSTILE, **fields))
    chapters = [{"start": 0.0, "end": 1.0, "title": HOSTILE, "summary": ""}]
    db.whole_videos = FakeVideos(video(HOSTILE, title=HOSTILE, summary=HOSTILE, chapters=chapters))
    db.records = [{"video_name": HOSTILE, "total_segments": 1, "summary": HOSTILE, "title": HOSTILE}]
    page = client(db, tmp_path).get(address).text
    assert "<script>" not in page and "\u202e" not in page and "\x1b" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert re.findall(r"<script[^>]*>", page) == ['<script type="module" src="/static/search.js">']
    assert not re.search(r"<[^>]+\s(on\w+|style)=", page)


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/", 405),
        ("GET", "/api/videos/nobody", 404),
        ("GET", "/api/videos?limit=many", 400),
        ("GET", "/static/../pages.py", 404),
        ("GET", "/static/..%2fpages.py", 404),
    ],
)
def test_errors_are_pages_and_json_under_api(tmp_path, method, address, status):
    answer = client(FakeDatabase(), tmp_path).request(method, address)
    assert answer.status_code == status
    if address.startswith("/api/"):
        assert list(answer.json()) == ["error"]
    else:
        assert "<h1>" in answer.text and "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_defect_of_ours_is_a_page_without_a_traceback_and_with_all_headers(tmp_path):
    db = FakeDatabase()
    db.broken = ZeroDivisionError("secret")
    for address in ("/?q=x", "/api/search?q=x"):
        answer = client(db, tmp_path).get(address)
        assert answer.status_code == 500
        assert "secret" not in answer.text and "Traceback" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_the_database_says_is_shown(tmp_path):
    db = FakeDatabase()
    db.broken = UserError("the database x is being rebuilt: search again when that has ended")
    page = client(db, tmp_path).get("/?q=x")
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "is being rebuilt" in page.text and 'value="x"' in page.text
    answer = client(db, tmp_path).get("/api/search?q=x")
    assert (answer.status_code, answer.json()) == (503, {"error": str(db.broken)})
