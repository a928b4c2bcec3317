"""Ray, started here or joined: who may talk to it and runs on it, by which ports, whether all see the same folders."""

import ipaddress
import os
import secrets
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from videotag.cluster.slots import PROGRAM, Keeper, digest_of_program
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
TOLD_SECONDS = 60.0  # in which a run that has the cluster says who it is
KEYS = Path("cluster-keys")
TOKEN, AUTHORITY = "token", "authority"


def make_keys(folder: Path) -> bool:
    """A token, and an authority that signs the machines' certificates, unless they are there; whether they were made.

    Raises:
        UserError: openssl is not there, or fails.
    """
    if (folder / TOKEN).exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    _certify(folder, AUTHORITY, "-subj", "/CN=videotag cluster")
    token = os.open(folder / TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(token, "w") as file:
        file.write(secrets.token_hex(32))
    return True


def safe(keys: Path, own: str) -> dict[str, str]:
    """The environment under which Ray asks for the token and encrypts, on the machine with this address.

    Its certificate is made when there is none yet.

    Raises:
        UserError: the keys are not there, or the address is none.
    """
    for name in (TOKEN, f"{AUTHORITY}.pem", f"{AUTHORITY}-key.pem"):
        if not (keys / name).is_file():
            raise UserError(
                f"{keys / name}: is not there; copy {keys} from the first machine (cluster.py head makes it)"
            )
    try:
        name = str(ipaddress.ip_address(own))
    except ValueError:
        raise UserError(f"{own}: is no IP address; name the one by which the other machines reach this one") from None
    machine = f"machine-{name.replace(':', '_')}"
    if not (keys / f"{machine}.pem").is_file():
        signed = ["-CA", str(keys / f"{AUTHORITY}.pem"), "-CAkey", str(keys / f"{AUTHORITY}-key.pem")]
        limits = ["-addext", f"subjectAltName=IP:{name}", "-addext", "basicConstraints=critical,CA:FALSE"]
        _certify(keys, machine, "-subj", f"/CN={name}", *signed, *limits)
    files = {"SERVER_CERT": f"{machine}.pem", "SERVER_KEY": f"{machine}-key.pem", "CA_CERT": f"{AUTHORITY}.pem"}
    return {
        **_everywhere(),
        "RAY_AUTH_TOKEN_PATH": str((keys / TOKEN).resolve()),
        "RAY_USE_TLS": "1",
        **{f"RAY_TLS_{what}": str((keys / file).resolve()) for what, file in files.items()},
    }


def _certify(folder: Path, name: str, *how: str) -> None:
    """A key and a certificate by openssl (3.0 or newer): name-key.pem and, last of all, name.pem."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "825", *how]
    draft = folder / f"{name}.pem.{os.getpid()}"
    files = ["-keyout", str(folder / f"{name}-key.pem"), "-out", str(draft)]
    try:
        subprocess.run([*made, *files], check=True, capture_output=True)
    except FileNotFoundError:
        raise UserError("openssl is needed to make certificates; it is not there") from None
    except subprocess.CalledProcessError as error:
        raise UserError(f"openssl: {error.stderr.decode(errors='replace').strip().splitlines()[-1]}") from None
    (folder / f"{name}-key.pem").chmod(0o600)
    draft.replace(folder / f"{name}.pem")


def own_address(other: str) -> str:
    """This machine's address as the one at `other` sees it. Raises UserError: there is no way to it."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in other else socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.connect((other, HEAD_PORT))  # sends nothing
            return str(way.getsockname()[0])
    except OSError as error:
        raise UserError(f"{other}: cannot be reached: {error.strerror}; name the first machine's IP address") from None


def _everywhere() -> dict[str, str]:
    """Nothing is told to Ray's makers, nobody without a token is let in, and workers find the scripts."""
    found = os.pathsep.join(filter(None, (str(PROGRAM), os.environ.get("PYTHONPATH"))))
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
    head = (address or "").removesuffix(f":{HEAD_PORT}")
    own = own_address(head) if head else ""
    os.environ.update(safe(keys, own) if address else {**_everywhere(), "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    try:
        import ray  # pyright: ignore[reportMissingImports]  (an extra)
    except ImportError:
        raise UserError("ray is not installed: python3 run.py scale-out installs it (requirements-ray.txt)") from None
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "videotag"}
    try:
        if address:
            ray.init(address=f"{head}:{HEAD_PORT}", **common)
        else:
            alone = {"include_dashboard": False, "object_store_memory": OBJECT_STORE, "_node_ip_address": "127.0.0.1"}
            ray.init(address="local", num_cpus=os.cpu_count(), **alone, **common)
    except (ConnectionError, RuntimeError, TimeoutError, OSError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = f"is the cluster up (cluster.py head, join), and are the keys in {keys} the same everywhere?"
        raise UserError(f"Ray at {address or 'this machine'}: {told}; {remedy}") from None
    return ray


class Holder:
    """Says who runs, for as long as that process is there."""

    def __init__(self, who: str) -> None:
        self.who = who

    def told(self) -> str:
        return self.who


def only_one(ray: Any) -> Any:
    """To be held while a run lasts. Raises UserError if a run has this cluster: all slots are its own."""
    who = f"process {os.getpid()} on {socket.gethostname()}"
    try:
        return ray.remote(Holder).options(name="run", num_cpus=0).remote(who)
    except ValueError:
        other = ray.get(ray.get_actor("run").told.remote(), timeout=TOLD_SECONDS)
        raise UserError(f"{other} runs on this cluster already; when it has ended, run the same command") from None


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
        UserError: a machine has another version of the program, sees another folder, or not the videos.
    """
    names = {node: f"{node[:12]}-{os.getpid()}" for node in keepers}
    some = list(videos)

    def each(*calls: Any) -> None:
        for node, fault in zip(keepers, ray.get(list(calls), timeout=patience), strict=True):
            if fault:
                raise UserError(f"machine {name_of(ray, node)}: {fault}; all need the same program, data/ and videos")

    try:
        each(*(keeper.is_other.remote(digest_of_program()) for keeper in keepers.values()))
        each(*(keeper.write.remote(data_dir, names[node]) for node, keeper in keepers.items()))
        each(*(keeper.read.remote(data_dir, list(names.values()), some) for keeper in keepers.values()))
    finally:
        ray.get([keeper.forget.remote(data_dir, names[node]) for node, keeper in keepers.items()], timeout=patience)
