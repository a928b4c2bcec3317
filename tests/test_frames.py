"""Which frames are looked at, and which of their vectors are kept."""

import cv2
import numpy as np
import pytest

from tests.pipeline import SAMPLE, FakeFrameEmbedder
from videotag.embedders.pictures.making import ALIKE, BATCH, made
from videotag.frame_vectors import BETWEEN
from videotag.frames import Frame, footage, made_of
from videotag.media.pictures import pictures

TIMES = [4.0, 12.0, 20.0, 28.0]


@pytest.fixture(scope="module")
def heard():
    """Two windows of the sample, 0 to 20 and 15 to 30 s, that share the frame at 20 s; the one at 28 s is damaged."""
    jpegs = [found.jpeg for found in pictures(str(SAMPLE), TIMES[:3], 160)] + [b"no picture"]
    frames = [{"time": time, "jpeg": jpeg} for time, jpeg in zip(TIMES, jpegs, strict=True)]
    segments = [
        {"segment_index": 0, "start_time": 0.0, "end_time": 20.0, "frames": [0, 1, 2]},
        {"segment_index": 1, "start_time": 15.0, "end_time": 30.0, "frames": [2, 3]},
    ]
    return {"result_id": "abc", "video_duration": 30.0, "frames": frames, "segments": segments}


def cut(start: float, *tenths: int) -> dict:
    return {"start_time": start, "cut_times": " ".join(map(str, tenths))}


@pytest.mark.parametrize(
    ("cuts", "between"),
    [
        ([], []),
        ([cut(0, 100)], []),  # 10 to 30 s: the stored frame at 12 s shows it
        ([cut(0, 130)], []),  # 13 to 30 s: that at 20 s
        ([cut(0, 130, 190)], [14.0]),  # 13 to 19 s has none: a second in
        ([cut(0, 130, 138)], [13.4]),  # 13 to 13.8: its middle
        ([cut(0, 160, 190), cut(15.0, 10, 40)], [17.0]),  # windows overlap: each cut counts once
        ([cut(15.0, 140)], [29.5]),  # 29 to the end at 30 s
        ([{"start_time": 0.0}, cut(15.0)], []),  # of an older result, or by who has not seen all frames
        ([{"start_time": 0.0, "cut_times": "1 x"}], []),
    ],
)
def test_a_shot_without_a_stored_frame_gets_one(heard, cuts, between):
    assert footage(heard, cuts, "").between == pytest.approx(between)
    assert len(footage(heard, cuts, "")) == 4 + len(between)


def test_frames_come_in_order_of_time_each_once_with_its_first_place(heard):
    found = list(footage(heard, [cut(0, 130, 190), cut(15.0, 140, 142)], str(SAMPLE)).frames())
    assert [(f.segment, f.number, round(f.second, 3)) for f in found] == [
        (0, 0, 4.0),
        (0, 1, 12.0),
        (0, BETWEEN, 14.0),
        (0, 2, 20.0),  # of both windows; that at 28 s cannot be decoded
        (1, BETWEEN, 29.067),  # 29.1 s; 15 frames a second
        (1, BETWEEN, 29.6),
    ]
    first = found[0].picture
    assert (first.dtype, first.shape) == (np.uint8, (90, 160, 3))
    [again] = pictures(str(SAMPLE), [4.0], 160)
    bgr = cv2.imdecode(np.frombuffer(again.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None and np.array_equal(first[:, :, ::-1], bgr)


def test_without_the_file_the_stored_ones_are_left(heard, caplog, tmp_path):
    found = list(footage(heard, [cut(0, 130, 190)], str(tmp_path / "gone.mp4")).frames())
    assert [frame.second for frame in found] == [4.0, 12.0, 20.0]
    assert "gone.mp4" in caplog.text and "none is looked at" in caplog.text


def test_what_they_are_made_of_is_another_with_other_cuts():
    once = made_of("abc", [cut(0, 130, 190)])
    assert once.startswith("abc ")
    assert made_of("abc", [cut(0, 130, 190), cut(10.0, 30)]) == once  # the same cut, by the next window
    assert len({once, made_of("abd", [cut(0, 130, 190)]), made_of("abc", [cut(0, 130)]), made_of("abc", [])}) == 4


def plain(level: int, second: float) -> Frame:
    return Frame(0, 0, second, np.full((2, 2, 3), (level, 128, 128), np.uint8))


def test_of_frames_that_look_alike_the_first_is_kept():
    # A vector is (level - 128, 0, 0, 1): 228 is (100, 1), 129 (1, 1), 28 (-100, 1). 100 and 99 are alike.
    told: list[int] = []
    levels = [228, 227, 228, 129, 28, 29, 228]
    found = made(FakeFrameEmbedder(), (plain(*one) for one in zip(levels, range(7), strict=True)), "abc x", told.append)
    assert found.seconds.tolist() == [0, 3, 4, 6]
    assert (found.engine, found.model, found.made_of) == ("siglip2", "colours", "abc x")
    assert (found.vectors @ found.vectors.T)[range(3), range(1, 4)].max() <= ALIKE
    assert told == [7]


def test_slow_change_is_told_from_the_last_one_that_was_kept():
    # Angles of 0, 8, 16, 24 degrees from (1, 0): each 0.99 to the one before it, 0.96 to the last but one.
    levels = [round(128 + np.tan(np.radians(angle)) * 100) for angle in (0, 8, 16, 24)]
    embedder = FakeFrameEmbedder()
    embedder.embed_frames = lambda pictures: np.asarray(  # type: ignore[method-assign]
        [[100, picture[0, 0, 0] - 128.0] for picture in pictures], np.float32
    )
    embedder.dimension = 2
    found = made(embedder, [plain(*one) for one in zip(levels, range(4), strict=True)], "")
    assert found.seconds.tolist() == [0, 2]


def test_many_go_batch_by_batch_and_none_gives_none():
    told: list[int] = []
    frames = [plain(28 if second % 2 else 228, second) for second in range(2 * BATCH + 1)]
    assert len(made(FakeFrameEmbedder(), iter(frames), "", told.append)) == 2 * BATCH + 1
    assert told == [BATCH, 2 * BATCH, 2 * BATCH + 1]
    none = made(FakeFrameEmbedder(), [], "")
    assert len(none) == 0 and none.vectors.shape == (0, 0)
