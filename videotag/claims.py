"""Who works on a stage of a video.

A worker holds a lock file of the operating system for each video and stage while it works: the lock goes when
the process goes, however it goes. The record in the database says the same to workers on other machines, whose
locks cannot be tested, by a heartbeat.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from videotag import artifacts
from videotag.errors import ClaimLost, EngineError, UserError
from videotag.stages import FORCED, Record, Stage, as_json, done_since, lacking, other_input
from videotag.times import now

log = logging.getLogger("videotag")

HEARTBEAT_SECONDS = 30.0
STALE_FLOOR_SECONDS = 600.0
"""A worker elsewhere may be silent for twice the video's length, and never is it given less than this: a
20-second clip takes longer than 40 s to load a model."""
GONE_SECONDS = 4 * HEARTBEAT_SECONDS
"""The same of a worker that is said to have died: on a machine that has lost its link it may work on, and as long as
its heartbeats come it is left to it."""
said_gone: set[str] = set()
"""Workers that are said to have died, "host:process" each, by who places the work on machines (scale_out.py)."""
SETTLE_SECONDS = 0.5
"""Over a server nobody is kept out between reading a record and claiming it. Another worker that read it before this
one's claim was written has written its own after so long at the latest, and the last one counts."""

Filter = Mapping[str, Any] | None


class Records(Protocol):
    """What is needed of `ChromaDBManager`."""

    chroma_url: str | None  # with a server a session does not keep other processes out

    def session(self) -> AbstractContextManager[Any]: ...
    def list_videos(self, status_filter: Filter = None, *, without: Filter = None) -> list[dict[str, Any]]: ...
    def video_names(self, status_filter: Filter = None, *, without: Filter = None) -> list[str]: ...
    def create_or_update_video_files(self, videos: Mapping[str, Mapping[str, Any]]) -> None: ...
    def get_video_status(self, video_name: str) -> dict[str, Any]: ...
    def update_video_status(self, video_name: str, **status_fields: Any) -> None: ...
    def delete_video_file(self, video_name: str) -> bool: ...
    def move_segments(self, video_name: str, new_name: str, video_path: str) -> int: ...


def held_elsewhere(stage: Stage, record: Record, host: str, clock: float) -> str | None:
    """Who on another machine than `host` works on the video, as far as its heartbeats tell, or None.

    A worker here holds a lock that can be tested, which tells more. `clock`: seconds since the epoch.
    """
    if stage.status(record) != "processing":
        return None
    owner = str(record.get(stage.field("owner"), ""))
    if owner.split(":")[0] == host:
        return None
    silence = clock - float(record.get(stage.field("heartbeat"), 0.0))
    allowed = max(STALE_FLOOR_SECONDS, 2 * float(record.get("video_duration", 0.0)))
    if owner.rpartition(":")[0] in said_gone:
        allowed = GONE_SECONDS
    return describe_owner(stage, record) if silence < allowed else None


def describe_owner(stage: Stage, record: Record) -> str:
    host, _, process = str(record.get(stage.field("owner"), "another process")).partition(":")
    who = f"process {process.split(':')[0]} on {host}" if process else host
    since = record.get(stage.field("start_time"))
    ahead = float(record.get(stage.field("heartbeat"), 0.0)) - time.time()
    skew = f", its clock is {ahead / 60:.0f} min ahead of this one's" if ahead > STALE_FLOOR_SECONDS else ""
    return (f"{who} since {since}" if since else who) + skew


class Held(Exception):
    """Somebody else works on the video; the text says who and since when."""


class NotDue(Exception):
    """There is nothing to do any more; the text says why."""


