"""What commit 3a4898f has left on the disk: it is opened, searched and gone on with, and what is finished stays.

tests/old_archive/3a4898f.tar.xz was made by that commit's scripts with their own engines, on six short videos, some of
which were killed at their work; tests/old_archive/make.py says how. What is expected here was written down from what
that commit printed. Only what it had too is used: the scripts, `ChromaDBManager`, the files' names.
"""

import inspect
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

import doctor
import export
import load_data_to_chroma
import phase1_whisper_frames
import phase2_vllm_analysis
import test_search as search_program
from db_manager import ChromaDBManager
from tests.pipeline import FakeTranscriber

ROOT = Path(__file__).parent.parent
ARCHIVE = Path(__file__).parent / "old_archive" / "3a4898f.tar.xz"

LOCAL = ("--analyzer", "local")  # which is not what a machine with a GPU would pick
STAGES = ("phase1", "phase2", "db_load")
DONE, KILLED, TO_DO = "completed", "processing", "pending"
STATUSES = {
    "news": (DONE, DONE, DONE),
    "матч": (DONE, DONE, TO_DO),
    "planet": (DONE, KILLED, TO_DO),  # one of its two segments is analyzed
    "harvest": (KILLED, TO_DO, TO_DO),  # two of its three stretches of speech are heard
    "moon": (KILLED, TO_DO, TO_DO),  # it is heard, and four of its six frames are there
}
"""Of "whale" nothing is known yet."""
SEGMENTS = {"news": 2, "матч": 1, "planet": 2, "harvest": 1, "moon": 1, "whale": 1}

NEWS_SPEECH = (
    "Добрый вечер, вы смотрите новости, сегодня мы расскажем о воде, о снеге, о поезде и о победе. После сильных "
    "дождей водохранилище заполнилось до самого верха, сегодня утром на плотине открыли ворота и вода пошла вниз по "
    "реке. Ночью на город обрушилась метель, снег шел до самого утра, на улице вышли уборочные машины. Между городами "
    "пошел новый скоростной поезд, дорога через горы стала в двое короче. А это старая архивная плёнка, так первый "
    "самолет поднялся в неба над нашим поем."
)
LAST_KEYWORDS = ["архивная плёнка", "поезд", "дорога", "гора", "самолёт", "небо"]
HARVEST_HEARD = (
    "На югель началась уборка пшеницы, урожай в этом году очень хороший. люди работали в понида самого заката."
)
HARVEST_HEARD_TO, HARVEST_SECONDS = 11.6065, 23.0
MOON_HEARD = "This old film was made on the moon, and astronaut walks across the grey dust beside the flag."
MOON_TIMES_KEPT = [0.75, 2.5, 4.0, 5.75]
PLANET_KEYWORDS = [
    *("slowly", "planet", "seen", "space", "blue", "oceans"),
    *("white", "clouds", "turn", "dark", "high", "mountain"),
]

QUESTIONS = {
    "news": "на плотине открыли ворота, и вода пошла вниз по реке",
    "матч": "мяч влетел в ворота, зрители кричали от радости",
    "planet": "a telescope looks at distant galaxies",
    "harvest": "уборка пшеницы, урожай",
    "moon": "an astronaut walks beside the flag",
}


class Watched:
    """An analyzer that notes which segments it is asked for."""

    def __init__(self, engine: Any) -> None:
        self.name, self.description, self.made_by = engine.name, engine.description, engine.made_by
        self.asked: list[tuple[str, int]] = []
        self._engine = engine

    def analyze(self, segments: Any) -> Any:
        return self._engine.analyze(map(self._noted, segments))

    def _noted(self, segment: Any) -> Any:
        self.asked.append((segment.video_name, segment.segment_index))
        return segment


