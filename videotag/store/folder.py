"""A database in a folder: short locked sessions, a marker, a seal.

An embedded database is not made for several processes. Every access is therefore a short session: take the lock beside
the folder, open a client, work, close it, release the lock.

A process killed while ChromaDB saves an index can leave it broken. A session leaves a marker that its clean end
removes, and a seal (size and time of the files); who finds a marker, or files that are not as sealed, has the database
checked, and mended if need be.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from videotag.errors import UserError
from videotag.store import faults, mending
from videotag.store.chroma import is_internal, open_folder
from videotag.store.pages import get
from videotag.store.place import VIDEO_SEGMENTS, Place
from videotag.store.repair import KeptVectors, Repair
from videotag.store.stamp import Embedders, generation_of


@dataclass(frozen=True)
class _OpenClient:
    """A client that stays open between two searches, and what tells whether it may still be used."""

    client: Any
    inode: int
    searched: Any  # the search collection, or None


class Folder(Place):
    """A folder. Safe in several processes."""

    shared = False

    def __init__(self, directory: Path, lock_timeout: float, embedders: Embedders, kept: KeptVectors) -> None:
        """Touch nothing yet: the database is opened, and made, when it is needed.

        Args:
            embedders: make the vectors of a broken index again.
            kept: gives those that need not be made.
        """
        super().__init__(str(directory), lock_timeout)
        self.directory = directory
        self.marker = Path(f"{directory}.open")
        self.lock = FileLock(f"{directory}.lock", thread_local=False)
        self._repair = Repair(directory, self.marker, self.lock, embedders, kept)
        self._client: Any = None
        self._kept: _OpenClient | None = None
        self._resumed: _OpenClient | None = None  # what _client was kept as
        self._suspect = False  # an operation failed in a way that a broken index does
        self._was_there = False  # the folder was there once: if it is gone, it has vanished

    @contextmanager
    def _held(self, keep: bool) -> Iterator[None]:
        try:
            self._acquire()
            self._inside = True
            self._resume(keep)
            yield
        except BaseException as error:
            keep = False
            if is_internal(error):  # the marker stays, so that the next call looks
                self._suspect = True
                raise faults.failure(self.directory, error, self._was_there) from error
            raise
        finally:
            self._inside = False
            try:
                self._close(keep)
            finally:
                self.lock.release()  # nothing if it is not held

    def _acquire(self) -> None:
        if self._was_there and not self.directory.is_dir():
            raise faults.vanished(self.directory)
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            self.lock.acquire(timeout=self._lock_timeout, poll_interval=0.01)
        except Timeout as error:
            raise self._busy() from error
        except OSError as error:
            if mending.lacks_room(self.directory.parent, str(error)):
                raise faults.no_room(self.directory) from error
            raise UserError(
                f"{self.lock.lock_file}: the database cannot be locked ({error.strerror}): choose a folder that "
                "can be written to, or, if it is in the way, delete it"
            ) from error

    def _holder(self) -> str:
        return mending.read_marker(self.marker)

    def client(self) -> Any:
        if self._client is None:
            self._client = self._open()
        return self._client

    def at_hand(self) -> Any:
        return self._resumed and self._resumed.searched

    def _open(self) -> Any:
        if self.marker.exists():
            self._repair.check(f"was left open by {mending.read_marker(self.marker)}, which did not end well")
        elif not mending.is_sealed(self.directory):
            self._repair.check("was changed by something else, such as a server")
        try:
            mending.write_marker(self.marker)
        except OSError as error:
            if os.path.lexists(self.marker) and not mending.lacks_room(self.directory.parent, str(error)):
                raise faults.in_the_way(self.marker, error) from error
            raise faults.failure(self.directory, error, self._was_there) from error
        try:
            client = open_folder(self.directory)
        except Exception as error:
            raise faults.failure(self.directory, error, self._was_there) from error
        self._was_there = True
        return client

    def _resume(self, keep: bool) -> None:
        """Take up the kept client if nobody has written since, or close it."""
        kept, self._kept = self._kept, None
        if kept is None:
            return
        if keep and self._is_current(kept):
            self._client, self._resumed = kept.client, kept
        else:
            kept.client.close()

    def _is_current(self, kept: _OpenClient) -> bool:
        if self.marker.exists() or not mending.is_sealed(self.directory):
            return False
        # Of metadata another process's changes are seen at once; of vectors they are not.
        return self._inode() == kept.inode and _state(get(kept.client, VIDEO_SEGMENTS)) == _state(kept.searched)

    def _inode(self) -> int:
        return (self.directory / mending.DATABASE).stat().st_ino

    def _close(self, keep: bool = False) -> None:
        if self._client is None:
            return
        client, self._client = self._client, None
        resumed, self._resumed = self._resumed, None
        if keep:
            self._kept = resumed or _OpenClient(client, self._inode(), get(client, VIDEO_SEGMENTS))
        else:
            client.close()
        if self._suspect and resumed:
            mending.write_marker(self.marker)
        elif resumed and mending.is_sealed(self.directory):  # mostly: only the first query of a client may write files
            pass
        elif mending.seal(self.directory) and not self._suspect:
            self._repair.unmark()
        self._suspect = False

    def exists(self) -> bool:
        if mending.is_there(self.directory):
            return True
        if self._was_there:
            raise faults.vanished(self.directory)
        return False

    def index_path(self) -> Path:
        return self.directory / "index.sqlite3"

    def clear_up(self) -> None:
        self._close()
        mending.remove_orphans(self.directory)
        mending.seal(self.directory)

    def mend(self) -> list[str]:
        if not self.exists():
            return []
        with self.session():
            self._close()
            try:
                return self._repair.check("is checked on request")
            except faults.Damaged as error:
                kept = mending.move_away(self.directory)
                self._repair.unmark()
                self._was_there = False
                raise UserError(
                    f"{str(error).partition(':')[0]}; it is kept as {kept}: run the scripts again, from "
                    "phase1_whisper_frames.py on: they make a new one from data/"
                ) from error


def _state(collection: Any) -> tuple[str, int] | None:
    return None if collection is None else (str(collection.id), generation_of(collection))
