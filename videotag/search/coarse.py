"""The segments' vectors in the index: exact ones to be read one by one, and all in 8 bits to look through.

A question is compared with every segment. Of few segments the exact vectors are held; of many those in 8 bits, a
quarter of the memory and of the time: what comes near is then scored again by its exact vectors (`ranking.rank`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING

from videotag.store.pages import NOT_UNIT

if TYPE_CHECKING:
    import numpy as np

EXACT = 50_000  # segments: of no more the exact vectors are held, 77 MB of 384 dimensions
BLOCK = 256  # segments whose 8 bits lie together: read as fast as a file, written again at little cost
STEPS = 127
KEPT = 2  # products

SCHEMA = """
    CREATE TABLE vector (number INTEGER PRIMARY KEY, exact BLOB NOT NULL);
    CREATE TABLE block (number INTEGER PRIMARY KEY, scales BLOB NOT NULL, steps BLOB NOT NULL)
"""


class EightBits:
    """Vectors in 8 bits, to be multiplied by one: within 0.003 of the exact product, mostly within 0.001."""

    def __init__(self, steps: np.ndarray, scales: np.ndarray) -> None:
        """`steps`: int8 [n, dimension]; `scales`: float32 [n], what a step stands for, 0 where there is no segment."""
        self.steps, self.scales = steps, scales
        self._products: dict[bytes, np.ndarray] = {}  # the last few: a page asks one question several times

    def __len__(self) -> int:
        return len(self.scales)

    def __getitem__(self, rows: np.ndarray) -> EightBits:
        return EightBits(self.steps[rows], self.scales[rows])

    def __matmul__(self, vector: np.ndarray) -> np.ndarray:
        """float32 [n] of float32 [dimension]."""
        import numpy as np

        key = np.asarray(vector, np.float32).tobytes()
        product = self._products.pop(key, None)
        self._products[key] = product = self._multiplied(key) if product is None else product
        for oldest in list(self._products)[:-KEPT]:
            self._products.pop(oldest, None)
        return product

    def _multiplied(self, vector: bytes) -> np.ndarray:
        import numpy as np
        import simsimd

        steps, scales = in_steps(np.frombuffer(vector, np.float32)[None, :])
        product = np.asarray(simsimd.cdist(steps, self.steps, "dot"))[0]
        return product.astype(np.float32) * (self.scales * scales[0])


def products(vectors: np.ndarray | EightBits, vector: np.ndarray) -> np.ndarray:
    """Each multiplied by one, float32 [n].

    Args:
        vectors: exact ones are float32 [n, dimension].
        vector: float32 [dimension].
    """
    import numpy as np
    import simsimd

    if isinstance(vectors, EightBits) or not vectors.size:
        return vectors @ vector
    # Not `@`: numpy's BLAS splits it among threads that then spin, waiting for more, on what cores there are.
    rows, one = np.ascontiguousarray(vectors, np.float32), np.asarray(vector, np.float32)[None, :]
    return np.asarray(simsimd.cdist(one, rows, "dot", out_dtype="float32"))[0]


def in_steps(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Float32 [n, dimension] as int8 of the same shape, and what a step of each vector stands for, float32 [n]."""
    import numpy as np

    scales = (np.abs(vectors).max(axis=1) / STEPS).astype(np.float32)
    return np.rint(vectors / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8), scales


