"""Videos to slots, until none is left: what Ray is asked for, and what follows when a part of it dies."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from videotag import cli
from videotag.cluster import machines
from videotag.cluster.lineup import Lineup, Step
from videotag.cluster.screen import Screen
from videotag.cluster.slots import Outcome, Slot, Work
from videotag.errors import UserError

HELD_SECONDS = 20.0  # after which a video that others have is asked for again
LOST_SECONDS = 2.0  # the same of one whose worker has died: its lock goes with it
LOOK_SECONDS = 5.0  # how often machines that came or went are looked for
HEAD_SECONDS = 15.0  # of silence after which the first machine is given up
STRIKES = 3  # refusals in a row after which a slot is given up
STOP_SECONDS = 20.0  # that interrupted slots are given to write down that their videos are free again


@dataclass(frozen=True)
class Share:
    """What a slot takes of its machine. A machine with fewer CPUs has one slot with all of them."""

    cpus: float
    gpus: float
    memory: int  # bytes

    def slots(self, has: Mapping[str, float]) -> list["Share"]:
        """What each slot takes of a machine that has this (as Ray names it), as many as fit."""
        cpus = min(self.cpus, has.get("CPU", 0.0))
        if cpus <= 0:
            return []
        counts = [has.get("CPU", 0.0) // cpus]
        if self.gpus:
            counts.append(has.get("GPU", 0.0) // self.gpus)
        if self.memory:
            counts.append(has.get("memory", 0.0) // self.memory)
        return [Share(cpus, self.gpus, self.memory)] * int(min(counts))


@dataclass
class Seat:
    """A slot as it is seen from here. `worker`: its process, "host:process", once it is there."""

    actor: Any
    node: str
    machine: str
    worker: str = ""
    step: Step | None = None
    since: float = 0.0
    strikes: int = 0
    rests_until: float = 0.0


class HeadGone(Exception):
    """The cluster has lost its first machine, and with it what its workers are asked by."""


@dataclass
class Placing:
    """One run over the cluster.

    Attributes:
        ray: the module, connected.
        works: what a slot can do, by the stages' keys.
        lineup: what there is to be done.
        tried: tries the folders of new machines; raises UserError.
    """

    ray: Any
    works: Mapping[str, Work]
    lineup: Lineup
    share: Share
    tried: Callable[[dict[str, Any]], None]
    debug: bool = False
    failed: dict[str, str] = field(default_factory=dict)
    done: int = 0
    keepers: dict[str, Any] = field(default_factory=dict)
    seats: list[Seat] = field(default_factory=list)
    running: dict[Any, Seat] = field(default_factory=dict)  # by the call's reference
    gone: set[str] = field(default_factory=set)  # workers that have died
    waited_for: set[str] = field(default_factory=set)  # videos that others have had, and that were told
    shunned: set[str] = field(default_factory=set)  # machines that came late and see other folders
    refused: str = ""  # why the last slot that was given up was
    looked: float = float("-inf")
    screen: Screen | None = None
    silent_since: float | None = None  # the first machine, by the monotonic clock

    def to_the_end(self, screen: Screen) -> None:
        """Do all of it, as far as it can be done.

        Raises:
            UserError: no slot is left, or the cluster is gone.
            HeadGone: Ray cannot be asked any more.
            KeyboardInterrupt, SystemExit: interrupted; the slots have given their videos back.
        """
        self.screen = screen
        try:
            while self.lineup:
                self._look()
                self._place()
                self._collect()
                screen(self)
        except HeadGone:
            raise
        except BaseException:
            self._stop()
            raise

    def _look(self) -> None:
        """Slots on machines that have come; those of machines that have gone are dropped when their calls fail."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        if not self._head_is_there():
            return
        there = machines.alive(self.ray)
        known = self.keepers.keys() | self.shunned
        came = {node: machines.keeper(self.ray, node) for node in there if node not in known}
        self.keepers = {node: keeper for node, keeper in self.keepers.items() if node in there}
        self.seats = [seat for seat in self.seats if seat.node in there or seat.step]
        # Their processes start while the folders are tried; where these are others Ray ends them, as nobody holds them.
        seats = [self._seat(node, each) for node in came for each in self.share.slots(there[node])]
        ours = self._of_ours(came) if came else {}
        self.keepers |= ours
        self.seats += [seat for seat in seats if seat.node in ours]
        if not self.seats:
            fits = f"{self.share.cpus:g} CPUs, {self.share.gpus:g} GPUs and {self.share.memory / 2**30:g} GB of memory"
            raise UserError(self.refused or f"no machine has room for a slot of {fits}")

    def _head_is_there(self) -> bool:
        """Whether Ray can be asked at all: without its first machine a question hangs, and then ends the process.

        Raises:
            HeadGone: it has not been there for a while.
        """
        if machines.head_answers(self.ray):
            self.silent_since = None
            return True
        if self.silent_since is None:
            self.silent_since = time.monotonic()
        elif time.monotonic() - self.silent_since > HEAD_SECONDS:
            raise HeadGone("the cluster's first machine does not answer any more")
        return False

    def _of_ours(self, came: dict[str, Any]) -> dict[str, Any]:
        """Those that see our folders; raises UserError if one of the first does not."""
        if not self.keepers:
            self.tried(came)
            return came
        ours: dict[str, Any] = {}
        for node, keeper in came.items():
            try:
                self.tried({**self.keepers, node: keeper})
                ours[node] = keeper
            except UserError as error:
                self.shunned.add(node)
                self._tell(cli.complain, f"a machine that has come is not used: {error}")
        return ours

    def _seat(self, node: str, share: Share) -> Seat:
        options = {"num_cpus": share.cpus, "num_gpus": share.gpus, "memory": share.memory or None}
        # On another machine a dead slot's engines would be built again for nothing: that one has its own slots.
        kept = {"max_restarts": -1, "scheduling_strategy": machines.on(node)}
        actor = self.ray.remote(Slot).options(**options, **kept).remote(self.works)
        return Seat(actor, node, machines.name_of(self.ray, node))

    def _place(self) -> None:
        now = time.monotonic()
        # Whoever was asked longest ago: what one machine finds held another may find free, by its own locks.
        for seat in sorted(self.seats, key=lambda seat: seat.since):
            if seat.step is None and seat.rests_until <= now:
                if not seat.worker and not self._is_up(seat):
                    continue
                if (step := self.lineup.take(now)) is None:
                    return
                seat.step, seat.since = step, now
                self.running[seat.actor.do.remote(step.video, step.stage, step.again, frozenset(self.gone))] = seat

    def _is_up(self, seat: Seat) -> bool:
        """Whether its process is there: a step is given to none that may never come."""
        if seat.actor not in [s.actor for s in self.running.values()]:
            self.running[seat.actor.where.remote()] = seat
            seat.rests_until = float("inf")
        return False

    def _collect(self) -> None:
        ready, _ = self.ray.wait(list(self.running), num_returns=1, timeout=0.5) if self.running else ([], [])
        if not self.running:
            time.sleep(0.2)
        for ref in ready:
            seat = self.running.pop(ref)
            try:
                answer = self.ray.get(ref)
            except self.ray.exceptions.RayError as error:
                self._died(seat, error)
                continue
            if isinstance(answer, Outcome):
                self._ended(seat, answer)
            else:
                seat.worker, seat.rests_until = answer, 0.0

    def _died(self, seat: Seat, error: Exception) -> None:
        """Its worker, its machine or the link to it: somebody else goes on with the video."""
        if seat.worker:
            self.gone.add(seat.worker)
        step, seat.step, seat.worker = seat.step, None, ""
        now = time.monotonic()
        seat.rests_until = now + LOST_SECONDS
        seat.strikes += 1
        why = f"its worker on {seat.machine} has died ({type(error).__name__})"
        if step is not None:
            if self.lineup.lost(step, now + LOST_SECONDS):
                self._tell(cli.say, f"{step.video}: {why}; it is gone on with")
            else:
                self._fail(step, f"{why}, and so have others before: look at Ray's logs on that machine")
        if seat.strikes >= STRIKES or not self._head_is_there() or seat.node not in machines.alive(self.ray):
            self._give_up(seat, why)

    def _ended(self, seat: Seat, outcome: Outcome) -> None:
        step, seat.step = seat.step, None
        assert step is not None
        for line in (*outcome.told, *(outcome.said if self.debug else ())):
            self._tell(cli.say, f"{seat.machine}: {line}")
        now = time.monotonic()
        if outcome.ended != "refused":
            seat.strikes = 0
        if outcome.ended == "done":
            self.done += 1
            self.lineup.done(step)
        elif outcome.ended == "failed":
            self._fail(step, outcome.text)
        elif outcome.ended == "held":
            if step.video not in self.waited_for:
                self.waited_for.add(step.video)
                self._tell(cli.say, f"{step.video}: {outcome.text}; it is waited for")
            self.lineup.later(step, now + (LOST_SECONDS if step.again else HELD_SECONDS))
        else:
            self.lineup.later(step, now)
            seat.strikes += 1
            seat.rests_until = now + LOST_SECONDS * 2**seat.strikes
            if seat.strikes >= STRIKES:
                self._give_up(seat, f"{self.works[step.stage].title} on {seat.machine}: {outcome.text}")

    def _fail(self, step: Step, why: str) -> None:
        self.failed[step.video] = why
        self.lineup.drop(step)
        self._tell(cli.complain, f"{step.video}: {self.works[step.stage].title}: {why}")

    def _give_up(self, seat: Seat, why: str) -> None:
        self._tell(cli.complain, f"a slot on {seat.machine} is given up: {why}")
        self.refused = why
        self.seats.remove(seat)
        self.looked = float("-inf")

    def _stop(self) -> None:
        busy = [seat for seat in self.running.values() if seat.step and seat.worker and seat.node in self.keepers]
        for seat in busy:
            self.keepers[seat.node].interrupt.remote(int(seat.worker.rpartition(":")[2]))
        refs = [ref for ref, seat in self.running.items() if seat in busy]
        if refs:
            self.ray.wait(refs, num_returns=len(refs), timeout=STOP_SECONDS)

    def _tell(self, how: Callable[[str], None], line: str) -> None:
        if self.screen is not None:
            self.screen.clear()
        how(line)
