"""Colours whose tags are only in the container, of unusual kinds, or with alpha; by own files."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.media.test_media import image_of
from tests.media.test_upright import CHART, HD, SMALL, TO_BT2020, coloured, ffmpeg, light, patches, pq
from videotag.media import pictures

PQ = pq(light(CHART) @ TO_BT2020.T)
UNSAID = (2, 2, 2, 1)
BT709 = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")


def off(path: Path) -> np.ndarray:
    """How far each patch of the chart is from what it should be."""
    return np.abs(patches(image_of(next(pictures.pictures(str(path), [0.5])))) - CHART.reshape(-1, 3))


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "copy"), ("a.mkv", "copy"), ("a.mov", "prores_ks")])
def test_tags_that_only_the_container_has(tmp_path: Path, name: str, codec: str) -> None:
    """The decoders of HEVC and ProRes take a stream that says nothing for the last word."""
    bare = coloured(tmp_path / "bare.mp4", PQ, SMALL, UNSAID)
    plain, tagged = tmp_path / f"plain_{name}", tmp_path / name
    ffmpeg("-i", str(bare), "-c:v", codec, str(plain))
    tags = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
    ffmpeg("-i", str(plain), "-c", "copy", *tags, str(tagged))
    assert off(plain).mean() > 40
    assert off(tagged).mean() <= 4


@pytest.mark.parametrize(
    ("name", "codec", "size", "tags"),
    [
        ("a.webm", ("libvpx", "-crf", "4", "-b:v", "8M"), SMALL, BT709),
        ("a.webm", ("libvpx", "-crf", "4", "-b:v", "8M"), HD, ()),
        ("a.mov", ("mjpeg", "-q:v", "1"), SMALL, BT709),
    ],
)
def test_decoders_that_tell_a_matrix_whatever_the_file_says(
    tmp_path: Path, name: str, codec: tuple[str, ...], size: tuple[int, int], tags: tuple[str, ...]
) -> None:
    bare = coloured(tmp_path / "bare.mp4", CHART / 255, size, UNSAID)
    ffmpeg("-i", str(bare), "-c:v", *codec, str(tmp_path / f"plain_{name}"))
    ffmpeg("-i", str(tmp_path / f"plain_{name}"), "-c", "copy", *tags, str(tmp_path / name))
    assert off(tmp_path / name).mean() <= 2


@pytest.mark.parametrize(
    ("signal", "tags"),
    [
        (CHART / 255, (1, 1, 2, 1)),  # the primaries tell the matrix
        (CHART / 255, (1, 1, 12, 1)),  # derived from them, which FFmpeg's scaler does not know
        (light(CHART), (1, 8, 1, 1)),  # linear light
    ],
)
def test_unusual_tags(tmp_path: Path, signal: np.ndarray, tags: tuple[int, int, int, int]) -> None:
    assert off(coloured(tmp_path / "a.mp4", signal, SMALL, tags)).mean() <= 3


def test_colours_that_cannot_be_read_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """ICtCp by its tag, Dolby Vision 5 by the data beside each picture; Dolby Vision 8 is tagged and says nothing."""
    tagged = coloured(tmp_path / "ictcp.mp4", PQ, SMALL, (9, 16, 14, 1))
    dolby = with_dolby_vision(coloured(tmp_path / "5.mp4", PQ, SMALL, UNSAID))
    for path in (tagged, dolby):
        list(pictures.pictures(str(path), [0.0, 0.5]))
        assert len(caplog.messages) == 1
        assert str(path) in caplog.messages.pop()
        caplog.clear()
    eight = with_dolby_vision(coloured(tmp_path / "8.mp4", PQ, SMALL, (9, 16, 9, 1)))
    assert off(eight).mean() <= 4
    assert not caplog.messages


def with_dolby_vision(path: Path) -> Path:
    """A copy whose pictures are each followed by a unit of HEVC's type 62, in which Dolby Vision keeps its data."""
    made = path.with_suffix(".mkv")
    unit = b"\x7c\x01\x19" + bytes(range(1, 40))
    with av.open(str(path)) as source, av.open(str(made), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                copy = av.Packet(bytes(packet) + len(unit).to_bytes(4, "big") + unit)
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.stream, copy.is_keyframe = stream, packet.is_keyframe
                target.mux(copy)
    return made


def test_alpha_of_a_wide_gamut(tmp_path: Path) -> None:
    """Red of P3 on the left, nothing on the right: there is the ground, not what is hidden."""
    image = np.zeros((240, 320, 4), np.uint8)
    image[:, :160] = (0, 0, 255, 255)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    tags = "setparams=color_primaries=smpte432:color_trc=bt709:colorspace=bt709"
    prores = ("-pix_fmt", "yuva444p10le", "-c:v", "prores_ks", "-profile:v", "4")
    scale = "scale=out_color_matrix=bt709,format=yuva444p10le"
    ffmpeg("-i", str(tmp_path / "a.png"), "-vf", f"{scale},{tags}", *prores, str(tmp_path / "a.mov"))
    shown = image_of(next(pictures.pictures(str(tmp_path / "a.mov"), [0.0])))
    assert np.abs(shown[120, 80] - (0.0, 0, 255)).max() <= 4
    assert shown[120, 240].min() == shown[120, 240].max() >= 200
