"""The files in data/: whole or absent, nothing but plain values, and what damage does."""

import json
import os
import pickle
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videotag import artifacts, stages
from videotag.artifacts import Part, plain_loads
from videotag.errors import UserError

PHASE1 = {
    "video_name": "a",
    "made_by": {"model": "base"},
    "source": {"size": 3, "mtime_ns": 5},
    "video_duration": 20.0,
    "language": "ru",
    "spoken_language": "ru",
    "detected_language": "ru",
    "language_probability": 0.5,
    "created_at": "2026-01-01T00:00:00",
    "frames": [{"time": 1.0, "jpeg": b"\xff\xd8"}],
    "segments": [{"segment_index": 0, "words": [{"text": " вода", "start": 0.0, "end": 0.5, "probability": 0.9}]}],
}
PHASE2 = {
    "video_name": "a",
    "output_language": "ru",
    "made_by": {"analyzer": "local"},
    "input": "abc",
    "segments": [{"segment_index": 0, "description": "Снег."}],
}


def written(draft_of, path, result):
    """Write a result under its own name. Its id."""
    with draft_of(path, result) as draft:
        draft.publish()
    return draft.result_id


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_result_comes_back_as_it_was(tmp_path):
    path = artifacts.path_of(stages.PHASE1, tmp_path, "a")
    assert path.name == "a_phase1_data.pkl"
    identity = written(artifacts.Draft, path, PHASE1)
    assert artifacts.read(stages.PHASE1, path) == {"format": 1, "result_id": identity, **PHASE1}
    path = artifacts.path_of(stages.PHASE2, tmp_path, "a")
    assert path.name == "a_phase2_vllm_analysis.json"
    identity = written(artifacts.Draft, path, PHASE2)
    assert artifacts.read(stages.PHASE2, path) == {"format": 1, "result_id": identity, **PHASE2}
    assert "Снег." in path.read_text(encoding="utf-8")
    assert sorted(os.listdir(tmp_path)) == ["a_phase1_data.pkl", "a_phase2_vllm_analysis.json"]


def test_the_id_is_of_the_content_and_not_of_the_hour(tmp_path):
    path = tmp_path / "a_phase1_data.pkl"
    one = written(artifacts.Draft, path, PHASE1)
    assert written(artifacts.Draft, path, {**PHASE1, "created_at": "2027-01-01T00:00:00"}) == one
    assert written(artifacts.Draft, path, {**PHASE1, "language": "kk"}) != one
    assert written(artifacts.Draft, path, {**PHASE1, "frames": [{"time": 1.0, "jpeg": b"\xff\xd9"}]}) != one


def test_no_result_is_none(tmp_path):
    assert artifacts.read(stages.PHASE1, tmp_path / "none.pkl") is None
    assert artifacts.read(stages.PHASE2, tmp_path / "none.json") is None


def test_a_result_cut_anywhere_is_no_result(tmp_path, caplog):
    path = tmp_path / "a_phase1_data.pkl"
    written(artifacts.Draft, path, PHASE1)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert artifacts.read(stages.PHASE1, path) is None
    assert str(path) in caplog.text


def test_a_result_with_a_flipped_bit_is_never_taken_for_another(tmp_path):
    path = tmp_path / "a_phase1_data.pkl"
    written(artifacts.Draft, path, PHASE1)
    good, whole = artifacts.read(stages.PHASE1, path), path.read_bytes()
    assert good is not None
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            found = artifacts.read(stages.PHASE1, path)
        except UserError as error:  # the bit has made it a newer program's
            assert "newer version" in str(error)
            continue
        # The hour of writing is no part of the identity; everything else is.
        assert found is None or {**found, "created_at": ""} == {**good, "created_at": ""}


@pytest.mark.parametrize(
    "content",
    ["[]", "null", "3", '{"format": 1}', '{"format": 0, "made_by": {}, "input": "", "segments": []}', "{", "\udcff"],
)
def test_other_json_is_no_result(tmp_path, content, caplog):
    path = tmp_path / "a_phase2_vllm_analysis.json"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    assert artifacts.read(stages.PHASE2, path) is None
    assert str(path) in caplog.text


