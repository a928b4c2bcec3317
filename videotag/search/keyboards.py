"""What a text would be on another keyboard layout, and in letters of one script: no word is looked up here."""

import re
from collections.abc import Iterator

_ENGLISH = "`1234567890-=qwertyuiop[]asdfghjkl;'zxcvbnm,./" + '~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"ZXCVBNM<>?'
_RUSSIAN = "ё1234567890-=йцукенгшщзхъфывапролджэячсмитьбю." + 'Ё!"№;%:?*()_+ЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ,'
_KAZAKH = '("әіңғ,.үұқөһйцукенгшщзхъфывапролджэячсмитьбю№' + ")!ӘІҢҒ;:ҮҰҚӨҺЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ?"
"""The characters of the keys, row by row, without and with Shift, as Windows and X11 have them."""

_PAIRS = [
    (frozenset(filter(str.isalpha, typed)), str.maketrans(typed, meant))
    for typed, meant in (
        (_ENGLISH, _RUSSIAN),
        (_ENGLISH, _KAZAKH),
        (_RUSSIAN, _ENGLISH),
        (_RUSSIAN, _KAZAKH),
        (_KAZAKH, _ENGLISH),
    )
]

_NUMBER = re.compile(r"(?<!\S)(\d[\d.,:%-]*)(?!\S)")
_MIXED = re.compile(r"[^\W\d_][\d;\[\]`'={}]+[^\W\d_]|(?<!\w)[\d;\[`={-][^\W\d_]|[^\W\d_][\d;\[\]`={}](?!\w)")

VOWELS = 0.3  # of the letters of a text; English has 0.38
_LATIN, _CYRILLIC = "aceiopxyhABCEHIKMOPTXY", "асеіорхуһАВСЕНІКМОРТХУ"
_TO_CYRILLIC, _TO_LATIN = str.maketrans(_LATIN, _CYRILLIC), str.maketrans(_CYRILLIC, _LATIN)
_WORD = re.compile(r"[^\W\d_]+")
_LONE = re.compile(r"(?<!\S)[acoyACOYB](?!\S)")  # prepositions and conjunctions
_A_LATIN, _A_CYRILLIC = re.compile("[a-zA-Z]"), re.compile("[а-яёәғқңөұүһіА-ЯЁӘҒҚҢӨҰҮҺІ]")


def other_layouts(text: str) -> Iterator[str]:
    """What the same keys give on another layout: English, Russian, Kazakh."""
    letters = {letter for letter in text if letter.isalpha()}
    end = text[len(text.rstrip(":?! ")) :]
    parts = _NUMBER.split(text.removesuffix(end))  # every second one is a number, which is one on every keyboard
    for known, table in _PAIRS:
        if letters <= known:
            yield "".join(part if place % 2 else part.translate(table) for place, part in enumerate(parts)) + end


def mixed(text: str) -> tuple[int, float]:
    """How often digits or signs are among letters, seldom so on the right layout; and in which part of the words."""
    found = [len(_MIXED.findall(word)) for word in text.split()]
    return sum(found), sum(map(bool, found)) / (len(found) or 1)


def is_cyrillic(text: str) -> bool:
    """Whether most of its letters are."""
    return len(_A_CYRILLIC.findall(text)) > len(_A_LATIN.findall(text))


def is_like_english(text: str) -> bool:
    """Whether it has the vowels of English: a vowel in every word of three letters, and VOWELS of all letters.

    On an English keyboard the vowels of Cyrillic are consonants and signs (а f, о j, е t, и b).
    """
    words = [word for word in re.findall(r"[^\s?!.,:]+", text.lower()) if word.strip("'-").isalpha()]
    letters = "".join(words)
    pronounced = all(re.search("[aeiouy]", word) for word in words if len(word) > 2)
    return (
        bool(letters)
        and pronounced
        and not mixed(text)[0]
        and len(re.findall("[aeiou]", letters)) >= VOWELS * len(letters)
    )


def in_one_script(text: str) -> str:
    """Words of Cyrillic and Latin letters that look alike in the letters of one script: "мост" with a Latin o."""
    text = _WORD.sub(lambda word: _of_one_script(word[0]), text)
    return _LONE.sub(lambda letter: letter[0].translate(_TO_CYRILLIC), text) if is_cyrillic(text) else text


def _of_one_script(word: str) -> str:
    if not (_A_LATIN.search(word) and _A_CYRILLIC.search(word)):
        return word
    cyrillic, latin = word.translate(_TO_CYRILLIC), word.translate(_TO_LATIN)
    if not _A_LATIN.search(cyrillic):
        return cyrillic
    return word if _A_CYRILLIC.search(latin) else latin
