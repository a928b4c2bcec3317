"""openai-whisper: the reference engine; needs PyTorch. Always one piece after the other."""

from pathlib import Path

from videotag.errors import UserError
from videotag.media.sound import SAMPLE_RATE
from videotag.speech.whisper import Whisper, WhisperOptions, check_language, imported, model_fault, spoken_words
from videotag.speech.words import Audio, Heard, Transcription

_WINDOW_SECONDS = 30  # what Whisper hears at a time, however little of it is speech


class OpenAIWhisper(Whisper):
    name = "openai-whisper"
    Options = WhisperOptions

    def __init__(self, options: WhisperOptions) -> None:
        model, device = options.model, options.device
        whisper = self._whisper = imported("whisper", "openai-whisper")
        torch = imported("torch", "openai-whisper")
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if Path(model).is_dir():
            raise UserError(f"{model}: is a folder; openai-whisper takes a name or a .pt file")
        try:
            self._model = whisper.load_model(model, device=self._device)
        except Exception as error:  # urllib, torch and whisper each raise their own kinds
            raise UserError(model_fault(model, error)) from error
        self.made_by = self._made_by(options, self._device, whisper.__version__)

    def transcribe(self, audio: Audio, language: str | None, heard: Heard | None = None) -> Transcription:
        check_language(language, self._whisper.tokenizer.LANGUAGES)
        # Without this, silence is heard as "Редактор субтитров ...".
        spoken = _clips(audio)
        if not spoken:
            return Transcription()
        probability = 1.0
        if language is None:
            language, probability = self._recognise(audio[spoken[0][0] :])
        result = self._model.transcribe(
            audio,
            language=language,
            word_timestamps=True,
            condition_on_previous_text=False,
            clip_timestamps=[side / SAMPLE_RATE for clip in spoken for side in clip],
            fp16=self._device != "cpu",
            verbose=None,
        )
        words = tuple(spoken_words(result["segments"], heard))
        return Transcription(words, language, probability) if words else Transcription()

    def _recognise(self, audio: Audio) -> tuple[str, float]:
        whisper = self._whisper
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(audio), n_mels=self._model.dims.n_mels)
        _, probabilities = self._model.detect_language(mel.to(self._model.device))
        language = max(probabilities, key=probabilities.get)
        return language, float(probabilities[language])


def _clips(audio: Audio) -> list[tuple[int, int]]:
    """Where somebody speaks, by Silero's detector as faster-whisper brings it: spans in samples.

    They are joined to clips of up to 30 s: each clip costs a whole window of Whisper.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    joined: list[tuple[int, int]] = []
    for span in get_speech_timestamps(audio, VadOptions(min_silence_duration_ms=2000)):
        if joined and span["end"] - joined[-1][0] <= _WINDOW_SECONDS * SAMPLE_RATE:
            joined[-1] = (joined[-1][0], span["end"])
        else:
            joined.append((span["start"], span["end"]))
    return joined
