"""Names: what sounds like one, what is believed, what is mended."""

import pytest

from videotag.speech.names import believed, likeness, near_misses, said, sound
from videotag.speech.words import Word


def words(text, start=0.0):
    """A word in each half second."""
    return [Word(f" {word}", start + n / 2, start + n / 2 + 0.4, 0.5) for n, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("one", "other"),
    [("Токаев", "Тоқаев"), ("Назарбаев", "Nazarbayev"), ("Байтерек", "Бойтирег"), ("Шымбулак", "Жумбулак")],
)
def test_what_sounds_alike(one, other):
    assert likeness(one, other) > 0.7
    assert likeness(one, "работники") < 0.6


def test_a_sound_is_one_letter_for_those_that_are_heard_alike():
    assert sound("Ақтөбе") == sound("Актобе") == "актапи"
    assert sound("Анна") == "ана"
    assert sound("2025, ...") == ""


def test_names_are_found_with_their_endings():
    text = words("Президент Назарбаева и Назарбаевичей, Нур-Султан.")
    assert [word.text.strip() for word in said(text, ["Назарбаев", "Нур-Султан"])] == ["Назарбаева", "Нур-Султан."]


def test_a_name_is_believed_where_something_like_it_is_heard_without_the_list():
    names = ["Байтерек"]
    assert believed(words("возле монумента Байтерек сегодня"), names, words("возле монумента Бай терег сегодня"))
    assert not believed(words("возле монумента Байтерек сегодня"), names, words("возле монумента стояли сегодня"))
    assert not believed(words("Байтерек"), names, [])
    assert not believed(words("Байтерек"), names, words("Бойтерек", start=30))  # at another time
    assert believed(words("возле дома"), names, [])  # nothing to be doubted


def test_near_misses():
    text = words("У монумента Байтерег, встретились Назар баева работники")
    found = near_misses(text, ["Байтерек", "Назарбаев", "Абай", "Нур-Султан"])
    # Баева is not Абай: half of its sounds are common.
    assert [(first, last, word.text) for first, last, word in found] == [(4, 6, " Назарбаева"), (2, 3, " Байтерек,")]
    assert (found[0][2].start, found[0][2].end) == (text[4].start, text[5].end)


def test_what_is_right_or_quite_another_word_is_no_near_miss():
    assert near_misses(words("Байтерека и байт, работники у дома"), ["Байтерек", "Ли"]) == []
