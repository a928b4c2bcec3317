"""Looks at the records for all who look on: at most every two seconds, and only at what has changed.

Reading 10,000 records takes 6 s of CPU; their names, and those that were written to in the last seconds, 0.2 s.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from videotag.errors import UserError
from videotag.stages import STAGES
from videotag.store.pages import in_parts
from videotag.text import one_line
from videotag.times import now
from videotag.underway import Underway
from videotag.web.archive import Archive
from videotag.web.overview import AT_WORK, Totals, Video, totals_of, video_of

LOOK_SECONDS = 2.0
PATIENCE = 5.0  # s that a page waits for a look: the first one takes a minute for 100,000 records
LOOK_SHARE = 10
"""The pause after a look is so many times what it took, at least: 100,000 records are looked at every 10 s."""
ALL_SECONDS = 600.0
"""So often all records are read: what a machine whose clock is wrong has written is not among the last seconds'."""
ALL_SHARE = 50  # as LOOK_SHARE: of 100,000 records all are read once an hour
AT_ONCE = 500  # records that are read while others wait for the database: 0.2 s
DISK_SECONDS = 600.0
LATE_SECONDS = 3  # between the time that a record gets and the moment when it can be read


@dataclass(frozen=True)
class Disk:
    """Bytes on the disk, and when that was counted. `database` is None where a server has it."""

    data: int
    database: int | None
    at: str


@dataclass(frozen=True)
class Overview:
    """What was seen at a look.

    Attributes:
        version: grows whenever something else is seen than before, over restarts too: ms since 1970 at first.
        at: local time; "" while nothing was seen yet.
        fault: why the database could not be read; the rest is then as it was before.
        segments: how many are stored, with vectors by `embedder` (its name and model).
        videos: by name, the oldest records first.
        changed: the versions in which videos were seen to change or to go, by name.
    """

    version: int
    at: str = ""
    fault: str = ""
    totals: Totals = field(default_factory=Totals)
    segments: int = 0
    embedder: str = ""
    disk: Disk | None = None
    videos: Mapping[str, Video] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)


class Watch:
    """Safe in several threads: one of its own looks, and who asks gets what it saw. Unasked it does not look."""

    def __init__(self, archive: Archive) -> None:
        self._db = archive.db
        self._videos = _Videos(archive)
        self._disk = _DiskUse(archive)
        self._lock = threading.Lock()
        self._rests = threading.Event()  # nobody is looking
        self._rests.set()
        self._next = 0.0  # by the monotonic clock
        self._seen = Overview(round(time.time() * 1000))
        self.first = self._seen.version  # what is older was told by another server

    def look(self, patience: float | None = None) -> Overview:
        """What there is now, or was a moment ago; what was seen before, where looking takes more than `patience` s
        (None: PATIENCE)."""
        with self._lock:
            if self._rests.is_set() and time.monotonic() >= self._next:
                self._rests.clear()
                threading.Thread(target=self._look, name="look", daemon=True).start()
        self._rests.wait(PATIENCE if patience is None else patience)
        return self._seen

    def expire(self) -> None:
        """Something was changed from here: it is to be seen by whoever looks next."""
        self._rests.wait(PATIENCE)
        self._next = 0.0

    def _look(self) -> None:
        try:
            self._seen = self._compared(self._looked())
        finally:
            self._next = time.monotonic() + self._videos.pause
            self._rests.set()

    def _looked(self) -> Overview:
        try:
            videos = self._videos.read()
            with self._db.session():
                stamp, segments = self._db.stamp() or {}, self._db.count_segments()
        except UserError as error:
            return replace(self._seen, fault=one_line(str(error)))
        embedder = ", ".join(one_line(str(stamp[key])) for key in ("embedder", "model") if stamp.get(key))
        totals = self._seen.totals if videos == self._seen.videos else totals_of(videos.values())
        found = {"totals": totals, "segments": segments, "embedder": embedder, "videos": videos}
        return replace(self._seen, fault="", disk=self._disk.used(), **found)

    def _compared(self, seen: Overview) -> Overview:
        before = self._seen
        if seen == before:
            return replace(before, at=now())
        version = before.version + 1
        names = before.videos.keys() | seen.videos.keys()
        new = [name for name in names if seen.videos.get(name) != before.videos.get(name)]
        return replace(seen, version=version, at=now(), changed={**before.changed, **dict.fromkeys(new, version)})


