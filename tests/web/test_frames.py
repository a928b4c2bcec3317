"""Stored frames as pictures: by name and second, scaled, cached; nothing else of the disk."""

import os

import cv2
import numpy as np
import pytest

from tests.fake_database import FakeDatabase
from tests.web.site import client, heard, jpeg, record


def size(data: bytes) -> tuple[int, ...]:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.shape[1::-1]


@pytest.fixture
def site(tmp_path):
    pictures = [jpeg(1280, 720, grey) for grey in (0, 100, 200)]
    heard(tmp_path / "data", "news", [*pictures, pictures[1]], [[0, 1], [3, 2]])
    db = FakeDatabase()
    db.records = [record("news"), record("..")]
    return client(db, tmp_path / "data")


def test_frames_are_scaled_and_never_made_larger(site):
    widths = {width: size(site.get(f"/frame/news/0?width={width}").content) for width in (160, 320, 640)}
    assert widths == {160: (160, 90), 320: (320, 180), 640: (640, 360)}


def test_the_nearest_frame_is_shown(site):
    """Black, grey, light and grey again at 0, 1, 2 and 3 s, however many of them a segment has."""

    def grey(second: float) -> int:
        data = site.get(f"/frame/news/{second}").content
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        return round(float(picture.mean()) / 100) * 100

    assert [grey(at) for at in (-1, 0.4, 0.6, 1, 1.6, 2.4, 2.6, 99)] == [0, 0, 100, 100, 200, 200, 100, 100]


def test_a_browser_keeps_them_and_asks_whether_they_are_the_same(site, tmp_path):
    first = site.get("/frame/news/0")
    assert first.headers["cache-control"] == "private, no-cache" and first.headers["content-type"] == "image/jpeg"
    again = site.get("/frame/news/0", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert site.get("/frame/news/0?width=160").headers["etag"] != first.headers["etag"]
    heard(tmp_path / "data", "news", [jpeg(320, 180)], [[0]])  # phase 1 has done it again
    other = site.get("/frame/news/0", headers={"if-none-match": first.headers["etag"]})
    assert (other.status_code, size(other.content)) == (200, (320, 180))


@pytest.mark.parametrize(
    "address",
    [
        "/frame/news/nan",
        "/frame/news/inf",
        "/frame/news/0?width=161",
        "/frame/nobody/0",
        "/frame/../0",
        "/frame/%2e%2e/0",
        "/frame/..%2fnews/0",
    ],
)
def test_what_is_not_there(site, address):
    assert site.get(address).status_code == 404


def test_a_link_out_of_the_folder_is_refused(site, tmp_path):
    path = heard(tmp_path / "elsewhere", "news", [jpeg(320, 180)], [[0]])
    (tmp_path / "data" / path.name).unlink()
    os.symlink(path, tmp_path / "data" / path.name)
    assert site.get("/frame/news/0").status_code == 404


def test_damaged_results_and_pictures_are_not_there(site, tmp_path):
    path = heard(tmp_path / "data", "news", [b"no picture"], [[0]])
    assert site.get("/frame/news/0").status_code == 404
    path.write_bytes(path.read_bytes()[:-20])
    assert site.get("/frame/news/0").status_code == 404
