"""How well what is seen is found by vectors of pictures: the samples, asked with and without them.

    python benchmarks/seen.py                                    siglip2-base-patch16-224, from the models' shelf
    python benchmarks/seen.py --frame-embedder sentence-transformers --frame-model MODEL
    python benchmarks/seen.py --keep FOLDER                      leaves the database there, or takes it from there

The two samples in windows of 10 s without overlap: 18 segments, speech by phase 1, `local`, no language model; some
minutes. 75 questions, `archive/seen_queries.jsonl`: 60 that one shot of the samples answers, in Russian, Kazakh and
English, each put by what is seen and not by what is said; 15 that none answers. They were written by the shots'
descriptions (samples/texts.json), before any model was asked.

Right is a segment whose middle lies in the shot. Recall@1 and @5: the share of questions with a right one among the
first; "close": the share of the first ones that are right and called close. "Nothing close" is right where there is
no answer. Both are printed by language, for words and meaning alone and with pictures, by the same database.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from db_manager import ChromaDBManager  # noqa: E402
from videotag.embedders.pictures.contract import FrameEmbedder  # noqa: E402
from videotag.embedders.pictures.engines import FRAME_EMBEDDERS, load_frame_embedder  # noqa: E402
from videotag.errors import UserError  # noqa: E402

QUERIES = ROOT / "benchmarks" / "archive" / "seen_queries.jsonl"
CUT = ("--segment-seconds=10", "--overlap-seconds=0", "--frames-per-segment=3")
LANGUAGES = ("ru", "kk", "en")

Query = dict[str, Any]


def make(folder: Path, options: list[str]) -> None:
    """The database of the samples, by the scripts."""
    place = [f"--db={folder / 'db'}", f"--data-dir={folder / 'data'}"]
    for script, *more in (
        ("phase1_whisper_frames.py", f"--config={ROOT / 'samples' / 'videos_config.json'}", *CUT),
        ("phase2_vllm_analysis.py", "--analyzer=local"),
        ("load_data_to_chroma.py", *options),
    ):
        done = subprocess.run([sys.executable, str(ROOT / script), *more, *place], cwd=ROOT)
        if done.returncode:
            raise SystemExit(f"{script} ended with {done.returncode}")


def nobody(name: str, model: str | None) -> FrameEmbedder:
    raise UserError("words and meaning alone")


def is_right(hit: dict[str, Any], query: Query) -> bool:
    middle = (hit["start_time"] + hit["end_time"]) / 2
    return hit["video_name"] == query.get("video") and query["start"] <= middle < query["end"]


def measure(db: ChromaDBManager, queries: list[Query]) -> str:
    """Of questions in one language, a line."""
    answered, first, five, close, refused = 0, 0, 0, 0, 0
    for query in queries:
        hits = list(islice(db.hits(db.as_meant(query["query"]), page=5), 5))
        if "video" not in query:
            refused += not hits[0]["close"]
            continue
        right = [is_right(hit, query) for hit in hits]
        answered, first, five = answered + 1, first + right[0], five + any(right)
        close += right[0] and hits[0]["close"]
    none = len(queries) - answered
    shares = "  ".join(f"{value / max(answered, 1):6.2f}" for value in (first, five, close))
    return f"{shares}   {refused:3d} of {none}"


def report(folder: Path, load: Callable[[str, str | None], FrameEmbedder]) -> None:
    queries = [json.loads(line) for line in QUERIES.read_text("utf-8").splitlines()]
    places = {
        "words and meaning": ChromaDBManager(folder / "db", load_frames=nobody),
        "with pictures": ChromaDBManager(folder / "db", load_frames=load),
    }
    made = places["with pictures"].pictures
    if not (stamp := made.stamp()):
        raise SystemExit(f"{folder}: no pictures are loaded")
    print(f"{stamp['embedder']}, {stamp['model']}: {made.count()} pictures, {len(queries)} questions")
    print(f"{'':24}recall@1    @5   close   nothing close")
    for language in (*LANGUAGES, "all"):
        some = [query for query in queries if language in (query["language"], "all")]
        for kind, db in places.items():
            print(f"{language:4} {kind:18} {measure(db, some)}", flush=True)
    if remark := made.remark("огонь"):
        print(f"{remark[0]}: {remark[1]}")


def main(argv: list[str] | None = None, load: Callable[..., FrameEmbedder] = load_frame_embedder) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frame-embedder", choices=list(FRAME_EMBEDDERS), default="siglip2")
    parser.add_argument("--frame-model", metavar="MODEL")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    args = parser.parse_args(argv)
    options = [f"--frame-embedder={args.frame_embedder}"]
    options += [f"--frame-model={args.frame_model}"] if args.frame_model else []
    with tempfile.TemporaryDirectory() as made:
        folder = args.keep or Path(made)
        if not (folder / "db").exists():
            make(folder, options)
        report(folder, load)
    return 0


if __name__ == "__main__":
    sys.exit(main())
