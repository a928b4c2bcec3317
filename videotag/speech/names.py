"""Names that the list tells: whether one was really said, and which words are near-misses of one. Arithmetic, no I/O.

Words are compared as they sound: letters that are heard alike are one, in Cyrillic and in Latin writing.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from functools import lru_cache

from videotag.speech.words import Word

LIKE = 0.5  # of a name's sound have to be in what is heard without the list, at the same time
NEAR = 0.7  # of two words' sounds are common where one may be the other, misheard
_AROUND = 0.7  # seconds on either side in which what sounds like it is looked for
_SHORTEST = 4  # letters: shorter names are like too many words
_LONGEST_ENDING = 3  # letters of a case or a possessive: Назарбаев-тың has more, and is then not mended

_LATIN = {
    "shch": "щ", "sh": "ш", "ch": "ч", "zh": "ж", "kh": "х", "ts": "ц", "ya": "я", "yu": "ю", "yo": "е", "ck": "к",
    "ph": "ф", "th": "т", "qu": "кв", "a": "а", "b": "б", "c": "к", "d": "д", "e": "е", "f": "ф", "g": "г", "h": "х",
    "i": "и", "j": "ж", "k": "к", "l": "л", "m": "м", "n": "н", "o": "о", "p": "п", "q": "к", "r": "р", "s": "с",
    "t": "т", "u": "у", "v": "в", "w": "в", "x": "кс", "y": "и", "z": "з",
}  # fmt: skip
_LATIN_LETTERS = re.compile("|".join(sorted(_LATIN, key=len, reverse=True)))
_ALIKE = str.maketrans({
    **dict.fromkeys("оаәөя", "а"), **dict.fromkeys("еэиыйіё", "и"), **dict.fromkeys("уюұү", "у"),
    **dict.fromkeys("бп", "п"), **dict.fromkeys("дт", "т"), **dict.fromkeys("гғкқ", "к"), **dict.fromkeys("зсц", "с"),
    **dict.fromkeys("вф", "ф"), **dict.fromkeys("жшщч", "ш"), **dict.fromkeys("хһ", "х"), "ң": "н", "ь": "", "ъ": "",
})  # fmt: skip
"""Letters that engines mistake for each other: vowels without stress, voiced and voiceless, Kazakh and Russian."""
_WORD = re.compile(r"\w+")


Miss = tuple[int, int, Word]
"""The words from the first number up to the second may be a name: the word that stands there then."""


@lru_cache(maxsize=10_000)
def sound(text: str) -> str:
    """How a word sounds: one letter for those that are heard alike, double ones once."""
    text = unicodedata.normalize("NFC", text).lower()
    text = _LATIN_LETTERS.sub(lambda found: _LATIN[found[0]], text).translate(_ALIKE)
    return re.sub(r"(.)\1+", r"\1", "".join(filter(str.isalpha, text)))


def likeness(a: str, b: str) -> float:
    """The share of two words' sounds that is common, 0..1."""
    return _ratio(sound(a), sound(b))


def _ratio(a: str, b: str) -> float:
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return matcher.ratio() if min(matcher.real_quick_ratio(), matcher.quick_ratio()) >= LIKE else 0.0


def said(words: Sequence[Word], names: Sequence[str]) -> list[Word]:
    """The words that are names, with an ending or without."""
    known = [_bare(part).lower() for part in _parts(names)]
    return [word for word in words if any(_is(word.text, name) for name in known)]


def believed(words: Sequence[Word], names: Sequence[str], plain: Sequence[Word]) -> bool:
    """Whether each name in the words sounds like what is heard there without the list (`plain`)."""
    return all(_heard_there(word, plain) for word in said(words, names))


def near_misses(words: Sequence[Word], names: Sequence[str]) -> list[Miss]:
    """Where a name may stand that was not understood: one word, or two that are one. From the last to the first."""
    known = _parts(names)
    misses: list[Miss] = []
    right = {word.start for word in said(words, names)}
    for first in range(len(words)):
        runs = [words[first:last] for last in (first + 1, first + 2) if last <= len(words)]
        found = [miss for run in runs if right.isdisjoint(word.start for word in run) for miss in _misses(run, known)]
        if found and (not misses or first >= misses[-1][1]):
            _, name, run = max(found, key=lambda miss: miss[0])
            misses.append((first, first + len(run), _written(run, name)))
    return misses[::-1]


def _misses(run: Sequence[Word], known: Sequence[str]) -> Iterator[tuple[float, str, Sequence[Word]]]:
    """How near the words as one are to a name, and the name with their ending."""
    bare = "".join(_bare(word.text) for word in run)
    for name in known:
        length = len(_bare(name))
        near = likeness(bare[:length], name)
        if near >= NEAR and len(bare) - length <= _LONGEST_ENDING:
            yield near, name + bare[length:], run


def _written(alike: Sequence[Word], name: str) -> Word:
    """The name in place of the words, between the space before them and the punctuation after them."""
    text, end = alike[0].text, alike[-1].text
    before = text[: len(text) - len(text.lstrip())]
    after = end[len(end.rstrip().rstrip(".,!?;:…»\"'")) :]
    probability = min(word.probability for word in alike)
    return replace(alike[0], text=before + name + after, end=alike[-1].end, probability=probability)


def _heard_there(name: Word, plain: Sequence[Word]) -> bool:
    around = [word for word in plain if word.end > name.start - _AROUND and word.start < name.end + _AROUND]
    there = [_bare(word.text) for word in around]
    # Engines part an unknown name into several words.
    runs = ("".join(there[first:last]) for first in range(len(there)) for last in range(first + 1, first + 4))
    return any(likeness(run, _bare(name.text)) >= LIKE for run in runs)


def _is(text: str, name: str) -> bool:
    bare = _bare(text).lower()
    return bare.startswith(name) and len(bare) - len(name) <= _LONGEST_ENDING


def _parts(names: Sequence[str]) -> list[str]:
    """The single words of the names."""
    return [part for name in names for part in name.split() if len(_bare(part)) >= _SHORTEST]


def _bare(text: str) -> str:
    return "".join(_WORD.findall(text))
