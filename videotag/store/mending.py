"""A ChromaDB folder seen from outside: what a killed process, a power cut or a full disk leaves of it.

ChromaDB writes a vector index in place. A kill inside that save can leave a collection on which every operation fails,
or which kills the process that opens it. Records and documents (chroma.sqlite3) stay whole; vectors can be made again.
What SQLite itself finds damaged is kept aside, and made anew from data/.
Nothing here opens the database with chromadb, and no client may be open while these functions run.
"""

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from videotag.artifacts import sync_folder
from videotag.store.stamp import Noted

ROOT = Path(__file__).resolve().parents[2]  # where the probe runs, wherever this process was started
PROBE_SECONDS = 60  # and so many seconds for each 10 MB of the folder; a torn link list can loop for ever
ROOM = 16 << 20  # bytes; with less, SQLite's journal and an index's save are not sure to find place
FULL = ("disk is full", "disk full", "No space left", "quota exceeded")
SEAL = "sealed.json"
COLLECTIONS = "collections"  # beside the files' names in it
DATABASE = "chroma.sqlite3"
_is_index = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
# Of SQLite's errors these speak of the place (rights, disk, locks), not of what is in the file.
_OF_THE_PLACE = (3, 5, 6, 7, 8, 10, 13, 14, 23)


@dataclass(frozen=True)
class VectorIndex:
    """A collection's vector index: files in `folder` (absent while nothing was saved), vectors of `dimension`."""

    collection: str
    folder: Path
    dimension: int


