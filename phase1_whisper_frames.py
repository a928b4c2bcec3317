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
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import cache, cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from db_manager import ChromaDBManager
from videotag import artifacts, claims, cli, content, entries, jobs, renaming, segments, stages
from videotag.config import Video, load_videos, read_names
from videotag.errors import EngineError, UserError
from videotag.media import pictures, probe, sound, tracks
from videotag.media.texts import Texts, texts
from videotag.media.timecode import slate
from videotag.options import add_options, named_options
from videotag.progress import Progress
from videotag.results import Heard, HeardSegment, Settings
from videotag.segments import Window, Windows
from videotag.speech import from_subtitles, voices
from videotag.speech.engines import AUTO, TRANSCRIBERS, Choice, choose_transcriber, knows, load_transcriber
from videotag.speech.faster_whisper import FasterWhisper
from videotag.speech.listening import seconds_by_language
from videotag.speech.openai_whisper import OpenAIWhisper
from videotag.speech.words import DEFAULT_MODEL, Expected, Transcriber, Transcription, Word, words_in
from videotag.stages import LOAD, PHASE1
from videotag.text import composed
from videotag.times import clock, now

log = logging.getLogger("videotag")

STRETCH_SECONDS = 300.0  # speech is kept after each stretch of about this length: the most that a crash costs
FRAME_BATCH = 48
MOST_PLACES = 10  # of speech without words that are named in a line

Engine = Callable[[], Transcriber]  # gives the engine, built at the first call

TOLD = ("transcript_source", "timecode", "frame_rate", "shot_at", "location", "title")
"""Of the result, as it is, in the video's record."""
CUT = dataclasses.asdict(Windows())
DEFAULTS = {"transcriber": AUTO, "model": DEFAULT_MODEL, "sequential": False, **CUT}
OPTIONS = {setting: f"--{setting.replace('_', '-')}" for setting in DEFAULTS} | {"model": "--whisper-model"}


@dataclasses.dataclass(frozen=True)
class Footage:
    """One video to be done: its entry, what the file is, its state, and the settings asked for."""

    video: Video
    media: probe.Media
    source: content.State  # of the file, as it was when these bytes were first done
    key: str  # of the entry and the file as it is
    settings: Settings

    @property
    def windows(self) -> list[Window]:
        return segments.windows(self.media.duration, cut_of(self.settings))

    @cached_property
    def written(self) -> Texts:
        """What the file and those beside it have to read."""
        return cli.in_background(partial(texts, self.video.path, self.video.languages))


def main(argv: list[str] | None = None, load: Callable[..., Transcriber] = load_transcriber) -> int:
    args = options().parse_args(argv)
    report = cli.Report("phase 1", args.debug)
    return cli.run(lambda args: work(args, load, report), args, report)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    parser.add_argument("--config", type=Path, default=Path("videos_config.json"), metavar="FILE", help="the list")
    speech = parser.add_argument_group("speech")
    best = "the engine (auto: for each language the best that is here)"
    speech.add_argument("--transcriber", choices=list(TRANSCRIBERS), help=best)
    add_options(speech, TRANSCRIBERS)
    names = "names that may be said, one a line, beside those of the list; other names make what is done due again"
    speech.add_argument("--names", type=Path, metavar="FILE", help=names)
    cut = parser.add_argument_group("segments")
    cut.add_argument("--segment-seconds", type=float, metavar="S", help=f"length ({CUT['segment_seconds']:g})")
    cut.add_argument("--overlap-seconds", type=float, metavar="S", help=f"overlap ({CUT['overlap_seconds']:g})")
    cut.add_argument(
        "--frames-per-segment", type=int, metavar="N", help=f"frames in each ({CUT['frames_per_segment']})"
    )
    return parser


