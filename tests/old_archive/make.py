"""Make 3a4898f.tar.xz: a folder of videos as the scripts of commit 3a4898f leave it, in the middle of their work.

In:   the two sample videos of a checkout of that commit, and its scripts.
Out:  3a4898f.tar.xz beside this file, and what is in it, printed: tests/test_old_archive.py says that by hand.

Run by hand, once; a later commit gets an archive of its own. The folder in which it is started is the checkout:

    git worktree add ../old 3a4898f && cd ../old && python3 run.py test -k nothing    # the checkout and its .venv
    .venv/bin/python ../main/tests/old_archive/make.py

Needs nothing but requirements-dev.txt of that commit, and no Windows (it kills by signal); takes two minutes. Each
script runs as a process of its own, with its own engines: Whisper base, the analyzer `local`, e5-small. Four things are
not as at home: the machine is called "archive"; its clock is set back, so that on every other machine the killed
workers have been silent for long; it has no tesseract, so that all others can do as this one did; and speech and frames
are kept in smaller parts, so that short videos have several.

    news      done and loaded
    матч      phases 1 and 2 done, not loaded
    planet    killed in phase 2: one of two segments is in the .part file
    harvest   killed in phase 1: two stretches of speech are there, the last one is not
    moon      killed in phase 1: all speech and four of six frames are there
    whale     new
"""

import importlib
import json
import lzma
import os
import pickle
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np

COMMIT = "3a4898f"
HERE = Path(__file__).resolve().parent
TARGET = HERE / f"{COMMIT}.tar.xz"

FIRST_DAY = 1_767_261_600.0  # 1 January 2026, 10:00 UTC: what the clock shows when the first script starts
FILMED = 1_767_225_600  # 1 January 2026, 00:00 UTC: modification time of the videos, a whole second
HOST = "archive"

WIDTH, HEIGHT, FPS = 96, 54, 4
RATE = 48_000  # Hz
VIDEO_OPTIONS = {"preset": "veryslow", "crf": "34", "x264-params": "threads=1"}
AUDIO_OPTIONS = {"application": "lowdelay", "b": "8000"}
"""Not "voip": of speech at a low rate that commit's phase 1 fails with a TypeError at the end of the file."""


@dataclass(frozen=True)
class Clip:
    """A video put together of parts (seconds from, to) of a sample, and its entry in the list."""

    name: str
    file: str
    sample: str
    parts: tuple[tuple[int, int], ...]
    language: str
    description: str = ""

    @property
    def path(self) -> str:
        return f"video/{self.file}.mp4"

    @property
    def entry(self) -> dict[str, str]:
        entry = {"name": self.name, "path": self.path, "language": self.language}
        return entry | ({"description": self.description} if self.description else {})


CLIPS = (
    Clip("news", "news", "ru_news", ((0, 52), (75, 83)), "ru", "вечерний выпуск"),
    Clip("матч", "match", "ru_news", ((63, 75),), "ru"),
    Clip("planet", "planet", "en_planet", ((0, 21), (43, 75)), "en"),
    Clip("harvest", "harvest", "ru_news", ((52, 63), (83, 95)), "auto"),
    Clip("moon", "moon", "en_planet", ((33, 43),), "en"),
    Clip("whale", "whale", "en_planet", ((21, 33),), "en"),
)


@dataclass(frozen=True)
class Start:
    """One start of a script. `dies_after`: so many appends to a `.part` file, then kill -9; 0 is never."""

    script: str
    args: tuple[str, ...]
    dies_after: int = 0
    stretch_seconds: float = 300.0
    frame_batch: int = 48


STARTS = (
    Start("phase1_whisper_frames", ("--only", "news", "--only", "матч", "--only", "planet")),
    Start("phase2_vllm_analysis", ("--only", "news", "--only", "матч")),
    Start("load_data_to_chroma", ("--only", "news")),
    Start("phase2_vllm_analysis", ("--only", "planet"), dies_after=1),
    Start("phase1_whisper_frames", ("--only", "harvest"), dies_after=2, stretch_seconds=7.0),
    # The speech, the record that no more of it comes, and two batches of frames.
    Start("phase1_whisper_frames", ("--only", "moon"), dies_after=4, frame_batch=2),
)


