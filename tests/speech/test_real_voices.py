"""What is lost and what is made up: Whisper base on real voices, put together to files as they occur.

Shares are of the words that the same engine finds in each part alone; the figures to reach are the issue's.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import pytest

from tests.voices import RATE, Utterance, Voices, errors, fetched, normalised, together
from videotag.speech.faster_whisper import FasterWhisper, FasterWhisperOptions
from videotag.speech.words import Expected, Transcriber, Transcription, Word

pytestmark = pytest.mark.slow
ANY, RU = Expected(), Expected(("ru",))


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Voices:
    return fetched(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="module")
def ear() -> Transcriber:
    return FasterWhisper(FasterWhisperOptions("base", "cpu"))


@pytest.fixture(scope="module")
def patient_ear() -> Transcriber:
    return FasterWhisper(FasterWhisperOptions("base", "cpu", sequential=True))


def of(words: Iterable[Word]) -> list[str]:
    return normalised(" ".join(word.text for word in words))


def shares(found: Transcription, alone: dict[str, Counter[str]]) -> dict[str, float]:
    """Of the words that each language's part has alone, the share that the whole has in that language."""
    got = {language: Counter(of(w for w in found.words if w.language == language)) for language in alone}
    return {language: (alone[language] & got[language]).total() / alone[language].total() for language in alone}


def by_itself(ear: Transcriber, parts: Sequence[Utterance]) -> dict[str, Counter[str]]:
    """The words that the ear finds in each language's part alone."""
    sounds = {code: together([one for one in parts if one.language == code]) for code in ("ru", "en")}
    return {code: Counter(of(ear.transcribe(sound, Expected((code,))).words)) for code, sound in sounds.items()}


def in_turn(one: Sequence[Utterance], other: Sequence[Utterance]) -> list[Utterance]:
    return list(chain.from_iterable(zip(one, other, strict=False)))


@pytest.mark.parametrize(
    ("how", "least"),
    [
        ("one after the other", 0.95),
        ("the other way", 0.95),
        ("an insert", 0.95),
        ("ten in turn", 0.85),
        ("four in turn", 0.60),
    ],
)
def test_two_languages_in_one_file(ear: Transcriber, voices: Voices, how: str, least: float) -> None:
    ru, en = (voices.some(language, 4, 12, 30, seed=5) for language in ("ru", "en"))
    parts = {
        "one after the other": [*ru, *en],
        "the other way": [*en, *ru],
        "an insert": [*ru, *en, *voices.some("ru", 4, 12, 15, seed=6)],
        "ten in turn": in_turn(voices.some("ru", 8, 12, 40, 7), voices.some("en", 8, 12, 40, 7)),
        "four in turn": in_turn(voices.some("ru", 3, 5, 36, seed=8), voices.some("en", 3, 5, 36, seed=8)),
    }[how]
    alone, sound = by_itself(ear, parts), together(parts)
    for languages in [(), ("ru",), ("en", "ru")]:
        found = shares(ear.transcribe(sound, Expected(languages)), alone)
        assert min(found.values()) >= least, (languages, found)


def test_patience_comes_to_an_end(patient_ear: Transcriber, voices: Voices) -> None:
    """Turns of 4 s had kept the sequential engine busy for minutes."""
    parts = in_turn(voices.some("ru", 3, 5, 18, seed=9), voices.some("en", 3, 5, 18, seed=9))
    assert {word.language for word in patient_ear.transcribe(together(parts), ANY).words} == {"ru", "en"}


@pytest.fixture(scope="module")
def orders(ear: Transcriber, patient_ear: Transcriber, voices: Voices):
    """Short utterances in four orders: what was said, and what either engine heard."""
    rows: list[tuple[list[Utterance], Transcription, Transcription]] = []
    for seed in range(4):
        parts = voices.some("ru", 2, 11, 45, seed)
        sound = together(parts)
        rows.append((parts, ear.transcribe(sound, RU), patient_ear.transcribe(sound, RU)))
    return rows


