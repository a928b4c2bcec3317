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
from pathlib import Path

from videotag import cli
from videotag.cluster import machines
from videotag.errors import UserError

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
        return subprocess.run([*RAY, "stop"]).returncode
    head = f"{args.addresses[1]}:{machines.HEAD_PORT}" if args.command == "join" else None
    if not head and machines.make_keys(args.keys):
        cli.say(f"{args.keys}: made; copy this folder to the other machines, and let nobody else read it")
    environment = {**os.environ, **machines.safe(args.keys, args.addresses[0])}
    told = subprocess.run(
        [*RAY, *machines.joined(args.addresses[0], head)], env=environment, capture_output=True, text=True
    )
    if told.returncode:
        said = (told.stderr or told.stdout).strip().splitlines()
        raise UserError(f"ray: {said[-1] if said else 'did not start'}; is it installed, and are the ports free?")
    cli.say(f"{args.addresses[0]} is in the cluster of {args.addresses[-1]}; cluster.py stop takes it out")
    return cli.OK


if __name__ == "__main__":
    cli.leave(main())
