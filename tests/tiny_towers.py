"""An image-text model for onnxruntime whose vectors are known by hand, in both layouts that are published.

A picture's vector is its mean colour, of which mid-grey is nought: red, green, blue, -1 to 1 each, and a fourth number
that tells how bright its left half is against the right one. A text's is the sum of its words' colours; the fourth
number is larger by one for each of the 64 places that is missing. Words in capitals are not known.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = {"красный": (1, 0, 0, 0), "зелёный": (0, 1, 0, 0), "синий": (0, 0, 1, 0), "слева": (0, 0, 0, 1)}
PAD, EOS, UNKNOWN = 0, 1, 2
DIMENSION, SIDE, LONGEST = 4, 8, 64

IMMICH = {
    "visual/preprocess_cfg.json": {
        "size": [SIDE, SIDE], "mode": "RGB", "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic",
        "resize_mode": "squash", "fill_color": 0,
    },
    "textual/tokenizer_config.json": {"pad_token": "<pad>"},
    "config.json": {
        "embed_dim": DIMENSION,
        "text_cfg": {"context_length": LONGEST, "tokenizer_kwargs": {"clean": "canonicalize"}},
    },
}  # fmt: skip
COMMUNITY = {
    "preprocessor_config.json": {
        "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": 2, "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3, "rescale_factor": 1 / 255,
    },
    "tokenizer_config.json": {"pad_token": {"content": "<pad>"}},
    "config.json": {"model_type": "siglip"},
}  # fmt: skip


def immich(folder: Path, **changes: dict[str, Any]) -> Path:
    """A folder as immich-app publishes them; of each call one picture or text. `changes`: of a file by its stem."""
    (folder / "textual").mkdir(parents=True)
    (folder / "visual").mkdir()
    onnx.save_model(_image("image", "embedding", 1), folder / "visual/model.onnx")
    onnx.save_model(_text("text", "embedding", TensorProto.INT32, 1), folder / "textual/model.onnx")
    _tokenizer().save(str(folder / "textual/tokenizer.json"))
    return _told(folder, IMMICH, changes)


def community(folder: Path, variant: str = "", **changes: dict[str, Any]) -> Path:
    """A folder as onnx-community publishes them. `variant`: "_fp16" or another one."""
    (folder / "onnx").mkdir(parents=True)
    onnx.save_model(_image("pixel_values", "pooler_output", "batch"), folder / f"onnx/vision_model{variant}.onnx")
    onnx.save_model(
        _text("input_ids", "pooler_output", TensorProto.INT64, "batch"), folder / f"onnx/text_model{variant}.onnx"
    )
    _tokenizer().save(str(folder / "tokenizer.json"))
    return _told(folder, COMMUNITY, changes)


def _told(folder: Path, files: dict[str, Any], changes: dict[str, dict[str, Any]]) -> Path:
    for name, told in files.items():
        (folder / name).write_text(json.dumps(told | changes.get(Path(name).stem, {})), encoding="utf-8")
    return folder


def _tokenizer() -> Tokenizer:
    vocabulary = {"<pad>": PAD, "<eos>": EOS, "<unk>": UNKNOWN} | {word: 3 + n for n, word in enumerate(WORDS)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", EOS)])
    return made


def _image(given: str, output: str, batch: int | str) -> onnx.ModelProto:
    """Mean colour, and left against right: [batch, 3, SIDE, SIDE] to [batch, 4]."""
    halves = np.zeros((3, SIDE, SIDE), np.float32)
    halves[:, :, : SIDE // 2], halves[:, :, SIDE // 2 :] = 1, -1
    rows = [np.zeros((3, SIDE, SIDE), np.float32) for _ in range(3)]
    for channel, row in enumerate(rows):
        row[channel] = 1
    weights = np.stack([*rows, halves / 3]).reshape(DIMENSION, -1).T / SIDE**2
    nodes = [helper.make_node("Flatten", [given], ["flat"]), helper.make_node("MatMul", ["flat", "weights"], [output])]
    inputs = [helper.make_tensor_value_info(given, TensorProto.FLOAT, [batch, 3, SIDE, SIDE])]
    return _model(nodes, inputs, output, batch, weights=weights)


def _text(given: str, output: str, kind: int, batch: int | str) -> onnx.ModelProto:
    """The sum of the words' colours, and 1 at the fourth place for each of the places that is not there."""
    table = np.zeros((3 + len(WORDS), DIMENSION), np.float32)
    table[3:] = list(WORDS.values())
    table[:, 3] -= 1
    nodes = [
        helper.make_node("Gather", ["table", given], ["looked_up"]),
        helper.make_node("ReduceSum", ["looked_up", "places"], ["summed"], keepdims=0),
        helper.make_node("Add", ["summed", "missing"], [output]),
    ]
    inputs = [helper.make_tensor_value_info(given, kind, [batch, LONGEST if batch == 1 else "tokens"])]
    missing = np.asarray([0, 0, 0, LONGEST], np.float32)
    return _model(nodes, inputs, output, batch, table=table, places=np.asarray([1], np.int64), missing=missing)


def _model(nodes: list[Any], inputs: list[Any], output: str, batch: int | str, **constants: np.ndarray) -> Any:
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, DIMENSION])]
    kept = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
