"""A text model's files for onnxruntime, in the layout of a hub repository: which there are, and what they ask for.

    model.onnx, or onnx/model.onnx      the network; what belongs to it (model.onnx_data) lies beside it
    tokenizer.json                      in the folder itself, else beside the network
    config.json, tokenizer_config.json, sentence_bert_config.json, config_sentence_transformers.json,
    1_Pooling/config.json               what sentence-transformers reads too

Source of what the last ones mean: sentence-transformers 5.7.0 (`Transformer`, `Pooling`, `encode_query`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videotag import model_shelf
from videotag.artifacts import write_whole
from videotag.embedders.prompts import missing_prompts
from videotag.errors import UserError

log = logging.getLogger("videotag")

CLS_FAMILIES = ("bge", "gte", "arctic", "mxbai")
"""Whose vector is that of the first token, by their model cards; told by the name where no file tells it."""
ENDS = 1 << 16  # bytes of a large file's beginning and end that its fingerprint takes in
LONGEST = 1 << 20  # tokens; tokenizers without a limit of their own say 10**30


@dataclass(frozen=True)
class ModelFiles:
    """What a folder has.

    Attributes:
        pooling: "mean" of the tokens, or "cls": the first one's vector.
        longest: in tokens, those that begin and end a text among them; the rest is cut off.
        padding: number of the token that fills up a batch.
    """

    network: Path
    tokenizer: Path
    pooling: str
    longest: int
    padding: int
    query_prompt: str
    document_prompt: str

    @property
    def model(self) -> str:
        """Name and fingerprint: the same wherever the folder lies, another when its vectors would be others."""
        settings = (self.pooling, self.longest, self.query_prompt, self.document_prompt)
        return name_of(folder_of(self.network), [*whole(self.network), self.tokenizer], settings)


def name_of(folder: Path, files: Sequence[Path], settings: tuple[object, ...]) -> str:
    """The folder's name and a fingerprint: another one where the files, or what else makes vectors, are others."""
    sha = hashlib.sha256(repr(settings).encode())
    for path in files:
        size = path.stat().st_size
        sha.update(f"{path.name} {size}".encode())
        with path.open("rb") as data:
            sha.update(data.read(ENDS))
            data.seek(max(0, size - ENDS))
            sha.update(data.read())
    return f"{folder.name}#{sha.hexdigest()[:8]}"


def whole(network: Path) -> list[Path]:
    """A network and what belongs to it: weights that do not fit into one file lie beside it (model.onnx_data)."""
    return sorted(path for path in network.parent.iterdir() if path.name.startswith(network.name))


def opened(network: Path) -> Any:
    """The network for onnxruntime (an InferenceSession), on the CPU.

    Raises:
        UserError: it cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of what its own optimizing leaves
    # Else its threads go on spinning for 40 ms after each question, and take the cores from what else is at work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises many kinds
        raise unloadable(network, error) from error


def tokenizer_of(path: Path) -> Any:
    """The tokenizer (a tokenizers.Tokenizer).

    Raises:
        UserError: it cannot be loaded.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # it raises bare ones
        raise unloadable(path, error) from error


def unloadable(path: Path, error: Exception) -> UserError:
    reason = str(error).strip().partition("\n")[0]
    return UserError(f"{path} cannot be loaded ({reason}); get the model again")


def find(model: str) -> Path:
    """The folder of a model: a path, or a name with or without a fingerprint, on the shelf or where it was seen last.

    Raises:
        UserError: there is none; the line says how to get it.
    """
    name = model.partition("#")[0]
    on_shelf = model_shelf.shelf() / Path(name).name
    for folder in (Path(model), _seen(model), on_shelf):
        if folder is not None and folder.is_dir():
            return folder.resolve()
    if name in model_shelf.CATALOGUE:
        raise UserError(f"{name} is not here: python3 run.py models get {name}")
    raise UserError(f"{model}: there is no such folder; {name} is looked for in {model_shelf.shelf()} too")


