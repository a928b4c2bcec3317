"""A picture of the user's, to ask with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from videotag.errors import UserError

if TYPE_CHECKING:
    import numpy as np

LARGEST = 100 << 20  # bytes of a file


def read_picture(path: Path) -> np.ndarray:
    """RGB uint8 [h, w, 3], upright; of a JPEG, PNG, WebP, or another file that OpenCV reads.

    Raises:
        UserError: it is not there, cannot be read, or is no picture.
    """
    import cv2
    import numpy as np

    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: is larger than {LARGEST >> 20} MB; give a smaller picture")
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error:  # of more pixels than it takes
        picture = None
    if picture is None:
        raise UserError(f"{path}: is no picture that can be read; give a JPEG or PNG file")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
