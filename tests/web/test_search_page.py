"""The search page: what is asked, what is shown, what is saved. It needs no script."""

import io
import json
import re
import threading
import zipfile
from urllib.parse import unquote

import pytest

from tests.fake_database import FakeDatabase, FakeVideos, hit, video
from tests.web.site import client, record
from videotag.errors import UserError
from videotag.search import hits
from videotag.web import asked, search
from videotag.web.search import card, in_pieces

SPEECH = "Сегодня на плотине открыли ворота"
NEWS = hit(
    "news", 70, description="Вид на реку", transcript=SPEECH, keywords=["плотина", "вода"], on_screen_text=["Погода"]
)
FILM = hit("film", 0, 0.8, description="Поезд", language="kk", mood_atmosphere="спокойное", keywords=["поезд"])


@pytest.fixture
def db():
    return FakeDatabase(NEWS, FILM)


def shown(page: str) -> list[str]:
    """The videos of the cards."""
    return re.findall(r"<h2><a [^>]*>(\w+)", page)


def test_a_card_has_pictures_words_times_and_links(db, tmp_path):
    page = client(db, tmp_path).get("/", params={"q": "плотина", "video": "news"}).text
    assert shown(page) == ["news"]
    # The middles of six parts of 70 to 120 s.
    assert re.findall(r"/frame/news/([\d.]+)\?width=160", page) == ["74.2", "82.5", "90.8", "99.2", "107.5", "115.8"]
    assert len(re.findall(r"/frame/news/[\d.]+\?width=640", page)) == 1
    assert "Сегодня на <mark>плотине</mark> открыли ворота" in page
    assert "01:10–02:00" in page and "t=70.0" in page
    assert ">said<" in page and ">seen<" in page and ">written<" not in page  # a keyword is of what is seen


@pytest.mark.parametrize(
    ("given", "videos"),
    [
        ({}, ["news", "film"]),
        ({"video": "film"}, ["film"]),
        ({"video": ["film", "news"]}, ["news", "film"]),
        ({"not-video": "film"}, ["news"]),
        ({"language": "kk", "mood": "спокойное", "keyword": "поезд"}, ["film"]),
        ({"to": "1:00"}, ["film"]),
        ({"from": "1:00"}, ["news"]),
        ({"limit": "1"}, ["news"]),
        ({"video": " ", "from": "", "keyword": ""}, ["news", "film"]),  # what a form without script sends
    ],
)
def test_filters(db, tmp_path, given, videos):
    page = client(db, tmp_path).get("/", params={"q": "река", **given})
    assert (page.status_code, shown(page.text)) == (200, videos)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"from": "noon"}, "from: noon: is no time"),
        ({"added-after": "yesterday"}, "added-after: yesterday: is no date"),
        ({"from": "5:00", "to": "1:00"}, "the end has to come after the start"),
        ({"q": "я" * 1001}, "q: is too long"),
        ({"limit": "0"}, "limit: 0: is no number from 1 on"),
        ({"like": "news"}, "write the video&#39;s name and the time"),
        ({"like": "news@1:30", "videos": "1"}, "leave videos out"),
    ],
)
def test_what_cannot_be_asked_is_told_and_the_form_keeps_it(db, tmp_path, given, told):
    page = client(db, tmp_path).get("/", params={"q": "река", **given})
    assert page.status_code == 400 and told in page.text
    assert db.asked == []
    assert all(f'value="{value}"' in page.text for name, value in given.items() if name in ("from", "to"))
    answer = client(db, tmp_path).get("/api/search", params={"q": "река", **given})
    assert answer.status_code == 400 and told.partition("&")[0] in answer.json()["error"]


def test_like_this(db, tmp_path):
    page = client(db, tmp_path).get("/", params={"like": "news@1:30"}).text
    assert db.asked[0][0] == "news@90.0"
    assert "Like news 01:30" in page
    assert "/?like=film%4025.0" in page  # the middle of a segment of 50 s


def test_the_picture_that_shows_it_comes_first(tmp_path):
    db = FakeDatabase(hit("news", 70, seen_at=82.0, seen_frame=1), hit("film", 0, seen_at=26.0, seen_frame=-1))
    page = client(db, tmp_path).get("/", params={"q": "лес", "lang": "en"}).text
    assert re.findall(r"/frame/(\w+)/([\d.]+)\?width=640", page) == [("news", "82.0"), ("film", "26.0")]
    assert "seen at 01:22" in page and "t=82.0" in page and "by meaning" not in page
    assert "/?lang=en&amp;like-picture=news%4082.0" in page


