#!/usr/bin/env bash
# onnx_asr finds a model's files by patterns, and config.json is the one that it can do without: a GigaAM folder copied
# without it loads, says nothing, and hears. But then it takes the network for one of the generation before and feeds it
# that one's features (another window, another scaling): here the same sound and network give another time for one of
# four letters; a real network is given what it was not trained on. So a copied folder needs its config.json.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check onnx-asr==0.12.0 onnx==1.23.2 onnxruntime==1.32.0 \
    numpy==2.3.5
"$folder/venv/bin/python" - "$folder/model" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnx_asr
from onnx import TensorProto, helper, numpy_helper

print("onnx-asr", version("onnx-asr"))
LETTERS, RATE = "села", 16_000
BANDS = [12 + 8 * n for n in range(len(LETTERS))]  # of 64 log-mel bands, each letter's own
weights, bias = np.zeros((len(LETTERS) + 1, 64, 1), np.float32), np.zeros(len(LETTERS) + 1, np.float32)
for number, band in enumerate(BANDS):
    weights[number, band] = 4
bias[-1] = 16  # the blank, where no band is loud
nodes = [
    helper.make_node("Conv", ["features", "weights", "bias"], ["energies"], strides=[4]),
    helper.make_node("Transpose", ["energies"], ["frames"], perm=[0, 2, 1]),
    helper.make_node("LogSoftmax", ["frames"], ["log_probs"], axis=-1),
]
inputs = [
    helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 64, "time"]),
    helper.make_tensor_value_info("feature_lengths", TensorProto.INT64, ["batch"]),
]
outputs = [helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["batch", "t", len(LETTERS) + 1])]
constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")]
graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
folder = Path(sys.argv[1])
folder.mkdir()
network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save_model(network, folder / "multilingual_ctc.onnx")
(folder / "multilingual_vocab.txt").write_text("".join(f"{t} {n}\n" for n, t in enumerate([*LETTERS, "<blk>"])))
(folder / "config.json").write_text('{"version": "v3", "features_size": 64, "subsampling_factor": 4}')
mel = 2595 * np.log10(1 + 8000 / 700) / 65
tones = [700 * (10 ** ((band + 1) * mel / 2595) - 1) for band in BANDS]
tone = np.concatenate([np.sin(2 * np.pi * tone * np.arange(1280) / RATE) for tone in tones])
sound = np.concatenate([np.zeros(6400), tone / 2, np.zeros(6400)]).astype(np.float32)
seen = []
for there in ("with", "without"):
    model = onnx_asr.load_model("gigaam-multilingual-ctc", folder, providers=["CPUExecutionProvider"])
    heard = model.with_timestamps().recognize(sound, sample_rate=RATE)
    seen.append([round(time, 2) for time in heard.timestamps])
    print(f"{there} config.json: {heard.text!r} at {seen[-1]}")
    (folder / "config.json").unlink(missing_ok=True)
assert seen[0] != seen[1], "the features are the same now"
PY
