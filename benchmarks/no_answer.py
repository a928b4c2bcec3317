"""How often a search says rightly and wrongly that nothing is close, by the number of segments.

    python benchmarks/no_answer.py --sets FOLDER                  the sets that are there, 30 to 1,000 texts
    python benchmarks/no_answer.py --sets FOLDER --size 10000 --more texts.txt    with other texts, a line each, between

Of each set, by the language of the question, in per cent:

    wrongly       questions whose answer is among the texts
    elsewhere     rightly, questions of the other sets, about something else
    taken out     rightly, the set's own questions, whose answer is not among the texts; what is akin to it is

The texts of an archive are those that answer some questions of the set, others of the set, and, where these are too
few, those of `--more`. Every text and question is embedded once.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import search_quality  # noqa: E402
from benchmarks.converters import ARCHIVE, PUBLIC, Query, SearchSet  # noqa: E402
from db_manager import ChromaDBManager  # noqa: E402
from videotag.embedders.contract import DEFAULT_EMBEDDER, Embedder  # noqa: E402
from videotag.embedders.engines import load_embedder  # noqa: E402

if TYPE_CHECKING:
    import numpy as np

SEED = 20261128
SIZES = (30, 100, 300, 1000)
ASKED = 60  # questions of each language and kind, at most
LANGUAGES = ("ru", "kk", "en")
HEAD = "| set | texts | language | wrongly | elsewhere | taken out |\n|---|---|---|---|---|---|"

Counts = Counter[tuple[str, str, bool]]
"""By language, kind of question, and whether nothing was close."""


class Remembering:
    """An embedder that embeds no text twice."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.model, self.dimension = embedder.name, embedder.model, embedder.dimension
        self._documents: dict[str, np.ndarray] = {}
        self._queries: dict[str, np.ndarray] = {}

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        return _remembered(self._documents, texts, self._embedder.embed_documents)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        return _remembered(self._queries, texts, self._embedder.embed_queries)


def _remembered(known: dict[str, np.ndarray], texts: Sequence[str], embed) -> np.ndarray:
    import numpy as np

    new = [text for text in dict.fromkeys(texts) if text not in known]
    known.update(zip(new, embed(new), strict=True) if new else ())
    return np.stack([known[text] for text in texts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", choices=[*ARCHIVE, *PUBLIC], help="only this set; repeatable")
    parser.add_argument("--sets", type=Path, metavar="FOLDER", help="where the public sets are")
    parser.add_argument("--size", type=int, action="append", metavar="N", help=f"texts; repeatable {SIZES}")
    parser.add_argument("--more", type=Path, metavar="FILE", help="other texts, a line each")
    parser.add_argument("--embedder", default=DEFAULT_EMBEDDER, help=f"default {DEFAULT_EMBEDDER}")
    parser.add_argument("--embedding-model", metavar="MODEL", help="the embedder's model")
    args = parser.parse_args()
    sets = [found for name in [*ARCHIVE, *PUBLIC] if (found := search_quality.find(name, args.sets))]
    more = args.more.read_text(encoding="utf-8").splitlines() if args.more else []
    embedder = Remembering(load_embedder(args.embedder, args.embedding_model))
    print(HEAD, flush=True)
    for found in sets:
        if args.set and found.name not in args.set:
            continue
        others = [query for other in sets if other.documents[0] != found.documents[0] for query in other.queries]
        for size in args.size or SIZES:
            if size <= len(found.documents) + len(more):
                counts = asked(found, others, size, more, embedder)
                for language in LANGUAGES:
                    print(row(found.name, size, language, counts), flush=True)


def asked(found: SearchSet, others: list[Query], size: int, more: Sequence[str], embedder: Embedder) -> Counts:
    """Ask an archive of so many texts."""
    chance = random.Random(f"{SEED} {found.name} {size}")
    answered = [query for query in found.queries if query.relevant]
    chance.shuffle(answered)
    kept: frozenset[str] = frozenset()
    for query in answered[: len(answered) // 2]:
        if len(kept | query.relevant) <= size / 2:
            kept |= query.relevant
    others_of_set = [query for query in answered[len(answered) // 2 :] if query.relevant.isdisjoint(kept)]
    out = [query for language in LANGUAGES for query in _asked_in(language, others_of_set)]
    gone = frozenset().union(*(query.relevant for query in out))
    rest = [row["id"] for row in found.documents if row["id"] not in kept | gone]
    there = kept.union(chance.sample(rest, min(len(rest), size - len(kept))))
    documents = [row for row in found.documents if row["id"] in there]  # in their order: a video's stand together
    between = chance.sample(list(more), min(len(more), size - len(documents)))
    with tempfile.TemporaryDirectory() as folder:
        db = ChromaDBManager(Path(folder) / "db", embedder=embedder)
        search_quality.fill(db, SearchSet(found.name, documents, []))
        others_too = [{"id": f"more {n}", "text": text} for n, text in enumerate(between)]
        search_quality.fill(db, SearchSet("more", others_too, []))
        inside = [query for query in answered if query.relevant <= kept]
        groups = {"wrongly": inside, "taken out": out, "elsewhere": chance.sample(others, len(others))}
        return _said(db, groups)


def _said(db: ChromaDBManager, groups: dict[str, list[Query]]) -> Counts:
    counts: Counts = Counter()
    for kind, queries in groups.items():
        for language in LANGUAGES:
            for query in _asked_in(language, queries):
                counts[language, kind, not db.search(query.query, limit=1)[0]["close"]] += 1
    return counts


def _asked_in(language: str, queries: Sequence[Query]) -> list[Query]:
    return [query for query in queries if query.language == language][:ASKED]


def row(name: str, size: int, language: str, counts: Counts) -> str:
    shares = []
    for kind in ("wrongly", "elsewhere", "taken out"):
        said, not_said = counts[language, kind, True], counts[language, kind, False]
        shares.append(f"{100 * said / (said + not_said):.0f} of {said + not_said}" if said + not_said else "-")
    return f"| {name} | {size} | {language} | {' | '.join(shares)} |"


if __name__ == "__main__":
    main()
