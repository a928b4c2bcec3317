"""Three machines, with token and TLS and a ChromaDB server: links are cut, machines die and come, and so does the run.

Each is a network namespace with a hostname of its own, and locks that the others do not see: as on a network folder
without locks, heartbeats alone tell who is alive. Needs root, `ip`, `unshare` and openssl.
"""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.test_scale_out import ROOT, by_hand, called, ended, fresh, in_the_end, videos_in, wait_until
from tests.kills import calls

pytest.importorskip("ray", reason="ray is not installed (requirements-ray.txt)")
NEEDED = ("ip", "unshare", "openssl")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (hasattr(os, "geteuid") and os.geteuid() == 0 and all(map(shutil.which, NEEDED))),
        reason="network namespaces need root, ip and unshare, keys need openssl",
    ),
]

SWITCH = "videotag-switch"
MACHINES = {"videotag-x": "10.78.0.1", "videotag-y": "10.78.0.2", "videotag-z": "10.78.0.3"}
HEAD, SECOND, THIRD = MACHINES
URL = f"http://{MACHINES[HEAD]}:8000"
SOON = {  # a machine that is cut off is given up after seconds, and not after a minute
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
CONTENT = """
import pickle, sys
from pathlib import Path
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.states import content
found = content(Path(sys.argv[1]), ChromaDBManager(chroma_url=sys.argv[2], embedder=FakeEmbedder()))
sys.stdout.buffer.write(pickle.dumps(found))
"""


def ip(*args: str) -> str:
    return subprocess.run(["ip", *args], check=True, capture_output=True, text=True).stdout


def kill_all_on(machine: str) -> None:
    for pid in ip("netns", "pids", machine).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


@pytest.fixture
def machines() -> Iterator[None]:
    """Machines on one switch."""
    made: list[str] = []
    try:
        try:
            for net in (SWITCH, *MACHINES):
                ip("netns", "add", net)
                made.append(net)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not allowed: {error.stderr}")
        ip("-n", SWITCH, "link", "add", "bridge", "type", "bridge")
        ip("-n", SWITCH, "link", "set", "bridge", "up")
        for net, address in MACHINES.items():
            port = net[-1]
            ip("-n", SWITCH, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", net)
            ip("-n", SWITCH, "link", "set", port, "master", "bridge", "up")
            ip("-n", net, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", net, "link", "set", "eth0", "up")
            ip("-n", net, "link", "set", "lo", "up")
        yield
    finally:
        for net in made:
            kill_all_on(net)
            ip("netns", "del", net)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of three videos, to which the stages' scripts have been started by hand, on one machine."""
    return by_hand(videos_in(tmp_path_factory.mktemp("videos"), 3))


@pytest.fixture
def folder(videos: Path, tmp_path: Path) -> Path:
    """The same three, and nothing done."""
    (tmp_path / "data" / ".locks").mkdir(parents=True)
    return fresh(videos, tmp_path)


def on(machine: str, folder: Path, *command: str) -> list[str]:
    """A command on a machine, which has its own name and its own locks."""
    alone = 'hostname "$0" && mount -t tmpfs none "$1" && shift && exec "$@"'
    locks = str(folder / "data" / ".locks")
    return ["ip", "netns", "exec", machine, "unshare", "--uts", "--mount", "sh", "-c", alone, machine, locks, *command]


def begun(machine: str, folder: Path, *command: str) -> subprocess.Popen[str]:
    with (folder / "log").open("a") as log:
        started = on(machine, folder, sys.executable, *command)
        return subprocess.Popen(started, cwd=ROOT, env={**os.environ, **SOON}, stdout=log, stderr=log, text=True)


def start(folder: Path, *others: str) -> None:
    """A ChromaDB server and the cluster's head on the first machine, and others that join it."""
    server = [shutil.which("chroma") or str(Path(sys.executable).with_name("chroma")), "run", "--host", MACHINES[HEAD]]
    command, quiet = on(HEAD, folder, *server, "--path", str(folder / "server")), subprocess.DEVNULL
    subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=folder)
    assert ended(cluster(HEAD, folder, "head", MACHINES[HEAD]), folder) == 0, (folder / "log").read_text()
    join(folder, *others)


def join(folder: Path, *others: str) -> None:
    for machine in others:  # one after the other: Ray gives each 30 s to start
        joining = cluster(machine, folder, "join", MACHINES[machine], MACHINES[HEAD])
        assert ended(joining, folder) == 0, (folder / "log").read_text()


def cluster(machine: str, folder: Path, *how: str) -> subprocess.Popen[str]:
    return begun(machine, folder, str(ROOT / "cluster.py"), "--keys", str(folder / "keys"), *how)


def run(machine: str, folder: Path, *database: str) -> subprocess.Popen[str]:
    """The run over the cluster, started on a machine."""
    scripted = [
        "-m",
        "tests.cluster.scripted",
        str(folder),
        "--address",
        MACHINES[HEAD],
        "--keys",
        str(folder / "keys"),
    ]
    return begun(machine, folder, *scripted, *(database or ("--chroma-url", URL)))


def served(folder: Path) -> dict[str, Any]:
    """What is in the end, by the server's database."""
    command = on(HEAD, folder, sys.executable, "-c", CONTENT, str(folder), URL)
    return pickle.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "data").glob("*_p*")}


