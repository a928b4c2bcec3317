"""The contract of a transcriber over the real engines, on the sample videos; Whisper base from its two packages.

openai-whisper takes part where it is installed, with the same weights in its own form.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.voices import errors, normalised
from videotag.errors import UserError
from videotag.media import sound
from videotag.speech import faster_whisper
from videotag.speech.engines import TRANSCRIBERS, load_transcriber
from videotag.speech.listening import Piece
from videotag.speech.whisper import Whisper, made_up, piece_of
from videotag.speech.words import A_LOOP, UNSURE, Expected, Transcription, Word

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
RATE = 16_000

ENGLISH = Expected(("en",))
ENGINES = ["faster-whisper", "faster-whisper sequential", "openai-whisper"]


# --- word errors


def word_errors(right: str, found: str) -> float:
    """Word error rate: substitutions, deletions and insertions (Levenshtein) to the number of right words."""
    return errors(normalised(right), normalised(found)) / len(normalised(right))


@pytest.mark.parametrize(
    ("right", "found", "rate"),
    [
        ("Ещё снег, и лёд.", "еще снег и лед", 0),
        ("один два три четыре", "один три четыре", 1 / 4),
        ("один два", "один и два", 1 / 2),
        ("один два", "раз два три", 2 / 2),
        ("one two", "", 1),
    ],
)
def test_word_errors(right: str, found: str, rate: float) -> None:
    assert word_errors(right, found) == rate


# --- the contract


@pytest.fixture(scope="module")
def openai_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper base as openai-whisper stores it."""
    for module in ("torch", "whisper"):
        pytest.importorskip(module, reason="openai-whisper is not installed (requirements-gpu.txt)")
    from tests import ct2_to_openai_whisper

    path = tmp_path_factory.mktemp("openai") / "base.pt"
    ct2_to_openai_whisper.convert(faster_whisper._joined_base(), path)
    return path


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    name, _, sequential = request.param.partition(" ")
    model = "base"
    if name == "openai-whisper":
        model = str(request.getfixturevalue("openai_base"))
    options = TRANSCRIBERS[name].Options(model, "cpu", **({"sequential": True} if sequential else {}))
    return load_transcriber(name, options)


@cache
def sound_of(name: str) -> np.ndarray:
    path = SAMPLES / f"{name}.mp4"
    if not path.is_file():
        pytest.skip(f"{path.name} has not been made (samples/make_samples.py)")
    return np.concatenate([audio for _, audio in sound.stretches(str(path))])


_said: dict[tuple[int, str], Transcription] = {}


def said(engine: Whisper, name: str) -> Transcription:
    """What an engine hears in a sample, the language being left to it; heard once."""
    if (id(engine), name) not in _said:
        _said[id(engine), name] = engine.transcribe(sound_of(name), Expected())
    return _said[id(engine), name]


@pytest.mark.parametrize("name", ["ru_news", "en_planet"])
def test_what_is_said(engine: Whisper, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(engine, name)
    reference = json.loads((SAMPLES / "texts.json").read_text(encoding="utf-8"))[name]
    text = "".join(word.text for word in found.words).strip()
    errors = word_errors(reference["text"], text)
    how = "sequential" if engine.made_by["sequential"] else "batched"
    with capsys.disabled():
        print(f"\n  word errors of {engine.name} {how}, base, {name}: {100 * errors:.1f} %")
    assert errors < 0.20
    assert found.language == reference["language"]
    assert 0.5 < found.language_probability <= 1
    assert "  " not in text


def test_words_keep_the_contract(engine: Whisper) -> None:
    found = said(engine, "ru_news")
    length = len(sound_of("ru_news")) / RATE
    assert len(found.words) > 100
    assert all(type(value) is kind for value, kind in [(found.language, str), (found.language_probability, float)])
    before = 0.0
    for word in found.words:
        assert [type(v) for v in vars(word).values()] == [str, float, float, float, str]  # and not numpy's
        assert 0 <= word.start <= word.end <= length + 0.1
        assert word.start >= before - 0.01
        assert 0 <= word.probability <= 1
        before = word.start
    json.dumps(engine.made_by)
    assert {"transcriber", "model", "sequential", "device", "transcriber_version"} <= set(engine.made_by)


def test_words_are_where_the_shot_is(engine: Whisper) -> None:
    """Nine of ten words of a shot lie between its start and its end, the engine's error allowed for."""
    shots = json.loads((SAMPLES / "texts.json").read_text(encoding="utf-8"))["ru_news"]["shots"]
    found = said(engine, "ru_news").words
    hits = total = 0
    for shot in shots:
        near = {w for x in found if shot["start"] - 0.3 <= x.start < shot["end"] + 0.3 for w in normalised(x.text)}
        wanted = normalised(shot["said"])
        hits, total = hits + sum(word in near for word in wanted), total + len(wanted)
    assert hits / total > 0.8


def quiet() -> np.ndarray:
    return np.zeros(40 * RATE, np.float32)


def noise() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.05, 40 * RATE).astype(np.float32)


def short() -> np.ndarray:
    return np.zeros(160, np.float32)


