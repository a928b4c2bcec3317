"""An archive of one video, as phase 1 would have left it, and a file of it whose pictures say which they are."""

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from tests.clips import Pictures, Sound, number_in, steady, tones, write
from tests.fake_database import FakeDatabase
from videotag import artifacts, content
from videotag.stages import PHASE1
from videotag.web.archive import Archive

NAME = "news"
DRAWN = """
const canvas = document.createElement("canvas"), video = document.querySelector("video");
[canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
const drawn = canvas.getContext("2d");
drawn.drawImage(video, 0, 0);
return [canvas.height, canvas.width, [...drawn.getImageData(0, 0, canvas.width, canvas.height).data]];
"""
"""A script: what the page's video shows, for `number_drawn`."""


def archive_of(folder: Path, path: Path, seconds: float, *hits: dict[str, Any], **fields: Any) -> Archive:
    """The archive in `folder` of a video whose words are " 0", " 1", ... in the middle of each second.

    Segments of 10 s, each with a frame in its middle. `fields` are of its record and of its result.
    """
    found = content.looked_into(str(path))
    jpeg = cv2.imencode(".jpg", np.full((36, 64, 3), 90, np.uint8))[1].tobytes()
    starts = range(0, int(seconds), 10)
    words = [{"text": f" {n}", "start": n + 0.25, "end": n + 0.75, "probability": 1.0} for n in range(int(seconds))]
    segments = [
        {
            "segment_index": number,
            "start_time": float(start),
            "end_time": min(start + 10.0, seconds),
            "duration": min(10.0, seconds - start),
            "transcript": "".join(word["text"] for word in words[start : start + 10]).strip(),
            "words": words[start : start + 10],
            "frames": [number],
        }
        for number, start in enumerate(starts)
    ]
    own = {"video_name": NAME, "video_path": str(path), "video_duration": seconds, "frame_rate": "25", **fields}
    heard = {"language": "ru", "spoken_language": "ru", "detected_language": "ru", "language_probability": 1.0}
    frames = [{"time": start + 5.0, "jpeg": jpeg} for start in starts]
    result = {**own, **heard, "source": found, "made_by": {}, "frames": frames, "segments": segments}
    with artifacts.Draft(artifacts.path_of(PHASE1, folder, NAME), result) as draft:
        draft.publish()
    database = FakeDatabase(*hits)
    database.records = [{**own, "phase1_status": "completed", **{f"source_{key}": found[key] for key in found}}]
    return Archive(database, folder)  # type: ignore[arg-type]


def film(path: Path, seconds: float, codec: str = "libx264", sound: str = "aac", **options: Any) -> Path:
    """A video of 25 numbered pictures a second, with a tone at 3 s."""
    heard = Sound([(0, tones(0, seconds, 48_000, 3.0)[None])], codec=sound)
    return write(path, Pictures(steady(seconds), codec=codec, gop=25, **options), heard)


def numbers_of(path: Path) -> list[int]:
    """The numbers of a file's pictures."""
    with av.open(str(path)) as container:
        return [number_in(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


def number_drawn(drawn: tuple[int, int, list[int]]) -> int:
    """The number of a picture, of its height, width and RGBA."""
    height, width, pixels = drawn
    return number_in(np.array(pixels, np.uint8).reshape(height, width, 4)[..., 2::-1])
