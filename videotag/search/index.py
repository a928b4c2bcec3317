"""The words and the vectors of all segments: an index beside the search collection, one SQLite file (FTS5).

Words, for names, numbers and rare words, which vectors blur. Vectors, to compare a question with every one of them:
ChromaDB's own index (HNSW) looks at some, and where half of the segments say the same, as silent ones do, no question
finds up to a third of the others by it (benchmarks/README.md). The file holds nothing of its own: it is made from the
collection, remembers which state of it that was, and is made again when it is lost or damaged.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import random
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from videotag.errors import UserError
from videotag.search.forms import document_words, every_word, query_words, words_as_written
from videotag.search.spelling import key

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

Result = TypeVar("Result")
Entry = tuple[str, str, "np.ndarray"]
"""A segment: its id, the text whose words are found, its vector (float32 [dimension] of length 1)."""

FORM = 3  # of the file and of the words in it; a change makes the index anew
NOT_UNIT = 1e-3  # a vector whose length differs so much from 1 is damaged

_SCHEMA = f"""
    CREATE TABLE segment (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, vector BLOB NOT NULL);
    CREATE VIRTUAL TABLE word USING fts5(words, detail=none, columnsize=0, tokenize="unicode61 remove_diacritics 0");
    CREATE VIRTUAL TABLE vocabulary USING fts5vocab(word, row);
    CREATE TABLE spelling (sound TEXT NOT NULL, word TEXT NOT NULL, PRIMARY KEY (sound, word)) WITHOUT ROWID;
    CREATE TABLE state (made_from TEXT NOT NULL);
    PRAGMA user_version = {FORM};
"""
BUSY = 60.0  # s to wait for another process that is writing
COMMON = 0.25  # of the segments: a query's word that occurs in more is looked up only if there is no better one


@dataclass(frozen=True, eq=False)
class Segments:
    """What is compared with a question: all n segments of one state."""

    file: int  # the index's `file`
    ids: list[str]
    numbers: np.ndarray  # int64 [n], rising: the index's own keys
    vectors: np.ndarray  # float32 [n, dimension], of length 1

    @cached_property
    def rows(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.ids)}


class SegmentIndex:
    """The words and vectors of all segments, in one file.

    Safe in several threads and processes; kill -9 leaves the last state.

    A damaged file, or one of another form, is deleted with a warning: the index is then empty and `state` None.
    Methods raise UserError when the file cannot be read or written: busy for a minute, no rights, disk full.
    """

    def __init__(self, path: str | Path) -> None:
        """Touch nothing yet: the file is made, with its folder, when something is written."""
        self.path = Path(path)

    @property
    def state(self) -> str | None:
        """What `update` was told last; None: there is no index."""
        return self._read(_state, None)

    @property
    def file(self) -> int:
        """Another one each time that the index is made from nothing: then the same numbers are other segments'."""
        return self._read(_file, 0)

    def ids(self) -> set[str]:
        """The segments in it."""
        return self._read(lambda db: {id_ for (id_,) in db.execute("SELECT id FROM segment")}, set())

    def update(self, state: str, changed: Iterable[Entry], removed: Iterable[str] = (), *, since: str | None) -> bool:
        """Put segments in, in place of those of the same id, and take others out: all of it or nothing.

        Args:
            state: of the collection with these changes, to be compared with `state` later.
            since: the state that the changes start from; None starts from nothing.

        Returns:
            Whether it was done: not if another process has moved the index on from `since` meanwhile.
        """
        try:
            return self._update(state, changed, removed, since)
        except sqlite3.DatabaseError as error:
            self._drop(error)
            return False

    def _update(self, state: str, changed: Iterable[Entry], removed: Iterable[str], since: str | None) -> bool:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fault = f"the search index {self.path} cannot be made ({error})"
            raise UserError(f"{fault}: check the folder's rights") from error
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            if since is None:
                _empty(db)
            elif _state(db) != since:
                db.execute("ROLLBACK")
                return False
            for id_ in removed:
                _remove(db, id_)
            for id_, text, vector in changed:
                _remove(db, id_)
                row = (id_, vector.astype("<f4").tobytes())
                number = db.execute("INSERT INTO segment (id, vector) VALUES (?, ?)", row).lastrowid
                words = " ".join(document_words(text))
                db.execute("INSERT INTO word (rowid, words) VALUES (?, ?)", (number, words))
                written = ((key(word), word) for word in words_as_written(text))
                db.executemany("INSERT OR IGNORE INTO spelling VALUES (?, ?)", written)
            db.execute("DELETE FROM state")
            db.execute("INSERT INTO state VALUES (?)", (state,))
            db.execute("COMMIT")
            return True

    def segments(self) -> Segments:
        """All of them; none where there is no index."""
        return self._read(_segments, _none())

    def shares(self, query: str, segments: Segments, every: bool = False) -> np.ndarray:
        """Which part of the query's words each of the segments holds, float64 [n], 0 to 1; a rare word weighs more.

        Args:
            query: free text; nothing in it is an operator.
            every: every word as it stands, those that say nothing and numbers in words too.
        """
        import numpy as np

        wanted = every_word(query) if every else query_words(query)
        nothing = np.zeros(len(segments.ids))
        return self._read(lambda db: _shares(db, wanted, segments), nothing) if wanted else nothing

    def spelled(self, sounds: Collection[str], begun: bool = False) -> dict[str, list[str]]:
        """As of `videotag.search.meant.ArchiveWords`; those of deleted segments may still be among them."""
        return self._read(lambda db: _spelled(db, sounds, begun), {})

    def occurrences(self, forms: Collection[str]) -> dict[str, int]:
        """In how many segments each form of a word is."""
        return self._read(lambda db: dict(db.execute(_OCCURRENCES, (json.dumps(list(forms)),))), {})

    def _read(self, read: Callable[[sqlite3.Connection], Result], nothing: Result) -> Result:
        if not self.path.exists():
            return nothing
        try:
            with self._open() as db:
                return read(db)
        except sqlite3.DatabaseError as error:
            self._drop(error)
            return nothing

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=BUSY, isolation_level=None)) as db:
            form = db.execute("PRAGMA user_version").fetchone()[0]
            if form not in (0, FORM):
                raise sqlite3.DatabaseError(f"form {form}, not {FORM}")
            yield db

    def _drop(self, error: sqlite3.DatabaseError) -> None:
        """Delete a file that is at fault itself; a disk or a lock that is makes it a UserError."""
        code = getattr(error, "sqlite_errorname", None) or "SQLITE_NOTADB"  # none: raised here
        if code.split("_")[1] not in _DAMAGED:
            raise UserError(
                f"the search index {self.path} cannot be used ({error}): check the folder's rights and the disk's free "
                "space, or run again when no other program is writing to it"
            ) from error
        log.warning("the search index %s is unusable (%s) and is made anew", self.path, error)
        for suffix in ("-journal", ""):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)


