"""Questions as people type them: each kind of typing a rule from a question to what the keyboard gave.

Written without a look at the code that mends them (videotag/search/meant.py), and by other tables, so that it is no
mirror of it. The same question always becomes the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

LONG = 6  # letters of a long word

_EN = "`1234567890-=qwertyuiop[]asdfghjkl;'zxcvbnm,./"
_RU = "ё1234567890-=йцукенгшщзхъфывапролджэячсмитьбю."
_KK = '("әіңғ,.үұқөһйцукенгшщзхъфывапролджэячсмитьбю№'
_KEYS = {
    name: dict(zip(low + low.upper() + low_signs, to + to.upper() + to_signs, strict=True))
    for name, low, to, low_signs, to_signs in (
        ("ru", _RU, _EN, "?,:", "&?^"),
        ("kk", _KK, _EN, "?;:", "?%^"),
        ("en", _EN, _RU, "?:", ",Ж"),
        ("kk on ru", _KK, _RU, ";:", "%:"),
    )
}

_PASSPORT = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        [
            "a",
            "b",
            "v",
            "g",
            "d",
            "e",
            "e",
            "zh",
            "z",
            "i",
            "i",
            "k",
            "l",
            "m",
            "n",
            "o",
            "p",
            "r",
            "s",
            "t",
            "u",
            "f",
            "kh",
            "ts",
            "ch",
            "sh",
            "shch",
            "ie",
            "y",
            "",
            "e",
            "iu",
            "ia",
        ],
        strict=True,
    )
)
_RU_CHAT = _PASSPORT | dict(zip("йхцщъыьюя", ("y", "h", "c", "sch", "", "y", "", "yu", "ya"), strict=True))
_KK_CHAT = _RU_CHAT | dict(zip("әғқңөұүһі", ("a", "g", "k", "n", "o", "u", "u", "h", "i"), strict=True))
_KK_COMMON = _PASSPORT | dict(zip("йхцъьиы", ("i", "h", "s", "", "", "i", "y"), strict=True))
_KK_2018 = _KK_COMMON | dict(
    zip("әғқңөұүһішчжуюя", ("á", "ǵ", "q", "ń", "ó", "u", "ú", "h", "i", "sh", "ch", "j", "ý", "iý", "ia"), strict=True)
)
_KK_2021 = _KK_COMMON | dict(
    zip("әғқңөұүһішчжуюя", ("ä", "ğ", "q", "ñ", "ö", "ū", "ü", "h", "ı", "ş", "ch", "j", "u", "iu", "ia"), strict=True)
)
_KK_2017 = _KK_COMMON | dict(
    zip(
        "әғқңөұүһішчжуюя",
        ("a'", "g'", "q", "n'", "o'", "u", "u'", "h", "i", "s'", "c'", "j", "y'", "i'y'", "i'a"),
        strict=True,
    )
)
_ALPHABET = {"ru": _RU[14:], "kk": _RU[14:] + "әіңғүұқөһ", "en": "abcdefghijklmnopqrstuvwxyz"}
_POLITE = {
    "ru": "Скажите пожалуйста, а вот где там {}",
    "kk": "Сәлеметсіз бе, маған мынаны табуға көмектесіңізші: {}",
    "en": "Hi, could you please help me find the part about {}",
}
_TALKATIVE = {
    "ru": "{}, если не сложно, очень нужно найти, заранее спасибо",
    "kk": "{} деген жерін маған көрсетіп беріңізші, рахмет",
    "en": "{} or something like that, thanks a lot in advance",
}


def _typed(name: str) -> Callable[[str, str], str]:
    return lambda text, language: "".join(_KEYS[name].get(letter, letter) for letter in text)


def _layout(text: str, language: str) -> str:
    return _typed(language)(text, language)


def _in(table: dict[str, str]) -> Callable[[str, str], str]:
    def write(text: str, language: str) -> str:
        letters = (
            (table[letter.lower()], letter) if letter.lower() in table else (letter, letter.lower()) for letter in text
        )
        return "".join(latin.capitalize() if letter != letter.lower() else latin for latin, letter in letters)

    return write


def _replaced(before: str, after: str) -> Callable[[str, str], str]:
    table = str.maketrans(before + before.upper(), after + after.upper())
    return lambda text, language: text.translate(table)


def _long(text: str) -> list[re.Match[str]]:
    return [word for word in re.finditer(r"[^\W\d_]+", text) if len(word[0]) >= LONG]


def _typo(text: str, language: str) -> str:
    chance = random.Random(text)
    if not (words := _long(text)):
        return text
    word = chance.choice(words)
    place = chance.randrange(1, len(word[0]) - 1)
    before, letter, after = word[0][:place], word[0][place], word[0][place + 1 :]
    other = chance.choice(_ALPHABET[language].replace(letter, ""))
    edits = (before + after, before + other + after, before + letter + other + after, before + after[0] + letter)
    edited = chance.choice([*edits[:3], edits[3] + after[1:]])
    return text[: word.start()] + edited + text[word.end() :]


def _lost(text: str, language: str) -> str:
    chance = random.Random(text)
    for word in reversed(_long(text)):
        place = word.start() + chance.randrange(1, len(word[0]) - 1)
        text = text[:place] + text[place + 1 :]
    return text


def _joined(text: str, language: str) -> str:
    gaps = [gap.start() for gap in re.finditer(r"(?<=[^\W\d_]{3}) (?=[^\W\d_]{3})", text)]
    place = random.Random(text).choice(gaps) if gaps else len(text)
    return text[:place] + text[place + 1 :]


def _parted(text: str, language: str) -> str:
    chance = random.Random(text)
    if not (words := _long(text)):
        return text
    word = chance.choice(words)
    place = word.start() + chance.randrange(3, len(word[0]) - 2)
    return f"{text[:place]} {text[place:]}"


KINDS: dict[str, tuple[tuple[str, ...], Callable[[str, str], str]]] = {
    "layout": (("ru", "kk", "en"), _layout),
    "Kazakh on a Russian keyboard": (("kk",), _typed("kk on ru")),
    "CAPITALS": (("ru", "kk", "en"), lambda text, language: text.upper()),
    "Latin as in passports": (("ru",), _in(_PASSPORT)),
    "Latin as in chats": (("ru",), _in(_RU_CHAT)),
    "Latin of 2017": (("kk",), _in(_KK_2017)),
    "Latin of 2018": (("kk",), _in(_KK_2018)),
    "Latin of 2021": (("kk",), _in(_KK_2021)),
    "Latin without marks": (("kk",), _in(_KK_CHAT)),
    "і as ы": (("kk",), _replaced("әғқңөұүһі", "агкноуухы")),
    "і as и": (("kk",), _replaced("әғқңөұүһі", "агкноуухи")),
    "look-alikes": (("ru", "kk"), _replaced("сорахе", "copaxe")),
    "typo": (("ru", "kk", "en"), _typo),
    "a letter lost in every long word": (("ru", "kk", "en"), _lost),
    "joined": (("ru", "kk", "en"), _joined),
    "parted": (("ru", "kk", "en"), _parted),
    "polite": (("ru", "kk", "en"), lambda text, language: _POLITE[language].format(text)),
    "talkative": (("ru", "kk", "en"), lambda text, language: _TALKATIVE[language].format(text.rstrip("?.!"))),
}
"""Name to (the languages of questions that it is a kind for, the rule: (question, its language) to what was typed)."""
