"""Cutting, with real files."""

import av
import numpy as np
import pytest

from tests.clips import Pictures, Sound, number_in, steady, tones, write
from tests.pipeline import SAMPLE
from tests.sounds import Track, alike, murmur, tracks
from videotag.errors import UserError
from videotag.media import clip, probe
from videotag.media import sound as media_sound
from videotag.media.tracks import Choice, Part


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """Six seconds of numbered pictures with one keyframe only, at the start, and a tone at 3 s."""
    video = Pictures(steady(6), gop=250, b_frames=2)
    return write(tmp_path_factory.mktemp("clip") / "numbered.mkv", video, Sound([(0, tones(0, 6, 48_000, 3.0)[None])]))


def numbers(path):
    with av.open(str(path)) as container:
        return [number_in(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


def test_a_clip_is_exact_far_from_a_keyframe(numbered, tmp_path):
    target = tmp_path / "clip.mp4"
    done = []
    clip.clip(str(numbered), 2.2, 4.2, target, done.append)
    assert numbers(target) == list(range(55, 105))  # 25 a second
    assert probe.probe(str(target)).duration == pytest.approx(2.0, abs=0.05)
    [(start, sound)] = list(media_sound.stretches(str(target)))
    assert start + np.abs(sound).argmax() / 16_000 == pytest.approx(0.8, abs=0.02)  # 3 s of the video
    assert done and done == sorted(done) and done[-1] == pytest.approx(2.0, abs=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """25 s of MPEG-TS as a recorder writes it: clock from 3600 s, a keyframe every 10 s; numbered, a tone at 14 s."""
    sound = Sound([(0, tones(0, 25, 48_000, 14.0)[None])], codec="mp2")
    pictures = Pictures(steady(25), gop=250, b_frames=2)
    return write(tmp_path_factory.mktemp("clip") / "rec.ts", pictures, sound, output_ts_offset="3600")


@pytest.mark.parametrize("start", (12.0, 13.52, 19.6, 20.0))
def test_a_clip_of_a_recording_begins_between_its_keyframes(recording, tmp_path, start):
    clip.clip(str(recording), start, start + 3, tmp_path / "clip.mp4")
    shown = numbers(tmp_path / "clip.mp4")
    assert shown == list(range(shown[0], shown[0] + len(shown)))
    assert shown[0] / 25 == pytest.approx(start, abs=0.041)  # a picture is 0.04 s, and the sound may begin before it
    assert len(shown) == pytest.approx(75, abs=1)
    assert probe.probe(str(tmp_path / "clip.mp4")).duration == pytest.approx(3.0, abs=0.06)
    if start < 14:
        [(first, sound)] = list(media_sound.stretches(str(tmp_path / "clip.mp4")))
        assert start + first + np.abs(sound).argmax() / 16_000 == pytest.approx(14.0, abs=0.05)


def test_the_start_of_a_file_whose_clock_begins_later(tmp_path):
    sound = Sound([(0.06, tones(0, 3, 44_100, 1.0)[None])], 44_100, codec="aac")
    video = write(tmp_path / "stream.flv", Pictures(steady(3, 0.08), gop=250, b_frames=2), sound)
    clip.clip(str(video), 0, 1, tmp_path / "clip.mp4")
    assert numbers(tmp_path / "clip.mp4")[:3] == [0, 1, 2]


def test_how_far_before_a_picture_decoding_begins(recording, numbered, tmp_path):
    assert clip.lead(str(numbered), 4.2) == 0.0  # it has an index
    assert clip.lead(str(recording), 19.6) == 15.0  # the keyframe at 10 s is nearer than 15 s
    assert clip.lead(str(recording), 13.5) == 13.5  # and here 15 s before is before the start
    sound = write(tmp_path / "sound.flac", None, Sound([(0, tones(0, 3, 48_000, 1.0)[None])]))
    assert clip.lead(str(sound), 2.0) == 0.0


def test_the_sound_that_was_heard_comes_first(tmp_path):
    """Speech on the second of two tracks: players take the first."""
    one, other = murmur(1), murmur(2)
    path = tracks(tmp_path / "film.mxf", "pcm_s16le", Track(one), Track(other), rate=48_000)
    for track, first in ((0, one), (2, other)):
        target = tmp_path / f"{track}.mp4"
        clip.clip(path, 1.0, 4.0, target, track=track)
        with av.open(str(target)) as container:
            assert len(container.streams.audio) == 2
            assert container.streams.best("audio") == container.streams.audio[0]
        sound = np.concatenate([part for _, part in media_sound.stretches(str(target), choice=Choice((Part(1),)))])
        assert alike(sound, first[16_000:]) > 0.9


def test_a_clip_of_a_program_stream_has_pictures(tmp_path):
    """So small that ffmpeg does not find the place that it seeks."""
    sound = Sound([(0, tones(0, 25, 48_000, 14.0)[None])], codec="ac3")
    path = write(tmp_path / "a.vob", Pictures(steady(25), codec="mpeg2video", gop=100, b_frames=2), sound)
    clip.clip(str(path), 20.0, 22.0, tmp_path / "clip.mp4")
    assert numbers(tmp_path / "clip.mp4") == list(range(500, 550))


def test_a_clip_of_the_sample(tmp_path):
    clip.clip(str(SAMPLE), 40.0, 42.0, tmp_path / "clip.mkv")
    found, whole = probe.probe(str(tmp_path / "clip.mkv")), probe.probe(str(SAMPLE))
    assert found.duration == pytest.approx(2.0, abs=0.1)
    assert (found.width, found.height, found.has_audio) == (whole.width, whole.height, True)


def test_a_clip_of_sound_alone_and_of_odd_pictures(tmp_path):
    sound = write(tmp_path / "sound.flac", None, Sound([(0, tones(0, 3, 48_000, 1.0)[None])]))
    clip.clip(str(sound), 0.5, 2.0, tmp_path / "sound.mp4")
    found = probe.probe(str(tmp_path / "sound.mp4"))
    assert (found.has_video, found.has_audio) == (False, True)
    assert found.duration == pytest.approx(1.5, abs=0.1)
    odd = write(tmp_path / "odd.mkv", Pictures(steady(1), size=(127, 95), codec="ffv1"))
    clip.clip(str(odd), 0, 1, tmp_path / "even.mp4")
    assert (probe.probe(str(tmp_path / "even.mp4")).width, len(numbers(tmp_path / "even.mp4"))) == (128, 25)


def test_a_clip_overwrites_nothing_and_leaves_nothing_half_done(numbered, tmp_path, monkeypatch):
    target = tmp_path / "clip.mp4"
    target.write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        clip.clip(str(numbered), 1, 2, target)
    assert target.read_text() == "mine"
    with pytest.raises(UserError, match=r"choose a name that ends in \.mp4"):
        clip.clip(str(numbered), 1, 2, tmp_path / "clip.exe")
    with pytest.raises(UserError, match=r"there is no folder .*missing; make it"):
        clip.clip(str(numbered), 1, 2, tmp_path / "missing" / "clip.mp4")

    def interrupt(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clip.clip(str(numbered), 1, 2, tmp_path / "other.mp4", interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_list_of_addresses_is_no_video(tmp_path):
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(UserError):
        clip.clip(str(playlist), 0, 1, tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()
