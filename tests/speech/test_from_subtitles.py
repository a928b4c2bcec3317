"""Subtitles as the transcript: which of them, and when each word is said."""

from dataclasses import replace

import pytest

from videotag.config import Video
from videotag.media.texts import Track
from videotag.speech.from_subtitles import chosen, transcription

DOUBT = "Whisper base makes nothing of it; name another"


def track(language, *texts, source="track 2"):
    shown = [{"start": start, "end": end, "text": text, "language": language} for start, end, text in texts]
    return Track(source, language, tuple(shown))  # type: ignore[arg-type]


FORCED = replace(track("kk", (0.0, 1.0, "су")), forced=True)
KK, RU, UNKNOWN = (track(language, (0.0, 1.0, "су"), source=language or "?") for language in ("kk", "ru", ""))


@pytest.mark.parametrize(
    ("wanted", "language", "tracks", "doubts", "found"),
    [
        ("", "kk", [RU, KK], [None], None),  # the engine knows the language
        ("", "kk", [RU, KK], [DOUBT], KK),
        ("", "kk", [RU, UNKNOWN], [DOUBT], None),
        ("", "kk,ru", [KK], [DOUBT, None], None),  # what is said in Russian would be lost
        ("speech", "kk", [KK], [DOUBT], None),
        ("subtitles", "kk", [RU, KK], [None], KK),
        ("subtitles", "ru,kk", [KK, RU], [None, None], RU),
        ("subtitles", "auto", [RU, KK], [], RU),
        ("subtitles", "kk", [UNKNOWN], [None], UNKNOWN),
        ("subtitles", "kk", [RU], [None], None),
        ("subtitles", "kk", [FORCED, KK], [None], KK),
        ("", "kk", [FORCED], [DOUBT], None),  # a few sentences of all that is said
        ("subtitles", "kk", [], [None], None),
    ],
)
def test_which_are_the_transcript(wanted, language, tracks, doubts, found):
    assert chosen(Video("a", "a.mp4", language, transcript=wanted), tracks, doubts)[0] == found


def test_what_is_told():
    video = Video("a", "a.mp4", "kk")
    assert chosen(video, [KK], [DOUBT])[1] == [
        "Whisper base makes nothing of it: its subtitles are the transcript (kk)"
    ]
    assert chosen(video, [], [DOUBT])[1] == [DOUBT]
    wanted = Video("a", "a.mp4", "kk", transcript="subtitles")
    assert chosen(wanted, [], [None])[1] == ["has no subtitles in the list's language, so what is said in it is heard"]


def timed(*texts):
    return [(word.text, word.start, word.end) for word in transcription(track("ru", *texts)).words]


def test_words_take_the_time_of_their_letters():
    assert timed((1.0, 2.0, "да, это вода")) == [(" да,", 1.0, 1.3), (" это", 1.3, 1.6), (" вода", 1.6, 2.0)]


def test_one_that_the_next_one_overlaps_is_said_before_it():
    assert timed((0.0, 4.0, "да да"), (2.0, 3.0, "нет")) == [(" да", 0, 1), (" да", 1, 2), (" нет", 2, 3)]


def test_two_that_begin_together_are_said_one_after_the_other():
    assert timed((0.0, 1.0, "да"), (0.1, 2.0, "да")) == [(" да", 0, 1), (" да", 1, 2)]


def test_what_nobody_says_is_no_word():
    assert timed((0.0, 1.0, "[музыка] да ♪")) == [(" да", 0, 1)]
    assert timed((0.0, 1.0, "♪♪")) == []
