"""Segments through a batching engine: always full, each answer given out as it comes.

Knows nothing of vLLM: the engine is anything that prepares, takes, steps and drops, so a scripted one tests it.
"""

import itertools
import logging
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from videotag.analyzers.answers import Again, judge
from videotag.analyzers.contract import Result, Segment, SegmentFailure
from videotag.errors import EngineError

log = logging.getLogger("videotag")
AHEAD = 8  # segments that are prepared beyond those in the engine: about 15 MB of pixels each
OUT_OF_MEMORY = ("out of memory", "outofmemory", "alloc_failed")  # how torch, CUDA and cuBLAS say it


@dataclass(frozen=True)
class Answer:
    """What the engine wrote for the request `key`; `cut` if it came to its limit instead of to an end."""

    key: str
    text: str
    cut: bool


class Engine(Protocol):
    """Requests under way at once, advanced together. `prepare` runs in another thread, all else in the caller's."""

    def prepare(self, segment: Segment, more: str) -> Any:
        """Decode the frames and make the engine's input of a segment. Whatever it raises is the segment's fault."""
        ...

    def add(self, key: str, prepared: Any) -> None:
        """Take a request. Whatever it raises is the segment's fault."""
        ...

    def step(self) -> list[Answer]:
        """Advance all requests by a little; those that are finished are given back and forgotten."""
        ...

    def drop(self, keys: list[str]) -> None:
        """Forget requests."""
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
        self.at_once = at_once
        self._engine = engine
        self._waiting: deque[Job] = deque()
        self._running: dict[str, Job] = {}
        self._keys = map(str, itertools.count())
        # One thread: it prepares 10 segments a second, twice what a large GPU answers, and a tokenizer shared by
        # several threads is not safe.
        self._thread = ThreadPoolExecutor(1, "prepare")

    def run(self, segments: Iterable[Segment]) -> Generator[tuple[Segment, Result], None, None]:
        """See `Analyzer.analyze`. The segments are drawn in this thread, as the engine frees up."""
        source = iter(segments)
        try:
            self._draw(source)
            while self._waiting or self._running:
                yield from self._start()
                for answer in self._step() if self._running else ():
                    yield from self._take(answer)
                self._draw(source)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)
            with suppress(Exception):  # it may be the engine that failed
                self._engine.drop(list(self._running))

    def _draw(self, source: Iterator[Segment]) -> None:
        room = self.at_once + AHEAD - len(self._running) - len(self._waiting)
        for segment in itertools.islice(source, max(0, room)):  # none is left after `at_once` was halved
            self._waiting.append(self._job(segment, None))

    def _job(self, segment: Segment, before: Again | None) -> Job:
        more = before.more if before else ""
        return Job(segment, before, self._thread.submit(self._engine.prepare, segment, more))

    def _start(self) -> Iterator[tuple[Segment, Result]]:
        """Give the engine what is prepared. An idle engine waits for the preparation, a busy one does not."""
        while self._waiting and len(self._running) < self.at_once:
            job = self._waiting[0]
            if self._running and not job.prepared.done():
                return
            self._waiting.popleft()
            key = next(self._keys)
            try:
                self._engine.add(key, job.prepared.result())
            except Exception as error:
                yield job.segment, SegmentFailure(f"the engine refuses the segment: {one_line(error)}")
            else:
                self._running[key] = job

    def _step(self) -> list[Answer]:
        """What is finished. An engine that runs out of memory goes on with half the requests."""
        try:
            return self._engine.step()
        except Exception as error:
            if not is_out_of_memory(error):
                remedy = "what is finished is kept, run the same command again"
                raise EngineError(f"vLLM stopped in the middle: {one_line(error)}; {remedy}") from error
            if self.at_once == 1:
                remedy = "lower --gpu-memory-utilization, so that more is left to work with, or take a smaller model"
                told = f"the GPU's memory is not enough for one segment ({one_line(error)})"
                raise EngineError(f"{told}; {remedy}") from error
        # Those under way begin again, as the engine does not know how far they got.
        self.at_once = max(1, min(self.at_once, len(self._running)) // 2)
        log.warning("out of memory: going on with %d segments at once", self.at_once)
        self._engine.drop(list(self._running))
        again = [self._job(job.segment, job.before) for job in self._running.values()]
        self._running.clear()
        self._waiting.extendleft(reversed(again))
        return []

    def _take(self, answer: Answer) -> Iterator[tuple[Segment, Result]]:
        job = self._running.pop(answer.key)
        verdict = judge(job.segment, answer.text, answer.cut, job.before)
        if isinstance(verdict, Again):
            self._waiting.appendleft(self._job(job.segment, verdict))
        else:
            yield job.segment, verdict


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is a torch.OutOfMemoryError, or a RuntimeError that says the same."""
    text = f"{type(error).__name__} {error}".lower()
    return any(sign in text for sign in OUT_OF_MEMORY)


def one_line(error: BaseException) -> str:
    """What an error says, in a line of bearable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:299] + "…"
