"""What to tell of a database in a folder that fails: the libraries' own words often name another cause."""

from __future__ import annotations

import os
from pathlib import Path

from videotag.errors import UserError
from videotag.store import mending
from videotag.store.chroma import first_line


class Damaged(UserError):
    """The database cannot be mended; it can be made anew from data/."""


def failure(directory: Path, error: BaseException, was_there: bool) -> UserError:
    """What to tell of a failure of ChromaDB, SQLite or the disk.

    Args:
        was_there: the folder was there once: if it is gone, it has vanished.
    """
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
