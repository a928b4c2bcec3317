"""A file that is copied, moved, renamed in the list, or listed twice: the same video, and no engine is called for it."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import clips
from tests.pipeline import Project
from videotag import artifacts, content
from videotag.stages import PHASE1, PHASE2

SCRIPTS = ("phase1", "phase2", "load")


@pytest.fixture
def done(project: Project) -> Project:
    """A clip of 5 s, "news", through all stages."""
    sound = clips.tones(0.0, 5.0, 16_000, 1.0, 2.0)
    video = project.folder / "news.mkv"
    clips.write(video, clips.Pictures(clips.steady(5.0)), clips.Sound([(0.0, sound)], 16_000))
    os.utime(video, ns=(1_700_000_001_123_456_789, 1_700_000_001_123_456_789))
    listed(project, news=video)
    run(project)
    return project


def listed(project: Project, **paths: Path) -> None:
    project.config(*({"name": name, "path": str(path), "language": "ru"} for name, path in paths.items()))


def run(project: Project) -> str:
    """All three scripts; what they printed."""
    out = ""
    for script in SCRIPTS:
        assert getattr(project, script)() == 0, project.err
        out += project.out + project.err
    return out


def calls(project: Project) -> tuple[Any, ...]:
    """How often each engine was built and called."""
    return list(project.loads), len(project.transcriber.heard), len(project.analyzer.seen), project.embedder.embedded[:]


def stored(project: Project) -> dict[str, Any]:
    """The segments: id to (fields, document, vector)."""
    with project.db.session():
        found = project.db._segments.find().get(include=["metadatas", "documents", "embeddings"])
    kept = zip(found["metadatas"], found["documents"], found["embeddings"], strict=True)
    return dict(zip(found["ids"], kept, strict=True))


def kept_time(source: Path, target: Path) -> None:
    shutil.copy2(source, target)


def fat(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    whole = int(source.stat().st_mtime) // 2 * 2 * 10**9
    os.utime(target, ns=(whole, whole))


def cp(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def mv(source: Path, target: Path) -> None:
    os.replace(source, target)


@pytest.mark.parametrize(
    ("way", "gone", "old"),
    [
        *((way, True, False) for way in (mv, kept_time, fat, cp)),
        *((way, True, True) for way in (mv, fat, cp)),
        (cp, False, True),
    ],
)
def test_a_file_in_another_place(done, way, gone, old):
    target = done.folder / "disk" / "news.mkv"
    target.parent.mkdir()
    if old:
        as_older(done)
    way(done.folder / "news.mkv", target)
    if gone:
        (done.folder / "news.mkv").unlink(missing_ok=True)
    listed(done, news=target)
    before, record, segments = calls(done), done.record(), stored(done)
    out = run(done)
    if old and gone and way is cp:  # nothing that is left tells that it is the same
        assert "news: video_path changed" in out and calls(done) != before
        return
    assert calls(done) == before
    assert done.record()["video_path"] == str(target)
    assert {fields["video_path"] for fields, _, _ in stored(done).values()} == {str(target)}
    for id_, (_, document, vector) in stored(done).items():
        assert document == segments[id_][1]
        assert np.allclose(vector, segments[id_][2], atol=1e-6)
    for field in ("phase1_result", "phase2_result", "phase2_input", "db_load_input", "db_load_end_time"):
        assert done.record()[field] == record[field]
    assert run(done).count("done before: news") == 3
    assert [moment["video_path"] for moment in done.db.search("фрагмент 0", limit=1)] == [str(target)]


def as_older(project: Project) -> None:
    """The record and the result as a version wrote them that did not look into files."""
    state = content.source_of(str(project.folder / "news.mkv"))
    path = artifacts.path_of(PHASE1, project.data, "news")
    one = artifacts.read(PHASE1, path)
    body = {key: value for key, value in one.items() if key not in artifacts.OF_THE_FILE}
    with artifacts.Draft(path, body | {"source": state}) as draft:
        draft.publish()
    path = artifacts.path_of(PHASE2, project.data, "news")
    two = artifacts.read(PHASE2, path)
    body = {key: value for key, value in two.items() if key not in artifacts.OF_THE_FILE}
    with artifacts.Draft(path, body | {"input": draft.result_id}) as second:
        second.publish()
    key = project.record()["phase1_key"].removesuffix(" known")
    ids = {"phase1_result": draft.result_id, "phase2_input": draft.result_id}
    ids |= {"phase2_result": second.result_id, "db_load_input": second.result_id}
    project.db.update_video_status("news", source_fingerprint=None, phase1_key=key, **ids)
