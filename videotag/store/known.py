"""Records of videos that a search has read, kept beside the database for as long as no record of a video changes.

A search needs those of its hits, and opening ChromaDB for them takes longer than all the rest of it. The file holds
nothing of its own: lost, damaged or of another state, it is made anew.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

MOST = 2000  # records at which it begins anew; some kilobytes each
BUSY = 1.0  # s to wait for another process; it is not worth more
_SCHEMA = "CREATE TABLE IF NOT EXISTS known (state TEXT NOT NULL, name TEXT NOT NULL PRIMARY KEY, record TEXT NOT NULL)"
R = TypeVar("R")


class KnownRecords:
    """By the state in which they were read. Safe in several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, state: str, names: Collection[str]) -> dict[str, dict[str, Any]]:
        """Those of these names that are known; {} for a video that has no record."""
        wanted = "SELECT name, record FROM known WHERE state = ? AND name IN (SELECT value FROM json_each(?))"

        def read(db: sqlite3.Connection) -> dict[str, Any]:
            rows = db.execute(wanted, (state, json.dumps(list(names))))
            return {name: json.loads(record) for name, record in rows}

        found = self._opened(read) if self._path.exists() else None
        return found if found and all(isinstance(record, dict) for record in found.values()) else {}

    def is_of(self, state: str) -> bool:
        """Whether something is known of that state."""

        def look(db: sqlite3.Connection) -> bool:
            return db.execute("SELECT 1 FROM known WHERE state = ? LIMIT 1", (state,)).fetchone() is not None

        return bool(self._path.exists() and self._opened(look))

    def keep(self, state: str, records: Mapping[str, Mapping[str, Any]]) -> None:
        """In place of those of other states."""

        def keep(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.execute(_SCHEMA)
            db.execute("DELETE FROM known WHERE state != ? OR (SELECT count(*) FROM known) > ?", (state, MOST))
            rows = [(state, name, json.dumps(record)) for name, record in records.items()]
            db.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", rows)
            db.execute("COMMIT")

        self._opened(keep)

    def _opened(self, work: Callable[[sqlite3.Connection], R]) -> R | None:
        """What `work` makes of the file. A damaged one goes away: a search does not fail for it."""
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY, isolation_level=None)) as db:
                return work(db)
        except sqlite3.OperationalError:  # busy, no rights, disk full
            return None
        except (sqlite3.DatabaseError, ValueError):
            with suppress(OSError):
                self._path.unlink()
            return None
