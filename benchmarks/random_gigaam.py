"""The true network of GigaAM Multilingual 220M with random weights, int8: not its words, but its cost.

    python benchmarks/random_gigaam.py FOLDER     makes what `--speech-model FOLDER` takes, about 250 MB

A Conformer of 16 layers of 768, 16 heads with rotary positions, feed-forward x 4, convolution 31, two convolutions over
time that take four frames to one, a CTC head; masked as for a batch: 221 million weights. The convolutions of one frame
(pointwise) are written as products of matrices, which is the same arithmetic and lets int8 have them. Sizes: encoder.py
of salute-developers/GigaAM and the configuration of its v3, whose features the multilingual one has.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, WIDTH, HEADS, WIDER, KERNEL = 16, 768, 16, 4, 31
MELS, SUBSAMPLING_KERNEL = 64, 5
HEAD = WIDTH // HEADS
ROTARY_BASE, LONGEST = 5000, 2000  # of positions: 80 s
TOKENS = ["▁", *"абвгдежзийклмнопқрстуфхцчшщъыьэюяёәғңөұүһі", *"abcdefghijklmnopqrstuvwxyz", "ў", "<blk>"]


def make(folder: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        whole = Path(place) / "whole.onnx"
        onnx.save_model(Network().model(), whole)
        quantize_dynamic(whole, folder / "multilingual_ctc.int8.onnx", op_types_to_quantize=["MatMul", "Gemm"])
    vocabulary = "".join(f"{token} {number}\n" for number, token in enumerate(TOKENS))
    (folder / "multilingual_vocab.txt").write_text(vocabulary, encoding="utf-8")
    config = '{"model_type": "gigaam", "version": "v3", "features_size": 64, "subsampling_factor": 4}'
    (folder / "config.json").write_text(config, encoding="utf-8")  # last: then all is there


class Network:
    """The graph as it grows; every method takes and gives names of values [batch, time, width]."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._draw = np.random.default_rng(1)

    def model(self) -> Any:
        x = self.subsampled("features")
        self.shared(x)
        for _ in range(LAYERS):
            x = self.layer(x)
        log_probs = self.node("LogSoftmax", self.linear(x, WIDTH, len(TOKENS)), axis=-1)
        self._nodes.append(helper.make_node("Identity", [log_probs], ["log_probs"]))
        inputs = [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", MELS, "time"]),
            helper.make_tensor_value_info("feature_lengths", TensorProto.INT64, ["batch"]),
        ]
        outputs = [helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["batch", "frames", len(TOKENS)])]
        graph = helper.make_graph(self._nodes, "gigaam", inputs, outputs, self._weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def layer(self, x: str) -> str:
        x = self.add(x, self.halved(self.feed_forward(self.norm(x))))
        x = self.add(x, self.attention(self.norm(x)))
        x = self.add(x, self.convolution(self.norm(x)))
        x = self.add(x, self.halved(self.feed_forward(self.norm(x))))
        return self.norm(x)

    def subsampled(self, x: str) -> str:
        """[batch, mels, frames of 10 ms] to [batch, frames of 40 ms, width]."""
        for channels in (MELS, WIDTH):
            kernel = self.random((WIDTH, channels, SUBSAMPLING_KERNEL), channels * SUBSAMPLING_KERNEL)
            pads = [SUBSAMPLING_KERNEL // 2] * 2
            x = self.node("Relu", self.node("Conv", x, kernel, self.zeros(WIDTH), strides=[2], pads=pads))
        return self.node("Transpose", x, perm=[0, 2, 1])

    def shared(self, x: str) -> None:
        """What all layers take: rotary positions of each frame, and which frames are none."""
        steps = np.arange(LONGEST)[:, None] / ROTARY_BASE ** (np.arange(0, HEAD, 2) / HEAD)
        angles = np.concatenate([steps, steps], axis=1)[:, None].astype(np.float32)  # [time, 1, head]
        time = self.node("Gather", self.node("Shape", x), self.ints(1))
        upto = self.node("Unsqueeze", time, self.ints([0]))
        self._cos, self._sin = (
            self.node("Slice", self.weight(table), self.ints([0]), upto, self.ints([0]))
            for table in (np.cos(angles), np.sin(angles))
        )
        lengths = self.node("Unsqueeze", "feature_lengths", self.ints([1]))
        frames = self.node("Div", self.node("Add", lengths, self.ints(3)), self.ints(4))
        inside = self.node("Less", self.node("Range", self.ints(0), time, self.ints(1)), frames)  # [batch, time]
        speech = self.node("Cast", inside, to=TensorProto.FLOAT)
        self._speech = self.node("Unsqueeze", speech, self.ints([1]))
        none = self.node("Mul", self.node("Sub", speech, self.number(1.0)), self.number(1e4))
        self._none = self.node("Unsqueeze", none, self.ints([1, 2]))

    def feed_forward(self, x: str) -> str:
        return self.linear(self.silu(self.linear(x, WIDTH, WIDER * WIDTH)), WIDER * WIDTH, WIDTH)

    def attention(self, x: str) -> str:
        parted = self.ints([0, 0, HEADS, HEAD])
        turned = self.node("Reshape", self.rotated(self.node("Reshape", x, parted)), self.ints([0, 0, WIDTH]))
        query, key, value = (self.node("Reshape", self.linear(of, WIDTH, WIDTH), parted) for of in (turned, turned, x))
        query = self.node("Mul", self.node("Transpose", query, perm=[0, 2, 1, 3]), self.number(HEAD**-0.5))
        scores = self.node("MatMul", query, self.node("Transpose", key, perm=[0, 2, 3, 1]))
        share = self.node("Softmax", self.add(scores, self._none), axis=-1)
        found = self.node("MatMul", share, self.node("Transpose", value, perm=[0, 2, 1, 3]))
        joined = self.node("Reshape", self.node("Transpose", found, perm=[0, 2, 1, 3]), self.ints([0, 0, WIDTH]))
        return self.linear(joined, WIDTH, WIDTH)

    def rotated(self, x: str) -> str:
        """Rotary positions (Su and others 2021) of [batch, time, heads, head]; GigaAM turns what it projects."""
        first, second = self.halves(x)
        across = self.node("Concat", self.node("Neg", second), first, axis=-1)
        return self.add(self.node("Mul", x, self._cos), self.node("Mul", across, self._sin))

    def convolution(self, x: str) -> str:
        value, gate = self.halves(self.linear(x, WIDTH, 2 * WIDTH))
        x = self.node("Transpose", self.node("Mul", value, self.node("Sigmoid", gate)), perm=[0, 2, 1])
        kernel, pads = self.random((WIDTH, 1, KERNEL), KERNEL), [KERNEL // 2] * 2
        x = self.node("Mul", x, self._speech)
        x = self.node("Conv", x, kernel, self.zeros(WIDTH), group=WIDTH, pads=pads)
        return self.linear(self.silu(self.norm(self.node("Transpose", x, perm=[0, 2, 1]))), WIDTH, WIDTH)

    def linear(self, x: str, into: int, out: int) -> str:
        return self.add(self.node("MatMul", x, self.random((into, out), into)), self.zeros(out))

    def norm(self, x: str) -> str:
        return self.node("LayerNormalization", x, self.weight(np.ones(WIDTH, np.float32)), self.zeros(WIDTH))

    def silu(self, x: str) -> str:
        return self.node("Mul", x, self.node("Sigmoid", x))

    def halved(self, x: str) -> str:
        return self.node("Mul", x, self.number(0.5))

    def add(self, x: str, y: str) -> str:
        return self.node("Add", x, y)

    def halves(self, x: str) -> tuple[str, str]:
        names = f"n{len(self._nodes)}a", f"n{len(self._nodes)}b"
        self._nodes.append(helper.make_node("Split", [x], names, axis=-1))
        return names

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def random(self, shape: tuple[int, ...], inputs: int) -> str:
        return self.weight(self._draw.standard_normal(shape, np.float32) * np.float32(inputs**-0.5))

    def zeros(self, size: int) -> str:
        return self.weight(np.zeros(size, np.float32))

    def number(self, value: float) -> str:
        return self.weight(np.float32(value))

    def ints(self, values: int | list[int]) -> str:
        return self.weight(np.array(values, np.int64))

    def weight(self, values: Any) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name


if __name__ == "__main__":
    make(Path(sys.argv[1]))
