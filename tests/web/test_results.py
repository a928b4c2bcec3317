"""Results are read once, and anew when they change."""

import pytest
from starlette.testclient import TestClient

from tests.web.watched import NAME, archive_of, film
from videotag import artifacts
from videotag.errors import UserError
from videotag.stages import PHASE1
from videotag.web.app import app
from videotag.web.results import results_of


@pytest.fixture
def video(tmp_path):
    return film(tmp_path / "news.mp4", 12)


def test_they_are_read_once(tmp_path, video):
    archive_of(tmp_path, video, 12.0)
    found = results_of(tmp_path, NAME)
    assert results_of(tmp_path, NAME) is found
    assert [word.text.strip() for word in found.original.words] == [str(n) for n in range(12)]
    assert found.source.phase1["frames"] == [{"time": 5.0}, {"time": 15.0}]  # their bytes are the most of it
    assert [cue for _, cues in found.paragraphs for cue in cues] == list(found.original.cues)


def test_what_has_changed_is_read_anew(tmp_path, video):
    with TestClient(app(archive_of(tmp_path, video, 12.0)), "http://127.0.0.1:8000") as client:
        addresses = [f"/video/{NAME}", f"/subtitles/{NAME}/original.vtt", f"/subtitles/{NAME}/original.vtt?start=0"]
        assert all("вода" not in client.get(one).text for one in addresses)
        path = artifacts.path_of(PHASE1, tmp_path, NAME)
        result = {key: value for key, value in artifacts.read(PHASE1, path).items() if key not in artifacts.OF_THE_FILE}
        segment = result["segments"][0]
        segment["words"] = [{**segment["words"][0], "text": " вода"}]
        segment["transcript"] = "вода"
        with artifacts.Draft(path, result) as draft:
            draft.publish()
        assert all("вода" in client.get(one).text for one in addresses)


def test_none_that_is_whole(tmp_path, video):
    archive_of(tmp_path, video, 12.0)
    results_of(tmp_path, NAME)
    path = artifacts.path_of(PHASE1, tmp_path, NAME)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="is missing or damaged"):
        results_of(tmp_path, NAME)
    path.unlink()
    with pytest.raises(UserError, match="is missing or damaged"):
        results_of(tmp_path, NAME)