def main() -> None:
    checkout = Path.cwd()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True).stdout
    if not head.startswith(COMMIT):
        sys.exit(f"error: {checkout} is no checkout of {COMMIT}; the first lines of {Path(__file__).name} say how")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "archive"
        (folder / "video").mkdir(parents=True)
        for clip in CLIPS:
            cut(checkout / "samples" / f"{clip.sample}.mp4", clip.parts, folder / clip.path)
            os.utime(folder / clip.path, (FILMED, FILMED))
        entries = {"videos": [clip.entry for clip in CLIPS]}
        (folder / "videos_config.json").write_text(json.dumps(entries, ensure_ascii=False, indent=2), encoding="utf-8")
        for start in STARTS:
            run(start, checkout, folder)
        leave_out_locks(folder)
        names_of_this_machine(folder, [home, str(checkout), str(Path.home())])
        tell(folder)
        pack(folder)
    print(f"\n{TARGET}: {TARGET.stat().st_size:,} bytes")


# --- the videos


def cut(sample: Path, parts: tuple[tuple[int, int], ...], target: Path) -> None:
    """Write these parts of a sample, one after the other: small pictures, few of them, and speech as on a telephone."""
    with av.open(str(target), "w") as container:
        pictures: Any = container.add_stream("libx264", rate=FPS, options=VIDEO_OPTIONS)
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound: Any = container.add_stream("libopus", rate=RATE, layout="mono", options=AUDIO_OPTIONS)
        packets = [*encoded(pictures, shown(sample, parts)), *encoded(sound, said(sample, parts, sound.codec_context))]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)


def encoded(stream: Any, frames: Iterator[Any]) -> Iterator[Any]:
    for frame in frames:
        yield from stream.encode(frame)
    yield from stream.encode()


def shown(sample: Path, parts: tuple[tuple[int, int], ...]) -> Iterator[av.VideoFrame]:
    """The pictures of these parts, `FPS` a second."""
    wanted = [first + n / FPS for first, last in parts for n in range((last - first) * FPS)]
    number = 0
    with av.open(str(sample)) as container:
        for frame in container.decode(video=0):
            if number < len(wanted) and (frame.time or 0.0) >= wanted[number] - 0.01:
                small = frame.reformat(WIDTH, HEIGHT, "yuv420p")
                small.pts, small.time_base = number, Fraction(1, FPS)
                number += 1
                yield small


def said(sample: Path, parts: tuple[tuple[int, int], ...], encoder: Any) -> Iterator[av.AudioFrame]:
    """The sound of these parts, in frames as the encoder takes them."""
    with av.open(str(sample)) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        heard = [block for frame in container.decode(audio=0) for block in resampler.resample(frame)]
    whole = np.concatenate([block.to_ndarray()[0] for block in heard])
    sound = np.concatenate([whole[first * RATE : last * RATE] for first, last in parts])
    encoder.open(strict=False)
    for at in range(0, len(sound), encoder.frame_size):
        frame = av.AudioFrame.from_ndarray(sound[None, at : at + encoder.frame_size], "s16", "mono")
        frame.rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), at
        yield frame


# --- the scripts


def run(start: Start, checkout: Path, folder: Path) -> None:
    """Start a script in the folder, and see that it ends as it should."""
    nothing = folder.parent / "no programs"
    nothing.mkdir(exist_ok=True)
    environment = {"PATH": str(nothing), "XDG_CACHE_HOME": str(folder.parent / "cache"), "TZ": "UTC"}
    began = BEGAN.setdefault("at", time.time())
    told = json.dumps({"checkout": str(checkout), "clock": FIRST_DAY - began, **vars(start)})
    print(f"\n$ python {start.script}.py {' '.join(start.args)}{' (killed)' if start.dies_after else ''}", flush=True)
    command = [sys.executable, str(Path(__file__).resolve()), "--in-the-folder", told]
    code = subprocess.run(command, cwd=folder, env=os.environ | environment).returncode
    if code != (-signal.SIGKILL if start.dies_after else 0):
        sys.exit(f"error: it ended with {code}")


BEGAN: dict[str, float] = {}


