"""The page of statuses, its JSON, its stream, and what is set back by it: on a real database."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import phase2_vllm_analysis
from db_manager import ChromaDBManager
from tests.pipeline import SAMPLE
from videotag import artifacts, claims
from videotag.errors import UserError
from videotag.stages import PHASE1, PHASE2, STAGES
from videotag.web import status, watch
from videotag.web.app import app
from videotag.web.archive import Archive
from videotag.web.overview import STATES
from videotag.web.pages import Pages
from videotag.web.watch import Watch

HERE = "http://127.0.0.1:8000"
FORM = {"origin": HERE, "sec-fetch-site": "same-origin"}
ROOT = Path(__file__).parents[2]
FIELDS = {"video_path": str(SAMPLE), "language": "ru", "video_duration": 85.0, "total_segments": 2}
FIELDS |= {"width": 640, "height": 360, "fps": 25.0}
DONE1 = {"phase1_status": "completed", "phase1_result": "r1", "phase1_version": PHASE1.version}
DONE2 = {"phase2_status": "completed", "phase2_input": "r1", "phase2_result": "r2"}
AT_WORK = {"phase2_status": "processing", "phase2_owner": "far:12:ab", "phase2_start_time": "2026-11-29T10:00:00"}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def records(tmp_path, fake_embedder) -> ChromaDBManager:
    return ChromaDBManager(tmp_path / "db", embedder=fake_embedder)


@pytest.fixture
def archive(records, tmp_path) -> Archive:
    return Archive(records, tmp_path / "data")


@pytest.fixture
def client(archive) -> TestClient:
    return TestClient(app(archive), HERE, headers={"accept-language": "en"}, follow_redirects=False)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Each question is a new look, however long it takes."""
    monkeypatch.setattr(watch, "PATIENCE", 60.0)
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(watch, "LOOK_SHARE", 0.0)
    monkeypatch.setattr(status, "LISTEN_SECONDS", 0.05)


def put(records, name="news", **fields):
    records.create_or_update_video_files({name: {**FIELDS, **fields}})


def state(client, name="news", phase="phase2"):
    [video] = [one for one in client.get("/api/status").json()["videos"] if one["video_name"] == name]
    return video["phases"][phase]["state"]


def test_an_empty_archive_has_a_page_and_makes_no_database(client, tmp_path):
    page = client.get("/status")
    assert page.status_code == 200 and "There are no such videos." in page.text
    found = client.get("/api/status").json()
    assert (found["totals"]["videos"], found["videos"], found["embedder"]) == (0, [], "")
    assert not (tmp_path / "db").exists() and not (tmp_path / "data").exists()


def test_the_page_and_the_json_tell_the_same(client, records):
    put(records, "новости", **DONE1, **AT_WORK, phase2_heartbeat=time.time())
    put(records, "kk film", phase1_error="no such file: put it back", phase1_attempts=3)
    found = client.get("/api/status").json()
    assert found["totals"]["seconds"] == 170.0 and found["found"] == 2
    states = found["totals"]["phases"]["phase2"]["states"]
    assert {key: n for key, n in states.items() if n} == {"working": 1, "blocked": 1}
    first, second = found["videos"]
    assert (first["video_name"], first["phases"]["phase2"]["host"]) == ("новости", "far")
    assert second["phases"]["phase1"]["attempts"] == 3
    page = unescape(client.get("/status").text)
    for told in ("новости", "far, process 12", "no such file: put it back", "Tries in a row: 3", "--only 'kk film'"):
        assert told in page, told


def test_videos_are_chosen_ordered_and_paged_by_the_address(client, records, monkeypatch):
    monkeypatch.setattr(status, "PAGE", 2)
    for number in range(5):
        put(records, f"v{number}", **(DONE1 if number % 2 else {}), video_duration=10.0 * number)

    def names(**asked):
        found = client.get("/api/status", params=asked).json()
        return [one["video_name"] for one in found["videos"]], found["found"], found["page"], found["pages"]

    assert names(sort="name") == (["v0", "v1"], 5, 1, 3)
    assert names(sort="name", page=3) == (["v4"], 5, 3, 3)
    assert names(sort="name", page=9) == (["v4"], 5, 3, 3)  # videos may go while somebody leafs
    assert names(phase="phase1", state="completed", sort="duration") == (["v3", "v1"], 2, 1, 1)
    page = client.get("/status", params={"sort": "name", "page": 2, "lang": "ru"}).text
    assert 'href="/status?lang=ru&amp;sort=name&amp;page=3"' in page and 'rel="prev"' in page
    for nonsense in ({"phase": "phase3"}, {"state": HOSTILE}, {"sort": "x"}, {"page": "0"}, {"page": "9" * 30}):
        assert client.get("/status", params=nonsense).status_code == 400


