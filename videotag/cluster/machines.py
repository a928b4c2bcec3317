"""Ray, started here or joined: who may talk to it, by which ports, and whether all machines see the same folders."""

import os
import secrets
import socket
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from videotag.cluster.slots import Keeper
from videotag.errors import UserError

HEAD_PORT = 6379
NODE_PORTS = {
    "node-manager-port": 6380,
    "object-manager-port": 6381,
    "runtime-env-agent-port": 6382,
    "metrics-export-port": 6383,
    "dashboard-agent-listen-port": 6384,
    "dashboard-agent-grpc-port": 6385,
    "min-worker-port": 10100,
    "max-worker-port": 10199,
}
"""TCP ports of every machine, and HEAD_PORT of the first; the others of the cluster have to reach them, nobody else."""
OBJECT_STORE = 100 << 20  # bytes; nothing large goes through Ray
KNOCK_SECONDS = 2.0
KEYS = Path("cluster-keys")
ROOT = Path(__file__).parents[2]
TOKEN, CERTIFICATE, KEY = "token", "cert.pem", "key.pem"


def make_keys(folder: Path, addresses: Sequence[str]) -> None:
    """A token and a certificate for machines with these addresses, for all of them the same. Needs openssl.

    Raises:
        UserError: there are keys already, or openssl is not there.
    """
    if (folder / TOKEN).exists():
        raise UserError(f"{folder}: has keys already; delete the folder to make new ones, on all machines")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    names = ",".join(f"IP:{address}" for address in addresses)
    made = ["openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "825", "-subj", "/CN=videotag"]
    files = ["-keyout", str(folder / KEY), "-out", str(folder / CERTIFICATE)]
    try:
        subprocess.run([*made, "-addext", f"subjectAltName={names}", *files], check=True, capture_output=True)
    except FileNotFoundError:
        raise UserError("openssl is needed to make a certificate; it is not there") from None
    except subprocess.CalledProcessError as error:
        raise UserError(f"openssl: {error.stderr.decode(errors='replace').strip().splitlines()[-1]}") from None
    (folder / KEY).chmod(0o600)
    token = os.open(folder / TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(token, "w") as file:
        file.write(secrets.token_hex(32))


def safe(keys: Path) -> dict[str, str]:
    """The environment under which Ray asks for the token and encrypts. Raises UserError where a file is missing."""
    for name in (TOKEN, CERTIFICATE, KEY):
        if not (keys / name).is_file():
            raise UserError(f"{keys / name}: is not there; make keys by cluster.py keys, the same on all machines")
    certificate = str((keys / CERTIFICATE).resolve())
    return {
        **_everywhere(),
        "RAY_AUTH_TOKEN_PATH": str((keys / TOKEN).resolve()),
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_CERT": certificate,
        "RAY_TLS_SERVER_KEY": str((keys / KEY).resolve()),
        "RAY_TLS_CA_CERT": certificate,
    }


def _everywhere() -> dict[str, str]:
    """Nothing is told to Ray's makers, nobody without a token is let in, and workers find the scripts."""
    found = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    # Ray's workers would be nice to all others (15), and slower than the scripts by hand.
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_worker_niceness": "0",
        "PYTHONPATH": found,
    }


def joined(own: str, head: str | None) -> list[str]:
    """What `ray` is told to start on this machine, with the address `own`: the first one, or one more beside `head`."""
    place = [f"--address={head}"] if head else ["--head", f"--port={HEAD_PORT}", "--include-dashboard=false"]
    ports = [f"--{name}={port}" for name, port in NODE_PORTS.items()]
    store = f"--object-store-memory={OBJECT_STORE}"
    return ["start", *place, f"--node-ip-address={own}", *ports, store, "--disable-usage-stats"]


def connect(address: str | None, keys: Path) -> Any:
    """The module ray, connected: to the cluster at that address, or to one of this machine alone, which ends with us.

    Raises:
        UserError: ray is not installed, or does not answer.
    """
    # Before ray is imported: it reads them then.
    os.environ.update(safe(keys) if address else {**_everywhere(), "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    try:
        import ray  # pyright: ignore[reportMissingImports]  (an extra)
    except ImportError:
        raise UserError("ray is not installed: python3 run.py scale-out installs it (requirements-ray.txt)") from None
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "videotag"}
    try:
        if address:
            ray.init(address=address, **common)
        else:
            alone = {"include_dashboard": False, "object_store_memory": OBJECT_STORE, "_node_ip_address": "127.0.0.1"}
            ray.init(address="local", num_cpus=os.cpu_count(), **alone, **common)
    except (ConnectionError, RuntimeError, TimeoutError, OSError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = f"is the cluster up (cluster.py head, join), and are the keys in {keys} the same everywhere?"
        raise UserError(f"Ray at {address or 'this machine'}: {told}; {remedy}") from None
    return ray


def head_answers(ray: Any) -> bool:
    """Whether the cluster's first machine is there."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
    except OSError:
        return False
    return True


def alive(ray: Any) -> dict[str, dict[str, float]]:
    """What each machine of the cluster has, by its node's id."""
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def name_of(ray: Any, node: str) -> str:
    found = next((n for n in ray.nodes() if n["NodeID"] == node), None)
    return str(found["NodeManagerAddress"]) if found else node[:8]


def on(node: str) -> Any:
    """A scheduling strategy: this machine and no other."""
    from ray.util.scheduling_strategies import (  # pyright: ignore[reportMissingImports]
        NodeAffinitySchedulingStrategy,
    )

    return NodeAffinitySchedulingStrategy(node, soft=False)


def keeper(ray: Any, node: str) -> Any:
    return ray.remote(Keeper).options(num_cpus=0, scheduling_strategy=on(node)).remote()


def try_folders(ray: Any, keepers: dict[str, Any], data_dir: Path, videos: Iterable[str], patience: float) -> None:
    """Write into data/ on every machine and read all of it back on every other, and the videos given.

    Raises:
        UserError: a machine sees another folder, or not the videos.
    """
    names = {node: f"{node[:12]}-{os.getpid()}" for node in keepers}
    some = list(videos)

    def each(*calls: Any) -> None:
        for node, fault in zip(keepers, ray.get(list(calls), timeout=patience), strict=True):
            if fault:
                raise UserError(f"machine {name_of(ray, node)}: {fault}; all need the same data/ and videos there")

    try:
        each(*(keeper.write.remote(data_dir, names[node]) for node, keeper in keepers.items()))
        each(*(keeper.read.remote(data_dir, list(names.values()), some) for keeper in keepers.values()))
    finally:
        ray.get([keeper.forget.remote(data_dir, names[node]) for node, keeper in keepers.items()], timeout=patience)
