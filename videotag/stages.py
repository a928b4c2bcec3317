"""The stages of a video, in order, and what is due of each: pure functions over a record.

A record is what `video_files` holds of a video. A stage's own fields begin with its key: `phase1_status`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Input:
    """The result of another stage, of which a stage makes its own."""

    stage: str  # that one's key
    needed: bool = True  # without it the stage waits; else it is used where it is there


@dataclass(frozen=True)
class Stage:
    """A stage.

    Attributes:
        key: what its fields in a record begin with.
        title: in messages.
        script: the file that runs it.
        inputs: of what it is made.
        counter: the field that says how many segments it made.
        ending: of its result's file in data/, after the video's name; "" if it makes none.
        keys: what its result holds, at least.
        version: raised when it makes better results than before. That makes nothing due: see `better_today`.
    """

    key: str
    title: str
    script: str
    inputs: tuple[Input, ...]
    counter: str
    ending: str = ""
    keys: tuple[str, ...] = ()
    version: int = 1

    def status(self, record: Record) -> str:
        """ "pending" also where the record was made before there was this stage."""
        return record.get(self.field("status"), "pending")

    def field(self, name: str) -> str:
        return f"{self.key}_{name}"

    def fields(self, **values: Any) -> dict[str, Any]:
        return {self.field(name): value for name, value in values.items()}


PHASE1 = Stage(
    key="phase1",
    title="phase 1",
    script="phase1_whisper_frames.py",
    inputs=(),
    counter="phase1_segments_created",
    ending="_phase1_data.pkl",
    keys=(
        *("video_name", "video_duration", "language", "spoken_language", "detected_language", "language_probability"),
        *("source", "made_by", "frames", "segments"),
    ),
    version=3,  # 1 lost second languages and short sentences; 2 saw HDR grey, and knew one track and no subtitles
)
PHASE2 = Stage(
    key="phase2",
    title="phase 2",
    script="phase2_vllm_analysis.py",
    inputs=(Input("phase1"),),
    counter="phase2_segments_analyzed",
    ending="_phase2_vllm_analysis.json",
    keys=("video_name", "output_language", "input", "made_by", "segments"),
)
PHASE4 = Stage(
    key="phase4",
    title="phase 4",
    script="phase4_video_summary.py",
    inputs=(Input("phase2"),),
    counter="phase4_segments_used",
    ending="_phase4_summary.json",
    keys=("video_name", "output_language", "input", "made_by", "segments", "summary", "keywords", "chapters"),
)
LOAD = Stage(
    key="db_load",
    title="load",
    script="load_data_to_chroma.py",
    inputs=(Input("phase2"), Input("phase4", needed=False)),
    counter="db_segments_loaded",
)
STAGES = (PHASE1, PHASE2, PHASE4, LOAD)  # in the order in which they are run

FORCED = ("--force", "force_reprocess is set")
"""Reasons for which a finished result is not taken over but made again."""
BY_KEY = {stage.key: stage for stage in STAGES}


def inputs_of(stage: Stage, needed_only: bool = False) -> list[Stage]:
    """The stages of whose results it is made; those that it waits for, if only these are asked for."""
    keys = [made_of.stage for made_of in stage.inputs if made_of.needed or not needed_only]
    return [next(other for other in STAGES if other.key == key) for key in keys]


def after(stage: Stage) -> Iterator[Stage]:
    """The stages that are made of this one's result, directly or by way of others, in order."""
    keys = {stage.key}
    for other in STAGES:
        if any(made_of.stage in keys for made_of in other.inputs):
            keys.add(other.key)
            yield other


def lacking(stage: Stage, record: Record) -> Stage | None:
    """The first needed input that is not completed, or None."""
    needed = inputs_of(stage, needed_only=True)
    return next((other for other in needed if other.status(record) != "completed"), None)


def input_of(stage: Stage, record: Record) -> str | None:
    """What the stage would be made of now: the ids of its inputs' results; None for a stage without inputs."""
    completed = (other for other in inputs_of(stage) if other.status(record) == "completed")
    return " ".join(filter(None, (record.get(other.field("result")) for other in completed))) or None


