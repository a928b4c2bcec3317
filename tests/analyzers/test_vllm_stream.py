"""The stream through a batching engine, with a scripted one: order, retries, refusals, memory, interruption."""

import json
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.pipeline import analysis
from videotag.analyzers.contract import Analysis, Frame, NotedAnalysis, Segment, SegmentFailure
from videotag.analyzers.prompt import SHORTER
from videotag.analyzers.vllm.engine import VllmAnalyzer
from videotag.analyzers.vllm.stream import AHEAD, Stream
from videotag.errors import EngineError
from videotag.models.vllm.batch import Finished
from videotag.models.vllm.here import dtype

GOOD = json.dumps(analysis("Город зимой, вид сверху, идёт снег.").model_dump(), ensure_ascii=False)
ENGLISH = json.dumps(analysis("A town in winter, seen from above.").model_dump())


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def segment(index: int, video: str = "news") -> Segment:
    return Segment(video, f"{video}.mp4", index, 35.0 * index, 35.0 * index + 50, (), "", "ru", "ru")


@dataclass
class FakeEngine:
    """Answers its oldest request with each step. A request's `key` is the stream's; scripts go by segment index."""

    answers: dict[int, list[tuple[str, bool]]] = field(default_factory=dict)  # (text, cut), in the order of asking
    bad_frames: set[int] = field(default_factory=set)
    too_long: set[int] = field(default_factory=set)
    steps: list[BaseException | None] = field(default_factory=list)  # what the next steps raise
    at_once: int = 4
    fits: int = 1000  # requests at once that the memory is enough for
    running: dict[str, tuple[Segment, str]] = field(default_factory=dict)
    asked: list[tuple[int, str]] = field(default_factory=list)
    most: int = 0
    dropped: list[str] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def prepare(self, segment: Segment, more: str) -> Any:
        self.threads.add(threading.get_ident())
        if segment.segment_index in self.bad_frames:
            raise ValueError("the frame at 1.0 s cannot be decoded")
        return segment, more

    def add(self, key: str, prepared: Any) -> None:
        if prepared[0].segment_index in self.too_long:
            raise ValueError("The decoder prompt is longer than the maximum model length")
        self.running[key] = prepared
        self.asked.append((prepared[0].segment_index, prepared[1]))

    def step(self) -> list[Finished]:
        self.most = max(self.most, len(self.running))
        if len(self.running) > self.fits:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        error = self.steps.pop(0) if self.steps else None
        if error is not None:
            raise error
        key = next(iter(self.running))
        given, _ = self.running.pop(key)
        script = self.answers.get(given.segment_index)
        text, cut = script.pop(0) if script else (GOOD, False)
        return [Finished(key, text, cut)]

    def drop(self, keys: list[str]) -> None:
        self.dropped += keys
        for key in keys:
            self.running.pop(key, None)


def results(engine: FakeEngine, count: int, at_once: int = 4) -> dict[int, Any]:
    found = list(Stream(engine, at_once).run(segment(i) for i in range(count)))
    assert len(found) == len({given.segment_index for given, _ in found}) == count
    return {given.segment_index: result for given, result in found}


def test_all_come_out_and_the_engine_is_kept_full():
    engine = FakeEngine()
    found = results(engine, 20)
    assert {result.description for result in found.values()} == {"Город зимой, вид сверху, идёт снег."}
    assert (engine.most, engine.running) == (4, {})


def test_nothing_at_all():
    assert list(Stream(FakeEngine(), 4).run([])) == []


def test_segments_are_drawn_as_there_is_room_and_in_the_callers_thread():
    engine = FakeEngine()
    drawn: list[int] = []

    def source():
        for index in range(100):
            drawn.append(threading.get_ident())
            yield segment(index)

    stream = Stream(engine, 4).run(source())
    next(stream)
    assert len(drawn) == 4 + AHEAD
    for _ in range(10):
        next(stream)
    assert len(drawn) <= 4 + AHEAD + 10
    assert set(drawn) == {threading.get_ident()}
    assert threading.get_ident() not in engine.threads and len(engine.threads) == 1
    stream.close()
    assert engine.running == {}  # what was under way is forgotten


