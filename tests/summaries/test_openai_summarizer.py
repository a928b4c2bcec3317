"""The summarizer `openai` over real HTTP, from the command line on."""

import json
import re

import pytest

import phase4_video_summary
from tests.fake_server import Answer, Asked, FakeServer
from tests.pipeline import analysis
from videotag.models.servers import Patience
from videotag.summaries import by_model
from videotag.summaries.openai import OpenAISummarizer, ServerOptions

QUICK = Patience(trouble=2.0, first_pause=0.01, longest_pause=0.05)


def told(asked: Asked) -> Answer:
    """Of each part its first segment, of the whole its first event."""
    number, text = re.findall(r"^(\d+)(?:-\d+)? \| \d\d:\d\d \| (.*)$", asked.text, re.MULTILINE)[0]
    event = {"text": text.partition("Речь:")[0].strip(), "segments": [int(number)]}
    if asked.body["response_format"]["json_schema"]["name"] == "window":
        names = {key: [] for key in ("people", "places", "organisations")}
        return Answer(json.dumps({"events": [event], "keywords": ["снег"], **names}))
    chapter = {"title": "Всё", "summary": "Снег.", "first_segment": 0, "last_segment": 2}
    whole = {"title": "Зима в городе", "sentences": [event], "keywords": ["снег"], "chapters": [chapter]}
    return Answer(json.dumps(whole))


@pytest.fixture
def server():
    made = FakeServer(told)
    yield made
    made.stop()


@pytest.fixture
def seen(project):
    """A project whose video of three segments has been through phase 2."""
    project.one_video()
    for index in range(3):
        project.analyzer.results["news", index] = analysis(f"Снег лежит на крышах, кадр {index}.")
    assert project.phase1() == project.phase2("--analyzer", "vllm") == 0  # what `local` measures tells nothing
    return project


def run(seen, *args: str) -> int:
    def load(name, options, archive):
        return OpenAISummarizer(options, archive, QUICK)

    return seen._run(phase4_video_summary.main, ["--summarizer", "openai", *args], load)


def test_a_video_is_summed_up_by_a_server(seen, server):
    assert run(seen, "--base-url", server.url) == 0
    result = seen.result4()
    assert (result["title"], result["method"], result["faults"]) == ("Зима в городе", "llm", [])
    assert result["summary"] == "Снег лежит на крышах, кадр 0."
    assert result["sentences"] == [{"text": result["summary"], "segments": [0]}]
    assert result["made_by"] == {
        "summarizer": "openai",
        "model": "tiny-vl",
        "prompt_version": 1,
        "temperature": 0.1,
        "output_language": "ru",
    }
    assert [asked.body["response_format"]["json_schema"]["name"] for asked in server.asked] == ["window", "whole"]
    assert not any(asked.pictures for asked in (*server.asked, *server.probes))
    assert seen.record()["keywords"] == ["снег"]


def test_windows_are_asked_at_once_and_kept_one_by_one(seen, server, monkeypatch):
    monkeypatch.setattr(by_model, "LARGEST_WINDOW", 60)  # each segment is a window, and three events fit
    reply = server.reply

    def fails_at_last(asked: Asked) -> Answer:
        if "\n2 | " in asked.text:
            return Answer("", status=401)
        return reply(asked)

    server.reply = fails_at_last
    assert run(seen, "--base-url", server.url, "--concurrency", "1") == 1
    assert "refuses the key" in seen.err
    before = len(server.asked)
    server.reply = reply
    assert run(seen, "--base-url", server.url, "--concurrency", "1") == 0
    windows = [asked.text.splitlines()[1][0] for asked in server.asked[before:]]
    assert windows == ["2", "0"]  # the window that was missing, and the whole
    assert seen.result4()["faults"] == []


def test_a_window_that_was_not_answered_is_asked_for_by_the_next_run(seen, server, monkeypatch):
    monkeypatch.setattr(by_model, "LARGEST_WINDOW", 60)
    reply = server.reply
    server.reply = lambda asked: Answer("", status=500) if "\n1 | " in asked.text else reply(asked)
    assert run(seen, "--base-url", server.url) == 1
    assert "1 of 3 parts of it were not read: segment 1: no answer" in seen.err
    before, server.reply = len(server.asked), reply
    assert run(seen, "--base-url", server.url) == 0
    assert [asked.text.splitlines()[1][0] for asked in server.asked[before:]] == ["1", "0"]


def test_a_model_replaces_what_was_extracted(seen, server):
    assert seen.phase4() == 0
    assert seen.result4()["method"] == "extractive"
    assert run(seen, "--base-url", server.url) == 0
    assert "news: summarizer changed from local to openai" in seen.out
    assert seen.result4()["method"] == "llm"


def test_the_context_and_the_tokens_are_the_servers(server):
    server.models = Answer({"data": [{"id": "tiny-vl", "max_model_len": 12_000}]})
    servers = OpenAISummarizer(ServerOptions(base_url=server.url), None, QUICK)._asker  # type: ignore[arg-type]
    assert servers.context() == 12_000
    assert servers.tokens("мир") == 2  # 6 bytes: this server has no /tokenize
    server.models = ["tiny-vl"]
    assert servers.context() == 4096


def test_without_a_server_it_says_what_to_name(seen):
    assert run(seen) == 2
    assert "the summarizer openai needs --base-url" in seen.err
