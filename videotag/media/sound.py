"""Sound of a file: float32 mono [n] at 16 kHz, without holes, in stretches."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.media.source import Source, measured_duration, opened

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

SAMPLE_RATE = 16_000  # samples a second
_GAP = 0.1
"""Seconds between sound and its timestamps that are put right; less is jitter. As FFmpeg's `min_hard_comp`."""
_RESTART = 1.0
"""Seconds that timestamps go back by and are taken to count anew from there, not to repeat what was."""


def stretches(path: str, start: float = 0.0, seconds: float = 300.0) -> "Iterator[tuple[float, np.ndarray]]":
    """The sound from `start` on, in stretches of about `seconds`, cut where it is quietest.

    Memory stays bounded however long the file is. Damaged or missing sound is silence.

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
    for chunk in _sound_from(path, first):
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


def _sound_from(path: str, first: int) -> "Iterator[np.ndarray]":
    """Sound from sample `first` on.

    What comes before is decoded and dropped, not sought over: seconds for an hour, and a resumed run hears the
    very samples that an undisturbed one does.
    """
    passed = 0
    for chunk in _sound(path):
        if passed + len(chunk) > first:
            yield chunk[max(0, first - passed) :]
        passed += len(chunk)


def _sound(path: str) -> "Iterator[np.ndarray]":
    """Sound without holes: placed by presentation times, zeros where there is none."""
    import numpy as np

    with opened(path) as source:
        if source.audio is None:
            return
        limit = measured_duration(path)
        position = 0  # samples given out
        for time, samples in _runs(source):
            start = round(time * SAMPLE_RATE)
            if start + len(samples) <= position:
                continue
            if start > position and time > limit:
                start = position  # a nonsensical time, or sound that outlasts the file's times
            for at in range(position, start, SAMPLE_RATE):
                yield np.zeros(min(SAMPLE_RATE, start - at), np.float32)
            position = max(position, start)
            yield samples[position - start :]
            position = start + len(samples)
        if not position and limit:
            if source.video is None:
                raise UserError(f"{path}: nothing of its sound can be decoded; check that it plays")
            log.warning("%s: nothing of its sound can be decoded; it is taken as silent", path)


def _runs(source: Source) -> "Iterator[tuple[float, np.ndarray]]":
    """Resampled sound with its times: without a break where the file's times have none."""
    import av

    resampler = heard_as = None
    out = 0  # the next sample that comes out
    clock = _Clock(source)
    for frame in source.frames(source.audio, clock.doubt):
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if clock.starts_anew(frame) or resampler is None or kind != heard_as:
            if resampler is not None:
                yield out / SAMPLE_RATE, _resampled(resampler, None)
            # 16 bits as in Whisper's own loaders: in floating point FFmpeg's mix of channels goes beyond -1..1.
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            heard_as, out = kind, round(clock.now * SAMPLE_RATE)
        clock.now += frame.samples / frame.sample_rate
        block = _resampled(resampler, frame)
        yield out / SAMPLE_RATE, block
        out += len(block)
    if resampler is not None:
        yield out / SAMPLE_RATE, _resampled(resampler, None)
    if clock.restarted:
        fault = "its times begin anew in the middle; what comes after is heard and not seen"
        log.warning("%s: %s; convert it", source.path, fault)


class _Clock:
    """The time of the next frame of sound: counted by samples as long as the timestamps do not say otherwise."""

    def __init__(self, source: Source) -> None:
        self.now = 0.0
        self._source = source
        self._ahead = 0.0  # seconds that the file's times have lost by counting from 0 again
        self._started = self._doubtful = False
        self.restarted = False

    def doubt(self) -> None:
        """Something was lost: the next timestamp counts, however little it differs."""
        self._doubtful = True

    def starts_anew(self, frame: Any) -> bool:
        """Whether there is a break before this frame; `now` is then set to its time."""
        # What an Opus decoder holds back comes at the end without a time base of its own.
        time = self._source.time(frame.pts, frame.time_base or self._source.audio.time_base) + self._ahead
        off, allowed = time - self.now, _GAP / 50 if self._doubtful else _GAP
        self._doubtful = False
        if self._started and off < -_RESTART:
            self._ahead -= off  # the file counts from 0 again
            self.restarted = True
            return False
        if self._started and abs(off) <= allowed:
            return False
        self.now, self._started = time, True
        return True


def _resampled(resampler: Any, frame: Any) -> "np.ndarray":
    import numpy as np

    blocks = [block.to_ndarray().reshape(-1) for block in resampler.resample(frame)]
    return np.concatenate([np.zeros(0, np.int16), *blocks]).astype(np.float32) / 32768


def _quietest(audio: "np.ndarray") -> int:
    """The sample in the middle of the quietest 0.3 s of `audio`."""
    import numpy as np

    hop = SAMPLE_RATE // 100
    power = np.square(audio[: len(audio) // hop * hop].reshape(-1, hop)).mean(axis=1)
    smooth = np.convolve(power, np.ones(30), mode="valid")
    return (int(smooth.argmin()) + 15) * hop
