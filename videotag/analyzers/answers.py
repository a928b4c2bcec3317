"""What a model's answer is worth: taken, asked for once more, or given up. The same for every engine."""

import json
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from videotag.analyzers.contract import Analysis, NotedAnalysis, Result, Segment, SegmentFailure
from videotag.analyzers.prompt import IN_LANGUAGE, SHORTER
from videotag.fields import ANALYSIS_FIELDS
from videotag.languages import CYRILLIC_LANGUAGES, KAZAKH_LETTERS, LATIN_LANGUAGES, language_name
from videotag.times import tenths

SHARE_IN_SCRIPT = 0.5
"""Of the letters of an answer, so many must be of the language's script: names and titles may be of another."""
FEW_LETTERS = 20  # too little text to judge its script by
KAZAKH_SHARE = {"kk": (0.03, 1.0), "ru": (0.0, 0.07)}
"""How many of an answer's letters may be Kazakh, least and most: names in the other language are no fault."""
ENOUGH_LETTERS = 60  # to tell Kazakh from Russian by
RAW_KEPT = 4000
_FIELDS = dict.fromkeys(ANALYSIS_FIELDS).keys()
_CLOSED = ("content_type", "confidence")


@dataclass(frozen=True)
class Again:
    """Ask for the segment once more, with these words added to the question."""

    more: str


def judge(segment: Segment, text: str, cut: bool, last: bool) -> Result | Again:
    """Judge an answer.

    Args:
        text: what the model wrote.
        cut: it came to its limit (finish_reason "length") instead of to an end.
        last: it was asked twice already; there is no other try.
    """
    analysis = None if cut else parse(text, [frame.time - segment.start_time for frame in segment.frames])
    if isinstance(analysis, Analysis):
        if in_language(analysis, segment.output_language):
            return analysis
        if not last:
            return Again(IN_LANGUAGE.format(language=language_name(segment.output_language)))
        doubtful = analysis.model_copy(update={"confidence": "низкая"})
        return NotedAnalysis(doubtful, f"the answer is not in the output language ({segment.output_language})")
    if not last:
        return Again(SHORTER)
    reason = "the answer was cut off" if cut else str(analysis)
    return SegmentFailure(f"{reason}, twice", text[:RAW_KEPT])


def parse(text: str, frames: Sequence[float] = ()) -> Analysis | str:
    """The analysis that an answer holds, or what is wrong with it.

    A model without a schema may think aloud first, put the object into a code fence or write around it; xgrammar lets
    raw control characters through. `frames`: their times, in seconds from the segment's start.
    """
    # An answer that is nothing but the object may hold the mark itself.
    found = _whole(text) or _object(text.rpartition("</think>")[2])
    if found is None:
        return "the answer is not a JSON object"
    try:
        analysis = Analysis.model_validate(_tidy(found))
        return analysis.model_copy(update={"screen_times": _first_seen(found, analysis.on_screen_text, frames)})
    except ValidationError as error:
        fault = error.errors()[0]
        return f"the answer's {'.'.join(map(str, fault['loc'])) or 'form'}: {fault['msg']}"


def in_language(analysis: Analysis, language: str) -> bool:
    """Whether the answer is in a language, as far as its letters tell."""
    letters = [c for c in analysis.description + analysis.dialogue_translation if c.isalpha()]
    if len(letters) < FEW_LETTERS:
        return True
    script = "CYRILLIC" if language in CYRILLIC_LANGUAGES else "LATIN" if language in LATIN_LANGUAGES else ""
    if sum(script in unicodedata.name(letter, "") for letter in letters) < SHARE_IN_SCRIPT * len(letters):
        return False
    least, most = KAZAKH_SHARE.get(language, (0.0, 1.0))
    kazakh = sum(letter.lower() in KAZAKH_LETTERS for letter in letters) / len(letters)
    return len(letters) < ENOUGH_LETTERS or least <= kazakh <= most


def _whole(text: str) -> dict[str, Any] | None:
    """The JSON object that the text is, and nothing else."""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text that has the most of an answer's fields."""
    decoder = json.JSONDecoder(strict=False)
    best: dict[str, Any] | None = None
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if best is None or len(_FIELDS & value.keys()) > len(_FIELDS & best.keys()):
                best = value
        start = text.find("{", end)
    return best


def _tidy(answer: dict[str, Any]) -> dict[str, Any]:
    """What no schema can ask for, or what a model without one gets nearly right.

    No control characters; each list's elements once; nothing but the fields; closed lists in small letters.
    """
    tidy: dict[str, Any] = {}
    for field in filter(answer.__contains__, _FIELDS):
        value = tidy[field] = answer[field]
        if isinstance(value, str):
            tidy[field] = _clean(value).lower().rstrip(".") if field in _CLOSED else _clean(value)
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            tidy[field] = _once(_clean(item) for item in value)
    return tidy


def _first_seen(answer: dict[str, Any], texts: list[str], frames: Sequence[float]) -> str:
    """When each text is first seen, if the answer says of all of its texts on which frame: see `screen_times`."""
    said, numbers = answer["on_screen_text"], answer.get("screen_frames")
    if not isinstance(numbers, list) or len(numbers) != len(said):
        return ""
    if not all(type(number) is int and 1 <= number <= len(frames) for number in numbers):
        return ""
    first: dict[str, float] = {}
    for text, number in zip(said, numbers, strict=True):
        key = _clean(text).casefold()
        first[key] = min(frames[number - 1], first.get(key, math.inf))
    return tenths(first[text.casefold()] for text in texts)


def _once(items: Iterable[str]) -> list[str]:
    """Each text once, however it is capitalized, in the order in which they came first."""
    first: dict[str, str] = {}
    for item in filter(None, items):
        first.setdefault(item.casefold(), item)
    return list(first.values())


def _clean(text: str) -> str:
    kept = (" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    return " ".join("".join(char for char in kept if unicodedata.category(char) not in ("Cf", "Cs")).split())
