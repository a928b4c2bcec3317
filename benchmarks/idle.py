"""What a run with nothing to do costs: CPU seconds of each script, with 3 and with 10,000 videos in the database.

    python benchmarks/idle.py                   3 and 10,000 records
    python benchmarks/idle.py --records 1000    this many only

Prints the CPU time (user + system) of the whole process, best of three, and its ratio to `import chromadb` alone.
To reach: under 1 s for 3 videos and for --help, under 2 s for 10,000 records; scale_out.py, which asks three stages,
under 5 s for 10,000 (and starts no Ray).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
STAGES = {"phase1": "phase1_whisper_frames.py", "phase2": "phase2_vllm_analysis.py", "load": "load_data_to_chroma.py"}
SCRIPTS = {**STAGES, "scale-out": "scale_out.py"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, action="append")
    sizes = parser.parse_args().records or [3, 10_000]
    baseline = cpu([sys.executable, "-c", "import chromadb"])
    print(f"{'import chromadb (baseline)':34} {baseline:5.2f} s")
    for script in [*SCRIPTS.values(), "test_search.py"]:
        show(f"{script} --help", cpu([sys.executable, str(ROOT / script), "--help"]), baseline)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder), size)
            for stage, script in SCRIPTS.items():
                took = cpu([sys.executable, str(ROOT / script), "--db", f"{folder}/db", *options(stage, folder)])
                show(f"{stage}, {size} done before", took, baseline)
    return 0


def show(what: str, seconds: float, baseline: float) -> None:
    print(f"{what:34} {seconds:5.2f} s  {seconds / baseline:4.2f} x", flush=True)


def options(stage: str, folder: str) -> list[str]:
    read = ["--config", f"{folder}/videos.json"] if stage in ("phase1", "scale-out") else []
    some = ["--stages", ",".join(STAGES)] if stage == "scale-out" else []
    return ["--data-dir", f"{folder}/data", *read, *some]


def cpu(command: list[str]) -> float:
    """CPU seconds of a process and its children, the best of three runs."""
    return min(once(command) for _ in range(3))


def once(command: list[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return usage.ru_utime + usage.ru_stime


def fill(folder: Path, size: int) -> None:
    """A database in which every one of `size` videos is done."""
    from db_manager import ChromaDBManager
    from videotag.config import Video
    from videotag.content import source_of
    from videotag.entries import key_of

    video = folder / "v.mp4"
    video.write_bytes(b"x")
    source = source_of(str(video))
    videos = [Video(f"video {number:05}", str(video), "ru") for number in range(size)]
    entries = [{"name": v.name, "path": v.path, "language": v.language} for v in videos]
    (folder / "videos.json").write_text(json.dumps({"videos": entries}), encoding="utf-8")
    db = ChromaDBManager(folder / "db")
    statuses = {f"{stage}_status": "completed" for stage in ("phase1", "phase2", "db_load")}
    chain = {"phase1_result": "r1", "phase2_input": "r1", "phase2_result": "r2", "db_load_input": "r2"}
    with db.session():
        for v in videos:
            db.create_or_update_video_file(
                v.name,
                v.path,
                v.language,
                20.0,
                1,
                640,
                360,
                25.0,
                **statuses,
                **chain,
                phase1_key=key_of(v, source),
                config_hash=v.config_hash,
                source_size=source["size"],
                source_mtime_ns=source["mtime_ns"],
                description="",
                phase1_segments_created=1,
                phase2_segments_analyzed=1,
                db_segments_loaded=1,
            )
    # One segment in all: a collection without any would be loaded again.
    db.add_segments(
        str(video), [{"video_name": "video 00000", "segment_index": 0, "start_time": 0.0, "end_time": 20.0}]
    )


if __name__ == "__main__":
    sys.exit(main())
