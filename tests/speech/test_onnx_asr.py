"""The engine onnx-asr: the real onnx_asr on a tiny network whose text and times are known (tests/tiny_ctc.py)."""

import math
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from tests import tiny_ctc
from tests.tiny_ctc import RATE, sound
from videotag import model_shelf
from videotag.errors import UserError
from videotag.speech.listening import Ear, Piece
from videotag.speech.onnx_asr import NETWORKS, OnnxAsr, folder_with, language_of, words_of
from videotag.speech.words import Expected, Transcription, Word

NAME = "gigaam-multilingual-ctc"
GIGAAM = NETWORKS[NAME].languages
PARAKEET = NETWORKS["nemo-parakeet-tdt-0.6b-v3"].languages


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_ctc.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def ear(folder: Path) -> OnnxAsr:
    return OnnxAsr(OnnxAsr.Options(str(folder), "cpu"))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No model is on this machine but what the test puts on the shelf, or into the hub's cache."""
    monkeypatch.setattr(model_shelf, "folder_of", lambda name: tmp_path / "shelf" / name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "shelf"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every connection that is tried, none of which comes about."""
    tried: list[object] = []

    def refuse(_: object, address: object, *more: object) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: refuse(None, host))
    return tried


def heard(ear: Ear, audio: np.ndarray, language: str = "ru") -> list[tuple[str, float, float, str]]:
    [piece] = ear.hear([audio], language, ())
    assert piece.refused == ""
    return [(word.text, round(word.start, 6), round(word.end, 6), word.language) for word in piece.words]


# --- what is heard


def test_a_word_with_its_times(ear):
    """Four letters from 0.40 s, 80 ms apart: the last begins at 0.64 s and takes a frame of 40 ms."""
    assert heard(ear, sound(2, (0.4, "село"))) == [(" Село.", 0.4, 0.68, "ru")]


def test_two_words(ear):
    """0.40 0.48 0.56 0.64, the space at 0.72, then 0.80 0.88 0.96 1.04."""
    assert heard(ear, sound(2, (0.4, "село мост"))) == [(" Село", 0.4, 0.68, "ru"), (" мост.", 0.8, 1.08, "ru")]


def test_a_pause_ends_a_sentence(ear):
    """The second word's space is at 1.60, its first letter at 1.68, a whole second after 0.68."""
    said = sound(3, (0.4, "село"), (1.6, " мост"))
    assert heard(ear, said) == [(" Село.", 0.4, 0.68, "ru"), (" Мост.", 1.68, 1.96, "ru")]


def test_a_piece_that_was_cut_in_the_middle_of_speech(ear):
    """It begins at once, and its last letter ends at 0.28 of 0.35 s."""
    assert heard(ear, sound(0.35, (0, "село"))) == [(" село", 0, 0.28, "ru")]


def test_a_letter_twice_is_two_letters_after_a_moment_of_silence(ear):
    """м 0.40, а 0.48, с 0.56, then silence, с 0.72, а 0.80; without it, the two с would be one."""
    assert heard(ear, sound(2, (0.4, "мас"), (0.72, "са"))) == [(" Масса.", 0.4, 0.84, "ru")]


def test_kazakh_letters_tell_kazakh(ear):
    assert heard(ear, sound(2, (0.4, "қала")), "ru") == [(" Қала.", 0.4, 0.68, "kk")]


def test_a_word_is_as_sure_as_its_letters(ear):
    [word] = ear.hear([sound(2, (0.4, "село"))], "ru", ())[0].words
    assert 0.99 < word.probability <= 1
    [first, second] = words_of([" a", "b", " ", "c"], [0, 0.04, 0.08, 0.12], [-0.5, -1.5, -9, -2], 0.04)
    assert (first.text, first.start, first.end) == (" ab", 0, 0.08)
    assert (second.text, second.start, second.end) == (" c", 0.12, 0.16)
    assert first.probability == pytest.approx(0.3678794)  # e ** -1
    assert second.probability == pytest.approx(0.1353353)  # e ** -2: the space is no part of the word


def test_a_full_stop_that_is_heard_late_makes_a_word_no_longer():
    [word] = words_of([" ab", "."], [1.0, 2.0], [0, 0], 0.08)
    assert word == Word(" ab.", 1.0, 1.08, 1)


@pytest.mark.parametrize("seconds", [0, 1 / tiny_ctc.RATE, 0.01, 0.09, 0.1, 5])
def test_silence_of_any_length_has_no_words(ear, seconds):
    assert ear.hear([sound(seconds)], "kk", ()) == [Piece()]
    assert ear.hear_again(sound(seconds), "kk") == Piece()


def test_several_at_once_are_heard_as_alone(ear):
    """Of other lengths, one of them too short to be heard: each keeps its place."""
    sounds = [sound(2, (0.4, "село")), sound(0.05), sound(1, (0.2, "мост"))]
    assert ear.hear(sounds, "ru", ()) == [ear.hear([one], "ru", ())[0] for one in sounds]
    assert [len(piece.words) for piece in ear.hear(sounds, "ru", ())] == [1, 0, 1]
    assert ear.hear([], "ru", ()) == []


def test_it_cannot_tell_languages_by_the_sound(ear):
    assert ear.likely([sound(1), sound(2)]) == [{}, {}]


def test_heard_again_is_the_same(ear):
    said = sound(2, (0.4, "село"))
    assert [ear.hear_again(said, "ru")] == ear.hear([said], "ru", ["Назарбаев"])


def test_a_model_that_punctuates_is_left_as_it_writes(tmp_path):
    """Parts of words; "." is heard at 0.72 s and belongs to the word before, whose last part began at 0.64."""
    folder = tiny_ctc.make(tmp_path, tiny_ctc.E2E_TOKENS, tiny_ctc.E2E)
    said = sound(2, (0.4, tiny_ctc.E2E_TOKENS), tokens=tiny_ctc.E2E_TOKENS)
    ear = OnnxAsr(OnnxAsr.Options(str(folder), "cpu"))
    assert heard(ear, said, "kk") == [(" Село", 0.4, 0.52, "ru"), (" мост.", 0.56, 0.68, "ru")]
    assert ear.made_by["device"] == "cpu float32"


# --- which language it is


@pytest.mark.parametrize(
    ("text", "asked", "known", "language"),
    [
        ("", "kk", GIGAAM, "kk"),
        ("", "de", GIGAAM, ""),
        ("қазақстан республикасы", "kk", GIGAAM, "kk"),  # 2 of 21 letters
        ("қазақстан республикасы", "ru", GIGAAM, "kk"),
        ("қазақстан республикасы", "", GIGAAM, "kk"),
        ("жаңалықтар", "en", GIGAAM, "kk"),
        ("алматы", "kk", GIGAAM, "kk"),  # too few letters to tell that it is Russian
        ("алматы", "", GIGAAM, "ru"),
        ("сегодня в городе открылась новая школа", "kk", GIGAAM, "ru"),  # 33 letters, none of them Kazakh
        ("сегодня в городе шымкент открылась новая школа в районе қаратау", "kk", GIGAAM, "ru"),  # 1 of 54
        ("сегодня в городе шымкент открылась новая школа в районе қаратау", "ru", GIGAAM, "ru"),
        ("бүгүн шаарда жаңы мектеп ачылды деп кабарлады", "ky", GIGAAM, "ky"),
        ("good morning", "en", GIGAAM, "en"),
        ("good morning", "kk", GIGAAM, "en"),
        ("good morning", "", GIGAAM, "en"),
        ("xayrli tong", "uz", GIGAAM, "uz"),
        ("доброе утро", "en", GIGAAM, "ru"),
        ("доброе утро", "uz", GIGAAM, "ru"),
        ("guten morgen", "de", PARAKEET, "de"),
        ("guten morgen", "", PARAKEET, ""),  # one of twenty
        ("guten morgen", "ru", PARAKEET, ""),
        ("καλημέρα", "el", PARAKEET, "el"),
        ("сьогодні в місті відкрилася нова школа", "ru", PARAKEET, "uk"),
        ("сегодня в городе открылась новая школа", "uk", PARAKEET, "ru"),
        ("днес в града откриха ново училище за деца", "bg", PARAKEET, "bg"),
        ("ok", "kk", frozenset(["ru"]), "ru"),
    ],
)
def test_language_of(text, asked, known, language):
    assert language_of(text, asked, known) == language


def test_what_it_knows():
    assert [OnnxAsr.knows(language) for language in ("kk", "ru", "de", "ja")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("model", "language", "words"),
    [
        (NAME, "kk", None),
        (NAME, "auto", None),
        (NAME, "de", "--speech-model nemo-parakeet-tdt-0.6b-v3"),
        ("gigaam-v3-e2e-ctc", "kk", f"--speech-model {NAME}"),
        (NAME, "ja", "--transcriber faster-whisper"),
        ("some folder", "ja", None),
    ],
)
def test_doubt(model, language, words):
    doubt = OnnxAsr.doubt(model, language)
    assert doubt is None if words is None else doubt and doubt.endswith(words)


def test_doubt_of_a_folder(folder):
    assert OnnxAsr.doubt(str(folder), "kk") is None
    assert OnnxAsr.doubt(str(folder), "de")


# --- where the model lies


def test_what_made_the_words(ear, folder):
    assert ear.made_by == {
        "transcriber": "onnx-asr",
        "model": str(folder),
        "device": "cpu int8",
        "transcriber_version": "0.12.0",
    }
    assert (ear.at_once, ear.longest, ear.languages) == (1, 20.0, GIGAAM)


def test_a_model_by_name_from_the_shelf(shelf, no_network):
    tiny_ctc.make(shelf / NAME)
    ear = OnnxAsr(OnnxAsr.Options(device="cpu"))
    assert heard(ear, sound(2, (0.4, "село")))[0][0] == " Село."
    assert ear.made_by["model"] == NAME
    assert no_network == []


def test_a_model_by_name_from_the_hubs_cache(shelf, tmp_path, no_network):
    cached = tmp_path / "hub" / "models--istupakov--gigaam-multilingual-ctc-onnx"
    tiny_ctc.make(cached / "snapshots" / "1234abcd")
    assert folder_with(NAME) is None  # no branch says which snapshot counts
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("1234abcd")
    assert folder_with(NAME) == cached / "snapshots" / "1234abcd"
    assert heard(OnnxAsr(OnnxAsr.Options(device="cpu")), sound(2, (0.4, "село")))[0][0] == " Село."
    tiny_ctc.make(shelf / NAME)
    assert folder_with(NAME) == shelf / NAME  # first
    assert no_network == []


def test_a_missing_model_is_told_and_not_fetched(shelf, no_network):
    with pytest.raises(UserError) as error:
        OnnxAsr(OnnxAsr.Options())
    assert str(error.value) == (
        f"model {NAME}: is not on this machine; run `python3 run.py models get {NAME}`, or name a folder that holds it"
    )
    assert no_network == []


def test_a_name_that_is_none(shelf):
    with pytest.raises(UserError, match=f"model gigaam: there is no such folder, and the names are {NAME}, "):
        OnnxAsr(OnnxAsr.Options("gigaam"))


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("multilingual_ctc.int8.onnx", "multilingual*_ctc*.onnx"),
        ("multilingual_vocab.txt", "multilingual_vocab.txt"),
        ("config.json", "config.json"),
    ],
)
def test_a_folder_that_lacks_a_file(folder, tmp_path, shelf, gone, told):
    shutil.copytree(folder, shelf / NAME)
    (shelf / NAME / gone).unlink()
    with pytest.raises(UserError) as error:
        OnnxAsr(OnnxAsr.Options(str(shelf / NAME)))
    assert str(error.value).startswith(f"{shelf / NAME}: {told} is missing, which {NAME} needs; run ")
    assert folder_with(NAME) is None


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "vocab.txt").write_text("a 0\n")
    with pytest.raises(UserError, match="holds none of the models"):
        OnnxAsr(OnnxAsr.Options(str(tmp_path)))


