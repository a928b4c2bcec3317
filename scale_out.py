"""Scale out: the stages' scripts over all CPUs and GPUs of this machine, or of several.

In:   what the stages read: videos_config.json, the videos, data/, the database.
Out:  what they write.

    python scale_out.py                                          all stages, on this machine
    python scale_out.py --stages phase1,phase2 --whisper-model large-v3 --analyzer vllm --gpus 1
    python scale_out.py --address 10.0.0.1 --chroma-url http://10.0.0.1:8000
                                                                 on the machines that cluster.py has joined

Each slot is a process that keeps its engines and does one stage of one video at a time, the longest videos first; it
goes by the same claims and records as the stages' scripts, which may run beside it. Options of the stages are passed on
to those that know them. Ctrl-C ends all of it in seconds; the same command goes on. A worker or machine that dies is
told, and its videos are gone on with elsewhere; --force then counts for what was not begun. Several machines:
docs/many-machines.md.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import load_data_to_chroma
import phase1_whisper_frames
import phase2_vllm_analysis
import phase4_video_summary
from db_manager import ChromaDBManager
from videotag import cli
from videotag.analyzers.engines import load_analyzer
from videotag.cluster import machines
from videotag.cluster.lineup import Lineup
from videotag.cluster.placing import HeadGone, Placing, Share
from videotag.cluster.screen import Far, Screen
from videotag.cluster.slots import Work
from videotag.config import load_videos
from videotag.embedders.engines import load_embedder
from videotag.errors import UserError
from videotag.speech.engines import knows, load_transcriber
from videotag.stages import LOAD, PHASE1, PHASE2, PHASE4, Stage
from videotag.summaries.engines import load_summarizer

BYTES_A_SECOND = 500_000  # of a video that nobody has looked into: a guess, for the order only
NAMES_AT_ONCE = 1000  # whose records are read
TRIED_VIDEOS = 3  # are opened on every machine
PATIENCE = 60.0  # seconds for a machine to try its folders


@dataclass(frozen=True)
class Script:
    """A stage, the script that does it, and what builds its engine."""

    stage: Stage
    module: Any  # has `options` and `work`, as the stages' scripts
    load: Callable[..., Any]


SCRIPTS = {
    "phase1": Script(PHASE1, phase1_whisper_frames, load_transcriber),
    "phase2": Script(PHASE2, phase2_vllm_analysis, load_analyzer),
    "phase4": Script(PHASE4, phase4_video_summary, load_summarizer),
    "load": Script(LOAD, load_data_to_chroma, load_embedder),
}
"""By their names in --stages, in the order in which they are done."""


def main(argv: list[str] | None = None, scripts: Mapping[str, Script] = SCRIPTS) -> int:
    args, rest = options().parse_known_args(argv)
    report = cli.Report("scale-out", args.debug)
    return cli.run(lambda args: work(args, rest, scripts, report), args, report)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    parser.allow_abbrev = False  # another stage's option may begin like one of these
    placing = parser.add_argument_group("placing")
    every = ",".join(SCRIPTS)
    placing.add_argument("--stages", default=every, metavar="LIST", help=f"those to do ({every})")
    placing.add_argument("--address", metavar="IP", help="of the cluster's first machine (none: here alone)")
    keys = f"with the token and the certificates of the cluster ({machines.KEYS})"
    placing.add_argument("--keys", type=Path, default=machines.KEYS, metavar="FOLDER", help=keys)
    placing.add_argument("--cpus", type=positive, default=4.0, metavar="N", help="for a slot (4)")
    placing.add_argument("--gpus", type=positive, default=0.0, metavar="N", help="for a slot; 0.5: two share one (0)")
    placing.add_argument("--memory", type=positive, default=3.0, metavar="GB", help="for a slot (3)")
    return parser


def positive(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return value


def work(args: argparse.Namespace, rest: list[str], scripts: Mapping[str, Script], report: cli.Report) -> int:
    works = works_of(args, rest, scripts)
    steps = due(works, report)
    db = ChromaDBManager(args.db, chroma_url=args.chroma_url)
    if args.dry_run or not steps:
        return report.finish(args.data_dir)
    videos = paths(works)
    lineup = Lineup(steps, lengths(db, steps, videos))
    some = [videos[name] for name in steps if name in videos and os.path.exists(videos[name])][:TRIED_VIDEOS]
    ray = machines.connect(args.address, args.keys)
    try:
        holder = machines.only_one(ray)
        share = Share(args.cpus, args.gpus, int(args.memory * 2**30))
        tried = checker(ray, args, some)
        placing = Placing(ray, works, lineup, share, tried, args.debug)
        placing.to_the_end(Screen(len(lineup), sys.stdout.isatty(), Far(db, args.data_dir)))
        del holder
    except HeadGone as error:
        cli.complain(f"{error}; start cluster.py there again, then the same command goes on")
        os._exit(cli.SOME_FAILED)  # Ray would wait for it for a minute, and end the process without a word
    finally:
        ray.shutdown()
    report.done += [name for name in steps if name not in placing.failed]
    report.failed += list(placing.failed.items())
    return report.finish(args.data_dir)


def works_of(args: argparse.Namespace, rest: list[str], scripts: Mapping[str, Script]) -> dict[str, Work]:
    """What each stage that was asked for is to do, by its key; each takes of the command line what it knows."""
    asked = [name.strip() for name in args.stages.split(",")]
    if unknown := [name for name in asked if name not in scripts]:
        raise UserError(f"--stages {unknown[0]}: no such stage; there are {', '.join(scripts)}")
    common = {name: vars(args)[name] for name in ("db", "chroma_url", "only", "force", "dry_run", "debug")}
    # Workers stand in other folders.
    common |= {"data_dir": args.data_dir.resolve(), "db": str(Path(args.db).resolve())}
    made: dict[str, Work] = {}
    nobodys: set[str] | None = None
    for name, script in scripts.items():
        if name not in asked:
            continue
        parser = script.module.options()
        parser.allow_abbrev = False
        own, left = parser.parse_known_args(rest)
        nobodys = set(left) if nobodys is None else nobodys & set(left)
        for key, value in {**vars(own), **common}.items():
            setattr(own, key, value.resolve() if isinstance(value, Path) else value)
        if getattr(own, "rebuild", False):
            raise UserError("--rebuild: makes all vectors anew at once: python load_data_to_chroma.py --rebuild")
        made[script.stage.key] = Work(script.stage.title, script.module.work, script.load, own)
    if wrong := [word for word in rest if word in (nobodys or ())]:
        raise UserError(f"{wrong[0]}: no stage of {args.stages} has such an option")
    return made


def due(works: Mapping[str, Work], report: cli.Report) -> dict[str, list[str]]:
    """For each video that is due for a stage: that stage, and those after it. As the scripts' --dry-run says."""
    keys, steps = list(works), {}
    for number, (_key, stage) in enumerate(works.items()):
        args = argparse.Namespace(**{**vars(stage.args), "dry_run": True})
        dry = cli.Report(stage.title)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            stage.work(args, stage.load, dry)
        names = dry.skipped.get("dry run", [])
        if stage.args.dry_run:
            cli.say(f"{stage.title}: {len(names)} videos")
        for name in names:
            steps.setdefault(name, keys[number:])
        for why, others in dry.skipped.items():
            if why not in ("dry run", "done before") and number == 0:
                report.skipped.setdefault(why, []).extend(others)
    return steps


