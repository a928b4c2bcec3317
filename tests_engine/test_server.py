"""Phases 2 and 4 through `vllm serve`, for real: one server, two of them, and one that dies in the middle."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import transformers

import phase4_video_summary
from tests_engine.conftest import MEMORY, VIDEOS, Work, until_kept
from videotag import artifacts
from videotag.analyzers.contract import Analysis
from videotag.models.asking import ServerOptions, Servers
from videotag.stages import PHASE4
from videotag.summaries import prompt
from videotag.summaries.prompt import WINDOW

START_SECONDS = 600
TOKENS = 12_000
"""Six images a segment, and as much text as there may be."""


class Server:
    """`vllm serve` with the tiny model on a port of this machine."""

    def __init__(self, model: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.address}/v1"
        self._model, self._log = model, log

    def start(self) -> "Server":
        command = [Path(sys.executable).with_name("vllm"), "serve", self._model, "--served-model-name", "tiny"]
        options = {
            "host": "127.0.0.1",
            "port": self.port,
            "gpu-memory-utilization": MEMORY,
            "max-model-len": TOKENS,
            "max-num-seqs": 16,
            "limit-mm-per-prompt": json.dumps({"image": 6, "video": 0}),
            "mm-processor-kwargs": json.dumps({"size": {"shortest_edge": 3136, "longest_edge": 256 * 28 * 28}}),
            "mm-processor-cache-gb": 0,
            "structured-outputs-config": json.dumps({"backend": "guidance", "disable_any_whitespace": True}),
            "generation-config": "vllm",
        }
        command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
        # The analyzer `vllm`, which ran in this process, turned this off; a server cannot do without.
        environment = {k: v for k, v in os.environ.items() if k != "VLLM_ENABLE_V1_MULTIPROCESSING"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, cwd=self._log.parent, start_new_session=True
            )
        return self

    def ready(self) -> "Server":
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            with suppress(OSError), urllib.request.urlopen(f"{self.address}/health", timeout=5):
                return self
            time.sleep(0.2)
        raise AssertionError(f"the server is not ready in {START_SECONDS} s: {self._log.read_text()[-3000:]}")

    def kill(self) -> None:
        """The server and its engine at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def answered(self) -> int:
        """Requests that it has answered since it started."""
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        return round(sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:request_success_total")))


@pytest.fixture(scope="module")
def servers(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Two servers, started at the same time."""
    folder = tmp_path_factory.mktemp("servers")
    started = [Server(model, folder / f"{number}.log").start() for number in range(2)]
    try:
        yield [server.ready() for server in started]
    finally:
        for server in started:
            server.kill()


def options(*servers: Server) -> list[str]:
    return ["--analyzer", "openai", "--base-url", ",".join(server.url for server in servers), "--model", "tiny"]


def total(work: Work) -> int:
    return sum(len(work.segments(name)) for name in VIDEOS)


def whole(work: Work) -> None:
    """Every segment of both videos has an answer of the right form."""
    for name in VIDEOS:
        result = work.result(name)
        assert not result["unreadable"]
        assert [s["segment_index"] for s in result["segments"]] == list(range(len(work.segments(name))))
        for found in result["segments"]:
            Analysis(**{field: found[field] for field in Analysis.model_fields})
        assert result["made_by"]["analyzer"] == "openai" and result["made_by"]["model"] == "tiny"


@contextmanager
def shared_by(servers: list[Server], work: Work) -> Iterator[None]:
    """All of it is done inside, at least a quarter by each server."""
    before = [server.answered() for server in servers]
    yield
    whole(work)
    shares = [server.answered() - was for server, was in zip(servers, before, strict=True)]
    assert min(shares) >= total(work) // 4, shares


def test_one_server(work: Work, servers: list[Server]) -> None:
    assert work.phase2(*options(servers[0]), "--concurrency", "16") == 0
    whole(work)


def test_two_servers_share_the_work(work: Work, servers: list[Server]) -> None:
    with shared_by(servers, work):
        assert work.phase2(*options(*servers), "--concurrency", "4") == 0


def placed(work: Work, *servers: Server) -> subprocess.Popen:
    """scale_out.py over this machine, a slot a core, whose slots all ask these servers."""
    a_core = ["--stages", "phase2", "--cpus", "1", "--memory", "0", "--concurrency", "2"]
    return work.start(*options(*servers), *a_core, script="scale_out")


def test_slots_share_two_servers(work: Work, servers: list[Server]) -> None:
    pytest.importorskip("ray", reason="ray is not installed (requirements-ray.txt)")
    with shared_by(servers, work):
        script = placed(work, *servers)
        out, error = script.communicate(timeout=300)
        assert script.returncode == 0, (out, error)


def test_slots_go_on_with_the_server_that_is_left(work: Work, servers: list[Server]) -> None:
    pytest.importorskip("ray", reason="ray is not installed (requirements-ray.txt)")
    script = placed(work, *servers)
    until_kept(work, script, 2)
    servers[1].kill()
    try:
        out, error = script.communicate(timeout=300)
        assert script.returncode == 0, (out, error)
        whole(work)
    finally:
        servers[1].start().ready()


def test_what_a_server_tells_of_itself(model: Path, servers: list[Server]) -> None:
    asked = Servers("the test", ServerOptions(model="tiny", base_url=servers[0].url), WINDOW, sees=False)
    assert asked.context() == TOKENS
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    text = "Добрый вечер, вы смотрите новости."
    assert asked.tokens(text) == len(tokenizer(text)["input_ids"])


def test_a_whole_video(
    work: Work, servers: list[Server], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random model says nothing that a segment bears out: the video is read, and ends with a line that says so."""
    # It writes until it is stopped, and what was cut is asked for in halves.
    monkeypatch.setattr(prompt, "WINDOW", replace(WINDOW, most=100))
    assert work.phase2(*options(servers[0]), "--concurrency", "16") == 0
    before = servers[0].answered()
    args = [
        "--summarizer",
        "openai",
        "--base-url",
        servers[0].url,
        "--model",
        "tiny",
        "--only",
        "en_planet",
        *work.where,
    ]
    code = phase4_video_summary.main(args)
    asked, printed = servers[0].answered() - before, capsys.readouterr()
    assert asked >= 2 and "Traceback" not in printed.err
    record = work.db.get_video_status("en_planet")
    found = artifacts.read(PHASE4, artifacts.path_of(PHASE4, work.data, "en_planet"))
    if record["phase4_status"] == "completed":
        assert code == 0 and found is not None and found["sentences"]
    else:
        assert code == 1 and found is None and "parts of it were not read: segment" in record["phase4_error"]


def test_a_server_that_is_killed_and_started_again(work: Work, servers: list[Server]) -> None:
    server = servers[0]
    script = work.start(*options(server), "--concurrency", "4")
    until_kept(work, script, 2)
    server.kill()
    out, error = script.communicate(timeout=120)
    assert script.returncode == 1, (out, error)
    assert str(server.port) in error and "Traceback" not in error
    kept = work.kept()
    assert 2 <= len(kept) < total(work)
    assert work.db.get_video_status("ru_news")["phase2_status"] != "processing"

    server.start().ready()
    assert work.phase2(*options(server), "--concurrency", "16") == 0
    whole(work)
    # A question or two to find out what it can do, and each segment that was left, asked twice at most.
    assert server.answered() <= 2 * (total(work) - len(kept)) + 8
    for (name, index), description in kept.items():
        assert work.result(name)["segments"][index]["description"] == description


def test_the_other_server_takes_over(work: Work, servers: list[Server]) -> None:
    script = work.start(*options(*servers), "--concurrency", "4")
    until_kept(work, script, 2)
    servers[1].kill()
    out, error = script.communicate(timeout=180)
    assert script.returncode == 0, (out, error)
    whole(work)
