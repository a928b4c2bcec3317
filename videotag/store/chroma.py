"""ChromaDB the library: imported at less cost, a folder's client that shares nothing with another one, its failures."""

import functools
import gc
import os
import sys
from pathlib import Path
from typing import Any

from videotag.errors import UserError


class Unreadable(Exception):
    """A vector that is stored, and is none."""


def is_internal(error: BaseException) -> bool:
    """Whether the library itself failed, and not the caller: Rust's panics too."""
    if isinstance(error, Unreadable):
        return True
    name = type(error).__name__
    return (type(error).__module__, name) == ("chromadb.errors", "InternalError") or name == "PanicException"


def first_line(error: BaseException) -> str:
    """The beginning of an error: ChromaDB goes on for a paragraph."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


def load_chromadb() -> Any:
    """The library: 0.9 CPU s and 84 MB, so it is imported where a database is opened.

    A quarter of that is saved (benchmarks/idle.py): by no garbage collection over what 2,000 modules bring in, neither
    meanwhile nor at the end, and by no threads of OpenBLAS, which numpy would start and nothing here uses.
    """
    # ChromaDB puts vectors into its index by as many threads as there are cores, also what it replays at each opening.
    # hnswlib's updates are not made for that: now and then a vector loses all links to it, and no query finds it. Our
    # search does not ask that index, but the probe does, and other programs may.
    os.environ["RAYON_NUM_THREADS"] = "1"  # read when the library first needs its threads
    if "chromadb" in sys.modules:
        return sys.modules["chromadb"]
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    collecting = gc.isenabled()
    gc.disable()
    try:
        import chromadb
        import chromadb.api.rust
    except ImportError as error:
        raise UserError(f"ChromaDB is missing: pip install chromadb==1.5.9 ({error})") from error
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
    return chromadb


def open_folder(directory: Path) -> Any:
    """A client of the database in a folder, which is made where there is none; to be closed by `close()`."""
    chromadb = load_chromadb()
    from chromadb.api.shared_system_client import SharedSystemClient

    try:
        client = chromadb.PersistentClient(str(directory), settings=_settings().model_copy())
        close = client._system.stop
    finally:
        # The next one for the folder would share what this one has read, or the failure to open it.
        SharedSystemClient._identifier_to_system.pop(str(directory), None)
        SharedSystemClient._identifier_to_refcount.pop(str(directory), None)
    client.close = close
    return client


@functools.cache
def _settings() -> Any:
    """Made once: it takes a third of the time of opening the database."""
    from chromadb.config import Settings

    # chromadb would read a .env file of the working directory and variables as common as ENVIRONMENT or MIGRATIONS.
    defaults: dict[str, Any] = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(**defaults | {"anonymized_telemetry": False, "_env_file": None})
