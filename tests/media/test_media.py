"""The media wing against clips that say what is right: numbers burnt into pictures, sound that is a formula."""

import bisect
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from av.stream import Disposition

from tests import clips
from tests.clips import Pictures, Sound, number_in, steady, tones, write
from videotag.errors import UserError
from videotag.media import pictures, probe
from videotag.media import sound as media_sound

MS = 0.001
"""Matroska and Flash round times to milliseconds; the others are nearer than that."""


def image_of(picture: pictures.Picture) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def check(path: Path, times: Sequence[float], asked: Sequence[float], origin: float = 0.0) -> None:
    """Each picture is the last one that begins at or before the time asked for, and its time is its own."""
    found = list(pictures.pictures(str(path), sorted(asked)))
    assert [picture.asked for picture in found] == sorted(asked)
    for picture in found:
        right = max(0, bisect.bisect_right(times, picture.asked + origin + MS) - 1)
        number = number_in(image_of(picture))
        assert (picture.asked, number) == (picture.asked, right)
        assert picture.time == pytest.approx(times[right] - origin, abs=MS)


def some(times: Sequence[float], count: int, seed: int = 1, origin: float = 0.0) -> list[float]:
    """Times to ask for, in the middle between two pictures: far and near, some twice, and some past the end."""
    numbers = random.Random(seed).choices(range(len(times) - 1), k=count)
    return [(times[n] + times[n + 1]) / 2 - origin for n in [*numbers, numbers[0]]] + [times[-1] + 3, times[-1] + 30]


def uneven(seconds: float) -> list[float]:
    """Times of a variable rate, with gaps of 5 s as in a recorded screen."""
    times, now, draw = [], 0.0, random.Random(2)
    while now < seconds:
        times.append(round(now, 3))
        now += draw.choice([0.04, 0.04, 0.04, 0.033, 0.1, 5.0])
    return times


# --- which picture is on screen when

OPEN_GOP = {"x264-params": "open-gop=1:b-adapt=0:b-pyramid=normal:threads=1:force-cfr=0:rc-lookahead=10"}
INTRA_REFRESH = {"x264-params": "intra-refresh=1:b-adapt=0:threads=1:force-cfr=0:rc-lookahead=10"}
HEVC = {
    "preset": "ultrafast",
    "x265-params": "log-level=none:keyint=30:min-keyint=30:scenecut=0:open-gop=1:b-adapt=0:pools=1:frame-threads=1",
}
FRAGMENTS = "frag_keyframe+empty_moov+delay_moov"
FAST_VP9 = {"deadline": "realtime", "cpu-used": "8"}
LONG, SHORT = 250, 30  # pictures from keyframe to keyframe: 10 s, 1.2 s

FORMS = {
    "constant rate": ("a.mp4", Pictures(steady(24), gop=SHORT)),
    "B-frames, long GOP, mp4": ("a.mp4", Pictures(steady(24), gop=LONG, b_frames=3)),
    "B-frames, long GOP, mkv": ("a.mkv", Pictures(steady(24), gop=LONG, b_frames=3)),
    "B-frames, long GOP, ts": ("a.ts", Pictures(steady(24), gop=LONG, b_frames=3)),
    "B-frames, short GOP, mp4": ("a.mp4", Pictures(steady(24), gop=SHORT, b_frames=3)),
    "B-frames, short GOP, ts": ("a.ts", Pictures(steady(24), gop=SHORT, b_frames=3)),
    "B-frames, flv": ("a.flv", Pictures(steady(24), gop=SHORT, b_frames=3)),
    "variable rate, mp4": ("a.mp4", Pictures(uneven(60), gop=20, b_frames=3)),
    "variable rate, mkv": ("a.mkv", Pictures(uneven(60), gop=20, b_frames=3)),
    "variable rate, ts": ("a.ts", Pictures(uneven(60), gop=20, b_frames=3)),
    "open GOP, mp4": ("a.mp4", Pictures(steady(24), gop=SHORT, b_frames=3, options=OPEN_GOP)),
    "open GOP, ts": ("a.ts", Pictures(steady(24), gop=SHORT, b_frames=3, options=OPEN_GOP)),
    "open GOP, HEVC": ("a.mkv", Pictures(steady(12), codec="libx265", gop=SHORT, b_frames=4, options=HEVC)),
    "intra refresh": ("a.ts", Pictures(steady(12), gop=50, options=INTRA_REFRESH)),
    "mpeg4, B-frames": ("a.mp4", Pictures(steady(24), codec="mpeg4", gop=50, b_frames=2)),
    "mpeg2, ts": ("a.ts", Pictures(steady(24), codec="mpeg2video", gop=15, b_frames=2)),
    "vp9": ("a.webm", Pictures(steady(12), codec="libvpx-vp9", gop=50, options=FAST_VP9)),
    "mjpeg, avi": ("a.avi", Pictures(steady(8), codec="mjpeg", gop=1)),
}


