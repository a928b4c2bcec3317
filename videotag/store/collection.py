"""A collection with vectors of one embedder, and a generation that tells readers of each change.

What tells one from another is its `Kind`: video_segments, video_summaries (`documents`), video_frames (`frames`).
"""

from __future__ import annotations

import hashlib
import math
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from videotag.errors import UserError
from videotag.fields import BOOKKEEPING, FILTERED_AMONG, SEGMENT_FIELDS, SUMMARY_FIELDS
from videotag.store import pages
from videotag.store.pages import Snapshot, get
from videotag.store.place import SYNC_THRESHOLD, Place
from videotag.store.records import (
    SEGMENT_REQUIRED,
    joined,
    segment_document,
    segment_words,
    summary_document,
    summary_words,
)
from videotag.store.stamp import (
    Maker,
    State,
    document_version_of,
    milliseconds,
    raise_generation,
    stamp_for,
    stamp_of,
    state_of,
    title,
)

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Kind:
    """What tells one collection from another. Its records hold video_name: a video's are replaced together.

    Attributes:
        description: for other programs.
        document: what is searched of a record.
        words: the text whose words are searched, of document and record.
        fields: in the order in which a hit has them.
        needed: fields without which a record is another program's and no hit.
        version: of `document`, 1 or more. Raise it when that gives other texts: the load makes all documents anew.
        index: what follows "index" in the name of the file beside it.
    """

    name: str
    description: str
    id_of: Callable[[Mapping[str, Any]], str]
    document: Callable[[Mapping[str, Any]], str]
    words: Callable[[str, Mapping[str, Any]], str] = lambda document, record: document
    fields: Mapping[str, type] = field(default_factory=dict)
    needed: frozenset[str] = frozenset({"video_name"})
    version: int = 1
    index: str = ""

    @property
    def rebuild(self) -> str:
        """The name of what takes its place; exists only while a rebuild swaps."""
        return f"{self.name}_rebuild"


SEGMENTS = Kind(
    name="video_segments",
    description="Video segment descriptions from VLLM analysis",
    id_of=lambda record: f"{record['video_name']}_seg_{record['segment_index']}",
    document=segment_document,
    words=segment_words,
    fields=SEGMENT_FIELDS,
    needed=frozenset(SEGMENT_REQUIRED),
    version=2,  # 1: with the wording of what was measured
)
SUMMARIES = Kind(
    name="video_summaries",
    description="What whole videos are about: title, summary, keywords",
    id_of=lambda record: record["video_name"],
    document=summary_document,
    words=summary_words,
    fields=SUMMARY_FIELDS,
    index="-videos",
)