def test_an_edited_result_is_no_result(tmp_path, caplog):
    path = tmp_path / "a_phase2_vllm_analysis.json"
    written(artifacts.Draft, path, PHASE2)
    path.write_text(path.read_text(encoding="utf-8").replace("Снег", "Дождь"), encoding="utf-8")
    assert artifacts.read(stages.PHASE2, path) is None
    assert "was changed after it was written" in caplog.text


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("bomb",)


def test_a_pickle_with_code_in_it_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a_phase1_data.pkl"
    path.write_bytes(pickle.dumps({**PHASE1, "format": 1, "frames": Bomb()}))
    assert artifacts.read(stages.PHASE1, path) is None
    assert not (tmp_path / "bomb").exists()
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        plain_loads(pickle.dumps(Bomb()))


def test_a_renamed_result_is_of_another_video(tmp_path, caplog):
    path = artifacts.path_of(stages.PHASE1, tmp_path, "a")
    written(artifacts.Draft, path, PHASE1)
    path.rename(artifacts.path_of(stages.PHASE1, tmp_path, "b"))
    assert artifacts.read(stages.PHASE1, artifacts.path_of(stages.PHASE1, tmp_path, "b")) is None
    assert "is of the video 'a'" in caplog.text


def test_half_a_character_comes_back_as_it_was(tmp_path):
    path = artifacts.path_of(stages.PHASE2, tmp_path, "a")
    result = {**PHASE2, "notes": ["\ud800", "\ud83d" + "\ude00", "\N{GRINNING FACE}"]}
    written(artifacts.Draft, path, result)
    found = artifacts.read(stages.PHASE2, path)
    assert found is not None and found["notes"] == result["notes"]


def test_one_picture_may_stand_in_all_places_of_a_part(tmp_path):
    path, picture = tmp_path / "a.part", bytes(100_000)
    part = Part(path, HEADER)
    part.append([[n, n, picture] for n in range(48)])
    part.close()
    assert reopened(path) == [[[n, n, picture] for n in range(48)]]


def test_a_part_is_dropped_or_named(tmp_path):
    path = artifacts.path_of(stages.PHASE2, tmp_path, "a")
    artifacts.drop_part(path)
    artifacts.part_path(path).touch()
    artifacts.drop_part(path)
    assert os.listdir(tmp_path) == []
    artifacts.part_path(path).mkdir()
    with pytest.raises(UserError, match=r"json\.part: cannot be deleted: .*move it away"):
        artifacts.drop_part(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="data"):
        written(artifacts.Draft, tmp_path / "data" / "a.json", PHASE2)


def test_a_failed_write_leaves_the_old_result(tmp_path, monkeypatch):
    path = tmp_path / "a_phase2_vllm_analysis.json"
    written(artifacts.Draft, path, PHASE2)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        written(artifacts.Draft, path, {**PHASE2, "segments": []})
    monkeypatch.undo()
    kept = artifacts.read(stages.PHASE2, path)
    assert kept is not None and kept["segments"] == PHASE2["segments"]
    assert os.listdir(tmp_path) == ["a_phase2_vllm_analysis.json"]


# --- parts

HEADER = {"stage": "phase1", "model": "base"}


def reopened(path, header=HEADER):
    part = Part(path, header)
    part.close()
    return part.records


@given(st.lists(plain, max_size=5), st.data())
@settings(max_examples=50, deadline=None)
def test_a_part_cut_anywhere_keeps_what_was_whole(tmp_path_factory, records, data):
    path = tmp_path_factory.mktemp("part") / "a.part"
    part = Part(path, HEADER)
    ends = []
    for record in records:
        part.append(record)
        ends.append(path.stat().st_size)
    part.close()
    assert reopened(path) == records
    length = data.draw(st.integers(0, path.stat().st_size))
    path.write_bytes(path.read_bytes()[:length])
    whole = [record for record, end in zip(records, ends, strict=True) if end <= length]
    part = Part(path, HEADER)
    assert part.records == whole
    part.append("after")
    part.close()
    assert reopened(path) == [*whole, "after"]


