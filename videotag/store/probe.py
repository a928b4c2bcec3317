"""Tries collections for `Repair`, in a process of its own: a broken one can kill it.

    python -m videotag.store.probe FOLDER COLLECTION...

Prints "ok NAME" or "broken NAME" of each as it goes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videotag.store.chroma import first_line, open_folder
from videotag.store.place import VIDEO_FILES
from videotag.store.stamp import stamp_of

PROBES = 1000  # vectors of a collection that a check asks for, spread evenly


def probe(directory: Path, names: Sequence[str]) -> None:
    client = open_folder(directory)
    for name in names:
        try:
            _try_wholly(client.get_collection(name, embedding_function=None))
            print(f"ok {name}", flush=True)
        except BaseException as error:  # Rust's panics are no Exception
            print(f"broken {name}\n{first_line(error)}", flush=True)
    client.close()


def _try_wholly(collection: Any) -> None:
    """Read everything, ask for vectors throughout, write one back: some damage shows only then.

    What is not asked is whether each vector finds itself: many equal ones hide others also in a whole index, and our
    own search does not go by it.
    """
    import numpy as np

    ours = collection.name == VIDEO_FILES or bool(stamp_of(collection))
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


if __name__ == "__main__":
    probe(Path(sys.argv[1]), sys.argv[2:])
