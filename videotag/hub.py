"""A model's files, fetched from the Hugging Face hub or a mirror of it: whole, checked, and going on where it stopped.

Nothing is fetched unless this is called. HF_ENDPOINT names a mirror, HF_TOKEN a key, which is sent to that host alone.

    GET  /api/models/{repository}/revision/main     names of the files ("siblings") and the commit ("sha")
    HEAD /{repository}/resolve/{commit}/{file}      size and ETag; X-Linked-Size and X-Linked-Etag of a large file
    GET  the same                                   redirected to where a large file is kept; Range

A large file's ETag is its SHA-256, another's git's SHA-1 of it. Source: huggingface_hub 2.4.0 (`HfApi.model_info`,
`get_hf_file_metadata`, `http_get`). It is not used itself: it fetches under a name of its own each time
(`_download_to_tmp_and_move`), so that after a kill or a Ctrl-C a file of gigabytes begins anew, and checks no checksum.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from filelock import FileLock, Timeout

from videotag.artifacts import sync_folder, write_whole
from videotag.errors import UserError
from videotag.model_shelf import CONTENTS, Model, matches
from videotag.progress import Progress

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
HUB = "https://huggingface.co"
CONNECT, SILENCE = 10.0, 60.0  # seconds
FIRST_PAUSES, PAUSES = (1.0, 2.0), (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait after a failure that may pass, one after the other while nothing comes: before the first file, and in
one."""
LARGEST_LISTING = 8 << 20  # bytes
SPARE = 100 << 20  # bytes of the disk that stay free
PASSING = (408, 425, 429)  # and all of 500 and more
PART = ".part"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)?")
"""A file of a model's folder or of a folder in it; no other name is taken from a listing."""


@dataclass(frozen=True)
class File:
    """A file of the repository. `checksum`: SHA-256 or git's SHA-1 in hex, "" where the server tells neither."""

    name: str
    size: int
    checksum: str

    def is_at(self, path: Path) -> bool:
        """Whether what is there is this file."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        if not self.checksum:
            return True
        # https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        sha = hashlib.sha256() if len(self.checksum) == 64 else hashlib.sha1(b"blob %d\0" % self.size)
        with path.open("rb") as data:
            while piece := data.read(1 << 20):
                sha.update(piece)
        return sha.hexdigest() == self.checksum


class _Passing(Exception):
    """A failure after which another try may help."""


def fetch(model: Model, folder: Path) -> None:
    """Bring a model's files into its folder; what is there already, whole or in part, is not fetched again.

    Raises:
        UserError: the hub cannot be reached or refuses, a file came damaged, or the folder cannot take it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0), _Hub() as hub:
            commit, files = hub.contents(model)
            _fetch_files(hub, model, folder, commit, files)
            told = {file.name: {"size": file.size, "checksum": file.checksum} for file in files}
            contents = {"repository": model.repository, "revision": commit, "files": told}
            write_whole(folder / CONTENTS, json.dumps(contents, indent=1).encode())
            for left in folder.rglob("*" + PART):  # of another commit
                left.unlink()
    except Timeout:
        raise UserError(f"{folder}: another process is fetching it; wait for that one") from None
    except OSError as error:
        why, remedy = error.strerror or error, "make room or name another folder with --to, then run again"
        raise UserError(
            f"{error.filename or folder}: cannot be written: {why}; {remedy}: what has come is kept"
        ) from None


