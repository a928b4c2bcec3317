"""Phase 4: what a whole video is about: title, summary, chapters, keywords, names.

In:   the database's list of videos, and data/{video}_phase2_vllm_analysis.json.
Out:  data/{video}_phase4_summary.json, and summary, keywords and state in the database (video_files).

    python phase4_video_summary.py                                    all videos that are due
    python phase4_video_summary.py --summarizer local                 sentences chosen, without a model
    python phase4_video_summary.py --summarizer vllm                  with Qwen2.5-VL on a GPU
    python phase4_video_summary.py --summarizer openai --base-url http://127.0.0.1:8000/v1
    python phase4_video_summary.py --dry-run                          what would run, and why

Run it before or after the load; load_data_to_chroma.py brings summaries into the search (test_search.py --videos).
`--summarizer auto`, the default, is `vllm` where vLLM and a CUDA GPU are, else `local`; it decides only for what is due
anyway: what is written is done again only where you name another. Run it as often as you like: each window of a long
video is kept as soon as it is read, and a run goes on where the last one was stopped.
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from db_manager import ChromaDBManager
from videotag import artifacts, cli, jobs
from videotag.errors import EngineError, UserError
from videotag.languages import check_output_language
from videotag.options import add_options, named_options, options_of
from videotag.progress import Progress
from videotag.stages import PHASE2, PHASE4, Record
from videotag.summaries.contract import (
    Archive,
    Chapter,
    Cited,
    Items,
    News,
    Reading,
    Summarizer,
    Summary,
    Video,
    Window,
)
from videotag.summaries.engines import SUMMARIZERS, choose_summarizer, load_summarizer
from videotag.summaries.passages import video_of
from videotag.times import now

OPTIONS = {"summarizer": "--summarizer", "model": "--model", "output_language": "--output-language"}
ARCHIVE = 200  # results of other videos that are looked into for how common a keyword is: 2 s


def main(argv: list[str] | None = None, load: Callable[..., Summarizer] = load_summarizer) -> int:
    args = options().parse_args(argv)
    report = cli.Report("phase 4", args.debug)
    return cli.run(lambda args: work(args, load, report), args, report)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    engine = parser.add_argument_group("summary")
    engine.add_argument("--summarizer", choices=["auto", *SUMMARIZERS], default="auto", help="the engine (auto)")
    engine.add_argument("--output-language", metavar="CODE", help="to write in (that of the descriptions)")
    add_options(engine, SUMMARIZERS)
    return parser


def work(args: argparse.Namespace, load: Callable[..., Summarizer], report: cli.Report) -> int:
    named = {setting: value for setting in OPTIONS if (value := getattr(args, setting)) is not None}
    if args.summarizer == "auto":
        del named["summarizer"]
    check_output_language(args.output_language)
    if told := named_options(args, SUMMARIZERS):
        options_of("summarizer", choose_summarizer(args.summarizer)[0], SUMMARIZERS, told)
    db = ChromaDBManager(args.db, chroma_url=args.chroma_url)
    run = Run(db, PHASE4, args, report, named, OPTIONS, fields_of, load)
    due = run.due(run.why_due, finished_too=bool(named))
    try:
        if due:
            sum_up(run, due)
    except EngineError as error:
        if "summarizer" not in vars(run):  # it is the command line's fault
            raise
        cli.complain(cli.short(error))
        report.finish(args.data_dir)
        return cli.SOME_FAILED
    return report.finish(args.data_dir)


@dataclass
class Run(jobs.Run):
    """With the engine, built when the first video needs it."""

    load: Callable[..., Summarizer] = load_summarizer
    total: int = 0  # segments that this run has to read, as far as it is known

    @cached_property
    def in_hand(self) -> "jobs.InHand[Work]":
        return jobs.InHand(self)

    @cached_property
    def summarizer(self) -> Summarizer:
        choice = choose_summarizer(self.args.summarizer)
        return jobs.built("summarizer", choice, self, SUMMARIZERS, self._load)

    def _load(self, name: str, options: Any) -> Summarizer:
        return self.load(name, options, self.archive)

    def archive(self) -> Archive:
        """What the videos of the data folder are about: of many, some that lie evenly among them."""
        found = sorted(self.args.data_dir.glob(f"*{PHASE2.ending}"))
        some = found[:: -(-len(found) // ARCHIVE)] if found else []
        results = [result for path in some if (result := artifacts.read(PHASE2, path))]
        words: Counter[str] = Counter()
        for result in results:
            words.update({word.lower() for segment in result["segments"] for word in segment.get("keywords") or ()})
        return Archive(len(results), dict(words))


def sum_up(run: Run, due: list[Record]) -> None:
    """Give the windows of all due videos to the engine in one stream, keep each as it comes, and publish each whole."""
    run.mark(due, lambda: run.summarizer)
    readings = feed(run, due)
    run.total = sum(record.get(PHASE2.counter, 0) for record in due)
    with run.in_hand:
        first = next(readings, None)  # everything may have been taken over: then no engine is built
        if first is None:
            return
        # Closed at once when interrupted: an engine then drops what is under way.
        told = run.summarizer.summaries(itertools.chain([first], readings))
        with Progress("segments", run.total, "segments") as progress, closing(told):
            for reading, news in told:
                run.in_hand.go_on(reading.video.name, partial(deliver, news=news))
                reading.dropped = not run.in_hand.holds(reading.video.name)
                progress.of(run.total)
                progress.add(size(news) if isinstance(news, Window) else 0)


def feed(run: Run, due: list[Record]) -> Iterator[Reading]:
    """Claim one video after the other, as the engine has room for more."""
    for record in due:
        work = run.in_hand.take(record, partial(begin, run))
        left = sum(map(size, work.reading.left)) if work else 0
        run.total += left - record.get(PHASE2.counter, 0)
        if work is not None:
            yield work.reading


def size(window: Window) -> int:
    """Segments of it."""
    return window.last - window.first + 1


def begin(run: Run, job: jobs.Job, stack: ExitStack) -> "Work | None":
    """None if a result is there. Raises UserError if nothing of the video could be analyzed."""
    if job.taken_over():
        return None
    phase2 = job.inputs()[PHASE2.key]
    language = run.args.output_language or phase2["output_language"]
    video = video_of(job.claim.record, phase2, language)
    if not video.passages:
        raise UserError("no segment of it could be analyzed: there is nothing to sum up")
    made_by = {**run.summarizer.made_by, "output_language": language}
    made = {**job.made_of, "made_by": made_by, "method": run.summarizer.method}
    part = stack.enter_context(closing(job.part(made_by, lambda: run.summarizer)))
    windows = run.summarizer.windows(video)
    kept = {Window(*record["window"]): Items.model_validate(record["items"]) for record in part.records}
    items = {window: kept[window] for window in windows if window in kept}
    return Work(job, part, Reading(video, windows, items), phase2, made)


@dataclass
class Work:
    """One video in hand. `made`: what its result says of how it was made."""

    job: jobs.Job
    part: artifacts.Part
    reading: Reading
    phase2: dict[str, Any]
    made: dict[str, Any]


def deliver(work: Work, news: News) -> bool:
    """Keep a window that was read, or publish the whole; whether that was the end.

    Raises:
        Exception: what kept the video from being summed up.
    """
    if isinstance(news, Exception):
        raise news
    work.job.claim.alive()
    if isinstance(news, Window):
        items = work.reading.items[news]
        if not items.unread:  # else the next run tries again
            work.part.append({"window": [news.first, news.last], "items": items.model_dump(mode="json")})
        return False
    result = work.job.publish(result_of(work.reading.video, news, work.phase2, work.made))
    told = f"{len(result['segments'])} segments, {len(result['chapters'])} chapters"
    cli.say(f"{work.job.video_name}: {told} in {work.job.path}")
    return True


def result_of(video: Video, summary: Summary, phase2: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """What data/ holds of a video: the summary, with times for the numbers of segments."""
    spoken = Counter(itertools.chain.from_iterable(passage.languages for passage in video.passages))
    return {
        "video_name": video.name,
        "video_path": phase2["video_path"],
        "video_duration": video.duration,
        "output_language": video.output_language,
        **made,
        "created_at": now(),
        "title": video.title or summary.title,
        "summary": " ".join(sentence.text for sentence in summary.sentences),
        "sentences": cited(summary.sentences),
        "keywords": list(summary.keywords),
        "chapters": [chapter_of(video, chapter) for chapter in summary.chapters],
        "people": cited(summary.people),
        "places": cited(summary.places),
        "organisations": cited(summary.organisations),
        "languages": [language for language, _ in spoken.most_common()],
        "content_type": Counter(s["content_type"] for s in phase2["segments"]).most_common(1)[0][0],
        "segments": [{"segment_index": p.index, "start_time": p.start, "end_time": p.end} for p in video.passages],
        "segments_total": len(phase2["segments"]) + len(phase2.get("unreadable", ())),
        "gaps": [{key: gap[key] for key in ("segment_index", "reason")} for gap in phase2.get("unreadable", ())],
        "faults": list(summary.faults),
    }


def cited(found: Iterable[Cited]) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json") for one in found]


def chapter_of(video: Video, chapter: Chapter) -> dict[str, Any]:
    """A chapter as it is stored. It ends where the next one begins; the last one with the video."""
    starts = {passage.index: passage.start for passage in video.passages}
    after = [passage.start for passage in video.passages if passage.index > chapter.last_segment]
    return {
        **chapter.model_dump(mode="json"),
        "start_time": starts[chapter.first_segment],
        "end_time": min(after, default=video.duration),
    }


def fields_of(result: dict[str, Any]) -> dict[str, Any]:
    """What a result adds to the video's record."""
    return {name: result[name] or None for name in ("summary", "keywords", "content_type")}


if __name__ == "__main__":
    cli.leave(main())
