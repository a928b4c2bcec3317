"""Phase 1 on files of several sound tracks, with a scripted ear: what is heard, told and kept."""

import numpy as np
import pytest

from tests.pipeline import FakeTranscriber
from tests.sounds import Track, alike, murmur, stereo, tracks
from videotag.speech.words import Transcription

SECONDS = 12.0
ONE, OTHER = murmur(1, SECONDS, 0.05), murmur(2, SECONDS, 0.15)


class Listener(FakeTranscriber):
    """Keeps the sound that it is given; takes a quiet one for Russian and a loud one for Kazakh."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[np.ndarray] = []

    def transcribe(self, audio, expected, heard=None) -> Transcription:
        self.given.append(audio)
        return super().transcribe(audio, expected, heard)

    def likely(self, sounds):
        return [
            {"ru": 0.9, "kk": 0.05} if np.abs(sound).mean() < 2 * np.abs(ONE).mean() else {"ru": 0.05, "kk": 0.9}
            for sound in sounds
        ]


@pytest.fixture
def listened(project):
    project.transcriber = Listener()
    return project


def listed(project, **more):
    path = str(project.folder / "film.mkv")
    project.config({"name": "film", "path": path, "language": "kk", **more})


def two_tracks(project):
    return tracks(project.folder / "film.mkv", "flac", Track(ONE, "rus"), Track(OTHER, "kaz"))


def test_the_track_of_the_lists_language(listened):
    two_tracks(listened)
    listed(listened)
    assert listened.phase1() == 0
    text = "track 2 (kaz); not heard: track 1 (rus)"
    assert f"film: sound: {text}" in listened.out
    assert listened.result1("film")["audio_track"] == listened.record("film")["audio_track"] == text
    assert alike(listened.transcriber.given[0], OTHER) > 0.99


def test_a_single_track_is_no_line(listened):
    tracks(listened.folder / "film.mkv", "flac", Track(ONE, "kaz"))
    listed(listened)
    listened.phase1()
    assert "sound:" not in listened.out
    assert listened.record("film")["audio_track"] == "track 1 (kaz)"


def test_another_track_in_the_list_makes_it_due(listened):
    two_tracks(listened)
    listed(listened)
    listened.phase1()
    listed(listened, audio_track=1)
    assert listened.phase1() == 0
    assert "film: audio_track changed" in listened.out
    assert listened.record("film")["audio_track"] == "track 1 (rus); not heard: track 2 (kaz)"
    listened.phase1()
    assert "done before: film" in listened.out
    listed(listened)  # what was made with the wish is not taken over without it
    listened.phase1()
    assert listened.record("film")["audio_track"] == "track 2 (kaz); not heard: track 1 (rus)"
    assert [alike(sound, OTHER) > 0.9 for sound in listened.transcriber.given] == [True, False, True]


def test_what_was_broken_off_goes_on_with_the_same_track(listened, monkeypatch):
    monkeypatch.setattr("phase1_whisper_frames.STRETCH_SECONDS", 5.0)
    two_tracks(listened)
    listed(listened)
    listened.transcriber.break_at = 1
    assert listened.phase1() == 130
    assert listened.phase1() == 0
    given = listened.transcriber.given
    heard = np.concatenate([given[0], *given[2:]])  # the second was interrupted, and given again
    assert np.abs(heard - OTHER).max() < 1e-4
    assert listened.result1("film")["audio_track"] == "track 2 (kaz); not heard: track 1 (rus)"


@pytest.mark.parametrize(("language", "side", "right"), [("ru", "left", ONE), ("kk", "right", OTHER)])
def test_of_two_voices_at_once_that_of_the_lists_language(listened, language, side, right):
    stereo(listened.folder / "film.mkv", ONE, OTHER)
    listed(listened, language=language)
    assert listened.phase1() == 0, listened.out + listened.err
    assert listened.record("film")["audio_track"].startswith(f"track 1, {side} channel; not heard: ")
    assert alike(listened.transcriber.given[-1], right) > 0.99
