"""What texts are compared by: their words in the dictionary form, weighed by how rare they are (tf-idf)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from videotag.languages import language_in
from videotag.morphology import readings, stem
from videotag.stop_words import COMMON_NOUNS, STOP_WORDS

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_STOP = frozenset().union(*STOP_WORDS.values(), COMMON_NOUNS)
_EMPTY = ("PREP", "CONJ", "PRCL", "NPRO", "INTJ")  # pymorphy3's parts of speech without a meaning of their own


def terms(text: str, likely: str) -> list[str]:
    """The words of a text that say something, each in the form that stands for all of its forms."""
    language = language_in(text, likely)
    return [term for word in _WORD.findall(text) if (term := _term(word.lower(), language))]


@lru_cache(maxsize=50_000)
def _term(lower: str, language: str) -> str:
    """ "" for a word that says nothing."""
    if lower in _STOP or (len(lower) < 3 and not lower[0].isdigit()):
        return ""
    if language != "ru" or lower[0].isdigit():
        return stem(lower, language)
    best = readings(lower)[0]
    normal = best.normal_form.replace("ё", "е")
    return "" if best.tag.POS in _EMPTY or "Apro" in best.tag or normal in _STOP else normal


def overlap(some: Iterable[str], others: Iterable[str]) -> float:
    """Which share of the fewer terms the others have as well, 0 to 1."""
    a, b = set(some), set(others)
    return len(a & b) / min(len(a), len(b)) if a and b else 0.0


def tf_idf(texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Unit vectors of texts given as terms, float32 [texts, terms]; zeros for a text without any."""
    found = Counter(term for text in texts for term in dict.fromkeys(text))
    place = {term: number for number, term in enumerate(found)}
    vectors = np.zeros((len(texts), max(1, len(found))), np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for term, count in Counter(text).items():
            row[place[term]] = (1 + np.log(count)) * np.log1p(len(texts) / found[term])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths, lengths, 1)
