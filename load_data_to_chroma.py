"""Load: the analyzed segments, and what phase 4 says of whole videos, into the search collections.

In:   the database's list of videos, data/{video}_phase2_vllm_analysis.json, and data/{video}_phase4_summary.json where
      it is there; where there is a model for pictures, data/{video}_phase1_data.pkl and the video too.
Out:  the collections video_segments, video_summaries and video_frames, which test_search.py asks; the vectors of the
      frames also as data/{video}_frame_vectors.npz; and the state in the database (video_files).

    python load_data_to_chroma.py                       all videos that are due
    python load_data_to_chroma.py --only news --force   this one, again
    python load_data_to_chroma.py --rebuild --embedder onnx --embedding-model bge-m3
                                                        everything under another embedder
    python load_data_to_chroma.py --frame-embedder siglip2 what is seen as well, by siglip2-base-patch16-224 (models.py)
    python load_data_to_chroma.py --dry-run             what would run, and why

Loading again replaces what there is of a video; who searches meanwhile finds the old ones or the new ones,
never none.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

from db_manager import ChromaDBManager
from videotag import artifacts, claims, cli, frame_vectors, frames, jobs, model_shelf, stages
from videotag.embedders.contract import DEFAULT_EMBEDDER, Embedder
from videotag.embedders.engines import EMBEDDERS, load_embedder
from videotag.embedders.pictures.contract import FrameEmbedder
from videotag.embedders.pictures.engines import FRAME_EMBEDDERS, load_frame_embedder
from videotag.embedders.pictures.making import made
from videotag.embedders.pictures.siglip2 import Siglip2
from videotag.errors import UserError
from videotag.frame_vectors import FrameVectors
from videotag.progress import Progress
from videotag.search.typical import typical
from videotag.segments import described
from videotag.stages import LOAD, PHASE1, PHASE2, PHASE4

NO_SEGMENTS = "its segments are not in the database"
NO_SUMMARY = "its summary is not in the database"
OUTDATED = "what is searched has changed"
NONE = "none"  # of the frame embedders


LoadFrames = Callable[[str, str | None], FrameEmbedder]


def main(
    argv: list[str] | None = None,
    load: Callable[..., Embedder] = load_embedder,
    load_frames: LoadFrames = load_frame_embedder,
) -> int:
    args = options().parse_args(argv)
    report = cli.Report("load", args.debug)
    return cli.run(lambda args: work(args, load, report, load_frames), args, report)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    vectors = parser.add_argument_group("vectors")
    engine = f"the engine (the one the collection was made with; a new one: {DEFAULT_EMBEDDER})"
    vectors.add_argument("--embedder", choices=list(EMBEDDERS), help=engine)
    vectors.add_argument("--embedding-model", metavar="MODEL", help="onnx, sentence-transformers: name or folder")
    again = "make all vectors again, with the embedder named or the default one"
    vectors.add_argument("--rebuild", action="store_true", help=again)
    pictures = parser.add_argument_group("vectors of frames, for a search by what is seen")
    engine = f"the engine (the one the collection was made with; a new one: {Siglip2.name}, if its model is here)"
    pictures.add_argument("--frame-embedder", choices=[*FRAME_EMBEDDERS, NONE], help=engine)
    pictures.add_argument("--frame-model", metavar="MODEL", help="a name or a folder")
    return parser


def work(
    args: argparse.Namespace,
    load: Callable[..., Embedder],
    report: cli.Report,
    load_frames: LoadFrames = load_frame_embedder,
) -> int:
    embedder = chosen_embedder(args, load)
    db = ChromaDBManager(args.db, chroma_url=args.chroma_url, embedder=embedder, load=load)
    seen = Frames(db, args, chosen_frame_embedder(db, args, load_frames))
    if args.rebuild and args.dry_run:
        by = args.embedder or DEFAULT_EMBEDDER
        cli.say(f"would make the vectors of {db.count_segments()} segments again, by {by}")
    elif args.rebuild:
        rebuild(db, embedder or load(DEFAULT_EMBEDDER, None))
    elif not args.dry_run and db.whole_videos.stamp() not in (None, db.stamp()):
        db.whole_videos.rebuild(db.embedder)  # where one was killed between the two collections
        cli.say(f"rebuilt the summaries, too, with {db.embedder.name}, model {db.embedder.model}")
    seen.make_others_anew()
    run = jobs.Run(db, LOAD, args, report)
    with db.session():
        # A collection was lost, whatever the records say, or its documents are made in another way now.
        again = NO_SEGMENTS if db.count_segments() == 0 else OUTDATED if db.is_outdated() else None
        again = again or (None if db.whole_videos.count() else NO_SUMMARY)
        if again and not args.dry_run:
            mark_again(db, again)
            again = None  # the records say so now
        finished_too = bool(seen.missing() or again)
        due = run.due(lambda record: why_due(record, args.force, again) or seen.lacking(record), finished_too)
    if args.embedder and not args.rebuild:
        _ = db.embedder  # refuses another one than before, though nothing may be due
    if due:
        cli.say(f"vectors by {db.embedder.name}, model {db.embedder.model}")
        cli.say(f"vectors of frames: {seen.by_whom()}")
    run.mark(due, lambda: db.embedder)
    for record in due:
        one(run, db, record, seen)
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


def one(run: jobs.Run, db: ChromaDBManager, record: stages.Record, seen: "Frames") -> None:
    """Load one video that is due, and note how it ended. `record`: its own as it was when the run began."""
    name = record["video_name"]
    intent = claims.Intent(lambda record: why_due(record, run.args.force) or seen.lacking(record), record)
    with run.report.outcome_of(name), run.claimed(name, intent) as job:
        count, pictures = load_video(db, job, seen, anew=run.args.force)
        cli.say(f"{name}: {job.claim.reason}: {count} segments{f', {pictures} frames' if pictures else ''}")


def load_video(db: ChromaDBManager, job: jobs.Job, seen: "Frames", anew: bool) -> tuple[int, int]:
    """Embed a video, put it in place of what there was, and mark it loaded; how many segments and frames there are."""
    inputs = job.inputs()
    segments, summary = described(inputs[PHASE2.key]), inputs.get(PHASE4.key)
    embedder = db.embedder
    with Progress(job.video_name, len(segments), "segments") as progress:
        vectors = db.embed_segments(segments, lambda done, total: progress.to(done), anew=anew)
        whole = db.whole_videos.embedded(summary, embedder, anew) if summary else None
    pictures = seen.of_video(job.claim.record, inputs[PHASE2.key]["segments"])
    with db.session():
        record = job.claim.check()
        if db.embedder is not embedder:
            raise UserError("the collection was rebuilt with another embedder meanwhile; run again")
        count = db.add_segments(record["video_path"], segments, video_name=job.video_name, embeddings=vectors)
        if summary and whole is not None:
            db.whole_videos.put(summary, record["video_path"], whole, by=embedder)
        else:
            db.whole_videos.delete({"video_name": job.video_name})
        db.pictures.put(job.video_name, pictures)
        loaded_by = None if pictures is None else who(pictures.engine, pictures.model)
        made_by = json.dumps({"embedder": db.embedder.name, "model": db.embedder.model})
        job.complete(count, db_load_made_by=made_by, db_load_frames=seen.maker or loaded_by)
    return count, len(pictures or ())


# --- what is seen


def chosen_frame_embedder(
    db: ChromaDBManager, args: argparse.Namespace, load_frames: LoadFrames
) -> FrameEmbedder | None:
    """The one that was named, else the one that made the collection, else SigLIP 2 where its model is here.

    Raises:
        UserError: it cannot be had.
    """
    if args.frame_model and args.frame_embedder in (None, NONE):
        raise UserError(f"--frame-model: name the engine too: --frame-embedder {' or '.join(FRAME_EMBEDDERS)}")
    if args.frame_embedder:
        return None if args.frame_embedder == NONE else load_frames(args.frame_embedder, args.frame_model)
    if stamp := db.pictures.stamp():
        try:
            return load_frames(stamp["embedder"], stamp["model"])
        except UserError as error:
            raise UserError(f"{error}; or --frame-embedder {NONE}, to leave out what is seen") from error
    return load_frames(Siglip2.name, None) if model_shelf.is_there(Siglip2.DEFAULT_MODEL) else None


def who(engine: str, model: str) -> str:
    """Who makes, or made, vectors of frames, as a record says it."""
    return f"{engine} {model}"


class Frames:
    """The vectors of the videos' frames: kept in data/, each video's whole, and made where they are missing there."""

    def __init__(self, db: ChromaDBManager, args: argparse.Namespace, embedder: FrameEmbedder | None) -> None:
        self._db, self._args, self._embedder = db, args, embedder
        self.maker = who(embedder.name, embedder.model) if embedder else None
        self._lost: set[str] = set()

    def by_whom(self) -> str:
        """Loads what pictures need, so that it is told before the first video what fails.

        Raises:
            UserError: it cannot be loaded.
        """
        if self._embedder is None:
            get = f"python3 run.py models get {Siglip2.DEFAULT_MODEL}"
            return "none" if self._args.frame_embedder else f"none, no model for pictures is here ({get})"
        return f"{self._embedder.name}, model {self._embedder.model}, {self._embedder.dimension} numbers each"

    def missing(self) -> list[str]:
        """The videos that were loaded without vectors of frames that could be made now, or whose are lost."""
        if self.maker is None:
            return []
        if self._db.pictures.stamp() is None:
            self._lost = set(self._db.video_names({"db_load_frames": self.maker}))
            for name in self._lost if not self._args.dry_run else ():
                self._db.update_video_status(name, db_load_frames=None)
        loaded = self._db.video_names({"db_load_status": "completed"}, without={"db_load_frames": self.maker})
        return [name for name in {*loaded, *self._lost} if self._is_in_data(name)]

    def lacking(self, record: stages.Record) -> str | None:
        """Why a video that was loaded is to be loaded again, or None."""
        then = None if self._args.dry_run and record["video_name"] in self._lost else record.get("db_load_frames")
        if (
            self.maker in (None, then)
            or LOAD.status(record) != "completed"
            or not self._is_in_data(record["video_name"])
        ):
            return None
        return f"its frames have vectors of {then}" if then else "its frames have no vectors"

    def make_others_anew(self) -> None:
        """Where another model made the collection: make the vectors of all loaded videos, and put them in its place."""
        stamp = self._db.pictures.stamp()
        if not stamp or self._embedder is None or who(stamp["embedder"], stamp["model"]) == self.maker:
            return
        then = f"{stamp['embedder']}, model {stamp['model']}"
        names = self._db.video_names({"db_load_status": "completed"})
        if self._args.dry_run:
            cli.say(f"would make the vectors of the frames of {len(names)} videos again, by {self.maker}, not {then}")
            return
        cli.say(f"making the vectors of frames again, by {self.by_whom()}, not {then}")
        found = {}
        for record in self._db.list_videos({"video_name": names}):
            analyzed = artifacts.read(PHASE2, artifacts.path_of(PHASE2, self._args.data_dir, record["video_name"]))
            if pictures := self.of_video(record, analyzed["segments"] if analyzed else []):
                found[record["video_name"]] = pictures
        with self._db.session():
            self._db.pictures.put_all(found)
            for name in self._db.video_names({"video_name": names}):
                self._db.update_video_status(name, db_load_frames=self.maker)

    def of_video(self, record: stages.Record, analyzed: list[dict[str, Any]]) -> FrameVectors | None:
        """The vectors of a video's frames; None where there are none and none can be made.

        `analyzed`: the segments of the result of phase 2.
        """
        name, data_dir = record["video_name"], self._args.data_dir
        path = frame_vectors.path_of(data_dir, name)
        found = frame_vectors.read(path)
        made_of = frames.made_of(str(record.get("phase1_result")), analyzed)
        if found and found.made_of != made_of:
            found = None
        if self._embedder is None:
            stamp = self._db.pictures.stamp()
            others = found and stamp and who(stamp["embedder"], stamp["model"]) != who(found.engine, found.model)
            return None if others else found or None
        if found and who(found.engine, found.model) == self.maker:
            return found
        heard = artifacts.read(PHASE1, artifacts.path_of(PHASE1, data_dir, name))
        if heard is None or heard["result_id"] != record.get("phase1_result"):
            cli.say(f"{name}: its frames are not in {data_dir} any more: what is seen in it will not be found")
            return None
        footage = frames.footage(heard, analyzed, record["video_path"])
        with Progress(f"{name}: frames", len(footage), "frames") as progress:
            found = made(self._embedder, footage.frames(), made_of, progress.to)
        frame_vectors.write(path, found)
        return found

    def _is_in_data(self, video_name: str) -> bool:
        paths = [artifacts.path_of(stage, self._args.data_dir, video_name) for stage in (PHASE1, PHASE2)]
        return all(path.is_file() for path in paths)


if __name__ == "__main__":
    cli.leave(main())
