"""Where a database lies: in a folder, or behind a server. What both have in common."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from videotag.errors import UserError

VIDEO_FILES = "video_files"
VIDEO_SEGMENTS = "video_segments"
REBUILD = "video_segments_rebuild"  # exists only while a rebuild swaps

LOCK_TIMEOUT = 120.0  # s
# ChromaDB saves an index after so many changes, and each fresh client applies again what came since. At its default of
# 1,000 that can be 6 s of CPU (900 replaced vectors) in every session, even one that only counts; at 100, below 0.6 s.
SYNC_THRESHOLD = 100


class Place(ABC):
    """A database's place. Safe in several threads: one session at a time.

    Attributes:
        title: the folder or the address, for messages.
        shared: others may change the database while a session lasts.
    """

    shared: bool

    def __init__(self, title: str, lock_timeout: float) -> None:
        """`lock_timeout`: seconds to wait for another process's or thread's session."""
        self.title = title
        self._lock_timeout = lock_timeout
        self._thread_lock = threading.RLock()
        self._inside = False  # a session of the thread that holds _thread_lock is running

    @contextmanager
    def session(self, keep: bool = False) -> Iterator[None]:
        """Hold the database. May be nested.

        Args:
            keep: only the search collection is read, and the client may stay open for the next such session.

        Raises:
            UserError: the database stays busy, cannot be opened, or failed inside.
        """
        if not self._thread_lock.acquire(timeout=self._lock_timeout):
            raise self._busy()
        try:
            if self._inside:
                yield
            else:
                with self._held(keep):
                    yield
        finally:
            self._thread_lock.release()

    @contextmanager
    def reading(self, keep: bool = False) -> Iterator[bool]:
        """A session, or none where there is no database: reading makes nothing. Gives whether there is one."""
        if not self.exists():
            yield False
            return
        with self.session(keep):
            yield True

    @abstractmethod
    def _held(self, keep: bool) -> AbstractContextManager[None]:
        """An outermost session."""

    @abstractmethod
    def client(self) -> Any:
        """The session's client of ChromaDB, opened at its first use."""

    def at_hand(self) -> Any:
        """The search collection, if the session has it already, as it is now; asking for it takes milliseconds."""
        return None

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is a database, or what is left of one; False before the first writing session."""

    @abstractmethod
    def index_path(self) -> Path:
        """The file for the search's index, which is made from the database."""

    @abstractmethod
    def clear_up(self) -> None:
        """Delete what a deleted collection has left on the disk, where that is not the server's own affair."""

    @abstractmethod
    def mend(self) -> list[str]:
        """Check the database as after a crash, and mend it; the collections whose index was broken.

        Raises:
            UserError: it was damaged beyond mending, and is kept under another name; the line says how to go on.
        """

    def _busy(self) -> UserError:
        return UserError(
            f"the database {self.title} is busy: {self._holder()} has held it for more than "
            f"{self._lock_timeout:.0f} s: run again when that has ended"
        )

    @abstractmethod
    def _holder(self) -> str:
        """Who holds the database, for the message that it is busy."""
