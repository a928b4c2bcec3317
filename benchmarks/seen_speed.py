"""What pictures cost a search: 100 hours of video, 618 pictures an hour, beside the same archive without them.

    python benchmarks/seen_speed.py          (about 3 minutes)

10,300 segments of `search_speed.py --fill` and 61,800 pictures of 768 dimensions in clusters, put straight into the
indexes; embedders that take no time. CPU ms of a search (median of 40 questions), one after the other as at the prompt,
in turns with and without pictures in one process, three rounds; the least of each counts. Two kinds of question: near
to a scene of pictures, and far from all. Then the peak memory of each, in processes of their own, and the wall s from
the start of the process to the first answer. To reach: 1.3 times as long at most.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import median

START = time.perf_counter()

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.search_speed import FILLED, SEED, Instant, fill, name, peak, unit, words_of  # noqa: E402
from db_manager import ChromaDBManager  # noqa: E402
from videotag.errors import UserError  # noqa: E402
from videotag.frame_vectors import FrameVectors  # noqa: E402
from videotag.search.index import Entry  # noqa: E402

SEGMENTS, PICTURES, DIMENSION = 10_300, 61_800, 768
SCENES = 2000
QUERIES, ROUNDS = 40, 3
HIGHEST = 1.3


class InstantFrames:
    """Questions lie near to a scene of pictures; those that begin with "?" near to none."""

    name, model, dimension = "instant", "scenes", DIMENSION
    languages: frozenset[str] | None = None

    def embed_frames(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        raise NotImplementedError

    def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._one(text) for text in texts])

    @lru_cache(maxsize=1000)  # noqa: B019
    def _one(self, text: str) -> np.ndarray:
        rng = np.random.default_rng([SEED, *text.encode()])
        far = rng.normal(size=DIMENSION)
        near = 0 if text.startswith("?") or not text.endswith("!") else scenes()[len(text) * 37 % SCENES] * 20
        return unit((far + near)[None])[0]


@lru_cache(maxsize=1)
def scenes() -> np.ndarray:
    return unit(np.random.default_rng(SEED).normal(size=(SCENES, DIMENSION)))


def pictures() -> Iterator[Entry]:
    """In the order of the segments, each scene some 30 pictures long."""
    rng, centres = np.random.default_rng(SEED + 1), scenes()
    for first in range(0, PICTURES, 1000):
        numbers = np.arange(first, min(first + 1000, PICTURES))
        rows = unit(centres[numbers * SCENES // PICTURES] + 0.02 * rng.normal(size=(len(numbers), DIMENSION)))
        for number, row in zip(numbers.tolist(), rows, strict=True):
            video = name(number // 6).rpartition("_seg_")
            fields = {"video_name": video[0], "segment_index": int(video[2]), "place": number % 6}
            fields |= {"second": 35.0 * int(video[2]) + 8 * (number % 6), "number": number % 6}
            yield Entry(f"{name(number // 6)}_f{number % 6}", fields, "", row)


def database(folder: Path, shown: bool) -> ChromaDBManager:
    return ChromaDBManager(folder, embedder=Instant(), load_frames=load if shown else missing)


def load(engine: str, model: str | None) -> InstantFrames:
    return InstantFrames()


def missing(engine: str, model: str | None) -> InstantFrames:
    raise UserError("none")


def make(folder: Path) -> None:
    fill(folder, SEGMENTS)
    db = database(folder, True)
    one = np.zeros(1)
    db.pictures.put(
        "video 00000",
        FrameVectors("instant", "scenes", "-", one.astype(int), one.astype(int), one, np.eye(1, DIMENSION, dtype="f4")),
    )
    index = db.pictures._followed.index
    index.update(index.state or "", pictures(), since=None)


def timed(db: ChromaDBManager, queries: Sequence[str]) -> float:
    """Median CPU ms of a search."""
    times = []
    for query in queries:
        started = time.process_time()
        db.search(query, limit=15)
        times.append(1000 * (time.process_time() - started))
    return median(times)


def first(folder: Path, shown: bool) -> None:
    """In a process of its own."""
    db = database(folder, shown)
    db.search("первый вопрос!", limit=15)
    print(f"first answer after {time.perf_counter() - START:.2f} s, peak {peak()}")


def in_turns(folder: Path) -> float:
    """Print the times; the greater ratio."""
    without, shown = database(folder, False), database(folder, True)
    queries = [words_of(10**9 + number, FILLED).partition(" ")[0] + f" {number}" for number in range(QUERIES)]
    kinds: dict[str, Callable[[str], str]] = {"no picture answers": "?{}".format, "some answer": "{}!".format}
    ratios = []
    for kind, asked in kinds.items():
        some = [asked(query) for query in queries]
        rounds = [(timed(without, some), timed(shown, some)) for _ in range(ROUNDS + 1)][1:]  # the first one warms up
        old, new = (min(times) for times in zip(*rounds, strict=True))
        ratios.append(new / old)
        print(f"{kind}: without pictures {old:.2f} ms, with {PICTURES:,} {new:.2f} ms, {new / old:.2f} times as long")
    seen = sum("seen_at" in hit for hit in shown.search(f"{queries[0]}!", limit=15))
    print(f"(of 15 hits {seen} were seen)")
    return max(ratios)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", nargs=2, metavar=("FOLDER", "PICTURES"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.first:
        first(Path(args.first[0]), args.first[1] == "with")
        return 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "db"
        make(folder)
        highest = in_turns(folder)
        for kind in ("without", "with"):
            told = subprocess.run([sys.executable, __file__, "--first", folder, kind], capture_output=True, text=True)
            print(f"{kind} pictures: {told.stdout.strip()}{told.stderr.strip()[-200:]}")
    print(f"to reach: {HIGHEST} times as long at most; is {highest:.2f}")
    return int(highest > HIGHEST)


if __name__ == "__main__":
    sys.exit(main())
