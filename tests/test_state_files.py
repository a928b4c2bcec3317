"""Every file that the scripts keep may be in any state: no traceback, nothing wrong taken for right, a way out."""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import test_search as search_program
from tests.conftest import FakeEmbedder
from tests.pipeline import FakeTranscriber, Project
from videotag import artifacts
from videotag.analyzers.contract import Analysis
from videotag.artifacts import Part
from videotag.config import load_videos
from videotag.errors import UserError
from videotag.speech.engines import knows
from videotag.speech.words import Transcription, Word
from videotag.stages import PHASE1, PHASE2, PHASE4, STAGES
from videotag.text import clean_text

ROOT = Path(__file__).parent.parent
NOBODY = 65534
PLACES = 50

RESULT1 = "data/news_phase1_data.pkl"
RESULT2 = "data/news_phase2_vllm_analysis.json"
RESULT4 = "data/news_phase4_summary.json"
STAGE_OF = {RESULT1: PHASE1, RESULT2: PHASE2, RESULT4: PHASE4}
PART1 = RESULT1 + ".part"
PART2 = RESULT2 + ".part"
PART4 = RESULT4 + ".part"


# --- an undisturbed run, and the states in between


class NotCaptured:
    def readouterr(self) -> tuple[str, str]:
        return "", ""


class Run:
    """Copies of a project's folder at several moments of a run, and what it has come to in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        project = Project(folder / "first", NotCaptured(), FakeEmbedder())
        project.folder.mkdir()
        # Results name the video's path: it lies where all copies find it.
        self.video = Project(folder, NotCaptured(), FakeEmbedder()).video()
        project.config({"name": "news", "path": self.video, "language": "ru"})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(artifacts, "Draft", interrupted)
            assert project.phase1() == 130
        self.keep(project, "stopped in phase 1")
        assert project.phase1() == 0
        self.keep(project, "phase 1 done")
        project.analyzer.results["news", 2] = KeyboardInterrupt()
        assert project.phase2() == 130
        self.keep(project, "stopped in phase 2")
        project.analyzer.results.clear()
        assert project.phase2() == 0
        self.keep(project, "phase 2 done")
        project.summarizer.results["news", 2] = KeyboardInterrupt()
        assert project.phase4() == 130
        self.keep(project, "stopped in phase 4")
        project.summarizer.results.clear()
        assert project.phase4() == 0
        self.keep(project, "phase 4 done")
        assert project.load() == 0
        self.keep(project, "loaded")
        shutil.rmtree(project.folder / "chroma_db")
        self.keep(project, "database lost")
        self.keep_others(project)
        self.truth = truth(self.copy("loaded", folder / "truth", NotCaptured()))

    def keep(self, project: Project, state: str) -> None:
        shutil.copytree(project.folder, self.folder / state)

    def keep_others(self, project: Project) -> None:
        """Results of another video, and of the same one under other settings."""
        project.config({"name": "film", "path": self.video, "language": "ru"})
        assert [project.phase1(), project.phase2(), project.phase4()] == [0, 0, 0]
        self.film = {Path(result).name: (project.data / f"film_{result[10:]}").read_bytes() for result in STAGE_OF}

    def copy(self, state: str, folder: Path, capsys: Any) -> Project:
        shutil.copytree(self.folder / state, folder, dirs_exist_ok=True)
        return Project(folder, capsys, FakeEmbedder())


def interrupted(*args: object) -> None:
    raise KeyboardInterrupt


def truth(project: Project) -> dict[str, Any]:
    """What a run comes to: statuses and ids, files, and what is searched."""
    keys = [stage.field(field) for stage in STAGES for field in ("status", "result", "input")]
    records = [{key: record.get(key) for key in ["video_name", *keys]} for record in project.db.list_videos()]
    return {
        "records": records,
        "files": project.files(),
        "ids": [found["result_id"] for found in (project.result1(), project.result2(), project.result4())],
        "documents": documents(project),
    }


def documents(project: Project) -> dict[str, str]:
    return {hit["id"]: hit["document"] for hit in project.db.search("снег", limit=100)}


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    made = open_folder()
    yield Run(made)
    shutil.rmtree(made)


def open_folder() -> Path:
    """A folder that every user can enter: pytest's own are closed to others."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    return made


