"""Set up the project and run it. Needs Python 3.11 or newer and nothing else.

    python3 run.py demo           install, then the whole way on two sample videos, ending in four searches
    python3 run.py web            install, then the archive in a browser: yours, or the demo's while you have none
    python3 run.py doctor         what is installed, what would be picked and why, and whether it works
    python3 run.py models         what would hear your videos better, and `models get NAME`, which fetches it
    python3 run.py scale-out      install Ray, too, then all stages over the CPUs and GPUs of this machine or of several
    python3 run.py test           install with the tools, then ruff, pyright, import-linter and pytest
    python3 run.py test-engine    what needs torch: phase 2 with a real vLLM on the CPU and a tiny random model,
                                  openai-whisper, sentence-transformers (2.6 GB of packages)

Everything is installed into .venv beside this file (.venv-engine for the last one); a second call installs nothing.
What comes after the command goes to pytest or the script: `python3 run.py test -k segments`.
"""

import hashlib
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BIN = "Scripts" if os.name == "nt" else "bin"
VENV, ENGINE_VENV = ROOT / ".venv", ROOT / ".venv-engine"

DEMO = ["--data-dir", "demo/data", "--db", "demo/chroma_db"]
QUERIES = [
    "плотина сбрасывает воду, потоп на реке",
    "футбольный матч, мяч в воротах",
    "eruption, villagers evacuate from molten rock",
]
WHOLE = "выпуск новостей о воде, снеге и спорте"


def main() -> int:
    commands = {"demo": demo, "web": web, "doctor": doctor, "models": models, "scale-out": scale_out}
    commands |= {"test": test, "test-engine": test_engine}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    if sys.version_info < (3, 11):  # noqa: UP036  (this file is what an older Python meets first)
        print(f"error: Python 3.11 or newer is needed, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    try:
        return commands[sys.argv[1]](sys.argv[2:])
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(map(str, error.cmd))} ended with exit code {error.returncode}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def demo(args: list[str]) -> int:
    install(VENV, "requirements.txt")
    script("phase1_whisper_frames.py", "--config", "samples/videos_config.json", *DEMO)
    script("phase2_vllm_analysis.py", *DEMO)
    script("phase4_video_summary.py", *DEMO)
    script("load_data_to_chroma.py", *DEMO)
    for query in QUERIES:
        script("test_search.py", query, "--limit", "1", *DEMO[2:])
    script("test_search.py", "--videos", WHOLE, "--limit", "1", *DEMO[2:])
    print(f"\nThe results are in {ROOT / 'demo'}; delete that folder to see it all again.")
    return 0


def web(args: list[str]) -> int:
    install(VENV, "requirements.txt")
    if not args and not (ROOT / "chroma_db").exists() and "CHROMA_URL" not in os.environ:
        if not (ROOT / "demo" / "chroma_db").exists():
            demo([])
        args = DEMO
    return subprocess.run([python(VENV), "web.py", *args]).returncode


def doctor(args: list[str]) -> int:
    install(VENV, "requirements.txt")
    return subprocess.run([python(VENV), "doctor.py", *args]).returncode


def models(args: list[str]) -> int:
    install(VENV, "requirements.txt")
    return subprocess.run([python(VENV), "models.py", *args]).returncode


def scale_out(args: list[str]) -> int:
    install(VENV, "requirements-ray.txt")
    return subprocess.run([python(VENV), "scale_out.py", *args]).returncode


def test(args: list[str]) -> int:
    install(VENV, "requirements-dev.txt")
    call("ruff", "check", ".")
    call("ruff", "format", "--check", ".")
    call("pyright", "--project", "pyproject.toml")  # not one of a folder above
    call("lint-imports", "--no-cache")
    call("pytest", "-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", *args)
    return 0


def test_engine(args: list[str]) -> int:
    # A list of all packages, so that pip does not look for what they need: that would be gigabytes of CUDA.
    install(ENGINE_VENV, "requirements-engine.txt", "--no-deps")
    run([python(ENGINE_VENV), "tests_engine/prepare.py"])
    pytest = [python(ENGINE_VENV), "-m", "pytest"]
    run([*pytest, "tests_engine", *args])
    if not args:  # the other engines that need torch
        suites = ["tests/speech/test_transcribers.py", "tests/embedders/test_embedders.py"]
        run([*pytest, *suites, "-k", "openai or sentence"])
    return 0


def install(venv: Path, requirements: str, *options: str) -> None:
    """Make the environment and install into it, unless that very list has been installed already."""
    wanted = hashlib.sha256(sys.version.encode())
    for file in sorted(ROOT.glob("requirements*.txt")):
        wanted.update(file.read_bytes())
    stamp = venv / f"{requirements}.installed"
    if stamp.is_file() and stamp.read_text() == wanted.hexdigest():
        return
    print(f"installing {requirements} into {venv} (once; some minutes)", flush=True)
    pip = [python(venv), "-m", "pip"]
    if not works([*pip, "--version"]):  # not there, or an interruption has left it half made
        try:
            run([sys.executable, "-m", "venv", str(venv)])
        except subprocess.CalledProcessError:
            print("error: Python cannot make environments; on Debian: apt install python3-venv", file=sys.stderr)
            raise
    run([*pip, "install", "-qq", "--disable-pip-version-check", *options, "-r", requirements])
    stamp.write_text(wanted.hexdigest())


def works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def python(venv: Path) -> str:
    return str(venv / BIN / ("python.exe" if os.name == "nt" else "python"))


def script(name: str, *args: str) -> None:
    print(f"\n$ python {shlex.join([name, *args])}", flush=True)
    started = time.monotonic()
    run([python(VENV), name, *args])
    print(f"  ({time.monotonic() - started:.1f} s)", flush=True)


def call(tool: str, *args: str) -> None:
    print(f"\n$ {tool} {' '.join(args)}", flush=True)
    run([str(VENV / BIN / tool), *args])


def run(command: list[str]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
