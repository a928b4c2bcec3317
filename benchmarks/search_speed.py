"""How fast segments are loaded and found, with 1,000, 10,000, 100,000 and a million of them.

    python benchmarks/search_speed.py                                   1,000 and 10,000 (about 2 minutes)
    python benchmarks/search_speed.py --segments 100000                 (about 15 minutes)
    python benchmarks/search_speed.py --segments 100000 --keep FOLDER   leaves the database there or takes it from there
    python benchmarks/search_speed.py --segments 10000 --beside TREE    an older checkout by its side, and the ratios
    python benchmarks/search_speed.py --segments 1000000 --fill         (about 10 minutes)

Synthetic: words of a vocabulary with Zipf frequencies, unit vectors in clusters, 100 segments a video, a fixed seed, an
embedder that takes no time. Load and search run in processes of their own. Per size: segments loaded a second; wall ms
of a query (median, 95 %) and CPU ms (mean), with and without filters, one after the other as at the prompt; wall s from
the start of the process to the first answer; peak memory; recall@10, the part of the ten that an exact product of all
vectors puts first; disk. The floor: a numpy product with the same vectors.

--fill: ChromaDB gets one video, and the index beside it all segments, by the same code that a load uses: loading a
million into ChromaDB takes hours, and a search does not look there. Their texts are of 5 words, not 80,
of a vocabulary of 1,000.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

START = time.perf_counter()

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from db_manager import ChromaDBManager  # noqa: E402
from videotag.search.typical import typical  # noqa: E402

SEED = 20261124
DIMENSION = 384
CLUSTERS = 200
VOCABULARY, FEW = 60_000, 1000
MOST_BESIDE = 100_000  # segments that the older checkout is measured with; its figures grow with the size
WORDS, FILLED = 80, 5  # a segment; one of --fill
A_VIDEO = 100  # segments
QUERIES = 40
LANGUAGES, CONTENT = ("ru", "kk", "en"), ("новости", "фильм", "архив", "спорт")


class Instant:
    """Vectors in clusters, made from the text's digits: the same text has the same vector."""

    name = "instant"
    model = "clusters"
    dimension = DIMENSION

    def __init__(self) -> None:
        self._centres = unit(np.random.default_rng(SEED).normal(size=(CLUSTERS, DIMENSION)))

    def vectors(self, numbers: Sequence[int]) -> np.ndarray:
        noise = np.stack([np.random.default_rng((SEED, number)).normal(size=DIMENSION) for number in numbers])
        return self.around(np.asarray(numbers), noise)

    def around(self, numbers: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return unit(self._centres[numbers % CLUSTERS] + 0.05 * noise[: len(numbers)])

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        return self.vectors([hash_of(text) for text in texts])

    embed_queries = embed_documents


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:6].ljust(6), "little")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, action="append", metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="of the database; with one --segments")
    parser.add_argument("--beside", type=Path, metavar="TREE", help="an older checkout, measured by its own benchmark")
    parser.add_argument("--fill", action="store_true", help="the index alone, as a load does it")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(PARTS[args.part](args.keep, args.segments[0])))
        return 0
    for size in args.segments or [1000, 10_000]:
        made_by, least = "fill" if args.fill else "load", min(size, MOST_BESIDE)
        with tempfile.TemporaryDirectory() as folder:
            before = measure(Path(folder) / "db", least, args.beside, "load") if args.beside else {}
        with tempfile.TemporaryDirectory() as folder:
            now = measure(args.keep or Path(folder) / "db", size, ROOT, made_by)
        for line in (line for line in before if line in now and line.startswith(("query", "start", "search"))):
            print(
                f"  x of {args.beside}, {line:44} {number_in(now[line]) / number_in(before[line]) * least / size:.2f}"
            )
    return 0


def measure(folder: Path, size: int, tree: Path, made_by: str) -> dict[str, str]:
    print(f"\n{size:,} segments, {tree}", flush=True)
    figures: dict[str, str] = {}
    searched = "search" if made_by == "load" else "search what was filled"
    for part in [searched] if folder.exists() else [made_by, searched]:
        script = [sys.executable, str(tree / "benchmarks" / Path(__file__).name)]
        script += ["--part", part, "--segments", str(size), "--keep", str(folder)]
        figures |= json.loads(subprocess.check_output(script, cwd=tree))
    for line, figure in figures.items():
        print(f"  {line:44} {figure}")
    disk = sum(path.stat().st_size for path in folder.parent.rglob("*") if path.is_file())
    print(f"  {'disk':44} {disk / 1e6:,.0f} MB", flush=True)
    return figures


def number_in(figure: str) -> float:
    """The first number of a line: of several, the median."""
    return float(figure.split()[0].replace(",", ""))


def words_of(number: int, words: int = WORDS) -> str:
    rng = np.random.default_rng((SEED, number))
    ranks = np.minimum(rng.zipf(1.1, words), VOCABULARY if words == WORDS else FEW)
    return " ".join(word(rank) for rank in ranks)


