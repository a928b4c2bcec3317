"""Ranking: how near a segment is in meaning, and how many of the question's words it holds, made one order.

Vectors of one model lie close together: all segments have much in common, and so have all questions. What is common is
taken away (the mean of a sample of the segments; of the typical questions' mean the half, for it is not this archive's
own), and what is left is measured by what chance makes of it: the standard deviation between the typical questions in
the question's language and that sample, to which typical segments are added while it is small. A share of the
question's words adds to that. Figures chosen with benchmarks/search_quality.py; taking the mean away: Mu and Viswanath,
"All-but-the-Top", 2018.

What is close has to be nearer than the nearest of all segments is by chance, which is the nearer the more there are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from videotag.search.coarse import EightBits, products

if TYPE_CHECKING:
    import numpy as np

    from videotag.search.index import Segments
    from videotag.search.typical import Typical

SAMPLE = 1000  # segments that stand for all
COMMON = 0.5  # of the typical questions' mean, taken away
WEIGHT = 3.0  # standard deviations that all of the question's words are worth
ALL = 0.999  # of a question's words: what rounding makes of 1
FEWEST = 20  # segments; with fewer, typical ones help to tell what chance makes of a question
LEAST = 5  # segments; of fewer as much is asked as of so many
AT_FIRST, AS_GROWS = 0.9, 0.44
"""How near the nearest of n segments is to a question that none answers: AT_FIRST + AS_GROWS ln n, in deviations.

The greatest of n grows as ln n where the tail is exponential, and this one is nearer to that than to a normal one,
whose greatest is sqrt(2 ln n): words, and what is akin and no answer, bring some nearer. The two figures are a
compromise on five sets, 30 to 19,000 texts (benchmarks/README.md).
"""
NOTHING = 1e-5  # of lengths and deviations: what float32 makes of 0
AGAIN = 200  # segments scored again by their exact vectors: the best ten were among the best 21 by 8 bits (benchmarks)
DEPTH, GUESSED = 1000, 20  # of those found by words and meaning as many join ranks with pictures; that are not close
AT_THE_TOP = 60  # added to a rank: how little the first differs from the second (Cormack and others)
BARELY = 1e-3  # the same of a length that is the root of a difference


@dataclass(frozen=True)
class Sighting:
    """The picture of a segment that shows best what was asked.

    Attributes:
        second: of the video, when it is on the screen.
        number: its place among the segment's frames as phase 1 stored them; -1 if it did not.
        cosine: with what was asked.
        close: whether it answers, by what chance makes of pictures.
    """

    second: float
    number: int
    cosine: float
    close: bool


@dataclass(frozen=True)
class Ranked:
    """A segment found: its cosine with the question, and whether it answers or is merely the least far.

    `evidence`: by what it is ranked, in standard deviations; `share`: which part of the question's words it holds.
    `seen`: where it was ranked by a picture, too.
    """

    id: str
    cosine: float
    close: bool
    evidence: float
    share: float
    seen: Sighting | None = None


class Background:
    """What an archive's segments have in common, and how far from a question they lie by chance."""

    def __init__(self, sample: np.ndarray, total: int, typical: Typical | None, alike: bool = False) -> None:
        """Measure it.

        Args:
            sample: float32 [n, dimension], unit vectors of segments that stand for all.
            total: how many these are.
            typical: by the same embedder. None: not known, and of few segments all are close.
            alike: the question is itself a segment.
        """
        import numpy as np

        few = len(sample) < FEWEST
        unknown = few and typical is None
        segments = np.vstack([sample, typical.segments]) if few and typical is not None else sample
        self._segment = np.zeros(sample.shape[1:], np.float32) if unknown else segments.mean(axis=0)
        of_languages = {} if alike or typical is None else typical.questions
        questions = np.vstack(list(of_languages.values())) if of_languages else segments
        self._question = COMMON * questions.mean(axis=0)
        by_chance = _unit(questions - self._question) @ _unit(segments - self._segment).T
        if questions is segments:
            by_chance = by_chance[~np.eye(len(segments), dtype=bool)]  # nothing is near to itself by chance
        self._spread = _deviation(by_chance)
        ends = np.cumsum([len(some) for some in of_languages.values()])[:-1]
        parts = np.split(by_chance, ends) if of_languages else ()
        self._spreads = {language: _deviation(part) for language, part in zip(of_languages, parts, strict=True)}
        self.close_from = -math.inf if unknown else nearest_by_chance(total)
        self._known: list[tuple[np.ndarray | EightBits, np.ndarray]] = []  # all segments, and `_shortened` of them

    def asked_in(self, language: str) -> Background:
        """The same for a question in that language, ISO 639-1; one that is not known is any."""
        one = copy.copy(self)
        one._spread = self._spreads.get(language, self._spread)
        return one

    def deviations(self, question: np.ndarray, segments: np.ndarray | EightBits) -> np.ndarray:
        """How much nearer than by chance, in standard deviations, float32 [n].

        Args:
            question: float32 [dimension].
            segments: float32 [n, dimension], unit vectors; a hundred thousand of them are not copied.
        """
        towards = _unit(question - self._question)
        along = products(segments, towards) - self._segment @ towards
        return along * self._shortened(segments) / self._spread

    def _shortened(self, segments: np.ndarray | EightBits) -> np.ndarray:
        """1 by the length that is left of each without what is common, float32 [n]; 0 where none is left.

        Of most it is kept: every question asks for that of all, and what is measured here is of one state of them.
        """
        import numpy as np

        for known, shortened in self._known:
            if known is segments:
                return shortened
        common = self._segment
        lengths = np.sqrt(np.maximum(1 - 2 * products(segments, common) + common @ common, 0))
        shortened = np.where(lengths > BARELY, 1 / np.maximum(lengths, BARELY), 0).astype(np.float32)
        if len(segments) > max([SAMPLE, *(len(known) for known, _ in self._known)]):  # not of those a filter leaves
            self._known[:] = [(segments, shortened)]
        return shortened


