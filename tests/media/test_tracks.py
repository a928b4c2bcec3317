"""Which sound of a file is heard: its tracks, the sides of one, and what their times say."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import Sound, tones, write
from tests.sounds import RATE, Track, alike, faint, murmur, silence, stereo, time_code, tracks
from videotag.languages import code_of
from videotag.media.probe import probe
from videotag.media.sound import stretches
from videotag.media.tracks import Choice, Part, choose, heard_first

A, B = murmur(1), murmur(2)
CAMERAS = [("a.mov", "pcm_s16le", RATE), ("a.mxf", "pcm_s16le", 48_000), ("a.mp4", "aac", RATE)]
WIDE = {
    "copy": 0.8 * A,
    "echo": np.roll(A, 200) * 0.3 + 0.7 * A,
    "wide": 0.6 * A + 0.5 * B,
    "one side": silence(),
}
EVEN = {"code": time_code(), "tone": 0.1 * np.sin(np.arange(6 * RATE) / 2.5), "noise": faint(-30)}


def heard(path: str, choice: Choice | None = None) -> np.ndarray:
    return np.concatenate([audio for _, audio in stretches(path, choice=choice)])


def test_sounds_of_the_tests_are_told_apart():
    assert alike(A, A) == pytest.approx(1) and alike(A, B) < 0.3
    assert np.ptp(np.square(time_code().reshape(-1, 320)).mean(axis=1)) < 1e-9


# --- tracks


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "flac"), ("a.mp4", "aac"), ("a.mov", "pcm_s16le")])
@pytest.mark.parametrize(
    ("languages", "wanted", "right", "text"),
    [
        (("ru",), "", A, "track 1 (rus); not heard: track 2 (kaz)"),
        (("kk",), "", B, "track 2 (kaz); not heard: track 1 (rus)"),
        (("en", "kk"), "", B, "track 2 (kaz); not heard: track 1 (rus)"),
        ((), "", A, "track 1 (rus); not heard: track 2 (kaz)"),
        (("ru",), "2", B, "track 2 (kaz); not heard: track 1 (rus)"),
        (("ru",), "kaz", B, "track 2 (kaz); not heard: track 1 (rus)"),
        (("ru",), "mix", (A + B) / 2, "tracks 1, 2 mixed"),
        (("kk",), "3", B, "track 2 (kaz); track 3, asked for, is not there; not heard: track 1 (rus)"),
        (("kk",), "en", B, "track 2 (kaz); no track is tagged en, asked for; not heard: track 1 (rus)"),
    ],
)
def test_the_list_chooses(tmp_path: Path, name: str, codec: str, languages: Any, wanted: str, right: Any, text: str):
    path = tracks(tmp_path / name, codec, Track(A, "rus"), Track(B, "kaz"))
    choice = choose(path, languages, wanted)
    assert (choice.text, choice.chosen) == (text, True)
    assert choice == choose(path, languages, wanted)
    assert alike(heard(path, choice), right) > 0.9


@pytest.mark.parametrize(
    "wanted", [Track(B, "eng", "comment"), Track(B, "rus", "visual_impaired"), Track(B, "rus", "", "Commentary")]
)
def test_what_is_said_beside_the_film_comes_last(tmp_path: Path, wanted: Track):
    path = tracks(tmp_path / "a.mkv", "flac", wanted, Track(A, "rus"))
    choice = choose(path, ("ru",))
    assert choice.text.startswith("track 2 (rus); not heard: track 1 (")
    assert alike(heard(path, choice), A) > 0.99
    assert choose(tracks(tmp_path / "b.mkv", "flac", wanted), ("ru",)).parts  # better than nothing


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov"])
@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("Комментарий режиссёра", "commentary"),
        ("Director's commentary", "commentary"),
        ("Audio description", "description"),
        ("Тифлокомментарий", "description"),
        ("M&E", "effects"),
    ],
)
def test_what_the_title_of_a_track_says(tmp_path: Path, name: str, title: str, told: str):
    path = tracks(tmp_path / name, "aac", Track(B[:RATE], "rus", title=title), Track(A[:RATE], "rus"))
    assert choose(path, ("ru",)).text == f"track 2 (rus); not heard: track 1 (rus, {told})"


@pytest.mark.parametrize("dub", [Track(A, "rus", title="Дубляж"), Track(A, "rus", "original")])
def test_versions_of_a_sound_are_no_channels_of_one(tmp_path: Path, dub: Track):
    assert choose(tracks(tmp_path / "a.mkv", "flac", dub, Track(B, "rus")), ("ru",)).parts == (Part(0),)


@pytest.mark.parametrize("title", ["Left", "Комментатор", "Director's Cut"])
def test_other_titles_say_nothing(tmp_path: Path, title: str):
    path = tracks(tmp_path / "a.mkv", "flac", Track(A, title=title), Track(B))
    assert choose(path).text == "tracks 1, 2 mixed"


def test_a_silent_track_is_passed_over(tmp_path: Path):
    path = tracks(tmp_path / "a.mkv", "flac", Track(np.stack([silence(), silence()]), "rus"), Track(A, "kaz"))
    choice = choose(path, ("ru",))
    assert choice.text == "track 2 (kaz); not heard: track 1 (rus, silent)"
    assert choose(path, ("ru",), "1").text.startswith("track 1 (rus)")  # the list has the last word


@pytest.mark.parametrize("nothing", [faint(-90), silence() + 0.02], ids=["dither", "direct current"])
def test_what_is_as_good_as_silent(tmp_path: Path, nothing: np.ndarray):
    path = tracks(tmp_path / "a.mov", "pcm_s16le", Track(nothing.astype(np.float32)), Track(A))
    assert choose(path).text == "track 2; not heard: track 1 (silent)"


def test_what_is_seldom_said_beside_a_tone_is_heard(tmp_path: Path):
    """Speech of 3 s on a side that is a tone wherever it is looked at first."""
    side = np.resize(EVEN["tone"], 130 * RATE).astype(np.float32)
    side[7 * RATE : 10 * RATE] = murmur(5, 3.0)
    path = tracks(tmp_path / "a.mkv", "flac", Track(np.stack([murmur(1, 130.0), side])))
    assert choose(path).text == "track 1"


def test_what_is_seldom_said_is_no_silence(tmp_path: Path):
    """Half a second in 130 s, between the places that are looked at."""
    seldom = silence(130)
    seldom[8 * RATE : 8 * RATE + RATE // 2] = murmur(5, 0.5)
    path = tracks(tmp_path / "a.mkv", "flac", Track(seldom), Track(murmur(1, 130.0)))
    assert choose(path).text == "tracks 1, 2 mixed"


def test_a_track_that_cannot_be_decoded_is_passed_over(tmp_path: Path):
    path = Path(tracks(tmp_path / "a.mp4", "aac", Track(B, "rus"), Track(A, "kaz")))
    data = path.read_bytes()
    at = data.index(b"mp4a", data.index(b"moov"))
    data = data[:at] + b"ac-4" + data[at + 4 :]
    at = data.index(b"esds", at)
    path.write_bytes(data[:at] + b"dac4" + data[at + 4 :])
    choice = choose(str(path), ("ru",))
    assert choice.text == "track 2 (kaz); not heard: track 1 (rus, cannot be decoded)"
    assert probe(str(path)).has_audio
    assert alike(heard(str(path)), A) > 0.9


@pytest.mark.parametrize(("name", "codec", "rate"), CAMERAS)
def test_the_microphone_on_a_later_mono_track(tmp_path: Path, name: str, codec: str, rate: int):
    sounds = [faint(-65), A, silence(), silence()]
    path = tracks(tmp_path / name, codec, *map(Track, sounds), rate=rate)
    choice = choose(path, ("ru",))
    assert choice.text == "track 2; not heard: track 1 (faint), track 3 (silent), track 4 (silent)"
    assert alike(heard(path, choice), A) > 0.95


def test_two_microphones_in_turn_are_both_heard(tmp_path: Path):
    question, answer = A.copy(), B.copy()
    question[3 * RATE :], answer[: 3 * RATE] = 0, 0
    path = tracks(tmp_path / "a.mov", "pcm_s16le", Track(question), Track(answer))
    choice = choose(path, ("ru",), told=lambda voices, at: 0)
    assert choice.text == "tracks 1, 2 mixed"
    assert alike(heard(path, choice), question + answer) > 0.95


def test_mono_tracks_of_two_languages_are_no_channels(tmp_path: Path):
    path = tracks(tmp_path / "a.mov", "pcm_s16le", Track(A, "rus"), Track(B, "eng"))
    assert alike(heard(path, choose(path, ("en",))), B) > 0.99


def test_tracks_of_different_lengths(tmp_path: Path):
    path = tracks(tmp_path / "a.mkv", "flac", Track(A[: 2 * RATE]), Track(B))
    sound = heard(path)
    assert len(sound) == len(B)
    assert np.abs(sound[2 * RATE :] - B[2 * RATE :] / 2).max() < 1e-3


# --- the two sides of one track


@pytest.mark.parametrize("right", list(WIDE.values()), ids=list(WIDE))
def test_ordinary_stereo_is_mixed_as_ever(tmp_path: Path, right: np.ndarray):
    path = stereo(tmp_path / "a.mkv", A, right.astype(np.float32))
    choice = choose(path, ("ru",), told=lambda voices, at: 0)
    assert choice.plain and not choice.chosen
    assert np.abs(heard(path) - (A + right) / 2).max() < 1e-3


@pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.mp4", "aac"), ("a.mkv", "libopus")])
def test_opposite_phase_is_heard(tmp_path: Path, name: str, codec: str):
    rate = 48_000 if codec == "libopus" else RATE
    path = tracks(tmp_path / name, codec, Track(np.stack([A, -A])), rate=rate)
    choice = choose(path, ("ru",))
    assert choice.text == "track 1, sides in opposite phase"
    assert alike(heard(path, choice), A) > 0.95


@pytest.mark.parametrize("centre", [0.0, 0.5])
def test_opposite_phase_of_the_fronts_of_six_channels(tmp_path: Path, centre: float):
    channels = np.stack([A, -A, centre * B, *np.zeros((3, len(A)))]).astype(np.float32)
    path = tracks(tmp_path / "a.mov", "pcm_s16le", Track(channels, layout="5.1"))
    assert alike(heard(path), A) > 0.7


def test_what_the_fronts_lose_of_music_is_no_matter_where_the_centre_speaks(tmp_path: Path):
    channels = np.stack([B / 3, -B / 3, A, *np.zeros((3, len(A)))]).astype(np.float32)
    path = tracks(tmp_path / "a.mov", "pcm_s16le", Track(channels, layout="5.1"))
    assert choose(path).plain
    assert alike(heard(path), A) > 0.99


def test_opposite_phase_in_a_part(tmp_path: Path):
    right = A.copy()
    right[3 * RATE :] *= -1
    path = stereo(tmp_path / "a.mkv", A, right)
    sound = heard(path)
    block = np.abs(np.abs(sound) - np.abs(A)).reshape(-1, RATE // 2).max(axis=1)
    assert (block < 1e-3).sum() >= 11  # all but that in which it turns round
    assert alike(sound, A) > 0.98


@pytest.mark.parametrize("beside", list(EVEN.values()), ids=list(EVEN))
@pytest.mark.parametrize("side", [0, 1])
def test_no_tone_is_mixed_into_speech(tmp_path: Path, beside: np.ndarray, side: int):
    sides = [beside.astype(np.float32), beside.astype(np.float32)]
    sides[side] = A
    path = stereo(tmp_path / "a.mkv", sides[0], sides[1])
    choice = choose(path)
    names = ["left", "right"]
    assert choice.text == f"track 1, {names[side]} channel; not heard: {names[1 - side]} channel (tone or noise)"
    assert np.abs(heard(path) - A).max() < 1e-4


def test_time_code_on_a_track_of_its_own(tmp_path: Path):
    path = tracks(tmp_path / "a.mov", "pcm_s16le", Track(time_code()), Track(A))
    assert choose(path).text == "track 2; not heard: track 1 (tone or noise)"


def test_of_two_voices_at_once_the_told_one_is_heard(tmp_path: Path):
    asked = []

    def told(voices: Any, at: float) -> int:
        asked.append((voices, at))
        return 1

    path = stereo(tmp_path / "a.mkv", A, B)
    choice = choose(path, ("ru",), told=told)
    assert choice.text == "track 1, right channel; not heard: left channel (another voice)"
    assert np.abs(heard(path, choice) - B).max() < 1e-4
    ((voices, at),) = asked
    assert [alike(heard(path, voice), one) > 0.99 for voice, one in zip(voices, (A, B), strict=True)] == [True, True]
    assert 0 <= at < 6
    assert choose(path, ("ru",), told=lambda voices, at: None).plain  # no speech: music, say
    assert choose(path, ("ru",)).plain


@pytest.mark.parametrize("sounds", [(A, B, murmur(3)), (A, A, B, B)], ids=["three", "pairs"])
def test_several_voices_at_once_on_mono_tracks(tmp_path: Path, sounds: Any):
    path = tracks(tmp_path / "a.mov", "pcm_s16le", *map(Track, sounds))
    asked = []

    def told(voices: Any, at: float) -> int:
        asked.extend(voices)
        return 1

    choice = choose(path, ("ru",), told=told)
    assert alike(heard(path, choice), B) > 0.99
    assert choice.text.endswith("(another voice)")
    each = list({id(sound): sound for sound in sounds}.values())
    assert all(alike(heard(path, voice), sound) > 0.99 for voice, sound in zip(asked, each, strict=True))
    assert choose(path, ("ru",), told=lambda voices, at: None).text.endswith("mixed")


def test_a_side_that_is_silent_but_for_a_moment_is_no_voice_at_once(tmp_path: Path):
    moment = silence(12.0)
    moment[: RATE // 5] = B[: RATE // 5]
    path = stereo(tmp_path / "a.mkv", murmur(1, 12.0), moment)

    def never(voices: Any, at: float) -> int:
        raise AssertionError

    assert choose(path, told=never) == Choice((Part(1),), "track 1")


def test_two_microphones_in_one_room_are_mixed(tmp_path: Path):
    first, second = A.copy(), B.copy()
    first[3 * RATE :], second[: 3 * RATE] = 0, 0
    path = stereo(tmp_path / "a.mkv", first + 0.2 * second + faint(-60), second + 0.2 * first + faint(-60))
    assert choose(path, ("ru",), told=lambda voices, at: 0).plain


@pytest.mark.parametrize("loud", [0, 2, 3, 7])
def test_speech_on_any_of_eight_channels(tmp_path: Path, loud: int):
    channels = np.zeros((8, len(A)), np.float32)
    channels[loud] = A
    path = tracks(tmp_path / "a.wav", "pcm_s16le", Track(channels, layout="7.1"))
    sound = heard(path)
    assert alike(sound, A) > 0.99
    assert np.abs(sound).max() > 0.15 * np.abs(A).max()


def test_speech_on_the_third_of_three_channels(tmp_path: Path):
    """Whose third is taken for the one of bass, of which nothing is mixed."""
    channels = np.stack([silence(), silence(), A])
    assert alike(heard(tracks(tmp_path / "a.mov", "pcm_s16le", Track(channels, layout="2.1"))), A) > 0.99


@pytest.mark.parametrize("loud", [0, 4])
def test_channels_in_an_order_of_their_own(tmp_path: Path, loud: int):
    """QuickTime's "MPEG 5.1 B": left, right, both behind, middle, bass. PyAV ended the process."""
    channels = np.zeros((6, len(A)), np.float32)
    channels[loud] = A
    path = Path(tracks(tmp_path / "a.mov", "pcm_s16le", Track(channels, layout="5.1")))
    data = path.read_bytes()
    tag = data.index(b"chan") + 8
    path.write_bytes(data[:tag] + bytes([0, 122, 0, 6]) + data[tag + 4 :])
    assert choose(str(path)).text == f"track 1, channels {loud + 1}"
    assert alike(heard(str(path)), A) > 0.99