def write_marker(marker: Path) -> None:
    """Say durably that the database is open: ChromaDB's log is, so this must survive a power cut as well."""
    text = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now():%Y-%m-%d %H:%M:%S}"
    with open(marker, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(marker.parent)


def read_marker(marker: Path) -> str:
    """Who has, or had, the database open; "another process" where nothing says it."""
    try:
        return marker.read_text(encoding="utf-8", errors="replace").strip() or "another process"
    except OSError:
        return "another process"


# === The seal: what the files were like after the last clean end ===


def seal(directory: Path, collections: Mapping[str, Noted] | None = None) -> bool:
    """Note size and time of the files, and put the index files on the disk, which ChromaDB does not. False: no room.

    `collections`: what is noted beside them of the collections, as far as it is known.
    """
    try:
        before, now = _read_seal(directory), _files(directory)
        for name in now:
            if "/" in name and before.get(name) != now[name]:
                with open(directory / name, "r+b") as file:
                    os.fsync(file.fileno())
        notes = {name: asdict(note) for name, note in (collections or {}).items()}
        (directory / SEAL).write_text(json.dumps({**now, COLLECTIONS: notes}), encoding="utf-8")
    except OSError:
        return False
    return True


def noted(directory: Path) -> dict[str, Noted] | None:
    """What the seal says of the collections, if the files are as the last clean end left them.

    None: a server, a copy, damage have made them others.
    """
    seal = _read_seal(directory)
    notes = seal.pop(COLLECTIONS, {})
    if seal != _files(directory):
        return None
    try:
        return {name: Noted(**note) for name, note in notes.items()}
    except (AttributeError, TypeError):
        return {}


def is_there(directory: Path) -> bool:
    """Whether the folder holds a database, or what is left of one."""
    return (directory / DATABASE).exists() or (directory / SEAL).exists() or bool(_index_folders(directory))


def _index_folders(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if _is_index(path.name)] if directory.is_dir() else []


def _read_seal(directory: Path) -> dict[str, Any]:
    """What was noted of each file of the folder when it was last closed, and of the collections; {} where nothing was.

    Nor where it cannot be read.
    """
    try:
        noted = json.loads((directory / SEAL).read_bytes())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _files(directory: Path) -> dict[str, list[int]]:
    """Size and time of change (ns) of chroma.sqlite3, its journal, and the files of the indexes."""
    names = os.listdir(directory) if directory.is_dir() else []  # in each search: pathlib takes three times as long
    inside = [f"{one}/{name}" for one in filter(_is_index, names) for name in os.listdir(f"{directory}/{one}")]
    found = [*(name for name in names if name.startswith(DATABASE)), *inside]
    return {name: [(status := os.stat(f"{directory}/{name}")).st_size, status.st_mtime_ns] for name in found}


# === The database: records, documents ===


def damage(directory: Path) -> str | None:
    """What SQLite finds wrong with the database, or None. Reads all of it (1 GB: some 10 s).

    Nearly everything is stored twice, in a table and in its indexes, so damage within a value shows too.

    Raises:
        sqlite3.OperationalError: it cannot be looked at: rights, locks, the disk.
    """
    database = directory / DATABASE
    if not database.exists():
        return f"{DATABASE} is missing" if is_there(directory) else None
    made_before = (directory / SEAL).exists() or bool(_index_folders(directory))
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            connection.text_factory = bytes
            fault = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if fault != b"ok":
                return fault.decode("utf-8", "replace").partition("\n")[0]
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if b"embedding_metadata" not in tables:
                return "its tables are missing" if made_before else None  # else: killed while it was being made
            return _text_damage(connection)
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF in _OF_THE_PLACE:
            raise
        return str(error)


def _text_damage(connection: sqlite3.Connection) -> str | None:
    """Whether ChromaDB's full-text index agrees with the documents; each write fails if not."""
    index = "embedding_fulltext_search"
    differs = connection.execute(
        f"SELECT count(*) FROM embedding_metadata AS m LEFT JOIN {index}_content AS c ON c.id = m.id"
        " WHERE m.key = 'chroma:document' AND c.c0 IS NOT m.string_value"
    ).fetchone()[0]
    if differs:
        return f"{differs} documents differ from their copies"
    try:
        connection.execute(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):  # a Python whose SQLite is built without FTS5
            raise
    return None


def move_away(directory: Path) -> Path:
    """Keep a damaged database under another name, which is given back."""
    kept, number = Path(f"{directory}.damaged"), 1
    while kept.exists():
        number += 1
        kept = Path(f"{directory}.damaged{number}")
    os.rename(directory, kept)
    return kept


def lacks_room(directory: Path, error: str = "", needed: int = ROOM) -> bool:
    """Whether the disk is full, or so nearly full that what failed may have failed for it."""
    return any(words in error for words in FULL) or shutil.disk_usage(directory).free < needed


# === The vector indexes ===


def index_bytes(directory: Path) -> int:
    return sum(size for name, (size, _) in _files(directory).items() if "/" in name)


def vector_indexes(directory: Path) -> list[VectorIndex]:
    """The vector indexes of all collections, by the database's own table."""
    rows = _query(
        directory,
        "SELECT collections.name, segments.id, collections.dimension FROM segments"
        " JOIN collections ON segments.collection = collections.id WHERE segments.scope = 'VECTOR' ORDER BY 1",
    )
    return [VectorIndex(name, directory / segment, dimension or 1) for name, segment, dimension in rows]


def broken_collections(
    probe: list[str], names: list[str], lock_fd: int | None, timeout: float = PROBE_SECONDS
) -> list[str]:
    """The collections that the probe cannot read, in either of two runs.

    The probe is a program, since it can die of SIGSEGV. It runs twice, since the first opening can pass and leave what
    kills the second. It inherits the lock's descriptor: if this process is killed, the lock is held until it has ended.

    Args:
        probe: its command; the collections' names are appended. It prints "ok NAME" or "broken NAME" as it goes.
        timeout: s; what it has said nothing about by then is broken.
    """
    broken: list[str] = []
    for _ in range(2):
        waiting = [name for name in names if name not in broken]
        while waiting:
            told = _run_probe([*probe, *waiting], lock_fd, timeout)
            untold = [name for name in waiting if f"ok {name}" not in told and f"broken {name}" not in told]
            # The first that it says nothing about has killed it; it did not come to the others.
            broken += [name for name in waiting if f"broken {name}" in told] + untold[:1]
            waiting = untold[1:]
    return broken


def _run_probe(command: list[str], lock_fd: int | None, timeout: float) -> list[str]:
    """The lines that it printed before it ended, was killed or took too long."""
    inherited = (lock_fd,) if lock_fd is not None and os.name == "posix" else ()
    try:
        output = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=timeout, pass_fds=inherited, cwd=ROOT
        ).stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    return output.decode("utf-8", "replace").splitlines()


def move_aside(indexes: list[VectorIndex], aside: Path) -> None:
    """Move the indexes' folders out of the database, which then starts with empty ones."""
    aside.mkdir(exist_ok=True)
    for index in indexes:
        if index.folder.exists():
            shutil.rmtree(aside / index.folder.name, ignore_errors=True)  # of an earlier, interrupted attempt
            shutil.move(index.folder, aside / index.folder.name)


def remove_orphans(directory: Path) -> None:
    """Delete the index folders that belong to no collection any more: ChromaDB never does (chroma #5259)."""
    alive = {segment for (segment,) in _query(directory, "SELECT id FROM segments")}
    for path in _index_folders(directory):
        if alive and path.name not in alive:  # none alive: no database, or a beginning of one: nothing to judge by
            shutil.rmtree(path, ignore_errors=True)


def _query(directory: Path, statement: str) -> list[tuple]:
    """Rows of the database; none where there is no database, or it was killed while it was being made."""
    if not (directory / DATABASE).exists():
        return []
    with closing(sqlite3.connect(directory / DATABASE, timeout=30)) as connection:
        try:
            return connection.execute(statement).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
