"""A picture of the user's, to ask with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from videotag.errors import UserError
from videotag.media.jpeg import in_rgb

if TYPE_CHECKING:
    import numpy as np

LARGEST = 100 << 20  # bytes of a file


def read_picture(path: Path) -> np.ndarray:
    """RGB uint8 [h, w, 3], upright; of a JPEG, PNG, WebP, or another file that OpenCV reads.

    Raises:
        UserError: it is not there, cannot be read, or is no picture.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: is larger than {LARGEST >> 20} MB; give a smaller picture")
        picture = in_rgb(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if picture is None:
        raise UserError(f"{path}: is no picture that can be read; give a JPEG or PNG file")
    return picture
