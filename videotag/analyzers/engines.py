"""The analyzers that there are, and which one is chosen where none is named. Heavy libraries come when one is built."""

import importlib.util
from typing import Any

from videotag.analyzers.contract import Analyzer
from videotag.analyzers.local.analyzer import LocalAnalyzer
from videotag.analyzers.openai import OpenAIServerAnalyzer
from videotag.analyzers.vllm.engine import VllmAnalyzer

ANALYZERS = {engine.name: engine for engine in (LocalAnalyzer, VllmAnalyzer, OpenAIServerAnalyzer)}


def choose_analyzer(name: str) -> tuple[str, str]:
    """The analyzer that `name` means here, and why: "auto" is vLLM where it and a CUDA GPU are, else `local`."""
    if name != "auto":
        return name, "asked for"
    if not importlib.util.find_spec("vllm"):
        return "local", "vLLM is not installed"
    import torch  # pyright: ignore[reportMissingImports]

    return ("vllm", "a CUDA GPU and vLLM are here") if torch.cuda.is_available() else ("local", "there is no CUDA GPU")


def load_analyzer(name: str, output_language: str, options: Any) -> Analyzer:
    """Build the engine of that name with its own `Options`.

    Raises:
        EngineError: something that it needs is missing; the line says how to get it.
    """
    return ANALYZERS[name](output_language, options)
