"""Words with times, which of them belong to a window, and the contract of the engines that hear them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from videotag.options import option
from videotag.segments import Window

if TYPE_CHECKING:
    import numpy as np

DEFAULT_MODEL = "base"

Audio: TypeAlias = "np.ndarray"
"""float32 mono [n], 16 kHz, values in -1..1."""
Heard: TypeAlias = Callable[[float], None]
"""Called with the seconds of audio that are done, as they grow."""


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds from the start of the audio, and how sure the engine is (0..1).

    The text keeps the space before it where there is one, so that words joined make the sentence. In the result of
    phase 1 it is these fields. Of a translation, which no engine has heard, the probability is 1. The language is
    ISO 639-1, "" in results of before words had one.
    """

    text: str
    start: float
    end: float
    probability: float = 1.0
    language: str = ""


def words_in(window: Window, words: Sequence[Word], last: bool = False) -> list[Word]:
    """The words whose middle lies in the window, in their order.

    `last`: the window is the video's last one, to which words timed past its end belong as well: speech
    engines are wrong by a fraction of a second.
    """
    end = math.inf if last else window.end
    return [word for word in words if window.start <= (word.start + word.end) / 2 < end]


@dataclass(frozen=True)
class Expected:
    """What is known of speech before it is heard.

    Attributes:
        languages: ISO 639-1. One is what is most likely spoken; several are all that may be; none: it is found.
        names: what may be named in it.
        before: the language that was spoken last before this sound, "" where nothing was.
    """

    languages: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    before: str = ""


@dataclass(frozen=True)
class Unheard:
    """Speech that has no words, in seconds from the start of the audio, and why: one of `WHY_UNHEARD`."""

    start: float
    end: float
    why: str


NO_WORDS, A_LOOP, UNSURE = WHY_UNHEARD = ("no words", "a loop", "unsure")
"""No words were heard; only some that the engine repeats and the sound does not; only some that it doubts itself."""


@dataclass(frozen=True)
class Transcription:
    """Words in order of time.

    `language` is the one that is spoken longest, ISO 639-1, None where nothing was said; its probability is 0..1.
    """

    words: tuple[Word, ...] = ()
    language: str | None = None
    language_probability: float = 0.0
    unheard: tuple[Unheard, ...] = ()


def model_option(default: str) -> Any:
    """The field of an engine's `Options` that names its model: one option for all engines."""
    told = f"the model, of whichever transcriber: a name, a folder or a .pt file ({DEFAULT_MODEL})"
    return option(default, told, flag="--speech-model", also=["--whisper-model"], metavar="MODEL")


def device_option() -> Any:
    return option("auto", "where speech is heard (auto)", choices=["auto", "cpu", "cuda"])


class Transcriber(Protocol):
    """The contract of a speech engine.

    Attributes:
        name: its key in `TRANSCRIBERS`.
        made_by: what made the words, builtins only: "transcriber", "model", "sequential", "device" and the
            engine's version. Stored with each video.

    Its class has `Options` (videotag/options.py), and says before it is built which languages it `knows` and what
    speaks against a model (`doubt`).
    """

    name: str
    made_by: dict[str, Any]

    def transcribe(self, audio: Audio, expected: Expected, heard: Heard | None = None) -> Transcription:
        """Write down what is said.

        Raises:
            UserError: the model does not know an expected language, or the device ran out of memory.
        """
        ...
