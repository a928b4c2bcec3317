"""What power cuts, full disks, lost rights do to the database: nothing is lost, one line says what to do.

The scripts run in a process of their own (`run_scripts`), since a damaged index can end a process by SIGSEGV.
"""

import contextlib
import json
import logging
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import doctor
import test_search
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.pipeline import Project
from tests.test_save_kills import SEGMENTS, Scattered, assert_stored, segment
from videotag.errors import UserError
from videotag.fields import BOOKKEEPING
from videotag.stages import STAGES
from videotag.store import mending

ROOT = Path(__file__).parent.parent
spawn = multiprocessing.get_context("spawn")
NAMES = ("news", "film", "sport")


# === Scripts in a process of their own ===


class Told:
    """In the place of pytest's capsys: what is printed goes where it goes."""

    def readouterr(self) -> tuple[str, str]:
        return "", ""


def run_scripts(folder: Path, *steps: str) -> None:
    """Run steps on a project's folder until one fails; print as JSON the exit codes, the engines built, the state."""
    mending.PROBE_SECONDS = 15
    project = Project(folder, Told(), FakeEmbedder())
    data, place = str(project.data), ["--db", str(project.folder / "chroma_db")]
    doctor.CHECKS = {"database": doctor.database, "stored segments": doctor.stored}

    def load(*_: Any) -> FakeEmbedder:
        return project.embedder

    scripts = {
        "phase1": lambda: project.phase1(*CUT),
        "phase1 again": project.phase1,
        "phase2": project.phase2,
        "load": project.load,
        "search": lambda: test_search.main(["снег", *place], load),
        "repair": lambda: doctor.main(["--repair", "--data-dir", data, *place], load),
    }
    codes: list[int] = []
    for step in steps:
        codes.append(scripts[step]())
        if codes[-1]:
            break
    engines = [name for name in project.loads if not name.startswith("embedder")]
    print("RESULT", json.dumps({"codes": codes, "engines": engines, "state": None if codes[-1] else state(project)}))


CUT = ("--segment-seconds", "5", "--overlap-seconds", "3")  # 48 segments of each sample


def state(project: Project) -> dict[str, Any]:
    """Statuses, counts and segments; the vectors and whether a search finds them are checked here."""
    videos = {
        video["video_name"]: [
            *(video[stage.field("status")] for stage in STAGES),
            *(video[f"{stage}_result"] for stage in ("phase1", "phase2")),
            video["db_segments_loaded"],
        ]
        for video in project.db.list_videos()
    }
    with (db := project.db).session():
        collection = db._segments.find()
        found = collection.get(include=["metadatas", "documents", "embeddings"])
        vectors = FakeEmbedder().embed_queries(found["documents"])
        assert np.allclose(found["embeddings"], vectors, atol=1e-6)
        nearest = collection.query(query_embeddings=vectors, n_results=1)
        assert np.allclose(nearest["distances"], 0, atol=1e-5)
    rows = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
    segments = {id_: [text, {k: v for k, v in fields.items() if k not in BOOKKEEPING}] for id_, text, fields in rows}
    return {"videos": videos, "segments": segments}


class Run:
    """A run of steps: how the process ended, what it printed."""

    def __init__(self, folder: Path, *steps: str) -> None:
        program = (
            "import sys; from pathlib import Path; from tests.test_database_faults import run_scripts\n"
            "run_scripts(Path(sys.argv[1]), *sys.argv[2:])"
        )
        command = [sys.executable, "-c", program, str(folder), *steps]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        self.told = f"{steps}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        assert done.returncode == 0, self.told
        result = json.loads(done.stdout.rpartition("RESULT ")[2])
        self.code, self.engines, self.state = result["codes"][-1], result["engines"], result["state"]
        self.errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        self.log = done.stderr
        assert "Traceback" not in done.stderr, self.told


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A project with three loaded videos, whose indexes are saved to disk; and its state."""
    folder = tmp_path_factory.mktemp("healthy")
    project = Project(folder, Told(), FakeEmbedder())
    project.several_videos(*NAMES)
    run = Run(folder, "phase1", "phase2", "load")
    assert run.code == 0, run.told
    db = project.db
    with db.session():
        for i in range(110):  # over SYNC_THRESHOLD
            db.update_video_status("news", phase1_heartbeat=float(i))
    folders = [path for path in (folder / "chroma_db").iterdir() if path.is_dir()]
    assert [len(list(path.iterdir())) for path in folders] == [5, 5], "both indexes are saved"
    assert run.state is not None
    assert len(run.state["segments"]) > 100
    return folder, run.state


def copy_of(healthy: Path, target: Path) -> Path:
    """With the files' times, so that the seal holds. Results are hard links: the scripts replace them whole."""
    target.mkdir()
    subprocess.run(["cp", "-a", healthy / "chroma_db", healthy / "videos_config.json", target], check=True)
    subprocess.run(["cp", "-al", healthy / "data", target / "data"], check=True)
    return target


# === Damaged files ===