def work(args: argparse.Namespace, load: Callable[..., Transcriber], report: cli.Report) -> int:
    choice = choose_transcriber(args.transcriber or AUTO, named_options(args, TRANSCRIBERS))
    meant = {**dataclasses.asdict(choice.options), "transcriber": choice.name}
    told = {key: value for key in DEFAULTS if (value := getattr(args, key)) is not None}
    settings = {key: meant.get(key, told.get(key, default)) for key, default in DEFAULTS.items()}
    named = {key: settings[key] for key in told}
    cut_of(settings)  # tells what makes no sense before a video is looked at
    videos = load_videos(args.config, knows)
    if args.names:
        names = read_names(args.names)
        settings["names"] = named["names"] = f"{len(names)} of {digest(names)}"
        videos = [dataclasses.replace(v, names=tuple(dict.fromkeys([*v.names, *names]))) for v in videos]
    asked_for = dict.fromkeys(jobs.chosen([video.name for video in videos], args.only))
    listed, videos = videos, [video for video in videos if video.name in asked_for]
    db = ChromaDBManager(args.db, chroma_url=args.chroma_url)
    # Built when the first video needs it: a run with nothing to do loads none.
    engine = cache(lambda: _loaded(load, choice))
    run = jobs.Run(db, PHASE1, args, report, named, OPTIONS, fields_of)
    done = set() if named or args.force else entries.done_before(db, videos)
    changed = {video.name: video for video in videos if video.name not in done}
    records = {record["video_name"]: record for record in db.list_videos({"video_name": list(changed)})}
    why = {name: why_due(run, video, records.get(name, {})) for name, video in changed.items()}
    reasons = {name: reason for name, reason in why.items() if reason}
    known = entries.same_files(db, listed, [changed[name] for name in reasons], records)
    for name, other in known.twice.items():
        log.warning(entries.told_twice(changed[name], other))
    reasons = {name: entries.why(name, reason, known) for name, reason in reasons.items() if name not in known.twice}
    run.tell(asked_for, reasons, dict.fromkeys(known.twice, "listed twice"))
    if args.dry_run:
        return report.finish(args.data_dir)
    entries.remember(db, [changed[name] for name, reason in why.items() if not reason], records)
    asked = [records[name] for name in reasons if name in records] if args.force or named else []
    run.mark([r for r in asked if PHASE1.status(r) == "completed" and usable(changed[r["video_name"]].path)], engine)
    faults: dict[str, tuple[Video, str]] = {}
    for video in filter(lambda video: video.name in reasons, videos):
        if fault := one(run, video, records.get(video.name, {}), settings, engine, known.before.get(video.name)):
            faults[video.name] = (video, fault)
    record_faults(db, faults, records)
    return report.finish(args.data_dir)


def digest(names: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:8]


def usable(path: str) -> bool:
    """Whether there is a file that can be done again: of one that is gone, what is done stays done."""
    try:
        return bool(probe.probe(path))
    except UserError:
        return False


def why_due(run: jobs.Run, video: Video, record: stages.Record) -> str | None:
    if not record:
        return stages.FORCED[0] if run.args.force else "new"
    entry = {**entries.fields_of(video), "force_reprocess": video.force_reprocess}
    try:
        source = entries.source_by(video, record)
    except UserError:
        source = {}  # what is done stays done when its file is taken away, though nobody sees how the disk spells it
        if composed(video.path) == composed(record["video_path"]):
            entry["video_path"] = record["video_path"]
    reason = run.why_due(record)
    changed = stages.source_due(record, entry, source)
    # A change of the list or the file tells more than that the work was stopped.
    return reason if reason in stages.FORCED or changed is None else changed


def one(
    run: jobs.Run, video: Video, seen: stages.Record, settings: Settings, engine: Engine, before: stages.Record | None
) -> str | None:
    """Do one video that is due, and note how it ended; the fault of a file that cannot be used.

    Args:
        seen: the video's record as it was when the run began.
        before: the record of the name that it had before, if it had one.
    """
    try:
        info, state = probe.probe(video.path), content.looked_into(video.path)
    except UserError as error:
        run.report.fail(video.name, error)
        return str(error)
    footage = Footage(video, info, entries.as_recorded(state, seen), entries.key_of(video, state), settings)
    made_of = {"source": footage.source, "language": video.language, **entries.asked_of(video)}
    why, create = partial(why_due, run, video), partial(create_record, run.db, footage)
    intent = claims.Intent(why, seen, create, run.named)
    with run.report.outcome_of(video.name):
        if before:
            renaming.take_along(run.db, run.args.data_dir, before["video_name"], video, create)
        with run.claimed(video.name, intent, made_of) as job:
            result = job.taken_over() or job.publish(make(footage, job, engine))
            cli.say(f"{video.name}: {len(result['segments'])} segments in {job.path}")
            for line in told(footage, result):
                cli.say(f"{video.name}: {line}")
    return None


