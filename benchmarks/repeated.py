"""What ChromaDB's own index (HNSW) does not find where many segments say the same, and what the search does not find.

    python benchmarks/repeated.py                (about 2 minutes)

Synthetic: unit vectors of 384 dimensions in 40 clusters, a fixed seed; a share of the segments, as silent ones do, has
one of five texts and so one of five vectors. Each of the other segments is asked for by its own vector: of ChromaDB's
collection the 200 nearest, of `ChromaDBManager.search` the nearest alone. Printed: how many are not found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from db_manager import ChromaDBManager  # noqa: E402
from videotag.search.typical import ASKED, SEGMENTS  # noqa: E402

SEED = 20261125
COUNT, A_VIDEO, DIMENSION, CLUSTERS, TEXTS = 2000, 50, 384, 40, 5
SHARES = (0.0, 0.2, 0.5, 0.8)
NEAREST = 200


class Given:
    """A text is the number of its vector; typical texts come after them."""

    name = "given"
    model = "clusters"
    dimension = DIMENSION

    def __init__(self, vectors: np.ndarray, others: np.ndarray) -> None:
        self._vectors = vectors
        self._others = dict(zip((*ASKED, *SEGMENTS), others, strict=True))

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self._others[t] if t in self._others else self._vectors[int(t)] for t in texts])

    embed_queries = embed_documents


def clustered(count: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [count, DIMENSION] with much in common, as the vectors of one model have."""
    centres = 2 + 0.7 * rng.normal(size=(CLUSTERS, DIMENSION))
    rows = centres[rng.integers(0, CLUSTERS, count)] + 0.7 * rng.normal(size=(count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def measure(share: float, folder: Path) -> None:
    rng = np.random.default_rng(SEED)
    vectors = clustered(COUNT, rng)
    repeated = rng.random(COUNT) < share
    vectors[repeated] = vectors[rng.integers(0, TEXTS, repeated.sum())]
    others = np.flatnonzero(~repeated)
    others = others[others >= TEXTS]
    db = ChromaDBManager(folder / "db", embedder=Given(vectors, clustered(len(ASKED) + len(SEGMENTS), rng)))
    for video in range(COUNT // A_VIDEO):
        numbers = range(video * A_VIDEO, (video + 1) * A_VIDEO)
        segments = [
            {"video_name": f"v{video}", "segment_index": n, "start_time": 0.0, "end_time": 1.0, "description": str(n)}
            for n in numbers
        ]
        db.add_segments("v.mp4", segments)
    with db.session():
        collection = db._segments.find()
        found = collection.query(query_embeddings=vectors[others], n_results=NEAREST, include=[])["ids"]
    hidden = sum(id_of(n) not in ids for n, ids in zip(others, found, strict=True))
    lost = sum(db.search(str(n), 1, by="vectors")[0]["id"] != id_of(n) for n in others)
    print(f"| {share:.0%} | {len(others)} | {hidden} ({hidden / len(others):.1%}) | {lost} |", flush=True)


def id_of(number: int) -> str:
    return f"v{number // A_VIDEO}_seg_{number}"


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(f"| of {COUNT} segments say the same | others | not among ChromaDB's {NEAREST} nearest | not found here |")
    print("|---|---|---|---|", flush=True)
    for share in SHARES:
        with tempfile.TemporaryDirectory() as folder:
            measure(share, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
