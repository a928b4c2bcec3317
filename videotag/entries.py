"""The list of videos beside the records: which entry has not changed, which file is the same under another name.

A file is known by its content (`videotag.content`): a copy is the same video, wherever it lies and whatever its time.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from videotag import content
from videotag.claims import Records
from videotag.config import Video
from videotag.errors import UserError
from videotag.progress import Progress
from videotag.stages import PHASE1, STAGES, Record

NOTED_AT_ONCE = 100  # entries: so many are noted again after an interruption at most


def asked_of(video: Video) -> dict[str, str | None]:
    """What an entry may ask for besides; None for what it does not, as in lists of before there was such a thing."""
    return {"audio_asked": video.audio_track or None, "transcript": video.transcript or None}


def fields_of(video: Video) -> dict[str, Any]:
    """What a video's record holds of its entry."""
    fields = {"video_path": video.path, "language": video.language, "description": video.description}
    return fields | asked_of(video) | {"config_hash": video.config_hash}


def key_of(video: Video, source: content.State) -> str:
    """The entry and the file's state, in one value that the database can look for.

    The last word says that the file was looked into: the keys of older versions have none, so that they are made anew.
    """
    return f"{video.config_hash} {source['size']} {source['mtime_ns']} known"


def done_before(db: Records, videos: Iterable[Video]) -> set[str]:
    """Videos that are done and whose entry and file have not changed: found by one key each, among thousands."""
    keys = []
    for video in videos:
        with suppress(UserError):  # a file that cannot be seen
            keys.append(key_of(video, content.source_of(video.path)))
    return set(db.video_names({"phase1_status": "completed", "phase1_key": keys}))


def remember(db: Records, videos: list[Video], records: Mapping[str, Record]) -> None:
    """Note the entries and the files of finished videos in which nothing that matters has changed.

    Such as a `force_reprocess` that was taken back, which counts again when it is set the next time; the time of a
    file; the content of one that an older version has done.
    """
    unknown = []
    for video in videos:
        with suppress(UserError):  # a file that cannot be seen
            if records[video.name].get("phase1_key") != key_of(video, content.source_of(video.path)):
                unknown.append(video)
    if not unknown:
        return
    with Progress("contents noted", len(unknown), "files") as progress:
        for start in range(0, len(unknown), NOTED_AT_ONCE):
            changes: dict[str, dict[str, Any]] = {}
            for video in unknown[start : start + NOTED_AT_ONCE]:
                with suppress(UserError):
                    state = content.looked_into(video.path)
                    noted = {"source_fingerprint": state["fingerprint"], "phase1_key": key_of(video, state)}
                    changes[video.name] = {"video_path": video.path, "config_hash": video.config_hash, **noted}
                progress.add()
            if changes:
                db.create_or_update_video_files(changes)


def source_by(video: Video, record: Record) -> content.State:
    """The file's state; as the record has it, if these are the same bytes under another time.

    Raises:
        UserError: the file cannot be seen, or, where its content decides, not be read.
    """
    state = content.source_of(video.path)
    if state["size"] != record.get("source_size") or state["mtime_ns"] == record.get("source_mtime_ns"):
        return state
    return as_recorded(content.looked_into(video.path), record)


def as_recorded(state: content.State, record: Record) -> content.State:
    """A file's state; as the record has it, if both are of the same bytes."""
    then = known(record)
    return state | then if then and content.same(then, state) else state


def known(record: Record) -> content.State | None:
    """The state of the file that a record is of, or None.

    A record of before files were looked into tells the content only while the file is still there as it was.
    """
    if "source_size" not in record:
        return None
    state = {"size": record["source_size"], "mtime_ns": record.get("source_mtime_ns", 0)}
    if fingerprint := record.get("source_fingerprint"):
        return state | {"fingerprint": fingerprint}
    with suppress(UserError):
        if content.source_of(record["video_path"]) == state:
            return content.looked_into(record["video_path"])
    return state


@dataclass(frozen=True)
class SameFiles:
    """Entries that are due and whose file is known already: by their names.

    Attributes:
        twice: the entry that is the same file, and is done instead.
        before: the record of the name that the entry had before.
    """

    twice: dict[str, Video] = field(default_factory=dict)
    before: dict[str, Record] = field(default_factory=dict)


def same_files(db: Records, listed: list[Video], due: list[Video], records: Mapping[str, Record]) -> SameFiles:
    """Find the entries that are due and are the same file as another entry, or as a record that none is of any more.

    Files are looked into only where another one has the same size. Entries that want another language, sound track or
    transcript of one file are not the same.

    Args:
        listed: all entries, whether or not they are asked for.
        records: of those that are due, as far as they have one.
    """
    sources: dict[str, content.State] = {}
    for video in due:
        with suppress(UserError):  # which is told when it is to be done
            sources[video.name] = content.source_of(video.path)
    others = db.list_videos({"source_size": list({source["size"] for source in sources.values()})})
    others = [record for record in others if record["video_name"] not in sources]
    sizes = Counter(source["size"] for source in sources.values()) + Counter(r["source_size"] for r in others)
    entries = {video.name: video for video in listed}
    taken: dict[int, list[tuple[Video, content.State]]] = defaultdict(list)
    gone: dict[int, list[tuple[Record, content.State]]] = defaultdict(list)
    for record in others:
        size, state = record["source_size"], known(record) or {}
        if (entry := entries.get(record["video_name"])) is None:
            gone[size].append((record, state))
        elif PHASE1.status(record) == "completed":
            taken[size].append((entry, state))
    found = SameFiles()
    # What was begun is gone on with, though another entry of the file may stand before it.
    for video in sorted((v for v in due if v.name in sources), key=lambda v: v.name not in records):
        state = sources[video.name]
        if sizes[size := state["size"]] > 1:
            with suppress(UserError):
                state = content.looked_into(video.path)
        same = (other for other, of in taken[size] if content.same(of, state, apart_ns=0) and _want_one(video, other))
        if twin := next(same, None):
            found.twice[video.name] = twin
            continue
        taken[size].append((video, state))
        if PHASE1.status(records.get(video.name, {})) != "completed":
            its = [record for record, of in gone[size] if content.same(of, state, apart_ns=0)]
            if its:
                found.before[video.name] = max(its, key=_stages_done)
    return found


def told_twice(video: Video, other: Video) -> str:
    """That an entry is the same file as another, which is done instead, and what to do."""
    what = f"{video.name}: is the same file as {other.name} ({video.path}, {other.path})"
    remedy = "take one of the two out of the list"
    if not os.path.exists(other.path):
        remedy = f"the latter is gone: take {other.name} out of the list"
    return f"{what}: done once, as {other.name}, and found once; {remedy}"


def _want_one(video: Video, other: Video) -> bool:
    """Whether two entries of one file want the same of it: no other track or transcript, some language in common."""
    apart = video.languages and other.languages and set(video.languages).isdisjoint(other.languages)
    return not apart and asked_of(video) == asked_of(other)


def why(name: str, reason: str, known: SameFiles) -> str:
    """Why an entry is due, or that it is so by its new name only."""
    return f'was "{known.before[name]["video_name"]}" in the list before' if name in known.before else reason


def _stages_done(record: Record) -> int:
    return sum(stage.status(record) == "completed" for stage in STAGES)
