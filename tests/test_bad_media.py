"""Phase 1 on files of every kind: each is done as it should be, or refused in one line, and the next one goes on.

What is right is said here by hand. A whole clip has 150 numbered pictures in 6 s, of which those on screen at 0.5,
1.5, ... 5.5 s are wanted, and 5.5 s of sound, in which the scripted ear hears the words "0 1 2 3 4".
"""

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from db_manager import ChromaDBManager
from tests import bad_media, clips
from tests.bad_media import CORPUS
from videotag import artifacts
from videotag.stages import PHASE1

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes, devices and names that Windows does not have")

ROOT = Path(__file__).resolve().parents[1]
HANG = 240.0
"""Seconds after which a run hangs: some 10 s are usual."""
PROGRAM = r"""
import re, sys
import phase1_whisper_frames
from tests.pipeline import FakeTranscriber
code = phase1_whisper_frames.main(sys.argv[1:], lambda *options: FakeTranscriber())
# Not ru_maxrss: a process begins with that of the one that started it, whose memory is pytest's.
print("peak", int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) // 1024)
sys.exit(code)
"""


@dataclass(frozen=True)
class Works:
    """What phase 1 must find. `numbers` None: pictures that are not numbered, or not known beforehand."""

    duration: float = 6.0
    numbers: list[int] | None = None
    words: int = 0
    size: tuple[int, int] = (128, 96)
    tolerance: float = 0.05
    warns: str = ""


@dataclass(frozen=True)
class Refused:
    """What the line must say: the fault, and what to do."""

    fault: str
    remedy: str = "check that it plays"


EACH_SECOND = [12, 37, 62, 87, 112, 137]
SILENT = Works(numbers=EACH_SECOND)
WHOLE = Works(numbers=EACH_SECOND, words=5)
SOUND = Works(5.5, [], 5, (0, 0))
TEN = [20, 62, 104, 145, 187, 229]  # at 10/12, 30/12, ... s
NO_MEDIA = Refused("cannot be read as video or sound")
NOT_THERE = Refused("No such file or directory", "put the file there or mend its path in the list")
NO_FILE = Refused("is not a file", "give the path of a video")
NO_TRACKS = Refused("has neither sound nor pictures", "take its entry out of the list of videos")
ENCRYPTED = Refused("is encrypted", "give a copy without protection")
PHOTO = Refused("is a photo, not a video; if it moves, save its film as a video", "else take its entry out of the list")
NOTHING_DECODED = Refused("not one frame of it can be decoded")
EMPTY = Refused("is empty, or tells no times", "convert it to .mp4 or take its entry out of the list")