class Scripts:
    """The scripts, started in the archive's folder; what each printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.data = folder, folder / "data"
        self._capsys = capsys

    def run(self, main: Callable[..., int], *args: str, load: Any = None) -> tuple[str, str]:
        """Standard output and errors. `load` builds the engine; None is the script's own."""
        self._capsys.readouterr()
        code = main(list(args), load) if load else main(list(args))
        out, err = self._capsys.readouterr()
        assert code == 0, out + err
        return out, err

    def find(self, question: str) -> dict[str, Any]:
        """The first hit."""
        out, err = self.run(search_program.main, question, "--limit", "1", "--json")
        assert err == ""
        return json.loads(out)[0]

    def exported(self, name: str) -> dict[str, Any]:
        self.run(export.main, name, "--format", "json", "--output", f"{name}.json")
        return json.loads((self.folder / f"{name}.json").read_bytes())

    def results(self, *names: str) -> dict[str, bytes]:
        """The files in data/ that belong to these videos, or to all."""
        files = [path for path in self.data.iterdir() if path.is_file() and path.name.startswith(names or ("",))]
        return {path.name: path.read_bytes() for path in files}

    def statuses(self) -> dict[str, tuple[str, ...]]:
        return {video["video_name"]: tuple(video[f"{s}_status"] for s in STAGES) for video in self.db.list_videos()}

    @property
    def db(self) -> ChromaDBManager:
        return ChromaDBManager(self.folder / "chroma_db")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, as it was left, and the folder in which one is. No program is found: it was made without tesseract."""
    folder = tmp_path / "archive"
    for path, data, mtime in packed():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        os.utime(folder / path, (mtime, mtime))
    # The last clean end has noted when the database's files were written; else they would be taken for somebody's copy.
    for name, (_, mtime_ns) in json.loads((folder / "chroma_db" / "sealed.json").read_bytes()).items():
        os.utime(folder / "chroma_db" / name, ns=(mtime_ns, mtime_ns))
    (tmp_path / "no programs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))
    monkeypatch.chdir(folder)
    return folder


def packed() -> Iterator[tuple[str, bytes, float]]:
    """The archive's files: name, content, time of modification."""
    with tarfile.open(ARCHIVE) as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            yield member.name, file.read(), member.mtime


@pytest.fixture
def scripts(archive: Path, capsys: pytest.CaptureFixture[str]) -> Scripts:
    return Scripts(archive, capsys)


def watching(built: list[Watched]) -> Callable[..., Watched]:
    """What builds phase 2's own engine, and notes it."""
    load = inspect.signature(phase2_vllm_analysis.main).parameters["load"].default

    def watched(*asked: Any) -> Watched:
        built.append(Watched(load(*asked)))
        return built[-1]

    return watched


def no_engine(*asked: object) -> Any:
    pytest.fail(f"an engine is built: {asked}")


# --- opened


def test_the_records_are_as_they_were(scripts):
    records = {record["video_name"]: record for record in scripts.db.list_videos()}
    assert scripts.statuses() == STATUSES
    for counter, counted in {
        "phase1_segments_created": ["news", "матч", "planet"],
        "phase2_segments_analyzed": ["news", "матч"],
        "db_segments_loaded": ["news"],
    }.items():
        assert {n: r[counter] for n, r in records.items() if counter in r} == {n: SEGMENTS[n] for n in counted}
    described = ("video_path", "language", "description", "video_duration", "width", "height", "fps")
    news = [records["news"][field] for field in described]
    assert news == ["video/news.mp4", "ru", "вечерний выпуск", 60.0, 96, 54, 4.0]
    assert json.loads(records["news"]["phase1_made_by"])["model"] == "base"
    assert records["planet"]["phase2_owner"].startswith("archive:")
    assert scripts.db.get_video_status("whale") == {}


def test_the_segments_are_as_they_were(scripts):
    assert scripts.db.segment_counts() == {"news": 2}
    made_by = {"embedder": "e5-small", "model": "multilingual-e5-small-q4", "dimension": 384}
    assert {key: (scripts.db.stamp() or {}).get(key) for key in made_by} == made_by
    found = {hit["id"]: hit for hit in scripts.db.search("новости", 10)}
    assert found.keys() == {"news_seg_0", "news_seg_1"}
    assert found["news_seg_0"]["transcript"] == NEWS_SPEECH
    last = found["news_seg_1"]
    assert (last["start_time"], last["end_time"], last["keywords"]) == (35.0, 60.0, LAST_KEYWORDS)


def test_the_doctor_finds_nothing_to_mend_after_a_load(scripts):
    scripts.run(load_data_to_chroma.main, "--only", "news")  # what is searched is another text by now
    out, _ = scripts.run(doctor.main, *LOCAL)
    found = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
    assert "5 videos, phase 1 done for 3, phase 2 for 2, phase 4 for 0, loaded 1" in found["ok  database"]
    assert found["ok  search"].startswith("2 segments with vectors of e5-small")
    assert "of all loaded videos" in found["ok  stored segments"]


# --- searched


