"""onnx-asr: CTC and transducer networks on onnxruntime, without torch. GigaAM for Kazakh and Russian, Parakeet.

A model is taken from the folder of fetched ones, the hub's cache or a folder that the user names, never from the
network. Names (hotwords) mean nothing to such networks.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import filter as matching
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videotag import model_shelf
from videotag.errors import UserError
from videotag.languages import CYRILLIC_LANGUAGES, KAZAKH_LETTERS
from videotag.media.sound import SAMPLE_RATE
from videotag.speech.ctc_likelihood import log_likelihood
from videotag.speech.ctc_text import with_sentences
from videotag.speech.listening import Piece, listen
from videotag.speech.whisper import imported
from videotag.speech.words import Audio, Expected, Heard, Transcription, Word, device_option, model_option

if TYPE_CHECKING:
    import numpy as np

DEFAULT_MODEL = "gigaam-multilingual-ctc"


@dataclass(frozen=True)
class Network:
    """A model that is known by name, as the shelf has it, and what its text lacks.

    Attributes:
        model: its row on the shelf.
        punctuated: whether its text has punctuation and capitals.
        frame: seconds that it takes for a token at the least.
    """

    model: model_shelf.Model
    punctuated: bool
    frame: float

    @property
    def files(self) -> tuple[str, ...]:
        """Patterns of what has to lie in its folder; {} is "" or "?int8", as onnx_asr names quantized files.

        Without config.json onnx_asr would take the features of another version.
        """
        return tuple(pattern.replace("?int8", "{}") for pattern in self.model.files)

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1, those that it was trained to write down."""
        return frozenset(self.model.languages)

    @property
    def spells(self) -> bool:
        """Whether it is a CTC network whose tokens are letters and the space."""
        return not self.punctuated


NETWORKS = {
    name: Network(model_shelf.CATALOGUE[name], punctuated, frame)
    for name, punctuated, frame in (
        (DEFAULT_MODEL, False, 0.04),
        ("gigaam-multilingual-large-ctc", False, 0.04),
        ("gigaam-v3-e2e-ctc", True, 0.04),
        ("nemo-parakeet-tdt-0.6b-v3", True, 0.08),
    )
}
"""By onnx_asr's name."""

_SHORTEST = 0.1  # seconds; no word is shorter, and the features of less than a frame cannot be made
_AT_ONCE = {"cpu": 1, "cuda": 8}
"""Pieces heard together: on a CPU a batch of four costs as much as four alone."""
_OWN_LETTERS = {"kk": KAZAKH_LETTERS, "uk": frozenset("іїєґ")}
_OWN_SHARE = 0.05
"""Of the letters; half of what the poorest Kazakh sentence has, and more than a Kazakh name in a Russian sentence."""
_ENOUGH_LETTERS = 30
"""From here on a text without the language's own letters is not in it."""
_ALIKE = ("ky",)
"""Languages that have own letters of another one."""


@dataclass(frozen=True)
class OnnxAsrOptions:
    model: str = model_option(DEFAULT_MODEL)
    device: str = device_option()


