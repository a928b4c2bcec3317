"""kill -9 at every named point and at random moments: one more run ends as if nothing had been."""

import itertools
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from db_manager import ChromaDBManager
from tests import clips
from tests.conftest import FakeEmbedder
from tests.kills import FRAME_BATCH, POINTS, Run, calls
from tests.states import content

SEED = 20261124
NAMED = [(stage, point) for stage in POINTS for point in POINTS[stage]]
RANDOM_KILLS = 25  # of each stage
WINDOWS = ("--segment-seconds", "8", "--overlap-seconds", "2", "--frames-per-segment", "3")
VIDEOS = {"news": 26.0, "film": 14.0}
"""Names and seconds. In windows of 8 s, each 6 s after the last: 4 segments and 2."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The project's folder as it is before each stage. Before the load, a longer version of "news" is loaded."""
    home = tmp_path_factory.mktemp("before")
    videos = [
        {"name": name, "path": str(clip(home / f"{name}.mp4", s)), "language": "ru"} for name, s in VIDEOS.items()
    ]
    folder = home / "phase1"
    folder.mkdir()
    (folder / "videos_config.json").write_text(json.dumps({"videos": videos}))
    finish(Run("phase1", folder, ("--segment-seconds", "4", "--overlap-seconds", "0")))
    finish(Run("phase2", folder))
    finish(Run("phase4", folder))
    finish(Run("load", folder, ("--only", "news")))
    assert database(folder).count_segments() == 7  # 26 s in windows of 4 s
    assert database(folder).whole_videos.names() == {"news"}
    folders = {"phase1": folder}
    for stage, after, args in (("phase1", "phase2", WINDOWS), ("phase2", "phase4", ()), ("phase4", "load", ())):
        folders[after] = copy(folders[stage], home / after)
        finish(Run(stage, folders[after], args))
    for one in folders.values():
        for log in one.glob("*.log"):
            log.unlink()
    return folders


