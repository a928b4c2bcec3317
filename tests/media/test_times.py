"""What the times of a file say where its container tells them in a way of its own."""

import struct
from pathlib import Path

import pytest

from tests.clips import Pictures, number_in, steady, write
from videotag.media import pictures, probe


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and all of each box of an MP4, outermost ones only."""
    found = []
    while data:
        length, name = struct.unpack(">I4s", data[:8])
        found.append((name, data[:length]))
        data = data[length:]
    return found


def test_a_fragment_that_begins_late_is_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """As parts of a stream are kept: the header, and the last of three fragments of 4 s."""
    movflags = "frag_keyframe+empty_moov+default_base_moof"
    path = write(tmp_path / "a.mp4", Pictures(steady(12), gop=100), movflags=movflags)
    found = boxes(path.read_bytes())
    head = [data for name, data in found if name in (b"ftyp", b"moov")]
    at = [number for number, (name, _) in enumerate(found) if name == b"moof"][-1]
    path.write_bytes(b"".join([*head, found[at][1], found[at + 1][1]]))
    assert probe.probe(str(path)).duration == pytest.approx(4.0, abs=0.01)
    assert "holds" not in caplog.text


def test_a_wmv_that_begins_late_is_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = write(tmp_path / "a.wmv", Pictures(steady(4, start=30.0), codec="wmv2"))
    assert probe.probe(str(path)).duration == pytest.approx(4.0, abs=0.1)
    assert "holds" not in caplog.text


@pytest.mark.parametrize("b_frames", [0, 2])
def test_pictures_of_h264_in_avi(tmp_path: Path, b_frames: int):
    path = write(tmp_path / "a.avi", Pictures(steady(4), gop=25, b_frames=b_frames, options={"threads": "1"}))
    small = list(pictures.small_frames(str(path), 1.0, 3.0, width=64))
    assert [number_in(image) for _, image in small] == list(range(25, 75))
    assert [time for time, _ in small] == pytest.approx([n / 25 for n in range(25, 75)])
