"""run.py: its manual, its exit codes, and that a second call installs nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

import run

ROOT = Path(__file__).parent.parent


def test_without_a_command_it_prints_its_manual():
    for args, code in (([], 2), (["--help"], 0), (["nonsense"], 2)):
        done = subprocess.run([sys.executable, ROOT / "run.py", *args], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "python3 run.py demo" in done.stdout


def test_a_second_call_installs_nothing_and_a_changed_list_does(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "run", lambda command: calls.append(command[1:]))
    (tmp_path / ".venv").mkdir()
    (tmp_path / "requirements.txt").write_text("a==1\n")
    run.install(tmp_path / ".venv", "requirements.txt")
    assert [command[:2] for command in calls] == [["-m", "venv"], ["-m", "pip"]]
    calls.clear()
    run.install(tmp_path / ".venv", "requirements.txt")
    assert calls == []
    (tmp_path / "requirements.txt").write_text("a==2\n")
    run.install(tmp_path / ".venv", "requirements.txt")
    assert calls[-1][:2] == ["-m", "pip"]


@pytest.mark.parametrize(
    ("pip", "commands"),
    [("exit 1", [["-m", "venv"], ["-m", "pip"]]), ("exit 0", [["-m", "pip"]])],
)
def test_an_environment_that_was_half_made_is_made_anew_and_a_whole_one_is_not(tmp_path, monkeypatch, pip, commands):
    calls = []
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "run", lambda command: calls.append(command[1:3]))
    python = Path(run.python(tmp_path / ".venv"))
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{pip}\n")
    python.chmod(0o755)
    run.install(tmp_path / ".venv", "requirements.txt")
    assert calls == commands


def test_the_demo_leaves_the_users_database_alone(monkeypatch):
    seen = []
    monkeypatch.setattr(run, "install", lambda *args: None)
    monkeypatch.setattr(run, "script", lambda name, *args: seen.append((name, args[args.index("--db") + 1])))
    assert run.demo([]) == 0
    stages = [
        "phase1_whisper_frames.py",
        "phase2_vllm_analysis.py",
        "phase4_video_summary.py",
        "load_data_to_chroma.py",
    ]
    scripts = [*stages, *["test_search.py"] * 4]
    assert seen == [(script, "demo/chroma_db") for script in scripts]


@pytest.mark.parametrize("script", ["web", "doctor", "models"])
def test_a_script_gets_what_follows_and_give_their_exit_code(monkeypatch, script):
    called = []
    monkeypatch.setattr(run, "install", lambda *args: called.append(args))
    monkeypatch.setattr(run, "python", lambda venv: "python")
    code = subprocess.CompletedProcess([], 2)
    monkeypatch.setattr(run.subprocess, "run", lambda command, **_: called.append(command) or code)
    monkeypatch.setattr(sys, "argv", ["run.py", script, "get", "large-v3"])
    monkeypatch.chdir(ROOT)
    assert run.main() == 2
    assert called == [(run.VENV, "requirements.txt"), ["python", f"{script}.py", "get", "large-v3"]]


@pytest.mark.parametrize(
    ("folders", "where"), [(["chroma_db", "demo/chroma_db"], []), (["demo/chroma_db"], run.DEMO), ([], run.DEMO)]
)
def test_web_opens_ones_own_archive_or_the_demos(monkeypatch, tmp_path, folders, where):
    called = []
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.delenv("CHROMA_URL", raising=False)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "install", lambda *args: None)
    monkeypatch.setattr(run, "demo", lambda args: called.append("demo"))
    monkeypatch.setattr(run, "python", lambda venv: "python")
    code = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(run.subprocess, "run", lambda command, **_: called.append(command) or code)
    assert run.web([]) == 0
    assert called == [*(["demo"] if not folders else []), ["python", "web.py", *where]]


def test_a_failed_tool_is_told_with_its_exit_code(monkeypatch, capsys):
    def failing(args):
        subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=True)

    monkeypatch.setattr(sys, "argv", ["run.py", "test"])
    monkeypatch.setattr(run, "test", failing)
    monkeypatch.chdir(ROOT)
    assert run.main() == 1
    assert "ended with exit code 3" in capsys.readouterr().err
