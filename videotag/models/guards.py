"""What a text that a language model wrote is worth: in its language, without loops, not the instructions again.

Letters and words are all that is looked at. Who asks puts the question once more for a text with a fault, and leaves
the text out if it comes no better: the bounds are drawn so that what people say and name passes.
"""

import re
import unicodedata

from videotag.languages import CYRILLIC_LANGUAGES, KAZAKH_LETTERS, LATIN_LANGUAGES

OTHER_LANGUAGE, REPEATS, ECHOES = FAULTS = (
    "not in the output language",
    "repeats itself",
    "repeats the instructions",
)

SHARE_IN_SCRIPT = 0.5
"""Of the letters of a text, so many must be of the language's script: names and titles may be of another."""
FEW_LETTERS = 20  # too little text to judge its script by
KAZAKH_SHARE = {"kk": (0.03, 1.0), "ru": (0.0, 0.07)}
"""How many of a text's letters may be Kazakh, least and most: names in the other language are no fault."""
ENOUGH_LETTERS = 60  # to tell Kazakh from Russian by
NAME_OF_EAST, SHARE_OF_EAST = 8, 0.05
"""Letters of Chinese, Japanese or Korean that a text may have: those of a name or a short sign, or so many of all. Each
stands for a syllable or a word; Qwen falls into Chinese in the middle of a sentence."""

RUN = 20
"""Letters and digits in a row that, when they come again, are a repetition: four words. "нет, нет, нет" has 9."""
SHARE_SAID_BEFORE = 0.5
"""Of a text, so much may have stood in it before. A sentence twice is at this bound, three times above it."""
LEAST_SAID_BEFORE = 30  # letters; less is no loop, however short the text
ON_END = 4  # times that one thing may come on end, if it fills two runs
MORE_THAN_SOURCE = 0.2, 2
"""A translation repeats what its source repeats: its share may be so much larger, and its times so many times as many,
as speech is recognized a little differently each time."""

ECHO = 4, 8
"""Words in a row that are those of the instructions: the least, if the text has no more, and as part of any text."""

COPIED = 0.5
"""Of a text's words, names and numbers apart, more than so many that its source has, too, are no translation. In the 59
translations from Kazakh into Russian of benchmarks/archive it is 0.02 on average, 0.17 at most."""
FEW_WORDS = 5  # too few to tell a copy by

_EAST = ("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "HANGUL")
_WORD = re.compile(r"[^\W_]+")
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*|\n+")
_ON_END = re.compile(rf"\b(\w.{{0,199}}?)\1{{{ON_END},}}", re.IGNORECASE)


def fault_of(text: str, language: str, *, prompt: str = "", source: str = "", few: int = FEW_LETTERS) -> str | None:
    """The first of the `FAULTS` that a text has, or None.

    Args:
        language: in which it was to be written, ISO 639-1. English is not told from German, and nothing is told of a
            language whose script is not known (`videotag.languages`).
        prompt: the instructions that the model was given, without the material.
        source: what the text translates, and may repeat as much as.
        few: letters below which its script is not judged, as it may be a name; 1 where it may not.
    """
    if not in_language(text, language, few):
        return OTHER_LANGUAGE
    if repeats(text, source):
        return REPEATS
    return ECHOES if echoes(text, prompt) else None


def in_language(text: str, language: str, few: int = FEW_LETTERS) -> bool:
    """Whether a text is in a language, as far as its letters tell; `few` as of `fault_of`."""
    script = "CYRILLIC" if language in CYRILLIC_LANGUAGES else "LATIN" if language in LATIN_LANGUAGES else ""
    names = [unicodedata.name(char, "") for char in text if char.isalpha()]
    if not script or not names:
        return True
    eastern = sum(name.startswith(_EAST) for name in names)
    if eastern > max(NAME_OF_EAST, SHARE_OF_EAST * len(names)) or 2 * eastern > len(names):
        return False
    if len(names) < few:
        return True
    if sum(script in name for name in names) < SHARE_IN_SCRIPT * len(names):
        return False
    least, most = KAZAKH_SHARE.get(language, (0.0, 1.0))
    kazakh = sum(char in KAZAKH_LETTERS for char in text.lower()) / len(names)
    return len(names) < ENOUGH_LETTERS or least <= kazakh <= most


def repeats(text: str, source: str = "") -> bool:
    """Whether a text says the same again and again, and more so than the `source` that it translates."""
    said, share, times = _said_before(text, RUN)
    _, of_source, times_in_source = _said_before(source, RUN // 2)  # a word of Chinese is a letter or two
    more, times_more = MORE_THAN_SOURCE
    too_much = said >= LEAST_SAID_BEFORE and share > max(SHARE_SAID_BEFORE, of_source + more)
    return too_much or times > max(ON_END, times_more * times_in_source)


def echoes(text: str, prompt: str) -> bool:
    """Whether a text has a long run of the words of the instructions."""
    least, most = ECHO
    words, instructions = _words(text), _words(prompt)
    length = min(most, len(words))
    return length >= least and not _runs(words, length).isdisjoint(_runs(instructions, length))


def is_copy(text: str, source: str, own: str = "") -> bool:
    """Whether a text has the words of another one instead of their translation.

    Args:
        source: in another language than the text was to be in. Names and numbers are the same in both: words with a
            capital letter, and without letters, do not count.
        own: what stands in the source in the text's own language, and is rightly the same.
    """
    common = {*_words(own)}
    words = [word for word in _WORD.findall(text) if word.isalpha() and not word[0].isupper()]
    words = [word for word in map(_plain, words) if word not in common]
    copied = {*_words(source)}
    return len(words) >= FEW_WORDS and sum(word in copied for word in words) > COPIED * len(words)


def without_repeats(text: str) -> str:
    """A text with each sentence once, also the last one that was cut off, and once what comes on end within one."""
    kept: list[str] = []
    earlier: list[str] = []
    sentences = _sentences(text)
    for place, sentence in enumerate(sentences, start=1):
        words = " ".join(_words(sentence))
        whole = len(words) >= RUN or place == len(sentences)  # "Он из г." may go on in another way
        if not (whole and any(before.startswith(words) for before in earlier)):
            kept.append(sentence)
            earlier.append(words)
    return _ON_END.sub(r"\1", " ".join(kept)).strip()


def without_echoes(text: str, prompt: str) -> str:
    """A text without its sentences that repeat the instructions; "" if nothing else is in it."""
    kept = " ".join(sentence for sentence in _sentences(text) if not echoes(sentence, prompt))
    return "" if echoes(kept, prompt) else kept


def _said_before(text: str, run: int) -> tuple[int, float, int]:
    """Letters that stand in a run that came before, their share of all, and how often one thing comes on end."""
    letters = "".join(char for char in text.casefold() if char.isalnum())
    last: dict[str, int] = {}
    said = reach = period = length = 0
    times = 1
    for start in range(len(letters) - run + 1):
        now, end = letters[start : start + run], start + run
        before = last.get(now)
        last[now] = start
        if before is None:
            period = 0
            continue
        said, reach = said + end - max(start, reach), end
        length = length + 1 if start - before == period else run
        period = start - before
        if length + period >= 2 * run:
            times = max(times, length // period + 1)
    return said, said / max(1, len(letters)), times


def _sentences(text: str) -> list[str]:
    return list(filter(None, _BETWEEN_SENTENCES.split(text.strip())))


def _runs(words: list[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(words[start : start + length]) for start in range(len(words) - length + 1)}


def _words(text: str) -> list[str]:
    return _WORD.findall(_plain(text))


def _plain(text: str) -> str:
    return text.casefold().replace("ё", "е")
