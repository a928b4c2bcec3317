"""Models that serve better than what comes with the packages, or in its place, and the folder in which they lie.

Each lies in a folder of its own. A model is there when its files are, however they came: by `python3 run.py models
get NAME`, or copied by hand.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from videotag.errors import UserError, did_you_mean

CONTENTS = "contents.json"
"""In a fetched model's folder: `repository`, `revision`, and of `files` the `size` in bytes and the `checksum`."""


@dataclass(frozen=True)
class Model:
    """A model on the hub.

    Attributes:
        kind: what is done with it: "speech" is heard, "text" and "pictures" are made vectors of.
        engine: which engine of that kind takes it.
        files: patterns (see `matches`), each of which one of its files has to match.
        size: of these files, in bytes, about.
        languages: ISO 639-1, as its card has them; none: all that Whisper knows, or about 100.
    """

    name: str
    kind: str
    engine: str
    repository: str
    files: tuple[str, ...]
    size: int
    licence: str
    languages: tuple[str, ...]
    what_for: str


_GIGAAM = ("kk", "ru", "ky", "uz", "en")
_PARAKEET = (
    "ru", "uk", "en", "es", "fr", "de", "bg", "hr", "cs", "da", "nl", "et", "fi", "el", "hu", "it", "lv", "lt", "mt",
    "pl", "pt", "ro", "sk", "sl", "sv",
)  # fmt: skip
_MULTILINGUAL = ("config.json", "multilingual*_ctc?int8.onnx", "multilingual_vocab.txt")
_TEXT = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json", "1_Pooling/config.json",
)  # fmt: skip
_TOWERS = (
    "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "onnx/vision_model.onnx",
    "onnx/text_model.onnx",
)  # fmt: skip
_WHISPER = ("config.json", "preprocessor_config.json", "tokenizer.json", "vocabulary.*", "model.bin")

MODELS = (
    Model(
        "gigaam-multilingual-ctc", "speech", "onnx-asr", "istupakov/gigaam-multilingual-ctc-onnx", _MULTILINGUAL,
        224_762_749, "code MIT; of the weights see the card", _GIGAAM,
        "Kazakh, Kyrgyz, Uzbek, Russian without a GPU; no punctuation, numbers as words",
    ),
    Model(
        "gigaam-multilingual-large-ctc", "speech", "onnx-asr", "istupakov/gigaam-multilingual-large-ctc-onnx",
        _MULTILINGUAL, 592_000_000, "code MIT; of the weights see the card", _GIGAAM,
        "the same with fewer errors; 600 M parameters for 220 M, so slower",
    ),
    Model(
        "gigaam-v3-e2e-ctc", "speech", "onnx-asr", "istupakov/gigaam-v3-onnx",
        ("config.json", "v3_e2e_ctc?int8.onnx", "v3_e2e_ctc_vocab.txt"), 225_000_000, "MIT", ("ru",),
        "Russian without a GPU, with punctuation and numbers in digits",
    ),
    Model(
        "nemo-parakeet-tdt-0.6b-v3", "speech", "onnx-asr", "istupakov/parakeet-tdt-0.6b-v3-onnx",
        ("config.json", "encoder-model?int8.onnx", "decoder_joint-model?int8.onnx", "vocab.txt"), 670_480_039,
        "CC-BY-4.0", _PARAKEET, "Russian, Ukrainian and 23 languages of Europe without a GPU, with punctuation",
    ),
    Model(
        "large-v3-turbo", "speech", "faster-whisper", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", _WHISPER,
        1_621_700_000, "MIT", (), "every language of Whisper, on a GPU",
    ),
    Model(
        "large-v3", "speech", "faster-whisper", "Systran/faster-whisper-large-v3", _WHISPER,
        3_091_000_000, "MIT", (), "the same with the whole decoder, slower",
    ),
    Model(
        "multilingual-e5-small", "text", "onnx", "intfloat/multilingual-e5-small", (*_TEXT, "onnx/model.onnx"),
        487_400_000, "MIT", (), "search by meaning; what comes along on Linux is this in 4 bits",
    ),
    Model(
        "multilingual-e5-small-int8", "text", "onnx", "Xenova/multilingual-e5-small",
        ("config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model_quantized.onnx"),
        135_400_000, "MIT", (), "the same in 8 bits: smaller, quicker, a little less exact",
    ),
    Model(
        "multilingual-e5-base", "text", "onnx", "intfloat/multilingual-e5-base", (*_TEXT, "onnx/model.onnx"),
        1_127_100_000, "MIT", (), "finds a little more; four times the work",
    ),
    Model(
        "multilingual-e5-large", "text", "onnx", "intfloat/multilingual-e5-large",
        (*_TEXT, "onnx/model.onnx", "onnx/model.onnx_data"), 2_260_000_000, "MIT", (),
        "finds more; 14 times the work",
    ),
    Model(
        "bge-m3", "text", "onnx", "BAAI/bge-m3",
        (*_TEXT, "onnx/model.onnx", "onnx/model.onnx_data", "onnx/Constant_7_attr__value"), 2_290_000_000, "MIT", (),
        "finds most, long texts too; 14 times the work",
    ),
    Model(
        "siglip2-base-patch16-224", "pictures", "siglip2", "onnx-community/siglip2-base-patch16-224-ONNX", _TOWERS,
        1_537_000_000, "Apache-2.0", (), "what is seen, found by words; Kazakh is not measured",
    ),
)  # fmt: skip
"""What small machines can run comes first. The files are those that onnx-asr 0.12.0 and faster-whisper 1.2.1 look for;
repositories are theirs. Those of the text models are what `embedders/model_files.py` reads, of those for pictures
`embedders/pictures/tower_files.py`. Licences: cards of the
repositories (GigaAM Multilingual's conversion names none)."""
CATALOGUE = {model.name: model for model in MODELS}

