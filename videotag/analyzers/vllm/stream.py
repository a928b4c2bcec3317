"""Segments through a batching engine: always full, each answer given out as it comes.

Knows nothing of vLLM: the engine is anything that prepares, takes, steps and drops, so a scripted one tests it.
"""

import itertools
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from videotag.analyzers.answers import Again, judge
from videotag.analyzers.contract import Result, Segment, SegmentFailure
from videotag.models.vllm import batch
from videotag.models.vllm.batch import Batch, one_line

AHEAD = 8  # segments that are prepared beyond those in the engine: about 15 MB of pixels each


class Engine(batch.Engine, Protocol):
    """Takes segments. `prepare` runs in another thread, all else in the caller's."""

    def prepare(self, segment: Segment, more: str) -> Any:
        """Decode the frames and make the engine's input of a segment. Whatever it raises is the segment's fault."""
        ...


@dataclass
class Job:
    """A segment on its way: the judgement on an answer that was no good, and the prepared input of the question."""

    segment: Segment
    before: Again | None
    prepared: Future[Any]


class Stream:
    """One run of segments through an engine, `at_once` requests in it at most; running out of memory halves that."""

    def __init__(self, engine: Engine, at_once: int) -> None:
        self._engine = engine
        self._batch: Batch[Job] = Batch(engine, at_once, "segment")
        self._waiting: deque[Job] = deque()
        # One thread: it prepares 10 segments a second, twice what a large GPU answers, and a tokenizer shared by
        # several threads is not safe.
        self._thread = ThreadPoolExecutor(1, "prepare")

    def run(self, segments: Iterable[Segment]) -> Generator[tuple[Segment, Result], None, None]:
        """See `Analyzer.analyze`. The segments are drawn in this thread, as the engine frees up."""
        source = iter(segments)
        try:
            self._draw(source)
            while self._waiting or len(self._batch):
                yield from self._start()
                if len(self._batch):
                    yield from self._step()
                self._draw(source)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._batch.drop()

    def _draw(self, source: Iterator[Segment]) -> None:
        room = self._batch.at_once + AHEAD - len(self._batch) - len(self._waiting)
        for segment in itertools.islice(source, max(0, room)):  # none is left after `at_once` was halved
            self._waiting.append(self._job(segment, None))

    def _job(self, segment: Segment, before: Again | None) -> Job:
        more = before.more if before else ""
        return Job(segment, before, self._thread.submit(self._engine.prepare, segment, more))

    def _start(self) -> Iterator[tuple[Segment, Result]]:
        """Give the engine what is prepared. An idle engine waits for the preparation, a busy one does not."""
        while self._waiting and len(self._batch) < self._batch.at_once:
            job = self._waiting[0]
            if len(self._batch) and not job.prepared.done():
                return
            self._waiting.popleft()
            try:
                self._batch.put(job, job.prepared.result())
            except Exception as error:
                yield job.segment, SegmentFailure(f"the engine refuses the segment: {one_line(error)}")

    def _step(self) -> Iterator[tuple[Segment, Result]]:
        """What is finished; what is to be asked once more, or begun again, comes before all else."""
        again: list[Job] = []
        for job, finished in self._batch.step():
            if finished is None:
                again.append(self._job(job.segment, job.before))
                continue
            verdict = judge(job.segment, finished.text, finished.cut, job.before)
            if isinstance(verdict, Again):
                again.append(self._job(job.segment, verdict))
            else:
                yield job.segment, verdict
        self._waiting.extendleft(reversed(again))
