"""What players are given: by name, never by path, nothing but the video of the record."""

import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.fake_database import hit
from tests.web.watched import NAME, archive_of, film, numbers_of
from videotag.fields import VIDEO
from videotag.web.app import app
from videotag.web.video import _SHOWN

HERE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return film(tmp_path_factory.mktemp("video") / "news.mp4", 22, b_frames=2)


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory):
    return film(tmp_path_factory.mktemp("video") / "news.ts", 22, "mpeg2video", "ac3")


@pytest.fixture
def client(tmp_path, video):
    with TestClient(app(archive_of(tmp_path, video, 22.0)), HERE) as made:
        yield made


def test_ranges_of_the_file(client, video):
    whole = video.read_bytes()
    answer = client.get(f"/media/{NAME}")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, whole, "video/mp4")
    for asked, wanted in (("bytes=0-99", whole[:100]), ("bytes=500-", whole[500:]), ("bytes=-7", whole[-7:])):
        part = client.get(f"/media/{NAME}", headers={"range": asked})
        assert (part.status_code, part.content) == (206, wanted)
    assert client.get(f"/media/{NAME}", headers={"range": f"bytes={len(whole)}-"}).status_code == 416
    head = client.head(f"/media/{NAME}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole)))


@pytest.mark.parametrize("route", ["media/{}", "clip/{}", "proxy/{}", "proxy/{}/state", "video/{}", "download/{}/srt"])
@pytest.mark.parametrize("name", ["none", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%00b", "%2e%2e"])
def test_what_is_no_name_of_a_record_is_not_there(client, route, name):
    assert client.get("/" + route.format(name)).status_code == 404


def test_a_missing_file_is_told(client, video, tmp_path):
    moved = video.with_name("moved.mp4")
    os.rename(video, moved)
    try:
        for route in ("media", "clip"):
            answer = client.get(f"/{route}/{NAME}")
            assert answer.status_code == 404 and "put the file there" in answer.text
        page = client.get(f"/video/{NAME}")
        assert page.status_code == 200 and "put the file there" in page.text and "<video" not in page.text
    finally:
        os.rename(moved, video)


def test_nothing_but_the_video_of_the_record_is_given_out(tmp_path, video, broadcast):
    """A record, a link or a folder may be anybody's."""
    link = tmp_path / "link.mp4"
    link.symlink_to(video)
    with TestClient(app(archive_of(tmp_path, link, 22.0)), HERE) as client:
        assert client.get(f"/media/{NAME}").status_code == 200  # videos lie behind links in many homes
        link.unlink()
        link.symlink_to(broadcast)  # another video
        assert client.get(f"/media/{NAME}").status_code == 404
        assert client.get(f"/clip/{NAME}").status_code == 404
        link.unlink()
        link.symlink_to("/etc/passwd")
        assert client.get(f"/media/{NAME}").status_code == 404
    secret = tmp_path / "secret.html"
    secret.write_text("<script>alert(1)</script>")
    with TestClient(app(archive_of(tmp_path, secret, 22.0)), HERE) as client:  # the record itself lies
        answer = client.get(f"/media/{NAME}")
        assert answer.status_code == 404 and "alert" not in answer.text


def test_the_clip_of_a_second(tmp_path, broadcast):
    with TestClient(app(archive_of(tmp_path, broadcast, 22.0)), HERE) as client:
        answer = client.get(f"/clip/{NAME}", params={"t": 20})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
        (tmp_path / "clip.mp4").write_bytes(answer.content)
        assert numbers_of(tmp_path / "clip.mp4") == list(range(375, 550))  # from 15 s to the end
        part = client.get(f"/clip/{NAME}", params={"t": 21}, headers={"range": "bytes=0-9"})  # the same clip
        assert (part.status_code, part.content) == (206, answer.content[:10])
        for wrong in ("-1", "nan", "inf", "x", "1e300"):
            assert client.get(f"/clip/{NAME}", params={"t": wrong}).status_code == 400


def test_a_copy_is_begun_cancelled_and_given_out(tmp_path, broadcast):
    with TestClient(app(archive_of(tmp_path, broadcast, 22.0)), HERE, follow_redirects=False) as client:
        assert client.get(f"/proxy/{NAME}").status_code == 404
        begun = client.post(f"/proxy/{NAME}", params={"t": 3, "lang": "kk"})
        assert (begun.status_code, begun.headers["location"]) == (303, f"/video/{NAME}?t=3&lang=kk")
        client.post(f"/proxy/{NAME}/cancel")
        assert client.get(f"/proxy/{NAME}/state").json()["state"] == "none"
        client.post(f"/proxy/{NAME}")
        while (state := client.get(f"/proxy/{NAME}/state").json())["state"] in ("waiting", "making"):
            pass
        assert state["state"] == "ready"
        answer = client.get(f"/proxy/{NAME}")
        assert (answer.status_code, len(answer.content)) == (200, state["size"])
        page = client.get(f"/video/{NAME}").text
        assert f'<source data-kind="copy" src="/proxy/{NAME}#t=0.0">' in page
        strange = client.post(f"/proxy/{NAME}", headers={"sec-fetch-site": "cross-site"})
        assert strange.status_code == 403


def test_the_page_without_script(client):
    page = client.get(f"/video/{NAME}", params={"t": 13, "lang": "ru"}).text
    assert f'<source data-kind="file" src="/media/{NAME}#t=10.0">' in page  # a little before
    assert f'poster="/frame/{NAME}/13.0"' in page
    assert f'<a href="/video/{NAME}?lang=ru&amp;t=0.25" data-t="0.25"' in page  # a line of what is said
    assert page.count('<article class="segment"') == 3 and page.count("hidden>\n  <h2>") == 2


def test_all_that_is_told_of_a_video_is_named():
    labels = {field.name: field.label for field in VIDEO}
    assert [name for name in _SHOWN if not all(labels[name])] == []


def test_moments_of_a_question(tmp_path, video):
    found = [hit(NAME, 12.0, end_time=20.0, segment_index=1), hit("other", 3.0)]
    with TestClient(app(archive_of(tmp_path, video, 22.0, *found)), HERE) as client:
        page = client.get(f"/video/{NAME}", params={"q": "<b>семь", "lang": "en"}).text
    assert "Found in this video: 1" in page and "<b>семь" not in page
    assert f'src="/media/{NAME}#t=9.0"' in page  # without a second, from the first moment
    assert page.count('<li class="hit"') == 1


def test_subtitles_by_the_clock_of_what_is_played(client):
    whole = client.get(f"/subtitles/{NAME}/original.vtt")
    assert whole.headers["content-type"].startswith("text/vtt")
    assert whole.text.startswith("WEBVTT\n\n00:00:00.250 -->")
    part = client.get(f"/subtitles/{NAME}/original.vtt", params={"start": 15})
    assert part.text.splitlines()[2].startswith("00:00:00.250 -->") and part.text.splitlines()[3].startswith("15 16")
    assert client.get(f"/subtitles/{NAME}/translation.vtt").status_code == 404  # none was made
    assert client.get(f"/subtitles/{NAME}/other.vtt").status_code == 404


def test_downloads_are_what_export_writes(client, tmp_path, capsysbinary):
    import export

    for form in ("srt", "vtt", "md"):
        assert export.main([NAME, "--format", form, "--data-dir", str(tmp_path)]) == 0
        answer = client.get(f"/download/{NAME}/{form}")
        assert answer.content == capsysbinary.readouterr().out
        assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{NAME}.{form}"
    assert client.get(f"/download/{NAME}/edl").content.startswith(b"PK")  # with the table of its reels
    assert client.get(f"/download/{NAME}/exe").status_code == 404


def test_a_video_that_is_not_looked_into_plays(tmp_path, video):
    archive = archive_of(tmp_path, video, 22.0)
    for path in Path(tmp_path).glob("*.pkl"):
        path.unlink()
    with TestClient(app(archive), HERE) as client:
        page = client.get(f"/video/{NAME}", params={"lang": "en"}).text
    assert "The video has not been looked into yet" in page and f"/media/{NAME}" in page
