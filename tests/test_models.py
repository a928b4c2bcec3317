"""Models on the shelf, and fetching one from a hub of the test's own: whole, checked, going on where it stopped."""

import json
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

import models
from db_manager import ChromaDBManager
from tests.fake_hub import CHUNK, COMMIT, Hub, git_blob, sha256
from videotag import hub as fetching
from videotag import model_shelf, progress
from videotag.embedders.engines import EMBEDDERS

ROOT = Path(__file__).parent.parent
NAME, REPOSITORY = "gigaam-multilingual-ctc", "istupakov/gigaam-multilingual-ctc-onnx"
NETWORK, SIZE = "multilingual_ctc.int8.onnx", 5 * CHUNK + 100
CONFIG, VOCABULARY = b'{"version": "v3"}', "▁ 0\n<blk> 1\n".encode()


def contents():
    network = random.Random(13).randbytes(SIZE)
    files = {"config.json": CONFIG, NETWORK: network, "multilingual_vocab.txt": VOCABULARY}
    return {REPOSITORY: files | {"multilingual_ctc.onnx": b"the large one", "README.md": b"#"}}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "PAUSES", (0.0,) * 3)
    monkeypatch.setattr(fetching, "FIRST_PAUSES", (0.0,) * 2)
    monkeypatch.setenv("VIDEOTAG_MODELS", str(tmp_path / "shelf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with Hub(contents()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def is_whole(folder, hub):
    wanted = ["config.json", NETWORK, "multilingual_vocab.txt"]
    there = {path.name for path in folder.iterdir()} - {".lock", "contents.json"}
    return there == set(wanted) and all((folder / name).read_bytes() == hub.files[REPOSITORY][name] for name in wanted)


def part_in(folder):
    [part] = folder.glob("*.part")
    return part


def test_a_model_is_fetched_checked_and_told(hub, tmp_path, capsys):
    assert not model_shelf.is_there(NAME)
    assert models.main(["get", NAME]) == 0
    folder = tmp_path / "shelf" / NAME
    assert is_whole(folder, hub) and model_shelf.is_there(NAME)
    told = json.loads((folder / "contents.json").read_text())
    assert told["revision"] == COMMIT
    network = hub.files[REPOSITORY][NETWORK]
    assert told["files"] == {
        "config.json": {"size": 17, "checksum": git_blob(CONFIG)},
        NETWORK: {"size": SIZE, "checksum": sha256(network)},
        "multilingual_vocab.txt": {"size": 14, "checksum": git_blob(VOCABULARY)},
    }
    said = capsys.readouterr().out
    assert f"{NAME} is in {folder}" in said
    assert f"copy {folder} to" in said and "VIDEOTAG_MODELS" in said
    asked = len(hub.asked)
    assert models.main(["get", NAME]) == 0
    assert len(hub.asked) == asked, "what is here is not asked for again"


def test_progress_is_told_with_the_time_left(hub, monkeypatch, capsys):
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    hub.files[REPOSITORY][NETWORK] = bytes(3_000_000)
    assert models.main(["get", NAME]) == 0
    told = re.findall(rf"^{NAME}: (\d) of 3 MB, [\d.]+ MB/s, 00:\d\d left$", capsys.readouterr().out, re.MULTILINE)
    assert told == sorted(told) and told[-1] == "3"


def test_a_server_that_sends_too_much_is_not_heard_out(hub, tmp_path):
    hub.files[REPOSITORY][NETWORK] += b"x"
    wanted = hub.files[REPOSITORY][NETWORK][:-1]
    file = fetching.File(NETWORK, SIZE, sha256(wanted))
    with fetching._Hub() as client:
        address = client.address(REPOSITORY, COMMIT, NETWORK)
        client.download(address, file, tmp_path / "part", lambda there: None)
    assert file.is_at(tmp_path / "part")


def test_it_goes_into_another_folder(hub, tmp_path):
    assert models.main(["get", NAME, "--to", str(tmp_path / "stick")]) == 0
    assert is_whole(tmp_path / "stick" / NAME, hub)
    assert not model_shelf.is_there(NAME) and model_shelf.is_there(NAME, tmp_path / "stick")


def test_a_cut_connection_is_taken_up_where_it_was_cut(hub, tmp_path):
    hub.cut_after = [CHUNK + 10, 2 * CHUNK, 0, 0, 5]  # the failures in a row stay below what is borne
    assert models.main(["get", NAME]) == 0
    after = [CHUNK + 10, 3 * CHUNK + 10, 3 * CHUNK + 10, 3 * CHUNK + 10, 3 * CHUNK + 15]
    assert hub.gets("/kept/") == [None, *(f"bytes={start}-" for start in after)]
    assert is_whole(tmp_path / "shelf" / NAME, hub)


def test_after_too_many_failures_in_a_row_it_ends_and_keeps_what_came(hub, tmp_path, capsys):
    hub.cut_after = [CHUNK, 0, 0, 0]
    assert models.main(["get", NAME]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {hub.url[7:]} cannot be had: ")
    assert "what has come is kept" in line
    assert part_in(tmp_path / "shelf" / NAME).stat().st_size == CHUNK
    assert models.main(["get", NAME]) == 0
    assert hub.gets("/kept/")[-1] == f"bytes={CHUNK}-"
    assert is_whole(tmp_path / "shelf" / NAME, hub)


def test_a_server_without_parts_sends_it_all_again(hub, tmp_path):
    hub.ranges, hub.cut_after = False, [CHUNK]
    assert models.main(["get", NAME]) == 0
    assert hub.gets("/kept/") == [None, f"bytes={CHUNK}-"]
    assert is_whole(tmp_path / "shelf" / NAME, hub)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_it_fetches_only_the_rest(hub, tmp_path, end):
    hub.gate = threading.Event()
    program = [sys.executable, ROOT / "models.py", "get", NAME]
    folder = tmp_path / "shelf" / NAME
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        until = time.monotonic() + 60
        while not any(part.stat().st_size for part in folder.glob(f"{NETWORK}*")) and time.monotonic() < until:
            time.sleep(0.02)
        child.send_signal(end)
        said, _ = child.communicate(timeout=60)
    assert child.returncode == (130 if end == signal.SIGINT else -signal.SIGKILL), said
    came = part_in(folder).stat().st_size
    assert 0 < came <= CHUNK and not model_shelf.is_there(NAME)
    hub.gate.set()
    assert models.main(["get", NAME]) == 0
    assert hub.gets("/kept/") == [None, f"bytes={came}-"]
    assert is_whole(folder, hub)
    assert hub.gets("config.json") == [None], "what was finished is not fetched again"


@pytest.mark.parametrize("name", [NETWORK, "config.json"])
def test_what_came_damaged_is_deleted_and_told(hub, tmp_path, capsys, name):
    hub.lies = {name}
    assert models.main(["get", NAME]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {name} of ") and "checksum" in line
    folder = tmp_path / "shelf" / NAME
    assert not (folder / name).exists() and not list(folder.glob("*.part"))
    hub.lies = set()
    assert models.main(["get", NAME]) == 0
    assert is_whole(folder, hub)


def test_a_part_of_another_version_is_not_gone_on_with(hub, tmp_path):
    folder = tmp_path / "shelf" / NAME
    folder.mkdir(parents=True)
    (folder / f"{NETWORK}.0123456789ab.part").write_bytes(b"old" * 100)
    assert models.main(["get", NAME]) == 0
    assert hub.gets("/kept/") == [None]
    assert is_whole(folder, hub)


def test_a_file_that_is_damaged_on_the_disk_is_fetched_again(hub, tmp_path):
    assert models.main(["get", NAME]) == 0
    network = tmp_path / "shelf" / NAME / NETWORK
    network.write_bytes(network.read_bytes()[:-1])
    assert not model_shelf.is_there(NAME)
    assert models.main(["get", NAME]) == 0
    assert is_whole(network.parent, hub)
    assert hub.gets("/kept/") == [None, None]


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (404, f"has no /api/models/{REPOSITORY}"),
        (401, "accept the model's licence"),
        (403, "accept the model's licence"),
        (418, "answers 418"),
    ],
)
def test_a_refusal_is_told_at_once(hub, capsys, status, part):
    hub.status = [("/api/models", status)]
    assert models.main(["get", NAME]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert part in line and "\x1b" not in line
    assert len(hub.asked) == 1


def test_a_busy_server_is_asked_again_a_few_times(hub, tmp_path, capsys):
    hub.status = [("/api/models", 503), ("/api/models", 429), ("/resolve/", 500), ("/kept/", 502)]
    assert models.main(["get", NAME]) == 0
    assert is_whole(tmp_path / "shelf" / NAME, hub)
    shutil.rmtree(tmp_path / "shelf")
    capsys.readouterr()
    hub.status = [("/api/models", 503)] * 3
    assert models.main(["get", NAME]) == 2
    assert "answers 503" in capsys.readouterr().err


def test_no_network_is_one_line(hub, monkeypatch, capsys):
    with socket.socket() as closed:  # bound but not listening
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert models.main(["get", NAME]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "cannot be had" in line and "--to FOLDER" in line and "HF_ENDPOINT" in line


def test_names_that_lead_out_of_the_folder_are_not_taken(hub, tmp_path, capsys):
    data = hub.files[REPOSITORY].pop(NETWORK)
    evil = [
        "multilingual/../../../evil_ctc.int8.onnx",
        "../multilingual_ctc.int8.onnx",
        "multilingual/x_ctc.int8.onnx",
        "multilingual\\..\\evil_ctc.int8.onnx",
        f"/{tmp_path}/multilingual_ctc.int8.onnx",
        "multilingual\x1b[31m_ctc.int8.onnx",
        "multilingual\n_ctc.int8.onnx",
        "multilingual_ctc.int8.onnx\0",
    ]
    hub.files[REPOSITORY] |= dict.fromkeys(evil, data)
    hub.listed = [7, None, ["x"]]  # type: ignore[list-item]
    assert models.main(["get", NAME]) == 2
    [line] = capsys.readouterr().err.splitlines()
    hub.listed = []
    assert models.main(["get", NAME]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "has no file multilingual*_ctc?int8.onnx" in line and "\x1b" not in line
    assert hub.gets("/kept/") == []
    assert {path.name for path in tmp_path.rglob("*")} == {"shelf", NAME, ".lock"}


def test_the_token_goes_to_the_endpoint_alone(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.elsewhere = hub.url.replace("127.0.0.1", "localhost")
    assert models.main(["get", NAME]) == 0
    told = {(headers["host"].split(":")[0], headers.get("authorization")) for _, _, headers in hub.asked}
    assert told == {("127.0.0.1", "Bearer hf_secret"), ("localhost", None)}


def test_a_repository_that_was_renamed_is_found(hub, tmp_path):
    hub.files["new/name"] = hub.files[REPOSITORY]
    hub.renamed = {REPOSITORY: "new/name"}
    hub.elsewhere = hub.url.replace("127.0.0.1", "localhost")
    assert models.main(["get", NAME]) == 0
    assert is_whole(tmp_path / "shelf" / NAME, hub)


def test_a_model_with_folders_of_its_own_keeps_them(hub, tmp_path):
    files = {name: name.encode() for name in model_shelf.find("bge-m3").files}
    files["onnx/model.onnx_data"] = bytes(3 * CHUNK)
    besides = {"onnx/config.json": b"{}", "a/onnx/model.onnx": b"deeper", "model.onnx": b"another"}
    hub.files["BAAI/bge-m3"] = files | besides
    hub.cut_after = [CHUNK]
    assert models.main(["get", "bge-m3"]) == 0
    folder = tmp_path / "shelf" / "bge-m3"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there - {".lock", "contents.json"} == files.keys()
    assert all((folder / name).read_bytes() == data for name, data in files.items())
    assert model_shelf.is_there("bge-m3")
    (folder / "onnx/model.onnx_data").write_bytes(b"short")
    assert not model_shelf.is_there("bge-m3")


def test_a_full_disk_is_told_before(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, SIZE))
    assert models.main(["get", NAME]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "105 MB are needed, 0 are free" in line and "--to" in line
    assert hub.gets("/kept/") == []


def test_a_disk_that_fills_up_meanwhile_is_told_and_what_came_is_kept(hub, tmp_path):
    code = (
        "import resource, sys; import models; import filelock, httpx2; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({2 * CHUNK}, {2 * CHUNK})); "
        f"sys.exit(models.main(['get', {NAME!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "cannot be written: File too large; make room" in line
    assert part_in(tmp_path / "shelf" / NAME).stat().st_size == 2 * CHUNK
    assert models.main(["get", NAME]) == 0
    assert hub.gets("/kept/") == [None, f"bytes={2 * CHUNK}-"]


def test_two_do_not_fetch_the_same(hub, tmp_path, capsys):
    folder = tmp_path / "shelf" / NAME
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        assert models.main(["get", NAME]) == 2
    assert "another process is fetching it" in capsys.readouterr().err
    assert hub.asked == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HF_ENDPOINT", "huggingface.co"), ("HF_ENDPOINT", "ftp://a"), ("HF_TOKEN", "a\x1bsecret b")],
)
def test_what_is_no_address_and_no_token_is_told_without_being_shown(hub, monkeypatch, capsys, variable, value):
    monkeypatch.setenv(variable, value)
    assert models.main(["get", NAME]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {variable}: ") and "secret" not in line
    assert hub.asked == []


def test_from_an_encrypted_endpoint_nothing_is_fetched_without_encryption(monkeypatch):
    import httpx2

    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    with fetching._Hub() as official:
        assert official.host == "huggingface.co"
        official._stay_secure(httpx2.Request("GET", "https://kept.example/x"))
        with pytest.raises(fetching.UserError, match="without encryption"):
            official._stay_secure(httpx2.Request("GET", "http://kept.example/x"))


def test_a_name_that_is_none_is_told_with_those_that_are(hub, capsys):
    assert models.main(["get", NAME, "gigaam-multilingual"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "gigaam-multilingual: there is no such model; known: gigaam-multilingual-ctc, " in line
    assert line.endswith("did you mean gigaam-multilingual-ctc?")
    assert hub.asked == []
    for args in (["get"], ["list", NAME]):
        with pytest.raises(SystemExit, match="2"):
            models.main(args)


# --- the shelf


def test_a_folder_that_was_copied_by_hand_is_there_when_all_its_files_are(tmp_path):
    folder = tmp_path / NAME
    folder.mkdir()
    for name in ("config.json", "multilingual_vocab.txt", "multilingual_ctc.int8.onnx.0123456789ab.part"):
        (folder / name).write_bytes(b"x")
    assert not model_shelf.is_there(NAME, tmp_path)
    (folder / NETWORK).write_bytes(b"")
    assert not model_shelf.is_there(NAME, tmp_path), "empty"
    (folder / NETWORK).write_bytes(b"x")
    assert model_shelf.is_there(NAME, tmp_path)
    (folder / "contents.json").write_text(json.dumps({"files": {NETWORK: {"size": 2}}}))
    assert not model_shelf.is_there(NAME, tmp_path), "not copied to the end"
    for damaged in ("", "[]", "{}", '{"files": [1]}', "[" * 100_000):
        (folder / "contents.json").write_text(damaged)
        assert model_shelf.is_there(NAME, tmp_path)
    assert not model_shelf.is_there("no-such-model", tmp_path)


def test_the_shelf_is_the_users_or_the_one_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOTAG_MODELS", str(tmp_path))
    assert model_shelf.folder_of("large-v3") == tmp_path / "large-v3"
    monkeypatch.setenv("VIDEOTAG_MODELS", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert model_shelf.shelf() == tmp_path / "data" / "videotag" / "models"


def test_the_catalogue_is_what_the_libraries_look_for():
    from faster_whisper.utils import _MODELS

    for model in model_shelf.MODELS:
        if model.engine == "faster-whisper":
            assert _MODELS[model.name] == model.repository
    loader = pytest.importorskip("onnx_asr.loader")
    from onnx_asr.resolver import model_repos

    for model in model_shelf.MODELS:
        if model.engine == "onnx-asr":
            assert model_repos[model.name] == model.repository
            wanted = loader.create_asr_resolver(model.name).model_type._get_model_files("int8")
            assert set(model.files) == {"config.json", *wanted.values()}


def test_the_text_models_are_those_of_an_embedder_and_what_it_looks_for():
    for model in model_shelf.MODELS:
        if model.kind == "text":
            assert model.engine in EMBEDDERS
            assert {"config.json", "tokenizer.json"} < set(model.files)
            networks = [name for name in model.files if name.endswith(".onnx")]
            assert len(networks) == 1 and networks[0].startswith("onnx/")


# --- what the archive lacks

ARCHIVE = {
    "one": {"language": "auto", "detected_language": "kk"},
    "two": {"language": "kk"},
    "three": {"language": "ru", "detected_language": "en"},
    "four": {"language": "ru"},
    "five": {"language": "de"},
}


def archive(folder):
    record = {"video_path": "a.mp4"}
    ChromaDBManager(folder).create_or_update_video_files({name: record | own for name, own in ARCHIVE.items()})


def test_the_list_says_what_the_archive_lacks(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VIDEOTAG_MODELS", str(tmp_path / "shelf"))
    archive(tmp_path / "db")
    assert models.main(["--db", str(tmp_path / "db")]) == 0
    said = capsys.readouterr().out.splitlines()
    wrong = "hears it better than Whisper base: of 100 words"
    get = f"python3 run.py models get {NAME}"
    assert said[:2] == [
        f"Kazakh (2 videos): {NAME} {wrong} 5.2 are wrong, not 116 (published, FLEURS); {get}",
        f"Russian (1 video): {NAME} {wrong} 4.4 are wrong, not 22 (published, FLEURS); {get}",
    ]
    assert said[2] == f"no   {NAME} (speech, onnx-asr, about 225 MB)"
    assert said[-1] == f"folder: {tmp_path / 'shelf'}"
    large = tmp_path / "shelf" / "gigaam-multilingual-large-ctc"
    large.mkdir(parents=True)
    for name in ("config.json", "multilingual_vocab.txt", "multilingual_large_ctc.int8.onnx"):
        (large / name).write_bytes(b"x")
    assert models.main(["--db", str(tmp_path / "db")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Kazakh (2 videos): gigaam-multilingual-large-ctc ") and said[0].endswith("; it is here")
    assert [line[5:].split()[0] for line in said if line.startswith("here ")] == ["gigaam-multilingual-large-ctc"]


def test_to_list_makes_no_database(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "none"):
        assert models.main(["--db", str(tmp_path / folder)]) == 0
        assert "Kazakh (" not in capsys.readouterr().out
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


@pytest.mark.parametrize(
    ("record", "languages"),
    [
        ({"spoken_languages": "ru 61.0, kk 5.0", "detected_language": "ru", "language": "auto"}, {"ru", "kk"}),
        ({"spoken_languages": ["kk", "ru"]}, {"ru", "kk"}),
        ({"language": "kk, ru"}, {"ru", "kk"}),
        ({"language": "auto", "detected_language": None}, set()),
        ({}, set()),
    ],
)
def test_the_languages_of_a_video_are_those_heard_else_those_listed(record, languages):
    assert model_shelf.languages_of(record) == languages


def test_kyrgyz_is_told_against_the_large_whisper_whose_error_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOTAG_MODELS", str(tmp_path))
    [advice] = model_shelf.advice([{"language": "ky"}])
    assert "better than Whisper large-v3: of 100 words 7 are wrong, not 86" in str(advice)
