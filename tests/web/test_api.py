"""Videos as JSON."""

from tests.fake_database import FakeDatabase
from tests.web.site import client, record


def test_videos_come_in_pages(tmp_path):
    db = FakeDatabase()
    db.records = [record(f"v{n}") for n in range(5)]
    site = client(db, tmp_path)
    page = site.get("/api/videos?offset=1&limit=2").json()
    assert (page["total"], [one["video_name"] for one in page["videos"]]) == (5, ["v1", "v2"])
    assert site.get("/api/videos?offset=9").json()["videos"] == []
    assert site.get("/api/videos?limit=1001").status_code == site.get("/api/videos?offset=-1").status_code == 400


def test_a_video_is_its_record_by_its_name(tmp_path):
    db = FakeDatabase()
    db.records = [record("вечерние новости", phase1_status="completed"), record("../news")]
    site = client(db, tmp_path)
    assert site.get("/api/videos/вечерние новости").json()["phase1_status"] == "completed"
    assert site.get("/api/videos/nobody").status_code == 404
    assert site.get("/api/videos/..%2Fnews").status_code == 404
