"""What follows when slots die, refuse and fail, and when machines come: with a Ray that is scripted."""

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from db_manager import ChromaDBManager
from videotag import artifacts
from videotag.cluster import machines, placing, screen
from videotag.cluster.lineup import Lineup, Step
from videotag.cluster.placing import Placing, Share
from videotag.cluster.screen import Far, Screen
from videotag.cluster.slots import Outcome, Work
from videotag.errors import UserError
from videotag.stages import PHASE2

Answer = Outcome | Exception


class RayError(Exception):
    """As Ray's own, of which all that it raises are."""


class Handle:
    """An actor: each method gives a number, by which its answer is asked for."""

    def __init__(self, ray: "ScriptedRay", node: str) -> None:
        self._ray, self._node = ray, node

    def __getattr__(self, method: str) -> Any:
        return SimpleNamespace(remote=lambda *args: self._ray.call(self._node, method, args))


class ScriptedRay:
    """Machines with one CPU each; `does` says how a step (node, video, again) ends."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, does: Callable[[str, str, bool], Answer], there: list[str]) -> None:
        self.does, self.there = does, there
        self.answers: dict[int, Any] = {}
        self.numbers = itertools.count()
        self.steps: list[tuple[str, str, bool]] = []
        self.gone: list[set[str]] = []  # what each step was told of

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": n, "Alive": True, "Resources": {"CPU": 1}, "NodeManagerAddress": n} for n in self.there]

    def remote(self, kind: type) -> Any:
        return SimpleNamespace(
            options=lambda **options: SimpleNamespace(remote=lambda *args: Handle(self, options["scheduling_strategy"]))
        )

    def call(self, node: str, method: str, args: tuple[Any, ...]) -> int:
        number = next(self.numbers)
        if method == "do":
            video, _, again, gone = args
            self.gone.append(set(gone))
            self.steps.append((node, video, again))
            self.answers[number] = self.does(node, video, again)
        else:
            self.answers[number] = f"{node}:1"
        return number

    def wait(self, refs: list[int], **how: Any) -> tuple[list[int], list[int]]:
        return refs[:1], refs[1:]

    def get(self, ref: int) -> Any:
        answer = self.answers.pop(ref)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "LOST_SECONDS", 0.0)
    monkeypatch.setattr(placing, "HELD_SECONDS", 0.0)
    monkeypatch.setattr(placing, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(machines, "on", lambda node: node)
    monkeypatch.setattr(machines, "head_answers", lambda ray: True)


def run(
    does: Callable[[str, str, bool], Answer], *there: str, tried: Callable[[dict[str, Any]], None] = lambda came: None
) -> tuple[Placing, ScriptedRay]:
    """Videos a (longer) and b, of one stage."""
    ray = ScriptedRay(does, list(there))
    lineup = Lineup({"a": ["phase1"], "b": ["phase1"]}, {"a": 2.0, "b": 1.0})
    works = {"phase1": Work("phase 1", lambda *_: 0, print, argparse.Namespace())}
    return Placing(ray, works, lineup, Share(1, 0, 0), tried), ray


def test_a_video_whose_worker_died_is_gone_on_with() -> None:
    deaths = iter([RayError("gone")])
    made, ray = run(lambda *step: next(deaths, Outcome("done")), "one")
    made.to_the_end(Screen(2, False, lambda steps: {}))
    assert (made.done, made.failed) == (2, {})
    # The other one first: what was lost waits for a moment.
    assert sorted(ray.steps) == [("one", "a", False), ("one", "a", True), ("one", "b", False)]
    assert ray.gone[0] == set() and ray.gone[-1] == {"one:1"}  # whose claim need not run out


def test_a_run_whose_head_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "HEAD_SECONDS", 0.0)
    monkeypatch.setattr(machines, "head_answers", lambda ray: False)
    made, ray = run(lambda *step: Outcome("done"), "one")
    with pytest.raises(placing.HeadGone):
        made.to_the_end(Screen(2, False, lambda steps: {}))
    assert ray.steps == []


def test_a_video_that_kills_its_workers_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    made, _ = run(lambda node, video, again: RayError("x") if video == "a" else Outcome("done"), "one", "two")
    made.to_the_end(Screen(2, False, lambda steps: {}))
    assert made.done == 1 and list(made.failed) == ["a"]
    assert "error: a: phase 1: its worker on" in capsys.readouterr().err


def test_the_videos_of_a_slot_that_refuses_are_done_by_another(capsys: pytest.CaptureFixture[str]) -> None:
    made, _ = run(lambda node, *step: Outcome("refused", "no GPU") if node == "bad" else Outcome("done"), "bad", "good")
    made.to_the_end(Screen(2, False, lambda steps: {}))
    assert (made.done, made.failed) == (2, {})


def test_where_all_slots_refuse_the_run_ends_with_the_reason() -> None:
    made, ray = run(lambda *step: Outcome("refused", "no server answers"), "one")
    with pytest.raises(UserError, match="phase 1 on one: no server answers"):
        made.to_the_end(Screen(2, False, lambda steps: {}))
    assert len(ray.steps) == placing.STRIKES


def test_what_others_hold_is_asked_for_again_and_a_failed_one_is_not() -> None:
    held = iter([Outcome("held", "held by process 1 on far")])
    does = lambda node, video, again: next(held, Outcome("done")) if video == "a" else Outcome("failed", "broken")  # noqa: E731
    made, ray = run(does, "one")
    made.to_the_end(Screen(2, False, lambda steps: {}))
    assert made.failed == {"b": "broken"} and made.done == 1
    assert sorted(video for _, video, _ in ray.steps) == ["a", "a", "b"]


def test_a_machine_that_comes_late_is_used_and_one_with_other_folders_is_not() -> None:
    def tried(keepers: dict[str, Any]) -> None:
        if "strange" in keepers:
            raise UserError("another folder")

    ended: list[str] = []

    def does(node: str, video: str, again: bool) -> Answer:
        ended.append(node)
        if len(ended) == 1:
            ray.there += ["late"]
        if len(ended) == 2:
            ray.there += ["strange"]
        return Outcome("held", "") if "late" not in ended else Outcome("done")

    made, ray = run(does, "first", tried=tried)
    made.to_the_end(Screen(2, False, lambda steps: {}))
    assert made.done == 2 and set(ended) == {"first", "late"}


def test_no_machine_is_large_enough() -> None:
    made, _ = run(lambda *step: Outcome("done"), "one")
    made.share = Share(1, 1, 0)
    with pytest.raises(UserError, match="no machine has room for a slot of 1 CPUs, 1 GPUs"):
        made.to_the_end(Screen(2, False, lambda steps: {}))


def test_how_far_the_work_in_hand_is(tmp_path: Path) -> None:
    db = ChromaDBManager(tmp_path / "db")
    db.create_or_update_video_file("a", "a.mp4", "ru", 20.0, 4, 640, 360, 25.0)
    part = artifacts.Part(artifacts.part_path(artifacts.path_of(PHASE2, tmp_path, "a")), {"stage": "phase2"})
    part.append({"segment_index": 0, "analysis": {}, "note": ""})
    part.close()
    steps = {Step("a", "phase2"), Step("b", "phase1")}
    assert Far(db, tmp_path)(steps) == {Step("a", "phase2"): "segments 25 %"}


def test_the_screen_is_cleared_before_other_lines(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(screen, "REDRAWN", 0.0)
    made, _ = run(lambda *step: Outcome("failed", "broken"), "one")
    made.to_the_end(Screen(2, True, lambda steps: {}))
    assert "\033[2F\033[J0 of 2 steps done, 2 failed" in capsys.readouterr().out
    made.seats[0].step = Step("a", "phase1")
    assert made.screen is not None
    made.screen(made)
    assert capsys.readouterr().out.splitlines()[-1].startswith("  one: phase 1: a, ")


def test_what_others_have_is_told_once_and_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = iter([Outcome("held", "held by process 1 on far")] * 3)
    made, _ = run(lambda *step: next(outcomes, Outcome("done")), "one")
    made.to_the_end(Screen(2, False, lambda steps: {}))
    assert made.done == 2
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("a: ")]
    assert told == ["a: held by process 1 on far; it is waited for"]


def test_what_one_machine_finds_held_another_is_asked_for() -> None:
    """By its own locks it sees that who had it there is dead."""
    asked: list[str] = []

    def does(node: str, video: str, again: bool) -> Answer:
        asked.append(node)
        assert len(asked) < 9
        return Outcome("done" if node == "its own" else "held", "held by one of its own")

    made, _ = run(does, "first", "second", "its own")
    made.to_the_end(Screen(2, False, lambda steps: {}))
    assert made.done == 2
