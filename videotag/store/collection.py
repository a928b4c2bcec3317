"""The collection video_segments: vectors of one embedder, and a generation that tells readers of each change."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from videotag.embedders.contract import Embedder, Progress, embed
from videotag.errors import UserError
from videotag.fields import BOOKKEEPING
from videotag.store import pages
from videotag.store.pages import Snapshot, get
from videotag.store.place import REBUILD, SYNC_THRESHOLD, VIDEO_SEGMENTS, Place
from videotag.store.records import segment_document
from videotag.store.stamp import (
    Embedders,
    State,
    generation_of,
    milliseconds,
    raise_generation,
    stamp_for,
    stamp_of,
    state_of,
    title,
    title_of,
)

if TYPE_CHECKING:
    import numpy as np


class VectorCollection:
    """The collection of a place, read and written in sessions of their own.

    Attributes:
        place: where it lies.
    """

    def __init__(self, place: Place, embedders: Embedders, changed: Callable[[], None]) -> None:
        """`changed`: called when records were changed, and before, where others may have changed them meanwhile."""
        self.place = place
        self._embedders = embedders
        self._changed = changed

    # === Sessions ===

    @contextmanager
    def reading(self, keep: bool = False) -> Iterator[Any]:
        """A session with the collection, or None where there is none: reading makes nothing.

        Args:
            keep: it is merely searched, and will be again: the client stays open for the next time.
        """
        with self.place.reading(keep) as there:
            yield self.find() if there else None

    def find(self) -> Any:
        """The collection of the session's client, or None."""
        client = self.place.client()
        found = self.place.at_hand() or get(client, VIDEO_SEGMENTS)
        if found is None:
            # A rebuild ended between its delete and its rename, or is there now: then both may rename.
            if rebuilt := get(client, REBUILD):
                rename(client, rebuilt)
            return get(client, VIDEO_SEGMENTS)
        return found

    @contextmanager
    def _changing(self, collection: Any) -> Iterator[int]:
        """Records are changed inside; who searches notices. Gives the generation to write as run_id."""
        if self.place.shared:  # its folder may be of an older state now: our index must not take that for newer
            self._changed()
        yield raise_generation(collection)
        if self.place.shared:  # who searched meanwhile has not seen all of it
            raise_generation(collection)
        self._changed()

    # === What is there ===

    def stamp(self) -> dict[str, Any] | None:
        """Which embedder made the vectors; None if there is no collection, {} if it remembers none."""
        with self.reading() as collection:
            return None if collection is None else stamp_of(collection)

    def count(self, video_name: str | None = None) -> int:
        """How many segments there are, of one video or of all."""
        with self.reading() as collection:
            if collection is None:
                return 0
            return collection.count() if video_name is None else pages.count_segments(collection, video_name)

    def counts(self) -> dict[str, int]:
        """How many segments there are of each video; of none, as another program's, under ""."""
        return dict(Counter(metadata.get("video_name", "") for metadata in self._metadatas()))

    def values(self, field: str, keep: bool = False) -> Counter[Any]:
        """Which values a field has, and how often; each of a list counts."""
        found = (metadata.get(field) for metadata in self._metadatas(keep))
        return Counter(v for value in found for v in (value if isinstance(value, list) else [value]))

    def _metadatas(self, keep: bool = False) -> Iterator[Mapping[str, Any]]:
        """Of all records, read in pages, in one session."""
        with self.reading(keep) as collection:
            for page in pages.read_pages(collection, include=["metadatas"]) if collection is not None else ():
                yield from (metadata or {} for metadata in page["metadatas"])

    def check(
        self, video_name: str, expected: Mapping[str, dict[str, Any]], lost: Callable[[Any, Any], set[str]]
    ) -> dict[str, list[int]]:
        """Compare what is stored of a video with the records that it should be, by id: indexes by fault.

        Args:
            lost: of (the collection, its vectors by id) those ids that a search would not find.
        """
        there: Snapshot = {}
        vectors: dict[str, np.ndarray] = {}
        unfound: set[str] = set()
        with self.reading() as collection:
            if collection is not None:
                there = pages.read_records(collection, where={"video_name": video_name})
                vectors = pages.readable_vectors(collection, list(there))
                unfound = lost(collection, vectors)
        faults = {
            "missing": expected.keys() - there.keys(),
            "surplus": there.keys() - expected.keys(),
            "different": {id_ for id_ in expected.keys() & there.keys() if differs(there[id_], expected[id_])},
            "without a vector": there.keys() - vectors.keys(),
            "not found by search": unfound,
        }
        everything = {id_: metadata for id_, (metadata, _) in there.items()} | dict(expected)
        indexes = {
            fault: sorted(everything[id_].get("segment_index", -1) for id_ in ids) for fault, ids in faults.items()
        }
        return {fault: found for fault, found in indexes.items() if found}

    # === Changes ===

    def replace(
        self, video_name: str, records: list[dict[str, Any]], documents: list[str], vectors: np.ndarray, by: Embedder
    ) -> None:
        """Put a video's records in place of those that are there; a reader finds the old ones or the new ones.

        Args:
            vectors: float32 [len(records), dimension], made `by` that embedder.
        """
        with self.place.session():
            collection = self._made_by(by)
            with self._changing(collection) as generation:
                replace_segments(collection, video_name, generation, records, documents, vectors)

    def _made_by(self, embedder: Embedder) -> Any:
        """The collection to write to, made where there is none; refused if it is another embedder's by now."""
        collection = self.find() or create_segments(self.place.client(), VIDEO_SEGMENTS, embedder)
        stamp = stamp_of(collection)
        if stamp != stamp_for(embedder):
            raise UserError(
                f"{VIDEO_SEGMENTS} was made with {title(stamp)} meanwhile, not with {title_of(embedder)}: run again"
            )
        return collection

    def delete(self, video_name: str) -> int:
        """Delete all segments of a video; how many there were."""
        with self.reading() as collection:
            if collection is None or not (count := pages.count_segments(collection, video_name)):
                return 0
            with self._changing(collection):
                collection.delete(where={"video_name": video_name})
            return count

    def delete_unknown(self, known: Callable[[], Iterable[str]]) -> int:
        """Delete the segments of videos that are not among the known; how many.

        Args:
            known: gives the names, in the session.
        """
        with self.reading() as collection:
            if collection is None:
                return 0
            names = set(known())
            unknown = [
                id_
                for page in pages.read_pages(collection, include=["metadatas"])
                for id_, metadata in zip(page["ids"], page["metadatas"], strict=True)
                if (metadata or {}).get("video_name") not in names
            ]
            with self._changing(collection):
                for start in range(0, len(unknown), pages.UPSERT):
                    collection.delete(ids=unknown[start : start + pages.UPSERT])
            return len(unknown)

    def rebuild(self, embedder: Embedder, progress: Progress | None = None) -> int:
        """Make all vectors anew with this embedder, which the collection remembers from then on; how many.

        Searching and writing go on meanwhile: what changed is embedded again before the swap. All documents and vectors
        are held in memory (10,000 x 384: some 50 MB).

        Args:
            progress: told how many of the texts are embedded.
        """
        vectors: dict[str, np.ndarray] = {}
        while True:
            with self.reading() as collection:
                if collection is None:
                    return 0
                generation = generation_of(collection)
                records = pages.read_records(collection)
                missing = list(dict.fromkeys(text for _, text in records.values() if text not in vectors))
                if not missing and self._swap(collection, generation, records, vectors, embedder):
                    break
            vectors.update(zip(missing, embed(embedder, missing, progress), strict=True))
        self._changed()
        self._embedders.use(embedder)
        return len(records)

    def _swap(
        self,
        old: Any,
        generation: int,
        records: Snapshot,
        vectors: Mapping[str, np.ndarray],
        embedder: Embedder,
    ) -> bool:
        """Fill a new collection and put it in the old one's place, unless a server's other client changed the old.

        Args:
            generation: the old one's, before its records were read.
        """
        client = self.place.client()
        if any(collection.name == REBUILD for collection in client.list_collections()):
            client.delete_collection(REBUILD)
        new = create_segments(client, REBUILD, embedder)
        ids = list(records)
        for start in range(0, len(ids), pages.UPSERT):
            part = ids[start : start + pages.UPSERT]
            new.add(
                ids=part,
                metadatas=[records[id_][0] or None for id_ in part],
                documents=[records[id_][1] for id_ in part],
                embeddings=[vectors[records[id_][1]] for id_ in part],
            )
        if self.place.shared:  # who writes raises the generation before and after
            now = get(client, VIDEO_SEGMENTS)
            state = now and state_of(now)
            if state != State(str(old.id), generation, len(records)):
                client.delete_collection(REBUILD)
                return False
        client.delete_collection(VIDEO_SEGMENTS)
        rename(client, new)  # a crash before this line is mended by find()
        self.place.clear_up()
        return True