def make(footage: Footage, job: jobs.Job, engine: Engine) -> Heard:
    # Unfinished work goes on with other names.
    settings = {key: value for key, value in footage.settings.items() if key != "names"}
    begun = artifacts.part_header(job.path) or settings
    if settings["transcriber"] == OpenAIWhisper.name:
        # It has no such option; older versions wrote it as it was named.
        settings["sequential"] = begun.get("sequential")
    if {begun.get("transcriber"), settings["transcriber"]} == {AUTO, FasterWhisper.name}:
        # A model has come or gone meanwhile: no reason to hear again what was heard.
        settings["transcriber"] = begun["transcriber"]
    with closing(job.part(settings, engine)) as part:
        made_by = hear(footage, job.claim, part, engine)
        look(footage, job.claim, part)
        return assemble(footage, part.records, made_by)


def hear(footage: Footage, claim: claims.Claim, part: artifacts.Part, engine: Engine) -> Settings:
    """Transcribe what is not yet in `part`, stretch by stretch. Returns what made the words."""
    done = [record for record in part.records if record["kind"] == "speech"]
    if any(record["last"] for record in done):
        return done[-1]["made_by"]
    start = done[-1]["end"] if done else 0.0
    expected = Expected(footage.video.languages, footage.video.names, last_language(done))
    if not done and (read := read_instead(footage)):
        part.append(read)
        return read["made_by"]
    made_by: Settings = done[-1]["made_by"] if done else {}
    choice = cli.in_background(partial(heard_track, footage.video, engine))
    if choice.chosen:
        cli.say(f"{footage.video.name}: sound: {choice.text}")
    with Progress(f"{footage.video.name}: speech", footage.media.duration, "s", start) as progress:
        for first, audio in sound.stretches(footage.video.path, start, STRETCH_SECONDS, choice):
            said = cli.in_background(partial(transcribed, engine, progress, first, audio, expected))
            claim.alive()
            made_by = engine().made_by
            start = first + len(audio) / sound.SAMPLE_RATE
            part.append(speech_record(said, first, start, made_by) | {"audio_track": choice.text})
            expected = dataclasses.replace(expected, before=last_language(part.records))
            progress.to(start)
    # A video without sound was heard by nobody, yet its result says what would have.
    part.append(speech_record(None, start, start, made_by or footage.settings) | {"audio_track": choice.text})
    return made_by or footage.settings


def read_instead(footage: Footage) -> dict[str, Any] | None:
    """The speech as subtitles have it, where they are the transcript; a line tells what is doubtful of it."""
    video, settings = footage.video, footage.settings
    doubts = [TRANSCRIBERS[settings["transcriber"]].doubt(settings["model"], code) for code in video.languages]
    track, remarks = from_subtitles.chosen(video, footage.written.tracks, doubts if footage.media.has_audio else [])
    for remark in remarks:
        log.warning("%s: %s", video.name, remark)
    if track is None:
        return None
    said = from_subtitles.transcription(track, video.languages)
    read = speech_record(said, 0.0, footage.media.duration, settings)
    return read | {"last": True, "source": f"subtitles: {track.source}"}


def heard_track(video: Video, engine: Engine) -> tracks.Choice:
    return tracks.choose(video.path, video.languages, video.audio_track, partial(voices.wanted, engine, video))


def transcribed(engine: Engine, progress: Progress, first: float, audio: Any, expected: Expected) -> Transcription:
    return engine().transcribe(audio, expected, lambda seconds: progress.to(first + seconds))


def last_language(records: list[dict[str, Any]]) -> str:
    """The language that was spoken last, "" where nothing was."""
    spoken = (record for record in reversed(records) if record["kind"] == "speech" and record["words"])
    return next((words_of(record)[-1].language for record in spoken), "")


def speech_record(said: Transcription | None, first: float, end: float, made_by: Settings) -> dict[str, Any]:
    """A stretch of speech, as kept in the `.part` file; None said: nothing comes after it."""
    last, said = said is None, said or Transcription()
    return {
        "kind": "speech",
        "last": last,
        "end": end,
        "heard_language": said.language,
        "language_probability": said.language_probability,
        "words": [
            dataclasses.asdict(w)
            | {"start": round(first + w.start, 3), "end": round(first + w.end, 3)}
            | {"probability": round(w.probability, 4)}
            for w in said.words
        ],
        "unheard": [
            {"start": round(first + u.start, 3), "end": round(first + u.end, 3), "why": u.why} for u in said.unheard
        ],
        "made_by": made_by,
    }


