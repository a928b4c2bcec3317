"""Sound of a file: float32 mono [n] at 16 kHz, without holes, in stretches."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.media.levels import SAMPLE_RATE, samples_of
from videotag.media.mixing import mixed
from videotag.media.source import Source, measured_duration, opened
from videotag.media.tracks import Choice, choose

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

_GAP = 0.1
"""Seconds between sound and its timestamps that are put right; less is jitter. As FFmpeg's `min_hard_comp`."""
_RESTART = 1.0
"""Seconds that timestamps go back by and are taken to count anew from there, not to repeat what was."""
_ROOM = 0.9
"""Times that have room for less than this part of the sound are wrong; else they lead, and a clock that is a little off
is followed."""


def stretches(
    path: str, start: float = 0.0, seconds: float = 300.0, choice: Choice | None = None
) -> "Iterator[tuple[float, np.ndarray]]":
    """The sound from `start` on, in stretches of about `seconds`, cut where it is quietest.

    Memory stays bounded however long the file is. Damaged or missing sound is silence.

    `choice`: what of the file's sound is heard; None: what `tracks.choose` chooses.

    Yields:
        The stretch's start in seconds, and float32 mono [n] at 16 kHz. Nothing for a file without sound.

    Raises:
        UserError: the file cannot be opened.
    """
    import numpy as np

    longest, search = int(seconds * SAMPLE_RATE), int(seconds * SAMPLE_RATE / 5)
    first = round(start * SAMPLE_RATE)
    held: list[np.ndarray] = []
    size = 0
    for chunk in _sound_from(path, first, choice or choose(path)):
        held.append(chunk)
        size += len(chunk)
        if size >= longest:
            audio = np.concatenate(held)
            cut = size - search + _quietest(audio[-search:])
            yield first / SAMPLE_RATE, audio[:cut]
            first += cut
            held, size = [audio[cut:]], size - cut
    if size:
        yield first / SAMPLE_RATE, np.concatenate(held)


def _sound_from(path: str, first: int, choice: Choice) -> "Iterator[np.ndarray]":
    """Sound from sample `first` on.

    What comes before is decoded and dropped, not sought over: seconds for an hour, and a resumed run hears the
    very samples that an undisturbed one does.
    """
    passed = 0
    for chunk in _sound(path, choice):
        if passed + len(chunk) > first:
            yield chunk[max(0, first - passed) :]
        passed += len(chunk)


def _sound(path: str, choice: Choice) -> "Iterator[np.ndarray]":
    """The chosen sound without holes."""
    with opened(path) as source:
        if not choice.parts:
            return
        limit = measured_duration(path)
        streams = {stream.index: stream for stream in source.sounds}
        readings = source.apart([streams[part.stream] for part in choice.parts])
        tracks = [
            _placed(_Track(source, streams[part.stream], part.channels, packets), limit)
            for part, packets in zip(choice.parts, readings, strict=True)
        ]
        nothing = True
        for samples in (chunk[0] for chunk in tracks[0]) if choice.plain else mixed(tracks):
            nothing = False
            yield samples
        if nothing and limit:
            if source.video is None:
                raise UserError(f"{path}: nothing of its sound can be decoded; check that it plays")
            log.warning("%s: nothing of its sound can be decoded; it is taken as silent", path)


@dataclass(frozen=True)
class _Track:
    """A track that is read: its stream, which of its channels (none: FFmpeg's mix of all), and its packets."""

    source: Source
    stream: Any
    channels: tuple[int, ...]
    packets: Iterator[Any]


def _placed(track: _Track, limit: float) -> "Iterator[np.ndarray]":
    """Sound [channels, n] without holes: placed by presentation times, zeros where there is none."""
    import numpy as np

    position = 0  # samples given out
    for time, samples in _runs(track):
        start, length = round(time * SAMPLE_RATE), samples.shape[1]
        if start + length <= position:
            continue
        if start > position and time > limit:
            start = position  # a nonsensical time, or sound that outlasts the file's times
        for at in range(position, start, SAMPLE_RATE):
            yield np.zeros((len(samples), min(SAMPLE_RATE, start - at)), np.float32)
        position = max(position, start)
        yield samples[:, position - start :]
        position = start + length