EXPECTED: dict[str, Works | Refused] = {
    "empty": NO_MEDIA,
    "text": NO_MEDIA,
    "noise": NO_MEDIA,
    "zip": NO_MEDIA,
    "srt": NO_TRACKS,
    "playlist": Refused("is a list or a text", "give the paths of the videos themselves"),
    "zeros of 8 GB": NO_MEDIA,
    "jpg": PHOTO,
    "heic": PHOTO,
    "mif1": PHOTO,
    "motion photo": PHOTO,
    "missing": NOT_THERE,
    "folder": NO_FILE,
    "fifo": NO_FILE,
    "device": NO_FILE,
    "link to nothing": NOT_THERE,
    "link": WHOLE,
    "link to itself": Refused("Too many levels of symbolic links", "mend its path in the list"),
    "no moov": NO_MEDIA,
    "cut mp4": Works(2.6, None, 2, tolerance=0.3, warns="of the 6 s that its header tells; check that it is whole"),
    "cut fragments": NO_MEDIA,
    "cut in the header": NO_MEDIA,
    "damaged": Works(numbers=None),
    "damaged mkv": Works(numbers=None, words=5),
    "damaged to the end": NO_MEDIA,
    "no packets mp4": NO_TRACKS,
    "no packets mkv": NO_MEDIA,
    "no packets wav": EMPTY,
    "broken avi index": WHOLE,
    "noise before mp3": SOUND,
    "wav of 4 GB": SOUND,
    "12 hours": Works(10.0, TEN, 9, warns="holds 10 of the 43200 s that its header tells"),
    "12 hours mp4": Works(10.0, TEN),  # FFmpeg itself goes by the table of samples there
    # at 5.96/12, 3 * 5.96/12, ... s: 0.497, 1.49, 2.48, 3.477, 4.47, 5.463
    "wild time": Works(5.96, [12, 37, 62, 86, 111, 136], 5, warns="holds 6 of the 100000000 s that its header tells"),
    "encrypted": ENCRYPTED,
    "encrypted sound": ENCRYPTED,
    "encrypted fragments": ENCRYPTED,
    "encrypted later": ENCRYPTED,
    "middle of a broadcast": Works(6.6, None, 6, tolerance=0.5),
    "unknown pictures": Works(5.5, [], 5, (0, 0), warns="its pictures cannot be decoded, only its sound is used"),
    "unknown sound": Works(numbers=EACH_SECOND, warns="its sound cannot be decoded, only its pictures are used"),
    "unknown all": Refused("nothing here decodes what it holds", "convert it to .mp4"),
    "huge": Works(0.4, None, size=(16384, 64)),
    "claims 16000": NOTHING_DECODED,
    "claims 30000": NOTHING_DECODED,
    "sound only": SOUND,
    "pictures only": SILENT,
    "cover only": SOUND,
    "one frame": Works(0.04, [0]),
    "short": Works(0.2, [0, 1, 2, 3, 4]),
    # 0.5, 1.5 s; 2.5, 3.5, 4.5 s lie in the pause, on whose screen is the 50th picture; 5.5 s is in the second part
    "variable rate": Works(numbers=[12, 37, 49, 62]),
    "rotated 90": Works(numbers=EACH_SECOND, size=(96, 128)),
    "rotated 180": SILENT,
    "rotated 270": Works(numbers=EACH_SECOND, size=(96, 128)),
    "late sound": WHOLE,
    "starts before 0": WHOLE,
    "gap": WHOLE,
    "raw h264": EMPTY,
    "raw aac": SOUND,
    "tags in cp1251": SOUND,
    "8 kHz": SOUND,
    "192 kHz": SOUND,
    "5.1": SOUND,
    "10 bits": SILENT,
    "hevc": SILENT,
    "av1": SILENT,
    "vp9": WHOLE,
    "mpeg ts": WHOLE,
    "no cues": WHOLE,
    "odd": Works(numbers=EACH_SECOND, size=(131, 97)),
    # Its times say 6 s, so that is what it has for a search; of the words of the second part none is lost.
    "twice": Works(numbers=EACH_SECOND, words=11, warns="its times begin anew in the middle"),
    "two videos": WHOLE,
    "subtitles": WHOLE,
    "spaces": WHOLE,
    "quotes": WHOLE,
    "kazakh": WHOLE,
    "newline": WHOLE,
    "newline and damage": NO_MEDIA,
    "long name": WHOLE,
    "dash": WHOLE,
    "protocol": WHOLE,
    "pattern": WHOLE,
    "above": WHOLE,
    "absolute": WHOLE,
    "growing": Works(15.0, None, -1, tolerance=5.5),
}


@dataclass
class Run:
    """One run of phase 1 in a process of its own, whose standard error is all that it and its libraries wrote."""

    folder: Path
    code: int
    out: str
    err: list[str]

    @property
    def peak(self) -> int:
        """The most memory that the process had, in MB."""
        return int(self.out.rsplit("peak ", 1)[1])

    def result(self, name: str) -> dict[str, Any] | None:
        return artifacts.read(PHASE1, artifacts.path_of(PHASE1, self.folder / "data", name))

    def lines(self, name: str, path: str) -> list[str]:
        """What standard error says about a video."""
        return [line for line in self.err if line.startswith((f"error: {name}: ", f"WARNING: {shown(path)}: "))]


def shown(path: str) -> str:
    """A path as a line of the terminal has it: blanks once, control characters replaced."""
    return re.sub(r"[\x00-\x1f]", "\ufffd", path)


def video_name(kind: str) -> str:
    return kind.replace(" ", "_")


def phase1(folder: Path, paths: dict[str, str]) -> Run:
    """Run phase 1 in folder/here on the files; the list, results and the database are in `folder`."""
    entries = [{"name": name, "path": path, "language": "ru"} for name, path in paths.items()]
    (folder / "videos_config.json").write_text(json.dumps({"videos": entries}), encoding="utf-8")
    places = ["--config", "videos_config.json", "--data-dir", "data", "--db", "chroma_db"]
    arguments = [part if part.startswith("--") else str(folder / part) for part in places]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder / "here",
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=HANG,
        preexec_fn=obey_permissions,
    )
    return Run(folder, done.returncode, done.stdout, done.stderr.splitlines())


