"""A database whose writer is killed in the middle of an index's save."""

import contextlib
import logging
import multiprocessing
import os
import random
import re
import signal
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder

spawn = multiprocessing.get_context("spawn")


class Scattered(FakeEmbedder):
    """Each text has a direction of its own, as wide as real vectors: a save takes long enough to be hit."""

    def __init__(self) -> None:
        super().__init__("scattered", 512)

    def embed_queries(self, texts: Any) -> np.ndarray:
        made = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=self.dimension) for text in texts]
        return np.array([vector / np.linalg.norm(vector) for vector in made], np.float32)


SEGMENTS = 40


def count(version: int) -> int:
    """A reload has at times fewer segments than the one before it, so that some are deleted."""
    return SEGMENTS - 15 * (version % 3 == 2)


def write_for_ever(directory: Path, tell: Any, start: int) -> None:
    """Load videos and load them again, as the script does; tell before and after each what is stored then."""
    db = ChromaDBManager(directory, embedder=Scattered())
    for version in range(start, start + 10_000):
        name = f"v{version % 7}"
        tell.send(("begin", name, version))
        segments = [segment(name, i, version) for i in range(count(version))]
        db.create_or_update_video_file(
            name, f"{name}.mp4", "ru", 1.0, len(segments), 1, 1, 1.0, phase1_attempts=version
        )
        db.add_segments(f"{name}.mp4", segments)
        tell.send(("end", name, version))


def segment(name: str, index: int, version: int) -> dict[str, Any]:
    times = {"start_time": 35.0 * index, "end_time": 35.0 * index + 50}
    return {"video_name": name, "segment_index": index, "description": f"{name} слово{index} раз{version}", **times}


def is_saving(pid: int) -> bool:
    """Whether a process has an index's file open as ChromaDB opens it for a save; to read it opens the others too."""
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                path = os.readlink(f"/proc/{pid}/fd/{fd}")
                if not path.endswith((".bin", ".pickle")):
                    continue
                flags = int(re.findall(r"flags:\s*(\d+)", Path(f"/proc/{pid}/fdinfo/{fd}").read_text())[0], 8)
                mode = flags & os.O_ACCMODE
                if mode == os.O_WRONLY or (mode == os.O_RDWR and path.endswith(".pickle")):
                    return True
    return False


def killed_in_saves(directory: Path, kills: int, chance: random.Random, warnings: Any) -> tuple[int, int]:
    """Kill writers, each in a save; then everything is as was told. How many kills hit a save, how many broke it."""
    stored: dict[str, int] = {}
    hits = broken = version = 0
    for kill in range(kills):
        receiver, sender = spawn.Pipe(duplex=False)
        writer = spawn.Process(target=write_for_ever, args=(directory, sender, version))
        writer.start()
        sender.close()
        told = [receiver.recv() for _ in range(2 + chance.randrange(6))]  # it works by now
        end = time.monotonic() + 60  # on a busy machine a save is at times not seen
        while not (hit := is_saving(writer.pid or 0)) and time.monotonic() < end:
            time.sleep(0.0003)  # to walk through /proc without a pause holds up the kernel for everybody
        time.sleep(chance.choice([0, 0, 0.0005, 0.002]))
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        hits += hit
        with contextlib.suppress(EOFError):
            while True:
                told.append(receiver.recv())
        stored |= {name: number for what, name, number in told if what == "end"}
        version = told[-1][2] + 1
        warnings.clear()
        in_hand = told[-1][1] if told[-1][0] == "begin" else None
        assert_stored(ChromaDBManager(directory, embedder=Scattered()), stored, in_hand, f"kill {kill}")
        broken += "mending video" in warnings.text
        if in_hand:
            stored.pop(in_hand, None)  # the old or the new: whichever it is, it stays
    return hits, broken


def assert_stored(db: ChromaDBManager, stored: dict[str, int], in_hand: str | None, when: str) -> None:
    records = {video["video_name"]: video["phase1_attempts"] for video in db.list_videos()}
    for name in stored.keys() - {in_hand}:
        assert records[name] == stored[name], when
        expected = [segment(name, i, stored[name]) for i in range(count(stored[name]))]
        assert db.check_segments(name, f"{name}.mp4", expected) == {}, f"{when}: {name}, in hand {in_hand}"
    with db.session():
        found = db._segments.find().get(include=["documents", "embeddings"])
    vectors = db.embedder.embed_queries(found["documents"])
    assert np.allclose(found["embeddings"], vectors, atol=1e-6), when


needs_proc = pytest.mark.skipif(not Path("/proc/self/fdinfo").exists(), reason="/proc says when an index is saved")


@needs_proc
def test_kills_in_saves(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="videotag"):
        hits, broken = killed_in_saves(tmp_path / "db", 3, random.Random(1), caplog)
    print(f"kills: {hits} of 3 in a save, {broken} broke an index")
    assert hits == 3


@pytest.mark.slow
@needs_proc
def test_kills_in_saves_at_length(tmp_path, caplog, record_property):
    with caplog.at_level(logging.WARNING, logger="videotag"):
        hits, broken = killed_in_saves(tmp_path / "db", 45, random.Random(2), caplog)
    print(f"kills: {hits} of 45 in a save, {broken} broke an index")
    record_property("broken", broken)
    assert hits >= 40
