"""Phase 1: what is said in each video, and what is to be seen in it.

In:   videos_config.json, the list of videos (never written to), and the videos.
Out:  data/{video}_phase1_data.pkl, and each video's record in the database (video_files).

    python phase1_whisper_frames.py                             all videos that are due
    python phase1_whisper_frames.py --only news --force         this one, again
    python phase1_whisper_frames.py --whisper-model large-v3    a better ear; videos heard with another one are due
    python phase1_whisper_frames.py --dry-run                   what would run, and why

A video is cut into segments of 50 s, each beginning 35 s after the last. Speech is transcribed once for the whole file
and its words are dealt out to the segments; each segment gets six frames. Run it as often as you like: it does what is
due and nothing else, goes on where it was stopped, and leaves alone what another process works on.
"""

import argparse
import dataclasses
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from db_manager import ChromaDBManager
from videotag import artifacts, claims, cli, segments, stages
from videotag.config import Video, load_videos
from videotag.errors import EngineError, UserError
from videotag.media import pictures, probe, sound
from videotag.options import add_options, named_options, options_of
from videotag.progress import Progress
from videotag.segments import Windows
from videotag.speech.engines import TRANSCRIBERS, knows, load_transcriber
from videotag.speech.openai_whisper import OpenAIWhisper
from videotag.speech.words import DEFAULT_MODEL, DEFAULT_TRANSCRIBER, Transcriber, Transcription, Word
from videotag.stages import LOAD, PHASE1
from videotag.times import now

log = logging.getLogger("videotag")

STRETCH_SECONDS = 300.0
"""Speech is kept after each stretch of about this length: the most that a crash costs."""
FRAME_BATCH = 48

Engine = Callable[[], Transcriber]  # gives the engine, built at the first call

DEFAULTS = {
    "transcriber": DEFAULT_TRANSCRIBER,
    "model": DEFAULT_MODEL,
    "sequential": False,
    "segment_seconds": segments.SEGMENT_SECONDS,
    "overlap_seconds": segments.OVERLAP_SECONDS,
    "frames_per_segment": segments.FRAMES_PER_SEGMENT,
}
OPTIONS = {setting: f"--{setting.replace('_', '-')}" for setting in DEFAULTS} | {"model": "--whisper-model"}


@dataclasses.dataclass(frozen=True)
class Job:
    """One video to be done: its entry, what the file is, its state, the windows, and the settings asked for."""

    video: Video
    media: probe.Media
    source: dict[str, Any]
    settings: dict[str, Any]
    result: Path

    @property
    def cut(self) -> Windows:
        return windows_of(self.settings)

    @property
    def windows(self) -> list[segments.Window]:
        return segments.windows(self.media.duration, self.cut)

    @property
    def header(self) -> dict[str, Any]:
        """What a `.part` file must have been made under to be gone on with."""
        header = {
            "stage": "phase1",
            "format": artifacts.FORMAT,
            "source": self.source,
            "language": self.video.language,
            **self.settings,
        }
        if self.settings["transcriber"] == OpenAIWhisper.name:  # has no such option; older versions wrote it as named
            header |= {"sequential": (artifacts.part_header(self.result) or header).get("sequential")}
        return header


@dataclasses.dataclass(frozen=True)
class Run:
    """What is the same for all videos of a run."""

    db: ChromaDBManager
    args: argparse.Namespace
    named: dict[str, Any]
    settings: dict[str, Any]
    engine: Engine
    report: cli.Report


def main(argv: list[str] | None = None, load: Callable[..., Transcriber] = load_transcriber) -> int:
    args = options().parse_args(argv)
    return cli.run(lambda args: work(args, load), args)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    parser.add_argument("--config", type=Path, default=Path("videos_config.json"), metavar="FILE", help="the list")
    speech = parser.add_argument_group("speech")
    speech.add_argument("--transcriber", choices=list(TRANSCRIBERS), help=f"the engine ({DEFAULT_TRANSCRIBER})")
    add_options(speech, TRANSCRIBERS)
    cut = parser.add_argument_group("segments")
    cut.add_argument("--segment-seconds", type=float, metavar="S", help=f"length ({segments.SEGMENT_SECONDS:g})")
    cut.add_argument("--overlap-seconds", type=float, metavar="S", help=f"overlap ({segments.OVERLAP_SECONDS:g})")
    cut.add_argument(
        "--frames-per-segment", type=int, metavar="N", help=f"frames in each ({segments.FRAMES_PER_SEGMENT})"
    )
    return parser