class _Videos:
    """All videos, as their records say. Those that cannot have changed since the last look are not read again."""

    def __init__(self, archive: Archive) -> None:
        self._db = archive.db
        self._underway = Underway(archive.data_dir)
        self._known: dict[str, Video] = {}
        self._clock = 0.0  # of the last look, s since the epoch
        self._next_of_all = 0.0  # by the monotonic clock
        self.pause = LOOK_SECONDS  # until the next look

    def read(self) -> dict[str, Video]:
        """By name. Raises UserError where the database cannot be read."""
        started, clock = time.monotonic(), time.time()
        everything = started >= self._next_of_all
        with self._db.session():
            names = self._db.video_names()
            changed = [] if everything else [r for where in self._changed(clock) for r in self._db.list_videos(where)]
        found = self._told(changed, clock)
        # Those at work are read by name when they are it no more, whatever their worker's clock says.
        others = [name for name in names if name not in found and (everything or not self._is_at_rest(name))]
        for part in in_parts(others, AT_ONCE):
            found |= self._told(self._db.list_videos({"video_name": list(part)}), clock)
        self._known = {name: video for name in names if (video := found.get(name) or self._known.get(name))}
        self._clock = clock
        self._underway.forget({(name, key) for name, video in found.items() for key in at_work(video)})
        ended = time.monotonic()
        if everything:
            self._next_of_all = ended + max(ALL_SECONDS, ALL_SHARE * (ended - started))
        else:
            self.pause = max(LOOK_SECONDS, LOOK_SHARE * (ended - started))
        return self._known

    def _changed(self, clock: float) -> Iterator[dict[str, Any]]:
        """The filters by which changed records are found: what was written to since the last look, and work in hand."""
        first, last = int(self._clock) - LATE_SECONDS, int(clock) + 1
        seconds = [datetime.fromtimestamp(second).isoformat(timespec="seconds") for second in range(first, last + 1)]
        yield {"updated_at": seconds}  # as `times.now` writes it
        for stage in STAGES:
            yield {stage.field("status"): "processing"}

    def _is_at_rest(self, name: str) -> bool:
        return name in self._known and not at_work(self._known[name])

    def _told(self, records: Iterable[dict[str, Any]], clock: float) -> dict[str, Video]:
        videos = {}
        for record in records:
            at_it = [stage for stage in STAGES if stage.status(record) == "processing"]
            steps = {stage.key: step for stage in at_it if (step := self._underway.step(stage, record, clock))}
            video = video_of(record, clock, steps)
            videos[video.video_name] = video
        return videos


class _DiskUse:
    """Counts bytes in a thread of its own, seldom: there may be a hundred thousand files."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._found: Disk | None = None
        self._next = 0.0  # by the monotonic clock

    def used(self) -> Disk | None:
        """What was counted last, None at first."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + DISK_SECONDS
            threading.Thread(target=self._count, name="disk", daemon=True).start()
        return self._found

    def _count(self) -> None:
        db = self._archive.db
        self._found = Disk(size_of(self._archive.data_dir), None if db.chroma_url else size_of(db.directory), now())


def at_work(video: Video) -> list[str]:
    """The keys of the stages that somebody works on, or did when last heard of."""
    return [key for key, phase in video.phases.items() if phase.state in AT_WORK]


def size_of(folder: Path) -> int:
    """Bytes in all files of a folder, as far as they can be seen; what a link leads to does not count."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
