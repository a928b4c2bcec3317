"""The files of an image-text model for onnxruntime, its two towers apart, in the two layouts that are published.

    visual/model.onnx, visual/preprocess_cfg.json,              immich-app's exports of open_clip's models
    textual/model.onnx, textual/tokenizer.json, textual/tokenizer_config.json, config.json

    onnx/vision_model*.onnx, preprocessor_config.json,          onnx-community's exports of transformers' models
    onnx/text_model*.onnx, tokenizer.json, tokenizer_config.json, config.json

Of several variants of a network (`_fp16`, `_quantized`) the plain one is taken. Sources: immich's
machine-learning/immich_ml/models/clip and export/; transformers 5.19 (`SiglipImageProcessor`, `Siglip2Tokenizer`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videotag.embedders.model_files import name_of, read_json, whole
from videotag.errors import UserError

LONGEST = 64  # tokens: SigLIP's, https://arxiv.org/abs/2502.14786
Channels = tuple[float, float, float]
RESAMPLING = {2: "bilinear", 3: "bicubic", "bilinear": "bilinear", "bicubic": "bicubic"}  # Pillow's numbers, and names


@dataclass(frozen=True)
class TowerFiles:
    """What a folder has.

    Attributes:
        size: height and width in pixels that a picture is squashed to.
        resampling: "bilinear" or "bicubic".
        mean, std: of the three channels, taken off and divided by, of 0 to 1.
        longest: tokens that each text is cut and filled up to.
        padding: the token that fills up.
        bare: punctuation is taken out of a text.
        model: the folder's name and a fingerprint (`model_files.name_of`).
    """

    image: Path
    text: Path
    tokenizer: Path
    size: tuple[int, int]
    resampling: str
    mean: Channels
    std: Channels
    longest: int
    padding: str
    bare: bool
    model: str


def read(folder: Path) -> TowerFiles:
    """What lies in a model's folder.

    Raises:
        UserError: it is in neither layout, something is missing, or it asks for pictures in another way than SigLIP.
    """
    apart = (folder / "visual").is_dir()
    image = folder / "visual/model.onnx" if apart else _network(folder, "vision_model")
    text = folder / "textual/model.onnx" if apart else _network(folder, "text_model")
    tokenizer = folder / "textual/tokenizer.json" if apart else folder / "tokenizer.json"
    preparing = folder / ("visual/preprocess_cfg.json" if apart else "preprocessor_config.json")
    for path in (image, text, tokenizer, preparing):
        if not path.is_file():
            layouts = "visual/ and textual/ with a model.onnx each, or onnx/vision_model.onnx and onnx/text_model.onnx"
            raise UserError(
                f"{folder}: has no {path.relative_to(folder).as_posix()}; an image-text model has {layouts}: "
                "get the model again"
            )
    picture, config = read_json(preparing), read_json(folder / "config.json")
    try:
        asked = _asked(picture)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{preparing}: does not say how SigLIP's pictures are made; get the model again") from None
    told = _mapping(config.get("text_cfg")) or _mapping(config.get("text_config"))
    longest = told.get("context_length") or told.get("max_position_embeddings") or LONGEST
    bare = _mapping(told.get("tokenizer_kwargs")).get("clean") == "canonicalize"
    padding = read_json(tokenizer.with_name("tokenizer_config.json")).get("pad_token") or "<pad>"
    padding = str(_mapping(padding).get("content") or padding)
    return TowerFiles(
        image,
        text,
        tokenizer,
        *asked,
        longest=longest,
        padding=padding,
        bare=bare,
        model=name_of(folder, [*whole(image), *whole(text), tokenizer], (*asked, longest, padding, bare)),
    )


def _network(folder: Path, name: str) -> Path:
    plain, variants = folder / f"onnx/{name}.onnx", sorted(folder.glob(f"onnx/{name}_*.onnx"))
    return variants[0] if len(variants) == 1 and not plain.is_file() else plain


def _asked(told: Mapping[str, Any]) -> tuple[tuple[int, int], str, Channels, Channels]:
    """Size, resampling, mean and std. KeyError, TypeError or ValueError where they are not told, or not SigLIP's."""
    size = told["size"]
    if isinstance(size, dict):  # transformers
        size = (size["height"], size["width"])
        resampling, mean, std = told["resample"], told["image_mean"], told["image_std"]
    else:  # open_clip
        size = tuple(size) if isinstance(size, list) else (size, size)
        resampling, mean, std = told["interpolation"], told["mean"], told["std"]
        if told.get("resize_mode") != "squash":
            raise ValueError("pictures are cut")
    height, width = (int(side) for side in size)
    if not 0 < height <= 4096 or not 0 < width <= 4096:
        raise ValueError("no such pictures")
    return (height, width), RESAMPLING[resampling], _channels(mean), _channels(std, dividing=True)


def _channels(told: Any, dividing: bool = False) -> Channels:
    red, green, blue = (float(level) for level in told)
    if dividing and not (red and green and blue):
        raise ValueError("divided by nothing")
    return red, green, blue


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
