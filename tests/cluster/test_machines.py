"""Three machines, with token and TLS and a ChromaDB server: one is cut off at its work, one dies, the first goes on.

Each is a network namespace with a hostname of its own, and locks that the others do not see: as on a network folder
without locks, heartbeats alone tell who is alive. Needs root, `ip`, `unshare` and openssl.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.test_scale_out import ROOT, STATUSES, called, ended, videos_in, wait_until
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
HEAD, DYING, CUT_OFF = MACHINES
SOON = {  # a machine that is cut off is given up after seconds, and not after a minute
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


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


def on(machine: str, folder: Path, *command: str) -> list[str]:
    """A command on a machine, which has its own name and its own locks."""
    alone = 'hostname "$0" && mount -t tmpfs none "$1" && shift && exec "$@"'
    locks = str(folder / "data" / ".locks")
    return ["ip", "netns", "exec", machine, "unshare", "--uts", "--mount", "sh", "-c", alone, machine, locks, *command]


def test_one_machine_is_cut_off_and_one_dies(tmp_path: Path, machines: None) -> None:
    folder = videos_in(tmp_path, 3)
    (folder / "data" / ".locks").mkdir(parents=True)
    keys, log, quiet = str(folder / "keys"), (folder / "log").open("a"), subprocess.DEVNULL
    server = [shutil.which("chroma") or str(Path(sys.executable).with_name("chroma")), "run", "--host", MACHINES[HEAD]]
    subprocess.Popen(
        on(HEAD, folder, *server, "--path", str(folder / "server")), stdout=quiet, stderr=quiet, cwd=folder
    )
    start = [sys.executable, str(ROOT / "cluster.py"), "--keys", keys]
    soon = {"env": {**os.environ, **SOON}, "stdout": log}
    subprocess.run(on(HEAD, folder, *start, "head", MACHINES[HEAD]), check=True, **soon)
    joins = [(machine, ["join", MACHINES[machine], MACHINES[HEAD]]) for machine in (DYING, CUT_OFF)]
    joining = [subprocess.Popen(on(machine, folder, *start, *how), **soon) for machine, how in joins]
    assert [process.wait(300) for process in joining] == [0, 0]
    where = [str(folder), "--address", MACHINES[HEAD], "--keys", keys]
    scripted = [sys.executable, "-m", "tests.cluster.scripted", *where]
    refused = on(HEAD, folder, *scripted, "--db", str(folder / "chroma_db"))
    told = subprocess.run(refused, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert told.returncode == 2 and "is for one machine" in told.stderr, told
    url = f"http://{MACHINES[HEAD]}:8000"
    driver = subprocess.Popen(
        on(HEAD, folder, *scripted, "--chroma-url", url), cwd=ROOT, stdout=log, stderr=log, text=True
    )
    wait_until(lambda: calls(folder)["hear"] >= 3, folder)  # one on each
    ip("-n", SWITCH, "link", "set", CUT_OFF[-1], "down")
    kill_all_on(DYING)
    (folder / "gate").touch()  # what is cut off goes on as well, as far as it comes
    assert ended(driver, folder) == 0, (folder / "log").read_text()
    assert (folder / "log").read_text().count("it is gone on with") == 2
    whole = state(folder, url)
    assert whole == [["completed"] * len(STATUSES)] * 3 + [3]
    assert called(folder)["see"] == called(folder)["read"] == 3
    results = {path.name: path.read_bytes() for path in (folder / "data").glob("*_p*")}
    ip("-n", SWITCH, "link", "set", CUT_OFF[-1], "up")
    time.sleep(10)  # s, in which what was left there would write
    assert {path.name: path.read_bytes() for path in (folder / "data").glob("*_p*")} == results
    assert state(folder, url) == whole
    token = (folder / "keys" / "token").read_text()
    assert token not in (folder / "log").read_text() + told.stdout + told.stderr


def state(folder: Path, url: str) -> list[object]:
    """The statuses of each record, and how many segments there are."""
    read = "import sys, json; from db_manager import ChromaDBManager as C; d = C(chroma_url=sys.argv[1]); "
    read += "print(json.dumps([[r.get(k) for k in sys.argv[2:]] for r in d.list_videos()] + [d.count_segments()]))"
    command = on(HEAD, folder, sys.executable, "-c", read, url, *STATUSES)
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
