"""Cluster: this machine into a Ray cluster, for scale_out.py; with a token and TLS, on fixed ports.

    python cluster.py head 10.0.0.1              on the first machine: its own address
    python cluster.py join 10.0.0.2 10.0.0.1     on each other one, now or later: its own address, and the first one's
    python cluster.py stop                       on each

The first start makes cluster-keys/, a token and what signs the machines' certificates, to be copied to each of them:
whoever has it runs code there. Ports (TCP), for the machines of the cluster and for nobody else: 6379 of the first one,
and of each 6380 to 6385 and 10100 to 10199. Step by step: docs/many-machines.md.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from videotag import cli
from videotag.cluster import machines
from videotag.errors import UserError
from videotag.text import one_line

RAY = [sys.executable, "-m", "ray.scripts.scripts"]


def main(argv: list[str] | None = None) -> int:
    args = options().parse_args(argv)
    return cli.run(work, args)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__, stage=False, database=False)
    parser.add_argument("command", choices=["head", "join", "stop"])
    parser.add_argument("addresses", nargs="*", metavar="ADDRESS")
    parser.add_argument("--keys", type=Path, default=machines.KEYS, metavar="FOLDER", help=f"({machines.KEYS})")
    return parser


def work(args: argparse.Namespace) -> int:
    if len(args.addresses) != {"head": 1, "join": 2, "stop": 0}[args.command]:
        raise UserError(f"cluster.py {args.command}: see --help for the addresses that it takes")
    if args.command == "stop":
        cli.say(_ray("stop"))
        return cli.OK
    head = f"{args.addresses[1]}:{machines.HEAD_PORT}" if args.command == "join" else None
    if not head and machines.make_keys(args.keys):
        cli.say(f"{args.keys}: made; copy this folder to the other machines, and let nobody else read it")
    environment = {**os.environ, **machines.safe(args.keys, args.addresses[0])}
    _ray(*machines.joined(args.addresses[0], head), environment=environment)
    cli.say(f"{args.addresses[0]} is in the cluster of {args.addresses[-1]}; cluster.py stop takes it out")
    return cli.OK


def _ray(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """What Ray's own program says last, of some hundred lines that name every process, without what stands before it.

    Raises:
        UserError: it has failed.
    """
    done = subprocess.run([*RAY, *command], env=environment, capture_output=True, text=True)
    said = [line for line in (*done.stdout.splitlines(), *done.stderr.splitlines()) if line.strip()]
    last = one_line(said[-1].rpartition(" -- ")[2]) if said else "said nothing"
    if done.returncode:
        raise UserError(f"ray: {last}; is it installed, and are the ports free?")
    return last


if __name__ == "__main__":
    cli.leave(main())