# --- times


def amr_frames(count: int) -> list[bytes]:
    """Frames of 20 ms in the mode of 12.2 kbit/s, RFC 4867: a byte of header, 31 of any bits."""
    rng = np.random.default_rng(0)
    return [bytes([0x3C]) + rng.bytes(31) for _ in range(count)]


def test_packets_of_several_frames(tmp_path: Path):
    raw, path = tmp_path / "a.amr", tmp_path / "a.nut"
    frames = amr_frames(100)
    raw.write_bytes(b"#!AMR\n" + b"".join(frames))
    with av.open(str(raw)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for n in range(0, 100, 5):
            packet = av.Packet(b"".join(frames[n : n + 5]))
            packet.stream, packet.time_base = stream, Fraction(1, 8000)
            packet.pts = packet.dts = n * 160
            packet.duration = 800
            new.mux(packet)
    sound = heard(str(path))
    assert len(sound) == 2 * RATE
    assert np.array_equal(sound, heard(str(raw)))


@pytest.mark.parametrize("step", [0.06, 0.5])
def test_more_sound_than_its_times_have_room_for_is_kept(tmp_path: Path, step: float, caplog: pytest.LogCaptureFixture):
    pieces = [(step * n, tones(n, 1, RATE, n + 0.5)) for n in range(8)]
    path = write(tmp_path / "a.mkv", None, Sound(pieces, RATE, codec="pcm_s16le"))
    sound = heard(str(path))
    assert np.abs(sound - tones(0, 8, RATE, *(n + 0.5 for n in range(8)))).max() < 1e-3
    assert "more sound than its times have room for" in caplog.text or "begin anew" in caplog.text


def test_the_first_track_that_a_text_tells():
    texts = ["track 2 (rus); not heard: track 1 (eng)", "tracks 3, 4 mixed", "track 12, left channel", "", None]
    assert [heard_first(text) for text in texts] == [2, 3, 12, 0, 0]


def test_tags_of_languages():
    tags = {"kaz": "kk", "RUS": "ru", "kk-KZ": "kk", "fre": "fr", "fra": "fr", "en_US": "en", "jv": "jw"}
    assert {tag: code_of(tag) for tag in tags} == tags
    assert {code_of(tag) for tag in ("und", "", "xyz", "русский")} == {""}