def paths(works: Mapping[str, Work]) -> dict[str, str]:
    """Where the videos of the list lie, if a stage reads the list."""
    if PHASE1.key not in works:
        return {}
    return {video.name: video.path for video in load_videos(works[PHASE1.key].args.config, knows)}


def lengths(db: ChromaDBManager, names: Iterable[str], videos: Mapping[str, str]) -> dict[str, float]:
    """In seconds, as the records have them; of new videos a guess by their size."""
    found: dict[str, float] = {}
    asked = list(names)
    for start in range(0, len(asked), NAMES_AT_ONCE):
        for record in db.list_videos({"video_name": asked[start : start + NAMES_AT_ONCE]}):
            found[record["video_name"]] = record.get("video_duration", 0.0)
    for name in asked:
        if not found.get(name) and name in videos:
            with contextlib.suppress(OSError):
                found[name] = os.path.getsize(videos[name]) / BYTES_A_SECOND
    return found


def checker(ray: Any, args: argparse.Namespace, videos: list[str]) -> Callable[[dict[str, Any]], None]:
    """Tries the folders of machines; a database in a folder is for one machine."""

    def tried(keepers: dict[str, Any]) -> None:
        if len(keepers) > 1 and not args.chroma_url:
            remedy = "start a server (chroma run) and name it by --chroma-url"
            raise UserError(f"{args.db}: a database in a folder is for one machine, this cluster has more; {remedy}")
        machines.try_folders(ray, keepers, args.data_dir.resolve(), videos, PATIENCE)

    return tried


if __name__ == "__main__":
    cli.leave(main())
