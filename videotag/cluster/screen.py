"""How it goes, on one screen: how much is done, what each slot does, how far that is."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from videotag import cli
from videotag.claims import Records
from videotag.cluster.lineup import Step
from videotag.errors import UserError
from videotag.stages import BY_KEY
from videotag.times import clock as shown
from videotag.underway import Underway

if TYPE_CHECKING:
    from videotag.cluster.placing import Placing, Seat

REDRAWN, PLAIN_SECONDS = 1.0, 10.0  # how often it is printed: on a terminal, and elsewhere
FAR_SECONDS = 5.0  # how often it is looked at how far the work in hand is


class Far:
    """How far steps are, by their records and `.part` files, as the page of statuses tells it."""

    def __init__(self, db: Records, data_dir: Path) -> None:
        self._db, self._underway = db, Underway(data_dir)
        self._looked, self._found = float("-inf"), dict[Step, str]()

    def __call__(self, steps: set[Step]) -> dict[Step, str]:
        """Such as "speech 40 %"; of those of which nothing is known yet nothing."""
        if time.monotonic() - self._looked >= FAR_SECONDS:
            self._looked = time.monotonic()
            with suppress(UserError):  # the database is busy, or away for a while
                self._found = self._told(steps)
        return self._found

    def _told(self, steps: set[Step]) -> dict[Step, str]:
        names = sorted({step.video for step in steps})
        records = {record["video_name"]: record for record in self._db.list_videos({"video_name": names})}
        self._underway.forget({(step.video, step.stage) for step in steps})
        found = {}
        for step in steps:
            far = self._underway.step(BY_KEY[step.stage], records.get(step.video, {}), time.time())
            if far and far.total:
                left = f", {shown(far.left)} left" if far.left else ""
                found[step] = f"{far.what} {100 * far.done / far.total:.0f} %{left}"
        return found


class Screen:
    """How it goes: on a terminal a few lines that are drawn anew, elsewhere a line now and then."""

    def __init__(self, total: int, terminal: bool, far: Callable[[set[Step]], dict[Step, str]]) -> None:
        """`far`: tells how far steps are that are at work."""
        self._total, self._terminal, self._far = total, terminal, far
        self._started = self._drawn = time.monotonic()
        self._seconds: float | None = None
        self._height = 0

    def __call__(self, placing: "Placing") -> None:
        if self._seconds is None:
            self._seconds = placing.lineup.seconds()
        now = time.monotonic()
        if now - self._drawn < (REDRAWN if self._terminal else PLAIN_SECONDS):
            return
        self._drawn = now
        told = [self._summary(placing, now)]
        if self._terminal:
            far = self._far({seat.step for seat in placing.seats if seat.step})
            told += [self._of(seat, placing, now, far) for seat in placing.seats]
            told = [line[: shutil.get_terminal_size().columns - 1] for line in told]
            self.clear()
            self._height = len(told)
        for line in told:
            cli.say(line)

    def clear(self) -> None:
        """Before other lines are printed."""
        if self._height:
            print(f"\033[{self._height}F\033[J", end="", flush=True)
            self._height = 0

    def _summary(self, placing: "Placing", now: float) -> str:
        left = placing.lineup.seconds()
        did = (self._seconds or 0.0) - left
        time_left = f", {shown((now - self._started) * left / did)} left" if did > 0 else ""
        slots = f"{sum(seat.step is not None for seat in placing.seats)} of {len(placing.seats)} slots at work"
        failed = f", {len(placing.failed)} failed" if placing.failed else ""
        machines_ = f"{len(placing.keepers)} machine{'s' * (len(placing.keepers) != 1)}"
        return f"{placing.done} of {self._total} steps done{failed}; {machines_}, {slots}{time_left}"

    def _of(self, seat: "Seat", placing: "Placing", now: float, far: dict[Step, str]) -> str:
        if seat.step is None:
            return f"  {seat.machine}: {'idle' if seat.worker else 'starting'}"
        what = f"{placing.works[seat.step.stage].title}: {seat.step.video}"
        return f"  {seat.machine}: {what}, {shown(now - seat.since)}  {far.get(seat.step, '')}".rstrip()
