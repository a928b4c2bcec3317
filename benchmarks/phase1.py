"""Phase 1 against other ways to do the same work, side by side, each in a process of its own.

    python benchmarks/phase1.py                                five minutes of the Russian sample; frames of two clips
    python benchmarks/phase1.py --file film.mp4 --language ru  your own file for both
    python benchmarks/phase1.py --only speech --rounds 3
    python benchmarks/phase1.py --settings                     also batch sizes and numbers of threads
    python benchmarks/phase1.py --three-hours                  peak memory of three hours of speech (20 CPU minutes)

CPU seconds are those of the whole process without the loading of libraries and models; peak memory is that of the
process. On a machine that others use, trust the ratios of CPU seconds. The best of the rounds counts. Of GigaAM there
is the true network with random weights (random_gigaam.py): what it costs, not what it hears.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from videotag import segments  # noqa: E402
from videotag.media import pictures, probe, sound  # noqa: E402
from videotag.media.source import opened  # noqa: E402
from videotag.media.upright import Upright  # noqa: E402
from videotag.speech.words import Expected  # noqa: E402

STRETCH_SECONDS = 300.0  # as phase1_whisper_frames.py
FRAME_CLIP_SECONDS = 120


# --- what is compared. Each one loads what it needs, then returns the work; the work returns what it found.


def windows_one_by_one(path: str, language: str | None) -> Callable[[], Any]:
    """The plan's recipe: every window of 50 s is cut out and heard by itself."""
    model = whisper()

    def work() -> int:
        audio = whole(path)
        words = 0
        for window in segments.windows(len(audio) / sound.SAMPLE_RATE):
            piece = audio[round(window.start * sound.SAMPLE_RATE) : round(window.end * sound.SAMPLE_RATE)]
            found, _ = model.transcribe(piece, language=language, word_timestamps=True)
            words += sum(len(segment.words or ()) for segment in found)
        return words

    return work


def engine_alone(path: str, language: str | None) -> Callable[[], Any]:
    """faster-whisper's batched pipeline over the whole file at once."""
    from faster_whisper import BatchedInferencePipeline

    pipeline = BatchedInferencePipeline(whisper())

    def work() -> int:
        found, _ = pipeline.transcribe(whole(path), language=language, word_timestamps=True, batch_size=8)
        return sum(len(segment.words or ()) for segment in found)

    return work


def phase1_speech(path: str, language: str | None) -> Callable[[], Any]:
    """What phase1_whisper_frames.py does: stretch after stretch."""
    from videotag.speech.faster_whisper import FasterWhisper

    engine = FasterWhisper(FasterWhisper.Options())

    def work() -> int:
        stretches = sound.stretches(path, 0.0, STRETCH_SECONDS)
        expected = Expected((language,) if language else ())
        return sum(len(engine.transcribe(audio, expected).words) for _, audio in stretches)

    return work


def gigaam(path: str, language: str | None) -> Callable[[], Any]:
    """onnx-asr on what Silero's detector takes for speech, in pieces of at most 20 s, one after the other."""
    from faster_whisper.vad import VadOptions, collect_chunks, get_speech_timestamps

    from videotag.speech.onnx_asr import OnnxAsr

    ear = OnnxAsr(OnnxAsr.Options(str(random_gigaam()), "cpu"))
    options = VadOptions(max_speech_duration_s=ear.longest, min_silence_duration_ms=160)

    def work() -> int:
        words = 0
        for _, audio in sound.stretches(path, 0.0, STRETCH_SECONDS):
            found = get_speech_timestamps(audio, options)
            pieces, _ = collect_chunks(audio, found, max_duration=ear.longest)
            words += sum(len(ear.hear([piece], language or "", ())[0].words) for piece in pieces)
        return words

    return work


def with_settings(batch: int, threads: int) -> Callable[[str, str | None], Callable[[], Any]]:
    """faster-whisper's batched pipeline with another batch size or number of threads."""

    def load(path: str, language: str | None) -> Callable[[], Any]:
        from faster_whisper import BatchedInferencePipeline

        pipeline = BatchedInferencePipeline(whisper(threads))

        def work() -> int:
            words = 0
            for _, audio in sound.stretches(path, 0.0, STRETCH_SECONDS):
                found, _ = pipeline.transcribe(audio, language=language, word_timestamps=True, batch_size=batch)
                words += sum(len(segment.words or ()) for segment in found)
            return words

        return work

    return load


def seek_each(path: str, _: str | None) -> Callable[[], Any]:
    """PyAV: seek before every frame, decode forward."""

    def work() -> int:
        with opened(path) as source:
            container, stream, upright = source.container, source.video, Upright(source)
            found = (sought(container, stream, time) for time in asked(path))
            return sum(len(pictures.jpeg_of(frame, upright, pictures.LONG_SIDE)) > 0 for frame in found)

    return work