def create_segments(client: Any, name: str, embedder: Embedder) -> Any:
    """A new collection; over a server another process may be quicker: then it is that one's, with its stamp."""
    return client.get_or_create_collection(
        name,
        embedding_function=None,
        metadata={
            "description": "Video segment descriptions from VLLM analysis",
            **stamp_for(embedder),
            "generation": milliseconds(),
        },
        configuration={"hnsw": {"space": "cosine", "sync_threshold": SYNC_THRESHOLD}},
    )


def rename(client: Any, rebuilt: Any) -> None:
    """Make a rebuilt collection the one that is searched; another process may do the same at once."""
    from chromadb.errors import ChromaError

    try:
        rebuilt.modify(name=VIDEO_SEGMENTS)
    except ChromaError:
        now = get(client, VIDEO_SEGMENTS)
        if now is None or now.id != rebuilt.id:
            raise


def replace_segments(
    collection: Any, name: str, generation: int, records: list[dict], documents: list[str], vectors: Any
) -> None:
    """Write a video's records under a generation, and delete those that are left of an earlier one."""
    # In place, then the surplus: deleting and adding again makes live records unreachable (chroma #7758).
    old = pages.read_records(collection, where={"video_name": name})
    ids = [f"{name}_seg_{record['segment_index']}" for record in records]
    merged = []
    for id_, record in zip(ids, records, strict=True):
        before, _ = old.get(id_, ({}, ""))
        kept = {"run_id": generation, "added": before.get("added", time.time())}
        # An upsert merges keys: one that is not there any more has to be deleted by name.
        merged.append(dict.fromkeys(before) | record | kept)
    for start in range(0, len(ids), pages.UPSERT):
        part = slice(start, start + pages.UPSERT)
        collection.upsert(ids=ids[part], metadatas=merged[part], documents=documents[part], embeddings=vectors[part])
    surplus = {"$and": [{"video_name": name}, {"run_id": {"$ne": generation}}]}
    collection.delete(where=surplus)


def differs(there: tuple[dict[str, Any], str], expected: dict[str, Any]) -> bool:
    """Whether a stored (metadata, document) is another one than expected."""
    metadata, document = there
    if document != segment_document(expected) or metadata.keys() - set(BOOKKEEPING) != expected.keys():
        return True
    for key, value in expected.items():
        # ChromaDB keeps 16 digits of a float.
        same = math.isclose(metadata[key], value) if isinstance(value, float) else metadata[key] == value
        if not same:
            return True
    return False
