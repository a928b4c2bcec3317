"""What a model's answer about a video is worth: each item by itself, and only what stands in the segments it cites.

What has a fault is left out; the faults are told, to ask once more with, and to be noted.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from videotag.languages import AS_RUSSIAN
from videotag.models.chat import Answer, json_object
from videotag.models.guards import OTHER_LANGUAGE, fault_of, in_language
from videotag.morphology import without_name_ending
from videotag.summaries.contract import MOST_KEYWORDS, SENTENCES, Chapter, Cited, Items, Passage, Summary
from videotag.summaries.prompt import NAMES, TOO_LONG, WHOLE, WINDOW
from videotag.text import one_line

NOT_READ = 0.5
"""Of the tokens that were sent, so many must have been read: a server that cuts the beginning off does not say so."""
_WORD, _NUMBER = re.compile(r"[^\W\d_]{2,}"), re.compile(r"\d+(?:[ .,\u00a0]?\d+)*")
_AFTER_A_WORD = re.compile(r"(?<=[^\W_] )[^\W\d_]{3,}")  # not the first of a sentence, which has a capital anyway
_FOLDED = AS_RUSSIAN | str.maketrans("ё", "е")
_OF_KAZAKH_CASE = re.compile("(?:н[ыи]н|[дт][ыи]н|[нд][аеы]|т[ае]|[гк][ае]|[дт]ан|[дт]ен|[нд]и)$")
_ROOT, _LONG = 3, 6  # letters that a name keeps at least without its ending; from which on a Kazakh one is looked for

Faults = list[str]


class Material:
    """The passages that an answer is about, and what stands in them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = {passage.index: passage for passage in passages}

    @cached_property
    def _texts(self) -> dict[int, str]:
        return {index: _text(passage) for index, passage in self.passages.items()}

    @cached_property
    def _roots(self) -> dict[int, set[str]]:
        return {index: set(map(_root, _WORD.findall(text))) for index, text in self._texts.items()}

    @cached_property
    def _numbers(self) -> dict[int, set[str]]:
        return {index: set(_numbers_in(text)) for index, text in self._texts.items()}

    def naming(self, name: str, numbers: Iterable[int]) -> tuple[int, ...]:
        """Those of the segments in which every word of a name stands, in some case.

        A name in another script than the segments' is taken at its word: it was translated.
        """
        wanted = set(map(_root, _WORD.findall(name)))
        return tuple(n for n in numbers if wanted and not self._lacking(wanted, self._roots[n]))

    def unfounded(self, text: str, numbers: Iterable[int]) -> str | None:
        """The first number, in digits, or name of a sentence that stands in none of the segments; None if all do.

        A single digit may be counted. Where numbers are written in words, as some engines hear them, none is judged.
        """
        cited = list(numbers)
        digits = set().union(*(self._numbers[number] for number in cited))
        for number in _numbers_in(text):
            if digits and len(number) > 1 and number not in digits:
                return number
        names = {_root(word): word for word in _AFTER_A_WORD.findall(text) if word[0].isupper()}
        lacking = self._lacking(set(names), set().union(*(self._roots[number] for number in cited)))
        return next((word for root, word in names.items() if root in lacking), None)

    @staticmethod
    def _lacking(wanted: set[str], there: set[str]) -> set[str]:
        """Those that are not there, though words in their script are."""
        scripts = {root.isascii() for root in there}
        return {root for root in wanted - there if root.isascii() in scripts}


def parsed(answer: Answer, sent: int, whole: bool) -> dict[str, Any] | str:
    """The object that an answer holds, or what is wrong with it as a whole. `sent`: tokens of the question, about."""
    if answer.prompt_tokens is not None and answer.prompt_tokens < NOT_READ * sent:
        return f"the model read {answer.prompt_tokens} tokens of about {sent}: its context is too short"
    found = None if answer.cut else json_object(answer.text, (WHOLE if whole else WINDOW).schema["properties"].keys())
    return TOO_LONG if found is None else found


def items_of(found: dict[str, Any], material: Material, language: str, prompt: str) -> tuple[Items, Faults]:
    """What is good of an answer about a window, and the faults of the rest."""
    faults: Faults = []
    events = _sentences(found.get("events"), material, language, prompt, faults)
    people, places, organisations = (_names(found.get(kind), material, faults) for kind in NAMES)
    keywords = _keywords(found.get("keywords"), language, faults)
    items = Items(events=events, keywords=keywords, people=people, places=places, organisations=organisations)
    return items, faults


