"""Phase 2's stream through vLLM beside other ways to ask the same engine.

    .venv-engine/bin/python benchmarks/phase2.py                60 segments of 6 frames
    .venv-engine/bin/python benchmarks/phase2.py --rounds 3

Runs in the environment that `python3 run.py test-engine` makes: vLLM's CPU build and a tiny Qwen2.5-VL of random
weights. Each way starts from the frames' JPEG files and ends with judged answers; "phase 2" also writes each one to the
resume file, with fsync. Answers are short and without chance (temperature 0), so that all ways write about the same.
"""

import argparse
import copy
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else all threads of the process share one core
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "HF_HUB_OFFLINE": "1",
}
sys.path.insert(0, str(Path(__file__).parent.parent))

import cv2
import numpy as np

try:
    from vllm import LLM  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError:
    raise SystemExit(f"{__doc__}\nvLLM is not installed here: python3 run.py test-engine does that") from None
from vllm.sampling_params import StructuredOutputsParams  # pyright: ignore[reportMissingImports]

from tests_engine import tiny_qwen_vl
from videotag.analyzers.answers import Again, judge
from videotag.analyzers.contract import Frame, NotedAnalysis, Segment, SegmentFailure
from videotag.analyzers.prompt import SCHEMA
from videotag.analyzers.vllm.engine import VllmAnalyzer
from videotag.analyzers.vllm.model import SeeingModel, pictures
from videotag.artifacts import Part
from videotag.models.vllm.engine import AT_ONCE, VllmOptions

SEGMENTS, FRAMES = 60, 6
WIDTH, HEIGHT = 320, 180
"""Pixels of a frame. Small, because on a CPU the eye of the model would be all that is measured."""
LANGUAGE = "ja"
"""One whose letters `judge` does not check: a random model would be asked everything twice."""
DESCRIPTION, OTHERS = 200, 40
"""Characters at most, of the description and of every other text."""


class Bench:
    """The engine twice: as phase 2 uses it, and as vLLM's own `LLM`."""

    def __init__(self, folder: Path, count: int) -> None:
        options = VllmOptions(model=str(tiny_qwen_vl.make(folder / "model")), gpu_memory_utilization=0.4)
        self.segments = [segment(index) for index in range(count)]
        self.part = folder / "film.part"
        self.analyzer = VllmAnalyzer(LANGUAGE, options)
        list(self.analyzer.analyze(self.segments[:1]))  # loads it
        engine = self.analyzer._engine
        assert engine is not None
        self.model: SeeingModel = engine._seeing
        self.sampling = engine._sampling = engine._sampling.clone()
        self.sampling.temperature = 0.0
        self.sampling.structured_outputs = StructuredOutputsParams(json=short_schema())
        self.llm = LLM(**self.analyzer.arguments(AT_ONCE))
        self.seconds: list[float] = []  # from the start to each answer

    def one_at_a_time(self) -> int:
        return sum(self._generate([given]) for given in self.segments)

    def one_call(self) -> int:
        return self._generate(self.segments)

    def phase2(self) -> int:
        part = Part(self.part, {"stage": "phase2"})
        good = 0
        for given, result in self.analyzer.analyze(self.segments):
            assert not isinstance(result, SegmentFailure), result
            analysis = result.analysis if isinstance(result, NotedAnalysis) else result
            part.append({"segment_index": given.segment_index, "analysis": analysis.model_dump(), "note": ""})
            good += 1
            self.seconds.append(time.perf_counter())
        part.close()
        self.part.unlink()
        return good

    def _generate(self, segments: list[Segment]) -> int:
        prompts = [
            {"prompt": self.model.question(given, ""), "multi_modal_data": pictures(self.model, given)}
            for given in segments
        ]
        answers = self.llm.generate(prompts, self.sampling, use_tqdm=False)
        for given, answer in zip(segments, answers, strict=True):
            text, cut = answer.outputs[0].text, answer.outputs[0].finish_reason == "length"
            assert not isinstance(judge(given, text, cut, Again("")), SegmentFailure)
            self.seconds.append(time.perf_counter())
        return len(answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=SEGMENTS, metavar="N")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), args.segments)
        ways = {"one at a time": bench.one_at_a_time, "one call with all": bench.one_call, "**phase 2**": bench.phase2}
        for run in (bench.one_call, bench.phase2):
            run()  # everything once before the clock starts
        print("\n| way | CPU s | x | wall s | x | first answer s |\n|---|---|---|---|---|---|", flush=True)
        for _ in range(args.rounds):
            compare(bench, ways)


def compare(bench: Bench, ways: dict[str, Callable[[], int]]) -> None:
    measured = {way: measure(bench, run) for way, run in ways.items()}
    cpu_base, wall_base, _ = measured["**phase 2**"]
    for way, (cpu, wall, first) in measured.items():
        print(f"| {way} | {cpu:.1f} | {cpu / cpu_base:.2f} | {wall:.1f} | {wall / wall_base:.2f} | {first:.1f} |")


def measure(bench: Bench, run: Callable[[], int]) -> tuple[float, float, float]:
    """Seconds of CPU, of the wall, and to the first answer."""
    bench.seconds.clear()
    cpu, wall = time.process_time(), time.perf_counter()
    assert run() == len(bench.segments)
    return time.process_time() - cpu, time.perf_counter() - wall, bench.seconds[0] - wall


def segment(index: int) -> Segment:
    chance = np.random.default_rng(index)
    start = 35.0 * index
    frames = tuple(Frame(start + 50 * (i + 0.5) / FRAMES, jpeg(chance)) for i in range(FRAMES))
    speech = "Добрый вечер. Уровень воды в горах поднялся, снег тает. " * 8
    return Segment("film", "film.mp4", index, start, start + 50, frames, speech, "ru", LANGUAGE)


def jpeg(chance: np.random.Generator) -> bytes:
    picture = cv2.resize(chance.integers(0, 255, (9, 16, 3), dtype=np.uint8), (WIDTH, HEIGHT))
    return cv2.imencode(".jpg", picture)[1].tobytes()


def short_schema() -> dict[str, Any]:
    schema = copy.deepcopy(SCHEMA)
    for name, value in schema["properties"].items():
        for text in (value, value.get("items", {})):
            if "maxLength" in text:
                text["maxLength"] = DESCRIPTION if name == "description" else OTHERS
    schema["properties"]["on_screen_text"]["maxItems"] = 1
    schema["properties"]["screen_frames"]["maxItems"] = 1
    schema["properties"]["keywords"]["maxItems"] = 5
    return schema


if __name__ == "__main__":
    main()
