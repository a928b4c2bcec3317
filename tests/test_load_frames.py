"""The load's vectors of frames, with a frame embedder whose vectors are known by hand: mean colours."""

import shutil

import numpy as np
import pytest

import doctor
from tests import tiny_towers
from tests.pipeline import FakeFrameEmbedder, analysis
from videotag import frame_vectors, model_shelf
from videotag.embedders.pictures.engines import load_frame_embedder

SEEN = ("--frame-embedder", "siglip2")


@pytest.fixture
def analyzed(project):
    """Two videos of three segments each, through phase 2; of "news" it is known that shots begin at 2.0 and 3.0 s."""
    path = project.video(streams="v")
    project.config({"name": "news", "path": path, "language": "ru"}, {"name": "film", "path": path, "language": "kk"})
    project.phase1()
    project.analyzer.results["news", 0] = analysis("снег", cut_times="20 30")
    project.phase2()
    return project


@pytest.fixture
def loaded(analyzed):
    assert analyzed.load(*SEEN) == 0
    return analyzed


def vectors(project, name="news"):
    found = frame_vectors.read(frame_vectors.path_of(project.data, name))
    assert found is not None
    return found


def has_vectors(project, name="news"):
    return frame_vectors.path_of(project.data, name).exists()


def test_frames_are_kept_in_data_and_in_the_collection(loaded):
    found, film = vectors(loaded), vectors(loaded, "film")
    stored = {frame["time"] for frame in loaded.result1()["frames"]}
    assert taken_between(found) == [2.467]  # the middle of 2.0 to 3.0 s, at 15 frames a second
    assert set(found.seconds[found.numbers >= 0]) <= stored
    assert not len(taken_between(film))  # its cuts are not known
    assert loaded.db.pictures.counts() == {"news": len(found), "film": len(film)}
    assert loaded.db.pictures.faults("news", found) == loaded.db.pictures.faults("film", film) == []
    assert loaded.db.pictures.stamp() == {"embedder": "siglip2", "model": "colours", "dimension": 4}
    assert loaded.record()["db_load_frames"] == "siglip2 colours"
    assert "vectors of frames: siglip2, model colours, 4 numbers each" in loaded.out
    assert f"news: new: 3 segments, {len(found)} frames" in loaded.out


def taken_between(found):
    return [round(second, 3) for second in found.seconds[found.numbers == frame_vectors.BETWEEN].tolist()]


def test_without_a_model_the_load_says_so_once_and_goes_on(analyzed):
    assert analyzed.load() == 0
    assert analyzed.out.count("python3 run.py models get siglip2-base-patch16-224") == 1
    assert analyzed.db.pictures.stamp() is None and analyzed.db.count_segments() == 6
    assert "db_load_frames" not in analyzed.record()
    assert analyzed.load() == 0
    assert "models get" not in analyzed.out  # nothing to do


def test_videos_loaded_before_get_theirs_and_their_texts_no_new_vectors(analyzed):
    assert analyzed.load() == 0
    embedded = len(analyzed.embedder.embedded)
    assert analyzed.load(*SEEN, "--dry-run") == 0
    assert "film: would run: its frames have no vectors" in analyzed.out and not has_vectors(analyzed)
    assert analyzed.load(*SEEN) == 0
    assert "news: its frames have no vectors: 3 segments" in analyzed.out
    assert analyzed.db.pictures.counts().keys() == {"news", "film"}
    assert len(analyzed.embedder.embedded) == embedded
    assert analyzed.load() == 0  # by what the collection remembers
    assert "2 skipped (done before: film, news)" in analyzed.out


def test_a_second_run_makes_nothing_and_loads_no_tower(loaded):
    made = loaded.frame_embedder.embedded
    assert loaded.load() == 0
    assert loaded.frame_embedder.embedded == made


def test_other_texts_of_the_same_frames_make_no_new_vectors(loaded):
    made = loaded.frame_embedder.embedded
    loaded.phase2("--force", "--only", "film")
    assert loaded.load() == 0
    assert "film: phase 2 was done again: 3 segments" in loaded.out
    assert loaded.frame_embedder.embedded == made
    loaded.analyzer.results["film", 0] = analysis("снег", cut_times="20 30")  # and other cuts do
    loaded.phase2("--force", "--only", "film")
    assert loaded.load() == 0
    assert taken_between(vectors(loaded, "film")) == [2.467]
    assert loaded.db.pictures.faults("film", vectors(loaded, "film")) == []


