"""Fixtures: the tiny models, one engine for all tests, and the sample videos as phase 1 leaves them."""

import os

# Before vLLM is imported, here and in the scripts that the tests start. A compiler run at each start would take as
# long as all the rest; phase 2 itself leaves it on.
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_USE_AOT_COMPILE": "0",
    "TORCHDYNAMO_DISABLE": "1",
}

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phase1_whisper_frames
import phase2_vllm_analysis
from db_manager import ChromaDBManager
from tests.pipeline import SAMPLES, FakeTranscriber
from tests_engine import tiny_qwen_vl
from videotag import artifacts
from videotag.analyzers.vllm.engine import VllmAnalyzer
from videotag.models.vllm.engine import VllmOptions
from videotag.stages import PHASE1, PHASE2

ROOT = Path(__file__).parent.parent
VIDEOS = {"ru_news": "ru", "en_planet": "en"}
MEMORY = "0.3"
"""Share of the memory for an engine. What is not for the KV cache, vLLM only wants to see free."""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen_vl.make(tmp_path_factory.mktemp("qwen2_5_vl"))


@pytest.fixture(scope="session")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen_vl.make(tmp_path_factory.mktemp("qwen3_vl"), "qwen3_vl")


@pytest.fixture(scope="session")
def analyzer(model: Path) -> VllmAnalyzer:
    """The engine in this process. Loaded by the first test that gives it a segment."""
    return VllmAnalyzer("ru", VllmOptions(model=str(model), gpu_memory_utilization=float(MEMORY)))


class Work:
    """A folder with phase 1 of both sample videos done, and phase 2 to be run on it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.where = ["--data-dir", str(self.data), "--db", str(folder / "chroma_db")]
        self.db = ChromaDBManager(folder / "chroma_db")

    def phase2(self, *args: str, load: Callable[..., Any] | None = None) -> int:
        main = phase2_vllm_analysis.main
        return main([*args, *self.where], load) if load else main([*args, *self.where])

    def start(self, *args: str, script: str = "phase2_vllm_analysis") -> subprocess.Popen:
        """Phase 2 as a program, or another one."""
        command = [sys.executable, f"{script}.py", *args, *self.where]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def segments(self, name: str) -> list[dict[str, Any]]:
        found = artifacts.read(PHASE1, artifacts.path_of(PHASE1, self.data, name))
        assert found is not None
        return found["segments"]

    def result(self, name: str) -> dict[str, Any]:
        found = artifacts.read(PHASE2, artifacts.path_of(PHASE2, self.data, name))
        assert found is not None
        return found

    def kept(self) -> dict[tuple[str, int], str]:
        """The descriptions in the unfinished files, by video and segment."""
        found = {}
        for name in VIDEOS:
            path = artifacts.part_path(artifacts.path_of(PHASE2, self.data, name))
            data = path.read_bytes() if path.exists() else b""
            for record in artifacts._whole_records(data)[0][1:]:
                found[name, record["segment_index"]] = record["analysis"]["description"]
        return found


@pytest.fixture(scope="session")
def phase1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both samples with a scripted ear and real frames, in windows of 12 s: 16 segments and more."""
    folder = tmp_path_factory.mktemp("phase1")
    videos = [{"name": name, "path": str(SAMPLES / f"{name}.mp4"), "language": VIDEOS[name]} for name in VIDEOS]
    config = folder / "videos_config.json"
    config.write_text(json.dumps({"videos": videos}), encoding="utf-8")
    windows = ["--segment-seconds", "12", "--overlap-seconds", "0"]
    args = ["--config", str(config), *windows, *Work(folder).where]
    assert phase1_whisper_frames.main(args, lambda *_: FakeTranscriber()) == 0
    return folder


@pytest.fixture
def work(phase1: Path, tmp_path: Path) -> Work:
    shutil.copytree(phase1, tmp_path, dirs_exist_ok=True)
    return Work(tmp_path)


def until_kept(work: Work, script: subprocess.Popen, least: int) -> dict[tuple[str, int], str]:
    """Wait until so many results are on the disk."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        if len(kept := work.kept()) >= least:
            return kept
        assert script.poll() is None, script.communicate()
        time.sleep(0.01)
    raise AssertionError("no result in 120 s")
