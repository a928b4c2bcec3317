"""The page of a video in a real browser: what is asked for is what plays."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fake_database import hit
from tests.media.test_upright import ffmpeg
from tests.web import site
from tests.web.test_browser import CHROMIUM, OPTIONS, sync_api
from tests.web.watched import DRAWN, NAME, archive_of, film, number_drawn
from videotag.web.archive import Archive

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="chromium is not installed")
HITS = [hit(NAME, 10.0, end_time=20.0, segment_index=1), hit(NAME, 30.0, end_time=40.0, segment_index=3)]
SOURCE = "document.querySelector('video').currentSrc"
NOW = "document.querySelector('video').currentTime"


@contextmanager
def serving(archive: Archive) -> Iterator[str]:
    with site.serving(archive) as address:
        yield f"{address}/video/{NAME}"


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Iterator[str]:
    """A video that browsers play, as the address of its page."""
    folder = tmp_path_factory.mktemp("played")
    video = film(folder / "news.mp4", 50, b_frames=2)
    with serving(archive_of(folder, video, 50.0, *HITS)) as address:
        yield address


@pytest.fixture(scope="module")
def unplayed(tmp_path_factory) -> Iterator[str]:
    """One that they do not."""
    folder = tmp_path_factory.mktemp("unplayed")
    video = film(folder / "news.ts", 70, "mpeg2video", "ac3")
    with serving(archive_of(folder, video, 70.0, *HITS)) as address:
        yield address


@pytest.fixture(scope="module")
def hevc(tmp_path_factory) -> Iterator[str]:
    """One of which the browser is asked."""
    folder = tmp_path_factory.mktemp("hevc")
    untold = film(folder / "untold.mp4", 20, "libx265", options={"x265-params": "log-level=none"})
    video = folder / "news.mp4"
    ffmpeg("-i", str(untold), "-c", "copy", "-tag:v", "hvc1", str(video))  # as Apple's players want it
    with serving(archive_of(folder, video, 20.0)) as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as started:
        args = [*OPTIONS, "--autoplay-policy=no-user-gesture-required"]
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=args)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, request) -> Iterator[Any]:
    """A page of a browser that remembers nothing; an error in its scripts fails the test."""
    context = chromium.new_context(locale="en-GB", **getattr(request, "param", {}))
    opened, errors = context.new_page(), []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


def until(page: Any, condition: str, seconds: float = 20.0) -> None:
    """Playwright's own way evaluates texts in the page, which its policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"{condition}; at {page.evaluate(NOW)} of {page.evaluate(SOURCE)}"
        page.wait_for_timeout(20)


def loaded(page: Any) -> None:
    until(page, "document.querySelector('video').readyState >= 2", 30)


def picture(page: Any) -> int:
    """The number of the one that is shown."""
    return number_drawn(page.evaluate(f"() => {{ {DRAWN} }}"))


def until_at(page: Any, second: float, slack: float = 0.03) -> None:
    until(page, f"Math.abs({NOW} - {second}) <= {slack}")


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True, ids=["script", "no script"])
def test_the_file_is_at_the_second(page, played):
    """Without a script of the page's own, the browser itself goes there."""
    page.goto(f"{played}?t=33.5")
    loaded(page)
    until_at(page, 30.5)
    assert page.evaluate("document.querySelector('video').videoWidth") == 128


def test_words_and_segments_follow_and_lead(page, played):
    page.goto(f"{played}?t=23")
    loaded(page)
    page.locator(".words a").last.click()  # the line of the last seconds
    until(page, f"{NOW} > 40")
    page.evaluate("document.querySelector('video').pause()")
    until(page, "document.querySelector('.words a[aria-current]')?.textContent.includes('49')")
    assert page.locator("article.segment:visible").count() == 1
    assert page.locator("article.segment:visible h2").inner_text() == "Segment 00:40–00:50"
    assert page.locator(".film [aria-current]").inner_text().strip() == "00:40"
    assert "t=4" in page.url  # the address is that of the place


