"""The site as a whole: its pages answer, in three languages, and errors are pages too."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.fake_database import FakeDatabase, hit
from videotag.web.app import app
from videotag.web.archive import Archive
from videotag.web.pages import LANGUAGES, Pages

HERE = "http://127.0.0.1:8000"


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(app(Archive(FakeDatabase(hit(description="<b>Лес</b>")), tmp_path)), HERE)


def test_the_page_is_in_the_language_that_the_browser_or_the_address_asks_for(client):
    asked = [({}, "kk-KZ,kk;q=0.9,ru;q=0.8"), ({"lang": "ru"}, "kk"), ({}, "de,ru;q=0.3,en;q=0.2"), ({}, "")]
    pages = [client.get("/", params=params, headers={"accept-language": accept}).text for params, accept in asked]
    assert [next(code for code in LANGUAGES if f'<html lang="{code}"' in page) for page in pages] == [
        *("kk", "ru", "ru", "en")
    ]


def test_all_languages_have_the_same_texts():
    russian, kazakh, english = (Pages().words[code] for code in LANGUAGES)
    assert russian.keys() == kazakh.keys() == english.keys()


def test_what_is_found_is_escaped(client):
    page = client.get("/", params={"q": "лес"}).text
    assert "&lt;b&gt;Лес&lt;/b&gt;" in page and "<b>" not in page
