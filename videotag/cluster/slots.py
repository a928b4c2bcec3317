"""What runs on a machine: a slot, which does one video's stage after another with engines that stay; and its keeper.

Both are plain classes here; placing.py and machines.py make actors of them.
"""

import argparse
import contextlib
import hashlib
import io
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from videotag import claims, cli
from videotag.errors import UserError

log = logging.getLogger("videotag")
PROGRAM = Path(__file__).parents[2]
Ended = Literal["done", "held", "failed", "refused", "interrupted"]


@dataclass(frozen=True)
class Work:
    """A stage's script: its `work`, what builds its engine, and its command line."""

    title: str
    work: Callable[[argparse.Namespace, Callable[..., Any], cli.Report], int]
    load: Callable[..., Any]
    args: argparse.Namespace


@dataclass(frozen=True)
class Outcome:
    """How a step ended.

    `ended`: "held": others work on the video; "refused": it was no fault of the video, and another slot may do it.
    `text`: why. `told`: lines that the script wrote to standard error; `said`: to standard output.
    """

    ended: Ended
    text: str = ""
    told: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def kept(load: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but an engine that was built once for the same choice is given again."""
    made: dict[str, Any] = {}

    def again(*choice: Any) -> Any:
        key = repr([part for part in choice if not callable(part)])  # a callable is the run's, and no choice
        if key not in made:
            made.clear()  # the other choice's memory
            made[key] = load(*choice)
        return made[key]

    return again


@dataclass
class Slot:
    """One process that holds its engines. Not for two threads."""

    works: Mapping[str, Work]
    loads: dict[str, Callable[..., Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.loads = {key: kept(work.load) for key, work in self.works.items()}
        # Ray's own processes are deaf to Ctrl-C, and what they start inherits that; the keeper interrupts by it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def where(self) -> str:
        """This process as claims name their owners: "host:process"."""
        return f"{socket.gethostname()}:{os.getpid()}"

    def do(self, video: str, stage: str, again: bool, gone: frozenset[str] = frozenset()) -> Outcome:
        """One stage of one video, as `--only` of the stage's script does it.

        `gone`: workers that have died, as `where` names them.
        """
        claims.said_gone.update(gone)
        work = self.works[stage]
        args = argparse.Namespace(**{**vars(work.args), "only": [video]})
        args.force = args.force and not again
        report = cli.Report(work.title, args.debug)
        out, err = io.StringIO(), io.StringIO()
        handler = logging.StreamHandler(err)
        log.handlers[:], log.propagate = [handler], False
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            ended, text = self._do(work, self.loads[stage], args, report)
        told = tuple(err.getvalue().splitlines())
        return Outcome(ended, text or (told[-1] if told and ended == "refused" else ""), told, tuple(lines(out)))

    def _do(
        self, work: Work, load: Callable[..., Any], args: argparse.Namespace, report: cli.Report
    ) -> tuple[Ended, str]:
        try:
            code = work.work(args, load, report)
        except KeyboardInterrupt:
            return "interrupted", ""
        except UserError as error:
            return "refused", cli.short(error)
        if report.failed:
            return "failed", report.failed[0][1]
        if report.held:
            return "held", "; ".join(report.skipped)
        return ("refused", "") if code else ("done", "; ".join(report.skipped))


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


class Keeper:
    """One on each machine: tries its folders, and interrupts its slots."""

    def interrupt(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)

    def is_other(self, program: str) -> str:
        """Whether this machine has another version of the program; the fault, or ""."""
        return "" if digest_of_program() == program else f"{PROGRAM}: is another version of the program"

    def write(self, data_dir: Path, name: str) -> str:
        """Leave a file in data/ for the others to read; the fault, or ""."""
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            (data_dir / f".{name}.machine").write_text(name)
        except OSError as error:
            return f"{data_dir}: cannot be written to: {error.strerror}"
        return ""

    def read(self, data_dir: Path, names: list[str], videos: list[str]) -> str:
        """Whether the files that all machines have left are here, and some of the videos; the fault, or ""."""
        for name in names:
            try:
                if (data_dir / f".{name}.machine").read_text() != name:
                    return f"{data_dir}: is another folder than on the other machines"
            except OSError:
                return f"{data_dir}: is another folder than on the other machines"
        for video in videos:
            try:
                with open(video, "rb") as file:
                    file.read(1)
            except OSError as error:
                return f"{video}: cannot be read here: {error.strerror}"
        return ""

    def forget(self, data_dir: Path, name: str) -> None:
        (data_dir / f".{name}.machine").unlink(missing_ok=True)


def digest_of_program() -> str:
    """Of this machine's copy."""
    files = sorted([*PROGRAM.glob("*.py"), *PROGRAM.glob("videotag/**/*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
