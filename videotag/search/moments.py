"""Hits to moments: what a person wants to see of a search.

Windows overlap, so one moment is found two or three times. Hits of one video that touch or overlap are one moment: the
best of them speaks for it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Any

from videotag.search.forms import mentions
from videotag.times import seconds_of

Hit = dict[str, Any]

LEAD = 2.5  # s before the first matching word or text at which a moment starts: who jumps there sees it coming
TOGETHER = 10.0  # s; matching words and texts no farther apart are one mention
GUESSES = 5  # at most so many are shown where nothing is close
_TOUCH = 1e-3  # s; ends and starts of windows are rounded

Range = tuple[float | None, float | None]
"""Seconds in a video, from and to; None is no bound."""


def read_first(limit: int | None) -> int:
    """so many hits `best_moments` reads at first: with the usual windows a moment is mostly three."""
    return 3 * (limit or 10)


def best_moments(
    found: Iterator[Hit],
    query: str = "",
    limit: int | None = 5,
    per_video: int | None = None,
    within: Range = (None, None),
) -> list[Hit]:
    """The best moments; where nothing is close, the best guesses instead.

    Args:
        found: the hits, best first, the close ones before the others; read until there are enough moments or no more
            close hits.
        query: the words that a moment starts at.
        limit: at most so many moments; None is all that are close.
        per_video: at most so many of one video.
        within: what of the videos is asked about; the hits overlap it, the moments lie in it.

    Returns:
        Each the best hit's fields, and the moment's `start` and `end` (seconds in the video).
    """
    hits: list[Hit] = []
    asked = read_first(limit)
    while True:
        hits += islice(found, asked - len(hits))
        near = [hit for hit in hits if hit["close"]]
        moments = _best(merge(near, query, within), limit, per_video)
        if len(hits) < asked or len(near) < len(hits) or (limit and len(moments) == limit):
            return moments or _best(merge(hits, query, within), min(limit or GUESSES, GUESSES), per_video)
        asked *= 3


def merge(hits: Iterable[Hit], query: str = "", within: Range = (None, None)) -> list[Hit]:
    """The moments of these hits, in the order of the best hit of each.

    Args:
        hits: as `ChromaDBManager.search` gives them, best first.
        query: the words that a moment starts at.
        within: as of `best_moments`.
    """
    spans: list[list[tuple[int, Hit]]] = []
    video, end = None, 0.0
    for place, hit in sorted(enumerate(hits), key=lambda ranked: (ranked[1]["video_name"], ranked[1]["start_time"])):
        if hit["video_name"] == video and hit["start_time"] <= end + _TOUCH:
            spans[-1].append((place, hit))
            end = max(end, hit["end_time"])
        else:
            spans.append([(place, hit)])
            video, end = hit["video_name"], hit["end_time"]
    by_rank = [sorted(span, key=itemgetter(0)) for span in spans]
    return [_moment([hit for _, hit in span], query, within) for span in sorted(by_rank, key=lambda span: span[0][0])]


def _moment(span: list[Hit], query: str, within: Range) -> Hit:
    """The moment of a span, its best hit first."""
    best, last = span[0], within[1]
    before = [hit for hit in span[1:] if hit["start_time"] < best["start_time"] < hit["end_time"]]
    end = max(hit["end_time"] for hit in span)
    if "seen_at" not in best and (seen := next((hit for hit in span if "seen_at" in hit), None)):
        best = {**best, "seen_at": seen["seen_at"], "seen_frame": -1}
    return {**best, "start": start_of(best, query, within, before), "end": end if last is None else min(end, last)}


def _best(moments: list[Hit], limit: int | None, per_video: int | None) -> list[Hit]:
    taken: Counter[str] = Counter()
    chosen = []
    for moment in moments:
        taken[moment["video_name"]] += 1
        if per_video is None or taken[moment["video_name"]] <= per_video:
            chosen.append(moment)
    return chosen[:limit]


def start_of(hit: Hit, query: str, within: Range = (None, None), before: Iterable[Hit] = ()) -> float:
    """Where to start playing, in seconds: shortly before what is meant is told best.

    That is where most of the question's words are spoken, or seen as a text, within `TOGETHER`; the first such place.
    Where none is, or their times are not known, that is where the picture shows it, or the segment's start. Never
    outside `within`.

    `before`: hits that reach into this one from before it, in which what is meant may begin.
    """
    own, earliest = _meant(hit, query, within), _earliest(hit, within)
    if not own:
        return max(earliest, round(hit["seen_at"] - LEAD, 3)) if "seen_at" in hit else earliest
    first = max(own, key=lambda place: (len(_told(own, place[0])), -place[0]))[0]
    others = [(time, _earliest(other, within)) for other in before for time, _ in _meant(other, query, within)]
    for time, begin in sorted(others, reverse=True):
        if first - TOGETHER <= time <= first:
            first, earliest = time, min(earliest, begin)
    return max(earliest, round(first - LEAD, 3))


Places = list[tuple[float, frozenset[int]]]
"""When what the query means is heard or seen, s in the video or segment, and which of its words that is."""


def _told(places: Places, start: float) -> frozenset[int]:
    """The query's words that are heard or seen within `TOGETHER` from then on."""
    return frozenset().union(*(words for time, words in places if start <= time <= start + TOGETHER))


def _earliest(hit: Hit, within: Range) -> float:
    return hit["start_time"] if within[0] is None else max(hit["start_time"], within[0])


def _meant(hit: Hit, query: str, within: Range) -> Places:
    """The words and texts that the query means, by the video's time, in order."""
    found = [
        (hit["start_time"] + second, words)
        for second, words in (*_spoken(hit, query), *_written(hit, query), *_shown(hit, query))
    ]
    inside = [(t, words) for t, words in found if _earliest(hit, within) <= t and (within[1] is None or t < within[1])]
    return sorted(inside, key=itemgetter(0))


def _spoken(hit: Hit, query: str) -> Places:
    """The words of the speech that the query means."""
    times = word_times(hit)
    words = list(re.finditer(r"\S+", hit["transcript"])) if times else []
    return [
        (next(t for t, word in zip(times, words, strict=True) if word.start() < last and first < word.end()), meant)
        for first, last, meant in (mentions(hit["transcript"], query) if words else ())
    ]


def _written(hit: Hit, query: str) -> Places:
    """The texts on the screen that the query means, when each was first seen."""
    return _matching(hit.get("on_screen_text") or [], hit.get("screen_times"), query)


def _shown(hit: Hit, query: str) -> Places:
    """The subtitles and chapters that the query means, when each begins."""
    lines = hit.get("subtitles")
    subtitles = _matching(lines.split("\n") if lines else [], hit.get("subtitle_times"), query)
    return [*subtitles, *_matching(hit.get("chapters") or [], hit.get("chapter_times"), query)]


def _matching(texts: list[str], tenths: str | None, query: str) -> Places:
    times = seconds_of(tenths)
    known = zip(texts, times, strict=True) if len(texts) == len(times) else ()
    meant = ((time, mentions(text, query)) for text, time in known)
    return [(time, frozenset().union(*(words for _, _, words in found))) for time, found in meant if found]


def word_times(hit: Hit) -> list[float]:
    """When each word of the transcript starts, in seconds from the segment's start; none if that is not known."""
    times = seconds_of(hit.get("word_times"))
    return times if len(times) == len((hit.get("transcript") or "").split()) else []
