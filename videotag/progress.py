"""How far a long job is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from typing import Any

from videotag.cli import say
from videotag.text import printable
from videotag.times import clock

PLAIN_SECONDS = 10.0  # how often progress is printed where there is no terminal


class Progress:
    """A bar with rate and time left on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, what: str, total: float, unit: str, done: float = 0.0) -> None:
        from tqdm import tqdm

        self._what, self._total, self._unit = printable(what), total, unit
        self._done = self._first = done
        self._started = self._printed = time.monotonic()
        self._bar: Any = None
        self._over = False
        if sys.stderr.isatty():
            self._bar = tqdm(total=round(total, 1), initial=round(done, 1), desc=self._what, unit=unit, leave=False)

    @property
    def done(self) -> float:
        return self._done

    def of(self, total: float) -> None:
        """Say that there is more or less to do than it seemed."""
        self._total = total
        if self._bar is not None:
            self._bar.total = round(total, 1)

    def to(self, done: float) -> None:
        """Say that so much of the total is done."""
        if self._over:  # told by a thread that was left behind
            return
        done = min(max(done, self._done), self._total)
        if self._bar is not None:
            self._bar.update(round(done - self._done, 1))
        self._done = done
        if self._bar is None and time.monotonic() - self._printed >= PLAIN_SECONDS:
            self._printed = time.monotonic()
            say(self._line())

    def add(self, more: float = 1) -> None:
        self.to(self._done + more)

    def _line(self) -> str:
        rate = (self._done - self._first) / (time.monotonic() - self._started)
        left = f", {clock((self._total - self._done) / rate)} left" if rate > 0 else ""
        return f"{self._what}: {self._done:.0f} of {self._total:.0f} {self._unit}, {rate:.1f} {self._unit}/s{left}"

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc: object) -> None:
        self._over = True
        if self._bar is not None:
            self._bar.close()
