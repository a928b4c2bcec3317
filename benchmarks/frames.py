"""Vectors of frames: what SigLIP 2's two towers cost on this machine.

    python benchmarks/frames.py FOLDER       a model's folder, such as benchmarks/random_siglip2.py makes

Each tower in a process of its own: seconds until the first vector, the median of the others, peak memory. Frames are
JPEG pictures of 1280 x 720 of noise and shapes, decoded, squashed and embedded as the load does it.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent.parent
FRAMES, QUESTIONS = 20, 10
FRAMES_AN_HOUR = 618  # that phase 1 stores
TOWERS = {"frames": FRAMES, "questions": QUESTIONS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--tower", choices=TOWERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.tower:
        measure(args.folder, args.tower)
        return
    print(
        "| tower | first, s | each, ms | CPU of each, ms | peak MB | 618 frames, s |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for tower in TOWERS:
        subprocess.run([sys.executable, __file__, args.folder, "--tower", tower], check=True, cwd=HERE)


def measure(folder: str, tower: str) -> None:
    sys.path.insert(0, str(HERE))
    from videotag.embedders.pictures.siglip2 import Siglip2
    from videotag.media.jpeg import in_rgb

    pictures = jpegs() if tower == "frames" else []
    started = time.perf_counter()
    embedder = Siglip2(folder)
    seconds, first, used = [], 0.0, 0.0
    for number in range(TOWERS[tower] + 1):
        if tower == "frames":
            embedder.embed_frames(
                [picture for jpeg in pictures[number % 8 :][:1] if (picture := in_rgb(jpeg)) is not None]
            )
        else:
            embedder.embed_questions([f"w{number + 100} w{number + 2000} w77"])
        if number == 0:
            first, used = time.perf_counter() - started, time.process_time()
        seconds.append(time.perf_counter())
    each = float(np.median(np.diff(seconds)))
    cpu = (time.process_time() - used) / TOWERS[tower]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    hour = f"{FRAMES_AN_HOUR * each:.0f}" if tower == "frames" else ""
    print(f"| {tower} | {first:.1f} | {each * 1000:.0f} | {cpu * 1000:.0f} | {peak:,.0f} | {hour} |", flush=True)


def jpegs() -> list[bytes]:
    import cv2

    drawn = np.random.default_rng(1)
    made = []
    for _ in range(8):
        image = cv2.resize(drawn.integers(0, 256, (45, 80, 3), np.uint8), (1280, 720), interpolation=cv2.INTER_CUBIC)
        made.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
    return made


if __name__ == "__main__":
    main()
