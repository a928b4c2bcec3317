"""A database in a folder: short locked sessions, a marker, a seal.

An embedded database is not made for several processes. Every access is therefore a short session: take the lock beside
the folder, open a client, work, close it, release the lock.

A process killed while ChromaDB saves an index can leave it broken. A session leaves a marker that its clean end
removes, and a seal (size and time of the files); who finds a marker, or files that are not as sealed, has the database
checked, and mended if need be.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from videotag.errors import UserError
from videotag.store import mending, repair
from videotag.store.chroma import is_internal, open_folder
from videotag.store.pages import get
from videotag.store.place import VIDEO_FILES, Place
from videotag.store.stamp import Noted, stamp_of, state_of


class Folder(Place):
    """A folder. Safe in several processes."""

    shared = False

    def __init__(self, directory: Path, lock_timeout: float) -> None:
        super().__init__(str(directory), lock_timeout)
        self.directory = directory
        self.marker = Path(f"{directory}.open")
        self.lock = FileLock(f"{directory}.lock", thread_local=False)
        self._repair = repair.Repair(self)
        self._noted: dict[str, Noted] = {}  # of the collections, when the session's client was opened
        self._asked: set[str] = set()  # those that may have changed since
        self._suspect = False  # an operation failed in a way that a broken index does
        self._was_there = False  # the folder was there once: if it is gone, it has vanished

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            self._acquire()
            yield
        except BaseException as error:
            if is_internal(error):  # the marker stays, so that the next call looks
                self._suspect = True
                raise repair.failure(self.directory, error, self._was_there) from error
            raise
        finally:
            try:
                self._close()
            finally:
                self.lock.release()  # nothing if it is not held

    def _acquire(self) -> None:
        if self._was_there and not self.directory.is_dir():
            raise repair.vanished(self.directory)
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            self.lock.acquire(timeout=self._lock_timeout, poll_interval=0.01)
        except Timeout as error:
            raise self._busy() from error
        except OSError as error:
            if mending.lacks_room(self.directory.parent, str(error)):
                raise repair.no_room(self.directory) from error
            raise UserError(
                f"{self.lock.lock_file}: the database cannot be locked ({error.strerror}): choose a folder that "
                "can be written to, or, if it is in the way, delete it"
            ) from error

    def _holder(self) -> str:
        return mending.read_marker(self.marker)

    def notes(self) -> dict[str, Noted]:
        # Whoever changes the files leaves the marker before, and removes it after the seal tells what they are then.
        if self._client is not None or self.marker.exists():
            return {}
        found = mending.noted(self.directory) or {}
        self._was_there |= bool(found)
        return found

    def asked_for(self, name: str) -> None:
        self._asked.add(name)

    def _open(self) -> Any:
        noted = None
        if self.marker.exists():
            self._repair.check(f"was left open by {mending.read_marker(self.marker)}, which did not end well")
        elif (noted := mending.noted(self.directory)) is None:
            self._repair.check("was changed by something else, such as a server")
        self._noted = noted or {}  # a check notes nothing
        try:
            mending.write_marker(self.marker)
        except OSError as error:
            if os.path.lexists(self.marker) and not mending.lacks_room(self.directory.parent, str(error)):
                raise repair.in_the_way(self.marker, error) from error
            raise repair.failure(self.directory, error, self._was_there) from error
        try:
            client = open_folder(self.directory)
        except Exception as error:
            raise repair.failure(self.directory, error, self._was_there) from error
        self._was_there = True
        return client

    def _close(self) -> None:
        if self._client is None:
            return
        client, self._client = self._client, None
        try:
            notes = {} if self._suspect else self._notes(client)
        finally:
            client.close()
            self._asked.clear()
        clean = mending.seal(self.directory, notes) and not self._suspect
        self._suspect = False
        if clean:  # last: what fails before leaves the marker
            self._repair.unmark()

    def _notes(self, client: Any) -> dict[str, Noted]:
        """What the seal is to say of the collections; nobody else can have changed those that nobody asked for."""
        kept = {name: note for name, note in self._noted.items() if name not in self._asked}
        # All of ours: after a check nothing is noted of any.
        names = self._asked | {VIDEO_FILES, *(one.kind.name for one in self.collections)} - kept.keys()
        there = {name: found for name in names if (found := get(client, name)) is not None}
        return kept | {name: Noted(_state_of(found), stamp_of(found)) for name, found in there.items()}

    def exists(self) -> bool:
        if mending.is_there(self.directory):
            return True
        if self._was_there:
            raise repair.vanished(self.directory)
        return False

    def index_path(self, ending: str) -> Path:
        return self.directory / f"index{ending}.sqlite3"

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
            except repair.Damaged as error:
                kept = mending.move_away(self.directory)
                self._repair.unmark()
                self._was_there = False
                raise UserError(
                    f"{str(error).partition(':')[0]}; it is kept as {kept}: run the scripts again, from "
                    "phase1_whisper_frames.py on: they make a new one from data/"
                ) from error


def _state_of(collection: Any) -> str:
    """The records of videos have no generation: they are in another state after each session that may change them."""
    return uuid.uuid4().hex if collection.name == VIDEO_FILES else str(state_of(collection))