def test_one_machine_is_cut_off_and_one_dies(folder: Path, machines: None, videos: Path) -> None:
    start(folder, SECOND, THIRD)
    assert ended(run(HEAD, folder, "--db", str(folder / "chroma_db")), folder) == 2
    assert "is for one machine" in (folder / "log").read_text()
    driver = run(HEAD, folder)
    wait_until(lambda: calls(folder)["hear"] >= 3, folder)  # one on each
    ip("-n", SWITCH, "link", "set", THIRD[-1], "down")
    kill_all_on(SECOND)
    (folder / "gate").touch()  # what is cut off goes on as well, as far as it comes
    assert ended(driver, folder) == 0, (folder / "log").read_text()
    assert (folder / "log").read_text().count("it is gone on with") == 2
    assert served(folder) == in_the_end(videos)
    assert called(folder)["see"] == called(folder)["read"] == 3
    found = results(folder)
    ip("-n", SWITCH, "link", "set", THIRD[-1], "up")
    time.sleep(10)  # s, in which what was left there would write
    assert results(folder) == found
    assert served(folder) == in_the_end(videos)
    assert (folder / "keys" / "token").read_text() not in (folder / "log").read_text()


def test_a_machine_that_comes_late_is_used_and_the_run_is_killed(folder: Path, machines: None, videos: Path) -> None:
    start(folder, SECOND)
    driver = run(SECOND, folder)
    wait_until(lambda: calls(folder)["hear"] == 2, folder)  # which wait for the gate
    join(folder, THIRD)
    wait_until(lambda: calls(folder)["hear"] == 3, folder)
    driver.kill()
    assert ended(driver, folder) == -signal.SIGKILL
    (folder / "gate").touch()
    assert ended(run(SECOND, folder), folder) == 0, (folder / "log").read_text()
    assert served(folder) == in_the_end(videos)
    assert called(folder)["see"] == called(folder)["read"] == 3


def test_the_first_machine_dies_and_the_run_says_so(folder: Path, machines: None, videos: Path) -> None:
    """With the database's server. All of it is started again, as the line and docs/many-machines.md say."""
    start(folder, SECOND, THIRD)
    driver = run(SECOND, folder)
    wait_until(lambda: calls(folder)["hear"] == 3, folder)
    kill_all_on(HEAD)
    assert ended(driver, folder) == 1
    said = "error: the cluster's first machine does not answer any more; start cluster.py there again"
    assert said in (folder / "log").read_text()
    for machine in (SECOND, THIRD):
        kill_all_on(machine)  # `cluster.py stop` would end all of Ray here: the machines share one list of processes
    (folder / "gate").touch()
    start(folder, SECOND, THIRD)
    assert ended(run(SECOND, folder), folder) == 0, (folder / "log").read_text()
    assert served(folder) == in_the_end(videos)
    assert called(folder)["see"] == called(folder)["read"] == 3
