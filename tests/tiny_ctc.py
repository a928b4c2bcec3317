"""A model that onnx_asr takes for GigaAM, whose text and times are known by hand: each token is a tone.

Its network looks at every fourth frame of 10 ms, each of which takes 20 ms of sound: at the energy in one band of the
log-mel features a token. A tone that begins at a multiple of 40 ms is therefore heard as its token at just that time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RATE = 16_000
LETTER = 0.08  # seconds of a tone
LETTERS = ("▁", *"аеклмостқ")
MULTILINGUAL = ("multilingual_ctc.int8.onnx", "multilingual_vocab.txt")
E2E_TOKENS = ("▁Се", "ло", "▁мо", "ст", ".")
E2E = ("v3_e2e_ctc.onnx", "v3_e2e_ctc_vocab.txt")
_MELS = 64
_FIRST_BAND, _APART = 12, 4  # below, the bands are narrower than what a frame of 20 ms can tell apart
_LOUD = 4.0  # log energy of a band; a tone has 7, silence -21


def make(folder: Path, tokens: Sequence[str] = LETTERS, files: tuple[str, str] = MULTILINGUAL) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save_model(_model(len(tokens)), folder / files[0])
    vocabulary = "".join(f"{token} {number}\n" for number, token in enumerate((*tokens, "<blk>")))
    (folder / files[1]).write_text(vocabulary, encoding="utf-8")
    (folder / "config.json").write_text('{"version": "v3", "features_size": 64, "subsampling_factor": 4}')
    return folder


def sound(seconds: float, *said: tuple[float, Sequence[str]], tokens: Sequence[str] = LETTERS) -> np.ndarray:
    """Silence in which tokens are "said": (seconds of the first, the tokens), the next 80 ms later, and so on."""
    audio = np.zeros(round(seconds * RATE), np.float32)
    moments = np.arange(round(LETTER * RATE)) / RATE
    for start, letters in said:
        for place, letter in enumerate(letters):
            first = round((start + place * LETTER) * RATE)
            number = tokens.index(letter.replace(" ", "▁"))
            audio[first : first + len(moments)] = 0.5 * np.sin(2 * np.pi * _frequency(_band(number)) * moments)
    return audio


def _band(number: int) -> int:
    return _FIRST_BAND + _APART * number


def _frequency(band: int) -> float:
    """Hz in the middle of a band: 64 triangles between 0 and 8000 Hz, evenly apart on the mel scale (HTK's)."""
    highest = 2595 * np.log10(1 + 8000 / 700)
    return 700 * (10 ** ((band + 1) / (_MELS + 1) * highest / 2595) - 1)


def _model(tokens: int) -> onnx.ModelProto:
    """log_probs = log softmax of 4 times each token's band, and of 4 times `_LOUD` for the blank."""
    weights, bias = np.zeros((tokens + 1, _MELS, 1), np.float32), np.zeros(tokens + 1, np.float32)
    for number in range(tokens):
        weights[number, _band(number)] = 4
    bias[tokens] = 4 * _LOUD
    nodes = [
        helper.make_node("Conv", ["features", "weights", "bias"], ["energies"], strides=[4]),
        helper.make_node("Transpose", ["energies"], ["by_frame"], perm=[0, 2, 1]),
        helper.make_node("LogSoftmax", ["by_frame"], ["log_probs"], axis=-1),
    ]
    inputs = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", _MELS, "time"]),
        helper.make_tensor_value_info("feature_lengths", TensorProto.INT64, ["batch"]),
    ]
    outputs = [helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["batch", "frames", tokens + 1])]
    constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