WORD_ERRORS: Mapping[str, Mapping[str, float]] = {
    "kk": {
        "base": 116, "large-v3": 32, "large-v3-turbo": 21,
        "gigaam-multilingual-ctc": 5.2, "gigaam-multilingual-large-ctc": 4.4,
    },
    "ru": {
        "base": 22, "large-v3": 5, "large-v3-turbo": 4.4,
        "gigaam-multilingual-ctc": 4.4, "gigaam-multilingual-large-ctc": 3.0,
    },
    "ky": {"large-v3": 86, "gigaam-multilingual-ctc": 7.0, "gigaam-multilingual-large-ctc": 5.5},
}  # fmt: skip
"""Wrong words of 100 by language and model on FLEURS, as published; more than 100 where more is made up than said.
GigaAM's: the card of ai-sage/GigaAM-Multilingual (utterances under 30 s, no digits). Whisper's are not cleaned
in the same way."""
_COMES_ALONG = "base"
_LANGUAGES = {"kk": "Kazakh", "ru": "Russian", "ky": "Kyrgyz"}


def shelf() -> Path:
    """The folder of all models; the environment variable VIDEOTAG_MODELS names another than the user's own."""
    import platformdirs

    named = os.environ.get("VIDEOTAG_MODELS")
    return Path(named).expanduser() if named else platformdirs.user_data_path("videotag") / "models"


def find(name: str) -> Model:
    """The model of that name.

    Raises:
        UserError: there is none.
    """
    if name not in CATALOGUE:
        raise UserError(f"{name}: there is no such model; known: {', '.join(CATALOGUE)}{did_you_mean(name, CATALOGUE)}")
    return CATALOGUE[name]


def folder_of(name: str, within: Path | None = None) -> Path:
    """Where a model's files lie or would, on the shelf or on another one.

    Raises:
        UserError: there is no such model.
    """
    return (within or shelf()) / find(name).name


def is_there(name: str, within: Path | None = None) -> bool:
    """Whether all of a model's files are there, and as large as they were when they were fetched, if that is known."""
    if name not in CATALOGUE:
        return False
    folder = folder_of(name, within)
    try:
        files = [path for path in folder.rglob("*") if path.is_file()]
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    except OSError:
        return False
    patterns = CATALOGUE[name].files
    whole = all(any(size and matches(file, pattern) for file, size in sizes.items()) for pattern in patterns)
    return whole and all(sizes.get(file) == size for file, size in _sizes_told(folder).items())


def matches(file: str, pattern: str) -> bool:
    """Whether a file's name in its model's folder, "onnx/model.onnx", matches (`fnmatch`), `*` being no folder."""
    return file.count("/") == pattern.count("/") and fnmatchcase(file, pattern)


def _sizes_told(folder: Path) -> dict[str, Any]:
    try:
        told = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        return {file: facts["size"] for file, facts in told["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # a file by hand, or damaged
        return {}


@dataclass(frozen=True)
class Advice:
    """A language of an archive for which there is a better model than the one that comes along."""

    language: str
    videos: int
    model: Model
    there: bool

    def __str__(self) -> str:
        errors = WORD_ERRORS[self.language]
        against = next(name for name in (_COMES_ALONG, "large-v3") if name in errors)
        worse, better = errors[against], errors[self.model.name]
        videos = f"{self.videos} video{'s' if self.videos > 1 else ''}"
        return (
            f"{_LANGUAGES[self.language]} ({videos}): {self.model.name} hears it better than Whisper {against}: "
            f"of 100 words {better:g} are wrong, not {worse:g} (published, FLEURS)"
        )


def advice(records: Iterable[Mapping[str, Any]]) -> list[Advice]:
    """What would serve the languages of these videos better, most videos first.

    A language is served by a model with less than half of the errors: by the first such one that is there, else by the
    first of the catalogue.
    """
    videos = Counter(language for record in records for language in languages_of(record))
    found = []
    for language, count in videos.most_common():
        better = [model for model in MODELS if _serves(model, language)]
        if better:
            there = [model for model in better if is_there(model.name)]
            found.append(Advice(language, count, (there or better)[0], bool(there)))
    return found


def languages_of(record: Mapping[str, Any]) -> set[str]:
    """The languages spoken in a video by its record, ISO 639-1: those that were heard, else those in the list."""
    for field in ("spoken_languages", "detected_language", "language"):
        value = record.get(field)
        if codes := set(re.findall(r"\b[a-z]{2}\b", str(value or ""))):
            return codes
    return set()


def _serves(model: Model, language: str) -> bool:
    errors = WORD_ERRORS.get(language, {})
    least = next((errors[name] for name in (_COMES_ALONG, "large-v3") if name in errors), 0.0)
    return errors.get(model.name, least) < least / 2
