"""ChromaDBManager: the four collections of the video database, in ChromaDB.

    video_files       one record a video: what it is, how far each stage got
    video_segments    one record a segment: what is searched
    video_summaries   one record a video: what it is about, searched too (`whole_videos`)
    video_frames      one record a picture: what is seen (`pictures`)

Embedded (a folder) or through a server (`chroma run`); the methods are the same:

    db = ChromaDBManager()                                       # ./chroma_db
    db = ChromaDBManager(chroma_url="http://127.0.0.1:8000")

Every access is a short session. Several calls that belong together go in one:

    with db.session():
        if db.get_video_status("news").get("phase1_status") == "pending":
            db.update_video_status("news", phase1_status="processing")

A database that a killed process has left broken is mended by whoever opens it next (videotag/store/folder.py), or by
python doctor.py --repair
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videotag.embedders.contract import Embedder, Progress, checked_vectors
from videotag.embedders.engines import load_embedder
from videotag.embedders.pictures.contract import FrameEmbedder
from videotag.embedders.pictures.engines import load_frame_embedder
from videotag.errors import UserError
from videotag.fields import SEGMENT_FILTERS
from videotag.search.archive_search import ArchiveSearch
from videotag.search.pictures import Picture, Pictures
from videotag.search.segment_search import By
from videotag.search.whole_videos import WholeVideos
from videotag.store.collection import SEGMENTS
from videotag.store.documents import DocumentCollection
from videotag.store.folder import Folder
from videotag.store.place import LOCK_TIMEOUT, Place
from videotag.store.records import check_known, exact, one_video, segment_record, segment_where
from videotag.store.server import Server
from videotag.store.stamp import Embedders
from videotag.store.video_files import VideoFiles

if TYPE_CHECKING:
    import numpy as np

    Added = tuple[str | None, str | None]
    Span = tuple[float | None, float | None]
    Filter = Mapping[str, Any] | None
    At = tuple[str, float]


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
        load_frames: Callable[[str, str | None], FrameEmbedder] = load_frame_embedder,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> None:
        """Touch nothing yet: the database is opened, and made, when it is needed.

        Args:
            persist_directory: folder of the embedded database; ignored with chroma_url, that of a running `chroma run`.
            embedder: None is the one that the collection remembers, in an empty database the default one, loaded late.
            load, load_frames: build an embedder of texts, and one of pictures, from (name, model).
            lock_timeout: seconds to wait for another process's or thread's session.
        """
        self.directory = Path(persist_directory).resolve()
        self.chroma_url = chroma_url
        self._place: Place = Server(chroma_url, lock_timeout) if chroma_url else Folder(self.directory, lock_timeout)
        self._videos = VideoFiles(self._place)
        self._embedders = Embedders(SEGMENTS.name, embedder, load)
        self._segments = DocumentCollection(SEGMENTS, self._place, self._embedders)
        self.pictures = Pictures(self._place, load_frames)
        self._search = ArchiveSearch(self._segments, self.pictures)
        self.whole_videos = WholeVideos(self._place, self._embedders)
        self._of_videos = (self._segments, self.whole_videos, self.pictures)

    def __repr__(self) -> str:
        return f"ChromaDBManager({self.chroma_url or str(self.directory)!r})"

    def session(self) -> AbstractContextManager[None]:
        """Hold the database for the calls inside: nobody else changes it between them. May be nested.

        Keep it short: other processes wait. Never hold one during speech or vision work, nor across a fork. With a
        server only the threads of this manager wait for each other, not other processes.

        Raises:
            UserError: the database stays busy, cannot be opened, or failed inside.
        """
        return self._place.session()

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
        """Write a video's record; a new one starts with all statuses "pending".

        `video_duration`: seconds. `status_fields`: others of videotag/fields.py; None deletes the key.
        """
        fields = {"video_path": video_path, "language": language, "video_duration": video_duration}
        fields |= {"total_segments": total_segments, "width": width, "height": height, "fps": fps}
        self.create_or_update_video_files({video_name: {**fields, **status_fields}})

    def create_or_update_video_files(self, videos: Mapping[str, Mapping[str, Any]]) -> None:
        """The same for many, each name to its fields: twenty times quicker than one after the other."""
        self._videos.write(videos)

    def get_video_status(self, video_name: str) -> dict[str, Any]:
        """The video's record; {} if there is none."""
        return self._videos.record(video_name) or {}

    def update_video_status(self, video_name: str, **status_fields: Any) -> None:
        """Change fields (videotag/fields.py) of a video's record; None deletes one.

        Raises:
            UserError: there is no such record.
        """
        if not self._videos.update(video_name, status_fields):
            raise UserError(f'video "{video_name}" is not in the database: run phase1_whisper_frames.py')

    def list_videos(self, status_filter: Filter = None, *, without: Filter = None) -> list[dict[str, Any]]:
        """The records, oldest first.

        Args:
            status_filter: field to a value, or to a list of values any of which will do (an empty one matches nothing).
            without: the same, none of which may be; a record that lacks the field passes.
        """
        return self._videos.records(status_filter, without)

    def video_names(self, status_filter: Filter = None, *, without: Filter = None) -> list[str]:
        """The names of the videos that `list_videos` would give, sorted: 50 times quicker than the records."""
        return sorted(id_ for page in self._videos.in_pages(status_filter, without, []) for id_ in page["ids"])

    def delete_video_file(self, video_name: str) -> bool:
        """Delete the video's record, not its segments; whether there was one."""
        return self._videos.delete(video_name)

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
        by = self.embedder
        made = self._segments.vectors(records, by, progress) if embeddings is None else embeddings
        self._segments.replace(name, records, checked_vectors(made, len(records), by), by=by)
        return len(records)

    def move_segments(self, video_name: str, new_name: str, video_path: str) -> int:
        """Give a video's segments, summary and pictures another name and path; how many segments went (0: not all)."""
        place = {"video_name": exact(new_name, "video_name"), "video_path": exact(video_path, "video_path")}
        with self.session():
            lost = self.whole_videos.count(video_name) > self.whole_videos.move(video_name, **place)
            lost |= not self.pictures.renamed(video_name, new_name)
            return self._segments.move(video_name, **place) * (not lost)

    def embed_segments(
        self, segments: Sequence[Mapping[str, Any]], progress: Progress | None = None, *, anew: bool = False
    ) -> np.ndarray:
        """The segments' vectors, float32 [len(segments), dimension], for `add_segments` in a session of its own.

        A stored segment with the same text has its vector already, unless all are to be made `anew`.
        """
        # By way of the record, so that these are the very texts that add_segments stores.
        records = [segment_record(segment, "-") for segment in segments]
        return self._segments.vectors(records, self.embedder, progress, anew)

    # === Search ===

    def search(
        self,
        query: str,
        limit: int = 10,
        *,
        without: Filter = None,
        added: Added | None = None,
        time: Span | None = None,
        by: By = "together",
        **filters: Any,
    ) -> list[dict[str, Any]]:
        """The segments that answer best what was meant by the query, by their meaning and by the words that they hold.

        What stands in double quotes has to occur, in document or speech; case, ё or е, punctuation do not count.

        Args:
            without: fields as of `filters` to values that must not occur.
            added: ISO dates or times (local) between which a segment was first stored: from the first on, before the
                second. None is no bound. `shot`, among the filters: the same of the camera's day of shooting.
            time: seconds in the video; segments that overlap what is between.
            by: "vectors" or "words" alone, to compare.
            filters: video_name, language (any that is spoken), content_type, mood_atmosphere, confidence, scene_change,
                keywords: a value or a list any of which will do; None or an empty list is no filter.

        Returns:
            Each the segment's fields with "id", "document", "score" (the cosine, 1 is the same) and "close": whether it
            answers, and is not merely the least far (videotag/search/ranking.py). Close ones come first. "seen_at"
            and "seen_frame": of the picture that shows it (`Sighting`), where one does.
        """
        if limit < 1:
            raise ValueError(f"limit is {limit}, has to be 1 or more")
        found = self._search.hits(self.as_meant(query), segment_where(without, added, time, **filters), by, limit)
        return list(islice(found, limit))

    def as_meant(self, question: str) -> str:
        """What a question as it was typed meant (videotag/search/meant.py): `search` asks that, `hits` does not."""
        return self._search.as_meant(question)

    def search_like(self, video_name: str, seconds: float, /, limit: int = 10, **filters: Any) -> list[dict[str, Any]]:
        """The segments nearest in meaning to the one at that time of a video, without those that overlap it.

        Args (without, added, time among the filters) and returns as of `search`. UserError: there is no such segment.
        """
        return list(islice(self.hits("", (video_name, seconds), limit, **filters), limit))

    def hits(
        self, query: str, like: At | None = None, page: int = 10, picture: Picture | None = None, **filters: Any
    ) -> Iterator[dict[str, Any]]:
        """What `search`, or `search_like` of (video, seconds), gives without a limit: ranked once, read as asked for.

        Args:
            page: so many are read at first. The database is not held between two hits. The filters as of `search`.
            picture: instead of a question; what looks like it, `score` is of the pictures (`search.pictures`).
        """
        where = segment_where(**filters)
        if picture is not None:
            return self._search.looking_like(picture, where, page)
        return self._search.like(*like, where, page) if like else self._search.hits(query, where, "together", page)

    def facets(self, field: str) -> dict[Any, int]:
        """Which values a filter by a field finds, and how often, the most frequent first; reads all (100,000: 7 s)."""
        check_known({field: None}, SEGMENT_FILTERS)
        return self._segments.facets(field)

    # === Counting, checking, deleting ===

    def delete_video_segments(self, video_name: str) -> int:
        """Delete all segments of a video, summary and pictures; how many segments there were. Its load is due again."""
        with self._segments.reading():
            count, *others = [one.delete({"video_name": video_name}) for one in self._of_videos]
            if count + sum(others) and self.get_video_status(video_name).get("db_load_status") == "completed":
                due = {"db_load_status": "pending", "db_load_reason": "its segments were deleted"}
                self.update_video_status(video_name, **due)
            return count

    def count_segments(self, video_name: str | None = None) -> int:
        """How many segments there are, of one video or of all."""
        return self._segments.count(video_name)

    def segment_counts(self) -> dict[str, int]:
        """How many segments are stored of each video, whether or not it has a record; of none under ""."""
        return self._segments.counts()

    def check_segments(
        self, video_name: str, video_path: str, segments: Sequence[Mapping[str, Any]]
    ) -> dict[str, list[int]]:
        """Compare what is stored of a video with the segments that were loaded: indexes by fault, {} if all is well.

        The faults: "missing", "surplus", "different" (document or fields), "without a vector", "not found by search"
        (the index beside the collection lacks it, or knows another vector of it). Nothing is different while
        `is_outdated`.
        """
        faults = self._segments.check(video_name, [segment_record(segment, video_path) for segment in segments])
        return {fault: sorted(record.get("segment_index", -1) for record in found) for fault, found in faults.items()}

    def delete_unknown_segments(self) -> int:
        """Delete the segments, summaries and pictures of videos that have no record, and of none; how many segments."""
        with self._segments.reading():
            known = set(self.video_names())
            count, *_ = [one.delete(but_of=known) for one in self._of_videos]
            return count

    def stamp(self) -> dict[str, Any] | None:
        """Who made the vectors: {"embedder", "model", "dimension"}; None without a collection, {} if it says none."""
        stamp = self._segments.stamp()
        return self.whole_videos.stamp() if stamp is None else stamp

    def is_outdated(self) -> bool:
        """Whether what is searched of segments or summaries is another text by now: all are to be loaded again."""
        return self._segments.is_outdated() or self.whole_videos.is_outdated()

    def set_current(self) -> None:
        """Note that nothing is outdated, or its video is marked as to be loaded again."""
        self._segments.set_current()
        self.whole_videos.set_current()

    @property
    def embedder(self) -> Embedder:
        """The embedder in use, loaded now if it was not. UserError: it is not the one that made the collections."""
        return self._embedders.for_stamp(self.stamp())

    # === Rebuilding and mending ===

    def rebuild_segments(self, embedder: Embedder, progress: Progress | None = None) -> int:
        """Make all vectors anew with this embedder, which the collections remember from then on; how many segments.

        Searching and writing go on meanwhile: what changed is embedded again before the swap. All documents and vectors
        are held in memory (10,000 x 384: some 50 MB). `progress` is told of the segments' texts.
        """
        count = self._segments.rebuild(embedder, progress)
        self.whole_videos.rebuild(embedder)
        return count

    def mend(self) -> list[str]:
        """Check the embedded database as after a crash, and mend it; the collections whose index was broken.

        Raises UserError where it was beyond mending, and is kept under another name; the line says how to go on.
        """
        return self._place.mend()
