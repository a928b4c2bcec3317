"""The `openai` analyzer against servers that answer as they are told: through the analyzer, and through the script."""

import base64
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import phase2_vllm_analysis
from tests.fake_server import MODEL, Answer, Asked, FakeServer
from tests.pipeline import Project, analysis
from videotag.analyzers import prompt
from videotag.analyzers.contract import Frame, NotedAnalysis, Segment, SegmentFailure
from videotag.analyzers.engines import load_analyzer
from videotag.analyzers.openai import OpenAIServerAnalyzer
from videotag.errors import EngineError
from videotag.models import chat
from videotag.models.asking import ServerOptions
from videotag.models.servers import Patience

KEY = "sk-secret-0123456789"
QUICK = Patience(connect=2, answer=20, check=2, trouble=3, first_pause=0.01, longest_pause=0.05)
SEEN = "На кадре зимний город, идёт снег, люди спешат домой."
HTML = Answer(b"<!DOCTYPE html><html><body>Bad gateway</body></html>", headers={"Content-Type": "text/html"})


def good(description: str = SEEN, **changes) -> Answer:
    return Answer(json.dumps(analysis(description, **changes).model_dump(), ensure_ascii=False))


def refusal(status: int, message: str, **headers: str) -> Answer:
    return Answer({"error": {"message": message}}, status, headers)


def start(asked: Asked) -> float:
    """The start of the segment that is asked about, in seconds."""
    minutes, seconds = asked.text.split()[1].split(":")
    return 60 * int(minutes) + float(seconds)


def scripted(*replies: Answer, then: Answer | None = None) -> Callable[[Asked], Answer]:
    """One after the other, then the last one for ever."""
    left = list(replies)
    return lambda asked: left.pop(0) if left else then or good()


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeServer]]:
    servers: list[FakeServer] = []

    def begin(reply: Callable[[Asked], Answer] | Answer | None = None, **more) -> FakeServer:
        servers.append(FakeServer(reply if callable(reply) else scripted(then=reply), **more))
        return servers[-1]

    yield begin
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    return cv2.imencode(".jpg", np.full((72, 128, 3), 90, np.uint8))[1].tobytes()


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("videotag"), "propagate", True)
    return caplog


def segments(count: int, jpeg: bytes = b"") -> list[Segment]:
    frames = (Frame(1.0, jpeg), Frame(2.0, jpeg)) if jpeg else ()
    return [Segment("news", "news.mp4", i, 35.0 * i, 35.0 * i + 50, frames, "Снег.", "ru", "ru") for i in range(count)]


def engine(*servers: FakeServer, patience: Patience = QUICK, **options) -> OpenAIServerAnalyzer:
    urls = ",".join(server.url for server in servers)
    return OpenAIServerAnalyzer("ru", ServerOptions(**{"base_url": urls, **options}), patience)


def results(analyzer: OpenAIServerAnalyzer, given: list[Segment]) -> list:
    """Each segment's result, in the order of the segments."""
    found = {segment.segment_index: result for segment, result in analyzer.analyze(given)}
    assert sorted(found) == [segment.segment_index for segment in given]
    return [found[segment.segment_index] for segment in given]


# --- what is asked


def test_what_a_server_is_asked(serve, jpeg):
    server = serve()
    analyzer = engine(server)
    assert results(analyzer, segments(1, jpeg)) == [analysis(SEEN)]
    [asked] = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body == {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": prompt.system_prompt("ru")},
            {
                "role": "user",
                "content": [
                    *[{"type": "image_url", "image_url": {"url": url}} for url in asked.pictures],
                    {"type": "text", "text": prompt.user_prompt(segments(1, jpeg)[0])},
                ],
            },
        ],
        "max_tokens": 2048,
        "temperature": 0.1,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "segment", "strict": True, "schema": prompt.SCHEMA},
        },
    }
    data = base64.b64encode(jpeg).decode()
    assert asked.pictures == [f"data:image/jpeg;base64,{data}"] * 2
    assert analyzer.made_by == {
        "analyzer": "openai",
        "model": MODEL,
        "prompt_version": prompt.PROMPT_VERSION,
        "output_language": "ru",
        "temperature": 0.1,
        "frame_pixels": 200_704,
    }


