"""Pictures as they are meant to be seen: colours, fields, mirrors, crops, alpha, the shape of pixels; by own files."""

import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests import clips
from tests.clips import Pictures, number_in, steady, write
from tests.media.test_media import check, image_of
from videotag.media import headers, interlace, pictures, probe


def ffmpeg(*arguments: str) -> None:
    """Run imageio-ffmpeg's program, which has encoders and filters that PyAV lacks."""
    from imageio_ffmpeg import get_ffmpeg_exe

    subprocess.run([get_ffmpeg_exe(), "-v", "error", "-y", *arguments], check=True, stdin=subprocess.DEVNULL)


# --- colours

CHART = np.array(  # sRGB
    [
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)],
        [(0, 255, 255), (255, 0, 255), (255, 255, 255), (128, 128, 128)],
        [(0, 0, 0), (224, 172, 138), (87, 108, 67), (98, 122, 157)],
    ]
)
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # ITU-R BT.2087
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
LUMA = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # red's and blue's share, by FFmpeg's number


def light(screen: np.ndarray) -> np.ndarray:
    values = screen / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def screen(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def pq(linear: np.ndarray) -> np.ndarray:
    """White at 203 cd/m2."""
    power = (linear * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(linear: np.ndarray) -> np.ndarray:
    """The same on a screen of 1000 cd/m2, of gamma 1.2."""
    shown = linear * 203 / 1000
    luminance = np.maximum(shown @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None]
    scene = shown * luminance ** (1 / 1.2 - 1)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def coloured(path: Path, signal: np.ndarray, size: tuple[int, int], tags: tuple[int, int, int, int]) -> Path:
    """A second of patches of R'G'B' from 0 to 1, as HEVC of 10 bits; primaries, transfer, matrix, range (2 is full)."""
    width, height = size
    rows, columns = np.arange(height) * len(signal) // height, np.arange(width) * len(signal[0]) // width
    image = signal[rows][:, columns]
    red, blue = LUMA.get(tags[2], LUMA[1])
    luma = image @ [red, 1 - red - blue, blue]
    chroma = [(image[..., 2] - luma) / (2 - 2 * blue), (image[..., 0] - luma) / (2 - 2 * red)]
    low, high, span = (0, 1023, 1023) if tags[3] == 2 else (64, 876, 896)
    planes = [low + high * luma, *(512 + span * plane[::2, ::2] for plane in chroma)]
    frame = av.VideoFrame(width, height, "yuv420p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size // 2), "<u2")
        padded[:, : plane.width] = np.rint(values).clip(0, 1023)
        plane.update(padded.tobytes())
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx265", rate=5)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = tags
        stream.options = {"preset": "ultrafast", "crf": "4", "x265-params": "log-level=none:pools=1"}
        for number in range(5):
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def patches(image: np.ndarray, columns: int = 4, rows: int = 3) -> np.ndarray:
    """RGB in the middle of each patch."""
    height, width = image.shape[:2]
    places = [
        ((2 * r + 1) * height // (2 * rows), (2 * c + 1) * width // (2 * columns))
        for r in range(rows)
        for c in range(columns)
    ]
    return np.array([image[y - 8 : y + 8, x - 8 : x + 8].mean(axis=(0, 1))[::-1] for y, x in places])


SMALL, HD = (320, 240), (1280, 720)
COLOURS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[int, int], tuple[int, int, int, int], float]] = {
    "PQ": (lambda c: pq(light(c) @ TO_BT2020.T), SMALL, (9, 16, 9, 1), 4),
    "HLG": (lambda c: hlg(light(c) @ TO_BT2020.T), SMALL, (9, 18, 9, 1), 4),
    "PQ, primaries unsaid": (lambda c: pq(light(c) @ TO_BT2020.T), SMALL, (2, 16, 9, 1), 4),
    "BT.2020": (lambda c: screen(light(c) @ TO_BT2020.T), SMALL, (9, 14, 9, 1), 3),
    "Display P3": (lambda c: screen(light(c) @ TO_P3.T), SMALL, (12, 1, 1, 1), 3),
    "HD, unsaid": (lambda c: c / 255, HD, (2, 2, 2, 1), 2),
    "BT.709": (lambda c: c / 255, HD, (1, 1, 1, 1), 2),
    "BT.601": (lambda c: c / 255, SMALL, (6, 6, 6, 1), 2),
    "full range": (lambda c: c / 255, SMALL, (1, 1, 1, 2), 2),
}


@pytest.mark.parametrize("kind", COLOURS)
def test_colours_are_those_of_a_screen(tmp_path: Path, kind: str) -> None:
    encode, size, tags, most = COLOURS[kind]
    path = str(coloured(tmp_path / "a.mp4", encode(CHART), size, tags))
    shown = image_of(next(pictures.pictures(path, [0.5])))
    _, small = next(pictures.small_frames(path, width=320))
    for image in (shown, small):
        off = np.abs(patches(image) - CHART.reshape(-1, 3))
        assert off.mean() <= most, patches(image).round()
        assert off[6:9].max() <= 4  # white, grey and black


@pytest.mark.parametrize(("encode", "transfer"), [(pq, 16), (hlg, 18)])
def test_what_is_brighter_than_white_is_still_told_apart(
    tmp_path: Path, encode: Callable[[np.ndarray], np.ndarray], transfer: int
) -> None:
    """Greys of 20 to 1000 cd/m2; those well below white stay what they are."""
    nits = np.array([[20, 100, 203, 400, 700, 990]])
    signal = encode(np.repeat(nits[..., None] / 203, 3, axis=2))
    path = str(coloured(tmp_path / "a.mp4", signal, (480, 240), (9, transfer, 9, 1)))
    levels = patches(image_of(next(pictures.pictures(path, [0.5]))), 6, 1).mean(axis=1)
    assert all(np.diff(levels) >= 3)
    assert levels[:2] == pytest.approx(255 * screen(nits[0, :2] / 203), abs=3)
    assert levels[2] > 225 and levels[5] >= 250


# --- fields


def alternating(image: np.ndarray) -> float:
    """Percent of pixels that stand out from above and below in the same way."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(int)
    above, below = grey[1:-1] - grey[:-2], grey[1:-1] - grey[2:]
    return 100 * float(((above * below > 0) & (np.minimum(abs(above), abs(below)) > 10)).mean())


def moving(number: int, size: tuple[int, int], half: float = 0.0) -> np.ndarray:
    """The number, and in the lower part of the picture bars that move by 12 pixels a frame."""
    width, height = size
    image = np.full((height, width, 3), 40, np.uint8)
    image[: height * 3 // 4] = clips.numbered(number, (width, height * 3 // 4))
    across = (np.arange(width) - round(12 * (number + half))) % 64 < 24
    image[height * 3 // 4 :, across] = (200, 220, 240)
    return image


def two_moments(number: int, size: tuple[int, int]) -> np.ndarray:
    image = moving(number, size)
    image[1::2] = moving(number, size, 0.5)[1::2]
    return image


def number_above(image: np.ndarray) -> int:
    return number_in(image[: len(image) * 3 // 4])


INTERLACED = {
    "libx264": {"x264-params": "tff=1:b-adapt=0:threads=1"},
    "mpeg2video": {"flags": "+ildct+ilme", "b": "6M"},
}


@pytest.mark.parametrize(("name", "codec"), [("a.ts", "libx264"), ("a.mkv", "libx264"), ("a.mpg", "mpeg2video")])
@pytest.mark.parametrize("draw", [two_moments, moving])
def test_fields_are_made_whole_where_they_show_two_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str, draw: Callable[..., np.ndarray]
) -> None:
    made = []
    plain = interlace.Deinterlacer.whole
    monkeypatch.setattr(interlace.Deinterlacer, "whole", lambda *args: made.append(1) or plain(*args))
    video = Pictures(steady(8), (320, 256), codec, 12, 2, options=INTERLACED[codec], draw=draw)
    path = str(write(tmp_path / name, video))
    with av.open(path) as container:
        assert next(container.decode(video=0)).interlaced_frame
    asked = [0.03, 0.5, 2.02, 2.9, 3.01, 3.05, 6.5, 7.97]
    found = list(pictures.pictures(path, asked))
    numbers = [number_above(image_of(picture)) for picture in found]
    assert numbers == [min(199, int(time * 25 + 1e-6)) for time in asked]
    assert [picture.time for picture in found] == pytest.approx([n / 25 for n in numbers], abs=0.001)
    assert len(made) == (len(asked) if draw is two_moments else 0)
    assert max(alternating(image_of(picture)) for picture in found) < 0.3


def test_pictures_do_not_depend_on_what_was_asked_before(tmp_path: Path) -> None:
    video = Pictures(steady(4), (320, 256), "libx264", 50, 3, options=INTERLACED["libx264"], draw=two_moments)
    path = str(write(tmp_path / "a.ts", video))
    asked = [0.5, 0.9, 1.3, 2.0, 2.5, 3.1]
    together = [picture.jpeg for picture in pictures.pictures(path, asked)]
    assert together == [next(pictures.pictures(path, [time])).jpeg for time in asked]


def test_single_fields_give_whole_pictures(tmp_path: Path) -> None:
    """HEVC that is coded field by field: 50 a second, each half as high."""

    def field(number: int, size: tuple[int, int]) -> np.ndarray:
        whole = moving(number // 2, (size[0], 2 * size[1]), number % 2 / 2)
        return np.ascontiguousarray(whole[number % 2 :: 2])

    options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:interlace=tff:bframes=0"}
    video = Pictures(steady(2, fps=50), (320, 128), "libx265", 25, options=options, draw=field)
    path = str(write(tmp_path / "a.mkv", video))
    info = probe.probe(path)
    assert (info.width, info.height, info.fps) == (320, 256, 25)
    for picture in pictures.pictures(path, [0.501, 1.021, 1.5]):
        image = image_of(picture)
        assert image.shape == (256, 320, 3)
        assert number_above(image) == int(picture.asked * 25)
        assert alternating(image) < 0.3


# --- which way up, and what of it


def quarters(number: int, size: tuple[int, int]) -> np.ndarray:
    """Red and green above, blue and white below."""
    image = np.full((size[1], size[0], 3), 255, np.uint8)
    half, middle = size[1] // 2, size[0] // 2
    image[:half, :middle], image[:half, middle:], image[half:, :middle] = (0, 0, 255), (0, 255, 0), (255, 0, 0)
    return image


def seen(image: np.ndarray) -> str:
    names = {(0, 0): "R", (0, 1): "G", (1, 0): "B", (1, 1): "W"}
    colours = patches(image, 2, 2)
    found = [(int(np.argmax(c)), c.min() > 150) for c in colours]
    assert names
    return "".join("W" if white else "RGB"[most] for most, white in found)


MATRICES = {  # a, b, c, d of x' = ax + cy, y' = bx + dy, and what is seen then, row by row
    "as stored": ((1, 0, 0, 1), "RGBW"),
    "mirrored": ((-1, 0, 0, 1), "GRWB"),
    "upside down, mirrored": ((1, 0, 0, -1), "BWRG"),
    "half a turn": ((-1, 0, 0, -1), "WBGR"),
    "a quarter to the right": ((0, 1, -1, 0), "BRWG"),
    "a quarter to the left": ((0, -1, 1, 0), "GWRB"),
    "transposed": ((0, 1, 1, 0), "RBGW"),
    "transposed the other way": ((0, -1, -1, 0), "WGBR"),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_mirrors_and_turns(tmp_path: Path, kind: str) -> None:
    (a, b, c, d), right = MATRICES[kind]
    path = write(tmp_path / "a.mp4", Pictures(steady(1), (128, 96), draw=quarters))
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version 0: the matrix lies 40 bytes into the content
    assert struct.unpack_from(">9i", data, place) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    struct.pack_into(">5i", data, place, a << 16, b << 16, 0, c << 16, d << 16)
    path.write_bytes(data)
    image = image_of(next(pictures.pictures(str(path), [0.5])))
    assert (seen(image), image.shape[:2]) == (right, (128, 96) if b else (96, 128))
    info = probe.probe(str(path))
    assert (info.height, info.width) == image.shape[:2]
    assert seen(next(pictures.small_frames(str(path), width=64))[1]) == right


def test_the_older_tag_of_a_turn(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with (
        av.open(str(write(tmp_path / "b.mkv", Pictures(steady(1), draw=quarters)))) as old,
        av.open(str(path), "w") as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.metadata["rotate"] = "90"
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    assert seen(image_of(next(pictures.pictures(str(path), [0.5])))) == "BRWG"


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def test_clean_aperture(tmp_path: Path) -> None:
    """`clap` of 64 x 48, its centre 16 pixels to the right of the picture's and 12 above it: green alone."""
    path = write(tmp_path / "a.mp4", Pictures(steady(1), (128, 96), draw=quarters))
    data = bytearray(path.read_bytes())
    clap = box(b"clap", struct.pack(">8i", 64, 1, 48, 1, 64, 2, -24, 1))
    entry = data.index(b"avc1", data.index(b"stsd")) - 4
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        place = data.index(name, data.index(b"moov")) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(clap))
    length = struct.unpack_from(">I", data, entry)[0]
    struct.pack_into(">I", data, entry, length + len(clap))
    data[entry + length : entry + length] = clap
    path.write_bytes(data)
    image = image_of(next(pictures.pictures(str(path), [0.5])))
    assert image.shape == (48, 64, 3) and seen(image) == "GGGG"
    info = probe.probe(str(path))
    assert (info.width, info.height) == (64, 48)


def element(name: str, content: bytes) -> bytes:
    return bytes.fromhex(name) + (len(content) | 1 << 28).to_bytes(4) + content


def test_crop_of_matroska(tmp_path: Path) -> None:
    """Left 1, top 2, right 3, bottom 300, of the second track; what leaves nothing is no crop."""
    video = element("54cc", b"\1") + element("54bb", b"\2") + element("54dd", b"\3") + element("54aa", b"\1\x2c")
    tracks = element("ae", element("e0", b"")) + element("ae", element("d7", b"\2") + element("e0", video))
    path = tmp_path / "a.mkv"
    path.write_bytes(element("1a45dfa3", b"\0" * 9) + element("18538067", element("1654ae6b", tracks)))
    found = [headers.crop(str(path), "matroska,webm", track, (640, 480)) for track in (0, 1)]
    assert found == [headers.Crop(), headers.Crop(1, 2, 3, 300)]
    assert headers.crop(str(path), "matroska,webm", 1, (640, 300)) == headers.Crop()


@pytest.mark.parametrize(("ink", "light_ground"), [(0, True), (255, False)])
def test_what_is_transparent_lies_on_a_ground(tmp_path: Path, ink: int, light_ground: bool) -> None:
    path = tmp_path / "a.mov"
    image = np.zeros((96, 128, 4), np.uint8)
    image[32:64, 32:96] = (255, ink, ink, ink)  # alpha first
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "argb"
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(image, format="argb")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    shown = image_of(next(pictures.pictures(str(path), [0.2])))
    assert shown[40:56, 40:88].mean() == pytest.approx(ink, abs=4)
    assert (shown[:16].mean() > 200) if light_ground else (shown[:16].mean() < 60)


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx-vp9"), ("a.mkv", "libvpx-vp9"), ("a.webm", "libvpx")])
def test_alpha_of_vp8_and_vp9(tmp_path: Path, name: str, codec: str) -> None:
    """Red on the left, nothing on the right, though red is hidden there too."""
    path = str(tmp_path / name)
    half = "geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='255*lt(X,64)'"
    drawn = ["-f", "lavfi", "-i", f"color=red:s=128x96:r=25:d=1,format=yuva420p,{half}"]
    ffmpeg(*drawn, "-c:v", codec, "-auto-alt-ref", "0", "-g", "10", "-deadline", "realtime", path)
    for asked in ([0.2], [0.8, 0.96]):
        for picture in pictures.pictures(path, asked):
            left, right = patches(image_of(picture), 2, 1)
            assert left == pytest.approx([254, 0, 0], abs=4)
            assert right == pytest.approx([224] * 3, abs=2)
            assert picture.time == pytest.approx(picture.asked, abs=0.001)
    assert [time for time, _ in pictures.small_frames(path, 0.5)] == pytest.approx(steady(0.5, 0.52)[:12], abs=0.001)


def test_the_shape_of_pixels_changes(tmp_path: Path) -> None:
    """A recording that begins with the end of another programme: 4:3 and 16:9 joined."""
    parts = []
    for number, (shape, start) in enumerate([(Fraction(1), 0.0), (Fraction(4, 3), 2.0)]):
        video = Pictures(steady(2, start=start), (120, 90), "mpeg2video", 12, pixel_shape=shape)
        parts.append(write(tmp_path / f"{number}.ts", video).read_bytes())
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    for asked in ([1.0, 3.0], [3.0]):
        sizes = [image_of(picture).shape[1::-1] for picture in pictures.pictures(str(path), asked)]
        assert sizes == [(120, 90), (160, 90)][-len(asked) :]


# --- lengths and rates


def test_a_split_matroska_is_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = str(write(tmp_path / "a.mkv", Pictures(steady(4, start=20.0))))
    assert probe.probe(path).duration == pytest.approx(4, abs=0.01)
    assert caplog.messages == []


def test_a_variable_rate_is_what_is_there(tmp_path: Path) -> None:
    times = [n / 30 + (0.005 if n % 7 == 3 else 0) + n // 50 * 0.1 for n in range(300)]
    for name in ("a.mp4", "a.mkv"):
        info = probe.probe(str(write(tmp_path / name, Pictures(times))))
        assert info.fps == pytest.approx(299 / times[-1], abs=0.02)


def test_a_gif_of_a_second(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("gif", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "rgb8"
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(clips.numbered(number, (128, 96)), format="bgr24").reformat(
                format="rgb8"
            )
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert probe.probe(str(path)).duration == pytest.approx(1.0, abs=0.01)
    check(path, steady(1), [0.1, 0.5, 0.9])


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_pictures_of_an_avi_that_are_not_stored_in_their_order(tmp_path: Path, codec: str) -> None:
    times = steady(12)
    path = write(tmp_path / "a.avi", Pictures(times, codec=codec, gop=50, b_frames=2, options={"threads": "1"}))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.has_b_frames
    check(path, times, [0.02, 0.5, 1.3, 2.02, 2.06, 2.1, 7.7, 11.98])
    small = list(pictures.small_frames(str(path), 4.0, 6.0, width=64))
    assert [number_in(image) for _, image in small] == list(range(100, 150))
    assert [time for time, _ in small] == pytest.approx([n / 25 for n in range(100, 150)])
    assert probe.probe(str(path)).duration == pytest.approx(12, abs=0.05)
