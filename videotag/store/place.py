"""Where a database lies: in a folder, or behind a server. What both have in common."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.store.stamp import Noted

if TYPE_CHECKING:
    from videotag.store.collection import VectorCollection

VIDEO_FILES = "video_files"

LOCK_TIMEOUT = 120.0  # s
# ChromaDB saves an index after so many changes, and each fresh client applies again what came since. At its default of
# 1,000 that can be 6 s of CPU (900 replaced vectors) in every session, even one that only counts; at 100, below 0.6 s.
SYNC_THRESHOLD = 100


class Place(ABC):
    """A database's place. Safe in several threads: one session at a time."""

    shared: bool  # others may change the database while a session lasts

    def __init__(self, title: str, lock_timeout: float) -> None:
        """`title`: the folder or the address, for messages. `lock_timeout`: see `ChromaDBManager`."""
        self.title = title
        self.collections: list[VectorCollection] = []
        self._lock_timeout = lock_timeout
        self._thread_lock = threading.RLock()
        self._inside = False  # a session of the thread that holds _thread_lock is running
        self._client: Any = None

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold the database. May be nested."""
        if not self._thread_lock.acquire(timeout=self._lock_timeout):
            raise self._busy()
        outermost, self._inside = not self._inside, True
        try:
            with self._held() if outermost else nullcontext():
                yield
        finally:
            self._inside = not outermost
            self._thread_lock.release()

    @contextmanager
    def reading(self) -> Iterator[bool]:
        """A session, or none where there is no database: reading makes nothing. Gives whether there is one."""
        there = self.exists()
        with self.session() if there else nullcontext():
            yield there

    @abstractmethod
    def _held(self) -> AbstractContextManager[None]:
        """An outermost session."""

    def client(self) -> Any:
        """The session's client of ChromaDB, opened at its first use."""
        if self._client is None:
            self._client = self._open()
        return self._client

    @property
    def is_open(self) -> bool:
        """Whether the session has its client already."""
        return self._client is not None

    @abstractmethod
    def _open(self) -> Any: ...

    @abstractmethod
    def notes(self) -> dict[str, Noted]:
        """What is known of each collection without holding or opening the database; {}: nothing for certain.

        It was so at a moment of this call. Others may change the database meanwhile, unless it is held.
        """

    @abstractmethod
    def asked_for(self, name: str) -> None:
        """A collection has been handed out, and may be changed in this session."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is a database, or what is left of one; False before the first writing session."""

    @abstractmethod
    def index_path(self, ending: str) -> Path:
        """The file for a collection's index, which is made from it. `ending`: of the name, see `Kind.index`."""

    @abstractmethod
    def clear_up(self) -> None:
        """Delete what a deleted collection has left on the disk, where that is not the server's own affair."""

    def mend(self) -> list[str]:
        """See `ChromaDBManager.mend`; a server's database is mended in its folder."""
        return []

    def _busy(self) -> UserError:
        return UserError(
            f"the database {self.title} is busy: {self._holder()} has held it for more than "
            f"{self._lock_timeout:.0f} s: run again when that has ended"
        )

    @abstractmethod
    def _holder(self) -> str:
        """Who holds the database, for the message that it is busy."""