def test_a_part_under_other_settings_is_dropped_with_a_warning(tmp_path, caplog):
    path = tmp_path / "a.part"
    part = Part(path, HEADER)
    part.append({"words": ["вода"]})
    part.close()
    assert reopened(path, {**HEADER, "model": "large-v3"}) == []
    assert str(path) in caplog.text
    assert reopened(path, {**HEADER, "model": "large-v3"}) == []


def test_a_header_cut_anywhere_is_none(tmp_path):
    path = tmp_path / "a_phase1_data.pkl"
    part = artifacts.part_path(path)
    assert artifacts.part_header(path) is None
    Part(part, HEADER).close()
    assert artifacts.part_header(path) == HEADER
    whole = part.read_bytes()
    for length in range(len(whole)):
        part.write_bytes(whole[:length])
        assert artifacts.part_header(path) is None


def test_a_part_with_code_in_it_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.part"
    payload = pickle.dumps([HEADER, Bomb()])
    import zlib

    path.write_bytes(struct.pack("<II", len(payload), zlib.crc32(payload)) + payload)
    assert reopened(path) == []
    assert not (tmp_path / "bomb").exists()


def test_what_a_sleeper_appends_does_not_come_between(tmp_path):
    """Two workers, the first of which lost its claim and still has the file open."""
    sleeper = Part(tmp_path / "a.part", HEADER)
    sleeper.append("first")
    successor = Part(tmp_path / "a.part", HEADER)
    successor.append("second")
    sleeper.append("late")
    successor.append("third")
    sleeper.close()
    successor.close()
    assert reopened(tmp_path / "a.part") == ["first", "second", "third"]
    assert os.listdir(tmp_path) == ["a.part"]


def test_a_draft_is_seen_by_nobody_until_it_is_published(tmp_path):
    path = tmp_path / "a_phase2_vllm_analysis.json"
    with artifacts.Draft(path, PHASE2) as one, artifacts.Draft(path, PHASE2) as other:
        assert artifacts.read(stages.PHASE2, path) is None
        other.publish()
        assert artifacts.read(stages.PHASE2, path) == {"format": 1, "result_id": one.result_id, **PHASE2}
    assert os.listdir(tmp_path) == ["a_phase2_vllm_analysis.json"]


def test_sweeping_leaves_what_is_no_leftover(tmp_path):
    path = artifacts.path_of(stages.PHASE2, tmp_path, "a")
    kept = {path.name, path.name + ".part", "ab" + path.name[1:] + ".0f.tmp", "a_phase1_data.pkl.0f.tmp"}
    for name in [*kept, path.name + ".0f.tmp", path.name + ".part.1e.tmp"]:
        (tmp_path / name).touch()
    artifacts.sweep(path)
    assert set(os.listdir(tmp_path)) == kept


def test_a_result_of_a_newer_program_is_neither_read_nor_made_again(tmp_path):
    path = tmp_path / "a_phase2_vllm_analysis.json"
    path.write_text(json.dumps({"format": 2, "new": True}))
    with pytest.raises(UserError, match=r"analysis\.json: was written by a newer version"):
        artifacts.read(stages.PHASE2, path)


@pytest.mark.parametrize("name", ["../a", "a/b", "/etc/passwd", "..", "a\0b", "a\nb", "con", "C:a", ""])
def test_a_name_from_the_database_cannot_lead_out_of_the_folder(tmp_path, name):
    for stage in (stages.PHASE1, stages.PHASE2):
        with pytest.raises(UserError, match="its name"):
            artifacts.path_of(stage, tmp_path, name)
    with pytest.raises(UserError, match="its name"):
        artifacts.lock_path(tmp_path, name, "phase1")


def test_a_result_is_json_that_others_can_read(tmp_path):
    path = tmp_path / "a_phase2_vllm_analysis.json"
    written(artifacts.Draft, path, PHASE2)
    assert json.loads(path.read_text(encoding="utf-8"))["segments"][0]["description"] == "Снег."
