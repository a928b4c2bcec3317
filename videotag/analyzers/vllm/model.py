"""What must be known of a vision-language model before its weights are loaded, and how a segment is put to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from videotag.analyzers.contract import Frame, Segment
from videotag.analyzers.prompt import (
    AGAIN,
    FRAME_PIXELS,
    MAX_TOKENS,
    MAX_TRANSCRIPT,
    again,
    system_prompt,
    user_prompt,
)
from videotag.errors import EngineError
from videotag.fields import ANALYSIS_FIELDS
from videotag.models.vllm.model import Model, configuration
from videotag.models.vllm.model import read_model as read_any

MAX_FRAMES = 16  # of a segment with more, so many are shown, evenly spaced
TEMPORAL_PATCH = 2  # frames of a video that share their tokens
CLOCK = 100  # ticks a second, in which the times of frames are told: vLLM wants frame numbers and a rate
VIDEO_MODELS = ("qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
"""Kinds of model (`model_type`) that take frames as a video with the real time of each."""
SIZED_MODELS = ("qwen2_vl", *VIDEO_MODELS)  # kinds whose processor is told the limits of pixels


@dataclass(frozen=True)
class SeeingModel(Model):
    """A vision-language model, by its configuration."""

    video: bool  # it takes frames as a video; else as images
    grid: int  # a frame is made of squares of so many pixels a side, a vision token each
    pixels: dict[str, Any]  # arguments of its processor that limit what a picture costs

    @property
    def tokens_needed(self) -> int:
        """Room for the longest question with the fullest answer.

        Speech counts a token a character: the shown part is three times a fast speaker's, and the dearest scripts
        take three tokens a character.
        """
        longest = Segment("", "", 0, 0.0, 50.0, (Frame(0.0, b""),) * MAX_FRAMES, "", "xx", "xx")
        all_faults = dict(zip(ANALYSIS_FIELDS, AGAIN, strict=False))
        text = self.question(longest, again(all_faults, longest.output_language))
        written = len(self.processor.tokenizer(text, add_special_tokens=False)["input_ids"])
        seen = FRAME_PIXELS // self.grid**2 * (MAX_FRAMES // TEMPORAL_PATCH if self.video else MAX_FRAMES)
        clock = 16 * MAX_FRAMES if self.video else 0
        return written + seen + clock + MAX_TRANSCRIPT + MAX_TOKENS

    def question(self, segment: Segment, more: str) -> str:
        """The whole prompt as text, in the model's own template, with a place for each picture."""
        kind, frames = ("video", min(1, len(segment.frames))) if self.video else ("image", len(segment.frames))
        places = [{"type": kind}] * frames
        messages = [
            {"role": "system", "content": [{"type": "text", "text": system_prompt(segment.output_language)}]},
            {"role": "user", "content": [*places, {"type": "text", "text": user_prompt(segment, more)}]},
        ]
        return self.prompt(messages)


def read_model(name: str) -> SeeingModel:
    """Look at a model's configuration, in a folder or on the model hub.

    Raises:
        EngineError: there is none, or it is no vision-language model.
    """
    config = configuration(name)
    if not hasattr(config, "vision_config"):
        kinds = " or ".join(VIDEO_MODELS)
        raise EngineError(f"--model {name}: a model of kind {config.model_type} cannot see; take {kinds}")
    patch = getattr(config.vision_config, "patch_size", 14) * getattr(config.vision_config, "spatial_merge_size", 1)
    return SeeingModel(
        **vars(read_any(name, config)),
        video=config.model_type in VIDEO_MODELS,
        grid=patch,
        pixels=pixel_limits(config.model_type, patch),
    )


def pixel_limits(kind: str, grid: int) -> dict[str, Any]:
    """What a picture may cost, for the processor; by it vLLM also reckons the memory that vision takes.

    The frames come within the limits. Qwen3-VL's is for all frames of a video together, Qwen2.5-VL's for each.
    """
    if kind not in SIZED_MODELS:
        return {}
    frames = MAX_FRAMES if kind.startswith("qwen3_vl") else 1
    return {"size": {"shortest_edge": 4 * grid**2, "longest_edge": FRAME_PIXELS * frames}}


def pictures(model: SeeingModel, segment: Segment) -> dict[str, Any]:
    """The frames of a segment, one at least and at most `MAX_FRAMES`, as `multi_modal_data`.

    Raises:
        ValueError: a frame is not a picture.
    """
    frames = segment.frames
    images = decoded(frames, model.grid)
    if not model.video:
        from PIL import Image  # pyright: ignore[reportMissingImports]

        return {"image": [Image.fromarray(image) for image in images]}
    import numpy as np

    if len(images) == 1:  # Qwen3-VL's processor refuses less than a temporal patch
        images, frames = images * TEMPORAL_PATCH, frames * TEMPORAL_PATCH
    return {"video": [(np.stack(images), clock(frames, segment.end_time - segment.start_time))]}


def thinned(segment: Segment) -> Segment:
    """The segment with at most `MAX_FRAMES` of its frames, evenly spaced."""
    count = len(segment.frames)
    if count <= MAX_FRAMES:
        return segment
    middles = [(2 * i + 1) * count // (2 * MAX_FRAMES) for i in range(MAX_FRAMES)]
    return replace(segment, frames=tuple(segment.frames[middle] for middle in middles))


def clock(frames: Sequence[Frame], seconds: float) -> dict[str, Any]:
    """What tells vLLM the real time of each frame: its number at a rate of `CLOCK`, counted from the video's start.

    Qwen3-VL is told the times as they are in the question; Qwen2.5-VL only the mean step, `seconds` / frames.
    """
    return {
        "fps": float(CLOCK),
        "duration": seconds,
        "total_num_frames": max(1, round(seconds * CLOCK)),
        "frames_indices": [round(frame.time * CLOCK) for frame in frames],
        "do_sample_frames": False,
    }


def decoded(frames: Sequence[Frame], grid: int) -> list[Any]:
    """RGB uint8 [h, w, 3], all of the first one's size: within `FRAME_PIXELS`, a multiple of `grid` each way.

    Raises:
        ValueError: one is not a picture.
    """
    import cv2

    images: list[Any] = []
    for frame in frames:
        image = frame.decoded()
        height, width = images[0].shape[:2] if images else fitting(image.shape[0], image.shape[1], grid)
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        images.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
    return images


def fitting(height: int, width: int, grid: int) -> tuple[int, int]:
    """The size in which a picture is shown: no larger than it is, and two squares a side at least."""
    scale = min(1.0, (FRAME_PIXELS / (height * width)) ** 0.5)
    most = FRAME_PIXELS // (2 * grid)  # a side of a very long strip

    def side(pixels: int) -> int:
        return max(2, int(min(pixels * scale, most)) // grid) * grid

    return side(height), side(width)
