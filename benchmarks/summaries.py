"""How true the summaries of whole videos are, without a judge: what they say must stand in the segments they cite.

    python benchmarks/summaries.py              twelve videos of 20 segments, `local` (about 5 s)
    python benchmarks/summaries.py --videos     and questions about whole videos, asked of a real database (a minute)
    python benchmarks/summaries.py --check      exits 1 where citations or names and numbers are below 1.00, or
                                                coverage below 0.6

The videos, `benchmarks/archive/long_videos.jsonl`, are segments as phase 2 leaves them, written by hand before the
summarizer was tuned. In order of the columns: share of sentences and names that cite segments that exist; share of the
numbers and names in them whose words stand in the segments they cite (numbers as they are written, names by their
first letters, all but the ending); share of eight equal parts of the video that the sentences cite; sentences that are
there twice; share of sentences in the script of the output language.

The questions, `video_queries.jsonl`, 52 with an answer and 15 without, are about these twelve and the other 28 videos
of the archive: recall among the first three, MRR, and of how many "nothing close" was said, rightly and wrongly.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from db_manager import ChromaDBManager  # noqa: E402
from phase4_video_summary import result_of  # noqa: E402
from videotag.embedders.contract import DEFAULT_EMBEDDER  # noqa: E402
from videotag.embedders.engines import load_embedder  # noqa: E402
from videotag.summaries.contract import Archive, Cited, Reading, Summary, Video  # noqa: E402
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


def results(file: str) -> Iterator[dict[str, Any]]:
    """Of each video of a file what phase 2 would have left."""
    for name, some in groupby(rows(file), lambda row: row["video_name"]):
        segments = [{"content_type": "другое", "languages": [row["language"]], **row} for row in some]
        yield {
            "video_name": name,
            "video_path": f"{name}.mp4",
            "video_duration": segments[-1]["end_time"],
            "language": segments[0]["language"],
            "segments": segments,
            "made_by": {},
        }


def videos() -> list[tuple[Video, dict[int, str]]]:
    """Each long one with all that its segments hold, by number, in lower case."""
    made = []
    for phase2 in results("long_videos.jsonl"):
        texts = {row["segment_index"]: json.dumps(row, ensure_ascii=False).lower() for row in phase2["segments"]}
        made.append((video_of({}, phase2, "ru"), texts))
    return made


def summed_up(engine: LocalSummarizer, video: Video) -> Summary:
    *_, (_, summary) = engine.summaries([Reading(video, engine.windows(video), {})])
    assert isinstance(summary, Summary), summary
    return summary


def ask_the_archive() -> None:
    """Sum up all videos of the archive, those that were grown long in their long form, load them and ask."""
    grown = {phase2["video_name"]: phase2 for phase2 in results("long_videos.jsonl")}
    every = {phase2["video_name"]: phase2 for phase2 in results("segments.jsonl")} | grown
    engine = LocalSummarizer(LocalOptions(), Archive)
    embedder = load_embedder(DEFAULT_EMBEDDER, None)
    with tempfile.TemporaryDirectory() as folder:
        db = ChromaDBManager(folder, embedder=embedder)
        for name, phase2 in every.items():
            video = video_of({}, phase2, "ru")
            result = result_of(video, summed_up(engine, video), phase2, {"made_by": {}, "method": engine.method})
            db.whole_videos.put(result, f"{name}.mp4", db.whole_videos.embedded(result, embedder), by=embedder)

        def ask(question: str) -> tuple[list[str], bool]:
            found = db.whole_videos.search(question)
            return [hit["video_name"] for hit in found], bool(found) and found[0]["close"]

        questions = rows("video_queries.jsonl")
        print("\n| questions | recall@3 | MRR | nothing close, rightly | wrongly |\n|---|---|---|---|---|")
        for language in ("all", "ru", "kk", "en"):
            some = [row for row in questions if language in ("all", row["language"])]
            found, answered = asked(ask, some), sum(bool(row["relevant"]) for row in some)
            right = f"{found['nothing right']}/{len(some) - answered}"
            wrong = f"{found['nothing wrong']}/{answered}"
            print(f"| {language} | {found['recall@3']:.3f} | {found['mrr']:.3f} | {right} | {wrong} |")


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
    parser.add_argument("--videos", action="store_true", help="questions about whole videos besides")
    args = parser.parse_args(argv)
    engine = LocalSummarizer(LocalOptions(), Archive)
    missed = False
    print(HEAD)
    for video, texts in videos():
        summary = summed_up(engine, video)
        count, exist, true, told, repeats, right = figures(video, summary, texts)
        print(f"| {video.name} | {count} | {exist:.2f} | {true:.2f} | {told:.2f} | {repeats} | {right:.2f} |")
        missed |= exist < 1 or true < 1 or told < COVERAGE
    if args.videos:
        ask_the_archive()
    return int(args.check and missed)


if __name__ == "__main__":
    sys.exit(main())
