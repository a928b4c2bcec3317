"""Stages run in processes of their own, with scripted engines, to be killed, stopped or interrupted there.

The processes are forked from one that has imported everything (`forkserver`), so that a run takes a fraction of a
second. Every call of an engine is noted in a file that survives the kill.
"""

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import av  # noqa: F401  (imported here once, for all runs)
import chromadb
import chromadb.api.rust  # noqa: F401
import cv2  # noqa: F401
from chromadb.api.models.Collection import Collection

import load_data_to_chroma
import phase1_whisper_frames
import phase2_vllm_analysis
import phase4_video_summary
from tests.conftest import FakeEmbedder
from tests.pipeline import FakeAnalyzer, FakeSummarizer, FakeTranscriber
from videotag import artifacts, claims, renaming
from videotag.analyzers.contract import Segment
from videotag.embedders import contract as embedders
from videotag.media import pictures as media_pictures
from videotag.search.typical import SEGMENTS
from videotag.store import pages, video_files

MAINS = {
    "phase1": phase1_whisper_frames.main,
    "phase2": phase2_vllm_analysis.main,
    "phase4": phase4_video_summary.main,
    "load": load_data_to_chroma.main,
}
FRAME_BATCH, EMBED_BATCH, UPSERT = 4, 4, 5

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.kills"])


@dataclass(frozen=True)
class Run:
    """One start of a stage's script.

    Attributes:
        folder: with videos_config.json, data/ and chroma_db/.
        point: where the process stops itself, one of POINTS; None nowhere.
        at: the how manieth time it comes there, counted from 0.
        sends: what it sends itself there.
        host: name of the machine that it takes itself for; other machines' locks cannot be tested.
        hang: an engine that never comes back: "hear", "see", "read".
        gate: a file; the engines wait until it exists.
    """

    stage: str
    folder: Path
    args: tuple[str, ...] = ()
    point: str | None = None
    at: int = 0
    sends: signal.Signals = signal.SIGKILL
    host: str | None = None
    hang: str | None = None
    gate: Path | None = None
    chroma_url: str | None = None
    patience: float | None = None  # seconds of silence after which a claim of another machine is stale
    clock: float = 0.0  # seconds by which the clock on the wall is off
    says: str = ""  # added to what the engines write, so that it is seen whose result stands

    def start(self) -> Any:
        process = _context.Process(target=_child, args=(self,))
        process.start()
        return process

    def finish(self) -> int:
        """Run to the end; the exit code, negative for a signal."""
        process = self.start()
        process.join(300)
        assert process.exitcode is not None, f"{self} does not end\n{self.printed}"
        return process.exitcode

    @property
    def printed(self) -> str:
        path = self.folder / f"{self.stage}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""


def calls(folder: Path) -> Counter[str]:
    """How often each engine was called, by what it was called for."""
    path = folder / "calls.log"
    return Counter(path.read_text(encoding="utf-8").splitlines() if path.exists() else [])


# --- inside the process


