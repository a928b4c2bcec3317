"""The frames of a hit, written as files."""

import pytest

from tests.fake_database import hit
from videotag.errors import UserError
from videotag.search import hits


def test_frames_are_written_as_they_were_taken(project):
    project.one_video()
    assert project.phase1() == 0
    result, folder = project.result1(), project.folder / "frames"
    found = hit("news", 35)
    written = hits.write_frames(found, project.data, folder)
    assert hits.write_frames(found, project.data, folder) == written  # they are there already
    taken = [result["frames"][number] for number in result["segments"][1]["frames"]]
    assert [path.read_bytes() for path in written] == [frame["jpeg"] for frame in taken]
    assert [path.name for path in written][:2] == ["1_00-39.jpg", "2_00-47.jpg"]  # 35 + 50/12 and 35 + 3 * 50/12 s
    assert len(written) == 6 == len(list(folder.iterdir()))
    for wrong, told in (
        (hit("film", 0), "film_phase1_data.pkl: is not there or damaged"),
        (hit("news", 35, start_time=40.0), "is not what news was loaded from"),
        (hit("news", 350), "is not what news was loaded from"),
        (hit("../news", 0), "its name"),
    ):
        with pytest.raises(UserError, match=told):
            hits.write_frames(wrong, project.data, project.folder / "others")
    assert not (project.folder / "others").exists()


def test_sound_alone_has_no_frames(project):
    project.config({"name": "news", "path": project.video(streams="a"), "language": "ru"})
    assert project.phase1() == 0
    with pytest.raises(UserError, match="has no pictures there"):
        hits.write_frames(hit("news", 35), project.data, project.folder / "frames")