def remember(model: str, folder: Path) -> None:
    """Note where a folder lies that is not on the shelf, for who asks for its model by name and fingerprint."""
    if folder.parent == model_shelf.shelf().resolve() or _seen(model) == folder:
        return
    try:
        write_whole(_note(model), str(folder).encode())
    except UserError as error:
        log.warning("%s (a search will not know where %s lies)", error, folder)


def _seen(model: str) -> Path | None:
    try:
        return Path(_note(model).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _note(model: str) -> Path:
    return model_shelf.shelf() / f"{Path(model).name}.folder"


def read(folder: Path) -> ModelFiles:
    """What lies in a model's folder.

    Raises:
        UserError: something is missing or damaged, or asks for what is not done here.
    """
    network = _network(folder)
    tokenizers = [place / "tokenizer.json" for place in (folder, network.parent)]
    tokenizer = next((path for path in tokenizers if path.is_file()), None)
    if tokenizer is None:
        raise UserError(f"{folder}: has no tokenizer.json; get the model again")
    config = read_json(folder / "config.json") or read_json(network.parent / "config.json")
    prompts = _prompts(folder)
    return ModelFiles(
        network,
        tokenizer,
        _pooling(folder),
        _longest(folder, tokenizer.parent, config),
        _number(config.get("pad_token_id")) or 0,
        prompts.get("query") or "",
        next((prompts[key] for key in ("document", "passage", "corpus") if prompts.get(key)), ""),
    )


def folder_of(network: Path) -> Path:
    return network.parent.parent if network.parent.name == "onnx" else network.parent


def _network(folder: Path) -> Path:
    found = sorted([*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")])
    named = [path for path in found if path.name == "model.onnx"]
    if len(named) == 1 or len(found) == 1:
        return (named or found)[0]
    if not found:
        raise UserError(f"{folder}: has no .onnx file; get the model again, or give a folder that has one")
    names = ", ".join(path.relative_to(folder).as_posix() for path in found[:5])
    raise UserError(f"{folder}: has several .onnx files and none of them alone is model.onnx: {names}; leave one")


def _prompts(folder: Path) -> Mapping[str, str]:
    told = read_json(folder / "config_sentence_transformers.json").get("prompts")
    prompts = {key: text for key, text in (told if isinstance(told, dict) else {}).items() if isinstance(text, str)}
    if any(prompts.get(key) for key in ("query", "document", "passage")):
        return prompts
    return missing_prompts(folder.name)


def _pooling(folder: Path) -> str:
    path = folder / "1_Pooling" / "config.json"
    told = read_json(path)
    if not told:
        return "cls" if any(family in folder.name.lower() for family in CLS_FAMILIES) else "mean"
    modes = {key.removeprefix("pooling_mode_"): on for key, on in told.items() if key.startswith("pooling_mode_")}
    asked = told.get("pooling_mode") or "+".join(mode for mode, on in modes.items() if on)
    pooling = {"mean_tokens": "mean", "mean": "mean", "cls_token": "cls", "cls": "cls"}.get(str(asked))
    if pooling is None or told.get("include_prompt") is False:
        raise UserError(f"{path}: asks for another pooling than mean or cls: use --embedder sentence-transformers")
    return pooling


def _longest(folder: Path, beside_tokenizer: Path, config: Mapping[str, Any]) -> int:
    if told := _number(read_json(folder / "sentence_bert_config.json").get("max_seq_length")):
        return told
    tokenizer = read_json(beside_tokenizer / "tokenizer_config.json")
    limits = [_number(tokenizer.get("model_max_length")), _number(config.get("max_position_embeddings"))]
    return min([limit for limit in limits if limit], default=512)


def _number(value: Any) -> int | None:
    """A count from a file; None of what is none, or is so large that it means no limit."""
    return int(value) if isinstance(value, int | float) and 0 < value <= LONGEST else None


def read_json(path: Path) -> dict[str, Any]:
    """What a file says; {} where there is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({type(error).__name__}); get the model again") from None
    return told if isinstance(told, dict) else {}
