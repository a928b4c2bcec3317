"""How long one waits for a moment of a file that browsers do not play, beside ffmpeg alone.

    python benchmarks/web_clips.py                 an own file: HEVC, 1080 lines, 40 s
    python benchmarks/web_clips.py FILE SECOND     a file of yours

Wall seconds, the median of three: ffmpeg alone for the same 30 seconds with the same settings; until the server has
answered with the clip and its first picture is decoded; and, with Chromium, from the request of the page of the video
until its first picture is shown. Each time the clip is made anew.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import av  # noqa: E402
import httpx2  # noqa: E402
import uvicorn  # noqa: E402
from imageio_ffmpeg import get_ffmpeg_exe  # noqa: E402

from tests.web.watched import NAME, archive_of  # noqa: E402
from videotag.media import copies  # noqa: E402
from videotag.media.probe import probe  # noqa: E402
from videotag.web.app import app  # noqa: E402
from videotag.web.films import film_of  # noqa: E402

TIMES = 3
CHROMIUM = Path("/usr/bin/chromium")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        path = Path(sys.argv[1]).absolute() if sys.argv[1:] else made(data / "video.mp4")
        second = float(sys.argv[2]) if sys.argv[2:] else 8.0
        archive = archive_of(data, path, probe(str(path)).duration)
        film = film_of(archive.record(NAME) or {})
        part = film.part(second)
        print(f"{film.coding.pictures}, {film.coding.size[0]}x{film.coding.size[1]}, clip of {part.span} s")
        [command, *_] = copies._commands(part, data, data / "alone.mp4")
        alone = timed("ffmpeg alone", lambda: subprocess.run(command, check=True, capture_output=True), data)
        server = uvicorn.Server(uvicorn.Config(app(archive), port=0, log_level="error"))
        running = threading.Thread(target=server.run, daemon=True)
        running.start()
        while not server.started:
            time.sleep(0.01)
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        served = timed("from the server, first picture", lambda: first_picture(address, second, data), data)
        print(f"  {served / alone:.2f} times ffmpeg alone (at most 3)")
        if CHROMIUM.exists():
            shown = in_browser(f"{address}/video/{NAME}?t={second}", data)
            print(f"  {shown / alone:.2f} times ffmpeg alone (at most 3)")
        server.should_exit = True
        running.join()
    return 0


def made(path: Path) -> Path:
    source = ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25:d=40", "-f", "lavfi", "-i", "sine=d=40"]
    codec = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "aac"]
    subprocess.run([get_ffmpeg_exe(), "-v", "error", *source, *codec, str(path)], check=True)
    return path


def timed(what: str, work: Callable[[], Any], data: Path) -> float:
    """The median; nothing is kept of a clip from one time to the next."""
    taken = []
    for _ in range(TIMES):
        shutil.rmtree(data / "proxy", ignore_errors=True)
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    middle = statistics.median(taken)
    print(f"  {what:40} {middle:7.2f} s   ({min(taken):.2f} to {max(taken):.2f})")
    return middle


def first_picture(address: str, second: float, data: Path) -> None:
    answer = httpx2.get(f"{address}/clip/{NAME}", params={"t": second}, timeout=600)
    answer.raise_for_status()
    (data / "served.mp4").write_bytes(answer.content)
    with av.open(str(data / "served.mp4")) as container:
        next(container.decode(video=0))


def in_browser(address: str, data: Path) -> float:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])

        def shown() -> None:
            page = browser.new_page()
            page.goto(address, wait_until="commit")
            while not page.evaluate("document.querySelector('video')?.readyState >= 2"):
                page.wait_for_timeout(10)
            page.close()

        taken = timed("in Chromium, first picture", shown, data)
        browser.close()
    return taken


if __name__ == "__main__":
    sys.exit(main())
