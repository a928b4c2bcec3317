"""How true the summaries of whole videos are, without a judge: what they say must stand in the segments they cite.

    python benchmarks/summaries.py              twelve videos of 20 segments, `local` (about 5 s)
    python benchmarks/summaries.py --check      exits 1 where citations or names and numbers are below 1.00, or
                                                coverage below 0.6

The videos, `benchmarks/archive/long_videos.jsonl`, are segments as phase 2 leaves them, written by hand before the
summarizer was tuned. In order of the columns: share of sentences and names that cite segments that exist; share of the
numbers and names in them whose words stand in the segments they cite (numbers as they are written, names by their
first letters, all but the ending); share of eight equal parts of the video that the sentences cite; sentences that are
there twice; share of sentences in the script of the output language.

`asked` is for questions about whole videos, `video_queries.jsonl`: 52 with an answer, 15 without.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from videotag.summaries.contract import Archive, Cited, Summary, Video  # noqa: E402
from videotag.summaries.local.summarizer import LocalOptions, LocalSummarizer  # noqa: E402
from videotag.summaries.passages import video_of  # noqa: E402

FOLDER = ROOT / "benchmarks" / "archive"
PARTS = 8  # as many as a summary has sentences at most
ENDING = 3  # letters of a name that its case may change, at most, and a third of it
COVERAGE = 0.6
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
HEAD = (
    "| video | sentences | citations | names and numbers | coverage | repeats | script |\n|---|---|---|---|---|---|---|"
)

Ask = Callable[[str], tuple[list[str], bool]]
"""(question) to (names of videos, best first; whether something is close)."""


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def videos() -> list[tuple[Video, dict[int, str]]]:
    """Each with all that its segments hold, by number, in lower case."""
    made = []
    for name, some in groupby(rows("long_videos.jsonl"), lambda row: row["video_name"]):
        segments = list(some)
        phase2 = {
            "video_name": name,
            "video_duration": segments[-1]["end_time"],
            "language": segments[0]["language"],
            "segments": segments,
            "made_by": {},
        }
        texts = {row["segment_index"]: json.dumps(row, ensure_ascii=False).lower() for row in segments}
        made.append((video_of({}, phase2, "ru"), texts))
    return made


def figures(video: Video, summary: Summary, texts: dict[int, str]) -> list[float]:
    """The columns of the table."""
    named = [*summary.people, *summary.places, *summary.organisations]
    cited = [*summary.sentences, *named]
    exist = [all(segment in texts for segment in one.segments) for one in cited]
    true = [there for one in summary.sentences for there in _stand(NUMBER.findall(one.text), one, texts)]
    true += [there for one in named for there in _stand([_bare(w) for w in one.text.lower().split()], one, texts)]
    place = {passage.index: number for number, passage in enumerate(video.passages)}
    told = {place[s] * PARTS // len(place) for one in summary.sentences for s in one.segments if s in place}
    right = [bool(re.search("[а-яё]", one.text.lower())) for one in summary.sentences]
    repeats = len(summary.sentences) - len({one.text for one in summary.sentences})
    return [len(summary.sentences), share(exist), share(true), len(told) / PARTS, repeats, share(right)]


def _stand(words: Sequence[str], one: Cited, texts: dict[int, str]) -> list[bool]:
    text = " ".join(texts.get(segment, "") for segment in one.segments)
    return [word in text for word in words]


def _bare(word: str) -> str:
    return word if len(word) <= 3 else word[: -min(ENDING, len(word) // 3)]


def share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 1.0


def asked(ask: Ask, questions: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Recall among the first three (any right video), MRR, and how often "nothing close" was said rightly, wrongly."""
    answers = [(set(row["relevant"]), *ask(row["query"])) for row in questions]
    ranks = [next((n for n, name in enumerate(names, 1) if name in right), 0) for right, names, _ in answers if right]
    return {
        "recall@3": sum(1 <= rank <= 3 for rank in ranks) / len(ranks),
        "mrr": sum(1 / rank for rank in ranks if rank) / len(ranks),
        "nothing right": sum(not right and not close for right, _, close in answers),
        "nothing wrong": sum(bool(right) and not close for right, _, close in answers),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    args = parser.parse_args(argv)
    engine = LocalSummarizer(LocalOptions(), Archive())
    missed = False
    print(HEAD)
    for video, texts in videos():
        summary = engine.whole(video, [items for _, items in engine.read(video, engine.windows(video))])
        count, exist, true, told, repeats, right = figures(video, summary, texts)
        print(f"| {video.name} | {count} | {exist:.2f} | {true:.2f} | {told:.2f} | {repeats} | {right:.2f} |")
        missed |= exist < 1 or true < 1 or told < COVERAGE
    return int(args.check and missed)


if __name__ == "__main__":
    sys.exit(main())