def test_everything_of_the_archive_is_escaped(client, records):
    made = json.dumps({"transcriber": HOSTILE, "model": "base"})
    put(records, HOSTILE, **{**DONE1, "phase1_made_by": made}, phase2_error=HOSTILE, phase2_attempts=1)
    owner = {"phase2_owner": f"{HOSTILE}:12:ab", "phase2_heartbeat": time.time(), "phase4_reason": HOSTILE}
    put(records, "news\u202e", **DONE1, phase2_status="processing", **owner)
    page = client.get("/status").text
    assert "<script>alert" not in page and "&lt;script&gt;" in page and "\u202e" not in page
    assert f'href="/video/{HOSTILE}' not in page  # a name that could be no video's leads nowhere


def test_the_page_is_in_three_languages(client):
    for code, title in (("ru", "Состояние"), ("kk", "Күйі"), ("en", "Status")):
        assert f"<h1>{title}</h1>" in client.get("/status", params={"lang": code}).text


def test_each_phase_and_state_has_its_words():
    words = Pages().words["en"].keys()
    assert {f"status.{stage.key}" for stage in STAGES} <= words
    assert {f"status.state.{state}" for state in (*STATES, "unheard")} <= words
    assert typing.get_args(status.PhaseKey) == tuple(stage.key for stage in STAGES)
    assert typing.get_args(status.State) == (*STATES, "unheard")


# --- what is looked at


def test_only_what_has_changed_is_read_again(records, archive, monkeypatch):
    with monkeypatch.context() as past:
        past.setattr("videotag.store.video_files.now", lambda: "2026-01-01T00:00:00")
        for name in ("a", "b", "c"):
            put(records, name, **DONE1)
    look, read = Watch(archive), []
    list_videos = ChromaDBManager.list_videos

    def noted(self, *args):
        found = list_videos(self, *args)
        read.extend(record["video_name"] for record in found)
        return found

    monkeypatch.setattr(ChromaDBManager, "list_videos", noted)
    first = look.look()
    assert read == ["a", "b", "c"]
    second = look.look()
    assert read == ["a", "b", "c"] and second.videos == first.videos
    ChromaDBManager(records.directory).update_video_status("b", phase2_error="late")
    third = look.look()
    assert read == ["a", "b", "c", "b"] and third.videos["b"].phases["phase2"].state == "failed"
    assert [name for name, version in third.changed.items() if version > second.version] == ["b"]
    records.delete_video_file("a")
    assert look.look().videos.keys() == {"b", "c"}


def test_work_that_ends_by_a_clock_that_is_wrong_is_seen(records, archive, monkeypatch):
    put(records, **DONE1, **AT_WORK, phase2_heartbeat=time.time())
    look = Watch(archive)
    assert look.look().videos["news"].phases["phase2"].state == "working"
    monkeypatch.setattr("videotag.store.video_files.now", lambda: "2020-01-01T00:00:00")
    records.update_video_status("news", phase2_status="completed", phase2_owner=None)
    assert look.look().videos["news"].phases["phase2"].state == "completed"
    put(records, "new")
    assert look.look().videos.keys() == {"news", "new"}


