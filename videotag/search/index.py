"""What a search reads: fields, documents, words and vectors of all segments, beside the collection, one SQLite file.

Words (FTS5), for names, numbers and rare words, which vectors blur. Vectors, to compare a question with every one of
them: ChromaDB's own index (HNSW) looks at some, and where half of the segments say the same, as silent ones do, no
question finds up to a third of the others by it (benchmarks/README.md). Values, for filters (`passing`). The file holds
nothing of its own: it is made from the collection, remembers which state of it that was, and is made again when it is
lost or damaged.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from videotag.errors import UserError
from videotag.search import coarse, passing
from videotag.search.forms import document_words, every_word, query_words, words_as_written
from videotag.search.spelling import key
from videotag.store.pages import Snapshot
from videotag.store.records import segment_words

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

Result = TypeVar("Result")

FORM = 3  # of the file and of the words in it; a change makes the index anew

_SCHEMA = f"""
    CREATE TABLE segment (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        start_time REAL, end_time REAL, added REAL, shot_on INTEGER, record BLOB NOT NULL);
    CREATE INDEX bounds ON segment (start_time, end_time, added, shot_on);
    CREATE VIRTUAL TABLE word
        USING fts5(words, content="", detail=none, columnsize=0, tokenize="unicode61 remove_diacritics 0");
    CREATE VIRTUAL TABLE vocabulary USING fts5vocab(word, row);
    CREATE TABLE spelling (sound TEXT NOT NULL, word TEXT NOT NULL, PRIMARY KEY (sound, word)) WITHOUT ROWID;
    CREATE TABLE state (made_from TEXT NOT NULL);
    {passing.SCHEMA}; {coarse.SCHEMA};
    PRAGMA user_version = {FORM};
