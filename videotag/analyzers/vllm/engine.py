"""Qwen2.5-VL and its like, by vLLM in this process."""

import itertools
from collections.abc import Generator, Iterable
from typing import Any

from videotag.analyzers.contract import Result, Segment
from videotag.analyzers.prompt import FRAME_PIXELS, MAX_TOKENS, PROMPT_VERSION, SCHEMA
from videotag.analyzers.vllm.model import MAX_FRAMES, SeeingModel, pictures, read_model, thinned
from videotag.analyzers.vllm.stream import Stream
from videotag.models.chat import Form
from videotag.models.vllm import here
from videotag.models.vllm.engine import VllmEngine, VllmOptions, engine_args, load
from videotag.models.vllm.model import DEFAULT_MODEL, Need, length

FORM = Form("segment", SCHEMA, MAX_TOKENS)


class VllmAnalyzer:
    """See `Analyzer`. The weights are loaded when the first segment comes.

    Raises:
        EngineError: vLLM, a GPU or the model is missing, or --max-model-len does not do.
    """

    name = "vllm"
    Options = VllmOptions

    def __init__(self, output_language: str, options: VllmOptions) -> None:
        here.set_environment("analyzer")
        bfloat16 = here.has_bfloat16("analyzer")
        self._options = options
        self._model = read_model(options.model or DEFAULT_MODEL)
        self._dtype = here.dtype(bfloat16, self._model.quantized)
        needed = self._model.tokens_needed
        self._length = length(self._model, options.max_model_len, Need("a segment with its answer", needed, needed))
        self._engine: SegmentEngine | None = None
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
            self._engine = load(self._build, self._model, "segment")
        # Thinned here, so that an answer's numbers of frames are taken for those that were shown.
        shown = map(thinned, itertools.chain([first], source))
        yield from Stream(self._engine, self._engine.at_once).run(shown)

    def _build(self, at_once: int) -> "SegmentEngine":
        return SegmentEngine(self._model, at_once, self.arguments(at_once))

    def arguments(self, at_once: int) -> dict[str, Any]:
        """Arguments of vLLM's `EngineArgs`."""
        args = engine_args(self._model.name, self._dtype, self._length, at_once, self._options)
        return {**args, **picture_args(self._model)}


class SegmentEngine(VllmEngine):
    """vLLM's engine as a `stream.Engine`."""

    def __init__(self, model: SeeingModel, at_once: int, args: dict[str, Any]) -> None:
        super().__init__(model, at_once, args)
        self._seeing = model
        self._sampling = self.sampling(FORM)

    def prepare(self, segment: Segment, more: str) -> tuple[Any, Any]:
        """Decode, resize, fill in the template, cut into patches: everything that needs no GPU."""
        prompt: dict[str, Any] = {"prompt": self._seeing.question(segment, more)}
        if segment.frames:
            prompt["multi_modal_data"] = pictures(self._seeing, segment)
        return self.rendered(prompt), self._sampling


def picture_args(model: SeeingModel) -> dict[str, Any]:
    """Those of vLLM's `EngineArgs` that say what is shown."""
    size = dict.fromkeys(("width", "height"), int(FRAME_PIXELS**0.5))
    limit: dict[str, Any] = {"image": {"count": MAX_FRAMES, **size}}
    if model.video:
        # Memory is measured with the largest input that is allowed, by default a video of 32,768 tokens.
        limit = {"image": 0, "video": {"count": 1, "num_frames": MAX_FRAMES, **size}}
    return {
        "limit_mm_per_prompt": limit,
        "mm_processor_kwargs": model.pixels,
        "mm_processor_cache_gb": 0,  # no picture comes twice
    }
