"""What the records say: states, numbers, choices, and how far work in hand is. Records and sums by hand."""

import json
import os

import pytest

from videotag import artifacts
from videotag.stages import LOAD, PHASE1, PHASE2, PHASE4, STAGES
from videotag.underway import Underway
from videotag.web.overview import STATES, Failure, chosen, engine_of, state_of, totals_of, video_of

NOW = 1_000_000.0
AT_WORK = {"phase1_status": "processing", "phase1_owner": "studio:12:ab", "phase1_start_time": "2026-11-29T10:00:00"}
DONE1 = {"phase1_status": "completed", "phase1_end_time": "2026-11-29T11:00:00", "phase1_version": PHASE1.version}


@pytest.mark.parametrize(
    ("stage", "record", "state"),
    [
        (PHASE1, {}, "waiting"),
        (PHASE2, {}, "blocked"),
        (PHASE2, {"phase1_status": "processing"}, "blocked"),
        (PHASE2, {"phase1_status": "completed"}, "waiting"),
        (LOAD, {"phase1_status": "completed", "phase2_status": "completed"}, "waiting"),  # it does not need phase 4
        (PHASE1, {"phase1_status": "pending", "phase1_error": "no such file"}, "failed"),
        (PHASE2, {"phase2_status": "pending", "phase2_error": "no model"}, "failed"),
        (PHASE1, {"phase1_status": "processing", "phase1_heartbeat": NOW - 90}, "working"),
        (PHASE1, {"phase1_status": "processing", "phase1_heartbeat": NOW - 91}, "silent"),
        (PHASE1, {"phase1_status": "processing", "phase1_heartbeat": NOW + 3600}, "working"),  # a clock ahead of ours
        (PHASE1, {"phase1_status": "processing", "phase1_heartbeat": NOW, "phase1_error": "before"}, "working"),
        (PHASE1, {"phase1_status": "processing"}, "silent"),
        (PHASE1, {"phase1_status": "completed", "phase1_error": "before"}, "completed"),
        (PHASE1, {"phase1_status": "what no script writes"}, "waiting"),
    ],
)
def test_states(stage, record, state):
    assert state_of(stage, record, NOW) == state


def test_who_is_at_work_and_since_when():
    phase = video_of({**AT_WORK, "phase1_heartbeat": NOW, "phase1_end_time": "2026-11-28T00:00:00"}, NOW).phases[
        "phase1"
    ]
    assert (phase.host, phase.process, phase.since) == ("studio", "12", "2026-11-29T10:00:00")
    over = video_of({**AT_WORK, **DONE1}, NOW).phases["phase1"]
    assert (over.host, over.process, over.since) == ("", "", "2026-11-29T11:00:00")


def test_the_age_of_a_heartbeat_is_no_news_while_it_is_young():
    a, b = (video_of({**AT_WORK, "phase1_heartbeat": NOW - ago}, NOW) for ago in (0, 30))
    assert a == b


def test_a_record_that_anybody_wrote_is_read_without_a_fault():
    record = {"video_name": "x", "video_duration": "long", "spoken_seconds": "{", "phase1_made_by": ["a"], "title": 3}
    record |= {"unheard_seconds": float("nan"), "phase1_attempts": "many", "phase1_error": "a\x1b[2J\u202eb\nc"}
    video = video_of(record, NOW)
    assert (video.video_duration, video.speech_seconds, video.unheard_seconds) == (0.0, 0.0, 0.0)
    phase = video.phases["phase1"]
    assert (phase.state, phase.error, phase.attempts, phase.made_by) == ("failed", "a[2Jb c", 0, "")
    assert video_of({}, NOW).video_name == ""


def test_what_made_a_result():
    assert engine_of('{"model": "base", "transcriber": "faster-whisper", "device": "cpu"}') == "faster-whisper, base"
    assert engine_of('{"analyzer": "local", "model": "none"}') == "local"
    assert engine_of("[1]") == engine_of("") == ""


def records():
    made = json.dumps({"transcriber": "faster-whisper", "model": "base"})
    return [
        {"video_name": "b", "video_duration": 3600.0, "spoken_seconds": '{"ru": 100.5, "kk": 20.0}', **DONE1}
        | {"unheard_seconds": 30.0, "phase1_made_by": made, "phase2_error": "late", "phase2_end_time": "2026-11-02"},
        {"video_name": "a", "video_duration": 60.0, **DONE1, "phase1_version": 1, "phase1_made_by": made},
        {"video_name": "c", "video_duration": 600.0, "phase1_error": "early", "phase1_end_time": "2026-11-01"},
        {"video_name": "d", **AT_WORK, "phase1_heartbeat": NOW},
    ]


def test_totals():
    totals = totals_of([video_of(record, NOW) for record in records()])
    assert (totals.videos, totals.seconds, totals.speech_seconds) == (4, 4260.0, 120.5)
    assert (totals.unheard_videos, totals.unheard_seconds) == (1, 30.0)
    zero = dict.fromkeys(STATES, 0)
    assert totals.phases["phase1"].states == {**zero, "completed": 2, "failed": 1, "working": 1}
    assert totals.phases["phase2"].states == {**zero, "failed": 1, "waiting": 1, "blocked": 2}
    assert totals.phases["phase4"].states == totals.phases["db_load"].states == {**zero, "blocked": 4}
    assert totals.phases["phase1"].made_by == {"faster-whisper, base": 2}
    assert [totals.phases[stage.key].better for stage in STAGES] == [1, 0, 0, 0]  # version 1 of what is 3 today
    assert totals.errors == (
        Failure("b", "phase2", "2026-11-02", "late"),
        Failure("c", "phase1", "2026-11-01", "early"),
    )


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, "dbca"),  # working, failed, failed, waiting
        ({"sort": "name"}, "abcd"),
        ({"sort": "duration"}, "bcad"),
        ({"state": "failed"}, "bc"),
        ({"state": "failed", "phase": "phase1"}, "c"),
        ({"phase": "phase1"}, "dcab"),  # working, failed, completed
        ({"state": "unheard"}, "b"),
        ({"state": "silent"}, ""),
    ],
)
def test_which_videos_in_which_order(asked, names):
    videos = [video_of(record, NOW) for record in records()]
    assert "".join(video.video_name for video in chosen(videos, **asked)) == names


