"""Files of pictures to pixels."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def in_bgr(file: bytes) -> "np.ndarray | None":
    """A JPEG, or another file that OpenCV reads: BGR uint8 [h, w, 3], upright; None where it is no picture."""
    import cv2
    import numpy as np

    try:
        # OpenCV raises an error of its own over no bytes at all.
        return cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR) if file else None
    except cv2.error:  # of more pixels than it takes
        return None


def in_rgb(file: bytes) -> "np.ndarray | None":
    """The same as RGB."""
    import cv2

    picture = in_bgr(file)
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
