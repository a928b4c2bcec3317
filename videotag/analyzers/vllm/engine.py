"""Qwen2.5-VL and its like, by vLLM in this process."""

import gc
import importlib.util
import itertools
import logging
import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from videotag.analyzers.contract import Result, Segment
from videotag.analyzers.prompt import FRAME_PIXELS, MAX_TOKENS, PROMPT_VERSION, SCHEMA
from videotag.analyzers.vllm.model import MAX_FRAMES, Model, pictures, read_model, thinned
from videotag.analyzers.vllm.stream import Answer, Stream, is_out_of_memory, one_line
from videotag.errors import EngineError
from videotag.options import option

log = logging.getLogger("videotag")
DEFAULT_MODEL = "Qwen/Qwen2.5-VL-7B-Instruct"
AT_ONCE = 32
"""Segments in the engine. Public figures of Qwen2.5-VL-7B gain little beyond (30.9 frames/s at batch 32, GH200)."""
BFLOAT16_FROM = (8, 0)  # compute capability of the first cards with bfloat16 (Ampere)


@dataclass(frozen=True)
class VllmOptions:
    """None leaves the choice to vLLM."""

    model: str | None = option(None, "name or folder of the model", metavar="MODEL")
    tensor_parallel_size: int | None = option(None, "GPUs that share the model", type=int, metavar="N")
    gpu_memory_utilization: float | None = option(None, "of the GPU's memory", type=float, metavar="SHARE")
    max_model_len: int | None = option(None, "prompt and answer together", type=int, metavar="TOKENS")


class VllmAnalyzer:
    """See `Analyzer`. The weights are loaded when the first segment comes.

    Raises:
        EngineError: vLLM, a GPU or the model is missing, or --max-model-len does not do.
    """

    name = "vllm"
    Options = VllmOptions

    def __init__(self, output_language: str, options: VllmOptions) -> None:
        _environment()
        bfloat16 = _has_bfloat16()
        self._options = options
        self._model = read_model(options.model or DEFAULT_MODEL)
        self._dtype = dtype(bfloat16, self._model.quantized)
        self._length = length(self._model, options.max_model_len)
        self._engine: VllmEngine | None = None
        self.made_by = {
            "analyzer": self.name,
            "model": self._model.name,
            "prompt_version": PROMPT_VERSION,
            "output_language": output_language,
            "input": "video" if self._model.video else "images",
            "frame_pixels": FRAME_PIXELS,
            "dtype": self._dtype,
            **self._model.sampling,
        }
        frames = f"frames as {self.made_by['input']}"
        self.description = f"{self._model.name}, {self._dtype}, {frames}, {self._length} tokens at most"

    def analyze(self, segments: Iterable[Segment]) -> Generator[tuple[Segment, Result], None, None]:
        source = iter(segments)
        first = next(source, None)
        if first is None:
            return
        if self._engine is None:
            self._engine = self._load()
        # Thinned here, so that an answer's numbers of frames are taken for those that were shown.
        shown = map(thinned, itertools.chain([first], source))
        yield from Stream(self._engine, self._engine.at_once).run(shown)

    def _load(self) -> "VllmEngine":
        at_once = AT_ONCE
        while True:
            try:
                return VllmEngine(self._model, self._dtype, self._length, at_once, self._options)
            except Exception as error:
                if at_once < AT_ONCE or not is_out_of_memory(error):
                    raise _not_loaded(self._model, error) from error
            # Out of the `except`, so that the traceback does not hold what was loaded.
            at_once //= 2
            log.warning("out of memory: loading again for %d segments at once", at_once)
            _free_memory()