def spoil(database: Path, chance: random.Random) -> str:
    """Cut, overwrite or delete one file of the database; what was done."""
    files = sorted(path for path in database.rglob("*") if path.is_file())
    # Half of the time chroma.sqlite3, the largest.
    path = chance.choice([*files, *[database / "chroma.sqlite3"] * len(files)])
    size, kind = path.stat().st_size, chance.choice(["cut", "overwritten", "overwritten", "missing"])
    if kind == "cut":
        where = chance.randrange(size)
        os.truncate(path, where)
    elif kind == "overwritten":
        where = chance.randrange(size)
        with path.open("r+b") as file:
            file.seek(where)
            file.write(chance.randbytes(min(chance.choice([1, 16, 512, 4096, 65536]), size - where)))
    else:
        where = 0
        path.unlink()
    return f"{path.name} {kind} at {where} of {size}"


def go_on(folder: Path, first: str, seed: str) -> tuple[str, dict[str, Any]]:
    """Run a script, and do what it says until all is well. How it came out, the state."""
    run = Run(folder, first)
    if run.code == 0:
        return ("mended" if "mending" in run.log else "worked"), run.state
    assert run.code in (1, 2), f"{seed}\n{run.told}"
    assert len(run.errors) == 1, f"{seed}\n{run.told}"
    assert str(folder / "chroma_db") in run.errors[0], f"{seed}\n{run.told}"
    how = "made anew"
    if "run the same command again" in run.errors[0]:
        return go_on(folder, first, seed)
    assert re.search(r"run: python run\.py doctor --repair --db \S+, then the scripts again", run.errors[0]), run.told
    repaired = Run(folder, "repair")
    if repaired.code:
        assert "run the scripts again" in repaired.errors[0], f"{seed}\n{repaired.told}"
        assert (folder / "chroma_db.damaged").is_dir()
    scripts = Run(folder, "phase1 again", "phase2", "load")
    assert (scripts.code, scripts.engines) == (0, []), f"{seed}\n{scripts.told}"
    return how, scripts.state


def damaged_copies(healthy: tuple[Path, dict[str, Any]], tmp_path: Path, seeds: range) -> dict[str, int]:
    source, before = healthy
    ways: dict[str, int] = {}
    for seed in seeds:
        folder = copy_of(source, tmp_path / str(seed))
        chance = random.Random(seed)
        what = f"seed {seed}: {spoil(folder / 'chroma_db', chance)}"
        how, after = go_on(folder, chance.choice(["load", "search"]), what)
        assert after == before, f"{what}: {how}"
        ways[how] = ways.get(how, 0) + 1
        shutil.rmtree(folder)
    print(f"damaged copies: {ways}")
    return ways


def test_damaged_files(healthy, tmp_path):
    assert sum(damaged_copies(healthy, tmp_path, range(6)).values()) == 6


@pytest.mark.slow
def test_damaged_files_at_length(healthy, tmp_path):
    ways = damaged_copies(healthy, tmp_path, range(100, 140))
    assert ways["mended"]
    assert ways["made anew"]


def test_an_undamaged_copy_is_not_even_looked_at(healthy, tmp_path):
    run = Run(copy_of(healthy[0], tmp_path / "copy"), "load")
    assert (run.code, run.state, run.log) == (0, healthy[1], "")


def test_an_emptied_database_is_not_taken_for_a_new_one(healthy, tmp_path):
    """SQLite takes a file of no bytes for an empty database, and ChromaDB would fill it."""
    folder = copy_of(healthy[0], tmp_path / "copy")
    os.truncate(folder / "chroma_db" / "chroma.sqlite3", 0)
    assert go_on(folder, "load", "emptied") == ("made anew", healthy[1])
    assert (folder / "chroma_db.damaged" / "chroma.sqlite3").exists()


# === Full disks, lost rights, vanished folders ===


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], capture_output=True, text=True
    )
    if not mounted or mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted and mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path, leave: int = 0) -> None:
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))
    if leave:
        os.truncate(filler, filler.stat().st_size - leave)


def add(db: ChromaDBManager, name: str, count: int = SEGMENTS) -> None:
    db.create_or_update_video_file(name, f"{name}.mp4", "ru", 1.0, count, 1, 1, 1.0, phase1_attempts=1)
    db.add_segments(f"{name}.mp4", [segment(name, i, 1) for i in range(count)])


@pytest.mark.parametrize("leave", [0, 20_000, 200_000])
def test_a_full_disk(small_disk, caplog, leave):
    db = ChromaDBManager(small_disk / "db", embedder=Scattered())
    for name in ("a", "b", "c"):
        add(db, name)
    told = rf"the disk of the database {db.directory} is full: make room on it"
    with caplog.at_level(logging.WARNING, logger="videotag"):
        with pytest.raises(UserError, match=told), db.session():
            db.list_videos()
            fill(small_disk, leave)
            for i in range(10):
                add(db, f"late{i}", 400)
        again = ChromaDBManager(db.directory, embedder=Scattered())
        for _ in range(2):
            with pytest.raises(UserError, match=told):
                again.list_videos()
        assert "mending" not in caplog.text, "that would end as the writing did"
        (small_disk / "filler").unlink()
        assert_stored(again, dict.fromkeys(("a", "b", "c"), 1), None, "with room again")
        add(again, "late0", 400)
        assert again.count_segments("late0") == 400


