"""A database in a folder checked as after a crash, and mended.

Records and documents stay whole; an index that is broken is moved aside, and its vectors are put in again.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.store import mending, pages
from videotag.store.chroma import first_line, is_internal, open_folder
from videotag.store.stamp import stamp_of

if TYPE_CHECKING:
    from videotag.store.folder import Folder

log = logging.getLogger("videotag")


class Damaged(UserError):
    """The database cannot be mended; it can be made anew from data/."""


class Repair:
    """Checks and mends. The folder's lock is held, and no client is open."""

    def __init__(self, folder: Folder) -> None:
        self._folder, self._directory = folder, folder.directory

    def check(self, why: str) -> list[str]:
        """Look at all of the database and mend it; the broken indexes. `why` it is looked at: for the messages.

        Raises:
            UserError: it is damaged beyond mending (Damaged), or there is no room for the work.
        """
        if not mending.is_there(self._directory):  # killed before it was made
            return []
        try:
            if mending.lacks_room(self._directory, needed=mending.ROOM + mending.index_bytes(self._directory)):
                raise no_room(self._directory)
            if fault := mending.damage(self._directory):
                raise damaged(self._directory, fault)
            broken = self._mend(why)
        except UserError:
            raise
        except (OSError, sqlite3.Error) as error:
            raise failure(self._directory, error, was_there=True) from error
        mending.seal(self._directory)
        self.unmark()
        return broken

    def unmark(self) -> None:
        """Delete the marker: the database was left well."""
        try:
            self._folder.marker.unlink(missing_ok=True)
        except OSError as error:
            raise in_the_way(self._folder.marker, error) from error

    def _mend(self, why: str) -> list[str]:
        """Probe all collections and make the broken indexes anew."""
        self._drop_leftovers()
        indexes = mending.vector_indexes(self._directory)
        names = self._broken([index.collection for index in indexes])
        broken = [index for index in indexes if index.collection in names]
        if not broken:
            log.warning("the database %s %s: nothing is broken", self._directory, why)
            return []
        what = " and ".join(names)
        log.warning("the database %s %s: mending %s, which can take minutes", self._directory, why, what)
        aside = Path(f"{self._directory}.broken")
        mending.move_aside(broken, aside)
        with self._own_client() as client:
            count = sum(self._refill(client, index) for index in broken)
        if self._broken(names):
            raise damaged(self._directory, "its indexes break again")
        shutil.rmtree(aside, ignore_errors=True)
        log.warning("the database %s is mended: %d vectors put in again, nothing is lost", self._directory, count)
        return names

    @contextmanager
    def _own_client(self) -> Iterator[Any]:
        """A client for mending. If it fails on whole indexes, the database is damaged, or the disk is full."""
        try:
            client = open_folder(self._directory)
            try:
                yield client
            finally:
                client.close()
        except BaseException as error:
            if not is_internal(error):
                raise
            if mending.lacks_room(self._directory, first_line(error)):
                raise no_room(self._directory) from error
            raise damaged(self._directory, first_line(error)) from error

    def _drop_leftovers(self) -> None:
        """Delete what a rebuild that was killed before its swap has made so far."""
        names = {index.collection for index in mending.vector_indexes(self._directory)}
        kinds = [known.kind for known in self._folder.collections]
        if leftovers := [kind.rebuild for kind in kinds if {kind.name, kind.rebuild} <= names]:
            with self._own_client() as client:
                for name in leftovers:
                    client.delete_collection(name)
        mending.remove_orphans(self._directory)

    def _broken(self, names: list[str]) -> list[str]:
        context = getattr(self._folder.lock, "_context", None)
        timeout = mending.PROBE_SECONDS * (1 + mending.index_bytes(self._directory) / 10e6)
        probe = [sys.executable, "-m", "videotag.store.probe", str(self._directory)]
        return mending.broken_collections(probe, names, getattr(context, "lock_file_fd", None), timeout)

    def _refill(self, client: Any, index: mending.VectorIndex) -> int:
        """Give every record of a collection with an empty index its vector again; how many."""
        import numpy as np

        collection = client.get_collection(index.collection, embedding_function=None)
        known = [one for one in self._folder.collections if index.collection in (one.kind.name, one.kind.rebuild)]
        if known and stamp_of(collection):
            known[0].refill(collection)
        else:  # then vectors mean nothing: video_files has [1.0]; another program's segments wait for --rebuild
            vector = np.eye(1, index.dimension, dtype=np.float32)
            ids = [id_ for page in pages.read_pages(collection, include=[]) for id_ in page["ids"]]
            for part in pages.in_parts(ids, pages.UPSERT):
                collection.upsert(ids=part, embeddings=vector.repeat(len(part), axis=0))
        return collection.count()


# === What to tell: the libraries' own words often name another cause ===


def failure(directory: Path, error: BaseException, was_there: bool) -> UserError:
    """What to tell of a failure of ChromaDB, SQLite or the disk. `was_there`: a folder that is gone has vanished."""
    if isinstance(error, UserError):
        return error
    text = first_line(error)
    if was_there and not directory.is_dir():
        return vanished(directory)
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if mending.lacks_room(existing, text):
        return no_room(directory)
    if not existing.is_dir() or not _may_write(existing):
        return UserError(
            f"the database {directory} cannot be written to ({text}): mend the folder's rights, or choose "
            "another one with --db"
        )
    return UserError(
        f"the database {directory} failed ({text}): run the same command again, it checks and mends the database first"
    )


def no_room(directory: Path) -> UserError:
    return UserError(
        f"the disk of the database {directory} is full: make room on it ({mending.ROOM >> 20} MB or more), "
        "then run again; nothing is lost"
    )


def vanished(directory: Path) -> UserError:
    return UserError(
        f"the database {directory} has vanished: put the folder back, or run the scripts again, from "
        "phase1_whisper_frames.py on: they make it anew from data/"
    )


def damaged(directory: Path, fault: str) -> Damaged:
    return Damaged(
        f"the database {directory} is damaged ({fault}): run: python run.py doctor --repair --db "
        f"{directory}, then the scripts again: they make a new one from data/"
    )


def in_the_way(marker: Path, error: OSError) -> UserError:
    return UserError(f"{marker}: {error.strerror}: mend the folder's rights, or move it away, then run again")


def _may_write(directory: Path) -> bool:
    database = directory / mending.DATABASE
    return all(os.access(path, os.W_OK) for path in (directory, database) if path.exists())
