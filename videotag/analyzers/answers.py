"""What a model's answer is worth: taken, asked for once more, or given up. The same for every engine."""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError

from videotag.analyzers.contract import Analysis, NotedAnalysis, Part, Result, Segment, SegmentFailure
from videotag.analyzers.prompt import SHORTER, UNTRANSLATED, again, system_prompt
from videotag.fields import ANALYSIS_FIELDS
from videotag.languages import written_in
from videotag.models.chat import json_object
from videotag.models.guards import (
    ECHOES,
    OTHER_LANGUAGE,
    REPEATS,
    fault_of,
    in_language,
    is_copy,
    without_echoes,
    without_repeats,
)
from videotag.times import tenths

RAW_KEPT = 4000
_FIELDS = dict.fromkeys(ANALYSIS_FIELDS).keys()
_CLOSED = ("content_type", "confidence")


@dataclass(frozen=True)
class Again:
    """Ask for the segment once more, with these words added to the question.

    `worth`: what this answer is worth if the next one is worth nothing; None if it is nothing itself.
    """

    more: str
    worth: NotedAnalysis | None = None


def judge(segment: Segment, text: str, cut: bool, before: Again | None = None) -> Result | Again:
    """Judge an answer.

    Args:
        text: what the model wrote.
        cut: it came to its limit (finish_reason "length") instead of to an end.
        before: the judgement on the answer before it, to the same segment; there is no third.
    """
    analysis = None if cut else parse(text, [frame.time - segment.start_time for frame in segment.frames])
    if isinstance(analysis, Analysis):
        faults = faults_of(analysis, segment)
        if not faults:
            return analysis
        worth = _without(analysis, faults, segment)
        if before is None:
            return Again(again(faults, segment.output_language), worth)
        reason = "the answer's description is nothing but the instructions"
    else:
        if before is None:
            return Again(SHORTER)
        worth, reason = before.worth, "the answer was cut off" if cut else str(analysis)
    return worth or SegmentFailure(f"{reason}, twice", text[:RAW_KEPT])


def faults_of(analysis: Analysis, segment: Segment) -> dict[str, str]:
    """The fault of each text that has one, by field: a key of `AGAIN`. What is on the screen is in any language."""
    prompt = system_prompt(segment.output_language)
    fault = partial(fault_of, language=segment.output_language, prompt=prompt)
    faults = {
        "description": fault(analysis.description),
        "dialogue_translation": fault(analysis.dialogue_translation, source=segment.transcript)
        or (UNTRANSLATED if _untranslated(analysis.dialogue_translation, segment) else None),
        "keywords": fault(", ".join(analysis.keywords)),
        "mood_atmosphere": fault(analysis.mood_atmosphere, few=1),  # no name, however short
    }
    return {field: found for field, found in faults.items() if found}


def parse(text: str, frames: Sequence[float] = ()) -> Analysis | str:
    """The analysis that an answer holds, or what is wrong with it.

    `frames`: their times, in seconds from the segment's start.
    """
    found = json_object(text, _FIELDS)
    if found is None:
        return "the answer is not a JSON object"
    try:
        analysis = Analysis.model_validate(_tidy(found))
        return analysis.model_copy(update={"screen_times": _first_seen(found, analysis.on_screen_text, frames)})
    except ValidationError as error:
        fault = error.errors()[0]
        return f"the answer's {'.'.join(map(str, fault['loc'])) or 'form'}: {fault['msg']}"


def _untranslated(translation: str, segment: Segment) -> bool:
    """Whether a translation is the speech as it was, where that was in another language."""
    language = segment.output_language
    parts = segment.parts or (Part(segment.language, segment.transcript),)
    # A language is heard, and may be misheard: what is written in the output language needs no translation.
    foreign = [part for part in parts if part.language and written_in(part.text, (part.language, language)) != language]
    own = [part.text for part in parts if part not in foreign]
    return is_copy(translation, " ".join(part.text for part in foreign), own=" ".join(own))


def _without(analysis: Analysis, faults: dict[str, str], segment: Segment) -> NotedAnalysis | None:
    """The analysis without what is faulty in it, and a note on that; None if nothing is left of its description.

    A description is cut down to what is said once; in another language it stays, as a segment cannot be without one.
    """
    language, prompt = segment.output_language, system_prompt(segment.output_language)
    left: dict[str, Any] = dict.fromkeys(faults, "")
    for field, fault in faults.items():
        if field == "description":
            left[field] = analysis.description
            if fault == REPEATS:
                left[field] = without_repeats(analysis.description)
            elif fault == ECHOES:
                left[field] = without_echoes(analysis.description, prompt)
            if not left[field]:
                return None
        elif field == "keywords":  # of a list in two languages, those that are in the right one are good
            good = fault == OTHER_LANGUAGE
            left[field] = [word for word in analysis.keywords if good and in_language(word, language, few=1)]
    notes = [f"{field}: {fault} ({_done(left[field], getattr(analysis, field))})" for field, fault in faults.items()]
    return NotedAnalysis(analysis.model_copy(update={**left, "confidence": "низкая"}), "; ".join(notes))


def _done(left: str | list[str], was: str | list[str]) -> str:
    return "left out" if not left else "kept" if left == was else "kept in part"


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
