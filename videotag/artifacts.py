"""The files in data/: their names and forms, and how they are written whole or not at all.

`{name}_phase1_data.pkl` is a pickle and `{name}_phase2_vllm_analysis.json` is JSON, both of plain values only.
Beside an unfinished one lies a `.part` file, to which each finished part of the work is appended.
"""

import hashlib
import io
import json
import logging
import math
import os
import pickle
import pickletools
import struct
import uuid
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from videotag.config import name_mistake
from videotag.errors import UserError
from videotag.stages import PHASE1, Stage

log = logging.getLogger("videotag")

FORMAT = 1  # version of both files; a file of another version is not read
_TEMPORARY = ".tmp"
_RECORD = struct.Struct("<II")  # length of the payload, CRC-32 of it
_RESULT_ID = "result_id"
OF_THE_FILE = ("format", _RESULT_ID)  # keys that `Draft` adds to a result
_ENCODING = ("utf-8", "surrogatepass")


def path_of(stage: Stage, data_dir: Path, video_name: str) -> Path:
    return data_dir / f"{safe_name(video_name)}{stage.ending}"


def lock_path(data_dir: Path, video_name: str, stage: str) -> Path:
    return data_dir / ".locks" / f"{safe_name(video_name)}.{stage}.lock"


def unknown_results(data_dir: Path, known: Collection[str]) -> list[str]:
    """The videos whose phase 1 is in the folder, and which are not among the known: the database may have been lost."""
    files = sorted(data_dir.glob(f"*{PHASE1.ending}")) if data_dir.is_dir() else []
    return [name for file in files if (name := file.name.removesuffix(PHASE1.ending)) not in known]


def safe_name(video_name: str) -> str:
    """The name; raises UserError if it leads out of the data folder: the database it comes from may be anybody's."""
    if mistake := name_mistake(video_name):
        raise UserError(f"video {video_name!r} of the database: its name {mistake}; delete its record")
    return video_name


def part_path(result: Path) -> Path:
    return result.with_name(result.name + ".part")


def drop_part(result: Path) -> None:
    """Delete the `.part` file beside a result, if there is one; raises as `delete`."""
    delete(part_path(result))