@pytest.mark.parametrize(
    ("question", "start"),
    [(QUESTIONS["news"], 0.0), ("первый самолёт на старой плёнке", 35.0), ('"добрый вечер"', 0.0)],
    ids=["words", "meaning", "quoted"],
)
def test_a_question_finds_its_segment(question, start, scripts):
    """The first that opens the database: it would say if it had to look at it for damage."""
    hit = scripts.find(question)
    assert (hit["video_name"], hit["video_path"], hit["start_time"]) == ("news", "video/news.mp4", start)
    assert hit["close"] is True


def test_a_hit_is_shown_with_its_frames(scripts, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTIONS['news']}\n:frames 1\n"))
    out, err = scripts.run(search_program.main)
    assert err == ""
    assert "1. news  00:" in out
    assert "на плотине открыли ворота" in " ".join(out.split())
    pictures = [cv2.imread(str(path)) for path in (scripts.folder / "frames").glob("*/*")]
    assert [picture.shape for picture in pictures if picture is not None] == [(54, 96, 3)] * 6


def test_the_subtitles_are_exported(scripts):
    scripts.run(export.main, "news", "--format", "srt", "--output", "news.srt")
    cues = (scripts.folder / "news.srt").read_text(encoding="utf-8").strip().split("\n\n")
    lines = [cue.split("\n") for cue in cues]
    assert " ".join(" ".join(cue[2:]) for cue in lines) == NEWS_SPEECH
    assert lines[0][1].startswith("00:00:00,")
    assert scripts.exported("news")["segments"][1]["keywords"] == LAST_KEYWORDS


# --- not done again


def test_what_is_finished_is_not_done_again(scripts):
    results, records = scripts.results(), scripts.db.list_videos()
    scripts.run(phase1_whisper_frames.main, "--only", "news", "--only", "матч", load=no_engine)
    before = scripts.results(), scripts.db.list_videos()
    # By which their files are known wherever they go from now on.
    noted = {"source_fingerprint", "phase1_key", "updated_at"}
    assert results == before[0]
    for then, now in zip(records, before[1], strict=True):
        changed = {field for field in now if now[field] != then.get(field)}
        assert changed == (noted if now["video_name"] in ("news", "матч") else set())
    for main in (phase1_whisper_frames.main, phase2_vllm_analysis.main):
        out, err = scripts.run(main, "--only", "news", "--only", "матч", load=no_engine)
        assert "2 skipped (done before: " in out
        assert err == ""
    assert (scripts.results(), scripts.db.list_videos()) == before
    # What is searched is another text by now; after that there is nothing to do.
    out, err = scripts.run(load_data_to_chroma.main, "--only", "news")
    assert "news: what is searched has changed: 2 segments" in out and err == ""
    out, err = scripts.run(load_data_to_chroma.main, "--only", "news", load=no_engine)
    assert "1 skipped (done before: news)" in out and err == ""
    assert scripts.results() == before[0]


# --- gone on with


ON = "WARNING: {}: goes on with what an older version began; phase1_whisper_frames.py --force begins anew\n"


def test_phase_1_hears_what_was_not_heard_yet(scripts):
    ear = FakeTranscriber()
    out, err = scripts.run(phase1_whisper_frames.main, "--only", "harvest", load=lambda *_: ear)
    assert "harvest: interrupted before" in out
    assert err == ON.format("harvest")
    assert ear.heard == [pytest.approx(HARVEST_SECONDS - HARVEST_HEARD_TO, abs=0.1)]
    assert [asked.before for asked in ear.asked] == ["ru"]  # which was recognized in the first stretch
    [segment] = scripts.exported("harvest")["segments"]
    assert segment["transcript"] == f"{HARVEST_HEARD} {' '.join(map(str, range(11)))}"
    assert scripts.results("harvest").keys() == {"harvest_phase1_data.pkl"}


def test_phase_1_decodes_the_frames_that_are_missing(scripts, monkeypatch):
    [kept] = scripts.results("moon").values()
    coded, real = [], cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *args: coded.append(args[0]) or real(*args))
    out, err = scripts.run(phase1_whisper_frames.main, "--only", "moon", load=no_engine)
    assert "moon: interrupted before" in out
    assert err == ON.format("moon")
    assert len(coded) == 2
    [result] = scripts.results("moon").values()
    frames = pickle.loads(result)["frames"]
    assert [frame["time"] for frame in frames[:4]] == MOON_TIMES_KEPT
    assert [frame["jpeg"] in kept for frame in frames] == [True] * 4 + [False] * 2
    [segment] = scripts.exported("moon")["segments"]
    assert segment["transcript"] == MOON_HEARD


