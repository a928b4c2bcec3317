"""The search page beside the same question asked in the process, alone and by many at once.

    python benchmarks/web.py                                  10,000 segments (about a minute)
    python benchmarks/web.py --segments 100000 --keep FOLDER  leaves the database there or takes it from there

Segments, questions and vectors are those of search_speed.py --fill; the server is a process of its own, each question a
new one. Wall ms (median / 95 %) of `db.search`, of `ask.find` with what the page tells beside, of the page over HTTP,
and of the page where twenty ask at once; the size of the page; the server's peak memory, and that of this process,
which searches and no more.
"""

import argparse
import http.client
import itertools
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from benchmarks import search_speed  # noqa: E402
from db_manager import ChromaDBManager  # noqa: E402
from videotag.search.ask import Question, find  # noqa: E402
from videotag.search.filters import Filters  # noqa: E402
from videotag.web.asked import LIMIT  # noqa: E402

QUESTIONS, AT_ONCE, EACH = 60, 20, 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=10_000, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="of the database")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.keep)
    with tempfile.TemporaryDirectory() as folder:
        kept = args.keep or Path(folder) / "db"
        if not kept.exists():
            search_speed.fill(kept, args.segments)
        server = subprocess.Popen([sys.executable, __file__, "--serve", "--keep", kept], stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            measure(kept, int(server.stdout.readline()))
            print(f"  {'peak memory, server':34} {peak_of(server.pid)} MB")
        finally:
            server.terminate()
            server.wait(30)
    return 0


def serve(folder: Path) -> int:
    import uvicorn

    import web
    from videotag.web.app import app
    from videotag.web.archive import Archive

    db = ChromaDBManager(folder, embedder=search_speed.Instant())
    with web.listening("127.0.0.1", 0) as bound:
        print(bound.getsockname()[1], flush=True)
        config = uvicorn.Config(app(Archive(db, folder)), access_log=False, log_level="warning")
        uvicorn.Server(config).run(sockets=[bound])
    return 0


def measure(folder: Path, port: int) -> None:
    db = ChromaDBManager(folder, embedder=search_speed.Instant())
    numbers = itertools.count()  # each question is another one

    def page() -> int:
        address = f"/?q={quote(question(next(numbers)))}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", address, headers={"accept-language": "ru"})
        answer = connection.getresponse()
        size = len(answer.read())
        assert answer.status == 200, answer.status
        return size

    def whole() -> None:
        answer = find(db, Question(question(next(numbers)), None, Filters()), LIMIT)
        _ = answer.remarks, answer.about

    ways = {"db.search": lambda: db.search(question(next(numbers)), 3 * LIMIT), "ask.find": whole, "page": page}
    took: dict[str, list[float]] = {name: [] for name in ways}
    size = max(page() for _ in range(3))
    whole()
    for _ in range(QUESTIONS):  # by turns: the machine has other work
        for name, way in ways.items():
            took[name].append(timed(way))
    at_once: list[float] = []
    askers = [threading.Thread(target=lambda: at_once.extend(timed(page) for _ in range(EACH))) for _ in range(AT_ONCE)]
    for one in askers:
        one.start()
    for one in askers:
        one.join()
    assert len(at_once) == AT_ONCE * EACH  # no question failed
    for name, times in {**took, f"page, {AT_ONCE} at once": at_once}.items():
        print(f"  {name:34} {np.median(times):,.1f} / {np.percentile(times, 95):,.1f} ms")
    alone = np.median(took["page"])
    print(f"  {'page, x of db.search':34} {alone / np.median(took['db.search']):.2f}")
    print(f"  {'page, x of ask.find':34} {alone / np.median(took['ask.find']):.2f}")
    print(f"  {'95 % at once, x of one alone':34} {np.percentile(at_once, 95) / alone:.1f}")
    print(f"  {'page':34} {size / 1000:.1f} kB")
    print(f"  {'peak memory, only searching':34} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


def question(number: int) -> str:
    return search_speed.words_of(10**9 + number, search_speed.FILLED).partition(" ")[0] + f" {number}"


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - started)


def peak_of(pid: int) -> str:
    """As Linux tells it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return f"{int(status.partition('VmHWM:')[2].split()[0]) / 1024:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