_DAMAGED = ("ERROR", "CORRUPT", "NOTADB", "FORMAT", "CONSTRAINT")
"""SQLite's result codes for a file with other contents than were written; ERROR is a table that is not there."""


def _state(db: sqlite3.Connection) -> str | None:
    if not db.execute("PRAGMA user_version").fetchone()[0]:
        return None
    row = db.execute("SELECT made_from FROM state").fetchone()
    return row[0] if row else None


def _file(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA application_id").fetchone()[0]


def _empty(db: sqlite3.Connection) -> None:
    for table in ("vocabulary", "word", "spelling", "segment", "state"):
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {random.randrange(1, 2**31)}")


def _remove(db: sqlite3.Connection, id_: str) -> None:
    row = db.execute("SELECT number FROM segment WHERE id = ?", (id_,)).fetchone()
    if row:
        db.execute("DELETE FROM word WHERE rowid = ?", row)
        db.execute("DELETE FROM segment WHERE number = ?", row)


def _none() -> Segments:
    import numpy as np

    return Segments(0, [], np.zeros(0, np.int64), np.zeros((0, 0), np.float32))


def _segments(db: sqlite3.Connection) -> Segments:
    import numpy as np

    if _state(db) is None:
        return _none()
    db.execute("BEGIN")  # nobody changes it between the two
    total, size = db.execute("SELECT count(*), coalesce(max(length(vector)), 0) FROM segment").fetchone()
    ids, numbers = [], np.zeros(total, np.int64)
    vectors = np.zeros((total, size // 4), np.float32)
    for row, (number, id_, vector) in enumerate(db.execute("SELECT number, id, vector FROM segment ORDER BY number")):
        if len(vector) != size:
            raise sqlite3.DatabaseError(f"the vector of {id_} is of another dimension")
        ids.append(id_)
        numbers[row], vectors[row] = number, np.frombuffer(vector, "<f4")
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    if not (np.abs(lengths - 1) <= NOT_UNIT).all():  # nor if one is nan
        raise sqlite3.DatabaseError("a vector is not as long as it was made")
    return Segments(_file(db), ids, numbers, vectors)


def _shares(db: sqlite3.Connection, wanted: list[tuple[str, ...]], segments: Segments) -> np.ndarray:
    import numpy as np

    numbers, shares = segments.numbers, np.zeros(len(segments.ids))
    if not segments.ids or _file(db) != segments.file:
        return shares
    db.execute("BEGIN")  # all of it of one state
    if not (total := db.execute("SELECT count(*) FROM segment").fetchone()[0]):  # another client has emptied it
        return shares
    counts = [_occurrences(db, forms) for forms in wanted]
    weights = [math.log(1 + total / max(count, 1)) for count in counts]
    telling = any(0 < count <= COMMON * total for count in counts)
    for forms, weight, count in zip(wanted, weights, counts, strict=True):
        if telling and count > COMMON * total:
            continue
        match = " OR ".join(f'"{form}"' for form in forms)
        rows_of = db.execute("SELECT rowid FROM word WHERE word MATCH ?", (match,))
        found = np.fromiter(itertools.chain.from_iterable(rows_of), np.int64)
        rows = np.minimum(np.searchsorted(numbers, found), len(numbers) - 1)
        shares[rows[numbers[rows] == found]] += weight  # another client may have put more in meanwhile
    return shares / sum(weights)


_OCCURRENCES = "SELECT term, doc FROM vocabulary WHERE term IN (SELECT value FROM json_each(?))"
_BEGUN = 20  # words of one beginning


def _spelled(db: sqlite3.Connection, sounds: Collection[str], begun: bool) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if begun:
        rows = "SELECT ?1, word FROM spelling WHERE sound BETWEEN ?1 AND ?1 || '~' LIMIT ?2"
        pairs = [pair for sound in sounds for pair in db.execute(rows, (sound, _BEGUN))]
    else:
        rows = "SELECT sound, word FROM spelling WHERE sound IN (SELECT value FROM json_each(?))"
        pairs = db.execute(rows, (json.dumps(list(sounds)),)).fetchall()
    for sound, word in pairs:
        found.setdefault(sound, []).append(word)
    return found


def _occurrences(db: sqlite3.Connection, forms: tuple[str, ...]) -> int:
    marks = ", ".join("?" * len(forms))
    return db.execute(f"SELECT coalesce(max(doc), 0) FROM vocabulary WHERE term IN ({marks})", forms).fetchone()[0]