def test_a_segment_without_frames_is_asked_in_words_only(serve):
    server = serve()
    results(engine(server), segments(1))
    assert server.asked[0].body["messages"][1]["content"].splitlines()[1] == "Кадров нет: есть только звук."


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((128, 72), (128, 72)),
        ((448, 448), (448, 448)),
        ((1280, 720), (588, 336)),
        ((720, 1280), (336, 588)),
        ((3840, 2160), (588, 336)),
        ((640, 480), (504, 364)),
        ((20_000, 40), (7168, 28)),
    ],
)
def test_frames_are_shrunk_to_256_vision_tokens(size, sent):
    width, height = size
    jpeg = cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes()
    url = chat.picture(jpeg, Frame(0.0, jpeg).decoded(), prompt.FRAME_PIXELS)
    data = base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape[1::-1] == sent
    assert sent[0] * sent[1] <= 256 * 28 * 28


@pytest.mark.parametrize("broken", [b"", b"no picture", b"\xff\xd8\xff\xe0"])
def test_a_frame_that_is_no_picture_costs_its_segment_only(serve, jpeg, broken):
    given = segments(3, jpeg)
    given[1] = Segment(**{**vars(given[1]), "frames": (Frame(36.0, jpeg), Frame(44.0, broken))})
    found = results(engine(serve()), given)
    assert found == [analysis(SEEN), SegmentFailure("the frame at 44.0 s is not a picture"), analysis(SEEN)]


# --- before the first segment


@pytest.mark.parametrize(
    ("refused", "form"),
    [
        ([], "json_schema"),
        (["json_schema"], "json_object"),
        (["json_schema", "json_object"], "text"),
    ],
)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_the_strictest_form_of_answers_that_is_there(serve, jpeg, refused, form, status):
    server = serve(Answer(f"Конечно!\n```json\n{good().body}\n```"))
    no = refusal(status, "response_format is not supported")
    server.probe = lambda asked: no if asked.form in refused else Answer("{")
    analyzer = engine(server)
    assert results(analyzer, segments(2, jpeg)) == [analysis(SEEN)] * 2
    assert {asked.form for asked in server.asked} == {form}
    assert analyzer.description == (
        f"model {MODEL} at {server.url} (answers as {form}); up to 8 requests at once to each"
    )
    assert [len(asked.pictures) for asked in server.probes][-1] == 1  # whether it sees, asked last


def test_a_model_that_thinks_is_asked_in_its_own_way(serve):
    """As OpenAI's newer models refuse: the one parameter first, then the other."""

    def particular(asked: Asked) -> Answer:
        if "max_tokens" in asked.body:
            text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
            return refusal(400, text)
        if "temperature" in asked.body:
            return refusal(400, "Unsupported value: 'temperature' does not support 0.1 with this model.")
        return good()

    server, other = serve(particular), serve()
    server.probe = particular
    analyzer = engine(server, other, concurrency=1)
    assert results(analyzer, segments(4)) == [analysis(SEEN)] * 4
    assert {asked.form for asked in server.asked} == {"json_schema"}
    assert {asked.body["max_completion_tokens"] for asked in server.asked} == {2048 + 4096}  # it thinks, then answers
    assert {(asked.body["max_tokens"], asked.body["temperature"]) for asked in other.asked} == {(2048, 0.1)}
    assert analyzer.made_by["temperature"] is None


@pytest.mark.parametrize("status", [400, 500])
def test_a_model_that_cannot_see(serve, status):
    server = serve()
    server.probe = lambda asked: refusal(status, "not a multimodal model") if asked.pictures else Answer("{")
    with pytest.raises(EngineError, match=f"{MODEL} cannot see pictures .*not a multimodal model.*vision-language"):
        engine(server)


def test_a_server_that_refuses_everything(serve):
    server = serve()
    server.probe = lambda asked: refusal(400, "no such parameter: messages")
    with pytest.raises(EngineError, match="refuses the simplest question to tiny-vl: 400, no such parameter"):
        engine(server)


