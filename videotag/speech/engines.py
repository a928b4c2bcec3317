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
    """The transcriber that is meant, its `Options`, the name of its model, and why."""

    name: str
    options: Any
    model: str
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
    if name == AUTO and OnnxAsr.has(told.get("model", "")):
        name, why = OnnxAsr.name, "its model is named"
    elif name == AUTO and not (better := at_hand()):
        name, why = FasterWhisper.name, "no other model is here; python3 run.py models lists them"
    elif name == AUTO:
        why = ", ".join(f"{language} by {model}" for language, model in better.items()) + ", the rest by Whisper"
    options = options_of("transcriber", name, TRANSCRIBERS, told)
    return Choice(name, options, Together.model(options.model) if name == AUTO else options.model, why)


def load_transcriber(name: str, options: Any) -> Transcriber:
    """Build the engine of that name with its own `Options`.

    Raises:
        UserError: the engine is not installed, or the model cannot be had.
    """
    return TRANSCRIBERS[name](options)