def seek_by_group(path: str, _: str | None) -> Callable[[], Any]:
    """PyAV: seek only where that skips a keyframe, by the file's index; decode every frame in between."""

    def work() -> int:
        with opened(path) as source:
            container, stream, upright = source.container, source.video, Upright(source)
            entries = stream.index_entries
            frames: Any = container.decode(stream)
            held = ahead = None
            count = 0
            for wanted in asked(path):
                target = int((wanted + 1e-6) / stream.time_base)
                keyframe = entries[entries.search_timestamp(target)].timestamp
                if held is not None and keyframe > held.pts:
                    container.seek(target, stream=stream)
                    frames = container.decode(stream)
                    held = ahead = None
                while ahead is None or ahead.pts <= target:
                    held, ahead = ahead or held, next(frames, None)
                    if ahead is None:
                        break
                count += len(pictures.jpeg_of(held, upright, pictures.LONG_SIDE)) > 0
            return count

    return work


def opencv_seek(path: str, _: str | None) -> Callable[[], Any]:
    """OpenCV: POS_MSEC before every frame (not exact: two of three are off by one)."""
    import cv2

    def work() -> int:
        video = cv2.VideoCapture(path)
        count = 0
        for wanted in asked(path):
            video.set(cv2.CAP_PROP_POS_MSEC, 1000 * wanted)
            ok, image = video.read()
            count += ok and cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, pictures.JPEG_QUALITY])[0]
        return count

    return work


def phase1_frames(path: str, _: str | None) -> Callable[[], Any]:
    def work() -> int:
        return sum(1 for _ in pictures.pictures(path, asked(path)))

    return work


SPEECH: dict[str, Callable[[str, str | None], Callable[[], Any]]] = {
    "faster-whisper on each window": windows_one_by_one,
    "engine alone, whole file": engine_alone,
    "phase 1": phase1_speech,
    "GigaAM 220M, random, int8": gigaam,
}
SETTINGS: dict[str, Callable[[str, str | None], Callable[[], Any]]] = {
    f"batch {batch}, {threads} threads": with_settings(batch, threads)
    for batch, threads in [(4, 0), (8, 0), (16, 0), (8, 2), (8, 4)]
}
FRAMES: dict[str, Callable[[str, str | None], Callable[[], Any]]] = {
    "PyAV, seek each time": seek_each,
    "PyAV, seek into another GOP": seek_by_group,
    "OpenCV POS_MSEC": opencv_seek,
    "phase 1": phase1_frames,
}
METHODS = {"speech": SPEECH, "settings": SETTINGS, "frames": FRAMES}


def whisper(threads: int = 0) -> Any:
    from faster_whisper import WhisperModel

    from videotag.speech.faster_whisper import _ct2_folder

    return WhisperModel(_ct2_folder("base"), device="cpu", compute_type="int8", cpu_threads=threads)


def random_gigaam() -> Path:
    """The folder of the network with random weights, made once, by a process of its own."""
    folder = Path(tempfile.gettempdir()) / "videotag-random-gigaam"
    if not (folder / "config.json").is_file():
        subprocess.run([sys.executable, ROOT / "benchmarks" / "random_gigaam.py", folder], check=True)
    return folder


def whole(path: str) -> np.ndarray:
    return np.concatenate([audio for _, audio in sound.stretches(path)])


def asked(path: str) -> list[float]:
    """The times of the frames that phase 1 keeps."""
    windows = segments.windows(probe.probe(path).duration)
    return sorted({moment for window in windows for moment in segments.frame_times(window)})


def sought(container: Any, stream: Any, wanted: float) -> Any:
    container.seek(int(wanted / stream.time_base), stream=stream)
    held = None
    for frame in container.decode(stream):
        if frame.time > wanted + 1e-6:
            return held or frame
        held = frame
    return held


# --- measuring


def measure(kind: str, name: str, path: str, language: str | None) -> dict[str, Any]:
    """Run one method in this process."""
    work = METHODS[kind][name](path, language)
    cpu, wall = time.process_time(), time.perf_counter()
    found = work()
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "found": found,
    }