def test_one_looks_for_all(records, archive, monkeypatch):
    put(records)
    monkeypatch.setattr(watch, "LOOK_SECONDS", 60.0)
    looks = []
    names = ChromaDBManager.video_names
    monkeypatch.setattr(ChromaDBManager, "video_names", lambda self: looks.append(1) or names(self))
    look = Watch(archive)
    askers = [threading.Thread(target=look.look) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert look.look().totals.videos == 1 and len(looks) == 1
    put(records, "other")
    assert look.look().totals.videos == 1
    look.expire()
    assert look.look().totals.videos == 2


def test_a_database_that_cannot_be_read_is_told_and_what_was_seen_stays(client, records, monkeypatch):
    put(records)
    assert state(client) == "blocked"

    def busy(self):
        raise UserError("the database is busy: <b>")

    monkeypatch.setattr(ChromaDBManager, "video_names", busy)
    page = client.get("/status").text
    assert "the database is busy: &lt;b&gt;" in page and 'id="v-news"' in page
    assert client.get("/api/status").json()["fault"] == "the database is busy: <b>"
    monkeypatch.undo()
    time.sleep(0.1)


def test_how_much_disk_is_used(client, records, tmp_path):
    put(records)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "a").write_bytes(b"x" * 1000)
    (tmp_path / "data" / "deep" / "b").write_bytes(b"x" * 234)
    (tmp_path / "data" / "link").symlink_to(ROOT)
    end = time.monotonic() + 20
    while not (disk := client.get("/api/status").json()["disk"]) and time.monotonic() < end:
        time.sleep(0.05)
    assert disk["data"] == 1234 and disk["database"] > 10_000


# --- try again


def press(client, name="news", phase="phase2", headers=FORM, **params):
    return client.post(f"/status/{phase}/{name}/again", headers=headers, params=params)


def test_what_is_completed_is_made_due_as_by_force(client, records, archive, capsys):
    put(records, **DONE1, **DONE2)
    answer = press(client, lang="ru", sort="name")
    assert (answer.status_code, answer.headers["location"]) == (303, "/status?sort=name&lang=ru#v-news")
    record = records.get_video_status("news")
    assert (record["phase2_status"], record["phase2_reason"]) == ("pending", "--force")
    assert (record["phase1_status"], record["phase2_result"]) == ("completed", "r2")
    assert state(client) == "waiting"
    args = ["--db", str(records.directory), "--data-dir", str(archive.data_dir), "--dry-run"]
    phase2_vllm_analysis.main(args)
    assert "news: would run: --force" in capsys.readouterr().out


def test_the_first_phase_of_a_file_that_is_gone_stays_done(client, records, tmp_path):
    put(records, **DONE1)
    put(records, "gone", **{**FIELDS, "video_path": str(tmp_path / "gone.mp4")} | DONE1)
    assert press(client, phase="phase1").status_code == 303
    assert records.get_video_status("news")["phase1_reason"] == "--force"
    before = records.get_video_status("gone")
    answer = press(client, "gone", "phase1")
    assert answer.status_code == 409 and "gone.mp4" in answer.text
    assert records.get_video_status("gone") == before


@pytest.mark.parametrize("forced", [{}, {"phase2_reason": "--force", "phase2_wanted": '{"model": "m"}'}])
def test_what_was_left_by_a_dead_worker_waits_again_for_the_same_reason(client, records, forced):
    owner = f"{socket.gethostname()}:1:ab"
    put(records, **DONE1, **{**AT_WORK, "phase2_owner": owner}, **forced, phase2_heartbeat=time.time() - 100)
    assert state(client) == "silent"
    assert press(client).status_code == 303
    record = records.get_video_status("news")
    assert record["phase2_status"] == "pending"
    assert {key: record.get(key) for key in ("phase2_reason", "phase2_wanted")} == {
        "phase2_reason": forced.get("phase2_reason"),
        "phase2_wanted": forced.get("phase2_wanted"),
    }


def test_work_under_way_is_left_alone(client, records, archive):
    put(records, **DONE1, **DONE2)
    with claims.claim(records, archive.data_dir, PHASE2, "news", claims.Intent(lambda record: "new")) as claim:
        before = records.get_video_status("news")
        answer = press(client)
        assert answer.status_code == 409
        assert f"process {os.getpid()} on {socket.gethostname()} since" in unescape(answer.text)
        assert records.get_video_status("news") == before
        claim.complete(2)
    put(records, "far", **DONE1, **AT_WORK, phase2_heartbeat=time.time() - 500)  # on another machine: not stale yet
    answer = press(client, "far")
    assert answer.status_code == 409 and "process 12 on far since 2026-11-29T10:00:00" in unescape(answer.text)
    records.update_video_status("far", phase2_heartbeat=time.time() - 700)
    assert press(client, "far").status_code == 303