# --- how far it is

CUT = {"segment_seconds": 50.0, "overlap_seconds": 15.0, "frames_per_segment": 6}
VIDEO = {"video_name": "news", "video_duration": 85.0, "height": 360, "total_segments": 2}


def part_of(stage, folder, header):
    return artifacts.Part(artifacts.part_path(artifacts.path_of(stage, folder, "news")), header)


def far(underway, stage, record=VIDEO):
    """How far a stage is, whatever time is left."""
    step = underway.step(stage, record, NOW)
    return step and (step.what, step.done, step.total)


def test_phase_1_hears_then_looks(tmp_path):
    underway = Underway(tmp_path)
    assert far(underway, PHASE1) is None
    part = part_of(PHASE1, tmp_path, CUT)
    assert far(underway, PHASE1) == ("speech", 0.0, 85.0)
    part.append({"kind": "speech", "end": 34.0, "last": False})
    assert far(underway, PHASE1) == ("speech", 34.0, 85.0)
    part.append({"kind": "speech", "end": 85.0, "last": True})
    # Windows of 0-50 and 35-85 s, six frames in each, and none at the same time.
    assert far(underway, PHASE1) == ("frames", 0, 12)
    part.append({"kind": "frames", "frames": [[float(n), float(n), b"jpeg"] for n in range(5)]})
    assert far(underway, PHASE1) == ("frames", 5, 12)
    assert far(underway, PHASE1, {**VIDEO, "height": 0}) is None  # a recording without pictures
    part.close()


def test_phases_2_and_4_count_segments(tmp_path):
    underway, record = Underway(tmp_path), {**VIDEO, "total_segments": 8, "phase2_segments_analyzed": 7}
    two, four = part_of(PHASE2, tmp_path, {}), part_of(PHASE4, tmp_path, {})
    for index in (0, 1, 2):
        two.append({"segment_index": index, "analysis": {}, "note": ""})
    four.append({"window": [0, 3], "items": {}})
    assert far(underway, PHASE2, record) == ("segments", 3, 8)
    assert far(underway, PHASE4, record) == ("segments", 4, 7)
    assert far(underway, LOAD, record) is None
    two.close()
    four.close()


def test_work_that_is_begun_anew_is_counted_anew(tmp_path):
    underway = Underway(tmp_path)
    for count in (3, 1):
        part = part_of(PHASE2, tmp_path, {"begun with": count})
        for index in range(count):
            part.append({"segment_index": index})
        part.close()
        assert far(underway, PHASE2) == ("segments", count, 2)


def test_time_left_is_that_of_the_speed_between_two_records(tmp_path):
    underway, record = Underway(tmp_path), {**VIDEO, "total_segments": 100}
    part, done = part_of(PHASE2, tmp_path, {}), 0

    def after(segments: int, written: float, clock: float) -> float | None:
        nonlocal done
        for done in range(done + 1, done + segments + 1):  # noqa: B020
            part.append({"segment_index": done})
        os.utime(part.path, (written, written))
        step = underway.step(PHASE2, record, clock)
        assert step is not None and step.done == done
        return step.left

    assert after(10, NOW, NOW) is None  # when these were done nobody saw
    assert after(10, NOW + 20, NOW + 20) == 160.0  # 80 are left, 2 s each
    assert after(0, NOW + 20, NOW + 33) == 150.0  # 147 s by now, told to 10 s
    assert after(0, NOW + 20, NOW + 3600) == 0.0
    assert after(20, NOW + 80, NOW + 80) == 160.0  # 30 in 80 s; 60 are left
    part.close()


@pytest.mark.parametrize(
    "spoilt", [[1], {"kind": "speech"}, {"kind": "frames", "frames": 7}, {"segment_index": {}}, None]
)
def test_a_part_file_of_another_shape_tells_nothing(tmp_path, spoilt):
    for stage in (PHASE1, PHASE2, PHASE4):
        part = part_of(stage, tmp_path, [] if spoilt is None else {})
        part.append(spoilt)
        part.close()
        assert far(Underway(tmp_path), stage) in (None, ("segments", 0, 2), ("speech", 0.0, 85.0))
    assert far(Underway(tmp_path), PHASE1, {**VIDEO, "video_name": "../news"}) is None


def test_a_torn_tail_is_read_when_it_is_whole(tmp_path):
    underway, part = Underway(tmp_path), part_of(PHASE2, tmp_path, {})
    part.append({"segment_index": 0})
    whole = part.path.read_bytes()
    part.append({"segment_index": 1})
    all_of_it = part.path.read_bytes()
    part.close()
    for cut, done in ((len(whole) + 3, 1), (len(all_of_it) - 1, 1), (len(all_of_it), 2)):
        with part.path.open("r+b") as file:  # the same file
            file.write(all_of_it)
            file.truncate(cut)
        assert far(underway, PHASE2) == ("segments", done, 2)


def test_forgetting_what_is_over(tmp_path):
    underway, part = Underway(tmp_path), part_of(PHASE2, tmp_path, {})
    part.append({"segment_index": 0})
    far(underway, PHASE2)
    underway.forget({("other", "phase2")})
    part.path.unlink()
    part.close()
    assert far(underway, PHASE2) is None
