"""ChromaDBManager: the two collections of the video database. The only module that imports chromadb.

    video_files       one record a video: what it is, how far each stage got
    video_segments    one record a segment: what is searched

Embedded (a folder) or through a server (`chroma run`); the methods are the same:

    db = ChromaDBManager()                                       # ./chroma_db
    db = ChromaDBManager(chroma_url="http://127.0.0.1:8000")

An embedded database is not made for several processes. Every access is therefore a short session: take the lock beside
the folder, open a client, work, close it, release the lock. Several calls that belong together go in one session:

    with db.session():
        if db.get_video_status("news").get("phase1_status") == "pending":
            db.update_video_status("news", phase1_status="processing")

A process killed while ChromaDB saves an index can leave it broken. A session leaves a marker that its clean end
removes, and a seal (size and time of the files); who finds a marker, or files that are not as sealed, has the database
checked, and mended if need be. By hand: python db_manager.py --mend ./chroma_db

Searching is by meaning (vectors) and by words, in an index that is a file of its own (videotag/segment_index.py),
brought up to the collection's generation, a number that each writer raises, before it is asked. One search after the
other reuses a client, as long as nobody has written.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import logging
import os
import shutil
import sqlite3
import sys
import threading
import time as clock
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from videotag import mending, stored
from videotag.embedders import (
    DEFAULT_EMBEDDER,
    Embedder,
    Progress,
    checked_vectors,
    clean_text,
    embed,
    load_embedder,
)
from videotag.errors import UserError
from videotag.ranking import FEWEST
from videotag.records import (
    SEGMENT_FILTERS,
    VIDEO_FILTERS,
    check_known,
    exact,
    is_empty,
    one_video,
    ordered,
    segment_document,
    segment_record,
    segment_where,
    video_fields,
    where_clause,
)
from videotag.segment_index import SegmentIndex
from videotag.segment_search import By, SegmentSearch
from videotag.typical import Typical, typical

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

VIDEO_FILES = "video_files"
VIDEO_SEGMENTS = "video_segments"
REBUILD = "video_segments_rebuild"  # exists only while rebuild_segments() swaps

LOCK_TIMEOUT = 120.0  # s
# ChromaDB saves an index after so many changes, and each fresh client applies again what came since. At its default of
# 1,000 that can be 6 s of CPU (900 replaced vectors) in every session, even one that only counts; at 100, below 0.6 s.
SYNC_THRESHOLD = 100
PROBES = 1000  # vectors of a collection that a check asks for, spread evenly


@dataclass(frozen=True)
class _Kept:
    """A client that stays open between two searches, and what tells whether it may still be used."""

    client: Any
    inode: int
    seen: tuple[str, int] | None  # the search collection and its generation


class _Damaged(UserError):
    """The database cannot be mended; it can be made anew from data/."""


class ChromaDBManager:
    """The video database. Safe in several threads and, embedded too, in several processes.

    Methods raise UserError when the database is busy, unreachable, broken beyond mending or made by another embedder,
    ValueError when a value or a field's name is not one that a record can hold.
    """

    def __init__(
        self,
        persist_directory: str | Path = "./chroma_db",
        *,
        chroma_url: str | None = None,
        embedder: Embedder | None = None,
        load: Callable[[str, str | None], Embedder] = load_embedder,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> None:
        """Touch nothing yet: the database is opened, and made, when it is needed.

        Args:
            persist_directory: folder of the embedded database; ignored with chroma_url.
            chroma_url: "http(s)://host[:port]" of a running `chroma run`.
            embedder: None is the one that the collection remembers, in an empty database "e5-small", loaded when
                something is to be embedded.
            load: builds an embedder from (name, model).
            lock_timeout: seconds to wait for another process's or thread's session.
        """
        self.directory = Path(persist_directory).resolve()
        self.chroma_url = chroma_url
        self._server = _server_address(chroma_url) if chroma_url else None
        self._given = embedder
        self._loaded: Embedder | None = None
        self._load = load
        self._lock_timeout = lock_timeout
        self._thread_lock = threading.RLock()
        self._file_lock = FileLock(f"{self.directory}.lock", thread_local=False)
        self._marker = Path(f"{self.directory}.open")
        self._inside = False  # a session of the thread that holds _thread_lock is running
        self._client: Any = None
        self._kept: _Kept | None = None
        self._resumed = False  # _client is the kept one
        self._stamp: dict[str, Any] | None = None  # of the search collection, when it was last searched
        self._suspect = False  # an operation failed in a way that a broken index does
        self._seen = False  # the folder was there once: if it is gone, it has vanished

    def __repr__(self) -> str:
        return f"ChromaDBManager({self.chroma_url or str(self.directory)!r})"

    # === Sessions ===

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold the database for the calls inside: nobody else changes it between them. May be nested.

        Keep it short: other processes wait. Never hold one during speech or vision work, nor across a fork. With a
        server only the threads of this manager wait for each other, not other processes.

        Raises:
            UserError: the database stays busy, cannot be opened, or failed inside.
        """
        with self._session():
            yield

    @contextmanager
    def _session(self, keep: bool = False) -> Iterator[None]:
        """`keep`: only the search collection is read, and the client stays open for the next such session."""
        if not self._thread_lock.acquire(timeout=self._lock_timeout):
            raise self._busy()
        try:
            if self._inside:
                yield
            else:
                with self._held(keep):
                    yield
        finally:
            self._thread_lock.release()

    @contextmanager
    def _held(self, keep: bool) -> Iterator[None]:
        try:
            if self._server is None:
                self._lock()
            self._inside = True
            self._resume(keep)
            yield
        except BaseException as error:
            keep = False
            self._explain(error)
            raise
        finally:
            self._inside = False
            try:
                self._close(keep)
            finally:
                self._file_lock.release()  # nothing if it is not held

    def _lock(self) -> None:
        if self._seen and not self.directory.is_dir():
            raise self._vanished()
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            self._file_lock.acquire(timeout=self._lock_timeout, poll_interval=0.01)
        except Timeout as error:
            raise self._busy() from error
        except OSError as error:
            if mending.lacks_room(self.directory.parent, str(error)):
                raise self._no_room() from error
            raise UserError(
                f"{self._file_lock.lock_file}: the database cannot be locked ({error.strerror}): choose a folder that "
                "can be written to, or, if it is in the way, delete it"
            ) from error

    def _busy(self) -> UserError:
        return UserError(
            f"the database {self.directory} is busy: {mending.read_marker(self._marker)} has held it for more than "
            f"{self._lock_timeout:.0f} s: run again when that has ended"
        )

    def _open(self) -> Any:
        """The session's client, opened at its first use."""
        if self._client is None:
            self._client = _connect(*self._server) if self._server else self._open_folder()
        return self._client

    def _open_folder(self) -> Any:
        if self._marker.exists():
            self._check(f"was left open by {mending.read_marker(self._marker)}, which did not end well")
        elif not mending.is_sealed(self.directory):
            self._check("was changed by something else, such as a server")
        try:
            mending.write_marker(self._marker)
        except OSError as error:
            if os.path.lexists(self._marker) and not mending.lacks_room(self.directory.parent, str(error)):
                raise self._in_the_way(error) from error
            raise self._failure(error) from error
        try:
            client = _open_embedded(self.directory)
        except Exception as error:
            raise self._failure(error) from error
        self._seen = True
        return client

    def _unmark(self) -> None:
        try:
            self._marker.unlink(missing_ok=True)
        except OSError as error:
            raise self._in_the_way(error) from error

    def _in_the_way(self, error: OSError) -> UserError:
        return UserError(f"{self._marker}: {error.strerror}: mend the folder's rights, or move it away, then run again")

    def _resume(self, keep: bool) -> None:
        """Take up the kept client if nobody has written since, or close it."""
        kept, self._kept = self._kept, None
        if kept is None:
            return
        if keep and self._is_current(kept):
            self._client, self._resumed = kept.client, True
        else:
            kept.client.close()

    def _is_current(self, kept: _Kept) -> bool:
        if self._marker.exists() or not mending.is_sealed(self.directory):
            return False
        # Of metadata another process's changes are seen at once; of vectors they are not.
        return (self.directory / mending.DATABASE).stat().st_ino == kept.inode and _seen(kept.client) == kept.seen

    def _close(self, keep: bool = False) -> None:
        if self._server or self._client is None:
            return
        client, self._client = self._client, None
        resumed, self._resumed = self._resumed, False
        if keep:
            inode = (self.directory / mending.DATABASE).stat().st_ino
            self._kept = _Kept(client, inode, _seen(client))
        else:
            client.close()
        if self._suspect and resumed:
            mending.write_marker(self._marker)
        elif resumed and mending.is_sealed(self.directory):  # mostly: only the first query of a client may write files
            pass
        elif mending.seal(self.directory) and not self._suspect:
            self._unmark()
        self._suspect = False

    def _explain(self, error: BaseException) -> None:
        """Raise a UserError in place of chromadb's own failures; the marker stays, so that the next call looks."""
        if self._server and type(error).__module__.startswith("httpx"):
            raise _unreachable(self.chroma_url or "") from error
        if stored.is_internal(error):
            self._suspect = True
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> UserError:
        """What to tell of a failure of ChromaDB, SQLite or the disk; their own words often name another cause."""
        if isinstance(error, UserError):
            return error
        text = _first_line(error)
        if self._server:
            if any(words in text for words in mending.FULL):
                return UserError(f"the disk of the database {self.chroma_url} is full: make room there, then run again")
            return UserError(
                f"the database {self.chroma_url} failed ({text}): stop the server and run: "
                "python db_manager.py --mend FOLDER"
            )
        if self._seen and not self.directory.is_dir():
            return self._vanished()
        existing = next(path for path in (self.directory, *self.directory.parents) if path.exists())
        if mending.lacks_room(existing, text):
            return self._no_room()
        if not existing.is_dir() or not _may_write(existing):
            return UserError(
                f"the database {self.directory} cannot be written to ({text}): mend the folder's rights, or choose "
                "another one with --db"
            )
        return UserError(
            f"the database {self.directory} failed ({text}): run the same command again, it checks and mends the "
            "database first"
        )

    def _no_room(self) -> UserError:
        return UserError(
            f"the disk of the database {self.directory} is full: make room on it ({mending.ROOM >> 20} MB or more), "
            "then run again; nothing is lost"
        )

    def _vanished(self) -> UserError:
        return UserError(
            f"the database {self.directory} has vanished: put the folder back, or run the scripts again, from "
            "phase1_whisper_frames.py on: they make it anew from data/"
        )

    def _exists(self) -> bool:
        if self._server or mending.is_there(self.directory):
            return True
        if self._seen:
            raise self._vanished()
        return False

    @contextmanager
    def _reading(self, name: str) -> Iterator[Any]:
        """A session with the collection, or None where there is none: reading makes nothing."""
        if not self._exists():
            yield None
            return
        with self.session():
            yield self._find(name)

    def _find(self, name: str) -> Any:
        client = self._open()
        found = _get(client, name)
        if found is None and name == VIDEO_SEGMENTS:
            # A rebuild ended between its delete and its rename, or is there now: then both may rename.
            if rebuilt := _get(client, REBUILD):
                _rename(client, rebuilt)
            return _get(client, name)
        return found

    # === video_files ===

    def create_or_update_video_file(
        self,
        video_name: str,
        video_path: str,
        language: str,
        video_duration: float,
        total_segments: int,
        width: int,
        height: int,
        fps: float,
        **status_fields: Any,
    ) -> None:
        """Write a video's record; a new one starts with all three statuses "pending".

        Args:
            video_duration: seconds.
            status_fields: others of VIDEO_FIELDS; None deletes the key.
        """
        fields = {"video_path": video_path, "language": language, "video_duration": video_duration}
        fields |= {"total_segments": total_segments, "width": width, "height": height, "fps": fps}
        self.create_or_update_video_files({video_name: {**fields, **status_fields}})

    def create_or_update_video_files(self, videos: Mapping[str, Mapping[str, Any]]) -> None:
        """The same for many at once, each name to its fields: twenty times quicker than one after the other."""
        checked = {}
        for name, fields in videos.items():
            exact(fields["video_path"], "video_path")
            checked[exact(name, "video_name")] = video_fields(**fields)
        with self.session():
            collection = self._video_files()
            names = list(checked)
            for start in range(0, len(names), stored.UPSERT):
                part = names[start : start + stored.UPSERT]
                stored.write_video_records(collection, {name: checked[name] for name in part})

    def get_video_status(self, video_name: str) -> dict[str, Any]:
        """The video's record; {} if there is none."""
        with self._reading(VIDEO_FILES) as collection:
            return (stored.video_record(collection, video_name) if collection is not None else None) or {}

    def update_video_status(self, video_name: str, **status_fields: Any) -> None:
        """Change fields (VIDEO_FIELDS) of a video's record; None deletes one.

        Raises:
            UserError: there is no such record.
        """
        fields = video_fields(**status_fields)
        with self._reading(VIDEO_FILES) as collection:
            old = stored.video_record(collection, video_name) if collection is not None else None
            if old is None:
                raise UserError(f'video "{video_name}" is not in the database: run phase1_whisper_frames.py')
            stored.update_video_record(collection, old, fields)

    def list_videos(self, status_filter: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The records, oldest first.

        Args:
            status_filter: field to a value, or to a list of values any of which will do (an empty one matches nothing).
        """
        pages = self._video_pages(status_filter, ["metadatas"])
        videos = [ordered(metadata, VIDEO_FILTERS) for page in pages for metadata in page["metadatas"]]
        return sorted(videos, key=lambda video: (video.get("created_at", ""), video.get("video_name", "")))

    def video_names(self, status_filter: Mapping[str, Any] | None = None) -> list[str]:
        """The names of the videos that `list_videos` would give, sorted: 50 times quicker than the records.

        Args:
            status_filter: as of `list_videos`.
        """
        return sorted(id_ for page in self._video_pages(status_filter, []) for id_ in page["ids"])

    def _video_pages(self, status_filter: Mapping[str, Any] | None, include: list[str]) -> Iterator[dict[str, Any]]:
        wanted = status_filter or {}
        check_known(wanted, VIDEO_FILTERS)
        if any(is_empty(value) for value in wanted.values()):
            return
        where = where_clause(wanted, VIDEO_FILTERS)
        with self._reading(VIDEO_FILES) as collection:
            if collection is not None:
                yield from stored.read_pages(collection, where=where, include=include)

    def delete_video_file(self, video_name: str) -> bool:
        """Delete the video's record, not its segments; whether there was one."""
        with self._reading(VIDEO_FILES) as collection:
            if collection is None or stored.video_record(collection, video_name) is None:
                return False
            collection.delete(ids=[video_name])
            return True

    def _video_files(self) -> Any:
        return self._open().get_or_create_collection(
            VIDEO_FILES,
            embedding_function=None,
            metadata={"description": "Video files metadata and processing status"},
            configuration={"hnsw": {"sync_threshold": SYNC_THRESHOLD}},
        )

    # === video_segments ===

    def add_segments(
        self,
        video_path: str,
        segments: Sequence[Mapping[str, Any]],
        *,
        video_name: str | None = None,
        embeddings: np.ndarray | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Put the video's segments in place of those that are there; how many.

        A reader finds the old ones or the new ones, never none. No segments and a video_name: delete them all.

        Args:
            segments: of one video, each with video_name, segment_index, start_time and end_time (s) and any of the
                other SEGMENT_FIELDS; further keys are left out.
            embeddings: float32 [len(segments), dimension] made by this manager's embedder; None embeds here.
            progress: told how many of the segments are embedded.

        Raises:
            ValueError: a value that a record cannot hold; names video, segment and field.
        """
        records = [segment_record(segment, video_path) for segment in segments]
        name = one_video(records, video_name)
        if not records:
            self.delete_video_segments(name)
            return 0
        documents = [segment_document(segment) for segment in records]
        embedder = self.embedder
        if embeddings is None:
            vectors = embed(embedder, documents, progress)
        else:
            vectors = checked_vectors(embeddings, len(records), embedder)
        with self.session():
            collection = self._segments_for(embedder)
            with self._changing(collection) as generation:
                stored.replace_segments(collection, name, generation, records, documents, vectors)
        return len(records)

    def embed_segments(self, segments: Sequence[Mapping[str, Any]], progress: Progress | None = None) -> np.ndarray:
        """The segments' vectors, float32 [len(segments), dimension], for `add_segments(embeddings=...)`.

        For who wants to write them in a session of its own: embedding takes too long to hold one meanwhile.

        Args:
            progress: told how many of the segments are embedded.
        """
        # By way of the record, so that these are the very texts that add_segments stores.
        documents = [segment_document(segment_record(segment, "-")) for segment in segments]
        return embed(self.embedder, documents, progress)

    @contextmanager
    def _changing(self, collection: Any) -> Iterator[int]:
        """Records are changed inside; who searches notices. Gives the generation to write as run_id."""
        if self._server:  # its folder may have been put back to an older state: our index must not take that for newer
            self._follow()
        yield stored.raise_generation(collection)
        if self._server:  # who searched meanwhile has not seen all of it
            stored.raise_generation(collection)
        self._follow()

    # === Search ===

    def search(
        self,
        query: str,
        limit: int = 10,
        *,
        without: Mapping[str, Any] | None = None,
        added: tuple[str | None, str | None] | None = None,
        time: tuple[float | None, float | None] | None = None,
        by: By = "together",
        **filters: Any,
    ) -> list[dict[str, Any]]:
        """The segments that answer best, by their meaning and by the words that they hold.

        What stands in double quotes in the query has to occur, in the document or in the speech itself; case, ё or е,
        and punctuation do not count.

        Args:
            limit: at most so many, 1 or more.
            without: fields as of `filters` to values that must not occur.
            added: ISO dates or times (local) between which a segment was first stored: from the first on, before the
                second. None is no bound.
            time: seconds in the video; segments that overlap what is between.
            by: "vectors" or "words" alone, to compare.
            filters: video_name, language, content_type, mood_atmosphere, confidence, scene_change, keywords: a value or
                a list any of which will do; None or an empty list is no filter.

        Returns:
            Each the segment's fields with "id", "document", "score" (the cosine, 1 is the same) and "close": whether it
            answers, and is not merely the least far (videotag/ranking.py). Close ones come first.
        """
        if limit < 1:
            raise ValueError(f"limit is {limit}, has to be 1 or more")
        where = segment_where(filters, without, added, time)
        stamp = self._stamp  # mostly still so
        for _ in range(6):
            try:
                asked = None if stamp is None else self._asked(query, stamp)
                with self._looking() as collection:
                    if collection is None:
                        return []
                    before, stamp = stamp, stored.stamp_of(collection)
                    if asked is not None and stamp == before:
                        self._stamp = stamp
                        return self._segments.find(collection, query, *asked, limit, where, by)
                if asked is None:
                    continue
            except Exception as error:
                # What a server says of a collection that is being replaced at this very moment.
                if type(error).__name__ != "NotFoundError" and "Missing metadata segment" not in str(error):
                    raise
            clock.sleep(0.1)  # rebuilt meanwhile, or under another embedder
        raise UserError(f"the database {self.directory} is being rebuilt: search again when that has ended")

    def _asked(self, query: str, stamp: dict[str, Any]) -> tuple[np.ndarray, Typical]:
        """The vectors of the query, float32 [dimension], and those that are typical."""
        embedder = self._embedder_for(stamp)
        return embedder.embed_queries([query])[0], typical(embedder)

    def search_like(
        self,
        video_name: str,
        seconds: float,
        /,
        limit: int = 10,
        *,
        without: Mapping[str, Any] | None = None,
        added: tuple[str | None, str | None] | None = None,
        time: tuple[float | None, float | None] | None = None,
        **filters: Any,
    ) -> list[dict[str, Any]]:
        """The segments nearest in meaning to the one at that time of a video, without those that overlap it.

        Args and returns as of `search`.

        Raises:
            UserError: there is no such segment.
        """
        where = segment_where(filters, without, added, time)
        with self._looking() as collection:
            few = collection is not None and 0 < collection.count() < FEWEST
        known = None
        with suppress(UserError):  # without an embedder all of few are close
            known = typical(self.embedder) if few else None
        with self._looking() as collection:
            wanted = {"video_name": clean_text(video_name)}
            found = {} if collection is None else stored.read_records(collection, where=wanted)
            at = [id_ for id_, (fields, _) in found.items() if fields["start_time"] <= seconds <= fields["end_time"]]
            if not at:
                if not found:
                    raise UserError(f'"{video_name}": there is no video of that name in the search collection')
                end = max(fields["end_time"] for fields, _ in found.values())
                raise UserError(f'"{video_name}": there is no segment at {seconds:g} s: it ends at {end:g} s')
            best = min(at, key=lambda id_: abs(found[id_][0]["start_time"] + found[id_][0]["end_time"] - 2 * seconds))
            start, end = found[best][0]["start_time"], found[best][0]["end_time"]
            same = {id_ for id_, (f, _) in found.items() if f["start_time"] < end and start < f["end_time"]} | {best}
            vector = stored.read_vectors(collection, [best])[best]
            hits = self._segments.find(collection, "", vector, known, limit + len(same), where, "vectors", alike=True)
        return [hit for hit in hits if hit["id"] not in same][:limit]

    def facets(self, field: str) -> dict[Any, int]:
        """Which values a field of SEGMENT_FILTERS has, and how often, the most frequent first.

        All records are read, in pages: 7 s for 100,000.
        """
        check_known({field: None}, SEGMENT_FILTERS)
        counts: Counter[Any] = Counter()
        with self._looking() as collection:
            for page in stored.read_pages(collection, include=["metadatas"]) if collection is not None else ():
                values = ((metadata or {}).get(field) for metadata in page["metadatas"])
                counts.update(v for value in values for v in (value if isinstance(value, list) else [value]))
        for nothing in (None, ""):
            counts.pop(nothing, None)
        return dict(counts.most_common())

    @contextmanager
    def _looking(self) -> Iterator[Any]:
        """As _reading(VIDEO_SEGMENTS), only to search: the client stays open for the next time."""
        if not self._exists():
            yield None
            return
        with self._session(keep=True):
            yield self._find(VIDEO_SEGMENTS)

    # === The index beside the collection ===

    @functools.cached_property
    def _segments(self) -> SegmentSearch:
        return SegmentSearch(self._index, (lambda old: self._find(VIDEO_SEGMENTS) or old) if self._server else None)

    @functools.cached_property
    def _index(self) -> SegmentIndex:
        """In the database's folder, or, of a server's database, among this user's cached files."""
        if self._server is None:
            return SegmentIndex(self.directory / "index.sqlite3")
        import platformdirs

        name = hashlib.sha256(repr(self._server).encode()).hexdigest()[:16]
        return SegmentIndex(platformdirs.user_cache_path("videotag") / f"index-{name}.sqlite3")

    def _follow(self) -> None:
        """Bring the index up to date after a change, so that the next search need not."""
        try:
            with self._reading(VIDEO_SEGMENTS) as found:
                if found is not None:
                    self._segments.follow(found)
        except UserError as error:
            log.warning("%s (the next search tries again)", error)

    # === Counting, checking, deleting ===

    def delete_video_segments(self, video_name: str) -> int:
        """Delete all segments of a video; how many there were. Its load is due again."""
        with self._reading(VIDEO_SEGMENTS) as collection:
            if collection is None or not (count := stored.count_segments(collection, video_name)):
                return 0
            with self._changing(collection):
                collection.delete(where={"video_name": video_name})
            if self.get_video_status(video_name).get("db_load_status") == "completed":
                self.update_video_status(
                    video_name, db_load_status="pending", db_load_reason="its segments were deleted"
                )
            return count

    def count_segments(self, video_name: str | None = None) -> int:
        """How many segments there are, of one video or of all."""
        with self._reading(VIDEO_SEGMENTS) as collection:
            if collection is None:
                return 0
            return collection.count() if video_name is None else stored.count_segments(collection, video_name)

    def segment_counts(self) -> dict[str, int]:
        """How many segments are stored of each video, whether or not it has a record."""
        counts: Counter[str] = Counter()
        with self._reading(VIDEO_SEGMENTS) as collection:
            if collection is not None:
                for page in stored.read_pages(collection, include=["metadatas"]):
                    counts.update((metadata or {}).get("video_name", "") for metadata in page["metadatas"])
        return dict(counts)

    def check_segments(
        self, video_name: str, video_path: str, segments: Sequence[Mapping[str, Any]]
    ) -> dict[str, list[int]]:
        """Compare what is stored of a video with the segments that were loaded: indexes by fault, {} if all is well.

        The faults: "missing", "surplus", "different" (document or fields), "without a vector", "not found by search"
        (the index beside the collection lacks it, or knows another vector of it).
        """
        records = [segment_record(segment, video_path) for segment in segments]
        expected = {f"{video_name}_seg_{record['segment_index']}": record for record in records}
        there: stored.Snapshot = {}
        vectors: dict[str, np.ndarray] = {}
        lost: set[str] = set()
        with self._reading(VIDEO_SEGMENTS) as collection:
            if collection is not None:
                there = stored.read_records(collection, where={"video_name": video_name})
                vectors = stored.readable_vectors(collection, list(there))
                lost = self._segments.not_found(collection, vectors)
        faults = {
            "missing": expected.keys() - there.keys(),
            "surplus": there.keys() - expected.keys(),
            "different": {id_ for id_ in expected.keys() & there.keys() if stored.differs(there[id_], expected[id_])},
            "without a vector": there.keys() - vectors.keys(),
            "not found by search": lost,
        }
        everything = {id_: metadata for id_, (metadata, _) in there.items()} | expected
        indexes = {
            fault: sorted(everything[id_].get("segment_index", -1) for id_ in ids) for fault, ids in faults.items()
        }
        return {fault: found for fault, found in indexes.items() if found}

    def delete_unknown_segments(self) -> int:
        """Delete the segments of videos that have no record; how many."""
        with self._reading(VIDEO_SEGMENTS) as collection:
            if collection is None:
                return 0
            known = set(self.video_names())
            unknown = [
                id_
                for page in stored.read_pages(collection, include=["metadatas"])
                for id_, metadata in zip(page["ids"], page["metadatas"], strict=True)
                if (metadata or {}).get("video_name") not in known
            ]
            with self._changing(collection):
                for start in range(0, len(unknown), stored.UPSERT):
                    collection.delete(ids=unknown[start : start + stored.UPSERT])
            return len(unknown)

    def stamp(self) -> dict[str, Any] | None:
        """Which embedder made the vectors: {"embedder", "model", "dimension"}.

        None if there is no collection, {} if it remembers none (another program's).
        """
        with self._reading(VIDEO_SEGMENTS) as collection:
            return None if collection is None else stored.stamp_of(collection)

    @property
    def embedder(self) -> Embedder:
        """The embedder in use, loaded now if it was not.

        Raises:
            UserError: it is not the one that the collection was made with.
        """
        return self._embedder_for(self.stamp())

    def _embedder_for(self, stamp: dict[str, Any] | None) -> Embedder:
        """The embedder for a collection of that stamp (None: a new one)."""
        way_out = "run: python load_data_to_chroma.py --rebuild"
        if stamp == {}:
            raise UserError(f"{VIDEO_SEGMENTS} does not say which embedder made it: {way_out}")
        if self._given is not None:
            if stamp and stamp != stored.stamp_for(self._given):
                raise UserError(
                    f"{VIDEO_SEGMENTS} was made with {stored.title(stamp)}, not with {stored.title_of(self._given)}: "
                    f"choose the former, or {way_out} {stored.options_for(stored.stamp_for(self._given))}"
                )
            return self._given
        if self._loaded is None or (stamp and stamp != stored.stamp_for(self._loaded)):
            self._loaded = self._load_stamped(stamp) if stamp else self._load(DEFAULT_EMBEDDER, None)
        return self._loaded

    def _load_stamped(self, stamp: dict[str, Any]) -> Embedder:
        for embedder in (self._given, self._loaded):
            if embedder is not None and stored.stamp_for(embedder) == stamp:
                return embedder
        embedder = self._load(stamp["embedder"], stamp["model"])
        if stored.stamp_for(embedder) != stamp:
            raise UserError(
                f"{VIDEO_SEGMENTS} was made with {stored.title(stamp)}, which is now {stored.title_of(embedder)}: "
                f"run: python load_data_to_chroma.py --rebuild {stored.options_for(stamp)}"
            )
        return embedder

    def _segments_for(self, embedder: Embedder) -> Any:
        """The collection to write to, made where there is none; refused if it is another embedder's by now."""
        collection = self._find(VIDEO_SEGMENTS) or _create_segments(self._open(), VIDEO_SEGMENTS, embedder)
        stamp = stored.stamp_of(collection)
        if stamp != stored.stamp_for(embedder):
            raise UserError(
                f"{VIDEO_SEGMENTS} was made with {stored.title(stamp)} meanwhile, not with "
                f"{stored.title_of(embedder)}: run again"
            )
        return collection

    # === Rebuilding and mending ===

    def rebuild_segments(self, embedder: Embedder, progress: Progress | None = None) -> int:
        """Make all vectors anew with this embedder, which the collection remembers from then on; how many.

        Searching and writing go on meanwhile: what changed is embedded again before the swap. All documents and vectors
        are held in memory (10,000 x 384: some 50 MB).

        Args:
            progress: told how many of the texts are embedded.
        """
        vectors: dict[str, np.ndarray] = {}
        while True:
            with self._reading(VIDEO_SEGMENTS) as collection:
                if collection is None:
                    return 0
                generation = stored.generation_of(collection)
                records = stored.read_records(collection)
                missing = list(dict.fromkeys(text for _, text in records.values() if text not in vectors))
                if not missing and self._swap(collection, generation, records, vectors, embedder):
                    break
            vectors.update(zip(missing, embed(embedder, missing, progress), strict=True))
        self._follow()
        if self._given is not None:
            self._given = embedder
        self._loaded, self._stamp = embedder, None
        return len(records)

    def _swap(
        self,
        old: Any,
        generation: int,
        records: stored.Snapshot,
        vectors: Mapping[str, np.ndarray],
        embedder: Embedder,
    ) -> bool:
        """Fill a new collection and put it in the old one's place, unless a server's other client changed the old.

        Args:
            generation: the old one's, before its records were read.
        """
        client = self._open()
        if any(collection.name == REBUILD for collection in client.list_collections()):
            client.delete_collection(REBUILD)
        new = _create_segments(client, REBUILD, embedder)
        ids = list(records)
        for start in range(0, len(ids), stored.UPSERT):
            part = ids[start : start + stored.UPSERT]
            new.add(
                ids=part,
                metadatas=[records[id_][0] or None for id_ in part],
                documents=[records[id_][1] for id_ in part],
                embeddings=[vectors[records[id_][1]] for id_ in part],
            )
        if self._server:  # who writes raises the generation before and after
            now = _get(client, VIDEO_SEGMENTS)
            state = now and stored.state_of(now)
            if state != stored.State(str(old.id), generation, len(records)):
                client.delete_collection(REBUILD)
                return False
        client.delete_collection(VIDEO_SEGMENTS)
        _rename(client, new)  # a crash before this line is mended by _find()
        if self._server is None:
            self._close()
            mending.remove_orphans(self.directory)
            mending.seal(self.directory)
        return True

    def mend(self) -> list[str]:
        """Check the embedded database as after a crash, and mend it; the collections whose index was broken.

        Raises:
            UserError: it was damaged beyond mending, and is kept under another name; the line says how to go on.
        """
        if self._server or not self._exists():
            return []
        with self.session():
            self._close()
            try:
                return self._check("is checked on request")
            except _Damaged as error:
                kept = mending.move_away(self.directory)
                self._unmark()
                self._seen = False
                raise UserError(
                    f"{str(error).partition(':')[0]}; it is kept as {kept}: run the scripts again, from "
                    "phase1_whisper_frames.py on: they make a new one from data/"
                ) from error

    def _check(self, why: str) -> list[str]:
        """Look at all of the database and mend it; the broken indexes. The lock is held, no client is open.

        Raises:
            UserError: it is damaged beyond mending (_Damaged), or there is no room for the work.
        """
        if not mending.is_there(self.directory):  # killed before it was made
            return []
        try:
            if mending.lacks_room(self.directory, needed=mending.ROOM + mending.index_bytes(self.directory)):
                raise self._no_room()
            if fault := mending.damage(self.directory):
                raise self._damaged(fault)
            broken = self._mend(why)
        except UserError:
            raise
        except (OSError, sqlite3.Error) as error:
            raise self._failure(error) from error
        mending.seal(self.directory)
        self._unmark()
        return broken

    def _damaged(self, fault: str) -> _Damaged:
        return _Damaged(
            f"the database {self.directory} is damaged ({fault}): run: python run.py doctor --repair --db "
            f"{self.directory}, then the scripts again: they make a new one from data/"
        )

    def _mend(self, why: str) -> list[str]:
        """Probe all collections and make the broken indexes anew."""
        self._drop_leftovers()
        indexes = mending.vector_indexes(self.directory)
        names = self._broken([index.collection for index in indexes])
        broken = [index for index in indexes if index.collection in names]
        if not broken:
            log.warning("the database %s %s: nothing is broken", self.directory, why)
            return []
        what = " and ".join(names)
        log.warning("the database %s %s: mending %s, which can take minutes", self.directory, why, what)
        aside = Path(f"{self.directory}.broken")
        mending.move_aside(broken, aside)
        with self._own_client() as client:
            count = sum(self._refill(client, index) for index in broken)
        if self._broken(names):
            raise self._damaged("its indexes break again")
        shutil.rmtree(aside, ignore_errors=True)
        log.warning("the database %s is mended: %d vectors put in again, nothing is lost", self.directory, count)
        return names

    @contextmanager
    def _own_client(self) -> Iterator[Any]:
        """A client for mending. If it fails on whole indexes, the database is damaged, or the disk is full."""
        try:
            client = _open_embedded(self.directory)
            try:
                yield client
            finally:
                client.close()
        except BaseException as error:
            if not stored.is_internal(error):
                raise
            if mending.lacks_room(self.directory, _first_line(error)):
                raise self._no_room() from error
            raise self._damaged(_first_line(error)) from error

    def _drop_leftovers(self) -> None:
        """Delete what a rebuild that was killed before its swap has made so far."""
        names = {index.collection for index in mending.vector_indexes(self.directory)}
        if {REBUILD, VIDEO_SEGMENTS} <= names:
            with self._own_client() as client:
                client.delete_collection(REBUILD)
        mending.remove_orphans(self.directory)

    def _broken(self, names: list[str]) -> list[str]:
        probe = [sys.executable, str(Path(__file__).resolve()), "--probe", str(self.directory)]
        context = getattr(self._file_lock, "_context", None)
        timeout = mending.PROBE_SECONDS * (1 + mending.index_bytes(self.directory) / 10e6)
        return mending.broken_collections(probe, names, getattr(context, "lock_file_fd", None), timeout)

    def _refill(self, client: Any, index: mending.VectorIndex) -> int:
        """Give every record of a collection with an empty index its vector again; how many."""
        import numpy as np

        collection = client.get_collection(index.collection, embedding_function=None)
        run_ids = {
            id_: (metadata or {}).get("run_id")
            for page in stored.read_pages(collection, include=["metadatas"])
            for id_, metadata in zip(page["ids"], page["metadatas"], strict=True)
        }
        ids = list(run_ids)
        stamp = stored.stamp_of(collection)
        if stamp:
            vectors = self._segments.kept(collection, run_ids)
            stored.raise_generation(collection)
        else:  # then vectors mean nothing: video_files has [1.0]; another program's segments wait for --rebuild
            vectors = dict.fromkeys(ids, np.eye(1, index.dimension, dtype=np.float32)[0])
        lost = {id_ for id_ in ids if id_ not in vectors}
        embedder = self._load_stamped(stamp) if lost else None
        for start in range(0, len(ids), stored.UPSERT):
            part = ids[start : start + stored.UPSERT]
            if embedder and not lost.isdisjoint(part):
                records = stored.read_records(collection, ids=[id_ for id_ in part if id_ in lost])
                made = embed(embedder, [text for _, text in records.values()], None)
                vectors |= dict(zip(records, made, strict=True))
            collection.upsert(ids=part, embeddings=[vectors[id_] for id_ in part])
        return len(ids)


# === Clients ===


def _chromadb() -> Any:
    """The library: 0.9 CPU s and 84 MB, so it is imported where a database is opened.

    A quarter of that is saved (benchmarks/idle.py): by no garbage collection over what 2,000 modules bring in, neither
    meanwhile nor at the end, and by no threads of OpenBLAS, which numpy would start and nothing here uses.
    """
    # ChromaDB puts vectors into its index by as many threads as there are cores, also what it replays at each opening.
    # hnswlib's updates are not made for that: now and then a vector loses all links to it, and no query finds it. Our
    # search does not ask that index, but the probe does, and other programs may.
    os.environ["RAYON_NUM_THREADS"] = "1"  # read when the library first needs its threads
    if "chromadb" in sys.modules:
        return sys.modules["chromadb"]
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    collecting = gc.isenabled()
    gc.disable()
    try:
        import chromadb
        import chromadb.api.rust
    except ImportError as error:
        raise UserError(f"ChromaDB is missing: pip install chromadb==1.5.9 ({error})") from error
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
    return chromadb


def _open_embedded(directory: Path) -> Any:
    chromadb = _chromadb()
    from chromadb.api.shared_system_client import SharedSystemClient

    try:
        client = chromadb.PersistentClient(str(directory), settings=_settings().model_copy())
        close = client._system.stop
    finally:
        # The next one for the folder would share what this one has read, or the failure to open it.
        SharedSystemClient._identifier_to_system.pop(str(directory), None)
        SharedSystemClient._identifier_to_refcount.pop(str(directory), None)
    client.close = close
    return client


@functools.cache
def _settings() -> Any:
    """Made once: it takes a third of the time of opening the database."""
    from chromadb.config import Settings

    # chromadb would read a .env file of the working directory and variables as common as ENVIRONMENT or MIGRATIONS.
    defaults: dict[str, Any] = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(**defaults | {"anonymized_telemetry": False, "_env_file": None})


def _server_address(url: str) -> tuple[str, int, bool]:
    """(host, port, TLS) of a server's address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f'the ChromaDB address "{url}" is not like http://127.0.0.1:8000')
    secure = parts.scheme == "https"
    return parts.hostname, port or (443 if secure else 8000), secure


def _connect(host: str, port: int, secure: bool) -> Any:
    chromadb = _chromadb()
    from chromadb.config import Settings

    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        anonymized_telemetry=False,
        chroma_server_host=host,
        chroma_server_http_port=port,
    )
    token = os.environ.get("CHROMA_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        return chromadb.HttpClient(host, port, ssl=secure, headers=headers, settings=settings)
    except Exception as error:
        url = f"{'https' if secure else 'http'}://{host}:{port}"
        if not {401, 403}.isdisjoint(_statuses(error)):
            raise UserError(f"the ChromaDB server at {url} wants a token: set CHROMA_TOKEN to the right one") from error
        raise _unreachable(url) from error


def _statuses(error: BaseException | None) -> Iterator[int | None]:
    """The HTTP status of the answer that an error came from, somewhere along the chain: ChromaDB's own does not say."""
    while error is not None:
        yield getattr(getattr(error, "response", None), "status_code", None)
        error = error.__cause__ or error.__context__


def _unreachable(url: str) -> UserError:
    port = urlsplit(url).port or 8000
    return UserError(
        f"no ChromaDB server answers at {url}: start one with chroma run --path ./chroma_db --port {port}, or "
        "leave the address out"
    )


def _may_write(directory: Path) -> bool:
    database = directory / mending.DATABASE
    return all(os.access(path, os.W_OK) for path in (directory, database) if path.exists())


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


# === Collections ===


def _get(client: Any, name: str) -> Any:
    """The collection, or None."""
    from chromadb.errors import NotFoundError  # not before _chromadb() has imported it at less cost

    try:
        return client.get_collection(name, embedding_function=None)
    except NotFoundError:
        return None


def _rename(client: Any, rebuilt: Any) -> None:
    """Make a rebuilt collection the one that is searched; another process may do the same at once."""
    from chromadb.errors import ChromaError

    try:
        rebuilt.modify(name=VIDEO_SEGMENTS)
    except ChromaError:
        now = _get(client, VIDEO_SEGMENTS)
        if now is None or now.id != rebuilt.id:
            raise


def _create_segments(client: Any, name: str, embedder: Embedder) -> Any:
    """Over a server another process may be quicker: then the collection is that one's, with its stamp."""
    return client.get_or_create_collection(
        name,
        embedding_function=None,
        metadata={
            "description": "Video segment descriptions from VLLM analysis",
            **stored.stamp_for(embedder),
            "generation": stored.milliseconds(),
        },
        configuration={"hnsw": {"space": "cosine", "sync_threshold": SYNC_THRESHOLD}},
    )


def _seen(client: Any) -> tuple[str, int] | None:
    """The search collection and its generation, as stored now."""
    collection = _get(client, VIDEO_SEGMENTS)
    return None if collection is None else (str(collection.id), stored.generation_of(collection))


# === The probe ===


def _probe(directory: Path, names: Sequence[str]) -> None:
    """Try collections and print "ok NAME" or "broken NAME" of each; a broken one can kill the process."""
    client = _open_embedded(directory)
    for name in names:
        try:
            _try_wholly(client.get_collection(name, embedding_function=None))
            print(f"ok {name}", flush=True)
        except BaseException as error:  # Rust's panics are no Exception
            print(f"broken {name}\n{_first_line(error)}", flush=True)
    client.close()


def _try_wholly(collection: Any) -> None:
    """Read everything, ask for vectors throughout, write one back: some damage shows only then.

    What is not asked is whether each vector finds itself: many equal ones hide others also in a whole index, and our
    own search does not go by it.
    """
    import numpy as np

    ours = collection.name == VIDEO_FILES or bool(stored.stamp_of(collection))
    total, seen, page, asked = collection.count(), 0, {}, []
    while seen < total:
        page = collection.get(include=["embeddings", "metadatas", "documents"], limit=1000, offset=seen)
        if not page["ids"] or len(page["ids"]) != len(page["embeddings"]):
            raise RuntimeError(f"{seen} of {total} records found")
        vectors = np.asarray(page["embeddings"])
        if not np.isfinite(vectors).all() or (ours and np.abs(np.linalg.norm(vectors, axis=1) - 1).max() > 1e-3):
            raise RuntimeError("a vector is not as long as it was made")
        asked.append(vectors[:: max(1, total // PROBES)])
        seen += len(page["ids"])
    for vectors in asked:
        if not all(collection.query(query_embeddings=vectors, n_results=1, include=["distances"])["distances"]):
            raise RuntimeError("a stored vector finds nothing")
    if page:
        collection.update(ids=page["ids"][-1:], embeddings=page["embeddings"][-1:])


def main(argv: Sequence[str] | None = None) -> int:
    """--mend FOLDER for people, --probe FOLDER COLLECTION... for the mending itself."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) > 2 and arguments[0] == "--probe":
        _probe(Path(arguments[1]), arguments[2:])
        return 0
    if len(arguments) != 2 or arguments[0] != "--mend":
        print("usage: python db_manager.py --mend FOLDER", file=sys.stderr)
        return 2
    logging.basicConfig(format="%(message)s")
    try:
        ChromaDBManager(arguments[1]).mend()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
