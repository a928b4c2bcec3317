"""Pictures and questions through sentence-transformers, with a tiny random SigLIP 2, beside transformers itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from tests_engine import tiny_siglip2
from videotag.embedders.engines import load_embedder
from videotag.embedders.pictures.contract import FrameEmbedder
from videotag.embedders.pictures.engines import load_frame_embedder
from videotag.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_siglip2.make(tmp_path_factory.mktemp("siglip2"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> FrameEmbedder:
    return load_frame_embedder("sentence-transformers", str(folder))


@pytest.fixture(scope="module")
def siglip(folder: Path):
    return transformers.SiglipModel.from_pretrained(folder).eval(), transformers.AutoProcessor.from_pretrained(folder)


def unit(vectors: torch.Tensor) -> np.ndarray:
    array = vectors.detach().numpy()
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def pooled(found) -> torch.Tensor:
    return getattr(found, "pooler_output", found)


def test_it_says_what_it_is(engine, folder):
    assert (engine.name, engine.model, engine.languages) == ("sentence-transformers", str(folder), None)
    assert engine.dimension == 32


def test_pictures_are_what_transformers_makes_of_them(engine, siglip):
    model, processor = siglip
    noise = np.random.default_rng(1).integers(0, 256, (3, 40, 60, 3), np.uint8)
    expected = pooled(
        model.get_image_features(**processor(images=[Image.fromarray(p) for p in noise], return_tensors="pt"))
    )
    vectors = engine.embed_frames(list(noise))
    assert (vectors.dtype, vectors.shape) == (np.float32, (3, 32))
    assert np.allclose(vectors, unit(expected), atol=1e-4)
    assert engine.embed_frames([]).shape == (0, 32)


def test_texts_are_filled_up_to_64_places_and_in_lower_case(engine, siglip):
    model, processor = siglip
    texts = ["снег", "красный город", "a photo of " * 40]
    kept = processor(text=texts, padding="max_length", max_length=64, truncation=True, return_tensors="pt")
    expected = unit(pooled(model.get_text_features(**kept)))
    assert np.allclose(engine.embed_questions(texts), expected, atol=1e-4)
    assert np.allclose(engine.embed_questions(["Снег", "КРАСНЫЙ город"]), expected[:2], atol=1e-4)
    alone = np.concatenate([engine.embed_questions([text]) for text in texts])
    assert np.allclose(alone, expected, atol=1e-4)  # whatever the longest of its batch
    # What the library does of itself is another vector.
    bare = unit(pooled(model.get_text_features(**processor(text=["снег"], return_tensors="pt"))))
    assert bare @ expected[0] < 0.99


@pytest.mark.parametrize("text", ["https://example.com/snow.jpg", "/etc/snow.png", "data:image/png;base64,AAAA"])
def test_a_question_like_an_address_of_a_picture_is_a_text(engine, text):
    assert np.allclose(engine.embed_questions([text]), engine.embed_questions(["слово"]), atol=1e-4)  # one unknown word


def test_what_is_not_here_is_not_fetched(tmp_path):
    missing = load_frame_embedder("sentence-transformers", "google/siglip2-base-patch16-224")
    with pytest.raises(UserError, match="hf download google/siglip2-base-patch16-224"):
        missing.embed_questions(["снег"])
    with pytest.raises(UserError, match="name a model: --frame-model"):
        load_frame_embedder("sentence-transformers")


def test_a_model_of_texts_alone_is_refused(tmp_path):
    tiny = transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    transformers.BertModel(tiny).save_pretrained(tmp_path)
    tiny_siglip2.make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="takes no pictures and texts"):
        load_frame_embedder("sentence-transformers", str(tmp_path)).embed_questions(["снег"])


def test_a_text_that_looks_like_an_address_of_a_picture_is_a_text(folder, siglip, tmp_path):
    """For the embedder of texts, too, whose model may take pictures."""
    model, processor = siglip
    Image.new("RGB", (8, 8), "red").save(address := str(tmp_path / "red.png"))
    texts = load_embedder("sentence-transformers", str(folder))
    expected = unit(pooled(model.get_text_features(**processor(text=[address], return_tensors="pt"))))
    assert np.allclose(texts.embed_queries([address]), expected, atol=1e-4)