def test_a_nearly_full_disk_is_no_reason_to_stop(small_disk):
    db = ChromaDBManager(small_disk / "db", embedder=Scattered())
    add(db, "a")
    fill(small_disk, leave=2_000_000)
    assert len(db.search("слово1")) == 10
    add(db, "b")
    assert db.count_segments() == 2 * SEGMENTS


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("parent", ["closed", "open"])
def test_somebody_elses_folder(healthy, tmp_path_factory, parent):
    """Closed: not even the lock can be made. Open: the lock can, the database cannot be written to."""
    with contextlib.ExitStack() as stack:
        # pytest's own folders are closed to others.
        folder = Path("/tmp") / f"videotag-test-{os.getpid()}-{parent}"
        stack.callback(shutil.rmtree, folder)
        folder.mkdir(mode=0o777 if parent == "open" else 0o755)
        folder.chmod(0o777 if parent == "open" else 0o755)
        subprocess.run(["cp", "-a", healthy[0] / "chroma_db", folder], check=True)
        (folder / "chroma_db" / "index.sqlite3").unlink()  # else a search need not write anything
        (folder / "chroma_db").chmod(0o755)
        program = (
            "import os, sys, test_search, videotag.store.chroma\n"
            "videotag.store.chroma.load_chromadb()  # others may not be allowed to read the project or the library\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "sys.exit(test_search.main(['снег', '--db', sys.argv[1]], lambda *_: None))"
        )
        command = [sys.executable, "-c", program, str(folder / "chroma_db")]
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert run.returncode == 2, run.stderr
        [line] = run.stderr.splitlines()
        assert str(folder / "chroma_db") in line
        assert ("cannot be locked" if parent == "closed" else "cannot be written to") in line
        assert "folder" in line
        for path in folder.glob("chroma_db.*"):
            path.unlink()
        assert len(ChromaDBManager(folder / "chroma_db", embedder=Scattered()).list_videos()) == len(NAMES)


def test_a_folder_that_vanishes(tmp_path):
    """Neither an empty answer nor a new database in its place: the disk may only have been pulled out."""
    db = ChromaDBManager(tmp_path / "disk" / "db", embedder=Scattered())
    add(db, "a")
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    for call in (db.list_videos, lambda: db.update_video_status("a", phase1_attempts=2), lambda: add(db, "b")):
        with pytest.raises(UserError, match=r"db has vanished: put the folder back, or run the scripts again"):
            call()
    assert not (tmp_path / "disk").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "disk")
    add(db, "b")
    assert db.count_segments() == 2 * SEGMENTS


def test_a_folder_that_vanishes_within_a_session(tmp_path):
    db = ChromaDBManager(tmp_path / "db", embedder=Scattered())
    add(db, "a")
    with pytest.raises(UserError, match="has vanished: put the folder back"), db.session():
        db.list_videos()
        (tmp_path / "db").rename(tmp_path / "elsewhere")
        add(db, "b")
    (tmp_path / "elsewhere").rename(tmp_path / "db")
    assert_stored(db, {"a": 1}, None, "put back")


# === Long-lived managers ===


def load_one(directory: Path, url: str | None) -> None:
    add(ChromaDBManager(directory, chroma_url=url, embedder=Scattered()), "other")


def test_an_old_manager_finds_what_another_process_loads(db):
    db = ChromaDBManager(db.directory, chroma_url=db.chroma_url, embedder=Scattered())
    add(db, "mine")
    assert db.search("слово3", limit=1)[0]["video_name"] == "mine"
    writer = spawn.Process(target=load_one, args=(db.directory, db.chroma_url))
    writer.start()
    writer.join()
    assert writer.exitcode == 0
    assert db.get_video_status("other")["phase1_attempts"] == 1
    hits = db.search("other слово3 раз1", limit=5, video_name="other")
    assert hits[0]["document"] == "other слово3 раз1"
    assert hits[0]["score"] == pytest.approx(1)
    assert db.check_segments("other", "other.mp4", [segment("other", i, 1) for i in range(SEGMENTS)]) == {}


def make_at_once(url: str, worker: int, go: Any) -> None:
    db = ChromaDBManager(chroma_url=url, embedder=Scattered())
    go.wait()
    add(db, f"v{worker}", 3)


def test_collections_made_at_once_over_a_server(server_url):
    go = spawn.Event()
    workers = [spawn.Process(target=make_at_once, args=(server_url, worker, go)) for worker in range(3)]
    for worker in workers:
        worker.start()
    time.sleep(2)  # all have imported
    go.set()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    db = ChromaDBManager(chroma_url=server_url, embedder=Scattered())
    assert (len(db.list_videos()), db.count_segments()) == (3, 9)
