"""What the user has in the end: to compare a run that was disturbed with one that was not."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from db_manager import ChromaDBManager
from videotag import artifacts
from videotag.fields import BOOKKEEPING
from videotag.stages import PHASE1, PHASE2, PHASE4

VOLATILE = ("created_at", "updated_at", "_start_time", "_end_time", "_owner", "_heartbeat")
NO_SEGMENTS: dict[str, list] = {"ids": [], "metadatas": [], "documents": [], "embeddings": []}


@dataclass(frozen=True, eq=False)
class Near:
    """A vector, equal to what only rounding makes different: ChromaDB divides by the length, and multiplies again."""

    values: np.ndarray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Near) and np.allclose(self.values, other.values, rtol=0, atol=1e-6)


def content(folder: Path, db: ChromaDBManager) -> dict[str, Any]:
    """Files by their content's id, records, segments with documents and vectors, summaries; no times, no owners."""
    data, results = folder / "data", {}
    for name in names(folder):
        found = [artifacts.read(stage, artifacts.path_of(stage, data, name)) for stage in (PHASE1, PHASE2, PHASE4)]
        results[name] = [one and one["result_id"] for one in found]
    records = {
        video["video_name"]: {key: value for key, value in video.items() if not key.endswith(VOLATILE)}
        for video in db.list_videos()
    }
    segments = {}
    with db.session():
        collection = db._segments.find()
        found = collection.get(include=["metadatas", "documents", "embeddings"]) if collection else NO_SEGMENTS
        for id_, metadata, document, vector in zip(
            found["ids"], found["metadatas"], found["documents"], found["embeddings"], strict=True
        ):
            metadata = {key: value for key, value in metadata.items() if key not in BOOKKEEPING}
            segments[id_] = (metadata, document, Near(np.asarray(vector)))
        vectors = dict(zip(found["ids"], found["embeddings"], strict=True))
        assert collection is None or not db._search.not_found(collection, vectors)
    whole = {name: db.whole_videos.get(name) for name in db.whole_videos.names()}
    return {"results": results, "records": records, "segments": segments, "whole": whole}


def names(folder: Path) -> list[str]:
    return [video["name"] for video in json.loads((folder / "videos_config.json").read_text())["videos"]]
