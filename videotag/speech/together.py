"""The transcriber `auto`: for each language the engine at hand that hears it best.

Whisper tells the languages and hears what no other model here is made for.
"""

import importlib.util
from collections.abc import Sequence

from videotag.speech.faster_whisper import FasterWhisper, FasterWhisperOptions
from videotag.speech.listening import Ear, Piece, batches, listen
from videotag.speech.onnx_asr import OnnxAsr, OnnxAsrOptions, folder_with
from videotag.speech.whisper import check_language
from videotag.speech.words import Audio, Expected, Heard, Transcription

_BETTER = {
    "gigaam-v3-e2e-ctc": ("ru",),
    "gigaam-multilingual-large-ctc": ("kk", "ky", "uz", "ru"),
    "gigaam-multilingual-ctc": ("kk", "ky", "uz", "ru"),
}
"""Models, and the languages that they hear better than Whisper, or as well on a CPU as its largest; the best first.

By the published word errors of GigaAM Multilingual's card: Kazakh (FLEURS, Common Voice) 5.2 and 17.2 against 32.4 and
57.8 of Whisper large-v3; Russian 4.4 and 7.1 against 3.1 and 9.1, of Whisper base 22 and more.
"""


def at_hand() -> dict[str, str]:
    """Languages, and the model on this machine that is better at each than Whisper."""
    if not importlib.util.find_spec("onnx_asr"):
        return {}
    models = [model for model in _BETTER if folder_with(model)]
    return {language: model for model in reversed(models) for language in _BETTER[model]}


class Together:
    """An `Ear` of several: each language is heard by its own."""

    name = "auto"
    Options = FasterWhisperOptions

    def __init__(self, options: FasterWhisperOptions) -> None:
        self._whisper = FasterWhisper(options)
        self._models = at_hand()
        self._others = {
            model: OnnxAsr(OnnxAsrOptions(model, options.device)) for model in dict.fromkeys(self._models.values())
        }
        self.at_once = self._whisper.at_once
        self.longest = min(ear.longest for ear in (self._whisper, *self._others.values()))
        self.joins = min(ear.joins for ear in (self._whisper, *self._others.values()))
        versions = (ear.made_by["transcriber_version"] for ear in (*self._others.values(), self._whisper))
        own = {"transcriber": self.name, "others": ", ".join(self._others), "transcriber_version": " + ".join(versions)}
        self.made_by = {**self._whisper.made_by, **own}

    @staticmethod
    def knows(language: str) -> bool:
        return FasterWhisper.knows(language)

    @staticmethod
    def doubt(model: str, language: str) -> str | None:
        return None if language in at_hand() else FasterWhisper.doubt(model, language)

    def transcribe(self, audio: Audio, expected: Expected, heard: Heard | None = None) -> Transcription:
        for language in expected.languages:
            check_language(language, {*self._whisper.known(), *self._models})
        return listen(self, audio, expected, heard)

    def likely(self, sounds: Sequence[Audio]) -> list[dict[str, float]]:
        return self._whisper.likely(sounds)

    def hear(self, sounds: Sequence[Audio], language: str, names: Sequence[str]) -> list[Piece]:
        ear = self._ear(language)
        return [piece for batch in batches(sounds, ear.at_once) for piece in ear.hear(batch, language, names)]

    def hear_again(self, sound: Audio, language: str) -> Piece:
        return self._ear(language).hear_again(sound, language)

    def takes_names(self, language: str) -> bool:
        return self._ear(language).takes_names(language)

    def likelihoods(self, sound: Audio, language: str, texts: Sequence[str]) -> list[float]:
        return self._ear(language).likelihoods(sound, language, texts)

    def _ear(self, language: str) -> Ear:
        return self._others[self._models[language]] if language in self._models else self._whisper
