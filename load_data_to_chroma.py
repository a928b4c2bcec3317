"""Load: the analyzed segments, and what phase 4 says of whole videos, into the search collections.

In:   the database's list of videos, data/{video}_phase2_vllm_analysis.json, and data/{video}_phase4_summary.json where
      it is there.
Out:  the collections video_segments and video_summaries, which test_search.py asks, and the state in the database
      (video_files).

    python load_data_to_chroma.py                       all videos that are due
    python load_data_to_chroma.py --only news --force   this one, again
    python load_data_to_chroma.py --rebuild --embedder onnx --embedding-model bge-m3
                                                        everything under another embedder
    python load_data_to_chroma.py --dry-run             what would run, and why

Loading again replaces a video's segments and its summary; who searches meanwhile finds the old ones or the new ones,
never none.
"""

import argparse
import json
from collections.abc import Callable

from db_manager import ChromaDBManager
from videotag import claims, cli, jobs, stages
from videotag.embedders.contract import DEFAULT_EMBEDDER, Embedder
from videotag.embedders.engines import EMBEDDERS, load_embedder
from videotag.errors import UserError
from videotag.progress import Progress
from videotag.search.typical import typical
from videotag.segments import described
from videotag.stages import LOAD, PHASE2, PHASE4

NO_SEGMENTS = "its segments are not in the database"
NO_SUMMARY = "its summary is not in the database"
OUTDATED = "what is searched has changed"


def main(argv: list[str] | None = None, load: Callable[..., Embedder] = load_embedder) -> int:
    args = options().parse_args(argv)
    report = cli.Report("load", args.debug)
    return cli.run(lambda args: work(args, load, report), args, report)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    vectors = parser.add_argument_group("vectors")
    engine = f"the engine (the one the collection was made with; a new one: {DEFAULT_EMBEDDER})"
    vectors.add_argument("--embedder", choices=list(EMBEDDERS), help=engine)
    vectors.add_argument("--embedding-model", metavar="MODEL", help="onnx, sentence-transformers: name or folder")
    again = "make all vectors again, with the embedder named or the default one"
    vectors.add_argument("--rebuild", action="store_true", help=again)
    return parser


def work(args: argparse.Namespace, load: Callable[..., Embedder], report: cli.Report) -> int:
    embedder = chosen_embedder(args, load)
    db = ChromaDBManager(args.db, chroma_url=args.chroma_url, embedder=embedder, load=load)
    if args.rebuild and args.dry_run:
        by = args.embedder or DEFAULT_EMBEDDER
        cli.say(f"would make the vectors of {db.count_segments()} segments again, by {by}")
    elif args.rebuild:
        rebuild(db, embedder or load(DEFAULT_EMBEDDER, None))
    elif not args.dry_run and db.whole_videos.stamp() not in (None, db.stamp()):
        db.whole_videos.rebuild(db.embedder)  # where one was killed between the two collections
        cli.say(f"rebuilt the summaries, too, with {db.embedder.name}, model {db.embedder.model}")
    run = jobs.Run(db, LOAD, args, report)
    with db.session():
        # A collection was lost, whatever the records say, or its documents are made in another way now.
        again = NO_SEGMENTS if db.count_segments() == 0 else OUTDATED if db.is_outdated() else None
        again = again or (None if db.whole_videos.count() else NO_SUMMARY)
        if again and not args.dry_run:
            mark_again(db, again)
            again = None  # the records say so now
        due = run.due(lambda record: why_due(record, args.force, again), finished_too=bool(again))
    if args.embedder and not args.rebuild:
        _ = db.embedder  # refuses another one than before, though nothing may be due
    if due:
        cli.say(f"vectors by {db.embedder.name}, model {db.embedder.model}")
    run.mark(due, lambda: db.embedder)
    for record in due:
        one(run, db, record)
    if report.done:
        typical(db.embedder)  # so that the first question need not wait for it
    return report.finish(f"{args.chroma_url or args.db} (search with test_search.py)")


def chosen_embedder(args: argparse.Namespace, load: Callable[..., Embedder]) -> Embedder | None:
    """The embedder that was named, or None: the one that the collection remembers."""
    if args.embedding_model and not args.embedder:
        raise UserError("--embedding-model: name the engine too: --embedder onnx or sentence-transformers")
    return load(args.embedder, args.embedding_model) if args.embedder else None


def rebuild(db: ChromaDBManager, embedder: Embedder) -> None:
    with Progress("rebuild", db.count_segments(), "segments") as progress:
        count = db.rebuild_segments(embedder, progress=lambda done, total: progress.to(done))
    cli.say(f"rebuilt {count} segments with {embedder.name}, model {embedder.model}")


def mark_again(db: ChromaDBManager, reason: str) -> None:
    """Make all loads due again, those too that this run does not come to: from now on the records say it."""
    some = {"phase4_status": "completed"} if reason == NO_SUMMARY else {}
    loaded = db.list_videos({"db_load_status": "completed", **some})
    jobs.mark_due(db, LOAD, [record for record in loaded if is_again(record, reason)], reason)
    db.set_current()  # not before: a run that is killed in between is followed by one that marks them all


def is_again(record: stages.Record, reason: str | None) -> bool:
    """Whether it is a reason to load this one again: what was lost, or has changed, is stored by the record's word."""
    if reason is None or LOAD.status(record) != "completed":
        return False
    if reason == NO_SUMMARY:
        return record.get("phase4_result") in stages.used(LOAD, record)
    return bool(record.get("db_segments_loaded"))


def why_due(record: stages.Record, force: bool, again: str | None = None) -> str | None:
    """Why a video is to be loaded, or None. `again`: why all that were loaded are."""
    if is_again(record, again):
        return again
    return stages.due(LOAD, record, {}, {}, force)


def one(run: jobs.Run, db: ChromaDBManager, seen: stages.Record) -> None:
    """Load one video that is due, and note how it ended. `seen` is its record as it was when the run began."""
    name = seen["video_name"]
    intent = claims.Intent(lambda record: why_due(record, run.args.force), seen)
    with run.report.outcome_of(name), run.claimed(name, intent) as job:
        count = load_video(db, job, anew=run.args.force)
        cli.say(f"{name}: {job.claim.reason}: {count} segments")


def load_video(db: ChromaDBManager, job: jobs.Job, anew: bool) -> int:
    """Embed a video's segments, put them in place of the old ones, and mark it loaded; how many there are."""
    inputs = job.inputs()
    segments, summary = described(inputs[PHASE2.key]), inputs.get(PHASE4.key)
    embedder = db.embedder
    with Progress(job.video_name, len(segments), "segments") as progress:
        vectors = db.embed_segments(segments, lambda done, total: progress.to(done), anew=anew)
        whole = db.whole_videos.embedded(summary, embedder, anew) if summary else None
    with db.session():
        record = job.claim.check()
        if db.embedder is not embedder:
            raise UserError("the collection was rebuilt with another embedder meanwhile; run again")
        count = db.add_segments(record["video_path"], segments, video_name=job.video_name, embeddings=vectors)
        if summary and whole is not None:
            db.whole_videos.put(summary, record["video_path"], whole, by=embedder)
        else:
            db.whole_videos.delete({"video_name": job.video_name})
        job.complete(count, db_load_made_by=json.dumps({"embedder": db.embedder.name, "model": db.embedder.model}))
    return count


if __name__ == "__main__":
    cli.leave(main())
