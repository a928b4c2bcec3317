"""Keywords out of what is said and written: nouns, names and "adjective + noun", in their dictionary form.

Russian forms come from pymorphy3. Kazakh and English words are grouped by cutting off the commonest endings and shown
as they are most often written. Nothing is invented: every keyword is a form of words in the text.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from videotag.analyzers.contract import Part
from videotag.languages import language_in
from videotag.morphology import PROPER, readings, stem, without_name_ending
from videotag.stop_words import COMMON_NOUNS, STOP_WORDS

MAX_KEYWORDS = 12
NAME, PHRASE, ON_SCREEN = 2.0, 1.5, 2.0
"""Weights: a name, an adjective with its noun, and a word on the screen tell more than another word."""
LONG_WORD = 6  # letters; in a language without a stop list here only words this long count, besides names
LONGEST_WORD = 60  # characters; what is longer is no word (a hash, a stuck transcript)

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_ADDRESS = re.compile(r"://|www\.|@|\.(?:org|com|net|ru|kz)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


@dataclass
class _Candidate:
    score: float = 0.0
    forms: Counter[str] = field(default_factory=Counter)
    parts: set[str] = field(default_factory=set)  # keys of the single words that a phrase stands for


@dataclass(frozen=True)
class _Term:
    key: str
    form: str
    weight: float = 1.0
    parts: tuple[str, ...] = ()


def keywords(speech: Sequence[Part], screen: Sequence[str], language: str) -> list[str]:
    """At most `MAX_KEYWORDS` keywords of the speech and of the texts on the screen, the weightiest first.

    Lower case except names. `language` is the one that the screen is most likely in, ISO 639-1.
    """
    found: dict[str, _Candidate] = defaultdict(_Candidate)
    sentences = [(s, part.language, 1.0) for part in speech for s in _sentences(part.text)]
    sentences += [(s, language, ON_SCREEN) for text in screen for s in _sentences(text)]
    # A sentence's first word begins with a capital anyway.
    names = {_name_key(word) for said, *_ in sentences for word in _WORD.findall(said)[1:] if word[0].isupper()}
    for sentence, likely, weight in sentences:
        for term in _terms(sentence, language_in(sentence, likely), names):
            candidate = found[term.key]
            candidate.score += weight * term.weight
            candidate.forms[term.form] += 1
            candidate.parts.update(term.parts)
    return _best(found)


def _best(found: dict[str, _Candidate]) -> list[str]:
    """The best candidates; a word that occurs only inside a chosen phrase is not named again."""
    chosen: list[str] = []
    covered: Counter[str] = Counter()
    for key, candidate in sorted(found.items(), key=lambda item: (-item[1].score, -len(item[1].parts))):
        if len(chosen) == MAX_KEYWORDS:
            break
        forms, count = candidate.forms, candidate.forms.total()
        if covered[key] < count:
            # The commonest form, the shortest of equals: it is likely the nominative.
            chosen.append(min(forms, key=lambda form: (-forms[form], len(form), form)))
            covered.update(dict.fromkeys(candidate.parts, count))
    return list(dict.fromkeys(chosen))


def _sentences(text: str) -> list[str]:
    words = [word for word in text.split() if len(word) <= LONGEST_WORD and not _ADDRESS.search(word)]
    sentences = _SENTENCE_END.split(" ".join(words))
    # Capitals alone say nothing about what is a name.
    return [sentence.lower() if sentence.isupper() else sentence for sentence in sentences]


def _terms(sentence: str, language: str, names: set[str]) -> Iterator[_Term]:
    previous = ""
    for index, word in enumerate(_WORD.findall(sentence)):
        is_name = word[0].isupper() and (index > 0 or _name_key(word) in names)
        if language == "ru" and _CYRILLIC.search(word):
            yield from _russian(word, previous, is_name)
        elif (term := _other(word, language, is_name)) is not None:
            yield term
        previous = word if index > 0 else word.lower()


def _other(word: str, language: str, is_name: bool) -> _Term | None:
    """A Kazakh, English or foreign word; without a dictionary, all that is no stop word counts."""
    lower = word.lower().replace("’", "'").removesuffix("'s")
    if any(lower in stop for stop in STOP_WORDS.values()) or (len(lower) < 3 and not word.isupper()):
        return None
    if is_name:
        return _Term(stem(lower, language), word.removesuffix("'s").removesuffix("’s"), NAME)
    # A Latin word in Russian text without a capital is part of some name or address.
    if language == "ru" or (language not in STOP_WORDS and len(lower) < LONG_WORD):
        return None
    return _Term(stem(lower, language), lower)


# --- Russian


def _russian(word: str, previous: str, is_name: bool) -> Iterator[_Term]:
    lower = word.lower()
    if lower in STOP_WORDS["kk"] or lower in STOP_WORDS["ru"]:
        return
    if word.isupper() and 2 <= len(word) <= 5:  # an abbreviation: its ending is no ending
        yield _Term(lower, word, NAME)
        return
    parses = readings(lower)
    proper = None if parses[0].tag.POS == "ADJF" else next(filter(_is_proper, parses[:3]), None)
    pair = _agreeing(previous.lower(), lower)
    if pair and not (is_name and proper):
        form = _with_noun(*pair)
        parts = (pair[1].normal_form, _name_key(previous))
        # "Каспийское море": the adjective is the name.
        form = form.capitalize() if previous[0].isupper() else form
        yield _Term(form.lower(), form, NAME if previous[0].isupper() else PHRASE, parts)
    if is_name or (proper is parses[0] and word[0].isupper()):
        if proper or parses[0].tag.POS != "ADJF":  # an adjective is told with its noun, or not at all
            yield _name(word, proper or parses[0])
    elif len(lower) >= 3 and _mostly_noun(parses):
        noun = pair[1] if pair else parses[0]
        if noun.normal_form not in COMMON_NOUNS:
            yield _Term(noun.normal_form, noun.normal_form)


def _is_proper(parse: Any) -> bool:
    return parse.is_known and any(mark in parse.tag for mark in PROPER)


def _mostly_noun(parses: Sequence[Any]) -> bool:
    return parses[0].tag.POS == "NOUN" and sum(p.score for p in parses if p.tag.POS == "NOUN") > 0.5


def _name(word: str, parse: Any) -> _Term:
    """A name in the nominative where the dictionary knows it, else as it is written.

    The dictionary takes unknown surnames for plurals of common words ("Токаев" of "токай"): a plural is not trusted.
    """
    if parse.is_known and parse.tag.POS == "NOUN" and parse.tag.number == "sing":
        shown = "-".join(part.capitalize() for part in parse.normal_form.split("-"))
        return _Term(parse.normal_form, shown, NAME)
    return _Term(_name_key(word), word, NAME)


def _name_key(word: str) -> str:
    return without_name_ending(word.lower(), least=4)


def _agreeing(adjective: str, noun: str) -> tuple[Any, Any] | None:
    """The readings of two neighbouring words as an adjective and its noun, or None."""
    if not _CYRILLIC.search(adjective) or adjective in STOP_WORDS["ru"]:
        return None
    for n in readings(noun):
        for a in readings(adjective):
            # Apro, Anum, PRTF: pronouns ("наши"), ordinals ("первым") and participles ("работающая") tell nothing.
            if a.tag.POS != "ADJF" or "Apro" in a.tag or "Anum" in a.tag or n.tag.POS != "NOUN":
                continue
            same_gender = n.tag.number == "plur" or a.tag.gender == n.tag.gender
            if a.tag.case == n.tag.case and a.tag.number == n.tag.number and same_gender:
                return a, n
    return None


def _with_noun(adjective: Any, noun: Any) -> str:
    """Both in the nominative: "голосовой" + "почты" -> "голосовая почта"."""
    base = noun.inflect({"nomn"}) if "Pltm" in noun.tag else noun.normalized
    wanted = {"nomn", "plur"}
    if base is not None and base.tag.number != "plur":
        wanted = {"nomn", "sing", base.tag.gender or "masc"}  # "коллега" has none of its own
    inflected = adjective.inflect(wanted)
    return f"{inflected.word if inflected else adjective.normal_form} {noun.normal_form}"