def test_other_frames_make_new_vectors(loaded):
    before = vectors(loaded)
    loaded.phase1("--only", "news", "--segment-seconds", "95", "--overlap-seconds", "0")
    loaded.phase2()
    assert loaded.load() == 0
    after = vectors(loaded)
    assert set(after.segments.tolist()) == {0} != set(before.segments.tolist())
    assert loaded.db.pictures.faults("news", after) == []


def test_what_is_finished_is_not_made_again_after_ctrl_c(analyzed):
    frames = len(analyzed.result1("film")["frames"])
    analyzed.frame_embedder.break_at = frames + 1  # in the second video
    assert analyzed.load(*SEEN) == 130
    done = [name for name in ("news", "film") if has_vectors(analyzed, name)]
    assert len(done) == 1
    before = analyzed.frame_embedder.embedded
    assert analyzed.load(*SEEN) == 0
    assert analyzed.frame_embedder.embedded - before <= frames + 1
    assert analyzed.db.pictures.counts().keys() == {"news", "film"}


def test_another_model_makes_all_anew(loaded):
    loaded.frame_embedder = FakeFrameEmbedder("other colours")
    assert loaded.load(*SEEN, "--dry-run") == 0
    assert "would make the vectors of the frames of 2 videos again, by siglip2 other colours" in loaded.out
    assert loaded.db.pictures.stamp()["model"] == "colours"
    texts = len(loaded.embedder.embedded)
    assert loaded.load(*SEEN) == 0
    assert "making the vectors of frames again, by siglip2, model other colours" in loaded.out
    assert loaded.db.pictures.stamp()["model"] == vectors(loaded).model == "other colours"
    assert loaded.db.pictures.faults("news", vectors(loaded)) == []
    assert loaded.record()["db_load_frames"] == "siglip2 other colours"
    assert "2 skipped (done before: film, news)" in loaded.out
    assert len(loaded.embedder.embedded) == texts


def test_a_model_that_is_gone_says_so_and_none_loads_what_is_in_data(loaded, monkeypatch):
    import load_data_to_chroma

    monkeypatch.setattr(loaded, "load", lambda *args: loaded._run(load_data_to_chroma.main, list(args), fake(loaded)))
    assert loaded.load() == 2
    assert "colours" in loaded.err and "or --frame-embedder none" in loaded.err
    made = loaded.frame_embedder.embedded
    assert loaded.load("--frame-embedder", "none", "--only", "news", "--force") == 0
    assert loaded.db.pictures.faults("news", vectors(loaded)) == []
    frame_vectors.path_of(loaded.data, "news").unlink()
    assert loaded.load("--frame-embedder", "none", "--only", "news", "--force") == 0
    assert loaded.db.pictures.counts().keys() == {"film"}
    assert "db_load_frames" not in loaded.record() and loaded.frame_embedder.embedded == made


def fake(project):
    return lambda name, model: project.embedder


def test_frames_that_are_not_in_data_any_more_are_told_and_make_nothing_due(analyzed):
    assert analyzed.load() == 0
    for name in ("news", "film"):
        (analyzed.data / f"{name}_phase1_data.pkl").unlink()
    assert analyzed.load(*SEEN) == 0
    assert "2 skipped (done before: film, news)" in analyzed.out
    assert analyzed.load(*SEEN, "--only", "news", "--force") == 0
    assert "news: its frames are not in" in analyzed.out
    assert analyzed.db.pictures.counts() == {}


def test_without_the_videos_file_the_stored_frames_are_looked_at(analyzed):
    shutil.move(analyzed.folder / "news.mp4", analyzed.folder / "away.mp4")
    assert analyzed.load(*SEEN) == 0
    assert "none is looked at" in analyzed.err
    assert taken_between(vectors(analyzed)) == [] and len(vectors(analyzed))


def test_the_model_needs_its_engine(analyzed):
    assert analyzed.load("--frame-model", "tiny") == 2
    assert "--frame-embedder siglip2 or sentence-transformers" in analyzed.err
    assert analyzed.load("--frame-model", "tiny", "--frame-embedder", "none") == 2


