"""Whether vLLM can run on this machine, and how."""

import importlib.util
import logging
import os

from videotag.errors import EngineError

log = logging.getLogger("videotag")
BFLOAT16_FROM = (8, 0)  # compute capability of the first cards with bfloat16 (Ampere)


def is_here() -> tuple[bool, str]:
    """Whether vLLM is installed and a CUDA GPU is there, and why (not)."""
    if not importlib.util.find_spec("vllm"):
        return False, "vLLM is not installed"
    import torch  # pyright: ignore[reportMissingImports]

    here = torch.cuda.is_available()
    return here, "a CUDA GPU and vLLM are here" if here else "there is no CUDA GPU"


def set_environment(kind: str) -> None:
    """Set what vLLM reads from the environment, where the user did not. `kind`: what it is to be, "analyzer" say.

    Raises:
        EngineError: vLLM is missing.
    """
    if not importlib.util.find_spec("vllm"):
        raise EngineError(f"the {kind} vllm needs vLLM and a CUDA GPU: pip install -r requirements-gpu.txt")
    # In a process of its own the engine outlives a kill -9 of this one and holds the GPU's memory (vllm#55510), and
    # its death would hang us. Workers of --tensor-parallel-size are processes still, but end with their parent.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    # Asking torch whether there is a GPU, as "auto" does, makes CUDA unusable in a forked worker.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "INFO" if log.isEnabledFor(logging.DEBUG) else "ERROR")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")


def has_bfloat16(kind: str) -> bool:
    """Whether the card can compute in bfloat16.

    Raises:
        EngineError: there is no CUDA GPU, and vLLM is no build for CPUs.
    """
    from vllm.platforms import current_platform  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

    if current_platform.is_cpu():  # a CPU build: for tests
        return True
    if not current_platform.is_cuda_alike():
        remedy = f"use --{kind} openai with a server that has one, or --{kind} local"
        raise EngineError(f"the {kind} vllm needs a CUDA GPU, and none is found (see `nvidia-smi`); {remedy}")
    capability = current_platform.get_device_capability()
    return capability is not None and tuple(capability) >= BFLOAT16_FROM


def dtype(bfloat16: bool, quantized: bool) -> str:
    """What to compute in, on a card with bfloat16 or without."""
    if bfloat16:
        return "bfloat16"
    if quantized:
        log.warning("this GPU has no bfloat16, and vLLM takes no float32 with quantized weights: float16 may overflow")
        return "float16"
    log.warning("this GPU has no bfloat16, and float16 overflows in these models: float32 takes twice the memory")
    return "float32"