@pytest.mark.parametrize("broken", ["multilingual_ctc.int8.onnx", "multilingual_vocab.txt", "config.json"])
def test_a_file_that_is_broken(folder, tmp_path, broken):
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / broken).write_bytes(b"half of it")
    with pytest.raises(UserError, match=f"model {tmp_path / 'model'}: cannot be loaded .*; run `python3 run.py models"):
        OnnxAsr(OnnxAsr.Options(str(tmp_path / "model")))


def test_a_gpu_that_is_not_there(folder):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime has CUDA here")
    with pytest.raises(UserError, match="onnxruntime has no CUDA here; use --device cpu"):
        OnnxAsr(OnnxAsr.Options(str(folder), "cuda"))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_is_as_onnx_asr_has_it(name, tmp_path):
    from onnx_asr.loader import create_asr_resolver

    resolver = create_asr_resolver(name, tmp_path)
    assert resolver.repo_id == NETWORKS[name].model.repository
    for form in (None, "int8"):
        wanted = {pattern.format(f"?{form}" if form else "") for pattern in NETWORKS[name].files}
        assert wanted == {*resolver.model_type._get_model_files(form).values(), "config.json"}


# --- likelihoods


def test_the_text_that_was_said_is_the_likeliest(ear):
    said, other, none = ear.likelihoods(sound(2, (0.4, "село")), "ru", [" Село.", " Мост,", " село 5"])
    assert said > other + 10
    assert math.isnan(none)  # there is no 5 among its letters


def test_a_model_of_parts_of_words_cannot_tell(tmp_path):
    ear = OnnxAsr(OnnxAsr.Options(str(tiny_ctc.make(tmp_path, tiny_ctc.E2E_TOKENS, tiny_ctc.E2E)), "cpu"))
    (likely,) = ear.likelihoods(sound(2, (0.4, ["▁Се", "ло"]), tokens=tiny_ctc.E2E_TOKENS), "ru", [" Село."])
    assert math.isnan(likely)


def test_a_language_that_the_model_does_not_know(ear):
    with pytest.raises(UserError, match='does not know "fr"'):
        ear.transcribe(np.zeros(RATE, np.float32), Expected(("ru", "fr")))
    assert ear.transcribe(np.zeros(RATE, np.float32), Expected(("kk", "ru"))) == Transcription()
