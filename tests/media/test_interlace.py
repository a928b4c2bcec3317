"""Fields that only the container tells of, telecined film, the ends of single fields; by own files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.clips import Pictures, steady, write
from tests.media.test_media import image_of
from tests.media.test_upright import alternating, ffmpeg, moving, number_above, two_moments
from videotag.media import interlace, pictures


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
@pytest.mark.parametrize("draw", [two_moments, moving])
def test_fields_of_which_the_frames_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, draw: Callable[..., np.ndarray]
) -> None:
    """Ut Video has no mark of its own: Matroska has one beside it, AVI has none at all."""
    made = []
    plain = interlace.Deinterlacer.whole
    monkeypatch.setattr(interlace.Deinterlacer, "whole", lambda *args: made.append(1) or plain(*args))
    bare, path = tmp_path / "bare.mkv", tmp_path / name
    write(bare, Pictures(steady(1), (320, 256), "ffv1", 25, draw=draw))
    ffmpeg("-i", str(bare), "-vf", "setfield=tff", "-c:v", "utvideo", "-flags", "+ilme", str(path))
    found = list(pictures.pictures(str(path), [0.0, 0.5, 0.97]))
    assert [number_above(image_of(picture)) for picture in found] == [0, 12, 24]
    assert len(made) == (3 if draw is two_moments else 0)
    assert max(alternating(image_of(picture)) for picture in found) < 0.3


def test_of_telecined_film_only_the_combed_frames_are_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four pictures A B C D become five frames: A, B, B and C, C and D, D."""
    made = []
    plain = interlace.Deinterlacer.whole
    monkeypatch.setattr(
        interlace.Deinterlacer, "whole", lambda _, *of: made.append(round(of[1].time * 25)) or plain(_, *of)
    )

    def telecined(number: int, size: tuple[int, int]) -> np.ndarray:
        first, second = [(0, 0), (1, 1), (1, 2), (2, 3), (3, 3)][number % 5]
        image = moving(number // 5 * 4 + first, size)
        image[1::2] = moving(number // 5 * 4 + second, size)[1::2]
        return image

    options = {"flags": "+ildct+ilme", "b": "6M"}
    path = write(tmp_path / "a.mkv", Pictures(steady(1), (320, 256), "mpeg2video", 12, options=options, draw=telecined))
    found = list(pictures.pictures(str(path), steady(1)[:20]))
    assert [n for n in made if n % 5 not in (2, 3)] == []
    assert len(made) == 8
    assert max(alternating(image_of(picture)) for picture in found) < 0.3


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_the_first_and_the_last_of_single_fields(tmp_path: Path, order: str) -> None:
    def field(number: int, size: tuple[int, int]) -> np.ndarray:
        whole = moving(number // 2, (size[0], 2 * size[1]), number % 2 / 2)
        return np.ascontiguousarray(whole[number % 2 if order == "tff" else 1 - number % 2 :: 2])

    options = {"preset": "ultrafast", "x265-params": f"log-level=none:pools=1:interlace={order}:bframes=0"}
    video = Pictures(steady(1, fps=50), (320, 128), "libx265", 25, options=options, draw=field)
    for picture in pictures.pictures(str(write(tmp_path / "a.mkv", video)), [0.0, 0.99]):
        assert number_above(image_of(picture)) == int(picture.asked * 25)
        assert alternating(image_of(picture)) < 0.3
