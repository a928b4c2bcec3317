"""The frame embedders: the contract over the engines that need no torch, the two layouts, what is missing."""

import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from tests import tiny_towers
from videotag import model_shelf
from videotag.embedders.contract import checked_vectors
from videotag.embedders.pictures import siglip2, tower_files
from videotag.embedders.pictures.contract import FrameEmbedder
from videotag.embedders.pictures.engines import FRAME_EMBEDDERS, load_frame_embedder
from videotag.errors import UserError

LAYOUTS = {"immich": tiny_towers.immich, "community": tiny_towers.community}


@pytest.fixture(scope="module", params=LAYOUTS)
def engine(request, tmp_path_factory) -> FrameEmbedder:
    return load_frame_embedder("siglip2", str(LAYOUTS[request.param](tmp_path_factory.mktemp("model") / "tiny")))


def plain(red: int, green: int, blue: int, height: int = 40, width: int = 60) -> np.ndarray:
    return np.full((height, width, 3), (red, green, blue), np.uint8)


def test_the_dict_names_each_class_by_its_own_name():
    assert {name: cls.name for name, cls in FRAME_EMBEDDERS.items()} == {
        "siglip2": "siglip2",
        "sentence-transformers": "sentence-transformers",
    }
    with pytest.raises(UserError, match="choose one of siglip2, sentence-transformers"):
        load_frame_embedder("siglip")


def test_it_says_what_it_is(engine):
    assert FRAME_EMBEDDERS[engine.name] is type(engine)
    assert engine.dimension == tiny_towers.DIMENSION
    assert load_frame_embedder(engine.name, engine.model).model == engine.model  # as a collection remembers it
    assert engine.languages and {"ru", "en"} <= engine.languages and "kk" not in engine.languages


def test_a_picture_is_its_mean_colour(engine):
    vectors = engine.embed_frames([plain(255, 128, 128), plain(128, 128, 0), plain(255, 255, 128)])
    assert (vectors.dtype, vectors.shape) == (np.float32, (3, 4))
    expected = [[1, 0, 0, 0], [0, 0, -1, 0], [0.5**0.5, 0.5**0.5, 0, 0]]
    assert np.allclose(vectors, expected, atol=0.01)  # 128 is not quite the middle
    assert engine.embed_frames([]).shape == (0, 4)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (1, 1), (1080, 1920), (99, 7)])
