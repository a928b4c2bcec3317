"""Which of several voices that speak at once in a file is to be heard: that in the list's language."""

from collections.abc import Callable, Sequence
from typing import cast

from videotag.config import Video
from videotag.media.levels import ASKED_SECONDS
from videotag.media.sound import SAMPLE_RATE, stretches
from videotag.media.tracks import Choice
from videotag.speech.listening import Ear
from videotag.speech.words import Audio, Expected, Transcriber

_FEWEST_WORDS = 5  # in 20 s: fewer are heard in music and noise
_CLEARLY = 2.0  # so many times likelier


def wanted(engine: Callable[[], Transcriber], video: Video, voices: Sequence[Choice], at: float) -> int | None:
    """The number of the voice, by 20 s of each from second `at` on; None where fewer than two of them speak.

    Where none is clearly in a language of the list, it is the one with most words.
    """
    sounds = [_sound(video.path, voice, at) for voice in voices]
    words = [len(engine().transcribe(sound, Expected(video.languages)).words) for sound in sounds]
    speak = [count >= _FEWEST_WORDS for count in words]
    if sum(speak) < 2:
        return None
    likely = [
        _likely(cast(Ear, engine()), sound, video.languages) if speaks else 0.0
        for sound, speaks in zip(sounds, speak, strict=True)
    ]
    best, second = sorted(likely, reverse=True)[:2]
    return likely.index(best) if best > _CLEARLY * second else words.index(max(words))


def _sound(path: str, voice: Choice, at: float) -> Audio:
    return next(stretches(path, at, ASKED_SECONDS, voice))[1]


def _likely(ear: Ear, sound: Audio, languages: Sequence[str]) -> float:
    """How likely one of the languages is, 0..1, by the mean over pieces of 4 s."""
    piece = 4 * SAMPLE_RATE
    answers = ear.likely([sound[at : at + piece] for at in range(0, max(1, len(sound) - piece // 2), piece)])
    return sum(answer.get(language, 0.0) for answer in answers for language in languages) / len(answers)
