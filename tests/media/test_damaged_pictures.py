"""Pictures of which a part is missing are left out, with a line, where a whole one lies before them; by own files."""

from pathlib import Path

import pytest

from tests.clips import Pictures, number_in, numbered, steady, write
from tests.media.test_media import image_of
from tests.media.test_upright import ffmpeg
from videotag.media import pictures

DV = 144_000  # bytes of a frame of 625 lines (IEC 61834)


def dv(path: Path) -> bytearray:
    """A second of DV."""
    drawn = ["-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=1"]
    ffmpeg(*drawn, "-c:v", "dvvideo", "-pix_fmt", "yuv420p", str(path))
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("kept", [0.1, 0.9])
def test_a_dv_frame_that_was_not_written_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture, kept: float) -> None:
    """Frame 9 ends in zeros, as a disk gives what was never written."""
    path = tmp_path / "a.dv"
    data = dv(path)
    assert [picture.time for picture in pictures.pictures(str(path), [0.36])] == [0.36] and not caplog.messages
    begin, end = 9 * DV + int(DV * kept), 10 * DV
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)
    assert [picture.time for picture in pictures.pictures(str(path), [0.36, 0.4])] == [0.32, 0.4]
    assert len(list(pictures.small_frames(str(path)))) == 24
    assert caplog.messages == [f"{path}: has damaged pictures; whole ones before them are used; check the copy"]


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mjpeg"), ("a.ts", "libx264"), ("a.ts", "mpeg2video")])
def test_the_last_picture_of_a_file_that_is_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, codec: str
) -> None:
    """The picture in which the cut lies is damaged in its lower half, and still decoded."""
    path = write(tmp_path / name, Pictures(steady(1), (320, 256), codec, 1, draw=numbered))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 11 // 20])
    found = list(pictures.pictures(str(path), [0.2, 0.9]))
    assert number_in(image_of(found[0])) == 5
    last = number_in(image_of(found[1]))
    assert 9 < last < 14 and found[1].time == pytest.approx(last / 25, abs=0.001)
    assert f"{path}: has damaged pictures; whole ones before them are used; check the copy" in caplog.messages


def test_where_every_packet_is_told_to_be_damaged(tmp_path: Path) -> None:
    """MPEG-TS whose continuity counters are wrong throughout: a picture a second is better than none."""
    data = bytearray(write(tmp_path / "b.ts", Pictures(steady(4), (320, 256), "mpeg2video", 1)).read_bytes())
    for place in range(0, len(data), 188):
        data[place + 3] = data[place + 3] & 0xF0 | place // 188 * 7 % 16
    path = tmp_path / "a.ts"
    path.write_bytes(data)
    times = [picture.time for picture in pictures.pictures(str(path), [0.5, 1.5, 2.5, 3.5])]
    assert all(asked - 1 <= time <= asked for asked, time in zip([0.5, 1.5, 2.5, 3.5], times, strict=True))
    assert len(set(times)) >= 3
