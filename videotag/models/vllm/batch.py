"""Requests under way in an engine. Knows nothing of vLLM: a scripted engine tests it."""

import itertools
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from videotag.errors import EngineError

log = logging.getLogger("videotag")
OUT_OF_MEMORY = ("out of memory", "outofmemory", "alloc_failed")  # how torch, CUDA and cuBLAS say it
J = TypeVar("J")


@dataclass(frozen=True)
class Finished:
    """What the engine wrote for the request `key`; `cut` if it came to its limit instead of to an end."""

    key: str
    text: str
    cut: bool
    prompt_tokens: int | None = None


class Engine(Protocol):
    """Requests under way at once, advanced together."""

    def add(self, key: str, prepared: Any) -> None:
        """Take a request. Whatever it raises is the request's fault."""
        ...

    def step(self) -> list[Finished]:
        """Advance all requests by a little; those that are finished are given back and forgotten."""
        ...

    def drop(self, keys: list[str]) -> None:
        """Forget requests."""
        ...


class Batch(Generic[J]):
    """The requests of one run, each for a job; `at_once` at most. Running out of memory halves that.

    `what` is the word for a job.
    """

    def __init__(self, engine: Engine, at_once: int, what: str) -> None:
        self.at_once = at_once
        self._engine = engine
        self._what = what
        self._jobs: dict[str, J] = {}
        self._keys = map(str, itertools.count())

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: J, prepared: Any) -> None:
        """Begin a job. Whatever it raises is the job's fault."""
        key = next(self._keys)
        self._engine.add(key, prepared)
        self._jobs[key] = job

    def step(self) -> list[tuple[J, Finished | None]]:
        """The jobs that are finished. None: out of memory, the job has to begin again, and half at once go on.

        Raises:
            EngineError: the engine cannot go on.
        """
        try:
            return [(self._jobs.pop(finished.key), finished) for finished in self._engine.step()]
        except Exception as error:
            if not is_out_of_memory(error):
                remedy = "what is finished is kept, run the same command again"
                raise EngineError(f"vLLM stopped in the middle: {one_line(error)}; {remedy}") from error
            if self.at_once == 1:
                remedy = "lower --gpu-memory-utilization, so that more is left to work with, or take a smaller model"
                told = f"the GPU's memory is not enough for one {self._what} ({one_line(error)})"
                raise EngineError(f"{told}; {remedy}") from error
        # Those under way begin again, as the engine does not know how far they got.
        self.at_once = max(1, min(self.at_once, len(self._jobs)) // 2)
        log.warning("out of memory: going on with %d %ss at once", self.at_once, self._what)
        self._engine.drop(list(self._jobs))
        again: list[tuple[J, Finished | None]] = [(job, None) for job in self._jobs.values()]
        self._jobs.clear()
        return again

    def drop(self) -> None:
        """Forget what is under way."""
        with suppress(Exception):  # it may be the engine that failed
            self._engine.drop(list(self._jobs))
        self._jobs.clear()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is a torch.OutOfMemoryError, or a RuntimeError that says the same."""
    text = f"{type(error).__name__} {error}".lower()
    return any(sign in text for sign in OUT_OF_MEMORY)


def one_line(error: BaseException) -> str:
    """What an error says, in a line of bearable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:299] + "…"
