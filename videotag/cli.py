"""What the scripts have in common: options, what they print, exit codes."""

import argparse
import io
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

from videotag.claims import Held, NotDue
from videotag.errors import ClaimLost, EngineError, UserError
from videotag.text import composed, printable

log = logging.getLogger("videotag")

OK, SOME_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
DATABASE = "chroma_db"

Made = TypeVar("Made")
_BACKGROUND = "background"


def parser(manual: str | None, *, stage: bool = True, database: bool = True) -> argparse.ArgumentParser:
    """A parser with the common options. `manual` is the script's docstring; `stage` adds what only stages know."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file on Windows has no Kazakh letters
            stream.reconfigure(errors="backslashreplace")
    made = argparse.ArgumentParser(description=manual, formatter_class=argparse.RawDescriptionHelpFormatter)
    common = made.add_argument_group("common options")
    if database:
        common.add_argument("--db", metavar="FOLDER", help=f"the database's folder ({DATABASE})")
        server = "a ChromaDB server instead, such as http://127.0.0.1:8000 (CHROMA_URL, unless --db is named)"
        common.add_argument("--chroma-url", metavar="URL", help=server)
    if stage:
        common.add_argument("--data-dir", type=Path, default=Path("data"), metavar="FOLDER", help="for results (data)")
        common.add_argument(
            "--only", action="append", type=composed, metavar="NAME", help="this video only; may be repeated"
        )
        common.add_argument("--force", action="store_true", help="do again what is done already")
        common.add_argument("--dry-run", action="store_true", help="say what would run and why, and do nothing")
    common.add_argument("--debug", action="store_true", help="log more, and show tracebacks")
    return made


def run(script: Callable[[argparse.Namespace], int], args: argparse.Namespace, report: "Report | None" = None) -> int:
    """Run a script's work and turn how it ends into an exit code: 0, 1, 2, 130, or 128 and the signal that ended it."""
    log.handlers[:] = [_Log()]
    log.setLevel(logging.DEBUG if args.debug else logging.WARNING)
    log.propagate = False
    if "db" in args:
        args.chroma_url = args.chroma_url or (None if args.db else os.environ.get("CHROMA_URL")) or None
        args.db = args.db or DATABASE
    # These by default end the process in the middle of ChromaDB's index save; SystemExit lets it close.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _exit_on_signal)
    code = SOME_FAILED
    try:
        try:
            return script(args)
        except (KeyboardInterrupt, SystemExit) as end:
            code = int(end.code or 0) if isinstance(end, SystemExit) else INTERRUPTED
            # --force would start from nothing again; what it has marked is done without it.
            how = " without --force" if report and report.marked else ""
            say(f"interrupted; run the same command again{how} to go on")
        except UserError as error:
            code = USAGE
            for line in str(error).splitlines():
                complain(line)
            _trace(args.debug)
    except (_ReaderGone, BrokenPipeError):
        # The reader (`| head`) has left: nothing more can be printed, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def in_background(work: Callable[[], Made]) -> Made:
    """What `work` gives, done in a thread of its own: a library that is busy for a minute cannot hold Ctrl-C back."""
    outcome: futures.Future[Made] = futures.Future()

    def worker() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=worker, name=_BACKGROUND, daemon=True).start()
    while not outcome.done():
        futures.wait([outcome], timeout=0.2)  # without a timeout Windows would not let a signal in
    return outcome.result()


def leave(code: int) -> NoReturn:
    """End the process with this code; after a signal (128 and its number) at once: what was open is closed already.

    Python would tear the libraries down first: vLLM and torch take 5 s for it, and under a thread that an interruption
    has left `in_background` it fails.
    """
    if code > 128 or any(thread.name == _BACKGROUND for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def say(text: str) -> None:
    """Print a line for the user, without anything that could steer the terminal."""
    _write(printable(text), sys.stdout)


def complain(text: str) -> None:
    """Print a line about something wrong to standard error."""
    _write(f"error: {printable(text)}", sys.stderr)


class _ReaderGone(BaseException):
    """Who reads what is printed has left: the run ends, and no video is to blame."""


def _write(line: str, stream: TextIO) -> None:
    try:
        if "tqdm" in sys.modules:  # a bar may be on the screen: lines go above it
            from tqdm import tqdm

            tqdm.write(line, file=stream)
            stream.flush()
        else:
            print(line, file=stream, flush=True)
    except BrokenPipeError:
        raise _ReaderGone from None


def short(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


@dataclass
class Report:
    """What a stage did: names of videos by how they ended. Printed as the last lines, and turned into the exit code."""

    stage: str
    debug: bool = False
    marked: bool = False  # whether the records say already that --force wants finished work again
    done: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)  # of the skipped: others work on them
    failed: list[tuple[str, str]] = field(default_factory=list)

    def skip(self, name: str, why: str) -> None:
        self.skipped.setdefault(why, []).append(name)

    def fail(self, name: str, error: BaseException) -> None:
        """Note a video that failed. Call it while the error is being handled: --debug shows the traceback."""
        self.failed.append((name, short(error)))
        complain(f"{name}: {short(error)}")
        _trace(self.debug)

    @contextmanager
    def outcome_of(self, name: str) -> Iterator[None]:
        """Work on one video: however it ends, the report has it and the others go on; EngineError ends the run."""
        try:
            yield
        except (Held, NotDue, ClaimLost) as why:
            self.skip(name, f"held by {why}" if isinstance(why, Held) else str(why))
            if not isinstance(why, NotDue):
                self.held.append(name)
        except EngineError:
            raise
        except Exception as error:
            self.fail(name, error)

    def finish(self, where: object) -> int:
        """Print the last lines, with where the results are; give back the exit code."""
        parts = [f"{len(self.done)} done"]
        for why, names in self.skipped.items():
            told = f"{why}: {', '.join(names)}" if len(names) <= 5 else why
            parts.append(f"{len(names)} skipped ({told})")
        if self.failed:
            parts.append("; ".join([f"{len(self.failed)} failed", *(f"{n}: {why}" for n, why in self.failed[:5])]))
        say(f"{self.stage}: {', '.join(parts)}; results: {where}")
        return SOME_FAILED if self.failed else OK


class _Log(logging.Handler):
    """Log lines that leave a progress bar whole."""

    def emit(self, record: logging.LogRecord) -> None:
        _write(printable(f"{record.levelname}: {self.format(record)}"), sys.stderr)


def _exit_on_signal(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def _trace(debug: bool) -> None:
    if debug:
        for line in traceback.format_exc().splitlines():
            print(printable(line), file=sys.stderr)