class Claim:
    """This process's right to work on one stage of one video. Refreshed every 30 s; made by `claim`."""

    def __init__(self, records: Records, stage: Stage, record: Record, owner: str, reason: str) -> None:
        self.video_name = str(record["video_name"])
        self.stage = stage
        self.record = record  # as it was when the claim was made
        self.reason = reason
        self._records, self._owner = records, owner
        self._lost = self._closed = False
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, name=f"heartbeat {self.video_name}", daemon=True)

    @property
    def forced(self) -> bool:
        """Whether finished results must not be taken over."""
        return self.reason in FORCED

    def check(self) -> Record:
        """Make sure that nobody took over; the video's record as it is now.

        Raises:
            ClaimLost: somebody did: this worker was silent for too long.
            UserError: the record is gone.
        """
        record = self._records.get_video_status(self.video_name)
        if not record:
            raise UserError(f"{self.video_name}: its record has vanished from the database; run the same command again")
        if self._lost or record.get(self.stage.field("owner")) != self._owner:
            self._lost = True
            raise ClaimLost(f"{self.video_name}: another worker has taken over; this one's work is dropped")
        return record

    def alive(self) -> None:
        """The same as `check`, by the last heartbeat: costs nothing."""
        if self._lost:
            self.check()

    def complete(self, segments: int, draft: artifacts.Draft | None = None, **fields: Any) -> None:
        """Mark the stage completed.

        Args:
            segments: how many it made.
            draft: the result, to be published now, when it is sure that nobody took over.
            fields: more of the record, such as what `follow_up` gives.

        Raises as `check`.
        """
        with self._records.session():
            record = self.check()
            if draft:
                self._publish(draft)
            result, end = self.stage.field("result"), self.stage.field("end_time")
            if draft is None and result in fields and fields[result] == self.record.get(result):
                fields.setdefault(end, self.record.get(end))  # taken over: the work was done when it was
            # An input may have been made again in the meantime.
            made_of = self.stage.field("input")
            stale = other_input(self.stage, {**record, made_of: fields.get(made_of)})
            status, reason = ("pending", f"{stale.key} has another result") if stale else ("completed", None)
            over = self.stage.fields(status=status, reason=reason, error=None, attempts=None, wanted=None)
            self._close(**{self.stage.counter: segments}, **over, **fields)

    def _publish(self, draft: artifacts.Draft) -> None:
        """Killed at any moment here, nothing is made a second time and nothing is left lying."""
        draft.publish()
        if self.forced:  # from now on the result may be taken over
            self._records.update_video_status(self.video_name, **self.stage.fields(reason=None))
        artifacts.drop_part(draft.path)

    def _give_back(self, error: str | None) -> None:
        """The stage is pending again, and the next run goes on; an error is put into the record and counted."""
        with self._records.session():
            attempts = self.check().get(self.stage.field("attempts"), 0) + 1
            failed = self.stage.fields(error=error[:1000], attempts=attempts) if error else {}
            self._close(**self.stage.fields(status="pending"), **failed)

    def _close(self, **fields: Any) -> None:
        over = self.stage.fields(end_time=now(), owner=None, heartbeat=None)
        self._records.update_video_status(self.video_name, **{**over, **fields})
        self._closed = True

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            try:
                with self._records.session():
                    self.check()
                    self._records.update_video_status(self.video_name, **self.stage.fields(heartbeat=time.time()))
            except ClaimLost:
                return
            except Exception as error:  # busy, or a server that is away for a while: the next one may get through
                log.info("heartbeat of %s: %s", self.video_name, error)

    def __enter__(self) -> "Claim":
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._over.set()
        self._heart.join()
        if self._closed or isinstance(error, ClaimLost):
            return
        failed = isinstance(error, Exception) and not isinstance(error, EngineError)
        try:
            self._give_back((" ".join(f"{error}".split()) or type(error).__name__) if failed else None)
        except (ClaimLost, UserError) as fault:  # what ended the work is told by who raised it
            log.warning("%s", fault)


@dataclass(frozen=True)
class Intent:
    """What a run means to do with a video.

    Attributes:
        why: the reason for which the stage is due, by the record as it is now.
        seen: the record as it was when it was decided what to do: what was finished since is not done again.
        create: makes the record where there is none, or brings it up to date.
        named: the settings that the user named, to be remembered with --force.
    """

    why: Callable[[Record], str | None]
    seen: Record | None = None
    create: Callable[[], None] | None = None
    named: Mapping[str, Any] | None = None


@contextmanager
def claim(records: Records, data_dir: Path, stage: Stage, video_name: str, intent: Intent) -> Iterator[Claim]:
    """Take a stage of a video for this process while the block runs.

    Raises:
        Held: somebody else works on it.
        NotDue: there is no reason any more.
        ClaimLost: inside the block, by the claim's own methods.
    """
    with locked(records, data_dir, stage, video_name), _written(records, stage, video_name, intent) as held:
        yield held


def locked(records: Records, data_dir: Path, stage: Stage, video_name: str) -> AbstractContextManager[Any]:
    """The lock file of a video's stage, held until its `with` block ends. Raises Held if another process has it."""
    path = artifacts.lock_path(data_dir, video_name, stage.key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path).acquire(timeout=0)
    except Timeout:
        raise Held(describe_owner(stage, records.get_video_status(video_name))) from None
    except OSError as error:
        remedy = "make room, mend the folder's rights, or delete it"
        raise UserError(f"{path}: cannot be locked: {error.strerror}; {remedy}") from None


def _written(records: Records, stage: Stage, video_name: str, intent: Intent) -> Claim:
    """Write the claim into the record, if nobody else has."""
    host = socket.gethostname()
    owner = f"{host}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    with records.session():
        record = records.get_video_status(video_name)
        if by := held_elsewhere(stage, record, host, time.time()):
            raise Held(by)
        reason = intent.why(record)
        if reason is None or (intent.seen is not None and done_since(stage, intent.seen, record)):
            gone = lacking(stage, record)
            raise NotDue(f"{gone.key} is not completed any more" if gone else "done by another process")
        if intent.create:
            intent.create()
        wanted = as_json(intent.named or {}) if reason == FORCED[0] else None
        mine = stage.fields(status="processing", owner=owner, heartbeat=time.time(), reason=reason, wanted=wanted)
        records.update_video_status(video_name, **mine, **stage.fields(start_time=now()))
        claimed = Claim(records, stage, records.get_video_status(video_name), owner, reason)
    if records.chroma_url:
        time.sleep(SETTLE_SECONDS)
        try:
            claimed.check()
        except ClaimLost:
            raise Held(describe_owner(stage, records.get_video_status(video_name))) from None
    return claimed
