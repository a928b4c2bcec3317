"""Chapters: those of the file where it has some, else cut where the talk turns to something else.

The cuts are those of TextTiling (Hearst 1997): between passages on whose two sides the words differ, by how deep the
likeness falls there from the peaks around.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from videotag.summaries.contract import Archive, Chapter, Passage, Video
from videotag.summaries.local import names
from videotag.summaries.local.choosing import chosen
from videotag.summaries.local.keywords import keywords, weights
from videotag.summaries.local.sentences import Sentence, is_foreign
from videotag.summaries.local.words import terms, tf_idf
from videotag.text import clean

SIDE = 4  # passages on each side of a cut that are compared: about 2 minutes
LEAST = 3  # passages of a chapter
SHORT = 4  # chapters that a video may have, whatever its length
OFTEN, SELDOM = 300, 600  # s; of a long video a chapter is at least, and should be at most, so long on average
LONG = 1800  # s; a shorter video may be one chapter
DEEP = 0.5  # a cut's likeness, of that of the lower of the peaks around; above it the talk goes on
HEADLINED = 12  # passages, about 7 minutes: a headline on the screen is about no more than that
TITLE_WORDS = (2, 12)  # of a text on the screen that is a headline
MOST = 200  # characters; what `contract.Chapter.title` holds


def chapters(video: Video, found: Sequence[Sentence], archive: Archive) -> list[Chapter]:
    """The chapters of a video; `found` are the sentences of which each gets its best."""
    if video.chapters:
        parts = _of_file(video)
    else:
        firsts = [0, *cuts(video), len(video.passages)]
        parts = [("", first, after - 1) for first, after in pairwise(firsts)]
    return [
        Chapter(
            title=name or title(video, (first, last), archive),
            summary=_summary(found, first, last),
            first_segment=video.passages[first].index,
            last_segment=video.passages[last].index,
        )
        for name, first, last in parts
    ]


def title(video: Video, stretch: tuple[int, int], archive: Archive) -> str:
    """The headline that stands on the screen in these passages, else their weightiest keywords, else their words."""
    some = video.passages[stretch[0] : stretch[1] + 1]
    if len(some) <= HEADLINED and (headline := _headline(some, video, archive)):
        return headline
    words = keywords(some, archive)[:3]
    if not words:
        texts = (clean(text) for p in some for text in (p.translation, p.speech, p.description))
        words = [" ".join(text.split()[:8]) for text in texts if text.strip()][:1]
    text = ", ".join(words)[:MOST].strip()
    return text[:1].upper() + text[1:] or video.name[:MOST]


def cuts(video: Video) -> list[int]:
    """The numbers of the passages with which a new chapter begins, without the first."""
    count = len(video.passages)
    if count < 2 * LEAST:
        return []
    likeness = _likeness(video)
    gaps = range(1, count)
    depth = {gap: _depth(likeness, gap - 1) for gap in gaps}
    most = max(SHORT, int(video.duration / OFTEN)) - 1
    wanted = int(video.duration / SELDOM) - 1 if video.duration >= LONG else 0
    taken: list[int] = []
    for gap in sorted(gaps, key=lambda gap: (-depth[gap], gap)):
        if len(taken) == most or (depth[gap] < DEEP and len(taken) >= wanted):
            break
        if all(abs(gap - other) >= LEAST for other in (0, count, *taken)):
            taken.append(gap)
    return sorted(taken)


def _likeness(video: Video) -> np.ndarray:
    """How like the passages before and after each gap are, cosine: float [passages - 1]."""
    texts = [
        (p.translation or p.speech, "" if p.measured else p.description, *p.on_screen, *p.keywords)
        for p in video.passages
    ]
    vectors = tf_idf([terms(clean(" ".join(some)), video.output_language) for some in texts])
    sides = [
        (vectors[max(0, gap - SIDE) : gap].sum(axis=0), vectors[gap : gap + SIDE].sum(axis=0))
        for gap in range(1, len(texts))
    ]
    return np.array([float(a @ b) / max(1e-9, float(np.linalg.norm(a) * np.linalg.norm(b))) for a, b in sides])


def _depth(likeness: np.ndarray, gap: int) -> float:
    """How far the likeness falls at a gap below the lower of the peaks beside it, 0 to 1 of that peak."""
    peaks = [likeness[gap:], likeness[: gap + 1][::-1]]
    lower = min(_climbed(side) for side in peaks)
    return 1 - float(likeness[gap]) / lower if lower > 0 else 0.0


def _climbed(side: np.ndarray) -> float:
    """The height that is reached going up from the first value until it goes down."""
    top = side[0]
    for value in side[1:]:
        if value < top:
            break
        top = value
    return float(top)


def _summary(found: Sequence[Sentence], first: int, last: int) -> str:
    inside = [one for one in found if first <= one.passages[0] and one.passages[-1] <= last]
    return next((one.text for one in chosen(inside, 1, (first, last))), "")


def _headline(some: Sequence[Passage], video: Video, archive: Archive) -> str:
    """The text on the screen that has most of what these passages are about; "" where none has two words of it."""
    weight = weights(some, archive)
    about: dict[str, float] = {}
    for word, value in weight.items():
        for term in set(terms(word, video.output_language)):
            about[term] = max(value, about.get(term, 0.0))
    said = {term for p in some for term in terms(clean(p.translation or p.speech), video.output_language)}
    elsewhere = {clean(text) for p in video.passages for text in p.on_screen if p not in some}
    best = ("", 0.0)
    for text in dict.fromkeys(clean(text) for p in some for text in p.on_screen):
        words = {term for term in terms(text, video.output_language) if term[0].isalpha()}
        shared = [about.get(term, 0.5 * (term in said)) for term in words]
        right = TITLE_WORDS[0] <= len(text.split()) <= TITLE_WORDS[1] and len(text) <= MOST
        own = not is_foreign(text, video) and text not in elsewhere
        own = own and not any(kind == names.PEOPLE for kind, _ in names.named(text, video.output_language))
        hits = sum(value > 0 for value in shared)
        score = sum(shared) * hits / max(1, len(words))
        if right and own and hits >= 2 and score > best[1]:
            best = (text, score)
    return best[0]


def _of_file(video: Video) -> list[tuple[str, int, int]]:
    """The file's chapters as titles, first and last passages. Of those that share a passage the titles are joined."""
    starts = sorted((chapter["start"], clean(chapter["title"]).strip()) for chapter in video.chapters)
    ends = [passage.start for passage in video.passages[1:]] + [video.passages[-1].end]
    parts: list[tuple[list[str], int]] = []
    for start, name in starts:
        # It begins with the passage of which most comes after its start.
        first = next((n for n, p in enumerate(video.passages) if (p.start + ends[n]) / 2 > start), None)
        first = len(video.passages) - 1 if first is None else first if parts else 0
        if parts and parts[-1][1] == first:
            parts[-1][0].append(name)
        else:
            parts.append(([name], first))
    lasts = [first - 1 for _, first in parts[1:]] + [len(video.passages) - 1]
    joined = [" / ".join(filter(None, names))[:MOST] for names, _ in parts]
    return [(name, first, last) for name, (_, first), last in zip(joined, parts, lasts, strict=True)]
