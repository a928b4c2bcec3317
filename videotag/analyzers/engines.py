"""The analyzers that there are, each imported when it is built, and which one is chosen where none is named."""

import importlib.util
from collections.abc import Callable

from videotag.analyzers.contract import Analyzer, EngineOptions
from videotag.errors import EngineError


def _local(output_language: str, options: EngineOptions) -> Analyzer:
    from videotag.analyzers.local.analyzer import LocalAnalyzer

    return LocalAnalyzer(output_language)


def _vllm(output_language: str, options: EngineOptions) -> Analyzer:
    from videotag.analyzers.vllm.engine import VllmAnalyzer

    return VllmAnalyzer(output_language, options)


def _openai(output_language: str, options: EngineOptions) -> Analyzer:
    if not importlib.util.find_spec("httpx2"):
        raise EngineError("the analyzer openai needs httpx2: pip install -r requirements.txt")
    from videotag.analyzers.openai import OpenAIServerAnalyzer

    return OpenAIServerAnalyzer(output_language, options)


ANALYZERS: dict[str, Callable[[str, EngineOptions], Analyzer]] = {"local": _local, "vllm": _vllm, "openai": _openai}


def choose_analyzer(name: str) -> tuple[str, str]:
    """The analyzer that `name` means here, and why: "auto" is vLLM where it and a CUDA GPU are, else `local`."""
    if name != "auto":
        return name, "asked for"
    if not importlib.util.find_spec("vllm"):
        return "local", "vLLM is not installed"
    import torch  # pyright: ignore[reportMissingImports]

    return ("vllm", "a CUDA GPU and vLLM are here") if torch.cuda.is_available() else ("local", "there is no CUDA GPU")


def load_analyzer(name: str, output_language: str, options: EngineOptions) -> Analyzer:
    """Build the engine of that name.

    Raises:
        EngineError: something that it needs is missing; the line says how to get it.
    """
    return ANALYZERS[name](output_language, options)
