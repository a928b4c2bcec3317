"""run.py: its manual, its exit codes, and that a second call installs nothing."""

import subprocess
import sys
from pathlib import Path

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


def test_a_failed_tool_is_told_with_its_exit_code(monkeypatch, capsys):
    def failing(args):
        subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=True)

    monkeypatch.setattr(sys, "argv", ["run.py", "test"])
    monkeypatch.setattr(run, "test", failing)
    monkeypatch.chdir(ROOT)
    assert run.main() == 1
    assert "ended with exit code 3" in capsys.readouterr().err
