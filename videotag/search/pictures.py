"""What the videos' pictures show: the collection video_frames, searched for the segments that show what was asked.

A picture lies farther from all texts than texts do from each other, and how far depends on the model. So there is no
bar: what is near is told by what typical questions find among the same pictures (`OfPictures`). Segments found so join
those found by words and meaning by their ranks (`ranking.joined`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from videotag.embedders.pictures.contract import FrameEmbedder
from videotag.errors import UserError
from videotag.languages import written_in
from videotag.search import ranking
from videotag.search.followed import Followed
from videotag.search.index import Segments
from videotag.search.moments import Range
from videotag.search.ranking import Sighting
from videotag.search.segment_search import ASKED_IN, Chosen
from videotag.search.typical import Typical, typical_questions
from videotag.store.frames import FrameCollection, segment_of
from videotag.store.place import Place
from videotag.store.stamp import REMEMBERED

if TYPE_CHECKING:
    import numpy as np

MOST = 1000  # pictures near to a question that are looked at closely; others join no ranks
FEWEST = 20  # so many, however far they are: where nothing is close, they are the best guesses
NEARLY = 0.1  # standard deviations: what 8 bits may take away
CHANCE = 0.05  # of the questions that no picture answers, so many may seem to be answered
BEFORE = 0.05  # s; a picture is on the screen a little before the time that is asked for

Picture: TypeAlias = "np.ndarray | tuple[str, float]"
"""RGB uint8 [h, w, 3], or a video and a second in it."""


class OfPictures(ranking.Background):
    """What an archive's pictures are to questions by chance.

    The greatest of many follows Gumbel's law where their tail falls as an exponential. Its place and width are read
    from the lower half of what typical questions find, since this archive may well answer some of the others.
    Source: E. J. Gumbel, "Statistics of Extremes", 1958.
    """

    def __init__(self, sample: np.ndarray, total: int, questions: Mapping[str, np.ndarray]) -> None:
        """Measure it.

        Args:
            sample: float32 [n, dimension], unit vectors of pictures that stand for all.
            total: how many these are.
            questions: typical ones by language, float32 [n, dimension] each, by the same embedder.
        """
        import numpy as np

        self._answered: dict[str, float] = {}
        super().__init__(sample, total, Typical(questions, sample[:0]))
        more = math.log(total / len(sample))
        best = {
            language: np.array([self.asked_in(language).deviations(one, sample).max() for one in some])
            for language, some in questions.items()
        }
        self._answered = {language: exceeded_by_chance(found, more) for language, found in best.items()}
        self.close_from = exceeded_by_chance(np.concatenate(list(best.values())), more)

    def asked_in(self, language: str) -> ranking.Background:
        one = super().asked_in(language)
        one.close_from = self._answered.get(language, self.close_from)
        return one


def exceeded_by_chance(greatest: np.ndarray, more: float = 0.0) -> float:
    """What the greatest exceeds for `CHANCE` of the questions that nothing answers.

    Args:
        greatest: of each of some questions, [n], at least half of them unanswered.
        more: the logarithm of how many times more pictures there are than these were the greatest of.
    """
    import numpy as np

    low, middle = np.quantile(greatest, (0.25, 0.5))
    width = (middle - low) / (_gumbel(0.5) - _gumbel(0.25))
    return float(middle + width * (_gumbel(1 - CHANCE) - _gumbel(0.5) + more))


def _gumbel(share: float) -> float:
    """The value below which that share of Gumbel's law lies, of place 0 and width 1."""
    return -math.log(-math.log(share))


class _Known(NamedTuple):
    """What one question can use of another's."""

    frames: Segments  # the pictures, as the index has them
    segments: Segments
    of: np.ndarray  # int64 [n]: the number of the segment in which each lies, -1 where that is not there
    there: np.ndarray  # int64: the numbers of those whose segment is there


