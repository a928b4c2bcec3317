"""Which language each span is in: worked out by hand from the costs (a change 2 nats, the named one 0.5 cheaper)."""

import pytest

from videotag.speech.spoken_language import spoken
from videotag.speech.words import Expected

RU, EN, KK = {"ru": 0.99, "en": 0.01}, {"en": 0.99, "ru": 0.01}, {"kk": 0.6, "ru": 0.3, "tr": 0.1}
ANY = Expected()


def languages(seconds, likely, expected=ANY):
    return [found.language for found in spoken(seconds, likely, expected)]


def test_two_languages_in_turn_are_told_apart():
    assert languages([10, 10, 10], [RU, EN, RU]) == ["ru", "en", "ru"]


def test_one_odd_guess_does_not_flip():
    guess = {"en": 0.9, "ru": 0.1}
    # Alone between two changes it would have to be more than e^4 = 55 times as likely; it is 9 times.
    assert languages([10, 10, 10], [RU, guess, RU]) == ["ru", "ru", "ru"]
    # At the end of the sound one change is enough, and e^2 = 7.4: 9 times over 3 s are; over 1.5 s 9^0.5 = 3 are not.
    assert languages([10, 3], [RU, guess]) == ["ru", "en"]
    assert languages([10, 1.5], [RU, guess]) == ["ru", "ru"]


def test_what_is_too_short_to_tell_goes_with_its_neighbours():
    assert languages([5, 0.4, 5, 5], [RU, {}, RU, EN]) == ["ru", "ru", "ru", "en"]
    assert languages([0.4], [{}], Expected(before="kk")) == ["kk"]
    assert languages([0.4], [{}]) == [""]
    assert languages([0.4], [{}], Expected(("kk",))) == ["kk"]


def test_what_was_spoken_before_counts():
    # 3 to 1 within e^2: the neighbour before the sound decides.
    even = {"ru": 0.6, "en": 0.2}
    assert languages([5, 5], [even, EN]) == ["en", "en"]
    assert languages([5], [even]) == ["ru"]
    assert languages([5, 5], [even, RU], Expected(before="en")) == ["ru", "ru"]


def test_a_list_allows_no_third():
    turkish = {"tr": 0.8, "kk": 0.15, "ru": 0.05}
    # Of the two, 0.99 to 0.01: the change pays.
    assert languages([5, 5], [turkish | {"kk": 0.19, "ru": 0.002}, RU], Expected(("kk", "ru"))) == ["kk", "ru"]
    # 0.75 to 0.25 is 3 to 1: it does not.
    assert languages([5, 5], [turkish, RU], Expected(("kk", "ru"))) == ["ru", "ru"]
    assert languages([5, 5], [turkish | {"ru": 0.001}, RU]) == ["tr", "ru"]
    assert languages([5], [{"en": 1.0}], Expected(("kk", "ru"))) == ["kk"]  # neither: the first of the list


def test_the_named_language_is_expected_and_not_forced():
    named = Expected(("ru",))
    assert languages([10, 6, 10], [RU, {"en": 0.99, "ru": 0.001}, RU], named) == ["ru", "en", "ru"]
    # Less than 5 s of it in all: the named one.
    assert languages([10, 4, 10], [RU, {"en": 0.99, "ru": 0.001}, RU], named) == ["ru", "ru", "ru"]
    # 5 s in two parts, each of them sure.
    sure = {"en": 0.99, "ru": 0.001}
    assert languages([10, 3, 10, 3], [RU, sure, RU, sure], named) == ["ru", "en", "ru", "en"]
    # Long, and likelier than the named one, but not clear.
    vague = {"en": 0.3, "tr": 0.1, "ru": 0.001}
    assert languages([10, 20, 10], [RU, vague, RU], named) == ["ru", "ru", "ru"]


def test_what_the_engine_cannot_tell_is_as_expected():
    tatar = {"tt": 0.9, "ru": 0.1}
    assert languages([5, 5], [tatar, RU], Expected(("ky",))) == ["ky", "ky"]
    assert languages([5, 5], [tatar, RU], Expected(("ky", "ru"))) == ["ky", "ky"]


def test_spans_that_were_not_asked_do_not_count_against_a_language():
    """6 s of 20 were asked, and say Russian; the others are their neighbours."""
    likely = [{"ru": 0.95, "kk": 0.001}, *[{}] * 4]
    assert languages([3, 3.5, 3.5, 3.5, 3.5] * 2, likely * 2, Expected(("kk",))) == ["ru"] * 10


def test_how_likely_the_engine_finds_it():
    found = spoken([10, 10], [KK, RU], Expected(("kk", "ru")))
    # Of the two alone, a third of the first span is Russian's; Kazakh's two thirds do not pay for the change.
    assert [(f.language, f.probability) for f in found] == [("ru", pytest.approx(1 / 3)), ("ru", 1.0)]