def delete(path: Path) -> None:
    """Delete a file, if it is there; raises UserError where it cannot be deleted."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be deleted: {error.strerror}; move it away, then run again") from None


def part_header(result: Path) -> dict[str, Any] | None:
    """What the `.part` file beside a result was made under; None if there is none that is whole."""
    path = part_path(result)
    try:
        with path.open("rb") as file:
            start = file.read(_RECORD.size)
            length = _RECORD.unpack(start)[0] if len(start) == _RECORD.size else 0
            records, _ = _whole_records(start + file.read(min(length, path.stat().st_size)))
    except OSError:
        return None
    return records[0] if records and isinstance(records[0], dict) else None


def part_records(result: Path, start: int = 0) -> Iterator[tuple[Any, int]]:
    """What is finished of unfinished work, as its `.part` file tells, each record with the byte after it.

    One at a time, for who looks on while the work is done: a film's frames are hundreds of megabytes.

    Args:
        start: the byte after a record that was read before; at 0 stands the header.
    """
    with suppress(OSError), part_path(result).open("rb") as file:
        left = os.fstat(file.fileno()).st_size - start
        file.seek(start)
        while len(head := file.read(_RECORD.size)) == _RECORD.size:
            length, _ = _RECORD.unpack(head)
            left -= _RECORD.size + length
            records, end = _whole_records(head + file.read(length)) if left >= 0 else ([], 0)
            if not records:
                return
            start += end
            yield records[0], start


class Unpublished:
    """A file on the disk under a temporary name; `publish` gives it its own at a stroke.

    So it is whole or absent, also after a power cut. Left unpublished, it is deleted at the end of the `with` block.

    Raises:
        UserError: it cannot be written.
    """

    def __init__(self, path: Path, *data: bytes) -> None:
        self.path = path
        # Another one each time: a worker on another machine may be writing the same file.
        self._temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{_TEMPORARY}")
        with _writing(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with self._temporary.open("wb") as file:
                    file.writelines(data)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:  # Ctrl-C too
                self.__exit__()
                raise

    def publish(self) -> None:
        with _writing(self.path):
            os.replace(self._temporary, self.path)
            sync_folder(self.path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)


class Draft(Unpublished):
    """A result that is still `Unpublished`: a pickle or JSON, as the name ends.

    In two steps, so that a worker that was slow can make sure of its claim between them. Once it is published, the
    `.part` file beside it is of no more use.
    """

    def __init__(self, path: Path, result: dict[str, Any]) -> None:
        self.result_id = _identity(result)  # the same for the same content
        whole = {"format": FORMAT, _RESULT_ID: self.result_id, **result}
        if path.suffix == ".pkl":
            super().__init__(path, pickle.dumps(whole, protocol=4))
        else:  # lone surrogates come back as they were: a model's answer may hold some
            super().__init__(path, json.dumps(whole, ensure_ascii=False, indent=2).encode(*_ENCODING))


def read(stage: Stage, path: Path) -> Any:
    """The result of a stage, or None where there is none that is whole and of this format; a warning says why.

    Raises:
        UserError: it cannot be read, or a newer version of this program wrote it.
    """
    load = plain_loads if path.suffix == ".pkl" else json.loads
    try:
        result = load(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; mend its rights or move it away") from None
    except MemoryError:
        raise UserError(f"{path}: does not fit into the memory; make room there or move it away") from None
    except Exception:  # a damaged pickle raises nearly anything
        log.warning("%s: is damaged", path)
        return None
    if isinstance(result, dict) and type(result.get("format")) is int and result["format"] > FORMAT:
        raise UserError(f"{path}: was written by a newer version of this program; use that one, or move the file away")
    fault = _fault(result, stage.keys)
    if not fault and path.name != f"{result['video_name']}{stage.ending}":
        fault = f"is of the video {result['video_name']!r:.220}"
    if fault:
        log.warning("%s: %s", path, fault)
        return None
    return result


def _fault(result: Any, keys: tuple[str, ...]) -> str | None:
    if not isinstance(result, dict) or any(key not in result for key in keys):
        return "does not hold what it should"
    if result.get("format") != FORMAT:
        return f"is not of format {FORMAT}"
    body = {key: value for key, value in result.items() if key not in OF_THE_FILE}
    try:
        same = result.get(_RESULT_ID) == _identity(body)
    except Exception:  # of another shape than any that was written
        same = False
    return None if same else "was changed after it was written"


def _identity(result: dict[str, Any]) -> str:
    """A hash of the content. Times of writing do not count, pictures count by their own hash."""
    body = {key: value for key, value in result.items() if key != "created_at"}
    if "frames" in body:
        body["frames"] = [[f["time"], hashlib.sha256(f["jpeg"]).hexdigest()] for f in body["frames"]]
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode(*_ENCODING)).hexdigest()[:16]


def copy_part(result: Path, target: Path, changes: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Give the `.part` file beside a result to another one too, if there is one that is whole.

    `changes`: to its header, of which it is made.
    """
    path = part_path(result)
    try:
        records, _ = _whole_records(path.read_bytes())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; mend its rights or delete it") from None
    if records and isinstance(header := records[0], dict):
        write_whole(part_path(target), *map(_packed, [header | changes(header), *records[1:]]))


def sweep(result: Path) -> None:
    """Delete what killed workers have left of the result and its `.part` under temporary names."""
    for path in result.parent.glob("*" + _TEMPORARY):
        if path.name.startswith(f"{result.name}."):
            with suppress(OSError):
                path.unlink()


def write_whole(path: Path, *data: bytes) -> None:
    """Write a file, or leave what is there and raise UserError."""
    with Unpublished(path, *data) as file:
        file.publish()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "make room, mend its rights or move it away, then run again"
        raise UserError(f"{path}: cannot be written: {error.strerror}; {remedy}") from None


