"""vLLM's engine: its options, how it is loaded, and requests in, a step, answers out."""

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from videotag.errors import EngineError
from videotag.models.chat import Form
from videotag.models.vllm.batch import Finished, is_out_of_memory, one_line
from videotag.models.vllm.model import Model
from videotag.options import option

log = logging.getLogger("videotag")
AT_ONCE = 32
"""Requests in the engine. Public figures of Qwen2.5-VL-7B gain little beyond (30.9 frames/s at batch 32, GH200)."""
E = TypeVar("E")


@dataclass(frozen=True)
class VllmOptions:
    """None leaves the choice to vLLM."""

    model: str | None = option(None, "name or folder of the model", metavar="MODEL")
    tensor_parallel_size: int | None = option(None, "GPUs that share the model", type=int, metavar="N")
    gpu_memory_utilization: float | None = option(None, "of the GPU's memory", type=float, metavar="SHARE")
    max_model_len: int | None = option(None, "prompt and answer together", type=int, metavar="TOKENS")


class VllmEngine:
    """vLLM's engine as a `batch.Engine`. What it takes is a prompt, rendered, with its sampling.

    `LLM.generate` gives everything back at the end only: a crash before it would cost all.
    """

    def __init__(self, model: Model, at_once: int, args: dict[str, Any]) -> None:
        from vllm import EngineArgs, LLMEngine  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

        self.at_once = at_once
        self._model = model
        self._llm = LLMEngine.from_engine_args(EngineArgs(**args))

    def sampling(self, form: Form) -> Any:
        """How an answer of that form is to be written, as `SamplingParams`."""
        from vllm import SamplingParams  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

        return SamplingParams(
            **self._model.sampling,
            max_tokens=form.most,
            structured_outputs=StructuredOutputsParams(json=form.schema),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def rendered(self, prompt: dict[str, Any]) -> Any:
        """A prompt as the engine takes it: tokens, and patches of pictures. Needs no GPU."""
        return self._llm.renderer.render_cmpl([prompt])[0]

    def add(self, key: str, prepared: tuple[Any, Any]) -> None:
        self._llm.add_request(key, *prepared)

    def step(self) -> list[Finished]:
        return [_finished(output) for output in self._llm.step() if output.finished]

    def drop(self, keys: list[str]) -> None:
        self._llm.abort_request(keys)


def engine_args(name: str, dtype: str, length: int, at_once: int, options: VllmOptions) -> dict[str, Any]:
    """Arguments of vLLM's `EngineArgs`. Quantization is left to the model's own configuration."""
    args: dict[str, Any] = {
        "model": name,
        "dtype": dtype,
        "max_model_len": length,
        "max_num_seqs": at_once,
        "enable_prefix_caching": True,  # the instructions come again and again
        "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
        "generation_config": "vllm",  # sampling is said with each request
        "disable_log_stats": True,
        "tensor_parallel_size": options.tensor_parallel_size,
        "gpu_memory_utilization": options.gpu_memory_utilization,
    }
    return {key: value for key, value in args.items() if value is not None}


def load(build: Callable[[int], E], model: Model, what: str) -> E:
    """What `build` makes for so many requests at once: `AT_ONCE`, or half if the memory is not enough.

    `what` is the word for a request.

    Raises:
        EngineError: it cannot be loaded.
    """
    at_once = AT_ONCE
    while True:
        try:
            return build(at_once)
        except Exception as error:
            if at_once < AT_ONCE or not is_out_of_memory(error):
                raise _not_loaded(model, error) from error
        # Out of the `except`, so that the traceback does not hold what was loaded.
        at_once //= 2
        log.warning("out of memory: loading again for %d %ss at once", at_once, what)
        _free_memory()


def _finished(output: Any) -> Finished:
    written = output.outputs[0]
    read = output.prompt_token_ids
    cut = written.finish_reason == "length"
    return Finished(output.request_id, written.text, cut, None if read is None else len(read))


def _not_loaded(model: Model, error: BaseException) -> EngineError:
    text = one_line(error)
    if is_out_of_memory(error):
        remedy = "close what else uses the GPU, or take a smaller model or its AWQ variant"
    elif "memory" in text.lower():
        remedy = (
            "close what else uses the GPU, change --gpu-memory-utilization or --max-model-len, or take a smaller model"
        )
    else:
        remedy = "--debug shows where"
    return EngineError(f"vLLM cannot load {model.name}: {text}; {remedy}")


def _free_memory() -> None:
    from vllm.distributed import cleanup_dist_env_and_memory  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

    gc.collect()
    cleanup_dist_env_and_memory()
