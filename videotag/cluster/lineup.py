"""What is to be done next: the longest video first, its stages one after the other."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_LOST = 3  # workers that a video may take with it before it is left alone: it may be the video that kills them


@dataclass(frozen=True)
class Step:
    """One stage (its key) of one video."""

    video: str
    stage: str
    again: bool = False  # it was begun in this run: --force has marked it, and must not begin anew


class Lineup:
    """The steps that are left. Of a video one is given out at a time.

    Args:
        stages: for each video the stages to come, in order.
        lengths: of the videos, in seconds; what is not known counts as nothing.
    """

    def __init__(self, stages: Mapping[str, Sequence[str]], lengths: Mapping[str, float]) -> None:
        self._left = {name: list(keys) for name, keys in stages.items() if keys}
        self._lengths = lengths
        self._ready = [(-lengths.get(name, 0.0), name) for name in self._left]
        heapq.heapify(self._ready)
        self._waiting: list[tuple[float, str]] = []  # until when, in seconds of the clock that is given
        self._begun: set[Step] = set()
        self._lost: dict[str, int] = {}

    def __len__(self) -> int:
        """Steps that are left, those in work among them."""
        return sum(map(len, self._left.values()))

    def seconds(self) -> float:
        """Length of what is left, a video once for each of its stages."""
        return sum(self._lengths.get(name, 0.0) * len(keys) for name, keys in self._left.items())

    def take(self, clock: float) -> Step | None:
        """The next step; None where all that are left are in work or wait."""
        while self._waiting and self._waiting[0][0] <= clock:
            self._push(heapq.heappop(self._waiting)[1])
        if not self._ready:
            return None
        _, name = heapq.heappop(self._ready)
        stage = self._left[name][0]
        return Step(name, stage, Step(name, stage) in self._begun)

    def done(self, step: Step) -> None:
        """On with the video's next stage."""
        self._left[step.video].pop(0)
        if self._left[step.video]:
            self._push(step.video)
        else:
            del self._left[step.video]

    def drop(self, step: Step) -> None:
        """The video has failed: what comes after is not done either."""
        del self._left[step.video]

    def later(self, step: Step, until: float) -> None:
        """Others have it: asked again."""
        heapq.heappush(self._waiting, (until, step.video))

    def lost(self, step: Step, until: float) -> bool:
        """Its worker has died; whether it is to be tried again, which another one then goes on with."""
        self._begun.add(Step(step.video, step.stage))
        self._lost[step.video] = self._lost.get(step.video, 0) + 1
        if self._lost[step.video] >= MOST_LOST:
            return False
        self.later(step, until)
        return True

    def _push(self, name: str) -> None:
        heapq.heappush(self._ready, (-self._lengths.get(name, 0.0), name))