def sync_folder(folder: Path) -> None:
    """Put the folder's own entries on the disk: a file made or renamed in it is there after a power cut."""
    if os.name == "nt":  # a folder cannot be opened there, and NTFS keeps renames in its journal
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _PlainUnpickler(pickle.Unpickler):
    """Refuses every class and function: a pickle from elsewhere cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"refused: {module}.{name}")


# fmt: off
_PLAIN_OPCODES = {
    "PROTO", "FRAME", "MARK", "MEMOIZE", "BINGET", "LONG_BINGET", "STOP", "NONE", "NEWTRUE", "NEWFALSE", "BININT",
    "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "EMPTY_LIST",
    "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS",
}
# fmt: on
_MOST_REPEATED = 100  # times the pickle's own length; 48 frames of a part may all be one picture


def plain_loads(data: bytes) -> Any:
    """Read a pickle (protocol 4 or 5) of dict, list, tuple, str, int, float, bool, None and bytes.

    Only str and bytes may stand in several places: what a few lists inside each other stand for fills any memory.

    Raises:
        pickle.UnpicklingError: it holds anything else. Damaged data raise other exceptions too.
    """
    _refuse_bombs(data)
    return _PlainUnpickler(io.BytesIO(data)).load()


def _refuse_bombs(data: bytes) -> None:
    # One damaged byte can make an opcode (LONG_BINPUT) for which the unpickler fills gigabytes with zeros.
    sizes: list[float] = []  # of what is memoized
    size = math.inf  # of what was read last: only str and bytes have one
    repeated = 0.0
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _PLAIN_OPCODES:
            raise pickle.UnpicklingError(f"refused: {opcode.name}")
        if opcode.name == "MEMOIZE":
            sizes.append(size)
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            repeated += sizes[int(argument or 0)]
        if opcode.name != "FRAME":  # stands between large bytes and their MEMOIZE
            size = len(argument) if isinstance(argument, str | bytes) else math.inf
    if repeated > _MOST_REPEATED * len(data):
        raise pickle.UnpicklingError("refused: repeats too much")


class Part:
    """The finished parts of unfinished work, in a file that survives kill -9.

    Records are pickles of plain values, each after its length and checksum. The first one is the header: what
    the work is and under which settings. A torn tail is cut off; under another header the file starts anew.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        self.records: list[Any] = []  # what was appended so far, in order
        kept = self._kept(header)
        # A copy, not the old file: a worker that lost its claim in its sleep may still have that one open, and what it
        # appends when it wakes must not come between.
        write_whole(path, kept or _packed(header))
        with _writing(path):
            self._file = path.open("ab")

    def append(self, record: Any) -> None:
        """Add a finished part; it is on the disk when this returns."""
        with _writing(self.path):
            self._file.write(_packed(record))
            self._file.flush()
            os.fsync(self._file.fileno())
        self.records.append(record)

    def close(self) -> None:
        with suppress(OSError):  # of a full disk, which `append` has told
            self._file.close()

    def _kept(self, header: dict[str, Any]) -> bytes:
        """Fill `records` from the file; its bytes as far as they are whole, none to start anew."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}; mend its rights or delete it") from None
        records, end = _whole_records(data)
        if not records or records[0] != header:
            log.warning("%s: holds work under other settings, or is damaged; starting anew", self.path)
            return b""
        self.records = records[1:]
        return data[:end]


def _packed(record: Any) -> bytes:
    payload = pickle.dumps(record, protocol=4)
    return _RECORD.pack(len(payload), zlib.crc32(payload)) + payload


def _whole_records(data: bytes) -> tuple[list[Any], int]:
    records: list[Any] = []
    end = 0
    while end + _RECORD.size <= len(data):
        length, checksum = _RECORD.unpack_from(data, end)
        payload = data[end + _RECORD.size : end + _RECORD.size + length]
        if len(payload) < length or zlib.crc32(payload) != checksum:
            break
        try:
            records.append(plain_loads(payload))
        except Exception:  # the checksum is right, so somebody else wrote it
            break
        end += _RECORD.size + length
    return records, end
