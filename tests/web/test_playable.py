"""What a browser plays, as a table. Measured in Chromium 156 and Firefox 153: see docs of videotag/web/playable.py."""

from dataclasses import replace

import pytest

from videotag.media.coding import MARKED, Coding
from videotag.web.playable import browser_of, tracks_heard, verdict

MP4, MKV = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
PLAIN = Coding(MP4, "h264", "avc1", "yuv420p", (1280, 720), sounds=((1, "aac"),), best=1)
HEVC = replace(PLAIN, pictures="hevc", tag="hvc1")
TWO = replace(PLAIN, sounds=((1, "aac"), (2, "aac")))


@pytest.mark.parametrize(
    ("coding", "heard", "how", "why"),
    [
        (PLAIN, (1,), "direct", ()),
        (replace(PLAIN, container=MKV, pixels="yuv422p10le"), (1,), "direct", ()),
        (replace(PLAIN, container=MKV, pictures="vp9", sounds=((1, "opus"),)), (1,), "direct", ()),
        (replace(PLAIN, pictures="libdav1d", tag="av01"), (1,), "direct", ()),
        (replace(PLAIN, sounds=(), best=0), (), "direct", ()),
        (Coding("mp3", sounds=((0, "mp3float"),), best=1), (1,), "direct", ()),
        (Coding("asf", sounds=((0, "wmav2"),), best=1), (1,), "copy", ("container", "sound")),
        (HEVC, (1,), "ask", ("some",)),
        (replace(HEVC, tag="hev1"), (1,), "copy", ("pictures",)),
        (replace(HEVC, container=MKV), (1,), "copy", ("pictures",)),
        (replace(HEVC, pixels="yuv422p10le"), (1,), "copy", ("pictures",)),
        (replace(HEVC, pixels="yuv420p10le", colours=(18, 9), plain=False), (1,), "copy", ("hdr",)),
        (replace(PLAIN, pictures="prores"), (1,), "copy", ("pictures",)),
        (replace(PLAIN, sounds=((1, "ac3"),)), (1,), "copy", ("sound",)),
        (replace(PLAIN, container="mpegts"), (1,), "copy", ("container",)),
        (replace(PLAIN, container="avi", pictures="mpeg4", sounds=((1, "ac3"),)), (1,), "copy",
         ("container", "pictures", "sound")),
        (replace(PLAIN, interlaced=MARKED), (1,), "copy", ("interlaced",)),
        (TWO, (1,), "direct", ()),
        (TWO, (2,), "copy", ("track",)),
        (TWO, (1, 2), "copy", ("tracks",)),
        (replace(TWO, sounds=((1, "ac3"), (2, "aac"))), (2,), "copy", ("track",)),
        (replace(PLAIN, pictures="", lost="video mvha"), (1,), "copy", ("lost",)),
        (replace(TWO, best=2), (1,), "copy", ("other_track",)),
        (replace(TWO, best=2, container=MKV), (1,), "direct", ()),
    ],
)  # fmt: skip
def test_what_is_played_and_what_is_in_the_way(coding, heard, how, why):
    found = verdict(coding, heard)
    assert (found.how, tuple(key for key, _ in found.why)) == (how, why)


SOUND = Coding("mp3", sounds=((0, "mp3float"),), best=1, length=60.0)
FLAC = replace(SOUND, container="flac", sounds=((0, "flac"),))


def with_sound(container: str, codec: str) -> Coding:
    return replace(PLAIN, container=container, sounds=((1, codec),), length=60.0)


@pytest.mark.parametrize(
    ("coding", "in_firefox", "in_others"),
    [
        (with_sound(MP4, "aac"), (), ()),
        (with_sound(MKV, "opus"), (), ()),
        (with_sound(MP4, "mp3float"), (), ()),
        (with_sound(MKV, "mp3float"), ("sound",), ()),
        (with_sound(MKV, "flac"), ("sound",), ()),
        (with_sound(MP4, "pcm_s16le"), ("sound",), ()),
        (replace(SOUND, container="wav", sounds=((0, "pcm_s16le"),)), (), ()),
        (replace(PLAIN, edited=True), ("edited",), ()),
        (replace(PLAIN, start=0.15), (), ()),
        (replace(PLAIN, start=3.0), (), ("start",)),
        (replace(PLAIN, start=-3.0), (), ("start",)),
        (SOUND, (), ()),
        (replace(SOUND, reckoned=True), ("index",), ("index",)),
        (FLAC, ("index",), ()),
        (replace(with_sound(MKV, "opus"), length=0.0), ("index",), ()),
    ],
)
def test_not_every_browser_plays_the_same(coding, in_firefox, in_others):
    assert tuple(key for key, _ in verdict(coding, (1,), "firefox").why) == in_firefox
    assert tuple(key for key, _ in verdict(coding, (1,)).why) == in_others


def test_a_browser_is_known_by_what_it_says():
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
    on_an_iphone = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 FxiOS/153.0 Safari/605.1.15"
    )
    assert [browser_of(one) for one in (firefox, on_an_iphone, "")] == ["firefox", "other", "other"]


def test_a_browser_is_asked_about_the_kind_of_hevc():
    assert verdict(HEVC, (1,)).type == 'video/mp4; codecs="hvc1.1.6.L123.B0"'
    assert verdict(replace(HEVC, pixels="yuv420p10le"), (1,)).type == 'video/mp4; codecs="hvc1.2.4.L123.B0"'


def test_nothing_is_given_out_as_a_text():
    assert verdict(replace(PLAIN, container="mpegts"), (1,)).type == "application/octet-stream"


@pytest.mark.parametrize(("told", "heard"), [((2,), (2,)), ((), (1,)), ((3,), (1,)), ((1, 2), (1, 2))])
def test_the_track_that_was_heard_is_played(told, heard):
    assert tracks_heard(TWO, told) == heard
