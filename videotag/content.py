"""What a video file is known by: its size, its modification time, and a fingerprint of parts of it.

Size and time are asked of the file system, which is cheap: a run with nothing to do asks no more. The fingerprint tells
that a file is the same after a copy that did not keep its time, on another disk, or on one of whole even seconds (FAT).
"""

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from videotag.errors import UserError

State = dict[str, Any]
"""Of a file: "size" in bytes, "mtime_ns", and where it was looked into "fingerprint"."""

PARTS, PART_BYTES = 16, 65_536
"""Of 50 GB on a network disk so much (1 MB) is read in a fraction of a second."""
FAT_NS = 2 * 10**9  # FAT and exFAT keep modification times in steps of two seconds (Microsoft, fatgen103)


def source_of(path: str) -> State:
    """The file's state without a fingerprint; raises UserError where the file is not there.

    The time is a whole number: ChromaDB keeps 16 digits of a float.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; put the file there or mend its path in the list") from None
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def looked_into(path: str) -> State:
    """The file's state with its fingerprint; raises UserError where the file cannot be read."""
    source = source_of(path)
    return source | {"fingerprint": _fingerprint(path, **source)}


@lru_cache(maxsize=1024)
def _fingerprint(path: str, size: int, mtime_ns: int) -> str:
    """A hash of the size and of 16 parts of 64 KiB, head and tail among them, at even distances; 32 digits.

    Two files of one size that differ only between those parts have the same one: a file that is encoded, cut or
    recorded anew differs in all of them, one in which a tool has overwritten some bytes in place may not.
    """
    found = hashlib.blake2b(str(size).encode(), digest_size=16)
    last = max(size - PART_BYTES, 0)
    if not os.path.isfile(path):  # a pipe would be waited for
        raise UserError(f"{path}: is no file; put the video there or mend its path in the list")
    try:
        with open(path, "rb", buffering=0) as file:
            for place in dict.fromkeys(last * part // (PARTS - 1) for part in range(PARTS)):
                file.seek(place)
                found.update(file.read(PART_BYTES))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; mend the disk or the file's rights") from None
    return found.hexdigest()


def same(then: Mapping[str, Any], now: Mapping[str, Any], apart_ns: int = FAT_NS) -> bool:
    """Whether two states are of the same bytes, as far as they tell.

    `apart_ns`: how far the times may be apart where one of the two has no fingerprint.
    """
    if then.get("size") != now["size"] or not isinstance(then.get("mtime_ns"), int):
        return False
    if "fingerprint" in then and "fingerprint" in now:
        return then["fingerprint"] == now["fingerprint"]
    return abs(then["mtime_ns"] - now["mtime_ns"]) <= apart_ns