def grow(path: Path, rest: bytes, stop: threading.Event) -> None:
    """Append the rest of a recording bit by bit, as long as it is read."""
    with path.open("ab", buffering=0) as file:
        for at in range(0, len(rest), 4000):
            file.write(rest[at : at + 4000])
            if stop.wait(0.1):
                return


def tell_apart(path: Path, number: int) -> None:
    """Add an empty box: what has the same bytes as another file would be done once."""
    with path.open("ab") as file:
        file.write((16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, dict[str, str], dict[str, Any]]]:
    """One run on all files, a good video after each refused one: the run, the paths, the records by name."""
    folder = tmp_path_factory.mktemp("corpus")
    here = folder / "here"
    here.mkdir()
    paths = {}
    for number, (kind, (file, maker)) in enumerate(CORPUS.items()):
        maker(here / file)
        if maker in (bad_media.clip, bad_media.linked, bad_media.text):
            tell_apart(here / file, number)
        paths[video_name(kind)] = file

    def good(number: int) -> str:
        path = here / f"good_{number}.mp4"
        bad_media.clip(path)
        tell_apart(path, number)
        return str(path)

    paths["absolute"] = good(len(CORPUS))
    all_paths: dict[str, str] = {}
    right = {video_name(kind): expected for kind, expected in EXPECTED.items()}
    for number, (name, path) in enumerate(paths.items()):
        all_paths[name] = path
        if isinstance(right[name], Refused):
            all_paths[f"good_{number}"] = good(1000 + number)
    stop = threading.Event()
    rest = (here / "rest_of_it").read_bytes()
    writer = threading.Thread(target=grow, args=(here / "growing.ts", rest, stop))
    writer.start()
    try:
        run = phase1(folder, all_paths)
    finally:
        stop.set()
        writer.join()
    records = ChromaDBManager(folder / "chroma_db").list_videos()
    yield run, all_paths, {record["video_name"]: record for record in records}


def test_every_kind_has_an_expectation() -> None:
    assert {*CORPUS, "absolute"} == set(EXPECTED)
    assert len(EXPECTED) >= 40


@pytest.mark.parametrize("kind", [kind for kind in EXPECTED if isinstance(EXPECTED[kind], Works)])
def test_it_is_done(corpus: tuple[Run, dict[str, str], dict[str, Any]], kind: str) -> None:
    run, paths, records = corpus
    right, name = EXPECTED[kind], video_name(kind)
    assert isinstance(right, Works)
    result = run.result(name)
    assert result is not None, run.lines(name, paths[name])
    assert result["video_duration"] == pytest.approx(right.duration, abs=right.tolerance)
    assert (result["width"], result["height"]) == right.size
    assert len(result["segments"]) == 1
    words = result["segments"][0]["transcript"].split()
    heard = len(words) if right.words < 0 else right.words
    assert words == [str(n) for n in range(heard)]
    assert bool(result["frames"]) == (right.numbers != [])
    if right.numbers is not None:
        assert [number_of(frame) for frame in result["frames"]] == right.numbers
    lines = run.lines(name, paths[name])
    assert len(lines) == bool(right.warns) and all(right.warns in line for line in lines)
    assert records[name]["phase1_status"] == "completed"
    assert "phase1_error" not in records[name]


