"""Copies that every browser plays: what they show and sound like, by own files and the real ffmpeg."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.clips import Pictures, steady, write
from tests.media.test_upright import (
    CHART,
    SMALL,
    TO_BT2020,
    alternating,
    coloured,
    ffmpeg,
    light,
    patches,
    pq,
    two_moments,
)
from tests.sounds import Track, alike, murmur, tracks
from tests.web.watched import film, numbers_of
from videotag.errors import UserError
from videotag.media import copies
from videotag.media import sound as media_sound
from videotag.media.coding import ALL, MARKED, coding_of
from videotag.media.copies import Copy


def copied(path: Path, *heard: int, span: tuple[float, float] | None = None) -> Path:
    target = path.with_name(f"copy of {path.stem}.mp4")
    copies.make(Copy(str(path), coding_of(str(path)), heard, span), target)
    return target


def heard_in(path: Path) -> np.ndarray:
    return np.concatenate([sound for _, sound in media_sound.stretches(str(path))])


def images(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


@pytest.mark.parametrize(("name", "codec", "sound"), [("a.mp4", "libx265", "aac"), ("a.ts", "mpeg2video", "ac3")])
def test_a_part_and_a_whole_of_what_browsers_do_not_play(tmp_path, name, codec, sound):
    path = film(tmp_path / name, 6, codec, sound, size=(256, 192))
    part = copied(path, 1, span=(2.2, 4.2))
    found = coding_of(str(part))
    assert (found.pictures, found.pixels, [codec for _, codec in found.sounds]) == ("h264", "yuv420p", ["aac"])
    assert numbers_of(part) == list(range(55, 105))  # 25 a second
    heard = heard_in(part)
    assert np.abs(heard[:20_000]).argmax() / 16_000 == pytest.approx(0.8, abs=0.03)  # the tone at 3 s
    assert part.read_bytes().find(b"moov") < part.read_bytes().find(b"mdat")  # it plays before all is there
    done: list[float] = []
    copies.make(Copy(str(path), coding_of(str(path)), (1,)), tmp_path / "whole.mp4", done.append)
    assert numbers_of(tmp_path / "whole.mp4") == list(range(150))
    assert done[-1] == pytest.approx(6.0, abs=0.1)


def test_pictures_that_will_do_are_kept_in_a_copy_of_the_whole(tmp_path):
    path = film(tmp_path / "a.ts", 4, "libx264", "ac3", size=(320, 1080))
    whole = copied(path, 1)
    assert coding_of(str(whole)).size == (320, 1080)  # as it was: not encoded again
    assert [codec for _, codec in coding_of(str(whole)).sounds] == ["aac"]
    assert numbers_of(whole) == list(range(100))
    assert coding_of(str(copied(path, 1, span=(0.0, 1.0)))).size == (214, 720)


@pytest.mark.parametrize(
    ("size", "shape", "rotation", "shown"),
    [((1440, 1080), Fraction(4, 3), 0, (1280, 720)), ((320, 180), Fraction(1), 90, (180, 320))],
)
def test_the_shape_is_that_in_which_it_is_shown(tmp_path, size, shape, rotation, shown):
    draw = lambda number, size: np.full((size[1], size[0], 3), 90, np.uint8)  # noqa: E731
    video = Pictures(steady(0.2), size, "libx265", pixel_shape=shape, rotation=rotation, draw=draw)
    found = coding_of(str(copied(write(tmp_path / "a.mp4", video))))
    assert found.size == shown
    with av.open(str(tmp_path / "copy of a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == shown and stream.sample_aspect_ratio in (None, 1)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_combs_are_made_whole(tmp_path, name):
    """In AVI nothing says that there are any."""
    bare, path = tmp_path / "bare.mkv", tmp_path / name
    write(bare, Pictures(steady(1), (320, 256), "ffv1", 25, draw=two_moments))
    marked = name == "a.mkv"
    codec = ("mpeg2video", "-flags", "+ilme+ildct", "-b:v", "8M") if marked else ("utvideo", "-flags", "+ilme")
    ffmpeg("-i", str(bare), "-vf", "setfield=tff", "-c:v", *codec, str(path))
    assert coding_of(str(path)).interlaced == (MARKED if marked else ALL)
    assert max(alternating(image) for image in images(path)[2:-2]) > 0.4
    assert max(alternating(image) for image in images(copied(path))[2:-2]) < 0.3


def test_hdr_has_the_colours_of_a_screen(tmp_path):
    path = coloured(tmp_path / "hdr.mp4", pq(light(CHART) @ TO_BT2020.T), SMALL, (9, 16, 9, 1))
    coding = coding_of(str(path))
    assert coding.is_hdr and not coding.plain
    off = np.abs(patches(images(copied(path))[0]) - CHART.reshape(-1, 3))
    plain = np.abs(patches(images(path)[0]) - CHART.reshape(-1, 3))
    # One table for all pictures leaves room for what is brighter than white, so that white is a light grey.
    assert off.mean() < 14 < 40 < plain.mean()


def test_the_track_that_was_heard_is_the_one_that_sounds(tmp_path):
    one, other = murmur(1), murmur(2)
    path = Path(tracks(tmp_path / "film.mov", "pcm_s16le", Track(one), Track(other), rate=48_000))
    for heard, wanted in (((2,), other), ((1, 2), (one + other) / 2)):
        target = copied(path, *heard, span=(1.0, 4.0))
        assert len(coding_of(str(target)).sounds) == 1
        sound = heard_in(target)
        assert alike(sound, wanted[16_000:]) > 0.9


def cut(path: Path, second: float) -> Path:
    """Cut without encoding again: an edit list hides what lies between the keyframe and the cut."""
    target = path.with_name(f"cut.{path.suffix[1:]}")
    ffmpeg("-ss", str(second), "-i", str(path), "-c", "copy", str(target))
    return target


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_an_edit_list_is_carried_out(tmp_path, codec):
    path = cut(film(tmp_path / "a.mp4", 6, codec, b_frames=2), 2.6)
    assert coding_of(str(path)).edited and not coding_of(str(tmp_path / "a.mp4")).edited
    whole = copied(path, 1)
    assert not coding_of(str(whole)).edited and numbers_of(whole) == list(range(65, 150))  # 25 a second
    sound = heard_in(whole)
    assert np.abs(sound).argmax() / 16_000 == pytest.approx(0.4, abs=0.03)  # the tone at 3 s


def put_off(source: Path, path: Path, what: str) -> None:
    """The file with its pictures or its sound 1.2 s later than the rest."""
    on_time, late = ("-i", str(source)), ("-itsoffset", "1.2", "-i", str(source))
    inputs = (*late, *on_time) if what == "pictures" else (*on_time, *late)
    ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", str(path))


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_pictures_that_begin_late_are_filled_up(tmp_path, name):
    """As Firefox plays a file, it has no time before the first picture."""
    source, path = film(tmp_path / "a.mp4", 4), tmp_path / name
    put_off(source, path, "pictures")
    assert coding_of(str(path)).late == pytest.approx(1.2, abs=0.03)
    for target in (copied(path, 1), copied(path, 1, span=(0.0, 3.0))):
        found = coding_of(str(target))
        assert found.late == 0 and not found.edited
        shown = numbers_of(target)
        assert shown[:30] == [0] * 30 and shown[31:60] == list(range(1, 30))


def test_sound_that_begins_late_is_filled_up(tmp_path):
    source, path = film(tmp_path / "a.mp4", 5), tmp_path / "late.mp4"
    put_off(source, path, "sound")
    assert coding_of(str(path)).edited
    for target in (copied(path, 1), copied(path, 1, span=(0.0, 5.0))):
        assert not coding_of(str(target)).edited
        sound = heard_in(target)
        assert np.abs(sound).argmax() / 16_000 == pytest.approx(4.2, abs=0.03)  # the tone at 3 s


def test_where_the_clock_of_a_file_begins(tmp_path):
    source, path = film(tmp_path / "a.mp4", 4), tmp_path / "a.mkv"
    ffmpeg("-i", str(source), "-c", "copy", "-output_ts_offset", "7", str(path))
    found = coding_of(str(path))
    assert (found.start, found.late) == (pytest.approx(7.0, abs=0.05), pytest.approx(0.0, abs=0.05))
    assert coding_of(str(source)).start == 0


@pytest.mark.parametrize(
    ("name", "options", "reckoned"),
    [
        ("a.mp3", ("-c:a", "libmp3lame", "-q:a", "4"), True),
        ("a.mp3", ("-c:a", "libmp3lame", "-q:a", "4", "-write_xing", "0"), True),
        ("a.mp3", ("-c:a", "libmp3lame", "-b:a", "64k"), False),
        ("a.aac", (), True),
        ("a.m4a", (), False),
        ("a.ogg", ("-c:a", "libopus"), False),
        ("a.flac", (), False),
    ],
)
def test_whether_a_place_is_reckoned(tmp_path, name, options, reckoned):
    """Silence takes fewer bits of a varying rate."""
    loud = "if(gt(t,10),random(0)-0.5,0)".replace(",", "\\,")
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc={loud}:d=20:s=44100", *options, str(tmp_path / name))
    assert coding_of(str(tmp_path / name)).reckoned is reckoned


def test_nothing_is_left_of_a_copy_that_is_ended(tmp_path):
    path = film(tmp_path / "a.mp4", 6, "libx265")

    class Enough(Exception):
        pass

    def enough(seconds: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        copies.make(Copy(str(path), coding_of(str(path)), (1,)), tmp_path / "copy.mp4", enough)
    with pytest.raises(UserError, match="could not cut it: Error opening output"):
        copies.make(Copy(str(path), coding_of(str(path)), (1,)), tmp_path / "a.mp4" / "copy.mp4")
    assert [found.name for found in tmp_path.iterdir()] == ["a.mp4"]