def work(args: argparse.Namespace, load: Callable[..., Transcriber]) -> int:
    named = {key: getattr(args, key) for key in DEFAULTS if getattr(args, key) is not None}
    settings = {**DEFAULTS, **named}
    told = options_of("transcriber", settings["transcriber"], TRANSCRIBERS, named_options(args, TRANSCRIBERS))
    settings |= {key: value for key, value in dataclasses.asdict(told).items() if key in DEFAULTS}
    windows_of(settings)
    videos = load_videos(args.config, knows)
    asked_for = cli.chosen((video.name for video in videos), args.only)
    videos = [video for video in videos if asked_for(video.name)]
    db = ChromaDBManager(args.db, chroma_url=args.chroma_url)
    report = cli.Report("phase 1", str(args.data_dir), args.debug)
    # Built when the first video needs it: a run with nothing to do loads none.
    engine = cache(lambda: _loaded(load, settings["transcriber"], told))
    run = Run(db, args, named, settings, engine, report)
    done = set() if named or args.force else done_before(db, videos)
    changed = {video.name: video for video in videos if video.name not in done}
    records = {record["video_name"]: record for record in db.list_videos({"video_name": list(changed)})}
    reasons = {name: why_due(video, records.get(name, {}), named, args.force) for name, video in changed.items()}
    due = {name: records.get(name, {}) for name, reason in reasons.items() if reason}
    if not args.dry_run:
        remember_entries(db, [changed[name] for name in changed.keys() - due.keys()], records)
        asked = due if args.force or named else {}
        finished = [r for name, r in asked.items() if PHASE1.status(r) == "completed" and usable(changed[name].path)]
        if finished:
            engine()  # one that cannot be had is told before a record says that finished work is due again
        if args.force:
            claims.mark_forced(db, PHASE1, finished, named)
            args.marked = True
    faults: dict[str, tuple[Video, str]] = {}
    for video in videos:
        if video.name not in due:
            report.skip(video.name, "done before")
        elif args.dry_run:
            cli.say(f"{video.name}: would run: {reasons[video.name]}")
            report.skip(video.name, "dry run")
        elif fault := one(run, video, due[video.name]):
            faults[video.name] = (video, fault)
    record_faults(db, faults, records)
    return report.finish()


def done_before(db: ChromaDBManager, videos: list[Video]) -> set[str]:
    """Videos that are done and whose entry and file have not changed: found by one key each, among thousands."""
    keys = []
    for video in videos:
        with suppress(UserError):  # a file that cannot be seen
            keys.append(state_key(video, artifacts.source_of(video.path)))
    return set(db.video_names({"phase1_status": "completed", "phase1_key": keys}))


def usable(path: str) -> bool:
    """Whether there is a file that can be done again: of one that is gone, what is done stays done."""
    try:
        return bool(probe.probe(path))
    except UserError:
        return False


def remember_entries(db: ChromaDBManager, videos: list[Video], records: dict[str, dict[str, Any]]) -> None:
    """Write down the entries of finished videos that have changed in nothing that matters: a `force_reprocess` taken
    back, which counts again when it is set the next time."""
    changes: dict[str, dict[str, Any]] = {}
    for video in videos:
        if records[video.name].get("config_hash") != video.config_hash:
            with suppress(UserError):  # a file that cannot be seen
                key = state_key(video, artifacts.source_of(video.path))
                changes[video.name] = {"video_path": video.path, "config_hash": video.config_hash, "phase1_key": key}
    if changes:
        db.create_or_update_video_files(changes)