def test_like_a_picture(tmp_path):
    db = FakeDatabase(NEWS, hit("film", 0, seen_at=26.0, seen_frame=-1))
    page = client(db, tmp_path).get("/", params={"like-picture": "news@1:22", "lang": "en"}).text
    assert (db.asked[0][0], shown(page)) == ("news@82", ["news", "film"])
    assert "Looks like the picture: news 01:22" in page


def test_how_the_pictures_were_asked_is_told(db, tmp_path):
    for said, told in [
        (("pictures_language", {"language": "kk"}), "not known to understand this language (kk)"),
        (("pictures_not_asked", {"why": "<no model>"}), "the pictures were not asked: &lt;no model&gt;"),
    ]:
        db.pictures.said = said
        assert told in client(db, tmp_path).get("/", params={"q": "лес", "lang": "en"}).text


def test_whole_videos_stand_above_and_can_be_asked_for_alone(db, tmp_path):
    chapters = [
        {"start": 0.0, "end": 60.0, "title": "Снег", "summary": ""},
        {"start": 60.0, "end": 100.0, "title": "Вода", "summary": ""},
    ]
    db.whole_videos = FakeVideos(video("news", title="О воде и снеге", summary="Всё о воде", chapters=chapters))
    page = client(db, tmp_path).get("/", params={"q": "вода"}).text
    assert '<a href="/video/news?q=%D0%B2%D0%BE%D0%B4%D0%B0">О воде и снеге</a>' in page
    page = client(db, tmp_path).get("/", params={"q": "вода", "videos": "1"}).text
    assert "О <mark>воде</mark> и снеге" in page and "/video/news?t=60.0&amp;" in page and "<mark>Вода</mark>" in page
    page = client(db, tmp_path).get("/", params={"q": "вода", "videos": "1", "mood": "x"})
    assert page.status_code == 503 and "is a filter of moments" in page.text


@pytest.mark.parametrize(
    ("language", "told"),
    [("ru", "Ничего близкого; лучшие догадки:"), ("kk", "Жақын ештеңе жоқ"), ("en", "Nothing close; best guesses:")],
)
def test_remarks_are_in_the_language_of_the_page(tmp_path, language, told):
    db = FakeDatabase(hit(close=False))
    assert told in client(db, tmp_path).get(f"/?q=x&lang={language}").text


def test_what_was_meant_is_told_and_can_be_taken_back(db, tmp_path):
    db.meant = {"djlf": "вода"}
    page = client(db, tmp_path).get("/?q=djlf").text
    assert "Showing results for: вода" in page and 'href="/?q=djlf&amp;as-typed=1"' in page
    assert "Showing results" not in client(db, tmp_path).get("/?q=djlf&as-typed=1").text


def test_a_value_that_does_not_occur_is_told_with_the_nearest(db, tmp_path):
    page = client(db, tmp_path).get("/?q=x&video=newz").text
    assert "Nothing found: there is no Video “newz”; did you mean “news”?" in page


def test_nothing_asked_shows_the_newest_videos_and_how_much_there_is(db, tmp_path):
    db.records = [
        record("new", title="О реке", video_duration=3500.0, created_at="2026-11-03T10:00:00"),
        record("old", created_at="2026-11-01T10:00:00"),
        record("unseen", total_segments=0, created_at="2026-11-04T10:00:00"),
    ]
    page = client(db, tmp_path).get("/").text
    assert re.findall(r'<h2><a href="/video/(\w+)"', page) == ["new", "old"]
    assert "Videos: 3 · segments: 2 · length: 1:01:40" in page and "О реке" in page
    assert db.asked == []
    assert "There are no videos yet" in client(FakeDatabase(), tmp_path).get("/").text


