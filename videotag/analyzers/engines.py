"""The analyzers that there are, and which one is chosen where none is named. Heavy libraries come when one is built."""

from typing import Any

from videotag.analyzers.contract import Analyzer
from videotag.analyzers.local.analyzer import LocalAnalyzer
from videotag.analyzers.openai import OpenAIServerAnalyzer
from videotag.analyzers.vllm.engine import VllmAnalyzer
from videotag.models.vllm.here import is_here

ANALYZERS = {engine.name: engine for engine in (LocalAnalyzer, VllmAnalyzer, OpenAIServerAnalyzer)}


def choose_analyzer(name: str) -> tuple[str, str]:
    """The analyzer that `name` means here, and why: "auto" is vLLM where it and a CUDA GPU are, else `local`."""
    if name != "auto":
        return name, "asked for"
    here, why = is_here()
    return "vllm" if here else "local", why


def load_analyzer(name: str, output_language: str, options: Any) -> Analyzer:
    """Build the engine of that name with its own `Options`.

    Raises:
        EngineError: something that it needs is missing; the line says how to get it.
    """
    return ANALYZERS[name](output_language, options)
