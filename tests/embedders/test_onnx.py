"""Text models for onnxruntime: vectors known by hand, what a folder says, and where it is found."""

import json
import shutil
import threading

import numpy as np
import onnx
import pytest

from tests.tiny_text import DIMENSION, INPUTS, PAD, WORDS, make
from videotag.embedders import model_files
from videotag.embedders.engines import load_embedder
from videotag.embedders.onnx import TOKENS, OnnxEmbedder
from videotag.errors import UserError

AXIS = {word: number for number, word in enumerate(WORDS)}


def by_hand(**counts: int) -> np.ndarray:
    """The unit vector in which each word counts so often; `ends` for what begins and ends a text."""
    vector = np.zeros(DIMENSION)
    for word, count in counts.items():
        vector[AXIS[{"ends": "<s>", "query": "query:", "passage": "passage:"}.get(word, word)]] = count
    return vector / np.linalg.norm(vector)


def test_the_mean_of_the_words_without_what_fills_up_a_batch(tmp_path):
    embedder = OnnxEmbedder(str(make(tmp_path / "tiny")))
    texts = ["вода", "снег снег зима", "кошка неведома вода зима"]
    expected = [
        by_hand(ends=2, вода=1),
        by_hand(ends=2, снег=2, зима=1),
        by_hand(ends=2, кошка=1, вода=1, зима=1),
    ]
    assert np.allclose(embedder.embed_documents(texts), expected, atol=1e-6)
    assert np.allclose(embedder.embed_documents(texts[::-1]), expected[::-1], atol=1e-6)
    assert embedder.dimension == DIMENSION


def test_more_texts_than_go_into_a_call_keep_their_order(tmp_path):
    embedder = OnnxEmbedder(str(make(tmp_path / "tiny")))
    texts = ["вода " * (1 + number % 7) for number in range(TOKENS)]
    expected = [by_hand(ends=2, вода=1 + number % 7) for number in range(TOKENS)]
    assert np.allclose(embedder.embed_documents(texts), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "document", "query"),
    [
        ("tiny", {}, {}),
        ("multilingual-e5-tiny", {"passage": 1}, {"query": 1}),
        ("e5-tiny-instruct", {}, {"query": 0}),  # its words are unknown ones here
    ],
)
def test_what_the_family_expects_before_a_text(tmp_path, name, document, query):
    embedder = OnnxEmbedder(str(make(tmp_path / name)))
    assert np.allclose(embedder.embed_documents(["вода"])[0], by_hand(ends=2, вода=1, **document), atol=1e-6)
    assert np.allclose(embedder.embed_queries(["вода"])[0], by_hand(ends=2, вода=1, **query), atol=1e-6)


def test_what_the_model_says_itself_counts_more_than_its_family(tmp_path):
    told = {"prompts": {"query": "зима ", "passage": "снег ", "other": "кошка "}}
    embedder = OnnxEmbedder(str(make(tmp_path / "e5", config_sentence_transformers=told)))
    assert np.allclose(embedder.embed_documents(["вода"])[0], by_hand(ends=2, снег=1, вода=1), atol=1e-6)
    assert np.allclose(embedder.embed_queries(["вода"])[0], by_hand(ends=2, зима=1, вода=1), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "pooling", "expected"),
    [
        ("tiny", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, by_hand(ends=1)),
        ("tiny", {"pooling_mode": "cls"}, by_hand(ends=1)),
        ("bge-tiny", {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, by_hand(ends=2, вода=1)),
        ("bge-tiny", None, by_hand(ends=1)),
        ("tiny", None, by_hand(ends=2, вода=1)),
    ],
)
def test_pooling_is_the_models_else_its_familys(tmp_path, name, pooling, expected):
    folder = make(tmp_path / name, **({"pooling": pooling} if pooling else {}))
    assert np.allclose(OnnxEmbedder(str(folder)).embed_documents(["вода"])[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"sentence_bert_config": {"max_seq_length": 5}, "tokenizer_config": {"model_max_length": 9}}, 3),
        ({"tokenizer_config": {"model_max_length": 9}}, 7),
        ({"tokenizer_config": {"model_max_length": 10**30}, "config": {"max_position_embeddings": 12}}, 10),
        ({}, 510),
    ],
)
def test_a_long_text_is_cut_where_its_model_says(tmp_path, files, words):
    embedder = OnnxEmbedder(str(make(tmp_path / "tiny", **files)))
    vector = embedder.embed_documents(["вода " * words + "кошка " * 600])[0]
    assert np.allclose(vector, by_hand(ends=2, вода=words), atol=1e-6)


@pytest.mark.parametrize("inputs", [INPUTS, INPUTS[:2]])
def test_with_and_without_kinds_of_tokens(tmp_path, inputs):
    embedder = OnnxEmbedder(str(make(tmp_path / "tiny", inputs=inputs)))
    assert np.allclose(embedder.embed_queries(["вода"])[0], by_hand(ends=2, вода=1), atol=1e-6)


def test_weights_in_a_file_of_their_own(tmp_path):
    folder = make(tmp_path / "tiny")
    network = onnx.load(folder / "onnx/model.onnx")
    (folder / "onnx/model.onnx").unlink()
    onnx.save_model(
        network, folder / "onnx/model.onnx", save_as_external_data=True, location="model.onnx_data", size_threshold=0
    )
    before = OnnxEmbedder(str(folder))
    assert np.allclose(before.embed_documents(["вода"])[0], by_hand(ends=2, вода=1), atol=1e-6)
    data = folder / "onnx/model.onnx_data"
    data.write_bytes(data.read_bytes()[:-4] + np.float32(0.5).tobytes())
    assert OnnxEmbedder(str(folder)).model != before.model, "other weights are another model"