def number_of(frame: dict[str, Any]) -> int:
    image = cv2.imdecode(np.frombuffer(frame["jpeg"], np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return clips.number_in(image)


@pytest.mark.parametrize("kind", [kind for kind in EXPECTED if isinstance(EXPECTED[kind], Refused)])
def test_it_is_refused_in_one_line(corpus: tuple[Run, dict[str, str], dict[str, Any]], kind: str) -> None:
    run, paths, records = corpus
    right, name = EXPECTED[kind], video_name(kind)
    assert isinstance(right, Refused)
    (line,) = run.lines(name, paths[name])
    fault = line.removeprefix(f"error: {name}: ")
    assert " ".join(fault.split()).startswith(shown(" ".join(paths[name].split())) + ": ")
    told, _, remedy = fault.rpartition("; ")
    assert right.fault in told and right.remedy in remedy
    record = records[name]
    assert record["phase1_status"] == "pending"
    assert right.fault in record["phase1_error"]
    left = {path.name for path in (run.folder / "data").iterdir() if path.name.startswith(f"{name}_phase1")}
    assert left <= {f"{name}_phase1_data.pkl.part"}


def test_the_others_go_on_and_nothing_else_is_printed(corpus: tuple[Run, dict[str, str], dict[str, Any]]) -> None:
    run, paths, records = corpus
    goods = [name for name in paths if name.startswith("good_")]
    refused = sum(isinstance(right, Refused) for right in EXPECTED.values())
    assert len(goods) == refused > 20
    for name in goods:
        result = run.result(name)
        assert result is not None and records[name]["phase1_status"] == "completed"
        assert [number_of(frame) for frame in result["frames"]] == EACH_SECOND
    assert run.code == 1
    assert f"{len(paths) - refused} done, {refused} failed" in run.out
    warned = sum(bool(right.warns) for right in EXPECTED.values() if isinstance(right, Works))
    # Neither a traceback nor FFmpeg's own lines.
    assert [line for line in run.err if not line.startswith(("error: ", "WARNING: "))] == []
    assert len(run.err) == refused + warned


def test_memory_is_bounded(corpus: tuple[Run, dict[str, str], dict[str, Any]]) -> None:
    """Whatever headers claim: 12 hours and 4 GB of sound are 2.7 GB, a picture of 16000 x 16000 is 384 MB."""
    assert corpus[0].peak < 450


def test_a_file_that_grew_is_due_again(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    bad_media.growing(here / "a.ts")
    run = phase1(tmp_path, {"a": "a.ts"})
    first = run.result("a")
    assert run.code == 0 and first is not None and first["video_duration"] == pytest.approx(10, abs=0.5)
    with (here / "a.ts").open("ab") as file:
        file.write((here / "rest_of_it").read_bytes())
    run = phase1(tmp_path, {"a": "a.ts"})
    second = run.result("a")
    assert "a: the file changed" in run.out
    assert second is not None and second["video_duration"] == pytest.approx(20, abs=0.1)
    assert second["segments"][0]["transcript"].split() == [str(n) for n in range(19)]


def test_a_file_without_permission(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    bad_media.clip(here / "closed.mp4")
    shutil.copy(here / "closed.mp4", here / "open.mp4")
    (here / "closed.mp4").chmod(0)
    opened = subprocess.run(["cat", here / "closed.mp4"], preexec_fn=obey_permissions, capture_output=True)
    if opened.returncode == 0:
        pytest.skip("this user may read everything, and cannot be kept from it")
    run = phase1(tmp_path, {"closed": "closed.mp4", "open": "open.mp4"})
    assert run.err == ["error: closed: closed.mp4: may not be read (Permission denied); mend its permissions"]
    assert run.code == 1
    assert run.result("closed") is None and run.result("open") is not None


def obey_permissions() -> None:
    """Take from root, in a child process, what lets it read everything: see capabilities(7), prctl(2)."""
    if os.geteuid() == 0 and sys.platform == "linux":
        drop, dac_override, dac_read_search = 24, 1, 2
        for capability in (dac_override, dac_read_search):
            ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a.mp4", "is a photo, not a video; "),
        ("a.mov", "has pictures of 16000 x 16000, larger than any video; scale it down"),
    ],
)
def test_a_picture_that_unpacks_to_768_mb(tmp_path: Path, name: str, told: str) -> None:
    """By itself, and as a film of one."""
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / name
    bad_media.huge_png(picture := path.with_name("a.mp4"))
    if path != picture:
        with av.open(str(picture)) as photo, av.open(str(path), "w") as film:
            stream = film.add_stream_from_template(photo.streams.video[0])
            packet = next(photo.demux(video=0))
            packet.stream = stream
            film.mux(packet)
    run = phase1(tmp_path, {"a": name})
    (line,) = run.err
    assert line.startswith(f"error: a: {name}: {told}")
    assert run.code == 1
    assert run.peak < 1000  # FFmpeg unpacks it once to know what it is; nobody does so again