def test_the_only_model_is_taken_and_of_several_one_must_be_named(serve):
    assert engine(serve(models=["only-one"])).made_by["model"] == "only-one"
    with pytest.raises(EngineError, match="has the models a, b; name one with --model"):
        engine(serve(models=["a", "b"]))
    with pytest.raises(EngineError, match="has no model; name one with --model"):
        engine(serve(models=[]))
    assert engine(serve(models=["a", "b"]), model="b").made_by["model"] == "b"


def test_an_unknown_model(serve):
    server = serve(models=["qwen"])
    server.probe = lambda asked: refusal(404, "The model `qven` does not exist.")
    with pytest.raises(EngineError, match=r"The model `qven` does not exist.*check --model.*it has the models qwen"):
        engine(server, model="qven")


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key(serve, monkeypatch, status):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = serve()
    server.probe = lambda asked: refusal(status, f"Incorrect API key provided: {KEY}")
    with pytest.raises(EngineError, match=r"refuses the key: .*set OPENAI_API_KEY") as caught:
        engine(server)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["ключ", "sk\nX: 1", "sk\x00"])
def test_a_key_that_cannot_be_sent_is_not_shown(serve, monkeypatch, key):
    monkeypatch.setattr(os, "environ", {**os.environ, "OPENAI_API_KEY": key})
    with pytest.raises(EngineError, match=r"^OPENAI_API_KEY: holds characters that no key has$"):
        engine(serve())


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "/v1"])
def test_what_is_no_address(url):
    with pytest.raises(EngineError, match=r"^--base-url: not an address such as http"):
        OpenAIServerAnalyzer("ru", ServerOptions(base_url=url))


@pytest.mark.parametrize(
    ("options", "fault"),
    [({}, "needs --base-url"), ({"base_url": " , "}, "needs --base-url"), ({"concurrency": 0}, "--concurrency 0")],
)
def test_options_that_cannot_be(options, fault):
    with pytest.raises(EngineError, match=fault):
        load_analyzer("openai", "ru", ServerOptions(**{"base_url": "http://h/v1", **options} if options else {}))


def test_a_server_that_is_not_started(serve):
    server = serve()
    server.stop()
    with pytest.raises(EngineError, match=f"{server.url}: no connection: .*start"):
        engine(server)
    with pytest.raises(EngineError, match=f"{server.url}: no connection: .*is it started"):
        engine(server, model=MODEL)


def test_a_server_that_still_loads_its_model_is_waited_for(serve, warnings):
    server = serve()
    server.probe = scripted(*[refusal(503, "Loading model")] * 4, then=Answer("{"))
    assert engine(server).description.startswith("model tiny-vl")
    assert warnings.messages == [f"{server.url}: busy: 503, Loading model; waiting for it"]


def test_what_is_no_such_server(serve):
    server = serve()
    server.probe = lambda asked: HTML
    with pytest.raises(EngineError, match="its answer is an HTML page, not JSON; an address usually ends in /v1"):
        engine(server)
    server.probe = lambda asked: Answer({"hello": "world"})
    with pytest.raises(EngineError, match="its answer is not a chat completion"):
        engine(server)


