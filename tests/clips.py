"""Writes small clips whose right answers are known without the code under test.

Every picture carries its number as 4 x 3 black and white blocks, so a decoded picture says by itself which one it is.
Sound is a formula of time, so what has to be heard at any sample rate is the same formula.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

COLUMNS, ROWS = 4, 3
FPS = 25
VIDEO_TIME_BASE = Fraction(1, 90_000)


@dataclass(frozen=True)
class Pictures:
    """The video track: picture `n` is shown at `times[n]` seconds.

    `draw` makes BGR uint8 [height, width, 3] of a number. Options are those of the encoder; B-frames and the distance
    of keyframes (in pictures) are set apart as every codec has them.
    """

    times: Sequence[float]
    size: tuple[int, int] = (128, 96)
    codec: str = "libx264"
    gop: int = 25
    b_frames: int = 0
    rotation: int = 0
    pixel_shape: Fraction = Fraction(1)
    options: dict[str, str] = field(default_factory=dict)
    draw: "Callable[[int, tuple[int, int]], np.ndarray] | None" = None


@dataclass(frozen=True)
class Sound:
    """The audio track: pieces of float32 [channels, n], each with the time at which it starts."""

    pieces: Sequence[tuple[float, np.ndarray]]
    rate: int = 48_000
    layout: str = "mono"
    codec: str = "flac"


def write(path: Path, video: Pictures | None = None, sound: Sound | None = None, **muxer: str) -> Path:
    """Write a file; the container is told by the name's ending, `muxer` are its options."""
    with av.open(str(path), "w", options=muxer) as container:
        packets: list[Any] = []
        if video:
            packets += _video_packets(container, video)
        if sound:
            packets += _audio_packets(container, sound)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def steady(seconds: float, start: float = 0.0, fps: float = FPS) -> list[float]:
    """The times of a constant frame rate."""
    return [start + n / fps for n in range(round(seconds * fps))]


def numbered(number: int, size: tuple[int, int]) -> np.ndarray:
    """The number in black and white blocks, lowest bit in the upper left corner. BGR uint8 [height, width, 3]."""
    width, height = size
    bits = np.array([number >> bit & 1 for bit in range(COLUMNS * ROWS)], np.uint8).reshape(ROWS, COLUMNS)
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    return np.repeat((bits[rows][:, columns] * 255)[:, :, None], 3, axis=2)


def number_in(image: np.ndarray) -> int:
    """The number that an upright picture [height, width, 3] carries; blocks neither black nor white are an error."""
    height, width = image.shape[:2]
    number = 0
    for bit in range(COLUMNS * ROWS):
        row, column = divmod(bit, COLUMNS)
        y, x = round((row + 0.5) * height / ROWS), round((column + 0.5) * width / COLUMNS)
        level = float(image[y - 2 : y + 3, x - 2 : x + 3].mean())
        assert not 80 < level < 175, f"block {bit} is neither black nor white: {level}"
        number |= (level > 127) << bit
    return number


def tone(time: np.ndarray, at: float, hertz: float = 700.0, width: float = 0.01) -> np.ndarray:
    """A short tone around the time `at`: its value at each of the times."""
    return (0.5 * np.exp(-(((time - at) / width) ** 2)) * np.sin(2 * np.pi * hertz * (time - at))).astype(np.float32)


def tones(start: float, seconds: float, rate: int, *at: float) -> np.ndarray:
    """Sound with a tone at each of the times `at`, from `start` on. float32 [n]"""
    time = start + np.arange(round(seconds * rate)) / rate
    sound = np.zeros(len(time), np.float32)
    for moment in at:
        sound += tone(time, moment)
    return sound


def _video_packets(container: Any, video: Pictures) -> list[Any]:
    stream = container.add_stream(video.codec, rate=FPS)
    stream.width, stream.height = video.size
    stream.pix_fmt = "yuvj420p" if video.codec == "mjpeg" else "yuv420p"
    context = stream.codec_context
    fine = video.codec.startswith("libx26") and container.format.name not in ("avi", "asf")
    context.time_base = VIDEO_TIME_BASE if fine else Fraction(1, FPS)
    context.gop_size = video.gop
    context.max_b_frames = video.b_frames
    if video.pixel_shape != 1:
        context.sample_aspect_ratio = video.pixel_shape
    if video.rotation:
        stream.set_display_rotation(video.rotation)
    stream.options = _steady_keyframes(video) | video.options
    packets = []
    for number, time in enumerate(video.times):
        frame = av.VideoFrame.from_ndarray((video.draw or numbered)(number, video.size), format="bgr24")
        frame.time_base = context.time_base
        frame.pts = round(time / context.time_base)
        packets += stream.encode(frame)
    return packets + stream.encode()


def _steady_keyframes(video: Pictures) -> dict[str, str]:
    if video.codec != "libx264":
        return {}
    return {
        "preset": "fast",
        "crf": "20",
        "keyint_min": str(video.gop),
        "sc_threshold": "0",
        "x264-params": f"b-adapt=0:b-pyramid=normal:threads=1:force-cfr=0:rc-lookahead={min(10, video.gop)}",
    }


def _audio_packets(container: Any, sound: Sound) -> list[Any]:
    return encoded(container.add_stream(sound.codec, rate=sound.rate, layout=sound.layout), sound)


def encoded(stream: Any, sound: Sound) -> list[Any]:
    """The packets of a sound, for a stream that has been added to a container."""
    context = stream.codec_context
    context.time_base = Fraction(1, sound.rate)
    context.open(strict=False)
    size = context.frame_size or sound.rate
    packets = []
    for start, samples in sound.pieces:
        samples = np.atleast_2d(samples)
        for at in range(0, samples.shape[1], size):
            frame = _audio_frame(samples[:, at : at + size], context)
            frame.pts = round(start * sound.rate) + at
            packets += stream.encode(frame)
    return packets + stream.encode()


def _audio_frame(samples: np.ndarray, context: Any) -> Any:
    """A frame in the sample format that the encoder takes."""
    name = context.format.name
    planar = name.endswith("p")
    kinds = {"s16": (np.int16, 32767), "s32": (np.int32, 2**31 - 1), "flt": (np.float32, 1)}
    kind, full = kinds[name.removesuffix("p")]
    values = (samples.astype(np.float64) * full).astype(kind)
    if not planar:
        values = values.T.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=name, layout=context.layout.name)
    frame.rate = context.rate
    frame.time_base = context.time_base
    return frame
