"""Kazakh written without its own letters: where they belong, by a word that is known or by the harmony of vowels.

A Kazakh word has front vowels (ә е і ө ү, with к and г) or back ones (а о ұ ы, with қ and ғ). What is typed as ы or и
between front vowels is і, what is typed as к beside back vowels is қ.
"""

import re
from collections.abc import Iterable

from videotag.search.spelling import key

_LEFT_OUT = dict(zip("агкноухиыэе", ["ә", "ғ", "қ", "ң", "ө", "ұү", "һ", "і", "і", "ә", "ә"], strict=True))
_LETTERS = re.compile("[әғқңөұүһі]")
_ENDING = re.compile(
    "(?:[ndt]in|[ldt][ae]r(?:i|in|ga|ge|da|de|dan|den)?|[is]?ind[ae](?:gi)?|[dt][ae]gi|[gk][ae]n?|[nsdt]i|[dtn][ae]n|"
    "[mbp]en|uwi|[iae]p)$"
)
"""Of the keys of Kazakh words: case, number, possession, participles."""
_CONSONANT = "бвгғджзйкқлмнңпрстфхһцчшщ"
_FRONT, _BACK = "әеіөү", "аоұя"  # that are no other ones as they are typed
_VOWEL = re.compile(f"[{_FRONT}{_BACK}уыи]")
_FIRST_VOWEL = re.compile(f"^([{_CONSONANT}]*)([оуа])(?=[{_CONSONANT}у])")
_BEFORE_BACK = re.compile(f"[гк](?=[{_CONSONANT}]*[аоұыя])|(?<=[аоұы])[гк](?=[{_CONSONANT}]*$)")
_I = re.compile(f"(?:(?<=[{_CONSONANT}])|^)и(?![аеоуыэюяйи])")
_GENITIVE = re.compile(f"(?<=[{_CONSONANT}]д[ыі])н$|(?<=[{_CONSONANT.replace('й', '')}]т[ыі])н$|(?<=н[ыі])н$")


def has_own_letters(text: str) -> bool:
    return bool(_LETTERS.search(text))


def may_be_kazakh(word: str) -> bool:
    """Whether it ends as Kazakh words do, whatever letters it is written in."""
    return len(word) > 4 and bool(_ENDING.search(key(word)))


def is_without_letters(typed: str, word: str) -> bool:
    """Whether `typed` is `word` with Russian letters for some of the Kazakh ones."""
    pairs = zip(typed, word, strict=False)
    return len(typed) == len(word) and all(t == w or w in _LEFT_OUT.get(t, "") for t, w in pairs)


def tells_i_apart(words: Iterable[str]) -> bool:
    """Whether и is typed for і: what is typed as ы is no і then."""
    return any(len(word) > 2 and _I.search(word, 1) for word in words)


def in_harmony(word: str, known: str = "", apart: bool = False) -> str:
    """With Kazakh letters as the vowels want them.

    Args:
        known: the beginning as it is known already.
        apart: whether what is typed as ы is no і (`tells_i_apart`).
    """
    begun = len(known)
    typed = known + word[begun:]
    if last := re.findall(f"[{_FRONT}{_BACK}]", known)[-1:]:
        front = last[0] in _FRONT
    else:
        vowels = [found[0] for found in _VOWEL.finditer(typed) if found[0] != "и" or _I.match(typed, found.start())]
        back = any(vowel in _BACK for vowel in vowels[1:]) or (apart and "ы" in vowels)
        front = not back and any(vowel in f"{_FRONT}и" for vowel in vowels)
    if front:
        typed = _I.sub("і", typed.replace("ы", "і"))
    elif not apart:
        typed = _I.sub("ы", typed)
    if not known:
        typed = _FIRST_VOWEL.sub(lambda found: found[1] + _first_vowel(found[2], front), typed)
    typed = _BEFORE_BACK.sub(lambda found: "ғ" if found[0] == "г" else "қ", known + typed[begun:])
    return _GENITIVE.sub("ң", known + typed[begun:])


def _first_vowel(typed: str, front: bool) -> str:
    return {"о": "ө", "у": "ү", "а": "ә"}[typed] if front else {"у": "ұ"}.get(typed, typed)