def test_an_undisturbed_run(run: Run) -> None:
    [record] = run.truth["records"]
    assert [stage.status(record) for stage in STAGES] == ["completed"] * 4
    assert run.truth["files"] == [result[5:] for result in STAGE_OF]
    assert sorted(run.truth["documents"]) == ["news_seg_0", "news_seg_1", "news_seg_2"]


# --- what can happen to a file

Damage = Callable[[Path, Run], None]


def cut(share: float) -> Damage:
    def damage(path: Path, run: Run) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])

    return damage


def flipped(seed: int) -> Damage:
    def damage(path: Path, run: Run) -> None:
        data, chance = bytearray(path.read_bytes()), random.Random(seed)
        for _ in range(1 + seed % 8 if data else 0):
            data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
        path.write_bytes(data)

    return damage


def empty(path: Path, run: Run) -> None:
    path.write_bytes(b"")


def noise(path: Path, run: Run) -> None:
    path.write_bytes(random.Random(1).randbytes(10_000))


def gone(path: Path, run: Run) -> None:
    path.unlink()


def folder(path: Path, run: Run) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "something").touch()


def dangling(path: Path, run: Run) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.parent / "nowhere" / "file")


def of_format(number: int) -> Damage:
    """Written by an older or a newer program, which knows other fields."""

    def damage(path: Path, run: Run) -> None:
        if path.suffix == ".part":
            [header, *records] = artifacts._whole_records(path.read_bytes())[0]
            path.write_bytes(b"".join(map(artifacts._packed, [header | {"format": number, "new": []}, *records])))
        elif path.suffix == ".pkl":
            old = artifacts.plain_loads(path.read_bytes())
            path.write_bytes(artifacts.pickle.dumps(old | {"format": number, "new": []}, protocol=4))
        else:
            path.write_text(json.dumps(json.loads(path.read_bytes()) | {"format": number, "new": []}))

    return damage


def of_another_video(path: Path, run: Run) -> None:
    path.write_bytes(run.film[path.name])


def of_another_phase_1(path: Path, run: Run) -> None:
    result = json.loads(path.read_bytes())
    del result["format"], result["result_id"]
    result["segments"][0]["description"] = "wrong"
    with artifacts.Draft(path, result | {"input": "0" * 16}) as draft:
        draft.publish()


WHOLE: dict[str, Damage] = {
    "empty": empty,
    "noise": noise,
    "gone": gone,
    "folder": folder,
    "dangling": dangling,
    "older": of_format(0),
    "newer": of_format(2),
}
CUTS: dict[str, Damage] = {f"cut at {n}/{PLACES}": cut(n / PLACES) for n in range(PLACES)}
FLIPS: dict[str, Damage] = {f"flipped {n}": flipped(n) for n in range(PLACES)}
OTHERS: dict[str, Damage] = {"of another video": of_another_video, "of another phase 1": of_another_phase_1}
DAMAGES = WHOLE | CUTS | FLIPS | OTHERS


# --- the readers, in all cases


@pytest.mark.parametrize("name", list(STAGE_OF))
def test_no_reader_takes_a_damaged_result(run: Run, tmp_path: Path, name: str) -> None:
    project = run.copy("loaded", tmp_path, NotCaptured())
    read, path = partial(artifacts.read, STAGE_OF[name]), tmp_path / name
    whole, good = path.read_bytes(), read(path)
    assert good is not None and project.files() == run.truth["files"]
    for case in DAMAGES:
        if case == "of another phase 1":  # a whole result: the scripts compare its input
            continue
        put_back(path, whole)
        DAMAGES[case](path, run)
        try:
            found = read(path)
        except UserError as error:
            assert case in ("newer", "folder") and str(error).startswith(f"{path}: "), case
            assert "away" in str(error)
            continue
        # The hour of writing is no part of the identity; everything else is.
        assert found is None or found | {"created_at": ""} == good | {"created_at": ""}, case
        assert found is None or case.startswith("flipped"), case