def _fetch_files(hub: _Hub, model: Model, folder: Path, commit: str, files: list[File]) -> None:
    parts = {file: folder / f"{file.name}.{(file.checksum or commit)[:12]}{PART}" for file in files}
    missing = [file for file in files if not file.is_at(folder / file.name)]
    came = {file: 0 if file in missing else file.size for file in files}
    came |= {file: min(_size(parts[file]), file.size) for file in missing}
    total = sum(file.size for file in files)
    _check_room(folder, total - sum(came.values()))
    with Progress(model.name, total / 1e6, "MB", sum(came.values()) / 1e6) as progress:
        for file in missing:
            parts[file].parent.mkdir(exist_ok=True)

            def told(size: int, file: File = file) -> None:
                came[file] = size
                progress.to(sum(came.values()) / 1e6)

            hub.download(hub.address(model.repository, commit, file.name), file, parts[file], told)
            if not file.is_at(parts[file]):
                parts[file].unlink()
                raise UserError(
                    f"{file.name} of {hub.host} came damaged: its checksum is another; it is deleted, run again"
                )
            os.replace(parts[file], folder / file.name)
            sync_folder(parts[file].parent)


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + SPARE > free:
        raise UserError(
            f"{folder}: {(needed + SPARE) / 1e6:.0f} MB are needed, {free / 1e6:.0f} are free; make room or name "
            "another folder with --to"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


class _Hub:
    """The hub, or a mirror of it.

    Raises:
        UserError: HF_ENDPOINT or HF_TOKEN is nothing of the kind.
    """

    def __init__(self) -> None:
        import httpx2

        self._errors = httpx2.RequestError
        try:
            self._url = httpx2.URL((os.environ.get("HF_ENDPOINT") or HUB).rstrip("/"))
        except httpx2.InvalidURL:
            self._url = httpx2.URL("")
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise UserError(f"HF_ENDPOINT: not an address such as {HUB}")
        self.host = self._url.netloc.decode()  # without a user and a password
        headers = {"Accept-Encoding": "identity", "User-Agent": "videotag"}  # sizes and parts are of the file itself
        if token := os.environ.get("HF_TOKEN", "").strip():
            if not re.fullmatch(r"[!-~]+", token):
                raise UserError("HF_TOKEN: not a token of the hub, such as hf_...")
            headers["Authorization"] = f"Bearer {token}"  # httpx2 takes it out of a request to another origin
        self._http = httpx2.Client(
            headers=headers,
            timeout=httpx2.Timeout(SILENCE, connect=CONNECT),
            event_hooks={"request": [self._stay_secure]},
        )

    def __enter__(self) -> _Hub:
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.close()

    def address(self, repository: str, commit: str, name: str) -> str:
        return f"{self._url}/{repository}/resolve/{commit}/{quote(name)}"

    def contents(self, model: Model) -> tuple[str, list[File]]:
        """The newest commit, and the files of it that the model needs."""
        listing = self._tried(FIRST_PAUSES, lambda: self._listing(model.repository))
        try:
            commit = listing["sha"] if re.fullmatch("[0-9a-f]{40}", listing["sha"]) else "main"
            listed = [sibling["rfilename"] for sibling in listing["siblings"]]
            names = sorted(name for name in listed if _NAME.fullmatch(name))
        except (KeyError, TypeError):
            raise UserError(
                f"{self.host}: its answer is no listing of files; is HF_ENDPOINT a mirror of the hub?"
            ) from None
        files = []
        for pattern in model.files:
            matching = [name for name in names if matches(name, pattern)]
            if not matching:
                raise UserError(f"{model.repository} on {self.host} has no file {pattern}; get a newer videotag")
            name, address = matching[0], self.address(model.repository, commit, matching[0])
            files.append(self._tried(FIRST_PAUSES, partial(self._described, name, address)))
        return commit, files

    def download(self, address: str, file: File, part: Path, told: Callable[[int], None]) -> None:
        """Fetch what is missing of a part of the file. `told` gets the bytes that are there."""
        self._tried(PAUSES, lambda: self._continue(address, file, part, told), lambda: _size(part))

    def _listing(self, repository: str) -> Any:
        address = f"{self._url}/api/models/{repository}/revision/main"
        with self._http.stream("GET", address, follow_redirects=True) as answer:
            self._judge(answer)
            text = b""
            for piece in answer.iter_bytes():
                text += piece
                if len(text) > LARGEST_LISTING:
                    raise UserError(f"{self.host}: its listing is longer than {LARGEST_LISTING >> 20} MB")
        with suppress(ValueError, RecursionError):
            return json.loads(text)
        return None

    def _described(self, name: str, address: str) -> File:
        answer = self._http.head(address)
        # A large file's facts come with the redirect to where it is kept; any other redirect is the repository's.
        for _ in range(5):
            if answer.next_request is None or "x-linked-size" in answer.headers:
                break
            answer = self._http.send(answer.next_request)
        if "x-linked-size" not in answer.headers:
            self._judge(answer)
        size = answer.headers.get("x-linked-size") or answer.headers.get("content-length") or ""
        if not re.fullmatch("[0-9]{1,15}", size):
            raise UserError(f"{self.host} does not say how large {name} is; is HF_ENDPOINT a mirror of the hub?")
        etag = (answer.headers.get("x-linked-etag") or answer.headers.get("etag") or "").removeprefix("W/").strip('"')
        return File(name, int(size), etag if re.fullmatch("[0-9a-f]{64}|[0-9a-f]{40}", etag) else "")

    def _continue(self, address: str, file: File, part: Path, told: Callable[[int], None]) -> None:
        there = _size(part)
        if there >= file.size > 0:
            return
        headers = {"Range": f"bytes={there}-"} if there else {}
        with self._http.stream("GET", address, headers=headers, follow_redirects=True) as answer:
            self._judge(answer)
            if answer.status_code == 200:  # all of it, whether asked for or not
                there = 0
            elif not answer.headers.get("content-range", "").startswith(f"bytes {there}-"):
                raise _Passing(f"{answer.url.host} sends another part than was asked for")
            with part.open("ab") as data:
                data.truncate(there)
                for piece in answer.iter_bytes():
                    data.write(piece[: file.size - there])
                    there = min(there + len(piece), file.size)
                    told(there)
                    if there == file.size:  # whatever else may come
                        break
                data.flush()
                os.fsync(data.fileno())
        if there < file.size:
            raise _Passing(f"{answer.url.host} ends before the end of the file")

    def _tried(self, pauses: Sequence[float], attempt: Callable[[], T], came: Callable[[], int] = lambda: 0) -> T:
        """What `attempt` gives, in spite of failures that pass. `came`: a number that grows where one gets on."""
        failures, most = 0, came()
        while True:
            try:
                return attempt()
            except (_Passing, self._errors) as error:
                if came() > most:
                    failures, most = 0, came()
                if failures == len(pauses):
                    raise UserError(self._gone(error)) from None
                time.sleep(pauses[failures])
                failures += 1

    def _gone(self, error: Exception) -> str:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        return (
            f"{self.host} cannot be had: {why}; run again, what has come is kept. Without a network: get it on another "
            "machine with --to FOLDER and copy it; HF_ENDPOINT names a mirror"
        )

    def _judge(self, answer: httpx2.Response) -> None:
        status, host, path = answer.status_code, answer.url.host, answer.url.path[:200]
        if status in (200, 206):
            return
        if status in PASSING or status >= 500:
            raise _Passing(f"{host} answers {status}")
        if status in (401, 403):
            raise UserError(
                f"{host} refuses {path} ({status}): accept the model's licence on its page, then set HF_TOKEN"
            )
        if status in (404, 410):
            raise UserError(f"{host} has no {path} ({status}): it has moved, or HF_ENDPOINT is no mirror of the hub")
        raise UserError(f"{host} answers {status} to {path}; mend HF_ENDPOINT")

    def _stay_secure(self, request: httpx2.Request) -> None:
        if self._url.scheme == "https" and request.url.scheme != "https":
            raise UserError(
                f"{self.host} leads to {request.url.host} without encryption; nothing is fetched from there"
            )