def test_a_redirection_is_not_followed(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    other, server = serve(), serve()
    server.probe = lambda asked: Answer({}, 307, {"Location": f"{other.url}/chat/completions"})
    with pytest.raises(EngineError, match=rf"redirected \(307\) to {other.url}.*; give --base-url the last address"):
        engine(server, model=MODEL)
    assert other.probes == []


# --- the answers


@pytest.mark.parametrize(
    "first",
    [
        Answer(str(good().body)[:-20]),
        Answer(str(good().body), finish_reason="length"),
        Answer(""),
        Answer("Я не могу помочь с этим."),
        Answer({"choices": [{"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}]}),
    ],
)
def test_a_bad_answer_is_asked_for_once_more(serve, first):
    server = serve(scripted(first))
    assert results(engine(server), segments(1)) == [analysis(SEEN)]
    assert [prompt.SHORTER in asked.text for asked in server.asked] == [False, True]


def test_two_bad_answers_leave_the_segment_unread(serve):
    server = serve(lambda asked: good() if start(asked) else Answer("Нет."))
    assert results(engine(server), segments(3)) == [
        SegmentFailure("the answer is not a JSON object, twice", "Нет."),
        analysis(SEEN),
        analysis(SEEN),
    ]
    assert Counter(map(start, server.asked)) == {0.0: 2, 35.0: 1, 70.0: 1}


def test_the_wrong_language_is_asked_again_then_doubted(serve):
    english = good("A city in winter, snow falls, people hurry home.", confidence="высокая")
    server = serve(english)
    [result] = results(engine(server), segments(1))
    assert isinstance(result, NotedAnalysis)
    note = "description: not in the output language (kept)"
    assert (result.analysis.confidence, result.note) == ("низкая", note)
    assert "только на русском языке" in server.asked[1].text
    server.reply = scripted(english)
    assert results(engine(server), segments(1)) == [analysis(SEEN)]


def test_a_text_with_a_fault_is_asked_again_with_words_that_say_it(serve):
    loop = good("Идёт снег над городом. " * 9, mood_atmosphere="calm")
    server = serve(scripted(loop))
    assert results(engine(server), segments(1)) == [analysis(SEEN)]
    first, second = (asked.text.splitlines() for asked in server.asked)
    assert second == [
        *first,
        "В прошлом ответе было не на том языке: mood_atmosphere. Пиши это только на русском языке.",
        "В прошлом ответе одно и то же повторялось: description. Скажи каждую мысль один раз и закончи.",
    ]
    server.reply = scripted(loop, Answer("Нет."))
    kept = analysis("Идёт снег над городом.", confidence="низкая")
    note = "description: repeats itself (kept in part); mood_atmosphere: not in the output language (left out)"
    assert results(engine(server), segments(1)) == [NotedAnalysis(kept, note)]


def test_an_answer_in_parts_and_one_with_thoughts(serve):
    text = str(good().body)
    parts = {"content": [{"type": "text", "text": text[:30]}, {"type": "text", "text": text[30:]}]}
    thoughts = {"content": f"<think>{{}}</think>{text}", "reasoning_content": "{}"}
    server = serve(scripted(*[Answer({"choices": [{"message": message}]}) for message in (parts, thoughts)]))
    assert results(engine(server), segments(2)) == [analysis(SEEN)] * 2
    assert len(server.asked) == 2


def test_results_come_as_they_are_finished(serve):
    first = threading.Event()

    def reply(asked: Asked) -> Answer:
        if start(asked) == 0:
            first.wait(10)
        return good()

    order = []
    for segment, _ in engine(serve(reply), concurrency=4).analyze(segments(4)):
        order.append(segment.segment_index)
        if len(order) == 3:
            first.set()
    assert order[-1] == 0


# --- how much at once


@pytest.mark.parametrize("concurrency", [1, 3])
def test_never_more_at_once_than_asked_for(serve, jpeg, concurrency):
    servers = [serve(Answer(good().body, wait=0.02)) for _ in range(2)]
    analyzer = engine(*servers, concurrency=concurrency)
    assert results(analyzer, segments(24, jpeg)) == [analysis(SEEN)] * 24
    assert [server.most for server in servers] == [concurrency] * 2
    assert all(len(server.asked) >= 6 for server in servers)  # both have worked


def test_segments_are_pulled_as_they_are_needed_and_by_the_calling_thread(serve):
    pulled, threads = [], set()

    def source() -> Iterator[Segment]:
        for segment in segments(40):
            pulled.append(segment.segment_index)
            threads.add(threading.current_thread())
            yield segment

    ahead = []
    for done, _ in enumerate(engine(serve(), concurrency=2).analyze(source())):
        ahead.append(len(pulled) - done)
    assert max(ahead) == 4  # two under way, two ready
    assert threads == {threading.current_thread()}


def test_nothing_to_do(serve):
    assert results(engine(serve()), []) == []


# --- faults that pass


@pytest.mark.parametrize(
    "fault",
    [
        refusal(500, "oops"),
        refusal(502, "upstream"),
        Answer(b"<html>Bad gateway</html>", 502),
        HTML,
        Answer(b""),
        Answer(b"[1]"),
        Answer({"choices": []}),
        Answer({"error": {"message": "upstream timed out", "code": 504}}),
        Answer(reset=True),
        refusal(429, "slow down"),
        refusal(503, "overloaded"),
    ],
)
def test_what_passes_is_tried_again(serve, fault):
    server = serve(scripted(fault, fault))
    assert results(engine(server, concurrency=1), segments(2)) == [analysis(SEEN)] * 2
    assert len(server.asked) == 4


def test_an_error_in_all_its_forms(serve):
    forms = [
        {"error": {"message": "too long", "code": 400}},  # vLLM, OpenAI
        {"object": "error", "message": "too long", "code": 400},  # vLLM before
        {"error": "too long"},  # Ollama, LM Studio
        {"detail": "too long"},  # FastAPI
        b" too\n long ",
    ]
    server = serve(scripted(*[Answer(form, 400) for form in forms]))
    assert results(engine(server), segments(5)) == [SegmentFailure("the server refuses it: 400, too long")] * 5


def test_a_storm_of_429_is_waited_out(serve):
    storm = [refusal(429, "rate limit", **{"Retry-After": "7"})] * 30
    server = serve(scripted(*storm))
    began = time.monotonic()
    assert results(engine(server), segments(6)) == [analysis(SEEN)] * 6
    assert time.monotonic() - began < 30  # Retry-After is held to the longest pause


def test_a_server_with_one_slot_is_no_failure(serve):
    """Like Ollama with a large model: it answers one after the other, and eight at once would wait for too long."""
    slot = threading.Lock()

    def reply(asked: Asked) -> Answer:
        with slot:
            time.sleep(0.1)
        return good()

    patience = Patience(answer=0.35, check=5, trouble=12, first_pause=0.01, longest_pause=0.05)
    assert results(engine(serve(reply), patience=patience), segments(10)) == [analysis(SEEN)] * 10


# --- faults that stay


@pytest.mark.parametrize("fault", [Answer(good().body, wait=3), Answer(good().body, drip=0.05)], ids=["hangs", "drips"])
def test_an_answer_that_does_not_end(serve, fault):
    patience = Patience(connect=2, answer=0.3, check=2, trouble=3, first_pause=0.01, longest_pause=0.05)
    server = serve(lambda asked: good() if start(asked) else fault)
    found = results(engine(server, patience=patience), segments(3))
    assert found == [
        SegmentFailure("no answer to it, though the server works: no answer within 0.3 s"),
        analysis(SEEN),
        analysis(SEEN),
    ]


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (refusal(400, "The prompt is too long"), "the server refuses it: 400, The prompt is too long"),
        (refusal(413, "too large"), "the server refuses it: 413, too large"),
        (refusal(429, "Request too large for x"), "the server refuses it: 429, Request too large for x"),
        (refusal(429, "not now"), "no answer to it, though the server works: busy: 429, not now"),
        (refusal(500, "bad image"), "no answer to it, though the server works: 500, bad image"),
    ],
)
def test_a_segment_that_a_server_cannot_answer_costs_no_other(serve, fault, reason, concurrency):
    server = serve(lambda asked: fault if start(asked) == 35 else good())
    found = results(engine(server, concurrency=concurrency), segments(4))
    assert found == [analysis(SEEN), SegmentFailure(reason), analysis(SEEN), analysis(SEEN)]


def test_two_servers_share_the_work_and_one_dies(serve, warnings):
    first, second = serve(Answer(good().body, wait=0.01)), serve(Answer(good().body, wait=0.01))
    analyzer = engine(first, second, concurrency=2)
    found = {}
    for segment, result in analyzer.analyze(segments(40)):
        found[segment.segment_index] = result
        if len(found) == 10:
            first.stop()
    assert found == {index: analysis(SEEN) for index in range(40)}
    assert first.asked
    assert len(second.asked) > len(first.asked)
    assert len(warnings.messages) == 1
    assert warnings.messages[0].startswith(f"{first.url} does not answer any more (no connection: ")


def test_a_server_that_is_not_there_at_the_start_is_left_out(serve, warnings):
    first, second = serve(), serve()
    second.stop()
    analyzer = engine(first, second)
    assert results(analyzer, segments(2)) == [analysis(SEEN)] * 2
    assert warnings.messages[0].startswith(f"{second.url}: no connection: ")


def test_the_only_model_is_asked_of_the_next_server_if_the_first_is_not_there(serve):
    first, second = serve(), serve(models=["only-one"])
    first.stop()
    assert engine(first, second).made_by["model"] == "only-one"
    second.stop()
    with pytest.raises(
        EngineError, match=f"^{first.url}: no conn.*; {second.url}: no conn.*; start it, or name a model"
    ):
        engine(first, second)


def test_the_last_server_dies(serve):
    server = serve()
    found = {}
    with pytest.raises(EngineError, match=f"^{server.url} does not answer .*start it and run again: what is finished"):
        for segment, result in engine(server, concurrency=2).analyze(segments(40)):
            found[segment.segment_index] = result
            if len(found) == 5:
                server.stop()
    assert 5 <= len(found) < 40
    assert all(result == analysis(SEEN) for result in found.values())


def test_a_server_that_is_started_again_in_time_goes_on(serve):
    server = serve()
    patience = Patience(connect=2, answer=20, check=2, trouble=1000, first_pause=0.01, longest_pause=0.05)
    found = {}
    for segment, result in engine(server, patience=patience, concurrency=2).analyze(segments(20)):
        found[segment.segment_index] = result
        if len(found) == 5:
            server.stop()
            threading.Timer(0.3, server.start).start()
    assert found == {index: analysis(SEEN) for index in range(20)}


@pytest.mark.parametrize(
    "fault", [refusal(500, "CUDA error"), HTML, refusal(503, "sleeping"), refusal(429, "full"), Answer(reset=True)]
)
def test_a_server_that_answers_nothing_any_more(serve, fault):
    server = serve(scripted(good(), then=fault))
    analyzer = engine(server)
    server.probe = lambda asked: fault
    with pytest.raises(EngineError, match="does not answer"):
        list(analyzer.analyze(segments(9)))


REFUSED = pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (refusal(401, "expired"), "set OPENAI_API_KEY"),
        (refusal(404, "model unloaded"), "check --model"),
        (
            Answer({"error": {"code": "insufficient_quota", "message": "Pay first"}}, 429),
            "insufficient_quota Pay first",
        ),
    ],
)


@REFUSED
@pytest.mark.parametrize("count", [1, 2])
def test_a_fault_of_all_questions_at_all_servers_ends_the_run_at_once(serve, warnings, fault, remedy, count):
    servers = [serve(scripted(*[good()] * 3, then=fault)) for _ in range(count)]
    found = []
    with pytest.raises(EngineError, match=remedy):
        for _, result in engine(*servers, concurrency=2).analyze(segments(200)):
            found.append(result)
    assert found == [analysis(SEEN)] * 3 * count
    assert all(len(server.asked) <= 5 for server in servers)
    assert len(warnings.messages) == count - 1  # the last one's is the error


@REFUSED
def test_a_server_that_refuses_all_questions_is_left_out(serve, warnings, fault, remedy):
    first, second = serve(scripted(*[good()] * 3, then=fault)), serve(Answer(good().body, wait=0.02))
    assert results(engine(first, second, concurrency=2), segments(40)) == [analysis(SEEN)] * 40
    assert 3 < len(first.asked) <= 5
    [warning] = warnings.messages
    assert warning.startswith(first.url) and remedy in warning and warning.endswith("; going on without it")


def test_a_server_that_refuses_the_key_when_it_is_checked_is_left_out(serve, warnings):
    first, second = serve(refusal(500, "CUDA error")), serve(Answer(good().body, wait=0.02))
    analyzer = engine(first, second, concurrency=2)
    first.probe = lambda asked: refusal(401, "expired")
    assert results(analyzer, segments(40)) == [analysis(SEEN)] * 40
    [warning] = warnings.messages
    assert warning.startswith(f"{first.url} refuses the key: 401, expired; ")


@pytest.mark.parametrize("others", [0, 1])
def test_a_server_that_refuses_the_key_while_it_is_checked(serve, warnings, others):
    first = serve(lambda asked: Answer({"error": "expired"}, 401, wait=0.3) if start(asked) else Answer("", 500))
    servers = [first, *(serve(Answer(good().body, wait=0.5)) for _ in range(others))]
    patience = Patience(connect=2, answer=20, check=5, trouble=1, first_pause=0.01, longest_pause=0.05)
    analyzer = engine(*servers, patience=patience, concurrency=2)
    first.probe = lambda asked: Answer("", 500, wait=0.8)  # begun before the refusal, ended after it
    if others:
        assert results(analyzer, segments(4)) == [analysis(SEEN)] * 4
        assert len(warnings.messages) == 1
    else:
        with pytest.raises(EngineError, match="refuses the key: 401, expired"):
            list(analyzer.analyze(segments(2)))


def test_what_is_under_way_when_the_run_ends_is_still_kept(serve):
    expired = Answer({"error": "expired"}, 401, wait=0.1)  # the others are asked by then
    server = serve(lambda asked: Answer(good().body, wait=0.4) if start(asked) else expired)
    found = []
    with pytest.raises(EngineError, match="expired"):
        for segment, _ in engine(server, concurrency=4).analyze(segments(4)):
            found.append(segment.segment_index)
    assert sorted(found) == [1, 2, 3]


def test_leaving_early_drops_what_is_under_way(serve):
    server = serve(lambda asked: good() if start(asked) == 0 else Answer(good().body, wait=20))
    stream = engine(server, concurrency=20).analyze(segments(20))
    assert next(stream)[1] == analysis(SEEN)
    began = time.monotonic()
    stream.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 3
    assert not [thread for thread in threading.enumerate() if thread.name == "requests"]


# --- the key and the address


def test_the_key_is_sent_as_a_header_and_nowhere_else(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    echo = Answer({"error": {"message": f"key {KEY} is over its limit"}}, 400)
    server = serve(lambda asked: good(f"Ключ {KEY} на кадре") if start(asked) else echo)
    analyzer = engine(server)
    found = results(analyzer, segments(2))
    assert {asked.headers["authorization"] for asked in [*server.asked, *server.probes]} == {f"Bearer {KEY}"}
    assert KEY not in json.dumps([asked.body for asked in server.asked])
    assert found == [
        SegmentFailure("the server refuses it: 400, key *** is over its limit"),
        analysis("Ключ *** на кадре"),
    ]
    assert KEY not in f"{analyzer.made_by} {analyzer.description}"


def test_without_a_key_no_header(serve, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server = serve()
    results(engine(server), segments(1))
    assert "authorization" not in server.asked[0].headers


def test_a_password_in_an_address_is_used_and_not_shown(serve):
    server = serve()
    plain, server.url = server.url, server.url.replace("://", "://user:pass-word@")
    analyzer = engine(server)
    assert f"at {plain} (" in analyzer.description
    assert "pass-word" not in f"{analyzer.made_by} {analyzer.description}"
    assert server.probes[0].headers["authorization"] == "Basic " + base64.b64encode(b"user:pass-word").decode()


# --- through the script


class Silent:
    """Stands in for capsys where nothing that is printed matters."""

    def readouterr(self) -> tuple[str, str]:
        return "", ""


@pytest.fixture(scope="module")
def after_phase1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose video "news" has ten segments of phase 1."""
    made = Project(tmp_path_factory.mktemp("after_phase1"), Silent(), None)
    made.one_video()
    assert made.phase1("--segment-seconds", "10", "--overlap-seconds", "0") == 0
    return made.folder


@pytest.fixture
def seen(project: Project, after_phase1: Path) -> Project:
    """A copy of it."""
    shutil.copytree(after_phase1, project.folder, dirs_exist_ok=True)
    return project


def phase2(project: Project, *servers: FakeServer, args: tuple[str, ...] = ()) -> int:
    def load(name: str, output_language: str, options: ServerOptions) -> OpenAIServerAnalyzer:
        return OpenAIServerAnalyzer(output_language, options, QUICK)

    urls = ",".join(server.url for server in servers)
    common = ["--analyzer", "openai", "--base-url", urls, *args]
    return project._run(phase2_vllm_analysis.main, common, load)


def test_the_script_with_a_server(seen, serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    bad = refusal(400, f"image is broken, {KEY}")
    server = serve(lambda asked: bad if start(asked) == 40 else good(f"{SEEN} {start(asked)}"))
    assert phase2(seen, server) == 0
    assert f"openai: model {MODEL} at {server.url} (answers as json_schema); up to 8" in seen.out
    assert "10 segments, 1 of them unreadable in " in seen.out
    result = seen.result2()
    assert result["made_by"]["model"] == MODEL
    assert [s["description"] for s in result["segments"]] == [f"{SEEN} {n}.0" for n in range(0, 100, 10) if n != 40]
    reason = "the server refuses it: 400, image is broken, ***"
    assert result["unreadable"] == [{"segment_index": 4, "reason": reason, "raw_text": ""}]
    assert {len(asked.pictures) for asked in server.asked} == {6}
    assert KEY not in seen.out + seen.err
    for path in seen.folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_the_only_server_dies_in_the_middle_and_the_next_run_asks_for_the_rest(seen, serve):
    server = serve(scripted(*[good()] * 4, then=refusal(500, "CUDA error")))
    healthy = server.probe
    calls = iter(range(100))
    server.probe = lambda asked: healthy(asked) if next(calls) < 2 else refusal(500, "CUDA error")
    assert phase2(seen, server, args=("--concurrency", "1")) == 1
    assert seen.err.splitlines() == [
        f"error: {server.url} does not answer (500, CUDA error); start it and run again: what is finished is kept"
    ]
    assert seen.out.splitlines()[-1].startswith("phase 2: 0 done")
    record = seen.record()
    assert record["phase2_status"] == "pending"
    assert "phase2_error" not in record
    assert "phase2_attempts" not in record
    finished = set(map(start, server.asked[:4]))
    server.asked.clear()
    server.reply, server.probe = scripted(), healthy
    assert phase2(seen, server) == 0
    assert sorted(map(start, server.asked)) == sorted(set(range(0, 100, 10)) - finished)
    assert len(seen.result2()["segments"]) == 10


def test_a_server_that_is_not_there_is_a_usage_error(seen, serve):
    server = serve()
    server.stop()
    assert phase2(seen, server) == 2
    assert f"error: {server.url}: no connection: " in seen.err
    assert seen.record()["phase2_status"] == "pending"
    assert "phase2_error" not in seen.record()


def test_too_many_bad_answers_fail_the_video(seen, serve):
    server = serve(lambda asked: Answer("Нет.") if start(asked) < 30 else good())
    assert phase2(seen, server) == 1
    assert "3 of 10 segments were not analyzed: the answer is not a JSON object, twice" in seen.err
    server.asked.clear()
    server.reply = scripted()
    assert phase2(seen, server) == 0
    assert sorted(map(start, server.asked)) == [0, 10, 20]


def test_ctrl_c_stops_quickly_and_keeps_what_is_finished(seen, serve):
    server = serve(lambda asked: good() if start(asked) < 20 else Answer(good().body, wait=60))
    script = [
        sys.executable,
        phase2_vllm_analysis.__file__,
        "--analyzer",
        "openai",
        "--base-url",
        server.url,
        "--concurrency",
        "10",
    ]
    folders = ["--data-dir", str(seen.data), "--db", str(seen.folder / "chroma_db")]
    process = subprocess.Popen([*script, *folders], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    part = seen.data / "news_phase2_vllm_analysis.json.part"
    end = time.monotonic() + 60
    while (not part.exists() or part.read_bytes().count(b"segment_index") < 2) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert time.monotonic() - began < 10  # the requests would take a minute
    assert "interrupted; run the same command again" in out
    assert seen.record()["phase2_status"] == "pending"
    server.asked.clear()
    server.reply = scripted()
    assert phase2(seen, server) == 0
    assert sorted(map(start, server.asked)) == list(range(20, 100, 10))