def words_of(record: dict[str, Any]) -> list[Word]:
    """The words of a stretch. Older versions kept a list of its fields for a word, and no language with it."""
    words = (Word(**w) if isinstance(w, dict) else Word(*w) for w in record["words"])
    return [w if w.language else dataclasses.replace(w, language=record["heard_language"] or "") for w in words]


def look(footage: Footage, claim: claims.Claim, part: artifacts.Part) -> None:
    """Decode the frames that are not yet in `part`, batch by batch."""
    if not footage.media.has_video:
        return
    count = footage.settings["frames_per_segment"]
    wanted = sorted({time for window in footage.windows for time in segments.frame_times(window, count)})
    done = {frame[0] for record in part.records if record["kind"] == "frames" for frame in record["frames"]}
    left = [time for time in wanted if time not in done]
    with Progress(f"{footage.video.name}: frames", len(wanted), "frames", len(done)) as progress:

        def seen() -> Iterator[list[Any]]:
            for picture in pictures.pictures(footage.video.path, left):
                progress.add()
                yield [picture.asked, picture.time, picture.jpeg]

        found = seen()
        while frames := list(islice(found, FRAME_BATCH)):
            claim.alive()
            part.append({"kind": "frames", "frames": frames})


def assemble(footage: Footage, records: list[dict[str, Any]], made_by: Settings) -> Heard:
    """The result of phase 1: speech and frames dealt out to the segments."""
    speech = [record for record in records if record["kind"] == "speech"]
    words = [word for record in speech for word in words_of(record)]
    spoken = seconds_by_language(words)
    detected = next(iter(spoken), "")
    sure = [record["language_probability"] for record in speech if record["heard_language"] == detected]
    asked = {f[0]: (f[1], f[2]) for r in records if r["kind"] == "frames" for f in r["frames"]}
    frames = dict(sorted(asked.values()))  # frames shared by windows once
    index = {time: number for number, time in enumerate(frames)}
    numbers = {wanted: index[time] for wanted, (time, _) in asked.items()}
    video, media, windows = footage.video, footage.media, footage.windows
    count = footage.settings["frames_per_segment"]
    heard_by = f"speech by {made_by['transcriber']}, model {made_by['model']}" if media.has_audio else ""
    own = {
        **entries.asked_of(video),
        **dataclasses.asdict(slate(video.path, media.fps)),
        "title": footage.written.title,
        "chapters": list(footage.written.chapters),
    }
    subtitles = segments.shown_once(track.subtitles for track in footage.written.tracks)
    found: Any = {
        "video_name": video.name,
        "video_path": video.path,
        "language": video.language,
        "spoken_language": detected or (video.languages[0] if len(video.languages) == 1 else ""),
        "detected_language": detected,
        "language_probability": sum(sure) / len(sure) if sure else 0.0,
        "spoken_languages": {language: round(seconds, 1) for language, seconds in spoken.items()},
        "unheard": [stretch for record in speech for stretch in record.get("unheard", [])],
        "audio_track": next((track for record in reversed(speech) if (track := record.get("audio_track"))), ""),
        "transcript_source": next((record["source"] for record in speech if "source" in record), heard_by),
        "video_duration": media.duration,
        "width": media.width,
        "height": media.height,
        "fps": media.fps,
        "source": footage.source,
        "made_by": {**made_by, **footage.settings},
        "created_at": now(),
        "frames": [{"time": time, "jpeg": jpeg} for time, jpeg in frames.items()],
        "segments": [
            segment_of(window, words_in(window, words, last=window is windows[-1]), numbers, count)
            | segments.subtitles_of(window, subtitles)
            for window in windows
        ],
    }
    return found | {key: value for key, value in own.items() if value}


def segment_of(window: Window, inside: list[Word], numbers: dict[float, int], count: int) -> HeardSegment:
    """One segment: its words, and the `numbers` of its `count` frames in the result's list, by the times asked for."""
    times = segments.frame_times(window, count)
    return {
        "segment_index": window.index,
        "start_time": window.start,
        "end_time": window.end,
        "duration": window.end - window.start,
        "transcript": "".join(word.text for word in inside).strip(),
        "words": [dataclasses.asdict(word) for word in inside],
        "frames": list(dict.fromkeys(numbers[time] for time in times if time in numbers)),
        "languages": [language for language, _ in Counter(filter(None, (w.language for w in inside))).most_common()],
    }


