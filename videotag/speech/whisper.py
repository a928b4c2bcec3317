"""What the engines of Whisper have in common: options, languages, its contract's details, and what it makes up."""

import importlib
import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from videotag.errors import UserError
from videotag.speech.listening import Ear, Piece, listen
from videotag.speech.words import (
    A_LOOP,
    DEFAULT_MODEL,
    UNSURE,
    Audio,
    Expected,
    Heard,
    Transcription,
    Word,
    device_option,
    model_option,
)

log = logging.getLogger("videotag")

_LANGUAGES = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it
ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so
sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh
"""
"""Source: `LANGUAGES` of openai/whisper, tokenizer.py."""
_TOO_SMALL = {"kk": ("tiny", "base")}
"""By language, models that make nothing of it: in Kazakh base has a word error of 1.16, turbo of 0.21 (FLEURS)."""
TEMPERATURES = (0.0, 0.4)
"""Of the second attempt, where Whisper's own has six: what is not heard then is seldom speech, and costs minutes."""
_SURE, _RATHER_SURE = -0.5, -0.7
"""Mean log-probability of a token: real voices in a studio have -0.03 to -0.3, what is invented over babble, noise and
music -0.6 and less, where the probability of no speech is above 0.6."""
_FASTEST_SPEECH, _SLACK_SECONDS = 25, 0.5
"""Characters a second. Newsreaders have 15 to 18; a loop fills Whisper's 224 tokens, 40 and more a second."""


@dataclass(frozen=True)
class WhisperOptions:
    model: str = model_option(DEFAULT_MODEL)
    device: str = device_option()
    sequential: bool = field(default=True, init=False)  # one piece after the other, unless an engine can do otherwise


class Whisper(Ear):
    """An engine of Whisper: an `Ear`, what is known before it is built, and what made its words."""

    name: str
    made_by: dict[str, Any]
    at_once = 1
    longest = joins = 28.0  # a window of 30 s costs the same however little is said in it

    @staticmethod
    def knows(language: str) -> bool:
        """Whether Whisper's models of many languages know one, ISO 639-1."""
        return language in _LANGUAGES.split()

    @staticmethod
    def doubt(model: str, language: str) -> str | None:
        """Why a model had better not hear a language, and what to do; None where nothing speaks against it."""
        if model not in _TOO_SMALL.get(language, ()):
            return None
        remedy = "better stop, and name --whisper-model turbo or large-v3, or see python3 run.py models"
        return f'Whisper {model} makes nothing of speech in "{language}"; {remedy}'

    @abstractmethod
    def known(self) -> Iterable[str]:
        """The languages of the model that was loaded."""

    def takes_names(self, language: str) -> bool:
        return True

    def transcribe(self, audio: Audio, expected: Expected, heard: Heard | None = None) -> Transcription:
        for language in expected.languages:
            check_language(language, self.known())
        return listen(self, audio, expected, heard)

    def _made_by(self, options: WhisperOptions, device: str, version: str) -> dict[str, Any]:
        heard_by = {"transcriber": self.name, "model": options.model, "sequential": options.sequential}
        return {**heard_by, "device": device, "transcriber_version": version}


def imported(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"the transcriber needs {package} ({error}): pip install {package}") from None


def check_language(language: str | None, known: Iterable[str]) -> None:
    if language is not None and language not in known:
        raise UserError(f'the Whisper model does not know the language "{language}"; mend the entry, or use "auto"')


def model_fault(model: str, error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    remedy = "check the name and the network, or give a folder that holds the model"
    return f"Whisper model {model}: cannot be loaded ({reason}); {remedy}"


def piece_of(parts: Iterable[Mapping[str, Any]], seconds: float, start: float = 0.0, alone: bool = False) -> Piece:
    """What Whisper wrote for a sound of so many seconds, without what it made up.

    `start`: of the sound, in the times of the words. `alone`: as in `made_up`.
    """
    words: list[Word] = []
    refused = ""
    for part in parts:
        if why := made_up(part, seconds, alone):
            refused = why
            log.info("not believed (%s): %s", why, part["text"][:60])
            continue
        for word in part["words"]:
            begin, end = (max(0.0, float(word[side]) - start) for side in ("start", "end"))
            words.append(Word(str(word["word"]), begin, end, float(word["probability"])))
    return Piece(tuple(words), "" if words else refused)


def made_up(part: Mapping[str, Any], seconds: float, alone: bool) -> str:
    """Whether what Whisper wrote is a loop, or words heard in what is no speech, one of `WHY_UNHEARD`; else "".

    The thresholds are those of its own decoder (`compression_ratio_threshold`, `logprob_threshold`,
    `no_speech_threshold` of openai/whisper transcribe.py); where it makes another attempt, this is refused.

    `alone`: the sound is a stretch between two pauses that is heard by itself, as there were no words before. What then
    repeats itself no faster than people speak, and is sure, is repeated in the sound too; more certainty is asked.
    """
    sure, silent = part["avg_logprob"], part["no_speech_prob"]
    too_fast = len(part["text"]) > _FASTEST_SPEECH * (seconds + _SLACK_SECONDS)
    if too_fast or (part["compression_ratio"] > 2.4 and (not alone or sure < _SURE or silent > 0.6)):
        return A_LOOP
    doubtful = sure < (_RATHER_SURE if alone else -1.0)
    return UNSURE if doubtful or (sure < _SURE and silent > 0.6) else ""
