"""The transcribers that there are. Heavy libraries are imported where one is built."""

from collections.abc import Callable

from videotag.speech.faster_whisper import FasterWhisper
from videotag.speech.openai_whisper import OpenAIWhisper
from videotag.speech.words import DEFAULT_MODEL, DEFAULT_TRANSCRIBER, Transcriber

TRANSCRIBERS: dict[str, Callable[..., Transcriber]] = {
    FasterWhisper.name: FasterWhisper,
    OpenAIWhisper.name: OpenAIWhisper,
}


def load_transcriber(
    name: str = DEFAULT_TRANSCRIBER, model: str = DEFAULT_MODEL, device: str = "auto", sequential: bool = False
) -> Transcriber:
    """Build the engine of that name.

    Args:
        model: a name that the engine knows, a folder (CTranslate2), or a .pt file (openai-whisper).
        device: "auto", "cpu" or "cuda".

    Raises:
        UserError: the engine is not installed, or the model cannot be had.
    """
    return TRANSCRIBERS[name](model, device, sequential)