def in_the_folder(told: dict[str, Any]) -> None:
    """Be the script: its `main` as `python SCRIPT.py` calls it, on another machine, perhaps killed."""
    sys.path[0] = told["checkout"]
    # By their names at that commit: a checker of types sees today's.
    modules: list[Any] = [importlib.import_module(f"videotag.{name}") for name in ("artifacts", "claims", "cli")]
    artifacts, claims, cli = modules
    script: Any = importlib.import_module(told["script"])
    socket.gethostname = lambda: HOST
    set_the_clock(told["clock"], artifacts, claims)
    if told["dies_after"]:
        die_after(told["dies_after"], artifacts.Part)
    if told["script"].startswith("phase1"):
        script.STRETCH_SECONDS, script.FRAME_BATCH = told["stretch_seconds"], told["frame_batch"]
    cli.leave(script.main(told["args"]))


def set_the_clock(off: float, *shown_by: Any) -> None:
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + off
    time.time_ns = lambda: real_ns() + int(off * 1e9)
    for module in shown_by:
        module.now = lambda: datetime.fromtimestamp(time.time()).isoformat(timespec="seconds")


def die_after(appends: int, part: Any) -> None:
    """kill -9 as soon as so many finished parts are on the disk."""
    real = part.append
    left = appends

    def append(self: Any, record: Any) -> None:
        nonlocal left
        real(self, record)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    part.append = append


# --- the archive


def leave_out_locks(folder: Path) -> None:
    """What says who works on what: gone with the processes on the machine on which they ran."""
    shutil.rmtree(folder / "data" / ".locks")
    (folder / "chroma_db.lock").unlink()
    left = {path.name for path in folder.iterdir()} - {"video", "videos_config.json", "data", "chroma_db"}
    if left:  # such as chroma_db.open: then one was killed while the database was open
        sys.exit(f"error: {', '.join(sorted(left))} should not be there; run this again")


def names_of_this_machine(folder: Path, folders: list[str]) -> None:
    """Refuse an archive that tells where it was made: by a folder, or by a worker's name, HOST:PROCESS:..."""
    patterns = [*map(re.escape, folders), rf"{re.escape(socket.gethostname())}:\d", f" on {socket.gethostname()} since"]
    told = re.compile("|".join(patterns).encode())
    for path in filter(Path.is_file, folder.rglob("*")):
        if found := told.search(path.read_bytes()):
            sys.exit(f"error: {path.relative_to(folder)} holds {found[0].decode()}")


def tell(folder: Path) -> None:
    """Print what the test has to know."""
    print()
    for path in sorted(filter(Path.is_file, folder.rglob("*"))):
        print(f"{path.stat().st_size:9,}  {path.relative_to(folder)}")
    for path in sorted((folder / "data").iterdir()):
        print(f"\n{path.name}")
        if path.suffix == ".part":
            for record in records_of(path):
                print("   ", short(record))
        elif path.suffix == ".pkl":
            result = pickle.loads(path.read_bytes())
            for segment in result["segments"]:
                print("   ", [segment[key] for key in ("start_time", "end_time", "transcript", "frames")])
        else:
            for segment in json.loads(path.read_text(encoding="utf-8"))["segments"]:
                print("   ", json.dumps(segment, ensure_ascii=False))


def records_of(part: Path) -> Iterator[Any]:
    """Each after its length and its checksum, four bytes each."""
    data = part.read_bytes()
    while data:
        (length,) = struct.unpack_from("<I", data)
        yield pickle.loads(data[8 : 8 + length])
        data = data[8 + length :]


def short(value: Any) -> Any:
    """A value to be printed: of pictures their sizes."""
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, list):
        return [short(inner) for inner in value]
    return {key: short(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def pack(folder: Path) -> None:
    """A tar file whose bytes depend on nothing but the files: of their times only those of the videos are kept."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(filter(Path.is_file, folder.rglob("*"))):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size, member.mtime = path.stat().st_size, FILMED
            with path.open("rb") as file:
                tar.addfile(member, file)
    TARGET.write_bytes(lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--in-the-folder"]:
        in_the_folder(json.loads(sys.argv[2]))
    else:
        main()