def _child(run: Run) -> None:
    log = os.open(run.folder / f"{run.stage}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    phase1_whisper_frames.STRETCH_SECONDS = 6.0
    phase1_whisper_frames.FRAME_BATCH = FRAME_BATCH
    pages.UPSERT, embedders.BATCH = UPSERT, EMBED_BATCH
    if run.patience is not None:
        claims.STALE_FLOOR_SECONDS, claims.HEARTBEAT_SECONDS = run.patience, run.patience / 8
    if run.host:
        _pretend_to_be(run.host)
    if run.clock:
        _set_the_clock(run.clock)
    _watch_frames(run)
    if run.point in _POINTS_IN_CODE:
        _POINTS_IN_CODE[run.point](_Trap(run))
    args = [*run.args, "--data-dir", str(run.folder / "data"), "--db", str(run.folder / "chroma_db")]
    if run.chroma_url:
        args += ["--chroma-url", run.chroma_url]
    if run.stage == "phase1":
        args += ["--config", str(run.folder / "videos_config.json")]
    engine = ENGINES[run.stage](run)
    from videotag import cli

    cli.leave(MAINS[run.stage](args, lambda *_: engine))


def _pretend_to_be(host: str) -> None:
    """Another machine: another name, and locks in a folder of its own, which tell nothing."""
    real = artifacts.lock_path
    socket.gethostname = lambda: host
    artifacts.lock_path = lambda data_dir, name, stage: real(data_dir / f".{host}", name, stage)


def _set_the_clock(off: float) -> None:
    real = time.time
    time.time = lambda: real() + off
    shown = lambda: datetime.fromtimestamp(time.time()).isoformat(timespec="seconds")  # noqa: E731
    for module in (claims, phase1_whisper_frames, phase2_vllm_analysis, phase4_video_summary, video_files):
        vars(module)["now"] = shown


class _Trap:
    """Sends the signal to its own process when it is stepped on for the `at`th time."""

    def __init__(self, run: Run) -> None:
        self._run, self._left = run, run.at

    def step(self) -> bool:
        """Whether it snapped (and the process was only stopped for a while)."""
        self._left -= 1
        if self._left != -1:
            return False
        os.kill(os.getpid(), self._run.sends)
        return True


@dataclass
class _Engine:
    run: Run
    trap: _Trap = field(init=False)

    def __post_init__(self) -> None:
        self.trap = _Trap(self.run)

    def note(self, call: str) -> None:
        _note(self.run.folder, call)

    def come_to(self, point: str) -> None:
        while self.run.gate is not None and not self.run.gate.exists():
            time.sleep(0.02)
        while self.run.hang == point:
            time.sleep(3600)
        if self.run.point == point:
            self.trap.step()


class WatchedTranscriber(FakeTranscriber):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self._engine = _Engine(run)

    def transcribe(self, audio: Any, expected: Any, heard: Callable[[float], None] | None = None) -> Any:
        self._engine.note("hear")
        self._engine.come_to("hear")
        made = super().transcribe(audio, expected, heard)
        if self._engine.run.says:
            words = [replace(w, text=w.text + self._engine.run.says) for w in made.words]
            return type(made)(tuple(words), made.language, made.language_probability)
        return made


class WatchedAnalyzer(FakeAnalyzer):
    def __init__(self, run: Run) -> None:
        super().__init__("vllm")  # what `local` describes would not be searched
        self._engine = _Engine(run)

    def analyze(self, segments: Iterable[Segment]) -> Any:
        for segment in segments:
            self._engine.note(f"see {segment.video_name}")
            self._engine.come_to("see")
            yield from super().analyze([segment])


class WatchedSummarizer(FakeSummarizer):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self._engine = _Engine(run)

    def read(self, video: Any, window: Any) -> Any:
        self._engine.note(f"read {video.name}")
        self._engine.come_to("read")
        return super().read(video, window)


class WatchedEmbedder(FakeEmbedder):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self._engine = _Engine(run)

    def embed_documents(self, texts: Any) -> Any:
        if list(texts) != list(SEGMENTS):  # those are embedded once, by whoever comes first
            self._engine.note("embed")
            self._engine.come_to("embed")
        return super().embed_documents(texts)


ENGINES = {
    "phase1": WatchedTranscriber,
    "phase2": WatchedAnalyzer,
    "phase4": WatchedSummarizer,
    "load": WatchedEmbedder,
}


def _watch_frames(run: Run) -> None:
    real, engine = media_pictures.pictures, _Engine(run)

    def pictures(path: str, times: Any) -> Iterator[Any]:
        for picture in real(path, times):
            engine.note("look")
            engine.come_to("look")
            yield picture

    media_pictures.pictures = pictures


def _note(folder: Path, call: str) -> None:
    log = os.open(folder / "calls.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(log, f"{call}\n".encode())
    os.close(log)


# --- the points that lie in the project's own code


def _after(owner: Any, name: str) -> Callable[[_Trap], None]:
    """The moment when a function has done its work and its caller does not know yet."""

    def set_trap(trap: _Trap) -> None:
        real = getattr(owner, name)

        def wrapped(*args: Any, **more: Any) -> Any:
            made = real(*args, **more)
            trap.step()
            return made

        setattr(owner, name, wrapped)

    return set_trap


def _before(owner: Any, name: str) -> Callable[[_Trap], None]:
    def set_trap(trap: _Trap) -> None:
        real = getattr(owner, name)

        def wrapped(*args: Any, **more: Any) -> Any:
            trap.step()
            return real(*args, **more)

        setattr(owner, name, wrapped)

    return set_trap


def _in_append(trap: _Trap) -> None:
    """Half of a record is on the disk."""
    real = artifacts.Part.append

    def append(self: artifacts.Part, record: Any) -> None:
        packed = artifacts._packed(record)
        self._file.write(packed[: len(packed) // 2])
        self._file.flush()
        trap.step()
        self._file.truncate(self._file.tell() - len(packed) // 2)
        real(self, record)

    artifacts.Part.append = append


def _in_write(trap: _Trap) -> None:
    """Half of a result, or of a copied `.part`, is on the disk under a temporary name."""
    real = artifacts.Unpublished.__init__

    def write(self: artifacts.Unpublished, path: Path, *data: bytes) -> None:
        real(self, path, b"".join(data)[: sum(map(len, data)) // 2])
        with self:
            trap.step()
        real(self, path, *data)

    artifacts.Unpublished.__init__ = write


_POINTS_IN_CODE: dict[str, Callable[[_Trap], None]] = {
    "claimed": _after(claims, "_written"),
    "half a part": _in_append,
    "part kept": _after(artifacts.Part, "append"),
    "half a result": _in_write,
    "result written": _before(artifacts.Draft, "publish"),
    "result renamed": _after(artifacts.Draft, "publish"),
    "part deleted": _after(claims.Claim, "_publish"),
    "stage completed": _after(claims.Claim, "complete"),
    "half the upserts": _after(Collection, "upsert"),
    "before the leftovers": _before(Collection, "delete"),
    "after the leftovers": _after(Collection, "delete"),
    "made": _before(claims.Claim, "complete"),
    "copied": _after(renaming, "_copy"),
    "old file deleted": _after(artifacts, "delete"),
    "old record deleted": _after(video_files.VideoFiles, "delete"),
}

ON_THE_WAY = ("claimed", "half a part", "part kept", "half a result")
AT_THE_END = ("made", "result written", "result renamed", "part deleted", "stage completed")
POINTS = {
    "phase1": ("hear", "look", *ON_THE_WAY, *AT_THE_END),
    "phase2": ("see", *ON_THE_WAY, *AT_THE_END),
    "phase4": ("read", *ON_THE_WAY, *AT_THE_END),
    "load": ("embed", "claimed", "half the upserts", "before the leftovers", "after the leftovers", "made"),
}
"""Where a stage can be killed, by its name: in an engine, or in the project's own code."""