def test_an_answer_that_is_no_good_is_asked_for_once_more():
    engine = FakeEngine(
        answers={
            0: [("{", True), (GOOD, False)],
            1: [("{", True), ('{"a', True)],
            2: [(ENGLISH, False), (ENGLISH, False)],
            3: [("no JSON", False), (GOOD, False)],
            4: [(ENGLISH, False), ("{", True)],
        }
    )
    found = results(engine, 5)
    assert found[0].description.startswith("Город") and found[3].description.startswith("Город")
    assert found[1] == SegmentFailure("the answer was cut off, twice", '{"a')
    assert isinstance(found[2], NotedAnalysis) and found[2].analysis.confidence == "низкая"
    assert found[4] == found[2]  # the second answer is worth nothing, the first is
    assert engine.asked.count((0, "")) == engine.asked.count((0, SHORTER)) == 1
    assert len(engine.asked) == 5 + 5


def test_a_refusal_costs_the_segment_and_no_other():
    found = results(FakeEngine(bad_frames={0, 3}, too_long={4}), 6)
    assert {i for i, result in found.items() if isinstance(result, SegmentFailure)} == {0, 3, 4}
    assert found[3].reason == "the engine refuses the segment: the frame at 1.0 s cannot be decoded"


def test_every_segment_is_refused():
    found = results(FakeEngine(too_long=set(range(30))), 30)
    assert all(isinstance(result, SegmentFailure) for result in found.values())


@pytest.mark.parametrize("fits", [1, 3, 5, 31])
def test_out_of_memory_halves_what_is_under_way(fits, caplog):
    engine = FakeEngine(fits=fits)
    caplog.set_level("WARNING", "videotag")
    found = results(engine, 40, at_once=32)
    assert not [result for result in found.values() if isinstance(result, SegmentFailure)]
    assert engine.running == {}
    assert "out of memory: going on with" in caplog.text


def test_out_of_memory_keeps_the_words_of_a_retry():
    engine = FakeEngine(answers={0: [("{", True)]}, steps=[None, OutOfMemoryError("CUDA out of memory")])
    found = results(engine, 2, at_once=2)
    assert found[0].description.startswith("Город")
    assert engine.asked.count((0, SHORTER)) == 1 or engine.asked.count((0, "")) == 1


def test_memory_that_is_not_enough_for_one_segment():
    with pytest.raises(EngineError, match=r"not enough for one segment .* smaller model"):
        results(FakeEngine(fits=0), 3)


def test_an_engine_that_dies_says_what_to_do():
    engine = FakeEngine(steps=[None, None, RuntimeError("Worker proc died\nunexpectedly")])
    kept = []
    with pytest.raises(EngineError, match="Worker proc died unexpectedly; what is finished is kept, run the same"):
        for given, _ in Stream(engine, 4).run(segment(i) for i in range(9)):
            kept.append(given.segment_index)
    assert kept == [0, 1]


def test_a_fault_of_the_source_and_an_interruption_come_through():
    def source():
        yield segment(0)
        raise EngineError("the database is gone")

    with pytest.raises(EngineError, match="the database is gone"):
        list(Stream(FakeEngine(), 4).run(source()))
    engine = FakeEngine(steps=[KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        list(Stream(engine, 4).run([segment(0)]))
    assert engine.running == {}


@pytest.mark.parametrize(
    ("bfloat16", "quantized", "expected"),
    [
        (True, False, "bfloat16"),
        (True, True, "bfloat16"),
        (False, False, "float32"),
        (False, True, "float16"),  # vLLM: "torch.float32 is not supported for quantization method awq"
    ],
)
def test_what_is_computed_in(bfloat16, quantized, expected):
    assert dtype(bfloat16, quantized) == expected


def test_frames_are_counted_as_they_were_shown():
    """Of 32 frames every second one is shown: the 16th of these is the 32nd, at 49.22 s."""
    frames = tuple(Frame((n + 0.5) * 50 / 32, b"") for n in range(32))
    answer = analysis("Титры в конце, белые буквы.", on_screen_text=["КОНЕЦ"]).model_dump() | {"screen_frames": [16]}
    engine = FakeEngine(answers={0: [(json.dumps(answer, ensure_ascii=False), False)]})
    analyzer = VllmAnalyzer.__new__(VllmAnalyzer)  # without a model
    analyzer._engine = engine  # pyright: ignore[reportAttributeAccessIssue]
    ((_, found),) = analyzer.analyze([Segment("news", "news.mp4", 0, 0.0, 50.0, frames, "", "ru", "ru")])
    assert isinstance(found, Analysis)
    assert found.screen_times == "492"
