"""An embedded client of ChromaDB, which shares nothing with another one."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from videotag.store.place import load_chromadb


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
