"""Sentences made of what CTC models write: words in small letters, with times."""

import pytest

from videotag.search.forms import document_words, matches, query_words
from videotag.speech.ctc_text import with_sentences
from videotag.speech.words import Word


def words(line: str, start: float = 0.5) -> list[Word]:
    """A word takes 0.3 s, and 0.1 s pass between two; "|" is 0.6 s more, so a pause of 0.7 s."""
    found, now = [], start
    for text in line.split():
        if text == "|":
            now += 0.6
        else:
            found.append(Word(f" {text}", now, now + 0.3, 0.9, "ru"))
            now += 0.4
    return found


def text(line: str, start: float = 0.5, after: float = 1.0) -> str:
    said = words(line, start)
    return "".join(word.text for word in with_sentences(said, said[-1].end + after))


def test_pauses_end_sentences():
    assert text("доброе утро | это новости | погода") == " Доброе утро. Это новости. Погода."


def test_a_shorter_pause_ends_none():
    said = [Word(" да", 0.5, 0.8), Word(" нет", 1.49, 1.8)]  # 0.69 s
    assert [word.text for word in with_sentences(said, 3)] == [" Да", " нет."]
    said[1] = Word(" нет", 1.5, 1.8)  # 0.7 s
    assert [word.text for word in with_sentences(said, 3)] == [" Да.", " Нет."]


@pytest.mark.parametrize(("after", "end"), [(0.07, "утро"), (0.09, "утро.")])
def test_where_the_piece_is_cut_the_sentence_goes_on(after, end):
    assert text("доброе утро", after=after) == f" Доброе {end}"


@pytest.mark.parametrize(("start", "begin"), [(0.07, "доброе"), (0.08, "Доброе")])
def test_where_the_piece_before_was_cut_none_begins(start, begin):
    assert text("доброе утро", start=start) == f" {begin} утро."


def test_nothing_but_the_text_changes():
    said = words("доброе | утро")
    changed = with_sentences(said, 5)
    assert [(w.start, w.end, w.probability, w.language) for w in changed] == [
        (w.start, w.end, w.probability, w.language) for w in said
    ]
    assert with_sentences([], 5) == []


@pytest.mark.parametrize("word", ["өзен", "ұлы", "ёлка", "zebra"])
def test_capitals_of_every_alphabet(word):
    assert text(word) == f" {word.capitalize()}."


@pytest.mark.parametrize(
    "number",
    [
        "две тысячи | двадцать пять",
        "двух тысяч | двадцать пятого",
        "тысяча девятьсот | девяносто первый",
        "пятьдесят | шесть",
        "триста | сорок",
        "екі мың | жиырма бес",
        "мың тоғыз жүз | тоқсан бірінші",
        "он | жетінші",
        "two thousand | twenty five",
        "nineteen hundred | ninety first",
    ],
)
def test_a_pause_inside_a_number_parts_nothing(number):
    said = f"a {number} z"
    assert text(said) == f" A {number.replace(' | ', ' ')} z."


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("их было пять | стол стоял", " Их было пять. Стол стоял."),
        ("солай екі | бірақ кеш", " Солай екі. Бірақ кеш."),
        ("при нём | семья", " При нём. Семья."),
        ("на столе | три", " На столе. Три."),
    ],
)
def test_what_is_no_number_is_parted(line, sentences):
    assert text(line) == sentences


@pytest.mark.parametrize(
    ("line", "query"),
    [
        ("это было в две тысячи двадцать пять | летом", "2025"),
        ("это было в две тысячи двадцать пятом году | летом", "2025"),
        ("бұл екі мың жиырма бес жылы болды | жазда", "2025"),
        ("бұл екі мың | жиырма бесінші жылы болды", "2025"),
        ("двести | пятьдесят два человека", "252"),
        ("two thousand twenty five", "2025"),
    ],
)
def test_numbers_in_words_are_found_by_digits(line, query):
    """So nothing has to be rewritten in the text."""
    made = text(line)
    [forms] = query_words(query)
    assert not set(forms).isdisjoint(document_words(made))
    assert matches(made, query)  # and marked in it
