"""The transcribers that there are. Heavy libraries are imported where one is built."""

from typing import Any

from videotag.speech.faster_whisper import FasterWhisper
from videotag.speech.openai_whisper import OpenAIWhisper
from videotag.speech.words import Transcriber

TRANSCRIBERS = {engine.name: engine for engine in (FasterWhisper, OpenAIWhisper)}


def knows(language: str) -> bool:
    """Whether one of them knows a language, ISO 639-1."""
    return any(engine.knows(language) for engine in TRANSCRIBERS.values())


def load_transcriber(name: str, options: Any) -> Transcriber:
    """Build the engine of that name with its own `Options`.

    Raises:
        UserError: the engine is not installed, or the model cannot be had.
    """
    return TRANSCRIBERS[name](options)