def used(stage: Stage, record: Record) -> list[str]:
    """The ids of the results that the stage was made of: `input_of` as it was then, taken apart."""
    return str(record.get(stage.field("input"), "")).split()


def other_input(stage: Stage, record: Record) -> Stage | None:
    """The input whose result is not the one that the stage was made of, or None."""
    if record.get(stage.field("input")) == input_of(stage, record):
        return None
    then = used(stage, record)
    return next((other for other in inputs_of(stage) if record.get(other.field("result")) not in then), None)


def due(stage: Stage, record: Record, named: Mapping[str, Any], made_by: Mapping[str, Any], force: bool) -> str | None:
    """Why the stage is due for a video, or None.

    Args:
        named: the settings that the user named on the command line. What nobody named never makes finished
            work due again: a run without options must not undo one with a better model.
        made_by: what made the stage's stored result.
        force: --force was given.
    """
    if lacking(stage, record):
        return None
    if force:
        return FORCED[0]
    if stage.status(record) != "completed":
        return _unfinished(stage, record, named)
    if other := other_input(stage, record):
        return f"{other.key} has another result"
    return changed_setting(named, made_by)


def source_due(record: Record, entry: Record, source: Record) -> str | None:
    """Why phase 1 is due because of the list of videos or the file itself, or None.

    Args:
        entry: the video's entry: video_path, language, description, audio_asked, force_reprocess, config_hash.
        source: the file's state: size, mtime_ns; empty where the file cannot be seen.
    """
    if record.get("config_hash") != entry["config_hash"]:
        if entry["force_reprocess"]:
            return FORCED[1]
        for field in ("video_path", "language", "description", "transcript", "audio_asked"):
            if (record.get(field) or "") != (entry.get(field) or ""):
                return f"{field.replace('audio_asked', 'audio_track')} changed"
    if source and (record.get("source_size"), record.get("source_mtime_ns")) != (source["size"], source["mtime_ns"]):
        return "the file changed"
    return None


def changed_setting(named: Mapping[str, Any], made_by: Mapping[str, Any]) -> str | None:
    """The first named setting that differs from what made a result, or None."""
    changed = (setting for setting, value in named.items() if made_by.get(setting) != value)
    return next((f"{setting} changed from {made_by.get(setting)} to {named[setting]}" for setting in changed), None)


def follow_up(stage: Stage, record: Record, result_id: str, again: bool) -> dict[str, Any]:
    """Fields that make the stages after `stage` due again.

    `again`: the work was done, and not a finished result taken over that the next stage may have used already.
    """
    fields: dict[str, Any] = {}
    again_by = {stage.key} if again else set()
    for other in after(stage):
        makers = {made_of.stage for made_of in other.inputs}
        if not again_by & makers and (stage.key not in makers or result_id in used(other, record)):
            continue
        again_by.add(other.key)
        reason = f"{stage.title} was done again" if record.get(other.field("input")) else None
        fields |= other.fields(status="pending", reason=reason)
    return fields


def done_since(stage: Stage, seen: Record, record: Record) -> bool:
    """Whether a worker has finished the stage since the record was `seen`: not even --force means to do it twice."""
    end = stage.field("end_time")
    return stage.status(record) == "completed" and record.get(end) != seen.get(end)


def better_today(stage: Stage, record: Record) -> bool:
    """Whether the stage was completed by an older version than today's: --force would make something better of it."""
    return stage.status(record) == "completed" and record.get(stage.field("version"), 1) < stage.version


def as_json(named: Mapping[str, Any]) -> str | None:
    """The settings of a --force, as they are stored in `_wanted`."""
    return json.dumps(dict(named), sort_keys=True) if named else None


def _unfinished(stage: Stage, record: Record, named: Mapping[str, Any]) -> str:
    reason = record.get(stage.field("reason")) or "new"
    wanted = json.loads(record.get(stage.field("wanted"), "{}"))
    if reason == FORCED[0] and not wanted.items() <= named.items():
        return "asked for by --force with other settings"  # not `FORCED`: what there is may be taken over
    if reason in FORCED:
        return reason
    if stage.status(record) == "processing":
        return "interrupted before"
    attempts = record.get(stage.field("attempts"))
    return f"failed before ({attempts}x)" if attempts else reason
