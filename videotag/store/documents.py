"""A collection whose vectors are made of its documents: by the embedder that it remembers, those of one text once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from videotag.embedders.contract import Embedder, Progress, embed
from videotag.store import pages
from videotag.store.collection import Kind, VectorCollection, text_key
from videotag.store.place import Place
from videotag.store.stamp import (
    Embedders,
    State,
    document_version_of,
    generation_of,
    raise_generation,
    stamp_for,
    stamp_of,
)

if TYPE_CHECKING:
    import numpy as np


class DocumentCollection(VectorCollection):
    """The collection of a kind in a place, and who makes its vectors."""

    def __init__(self, kind: Kind, place: Place, embedders: Embedders) -> None:
        super().__init__(kind, place)
        self.embedders = embedders

    # === Vectors ===

    def vectors(
        self, records: Iterable[Mapping[str, Any]], by: Embedder, progress: Progress | None, anew: bool = False
    ) -> np.ndarray:
        """Of the records' documents, float32 [n, dimension], made `by` that embedder, those of stored texts before."""
        import numpy as np

        records = list(records)
        texts = self.documents(records)
        known = {} if anew else self._known(set(texts), {record["video_name"] for record in records}, by)
        missing = [text for text in texts if text not in known]
        before = len(texts) - len(missing)
        told = progress and (lambda done, total: progress(before + done, before + total))
        known |= zip(missing, embed(by, missing, told), strict=True)
        return np.stack([known[text] for text in texts]) if texts else embed(by, texts, None)

    def _known(self, texts: set[str], names: Iterable[str], by: Embedder) -> dict[str, np.ndarray]:
        """The stored vectors of texts that records have already, those of these videos or others.

        What an older version stored has no key, and is found among its own video's records only.
        """
        ids: dict[str, str] = {}
        with self.reading() as collection:
            if collection is None or stamp_of(collection) != stamp_for(by):
                return {}
            for name in names:
                own = pages.read_records(collection, where={"video_name": name})
                ids |= {text: id_ for id_, (_, text) in own.items() if text in texts}
            for text in texts - ids.keys():
                there = collection.get(where={"text_key": text_key(text)}, limit=1, include=["documents"])
                if there["documents"] == [text]:
                    ids[text] = there["ids"][0]
            vectors = pages.readable_vectors(collection, list(ids.values()))
        return {text: vectors[id_] for text, id_ in ids.items() if id_ in vectors and pages.is_unit(vectors[id_])}

    # === Made anew ===

    def is_outdated(self) -> bool:
        with self.reading() as collection:
            return collection is not None and document_version_of(collection) < self.kind.version

    def set_current(self) -> None:
        with self.reading() as collection:
            if collection is not None and document_version_of(collection) != self.kind.version:
                with self.changing(collection):
                    raise_generation(collection, document_version=self.kind.version)

    def refill(self, collection: Any) -> None:
        """Those kept beside it, or made anew."""
        ids, vectors = self.kept(collection)
        lost = set(ids) - vectors.keys()
        embedder = self.embedders.as_stamped(stamp_of(collection)) if lost else None
        for part in pages.in_parts(ids, pages.UPSERT):
            if embedder and not lost.isdisjoint(part):
                records = pages.read_records(collection, ids=[id_ for id_ in part if id_ in lost])
                texts = [text or self.kind.document(fields) for fields, text in records.values()]
                made = embed(embedder, texts, None)
                vectors |= dict(zip(records, made, strict=True))
            collection.upsert(ids=part, embeddings=[vectors[id_] for id_ in part])

    def rebuild(self, embedder: Embedder, progress: Progress | None = None) -> int:
        """See `ChromaDBManager.rebuild_segments`."""
        vectors: dict[str, np.ndarray] = {}
        while True:
            with self.reading() as collection:
                if collection is None:
                    return 0
                generation = generation_of(collection)
                found = pages.read_records(collection)  # another program's may be without documents
                records = {id_: (fields, text or self.kind.document(fields)) for id_, (fields, text) in found.items()}
                missing = list(dict.fromkeys(text for _, text in records.values() if text not in vectors))
                before = State(str(collection.id), generation, len(records))
                of_ids = {} if missing else {id_: vectors[text] for id_, (_, text) in records.items()}
                if not missing and self.swap(collection, before, records, of_ids, embedder):
                    break
            vectors.update(zip(missing, embed(embedder, missing, progress), strict=True))
        self.follower.follow()
        self.embedders.use(embedder)
        return len(records)