def word(rank: int) -> str:
    """A pronounceable word of each rank, the common ones short."""
    text = ""
    while rank:
        rank, syllable = divmod(rank, 60)
        text += "бвгдзклмнпрст"[syllable % 13] + "аеиоу"[syllable // 13]
    return text


def name(number: int) -> str:
    return f"video {number // A_VIDEO:05}_seg_{number % A_VIDEO}"


def segment(number: int, words: int) -> dict[str, Any]:
    video, index = divmod(number, A_VIDEO)
    return {
        "video_name": f"video {video:05}",
        "segment_index": index,
        "start_time": 35.0 * index,
        "end_time": 35.0 * index + 50.0,
        "language": LANGUAGES[video % len(LANGUAGES)],
        "languages": [LANGUAGES[video % len(LANGUAGES)]],
        "content_type": CONTENT[video % len(CONTENT)],
        "description": words_of(number, words),
    }


def load(folder: Path, size: int) -> dict[str, str]:
    embedder = Instant()
    db = ChromaDBManager(folder, embedder=embedder)
    started = time.perf_counter()
    for first in range(0, size, A_VIDEO):
        numbers = range(first, min(first + A_VIDEO, size))
        segments = [segment(number, WORDS) for number in numbers]
        db.add_segments(f"{first // A_VIDEO}.mp4", segments, embeddings=embedder.vectors(numbers))
    took = time.perf_counter() - started
    return {"load": f"{size / took:,.0f} segments/s, {took:.0f} s", "load, peak memory": peak()}


def fill(folder: Path, size: int) -> dict[str, str]:
    from videotag.search.index import Entry, SegmentIndex

    load(folder, A_VIDEO)
    index, started = SegmentIndex(folder / "index.sqlite3"), time.perf_counter()

    def entries() -> Iterator[Entry]:
        for number, vector in enumerate(filled(size)):
            fields = segment(number, FILLED)
            yield Entry(name(number), fields, fields["description"], vector)

    index.update(index.state or "", entries(), since=None)
    took = time.perf_counter() - started
    return {"fill": f"{size / took:,.0f} segments/s, {took:.0f} s", "fill, peak memory": peak()}


def filled(size: int) -> Iterator[np.ndarray]:
    """In clusters like `Instant.vectors`, in a hundredth of the time."""
    rng, instant = np.random.default_rng(SEED), Instant()
    for first in range(0, size, 1000):
        yield from instant.around(np.arange(first, min(first + 1000, size)), rng.normal(size=(1000, DIMENSION)))


def search(folder: Path, size: int, words: int = WORDS) -> dict[str, str]:
    queries = [words_of(10**9 + number, words).partition(" ")[0] + f" {number}" for number in range(QUERIES)]
    db = ChromaDBManager(folder, embedder=Instant())
    if not db.search(queries[0], limit=15):
        raise SystemExit(f"{folder} holds no segments")
    figures = {"start of the process to the first answer": f"{time.perf_counter() - START:.2f} s"}
    some = [f"video {number * 7 % max(size // A_VIDEO, 1):05}" for number in range(20)]
    filters: dict[str, dict[str, Any]] = {
        "query, by vectors alone": {"by": "vectors"},
        "query": {},
        "query in one video": {"video_name": some[1]},
        "query in 20 videos": {"video_name": some},
        "query in one language (a third)": {"language": "kk"},
        "query, language and content (a twelfth)": {"language": "kk", "content_type": "фильм"},
    }
    for line, wanted in filters.items():
        figures[line] = timed(lambda query, wanted=wanted: db.search(query, limit=15, **wanted), queries)
    figures["search, peak memory"] = peak()
    vectors = np.empty((size, DIMENSION), np.float32)
    for first in range(0, size, 10_000):
        names = [name(number) for number in range(first, min(first + 10_000, size))]
        known = db._search.index.exact_vectors(names)
        vectors[first : first + len(names)] = [known[name] for name in names]
    asked = Instant().embed_queries([db.as_meant(query) for query in queries])  # made-up words look like other typing
    figures |= recalls(db, queries, asked, vectors)
    figures["floor: numpy product and sort"] = timed(lambda row: np.argpartition(vectors @ row, -15)[-15:], list(asked))
    return figures


def recalls(db: ChromaDBManager, queries: list[str], asked: np.ndarray, vectors: np.ndarray) -> dict[str, str]:
    """Recall@10 by vectors alone, of the ten that are first by the exact cosine less what all have in common.

    As `ranking.Background` takes it away, measured by all segments' own vectors instead of those in 8 bits.
    """
    search = db._search.search
    background = search._measured(search.now(), typical(db.embedder), False)
    language = np.array([LANGUAGES[number // A_VIDEO % len(LANGUAGES)] == "kk" for number in range(len(vectors))])
    found = {}
    parts = {"recall@10": ({}, language | True), "recall@10, a third": ({"language": "kk"}, language)}
    for line, (wanted, among) in parts.items():
        same = 0
        for query, vector in zip(queries, asked, strict=True):
            exact = np.where(among, background.deviations(vector, vectors), -np.inf)
            first = {name(n) for n in np.argpartition(-exact, 10)[:10].tolist()}
            same += len(first & {hit["id"] for hit in db.search(query, limit=10, by="vectors", **wanted)})
        found[line] = f"{same / 10 / len(queries):.4f}"
    return found


def timed(call: Callable[[Any], Any], arguments: Sequence[Any]) -> str:
    took, cpu = [], time.process_time()
    for argument in arguments:
        started = time.perf_counter()
        call(argument)
        took.append(1000 * (time.perf_counter() - started))
    median, late = np.percentile(took, [50, 95])
    each = 1000 * (time.process_time() - cpu) / len(took)
    return f"{median:,.1f} / {late:,.1f} ms, CPU {each:,.1f} ms"


def peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB"


PARTS = {"load": load, "fill": fill, "search": search, "search what was filled": partial(search, words=FILLED)}

if __name__ == "__main__":
    sys.exit(main())
