"""The pages in a real browser: asked, filtered, walked through by keys, without a script too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fake_database import FakeDatabase, hit
from tests.web.site import heard, jpeg, record, serving
from videotag.web.archive import Archive

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="chromium is not installed")
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[str]:
    """The address of a server with three moments of two videos."""
    data = tmp_path_factory.mktemp("data")
    for name in ("news", "film"):
        heard(data, name, [jpeg(640, 360, 40 * n) for n in range(6)], [list(range(6)) for _ in range(5)])
    db: Any = FakeDatabase(
        *(hit("news", start, description="Вода и снег", keywords=["вода"]) for start in (0, 70)),
        hit("film", 0, 0.8, description="Поезд <b>и вода</b>", language="kk", keywords=["поезд"]),
    )
    db.records = [record("news"), record("film")]
    with serving(Archive(db, data)) as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, request) -> Iterator[Any]:
    """A page of a browser that remembers nothing; whatever it complains about fails the test."""
    context = chromium.new_context(locale="ru-RU", **getattr(request, "param", {}))
    opened, complaints = context.new_page(), []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def shows(page: Any, *titles: str) -> None:
    """Wait for the cards of an answer."""
    sync_api.expect(page.locator(".card h2 a")).to_have_text(titles)


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True, ids=["script", "no script"])
def test_ask_filter_and_see(page, site):
    page.goto(site)
    page.get_by_role("searchbox").fill("вода")
    page.get_by_role("button", name="Найти").first.click()
    shows(page, "news 00:00–00:50", "news 01:10–02:00", "film 00:00–00:50")
    assert page.locator("mark").first.inner_text() == "Вода"
    assert page.locator("b").count() == 0
    page.get_by_text("Фильтры").click()
    page.get_by_label("язык речи").first.fill("kk")
    page.get_by_role("button", name="Найти").last.click()
    shows(page, "film 00:00–00:50")
    assert "language=kk" in page.url
    page.get_by_role("link", name="kk", exact=True).click()
    page.wait_for_url("**lang=kk**")
    shows(page, "film 00:00–00:50")
    assert page.get_by_role("button", name="Табу").count()


def test_pictures_come_and_the_address_says_no_more_than_was_asked(page, site):
    page.goto(site)
    page.get_by_role("searchbox").fill("вода")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=*")
    assert page.url.partition("?")[2] == "q=%D0%B2%D0%BE%D0%B4%D0%B0"
    pictures = page.locator(".card").first.locator("img")
    assert pictures.count() == 7
    pictures.first.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert pictures.evaluate_all("all => all.map(one => one.naturalWidth)") == [640, *[160] * 6]


def test_keys(page, site):
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{site}/?q=вода")
    focused = "document.activeElement.innerText || document.activeElement.name"
    seen = []
    for key in ("/", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        seen.append(page.evaluate(focused))
    first, second, third = page.locator(".card h2 a").all_inner_texts()
    assert seen == ["q", first, second, third, second, "q"]
    page.keyboard.type("/")  # in the box it is a letter, in place of what was selected
    assert "/" in page.get_by_role("searchbox").input_value()
    page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(page, site, width):
    page.set_viewport_size({"width": width, "height": 800})
    for address in ("/", "/?q=вода&video=news", "/api"):
        page.goto(site + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
