"""Which transcriber is meant, and several as one: Kazakh by a (tiny) GigaAM, the rest by Whisper."""

from pathlib import Path

import pytest

from tests import tiny_ctc
from tests.tiny_ctc import sound
from videotag.errors import UserError
from videotag.speech.engines import choose_transcriber, load_transcriber
from videotag.speech.listening import Piece
from videotag.speech.together import Together
from videotag.speech.words import Expected, Word

GIGAAM = "gigaam-multilingual-ctc"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one; nothing is in the hub's cache either."""
    monkeypatch.setenv("VIDEOTAG_MODELS", str(tmp_path / "shelf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "shelf"


@pytest.fixture
def gigaam(shelf: Path) -> Path:
    return tiny_ctc.make(shelf / GIGAAM)


def test_where_no_other_model_is_here_it_is_whisper(shelf):
    choice = choose_transcriber("auto", {})
    assert (choice.name, choice.options.model) == ("faster-whisper", "base")
    assert "run.py models" in choice.why
    assert choose_transcriber("auto", {"model": "turbo"}).options.model == "turbo"
    assert not shelf.exists()


def test_what_is_here_hears_the_languages_that_it_is_better_at(gigaam):
    choice = choose_transcriber("auto", {"model": "turbo"})
    assert (choice.name, choice.options.model) == ("auto", "turbo")
    assert f"kk by {GIGAAM}" in choice.why and "the rest by Whisper" in choice.why


def test_a_transcriber_or_a_model_that_is_named_is_meant(gigaam):
    assert choose_transcriber("faster-whisper", {})[:1] == ("faster-whisper",)
    assert choose_transcriber("openai-whisper", {"model": "base"}).options.model == "base"
    by_name, by_folder = (choose_transcriber("auto", {"model": model}) for model in (GIGAAM, str(gigaam)))
    assert (by_name.name, by_name.options.model, by_name.why) == ("onnx-asr", GIGAAM, "its model is named")
    assert (by_folder.name, by_folder.options.model) == ("onnx-asr", str(gigaam))
    with pytest.raises(UserError, match="--sequential: the transcriber onnx-asr has no use for it"):
        choose_transcriber("onnx-asr", {"sequential": True})


def test_several_as_one(gigaam):
    ear = load_transcriber("auto", choose_transcriber("auto", {"device": "cpu"}).options)
    assert isinstance(ear, Together)
    assert [ear.made_by[key] for key in ("transcriber", "model", "others")] == ["auto", "base", GIGAAM]
    assert (ear.takes_names("kk"), ear.takes_names("en")) == (False, True)
    assert ear.longest == 20.0
    ear._whisper.hear = lambda sounds, language, names: [Piece((Word(f" {language}", 0, 1),)) for _ in sounds]
    village = sound(2, (0.4, "село"))
    assert [word.text for piece in ear.hear([village] * 3, "ru", ()) for word in piece.words] == [" Село."] * 3
    assert [word.text for piece in ear.hear([village] * 3, "en", ()) for word in piece.words] == [" en"] * 3
    assert ear.hear_again(village, "kk").words[0].text == " Село."
    with pytest.raises(UserError, match='"xx"'):
        ear.transcribe(village, Expected(("xx",)))


def test_whisper_base_and_kazakh_is_no_doubt_where_another_hears_it(gigaam):
    assert Together.doubt("base", "kk") is None


def test_whisper_base_and_kazakh_is_a_doubt_otherwise(shelf):
    assert "--whisper-model turbo" in (Together.doubt("base", "kk") or "")