class OnnxAsr:
    """The engine; an `Ear`. It refuses no words: below which probability they are wrong, nobody measured.

    Attributes:
        languages: ISO 639-1, those that its model is good at.
    """

    name = "onnx-asr"
    Options = OnnxAsrOptions
    longest = joins = 20.0

    def __init__(self, options: OnnxAsrOptions) -> None:
        name, folder = _named(options.model)
        self._network = NETWORKS[name]
        self.languages = self._network.languages
        onnx_asr = imported("onnx_asr", "onnx-asr")
        providers = _providers(options.device)
        try:
            model, form = _load(onnx_asr, name, folder, providers)
        except Exception as error:  # onnx_asr, onnxruntime and the file system each raise their own kinds
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"model {options.model}: cannot be loaded ({reason}); {_remedy(name)}") from error
        device = _device_of(model)
        if options.device == "cuda" and device != "cuda":
            raise UserError("the GPU cannot be used by onnxruntime; use --device cpu, or mend the driver and CUDA")
        self._model = model.with_timestamps()
        self.at_once = _AT_ONCE[device]
        self.made_by: dict[str, Any] = {
            "transcriber": self.name,
            "model": options.model,
            "device": f"{device} {form or 'float32'}",
            "transcriber_version": onnx_asr.__version__,
        }

    @staticmethod
    def knows(language: str) -> bool:
        """Whether one of its models knows a language, ISO 639-1."""
        return any(language in network.languages for network in NETWORKS.values())

    @staticmethod
    def doubt(model: str, language: str) -> str | None:
        """Why a model had better not hear a language, and what to do; None where nothing speaks against it."""
        name = model if model in NETWORKS else _name_in(Path(model))
        if name is None or language == "auto" or language in NETWORKS[name].languages:
            return None
        others = [other for other, network in NETWORKS.items() if language in network.languages]
        remedy = f"--speech-model {others[0]}" if others else "--transcriber faster-whisper"
        return f'{model} does not know "{language}"; better stop, and name {remedy}'

    @staticmethod
    def has(model: str) -> bool:
        """Whether a name is one of its models', or a folder holds one."""
        return model in NETWORKS or (Path(model).is_dir() and _name_in(Path(model)) is not None)

    def transcribe(self, audio: Audio, expected: Expected, heard: Heard | None = None) -> Transcription:
        for language in expected.languages:
            if language not in self.languages:
                known = ", ".join(sorted(self.languages))
                raise UserError(f'the speech model does not know "{language}" ({known}); name another --speech-model')
        return listen(self, audio, expected, heard)

    def likely(self, sounds: Sequence[Audio]) -> list[dict[str, float]]:
        return [{} for _ in sounds]

    def hear(self, sounds: Sequence[Audio], language: str, names: Sequence[str]) -> list[Piece]:
        pieces = [Piece()] * len(sounds)
        heard = [place for place, sound in enumerate(sounds) if len(sound) >= _SHORTEST * SAMPLE_RATE]
        results = self._model.recognize([sounds[place] for place in heard], sample_rate=SAMPLE_RATE)
        for place, result in zip(heard, results, strict=True):
            words = words_of(result.tokens, result.timestamps, result.logprobs, self._network.frame)
            spoken = language_of(result.text, language, self.languages)
            if not self._network.punctuated:
                words = with_sentences(words, len(sounds[place]) / SAMPLE_RATE)
            pieces[place] = Piece(tuple(replace(word, language=spoken) for word in words))
        return pieces

    def hear_again(self, sound: Audio, language: str) -> Piece:
        return self.hear([sound], language, ())[0]

    def takes_names(self, language: str) -> bool:
        return False

    def likelihoods(self, sound: Audio, language: str, texts: Sequence[str]) -> list[float]:
        """Of a network that spells; another one cannot tell, and gives nan."""
        if not self._network.spells:
            return [math.nan] * len(texts)
        asr = self._model.asr
        tokens = {token: number for number, token in asr._vocab.items()}
        log_probs = self._log_probs(sound)
        spelt = [[tokens.get(char, -1) for char in _bare(text)] for text in texts]
        return [math.nan if -1 in text else log_likelihood(log_probs, text, asr._blank_idx) for text in spelt]

    def _log_probs(self, sound: Audio) -> "np.ndarray":
        """[frames, vocabulary]."""
        import numpy as np

        asr = self._model.asr
        features = asr._preprocessor(sound[None], np.array([len(sound)]))
        return asr._encode(*features)[0][0]


# --- What was heard


def _bare(text: str) -> str:
    """As such a network writes it: no capitals, no punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))


def words_of(tokens: Sequence[str], times: Sequence[float], logprobs: Sequence[float], frame: float) -> list[Word]:
    """Words of tokens: letters, or parts of words; a space in front begins a word. Times in seconds.

    A word ends a frame after its last letter was heard: networks of this kind tell where a token begins.
    """
    parted: list[list[tuple[str, float, float]]] = []
    for token, time, logprob in zip(tokens, times, logprobs, strict=True):
        if token.startswith(" ") or not parted:
            parted.append([])
        if token.strip():
            parted[-1].append((token.strip(), time, logprob))
    return [_word(part, frame) for part in parted if part]


def _word(part: list[tuple[str, float, float]], frame: float) -> Word:
    spoken = [time for text, time, _ in part if any(map(str.isalnum, text))] or [part[0][1]]
    probability = math.exp(sum(logprob for _, _, logprob in part) / len(part))
    return Word(" " + "".join(text for text, _, _ in part), spoken[0], spoken[-1] + frame, probability)


def language_of(text: str, asked: str, known: frozenset[str]) -> str:
    """The language of a text by its letters: the one asked for if it fits, else what the letters tell; "" if nothing.

    Args:
        asked: ISO 639-1, "" where it is not known.
        known: those that the model can write.
    """
    if len(known) == 1:
        return next(iter(known))
    letters = [char for char in text.lower() if char.isalpha()]
    if not letters:
        return asked if asked in known else ""
    if 2 * sum("\u0400" <= char <= "\u04ff" for char in letters) < len(letters):
        others = known - CYRILLIC_LANGUAGES
        # Of a model for English and Uzbek, Latin letters are English unless Uzbek was asked for.
        return asked if asked in others else "en" if others <= {"en", "uz"} else ""
    for language in _OWN_LETTERS.keys() & known:
        own = sum(char in _OWN_LETTERS[language] for char in letters)
        if own >= _OWN_SHARE * len(letters) and asked not in _ALIKE:
            return language
    missed = asked in _OWN_LETTERS and len(letters) >= _ENOUGH_LETTERS
    return asked if asked in known & CYRILLIC_LANGUAGES and not missed else "ru"


# --- Where a model lies


def folder_with(name: str) -> Path | None:
    """The folder that holds a model known by name: of fetched ones, or the hub's cache; None where it is not here."""
    places = (model_shelf.folder_of(name), _in_hub_cache(NETWORKS[name].model.repository))
    return next((place for place in places if not _missing(place, NETWORKS[name])), None)


