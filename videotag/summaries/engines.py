"""Which summarizers there are, and which one is chosen where none is named. Heavy libraries come when one is built."""

from collections.abc import Callable
from typing import Any

from videotag.models.vllm.here import is_here
from videotag.summaries.contract import Archive, Summarizer
from videotag.summaries.local.summarizer import LocalSummarizer
from videotag.summaries.openai import OpenAISummarizer
from videotag.summaries.vllm import VllmSummarizer

SUMMARIZERS = {engine.name: engine for engine in (LocalSummarizer, VllmSummarizer, OpenAISummarizer)}


def choose_summarizer(name: str) -> tuple[str, str]:
    """The summarizer that `name` means here, and why: "auto" is vLLM where it and a CUDA GPU are, else `local`."""
    if name != "auto":
        return name, "asked for"
    here, why = is_here()
    return "vllm" if here else "local", why


def load_summarizer(name: str, options: Any, archive: Callable[[], Archive]) -> Summarizer:
    """Build the engine of that name with its own `Options`; `archive` is looked into by one that has a use for it.

    Raises:
        EngineError: something that it needs is missing; the line says how to get it.
    """
    return SUMMARIZERS[name](options, archive)
