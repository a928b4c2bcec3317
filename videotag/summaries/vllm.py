"""The summarizer `vllm`: Qwen2.5-VL and its like, or a model without eyes, by vLLM in this process."""

from collections.abc import Callable
from typing import Any

from videotag.models.vllm.engine import VllmOptions
from videotag.models.vllm.model import Need
from videotag.models.vllm.texts import InProcess
from videotag.summaries.by_model import LARGEST_WINDOW, LEAST_CONTEXT, WINDOW_SHARE, ModelReader
from videotag.summaries.contract import Archive
from videotag.summaries.prompt import PROMPT_VERSION

NEED = Need("a part of a video with its answer", LEAST_CONTEXT, round(LARGEST_WINDOW / WINDOW_SHARE))


class VllmSummarizer(ModelReader):
    """Asks the model here, by text alone; see `Summarizer` for the contract. The weights come with the first question.

    Raises:
        EngineError: vLLM, a GPU or the model is missing, or --max-model-len does not do.
    """

    name = "vllm"
    Options = VllmOptions

    def __init__(self, options: VllmOptions, archive: Callable[[], Archive]) -> None:
        model = InProcess("summarizer", options, NEED)
        super().__init__(model)
        self.made_by: dict[str, Any] = {
            "summarizer": self.name,
            "model": model.model,
            "prompt_version": PROMPT_VERSION,
            "dtype": model.dtype,
            **model.sampling,
        }
        self.description = model.description