@pytest.mark.parametrize("form", FORMS)
def test_pictures_are_those_on_screen(tmp_path: Path, form: str) -> None:
    name, video = FORMS[form]
    path = write(tmp_path / name, video)
    check(path, video.times, some(video.times, 5))
    check(path, video.times, some(video.times, 60))
    check(path, video.times, [0.0])
    check(path, video.times, [video.times[-1]])


def test_pictures_of_a_fragmented_file(tmp_path: Path) -> None:
    times = steady(24)
    path = write(tmp_path / "a.mp4", Pictures(times, gop=SHORT, b_frames=3), movflags=FRAGMENTS)
    check(path, times, some(times, 20))


def test_each_picture_in_turn(tmp_path: Path) -> None:
    times = steady(4)
    path = write(tmp_path / "a.mp4", Pictures(times, gop=SHORT, b_frames=3))
    check(path, times, times)


def test_times_count_from_where_the_file_starts(tmp_path: Path) -> None:
    """ffmpeg's MPEG-TS starts at 1.4 s by itself; its players show 0."""
    times = steady(24, start=1.4)
    path = write(tmp_path / "a.ts", Pictures(times, gop=LONG, b_frames=3))
    check(path, times, some(times, 20, origin=1.4), origin=1.4)
    assert probe.probe(str(path)).duration == pytest.approx(24, abs=MS)


def test_matroska_that_starts_late_is_not_longer_for_it(tmp_path: Path) -> None:
    times = steady(24, start=2.0)
    path = write(tmp_path / "a.mkv", Pictures(times))
    check(path, times, some(times, 5, origin=2.0), origin=2.0)
    assert probe.probe(str(path)).duration == pytest.approx(24, abs=2 * MS)


def test_pictures_that_begin_after_the_sound(tmp_path: Path) -> None:
    times = steady(6, start=2.0)
    sound = Sound([(0.0, tones(0, 8, 48_000, 1.0))])
    path = write(tmp_path / "a.mp4", Pictures(times, b_frames=3), sound)
    check(path, times, [0.5, 1.9, 2.1, 5.3, 9.0])
    first = next(pictures.pictures(str(path), [0.5]))
    assert first.time == pytest.approx(2.0, abs=MS)


def test_far_apart_times_are_sought(tmp_path: Path) -> None:
    """Two hours of a picture every four seconds: the last ones are found without reading all that lies before."""
    times = steady(7200, fps=0.25)
    for name in ("a.mp4", "a.ts", "a.mkv"):
        path = write(tmp_path / name, Pictures(times, gop=10, b_frames=2))
        check(path, times, [1.0, 5001.0, 7101.0, 7195.0])
        check(path, times, [4003.0])


def test_a_file_with_a_single_keyframe(tmp_path: Path) -> None:
    times = steady(400, fps=1)
    for name in ("a.mp4", "a.ts"):
        path = write(tmp_path / name, Pictures(times, gop=10_000, b_frames=2))
        check(path, times, [3.5, 250.5, 399.5])
        check(path, times, [333.5])


# --- how it looks