class Follower(Protocol):
    """What is kept beside a collection to search in it."""

    def follow(self) -> None:
        """Take in what changed."""

    def kept(self, collection: Any, run_ids: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The vectors, by id, of records that have not changed since. `run_ids`: of all; when each was written."""
        ...

    def not_found(self, collection: Any, vectors: Mapping[str, np.ndarray]) -> set[str]:
        """Those of the stored vectors that a search would not find."""
        ...


class VectorCollection(ABC):
    """The collection of a kind in a place, read and written in sessions of their own."""

    follower: Follower  # to be set by who searches in it

    def __init__(self, kind: Kind, place: Place) -> None:
        self.kind, self.place = kind, place
        place.collections.append(self)

    @abstractmethod
    def refill(self, collection: Any) -> None:
        """Give all records of it, whose index is empty, their vectors again."""

    def kept(self, collection: Any) -> tuple[list[str], dict[str, np.ndarray]]:
        """The ids of all records of it, and by id the vectors that are kept beside it; a new generation begins."""
        run_ids = {
            id_: (metadata or {}).get("run_id")
            for page in pages.read_pages(collection, include=["metadatas"])
            for id_, metadata in zip(page["ids"], page["metadatas"], strict=True)
        }
        vectors = self.follower.kept(collection, run_ids)
        raise_generation(collection)
        return list(run_ids), vectors

    # === Sessions ===

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A session (`Place.session`) with the collection, or None where there is none: reading makes nothing."""
        with self.place.reading() as there:
            yield self.find() if there else None

    def find(self) -> Any:
        """The collection of the session's client, or None."""
        client = self.place.client()
        self.place.asked_for(self.kind.name)
        found = get(client, self.kind.name)
        if found is None:
            # A rebuild ended between its delete and its rename, or is there now: then both may rename.
            if rebuilt := get(client, self.kind.rebuild):
                self.rename(rebuilt)
            return get(client, self.kind.name)
        return found

    @contextmanager
    def changing(self, collection: Any) -> Iterator[int]:
        """Records are changed inside; who searches notices. Gives the generation to write as run_id."""
        if self.place.shared:  # its folder may be of an older state now: our index must not take that for newer
            self.follower.follow()
        yield raise_generation(collection)
        if self.place.shared:  # who searched meanwhile has not seen all of it
            raise_generation(collection)
        self.follower.follow()

    # === What is there ===

    def stamp(self) -> dict[str, Any] | None:
        with self.reading() as collection:
            return None if collection is None else stamp_of(collection)

    def count(self, video_name: str | None = None) -> int:
        with self.reading() as collection:
            if collection is None:
                return 0
            found = pages.read_pages(collection, include=[], where={"video_name": video_name})
            return collection.count() if video_name is None else sum(len(page["ids"]) for page in found)

    def counts(self) -> dict[str, int]:
        """How many records there are of each video, whether or not it has one in video_files; of none under ""."""
        return dict(Counter(name or "" for name in self.values("video_name").elements()))

    def values(self, *fields: str) -> Counter[Any]:
        """Which values a field has, and how often, read in pages; each of a list counts; None where it is not there.

        Of several fields the first that a record has.
        """
        with self.reading() as collection:
            found = pages.read_pages(collection, include=["metadatas"]) if collection is not None else ()
            records = (metadata or {} for page in found for metadata in page["metadatas"])
            each = (next((record[name] for name in fields if name in record), None) for record in records)
            return Counter(v for value in each for v in (value if isinstance(value, list) else [value]))

    def facets(self, field: str) -> dict[Any, int]:
        """See `ChromaDBManager.facets`."""
        counts = self.values(FILTERED_AMONG.get(field, field), field).most_common()
        return {value: count for value, count in counts if value not in (None, "")}

    def check(self, video_name: str, records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """See `ChromaDBManager.check_segments`: by fault the records that have it."""
        with self.reading() as collection:
            if collection is None:
                return {"missing": list(records)} if records else {}
            there = pages.read_records(collection, where={"video_name": video_name})
            vectors = pages.readable_vectors(collection, list(there))
            unfound = self.follower.not_found(collection, vectors)
            outdated = document_version_of(collection) < self.kind.version
        expected = {self.kind.id_of(record): record for record in records}
        both = expected.keys() & there.keys()
        changed = {id_ for id_ in both if there[id_][1] != self.kind.document(expected[id_])}
        changed |= {id_ for id_ in both if differs(there[id_][0], expected[id_])}
        faults = {
            "missing": expected.keys() - there.keys(),
            "surplus": there.keys() - expected.keys(),
            "different": set() if outdated else changed,
            "without a vector": there.keys() - vectors.keys(),
            "not found by search": unfound,
        }
        everything = {id_: metadata for id_, (metadata, _) in there.items()} | expected
        return {fault: [everything[id_] for id_ in ids] for fault, ids in faults.items() if ids}

    # === Changes ===

    def replace(self, video_name: str, records: list[dict[str, Any]], vectors: np.ndarray, by: Maker) -> None:
        """Put a video's records in place of those that are there; a reader finds the old ones or the new ones.

        `vectors`: float32 [len(records), dimension], made `by` that embedder.
        """
        with self.place.session():
            collection = self.find() or self.create(self.kind.name, by, self.kind.version)
            if (stamp := stamp_of(collection)) != (mine := stamp_for(by)):
                raise UserError(
                    f"{self.kind.name} was made with {title(stamp)} meanwhile, not with {title(mine)}: run again"
                )
            ids, documents = [self.kind.id_of(record) for record in records], self.documents(records)
            with self.changing(collection) as generation:
                # In place, then the surplus: deleting and adding again makes live records unreachable (chroma #7758).
                old = pages.read_records(collection, where={"video_name": video_name})
                before = (old[id_][0] if id_ in old else {} for id_ in ids)
                own = ({"run_id": generation, "text_key": text_key(document)} for document in documents)
                merged = [_merged(*each) for each in zip(before, records, own, strict=True)]
                for start in range(0, len(ids), pages.UPSERT):
                    part = slice(start, start + pages.UPSERT)
                    collection.upsert(ids[part], vectors[part], merged[part], documents[part])
                collection.delete(where={"$and": [{"video_name": video_name}, {"run_id": {"$ne": generation}}]})

    def move(self, video_name: str, /, **changes: str) -> int:
        """Give a video's records another `video_name` and the like, with their vectors; how many then have these.

        Fewer than there were: the index does not give the vectors of some.
        """
        with self.reading() as collection:
            if collection is None:
                return 0
            old = pages.read_records(collection, where={"video_name": video_name})
            vectors = pages.readable_vectors(collection, list(old))
            with self.changing(collection) as generation:
                moved = {id_: {**old[id_][0], **changes, "run_id": generation} for id_ in vectors}
                for part in pages.in_parts(list(vectors), pages.UPSERT):
                    records, documents = [moved[id_] for id_ in part], [old[id_][1] for id_ in part]
                    new = [self.kind.id_of(record) for record in records]
                    collection.upsert(new, [vectors[id_] for id_ in part], records, documents)
                if changes.get("video_name", video_name) != video_name:
                    for part in pages.in_parts(list(old), pages.PAGE):
                        collection.delete(ids=list(part))
            where = joined("$and", [{field: value} for field, value in changes.items()])
            return sum(len(page["ids"]) for page in pages.read_pages(collection, include=[], where=where))

    def documents(self, records: Iterable[Mapping[str, Any]]) -> list[str]:
        return [self.kind.document(record) for record in records]

    def delete(self, where: dict[str, Any] | None = None, but_of: Collection[str] = ()) -> int:
        """Delete the records that pass ChromaDB's filter, but those of some videos; how many there were."""
        with self.reading() as collection:
            if collection is None:
                return 0
            # By ids: a filter over the names of 40,000 videos fails.
            found = pages.read_pages(collection, include=["metadatas"], where=where)
            pairs = (pair for page in found for pair in zip(page["ids"], page["metadatas"], strict=True))
            ids = [id_ for id_, metadata in pairs if (metadata or {}).get("video_name") not in but_of]
            if ids:
                with self.changing(collection):
                    for part in pages.in_parts(ids, pages.PAGE):
                        collection.delete(ids=part)
            return len(ids)

    def swap(self, old: Any, before: State, records: Snapshot, vectors: Mapping[str, np.ndarray], by: Maker) -> bool:
        """Fill a new collection and put it in the old one's place, unless a server's other client changed the old.

        Args:
            before: the old one's state, before its records were read.
            vectors: by id, made `by` that embedder.
        """
        client = self.place.client()
        if get(client, self.kind.rebuild):
            client.delete_collection(self.kind.rebuild)
        new = self.create(self.kind.rebuild, by, document_version_of(old))
        for part in pages.in_parts(list(records), pages.UPSERT):
            new.add(
                ids=part,
                metadatas=[records[id_][0] or None for id_ in part],
                documents=[records[id_][1] for id_ in part],
                embeddings=[vectors[id_] for id_ in part],
            )
        if self.place.shared:  # who writes raises the generation before and after
            now = get(client, self.kind.name)
            if (now and state_of(now)) != before:
                client.delete_collection(self.kind.rebuild)
                return False
        client.delete_collection(self.kind.name)
        self.rename(new)  # a crash before this line is mended by find()
        self.place.clear_up()
        return True

    def create(self, name: str, by: Maker, version: int) -> Any:
        """A new collection; over a server another process may be quicker: then it is that one's, with its stamp."""
        self.place.asked_for(self.kind.name)
        made = {"description": self.kind.description, **stamp_for(by), "document_version": version}
        return self.place.client().get_or_create_collection(
            name,
            embedding_function=None,
            metadata={**made, "generation": milliseconds()},
            configuration={"hnsw": {"space": "cosine", "sync_threshold": SYNC_THRESHOLD}},
        )

    def rename(self, rebuilt: Any) -> None:
        """Make a rebuilt collection the one that is searched; another process may do the same at once."""
        from chromadb.errors import ChromaError

        try:
            rebuilt.modify(name=self.kind.name)
        except ChromaError:
            now = get(self.place.client(), self.kind.name)
            if now is None or now.id != rebuilt.id:
                raise


def _merged(before: dict[str, Any], record: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A record to be written in place of what is there. An upsert merges keys: one that went is deleted by name."""
    return dict.fromkeys(before) | record | own | {"added": before.get("added", time.time())}


def text_key(text: str) -> int:
    """What a document is looked up by: 56 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:7], "big")


def differs(metadata: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Whether the fields of a stored record are others than expected."""
    if metadata.keys() - set(BOOKKEEPING) != expected.keys():
        return True
    return not all(  # ChromaDB keeps 16 digits of a float
        math.isclose(metadata[key], value) if isinstance(value, float) else metadata[key] == value
        for key, value in expected.items()
    )