"""
PAGE_SIZE = 8192  # bytes: five vectors of 384 dimensions, where SQLite's 4096 take two
BUSY = 60.0  # s to wait for another process that is writing
COMMON = 0.25  # of the segments: a query's word that occurs in more is looked up only if there is no better one
KEPT = 32  # words that occur in more, of which it is remembered where: a million bytes each of a million segments
SPARE = 1000  # numbers of replaced segments that may stand beside as many as there are segments


class Entry(NamedTuple):
    """A segment as the index wants it."""

    id: str
    fields: Mapping[str, Any]
    document: str
    vector: np.ndarray  # float32 [dimension] of length 1


class Moved(Exception):
    """What was read of the index is no longer there: another process has made it anew, or changed these segments."""


class _OlderForm(sqlite3.DatabaseError):
    """The index is of an earlier version: nothing is wrong with it."""


@dataclass(frozen=True, eq=False)
class Segments:
    """What is compared with a question: all segments of one state. n is more: numbers are not used twice."""

    index: SegmentIndex
    file: int  # the index's `file`
    alive: np.ndarray  # bool [n]: which numbers are segments
    vectors: np.ndarray | coarse.EightBits  # of length 1: float32 [n, dimension], or of many segments in 8 bits
    count: int
    common: dict[str, np.ndarray] = field(default_factory=dict)
    """Which of them hold a word that many hold: asking for that takes longest."""

    def exactly(self, numbers: np.ndarray) -> tuple[list[str], np.ndarray]:
        """Of these segments the ids and the exact vectors, float32 [n, dimension].

        Raises:
            Moved: not all of them are there by now.
        """
        return self.index.exactly(self, numbers)


class SegmentIndex:
    """All segments as a search reads them, in one file.

    Safe in several threads and processes; kill -9 leaves the last state.

    A damaged file, or one of another form, is deleted with a warning: the index is then empty and `state` None.
    Methods raise UserError when the file cannot be read or written: busy for a minute, no rights, disk full.
    """

    def __init__(
        self,
        path: str | Path,
        words: Callable[[str, Mapping[str, Any]], str] = segment_words,
        exact: int | None = None,
    ) -> None:
        """Touch nothing yet: the file is made, with its folder, when something is written.

        Args:
            words: as of `Kind`.
            exact: of more segments than these the vectors are held in 8 bits; None: `coarse.EXACT`.
        """
        self.path, self.words, self._exact = Path(path), words, exact
        self._kept: list[tuple[tuple[int, ...], sqlite3.Connection]] = []  # that nobody reads by, and their files

    def __del__(self) -> None:
        for _, db in self._kept:
            db.close()

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
            gone = [_remove(db, id_) for id_ in removed]
            coarse.write(db, {number: None for numbers in gone for number in numbers})
            _put(db, changed, self.words)
            db.execute("DELETE FROM state")
            db.execute("INSERT INTO state VALUES (?)", (state,))
            db.execute("COMMIT")
            return True

    def is_sparse(self) -> bool:
        """Whether it holds more of what was replaced than of what is there: then it is better made anew."""
        query = "SELECT coalesce(max(number), 0) > 2 * count(*) + ? FROM segment"
        return bool(self._read(lambda db: db.execute(query, (SPARE,)).fetchone()[0], 0))

    def segments(self) -> Segments:
        """All of them; none where there is no index."""
        return self._read(self._segments, self._none())

    def _segments(self, db: sqlite3.Connection) -> Segments:
        if _state(db) is None:
            return self._none()
        db.execute("BEGIN")  # nobody changes it between the two
        count = db.execute("SELECT count(*) FROM segment").fetchone()[0]
        return Segments(self, _file(db), *coarse.read(db, count, self._exact), count)

    def _none(self) -> Segments:
        import numpy as np

        return Segments(self, 0, np.zeros(0, bool), np.zeros((0, 0), np.float32), 0)

    def exactly(self, segments: Segments, numbers: np.ndarray) -> tuple[list[str], np.ndarray]:
        """See `Segments.exactly`."""
        statement = (
            "SELECT segment.id, exact FROM json_each(?) AS asked JOIN segment ON segment.number = asked.value "
            "JOIN vector USING (number) ORDER BY asked.key"
        )
        asked = (json.dumps(numbers.tolist()),)
        rows = self._of(segments, lambda db: db.execute(statement, asked).fetchall())
        if len(rows) < len(numbers):
            raise Moved
        return [id_ for id_, _ in rows], coarse.stacked([vector for _, vector in rows])

    def shares(self, query: str, segments: Segments) -> np.ndarray:
        """Which part of the query's words each of the segments holds, float64 [n], 0 to 1; a rare word weighs more.

        `query`: free text; nothing in it is an operator.
        """
        import numpy as np

        nothing, wanted = np.zeros(len(segments.alive)), query_words(query)
        return self._of(segments, lambda db: _shares(db, wanted, segments)) if wanted else nothing

    def holding(self, phrase: str, segments: Segments) -> np.ndarray:
        """The segments that hold all of the phrase's words, in any order, bool [n]; numbers are not looked at."""
        wanted = [forms for forms in every_word(phrase) if not any(map(str.isdigit, forms))]
        if not wanted:
            return segments.alive
        match = " AND ".join(f"({_any_of(forms)})" for forms in wanted)
        return segments.alive & self._of(segments, lambda db: _matching(db, match, len(segments.alive)))

    def allowed(self, where: Mapping[str, Any], segments: Segments) -> np.ndarray:
        """The segments that pass a filter (`videotag.store.records.segment_where`), bool [n]."""
        return segments.alive & self._of(segments, lambda db: passing.allowed(db, where, len(segments.alive)))

    def sample(self, count: int, segments: Segments) -> np.ndarray:
        """The numbers of so many segments at random, always the same of the same ids; all, if there are no more."""
        import numpy as np

        statement = "SELECT group_concat(number) FROM (SELECT number FROM segment ORDER BY id)"
        text = self._of(segments, lambda db: db.execute(statement).fetchone()[0])
        numbers = np.fromstring(text, np.int64, sep=",") if text else np.zeros(0, np.int64)
        numbers = numbers[numbers < len(segments.alive)]  # another process may have put more in meanwhile
        if len(numbers) > count:
            numbers = numbers[random.Random(count).sample(range(len(numbers)), count)]
        return numbers

    def numbers(self, segments: Segments, ids: Iterable[str] | None = None) -> dict[str, int]:
        """Id to number, of those of these ids that are there, or of all."""
        statement = "SELECT id, number FROM segment"
        if ids is not None:
            statement += " WHERE id IN (SELECT value FROM json_each(?))"
        asked = () if ids is None else (json.dumps(list(ids)),)
        return self._of(segments, lambda db: dict(db.execute(statement, asked).fetchall()))

    def records(self, ids: Iterable[str]) -> Snapshot:
        """Id to (fields, document) of those of these ids that are there."""
        statement = "SELECT id, record FROM segment WHERE id IN (SELECT value FROM json_each(?))"
        return self._read(lambda db: _records(db.execute(statement, (json.dumps(list(ids)),))), {})

    def of_video(self, name: str) -> Snapshot:
        """The same of a video's segments."""
        return self._read(lambda db: _records(_having(db, "video_name", name)), {})

    def numbered(self, some: np.ndarray, segments: Segments) -> Iterator[tuple[int, dict[str, Any], str]]:
        """Number, fields and document of segments by their numbers, some at a time."""
        statement = "SELECT number, record FROM segment WHERE number IN (SELECT value FROM json_each(?))"
        for start in range(0, len(some), coarse.BLOCK):
            asked = (json.dumps(some[start : start + coarse.BLOCK].tolist()),)
            for number, record in self._of(segments, lambda db, asked=asked: db.execute(statement, asked).fetchall()):
                yield number, *_unpacked(record)

    def exact_vectors(self, ids: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """The vectors of those of these ids that are there, or of all."""
        statement = "SELECT id, exact FROM segment JOIN vector USING (number)"
        asked = () if ids is None else (json.dumps(list(ids)),)
        if ids is not None:
            statement += " WHERE id IN (SELECT value FROM json_each(?))"
        rows = self._read(lambda db: db.execute(statement, asked).fetchall(), [])
        return dict(zip([id_ for id_, _ in rows], coarse.stacked([vector for _, vector in rows]), strict=True))

    def _of(self, segments: Segments, read: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `read` gives while the numbers are those of these segments; raises Moved if they are not, or damaged."""

        def checked(db: sqlite3.Connection) -> tuple[Result]:
            db.execute("BEGIN")  # all of it of one state
            if _file(db) != segments.file:
                raise Moved
            return (read(db),)

        found = self._read(checked, None)
        if found is None:
            raise Moved
        return found[0]

    def spelled(self, sounds: Collection[str], begun: bool = False) -> dict[str, list[str]]:
        """As of `videotag.search.meant.ArchiveWords`; those of deleted segments may still be among them."""
        return self._read(lambda db: _spelled(db, sounds, begun), {})

    def occurrences(self, forms: Collection[str]) -> dict[str, int]:
        """In how many segments each form of a word is."""
        return self._read(lambda db: dict(db.execute(_OCCURRENCES, (json.dumps(list(forms)),))), {})

    def _read(self, read: Callable[[sqlite3.Connection], Result], nothing: Result) -> Result:
        try:
            file = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return nothing
        try:
            return self._read_by_kept((os.getpid(), file.st_dev, file.st_ino), read)
        except sqlite3.DatabaseError as error:
            self._drop(error)
            return nothing

    def _read_by_kept(self, file: tuple[int, ...], read: Callable[[sqlite3.Connection], Result]) -> Result:
        """Read by a connection that stays open: to make one takes longer than most that is read.

        One to a file that has been deleted meanwhile, or of the process that this one was forked from, is let go.
        """
        db = self._kept_to(file) or self._connected()
        try:
            _check_form(db)
            found = read(db)
            if db.in_transaction:
                db.execute("ROLLBACK")
        except BaseException:
            db.close()
            raise
        if os.name == "nt":  # there a file that is open cannot be deleted
            db.close()
        else:
            self._kept.append((file, db))
        return found

    def _kept_to(self, file: tuple[int, ...]) -> sqlite3.Connection | None:
        with suppress(IndexError):  # another thread may take the last one
            while True:
                its_file, db = self._kept.pop()
                if its_file == file:
                    return db
                db.close()
        return None

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY, isolation_level=None, check_same_thread=False)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """To write."""
        with closing(self._connected()) as db:
            db.execute(f"PRAGMA page_size = {PAGE_SIZE}")  # of a new file
            _check_form(db)
            yield db

    def _drop(self, error: sqlite3.DatabaseError) -> None:
        """Delete a file that is at fault itself; a disk or a lock that is makes it a UserError."""
        code = getattr(error, "sqlite_errorname", None) or "SQLITE_NOTADB"  # none: raised here
        if code.split("_")[1] not in _DAMAGED:
            raise UserError(
                f"the search index {self.path} cannot be used ({error}): check the folder's rights and the disk's free "
                "space, or run again when no other program is writing to it"
            ) from error
        level = logging.INFO if isinstance(error, _OlderForm) else logging.WARNING
        log.log(level, "the search index %s is unusable (%s) and is made anew", self.path, error)
        for suffix in ("-journal", ""):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)


_DAMAGED = ("ERROR", "CORRUPT", "NOTADB", "FORMAT", "CONSTRAINT")
"""SQLite's result codes for a file with other contents than were written; ERROR is a table that is not there."""


def _state(db: sqlite3.Connection) -> str | None:
    if not db.execute("PRAGMA user_version").fetchone()[0]:
        return None
    row = db.execute("SELECT made_from FROM state").fetchone()
    return row[0] if row else None


def _check_form(db: sqlite3.Connection) -> None:
    form = db.execute("PRAGMA user_version").fetchone()[0]
    if form not in (0, FORM):
        raise (_OlderForm if form < FORM else sqlite3.DatabaseError)(f"form {form}, not {FORM}")


def _file(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA application_id").fetchone()[0]


def _empty(db: sqlite3.Connection) -> None:
    tables = ("vocabulary", "word", "spelling", "segment", "state", "value", "form", "has", "vector", "block")
    for table in tables:
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {random.randrange(1, 2**31)}")


def _put(db: sqlite3.Connection, changed: Iterable[Entry], words: Callable[[str, Mapping[str, Any]], str]) -> None:
    """Each under a number of its own: FTS5 need not know what the words of the replaced one were."""
    added: dict[int, np.ndarray | None] = {}
    for id_, fields, document, vector in changed:
        added |= _remove(db, id_)
        row = (id_, *(fields.get(field) for field in passing.BOUNDS), _packed(fields, document))
        columns = f"id, {', '.join(passing.BOUNDS)}, record"
        number = db.execute(f"INSERT INTO segment ({columns}) VALUES (?, ?, ?, ?, ?, ?)", row).lastrowid or 0
        text = words(document, fields)
        db.execute("INSERT INTO word (rowid, words) VALUES (?, ?)", (number, " ".join(document_words(text))))
        written = ((key(word), word) for word in words_as_written(text))
        db.executemany("INSERT OR IGNORE INTO spelling VALUES (?, ?)", written)
        passing.write(db, number, fields)
        added[number] = vector
        if len(added) >= 10 * coarse.BLOCK:
            coarse.write(db, added)
            added.clear()
    coarse.write(db, added)


def _remove(db: sqlite3.Connection, id_: str) -> dict[int, None]:
    """Take out all but the vector and the words; the number whose vector is to go."""
    row = db.execute("SELECT number, record FROM segment WHERE id = ?", (id_,)).fetchone()
    if row is None:
        return {}
    passing.remove(db, row[0], _unpacked(row[1])[0])
    db.execute("DELETE FROM segment WHERE number = ?", row[:1])
    return {row[0]: None}


def _packed(fields: Mapping[str, Any], document: str) -> bytes:
    """The document repeats the fields: together they take little more than one of them."""
    return zlib.compress(json.dumps([dict(fields), document], ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _unpacked(record: bytes) -> tuple[dict[str, Any], str]:
    try:
        fields, document = json.loads(zlib.decompress(record).decode("utf-8", "surrogatepass"))
    except (zlib.error, ValueError, TypeError) as error:
        raise sqlite3.DatabaseError(f"a record cannot be read: {error}") from error
    return fields, document


def _records(rows: Iterable[tuple[str, bytes]]) -> Snapshot:
    return {id_: _unpacked(record) for id_, record in rows}


def _having(db: sqlite3.Connection, field: str, value: str) -> Iterable[tuple[str, bytes]]:
    numbers = passing.keys(db, field, value)
    statement = f"SELECT id, record FROM segment WHERE number IN (SELECT segment FROM has WHERE value IN ({numbers}))"
    return db.execute(statement)


def _shares(db: sqlite3.Connection, wanted: list[tuple[str, ...]], segments: Segments) -> np.ndarray:
    import numpy as np

    common, shares = segments.common, np.zeros(len(segments.alive))
    if not (total := db.execute("SELECT coalesce(max(number), 0) FROM segment").fetchone()[0]):
        return shares  # another client has emptied it
    counts = [_occurrences(db, forms) for forms in wanted]
    weights = [math.log(1 + total / max(count, 1)) for count in counts]
    telling = any(0 < count <= COMMON * total for count in counts)
    for forms, weight, count in zip(wanted, weights, counts, strict=True):
        match = _any_of(forms)
        if count and count <= COMMON * total:
            shares[_matching(db, match, len(shares))] += weight
        elif count and not telling:
            if (found := common.get(match)) is None:
                found = _matching(db, match, len(shares))
                if len(common) < KEPT:
                    common[match] = found
            shares[found] += weight
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


def _any_of(forms: Sequence[str]) -> str:
    return " OR ".join(f'"{form}"' for form in forms)


def _matching(db: sqlite3.Connection, match: str, n: int) -> np.ndarray:
    return passing.mask(db, "SELECT group_concat(rowid) FROM word WHERE word MATCH ?", (match,), n)


def _occurrences(db: sqlite3.Connection, forms: tuple[str, ...]) -> int:
    marks = ", ".join("?" * len(forms))
    return db.execute(f"SELECT coalesce(max(doc), 0) FROM vocabulary WHERE term IN ({marks})", forms).fetchone()[0]