@pytest.fixture(scope="module")
def undisturbed(before: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """For each stage: the state after it, the calls of the engines, and how many seconds it took."""
    home = tmp_path_factory.mktemp("undisturbed")
    results = {}
    for stage, folder in before.items():
        done = copy(folder, home / stage)
        started = time.monotonic()
        finish(Run(stage, done, WINDOWS if stage == "phase1" else ()))
        results[stage] = (state(done), calls(done), time.monotonic() - started)
    return results


def clip(path: Path, seconds: float) -> Path:
    sound = clips.tones(0.0, seconds, 16_000, 1.0, 2.0)
    return clips.write(path, clips.Pictures(clips.steady(seconds)), clips.Sound([(0.0, sound)], 16_000))


def copy(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def finish(run: Run) -> None:
    assert run.finish() == 0, run.printed


def database(folder: Path) -> ChromaDBManager:
    return ChromaDBManager(folder / "chroma_db", embedder=FakeEmbedder())


def state(folder: Path) -> dict[str, Any]:
    """All that the user has, and what lies beside it."""
    files = {path.name for path in (folder / "data").iterdir() if path.is_file()}
    beside = {path.name for path in folder.iterdir()} - {"calls.log", *(f"{stage}.log" for stage in POINTS)}
    return {"files": files, "beside": beside, **content(folder, database(folder))}


def killed_and_run_again(run: Run, undisturbed: dict[str, Any], after: float | None = None) -> None:
    """Start, kill, start once more; everything must be as if the first one had not been killed."""
    process = run.start()
    if after is not None:
        process.join(after)
        process.kill()
    process.join(300)
    if after is None:
        assert process.exitcode == -run.sends, f"{run} did not come to its point ({process.exitcode})\n{run.printed}"
    again = Run(run.stage, run.folder, tuple(arg for arg in run.args if arg != "--force"))
    finish(again)
    whole, wanted, _ = undisturbed[run.stage]
    assert state(run.folder) == whole, run.printed
    lost = calls(run.folder) - wanted
    allowed = {"look": FRAME_BATCH, "embed": 2}  # a video's segments, and the whole of it
    assert all(count <= allowed.get(call, 1) for call, count in lost.items()), f"{run}: {lost} twice\n{run.printed}"
    assert lost["see news"] + lost["see film"] <= 1


@pytest.mark.parametrize(("stage", "point"), NAMED)
def test_killed_at(stage: str, point: str, before, undisturbed, tmp_path) -> None:
    folder = copy(before[stage], tmp_path / stage)
    killed_and_run_again(Run(stage, folder, WINDOWS if stage == "phase1" else (), point), undisturbed)


@pytest.mark.parametrize("point", ["claimed", "part kept", "result renamed", "part deleted"])
def test_killed_with_force(point: str, before, undisturbed, tmp_path) -> None:
    """What was forced is done again, once, though the second run is not forced."""
    folder = copy(before["load"], tmp_path / "forced")
    process = Run("phase2", folder, ("--force", "--only", "news"), point).start()
    process.join(300)
    assert process.exitcode == -9
    finish(Run("phase2", folder))
    assert state(folder)["files"] == state(before["load"])["files"]
    assert calls(folder) == {"see news": 4}  # each segment again, none of them twice


@pytest.fixture(scope="module")
def renamed(before: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The project's folder with all loaded and "news" renamed in the list, and the state after phase 1 has seen it."""
    home = tmp_path_factory.mktemp("renamed")
    folder = copy(before["load"], home / "before")
    finish(Run("load", folder))
    config = (folder / "videos_config.json").read_text().replace('"name": "news"', '"name": "review"')
    (folder / "videos_config.json").write_text(config)
    whole = copy(folder, home / "whole")
    finish(Run("phase1", whole))
    return folder, state(whole)


@pytest.mark.parametrize(
    ("point", "at"),
    [
        *(("claimed", 0), ("half a result", 0), ("half a result", 1), ("copied", 0), ("copied", 1)),
        *(("half the upserts", 0), ("before the leftovers", 0), ("after the leftovers", 0)),
        *(("old file deleted", 0), ("old file deleted", 1), ("old record deleted", 0), ("claimed", 1), ("made", 0)),
    ],
)
def test_killed_while_a_renamed_entry_takes_its_results_along(point: str, at: int, renamed, tmp_path) -> None:
    folder, whole = copy(renamed[0], tmp_path / "renamed"), renamed[1]
    assert whole["records"].keys() == {"review", "film"}
    assert sorted(id_ for id_ in whole["segments"] if "film" not in id_) == [f"review_seg_{n}" for n in range(4)]
    called = calls(folder)
    process = Run("phase1", folder, point=point, at=at).start()
    process.join(300)
    assert process.exitcode == -9
    for stage in POINTS:
        finish(Run(stage, folder))
    assert state(folder) == whole
    assert calls(folder) == called


def test_two_runs_at_once_rename_an_entry_once(renamed, tmp_path) -> None:
    folder, whole = copy(renamed[0], tmp_path / "renamed"), renamed[1]
    called = calls(folder)
    processes = [Run("phase1", folder).start() for _ in range(2)]
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
    assert (state(folder), calls(folder)) == (whole, called)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "point"), NAMED)
def test_killed_later_at(stage: str, point: str, before, undisturbed, tmp_path) -> None:
    """The same, the second and the third time that it comes there."""
    for at in (1, 2):
        folder = copy(before[stage], tmp_path / f"{stage}{at}")
        run = Run(stage, folder, WINDOWS if stage == "phase1" else (), point, at)
        process = run.start()
        process.join(300)
        if process.exitcode == 0:  # it does not come there so often
            continue
        finish(Run(stage, folder, run.args))
        assert state(folder) == undisturbed[stage][0], run.printed


@pytest.mark.slow
@pytest.mark.parametrize("stage", list(POINTS))
def test_killed_at_random(stage: str, before, undisturbed, tmp_path) -> None:
    chance = random.Random(f"{SEED} {stage}")
    for number in range(RANDOM_KILLS):
        folder = copy(before[stage], tmp_path / f"{stage}{number}")
        after = chance.uniform(0.0, 1.1 * undisturbed[stage][2])
        killed_and_run_again(Run(stage, folder, WINDOWS if stage == "phase1" else ()), undisturbed, after)
        shutil.rmtree(folder)


@pytest.mark.slow
def test_killed_again_and_again(before, undisturbed, tmp_path) -> None:
    """All stages, each killed until it gets through: the kept parts carry it further each time."""
    chance = random.Random(SEED)
    folder = copy(before["phase1"], tmp_path / "all")
    for stage in POINTS:
        run = Run(stage, folder, WINDOWS if stage == "phase1" else ())
        for patience in itertools.count(1):
            process = run.start()
            process.join(chance.uniform(0.1, 0.5) * undisturbed[stage][2] * (1 + patience / 2))
            process.kill()
            process.join()
            if process.exitcode == 0:
                break
        assert state(folder) == undisturbed[stage][0], run.printed