def create_record(db: jobs.Records, footage: Footage) -> None:
    """Make the video's record, or bring it up to date with the list and the file."""
    video, source = footage.video, footage.source
    fields = entries.fields_of(video) | {"phase1_key": footage.key}
    old = db.get_video_status(video.name)
    moved = LOAD.status(old) == "completed" and old["video_path"] != video.path  # the loaded segments say where it was
    if moved and db.move_segments(video.name, video.name, video.path) != old.get(LOAD.counter):
        fields |= {"db_load_status": "pending", "db_load_reason": "video_path changed"}
    fields |= {"video_duration": footage.media.duration, "total_segments": len(footage.windows)}
    fields |= {"width": footage.media.width, "height": footage.media.height, "fps": footage.media.fps}
    fields |= {"source_size": source["size"], "source_mtime_ns": source["mtime_ns"]}
    fields["source_fingerprint"] = source["fingerprint"]
    db.create_or_update_video_files({video.name: fields})


def fields_of(result: Heard) -> dict[str, Any]:
    """What a result adds to the video's record."""
    spoken = result.get("spoken_languages", {})
    return {
        "detected_language": result["detected_language"] or None,
        "language_probability": float(result["language_probability"]),
        "total_segments": len(result["segments"]),
        "spoken_languages": list(spoken),
        "spoken_seconds": json.dumps(spoken) if spoken else None,
        "unheard_seconds": unheard_seconds(result) if "unheard" in result else None,
        "audio_track": result.get("audio_track") or None,
        **{name: result.get(name) for name in TOLD},
        "chapters": json.dumps(chapters, ensure_ascii=False) if (chapters := result.get("chapters")) else None,
    }


def unheard_seconds(result: Heard) -> float:
    return round(float(sum(stretch["end"] - stretch["start"] for stretch in result.get("unheard", []))), 1)


def told(footage: Footage, result: Heard) -> Iterator[str]:
    """What the user had better know of the speech."""
    if footage.media.has_audio and not any(segment["words"] for segment in result["segments"]):
        yield "has sound, and no word was heard in it"
    if unheard := result.get("unheard"):
        places = [f"{clock(stretch['start'])}-{clock(stretch['end'])}" for stretch in unheard]
        more = f" and {len(places) - MOST_PLACES} more" if len(places) > MOST_PLACES else ""
        yield f"{unheard_seconds(result):.0f} s of speech have no words: {', '.join(places[:MOST_PLACES])}{more}"


def record_faults(db: ChromaDBManager, faults: dict[str, tuple[Video, str]], seen: Mapping[str, stages.Record]) -> None:
    """Write down which files cannot be used, all at once: a disk that is not there makes thousands of them.

    A record without length and size is made where none is. One whose phase 1 is done stays as it is: so do its results.
    """
    none = {"video_duration": 0.0, "total_segments": 0, "width": 0, "height": 0, "fps": 0.0}
    records = {}
    for name, (video, fault) in faults.items():
        old = seen.get(name, {})
        if PHASE1.status(old) == "completed":
            continue
        attempts = old.get("phase1_attempts", 0) + 1
        known = {} if old else none | {"language": video.language, "description": video.description}
        records[name] = {"video_path": video.path} | known | {"phase1_error": fault[:1000], "phase1_attempts": attempts}
    if records:
        db.create_or_update_video_files(records)


def cut_of(settings: Settings) -> Windows:
    try:
        return Windows(**{setting: settings[setting] for setting in CUT})
    except ValueError as error:
        raise UserError(f"--segment-seconds, --overlap-seconds, --frames-per-segment: {error}") from None


def _loaded(load: Callable[..., Transcriber], choice: Choice) -> Transcriber:
    try:
        engine = load(choice.name, choice.options)
    except UserError as error:
        raise EngineError(str(error)) from error
    cli.say(f"speech by {engine.name}, model {choice.options.model}, on {engine.made_by['device']} ({choice.why})")
    return engine


if __name__ == "__main__":
    cli.leave(main())
