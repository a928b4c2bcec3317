"""From sound to words with a scripted ear: what it is given, what is heard again, what is told.

The sound is a real voice (a sample video's), whose spans of speech are looked up by Silero's detector as the product
does; the ear answers by where a piece lies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from videotag.media import sound
from videotag.speech.listening import Piece, listen
from videotag.speech.words import A_LOOP, NO_WORDS, Expected, Word

RATE = 16_000
SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "ru_news.mp4"


@cache
def voice() -> np.ndarray:
    """Speech from the first moment on."""
    if not SAMPLE.is_file():
        pytest.skip(f"{SAMPLE.name} has not been made (samples/make_samples.py)")
    audio = np.concatenate([audio for _, audio in sound.stretches(str(SAMPLE))])
    return audio[_begins(audio) :]


def _begins(audio: np.ndarray) -> int:
    """The first 20 ms that are louder than a hundredth."""
    return int(np.argmax(np.abs(audio) > 0.01))


def spoken(*seconds: float, pause: float = 4.0) -> np.ndarray:
    """Speech of these lengths, a pause before each: where they are follows from the lengths."""
    silence = np.zeros(int(pause * RATE), np.float32)
    return np.concatenate([part for length in seconds for part in (silence, voice()[: int(length * RATE)])])


@dataclass
class Ear:
    """Says a word for each whole second of a piece, unless `answer` knows better."""

    tongue: Callable[[float], dict[str, float]] = lambda number: {"ru": 1.0}
    answer: Callable[[str, float], Piece | None] = lambda how, seconds: None
    at_once: int = 4
    longest: float = 30.0
    joins: float = 15.0
    calls: list[tuple[str, str, float]] = field(default_factory=list)
    asked: int = 0

    def likely(self, sounds: Sequence[np.ndarray]) -> list[dict[str, float]]:
        found = [self.tongue(self.asked + n) for n in range(len(sounds))]
        self.asked += len(sounds)
        return found

    def hear(self, sounds: Sequence[np.ndarray], language: str, names: Sequence[str]) -> list[Piece]:
        assert len(sounds) <= self.at_once
        return [self._piece("names" if names else "hear", sound, language) for sound in sounds]

    def hear_again(self, sound: np.ndarray, language: str) -> Piece:
        return self._piece("again", sound, language)

    def takes_names(self, language: str) -> bool:
        return True

    def likelihoods(self, sound: np.ndarray, language: str, texts: Sequence[str]) -> list[float]:
        return [-float(len(text)) for text in texts]

    def _piece(self, how: str, sound: np.ndarray, language: str) -> Piece:
        seconds = len(sound) / RATE
        self.calls.append((how, language, seconds))
        said = tuple(Word(f" {n}", n + 0.1, n + 0.9, 0.5) for n in range(int(seconds)))
        found = self.answer(how, seconds)
        return Piece(said) if found is None else found


def test_every_piece_is_heard_once_in_its_place():
    ear = Ear()
    found = listen(ear, spoken(6, 4), Expected())
    assert [how for how, *_ in ear.calls] == ["hear", "hear"]
    assert (found.language, found.language_probability, found.unheard) == ("ru", 1.0, ())
    # A span begins with the voice, at 4 and 14 s, or up to 0.1 s before it.
    assert found.words[0].start == pytest.approx(4.1, abs=0.3)
    assert next(word.start for word in found.words if word.start > 11) == pytest.approx(14.1, abs=0.3)
    assert {word.language for word in found.words} == {"ru"}
    assert list(found.words) == sorted(found.words, key=lambda word: word.start)
    assert all(type(word.start) is type(word.end) is float for word in found.words)


def test_each_stretch_is_heard_in_its_own_language():
    ear = Ear(tongue=lambda number: {"en": 1.0} if number == 1 else {"ru": 1.0})
    found = listen(ear, spoken(6, 5, 4, pause=1), Expected(before="ru"))
    assert sorted((language, round(seconds)) for _, language, seconds in ear.calls)[0] == ("en", 5)
    middle = [word.language for word in found.words if 8.2 < word.start < 12.8]
    assert middle and set(middle) == {"en"}
    assert found.language == "ru"


def test_nobody_speaks():
    ear = Ear()
    found = listen(ear, np.zeros(30 * RATE, np.float32), Expected(("kk",)))
    assert (found.words, found.language, found.unheard, ear.calls) == ((), None, (), [])


def test_what_was_refused_is_heard_again_by_itself():
    ear = Ear(answer=lambda how, seconds: Piece(refused=A_LOOP) if how == "hear" and seconds < 5 else None)
    found = listen(ear, spoken(6, 4), Expected())
    again = [seconds for how, _, seconds in ear.calls if how == "again"]
    assert sum(again) == pytest.approx(4, abs=0.7)
    assert found.unheard == ()
    assert any(word.start > 14 for word in found.words)


def test_what_still_has_no_words_is_told():
    def answer(how: str, seconds: float) -> Piece | None:
        return Piece(refused=A_LOOP) if seconds < 5 else None

    found = listen(Ear(answer=answer), spoken(6, 4), Expected())
    (stretch,) = found.unheard
    assert (stretch.start, stretch.end) == (pytest.approx(14, abs=0.4), pytest.approx(18, abs=0.4))
    assert stretch.why == A_LOOP
    assert not any(word.start > 13 for word in found.words)


def test_a_breath_without_words_is_not_told():
    found = listen(Ear(answer=lambda how, seconds: Piece() if seconds < 3 else None), spoken(6, 2), Expected())
    assert found.words and found.unheard == ()


def test_nothing_but_speech_without_words():
    found = listen(Ear(answer=lambda how, seconds: Piece()), spoken(6), Expected())
    assert (found.words, found.language) == ((), None)
    assert [stretch.why for stretch in found.unheard] == [NO_WORDS]


def test_a_hole_inside_a_piece_is_heard_again():
    """The first second has a word, then come more than 3 s of speech without one."""

    def answer(how: str, seconds: float) -> Piece | None:
        return Piece((Word(" один", 0.2, 0.8, 0.5),)) if how == "hear" else None

    ear = Ear(answer=answer)
    found = listen(ear, spoken(8), Expected())
    again = [seconds for how, _, seconds in ear.calls if how == "again"]
    assert 5.5 < sum(again) < 7.6
    assert len(found.words) > 5
    assert found.words[0].text == " один"


def test_words_squeezed_behind_a_hole_are_not_counted_twice():
    """The aligner puts the last words of 8 s into one instant; they are heard again in the hole before it."""
    squeezed = tuple(Word(f" {n}", 7.8, 7.8, 0.5) for n in range(3))

    def answer(how: str, seconds: float) -> Piece | None:
        if how == "again":
            return Piece((Word(" снова", seconds - 0.6, seconds - 0.1, 0.5),))
        return Piece((Word(" один", 0.2, 5.0, 0.5), *squeezed))

    found = listen(Ear(answer=answer), spoken(8), Expected())
    assert [word.text for word in found.words].count(" снова") >= 1
    assert not [word for word in found.words if word.end - word.start < 0.02]


def test_a_refused_dialogue_of_short_sentences_is_heard_again_together():
    """Each is too short to be heard by itself."""
    ear = Ear(answer=lambda how, seconds: Piece(refused=A_LOOP) if how == "hear" else None)
    listen(ear, spoken(*[0.7] * 6, pause=0.6), Expected())
    assert [how for how, *_ in ear.calls].count("again") >= 1


def test_progress_grows_to_the_end():
    heard: list[float] = []
    listen(Ear(at_once=1), spoken(6, 4, 5), Expected(), heard.append)
    assert len(heard) == 3 and heard == sorted(heard)
    assert heard[-1] == pytest.approx(4 + 6 + 4 + 4 + 4 + 5)


NAMES = ("Байтерек",)


def named(text: str) -> Piece:
    return Piece((Word(f" {text}", 0.2, 0.9, 0.5),))


@pytest.mark.parametrize(
    ("with_names", "without", "right"),
    [
        (named("Байтерек"), named("Бойтерег"), "Байтерек"),  # something like it was said
        (named("Байтерек"), named("погода"), "погода"),  # it was not
        (Piece(refused=A_LOOP), named("погода"), "погода"),  # the names have made it loop
    ],
)
def test_names_are_not_made_up(with_names, without, right):
    ear = Ear(answer=lambda how, seconds: with_names if how == "names" else without)
    found = listen(ear, spoken(2.5), Expected(("ru",), NAMES))
    assert [word.text.strip() for word in found.words] == [right]


@pytest.mark.parametrize(("cost", "right"), [(2.9, "Байтерека,"), (3.1, "Бойтерега,")])
def test_a_near_miss_is_mended_where_the_sound_allows_it(cost, right):
    ear = Ear(answer=lambda how, seconds: named("Бойтерега,"))
    ear.likelihoods = lambda sound, language, texts: [0.0, -cost]
    found = listen(ear, spoken(2.5), Expected(("ru",), NAMES))
    assert [word.text.strip() for word in found.words] == [right]