def write(db: sqlite3.Connection, changed: Mapping[int, np.ndarray | None]) -> None:
    """Put vectors in by their segments' numbers; None takes one out."""
    import numpy as np

    exact = [(number, vector.astype("<f4").tobytes()) for number, vector in changed.items() if vector is not None]
    gone = [(number,) for number, vector in changed.items() if vector is None]
    db.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", exact)
    db.executemany("DELETE FROM vector WHERE number = ?", gone)
    there = [(number, vector) for number, vector in changed.items() if vector is not None]
    steps, scales = (
        in_steps(np.array([vector for _, vector in there])) if there else (np.zeros((0, 0), np.int8), np.zeros(0))
    )
    by_block: dict[int, list[tuple[int, int | None]]] = {}  # place in the block; among `there`, None of one that goes
    for place, (number, _) in enumerate(there):
        by_block.setdefault(number // BLOCK, []).append((number % BLOCK, place))
    for (number,) in gone:
        by_block.setdefault(number // BLOCK, []).append((number % BLOCK, None))
    for block, places in by_block.items():
        known = db.execute("SELECT scales, steps FROM block WHERE number = ?", (block,)).fetchone()
        if known is None and not there:  # they have come and gone meanwhile
            continue
        if known:
            block_scales = np.frombuffer(known[0], "<f4").copy()
            block_steps = np.frombuffer(known[1], np.int8).reshape(BLOCK, -1).copy()
        else:
            block_scales, block_steps = np.zeros(BLOCK, np.float32), np.zeros((BLOCK, steps.shape[1]), np.int8)
        for place, source in places:
            block_scales[place] = 0
            if source is not None:
                block_steps[place], block_scales[place] = steps[source], scales[source]
        row = (block, block_scales.astype("<f4").tobytes(), block_steps.tobytes())
        db.execute("INSERT OR REPLACE INTO block VALUES (?, ?, ?)", row)


def read(db: sqlite3.Connection, count: int, most: int | None = None) -> tuple[np.ndarray, np.ndarray | EightBits]:
    """Which numbers are segments, bool [n], and the vectors of all n numbers, exact ones of `most` (EXACT) or fewer."""
    import numpy as np

    is_exact = count <= (EXACT if most is None else most)
    last, size = db.execute("SELECT coalesce(max(number), -1), coalesce(max(length(steps)), 0) FROM block").fetchone()
    n, dimension = (last + 1) * BLOCK, size // BLOCK
    scales, steps = np.zeros(n, np.float32), np.zeros((n, 0 if is_exact else dimension), np.int8)
    for block, some, values in db.execute("SELECT number, scales, steps FROM block"):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        if len(some) != 4 * BLOCK or len(values) != size:
            raise sqlite3.DatabaseError("a block of vectors is of another size")
        scales[here] = np.frombuffer(some, "<f4")
        if not is_exact:
            steps[here] = np.frombuffer(values, np.int8).reshape(BLOCK, dimension)
    alive = scales > 0
    if int(alive.sum()) != count:
        raise sqlite3.DatabaseError("vectors are missing")
    if not is_exact:
        return alive, EightBits(steps, scales)
    vectors = np.zeros((n, dimension), np.float32)
    for number, vector in db.execute("SELECT number, exact FROM vector"):
        vectors[number] = from_bytes(vector, dimension)
    _check(vectors[alive])
    return alive, vectors


def from_bytes(vector: bytes, dimension: int) -> np.ndarray:
    """A stored vector; raises sqlite3.DatabaseError if it is of another dimension."""
    import numpy as np

    if len(vector) != 4 * dimension:
        raise sqlite3.DatabaseError("a vector is of another dimension")
    return np.frombuffer(vector, "<f4")


def stacked(vectors: list[bytes]) -> np.ndarray:
    """Stored vectors as float32 [n, dimension]; raises sqlite3.DatabaseError if one is damaged."""
    import numpy as np

    if not vectors:
        return np.zeros((0, 0), np.float32)
    if any(len(vector) != len(vectors[0]) for vector in vectors) or len(vectors[0]) % 4:
        raise sqlite3.DatabaseError("a vector is of another dimension")
    rows = np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), -1).astype(np.float32)
    _check(rows)
    return rows


def _check(vectors: np.ndarray) -> None:
    import numpy as np

    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    if not (np.abs(lengths - 1) <= NOT_UNIT).all():  # nor if one is nan
        raise sqlite3.DatabaseError("a vector is not as long as it was made")
