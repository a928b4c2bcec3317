"""What the engines of Whisper have in common: options, languages, its contract's details, and what it makes up."""

import importlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from videotag.errors import UserError
from videotag.options import option
from videotag.speech.words import DEFAULT_MODEL, Heard, Word

log = logging.getLogger("videotag")

_LANGUAGES = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it
ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so
sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh
"""
"""Source: `LANGUAGES` of openai/whisper, tokenizer.py."""
_TOO_SMALL = {"kk": ("tiny", "base")}
"""By language, models that make nothing of it: in Kazakh base has a word error of 1.16, turbo of 0.21 (FLEURS)."""


@dataclass(frozen=True)
class WhisperOptions:
    model: str = option(
        DEFAULT_MODEL, f"a name, a folder or a .pt file ({DEFAULT_MODEL})", flag="--whisper-model", metavar="MODEL"
    )
    device: str = option("auto", "where Whisper runs (auto)", choices=["auto", "cpu", "cuda"])
    sequential: bool = field(default=True, init=False)  # one piece after the other, unless an engine can do otherwise


class Whisper:
    """An engine of Whisper: what is known before it is built, and what made its words."""

    name: str

    @staticmethod
    def knows(language: str) -> bool:
        """Whether Whisper's models of many languages know one, ISO 639-1."""
        return language in _LANGUAGES.split()

    @staticmethod
    def doubt(model: str, language: str) -> str | None:
        """Why a model had better not hear a language, and what to do; None where nothing speaks against it."""
        if model not in _TOO_SMALL.get(language, ()):
            return None
        remedy = "better stop, and name --whisper-model turbo or large-v3"
        return f'Whisper {model} makes nothing of speech in "{language}"; {remedy}'

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


def spoken_words(pieces: Iterable[dict[str, Any]], heard: Heard | None) -> Iterator[Word]:
    """The words of all pieces but those that Whisper made up."""
    for piece in pieces:
        if heard:
            heard(float(piece["end"]))
        if made_up(piece):
            log.info("left out as made up by Whisper, at %.0f s: %s", piece["start"], piece["text"][:60])
            continue
        for word in piece.get("words") or ():
            yield Word(str(word["word"]), float(word["start"]), float(word["end"]), float(word["probability"]))


def made_up(piece: dict[str, Any]) -> bool:
    """Whether a piece is a loop, or words heard in what is no speech: the thresholds of Whisper's own decoder.

    Source: `compression_ratio_threshold`, `logprob_threshold`, `no_speech_threshold` of openai/whisper
    transcribe.py, the last one lowered to 0.5 as a voice activity detector has been over the audio.
    """
    looped = piece["compression_ratio"] > 2.4
    unsure = piece["avg_logprob"] < -1.0 and piece["no_speech_prob"] > 0.5
    return bool(looped or unsure)