def test_the_first_page_does_not_wait_long_for_many_records(db, tmp_path, monkeypatch):
    names, told = db.video_names, threading.Event()
    monkeypatch.setattr(db, "video_names", lambda: told.wait(60) and names())
    monkeypatch.setattr(search, "PATIENCE", 0.05)
    db.records, site = [record("new")], client(db, tmp_path)
    assert "The list of videos is still being read" in site.get("/").text
    assert shown(site.get("/?q=река").text) == ["news", "film"]
    monkeypatch.setattr(search, "PATIENCE", 60)
    told.set()
    assert re.findall(r'<h2><a href="/video/(\w+)"', site.get("/").text) == ["new"]


def test_the_first_page_tells_why_the_database_cannot_be_read(db, tmp_path, monkeypatch):
    def busy(*where: object) -> None:
        raise UserError("the database is busy")

    monkeypatch.setattr(db, "list_videos", busy)
    db.records = [record("new")]
    page = client(db, tmp_path).get("/")
    assert page.status_code == 503 and "the database is busy" in page.text


def test_json_is_that_of_the_terminal(db, tmp_path):
    answer = client(db, tmp_path).get("/api/search", params={"q": "плотина", "limit": "1"})
    [moment] = answer.json()
    assert list(moment) == list(hits.KEYS) and moment["keywords"] == ["плотина", "вода"]
    db.whole_videos = FakeVideos(video("news"))
    answer = client(db, tmp_path).get("/api/search", params={"q": "плотина", "videos": "1"})
    assert [list(one) for one in answer.json()] == [list(hits.KEYS_OF_VIDEOS)]
    assert client(db, tmp_path).get("/api/search").status_code == 400


def test_what_is_found_is_saved(db, tmp_path):
    site = client(db, tmp_path)
    page = site.get("/?q=река").text
    links = re.findall(r'href="(/found\.\w+\?[^"]*)" download', page)
    assert [link.partition("?")[0] for link in links] == [f"/found.{ending}" for ending in hits.ENDINGS]
    answer = site.get("/found.json?q=река")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''found.json"
    assert [one["video_name"] for one in json.loads(answer.content)] == ["news", "film"]
    assert site.get("/found.csv?q=река&video=film").content.startswith(b"\xef\xbb\xbfnumber,video_name")
    assert site.get("/found.exe?q=река").status_code == site.get("/found.csv").status_code == 404


def test_what_a_format_cannot_hold_is_told_in_the_file(db, tmp_path):
    db.records = [record("film", frame_rate="25", video_path="video/film.mp4")]  # the rate of the other is not known
    answer = client(db, tmp_path).get("/found.fcpxml?q=река")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''found.zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.namelist() == ["found.fcpxml", "found_left_out.txt"]
        assert "video/news.mp4: cannot be in fcpxml" in packed.read("found_left_out.txt").decode()


def test_pieces_of_a_text_are_all_of_it():
    assert in_pieces("Вода и вода.", "вода") == [("Вода", True), (" и ", False), ("вода", True), (".", False)]
    assert in_pieces("", "вода") == []


@pytest.mark.parametrize(("start", "large"), [(70.0, 0), (90.0, 2), (117.5, 5), (120.0, 5)])
def test_the_large_picture_is_that_of_the_moment(start, large):
    assert card({**NEWS, "start": start, "end": 120.0}, "x")["large"] == large  # a frame each 8.33 s, 2.5 s later


def test_openapi_names_all_that_can_be_asked(db, tmp_path):
    told = client(db, tmp_path).get("/openapi.json").json()["paths"]
    names = [one["name"] for one in told["/api/search"]["get"]["parameters"]]
    assert names == [one["name"] for one in asked.parameters()] and {"q", "not-keyword", "shot-after"} <= set(names)
    page = client(db, tmp_path).get("/api").text
    assert "GET /api/search" in page and "GET /api/videos/{name}" in page


def test_filters_that_are_set_can_be_taken_off_one_by_one(db, tmp_path):
    page = client(db, tmp_path).get("/?q=x&video=film&video=news&not-keyword=снег").text
    links = re.findall(r'<a href="([^"]*)" title="take this filter off">([^<]*) <', page)
    assert [(unquote(address).replace("&amp;", "&"), text) for address, text in links] == [
        ("/?q=x&video=news&not-keyword=снег", "Video: film"),
        ("/?q=x&video=film&not-keyword=снег", "Video: news"),
        ("/?q=x&video=film&video=news", "Without: Keywords: снег"),
    ]
