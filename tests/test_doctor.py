"""The doctor: each finding tells the truth, and the exit code too."""

import argparse
import json
import socket
from dataclasses import replace

import pytest

import doctor
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from videotag.stages import STAGES


def lines(capsys):
    return {
        line.split(": ")[0]: line for line in capsys.readouterr().out.splitlines() if line[:3] in ("ok ", "no ", "BAD")
    }


def test_a_machine_with_all_that_is_needed(tmp_path, capsys):
    assert doctor.main(["--db", str(tmp_path / "db"), "--analyzer", "local"]) == 0
    found = lines(capsys)
    assert found["ok  speech"].startswith("ok  speech: faster-whisper, model base, on ")
    assert found["ok  analysis"] == "ok  analysis: local (asked for)"
    assert "0 videos" in found["ok  database"]
    assert "e5-small" in found["ok  search"]
    assert not [mark for mark in found if mark.startswith("BAD")]


def test_what_is_wrong_is_told_and_the_rest_still_looked_at(tmp_path, capsys):
    with socket.socket() as closed:  # bound but not listening: nobody answers there
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        args = ["--db", str(tmp_path), "--chroma-url", f"http://127.0.0.1:{port}", "--whisper-model", str(tmp_path)]
        assert doctor.main(args) == 1
    found = lines(capsys)
    assert str(tmp_path) in found["BAD speech"]
    assert f"http://127.0.0.1:{port}" in found["BAD database"]
    assert found["ok  python"]


def test_what_an_older_version_of_a_stage_made_is_named_and_due_by_force_alone(tmp_path, capsys, monkeypatch):
    db = ChromaDBManager(tmp_path / "db")
    for name, version in (("old", {}), ("new", {"phase2_version": 2}), ("begun", {"phase2_status": "processing"})):
        record = {"video_path": f"{name}.mp4", "phase1_status": "completed", "phase2_status": "completed"}
        db.create_or_update_video_files({name: record | version})
    monkeypatch.setattr(doctor, "CHECKS", {"database": doctor.database})
    monkeypatch.setattr(
        doctor, "STAGES", [replace(stage, version=2) if stage.key == "phase2" else stage for stage in STAGES]
    )
    assert doctor.main(["--db", str(tmp_path / "db"), "--data-dir", str(tmp_path)]) == 0
    again = "phase2_vllm_analysis.py --force --only NAME makes them again"
    assert f"no  database: phase 2 would do these better today: old; {again}" in capsys.readouterr().out.splitlines()


def test_a_better_model_for_the_archives_language_is_named_until_it_is_here(tmp_path, capsys, monkeypatch):
    shelf = tmp_path / "shelf"
    monkeypatch.setenv("VIDEOTAG_MODELS", str(shelf))
    ChromaDBManager(tmp_path / "db").create_or_update_video_files({"a": {"video_path": "a.mp4", "language": "kk"}})
    monkeypatch.setattr(doctor, "CHECKS", {"speech models": doctor.speech_models})
    asked = ["--db", str(tmp_path / "db")]
    assert doctor.main(asked) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "speech models" in line]
    assert line.startswith("no  speech models: Kazakh (1 video): gigaam-multilingual-ctc hears it better ")
    assert line.endswith("; python3 run.py models get gigaam-multilingual-ctc")
    (shelf / "gigaam-multilingual-ctc").mkdir(parents=True)
    for name in ("config.json", "multilingual_vocab.txt", "multilingual_ctc.int8.onnx"):
        (shelf / "gigaam-multilingual-ctc" / name).write_text("x")
    assert doctor.main(asked) == 0
    assert "ok  speech models: gigaam-multilingual-ctc is here" in capsys.readouterr().out.splitlines()


def test_speech_without_words_is_named_where_it_is_known(tmp_path, capsys, monkeypatch):
    db = ChromaDBManager(tmp_path / "db")
    monkeypatch.setattr(doctor, "CHECKS", {"unheard speech": doctor.unheard})

    def told(**seconds: float | None) -> str:
        db.create_or_update_video_files({n: {"video_path": "a", "unheard_seconds": s} for n, s in seconds.items()})
        assert doctor.main(["--db", str(tmp_path / "db")]) == 0
        return capsys.readouterr().out.splitlines()[0]

    assert told(heard=0.0, older=None) == "ok  unheard speech: none in 1 videos"
    assert told(some=4.4, much=31.0).startswith("no  unheard speech: much (31 s), some (4 s): the results of phase 1")


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    (tmp_path / "requirements.txt").write_text("# comment\nnot-a-package==1.0\npytest>=1\nnumpy==0.1\n")
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    [finding] = doctor.packages(doctor.Asked(argparse.Namespace(), FakeEmbedder))
    assert finding.good is False
    assert "not-a-package is missing" in finding.text
    assert ", not 0.1" in finding.text
    assert "pytest" not in finding.text.replace("pip install", "")


@pytest.mark.parametrize(
    ("files", "good"),
    [
        (["config.json", "tokenizer_config.json", "model.safetensors"], True),
        (["config.json", "tokenizer_config.json"], False),
        (["config.json", "tokenizer_config.json", "a.safetensors", "b.safetensors"], True),
        (["config.json", "tokenizer_config.json", "a.safetensors"], False),
    ],
)
def test_a_models_folder_is_complete_or_not(tmp_path, files, good):
    for name in files:
        (tmp_path / name).write_text("{}")
    if "a.safetensors" in files:
        index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    finding = doctor.model_folder(tmp_path)
    assert finding.good is good
    assert good or "missing; download the model again" in finding.text


def test_a_damaged_index_is_told(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text("{")
    assert doctor.model_folder(tmp_path).good is False
