"""What the pages look at: the database, and the results in data/."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from videotag import artifacts
from videotag.claims import Filter, Records
from videotag.config import name_mistake
from videotag.search import ask
from videotag.stages import Stage


class Database(ask.Database, Records, Protocol):
    """What is asked of ChromaDBManager, safe in several threads."""

    directory: Path

    def list_videos(self, status_filter: Filter = None, *, without: Filter = None) -> list[dict[str, Any]]: ...

    def count_segments(self, video_name: str | None = None) -> int: ...

    def stamp(self) -> dict[str, Any] | None: ...


@dataclass(frozen=True)
class Archive:
    """The database and the folder of results. Nothing is found by a path: only by the name of a video's record."""

    db: Database
    data_dir: Path

    def record(self, name: str) -> dict[str, Any] | None:
        """The video's record; None where there is none, or its name could lead out of data/."""
        if name_mistake(name):
            return None
        return next(iter(self.db.list_videos({"video_name": [name]})), None)

    def result(self, stage: Stage, name: str) -> Any | None:
        """The result of a stage of a video that has a record; None where there is none that is whole.

        Raises:
            UserError: it cannot be read.
        """
        path = self.result_path(stage, name)
        return path and artifacts.read(stage, path)

    def result_path(self, stage: Stage, name: str) -> Path | None:
        """The file of a stage's result of a video that has a record, if it lies in data/."""
        if self.record(name) is None:
            return None
        path = artifacts.path_of(stage, self.data_dir, name)
        return path if self.holds(path) else None

    def holds(self, path: Path) -> bool:
        """Whether a file lies in data/, and does not only seem to by a link."""
        with suppress(OSError):
            return path.is_file() and path.resolve().is_relative_to(self.data_dir.resolve())
        return False
