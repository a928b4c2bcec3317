"""Questions and answers in the form of OpenAI's chat completions: messages, pictures, the text of a reply."""

import base64
import json
import math
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from videotag.models.servers import Failure

if TYPE_CHECKING:
    import numpy as np

SIDE = 28  # pixels; Qwen2.5-VL cuts frames into squares of this side
JPEG_QUALITY = 90
WAYS = ("json_schema", "json_object", "text")  # how an answer can be asked for, the strictest first
BYTES_A_TOKEN = 3  # at least, where nobody counts: Kazakh has 1.57 letters of 2 bytes in a token
TINY = 16  # tokens of the answer to `tiny`, which only has to come

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class Form:
    """What an answer is to be: its name, its JSON schema, the most tokens that it may take."""

    name: str
    schema: dict[str, Any]
    most: int


@dataclass(frozen=True)
class Answer:
    """What a model wrote; `cut` if it came to its limit. `prompt_tokens`: how many it read, if that is told."""

    text: str
    cut: bool
    prompt_tokens: int | None = None


Ask = Callable[[Messages, Form], Awaitable[Answer]]
"""Asks one question; raises what its engine raises (`servers.Pool.ask`)."""


def answer_in(way: str, form: Form) -> dict[str, Any]:
    """The part of a question that asks for an answer of a form, in one of the `WAYS`."""
    if way == "json_schema":
        return {"response_format": {"type": way, way: {"name": form.name, "strict": True, "schema": form.schema}}}
    return {"response_format": {"type": way}} if way == "json_object" else {}


def messages(system: str, text: str, pictures: list[str]) -> Messages:
    """A question: the instructions, then the pictures (data URLs), then the text."""
    images = [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
    content = [*images, {"type": "text", "text": text}] if images else text
    return [{"role": "system", "content": system}, {"role": "user", "content": content}]


def tiny(pictures: list[str]) -> Messages:
    """A question that costs next to nothing, to see whether it is answered."""
    return messages("Answer in JSON.", "{}", pictures)


def reply(answer: dict[str, Any]) -> Answer:
    """What a chat completion says.

    Raises:
        Failure: it is none.
    """
    try:
        choice = answer["choices"][0]
        content = choice["message"].get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Failure("its answer is not a chat completion; an address usually ends in /v1") from None
    if isinstance(content, list):  # in parts
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    usage = answer.get("usage")
    read = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    text = content if isinstance(content, str) else ""
    return Answer(text, choice.get("finish_reason") == "length", read if type(read) is int else None)


def json_object(text: str, fields: Set[str]) -> dict[str, Any] | None:
    """The JSON object that an answer is, or the first one in it that has the most of the fields; None without any.

    A model without a schema may think aloud first, put the object into a code fence or write around it; xgrammar lets
    raw control characters through.
    """
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        value = None
    # An answer that is nothing but the object may hold the mark itself.
    return value if isinstance(value, dict) else _within(text.rpartition("</think>")[2], fields)


def _within(text: str, fields: Set[str]) -> dict[str, Any] | None:
    decoder = json.JSONDecoder(strict=False)
    best: dict[str, Any] | None = None
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if best is None or len(fields & value.keys()) > len(fields & best.keys()):
                best = value
        start = text.find("{", end)
    return best


def picture(jpeg: bytes, image: "np.ndarray", pixels: int) -> str:
    """A picture as a data URL, of no more than so many pixels; `image` is `jpeg` decoded, BGR uint8 [h, w, 3]."""
    import cv2

    height, width = image.shape[:2]
    if width * height > pixels:
        jpeg = _jpeg(cv2.resize(image, smaller(width, height, pixels), interpolation=cv2.INTER_AREA))
    return _data_url(jpeg)


def smaller(width: int, height: int, pixels: int) -> tuple[int, int]:
    """(width, height) of the same form within so many pixels, in multiples of `SIDE`."""
    scale = math.sqrt(pixels / (width * height))
    least, most = sorted((width, height))
    short = max(SIDE, int(least * scale) // SIDE * SIDE)
    long = min(int(most * scale), pixels // short) // SIDE * SIDE
    return (long, short) if width >= height else (short, long)


def grey_picture() -> str:
    import numpy as np

    return _data_url(_jpeg(np.full((4 * SIDE, 4 * SIDE, 3), 128, np.uint8)))


def _jpeg(image: Any) -> bytes:
    import cv2

    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