def _named(model: str) -> tuple[str, Path]:
    """onnx_asr's name of a model, and its folder."""
    if model in NETWORKS:
        if folder := folder_with(model):
            return model, folder
        raise UserError(f"model {model}: is not on this machine; {_remedy(model)}")
    folder = Path(model)
    if not folder.is_dir():
        raise UserError(f"model {model}: there is no such folder, and the names are {', '.join(NETWORKS)}")
    name = _name_in(folder)
    if name is None:
        raise UserError(f"{model}: holds none of the models {', '.join(NETWORKS)}; name the folder of one")
    if missing := _missing(folder, NETWORKS[name]):
        raise UserError(f"{model}: {', '.join(missing)} is missing, which {name} needs; {_remedy(name)}")
    return name, folder


def _remedy(name: str) -> str:
    return f"run `python3 run.py models get {name}`, or name a folder that holds it"


def _name_in(folder: Path) -> str | None:
    """Which model a folder holds, by its files; one that is not whole by what is left of it."""
    for name, network in NETWORKS.items():
        telling = (pattern.format("*") for pattern in network.files if pattern not in ("vocab.txt", "config.json"))
        if any(matching(_files(folder), pattern) for pattern in telling):
            return name
    return None


def _missing(folder: Path, network: Network) -> list[str]:
    """What a folder lacks of a model, as int8 or whole, whichever lacks less."""
    return min(_lacks(folder, network, "?int8"), _lacks(folder, network, ""), key=len)


def _lacks(folder: Path, network: Network, form: str) -> list[str]:
    files = _files(folder)
    return [pattern.format("*") for pattern in network.files if not matching(files, pattern.format(form))]


def _files(folder: Path) -> list[str]:
    """Names; none where there is no such folder, or none that may be read."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _in_hub_cache(repository: str) -> Path:
    """Where the Hugging Face hub's cache has a repository, if it has; known without the network."""
    from huggingface_hub.constants import HF_HUB_CACHE

    cached = Path(HF_HUB_CACHE, f"models--{repository.replace('/', '--')}")
    try:
        return cached / "snapshots" / (cached / "refs" / "main").read_text().strip()
    except OSError:
        return cached


# --- Where it runs


def _load(onnx_asr: Any, name: str, folder: Path, providers: list[str]) -> tuple[Any, str | None]:
    """onnx_asr's model, and how its weights are quantized: as int8 on a CPU, where it is faster, whole on a GPU."""
    import onnxruntime

    forms: list[str | None] = ["int8", None] if providers[0] == "CPUExecutionProvider" else [None, "int8"]
    form = next(form for form in forms if not _lacks(folder, NETWORKS[name], f"?{form}" if form else ""))
    session = onnxruntime.SessionOptions()
    # Threads that spin while they wait cost a third more CPU on a machine with other work, and gain nothing.
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = onnx_asr.load_model(name, folder, quantization=form, sess_options=session, providers=providers)
    return model, form


def _providers(device: str) -> list[str]:
    import onnxruntime

    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        raise UserError("onnxruntime has no CUDA here; use --device cpu, or install onnxruntime-gpu in its place")
    return ["CUDAExecutionProvider", "CPUExecutionProvider"] if cuda and device != "cpu" else ["CPUExecutionProvider"]


def _device_of(model: Any) -> str:
    """Where a loaded model runs in truth: onnxruntime takes the CPU where the GPU cannot be had, and only warns."""
    import onnxruntime

    sessions = [part for part in vars(model.asr).values() if isinstance(part, onnxruntime.InferenceSession)]
    return "cuda" if all(part.get_providers()[0] == "CUDAExecutionProvider" for part in sessions) else "cpu"