def test_shared_pictures_are_decoded_and_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    plain = pictures.jpeg_of
    monkeypatch.setattr(pictures, "jpeg_of", lambda *args: made.append(1) or plain(*args))
    path = write(tmp_path / "a.mp4", Pictures(steady(4)))
    found = list(pictures.pictures(str(path), [1.0, 1.0, 1.01, 1.03, 1.05, 9.0, 10.0]))
    assert [number_in(image_of(picture)) for picture in found] == [25, 25, 25, 25, 26, 99, 99]
    assert len(made) == 3


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_right_side_is_up(tmp_path: Path, rotation: int, name: str) -> None:
    """As the ffmpeg program shows it, which turns pictures by itself."""

    def stored(number: int, size: tuple[int, int]) -> np.ndarray:
        width, height = size
        upright = clips.numbered(number, (height, width) if rotation % 180 else size)
        return np.ascontiguousarray(np.rot90(upright, -rotation // 90))

    path = write(tmp_path / name, Pictures(steady(2), rotation=rotation, draw=stored))
    shown = (96, 128) if rotation % 180 else (128, 96)
    check(path, steady(2), [0.5, 1.02, 1.5])
    assert image_of(next(pictures.pictures(str(path), [1.0]))).shape[1::-1] == shown
    assert next(pictures.small_frames(str(path), 1.0, width=48))[1].shape[1::-1] == (48, 48 * shown[1] // shown[0])
    info = probe.probe(str(path))
    assert (info.width, info.height) == shown
    still = tmp_path / "ffmpeg.png"
    program = imageio_ffmpeg.get_ffmpeg_exe()
    arguments = ["-loglevel", "error", "-ss", "1", "-i", str(path), "-frames:v", "1", str(still)]
    subprocess.run([program, *arguments], check=True)
    judged = cv2.imread(str(still))
    assert judged is not None and judged.shape[1::-1] == shown and number_in(judged) == 25


@pytest.mark.parametrize(("rotation", "shown"), [(0, (171, 96)), (90, (96, 171))])
def test_pixels_that_are_not_square(tmp_path: Path, rotation: int, shown: tuple[int, int]) -> None:
    video = Pictures(steady(1), rotation=rotation, pixel_shape=Fraction(4, 3))
    path = str(write(tmp_path / "a.mp4", video))
    info = probe.probe(path)
    assert (info.width, info.height) == shown
    assert image_of(next(pictures.pictures(path, [0.5]))).shape[1::-1] == shown


def test_the_long_side_is_bounded_and_nothing_is_made_larger(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.mp4", Pictures(steady(1), size=(320, 180))))
    sizes = [image_of(next(pictures.pictures(path, [0.5], side))).shape[1::-1] for side in (64, 320, 1280)]
    assert sizes == [(64, 36), (320, 180), (320, 180)]


def test_odd_sizes(tmp_path: Path) -> None:
    times = steady(2)
    video = Pictures(times, size=(131, 97), codec="libvpx-vp9", options=FAST_VP9)
    path = write(tmp_path / "a.webm", video)
    check(path, times, [0.5, 1.5])
    assert image_of(next(pictures.pictures(str(path), [0.5]))).shape == (97, 131, 3)
    assert next(pictures.small_frames(str(path), 0.5, width=33))[1].shape == (24, 33, 3)


def test_colours_are_kept(tmp_path: Path) -> None:
    def draw(number: int, size: tuple[int, int]) -> np.ndarray:
        return np.full((size[1], size[0], 3), (30, 60, 200), np.uint8)

    path = str(write(tmp_path / "a.mp4", Pictures(steady(1), draw=draw)))
    assert image_of(next(pictures.pictures(path, [0.5]))).mean(axis=(0, 1)) == pytest.approx([30, 60, 200], abs=6)


# --- all frames of a range


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
@pytest.mark.parametrize("gop", [LONG, SHORT])
def test_small_frames_are_complete(tmp_path: Path, name: str, gop: int) -> None:
    times = steady(24, start=1.4 if name == "a.ts" else 0.0)
    path = str(write(tmp_path / name, Pictures(times, gop=gop, b_frames=3)))
    for start, end in [(0.0, 1.0), (0.0, 0.02), (3.2, 4.0), (9.98, 10.5), (12.0, 13.0), (23.0, 99.0)]:
        found = list(pictures.small_frames(path, start, end, width=64))
        right = [n for n in range(600) if start <= n / 25 < end]
        assert [number_in(image) for _, image in found] == right
        assert [time for time, _ in found] == pytest.approx([n / 25 for n in right], abs=MS)
        assert all(image.shape == (48, 64, 3) for _, image in found)
    assert len(list(pictures.small_frames(path, 20.0))) == 100


# --- sound


def heard(path: Path, start: float = 0.0, seconds: float = 300.0) -> np.ndarray:
    """All that stretches() gives, joined; each stretch must begin where the one before ended."""
    joined = [np.zeros(0, np.float32)]
    position = start
    for first, audio in media_sound.stretches(str(path), start, seconds):
        assert first == pytest.approx(position, abs=1e-9)
        assert audio.dtype == np.float32 and audio.ndim == 1
        position = first + len(audio) / media_sound.SAMPLE_RATE
        joined.append(audio)
    return np.concatenate(joined)


def off(sound: np.ndarray, right: np.ndarray) -> float:
    """The largest difference, of sound that may end some milliseconds early or late; a sample's shift makes 0.13."""
    assert abs(len(sound) - len(right)) < 0.1 * media_sound.SAMPLE_RATE
    longest = max(len(sound), len(right))
    a, b = (np.pad(x, (0, longest - len(x))) for x in (sound, right))
    return float(np.abs(a - b).max())


SOUNDS = {
    "flac 16 kHz": ("a.mkv", "flac", 16_000, "mono", 0.001),
    "pcm 8 kHz mono": ("a.mov", "pcm_s16le", 8_000, "mono", 0.01),
    "flac 48 kHz stereo": ("a.mkv", "flac", 48_000, "stereo", 0.01),
    "aac 44.1 kHz, edit list": ("a.mp4", "aac", 44_100, "stereo", 0.05),
    "aac 48 kHz, ts": ("a.ts", "aac", 48_000, "stereo", 0.05),
    "opus": ("a.mkv", "libopus", 48_000, "mono", 0.06),
    "wav": ("a.wav", "pcm_s16le", 44_100, "stereo", 0.01),
    "wav as Whisper takes it": ("a.wav", "pcm_s16le", 16_000, "mono", 0.001),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_a_tone_is_heard_when_it_sounds(tmp_path: Path, kind: str) -> None:
    name, codec, rate, layout, tolerance = SOUNDS[kind]
    channels = 2 if layout == "stereo" else 1
    at = (0.5, 3.0, 5.4321)
    sound = Sound([(0.0, np.tile(tones(0, 6, rate, *at), (channels, 1)))], rate, layout, codec)
    path = write(tmp_path / name, None, sound)
    # An encoder's lead-in is before 0; MPEG-TS has no way to say so, and the file starts with it.
    lead_in = 1024 / rate if kind == "aac 48 kHz, ts" else 0.0
    assert off(heard(path), tones(-lead_in, 6 + lead_in, 16_000, *at)) < tolerance


def test_opus_of_a_voice_message(tmp_path: Path) -> None:
    """At low rates the decoder holds 24 samples back, and gives them at the end without a time base."""
    rate, path = 16_000, tmp_path / "a.ogg"
    right = (0.3 * np.sin(2 * np.pi * 220 * np.arange(3 * rate) / rate)).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=rate, layout="mono", options={"application": "voip"})
        stream.bit_rate = 8000
        frame = av.AudioFrame.from_ndarray((right * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    said = heard(path)
    assert len(said) == pytest.approx(3 * rate, abs=0.01 * rate)
    assert np.corrcoef(said[: len(right)], right[: len(said)])[0, 1] > 0.9


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_sound_that_starts_late(tmp_path: Path, name: str) -> None:
    sound = Sound([(2.44, tones(2.44, 4, 48_000, 3.0, 5.0))])
    path = write(tmp_path / name, Pictures(steady(7)), sound)
    assert off(heard(path), tones(0, 6.44, 16_000, 3.0, 5.0)) < 0.01


def test_a_gap_in_the_sound_is_silence(tmp_path: Path) -> None:
    pieces = [(0.0, tones(0, 2, 48_000, 1.0)), (5.0, tones(5, 3, 48_000, 6.0))]
    path = write(tmp_path / "a.mkv", Pictures(steady(8)), Sound(pieces))
    assert off(heard(path), tones(0, 8, 16_000, 1.0, 6.0)) < 0.01


def test_a_clock_that_goes_wrong_slowly_is_followed(tmp_path: Path) -> None:
    """A minute of samples stamped as 60.6 s: 10 ms for each second, less than a gap each time."""
    second = tones(0, 1, 16_000, 0.5)
    path = write(tmp_path / "a.mkv", None, Sound([(1.01 * n, second) for n in range(60)], 16_000))
    sound = heard(path)
    for n in (0, 20, 40, 59):
        around = sound[round((1.01 * n + 0.3) * 16_000) : round((1.01 * n + 0.7) * 16_000)]
        middle = (np.abs(around) * np.arange(len(around))).sum() / np.abs(around).sum() / 16_000
        assert middle == pytest.approx(0.2, abs=0.11)


def test_six_channels_become_one(tmp_path: Path) -> None:
    silence = np.zeros(6 * 48_000, np.float32)
    voice = tones(0, 6, 48_000, 3.0)
    # Speech is in the middle: FL, FR, FC, LFE, SL, SR.
    surround = np.stack([silence, silence, voice, silence, silence, silence])
    path = write(tmp_path / "a.mkv", None, Sound([(0.0, surround)], 48_000, "5.1(side)"))
    sound = heard(path)
    loudness = np.abs(sound).max() / 0.5
    assert loudness > 0.2
    assert off(sound / loudness, tones(0, 6, 16_000, 3.0)) < 0.03


def test_the_number_of_channels_may_change(tmp_path: Path) -> None:
    """As in a recorded broadcast: two MPEG-TS files put together, each of which counts from its own start."""
    first = Sound([(0.0, np.tile(tones(0, 4, 48_000, 1.0), (2, 1)))], 48_000, "stereo", "mp2")
    second = Sound([(0.0, tones(0, 3, 32_000, 1.0))], 32_000, "mono", "mp2")
    parts = [write(tmp_path / f"{n}.ts", None, sound).read_bytes() for n, sound in enumerate([first, second])]
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(parts))
    sound = heard(path)
    assert len(sound) / 16_000 == pytest.approx(7, abs=0.2)
    for middle in (1.0, 5.0):
        around = np.abs(sound[round((middle - 0.2) * 16_000) : round((middle + 0.2) * 16_000)])
        assert (around.max() > 0.3) and abs(int(around.argmax()) / 16_000 - 0.2) < 0.1


def test_music_with_a_cover_is_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    cover = write(tmp_path / "cover.jpg", Pictures([0.0], codec="mjpeg", gop=1), update="1")
    with av.open(str(path), "w") as container:
        speech = container.add_stream("mp3", rate=44_100, layout="mono")
        image = container.add_stream_from_template(av.open(str(cover)).streams.video[0])
        image.disposition = Disposition.attached_pic
        packet = next(p for p in av.open(str(cover)).demux() if p.size)
        packet.stream = image
        container.mux(packet)
        for p in clips.encoded(speech, Sound([(0.0, tones(0, 6, 44_100, 3.0))], 44_100)):
            container.mux(p)
    info = probe.probe(str(path))
    assert (info.has_video, info.has_audio, info.width) == (False, True, 0)
    assert info.duration == pytest.approx(6, abs=0.1)
    assert list(pictures.pictures(str(path), [1.0])) == []
    assert list(pictures.small_frames(str(path))) == []
    assert off(heard(path), tones(0, 6, 16_000, 3.0)) < 0.05


def test_no_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Pictures(steady(2)))
    assert list(media_sound.stretches(str(path))) == []
    assert probe.probe(str(path)).has_audio is False


def talk(seconds: int, rate: int = 16_000) -> np.ndarray:
    """Noise of 3 s, silence of 0.5 s, and again."""
    sound = np.random.default_rng(1).uniform(-0.3, 0.3, seconds * rate).astype(np.float32)
    sound[np.arange(len(sound)) / rate % 3.5 >= 3] = 0
    return sound


def test_stretches_are_cut_in_silence_and_lose_nothing(tmp_path: Path) -> None:
    sound = talk(60)
    path = write(tmp_path / "a.mkv", None, Sound([(0.0, sound)], 16_000))
    found = list(media_sound.stretches(str(path), seconds=20))
    assert len(found) >= 3 and all(len(audio) <= 21 * 16_000 for _, audio in found)
    for first, _ in found[1:]:
        assert 3 <= first % 3.5 < 3.5
    whole = heard(path, seconds=1000)
    assert np.array_equal(np.concatenate([audio for _, audio in found]), whole)
    assert len(whole) == len(sound) and np.abs(whole - sound).max() < 1e-4


@pytest.mark.parametrize(("name", "codec", "rate"), [("a.mkv", "flac", 48_000), ("a.mp4", "aac", 44_100)])
def test_going_on_at_a_stretch_gives_the_same_samples(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    path = write(tmp_path / name, None, Sound([(0.0, talk(40, rate))], rate, codec=codec))
    found = list(media_sound.stretches(str(path), seconds=12))
    assert len(found) > 3
    for number, (first, _) in enumerate(found):
        again = list(media_sound.stretches(str(path), first, seconds=12))
        assert [start for start, _ in again] == [start for start, _ in found[number:]]
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(again, found[number:], strict=True))


def test_memory_is_bounded(tmp_path: Path) -> None:
    """An hour of sound, whole, would be 230 MB."""
    path = tmp_path / "long.mkv"
    minutes = [(600.0 * n, np.zeros(600 * 8_000, np.float32)) for n in range(6)]
    write(path, None, Sound(minutes, 8_000, codec="pcm_s16le"))
    program = (
        "import resource, sys\n"
        "from videotag.media import sound\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "length, first = 0.0, 0\n"
        "for start, audio in sound.stretches(sys.argv[1]):\n"
        "    length, first = start + len(audio) / 16000, first or peak()\n"
        "print(length, peak() - first)\n"
    )
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", program, path], cwd=root, capture_output=True, text=True, check=True)
    length, grown = (float(number) for number in run.stdout.split())
    assert length == pytest.approx(3600, abs=0.1)
    assert grown / 1024 < 80  # MB


# --- damage


def damage(path: Path, kind: str, number: int, noise: str) -> float:
    """Overwrite the `number`-th packet of a track with `noise` (16 hex digits, repeated); its time."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(getattr(container.streams, kind)[0]) if p.size]
        packet = packets[number]
        assert packet.pos is not None and packet.pts is not None
        place, size, time = packet.pos, packet.size, float(packet.pts * packet.time_base)
    with path.open("r+b") as file:
        file.seek(place)
        head = file.read(size + 64).find(bytes(packet)[:16])  # Matroska's position is that of the block's own head
        file.seek(place + head)
        file.write(bytes.fromhex(noise) * (size // 8))
    return time


# The decoder reports the first kind of noise, and passes over the second as if the packet had never been.
@pytest.mark.parametrize("noise", ["0123456789abcdef", "84a099454acfed6a"])
def test_a_damaged_packet_of_sound_costs_itself_only(noise: str, tmp_path: Path) -> None:
    sound = talk(20)
    path = write(tmp_path / "a.mkv", None, Sound([(0.0, sound)], 16_000))
    at = round(damage(path, "audio", 40, noise) * 16_000)
    found = heard(path)
    assert len(found) == len(sound)
    wrong = np.flatnonzero(np.abs(found - sound) > 1e-3)
    assert len(wrong) > 0 and at - 64 <= wrong.min() and wrong.max() < at + 4608 + 64


def test_a_damaged_keyframe_costs_its_pictures_only(tmp_path: Path) -> None:
    times = steady(12)
    path = write(tmp_path / "a.ts", Pictures(times, gop=50, size=(320, 240)))
    original = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    place = packets[100].pos or 0  # the keyframe at 4 s
    path.write_bytes(original[:place] + bytes(188 * 10) + original[place + 1880 :])
    check(path, times, [0.5, 1.5, 3.9, 6.1, 7.3, 11.9])
    between = list(pictures.pictures(str(path), [4.5, 5.0]))
    assert all(picture.time <= picture.asked for picture in between)


@pytest.mark.parametrize(
    ("name", "options"), [("a.mkv", {}), ("a.ts", {}), ("a.mp4", {"movflags": "faststart"})], ids=["mkv", "ts", "mp4"]
)
def test_a_file_that_is_cut_off(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    """What comes before is used; past it, the last whole picture comes back, with its own time."""
    times = steady(24)
    sound = Sound([(0.0, talk(24, 48_000))], codec="aac")
    path = write(tmp_path / name, Pictures(times, gop=SHORT, b_frames=3, size=(320, 240)), sound, **options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    first, last = pictures.pictures(str(path), [0.0, 1000.0])
    assert number_in(image_of(first)) == 0
    assert last.time - first.time == pytest.approx(times[number_in(image_of(last))], abs=2 * MS)
    assert 10 < last.time < 20
    assert probe.probe(str(path)).duration == pytest.approx(last.time, abs=0.5)
    assert len(heard(path)) / 16_000 == pytest.approx(last.time, abs=0.5)
    whole = [time for time, _ in pictures.small_frames(str(path), width=32)]
    assert len(whole) == pytest.approx(25 * last.time, abs=6)


# --- what is no video


def refused(path: Path | str) -> str:
    """The one line that every function of the media wing gives for a file it cannot use."""
    lines = set()
    for use in (probe.probe, lambda p: list(media_sound.stretches(p)), lambda p: list(pictures.pictures(p, [0.0]))):
        with pytest.raises(UserError) as error:
            use(str(path))
        lines.add(str(error.value))
    (line,) = lines
    assert str(path) in line and "\n" not in line
    return line


def test_missing_folder_pipe(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.mp4")
    assert "not a file" in refused(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        assert "not a file" in refused(tmp_path / "pipe.mp4")  # and is not waited for


@pytest.mark.parametrize("content", [b"", b"Just some words.\n" * 99, random.Random(3).randbytes(50_000)])
def test_what_is_no_media(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    refused(path)


def test_text_that_ffmpeg_would_draw(tmp_path: Path) -> None:
    path = tmp_path / "readme.nfo"
    path.write_text("Just some words.\n" * 99)
    refused(path)


def test_mp4_without_its_index(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Pictures(steady(4)))
    path.write_bytes(path.read_bytes()[:-3000])  # `moov` is at the end
    refused(path)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{}'\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("ending", ["mp4", "m3u8"])
@pytest.mark.parametrize("target", ["http://127.0.0.1:9/a.ts", "other.ts"])
def test_playlists_are_not_followed(tmp_path: Path, kind: str, ending: str, target: str) -> None:
    write(tmp_path / "other.ts", Pictures(steady(2)))
    path = tmp_path / f"a.{ending}"
    path.write_text(PLAYLISTS[kind].format(target))
    refused(path)


# --- probe


def test_probe_says_what_it_is(tmp_path: Path) -> None:
    sound = Sound([(0.0, tones(0, 5, 48_000, 1.0))])
    path = write(tmp_path / "a.mp4", Pictures(steady(4)), sound)
    info = probe.probe(str(path))
    assert info.duration == pytest.approx(5, abs=0.03)
    assert info.fps == pytest.approx(25, abs=0.01)
    assert (info.width, info.height, info.has_video, info.has_audio) == (128, 96, True, True)


@pytest.mark.parametrize("claimed", [1, 100_000])
def test_a_header_that_lies_about_the_length(tmp_path: Path, claimed: int) -> None:
    path = write(tmp_path / "a.mkv", Pictures(steady(30)))
    data = path.read_bytes()
    place = data.index(b"\x44\x89\x88") + 3  # Matroska's Duration: a float64 in milliseconds
    path.write_bytes(data[:place] + np.array([1000 * claimed], ">f8").tobytes() + data[place + 8 :])
    assert probe.probe(str(path)).duration == pytest.approx(30, abs=0.05)
