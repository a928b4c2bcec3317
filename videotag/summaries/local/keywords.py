"""The keywords of a video: those of its segments, weighed by how often they stand in it and how seldom elsewhere."""

import math
from collections import Counter
from collections.abc import Sequence

from videotag.summaries.contract import MOST_KEYWORDS, Archive, Passage
from videotag.text import clean


def weights(passages: Sequence[Passage], archive: Archive) -> dict[str, float]:
    """By keyword in lower case: tf-idf, of the passages that have it and of the other videos that do.

    The archive may hold the video itself: one is taken off, so that its own words do not count as common.
    """
    held = Counter(word for passage in passages for word in dict.fromkeys(map(_key, passage.keywords)))
    held.pop("", None)
    others = max(0, archive.videos - 1)
    return {
        word: (1 + math.log(count)) * (1 + math.log((1 + others) / (1 + max(0, archive.keywords.get(word, 0) - 1))))
        for word, count in held.items()
    }


def keywords(passages: Sequence[Passage], archive: Archive) -> list[str]:
    """The weightiest, at most `MOST_KEYWORDS`, as the segments mostly write them; of equals the earlier."""
    forms: dict[str, Counter[str]] = {}
    for keyword in (clean(keyword) for passage in passages for keyword in passage.keywords):
        forms.setdefault(_key(keyword), Counter())[keyword.strip()] += 1
    weight = weights(passages, archive)
    best = sorted(weight, key=lambda word: -weight[word])[:MOST_KEYWORDS]
    return [forms[word].most_common(1)[0][0] for word in best]


def _key(keyword: str) -> str:
    return clean(keyword).strip().lower()