def test_a_video_renamed_in_the_list_takes_its_vectors_along(loaded):
    before = vectors(loaded)
    made = loaded.frame_embedder.embedded
    path = str(loaded.folder / "news.mp4")
    loaded.config({"name": "выпуск", "path": path, "language": "ru"}, {"name": "film", "path": path, "language": "kk"})
    assert [loaded.phase1(), loaded.phase2(), loaded.load()] == [0, 0, 0]
    after = vectors(loaded, "выпуск")
    assert not has_vectors(loaded) and np.array_equal(after.vectors, before.vectors)
    assert loaded.db.pictures.faults("выпуск", after) == []
    assert loaded.db.pictures.counts().keys() == {"выпуск", "film"}
    assert loaded.frame_embedder.embedded == made


def doctors(project, monkeypatch, capsys, *args):
    monkeypatch.setattr(doctor, "CHECKS", {"what is seen": doctor.pictures, "stored": doctor.stored})
    monkeypatch.setattr(doctor, "load_frame_embedder", lambda name, model: project.frame_embedder)
    capsys.readouterr()
    place = ["--db", str(project.folder / "chroma_db"), "--data-dir", str(project.data)]
    return doctor.main([*place, *args], lambda *_: project.embedder), capsys.readouterr().out


def test_the_doctor_compares_them_and_puts_in_again_what_is_in_data(loaded, monkeypatch, capsys):
    count, made = sum(loaded.db.pictures.counts().values()), loaded.frame_embedder.embedded
    code, out = doctors(loaded, monkeypatch, capsys)
    assert code == 0 and f"ok  what is seen: {count} frames with vectors of siglip2, model colours" in out
    loaded.db.pictures.put("news", None)
    code, out = doctors(loaded, monkeypatch, capsys)
    assert code == 1 and "news: frames: missing; load it again" in out
    code, out = doctors(loaded, monkeypatch, capsys, "--repair")
    assert code == 0 and loaded.db.pictures.faults("news", vectors(loaded)) == []
    assert loaded.frame_embedder.embedded == made
    assert loaded.record()["db_load_frames"] == "siglip2 colours"
    loaded.frame_embedder = FakeFrameEmbedder("other colours")
    code, out = doctors(loaded, monkeypatch, capsys)
    assert code == 1 and "here is other colours, which finds none: run load_data_to_chroma.py" in out


def test_the_doctor_says_what_is_missing_and_how_to_get_it(analyzed, monkeypatch, capsys, tmp_path):
    code, out = doctors(analyzed, monkeypatch, capsys)
    assert code == 0 and "no  what is seen: no vectors of pictures, only descriptions; python3 run.py models get" in out
    monkeypatch.setenv("VIDEOTAG_MODELS", str(tmp_path / "shelf"))
    tiny_towers.community(model_shelf.folder_of("siglip2-base-patch16-224"))
    code, out = doctors(analyzed, monkeypatch, capsys)
    assert "ok  what is seen: no frames yet; the next load makes vectors of them by siglip2" in out


def test_the_model_on_the_shelf_is_used_without_being_named(analyzed, monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEOTAG_MODELS", str(tmp_path / "shelf"))
    tiny_towers.community(model_shelf.folder_of("siglip2-base-patch16-224"))
    analyzed.frame_embedder = load_frame_embedder("siglip2")
    assert analyzed.load() == 0
    assert "frame embedder siglip2" in analyzed.loads
    assert analyzed.db.pictures.counts().keys() == {"news", "film"}
    assert analyzed.record()["db_load_frames"].startswith("siglip2 siglip2-base-patch16-224#")


def test_a_collection_that_was_lost_is_filled_again_from_data(loaded):
    made = loaded.frame_embedder.embedded
    db = loaded.db
    with db.session():
        db._place.client().delete_collection("video_frames")
    assert db.pictures.stamp() is None
    assert loaded.load(*SEEN, "--dry-run") == 0
    assert "news: would run: its frames have no vectors" in loaded.out
    assert loaded.load(*SEEN, "--only", "film") == 0
    assert loaded.load() == 0
    assert "news: its frames have no vectors" in loaded.out
    assert loaded.db.pictures.faults("news", vectors(loaded)) == loaded.db.pictures.faults(
        "film", vectors(loaded, "film")
    )
    assert loaded.frame_embedder.embedded == made
