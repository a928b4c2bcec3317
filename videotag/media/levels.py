"""What the sound tracks of a file are like: how loud, how steady, how their channels go together. By samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from videotag.media.source import Source, decode, opened

if TYPE_CHECKING:
    import numpy as np

SAMPLE_RATE = 16_000  # samples a second
_BLOCK = SAMPLE_RATE // 50  # samples: 20 ms
_WINDOW = 25  # blocks: 0.5 s
OPPOSED = -0.7
"""Two channels that go together like this or more so cancel each other: their mean is 8 dB below the louder one."""
_OPPOSED_WINDOWS = 4  # so many are no chance
SILENT = -80.0  # dB to full scale: below are the last bits of 16
_FAINT = 40.0  # dB below the loudest: the noise of an input to which nothing is connected
_STEADY = 3.0
"""dB between the 5th and the 95th percentile of the levels of 20 ms: of a tone 0, of time code and noise up to 2, of
speech 30 and more."""
_PART = 100  # blocks: 2 s
_SPOKEN = 10.0  # dB between the 10th and the 90th percentile within 2 s: who speaks beside a tone for so long is heard
_PLACES, _PLACE_SECONDS = 12, 5.0
_SHORT = 90.0  # seconds that are looked at whole
_ACTIVE = 20.0  # dB below its 95th percentile: above it a channel sounds
_TOGETHER, _ALIKE = 0.4, 0.3
"""Two voices at once sound together for half of the time and go up and down by themselves (correlation of the levels
0.0 +- 0.1); two microphones in turn for a tenth of it; what both microphones hear goes together (0.6 and more)."""
ASKED_SECONDS = 20.0


@dataclass(frozen=True)
class Levels:
    """Of one track. `blocks`: the numbers of its blocks of 20 ms, counted from the file's start, int64 [n].

    `power`: the mean square of each, float64 [channels, n]; `product`: the mean product of the first two channels [n].
    """

    blocks: "np.ndarray"
    power: "np.ndarray"
    product: "np.ndarray"

    def loudest(self, channel: int | None = None) -> float:
        """dB to full scale of the loudest 100 ms of a channel, or of any."""
        import numpy as np

        power = self.power if channel is None else self.power[channel : channel + 1]
        return max(float(_levels(np.convolve(row, np.ones(5) / 5, "same")).max()) for row in power)

    def steady(self, channel: int) -> bool:
        """Whether it is a tone, time code or noise: where it sounds, it sounds evenly."""
        import numpy as np

        level = _levels(self.power[channel])
        level = level[level > level.max() - _FAINT]
        low, high = np.percentile(level, (5, 95))
        parts = level[: len(level) // _PART * _PART].reshape(-1, _PART)
        within = np.ptp(np.percentile(parts, (10, 90), axis=1), axis=0)
        return bool(high - low < _STEADY and within.max(initial=0) < _SPOKEN)

    def opposed(self) -> bool:
        """Whether somewhere the first two channels cancel each other in the mix, and no other is louder there."""
        import numpy as np

        whole = len(self.blocks) // _WINDOW * _WINDOW
        others = self.power[2:].max(axis=0, initial=0)
        left, right, product, rest = (
            values[:whole].reshape(-1, _WINDOW).mean(axis=1) for values in (*self.power[:2], self.product, others)
        )
        loud = max(left.max(initial=0), right.max(initial=0)) / 10 ** (_FAINT / 10)
        against = product < OPPOSED * (left * right) ** 0.5
        heard = (left > loud) & (right > loud) & (np.maximum(left, right) > rest)
        return bool((against & heard).sum() >= min(_OPPOSED_WINDOWS, max(1, len(left) // 2)))


Signal = tuple[int, int]
"""A stream's index and a channel of it."""


def measured(path: str, whole: bool = False) -> dict[int, Levels]:
    """What each track is like, by stream index; none of a track of which nothing can be decoded.

    Looks at 5 s at 12 places; at all of it if it is short, or if told to.
    """
    with opened(path) as source:
        meters = {stream.index: _Meter() for stream in source.sounds}
        places = [] if whole or source.claimed < _SHORT else _places(source.claimed)
        for start, end in places or [(-1e9, 1e9)]:
            for stream, frame in _frames(source, source.sounds, start, end):
                meters[stream.index].add(frame, _second(source, stream, frame), start, end)
        levels = {index: meter.levels() for index, meter in meters.items()}
        return {index: found for index, found in levels.items() if found.blocks.size}


def sounding(measures: dict[int, Levels]) -> set[Signal]:
    """The channels that sound: not silent, and not faint beside the loudest."""
    loud = {(index, c): m.loudest(c) for index, m in measures.items() for c in range(len(m.power))}
    least = max(SILENT, max(loud.values(), default=0.0) - _FAINT)
    return {signal for signal, level in loud.items() if level > least}