def state_key(video: Video, source: dict[str, Any]) -> str:
    """The entry and the file's state, in one value that the database can look for."""
    return f"{video.config_hash} {source['size']} {source['mtime_ns']}"


def why_due(video: Video, record: stages.Record, named: dict[str, Any], force: bool) -> str | None:
    """Why phase 1 is due for a video, or None."""
    if not record:
        return stages.FORCED[0] if force else "new"
    try:
        source = artifacts.source_of(video.path)
    except UserError:
        source = {}  # what is done stays done when its file is taken away
    made_by = json.loads(record.get("phase1_made_by", "{}"))
    reason = stages.due(PHASE1, record, named, made_by, force)
    changed = stages.source_due(record, entry_fields(video), source)
    # A change of the list or the file tells more than that the work was stopped.
    return reason if reason in stages.FORCED or changed is None else changed


def one(run: Run, video: Video, seen: stages.Record) -> str | None:
    """Do one video that is due, and note how it ended; the fault of a file that cannot be used.

    Args:
        seen: the video's record as it was when the run began.
    """
    try:
        source, info = artifacts.source_of(video.path), probe.probe(video.path)
    except UserError as error:
        run.report.fail(video.name, error)
        return str(error)
    args, named = run.args, run.named
    job = Job(video, info, source, run.settings, artifacts.path_of(PHASE1, args.data_dir, video.name))
    intent = claims.Intent(
        lambda record: why_due(video, record, named, args.force), seen, lambda: create_record(run.db, job), named
    )
    with run.report.outcome_of(video.name):
        with claims.claim(run.db, args.data_dir, PHASE1, video.name, intent) as claim:
            cli.say(f"{video.name}: {claim.reason}")
            artifacts.sweep(job.result)
            count = take_over(job, claim, named)
            if count is None:
                if not args.force:
                    artifacts.refuse_to_drop(job.result, job.header, ("source", "language"), OPTIONS, named)
                count = make(job, claim, run.engine, args.force)
        run.report.done.append(video.name)
        cli.say(f"{video.name}: {count} segments in {job.result}")
    return None


def take_over(job: Job, claim: claims.Claim, named: dict[str, Any]) -> int | None:
    """Use the result in data/ if it was made of this very file as is asked for now; how many segments."""
    if claim.forced:
        return None
    found = artifacts.read(PHASE1, job.result)
    if found is None or found["source"] != job.source or found["language"] != job.video.language:
        return None
    if stages.changed_setting(named, found["made_by"]):
        return None
    made_under = dataclasses.replace(job, settings={setting: found["made_by"].get(setting) for setting in DEFAULTS})
    artifacts.drop_part_of(job.result, made_under.header, ("source", "language"))
    complete(claim, found, again=False)
    cli.say(f"{job.video.name}: taken over from {job.result}")
    return len(found["segments"])


def make(job: Job, claim: claims.Claim, engine: Engine, anew: bool) -> int:
    """Hear and look, write the result, mark it completed; how many segments."""
    if anew or artifacts.part_header(job.result) not in (None, job.header):
        engine()  # one that cannot be had is told before unfinished work is dropped
    if anew:
        artifacts.drop_part(job.result)
    part = artifacts.Part(artifacts.part_path(job.result), job.header)
    try:
        made_by = hear(job, claim, part, engine)
        look(job, claim, part)
        result = assemble(job, part.records, made_by)
    finally:
        part.close()
    with artifacts.draft(job.result, result) as draft:
        complete(claim, {**result, "result_id": draft.result_id}, again=True, draft=draft)
    return len(result["segments"])


