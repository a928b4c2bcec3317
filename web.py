"""The page: look at the archive in a browser. Search, videos at the second, how far each one is.

    python web.py                                    http://127.0.0.1:8000, for this machine alone
    python web.py --port 8080
    VIDEOTAG_TOKEN=... python web.py --host 0.0.0.0  for others too: the browser asks for the token as a password

It reads what the other scripts wrote, and they may run beside it. Ctrl-C ends it.
"""

import argparse
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from db_manager import ChromaDBManager
from videotag import cli
from videotag.embedders.contract import Embedder
from videotag.embedders.engines import load_embedder
from videotag.errors import UserError
from videotag.web.app import app
from videotag.web.archive import Archive
from videotag.web.proxies import ROOM
from videotag.web.safety import Safety

TOKEN = "VIDEOTAG_TOKEN"
SHORTEST_TOKEN = 16  # characters


def main(argv: list[str] | None = None, load: Callable[..., Embedder] = load_embedder) -> int:
    args = options().parse_args(argv)
    return cli.run(lambda args: serve(args, ChromaDBManager(args.db, chroma_url=args.chroma_url, load=load)), args)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__, stage=False)
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="(8000; 0 takes a free one)")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), metavar="FOLDER", help="of the results (data)")
    room = f"room for copies that browsers play, in data/proxy/ ({ROOM:g}); the least used are deleted"
    parser.add_argument("--proxy-space", type=float, default=ROOM, metavar="GB", help=room)
    return parser


def serve(args: argparse.Namespace, db: ChromaDBManager) -> int:
    import uvicorn

    safety = Safety(args.host, token(args.host))
    with listening(args.host, args.port) as bound:
        name = f"[{args.host}]" if ":" in args.host else args.host
        cli.say(f"http://{name}:{bound.getsockname()[1]}  (Ctrl-C ends it)")
        config = uvicorn.Config(
            app(Archive(db, args.data_dir), safety, args.proxy_space, lambda: server.should_exit),
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[bound])
    return cli.OK


def token(host: str) -> str | None:
    """That of the environment; without one nobody but this machine may be let in."""
    given = os.environ.get(TOKEN) or None
    if given is None and host not in ("127.0.0.1", "::1", "localhost"):
        proposal = f"{TOKEN}={secrets.token_urlsafe(24)}"
        raise UserError(f"--host {host}: others could look at your archive; set a token first, such as {proposal}")
    if given is not None and len(given) < SHORTEST_TOKEN:
        raise UserError(f"{TOKEN}: is too easily guessed; make it {SHORTEST_TOKEN} characters or more")
    return given


def listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UserError(f"{host}:{port}: cannot listen there: {error}; choose another by --host and --port") from None


if __name__ == "__main__":
    cli.leave(main())
