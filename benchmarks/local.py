"""Phase 2's analyzer `local` beside an older tree of this project: CPU seconds, cuts, texts.

    python benchmarks/local.py VIDEO                    this tree, each segment of the video
    python benchmarks/local.py VIDEO --beside TREE      another checkout first, as the baseline, then this one by turns

Measured is the analysis of one video from its stored frames on, in a process of its own: CPU seconds of the process
and of the programs that it starts. To compare like with like, both trees get the frames that this tree stores. F1 is
that of the cuts within a frame of the baseline's (`NEAR`).
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent.parent
LENGTH, STEP, FRAMES = 50.0, 35.0, 6  # seconds of a segment, from one to the next, and stored frames of each
NEAR = 0.05  # seconds: a frame at 20 to 30 frames a second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--beside", type=Path, metavar="TREE")
    parser.add_argument("--language", default="ru")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    args = parser.parse_args()
    trees = [*([args.beside.resolve()] if args.beside else []), HERE]
    print("| tree | CPU s | x | cuts | F1 | texts |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder, "frames.pickle")
        stored.write_bytes(pickle.dumps(frames(str(args.video))))
        for _ in range(args.rounds):
            base: tuple[float, list[float]] | None = None
            for tree in trees:
                command = [sys.executable, __file__, str(args.video.resolve()), str(stored), args.language]
                environment = {**os.environ, "PYTHONPATH": str(tree), "LOCAL_CHILD": "1"}
                done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, check=True)
                cpu, cuts, texts = json.loads(done.stdout.splitlines()[-1])
                base = base or (cpu, cuts)
                figures = f"{cpu:.1f} | {cpu / base[0]:.2f} | {len(cuts)} | {f1(base[1], cuts):.3f}"
                print(f"| {tree.name} | {figures} | {'; '.join(texts)} |", flush=True)


def frames(video: str) -> list[tuple[float, float, list[tuple[float, bytes]]]]:
    """Start and end of each segment, and its frames: time and JPEG."""
    sys.path.insert(0, str(HERE))
    from videotag.media.pictures import pictures
    from videotag.media.probe import probe

    duration = probe(video).duration
    found = []
    for start in [STEP * n for n in range(max(1, round((duration - LENGTH) / STEP + 1.5)))]:
        end = min(start + LENGTH, duration)
        times = [start + (end - start) * (n + 0.5) / FRAMES for n in range(FRAMES)]
        found.append((start, end, [(picture.time, picture.jpeg) for picture in pictures(video, times)]))
    return found


def f1(expected: list[float], found: list[float]) -> float:
    """Of two rising lists of times; each counts once."""
    left = list(expected)
    hits = 0
    for time in found:
        near = next((one for one in left if abs(one - time) <= NEAR), None)
        if near is not None:
            left.remove(near)
            hits += 1
    return 2 * hits / (len(expected) + len(found)) if expected or found else 1.0


def measure(video: str, stored: str, language: str) -> None:
    try:
        names = ("videotag.analyzers.contract", "videotag.analyzers.local.analyzer", "videotag.analyzers.local.shots")
        contract, analyzer, shots = map(import_module, names)
    except ImportError:  # trees before the one in which each package got a folder
        names = ("videotag.analyzers", "videotag.analyzers.local", "videotag.analyzers.shots")
        contract, analyzer, shots = map(import_module, names)

    cuts: list[float] = []

    class Pass(shots.Pass):
        def window(self, start, end):
            found = super().window(start, end)
            cuts.extend(time for time in self._cuts if time not in cuts)
            return found

    vars(shots)["Pass"] = Pass
    segments = [
        contract.Segment(
            "film", video, number, start, end, tuple(contract.Frame(*frame) for frame in shown), "", language, "ru"
        )
        for number, (start, end, shown) in enumerate(pickle.loads(Path(stored).read_bytes()))
    ]
    texts = []
    for _, result in analyzer.LocalAnalyzer("ru").analyze(segments):
        assert isinstance(result, contract.Analysis), result
        texts += result.on_screen_text
    spent = os.times()
    cpu = spent.user + spent.system + spent.children_user + spent.children_system
    print(json.dumps([cpu, cuts, list(dict.fromkeys(texts))]))


if __name__ == "__main__":
    if os.environ.get("LOCAL_CHILD"):
        measure(*sys.argv[1:])
    else:
        main()
