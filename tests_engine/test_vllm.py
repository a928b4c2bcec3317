"""Phase 2 with vLLM in this process, for real, on a model of random weights: what it writes, refuses and survives."""

import json
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from tests_engine import tiny_qwen_vl
from tests_engine.conftest import MEMORY, VIDEOS, until_kept
from videotag.analyzers.contract import (
    Analysis,
    Frame,
    NotedAnalysis,
    Segment,
    SegmentFailure,
)
from videotag.analyzers.engines import load_analyzer
from videotag.analyzers.prompt import FRAME_PIXELS, SCHEMA
from videotag.analyzers.vllm import engine as vllm_engine
from videotag.analyzers.vllm import model as vllm_model
from videotag.analyzers.vllm.engine import VllmAnalyzer
from videotag.analyzers.vllm.model import MAX_FRAMES, fitting, pictures, read_model, thinned
from videotag.errors import EngineError
from videotag.models.vllm import engine as engine_of_vllm
from videotag.models.vllm import here
from videotag.models.vllm.engine import VllmEngine, VllmOptions


def picture(height: int = 360, width: int = 640) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (9, 16, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", cv2.resize(noise, (width, height)))[1].tobytes()


def segment(index: int, count: int, **changes: Any) -> Segment:
    start = 35.0 * index
    jpeg = picture()
    shown = tuple(Frame(start + 50 * (i + 0.5) / count, jpeg) for i in range(count))
    given = Segment("film", "film.mp4", index, start, start + 50, shown, "Добрый вечер.", "ru", "ru")
    return replace(given, **changes)


def options(model, **changes: Any) -> VllmOptions:
    return VllmOptions(model=str(model), gpu_memory_utilization=float(MEMORY), **changes)


class Watched:
    """The engine, with a note of what it was given and what came of it, in order."""

    def __init__(self, analyzer: VllmAnalyzer, data) -> None:
        self.name, self.made_by, self.description = analyzer.name, analyzer.made_by, analyzer.description
        self._analyzer = analyzer
        self._data = data
        self.events: list[tuple[str, str, int]] = []
        self.records: list[int] = []  # bytes of all unfinished files, at each result

    def analyze(self, segments):
        for given, result in self._analyzer.analyze(self._drawn(segments)):
            self.events.append(("out", given.video_name, given.segment_index))
            self.records.append(sum(path.stat().st_size for path in self._data.glob("*.part")))
            yield given, result

    def _drawn(self, segments):
        for given in segments:
            self.events.append(("in", given.video_name, given.segment_index))
            yield given


# --- a whole run


def test_every_segment_gets_an_answer_that_fits_the_schema(work, analyzer, model, monkeypatch):
    answers = []
    step = VllmEngine.step

    def noted(self):
        new = step(self)
        answers.extend(new)
        return new

    monkeypatch.setattr(VllmEngine, "step", noted)
    run = ["--analyzer", "vllm", "--model", str(model)]
    assert work.phase2(*run, load=lambda *_: analyzer) == 0
    whole = [answer for answer in answers if not answer.cut]
    assert len(whole) >= 16
    for answer in whole:
        jsonschema.validate(json.loads(answer.text), SCHEMA)
    for name in VIDEOS:
        result = work.result(name)
        assert len(result["segments"]) + len(result["unreadable"]) == len(work.segments(name))
        for found in result["segments"]:
            Analysis(**{field: found[field] for field in Analysis.model_fields})
    assert not list(work.data.glob("*.part"))
    # What made it is stored.
    made_by = work.result("ru_news")["made_by"]
    assert {key: made_by[key] for key in ("analyzer", "model", "prompt_version", "output_language", "input")} == {
        "analyzer": "vllm",
        "model": str(model),
        "prompt_version": 2,
        "output_language": "ru",
        "input": "video",
    }
    assert made_by["temperature"] == 0.1 and made_by["repetition_penalty"] == 1.05
    assert work.db.get_video_status("en_planet")["analyzer"] == "vllm"
    assert work.phase2(*run, load=lambda *_: pytest.fail("nothing is due")) == 0


def test_one_stream_over_both_videos(work, analyzer, model, monkeypatch):
    watched = Watched(analyzer, work.data)
    analyzer_of = analyzer
    next(iter(analyzer_of.analyze([segment(0, 0)])))  # it is loaded
    monkeypatch.setattr(analyzer_of._engine, "at_once", 4)
    monkeypatch.setattr("videotag.analyzers.vllm.stream.AHEAD", 2)
    assert work.phase2("--analyzer", "vllm", load=lambda *_: watched) == 0
    kinds = [kind for kind, _, _ in watched.events]
    under_way = np.cumsum([1 if kind == "in" else -1 for kind in kinds])
    assert max(under_way) == 6
    last_in = len(kinds) - 1 - kinds[::-1].index("in")
    assert min(under_way[6:last_in]) >= 3  # never run dry between the videos
    names = [(kind, name) for kind, name, _ in watched.events]
    first_of_second = names.index(("in", "en_planet")) if names[0][1] == "ru_news" else names.index(("in", "ru_news"))
    assert ("out", names[0][1]) in names[first_of_second:]  # the second began before the first ended
    grown = watched.records[: last_in // 3]
    assert grown == sorted(grown) and len(set(grown)) > 1  # each result was on the disk before the next


# --- segments of every kind


def analyzed(analyzer, segments) -> dict[int, Any]:
    found = {given.segment_index: result for given, result in analyzer.analyze(segments)}
    assert len(found) == len(segments)
    return found


def test_any_number_of_frames(analyzer):
    found = analyzed(analyzer, [segment(n, n) for n in (0, 1, 2, 5, 6, 20)])
    assert all(isinstance(result, Analysis | NotedAnalysis) for result in found.values())


def test_frames_of_odd_shapes(analyzer):
    shapes = [(1080, 1920), (1280, 720), (40, 60), (16, 1000)]
    segments = []
    for index, (height, width) in enumerate(shapes):
        jpeg = picture(height, width)
        segments.append(segment(index, 6, frames=tuple(Frame(1.0 + i, jpeg) for i in range(6))))
    mixed = (Frame(1.0, picture(360, 640)), Frame(2.0, picture(480, 640)))
    segments.append(segment(4, 6, frames=mixed))
    assert not [r for r in analyzed(analyzer, segments).values() if isinstance(r, SegmentFailure)]


def test_what_the_engine_refuses_costs_that_segment_only(analyzer):
    broken = (Frame(1.0, b"\xff\xd8 no picture"),)
    endless = "\u10d0\u10d1" * 2000  # 3 tokens a letter in this tokenizer: more than there is room for
    found = analyzed(
        analyzer,
        [segment(0, 6), segment(1, 6, frames=broken), segment(2, 6, transcript=endless), segment(3, 6)],
    )
    kinds = {index: isinstance(result, SegmentFailure) for index, result in found.items()}
    assert kinds == {0: False, 1: True, 2: True, 3: False}
    assert "is not a picture" in found[1].reason
    assert "refuses the segment" in found[2].reason


def test_a_reader_that_leaves_early_leaves_an_engine_that_works(analyzer):
    stream = analyzer.analyze([segment(n, 6) for n in range(12)])
    next(stream)
    stream.close()
    assert not analyzer._engine._llm.has_unfinished_requests()
    assert len(analyzed(analyzer, [segment(0, 6)])) == 1


@pytest.mark.parametrize("kind", ["qwen3_vl", "images"])
def test_other_models(kind, model, request, monkeypatch):
    if kind == "images":
        monkeypatch.setattr(vllm_model, "VIDEO_MODELS", ())
    else:
        model = request.getfixturevalue("qwen3")
    other = VllmAnalyzer("ru", options(model))
    assert other.made_by["input"] == ("images" if kind == "images" else "video")
    assert other.made_by["temperature"] == (0.1 if kind == "images" else 0.7)
    found = analyzed(other, [segment(n, n) for n in (0, 1, 5, 6)])
    # Chance has more of a say at 0.7: an answer may be cut. None was refused.
    assert not [r for r in found.values() if isinstance(r, SegmentFailure) and "refuses" in r.reason]


# --- before the weights are loaded


def test_the_room_that_is_needed(model):
    known = read_model(str(model))
    assert known.video and known.grid == 28
    assert 6_000 < known.tokens_needed < 12_000
    height, width = fitting(720, 1280, known.grid)
    assert height % 28 == width % 28 == 0 and height * width <= FRAME_PIXELS
    assert fitting(10, 10, 28) == (56, 56)


def test_a_quantized_model_on_a_card_before_ampere(model, tmp_path, monkeypatch):
    monkeypatch.setattr(here, "has_bfloat16", lambda kind: False)
    assert VllmAnalyzer("ru", options(model)).made_by["dtype"] == "float32"
    shutil.copytree(model, tmp_path, dirs_exist_ok=True)
    tiny_qwen_vl.amend(tmp_path / "config.json", quantization_config={"quant_method": "awq", "bits": 4})
    assert VllmAnalyzer("ru", options(tmp_path)).made_by["dtype"] == "float16"


def test_too_small_a_length(work, model, capsys):
    assert work.phase2("--analyzer", "vllm", "--model", str(model), "--max-model-len", "4096") == 2
    assert "--max-model-len 4096: a segment with its answer takes up to" in capsys.readouterr().err
    assert work.db.get_video_status("ru_news")["phase2_status"] == "pending"


def test_too_large_a_length(model):
    with pytest.raises(EngineError, match="is made for 32768 tokens"):
        load_analyzer("vllm", "ru", options(model, max_model_len=40_000))


def test_a_folder_that_is_no_model(work, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert work.phase2("--analyzer", "vllm", "--model", str(empty)) == 2
    error = capsys.readouterr().err
    assert f"--model {empty}: is neither the folder of a whole model nor one" in error
    assert len(error.strip().splitlines()) == 1


def test_a_model_without_weights(model, tmp_path):
    for file in model.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(EngineError, match="vLLM cannot load"):
        next(load_analyzer("vllm", "ru", options(tmp_path)).analyze([segment(0, 0)]))


def test_a_model_that_cannot_see(model, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}')
    with pytest.raises(EngineError, match="cannot see"):
        load_analyzer("vllm", "ru", options(tmp_path))


def test_out_of_memory_while_loading_is_tried_again_with_half(model, monkeypatch, caplog):
    tried = []

    class Engine:
        def __init__(self, model, at_once, args):
            tried.append(at_once)
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(vllm_engine, "SegmentEngine", Engine)
    monkeypatch.setattr(engine_of_vllm, "_free_memory", lambda: None)  # it would end the engine of the other tests
    with pytest.raises(EngineError, match=r"CUDA out of memory.*take a smaller model"):
        next(load_analyzer("vllm", "ru", options(model)).analyze([segment(0, 0)]))
    assert tried == [32, 16]


def test_more_frames_than_are_shown(model):
    known = read_model(str(model))
    shown = thinned(segment(0, 40))
    assert len(shown.frames) == MAX_FRAMES
    assert known.question(shown, "").count("<|video_pad|>") == 1
    data, metadata = pictures(known, shown)["video"][0]
    assert data.shape == (MAX_FRAMES, 336, 588, 3)
    assert metadata["frames_indices"] == [round(frame.time * 100) for frame in shown.frames]
    images = replace(known, video=False)
    assert images.question(shown, "").count("<|image_pad|>") == len(pictures(images, shown)["image"]) == MAX_FRAMES


# --- killed


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(child) for child in listed.split()]


def test_killed_then_interrupted_then_finished(work, analyzer, model):
    run = ["--analyzer", "vllm", "--model", str(model), "--gpu-memory-utilization", MEMORY]
    script = work.start(*run)
    until_kept(work, script, 1)
    assert children(script.pid) == []  # no process that would outlive it
    script.send_signal(signal.SIGKILL)
    script.communicate()
    kept = work.kept()
    total = sum(len(work.segments(name)) for name in VIDEOS)
    assert 1 <= len(kept) < total

    script = work.start(*run)
    more = until_kept(work, script, len(kept) + 1)
    sent = time.monotonic()
    script.send_signal(signal.SIGINT)
    out, _ = script.communicate(timeout=30)
    assert script.returncode == 130, out
    assert time.monotonic() - sent < 5
    assert "run the same command again to go on" in out
    assert more.items() >= kept.items()
    kept = work.kept()

    watched = Watched(analyzer, work.data)
    assert work.phase2(*run, load=lambda *_: watched) == 0
    asked = {(name, index) for what, name, index in watched.events if what == "in"}
    assert asked.isdisjoint(kept) and len(asked) + len(kept) == total
    for name in VIDEOS:
        for found in work.result(name)["segments"]:
            if (name, found["segment_index"]) in kept:
                assert found["description"] == kept[name, found["segment_index"]]