def test_keys(page, played):
    page.goto(f"{played}?t=23&q=семь")
    loaded(page)
    until_at(page, 20)
    for key, second in (("l", 30), ("j", 20), ("ArrowRight", 25), ("ArrowLeft", 20)):
        page.keyboard.press(key)
        until_at(page, second)
    for key, picture in ((".", 501), (".", 502), (",", 501)):  # of 25 a second
        page.keyboard.press(key)
        until_at(page, (picture + 0.5) / 25)
    page.keyboard.press("n")
    until(page, f"{NOW} >= 30 && {NOW} < 32 && !document.querySelector('video').paused")
    page.keyboard.press("k")
    until(page, "document.querySelector('video').paused")
    page.keyboard.press("p")
    until(page, f"{NOW} >= 10 && {NOW} < 12")
    page.keyboard.press(" ")
    until(page, "document.querySelector('video').paused")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    before = page.evaluate(NOW)
    page.keyboard.press("/")
    page.keyboard.type("jl k?")
    assert "jl k?" in page.get_by_role("searchbox").input_value()
    assert page.evaluate(NOW) == before and not page.get_by_role("dialog").is_visible()


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], indirect=True, ids=["script", "no script"])
def test_what_is_not_played_plays_as_a_clip(page, unplayed):
    page.goto(f"{unplayed}?t=33.5")
    loaded(page)
    until_at(page, 0.5)  # of the clip from 30 s: a little before the second
    assert page.evaluate("document.querySelector('video').videoWidth") == 128
    assert "browsers do not open MPEG-TS" in page.locator(".why").inner_text()
    assert page.get_by_text("Playing the clip 00:30–01:00").is_visible()
    page.evaluate("document.querySelector('video').play()")
    until(page, f"{NOW} > 0.8")
    assert page.evaluate("document.querySelector('video').webkitAudioDecodedByteCount") > 0


def test_from_clip_to_clip(page, unplayed):
    page.goto(f"{unplayed}?t=33.5")
    loaded(page)
    page.locator(".words a").last.click()
    until(page, "document.querySelector('video').currentSrc.includes('t=63')")  # its clip is from 60 s
    loaded(page)
    until(page, "document.querySelector('.words a[aria-current]')?.textContent.includes('69')")
    assert page.get_by_text("Playing the clip 01:00–01:10").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    until(page, "document.querySelector('video').currentSrc.includes('t=33')")
    assert page.evaluate("document.querySelector('track').src").endswith("?start=30")


def test_a_copy_is_made_on_a_press_and_plays_on(page, unplayed):
    page.goto(f"{unplayed}?t=33.5")
    loaded(page)
    page.get_by_role("button", name="Make a copy").click()
    until(page, "document.querySelector('video').currentSrc.includes('/proxy/')", 60)
    loaded(page)
    until_at(page, 30.5, 0.1)
    assert page.get_by_text("The copy is ready").is_visible() and page.get_by_text("Playing the copy").is_visible()
    page.goto(f"{unplayed}?t=60")
    loaded(page)
    until_at(page, 57)


def test_hevc_is_a_clip_where_the_browser_says_no(page, hevc):
    page.goto(f"{hevc}?t=8")
    loaded(page)
    assert page.evaluate("document.querySelector('video').videoWidth") == 128
    assert page.get_by_text("This browser does not play this file").is_visible()
    until_at(page, 5)


def test_pictures_that_do_not_come_are_told_and_made(page, hevc):
    """What the server takes for playable may have no pictures all the same."""
    page.goto(f"{hevc}?t=8&play=file")
    until(page, "document.querySelector('video').currentSrc.includes('/clip/')", 30)
    loaded(page)
    assert page.evaluate("document.querySelector('video').videoWidth") == 128
    assert page.get_by_text("This browser does not show the pictures").is_visible()
    until_at(page, 5)


def test_a_file_whose_clock_does_not_begin_at_zero_plays_as_a_clip(page, tmp_path):
    """The browser counts from where the file's clock begins: its second 10.5 is the moment 3.5 s after that."""
    source, video = film(tmp_path / "source.mp4", 20), tmp_path / "news.mkv"
    ffmpeg("-i", str(source), "-c", "copy", "-output_ts_offset", "7", str(video))
    with serving(archive_of(tmp_path, video, 20.0)) as address:
        page.goto(f"{address}?t=13.5&play=file")
        loaded(page)
        until_at(page, 10.5)
        assert picture(page) == pytest.approx(87, abs=2)  # of 25 a second; what is meant is 262
        page.goto(f"{address}?t=13.5")
        loaded(page)
        until_at(page, 10.5)
        assert picture(page) == pytest.approx(262, abs=2)
        assert "its clock begins at 00:07" in page.locator(".why").inner_text()