def test_nothing_else_can_be_set_back(client, records):
    put(records, **DONE1)
    before = records.get_video_status("news")
    due = press(client)
    assert due.status_code == 409 and "is due already: python phase2_vllm_analysis.py" in unescape(due.text)
    assert press(client, phase="phase3").status_code in (400, 404)
    assert press(client, "nobody").status_code == 409
    assert press(client, "..%2Fnews").status_code in (404, 409)
    for headers in (
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site", "origin": HERE},
        {"sec-fetch-site": "same-site"},
    ):
        assert press(client, phase="phase1", headers=headers).status_code == 403
    assert client.get("/status/phase1/news/again").status_code == 405
    assert records.get_video_status("news") == before


# --- the stream, from a server of its own


@pytest.fixture
def server(records, archive, tmp_path) -> Iterator[tuple[str, subprocess.Popen]]:
    """Its address, and the process."""
    put(records, **DONE1)
    command = [sys.executable, str(ROOT / "web.py"), "--port", "0", "--db", str(records.directory)]
    command += ["--data-dir", str(archive.data_dir)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path)
    assert process.stdout is not None
    address = process.stdout.readline().split()[0]
    yield address, process
    if process.poll() is None:
        process.kill()
    process.wait(timeout=30)


def test_listeners_are_told_what_another_process_changes_until_the_server_ends(server, records):
    import httpx2

    address, process = server
    with httpx2.stream("GET", f"{address}/api/status/stream", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = told(answer.iter_lines())
        first, news = next(events)
        assert (news["totals"]["videos"], news["videos"], news["anew"]) == (1, [], False)
        records.update_video_status("news", phase2_error="no model", phase2_attempts=1)
        last, news = next((id_, one) for id_, one in events if one["videos"])
        assert last > first
        [video] = news["videos"]
        assert (video["video_name"], video["phases"]["phase2"]["state"]) == ("news", "failed")
        # Who has lost the line is told what he missed, and who comes from an older server that he knows nothing.
        for known, names, anew in ((first, ["news"], False), (last, None, False), (1, [], True)):
            if names is not None:
                headers = {"last-event-id": str(known)}
                with httpx2.stream("GET", f"{address}/api/status/stream", headers=headers, timeout=60) as other:
                    _, news = next(told(other.iter_lines()))
                    assert ([one["video_name"] for one in news["videos"]], news["anew"]) == (names, anew)
        process.send_signal(signal.SIGINT)
        for _ in events:  # it ends, and is not cut off
            pass
    process.wait(timeout=30)
    assert process.stdout is not None and "Traceback" not in process.stdout.read()


def told(lines: Iterator[str]) -> Iterator[tuple[int, dict]]:
    """The events of a stream: their ids and data."""
    event: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name:
            event[name] = value
        elif "data" in event:
            yield int(event["id"]), json.loads(event["data"])
            event = {}


def test_too_much_news_is_told_as_such(records, archive, monkeypatch):
    monkeypatch.setattr(status, "MOST_NEWS", 2)
    look = Watch(archive)
    before = look.look().version
    for name in ("a", "b"):
        put(records, name)
    news = status.news_of(look.look(), before)
    assert ([one.video_name for one in news.videos], news.gone, news.anew) == (["a", "b"], [], False)
    records.delete_video_file("a")
    news = status.news_of(look.look(), before)
    assert ([one.video_name for one in news.videos], news.gone, news.anew) == (["b"], ["a"], False)
    put(records, "c")
    news = status.news_of(look.look(), before)
    assert (news.videos, news.gone, news.anew) == ([], [], True)


def test_how_far_work_is_comes_from_its_file(client, records, archive):
    put(records, **DONE1, **AT_WORK, phase2_heartbeat=time.time())
    part = artifacts.Part(artifacts.part_path(artifacts.path_of(PHASE2, archive.data_dir, "news")), {})
    part.append({"segment_index": 0})
    part.close()
    [video] = client.get("/api/status").json()["videos"]
    assert video["phases"]["phase2"]["step"] == {"what": "segments", "done": 1, "total": 2, "left": None}
    assert "Segments 1 / 2" in client.get("/status").text
