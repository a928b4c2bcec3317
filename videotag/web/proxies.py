"""Copies that browsers play, made by ffmpeg in data/proxy/: parts while somebody waits, whole videos one after another.

A copy has its own name as soon as it is whole. A folder has one server that tidies it up: what killed ones have left.
"""

import hashlib
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from videotag import content
from videotag.artifacts import safe_name
from videotag.errors import UserError
from videotag.media import copies
from videotag.media.copies import Copy

ROOM = 20.0  # GB of copies by default
FORM = 2  # raised where copies come out otherwise: the old ones are not used any more
_PARTS_AT_ONCE, _PARTS_WAITING = 2, 12


class Stopped(Exception):
    """The copy is not wanted any more."""


@dataclass
class _Job:
    """A copy under way."""

    copy: Copy
    target: Path
    future: "Future[Path]" = field(default_factory=Future)
    begun: bool = False
    seconds: float = 0.0  # that are done
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class State:
    """How far a copy is.

    Attributes:
        seconds: of the video that are done.
        size: in bytes, where it is ready.
        error: what it failed by.
    """

    state: Literal["none", "waiting", "making", "ready", "failed"]
    seconds: float = 0.0
    size: int = 0
    error: str = ""


class Proxies:
    """The copies of an archive, safe in several threads. `room`: GB that they may take; the least used are deleted."""

    def __init__(self, folder: Path, room: float = ROOM) -> None:
        self.folder, self._room = folder, round(room * 1e9)
        self._jobs: dict[Path, _Job] = {}
        self._failed: dict[Path, str] = {}
        self._lock = threading.Lock()
        self._tidying = threading.Lock()
        self._parts = ThreadPoolExecutor(_PARTS_AT_ONCE, "clip")
        self._wholes = ThreadPoolExecutor(1, "copy")
        self._alone: FileLock | None = None
        if folder.is_dir():
            self._move_in()

    def path(self, name: str, copy: Copy) -> Path:
        """Where a copy of this very file lies, or would; raises UserError if the file is not there."""
        source = content.source_of(copy.path)
        made_of = (FORM, source["size"], source["mtime_ns"], copy.heard, copy.span)
        key = hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]
        return self.folder / f"{safe_name(name)}.{key}.mp4"

    def ready(self, path: Path) -> bool:
        """Whether the copy is there; who asks is about to use it."""
        with suppress(OSError):
            os.utime(path)
            return True
        return False

    def part(self, name: str, copy: Copy) -> "Future[Path]":
        """The part of a video, being made or made; it cannot be cancelled.

        Raises:
            UserError: the file is not there, or too many are waited for.
        """
        path = self.path(name, copy)
        if self.ready(path):
            done: Future[Path] = Future()
            done.set_result(path)
            return done
        with self._lock:
            waiting = sum(not job.begun for job in self._jobs.values() if job.copy.span)
            if path not in self._jobs and waiting >= _PARTS_WAITING:
                raise UserError("too many clips are waited for; try again in a minute")
        return self._begin(path, copy, self._parts).future

    def start(self, name: str, copy: Copy) -> None:
        """Have a whole video copied; nothing happens where it is, or is being, copied already."""
        path = self.path(name, copy)
        if not self.ready(path):
            self._begin(path, copy, self._wholes)

    def cancel(self, name: str, copy: Copy) -> None:
        """Stop copying a video, within a second; forget what it failed by."""
        path = self.path(name, copy)
        with self._lock:
            self._failed.pop(path, None)
            job = self._jobs.pop(path, None)
        if job:
            job.stop.set()

    def state(self, name: str, copy: Copy) -> State:
        path = self.path(name, copy)
        with self._lock:
            job, error = self._jobs.get(path), self._failed.get(path)
        if job:
            return State("making" if job.begun else "waiting", job.seconds)
        if error:
            return State("failed", error=error)
        try:
            return State("ready", size=path.stat().st_size)
        except OSError:
            return State("none")

    def close(self) -> None:
        """End all work, within a second."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.stop.set()
        for pool in (self._parts, self._wholes):
            pool.shutdown(cancel_futures=True)
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(Stopped())
        if self._alone:
            self._alone.release()

    def _begin(self, path: Path, copy: Copy, pool: ThreadPoolExecutor) -> _Job:
        self._move_in()
        with self._lock:
            if path not in self._jobs:
                self._failed.pop(path, None)
                self._jobs[path] = job = _Job(copy, path)
                job.future.set_running_or_notify_cancel()  # one who goes away does not take it from the others
                pool.submit(self._work, job)
            return self._jobs[path]

    def _work(self, job: _Job) -> None:
        def going_on(seconds: float) -> None:
            job.seconds = seconds
            if job.stop.is_set() or not threading.main_thread().is_alive():  # the program is ending, and waits
                raise Stopped
            self._make_room(job.target)

        job.begun = True
        error: Exception | None = None
        try:
            going_on(0.0)
            copies.make(job.copy, job.target, going_on)
            self._make_room(job.target)
        except Exception as raised:  # whatever it is, somebody waits for an answer
            error = raised
        with self._lock:
            if self._jobs.get(job.target) is job:
                del self._jobs[job.target]
                if error and not isinstance(error, Stopped) and not job.copy.span:
                    self._failed[job.target] = str(error)
        if error:
            job.future.set_exception(error)
        else:
            job.future.set_result(job.target)

    def _make_room(self, wanted: Path) -> None:
        """Delete copies, the least used first, until all is within its room.

        Raises:
            UserError: the wanted one alone is larger.
        """
        with self._tidying:
            files = []
            for path in self.folder.iterdir():
                with suppress(OSError):  # it may be gone by now
                    if path.suffix in (".mp4", copies.UNFINISHED):
                        files.append((path.stat().st_mtime, path.stat().st_size, path))
            taken = sum(size for _, size, _ in files)
            for _, size, path in sorted(files):
                if taken > self._room and path.suffix == ".mp4" and path != wanted:
                    with suppress(OSError):  # Windows keeps what is being read
                        path.unlink()
                        taken -= size
            own = sum(size for _, size, path in files if path.name.startswith(wanted.name))
        if own > self._room:
            wanted.unlink(missing_ok=True)
            raise UserError(f"the copy would be larger than {self._room / 1e9:g} GB; give web.py more by --proxy-space")

    def _move_in(self) -> None:
        """Make the folder, and delete what killed servers have left unless another one is at work in it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._tidying:
                if self._alone:
                    return
                lock = FileLock(self.folder / ".lock", thread_local=False)
                with suppress(Timeout):
                    lock.acquire(timeout=0)
                    self._alone = lock
                    for path in self.folder.glob(f"*{copies.UNFINISHED}"):
                        path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be written: {error.strerror}; mend its rights") from None
