"""Questions of text through a batching engine, with a scripted one: answers, refusals, memory, interruption."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from videotag.errors import EngineError
from videotag.models.chat import Answer, Ask, Form, messages
from videotag.models.servers import Refused
from videotag.models.vllm.batch import Finished
from videotag.models.vllm.texts import Question, Talks

FORM = Form("word", {"type": "object"}, 20)


@dataclass
class FakeEngine:
    """Answers its oldest question with each step, in capitals; a text is told by its last message."""

    at_once: int = 3
    fits: int = 1000  # questions at once that the memory is enough for
    steps: list[BaseException] = field(default_factory=list)  # what the next steps raise
    running: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    most: int = 0

    def prepare(self, question: Question) -> Any:
        text = question.messages[-1]["content"]
        if len(text) > 10:
            raise ValueError("The decoder prompt is longer than\nthe maximum model length")
        return text

    def add(self, key: str, prepared: Any) -> None:
        self.running[key] = prepared
        self.asked.append(prepared)

    def step(self) -> list[Finished]:
        self.most = max(self.most, len(self.running))
        if len(self.running) > self.fits:
            raise RuntimeError("CUDA out of memory")
        if self.steps:
            raise self.steps.pop(0)
        key = next(iter(self.running))
        text = self.running.pop(key)
        return [Finished(key, text.upper(), cut=text == "endless", prompt_tokens=len(text))]

    def drop(self, keys: list[str]) -> None:
        for key in keys:
            del self.running[key]


async def twice(thing: str, ask: Ask) -> list[Answer | str]:
    """The thing and then, after its answer, its reverse."""
    told: list[Answer | str] = []
    for text in (thing, thing[::-1]):
        try:
            told.append(await ask(messages("Say it.", text, []), FORM))
        except Refused as error:
            told.append(str(error))
    return told


def test_each_thing_is_asked_about_question_by_question_and_several_things_at_once():
    engine = FakeEngine()
    found = dict(Talks(lambda: engine, twice).run(["ab", "cd", "ef", "gh", "ij"]))
    assert found["ab"] == [Answer("AB", False, 2), Answer("BA", False, 2)]
    assert sorted(found) == ["ab", "cd", "ef", "gh", "ij"]
    assert engine.most == 3 and len(engine.asked) == 10 and engine.running == {}


def test_the_engine_is_loaded_with_the_first_question_and_not_before():
    async def nothing(thing: str, ask: Ask) -> str:
        return thing

    assert list(Talks(lambda: pytest.fail("nobody asks"), nothing).run(["ab"])) == [("ab", "ab")]
    assert list(Talks(lambda: pytest.fail("nobody asks"), twice).run([])) == []


def test_what_is_cut_says_so_and_what_is_refused_costs_that_question_only():
    found = dict(Talks(FakeEngine, twice).run(["endless", "far too long", "ab"]))
    assert found["endless"][0] == Answer("ENDLESS", True, 7)
    assert found["far too long"] == ["The decoder prompt is longer than the maximum model length"] * 2
    assert found["ab"] == [Answer("AB", False, 2), Answer("BA", False, 2)]


def test_out_of_memory_halves_what_is_asked_at_once_and_nothing_is_lost(caplog):
    caplog.set_level("WARNING", "videotag")
    engine = FakeEngine(at_once=8, fits=2)
    found = dict(Talks(lambda: engine, twice).run([f"{number:02}" for number in range(20)]))
    assert found == {f"{n:02}": [Answer(f"{n:02}", False, 2), Answer(f"{n:02}"[::-1], False, 2)] for n in range(20)}
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "out of memory: going on with 4 questions at once",
        "out of memory: going on with 2 questions at once",
    ]


def test_an_engine_that_dies_ends_the_run_and_leaves_nothing_under_way():
    engine = FakeEngine(steps=[RuntimeError("the worker died")])
    with pytest.raises(EngineError, match="vLLM stopped in the middle: the worker died; what is finished is kept"):
        list(Talks(lambda: engine, twice).run(["ab", "cd"]))
    assert engine.running == {}


def test_ctrl_c_and_a_reader_that_leaves_early_end_what_is_under_way():
    ended: list[str] = []

    async def noted(thing: str, ask: Ask) -> Any:
        try:
            return await twice(thing, ask)
        finally:
            ended.append(thing)

    engine = FakeEngine(steps=[KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        list(Talks(lambda: engine, noted).run(["ab"]))
    assert engine.running == {} and ended == ["ab"]
    ended.clear()
    run = Talks(lambda: engine, noted).run(["ab", "cd", "ef", "gh"])
    next(run)
    run.close()
    assert engine.running == {} and sorted(ended) == ["ab", "cd", "ef"]  # of the fourth nothing was begun


def test_a_fault_of_the_work_comes_through():
    async def broken(thing: str, ask: Ask) -> str:
        await ask(messages("Say it.", thing, []), FORM)
        raise LookupError(thing)

    engine = FakeEngine()
    with pytest.raises(LookupError, match="ab"):
        list(Talks(lambda: engine, broken).run(["ab", "cd"]))
    assert engine.running == {}