def two_at_once(measures: dict[int, Levels], first: Signal, second: Signal) -> float | None:
    """Where two channels have each a sound of its own at the same time: the second from which to listen; or None."""
    import numpy as np

    a, b = measures[first[0]], measures[second[0]]
    blocks, ours, theirs = np.intersect1d(a.blocks, b.blocks, return_indices=True)
    powers = [a.power[first[1]][ours], b.power[second[1]][theirs]]
    if len(blocks) < 2 * _WINDOW:
        return None
    smooth = [_levels(np.convolve(power, np.ones(15) / 15, "same")) for power in powers]  # over syllables
    # Of a side that is silent nearly throughout its silence is not what sounds.
    active = [level > max(np.percentile(level, 95) - _ACTIVE, level.max() - _FAINT) for level in smooth]
    both, either = active[0] & active[1], active[0] | active[1]
    if both.sum() < _TOGETHER * either.sum():
        return None
    levels = [np.maximum(_levels(power), _levels(power.max()) - _FAINT) for power in powers]
    moves = [(level - np.convolve(level, np.ones(51) / 51, "same"))[both] for level in levels]
    if np.corrcoef(moves[0], moves[1])[0, 1] > _ALIKE:
        return None
    busy = blocks[both]
    most = np.searchsorted(busy, busy + round(ASKED_SECONDS * 50)) - np.arange(len(busy))
    return float(busy[most.argmax()]) / 50


def _places(seconds: float) -> list[tuple[float, float]]:
    step = (seconds - _PLACE_SECONDS) / (_PLACES - 1)
    return [(step * n, step * n + _PLACE_SECONDS) for n in range(_PLACES)]


def _frames(source: Source, streams: Sequence[Any], start: float, end: float) -> Iterator[tuple[Any, Any]]:
    """Decoded frames of all streams, from before `start` to after `end`."""
    if start > 0:
        source.seek(source.video or streams[0], start)
    for stream in streams:
        stream.codec_context.flush_buffers()
    for packet in source.packets(*streams):
        if packet.pts is not None and source.time(packet.pts, packet.time_base) > end + 1:
            return
        yield from ((packet.stream, frame) for frame in decode(packet.stream.codec_context, packet) or ())
    for stream in streams:
        yield from ((stream, frame) for frame in decode(stream.codec_context, None) or ())


def _second(source: Source, stream: Any, frame: Any) -> float | None:
    return None if frame.pts is None else source.time(frame.pts, frame.time_base or stream.time_base)


class _Meter:
    """Measures a track as its frames come."""

    def __init__(self) -> None:
        self._resampler: Any = None
        self._kind: Any = None
        self._next = 0.0  # the second of the first sample that is held
        self._held: list[np.ndarray] = []
        self._size = 0  # samples held
        self._found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, frame: Any, second: float | None, start: float, end: float) -> None:
        import av

        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        due = self._next + self._size / SAMPLE_RATE
        now = due if second is None else second
        if not start <= now <= end:
            self._kind = None
            return
        if kind != self._kind or abs(now - due) > 1.0:
            self._measure()
            self._resampler = av.AudioResampler(format="s16", layout=frame.layout, rate=SAMPLE_RATE)
            self._kind, self._next, self._held, self._size = kind, now, [], 0
        for block in map(samples_of, self._resampler.resample(frame)):
            self._held.append(block)
            self._size += block.shape[1]
        if self._size >= SAMPLE_RATE:  # not frame by frame, of which there are a hundred a second
            self._measure()

    def _measure(self) -> None:
        import numpy as np

        count = self._size // _BLOCK
        if not count:
            return
        held = np.concatenate(self._held, axis=1)
        cut = held[:, : count * _BLOCK].reshape(len(held), count, _BLOCK)
        self._held, self._size = [held[:, count * _BLOCK :]], self._size - count * _BLOCK
        cut = cut - cut.mean(axis=2, keepdims=True)  # a direct current is no sound
        product = (cut[0] * cut[min(1, len(cut) - 1)]).mean(axis=1)
        self._found.append((round(self._next * 50) + np.arange(count), np.square(cut).mean(axis=2), product))
        self._next += count / 50

    def levels(self) -> Levels:
        import numpy as np

        self._measure()
        most = max((len(power) for _, power, _ in self._found), default=1)
        powers = [np.pad(power, ((0, most - len(power)), (0, 0))) for _, power, _ in self._found]
        blocks = [np.zeros(0, np.int64), *(found[0] for found in self._found)]
        products = [np.zeros(0), *(found[2] for found in self._found)]
        return Levels(
            np.concatenate(blocks), np.concatenate([np.zeros((most, 0)), *powers], axis=1), np.concatenate(products)
        )


def samples_of(frame: Any) -> "np.ndarray":
    """The samples of a frame of packed 16 bits, float32 [channels, n] in -1..1."""
    import numpy as np

    # Not planar: PyAV 18.1 ends the process where it makes an array of more than seven planes of a resampler.
    return frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T.astype(np.float32) / 32768


def _levels(power: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return 10 * np.log10(power + 1e-12)
