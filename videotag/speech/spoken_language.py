"""Which language is spoken in each span of speech: what the engine thinks of each, and a memory of the neighbours.

A hidden Markov model over the spans, solved by Viterbi's algorithm: the language is the state, what the engine thinks
of a span is its emission, and a change of language costs. Arithmetic, no I/O.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from videotag.speech.words import Expected

_SWITCH = 2.0
"""Nats that a change of language costs: what is twice to tenfold as likely in a single short span changes nothing."""
_EXPECTED = 0.5  # nats by which the one language that the list names is more likely
_FLOOR = 1e-3  # no single span may rule a language out
_WHOLE_SECONDS = 3.0  # what is shorter says less: the engine was made for 30 s
_CLEARLY, _CLEAR_SECONDS = 0.5, 5.0
"""From this probability and length on, another language than the named one is believed."""
_SURELY = 0.8  # a shorter span is believed from here on, if the language is in the file at all


@dataclass(frozen=True)
class Spoken:
    """The language of a span, ISO 639-1, and how likely the engine finds it there (0..1)."""

    language: str
    probability: float


def spoken(seconds: Sequence[float], likely: Sequence[dict[str, float]], expected: Expected) -> list[Spoken]:
    """The language of each span.

    Args:
        seconds: the spans' lengths.
        likely: of each, the probability of each language; {} where the engine cannot tell or was not asked.
    """
    allowed = expected.languages
    if any(likely) and (untold := [language for language in allowed if not any(language in each for each in likely)]):
        # The engine that tells languages does not know it: what is expected is all that is known.
        return [Spoken(untold[0], 0.0)] * len(seconds)
    if len(allowed) > 1:
        likely = [_among(allowed, found) for found in likely]
    states = sorted({max(found, key=lambda language: found[language]) for found in likely if found} | set(allowed))
    if not states:
        return [Spoken(expected.before, 0.0)] * len(seconds)
    named = allowed[0] if len(allowed) == 1 else ""
    path = _cheapest([_costs(states, *span, named) for span in zip(seconds, likely, strict=True)], expected.before)
    if named:
        path = _named_or_clear(path, seconds, likely, named)
    return [Spoken(state, found.get(state, 0.0)) for state, found in zip(path, likely, strict=True)]


def surely(likely: dict[str, float], among: Collection[str]) -> str:
    """Which of these languages the engine is sure of in a span by itself, "" where it is of none."""
    return next((language for language in among if likely.get(language, 0.0) >= _SURELY), "")


def _among(allowed: Sequence[str], found: dict[str, float]) -> dict[str, float]:
    total = sum(found.get(language, 0.0) for language in allowed)
    return {language: found.get(language, 0.0) / total for language in allowed} if total else {}


def _costs(states: Sequence[str], seconds: float, found: dict[str, float], named: str) -> dict[str, float]:
    weight = min(1.0, seconds / _WHOLE_SECONDS) if found else 0.0
    costs = {state: -weight * math.log(max(found.get(state, 0.0), _FLOOR)) for state in states}
    if named:
        costs[named] -= _EXPECTED
    return costs


def _cheapest(costs: Sequence[dict[str, float]], before: str) -> list[str]:
    """Viterbi's path: of the ways through all spans the one that costs least."""
    total = {state: _SWITCH if before and before != state else 0.0 for state in costs[0]}
    came_from: list[dict[str, str]] = []
    for cost in costs:
        best = min(total, key=lambda state: total[state])
        stays = {state: total[state] <= total[best] + _SWITCH for state in total}
        came_from.append({state: state if stays[state] else best for state in total})
        total = {state: min(total[state], total[best] + _SWITCH) + cost[state] for state in total}
    state = min(total, key=lambda state: total[state])
    path = [state]
    for origin in reversed(came_from[1:]):
        path.append(state := origin[state])
    return path[::-1]


def _named_or_clear(
    path: Sequence[str], seconds: Sequence[float], likely: Sequence[dict[str, float]], named: str
) -> list[str]:
    """The path, but where another language than the named one is not clear: there it is the named one.

    It is clear in a run of 5 s; or in shorter ones whose every span is sure, where those make 5 s together.
    """
    sure: defaultdict[str, float] = defaultdict(float)
    for state, length, found in zip(path, seconds, likely, strict=True):
        sure[state] += length if found.get(state, 0.0) >= _SURELY else 0.0
    clear: list[str] = []
    for state, run in groupby(range(len(path)), key=lambda number: path[number]):
        spans = list(run)
        length = sum(seconds[n] for n in spans)
        asked = sum(seconds[n] for n in spans if likely[n])
        mean = sum(seconds[n] * likely[n].get(state, 0.0) for n in spans) / max(asked, 1e-9)
        long = length >= _CLEAR_SECONDS and mean >= _CLEARLY
        known = sure[state] >= _CLEAR_SECONDS and mean >= _SURELY
        clear += [state if long or known else named] * len(spans)
    return clear
