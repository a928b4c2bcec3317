"""Words that sound alike: one key for a word in Cyrillic, in Latin letters, and without its Kazakh letters.

The index keeps its words under these keys. Latin letters are read by the official Kazakh alphabets (2017 with
apostrophes, 2018 with acutes, 2021 with umlauts), by Russian passports (ICAO 9303), and as in chats.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice, product

LETTERS = "abdefghijklmnopqrstuvwz"  # of keys; q is ч, w is ш, j is ж
_CYRILLIC = str.maketrans(
    {
        **dict(zip("абвгдежзийклмнопрстуфхчшщыэ", "abvgdejziiklmnoprstufhqwwie", strict=True)),
        **dict(zip("әғқңөұүһі", "agknouuhi", strict=True)),
        **{"ё": "e", "ц": "ts", "ю": "iu", "я": "ia", "ъ": "", "ь": ""},
    }
)
_OPEN = {"x": ("h", "ks"), "ye": ("e", "ie"), "yo": ("e", "io"), "s'": ("s", "w"), "y'": ("i", "u"), "c": ("ts", "k")}
_LATIN = {
    **dict.fromkeys(("shch", "sch", "sh", "ş", "š"), "w"),
    **dict.fromkeys(("ch", "ç", "č", "c'"), "q"),
    **{"zh": "j", "ž": "j", "kh": "h", "gh": "g", "ng'": "n", "ts": "ts", "ý": "u", "ū": "u", "w": "u"},
    **{"ya": "ia", "yu": "iu", "y": "i", "ı": "i", "q": "k", "'": "", "ʹ": "", "’": ""},
}
_SOUND = re.compile("|".join(sorted((*_OPEN, *_LATIN), key=len, reverse=True)) + "|.")
MOST_KEYS = 16

_AS_CYRILLIC: dict[str, str] = {
    **dict(zip("abvgdezjiklmnoprstufhcwxyqı", "абвгдезжиклмнопрстуфхцукықі", strict=True)),
    **dict(zip("áäǵğńñóöúüūýşçï", "әәғғңңөөүүұушчи", strict=True)),
    **dict(zip(["shch", "sch", "sh", "ch", "zh", "kh", "ts", "ya", "yu", "yo"], "щщшчжхцяюе", strict=True)),
    **dict(zip(["a'", "g'", "n'", "o'", "u'", "y'", "s'", "c'", "i'"], "әғңөүушчи", strict=True)),
    "'": "",
}
_SOUNDS = sorted(_AS_CYRILLIC, key=len, reverse=True)
_GLIDE = "(?P<glide>(?<=[aeio])y|(?<=[^aeiou]u)y|(?<=^u)y)"  # й, where y is no vowel
_LETTER = re.compile("|".join([*(sound for sound in _SOUNDS if len(sound) > 1), _GLIDE, *_SOUNDS, "."]))


def key(word: str) -> str:
    """The key of a word in lower case; of Latin letters the first that may be meant."""
    return next(iter(keys(word)))


def keys(word: str) -> list[str]:
    """All the keys of what may be meant, MOST_KEYS at most."""
    letters = unicodedata.normalize("NFC", word)
    if not re.search("[a-z]", letters):
        return [_single(letters.translate(_CYRILLIC))]
    choices = [_OPEN.get(sound) or (_LATIN.get(sound, _bare(sound)),) for sound in _SOUND.findall(letters)]
    meant = islice(product(*choices), MOST_KEYS)
    return list(dict.fromkeys(_single("".join(sounds)) for sounds in meant))


def one_edit(word: str, letters: str = LETTERS) -> Iterator[str]:
    """What a letter lost, added, changed, or two that have changed places make of a key; the first letter stays."""
    for place in range(1, len(word) + 1):
        before, after = word[:place], word[place:]
        yield from (before + letter + after for letter in letters)
        if after:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in letters)
            yield before + after[1:2] + after[0] + after[2:]


def in_cyrillic(word: str) -> str:
    """A word in Latin letters, letter by letter."""
    return _LETTER.sub(lambda found: "й" if found["glide"] else _AS_CYRILLIC.get(found[0], found[0]), word)


def _single(text: str) -> str:
    """Doubled letters once: "ый" is written y, iy, yy."""
    return re.sub(r"(.)\1+", r"\1", text)


def _bare(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0] if letter.isalpha() else letter