def _runs(track: _Track) -> "Iterator[tuple[float, np.ndarray]]":
    """Resampled sound with its times: without a break where the file's times have none."""
    import av

    resampler = heard_as = None
    out = 0  # the next sample that comes out
    clock = _Clock(track)
    for frame in track.source.frames(track.stream, clock.doubt, track.packets):
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if clock.starts_anew(frame) or resampler is None or kind != heard_as:
            if resampler is not None:
                yield out / SAMPLE_RATE, _resampled(resampler, None, track.channels)
            # 16 bits as in Whisper's own loaders: in floating point FFmpeg's mix of channels goes beyond -1..1.
            layout = frame.layout if track.channels else "mono"
            resampler = av.AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE)
            heard_as, out = kind, round(clock.now * SAMPLE_RATE)
        clock.now += frame.samples / frame.sample_rate
        block = _resampled(resampler, frame, track.channels)
        yield out / SAMPLE_RATE, block
        out += block.shape[1]
    if resampler is not None:
        yield out / SAMPLE_RATE, _resampled(resampler, None, track.channels)
    clock.tell()


class _Clock:
    """The time of the next frame of sound: counted by samples as long as the timestamps do not say otherwise."""

    def __init__(self, track: _Track) -> None:
        self.now = 0.0
        self._track = track
        self._ahead = 0.0  # seconds by which the file's times are too low: they count from 0 again, or run slowly
        self._since = (0.0, 0.0)  # the file's time and `now` at the last break
        self._started = self._doubtful = self._restarted = False
        self._more = 0.0  # seconds of sound for which there was no time

    def doubt(self) -> None:
        """Something was lost: the next timestamp counts, however little it differs."""
        self._doubtful = True

    def starts_anew(self, frame: Any) -> bool:
        """Whether there is a break before this frame; `now` is then set to its time."""
        if frame.pts is None:
            return False  # follows what comes before it
        # What an Opus decoder holds back comes at the end without a time base of its own.
        time = self._track.source.time(frame.pts, frame.time_base or self._track.stream.time_base) + self._ahead
        off, allowed = time - self.now, _GAP / 50 if self._doubtful else _GAP
        self._doubtful = False
        if self._started and abs(off) <= allowed:
            return False
        if self._started and off < -_RESTART:
            self._restarted = True  # the file counts from 0 again
            self._ahead -= off
            self._since = (self.now - self._more, self.now)
            return False
        if self._started and off < 0 and self._slow(time):
            self._more -= off
            self._ahead -= off
            return False
        self.now, self._since, self._started = time, (time - self._more, time), True
        return True

    def _slow(self, time: float) -> bool:
        """Whether the times since the last break have room for far less sound than there is."""
        told, heard = self._since
        return time - self._more - told < _ROOM * (self.now - heard)

    def tell(self) -> None:
        """What the user had better know of the file's times."""
        fault = ""
        if self._restarted:
            fault = "its times begin anew in the middle; what comes after is heard and not seen"
        elif self._more >= 1.0:
            fault = f"has {self._more:.0f} s more sound than its times have room for; all of it is heard, too late"
        if fault:
            log.warning("%s: %s; convert it", self._track.source.path, fault)


def _resampled(resampler: Any, frame: Any, wanted: tuple[int, ...]) -> "np.ndarray":
    """float32 [channels, n]: of the `wanted` channels; of all that come out if none is named."""
    import numpy as np

    blocks = [samples_of(block) for block in resampler.resample(frame)]
    if not blocks:
        return np.zeros((len(wanted) or 1, 0), np.float32)
    samples = np.concatenate(blocks, axis=1)
    # What has fewer channels in the middle has in each what is wanted.
    return samples[[channel % len(samples) for channel in wanted]] if wanted else samples


def _quietest(audio: "np.ndarray") -> int:
    """The sample in the middle of the quietest 0.3 s of `audio`."""
    import numpy as np

    hop = SAMPLE_RATE // 100
    power = np.square(audio[: len(audio) // hop * hop].reshape(-1, hop)).mean(axis=1)
    smooth = np.convolve(power, np.ones(30), mode="valid")
    return (int(smooth.argmin()) + 15) * hop
