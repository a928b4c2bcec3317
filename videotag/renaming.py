"""An entry of the list that is renamed takes along what is known of its video under the old name.

Everything is written under the new name first and deleted under the old one last, the old record at the very end: after
kill -9 at any moment the next run finds that record, and does the rest of it or does it again.
"""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from videotag import artifacts, claims, content, frame_vectors
from videotag.claims import Held, Records
from videotag.config import Video
from videotag.entries import known
from videotag.fields import OF_A_STAGE, VIDEO
from videotag.stages import FORCED, LOAD, PHASE1, STAGES, Record, Stage

EMPTIED = "its results have gone to another name"
"""The reason for which phase 1 of the old name would be due: all that its record says is in the new one."""
_MADE_LATER = [
    *(field.name for field in VIDEO if field.made_by not in ("", PHASE1.key)),
    *(stage.field(name) for stage in STAGES if stage is not PHASE1 for name in OF_A_STAGE),
    *(stage.counter for stage in STAGES if stage is not PHASE1),
]
"""What a record holds of the stages after phase 1, which itself is taken over from its result."""
_FILES = [stage for stage in STAGES if stage.ending]


def take_along(records: Records, data_dir: Path, old: str, video: Video, create: Callable[[], None]) -> None:
    """Move the results, the unfinished work, the segments and the state of video `old` to the entry `video`.

    Its phase 1 is then to be taken over from data/, as after a lost database; all else is as it was.

    Args:
        video: whose file is the one that `old` is of.
        create: makes the entry's record.

    Raises:
        Held: somebody works on it, under one of the names.
        NotDue: another process has done it.
        UserError: a file cannot be read, written or deleted.
    """
    with ExitStack() as held:
        for stage in STAGES:
            # Where case is nothing to the disk, that is the lock of the claim.
            if stage is not PHASE1 or old.casefold() != video.name.casefold():
                held.enter_context(claims.locked(records, data_dir, stage, old))
        intent = claims.Intent(lambda record: _why(record, old), create=create)
        claim = held.enter_context(claims.claim(records, data_dir, PHASE1, video.name, intent))
        record = _kept_from_others(records, old)
        if record and record.get("phase1_reason") != EMPTIED:
            ids: dict[str, str] = {}
            for stage in _FILES:
                _copy(stage, data_dir, record, video, ids)
            if frames := frame_vectors.read(frame_vectors.path_of(data_dir, old)):
                made_of = _mapped(frames.made_of, ids)
                frame_vectors.write(frame_vectors.path_of(data_dir, video.name), replace(frames, made_of=made_of))
            with records.session():
                claim.check()
                stored = records.move_segments(old, video.name, video.path)
                records.update_video_status(video.name, **_state(record, ids, stored))
                records.update_video_status(old, phase1_reason=EMPTIED)
        left, mine = (_files(data_dir, name) for name in (old, video.name))
        for path, target in zip(left, mine, strict=True):
            if path.exists() and not (target.exists() and path.samefile(target)):
                artifacts.delete(path)
        records.delete_video_file(old)


def _files(data_dir: Path, video_name: str) -> list[Path]:
    """All that there may be of a video in data/."""
    results = [artifacts.path_of(stage, data_dir, video_name) for stage in _FILES]
    return [*results, *map(artifacts.part_path, results), frame_vectors.path_of(data_dir, video_name)]


def _why(record: Record, old: str) -> str | None:
    return None if PHASE1.status(record) == "completed" else f'was "{old}" in the list before'


def _kept_from_others(records: Records, old: str) -> Record:
    """The old record, {} if it is gone; from now on no stage begins with it.

    Raises:
        Held: somebody on another machine is at work on it.
    """
    record: Record = {}
    for pause in (0.0, claims.SETTLE_SECONDS) if records.chroma_url else (0.0,):
        time.sleep(pause)
        with records.session():
            record = records.get_video_status(old)
            for stage in STAGES:
                if by := claims.held_elsewhere(stage, record, socket.gethostname(), time.time()):
                    raise Held(by)
            if record:
                records.update_video_status(old, phase1_status="pending")
    return record


def _copy(stage: Stage, data_dir: Path, record: Record, video: Video, ids: dict[str, str]) -> None:
    """Write a stage's result and its unfinished work under the new name; `ids` of results to those that they get."""
    path, target = (artifacts.path_of(stage, data_dir, name) for name in (record["video_name"], video.name))
    then, now = known(record) or {}, content.looked_into(video.path)
    artifacts.sweep(target)

    def made_of(made: dict[str, Any]) -> dict[str, Any]:
        if stage.inputs:
            return {"input": _mapped(made.get("input"), ids)}
        source = made.get("source")
        return {"source": now} if then and isinstance(source, dict) and content.same(source, then) else {}

    if found := artifacts.read(stage, path):
        names = {"video_name": video.name, "video_path": video.path}
        body = {key: value for key, value in found.items() if key not in artifacts.OF_THE_FILE}
        segments = [_renamed(one, names) for one in found["segments"]]
        with artifacts.Draft(target, {**body, **names, **made_of(found), "segments": segments}) as draft:
            draft.publish()
        ids[found["result_id"]] = draft.result_id
    artifacts.copy_part(path, target, made_of)


def _state(record: Record, ids: dict[str, str], stored: int) -> dict[str, Any]:
    """What the new record takes from the old one. `stored`: how many segments have gone along."""
    fields = {name: record[name] for name in _MADE_LATER if name in record}
    for stage in STAGES:
        for name in (stage.field("result"), stage.field("input")):
            if name in fields:
                fields[name] = _mapped(fields[name], ids)
    if LOAD.status(record) == "completed" and stored != record.get(LOAD.counter):
        fields |= LOAD.fields(status="pending", reason="its segments are not in the database")
    if record.get("phase1_reason") in FORCED:  # finished by who goes on
        fields |= {name: record[name] for name in ("phase1_reason", "phase1_wanted") if name in record}
    return fields


def _renamed(segment: Any, names: dict[str, str]) -> Any:
    """A result's segment under another name; of some results it is a number."""
    return segment | {key: names[key] for key in names if key in segment} if isinstance(segment, dict) else segment


def _mapped(result_ids: object, ids: dict[str, str]) -> str:
    return " ".join(ids.get(one, one) for one in str(result_ids).split())
