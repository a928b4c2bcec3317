"""What a search asks of where the segments are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from videotag.store.pages import Snapshot
from videotag.store.stamp import State

if TYPE_CHECKING:
    import numpy as np


class Records(Protocol):
    """The stored segments, while a session with them lasts.

    Attributes:
        shared: others may change them meanwhile.
    """

    shared: bool

    def now(self) -> Records:
        """The same as they are now, if they are shared."""
        ...

    def state(self) -> State: ...

    def in_pages(self) -> Iterator[Snapshot]:
        """All of them, a few thousand at a time."""
        ...

    def ids(self) -> set[str]: ...

    def since(self, generation: int) -> Snapshot:
        """Those that were written after it."""
        ...

    def records(self, ids: Sequence[str]) -> Snapshot:
        """Those of these ids that are there, in any order."""
        ...

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The same, float32 [dimension] each."""
        ...

    def passing(self, where: dict[str, Any] | None, patterns: Sequence[str] = ()) -> set[str]:
        """The ids that a filter lets through and in whose document all the patterns (regular expressions) occur."""
        ...