def nearest_by_chance(total: int) -> float:
    """How near the nearest of so many segments is to a question that none answers, in standard deviations."""
    return AT_FIRST + AS_GROWS * math.log(max(total, LEAST))


def rank(
    segments: Segments,
    among: np.ndarray,
    shares: np.ndarray,
    question: np.ndarray,
    background: Background,
    page: int,
) -> Iterator[Ranked]:
    """All of them, best first: compared at once, put in order as far as they are asked for.

    Of many segments, whose vectors are compared in 8 bits, those that come near are scored again by their exact ones.

    Args:
        among: bool [n], only these segments.
        shares: [n], which part of the question's words occurs in each, 0 to 1.
        question: float32 [dimension].
        background: of the whole archive.
        page: about so many will be asked for, 1 or more.

    Raises:
        Moved: what is to be given is not there by now, or is another one.
    """
    import numpy as np

    numbers, exact = np.flatnonzero(among), isinstance(segments.vectors, np.ndarray)
    rough = shares if exact else shares.astype(np.float32)
    if 4 * len(numbers) > len(among):  # then copying them would take longer
        some = segments.vectors
        evidence = _evidence(background.deviations(question, some), rough, background)[numbers]
    else:
        some = segments.vectors[numbers]
        evidence = _evidence(background.deviations(question, some), rough[numbers], background)
    for best in _best_first(evidence, page if exact else max(page, AGAIN), exact):
        ids, vectors = segments.exactly(numbers[best])
        held = shares[numbers[best]]
        finer = _evidence(background.deviations(question, vectors), held, background)
        order = sorted(range(len(ids)), key=lambda place: (-finer[place], ids[place]))
        for place in order:
            close = bool(finer[place] >= np.round(background.close_from, 4))
            yield Ranked(ids[place], float(vectors[place] @ question), close, float(finer[place]), float(held[place]))


def joined(told: Iterator[Ranked], shown: Mapping[str, Ranked], seen: Mapping[str, Sighting]) -> Iterator[Ranked]:
    """Segments by words and meaning, and by pictures, in one order: by the sum of 1 / (60 + rank) of both orders.

    Their scores cannot be compared. An order is of those that are close in it, so that what says nothing of a question
    has no word in it; where nothing is close in either, of its best ones. The rest follow as words and meaning have it.
    Source: Cormack, Clarke, Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009.

    Args:
        told: best first, the close ones before the others.
        shown: by ids those that are `seen`, as `told` has them.
        seen: by ids, best first.
    """
    first: list[Ranked] = []
    for hit in islice(told, DEPTH):
        first.append(hit)
        if not hit.close and (first[0].close or len(first) == GUESSED):
            break
    by_words = [hit for hit in first if hit.close]
    by_pictures = [id_ for id_, picture in seen.items() if picture.close and id_ in shown]
    if not by_words and not by_pictures:
        by_words, by_pictures = first, [id_ for id_ in seen if id_ in shown]
    ranks: dict[str, float] = {}
    for rank_, id_ in (*enumerate((hit.id for hit in by_words), 1), *enumerate(by_pictures, 1)):
        ranks[id_] = ranks.get(id_, 0.0) + 1 / (AT_THE_TOP + rank_)
    known = {hit.id: hit for hit in by_words} | {id_: shown[id_] for id_ in by_pictures}
    for id_ in sorted(ranks, key=lambda id_: -ranks[id_]):
        picture = seen.get(id_) if id_ in by_pictures else None
        yield replace(known[id_], close=known[id_].close or bool(picture and picture.close), seen=picture)
    yield from (hit for hit in chain(first, told) if hit.id not in ranks)


def _evidence(deviations: np.ndarray, shares: np.ndarray, background: Background) -> np.ndarray:
    import numpy as np

    evidence = deviations + WEIGHT * shares
    # What holds every word of the question answers, however unlike it the rest is.
    evidence = np.where(shares > ALL, np.maximum(evidence, background.close_from), evidence)
    return np.round(evidence, 4)  # equal vectors are to rank equal, whatever a product's order of adding


def _best_first(evidence: np.ndarray, page: int, ties: bool) -> Iterator[np.ndarray]:
    """The places by falling evidence, a page and then thrice as many at a time; sorting a million would take long.

    `ties`: what is equal to the last one of a page comes with it.
    """
    import numpy as np

    left = np.arange(len(evidence))
    while len(left):
        now = evidence[left]
        if page >= len(left):
            best = np.ones(len(left), bool)
        elif ties:
            best = ~(now < np.partition(now, -page)[-page])  # ends with nan, too
        else:
            best = np.zeros(len(left), bool)
            best[np.argpartition(now, -page)[-page:]] = True
        yield left[best]
        left, page = left[~best], 3 * page


def _deviation(by_chance: np.ndarray) -> float:
    """The standard deviation; 1 of what does not deviate."""
    spread = float(by_chance.std()) if by_chance.size else 0.0
    return spread if spread > NOTHING else 1.0


def _unit(rows: np.ndarray) -> np.ndarray:
    """Each of length 1, and those of no length 0."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.where(lengths > NOTHING, rows / np.maximum(lengths, NOTHING), 0)
