"""The transcribers that there are, and which one is meant where none is named.

Heavy libraries are imported where one is built.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from videotag.options import options_of
from videotag.speech.faster_whisper import FasterWhisper
from videotag.speech.onnx_asr import OnnxAsr
from videotag.speech.openai_whisper import OpenAIWhisper
from videotag.speech.together import Together, at_hand
from videotag.speech.words import Transcriber

TRANSCRIBERS = {engine.name: engine for engine in (Together, FasterWhisper, OpenAIWhisper, OnnxAsr)}
AUTO = Together.name


class Choice(NamedTuple):
    """The transcriber that is meant, its `Options`, and why."""

    name: str
    options: Any
    why: str


def knows(language: str) -> bool:
    """Whether one of them knows a language, ISO 639-1."""
    return any(engine.knows(language) for engine in TRANSCRIBERS.values())


def choose_transcriber(name: str, told: Mapping[str, Any]) -> Choice:
    """The transcriber that `name` means here, with the options that the user named.

    "auto" is the one of the model that is named; else, for each language, the best that is here without a download.

    Raises:
        UserError: the transcriber has no use for one of the options.
    """
    why = "asked for"
    if name == AUTO:
        name, why = _best(told.get("model", ""))
    return Choice(name, options_of("transcriber", name, TRANSCRIBERS, told), why)


def _best(model: str) -> tuple[str, str]:
    if OnnxAsr.has(model):
        return OnnxAsr.name, "its model is named"
    if better := at_hand():
        return AUTO, ", ".join(f"{language} by {other}" for language, other in better.items()) + ", the rest by Whisper"
    return FasterWhisper.name, "no other model is here; python3 run.py models lists them"


def load_transcriber(name: str, options: Any) -> Transcriber:
    """Build the engine of that name with its own `Options`.

    Raises:
        UserError: the engine is not installed, or the model cannot be had.
    """
    return TRANSCRIBERS[name](options)
