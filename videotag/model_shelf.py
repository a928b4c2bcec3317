"""The folder where fetched models lie, a folder a model."""

import os
from pathlib import Path


def folder_of(name: str) -> Path:
    """Where a model of that name lies, if it was fetched."""
    import platformdirs

    return Path(os.environ.get("VIDEOTAG_MODELS") or platformdirs.user_data_path("videotag") / "models") / name
