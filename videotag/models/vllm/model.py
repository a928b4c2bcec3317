"""What must be known of a model before its weights are loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from videotag.errors import EngineError
from videotag.models.chat import Messages

DEFAULT_MODEL = "Qwen/Qwen2.5-VL-7B-Instruct"


@dataclass(frozen=True)
class Model:
    """A model, by its configuration."""

    name: str
    longest: int  # tokens that it was made for, prompt and answer together
    quantized: bool  # its weights are (AWQ, GPTQ, FP8)
    sampling: dict[str, float]  # arguments of `SamplingParams`, as its makers advise
    sees: bool  # it takes pictures, too
    processor: Any = field(repr=False)  # of transformers: chat template and tokenizer

    def prompt(self, messages: Messages) -> str:
        """The whole prompt as text, in the model's own template."""
        return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def tokens(self, text: str) -> int:
        tokenizer = getattr(self.processor, "tokenizer", self.processor)  # a model without eyes has no more
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])


@dataclass(frozen=True)
class Need:
    """Tokens that an engine makes room for, prompt and answer together."""

    what: str  # takes up to `least` of them
    least: int
    usual: int  # where the user says nothing; less if the model was made for less


def configuration(name: str) -> Any:
    """A model's configuration, as transformers has it, in a folder or on the model hub.

    Raises:
        EngineError: there is none.
    """
    from transformers import AutoConfig  # pyright: ignore[reportMissingImports]

    with _told(name):
        return AutoConfig.from_pretrained(name)


def read_model(name: str, config: Any) -> Model:
    """Look at a model: what its configuration says, and its processor.

    Raises:
        EngineError: it is not whole, or not made for conversation.
    """
    from transformers import AutoProcessor  # pyright: ignore[reportMissingImports]

    with _told(name):
        processor = AutoProcessor.from_pretrained(name)
    if not getattr(processor, "chat_template", None):
        raise EngineError(f"--model {name}: has no chat template; take an Instruct model")
    text = config.get_text_config()
    return Model(
        name=name,
        longest=getattr(text, "max_position_embeddings", 0) or 1 << 30,
        quantized=any(getattr(part, "quantization_config", None) for part in (config, text)),
        sampling=sampling_for(config.model_type),
        sees=hasattr(config, "vision_config"),
        processor=processor,
    )


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What transformers raises, in a line."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError) as error:
        told = " ".join(str(error).split()).partition(". ")[0][:200]  # transformers goes on for a paragraph
        fault = "is neither the folder of a whole model nor one that the model hub gives out"
        raise EngineError(f"--model {name}: {fault}: {told}") from error


def sampling_for(kind: str) -> dict[str, float]:
    """How a kind of model is to be sampled: by its makers' advice, else nearly without chance."""
    if kind.startswith("qwen3_vl"):
        return {"temperature": 0.7, "top_p": 0.8, "top_k": 20}
    return {"temperature": 0.1, "repetition_penalty": 1.05}


def length(model: Model, asked: int | None, need: Need) -> int:
    """Tokens of prompt and answer together to make room for.

    Raises:
        EngineError: what is asked for, or what the model was made for, is too little.
    """
    takes = f"{need.what} takes up to {need.least}"
    if model.longest < need.least:
        raise EngineError(f"--model {model.name}: is made for {model.longest} tokens; {takes}")
    if asked is None:
        return min(need.usual, model.longest)
    if asked < need.least:
        remedy = f"leave the option out, or give at least {need.least}"
        raise EngineError(f"--max-model-len {asked}: {takes} tokens; {remedy}")
    if asked > model.longest:
        raise EngineError(f"--max-model-len {asked}: the model {model.name} is made for {model.longest} tokens")
    return asked