def test_short_utterances_are_all_heard(orders) -> None:
    wanted = [normalised(" ".join(one.text for one in parts)) for parts, *_ in orders]
    at_once, patient = ([of(row[n].words) for row in orders] for n in (1, 2))
    assert sum(map(len, at_once)) >= 0.99 * sum(map(len, patient))
    wrong, patiently_wrong = (sum(map(errors, wanted, found)) for found in (at_once, patient))
    # A twentieth of the words more, at most: figures of single runs scatter by so much.
    assert wrong <= patiently_wrong + sum(map(len, wanted)) / 20


def test_no_speech_is_without_words_unless_it_is_told(orders) -> None:
    for parts, found, _ in orders:
        start = 0.0
        for one in parts:
            end = start + len(one.audio) / RATE
            heard = [word for word in found.words if start - 0.3 < (word.start + word.end) / 2 < end + 0.3]
            told = [stretch for stretch in found.unheard if stretch.start < end and stretch.end > start]
            assert heard or told or end - start <= 3, (one.text, start, end)
            start = end + 0.6


def test_a_real_repetition_is_kept(ear: Transcriber, voices: Voices) -> None:
    announcement, other = voices.one("ru", "queue-periodic-announce"), voices.one("ru", "demo-congrats")
    once = of(ear.transcribe(together([announcement]), RU).words)
    found = ear.transcribe(together([*[announcement] * 5, other]), RU)
    heard = Counter(of(found.words))
    kept = [word for word in set(once) if heard[word] >= 5 * once.count(word)]
    assert len(kept) >= 0.8 * len(set(once))
    assert found.unheard == ()


# --- what is made up


def noises() -> dict[str, np.ndarray]:
    """Sounds of 60 s in which nobody speaks."""
    random, n = np.random.default_rng(0), 60 * RATE
    time = np.arange(n) / RATE
    white = random.normal(0, 0.1, n)
    spectrum = np.fft.rfft(white)
    notes = np.repeat(random.choice([262, 294, 330, 392, 440], 120), RATE // 2)
    claps = np.zeros(n)
    for at in random.integers(0, n - RATE, 300):
        claps[at : at + RATE // 5] += random.normal(0, 0.2, RATE // 5) * np.exp(-np.arange(RATE // 5) / RATE * 60)
    return {
        "nothing": np.zeros(n),
        "white noise": white,
        "pink noise": np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))) * 50, n),
        "brown noise": np.cumsum(random.normal(0, 0.01, n)),
        "a melody": 0.3 * np.sin(2 * np.pi * notes * time),
        "applause": claps,
    }


@pytest.mark.parametrize("expected", [RU, Expected(("kk",)), Expected(("en",)), ANY], ids=str)
def test_where_nobody_speaks_hardly_a_word_is_made_up(ear: Transcriber, expected: Expected) -> None:
    words = []
    for sound in noises().values():
        loudest = max(1.0, float(np.abs(sound).max()))
        words += ear.transcribe((sound / loudest).astype(np.float32), expected).words
    assert len(words) <= 2, [word.text for word in words]


def test_many_voices_at_once_backwards(ear: Transcriber, voices: Voices) -> None:
    n = 60 * RATE
    backwards = [np.resize(one.audio[::-1], n) for one in voices.some("ru", 4, 12, 80, seed=3)[:12]]
    babble = sum(np.roll(sound, 9999 * number) for number, sound in enumerate(backwards))
    assert len(ear.transcribe((babble / np.abs(babble).max()).astype(np.float32), RU).words) <= 2


# --- names


def test_a_rare_name_is_heard_by_the_list(ear: Transcriber, voices: Voices) -> None:
    """It says "Астериск" three times; six other names of the list are not said, and do not appear."""
    sound = together([voices.one("ru", "demo-instruct")])
    others = ("Назарбаев", "Байтерек", "Шымбулак", "Тоқаев", "Наурыз", "Ангренсор")
    without, by_list = (ear.transcribe(sound, Expected(("ru",), names)) for names in ((), ("Астериск", *others)))
    assert of(without.words).count("астериск") < of(by_list.words).count("астериск")
    assert not set(of(by_list.words)) & {name.lower() for name in others}
    assert abs(len(without.words) - len(by_list.words)) <= 3