@pytest.mark.parametrize(("state", "name"), [("stopped in phase 1", PART1), ("stopped in phase 2", PART2)])
def test_a_part_gives_back_what_is_whole_and_nothing_else(run: Run, tmp_path: Path, state: str, name: str) -> None:
    path = tmp_path / "a.part"
    whole = (run.folder / state / name).read_bytes()
    [header, *records] = artifacts._whole_records(whole)[0]
    assert len(records) >= 2
    for case in WHOLE | CUTS | FLIPS:
        put_back(path, whole)
        DAMAGES[case](path, run)
        try:
            part = Part(path, header)
        except UserError as error:
            assert case == "folder" and str(error).startswith(f"{path}: "), case
            continue
        part.close()
        assert part.records == records[: len(part.records)], case
        assert case.startswith(("cut", "flipped")) or not part.records, case
        assert Part(path, header).records == part.records, case


def test_no_reader_takes_a_damaged_list(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "videos_config.json"
    whole = (run.folder / "loaded" / "videos_config.json").read_bytes()
    for case in CUTS | FLIPS | {name: WHOLE[name] for name in ("empty", "noise", "gone", "folder", "dangling")}:
        put_back(path, whole)
        DAMAGES[case](path, run)
        try:
            load_videos(path, knows)
            assert case.startswith("flipped"), case  # a letter of a name or a path: the user may have meant it
        except UserError as error:
            assert all(line.startswith(f"{path}: ") for line in str(error).splitlines()), case


def put_back(path: Path, data: bytes) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.write_bytes(data)


# --- the scripts

SAYS_ERROR = re.compile(r"Traceback|\b[A-Z]\w*(Error|Exception|Exit)\b(?!\);)")  # "is damaged (EOFError);" is well said
WAY_OUT = re.compile(r"error: (?:news: )?(/[^:]+): .*?(?:move .*away|delete it)")


def settle(project: Project, path: Path) -> str:
    """Run the scripts, and do what they say, until all of them are content. All that they printed."""
    printed = ""
    for _ in range(4):
        codes, asks = [], False
        for script in (project.phase1, project.phase2, project.phase4, project.load):
            codes.append(script())
            assert not SAYS_ERROR.search(project.out + project.err), project.out + project.err
            assert (codes[-1] != 0) == ("error: " in project.err), project.err
            printed += project.out + project.err
            asks |= ", then this again" in project.err
            for place in WAY_OUT.findall(project.err):
                shutil.move(place, project.folder / f"moved away {random.random()}")
        if not any(codes) and not asks:
            return printed
    raise AssertionError(f"no way out:\n{printed}")


def check(run: Run, project: Project, name: str) -> str:
    printed = settle(project, project.folder / name)
    assert truth(project) == run.truth
    return printed


def spread(*cases: tuple[str, str], fast: tuple[str, ...], slow: tuple[str, ...]) -> list[Any]:
    """(state, file, damage) of all damages on all cases; the slow ones marked."""
    return [
        pytest.param(state, name, damage, marks=[pytest.mark.slow] if damage in slow else [])
        for state, name in cases
        for damage in (*fast, *slow)
    ]


FEW = tuple(f"{kind}" for kind in [*list(CUTS)[1::13], *list(FLIPS)[::13]])


@pytest.mark.parametrize(
    ("state", "name", "damage"),
    [
        *spread(
            ("database lost", RESULT1),
            fast=("folder", "newer", "of another video"),
            slow=("empty", "noise", "gone", "dangling", "older", *FEW),
        ),
        *spread(
            ("database lost", RESULT2),
            fast=("dangling", "of another video", "of another phase 1"),
            slow=("empty", "noise", "gone", "folder", "older", "newer", *FEW),
        ),
        *spread(
            ("phase 1 done", RESULT1),
            fast=("noise",),
            slow=("empty", "gone", "folder", "dangling", "older", "newer", "of another video", *FEW),
        ),
        *spread(
            ("phase 2 done", RESULT2),
            fast=("older", "of another phase 1"),
            slow=("empty", "noise", "gone", "folder", "dangling", "newer", "of another video", *FEW),
        ),
        *spread(("phase 4 done", RESULT4), fast=("noise", "of another video"), slow=("empty", "newer", "folder")),
        *spread(("stopped in phase 4", PART4), fast=("cut at 36/50",), slow=("noise", "folder")),
        *spread(
            ("stopped in phase 1", PART1),
            fast=("folder", "cut at 36/50"),
            slow=("empty", "noise", "gone", "dangling", "older", "newer", *FEW),
        ),
        *spread(
            ("stopped in phase 2", PART2),
            fast=("newer", "flipped 7"),
            slow=("empty", "noise", "gone", "folder", "dangling", "older", *FEW),
        ),
    ],
)
def test_the_scripts_find_the_way_back(
    run: Run, tmp_path: Path, capsys: Any, state: str, name: str, damage: str
) -> None:
    project = run.copy(state, tmp_path, capsys)
    DAMAGES[damage](tmp_path / name, run)
    printed = check(run, project, name)
    quiet = damage in ("gone", "dangling") or damage.startswith(("cut", "flipped")) or damage == "of another phase 1"
    assert quiet or f"{tmp_path / name}: " in printed


LEFT = [
    ("database lost", PART1),
    ("database lost", PART2),
    ("phase 1 done", "data/.locks/news.phase2.lock"),
    ("database lost", "data/.locks/news.phase1.lock"),
    ("phase 2 done", "chroma_db.open"),
    ("phase 2 done", "chroma_db.lock"),
    ("database lost", RESULT1 + ".0f.tmp"),
    ("database lost", RESULT2 + ".part.0f.tmp"),
]


@pytest.mark.parametrize(("state", "name"), LEFT)
@pytest.mark.parametrize(
    "damage",
    ["folder", pytest.param("dangling", marks=pytest.mark.slow), pytest.param("noise", marks=pytest.mark.slow)],
)
def test_what_lies_about_is_no_hindrance(
    run: Run, tmp_path: Path, capsys: Any, state: str, name: str, damage: str
) -> None:
    project = run.copy(state, tmp_path, capsys)
    DAMAGES[damage](tmp_path / name, run)
    check(run, project, name)


# --- another user's files


@contextlib.contextmanager
def locked_out(folder: Path, path: Path) -> Iterator[None]:
    """As the owner of the folder, who may not read this file in it."""
    path.chmod(0)
    if os.geteuid():
        yield
        return
    for place in (folder, *folder.rglob("*")):
        if place != path:
            os.chown(place, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter there")
@pytest.mark.parametrize(
    ("state", "name"),
    [
        ("loaded", "videos_config.json"),
        ("database lost", RESULT1),
        pytest.param("phase 1 done", RESULT1, marks=pytest.mark.slow),
        ("phase 2 done", RESULT2),
        ("stopped in phase 1", PART1),
        pytest.param("stopped in phase 2", PART2, marks=pytest.mark.slow),
        ("phase 1 done", "data/.locks/news.phase2.lock"),
        ("phase 2 done", "chroma_db.open"),
        ("phase 2 done", "chroma_db.lock"),
    ],
)
def test_another_users_files(run: Run, capsys: Any, state: str, name: str) -> None:
    folder = open_folder()
    try:
        if name == "chroma_db.open" and not nobody_runs_python():
            pytest.skip("the check of the database is a program, which the other user may not start here")
        project = run.copy(state, folder, capsys)
        path = folder / name
        path.touch()
        with locked_out(folder, path):
            with pytest.raises(PermissionError):
                path.read_bytes()
            if name == "videos_config.json":
                assert project.phase1() == 2
                assert project.err.startswith(f"error: {path}: cannot be read: Permission denied; mend its rights")
            else:
                assert f"error: {'news: ' if 'data' in name else ''}{path}: " in check(run, project, name)
    finally:
        shutil.rmtree(folder)


def nobody_runs_python() -> bool:
    user = NOBODY if os.geteuid() == 0 else None
    try:
        return subprocess.run([sys.executable, "-c", ""], user=user).returncode == 0
    except PermissionError:
        return False


# --- bombs

READ_BOMBS = """
import resource, sys
from pathlib import Path
from videotag import artifacts
from videotag.errors import UserError
from videotag.stages import PHASE1
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
folder = Path(sys.argv[1])
for path in sorted(folder.iterdir()):
    result = folder / "a_phase1_data.pkl"
    data = path.read_bytes()
    result.write_bytes(data)
    print(path.name, artifacts.read(PHASE1, result))
    result.write_bytes(artifacts._RECORD.pack(len(data), artifacts.zlib.crc32(data)) + data)
    print(path.name, artifacts.Part(result, {}).records)
    result.unlink()
"""


def nested(depth: int) -> bytes:
    return b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b"."


def laughs(levels: int) -> bytes:
    """A list of ten times one list of ten times one list ...: 10 ** levels texts in 30 bytes a level."""
    return (
        b"\x80\x04](\x8c\x04haha\x94"
        + b"".join(b"](" + b"h%c" % (n - 1 if n else 0) * 10 + b"e\x94" for n in range(levels))
        + b"e."
    )


BOMBS = {
    "reduce": b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c\x04bomb\x85R.",
    "global": b"cos\nmkdir\n(S'bomb'\ntR.",
    "inst": b"(S'bomb'\nios\nmkdir\n.",
    "obj": b"(cos\nmkdir\nS'bomb'\no.",
    "newobj": b"\x80\x04\x8c\x08builtins\x8c\x04list\x93)\x81.",
    "build": b"\x80\x04}}b.",
    "stack global": b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x10open('bomb', 'w')\x85R.",
    "extension": b"\x80\x04\x82\x01.",
    "persistent id": b"\x80\x04\x8c\x04bombQ.",
    "frame": b"\x80\x04\x95" + b"\xff" * 8,
    "signed frame": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f",
    "bytes": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
    "ten gigabytes": b"\x80\x04\x8e" + (10 << 30).to_bytes(8, "little") + b".",
    "text": b"\x80\x04\x8d" + (10 << 30).to_bytes(8, "little") + b".",
    "bytearray": b"\x80\x05\x96" + (10 << 30).to_bytes(8, "little") + b".",
    "number": b"\x80\x04\x8b\xff\xff\xff\x7f.",
    "memo": b"\x80\x04]r\xff\xff\xff\x3f.",
    "nested": nested(100_000),
    "laughs": laughs(30),
    "long repeated text": b"\x80\x04](X\x40\x42\x0f\x00" + b"a" * 1_000_000 + b"\x94" + b"h\x00" * 100_000 + b"e.",
    "itself": b"\x80\x04]\x94h\x00a.",
}


def test_no_pickle_runs_code_or_fills_the_memory(tmp_path: Path) -> None:
    (tmp_path / "bombs").mkdir()
    for name, data in BOMBS.items():
        (tmp_path / "bombs" / name).write_bytes(data)
    reader = subprocess.run(
        [sys.executable, "-c", READ_BOMBS, str(tmp_path / "bombs")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert reader.returncode == 0, reader.stderr
    assert reader.stdout.splitlines() == [f"{name} {said}" for name in sorted(BOMBS) for said in (None, [])]
    assert os.listdir(tmp_path) == ["bombs"]


NUMBERS = ["NaN", "1e999", "-Infinity", "1" * 5000, '"\\ud800"', '{"a": 1, "a": 2}', "[" * 100_000, '{"a":' * 100_000]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: value[:10])
def test_json_bombs(run: Run, tmp_path: Path, value: str) -> None:
    path = tmp_path / "news_phase2_vllm_analysis.json"
    whole = (run.folder / "loaded" / RESULT2).read_text(encoding="utf-8")
    for hit in ('"duration": 50.0', '"notes": []', '"format": 1'):
        assert hit in whole
        path.write_text(whole.replace(hit, f"{hit.partition(':')[0]}: {value}", 1), encoding="utf-8")
        assert artifacts.read(PHASE2, path) is None
    path = tmp_path / "videos_config.json"
    for text in (
        value,
        f'{{"videos": {value}}}',
        f'{{"videos": [{value}]}}',
        *(f'{{"videos": [{{"name": "a", "path": "a", "language": "ru", "{field}": {value}}}]}}' for field in FIELDS),
    ):
        path.write_text(text)
        with pytest.raises(UserError) as error:
            load_videos(path, knows)
        assert all(line.startswith(f"{path}: ") for line in str(error.value).splitlines())
        assert len(str(error.value)) < 1000


FIELDS = ("path", "description", "force_reprocess", "new")


def test_a_result_that_an_editor_has_given_a_byte_order_mark(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "news_phase2_vllm_analysis.json"
    whole = (run.folder / "loaded" / RESULT2).read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + whole)
    assert artifacts.read(PHASE2, path) == json.loads(whole)


# --- hostile words

EVIL = "a\x1b[2Jb\x1b]8;;http://x\x07c\x1b]52;c;eA==\x07d\u202ee\u2066f\0g\ud800h\x9bi\u2028j\rk\u200fl\u0085m"


def is_harmless(printed: str) -> bool:
    return not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in printed.replace("\n", ""))


def found(project: Project, *args: str) -> str:
    project._capsys.readouterr()
    assert (
        search_program.main(["снег", *args, "--db", str(project.folder / "chroma_db")], lambda *a: project.embedder)
        == 0
    )
    out, err = project._capsys.readouterr()
    assert not err
    return out


def evil_analysis(description: str) -> Analysis:
    """As an engine would give it that does not check its model's answers."""
    fields: dict[str, Any] = {"content_type": "новости" + EVIL, "mood_atmosphere": EVIL, "confidence": EVIL}
    fields |= {"on_screen_text": [EVIL] * 60, "keywords": [EVIL, "снег"], "dialogue_translation": EVIL}
    return Analysis.model_construct(description=description, scene_change=False, **fields)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("length", [100_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
def test_hostile_answers_are_stored_and_printed_harmlessly(run: Run, tmp_path: Path, capsys: Any, length: int) -> None:
    project = run.copy("phase 1 done", tmp_path, capsys)
    texts = [EVIL, f"снег {EVIL} " * 1000, "снег " + "x" * length]
    project.analyzer.results = {("news", n): evil_analysis(text) for n, text in enumerate(texts)}
    for script in (project.phase2, project.load):
        assert script() == 0
        assert is_harmless(project.out + project.err)
    assert [segment["description"] for segment in project.result2()["segments"]] == texts
    assert is_harmless(found(project))
    printed = found(project, "--json")
    assert is_harmless(printed)
    hits = json.loads(printed)
    assert [hit["keywords"] for hit in hits] == [[clean_text(EVIL), "снег"]] * len(hits)
    assert [project.load(), project.load("--force")] == [0, 0]


class LongSpeech(FakeTranscriber):
    def transcribe(self, audio: Any, expected: Any, heard: Any = None) -> Transcription:
        return Transcription((Word(f" {EVIL[:9]}вода" * 80_000, 1.0, 1.5, 0.5, "ru"),), "ru", 1.0)


def test_a_megabyte_of_speech(run: Run, tmp_path: Path, capsys: Any) -> None:
    project = run.copy("loaded", tmp_path, capsys)
    project.transcriber = LongSpeech()
    assert [project.phase1("--force"), project.phase2(), project.load()] == [0, 0, 0]
    said = project.result2()["segments"][0]["transcript"]
    assert project.analyzer.seen[0].transcript == said and len(said) > 1_000_000
    assert is_harmless(found(project)) and len(found(project)) < 3000
    assert {hit["id"]: hit["transcript"] for hit in project.db.search("вода")}["news_seg_0"] == clean_text(said)


# --- hostile names

NAMES = ["../../x", "../x", "/tmp/x", "a\nb", "a/b", "..", ".", " ", "con", "C:x", "a\x1b[2Jb", "a" * 300, "a\0b"]


@pytest.mark.parametrize("mixed", [False, True], ids=["id and name", "name alone"])
def test_names_of_the_database_lead_nowhere(run: Run, tmp_path: Path, capsys: Any, mixed: bool) -> None:
    project = run.copy("phase 1 done", tmp_path / "outer" / "inner", capsys)
    before = outside(tmp_path, project)
    done = {"phase1_status": "completed", "phase2_status": "completed", "db_load_status": "pending"}
    database = project.db
    with database.session():
        for number, name in enumerate(NAMES):
            status = done if number % 2 else done | {"phase2_status": "pending"}
            record = {"video_name": name, "video_path": "x", "language": "ru", "total_segments": 1, **status}
            ids = [f"record {number}"] if mixed else [name]
            database._videos.collection().add(ids=ids, embeddings=[[1.0]], metadatas=[record])
    for script in (project.phase2, project.load):
        assert script() == 1
        assert not SAYS_ERROR.search(project.err)
        lines = project.err.splitlines()
        assert all(line.startswith("error: ") and is_harmless(line) for line in lines)
        assert len(lines) == len(NAMES) // 2 + (script == project.phase2) * (len(NAMES) % 2)
    assert documents(project) == run.truth["documents"]
    assert outside(tmp_path, project) == before


def outside(folder: Path, project: Project) -> list[str]:
    """All files but those where results and the database belong."""
    inside = (project.data, project.folder / "chroma_db")
    return sorted(str(path) for path in folder.rglob("*") if not any(path.is_relative_to(place) for place in inside))


@pytest.mark.parametrize("name", [*NAMES, "\ud800"])
def test_names_of_the_list_lead_nowhere(run: Run, tmp_path: Path, capsys: Any, name: str) -> None:
    project = run.copy("phase 1 done", tmp_path / "outer" / "inner", capsys)
    before = sorted(tmp_path.rglob("*"))
    project.config({"name": name, "path": run.video, "language": "ru"})
    assert project.phase1() == 2
    [line] = project.err.splitlines()
    assert line.startswith(f"error: {project.folder / 'videos_config.json'}: video 1 (") and is_harmless(line)
    assert sorted(tmp_path.rglob("*")) == before


def test_videos_that_are_not_there_have_a_line_each(tmp_path: Path, capsys: Any) -> None:
    project = Project(tmp_path, capsys, FakeEmbedder())
    project.config(*({"name": f"v{n}", "path": f"{tmp_path}/none{n}.mp4", "language": "ru"} for n in range(20)))
    assert project.phase1() == 1
    remedy = "No such file or directory; put the file there or mend its path in the list"
    assert project.err.splitlines() == [f"error: v{n}: {tmp_path}/none{n}.mp4: {remedy}" for n in range(20)]
    assert {record["phase1_attempts"] for record in project.db.list_videos()} == {1}
