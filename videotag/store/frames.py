"""The collection video_frames: a record a picture, whose vector comes ready (`videotag.frame_vectors`)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from videotag.errors import UserError
from videotag.frame_vectors import FrameVectors
from videotag.store import pages
from videotag.store.collection import Kind, VectorCollection
from videotag.store.pages import Snapshot
from videotag.store.place import Place
from videotag.store.stamp import Made, milliseconds, stamp_for, state_of, title

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

_LACKING = 1e-5  # of a vector's cosine to 1


def segment_of(id_: str) -> str:
    """The id of the segment in which a picture lies, by the picture's."""
    return id_.rpartition("_f")[0]


FRAMES = Kind(
    name="video_frames",
    description="Pictures of the videos' segments",
    id_of=lambda record: f"{record['video_name']}_seg_{record['segment_index']}_f{record['place']}",
    document=lambda record: "",
    needed=frozenset({"video_name", "segment_index", "second", "number"}),
    index="-frames",
)
"""Records hold video_name, segment_index, `place` (among the segment's pictures), `second` (of the video) and `number`,
the place among the frames that phase 1 stored, or -1."""


class FrameCollection(VectorCollection):
    """The collection in a place. Its vectors are in data/ too, and are not made here."""

    def __init__(self, place: Place) -> None:
        super().__init__(FRAMES, place)

    def put(self, video_name: str, found: FrameVectors | None) -> None:
        """Put a video's pictures in place of those that are there; none: delete them all.

        Raises:
            UserError: those that are there are another model's.
        """
        if not found:  # none were made, or there are none
            self.delete({"video_name": video_name})
            return
        by = _maker(found)
        with self.place.session():
            stamp = self.stamp()
            if stamp is not None and stamp != stamp_for(by):
                was = title(stamp) if stamp else "nobody knows what"
                raise UserError(
                    f"{self.kind.name} was made with {was}, not with {title(stamp_for(by))}: "
                    "choose the former, or make all of it anew: python load_data_to_chroma.py --rebuild"
                )
            self.replace(video_name, _records(video_name, found), found.vectors, by)

    def put_all(self, videos: Mapping[str, FrameVectors]) -> int:
        """Put the pictures of these videos, by name, in place of all that is there, under their model; how many.

        All are of one model. A reader finds the old ones or the new ones. Where another client of a server changes the
        collection meanwhile, it is done again.
        """
        filled = {name: found for name, found in videos.items() if len(found)}
        makers = {_maker(found) for found in filled.values()}
        if len(makers) > 1:
            raise ValueError(f"pictures of several models: {sorted(makers)}")
        if not makers or self.stamp() is None:
            self.delete()
            for name, found in filled.items():
                self.put(name, found)
        else:
            while not self._swapped(filled, *makers):
                pass
        self.follower.follow()
        return sum(map(len, filled.values()))

    def _swapped(self, videos: Mapping[str, FrameVectors], by: Made) -> bool:
        records: Snapshot = {}
        vectors: dict[str, np.ndarray] = {}
        with self.place.session():
            collection, own = self.find(), {"run_id": milliseconds(), "added": time.time()}
            for name, found in videos.items():
                for record, vector in zip(_records(name, found), found.vectors, strict=True):
                    id_ = self.kind.id_of(record)
                    records[id_], vectors[id_] = (record | own, ""), vector
            return self.swap(collection, state_of(collection), records, vectors, by)

    def renamed(self, video_name: str, new_name: str) -> bool:
        """Give a video's pictures another name; whether none was lost on the way."""
        if new_name == video_name:
            return True
        there = self.count(video_name)
        return self.move(video_name, video_name=new_name) >= there

    def faults(self, video_name: str, found: FrameVectors | None) -> list[str]:
        """What differs of the stored ones from these, which were loaded (None: none were), as `check` names it."""
        records = _records(video_name, found) if found else []
        faults = set(self.check(video_name, records))
        if found and not faults:
            with self.reading() as collection:
                wanted = {self.kind.id_of(record): v for record, v in zip(records, found.vectors, strict=True)}
                there = {} if collection is None else pages.read_vectors(collection, list(wanted))
            if any(there[id_] @ vector < 1 - _LACKING for id_, vector in wanted.items()):
                faults.add("different")
        return sorted(faults)

    def refill(self, collection: Any) -> None:
        """Those kept beside it; the others are deleted, and are due again."""
        ids, vectors = self.kept(collection)
        for part in pages.in_parts([id_ for id_ in ids if id_ in vectors], pages.UPSERT):
            collection.upsert(ids=part, embeddings=[vectors[id_] for id_ in part])
        lost = [id_ for id_ in ids if id_ not in vectors]
        for part in pages.in_parts(lost, pages.PAGE):
            collection.delete(ids=part)
        if lost:
            log.warning("%d vectors of pictures are lost: load_data_to_chroma.py puts them in again", len(lost))


def _maker(found: FrameVectors) -> Made:
    return Made(found.engine, found.model, found.vectors.shape[1])


def _records(video_name: str, found: FrameVectors) -> list[dict[str, Any]]:
    places: Counter[int] = Counter()
    records = []
    for segment, number, second in zip(
        found.segments.tolist(), found.numbers.tolist(), found.seconds.tolist(), strict=True
    ):
        place = places[segment]
        places[segment] += 1
        records.append(
            {"video_name": video_name, "segment_index": segment, "place": place, "second": second, "number": number}
        )
    return records