def test_in_8_bits(tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    folder = make(tmp_path / "tiny")
    quantize_dynamic(folder / "onnx/model.onnx", folder / "onnx/model_quantized.onnx")
    (folder / "onnx/model.onnx").unlink()
    vector = OnnxEmbedder(str(folder)).embed_documents(["вода снег вода"])[0]
    assert np.allclose(vector, by_hand(ends=2, вода=2, снег=1), atol=0.02)


def test_it_may_be_asked_in_several_threads(tmp_path):
    embedder = OnnxEmbedder(str(make(tmp_path / "tiny")))
    found = {}
    texts = {number: "вода " * number for number in range(1, 9)}
    threads = [
        threading.Thread(target=lambda n=n, text=text: found.update({n: embedder.embed_queries([text])[0]}))
        for n, text in texts.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.allclose(found[n], by_hand(ends=2, вода=n), atol=1e-6) for n in texts)


# --- which model it is, and where it lies


def test_the_model_is_the_same_wherever_its_folder_lies(tmp_path):
    first = OnnxEmbedder(str(make(tmp_path / "one" / "tiny"))).model
    shutil.move(tmp_path / "one" / "tiny", tmp_path / "two")
    shutil.move(tmp_path / "two", tmp_path / "tiny")
    assert OnnxEmbedder(str(tmp_path / "tiny")).model == first
    assert first.startswith("tiny#")


def test_other_vectors_are_another_model(tmp_path):
    made = [
        make(tmp_path / "1" / "tiny"),
        make(tmp_path / "2" / "tiny", pooling={"pooling_mode": "cls"}),
        make(tmp_path / "3" / "tiny", sentence_bert_config={"max_seq_length": 5}),
        make(tmp_path / "4" / "tiny", config_sentence_transformers={"prompts": {"query": "зима "}}),
        make(tmp_path / "5" / "tiny", inputs=INPUTS[:2]),
    ]
    assert len({OnnxEmbedder(str(folder)).model for folder in made}) == 5


def test_what_a_collection_remembers_is_found_again(tmp_path, monkeypatch):
    """Where it was, and on the shelf; not a folder of that name that happens to lie there."""
    monkeypatch.setenv("VIDEOTAG_MODELS", str(tmp_path / "shelf"))
    model = OnnxEmbedder(str(make(tmp_path / "mine" / "tiny"))).model
    monkeypatch.chdir(make(tmp_path / "elsewhere" / "tiny", pooling={"pooling_mode": "cls"}).parent)
    assert load_embedder("onnx", model).model == model
    shutil.move(tmp_path / "mine" / "tiny", tmp_path / "shelf" / "tiny")
    assert load_embedder("onnx", model).model == model
    assert load_embedder("onnx", str(tmp_path / "shelf" / "tiny")).model == model
    shutil.rmtree(tmp_path / "shelf" / "tiny")
    with pytest.raises(UserError, match=r'embedder "onnx": tiny#\w{8}: there is no such folder; tiny is looked for in'):
        load_embedder("onnx", model)


def test_what_is_not_here_is_named_with_the_way_to_get_it():
    for model in (None, "multilingual-e5-small", "multilingual-e5-small#01234567"):
        with pytest.raises(UserError, match=r"python3 run.py models get multilingual-e5-small$"):
            OnnxEmbedder(model)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be loaded"),
        (lambda folder: (folder / "onnx/model.onnx").unlink(), "has no .onnx file"),
        (lambda folder: (folder / "onnx/model.onnx").write_bytes(b"\0" * 99), "cannot be loaded"),
        (lambda folder: shutil.copy(folder / "onnx/model.onnx", folder / "model.onnx"), "several .onnx files"),
        (lambda folder: (folder / "config.json").write_text("[" * 100_000), "config.json: cannot be read"),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff"), "config.json: cannot be read"),
    ],
)
def test_a_damaged_folder_is_one_line(tmp_path, damage, line):
    folder = make(tmp_path / "tiny")
    damage(folder)
    with pytest.raises(UserError) as caught:
        OnnxEmbedder(str(folder))
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "told", [{"pooling_mode_max_tokens": True}, {"pooling_mode": ["mean", "max"]}, {"include_prompt": False}]
)
def test_another_pooling_is_refused(tmp_path, told):
    with pytest.raises(UserError, match=r"1_Pooling.config.json: asks for .*--embedder sentence-transformers"):
        OnnxEmbedder(str(make(tmp_path / "tiny", pooling=told)))


def test_a_network_that_is_no_text_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="no text model with a vector a token"):
        OnnxEmbedder(str(make(tmp_path / "tiny", inputs=("input_ids", "pixels"))))


def test_numbers_that_are_none_do_not_count(tmp_path):
    folder = make(tmp_path / "tiny", config={"pad_token_id": "x", "max_position_embeddings": [1]})
    (folder / "tokenizer_config.json").write_text(json.dumps([1]))
    assert model_files.read(folder).longest == 512
    assert model_files.read(make(tmp_path / "other")).padding == PAD