def test_a_picture_of_any_shape_is_squashed_not_cut(engine, height, width):
    picture = plain(128, 128, 128, height, width)
    picture[:, : width // 2] = 255
    [vector] = engine.embed_frames([picture])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    if width > 1:
        # Left half white: 1 is the mean of three channels there, so 1/2 each and 1/2 at the fourth place.
        assert vector == pytest.approx([0.5] * 4, abs=0.06)


def test_a_question_lies_by_what_it_describes(engine):
    texts = engine.embed_questions(["красный", "синий слева", "зелёный красный"])
    assert (texts.dtype, texts.shape) == (np.float32, (3, 4))
    half = 0.5**0.5
    assert np.allclose(texts, [[1, 0, 0, 0], [0, 0, half, half], [half, half, 0, 0]], atol=1e-5)
    pictures = engine.embed_frames([plain(128, 128, 255), plain(255, 128, 128), plain(255, 255, 128)])
    assert np.argmax(texts @ pictures.T, axis=1).tolist() == [1, 0, 2]
    assert engine.embed_questions([]).shape == (0, 4)


def test_a_text_is_put_into_lower_case_and_filled_up(engine):
    # One that is shorter or longer than 64 places, or has a capital, would have another vector.
    asked = ["Красный", " КРАСНЫЙ \n", "красный", "красный " + "слово " * 300]
    assert np.allclose(engine.embed_questions(asked), [[1, 0, 0, 0]] * 4, atol=1e-5)


def test_punctuation_goes_where_the_models_own_tokenizer_takes_it_out(tmp_path):
    bare = load_frame_embedder("siglip2", str(tiny_towers.immich(tmp_path / "bare")))
    kept = load_frame_embedder("siglip2", str(tiny_towers.community(tmp_path / "kept")))
    assert np.allclose(bare.embed_questions(["синий, красный!"]), [[0.5**0.5, 0, 0.5**0.5, 0]], atol=1e-5)
    assert np.allclose(kept.embed_questions(["синий, красный"]), [[1, 0, 0, 0]], atol=1e-5)  # "синий," is no word


def test_indexing_loads_no_text_tower_and_asking_no_image_tower(tmp_path):
    for folder in (tiny_towers.immich(tmp_path / "a"), tiny_towers.immich(tmp_path / "b")):
        load_frame_embedder("siglip2", str(folder))  # knows its model, and has loaded nothing
    pictures, texts = (load_frame_embedder("siglip2", str(tmp_path / name)) for name in "ab")
    (tmp_path / "a/textual/model.onnx").write_bytes(b"damaged")
    (tmp_path / "b/visual/model.onnx").write_bytes(b"damaged")
    assert pictures.embed_frames([plain(255, 128, 128)]).shape == (1, 4)
    assert texts.embed_questions(["красный"]).shape == (1, 4)
    assert pictures.dimension == texts.dimension == 4
    with pytest.raises(UserError, match=r"textual/model\.onnx cannot be loaded .*get the model again"):
        pictures.embed_questions(["красный"])
    with pytest.raises(UserError, match=r"visual/model\.onnx cannot be loaded"):
        texts.embed_frames([plain(0, 0, 0)])


def test_what_cannot_be_a_vector_is_told(engine):
    with pytest.raises(ValueError, match="of length 0"):
        checked_vectors(engine.embed_questions([""]), 1, engine)


def test_of_variants_the_plain_one_is_taken(tmp_path):
    folder = tiny_towers.community(tmp_path / "tiny", "_quantized")
    assert tower_files.read(folder).image.name == "vision_model_quantized.onnx"
    tiny_towers.community(tmp_path / "plain")
    shutil.copytree(tmp_path / "plain/onnx", folder / "onnx", dirs_exist_ok=True)
    assert tower_files.read(folder).image.name == "vision_model.onnx"


def test_the_name_of_a_model_tells_what_makes_other_vectors(tmp_path):
    one = tower_files.read(tiny_towers.immich(tmp_path / "a" / "tiny"))
    assert one.model == tower_files.read(tiny_towers.immich(tmp_path / "b" / "tiny")).model
    other = tower_files.read(tiny_towers.immich(tmp_path / "c" / "tiny", preprocess_cfg={"interpolation": "bilinear"}))
    assert one.model != other.model
    assert one.model.startswith("tiny#")


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda folder: (folder / "visual/model.onnx").unlink(), r"has no visual/model\.onnx; .*get the model again"),
        (lambda folder: shutil.rmtree(folder / "visual"), r"has no onnx/vision_model\.onnx; .*visual/ and textual/"),
        (lambda folder: (folder / "textual/tokenizer.json").unlink(), r"has no textual/tokenizer\.json"),
        (lambda folder: (folder / "visual/preprocess_cfg.json").write_text("[1"), "cannot be read"),
        (lambda folder: (folder / "visual/preprocess_cfg.json").write_text("{}"), "does not say how"),
    ],
)
def test_a_folder_that_is_not_whole(tmp_path, spoil, line):
    spoil(tiny_towers.immich(tmp_path / "tiny"))
    with pytest.raises(UserError, match=line):
        load_frame_embedder("siglip2", str(tmp_path / "tiny"))


@pytest.mark.parametrize(
    "told",
    [
        {"resize_mode": "shortest"},
        {"interpolation": "nearest"},
        {"size": 0},
        {"size": [8, 8, 8]},
        {"std": [0.5, 0, 0.5]},
        {"mean": [0.5]},
        {"mean": None},
    ],
)
def test_pictures_asked_for_in_another_way_are_refused(tmp_path, told):
    with pytest.raises(UserError, match="does not say how SigLIP's pictures are made"):
        load_frame_embedder("siglip2", str(tiny_towers.immich(tmp_path / "tiny", preprocess_cfg=told)))


def test_another_kind_of_network_is_refused(tmp_path):
    folder = tiny_towers.immich(tmp_path / "tiny")
    model = onnx.load(folder / "visual/model.onnx")
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    onnx.save_model(model, folder / "visual/model.onnx")
    shutil.copy(folder / "textual/model.onnx", folder / "visual/model.onnx")
    with pytest.raises(UserError, match=r"is no tower of SigLIP: its input is text \(tensor\(int32\)\)"):
        load_frame_embedder("siglip2", str(folder)).embed_frames([plain(0, 0, 0)])


def test_pictures_of_another_size_than_the_network_takes(tmp_path):
    folder = tiny_towers.immich(tmp_path / "tiny", preprocess_cfg={"size": 16})
    with pytest.raises(UserError, match="is no tower of SigLIP"):
        load_frame_embedder("siglip2", str(folder)).embed_frames([plain(0, 0, 0)])


def test_a_model_that_is_not_here_says_how_to_get_it():
    with pytest.raises(UserError, match=r"python3 run\.py models get siglip2-base-patch16-224"):
        load_frame_embedder("siglip2")
    with pytest.raises(UserError, match=r"needs the library: pip install|name a model"):
        load_frame_embedder("sentence-transformers")


def test_the_shelf_has_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOTAG_MODELS", str(tmp_path))
    tiny_towers.community(model_shelf.folder_of(siglip2.Siglip2.DEFAULT_MODEL))
    assert model_shelf.is_there(siglip2.Siglip2.DEFAULT_MODEL)
    assert load_frame_embedder("siglip2").model.startswith("siglip2-base-patch16-224#")
