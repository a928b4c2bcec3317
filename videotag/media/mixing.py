"""Several channels to one, of which none cancels another."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from videotag.media.levels import OPPOSED, SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

_BLOCK = SAMPLE_RATE // 2  # samples in which it is looked how channels go together
_FADE = SAMPLE_RATE // 100  # over which a channel is turned round
_TOGETHER = 0.3
"""Channels that go together like this are in phase; between this and `OPPOSED` a channel stays as it was."""


def mixed(tracks: "Sequence[Iterator[np.ndarray]]") -> "Iterator[np.ndarray]":
    """The mean of all channels of all tracks, those in opposite phase turned round.

    Args:
        tracks: each float32 [channels, n] at 16 kHz, in chunks of any length.

    Yields:
        float32 mono [n].
    """
    import numpy as np

    before = None
    for block in _abreast(tracks):
        turn = _turns(block, np.ones(len(block), np.float32) if before is None else before)
        gain = np.repeat(turn[:, None], block.shape[1], axis=1)
        if before is not None:
            fade = np.linspace(0, 1, _FADE, dtype=np.float32)[: block.shape[1]]
            gain[:, : len(fade)] = before[:, None] + (turn - before)[:, None] * fade
        before = turn
        yield (block * gain).mean(axis=0)


def _turns(block: "np.ndarray", before: "np.ndarray") -> "np.ndarray":
    """1 or -1 for each channel: by how it goes together with the mean of those before it."""
    import numpy as np

    turns = before.copy()
    for n in range(1, len(block)):
        sofar, own = (block[:n] * turns[:n, None]).mean(axis=0), block[n]
        size = float(np.sqrt(np.square(sofar).sum() * np.square(own).sum()))
        together = float((sofar * own).sum()) / size if size else 0.0
        if together < OPPOSED or together > _TOGETHER:
            turns[n] = 1 if together > 0 else -1
    return turns


def _abreast(tracks: "Sequence[Iterator[np.ndarray]]") -> "Iterator[np.ndarray]":
    """Blocks [all channels, n] of tracks read side by side; silence where one has ended before another."""
    import numpy as np

    held: list[np.ndarray] = [np.zeros((1, 0), np.float32) for _ in tracks]
    while True:
        for n, track in enumerate(tracks):
            while held[n].shape[1] < _BLOCK and (chunk := next(track, None)) is not None:
                held[n] = np.concatenate([held[n], chunk], axis=1) if held[n].shape[1] else chunk
        length = min(_BLOCK, max(sound.shape[1] for sound in held))
        if not length:
            return
        cut = [sound[:, :length] for sound in held]
        yield np.concatenate([np.pad(sound, ((0, 0), (0, length - sound.shape[1]))) for sound in cut])
        held = [sound[:, length:] for sound in held]