def apart(kind: str, name: str, path: str, language: str | None) -> dict[str, Any]:
    """Run one method in a process of its own."""
    command = [sys.executable, __file__, "--child", kind, name, "--file", path, "--language", language or "auto"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def compare(kind: str, path: str, language: str | None, rounds: int) -> None:
    """All methods of a kind in turn, round after round; the best of each, and its ratio to phase 1's (or the first)."""
    best: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for name in METHODS[kind]:
            result = apart(kind, name, path, language)
            if name not in best or result["cpu"] < best[name]["cpu"]:
                best[name] = result
    against = best.get("phase 1") or next(iter(best.values()))
    length = probe.probe(path).duration
    print(f"\n{kind}, {Path(path).name} ({length:.0f} s), best of {rounds}")
    print(f"  {'':32}{'CPU s':>8}{'x':>7}{'wall s':>9}{'x':>7}{'peak MB':>9}{'found':>7}")
    for name, r in best.items():
        cpu, wall = r["cpu"] / against["cpu"], r["wall"] / against["wall"]
        print(f"  {name:32}{r['cpu']:8.2f}{cpu:7.2f}{r['wall']:9.2f}{wall:7.2f}{r['peak_mb']:9.0f}{r['found']:7}")


# --- what is measured on


def looped(source: Path, path: Path, seconds: float, kinds: Sequence[str] = ("video", "audio")) -> str:
    """The source's packets again and again until the file is `seconds` long; nothing is encoded."""
    with av.open(str(path), "w") as out:
        tracks = {}
        with av.open(str(source)) as container:
            # A little apart: the first packets of a file are decoded, so stamped, before 0.
            length = (container.duration or 0) / 1_000_000 + 0.2
            for stream in container.streams:
                if stream.type in kinds:
                    tracks[stream.index] = out.add_stream_from_template(stream)
        for number in range(max(1, round(seconds / length))):
            with av.open(str(source)) as container:
                for packet in container.demux([container.streams[index] for index in tracks]):
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    shift = round(number * Fraction(length) / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = tracks[packet.stream_index]
                    out.mux(packet)
    return str(path)


def shapes(path: Path, gop: int) -> str:
    """720p, 25 frames a second, a circle and some noise over a picture that moves; a keyframe every `gop` frames."""
    import cv2

    width, height, draw = 1280, 720, np.random.default_rng(1)
    coarse: Any = draw.integers(0, 255, (height // 8 + 150, width // 8 + 150, 3), dtype=np.uint8)
    ground = cv2.GaussianBlur(cv2.resize(coarse, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC), (0, 0), 3)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = gop
        stream.options = {"preset": "fast", "crf": "26", "keyint_min": str(gop), "sc_threshold": "0"}
        for n in range(FRAME_CLIP_SECONDS * 25):
            x, y = int(600 + 500 * np.sin(n / 40)), int(600 + 500 * np.cos(n / 57))
            image = ground[y : y + height, x : x + width].copy()
            cv2.circle(image, (int(640 + 500 * np.cos(n / 9)), int(360 + 300 * np.sin(n / 13))), 60, (20, 200, 255), -1)
            image[200:290, 300:460] += draw.integers(0, 16, (90, 160, 3), dtype=np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8), format="bgr24")))
        out.mux(stream.encode())
    return str(path)


def main(argv: list[str] | None = None) -> int:
    args = options().parse_args(argv)
    language = None if args.language == "auto" else args.language
    if args.child:
        kind, name = args.child
        print(json.dumps(measure(kind, name, args.file, language)))
        return 0
    sample = ROOT / "samples" / "ru_news.mp4"
    with tempfile.TemporaryDirectory() as folder:
        if args.three_hours:
            long = looped(sample, Path(folder) / "long.mp4", args.hours * 3600, ["audio"])
            print(f"{args.hours:g} h of speech:", json.dumps(apart("speech", "phase 1", long, language)))
            return 0
        if args.only != "frames":
            random_gigaam()  # before anything is measured
            speech = args.file or looped(sample, Path(folder) / "ru_news_looped.mp4", 300)
            compare("speech", speech, language, args.rounds)
            if args.settings:
                compare("settings", speech, language, args.rounds)
        if args.only != "speech":
            gops = {"gop_10s.mp4": 250, "gop_1.2s.mp4": 30}
            for path in [args.file] if args.file else [shapes(Path(folder) / name, gop) for name, gop in gops.items()]:
                compare("frames", path, language, args.rounds)
    return 0


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", help="a video of your own, for speech and frames")
    parser.add_argument("--language", default="ru", help='of the speech, or "auto" (default: %(default)s)')
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many counts (default: %(default)s)")
    parser.add_argument("--only", choices=["speech", "frames"])
    parser.add_argument("--settings", action="store_true", help="compare batch sizes and numbers of threads as well")
    parser.add_argument("--three-hours", action="store_true", help="only the peak memory of a long file")
    parser.add_argument("--hours", type=float, default=3.0, help="how long --three-hours is (default: %(default)s)")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