def test_phase_2_begins_anew_with_a_better_analyzer(scripts):
    """What today's reads between the stored frames, that of then did not: its answers are not mixed."""
    eyes: list[Watched] = []
    out, err = scripts.run(phase2_vllm_analysis.main, "--only", "planet", *LOCAL, load=watching(eyes))
    assert "planet: interrupted before" in out
    assert "planet_phase2_vllm_analysis.json.part: holds work under other settings" in err and "starting anew" in err
    assert [eye.asked for eye in eyes] == [[("planet", 0), ("planet", 1)]]
    first, second = scripts.exported("planet")["segments"]
    assert first["keywords"] == PLANET_KEYWORDS
    assert "lava" in second["keywords"]
    assert scripts.results("planet").keys() == {"planet_phase1_data.pkl", "planet_phase2_vllm_analysis.json"}


def test_all_that_was_begun_is_finished_and_found(scripts):
    results, segments = scripts.results("news", "матч"), stored_segments(scripts.db, "news")
    ear, eyes = FakeTranscriber(), []
    scripts.run(phase1_whisper_frames.main, load=lambda *_: ear)
    scripts.run(phase2_vllm_analysis.main, *LOCAL, load=watching(eyes))
    out, _ = scripts.run(load_data_to_chroma.main)
    assert ear.heard == [pytest.approx(seconds, abs=0.1) for seconds in (HARVEST_SECONDS - HARVEST_HEARD_TO, 12.0)]
    assert [sorted(eye.asked) for eye in eyes] == [
        [("harvest", 0), ("moon", 0), ("planet", 0), ("planet", 1), ("whale", 0)]
    ]
    assert "news: what is searched has changed: 2 segments" in out and "6 done" in out
    assert scripts.statuses() == dict.fromkeys(SEGMENTS, (DONE, DONE, DONE))
    assert scripts.db.segment_counts() == SEGMENTS
    assert {name: scripts.find(question)["video_name"] for name, question in QUESTIONS.items()} == {
        name: name for name in QUESTIONS
    }
    assert (scripts.results("news", "матч"), stored_segments(scripts.db, "news")) == (results, segments)
    endings = ("phase1_data.pkl", "phase2_vllm_analysis.json")
    assert scripts.results().keys() == {f"{name}_{ending}" for name in SEGMENTS for ending in endings}
    for main in (phase1_whisper_frames.main, phase2_vllm_analysis.main, load_data_to_chroma.main):
        assert "0 done, 6 skipped" in scripts.run(main, load=no_engine)[0]


def stored_segments(db: ChromaDBManager, name: str) -> dict[str, dict[str, Any]]:
    """What is stored of each, without what depends on the question."""
    hits = db.search("новости", 10, video_name=name)
    return {
        hit["id"]: {key: hit[key] for key in hit.keys() - {"score", "close", "document", "measured"}} for hit in hits
    }


@pytest.mark.slow
def test_the_real_engines_finish_it(archive, scripts):
    """The scripts as they are started by hand."""
    starts = (
        (3, "phase1_whisper_frames.py"),
        (4, "phase2_vllm_analysis.py", *LOCAL),
        (6, "load_data_to_chroma.py"),
    )
    for done, script, *args in starts:
        command = [sys.executable, ROOT / script, *args]
        run = subprocess.run(command, cwd=archive, capture_output=True, text=True, encoding="utf-8")
        assert run.returncode == 0, run.stderr
        skipped = f", {6 - done} skipped (done before: " if done < 6 else ""
        assert f": {done} done{skipped}" in run.stdout
        if script.startswith("phase1"):  # nothing that was begun is dropped
            assert {ON.format("harvest"), ON.format("moon")} == set(run.stderr.splitlines(keepends=True))
    assert scripts.exported("harvest")["segments"][0]["transcript"].startswith(HARVEST_HEARD)
    assert scripts.exported("moon")["segments"][0]["transcript"] == MOON_HEARD
    assert scripts.db.segment_counts() == SEGMENTS
    asked = QUESTIONS | {"whale": "a small sailing boat in the cold ocean", "harvest": "дождь с грозой на севере"}
    for name, question in asked.items():
        command = [sys.executable, ROOT / "test_search.py", question, "--limit", "1", "--json"]
        run = subprocess.run(command, cwd=archive, capture_output=True, text=True, encoding="utf-8", check=True)
        assert [hit["video_name"] for hit in json.loads(run.stdout)] == [name]
    out, _ = scripts.run(doctor.main, *LOCAL)
    assert "ok  stored segments: the segments of all loaded videos" in out
