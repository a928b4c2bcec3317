"""What the engines of Whisper have in common: its contract's details, and what it makes up."""

import importlib
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from videotag.errors import UserError
from videotag.speech.words import Transcriber, Word

log = logging.getLogger("videotag")

TOO_SMALL = {"kk": ("tiny", "base")}
"""By language, models that make nothing of it: in Kazakh base has a word error of 1.16, turbo of 0.21 (FLEURS)."""


def made_by_of(engine: Transcriber, model: str, sequential: bool, device: str, version: str) -> dict[str, Any]:
    return {
        "transcriber": engine.name,
        "model": model,
        "sequential": sequential,
        "device": device,
        "transcriber_version": version,
    }


def imported(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"the transcriber needs {package} ({error}): pip install {package}") from None


def check_language(language: str | None, known: Iterable[str]) -> None:
    if language is not None and language not in known:
        raise UserError(f'the Whisper model does not know the language "{language}"; mend the entry, or use "auto"')


def model_fault(model: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    remedy = "check the name and the network, or give a folder that holds the model"
    return f"Whisper model {model}: cannot be loaded ({reason}); {remedy}"


def spoken_words(pieces: Iterable[dict[str, Any]], heard: Callable[[float], None] | None) -> Iterator[Word]:
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
