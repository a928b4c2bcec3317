"""Two machines, each a network namespace, with token and TLS, and a ChromaDB server: one dies at its work.

Needs root, `ip` and openssl. On one kernel a dead machine's locks are gone at once; between true machines its claims
run out by their heartbeats (tests/test_many_processes.py).
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster import test_scale_out
from tests.cluster.test_scale_out import ROOT, STATUSES, called, ended, wait_until
from tests.kills import calls

pytest.importorskip("ray", reason="ray is not installed (requirements-ray.txt)")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("ip") and shutil.which("openssl")),
        reason="network namespaces need root and ip, keys need openssl",
    ),
]
folder = test_scale_out.folder

NETS = {"videotag-a": "10.77.0.1", "videotag-b": "10.77.0.2"}
HEAD, SECOND = NETS.values()


def ip(*args: str) -> str:
    return subprocess.run(["ip", *args], check=True, capture_output=True, text=True).stdout


def inside(net: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", net, *command]


def kill_all_in(net: str) -> None:
    """Every process of that machine."""
    for pid in ip("netns", "pids", net).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


@pytest.fixture
def nets() -> Iterator[list[str]]:
    """Two machines with a cable between them."""
    try:
        for net in NETS:
            ip("netns", "add", net)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces are not allowed: {error.stderr}")
    try:
        ends = [("veth-a", "videotag-a"), ("veth-b", "videotag-b")]
        ip("link", "add", "veth-a", "type", "veth", "peer", "name", "veth-b")
        for end, net in ends:
            ip("link", "set", end, "netns", net)
            ip("-n", net, "addr", "add", f"{NETS[net]}/24", "dev", end)
            ip("-n", net, "link", "set", end, "up")
            ip("-n", net, "link", "set", "lo", "up")
        yield list(NETS)
    finally:
        for net in NETS:
            kill_all_in(net)
            ip("netns", "del", net)


def test_a_machine_dies_and_the_other_one_goes_on(folder: Path, nets: list[str]) -> None:
    keys = str(folder / "keys")
    cluster = [sys.executable, str(ROOT / "cluster.py"), "--keys", keys]
    chroma = [str(Path(shutil.which("chroma") or Path(sys.executable).with_name("chroma"))), "run", "--host", HEAD]
    log = (folder / "log").open("a")
    subprocess.Popen(inside(nets[0], *chroma, "--path", str(folder / "server")), stdout=log, stderr=log, cwd=folder)
    subprocess.run(inside(nets[0], *cluster, "head", HEAD), check=True)
    subprocess.run(inside(nets[1], *cluster, "join", SECOND, HEAD), check=True)
    where = ["--address", f"{HEAD}", "--chroma-url", f"http://{HEAD}:8000", "--keys", keys]
    scripted = [sys.executable, "-m", "tests.cluster.scripted", str(folder)]
    refused = inside(nets[0], *scripted, *where[:2], *where[4:], "--db", str(folder / "chroma_db"))
    told = subprocess.run(refused, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert told.returncode == 2 and "is for one machine" in told.stderr, told
    driver = subprocess.Popen(inside(nets[0], *scripted, *where), cwd=ROOT, stdout=log, stderr=log, text=True)
    wait_until(lambda: calls(folder)["hear"] == 2, folder)  # one on each machine
    kill_all_in(nets[1])
    (folder / "gate").touch()
    assert ended(driver, folder) == 0, (folder / "log").read_text()
    assert "has died" in (folder / "log").read_text()
    assert called(folder)["see"] == called(folder)["read"] == 2
    read = "import sys, json; from db_manager import ChromaDBManager as C; d = C(chroma_url=sys.argv[1]); "
    read += "print(json.dumps([r[k] for r in d.list_videos() for k in sys.argv[2:]] + [d.count_segments()]))"
    found = subprocess.run(
        inside(nets[0], sys.executable, "-c", read, where[3], *STATUSES),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split("[")[-1] == ", ".join(['"completed"'] * 8) + ", 2]\n"
    token = (Path(keys) / "token").read_text()
    assert token not in (folder / "log").read_text() + found.stdout + told.stdout + told.stderr