def nothing() -> np.ndarray:
    return np.zeros(0, np.float32)


@pytest.mark.parametrize("sound", [quiet, noise, short, nothing])
@pytest.mark.parametrize("languages", [(), ("ru",)])
def test_where_nobody_speaks(engine: Whisper, sound: Callable[[], np.ndarray], languages: tuple[str, ...]) -> None:
    assert engine.transcribe(sound(), Expected(languages)) == Transcription((), None, 0.0, ())


@pytest.mark.parametrize("named", ["en", "ru"])
def test_the_language_that_is_named_is_expected_and_not_forced(engine: Whisper, named: str) -> None:
    found = engine.transcribe(sound_of("en_planet")[: 12 * RATE], Expected((named,)))
    assert found.language == "en"
    assert {word.language for word in found.words} == {"en"}
    assert "planet" in "".join(word.text for word in found.words)


def test_a_list_of_languages_allows_no_other(engine: Whisper) -> None:
    found = engine.transcribe(sound_of("en_planet")[: 12 * RATE], Expected(("ru", "kk")))
    assert {word.language for word in found.words} <= {"ru", "kk"}


def test_it_says_what_it_is_and_knows_before_it_is_built(engine: Whisper, request: pytest.FixtureRequest) -> None:
    kind = TRANSCRIBERS[engine.name]
    assert kind is type(engine) and engine.made_by["transcriber"] == engine.name
    assert engine.made_by["sequential"] is (request.node.callspec.params["engine"] != "faster-whisper")
    assert [kind.knows(language) for language in ("kk", "ru", "jw", "kz", "KK", "auto", "")] == [True] * 3 + [False] * 4
    assert kind.doubt("base", "ru") is kind.doubt("turbo", "kk") is None
    assert "--whisper-model turbo" in (kind.doubt("base", "kk") or "")


def test_it_works_again_after_an_interruption(engine: Whisper) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    some = sound_of("en_planet")[: 12 * RATE]
    with pytest.raises(KeyboardInterrupt):
        engine.transcribe(some, ENGLISH, interrupted)
    assert "planet" in "".join(word.text for word in engine.transcribe(some, ENGLISH).words)


def test_unknown_language(engine: Whisper) -> None:
    with pytest.raises(UserError, match='"xx"') as error:
        engine.transcribe(quiet(), Expected(("xx",)))
    assert "\n" not in str(error.value)


def test_heard_rises(engine: Whisper) -> None:
    heard: list[float] = []
    engine.transcribe(sound_of("ru_news")[: 65 * RATE], Expected(("ru",)), heard.append)
    assert len(heard) > 1 and heard == sorted(heard)
    assert all(type(seconds) is float for seconds in heard)
    assert heard[-1] == pytest.approx(65)


def test_the_likelier_text_is_the_one_that_was_said(engine: Whisper) -> None:
    some = sound_of("en_planet")[: 12 * RATE]
    said = "".join(word.text for word in engine.transcribe(some, ENGLISH).words)
    right, wrong = engine.likelihoods(some, "en", [said, said.replace("planet", "carpet")])
    assert 0 > right > wrong


# --- what Whisper makes up

SURE = {"text": "а" * 200, "compression_ratio": 1.5, "avg_logprob": -0.3, "no_speech_prob": 0.1}


@pytest.mark.parametrize(
    ("piece", "first", "alone"),
    [
        ({}, "", ""),
        ({"compression_ratio": 2.4}, "", ""),
        ({"compression_ratio": 2.5, "text": "а" * 300}, A_LOOP, A_LOOP),  # 30 characters a second
        ({"compression_ratio": 2.5, "text": "а" * 250}, A_LOOP, ""),  # 25: people can say that, and it is in the sound
        ({"compression_ratio": 2.5, "text": "а" * 250, "avg_logprob": -0.6}, A_LOOP, A_LOOP),  # but not sure enough
        ({"compression_ratio": 2.5, "text": "а" * 250, "no_speech_prob": 0.7}, A_LOOP, A_LOOP),  # nor speech
        ({"text": "а" * 262}, "", ""),  # 25 in each of 10.5 s
        ({"text": "а" * 263}, A_LOOP, A_LOOP),  # a sentence written twice over
        ({"avg_logprob": -1.1}, UNSURE, UNSURE),
        ({"avg_logprob": -0.9}, "", UNSURE),
        ({"avg_logprob": -0.6}, "", ""),
        ({"no_speech_prob": 0.9}, "", ""),
        ({"avg_logprob": -0.6, "no_speech_prob": 0.7}, UNSURE, UNSURE),
    ],
)
def test_made_up(piece: dict[str, Any], first: str, alone: str) -> None:
    assert made_up(SURE | piece, seconds=10, alone=False) == first
    assert made_up(SURE | piece, seconds=10, alone=True) == alone


def test_what_is_left_of_a_piece() -> None:
    word = {"word": " да", "start": 61.0, "end": 61.5, "probability": 0.5}
    good, loop = SURE | {"words": [word]}, SURE | {"words": [word], "compression_ratio": 3.0}
    assert piece_of([loop, good], 10, start=60.0) == Piece((Word(" да", 1.0, 1.5, 0.5),))
    assert piece_of([loop], 10) == Piece(refused=A_LOOP)
    assert piece_of([], 10) == Piece()


