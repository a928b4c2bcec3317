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
    """How many of the words hold digits or signs among their letters, as few do on the right layout; and which part."""
    words = text.split()
    count = sum(bool(_MIXED.search(word)) for word in words)
    return count, count / (len(words) or 1)


def is_cyrillic(text: str) -> bool:
    """Whether most of its letters are."""
    return len(_A_CYRILLIC.findall(text)) > len(_A_LATIN.findall(text))


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
