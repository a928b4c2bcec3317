"""The contract of an analyzer over all engines: `local`, `openai` with a server that answers, vLLM in tests_engine."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from tests.fake_server import Answer, FakeServer
from tests.pipeline import SAMPLE, analysis
from videotag.analyzers.contract import Analysis, Analyzer, Frame, NotedAnalysis, Segment
from videotag.analyzers.engines import ANALYZERS, load_analyzer
from videotag.models.asking import ServerOptions

SEEN = "На кадре зимний город, идёт снег, люди спешат домой."


@pytest.fixture(scope="module", params=["local", "openai"])
def analyzer(request: pytest.FixtureRequest) -> Iterator[Analyzer]:
    if request.param == "local":
        yield load_analyzer("local", "ru", ANALYZERS["local"].Options())
        return
    said = json.dumps(analysis(SEEN).model_dump(), ensure_ascii=False)
    server = FakeServer(lambda asked: Answer(said))
    yield load_analyzer("openai", "ru", ServerOptions(base_url=server.url))
    server.stop()


def segment(index: int, video: str = "news", **changes: Any) -> Segment:
    """A second of the sample with a picture of it, and some speech."""
    jpeg = cv2.imencode(".jpg", np.full((72, 128, 3), 90, np.uint8))[1].tobytes()
    frames = (Frame(index + 0.25, jpeg), Frame(index + 0.75, jpeg))
    made = Segment(video, str(SAMPLE), index, float(index), index + 1.0, frames, "Идёт снег.", "ru", "ru")
    return replace(made, **changes)


def results(analyzer: Analyzer, *given: Segment) -> dict[tuple[str, int], Any]:
    found = [((s.video_name, s.segment_index), result) for s, result in analyzer.analyze(given)]
    assert len(found) == len(given)
    return dict(found)


def is_analysis(result: Any) -> bool:
    return isinstance(result, Analysis | NotedAnalysis)


def test_it_says_what_it_is(analyzer: Analyzer) -> None:
    assert analyzer.made_by["analyzer"] == analyzer.name
    assert ANALYZERS[analyzer.name] is type(analyzer)
    assert isinstance(analyzer.made_by["model"], str) and analyzer.made_by["output_language"] == "ru"
    assert json.loads(json.dumps(analyzer.made_by)) == analyzer.made_by  # builtins only
    assert len(analyzer.description.splitlines()) <= 1


def test_every_segment_of_mixed_videos_comes_back_once(analyzer: Analyzer) -> None:
    given = [segment(n // 2, ("news", "film")[n % 2]) for n in range(8)]
    found = results(analyzer, *given)
    assert sorted(found) == [(video, n) for video in ("film", "news") for n in range(4)]
    assert all(map(is_analysis, found.values()))


def test_nothing_is_made_of_nothing(analyzer: Analyzer) -> None:
    assert list(analyzer.analyze([])) == []


@pytest.mark.parametrize("changes", [{"frames": ()}, {"transcript": ""}, {"frames": (), "transcript": ""}])
def test_sound_or_picture_may_be_missing(analyzer: Analyzer, changes: dict[str, Any]) -> None:
    assert is_analysis(results(analyzer, segment(0, **changes))["news", 0])


@pytest.mark.parametrize("jpeg", [b"", b"no picture", b"\xff\xd8\xff\xe0"])
def test_a_broken_frame_costs_its_segment_at_most(analyzer: Analyzer, jpeg: bytes) -> None:
    found = results(analyzer, segment(0), segment(1, frames=(Frame(1.5, jpeg),)), segment(2))
    assert is_analysis(found["news", 0]) and is_analysis(found["news", 2])


def left(analyzer: Analyzer) -> None:
    stream = analyzer.analyze(segment(n) for n in range(12))
    assert is_analysis(next(stream)[1])
    stream.close()


def interrupted(analyzer: Analyzer) -> None:
    def source() -> Iterator[Segment]:
        yield segment(0)
        yield segment(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(analyzer.analyze(source()))


@pytest.mark.parametrize("end", [left, interrupted])
def test_it_works_again_after_an_end_between_two_results(analyzer: Analyzer, end: Callable[[Analyzer], None]) -> None:
    end(analyzer)
    assert is_analysis(results(analyzer, segment(5))["news", 5])
