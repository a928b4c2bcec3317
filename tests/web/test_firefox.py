"""The page of a video in a real Firefox, which plays other files wrongly than Chromium does."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.media.test_copies import cut
from tests.media.test_upright import ffmpeg
from tests.web import site
from tests.web.watched import DRAWN, NAME, archive_of, film, number_drawn

FIREFOX = Path("/usr/bin/firefox-esr")
driver = pytest.importorskip("marionette_driver.marionette")
pytestmark = pytest.mark.skipif(not FIREFOX.exists(), reason="firefox-esr is not installed")
SECONDS = 20


@pytest.fixture(scope="module")
def firefox(tmp_path_factory) -> Iterator[Any]:
    prefs = {"media.autoplay.default": 0, "intl.accept_languages": "en"}
    log = tmp_path_factory.mktemp("firefox") / "log.txt"
    started = driver.Marionette(bin=str(FIREFOX), headless=True, port=0, prefs=prefs, gecko_log=str(log))
    started.start_session()
    yield started
    started.quit()


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return film(tmp_path_factory.mktemp("source") / "news.mp4", SECONDS, b_frames=2)


def of(firefox: Any, script: str) -> Any:
    return firefox.execute_script(script, sandbox="page")


def opened(firefox: Any, address: str) -> None:
    """The page, when its video has its first picture or sound."""
    firefox.navigate(address)
    end = time.monotonic() + 30
    while of(firefox, "return document.querySelector('video').readyState") < 2:
        assert time.monotonic() < end, of(firefox, "return document.querySelector('video').currentSrc")
        time.sleep(0.05)
    time.sleep(0.3)  # it goes to its second


def played(firefox: Any) -> tuple[str, bool, float]:
    """What is played ("media" is the file itself), whether there is sound in it, and from which second of it on."""
    script = "const v = document.querySelector('video'); return [v.currentSrc, v.mozHasAudio, v.currentTime]"
    address, sounds, second = of(firefox, script)
    return address.split("/")[3], sounds, second


def picture(firefox: Any) -> int:
    return number_drawn(of(firefox, DRAWN))


def test_a_plain_file_plays_at_the_second(firefox, source, tmp_path):
    with site.serving(archive_of(tmp_path, source, SECONDS)) as address:
        opened(firefox, f"{address}/video/{NAME}?t=13.5")
        assert played(firefox) == ("media", True, pytest.approx(10.5, abs=0.05))
        assert picture(firefox) == pytest.approx(262, abs=2)  # of 25 a second


@pytest.mark.parametrize(
    ("name", "sound"), [("a.mov", "pcm_s16le"), ("a.mkv", "flac"), ("a.mkv", "libmp3lame")], ids=str
)
def test_what_would_be_silent_is_heard(firefox, source, tmp_path, name, sound):
    path = tmp_path / name
    ffmpeg("-i", str(source), "-c:v", "copy", "-c:a", sound, str(path))
    with site.serving(archive_of(tmp_path, path, SECONDS)) as address:
        opened(firefox, f"{address}/video/{NAME}?t=13.5&play=file")
        assert played(firefox)[:2] == ("media", False)  # else it would not have to be kept from it
        opened(firefox, f"{address}/video/{NAME}?t=13.5")
        assert played(firefox) == ("clip", True, pytest.approx(10.5, abs=0.05))
        assert "would be silent" in of(firefox, "return document.querySelector('.why').textContent")


def test_what_was_cut_away_is_not_played(firefox, source, tmp_path):
    path = cut(source, 2.6)
    with site.serving(archive_of(tmp_path, path, SECONDS - 2.6)) as address:
        opened(firefox, f"{address}/video/{NAME}?t=13.5&play=file")
        assert picture(firefox) < 262 + 65 - 5  # it is too early: by what lies between the keyframe and the cut
        opened(firefox, f"{address}/video/{NAME}?t=13.5")
        assert played(firefox)[:2] == ("clip", True)
        assert picture(firefox) == pytest.approx(262 + 65, abs=2)


def test_a_clock_that_does_not_begin_at_zero(firefox, source, tmp_path):
    """It counts from the beginning of the file, as all does here; Chromium goes by the file's clock."""
    path = tmp_path / "a.mkv"
    ffmpeg("-i", str(source), "-c", "copy", "-output_ts_offset", "7", str(path))
    with site.serving(archive_of(tmp_path, path, SECONDS)) as address:
        opened(firefox, f"{address}/video/{NAME}?t=13.5")
        assert played(firefox)[:2] == ("media", True)
        assert picture(firefox) == pytest.approx(262, abs=3)