class VllmEngine:
    """vLLM's engine as a `stream.Engine`: requests in, a step, answers out.

    `LLM.generate` gives everything back at the end only: a crash before it would cost all.
    """

    def __init__(self, model: Model, dtype: str, length: int, at_once: int, options: VllmOptions) -> None:
        from vllm import EngineArgs, LLMEngine, SamplingParams  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

        self.at_once = at_once
        self._model = model
        self._sampling = SamplingParams(
            **model.sampling,
            max_tokens=MAX_TOKENS,
            structured_outputs=StructuredOutputsParams(json=SCHEMA),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        self._llm = LLMEngine.from_engine_args(EngineArgs(**engine_args(model, dtype, length, at_once, options)))

    def prepare(self, segment: Segment, more: str) -> Any:
        """Decode, resize, fill in the template, cut into patches: everything that needs no GPU."""
        prompt: dict[str, Any] = {"prompt": self._model.question(segment, more)}
        if segment.frames:
            prompt["multi_modal_data"] = pictures(self._model, segment)
        return self._llm.renderer.render_cmpl([prompt])[0]

    def add(self, key: str, prepared: Any) -> None:
        self._llm.add_request(key, prepared, self._sampling)

    def step(self) -> list[Answer]:
        finished = [output for output in self._llm.step() if output.finished]
        return [Answer(o.request_id, o.outputs[0].text, o.outputs[0].finish_reason == "length") for o in finished]

    def drop(self, keys: list[str]) -> None:
        self._llm.abort_request(keys)


def engine_args(model: Model, dtype: str, length: int, at_once: int, options: VllmOptions) -> dict[str, Any]:
    """Arguments of vLLM's `EngineArgs`. Quantization is left to the model's own configuration."""
    size = dict.fromkeys(("width", "height"), int(FRAME_PIXELS**0.5))
    limit: dict[str, Any] = {"image": {"count": MAX_FRAMES, **size}}
    if model.video:
        # Memory is measured with the largest input that is allowed, by default a video of 32,768 tokens.
        limit = {"image": 0, "video": {"count": 1, "num_frames": MAX_FRAMES, **size}}
    args: dict[str, Any] = {
        "model": model.name,
        "dtype": dtype,
        "max_model_len": length,
        "max_num_seqs": at_once,
        "limit_mm_per_prompt": limit,
        "mm_processor_kwargs": model.pixels,
        "mm_processor_cache_gb": 0,  # no picture comes twice
        "enable_prefix_caching": True,  # the instructions do
        "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
        "generation_config": "vllm",  # sampling is said with each request
        "disable_log_stats": True,
        "tensor_parallel_size": options.tensor_parallel_size,
        "gpu_memory_utilization": options.gpu_memory_utilization,
    }
    return {name: value for name, value in args.items() if value is not None}


def length(model: Model, asked: int | None) -> int:
    """Tokens of prompt and answer together to make room for.

    Raises:
        EngineError: what is asked for, or what the model was made for, is too little.
    """
    needed = model.tokens_needed
    takes = f"a segment with its answer takes up to {needed}"
    if model.longest < needed:
        raise EngineError(f"--model {model.name}: is made for {model.longest} tokens; {takes}")
    if asked is None:
        return needed
    if asked < needed:
        raise EngineError(f"--max-model-len {asked}: {takes} tokens; leave the option out, or give at least {needed}")
    if asked > model.longest:
        raise EngineError(f"--max-model-len {asked}: the model {model.name} is made for {model.longest} tokens")
    return asked


def dtype(bfloat16: bool, quantized: bool) -> str:
    """What to compute in, on a card with bfloat16 or without."""
    if bfloat16:
        return "bfloat16"
    if quantized:
        log.warning("this GPU has no bfloat16, and vLLM takes no float32 with quantized weights: float16 may overflow")
        return "float16"
    log.warning("this GPU has no bfloat16, and float16 overflows in these models: float32 takes twice the memory")
    return "float32"


def _environment() -> None:
    """Raises EngineError if vLLM is missing. Sets what vLLM reads from the environment, where the user did not."""
    if not importlib.util.find_spec("vllm"):
        raise EngineError("the analyzer vllm needs vLLM and a CUDA GPU: pip install -r requirements-gpu.txt")
    # In a process of its own the engine outlives a kill -9 of this one and holds the GPU's memory (vllm#55510), and
    # its death would hang us. Workers of --tensor-parallel-size are processes still, but end with their parent.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    # Asking torch whether there is a GPU, as `--analyzer auto` does, makes CUDA unusable in a forked worker.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "INFO" if log.isEnabledFor(logging.DEBUG) else "ERROR")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")


def _has_bfloat16() -> bool:
    """Whether the card can compute in bfloat16.

    Raises:
        EngineError: there is no CUDA GPU, and vLLM is no build for CPUs.
    """
    from vllm.platforms import current_platform  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

    if current_platform.is_cpu():  # a CPU build: for tests
        return True
    if not current_platform.is_cuda_alike():
        remedy = "use --analyzer openai with a server that has one, or --analyzer local"
        raise EngineError(f"the analyzer vllm needs a CUDA GPU, and none is found (see `nvidia-smi`); {remedy}")
    capability = current_platform.get_device_capability()
    return capability is not None and tuple(capability) >= BFLOAT16_FROM


def _not_loaded(model: Model, error: BaseException) -> EngineError:
    text = one_line(error)
    if is_out_of_memory(error):
        remedy = "close what else uses the GPU, or take a smaller model or its AWQ variant"
    elif "memory" in text.lower():
        remedy = "close what else uses the GPU, change --gpu-memory-utilization, or take a smaller model"
    else:
        remedy = "--debug shows where"
    return EngineError(f"vLLM cannot load {model.name}: {text}; {remedy}")


def _free_memory() -> None:
    from vllm.distributed import cleanup_dist_env_and_memory  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

    gc.collect()
    cleanup_dist_env_and_memory()