def hear(job: Job, claim: claims.Claim, part: artifacts.Part, engine: Engine) -> dict[str, Any]:
    """Transcribe what is not yet in `part`, stretch by stretch. Returns what made the words."""
    done = [record for record in part.records if record["kind"] == "speech"]
    if any(record["last"] for record in done):
        return done[-1]["made_by"]
    start = done[-1]["end"] if done else 0.0
    language = next((record["heard_language"] for record in done if record["heard_language"]), None)
    if job.video.language != "auto":
        language = job.video.language
    warn_of_too_small_a_model(job)
    made_by: dict[str, Any] = done[-1]["made_by"] if done else {}
    with Progress(f"{job.video.name}: speech", job.media.duration, "s", start) as progress:
        for first, audio in sound.stretches(job.video.path, start, STRETCH_SECONDS):
            said = cli.in_background(partial(transcribed, engine, progress, first, audio, language))
            claim.alive()
            made_by = engine().made_by
            start = first + len(audio) / sound.SAMPLE_RATE
            part.append(speech_record(said, first, start, made_by))
            language = language or said.language
            progress.to(start)
    # A video without sound was heard by nobody, yet its result says what would have.
    part.append(speech_record(None, start, start, made_by or job.settings))
    return made_by or job.settings


def warn_of_too_small_a_model(job: Job) -> None:
    doubt = TRANSCRIBERS[job.settings["transcriber"]].doubt(job.settings["model"], job.video.language)
    if job.media.has_audio and doubt:
        log.warning("%s: %s", job.video.name, doubt)


def transcribed(engine: Engine, progress: Progress, first: float, audio: Any, language: str | None) -> Transcription:
    return engine().transcribe(audio, language, lambda seconds: progress.to(first + seconds))


def speech_record(said: Any, first: float, end: float, made_by: dict[str, Any]) -> dict[str, Any]:
    """A stretch of speech, as kept in the `.part` file; None said: nothing comes after it."""
    words = said.words if said else ()
    return {
        "kind": "speech",
        "last": said is None,
        "end": end,
        "heard_language": said.language if said else None,
        "language_probability": said.language_probability if said else 0.0,
        "words": [
            [word.text, round(first + word.start, 3), round(first + word.end, 3), round(word.probability, 4)]
            for word in words
        ],
        "made_by": made_by,
    }


def look(job: Job, claim: claims.Claim, part: artifacts.Part) -> None:
    """Decode the frames that are not yet in `part`, batch by batch."""
    if not job.media.has_video:
        return
    wanted = sorted({time for window in job.windows for time in segments.frame_times(window, job.cut.frames)})
    done = {frame[0] for record in part.records if record["kind"] == "frames" for frame in record["frames"]}
    left = [time for time in wanted if time not in done]
    with Progress(f"{job.video.name}: frames", len(wanted), "frames", len(done)) as progress:
        for batch in pictures.batches(pictures.pictures(job.video.path, left), FRAME_BATCH, progress.add):
            claim.alive()
            part.append({"kind": "frames", "frames": [[p.asked, p.time, p.jpeg] for p in batch]})


def assemble(job: Job, records: list[dict[str, Any]], made_by: dict[str, Any]) -> dict[str, Any]:
    """The result of phase 1: speech and frames dealt out to the segments."""
    speech = [record for record in records if record["kind"] == "speech"]
    words = [Word(*word) for record in speech for word in record["words"]]
    heard = next((r for r in speech if r["heard_language"]), {"heard_language": None, "language_probability": 0.0})
    asked = {f[0]: (f[1], f[2]) for r in records if r["kind"] == "frames" for f in r["frames"]}
    frames = dict(sorted(asked.values()))  # frames shared by windows once
    index = {time: number for number, time in enumerate(frames)}
    spoken = job.video.language if job.video.language != "auto" else heard["heard_language"]
    windows = job.windows
    return {
        "video_name": job.video.name,
        "video_path": job.video.path,
        "language": job.video.language,
        "spoken_language": spoken or "",
        "detected_language": heard["heard_language"] or "",
        "language_probability": heard["language_probability"],
        "video_duration": job.media.duration,
        "width": job.media.width,
        "height": job.media.height,
        "fps": job.media.fps,
        "source": job.source,
        "made_by": {**made_by, **job.settings},
        "created_at": now(),
        "frames": [{"time": time, "jpeg": jpeg} for time, jpeg in frames.items()],
        "segments": [
            segment_of(window, words, asked, index, job.cut, last=window is windows[-1]) for window in windows
        ],
    }


