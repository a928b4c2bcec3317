"""What many machines ask of one ChromaDB server: claims, heartbeats and looks at the statuses, by as many as you like.

    python benchmarks/many_machines.py                      100, 300 and 1,000 machines, 10,000 records
    python benchmarks/many_machines.py --machines 2000      so many only
    python benchmarks/many_machines.py --seconds 120

No machine is there and no video is done: what each would ask is asked at the times when it would, by processes that
share one `chroma run` on this machine. A machine holds one video of a stage for VIDEO_SECONDS, sends a heartbeat each
30 s (`videotag.claims`), and one page looks at what is at work each 2 s (`videotag.web.watch`).

Printed: how many requests (HTTP) a second that makes, how long a heartbeat takes, how late the last ones came, and the
CPU that the server used. It bears so many machines as long as heartbeats are not late: a claim is lost after minutes
of silence, but a server that falls behind never catches up.
"""

import argparse
import heapq
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from db_manager import ChromaDBManager  # noqa: E402
from videotag import claims  # noqa: E402
from videotag.stages import PHASE2  # noqa: E402
from videotag.web.watch import LOOK_SECONDS  # noqa: E402

VIDEO_SECONDS = 600.0  # an hour of video through a stage on a GPU, about
CLIENTS = 16  # processes that ask for all machines
BATCH = 5.0  # so late (s) a heartbeat may be, and the server still counts as keeping up


@dataclass
class Asked:
    """What one process asked: seconds by kind of question, how late the last tenth were begun, HTTP requests."""

    took: dict[str, list[float]] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    requests: int = 0
    cpu: float = 0.0
    wall: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, action="append")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--records", type=int, default=10_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for count in args.machines or [100, 300, 1000]:
            measure(Path(folder), count, args.seconds, args.records)
    return 0


def measure(folder: Path, count: int, seconds: float, records: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder / "db"), "--port", str(port)]
    server = subprocess.Popen(program, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        reach(url, server)
        fill(ChromaDBManager(chroma_url=url), records)
        before, started = cpu_of(server.pid), time.monotonic()
        with multiprocessing.get_context("spawn").Pool(CLIENTS) as pool:
            jobs = [(url, number, count, seconds, records, started + 15.0) for number in range(CLIENTS)]
            parts = pool.starmap(ask, jobs)
        show(count, parts, cpu_of(server.pid) - before)
    finally:
        server.terminate()
        server.wait()


def fill(db: ChromaDBManager, records: int) -> None:
    """Records of videos through whose phase 2 the machines go."""
    none = {"language": "ru", "video_duration": 20.0, "total_segments": 1, "width": 640, "height": 360, "fps": 25.0}
    done = {"video_path": "v.mp4", "phase1_status": "completed", "phase1_result": "r1", "description": "", **none}
    db.create_or_update_video_files({f"video {number:05}": done for number in range(records)})


def reach(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            ChromaDBManager(chroma_url=url).get_video_status("-")
            return
        except Exception:
            if time.monotonic() > end or server.poll() is not None:
                raise
            time.sleep(0.2)


def ask(url: str, number: int, count: int, seconds: float, records: int, start: float) -> Asked:
    """Ask for every CLIENTS-th machine, each thing at its time, one after the other."""
    asked, chance = Asked(), random.Random(number)
    db = ChromaDBManager(chroma_url=url)
    count_requests(asked)
    names = [f"video {n:05}" for n in range(number, records, CLIENTS)]
    due: list[tuple[float, int, str, str]] = []
    for n, machine in enumerate(range(number, count, CLIENTS)):
        name = names[machine // CLIENTS % len(names)]
        heapq.heappush(due, (chance.uniform(0, claims.HEARTBEAT_SECONDS), n, "heartbeat", name))
        heapq.heappush(due, (chance.uniform(0, VIDEO_SECONDS), n, "video", name))
    if number == 0:
        heapq.heappush(due, (0.0, -1, "look", ""))
    again = {"heartbeat": claims.HEARTBEAT_SECONDS, "video": VIDEO_SECONDS, "look": LOOK_SECONDS}
    does: dict[str, Callable[[ChromaDBManager, str], None]] = {"heartbeat": beat, "video": one_video, "look": look}
    time.sleep(max(0.0, start - time.monotonic()))
    begun, cpu = time.monotonic(), time.process_time()
    while due[0][0] < seconds:
        at, n, kind, name = heapq.heappop(due)
        if (ahead := begun + at - time.monotonic()) > 0:
            time.sleep(ahead)
        if at > 0.9 * seconds:
            asked.late.append(time.monotonic() - begun - at)
        once = time.monotonic()
        does[kind](db, name)
        asked.took.setdefault(kind, []).append(time.monotonic() - once)
        heapq.heappush(due, (at + again[kind], n, kind, name))
        if time.monotonic() - begun > 2 * seconds:  # it has fallen behind
            asked.late.append(time.monotonic() - begun - at)
            break
    asked.cpu, asked.wall = time.process_time() - cpu, time.monotonic() - begun
    return asked


def count_requests(asked: Asked) -> None:
    from videotag.store.chroma import load_chromadb

    load_chromadb()
    import httpx

    real = httpx.Client.send

    def send(self: httpx.Client, *args: Any, **more: Any) -> httpx.Response:
        asked.requests += 1
        return real(self, *args, **more)

    httpx.Client.send = send


def beat(db: ChromaDBManager, name: str) -> None:
    """As `Claim._beat`."""
    with db.session():
        db.get_video_status(name)
        db.update_video_status(name, phase2_heartbeat=time.time())


def one_video(db: ChromaDBManager, name: str) -> None:
    """A claim (`claims._written`, without the pause), and its completion (`Claim.complete`)."""
    with db.session():
        db.get_video_status(name)
        mine = PHASE2.fields(status="processing", owner="host:1:abc", heartbeat=time.time(), reason="new")
        db.update_video_status(name, **mine)
        db.get_video_status(name)
    db.get_video_status(name)
    with db.session():
        db.get_video_status(name)
        db.update_video_status(name, **PHASE2.fields(status="completed", owner=None, heartbeat=None, reason=None))


def look(db: ChromaDBManager, name: str) -> None:
    """What is at work, as a page of statuses or scale_out.py's screen asks it."""
    db.list_videos({"phase2_status": "processing"})


def middle(seconds: list[float]) -> str:
    """Their median, in ms."""
    return f"{1000 * statistics.median(seconds):.0f}" if seconds else "?"


def cpu_of(pid: int) -> float:
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def show(count: int, parts: list[Asked], server: float) -> None:
    seconds = max(part.wall for part in parts)
    took = {kind: [s for part in parts for s in part.took.get(kind, [])] for kind in ("heartbeat", "video", "look")}
    requests, late = sum(part.requests for part in parts), max((s for part in parts for s in part.late), default=0.0)
    beats = sorted(took["heartbeat"])
    p95 = beats[int(0.95 * (len(beats) - 1))]
    held = "keeps up" if late < BATCH else "FALLS BEHIND"
    print(
        f"{count:5} machines: {requests / seconds:6.1f} requests/s, {len(beats) / seconds:5.1f} heartbeats/s: "
        f"median {middle(beats)} ms, 95 % {1000 * p95:.0f} ms; a claim and completion {middle(took['video'])} ms, "
        f"a look {middle(took['look'])} ms; "
        f"server {100 * server / seconds:.0f} % of a core, clients {100 * sum(p.cpu for p in parts) / seconds:.0f} %; "
        f"late by {late:.1f} s: {held}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
