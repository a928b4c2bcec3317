"""Pictures whose state changes in the middle, and pictures that are not sent again; by own files."""

from pathlib import Path

import numpy as np

from tests.clips import Pictures, number_in, numbered, steady, write
from tests.media.test_media import image_of
from tests.media.test_upright import ffmpeg, quarters, seen
from videotag.media import pictures, probe


def test_a_turn_that_the_stream_tells_and_takes_back(tmp_path: Path) -> None:
    """H.264 tells a turn with its keyframes, for all that follow: a quarter to the left, from 1 s to 2 s."""
    options = {"x264-params": "threads=1"}
    parts = []
    for number in range(3):
        part = write(
            tmp_path / f"{number}.ts",
            Pictures(steady(1, start=number), (128, 96), "libx264", 25, options=options, draw=quarters),
        )
        if number == 1:
            turn = "h264_metadata=display_orientation=insert:rotate=90"
            ffmpeg("-copyts", "-i", str(part), "-c", "copy", "-bsf:v", turn, "-muxdelay", "0", str(tmp_path / "t.ts"))
            part = tmp_path / "t.ts"
        parts.append(part.read_bytes())
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(parts))
    times = [0.5, 1.2, 1.6, 2.5]
    together = [image_of(picture) for picture in pictures.pictures(str(path), times)]
    alone = [image_of(next(pictures.pictures(str(path), [time]))) for time in times]
    for images in (together, alone):
        assert [seen(image) for image in images] == ["RGBW", "GWRB", "GWRB", "RGBW"]
        assert [image.shape[:2] for image in images] == [(96, 128), (128, 96), (128, 96), (96, 128)]


def test_a_still_picture_of_theora(tmp_path: Path) -> None:
    """A picture that is like the one before it is an empty packet, which is not the end of the file."""

    def slides(number: int, size: tuple[int, int]) -> np.ndarray:
        return numbered(number // 10 * 10, size)

    write(tmp_path / "a.mkv", Pictures(steady(3), (160, 128), "ffv1", 25, draw=slides))
    path = tmp_path / "a.ogv"
    ffmpeg("-i", str(tmp_path / "a.mkv"), "-c:v", "libtheora", "-q:v", "9", str(path))
    asked = [0.1, 0.5, 1.3, 2.9]
    found = list(pictures.pictures(str(path), asked))
    assert [number_in(image_of(picture)) for picture in found] == [0, 10, 30, 70]
    assert all(picture.time <= picture.asked for picture in found)
    assert probe.probe(str(path)).duration == 3.0
