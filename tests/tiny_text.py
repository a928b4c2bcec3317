"""A text model for onnxruntime whose vectors are known by hand: each word is an axis.

The network looks a token up in a table: word n of `WORDS` is 1 at place n. What begins and ends a text is at place 0,
what fills up a batch is 9 everywhere, so that it shows where it is counted.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("<s>", "вода", "снег", "зима", "query:", "passage:", "кошка")
PAD, UNKNOWN = len(WORDS), len(WORDS) + 1
DIMENSION = 7
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def make(folder: Path, network: str = "onnx/model.onnx", inputs: tuple[str, ...] = INPUTS, **files: Any) -> Path:
    """A model's folder. `files`: what further ones say, such as pooling={"pooling_mode_cls_token": True}."""
    path = folder / network
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(_network(inputs), path)
    _tokenizer().save(str(folder / "tokenizer.json"))
    contents = {"config": {"pad_token_id": PAD, "max_position_embeddings": 512}, **files}
    for name, told in contents.items():
        file = folder / {"pooling": "1_Pooling/config.json"}.get(name, f"{name}.json")
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(told), encoding="utf-8")
    return folder


def _tokenizer() -> Tokenizer:
    vocabulary = {word: number for number, word in enumerate((*WORDS, "<pad>", "<unk>"))}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(single="<s> $A <s>", special_tokens=[("<s>", 0)])
    made.enable_padding(length=128, pad_id=PAD, pad_token="<pad>")  # as those of sentence-transformers often have it
    return made


def _network(inputs: tuple[str, ...]) -> onnx.ModelProto:
    table = np.zeros((len(WORDS) + 2, DIMENSION), np.float32)
    table[: len(WORDS)] = np.eye(DIMENSION)
    table[PAD] = 9
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["looked_up"]),
        helper.make_node("MatMul", ["looked_up", "weights"], ["last_hidden_state"]),
    ]
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in inputs]
    shape = ["batch", "tokens", DIMENSION]
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape)]
    weights = np.eye(DIMENSION, dtype=np.float32)
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(weights, "weights")]
    graph = helper.make_graph(nodes, "tiny", given, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
