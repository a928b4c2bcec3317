"""Texts to vectors: segments a second, CPU seconds and memory of an embedder, beside an older tree of this project.

    python benchmarks/embedding.py --beside TREE                    the archive's 200 texts by e5-small, by turns
    python benchmarks/embedding.py --beside TREE --again 2          each text in three videos
    python benchmarks/embedding.py --embedder onnx --model FOLDER   another embedder

Each turn is a process of its own; the model's loading does not count. "x" is the ratio to the first tree in that round.
"apart" from its vectors: the largest difference of a number, and the largest of 1 - cosine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent.parent
TEXTS = HERE / "benchmarks" / "archive" / "segments.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, metavar="TREE")
    parser.add_argument("--embedder", default="e5-small")
    parser.add_argument("--model")
    parser.add_argument("--texts", type=int, default=200, metavar="N", help="of the archive's")
    parser.add_argument("--again", type=int, default=0, metavar="N", help="so many more times each of them")
    parser.add_argument("--rounds", type=int, default=2, metavar="N")
    args = parser.parse_args()
    trees = [*([args.beside.resolve()] if args.beside else []), HERE]
    print("| tree | segments/s | x | CPU s | x | peak MB | apart |\n|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            base: tuple[float, float, np.ndarray] | None = None
            for tree in trees:
                file = Path(folder, "vectors.npy")
                asked = json.dumps([args.embedder, args.model, args.texts, args.again, str(file)])
                environment = {**os.environ, "PYTHONPATH": str(tree), "EMBEDDING_CHILD": "1"}
                command = [sys.executable, __file__, asked]
                done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, check=True)
                rate, cpu, peak = json.loads(done.stdout.splitlines()[-1])
                vectors = np.load(file)
                base = base or (rate, cpu, vectors)
                apart = f"{abs(vectors - base[2]).max():.4f}, {1 - (vectors * base[2]).sum(axis=1).min():.5f}"
                figures = f"{rate:.2f} | {rate / base[0]:.2f} | {cpu:.1f} | {cpu / base[1]:.2f} | {peak:.0f}"
                print(f"| {tree.name} | {figures} | {apart} |", flush=True)


def measure(embedder: str, model: str | None, texts: int, again: int, file: str) -> None:
    import resource

    try:
        contract, engines = map(import_module, ("videotag.embedders.contract", "videotag.embedders.engines"))
    except ImportError:  # trees before the one in which each package got a folder
        contract = engines = import_module("videotag.embedders")
    with TEXTS.open(encoding="utf-8") as lines:
        found = [json.loads(line)["text"] for line in lines][:texts]
    engine = engines.load_embedder(embedder, model)
    wall, cpu = time.perf_counter(), time.process_time()
    vectors = contract.embed(engine, found * (1 + again), None)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    np.save(file, vectors)
    print(json.dumps([len(vectors) / wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


if __name__ == "__main__":
    if os.environ.get("EMBEDDING_CHILD"):
        measure(*json.loads(sys.argv[1]))
    else:
        main()
