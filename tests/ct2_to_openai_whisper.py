"""Write Whisper's weights from CTranslate2's form into openai-whisper's own: for tests on machines without a hub.

    python tests/ct2_to_openai_whisper.py FOLDER_WITH_MODEL_BIN OUT.pt

The form of model.bin is that of `ModelSpec._serialize` in CTranslate2 (python/ctranslate2/specs/model_spec.py); the
names are those of its transformer_spec.py on one side and of whisper/model.py on the other.
"""

import re
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

TYPES = [np.float32, np.int8, np.int16, np.int32, np.float16]
"""By number, as `_dtype_to_type_id` in model_spec.py."""

HEAD = 64
"""Width of an attention head, the same in every Whisper model."""

LAYER_PARTS = {
    "self_attention.layer_norm": "attn_ln",
    "self_attention.linear_1": "attn.out",
    "attention.layer_norm": "cross_attn_ln",
    "attention.linear_0": "cross_attn.query",
    "attention.linear_2": "cross_attn.out",
    "ffn.layer_norm": "mlp_ln",
    "ffn.linear_0": "mlp.0",
    "ffn.linear_1": "mlp.2",
}
TOP = {
    "encoder/position_encodings/encodings": "encoder.positional_embedding",
    "encoder/layer_norm": "encoder.ln_post",
    "encoder/conv1": "encoder.conv1",
    "encoder/conv2": "encoder.conv2",
    "decoder/position_encodings/encodings": "decoder.positional_embedding",
    "decoder/layer_norm": "decoder.ln",
    "decoder/embeddings": "decoder.token_embedding",
}
ENDS = {"/gamma": ".weight", "/beta": ".bias", "/weight": ".weight", "/bias": ".bias", "": ""}


def convert(folder: Path, out: Path) -> None:
    """Read `folder`/model.bin, write a file that `whisper.load_model` takes."""
    import torch  # pyright: ignore[reportMissingImports]

    with (folder / "model.bin").open("rb") as file:
        variables = read(file)
    state = {k: torch.from_numpy(v.astype(np.float32)) for name, v in variables.items() for k, v in named(name, v)}
    torch.save({"dims": dims(state), "model_state_dict": state}, out)


def read(file: BinaryIO) -> dict[str, np.ndarray]:
    """All variables of a model.bin."""

    def number(form: str) -> int:
        return struct.unpack(form, file.read(struct.calcsize(form)))[0]

    def string() -> str:
        return file.read(number("<H"))[:-1].decode()

    version, kind = number("<I"), string()
    if version < 6 or kind != "WhisperSpec":
        raise ValueError(f"not a Whisper model of CTranslate2: {kind}, version {version}")
    number("<I")  # revision
    variables = {}
    for _ in range(number("<I")):
        name = string()
        shape = [number("<I") for _ in range(number("<B"))]
        type_ = np.dtype(TYPES[number("<B")])
        variables[name] = np.frombuffer(file.read(number("<I")), type_).reshape(shape)
    return variables


def named(name: str, value: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The parts of a variable under openai-whisper's names; none for what that engine counts out by itself."""
    for old, new in TOP.items():
        for old_end, new_end in ENDS.items():
            if name == old + old_end:
                return [(new + new_end, value)]
    found = re.fullmatch(r"(encoder|decoder)/layer_(\d+)/(\w+)/(\w+)/(gamma|beta|weight|bias)", name)
    if not found:
        return []
    side, layer, block, part, end = found.groups()
    root, end = f"{side}.blocks.{layer}.", ENDS[f"/{end}"]
    if new := LAYER_PARTS.get(f"{block}.{part}"):
        return [(root + new + end, value)]
    # Queries, keys and values stand in one matrix; openai-whisper's keys have no bias.
    attention = "attn" if block == "self_attention" else "cross_attn"
    roles = ["query", "key", "value"] if block == "self_attention" else ["key", "value"]
    pieces = zip(roles, np.split(value, len(roles)), strict=True)
    return [(f"{root}{attention}.{role}{end}", piece) for role, piece in pieces if (role, end) != ("key", ".bias")]


def dims(state: dict[str, Any]) -> dict[str, int]:
    """openai-whisper's `ModelDimensions`, told by the shapes."""
    audio, text = state["encoder.positional_embedding"].shape, state["decoder.positional_embedding"].shape

    def layers(side: str) -> int:
        return 1 + max(int(name.split(".")[2]) for name in state if name.startswith(f"{side}.blocks."))

    return {
        "n_mels": state["encoder.conv1.weight"].shape[1],
        "n_audio_ctx": audio[0],
        "n_audio_state": audio[1],
        "n_audio_head": audio[1] // HEAD,
        "n_audio_layer": layers("encoder"),
        "n_vocab": state["decoder.token_embedding.weight"].shape[0],
        "n_text_ctx": text[0],
        "n_text_state": text[1],
        "n_text_head": text[1] // HEAD,
        "n_text_layer": layers("decoder"),
    }


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