def summary_of(found: dict[str, Any], material: Material, language: str, prompt: str) -> tuple[Summary, Faults]:
    """What is good of an answer about a whole video, and the faults of the rest; without names."""
    faults: Faults = []
    title = _plain(found.get("title"))[:200]
    if title and (fault := fault_of(title, language, prompt=prompt)):
        faults.append(f"title: {fault}")
        title = ""
    summary = Summary(
        title=title,
        sentences=_sentences(found.get("sentences"), material, language, prompt, faults)[: SENTENCES[1]],
        keywords=_keywords(found.get("keywords"), language, faults)[:MOST_KEYWORDS],
        chapters=_chapters(found.get("chapters"), material, language, prompt, faults),
    )
    return summary, faults


def _sentences(told: Any, material: Material, language: str, prompt: str, faults: Faults) -> tuple[Cited, ...]:
    good: dict[str, Cited] = {}
    for one in told if isinstance(told, list) else ():
        text, cited = _cited(one, material)
        fault = _fault(text, language, prompt)
        if not fault and not cited:
            fault = "cites no segment of the material"
        if not fault and (word := material.unfounded(text, cited)):
            fault = f"{word} is not in the segments that it cites"
        if fault:
            faults.append(f"«{text[:60]}»: {fault}")
        else:
            good.setdefault(text.casefold(), Cited(text=text[:1000], segments=cited))
    if not good and not faults:
        faults.append("nothing is told")
    return tuple(good.values())


def _names(told: Any, material: Material, faults: Faults) -> tuple[Cited, ...]:
    good: dict[str, Cited] = {}
    for one in told if isinstance(told, list) else ():
        text, cited = _cited(one, material)
        standing = material.naming(text, cited) or material.naming(text, material.passages)
        if standing:
            good.setdefault(text.casefold(), Cited(text=text[:1000], segments=standing))
        elif text:
            faults.append(f"«{text[:60]}» is not in the material")
    return tuple(good.values())


def _keywords(told: Any, language: str, faults: Faults) -> tuple[str, ...]:
    words = dict.fromkeys(filter(None, map(_plain, told if isinstance(told, list) else ())))
    good = [word for word in words if len(word) <= 60 and in_language(word, language)]
    if len(good) < len(words) / 2:
        faults.append(f"keywords: {OTHER_LANGUAGE}")
    return tuple(good)


def _chapters(told: Any, material: Material, language: str, prompt: str, faults: Faults) -> tuple[Chapter, ...]:
    """Chapters that part all segments among them; () where an answer's cannot be mended so."""
    numbers = sorted(material.passages)
    starts: dict[int, tuple[str, str]] = {}
    for one in told if isinstance(told, list) else ():
        title, summary = (_plain(one.get(key)) for key in ("title", "summary")) if isinstance(one, dict) else ("", "")
        first = one.get("first_segment") if isinstance(one, dict) else None
        if fault := _fault(title, language, prompt) or (summary and _fault(summary, language, prompt)):
            faults.append(f"chapter «{title[:60]}»: {fault}")
        elif type(first) is not int or first not in material.passages or first <= max(starts, default=-1):
            faults.append(f"chapter «{title[:60]}»: begins at no segment after the one before")
        else:
            starts[first] = (title[:200], summary[:1000])
    if not starts:
        return ()
    # The first chapter begins with the video, whatever came before it.
    firsts = [numbers[0], *list(starts)[1:]]
    lasts = [numbers[numbers.index(first) - 1] for first in firsts[1:]] + [numbers[-1]]
    return tuple(
        Chapter(title=title, summary=summary, first_segment=first, last_segment=last)
        for (title, summary), first, last in zip(starts.values(), firsts, lasts, strict=True)
    )


def _cited(one: Any, material: Material) -> tuple[str, tuple[int, ...]]:
    """The text of an item, and those of its citations that are of the material."""
    if not isinstance(one, dict):
        return "", ()
    told = one.get("segments")
    numbers = {n for n in told if type(n) is int and n in material.passages} if isinstance(told, list) else ()
    return _plain(one.get("text")), tuple(sorted(numbers))


def _fault(text: str, language: str, prompt: str) -> str | None:
    return fault_of(text, language, prompt=prompt) if text else "nothing is told"


def _plain(text: Any) -> str:
    return one_line(text) if isinstance(text, str) else ""


def _text(passage: Passage) -> str:
    parts = (passage.speech, passage.translation, passage.subtitles, passage.description, *passage.on_screen)
    return " ".join((*parts, *passage.keywords))


def _root(word: str) -> str:
    """A word in any case, Kazakh letters as Russian writes them: "Тоқаевқа" is no other name than "Токаев"."""
    lower = word.lower().translate(_FOLDED)
    return without_name_ending(_OF_KAZAKH_CASE.sub("", lower) if len(lower) > _LONG else lower, _ROOT)


def _numbers_in(text: str) -> list[str]:
    """The numbers in digits, without what parts thousands and decimals."""
    return [re.sub(r"\D", "", number) for number in _NUMBER.findall(text)]
