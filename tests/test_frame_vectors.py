"""The file of a video's frame vectors: whole or not at all, nothing pickled, nothing trusted."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videotag import frame_vectors
from videotag.errors import UserError
from videotag.frame_vectors import BETWEEN, FrameVectors

FOUND = FrameVectors(
    "siglip2",
    "tiny#12345678",
    "0123456789abcdef 00",
    np.asarray([0, 0, 1], np.int32),
    np.asarray([0, BETWEEN, 2], np.int32),
    np.asarray([4.166667, 9.5, 41.2]),
    np.eye(3, 4, dtype=np.float32),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    frame_vectors.write(path := frame_vectors.path_of(tmp_path, "новости 1"), FOUND)
    return path


def same(one: FrameVectors, other: FrameVectors) -> bool:
    arrays = ("segments", "numbers", "seconds", "vectors")
    equal = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
    return equal and replace(one, **{name: 0 for name in arrays}) == replace(other, **{name: 0 for name in arrays})


def test_what_is_written_is_read(path):
    assert path.name == "новости 1_frame_vectors.npz"
    found = frame_vectors.read(path)
    assert found and same(found, FOUND) and len(found) == 3
    assert [getattr(found, name).dtype for name in ("segments", "numbers", "seconds", "vectors")] == [
        np.int32,
        np.int32,
        np.float64,
        np.float32,
    ]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_none_at_all(tmp_path):
    none = FrameVectors("siglip2", "tiny", "0", np.zeros(0), np.zeros(0), np.zeros(0), np.zeros((0, 0)))
    frame_vectors.write(tmp_path / "a", none)
    found = frame_vectors.read(tmp_path / "a")
    assert found is not None and not len(found) and not found
    assert frame_vectors.read(tmp_path / "b") is None


def test_a_name_that_leads_out_of_the_folder(tmp_path):
    with pytest.raises(UserError):
        frame_vectors.path_of(tmp_path, "../news")


def spoilt(**changes: Any) -> bytes:
    about = {"form": 1, "engine": "e", "model": "m", "made_of": "0"} | changes.pop("about", {})
    arrays = {name: getattr(FOUND, name) for name in ("segments", "numbers", "seconds", "vectors")} | changes
    np.savez(file := io.BytesIO(), about=np.array(json.dumps(about)), **arrays)
    return file.getvalue()


def packed(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(new := io.BytesIO(), "w") as archive:
        for name in old.namelist():
            archive.writestr(name, old.read(name), zipfile.ZIP_DEFLATED)
    return new.getvalue()


def turned(data: bytes) -> bytes:
    """One bit of the vectors is another."""
    place = data.index(FOUND.vectors.tobytes())
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no archive",
        spoilt()[:-30],
        turned(spoilt()),
        packed(spoilt()),  # may be a bomb
        spoilt(segments=np.asarray([0, None, 1], object)),  # pickled
        spoilt(numbers=np.asarray([0, 1], np.int32)),
        spoilt(vectors=np.zeros((3, 4), np.float64)),
        spoilt(seconds=np.asarray([0, np.nan, 1])),
        spoilt(vectors=np.zeros((3, 4, 1), np.float32)),
    ],
)
def test_a_damaged_file_is_a_warning_and_made_anew(tmp_path, caplog, data):
    (tmp_path / "a").write_bytes(data)
    assert frame_vectors.read(tmp_path / "a") is None
    assert "is damaged; it is made anew" in caplog.text


def test_another_form_is_made_anew_without_a_warning(tmp_path, caplog):
    (tmp_path / "a").write_bytes(spoilt(about={"form": 2}))
    assert frame_vectors.read(tmp_path / "a") is None
    assert not caplog.text


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        frame_vectors.read(tmp_path / "a")
    with pytest.raises(UserError, match="cannot be written"):
        frame_vectors.write(tmp_path / "a", FOUND)
