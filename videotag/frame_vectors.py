"""The vectors of a video's frames: data/{video}_frame_vectors.npz.

Made by the load, of the frames of a result of phase 1 and of the video's file. Arrays alone, nothing pickled.
"""

from __future__ import annotations

import io
import json
import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videotag.artifacts import safe_name, write_whole
from videotag.errors import UserError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

ENDING = "_frame_vectors.npz"
FORM = 1  # a file of another form is made anew
BETWEEN = -1  # in `numbers`: a frame that phase 1 did not store


@dataclass(frozen=True)
class FrameVectors:
    """One row a frame, in the order of time; of frames that look alike the first.

    Attributes:
        engine: who made them, a frame embedder's `name` and `model`.
        made_of: the result of phase 1 and the cuts that were known: see `frames.made_of`.
        segments: int32 [n], the index of the first segment in which the frame lies.
        numbers: int32 [n], its place in that segment's `frames` as phase 1 stored it, or `BETWEEN`.
        seconds: float64 [n], in the video.
        vectors: float32 [n, dimension], of length 1.
    """

    engine: str
    model: str
    made_of: str
    segments: np.ndarray
    numbers: np.ndarray
    seconds: np.ndarray
    vectors: np.ndarray

    def __len__(self) -> int:
        return len(self.seconds)


_SHAPES = {"segments": ("int32", 1), "numbers": ("int32", 1), "seconds": ("float64", 1), "vectors": ("float32", 2)}


def path_of(data_dir: Path, video_name: str) -> Path:
    return data_dir / f"{safe_name(video_name)}{ENDING}"


def write(path: Path, found: FrameVectors) -> None:
    """Write them whole.

    Raises:
        UserError: the file cannot be written; what was there is there still.
    """
    import numpy as np

    about = {"form": FORM, "engine": found.engine, "model": found.model, "made_of": found.made_of}
    file = io.BytesIO()
    arrays: dict[str, Any] = {name: getattr(found, name).astype(kind) for name, (kind, _) in _SHAPES.items()}
    np.savez(file, about=np.array(json.dumps(about)), **arrays)
    write_whole(path, file.getvalue())


def read(path: Path) -> FrameVectors | None:
    """What was written; None where there is nothing that is whole and of this form, and a warning if it is damaged.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; mend its rights or delete it") from None
    try:
        return _unpacked(data)
    except Exception:  # a damaged archive raises nearly anything
        log.warning("%s: is damaged; it is made anew", path)
        return None


def _unpacked(data: bytes) -> FrameVectors | None:
    """None of another form. Raises any exception where it is damaged."""
    import numpy as np

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # What is packed small may unpack to any size; `write` packs nothing.
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("is compressed")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
        if about["form"] != FORM:
            return None
        found = {name: arrays[name] for name in _SHAPES}
    for name, (kind, dimensions) in _SHAPES.items():
        array = found[name]
        if array.dtype != kind or array.ndim != dimensions or len(array) != len(found["seconds"]):
            raise ValueError(f"{name} is of another shape")
    if not all(np.isfinite(found[name]).all() for name in ("seconds", "vectors")):
        raise ValueError("is not finite")
    return FrameVectors(str(about["engine"]), str(about["model"]), str(about["made_of"]), **found)