class Pictures(FrameCollection):
    """The collection video_frames and the model that made it, loaded when a question is asked of it."""

    def __init__(self, place: Place, load: Callable[[str, str | None], FrameEmbedder]) -> None:
        super().__init__(place)
        self._load, self._lock = load, threading.Lock()
        self._embedder: FrameEmbedder | None = None
        self._of_question = lru_cache(REMEMBERED)(_vector)
        self._known: _Known | None = None
        self._backgrounds: dict[str, tuple[Segments, ranking.Background]] = {}  # of questions, of pictures
        self._followed = Followed(self, exact=0)  # of many pictures exact vectors would take most of the memory

    # === Questions ===

    def remark(self, question: str) -> tuple[str, dict[str, str]] | None:
        """What is to be said of how a question is asked of them: a key of `ask.REMARKS`, and its values."""
        stamp = self._followed.prepared(opening=False)
        if not stamp:
            return None
        try:
            languages = self._embedder_of(stamp).languages
        except UserError as error:
            return "pictures_not_asked", {"why": str(error)}
        language = written_in(question, ASKED_IN)
        if languages is None or not language or language in languages:
            return None
        return "pictures_language", {"language": language}

    def answering(self, question: str, chosen: Chosen, time: Range = (None, None)) -> dict[str, Sighting]:
        """The segments among those chosen that show what was asked, best first; none where no picture can be asked.

        Why that is so tells `remark`.

        Raises:
            Moved: as `ranking.rank`.
        """
        stamp = self._followed.prepared(opening=False)
        if not stamp or not (frames := self._followed.search.now()).count:
            return {}
        try:
            embedder = self._embedder_of(stamp)
            vector = self._of_question(embedder, question)
            typical = typical_questions(embedder, stamp["dimension"])
        except UserError:  # which `remark` tells
            return {}
        background = self._measured(frames, "question", lambda sample, total: OfPictures(sample, total, typical))
        measured = background.asked_in(written_in(question, ASKED_IN))
        return self._nearest(vector, measured, self._placed(frames, chosen.segments), chosen.allowed, time)

    def alike(self, picture: Picture, chosen: Chosen, time: Range) -> dict[str, Sighting]:
        """The segments among those chosen that show what looks like a picture, best first.

        Raises:
            UserError: there are no pictures, or not that one; or there is none who made them.
            Moved: as `ranking.rank`.
        """
        stamp = self._followed.prepared()
        if not stamp or not (frames := self._followed.search.now()).count:
            raise UserError("no vectors of pictures are loaded: see the README, What is seen")
        if isinstance(picture, tuple):
            vector = self._at(*picture)
        else:
            vector = self._embedder_of(stamp).embed_frames([picture])[0]
        background = self._measured(
            frames, "picture", lambda sample, total: ranking.Background(sample, total, None, True)
        )
        return self._nearest(vector, background, self._placed(frames, chosen.segments), chosen.allowed, time)

    def _embedder_of(self, stamp: dict[str, Any]) -> FrameEmbedder:
        """The one that made the pictures' vectors. UserError: it is not there."""
        with self._lock:  # who asks meanwhile waits for it, and loads no second one
            made = self._embedder
            if made is None or (made.name, made.model) != (stamp["embedder"], stamp["model"]):
                made = self._embedder = self._load(stamp["embedder"], stamp["model"])
            return made

    def _at(self, video_name: str, second: float) -> np.ndarray:
        """The vector of the picture that is on the screen: of pictures that look alike the first one is stored."""
        index = self._followed.index
        seconds = {id_: fields["second"] for id_, (fields, _) in index.of_video(video_name).items()}
        if not seconds:
            raise UserError(f'"{video_name}": no picture of it is loaded')
        before = [id_ for id_, at in seconds.items() if at <= second + BEFORE]
        best = max(before, key=seconds.__getitem__) if before else min(seconds, key=seconds.__getitem__)
        return index.exact_vectors([best])[best]

    # === Pictures ===

    def _measured(
        self, frames: Segments, kind: str, measure: Callable[[np.ndarray, int], ranking.Background]
    ) -> ranking.Background:
        """What is near by chance, as long as the pictures stay the same. `kind`: of what is asked."""
        known = self._backgrounds.get(kind)
        if known is None or known[0] is not frames:
            sample = frames.exactly(frames.index.sample(ranking.SAMPLE, frames))[1]
            known = self._backgrounds[kind] = frames, measure(sample, frames.count)
        return known[1]

    def _nearest(
        self, vector: np.ndarray, background: ranking.Background, placed: _Known, allowed: np.ndarray, time: Range
    ) -> dict[str, Sighting]:
        """By the segments' ids the nearest picture of each, best first. `allowed`: which segments, bool [n]."""
        import numpy as np

        frames, of, some = placed.frames, placed.of, placed.there
        if allowed is not placed.segments.alive:
            some = some[allowed[of[some]]]
        near = background.deviations(vector, frames.vectors)[some]
        count = int((near >= background.close_from - NEARLY).sum())
        count = min(max(count, FEWEST), MOST, len(some))
        best = some[np.argpartition(-near, count - 1)[:count]] if count else some
        ids, vectors = frames.exactly(best)
        finer = np.round(background.deviations(vector, vectors), 4) if count else np.zeros(0)
        records, found = self._followed.index.records(ids), {}
        for place in sorted(range(count), key=lambda place: (-finer[place], ids[place])):
            fields = records.get(ids[place], ({}, ""))[0]
            if fields and segment_of(ids[place]) not in found and _is_within(fields["second"], time):
                close = bool(finer[place] > round(background.close_from, 4))
                cosine = float(vectors[place] @ vector)
                found[segment_of(ids[place])] = Sighting(fields["second"], fields["number"], cosine, close)
        return found

    def _placed(self, frames: Segments, segments: Segments) -> _Known:
        import numpy as np

        known = self._known
        if known is None or known.frames is not frames or known.segments is not segments:
            numbers = segments.index.numbers(segments)
            of = np.full(len(frames.alive), -1, np.int64)
            for id_, number in frames.index.numbers(frames).items():
                of[number] = numbers.get(segment_of(id_), -1)
            known = self._known = _Known(frames, segments, of, np.flatnonzero(of >= 0))
        return known


def _vector(embedder: FrameEmbedder, question: str) -> np.ndarray:
    return embedder.embed_questions([question.replace('"', " ")])[0]


def _is_within(second: float, time: Range) -> bool:
    return (time[0] is None or second >= time[0]) and (time[1] is None or second < time[1])
