"""The vectors of a video's frames, those that look alike once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from videotag.cli import in_background
from videotag.embedders.contract import checked_vectors
from videotag.embedders.pictures.contract import FrameEmbedder
from videotag.frame_vectors import FrameVectors

if TYPE_CHECKING:
    import numpy as np

BATCH = 8  # frames: Ctrl-C waits for so many, and so many are held
ALIKE = 0.98  # cosine to the last frame that was kept, above which one shows nothing new


class Seen(Protocol):
    """A frame: see `FrameVectors`; `picture` is RGB uint8 [h, w, 3]."""

    @property
    def segment(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def second(self) -> float: ...
    @property
    def picture(self) -> np.ndarray: ...


def made(
    embedder: FrameEmbedder, frames: Iterable[Seen], made_of: str, told: Callable[[int], None] | None = None
) -> FrameVectors:
    """The vectors of a video's frames, in the order of time; of those that look alike (`ALIKE`) the first.

    Args:
        made_of: what the frames are of, as `FrameVectors` has it.
        told: how many frames are done.
    """
    import numpy as np

    kept: list[tuple[int, int, float]] = []
    vectors: list[np.ndarray] = []
    done = 0
    for batch in _batches(frames):
        found = in_background(partial(embedder.embed_frames, [frame.picture for frame in batch]))
        for frame, vector in zip(batch, checked_vectors(found, len(batch), embedder), strict=True):
            if not vectors or float(vector @ vectors[-1]) <= ALIKE:
                kept.append((frame.segment, frame.number, frame.second))
                vectors.append(vector)
        done += len(batch)
        if told:
            told(done)
    return FrameVectors(
        embedder.name,
        embedder.model,
        made_of,
        np.asarray([segment for segment, _, _ in kept], np.int32),
        np.asarray([number for _, number, _ in kept], np.int32),
        np.asarray([second for _, _, second in kept], np.float64),
        np.stack(vectors) if vectors else np.zeros((0, 0), np.float32),
    )


def _batches(frames: Iterable[Seen]) -> Iterator[list[Seen]]:
    rest = iter(frames)
    while batch := list(islice(rest, BATCH)):
        yield batch
