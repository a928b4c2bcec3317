"""The collection video_files: one record a video."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from videotag import stages
from videotag.fields import video_filters
from videotag.store import pages
from videotag.store.known import MOST, KnownRecords
from videotag.store.pages import get
from videotag.store.place import SYNC_THRESHOLD, VIDEO_FILES, Place
from videotag.store.records import (
    MANY,
    check_known,
    exact,
    is_empty,
    ordered,
    video_document,
    video_fields,
    where_clause,
)
from videotag.times import now

FEW = (
    200  # names at once: of the hits of a search; who reads more, as the page of statuses, does not come back for them
)
_DESCRIBED = {"summary", "keywords"}  # fields that make a record's document


class VideoFiles:
    """The records of a place, read and written in sessions of their own."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._known = KnownRecords(place.index_path("-records"))

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A session with the collection, or None where there is none: reading makes nothing."""
        with self._place.reading() as there:
            yield get(self._place.client(), VIDEO_FILES) if there else None

    def collection(self) -> Any:
        """The collection of the session's client, made where there is none."""
        self._place.asked_for(VIDEO_FILES)
        return self._place.client().get_or_create_collection(
            VIDEO_FILES,
            embedding_function=None,
            metadata={"description": "Video files metadata and processing status"},
            configuration={"hnsw": {"sync_threshold": SYNC_THRESHOLD}},
        )

    def write(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        """Bring the records there are up to date, and make those that are not there; each name to its fields."""
        for own in fields.values():
            exact(own["video_path"], "video_path")
        videos = {exact(name, "video_name"): video_fields(**own) for name, own in fields.items()}
        with self._place.session():
            collection = self.collection()
            for part in pages.in_parts(list(videos), pages.UPSERT):
                _write(collection, {name: videos[name] for name in part})

    def record(self, video_name: str) -> dict[str, Any] | None:
        with self.reading() as collection:
            found = [] if collection is None else collection.get(ids=[video_name], include=["metadatas"])["metadatas"]
            return ordered(found[0], video_filters()) if found else None

    def records(self, filters: Mapping[str, Any] | None, without: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        """See `ChromaDBManager.list_videos`."""
        wanted = (filters or {}).get("video_name")
        names = [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted or ()))
        few = 0 < len(names) <= FEW and len(filters or {}) == 1 and not without
        found = self._named(names) if few else self._read(filters, without)
        return sorted(found, key=lambda video: (video.get("created_at", ""), video.get("video_name", "")))

    def _named(self, names: Collection[str]) -> Iterable[dict[str, Any]]:
        """The records of these videos. A folder's database is opened only if one has changed since they were read.

        Who asks for others of the same state is likely to go on: then all are read, if they are not too many to keep.
        """
        known = self._known_of(names)  # mostly all; the database is not held for them
        if len(known) < len(names):
            with self._place.reading():
                known = self._known_of(names)
                noted = self._place.notes().get(VIDEO_FILES)
                new = [name for name in names if name not in known]
                many = noted is not None and self._known.is_of(noted.state) and self._count() <= MOST
                found = {one["video_name"]: one for one in self._read(None if many else {"video_name": new}, None)}
                known |= {name: found.get(name, {}) for name in new}
                if noted:
                    self._known.keep(noted.state, {name: {} for name in new} | found)
        return [known[name] for name in names if known[name]]

    def _known_of(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        noted = self._place.notes().get(VIDEO_FILES)
        return self._known.read(noted.state, names) if noted else {}

    def _count(self) -> int:
        with self.reading() as collection:
            return 0 if collection is None else collection.count()

    def _read(self, filters: Mapping[str, Any] | None, without: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        table, found = video_filters(), self.in_pages(filters, without, ["metadatas"])
        return [ordered(metadata, table) for page in found for metadata in page["metadatas"]]

    def update(self, video_name: str, fields: Mapping[str, Any]) -> bool:
        checked = video_fields(**fields)
        with self.reading() as collection:
            if self.record(video_name) is None:
                return False
            self._place.asked_for(VIDEO_FILES)
            _write(collection, {video_name: checked}, make=False)  # another client may delete it meanwhile
            return True

    def delete(self, video_name: str) -> bool:
        with self.reading() as collection:
            if self.record(video_name) is None:
                return False
            self._place.asked_for(VIDEO_FILES)
            collection.delete(ids=[video_name])
            return True

    def in_pages(
        self, filters: Mapping[str, Any] | None, without: Mapping[str, Any] | None, include: list[str]
    ) -> Iterator[dict[str, Any]]:
        """ChromaDB's pages of the records that pass, as of `ChromaDBManager.list_videos`."""
        wanted, table = filters or {}, video_filters()
        check_known(wanted, table)
        if any(is_empty(value) for value in wanted.values()):
            return
        parts = [wanted]
        for field, value in wanted.items():  # of names and keys there are as many as videos
            if isinstance(value, MANY) and len(value) > pages.PAGE and table[field] is not list:
                some = list(pages.in_parts(list(dict.fromkeys(value)), pages.PAGE))
                parts = [{**part, field: values} for part in parts for values in some]
        wheres = [where_clause(part, without or {}, table) for part in parts]
        with self.reading() as collection:
            for where in wheres if collection is not None else ():
                yield from pages.read_pages(collection, where=where, include=include)


def _write(collection: Any, videos: Mapping[str, dict[str, Any]], make: bool = True) -> None:
    found = collection.get(ids=list(videos), include=["metadatas"])
    old = dict(zip(found["ids"], found["metadatas"], strict=True))
    plain = {name: fields for name, fields in videos.items() if name in old and not _DESCRIBED & fields.keys()}
    if plain:
        changes = [{**fields, "updated_at": now()} for fields in plain.values()]
        collection.update(ids=list(plain), metadatas=changes)
    for name in videos.keys() & old.keys() - plain.keys():
        # With a document the vector must be passed as well, or chromadb would embed it with its default model.
        document = video_document(old[name] | videos[name])
        changes = {**videos[name], "updated_at": now()}
        collection.update(ids=[name], metadatas=[changes], documents=[document], embeddings=[[1.0]])
    if new := [_new_record(name, fields) for name, fields in videos.items() if make and name not in old]:
        collection.add(
            ids=[record["video_name"] for record in new],
            embeddings=[[1.0]] * len(new),  # a record cannot be without a vector
            metadatas=new,
            documents=[video_document(record) for record in new],
        )


def _new_record(video_name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    made = now()
    pending = {stage.field("status"): "pending" for stage in stages.STAGES}
    record = {"video_name": video_name, **pending, **fields, "created_at": made, "updated_at": made}
    return {key: value for key, value in record.items() if value is not None}
