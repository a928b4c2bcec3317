"""What the scripts have in common, in processes of their own: signals, encodings, a reader that leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from videotag import cli

ROOT = Path(__file__).parent.parent

HUNG_UP = """
import os, signal, sys
from videotag import cli

def work(args):
    os.kill(os.getpid(), signal.SIGHUP)
    cli.say("the end")
    return 0

sys.exit(cli.run(work, cli.parser("").parse_args([])))
"""

# The reader leaves while the second video is being heard; every step of the progress is a line.
LEFT = """
import os, sys
import phase1_whisper_frames
from tests.pipeline import FakeTranscriber
from videotag import cli, progress

reader, writer = os.pipe()
os.dup2(writer, 1)

class Ear(FakeTranscriber):
    def transcribe(self, *args):
        if len(self.heard) == 1:
            os.close(reader)
        return super().transcribe(*args)

ear = Ear()
progress.PLAIN_SECONDS = 0
cli.leave(phase1_whisper_frames.main(sys.argv[1:], lambda *_: ear))
"""


def python(*args: str | Path, **more) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, *args], cwd=ROOT, capture_output=True, check=False, **more)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
@pytest.mark.parametrize(
    ("trap", "code", "last"),
    [("trap '' HUP", 0, b"the end"), (":", 129, b"interrupted; run the same command again to go on")],
)
def test_nohup_is_respected(trap, code, last):
    shell = ["sh", "-c", f'{trap}; exec "$@"', "sh", sys.executable, "-c", HUNG_UP]
    done = subprocess.run(shell, cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (code, last), done.stderr


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [("--dry-run", 0, "\\u049aыс: would run: new"), ("--debug", 1, "phase 1: 0 done, 1 failed; \\u049aыс: ")],
)
def test_letters_that_the_encoding_lacks_are_written_as_their_numbers(tmp_path, option, code, said):
    videos = {"videos": [{"name": "Қыс", "path": str(tmp_path / "қыс.mp4"), "language": "kk"}]}
    (tmp_path / "list.json").write_text(json.dumps(videos), encoding="utf-8")
    places = ["--config", tmp_path / "list.json", "--data-dir", tmp_path / "data", "--db", tmp_path / "db"]
    env = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1251"}
    done = python("phase1_whisper_frames.py", option, *places, env=env)
    assert done.returncode == code, done.stderr
    assert said in done.stdout.decode("cp1251")
    assert ("error: \\u049aыс: " in done.stderr.decode("cp1251")) == (code == 1)


def test_when_the_reader_has_gone_the_run_ends_and_no_video_is_to_blame(project):
    project.several_videos(*"abc")
    places = ["--data-dir", project.data, "--db", project.folder / "chroma_db"]
    done = python("-c", LEFT, "--config", project.folder / "videos_config.json", *places)
    assert (done.returncode, done.stderr) == (1, b"")
    assert project.record("a")["phase1_status"] == "completed"
    assert project.record("b")["phase1_status"] == "pending"
    assert not {"phase1_error", "phase1_attempts"} & project.record("b").keys()
    assert project.record("c") == {}
    assert project.phase1() == 0
    assert "2 done, 1 skipped (done before: a)" in project.out


GONE = """
import os, sys
from videotag import cli, errors

reader, writer = os.pipe()
os.dup2(writer, 1)
os.dup2(writer, 2)
os.close(reader)

def work(args):
    raise {raised}

sys.exit(cli.run(work, cli.parser("").parse_args([])))
"""


@pytest.mark.parametrize(
    ("raised", "code"), [("KeyboardInterrupt", 130), ("errors.UserError('a fault')", 2), ("BrokenPipeError", 1)]
)
def test_the_exit_code_is_true_also_when_nobody_reads(raised, code):
    done = python("-c", GONE.format(raised=raised))
    assert (done.returncode, done.stderr) == (code, b"")


ENDING = """
import atexit
from videotag import cli

atexit.register(print, "torn down")  # as vLLM does, which takes seconds
print("done")
cli.leave({code})
"""


@pytest.mark.parametrize(("code", "said"), [(0, "done\ntorn down\n"), (1, "done\ntorn down\n"), (130, "done\n")])
def test_an_interrupted_run_does_not_wait_for_the_libraries_to_be_torn_down(code, said):
    done = python("-c", ENDING.format(code=code))
    assert (done.returncode, done.stdout.decode().replace("\r", "")) == (code, said)


@pytest.mark.parametrize(
    ("args", "environment", "db", "url"),
    [
        ([], None, "chroma_db", None),
        ([], "http://a:1", "chroma_db", "http://a:1"),
        ([], "", "chroma_db", None),
        (["--db", "copy"], "http://a:1", "copy", None),  # what is named counts more than what is left standing
        (["--chroma-url", "http://b:2"], "http://a:1", "chroma_db", "http://b:2"),
    ],
)
def test_where_the_database_is(monkeypatch, args, environment, db, url):
    if environment is not None:
        monkeypatch.setenv("CHROMA_URL", environment)
    seen = []
    assert cli.run(lambda args: seen.append((args.db, args.chroma_url)) or 0, cli.parser("").parse_args(args)) == 0
    assert seen == [(db, url)]
