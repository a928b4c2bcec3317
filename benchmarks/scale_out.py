"""What placing by Ray costs and brings: short videos through phase 1, phase 2 (`local`) and load, on one core or two.

    python benchmarks/scale_out.py                 24 videos of 20 s (about 15 minutes on an idle machine of two cores)
    python benchmarks/scale_out.py --videos 8

Three ways, each in a new folder, against a `chroma run` of its own: the scripts by hand on one core; scale_out.py over
one node that has one core; over two nodes that have one core each. To reach: one node at most 1.10 of the scripts, with
Ray's start; two nodes at least 1.8 times the throughput of one, on clusters that are there, as several machines' is.
Needs Ray (requirements-ray.txt) and Linux. The server, Ray's own processes and whatever else runs use the same cores:
wall seconds count on an idle machine alone.
"""

import argparse
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from db_manager import ChromaDBManager  # noqa: E402

STAGES = ("phase1_whisper_frames.py", "phase2_vllm_analysis.py", "load_data_to_chroma.py")
SECONDS = 20.0  # of a video
SAMPLES = ("ru_news.mp4", "en_planet.mp4")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=24)
    parser.add_argument("--nodes", type=int, help=argparse.SUPPRESS)  # in a process of its own
    parser.add_argument("--told", type=Path, help=argparse.SUPPRESS)  # a file, for the seconds that Ray took to start
    args, rest = parser.parse_known_args()
    if args.nodes:
        return placed(args.nodes, args.told, rest)
    scripts, _ = measure("the scripts, one core", args.videos, 0)
    one, start_of_one = measure("one node of one core", args.videos, 1)
    two, start_of_two = measure("two nodes of one core", args.videos, 2)
    print(f"one node to the scripts: {one / scripts:.2f} (at most 1.10)")
    there = (one - start_of_one) / (two - start_of_two)
    print(f"throughput of two nodes to one: {there:.2f} (at least 1.8); with Ray's start {one / two:.2f}")
    return 0


def measure(what: str, count: int, nodes: int) -> tuple[float, float]:
    """Wall seconds of one way, and how many of these Ray took to start."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_videos(folder, count)
        with server(folder) as url:
            where = ["--data-dir", str(folder / "data"), "--chroma-url", url]
            listed = ["--config", str(folder / "videos.json")]
            started = time.monotonic()
            if nodes:
                own = ["--nodes", str(nodes), "--told", str(folder / "told")]
                subprocess.run([sys.executable, __file__, *own, *where, *listed], check=True)
            for stage in () if nodes else STAGES:
                more = listed if stage == STAGES[0] else []
                on_a_core = ["taskset", "-c", "0", sys.executable, str(ROOT / stage)]
                subprocess.run([*on_a_core, *where, *more], check=True, stdout=subprocess.DEVNULL)
            took = time.monotonic() - started
            done = ChromaDBManager(chroma_url=url).video_names({"db_load_status": "completed"})
            if len(done) != count:
                raise SystemExit(f"{what}: {len(done)} of {count} videos were loaded")
        start = float((folder / "told").read_text()) if nodes else 0.0
    of_these = f" ({start:.1f} s of these Ray's start)" if nodes else ""
    print(f"{what:24} {took:6.1f} s{of_these}, {3600 * count / took:.0f} videos an hour", flush=True)
    return took, start


def make_videos(folder: Path, count: int) -> None:
    """Pieces of the samples, each a file of its own."""
    from imageio_ffmpeg import get_ffmpeg_exe

    entries = []
    for number in range(count):
        sample, path = ROOT / "samples" / SAMPLES[number % 2], folder / f"video {number:02}.mp4"
        cut = ["-ss", str(number // 2 * 3 % 40), "-t", str(SECONDS), "-i", str(sample), "-c", "copy", str(path)]
        subprocess.run([get_ffmpeg_exe(), "-v", "error", *cut], check=True)
        with path.open("ab") as file:  # a box that no player reads
            file.write((8 + 16).to_bytes(4, "big") + b"free" + f"{number:016}".encode())
        entries.append({"name": path.stem, "path": str(path), "language": SAMPLES[number % 2][:2]})
    (folder / "videos.json").write_text(json.dumps({"videos": entries}))


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder / "db"), "--port", str(port)]
    process = subprocess.Popen(program, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def placed(nodes: int, told: Path, argv: list[str]) -> int:
    """scale_out.py over nodes of this machine, each held to a core."""
    import scale_out
    from videotag.cluster import machines

    os.environ.update({**machines._everywhere(), "RAY_AUTH_TOKEN": secrets.token_hex(32)})

    def connect(address: str | None, keys: Path) -> Any:
        started = time.monotonic()
        import ray  # pyright: ignore[reportMissingImports]
        from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

        cores = os.sched_getaffinity(0)
        cluster = Cluster()
        for core in sorted(cores)[:nodes]:
            os.sched_setaffinity(0, {core})  # which the node and its workers inherit
            cluster.add_node(num_cpus=1, object_store_memory=machines.OBJECT_STORE, include_dashboard=False)
        os.sched_setaffinity(0, cores)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR", namespace="videotag")
        told.write_text(f"{time.monotonic() - started}")
        return ray

    machines.connect = connect
    return scale_out.main([*argv, "--stages", "phase1,phase2,load", "--memory", "0"])


if __name__ == "__main__":
    sys.exit(main())
