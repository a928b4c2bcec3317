"""Where somebody speaks: Silero's voice activity detector, as faster-whisper brings it."""

from typing import TYPE_CHECKING

from videotag.media.sound import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

_WINDOW_SECONDS = 30
"""What Whisper hears at a time, however little of it is speech."""


def clips(audio: "np.ndarray") -> list[tuple[int, int]]:
    """Spans of speech, in samples, joined to clips of up to 30 s: each clip costs a whole window of Whisper.

    Args:
        audio: float32 mono [n], 16 kHz.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    joined: list[tuple[int, int]] = []
    for span in get_speech_timestamps(audio, VadOptions(min_silence_duration_ms=2000)):
        if joined and span["end"] - joined[-1][0] <= _WINDOW_SECONDS * SAMPLE_RATE:
            joined[-1] = (joined[-1][0], span["end"])
        else:
            joined.append((span["start"], span["end"]))
    return joined
