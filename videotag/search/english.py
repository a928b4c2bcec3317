"""English words, and how often they occur: pyspellchecker's, of subtitles; read when a question has Latin letters."""

from collections.abc import Mapping
from functools import lru_cache
from string import ascii_lowercase

from videotag.search.spelling import one_edit

USUAL = 100  # occurrences, of 1,650 million words; what is rarer may be a name, or a word of another language


@lru_cache(maxsize=1)
def _occurrences() -> Mapping[str, int]:
    from spellchecker import SpellChecker

    return SpellChecker(language="en").word_frequency.dictionary


def is_english(word: str) -> bool:
    """Whether a word in lower case is a usual one."""
    return word.isascii() and word.isalpha() and _occurrences().get(word, 0) >= USUAL


def one_edit_away(word: str) -> str | None:
    """The most usual one that a letter lost, added, changed, or two that have changed places make of a word.

    None where it is the plural of one that is not that usual.
    """
    if word.endswith("s") and is_english(word[:-1]):
        return None
    best = max(one_edit(word, ascii_lowercase), key=lambda one: _occurrences().get(one, 0))
    return best if is_english(best) else None
