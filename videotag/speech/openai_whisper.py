"""openai-whisper: the reference engine; needs PyTorch. Always one piece after the other."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from videotag.errors import UserError
from videotag.media.sound import SAMPLE_RATE
from videotag.speech.listening import Piece
from videotag.speech.whisper import TEMPERATURES, Whisper, WhisperOptions, imported, model_fault, piece_of
from videotag.speech.words import Audio


class OpenAIWhisper(Whisper):
    name = "openai-whisper"
    Options = WhisperOptions

    def __init__(self, options: WhisperOptions) -> None:
        model, device = options.model, options.device
        whisper = self._whisper = imported("whisper", "openai-whisper")
        torch = self._torch = imported("torch", "openai-whisper")
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if Path(model).is_dir():
            raise UserError(f"{model}: is a folder; openai-whisper takes a name or a .pt file")
        try:
            self._model = whisper.load_model(model, device=self._device)
        except Exception as error:  # urllib, torch and whisper each raise their own kinds
            raise UserError(model_fault(model, error)) from error
        self.made_by = self._made_by(options, self._device, whisper.__version__)

    def known(self) -> Iterable[str]:
        return self._whisper.tokenizer.LANGUAGES if self._model.is_multilingual else ("en",)

    def likely(self, sounds: Sequence[Audio]) -> list[dict[str, float]]:
        if not self._model.is_multilingual:
            return [{"en": 1.0}] * len(sounds)
        return [self._model.detect_language(self._mel(sound))[1] for sound in sounds]

    def hear(self, sounds: Sequence[Audio], language: str, names: Sequence[str]) -> list[Piece]:
        return [self._heard(sound, language, names) for sound in sounds]

    def hear_again(self, sound: Audio, language: str) -> Piece:
        return self._heard(sound, language, alone=True)

    def likelihoods(self, sound: Audio, language: str, texts: Sequence[str]) -> list[float]:
        torch = self._torch
        tokenizer = self._whisper.tokenizer.get_tokenizer(
            self._model.is_multilingual, num_languages=self._model.num_languages, language=language
        )
        start = [*tokenizer.sot_sequence_including_notimestamps]
        likely = []
        with torch.no_grad():
            heard = self._model.embed_audio(self._mel(sound)[None])
            for text in texts:
                tokens = torch.tensor([start + tokenizer.encode(text)], device=self._model.device)
                chances = self._model.logits(tokens, heard).float().log_softmax(-1)[0, :-1]
                likely.append(float(chances.gather(1, tokens[0, 1:, None])[len(start) - 1 :].sum()))
        return likely

    def _heard(self, sound: Audio, language: str, names: Sequence[str] = (), alone: bool = False) -> Piece:
        result = self._model.transcribe(
            sound,
            language=language,
            word_timestamps=True,
            condition_on_previous_text=False,
            temperature=TEMPERATURES,
            initial_prompt=", ".join(names) or None,
            fp16=self._device != "cpu",
            verbose=None,
        )
        return piece_of(result["segments"], len(sound) / SAMPLE_RATE, alone=alone)

    def _mel(self, sound: Audio) -> Any:
        whisper = self._whisper
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(sound), n_mels=self._model.dims.n_mels)
        return mel.to(self._model.device)
