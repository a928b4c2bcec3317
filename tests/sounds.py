"""Files of several sound tracks, and sounds that are told apart without the code under test."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from tests.clips import Pictures, Sound, encoded, steady, write

RATE = 16_000


@dataclass(frozen=True)
class Track:
    """float32 [n] or [channels, n] at 16 kHz, and what the container says of it."""

    samples: np.ndarray
    language: str = ""
    flags: str = ""
    title: str = ""
    layout: str = ""


def murmur(seed: int, seconds: float = 6.0, level: float = 0.1) -> np.ndarray:
    """Noise in syllables of 0.08 to 0.3 s with pauses, as speech goes up and down; another one for each seed."""
    rng = np.random.default_rng(seed)
    envelope = np.zeros(round(seconds * RATE))
    at = 0
    while at < len(envelope):
        length = int(rng.uniform(0.08, 0.3) * RATE)
        part = envelope[at : at + length]
        part[:] = rng.uniform(0.2, 1.0) * np.hanning(length)[: len(part)]
        at += length + int(rng.uniform(0.0, 0.15) * RATE)
    return (level * envelope * rng.normal(size=len(envelope))).clip(-1, 1).astype(np.float32)


def time_code(seconds: float = 6.0, level: float = 0.125, seed: int = 0) -> np.ndarray:
    """Biphase mark as SMPTE 12M has it, 25 frames of 80 bits a second: the sign turns with each bit, twice with a 1."""
    bits = np.random.default_rng(seed).integers(0, 2, round(seconds * 2000))
    halves = np.repeat(np.cumprod(np.stack([-np.ones(len(bits)), 1 - 2 * bits], axis=1).reshape(-1)), 4)
    return (level * halves).astype(np.float32)


def silence(seconds: float = 6.0) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def faint(decibels: float, seconds: float = 6.0) -> np.ndarray:
    return (10 ** (decibels / 20) * np.random.default_rng(9).normal(size=round(seconds * RATE))).astype(np.float32)


def tracks(path: Path, codec: str, *sounds: Track, rate: int = RATE) -> str:
    """A file of these sound tracks; MXF takes 48 kHz only, and pictures beside."""
    with av.open(str(path), "w") as container:
        packets: list[Any] = []
        if path.suffix == ".mxf":
            packets += _pictures(container, 6.0)
        for sound in sounds:
            samples = np.repeat(np.atleast_2d(sound.samples), rate // RATE, axis=1)
            layout = sound.layout or ("mono" if len(samples) == 1 else "stereo")
            stream = container.add_stream(codec, rate=rate, layout=layout)
            stream.metadata.update({"language": sound.language} if sound.language else {})
            stream.metadata.update({"title": sound.title} if sound.title else {})
            if sound.flags:
                stream.disposition = Disposition[sound.flags]
            packets += encoded(stream, Sound([(0.0, samples)], rate, layout, codec))
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return str(path)


def _pictures(container: Any, seconds: float) -> list[Any]:
    stream = container.add_stream("mpeg2video", rate=25)
    stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
    packets = []
    for number in range(round(seconds * 25)):
        frame = av.VideoFrame.from_ndarray(np.zeros((96, 128, 3), np.uint8), format="bgr24")
        frame.pts = number
        packets += stream.encode(frame)
    return packets + stream.encode()


def stereo(path: Path, left: np.ndarray, right: np.ndarray, codec: str = "flac") -> str:
    """A file of one track of two sides, and pictures."""
    sound = Sound([(0.0, np.stack([left, right]))], RATE, "stereo", codec)
    return str(write(path, Pictures(steady(len(left) / RATE)), sound))


def alike(found: np.ndarray, expected: Sequence[float] | np.ndarray) -> float:
    """How much two sounds go up and down together: the correlation of their levels in blocks of 20 ms."""
    length = min(len(found), len(expected)) // 320 * 320
    levels = [np.abs(sound[:length]).reshape(-1, 320).mean(axis=1) for sound in (found, np.asarray(expected))]
    return float(np.corrcoef(levels)[0, 1])
