"""Phase 4 with vLLM in this process, for real, on models of random weights: what is read, refused and kept."""

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import jsonschema
import pytest

import phase4_video_summary
from tests_engine.conftest import MEMORY, Work
from videotag import artifacts
from videotag.errors import EngineError
from videotag.models import chat
from videotag.models.servers import Refused
from videotag.models.vllm.engine import VllmOptions
from videotag.models.vllm.texts import InProcess
from videotag.stages import PHASE4
from videotag.summaries import prompt
from videotag.summaries.prompt import WHOLE, WINDOW
from videotag.summaries.vllm import NEED

T = TypeVar("T")


def in_process(model: Path, **changes: int) -> InProcess:
    return InProcess("summarizer", VllmOptions(str(model), None, float(MEMORY), **changes), NEED)


@pytest.fixture(scope="module")
def blind(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reads and cannot see, with the tokenizer of the other."""
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("qwen2")
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.save_pretrained(folder)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


async def asked(text: str, ask: chat.Ask) -> chat.Answer | str:
    try:
        return await ask(chat.messages("Ответь.", text, []), replace(WHOLE, most=300))
    except Refused as error:
        return str(error)


def alone(work: Callable[..., T], *args: object) -> T:
    """The call in a process of its own: an engine that ends takes the parallel groups of every other one with it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args).result()


def answers(model: Path, texts: list[str], template: str) -> tuple[dict[str, chat.Answer | str], list[int]]:
    """What is said to each text, and how many tokens the template and each text have."""
    engine = in_process(model)
    found = dict(engine.answers(texts, asked))
    assert dict(engine.answers(texts[:1], asked))  # the engine is used again
    return found, [engine.tokens(text) for text in (template, *texts)]


@pytest.mark.parametrize("which", ["model", "blind"])
def test_questions_are_read_whole_answered_in_their_form_and_refused_one_by_one(
    which: str, request: pytest.FixtureRequest
) -> None:
    texts = ["Вода поднялась.", "Концерт в Алматы. " * 40, "слово " * 20_000]
    template = "<|im_start|>system\nОтветь.<|im_end|>\n<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"
    found, tokens = alone(answers, request.getfixturevalue(which), texts, template)
    assert "longer than" in str(found[texts[2]]) or "maximum" in str(found[texts[2]])
    for text, its_own in zip(texts[:2], tokens[1:], strict=False):
        answer = found[text]
        assert isinstance(answer, chat.Answer)
        assert answer.prompt_tokens is not None
        assert abs(answer.prompt_tokens - tokens[0] - its_own) <= 4  # words may join at the seams
        if not answer.cut:
            jsonschema.validate(json.loads(answer.text), WHOLE.schema)


def phase4(args: list[str]) -> int:
    prompt.WINDOW = replace(WINDOW, most=100)  # a random model writes until it is stopped
    return phase4_video_summary.main(args)


def test_a_whole_video(work: Work, analyzer, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A random model says nothing that a segment bears out: the video is read, and ends with a line that says so."""
    assert work.phase2("--analyzer", "vllm", "--only", "en_planet", load=lambda *_: analyzer) == 0
    run = ["--summarizer", "vllm", "--model", str(model), "--gpu-memory-utilization", MEMORY, "--only", "en_planet"]
    code = alone(phase4, [*run, *work.where])
    printed = capfd.readouterr()
    assert "Traceback" not in printed.err and "summarizer: vllm (asked for)" in printed.out
    record = work.db.get_video_status("en_planet")
    found = artifacts.read(PHASE4, artifacts.path_of(PHASE4, work.data, "en_planet"))
    if record["phase4_status"] == "completed":
        assert code == 0 and found is not None and found["sentences"] and found["method"] == "llm"
    else:
        assert code == 1 and found is None and "parts of it were not read: segment" in record["phase4_error"]


def test_the_room_that_is_needed(model: Path) -> None:
    assert in_process(model).context() == 24_000  # three windows of 8,000 tokens
    assert in_process(model, max_model_len=5000).context() == 5000
    with pytest.raises(EngineError, match="--max-model-len 3000: a part of a video with its answer takes up to 4096"):
        in_process(model, max_model_len=3000)
