"""What is next, what a slot takes, what stages are told, which engines stay: without Ray."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cluster
from scale_out import SCRIPTS, due, options, works_of
from videotag import cli
from videotag.cluster import machines
from videotag.cluster.lineup import Lineup, Step
from videotag.cluster.placing import Share
from videotag.cluster.slots import Keeper, Slot, Work, digest_of_program, kept
from videotag.errors import EngineError, UserError


def lineup(**lengths: float) -> Lineup:
    return Lineup({name: ["phase1", "phase2"] for name in lengths}, lengths)


def test_the_longest_first_and_its_stages_one_after_the_other() -> None:
    line = lineup(short=1, long=9, middle=5)
    assert (len(line), line.seconds()) == (6, 30)
    first = line.take(0)
    assert first and first == Step("long", "phase1")
    assert line.take(0) == Step("middle", "phase1")
    line.done(first)
    assert line.take(0) == Step("long", "phase2")
    assert line.take(0) == Step("short", "phase1")
    assert line.take(0) is None  # what is left is in work
    assert (len(line), line.seconds()) == (5, 21)


def test_what_others_have_is_asked_for_later() -> None:
    line = lineup(one=1)
    step = line.take(0)
    assert step
    line.later(step, 20)
    assert line.take(19.9) is None
    assert line.take(20) == step


def test_a_lost_worker_is_followed_by_one_that_goes_on_and_a_third_is_not() -> None:
    line = lineup(one=1)
    for _ in range(2):
        step = line.take(0)
        assert step and line.lost(step, 0)
    step = line.take(0)
    assert step and step == Step("one", "phase1", again=True)
    assert not line.lost(step, 0)
    line.drop(step)
    assert len(line) == 0 and line.take(0) is None


@pytest.mark.parametrize(
    "has, count, cpus",
    [
        ({"CPU": 8, "GPU": 2, "memory": 64}, 2, 4),
        ({"CPU": 8, "GPU": 1, "memory": 64}, 1, 4),
        ({"CPU": 8, "GPU": 2, "memory": 15}, 1, 4),
        ({"CPU": 1, "GPU": 2, "memory": 64}, 1, 1),  # all that it has
        ({"CPU": 8, "memory": 64}, 0, 4),
        ({}, 0, 4),
    ],
)
def test_how_many_slots_a_machine_has(has: dict[str, float], count: int, cpus: float) -> None:
    assert Share(4, 1, 10).slots(has) == [Share(cpus, 1, 10)] * count


def works(*argv: str) -> dict[str, Work]:
    args, rest = options().parse_known_args(argv)
    args.db, args.chroma_url = "chroma_db", None
    return works_of(args, rest, SCRIPTS)


def test_each_stage_takes_what_it_knows() -> None:
    made = works("--stages", "load,phase2,phase1", "--whisper-model", "tiny", "--analyzer", "local", "--force")
    assert list(made) == ["phase1", "phase2", "db_load"]  # in their order
    assert made["phase1"].args.model == "tiny"
    assert made["phase2"].args.analyzer == "local" and made["phase2"].args.model is None
    assert [work.args.force for work in made.values()] == [True] * 3
    assert made["db_load"].args.data_dir == Path("data").resolve()


@pytest.mark.parametrize(
    "argv, told",
    [
        (["--whisper", "tiny"], "--whisper: no stage"),  # no abbreviations
        (["--stages", "phase2", "--whisper-model", "tiny"], "--whisper-model: no stage of phase2"),
        (["--stages", "phase3"], "--stages phase3: no such stage"),
        (["--rebuild"], "--rebuild: makes all vectors anew at once: python load_data_to_chroma.py"),
    ],
)
def test_what_no_stage_knows_is_refused(argv: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        works(*argv)


def stage(names: list[str]) -> Work:
    def work(args: argparse.Namespace, load: Any, report: cli.Report) -> int:
        assert args.dry_run
        for name in names:
            report.skip(name, "dry run")
        report.skip("other", "done before")
        return 0

    return Work("a stage", work, print, argparse.Namespace(dry_run=False))


def test_what_is_due_is_followed_by_the_later_stages() -> None:
    found = due({"phase1": stage(["new"]), "phase2": stage(["old", "new"]), "db_load": stage([])}, cli.Report("all"))
    assert found == {"new": ["phase1", "phase2", "db_load"], "old": ["phase2", "db_load"]}


def test_an_engine_stays_until_another_is_chosen() -> None:
    built: list[str] = []
    load = kept(lambda name, archive: built.append(name) or object())
    first = load("local", lambda: 1)
    assert load("local", lambda: 2) is first
    assert load("vllm", lambda: 3) is not first
    assert built == ["local", "vllm"]


def ending(how: str) -> Any:
    def work(args: argparse.Namespace, load: Any, report: cli.Report) -> int:
        assert (args.only, args.force) == (["v"], how == "done")
        cli.say("said")
        if how == "refused":
            raise EngineError("no server answers")
        if how == "interrupted":
            raise KeyboardInterrupt
        if how == "failed":
            report.fail("v", UserError("broken"))
        if how == "held":
            report.skip("v", "held by process 1 on far")
            report.held.append("v")
        return 1 if how == "failed" else 0

    return work


@pytest.mark.parametrize(
    "how, text",
    [
        ("done", ""),
        ("refused", "no server answers"),
        ("interrupted", ""),
        ("failed", "broken"),
        ("held", "held by process 1 on far"),
    ],
)
def test_how_a_step_ends(how: str, text: str) -> None:
    args = argparse.Namespace(only=None, force=True, debug=False)
    outcome = Slot({"phase1": Work("phase 1", ending(how), print, args)}).do("v", "phase1", how != "done")
    assert (outcome.ended, outcome.text, outcome.said) == (how, text, ("said",))


def test_machines_that_see_one_folder_and_machines_that_do_not(tmp_path: Path) -> None:
    keeper, shared, other = Keeper(), tmp_path / "shared", tmp_path / "other"
    assert [keeper.write(shared, name) for name in ("a", "b")] == ["", ""]
    assert keeper.read(shared, ["a", "b"], []) == ""
    assert "another folder" in keeper.read(other, ["a"], [])
    assert "cannot be read here" in keeper.read(shared, ["a"], [str(tmp_path / "gone.mp4")])
    keeper.forget(shared, "a")
    keeper.forget(shared, "b")
    assert list(shared.iterdir()) == []


def test_no_keys_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"token: is not there; copy .* from the first machine"):
        machines.safe(tmp_path, "10.0.0.1")


def test_another_version_of_the_program_is_told() -> None:
    assert Keeper().is_other(digest_of_program()) == ""
    assert "another version" in Keeper().is_other("0")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates")
def test_keys_are_made_once_and_each_machine_has_its_own_certificate(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    assert machines.make_keys(keys)
    token = (keys / "token").read_text()
    assert not machines.make_keys(keys) and (keys / "token").read_text() == token and len(token) == 64
    one, other = machines.safe(keys, "10.0.0.1"), machines.safe(keys, "10.0.0.2")
    assert one["RAY_TLS_SERVER_CERT"] != other["RAY_TLS_SERVER_CERT"]
    assert (one["RAY_USE_TLS"], one["RAY_AUTH_MODE"]) == ("1", "token") and token not in one.values()
    told = ["openssl", "verify", "-CAfile", one["RAY_TLS_CA_CERT"], "-verify_ip", "10.0.0.1"]
    assert subprocess.run([*told, one["RAY_TLS_SERVER_CERT"]], capture_output=True).returncode == 0
    assert subprocess.run([*told, other["RAY_TLS_SERVER_CERT"]], capture_output=True).returncode != 0
    private = [path for path in keys.iterdir() if path.name == "token" or path.name.endswith("-key.pem")]
    assert len(private) == 4 and {path.stat().st_mode & 0o077 for path in (keys, *private)} == {0}
    with pytest.raises(UserError, match="is no IP address"):
        machines.safe(keys, "first")


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        (
            "print('a -- Send to `raylet`\\nb -- 1/1 stopped.\\nc -- Stopped all 8 processes.')",
            0,
            "Stopped all 8 processes.",
        ),
        (
            "import sys; print('begun'); sys.exit('No module named \x1b[2Jray')",
            2,
            "error: ray: No module named [2Jray; is",
        ),
    ],
)
def test_of_all_that_ray_prints_its_last_line_is_said(
    program: str, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "RAY", [sys.executable, "-c", program])
    assert cluster.main(["stop"]) == code
    [line] = "".join(capsys.readouterr()).splitlines()
    assert line.startswith(said)
