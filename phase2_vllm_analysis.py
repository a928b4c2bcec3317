"""Phase 2: what each segment shows, in words: description, translation, keywords.

In:   the database's list of videos, and data/{video}_phase1_data.pkl.
Out:  data/{video}_phase2_vllm_analysis.json, and the state in the database (video_files).

    python phase2_vllm_analysis.py                                    all videos that are due
    python phase2_vllm_analysis.py --analyzer vllm                    with Qwen2.5-VL on a GPU
    python phase2_vllm_analysis.py --output-language kk               descriptions in Kazakh; Russian by default
    python phase2_vllm_analysis.py --dry-run                          what would run, and why

`--analyzer auto`, the default, takes vLLM where it and a CUDA GPU are there, else `local`, and decides only for what is
due anyway: work that another analyzer finished is done again only when you name one. Run it as often as you like: each
segment is kept as soon as it is analyzed, and a run goes on where the last one was stopped.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from db_manager import ChromaDBManager
from videotag import artifacts, cli, jobs
from videotag.analyzers.contract import Analyzer, Frame, NotedAnalysis, Part, Result, Segment, SegmentFailure
from videotag.analyzers.engines import ANALYZERS, choose_analyzer, load_analyzer
from videotag.errors import EngineError, UserError
from videotag.fields import SEGMENT
from videotag.languages import check_output_language
from videotag.options import add_options, named_options, options_of
from videotag.progress import Progress
from videotag.results import Heard, HeardSegment, Settings, languages_of
from videotag.segments import texts_of, word_times
from videotag.stages import PHASE1, PHASE2, Record
from videotag.times import now

DEFAULT_OUTPUT_LANGUAGE = "ru"
OPTIONS = {"analyzer": "--analyzer", "model": "--model", "output_language": "--output-language"}
HEARD = [f.name for f in SEGMENT if f.made_by == PHASE1.key and f.name != "subtitles"]  # which become lines
UNREADABLE_SHARE = 0.2  # a video fails if more of its segments than this could not be analyzed


def main(argv: list[str] | None = None, load: Callable[..., Analyzer] = load_analyzer) -> int:
    args = options().parse_args(argv)
    report = cli.Report("phase 2", args.debug)
    return cli.run(lambda args: work(args, load, report), args, report)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    vision = parser.add_argument_group("analysis")
    vision.add_argument("--analyzer", choices=["auto", *ANALYZERS], default="auto", help="the engine (auto)")
    vision.add_argument("--output-language", metavar="CODE", help=f"to write in ({DEFAULT_OUTPUT_LANGUAGE})")
    add_options(vision, ANALYZERS)
    return parser


def work(args: argparse.Namespace, load: Callable[..., Analyzer], report: cli.Report) -> int:
    told = ("output_language", "model", "analyzer")  # in the order in which a change of them is told
    named = {setting: value for setting in told if (value := getattr(args, setting)) is not None}
    if args.analyzer == "auto":
        del named["analyzer"]
    check_options(args)
    db = ChromaDBManager(args.db, chroma_url=args.chroma_url)
    language = args.output_language or DEFAULT_OUTPUT_LANGUAGE
    run = Run(db, PHASE2, args, report, named, OPTIONS, fields_of, load, language)
    due = run.due(run.why_due, finished_too=bool(named))
    try:
        if due:
            analyze(run, due)
    except EngineError as error:
        if run.engine is None:  # else it is no fault of the command line
            raise
        cli.complain(cli.short(error))
        report.finish(args.data_dir)
        return cli.SOME_FAILED
    return report.finish(args.data_dir)


def check_options(args: argparse.Namespace) -> None:
    """Raises UserError if an option is for another analyzer than the one that would run, or that is no language."""
    if told := named_options(args, ANALYZERS):
        options_of("analyzer", choose_analyzer(args.analyzer)[0], ANALYZERS, told)
    check_output_language(args.output_language)


@dataclass
class Run(jobs.Run):
    """With the engine, which is None until the first segment needs it, and the work in hand."""

    load: Callable[..., Analyzer] = load_analyzer
    output_language: str = DEFAULT_OUTPUT_LANGUAGE
    total: int = 0  # segments that this run has to do, as far as it is known
    engine: Analyzer | None = None

    @cached_property
    def in_hand(self) -> "jobs.InHand[Work]":
        return jobs.InHand(self)

    @property
    def analyzer(self) -> Analyzer:
        """The engine, built now if it is not yet."""
        if self.engine is None:
            choice = choose_analyzer(self.args.analyzer)
            self.engine = jobs.built("analyzer", choice, self, ANALYZERS, self._load)
        return self.engine

    def _load(self, name: str, options: Any) -> Analyzer:
        return self.load(name, self.output_language, options)


def analyze(run: Run, due: list[Record]) -> None:
    """Feed the segments of all due videos to the engine in one stream, and keep each result as it comes."""
    run.mark(due, lambda: run.analyzer)
    segments = feed(run, due)
    run.total = sum(record.get("total_segments", 0) for record in due)
    with run.in_hand:
        first = next(segments, None)  # everything may have been taken over: then no engine is built
        if first is None:
            return
        # Closed at once when interrupted: an engine then drops what is under way.
        results = run.analyzer.analyze(itertools.chain([first], segments))
        with Progress("segments", run.total, "segments") as progress, closing(results):
            for segment, result in results:
                deliver(run, segment, result)
                progress.of(run.total)
                progress.add()


def feed(run: Run, due: list[Record]) -> Iterator[Segment]:
    """Claim one video after the other, as the engine asks for more, and give out the segments that are missing."""
    for record in due:
        work = run.in_hand.take(record, partial(begin, run))
        run.total += (len(work.left) if work else 0) - record.get("total_segments", 0)
        if work is not None:
            yield from work.missing()


def begin(run: Run, job: jobs.Job, stack: ExitStack) -> "Work | None":
    """None if nothing is left to analyze of a video."""
    if job.taken_over():
        return None
    phase1 = job.inputs()[PHASE1.key]
    made_by = {**run.analyzer.made_by, "output_language": run.output_language}
    part = stack.enter_context(closing(job.part(made_by, lambda: run.analyzer)))
    work = Work(run, job, phase1, made_by, part)
    if work.left:
        return work
    work.finish()
    return None


class Work:
    """One video in hand: what is analyzed of it and what is left."""

    def __init__(self, run: Run, job: jobs.Job, phase1: Heard, made_by: Settings, part: artifacts.Part) -> None:
        self._run, self._job, self._phase1, self._made_by, self._part = run, job, phase1, made_by, part
        self._segments = {segment["segment_index"]: segment for segment in phase1["segments"]}
        self._analyses = {record["segment_index"]: record["analysis"] for record in part.records}
        self._notes = {record["segment_index"]: record["note"] for record in part.records if record["note"]}
        self._unreadable: dict[int, dict[str, Any]] = {}

    @property
    def left(self) -> list[int]:
        """Indexes of the segments that have no result yet."""
        return [index for index in self._segments if index not in self._analyses and index not in self._unreadable]

    def missing(self) -> Iterator[Segment]:
        frames = self._phase1["frames"]
        for index in self.left:
            if not self._run.in_hand.holds(self._job.video_name):  # it has failed, or was lost
                return
            segment, spoken = self._segments[index], self._phase1["spoken_language"]
            language = main_language(segment, self._phase1)
            yield Segment(
                video_name=self._job.video_name,
                video_path=self._job.claim.record["video_path"],
                segment_index=index,
                start_time=segment["start_time"],
                end_time=segment["end_time"],
                frames=tuple(Frame(frames[i]["time"], frames[i]["jpeg"]) for i in segment["frames"]),
                transcript=segment["transcript"],
                language=language,
                output_language=self._made_by["output_language"],
                parts=parts_of(segment, language),
                video_language=spoken,
            )

    def keep(self, index: int, result: Result) -> None:
        """Write down one result. A failure is not kept over a restart: the segment is tried again."""
        self._job.claim.alive()
        if isinstance(result, SegmentFailure):
            self._unreadable[index] = {"segment_index": index, "reason": result.reason, "raw_text": result.raw_text}
            return
        note = ""
        if isinstance(result, NotedAnalysis):
            note = self._notes[index] = result.note
            result = result.analysis
        self._analyses[index] = result.model_dump()
        self._part.append({"segment_index": index, "analysis": self._analyses[index], "note": note})

    def finish(self) -> None:
        """All segments have a result: write the file and mark the video completed.

        Raises:
            UserError: too many segments could not be analyzed.
        """
        if len(self._unreadable) > UNREADABLE_SHARE * len(self._segments):
            reason = next(iter(self._unreadable.values()))["reason"]
            raise UserError(f"{len(self._unreadable)} of {len(self._segments)} segments were not analyzed: {reason}")
        result = self._result()
        self._part.close()
        self._job.publish(result)
        unreadable = f", {len(self._unreadable)} of them unreadable" if self._unreadable else ""
        cli.say(f"{self._job.video_name}: {len(self._segments)} segments{unreadable} in {self._job.path}")

    def _result(self) -> dict[str, Any]:
        phase1 = self._phase1
        return {
            "video_name": self._job.video_name,
            "video_path": self._job.claim.record["video_path"],
            "language": phase1["spoken_language"],
            "output_language": self._made_by["output_language"],
            "video_duration": phase1["video_duration"],
            **self._job.made_of,
            "made_by": self._made_by,
            "created_at": now(),
            "segments": [self._entry(index) for index in sorted(self._analyses)],
            "notes": [{"segment_index": index, "note": self._notes[index]} for index in sorted(self._notes)],
            "unreadable": [self._unreadable[index] for index in sorted(self._unreadable)],
        }

    def _entry(self, index: int) -> dict[str, Any]:
        segment, analysis = self._segments[index], self._analyses[index]
        texts = texts_of(segment, self._phase1, self._made_by["output_language"])
        if not untranslated(analysis["dialogue_translation"], segment["transcript"]):
            texts.pop("dialogue_translation", None)
        return {
            "video_name": self._job.video_name,
            "language": main_language(segment, self._phase1),
            "languages": languages_of(segment, self._phase1),
            **{name: segment[name] for name in HEARD if name in segment},
            "word_times": word_times([(w["text"], w["start"]) for w in segment["words"]], segment["start_time"]),
            **analysis,
            **texts,
        }


def main_language(segment: HeardSegment, phase1: Heard) -> str:
    """What most of a segment's words are in; where nothing is said, the video's language."""
    return next(iter(languages_of(segment, phase1)), phase1["spoken_language"])


def untranslated(translation: str, transcript: str) -> bool:
    """Whether nothing was translated: there is no translation, or what was said in that language anyway."""
    return set(translation.split()) <= set(transcript.split())


def parts_of(segment: HeardSegment, language: str) -> tuple[Part, ...]:
    """The speech where it changes between languages; () if all of it is in `language`, as words without one are."""
    runs = itertools.groupby(segment["words"], lambda word: word.get("language") or language)
    parts = tuple(Part(code, "".join(word["text"] for word in run).strip()) for code, run in runs)
    return parts if len(parts) > 1 else ()


def deliver(run: Run, segment: Segment, result: Result) -> None:
    """Give a result to its video; the last one finishes it."""

    def keep(work: Work) -> bool:
        work.keep(segment.segment_index, result)
        if work.left:
            return False
        work.finish()
        return True

    run.in_hand.go_on(segment.video_name, keep)


def fields_of(result: dict[str, Any]) -> dict[str, Any]:
    """What a result adds to the video's record."""
    return {"analyzer": result["made_by"]["analyzer"], "output_language": result["output_language"]}


if __name__ == "__main__":
    cli.leave(main())