# --- the joined base model


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, which does not outlive the test: the model has 145 MB."""
    import platformdirs

    cache_folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: cache_folder / name)
    yield cache_folder
    shutil.rmtree(cache_folder, ignore_errors=True)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_base_is_joined_once(own_cache: Path) -> None:
    folder = faster_whisper._joined_base()
    assert own_cache in folder.parents
    assert sorted(file.name for file in folder.iterdir()) == [
        "config.json",
        "model.bin",
        "tokenizer.json",
        "vocabulary.txt",
    ]
    weights = folder / "model.bin"
    # As public manifests pin it for Systran/faster-whisper-base.
    assert digest(weights) == "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
    made = weights.stat().st_mtime_ns
    assert faster_whisper._joined_base() == folder
    assert weights.stat().st_mtime_ns == made


def test_a_damaged_base_is_joined_again(own_cache: Path) -> None:
    weights = faster_whisper._joined_base() / "model.bin"
    right = digest(weights)
    with weights.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    faster_whisper._joined_base()
    assert digest(weights) == right


def removed(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def one_letter_changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


@pytest.mark.parametrize("damage", [removed, emptied, cut, one_letter_changed, dangling])
def test_a_base_with_a_damaged_file_is_joined_again(own_cache: Path, damage: Callable[[Path], None]) -> None:
    """Another vocabulary would be taken for right, and write other words."""
    folder = faster_whisper._joined_base()
    right = {file.name: digest(file) for file in folder.iterdir()}
    for name in right:
        damage(folder / name)
    assert faster_whisper._joined_base() == folder
    assert {file.name: digest(file) for file in folder.iterdir()} == right


def test_what_stands_in_the_bases_place_is_named(own_cache: Path) -> None:
    folder = own_cache / "videotag" / "faster-whisper-base"
    (folder / "model.bin").mkdir(parents=True)
    with pytest.raises(
        UserError, match=r"faster-whisper-base/model\.bin: cannot be written: Is a directory; .*move it away"
    ):
        load_transcriber("faster-whisper", TRANSCRIBERS["faster-whisper"].Options("base", "cpu"))
    shutil.rmtree(folder)
    folder.symlink_to(own_cache / "nowhere")
    with pytest.raises(UserError, match=r"faster-whisper-base: File exists; .*move it away"):
        load_transcriber("faster-whisper", TRANSCRIBERS["faster-whisper"].Options("base", "cpu"))
    folder.unlink()
    assert faster_whisper._joined_base() == folder


def test_what_killed_joins_have_left_is_deleted(own_cache: Path) -> None:
    folder = own_cache / "videotag" / "faster-whisper-base"
    folder.mkdir(parents=True)
    old, young = folder / "model.bin.1.tmp", folder / "model.bin.2.tmp"
    for path in (old, young):
        path.touch()
    os.utime(old, (1_700_000_000, 1_700_000_000))
    faster_whisper._joined_base()
    assert not old.exists() and young.exists()


def test_an_interrupted_join_leaves_no_half_file(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            faster_whisper._joined_base()
    assert not [path for path in own_cache.rglob("*") if path.is_file()]
    assert (faster_whisper._joined_base() / "model.bin").is_file()


# --- what cannot be had


def refused(name: str, model: str) -> str:
    with pytest.raises(UserError) as error:
        load_transcriber(name, TRANSCRIBERS[name].Options(model, "cpu"))
    line = str(error.value)
    assert "\n" not in line and model in line
    return line


def test_models_of_the_other_engine(tmp_path: Path) -> None:
    assert "--transcriber openai-whisper" in refused("faster-whisper", str(tmp_path / "large.pt"))
    refused("faster-whisper", str(tmp_path))  # a folder that holds no model


def test_a_folder_is_no_model_of_openai_whisper(tmp_path: Path) -> None:
    pytest.importorskip("whisper", reason="openai-whisper is not installed (requirements-gpu.txt)")
    assert "is a folder" in refused("openai-whisper", str(tmp_path))
    refused("openai-whisper", "no-such-model")


def test_a_model_that_is_neither_here_nor_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    refused("faster-whisper", "tiny")
    refused("faster-whisper", "no-such-model")


@pytest.mark.skipif(importlib.util.find_spec("whisper") is not None, reason="openai-whisper is installed")
def test_an_engine_that_is_not_installed() -> None:
    with pytest.raises(UserError, match="pip install openai-whisper"):
        load_transcriber("openai-whisper", TRANSCRIBERS["openai-whisper"].Options())


def test_the_table_of_engines() -> None:
    assert list(TRANSCRIBERS) == ["auto", "faster-whisper", "openai-whisper", "onnx-asr"]
    heavy = {"faster_whisper", "whisper", "torch", "ctranslate2", "onnx_asr", "onnxruntime"}
    program = f"import sys; import videotag.speech.engines; print(sorted({heavy!r} & set(sys.modules)))"
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