def segment_of(
    window: segments.Window,
    words: list[Word],
    asked: dict[float, tuple[float, bytes]],
    index: dict[float, int],
    cut: Windows,
    last: bool,
) -> dict[str, Any]:
    """One segment: its words, and the numbers of its frames in the result's list."""
    inside = segments.words_in(window, words, last)
    times = [asked[time][0] for time in segments.frame_times(window, cut.frames) if time in asked]
    return {
        "segment_index": window.index,
        "start_time": window.start,
        "end_time": window.end,
        "duration": window.end - window.start,
        "transcript": "".join(word.text for word in inside).strip(),
        "words": [dataclasses.asdict(word) for word in inside],
        "frames": list(dict.fromkeys(index[time] for time in times)),
    }


# --- the record in the database


def create_record(db: ChromaDBManager, job: Job) -> None:
    """Make the video's record, or bring it up to date with the list and the file."""
    fields = entry_fields(job.video)
    del fields["force_reprocess"]
    old = db.get_video_status(job.video.name)
    if LOAD.status(old) == "completed" and old["video_path"] != job.video.path:  # the loaded segments say where it was
        fields |= {"db_load_status": "pending", "db_load_reason": "video_path changed"}
    db.create_or_update_video_file(
        video_name=job.video.name,
        video_duration=job.media.duration,
        total_segments=len(job.windows),
        width=job.media.width,
        height=job.media.height,
        fps=job.media.fps,
        source_size=job.source["size"],
        source_mtime_ns=job.source["mtime_ns"],
        phase1_key=state_key(job.video, job.source),
        **fields,
    )


def complete(claim: claims.Claim, result: dict[str, Any], again: bool, draft: artifacts.Draft | None = None) -> None:
    """Mark phase 1 completed. What follows is due again, unless the result is the one it was made of."""
    claim.complete(
        len(result["segments"]),
        draft,
        phase1_result=result["result_id"],
        phase1_made_by=json.dumps(result["made_by"], ensure_ascii=False),
        detected_language=result["detected_language"] or None,
        language_probability=float(result["language_probability"]),
        total_segments=len(result["segments"]),
        **stages.follow_up(PHASE1, claim.record, result["result_id"], again),
    )


def record_faults(db: ChromaDBManager, faults: dict[str, tuple[Video, str]], seen: dict[str, dict[str, Any]]) -> None:
    """Write down which files cannot be used, all at once: a disk that is not there makes thousands of them.

    A record without length and size is made where none is. One whose phase 1 is done stays as it is: so do its results.
    """
    none = {"video_duration": 0.0, "total_segments": 0, "width": 0, "height": 0, "fps": 0.0}
    records = {}
    for name, (video, fault) in faults.items():
        fields = entry_fields(video)
        del fields["force_reprocess"], fields["config_hash"]
        old = seen.get(name, {})
        if PHASE1.status(old) == "completed":
            continue
        attempts = old.get("phase1_attempts", 0) + 1
        known = {} if old else none | fields
        records[name] = {"video_path": video.path} | known | {"phase1_error": fault[:1000], "phase1_attempts": attempts}
    if records:
        db.create_or_update_video_files(records)


def entry_fields(video: Video) -> dict[str, Any]:
    return {
        "video_path": video.path,
        "language": video.language,
        "description": video.description,
        "force_reprocess": video.force_reprocess,
        "config_hash": video.config_hash,
    }


# --- small things


def windows_of(settings: dict[str, Any]) -> Windows:
    try:
        return Windows(settings["segment_seconds"], settings["overlap_seconds"], settings["frames_per_segment"])
    except ValueError as error:
        raise UserError(f"--segment-seconds, --overlap-seconds, --frames-per-segment: {error}") from None


def _loaded(load: Callable[..., Transcriber], name: str, told: Any) -> Transcriber:
    try:
        engine = load(name, told)
    except UserError as error:
        raise EngineError(str(error)) from error
    cli.say(f"speech by {engine.name}, model {told.model}, on {engine.made_by['device']}")
    return engine


if __name__ == "__main__":
    cli.leave(main())
