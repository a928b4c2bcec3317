"""What locks, claims and heartbeats cost: their share of phase 1 on the samples, and a status update among 10,000.

    python benchmarks/locking.py

The first figure counts every second that phase 1 spends in sessions of the database (lock, marker, opening, statuses,
closing) and in the locks of its claims, heartbeats included, over its whole time without imports; CPU seconds and wall
seconds. To reach: under 2 %. The second is a whole session around `update_video_status`; to reach: under 0.1 s.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import phase1_whisper_frames  # noqa: E402
from benchmarks.idle import fill  # noqa: E402
from db_manager import ChromaDBManager  # noqa: E402
from videotag import claims  # noqa: E402
from videotag.store.chroma import load_chromadb  # noqa: E402

HEARTBEAT = 30.0


class Stopwatch:
    """Wall and CPU seconds of the threads inside, each thread's outermost block counted."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.times = 0
        self._inside = threading.local()

    @contextmanager
    def running(self) -> Iterator[None]:
        if getattr(self._inside, "now", False):
            yield
            return
        self._inside.now, wall, cpu = True, time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self._inside.now = False
            self.wall += time.perf_counter() - wall
            self.cpu += time.thread_time() - cpu
            self.times += 1

    def around(self, owner: Any, name: str) -> None:
        """Let it run in every call of a method."""
        real = getattr(owner, name)

        def wrapped(*args: Any, **more: Any) -> Any:
            with self.running():
                return real(*args, **more)

        setattr(owner, name, wrapped)

    def around_block(self, owner: Any, name: str) -> None:
        """Let it run from a context manager's beginning to its end."""
        real = getattr(owner, name)

        @contextmanager
        def wrapped(*args: Any, **more: Any) -> Iterator[Any]:
            with self.running(), real(*args, **more) as inside:
                yield inside

        setattr(owner, name, wrapped)


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    share_of_phase1()
    status_update(10_000)
    return 0


def share_of_phase1() -> None:
    watch = Stopwatch()
    watch.around_block(ChromaDBManager, "session")
    watch.around(claims.FileLock, "acquire")
    watch.around(claims.FileLock, "release")
    load_chromadb()  # what every script pays once is no lock's fault
    with tempfile.TemporaryDirectory() as folder:
        places = ["--data-dir", f"{folder}/data", "--db", f"{folder}/chroma_db"]
        wall, cpu = time.perf_counter(), time.process_time()
        code = phase1_whisper_frames.main(["--config", str(ROOT / "samples/videos_config.json"), *places])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if code:
        raise SystemExit(f"phase 1 ended with {code}")
    print(f"phase 1 on the samples: {wall:.1f} s, {cpu:.1f} CPU s, a heartbeat every {HEARTBEAT:.0f} s")
    print(f"  in {watch.times} sessions and locks: {watch.wall:.3f} s, {watch.cpu:.3f} CPU s")
    print(f"  share: {100 * watch.wall / wall:.2f} % of the time, {100 * watch.cpu / cpu:.2f} % of the CPU time")


def status_update(records: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), records)
        db = ChromaDBManager(f"{folder}/db")
        names = db.video_names()
        took = []
        for name in names[:: records // 50]:
            started = time.perf_counter()
            db.update_video_status(name, phase1_heartbeat=time.time())
            took.append(time.perf_counter() - started)
    took.sort()
    print(
        f"update_video_status among {records:,} videos: median {1000 * statistics.median(took):.0f} ms, "
        f"95 % under {1000 * took[int(0.95 * len(took))]:.0f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
