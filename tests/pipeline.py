"""A project folder in a temporary place, scripted engines, and the scripts run on them."""

import json
import shutil
import signal
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np

import load_data_to_chroma
import phase1_whisper_frames
import phase2_vllm_analysis
import phase4_video_summary
from db_manager import ChromaDBManager
from videotag import artifacts
from videotag.analyzers.contract import Analysis, Result, Segment
from videotag.errors import EngineError, UserError
from videotag.speech.words import Expected, Transcription, Word
from videotag.stages import PHASE1, PHASE2, PHASE4, Stage
from videotag.summaries.contract import Archive, Chapter, Cited, Items, News, Reading, Summary, Video, Window

SAMPLES = Path(__file__).parent.parent / "samples"
SAMPLE = SAMPLES / "ru_news.mp4"

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in a shell's background: the scripts that the tests start would inherit the deafness to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    # Started by nohup: they would inherit the deafness to a terminal that is closed.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class FakeTranscriber:
    """Says a word in the middle of each whole second of the audio: " 0", " 1", ..."""

    name = "fake"

    def __init__(self, model: str = "base", language: str = "ru") -> None:
        self.made_by = {"transcriber": "faster-whisper", "model": model, "device": "none", "transcriber_version": "0"}
        self.language = language
        self.heard: list[float] = []  # lengths of the stretches that were given, in seconds
        self.asked: list[Expected] = []
        self.break_at: int | None = None  # the call that is interrupted, counted from 0

    def transcribe(
        self, audio: np.ndarray, expected: Expected, heard: Callable[[float], None] | None = None
    ) -> Transcription:
        if self.break_at == len(self.heard):
            self.break_at = None
            raise KeyboardInterrupt
        seconds = len(audio) / 16_000
        self.heard.append(seconds)
        self.asked.append(expected)
        named = expected.languages[0] if len(expected.languages) == 1 else None
        words = tuple(Word(f" {n}", n + 0.25, n + 0.75, 0.5, named or self.language) for n in range(int(seconds)))
        return Transcription(words, named or self.language, 1.0 if named else 0.75)


class FakeAnalyzer:
    """Describes a segment by its number; scripted to fail or to be interrupted at some."""

    name = "fake"
    description = ""

    def __init__(self, analyzer: str = "local", output_language: str = "ru") -> None:
        self.made_by = {"analyzer": analyzer, "model": "none"}
        self.output_language = output_language
        self.seen: list[Segment] = []
        self.results: dict[tuple[str, int], Result | BaseException] = {}

    def analyze(self, segments: Iterable[Segment]) -> Generator[tuple[Segment, Result], None, None]:
        for segment in segments:
            scripted = self.results.get((segment.video_name, segment.segment_index))
            if isinstance(scripted, BaseException):
                raise scripted
            self.seen.append(segment)
            yield segment, scripted or analysis(f"{segment.video_name} {segment.segment_index}")


def analysis(description: str, **changes: Any) -> Analysis:
    fields = {
        "description": description,
        "dialogue_translation": "",
        "on_screen_text": [],
        "keywords": ["снег"],
        "content_type": "новости",
        "mood_atmosphere": "",
        "confidence": "средняя",
        "scene_change": False,
    }
    return Analysis(**{**fields, **changes})


class FakeSummarizer:
    """Reads two segments at a time and repeats their descriptions; scripted to fail or be interrupted at a window."""

    name, method, description = "fake", "extractive", ""

    def __init__(self, summarizer: str = "local") -> None:
        self.made_by = {"summarizer": summarizer, "model": "none"}
        self.archive = Archive()
        self.seen: list[tuple[str, int, int]] = []  # the windows that were read: name, first and last passage
        self.results: dict[tuple[str, int], Items | BaseException] = {}  # by name and first passage

    def windows(self, video: Video) -> list[Window]:
        count = len(video.passages)
        return [Window(first, min(first + 1, count - 1)) for first in range(0, count, 2)]

    def summaries(self, readings: Iterable[Reading]) -> Generator[tuple[Reading, News], None, None]:
        for reading in readings:
            try:
                for window in reading.left:
                    reading.items[window] = self.read(reading.video, window)
                    yield reading, window
                yield reading, self._whole(reading.video, reading.read)
            except UserError as error:
                if isinstance(error, EngineError):
                    raise
                yield reading, error

    def read(self, video: Video, window: Window) -> Items:
        scripted = self.results.get((video.name, window.first))
        if isinstance(scripted, BaseException):
            raise scripted
        self.seen.append((video.name, window.first, window.last))
        told = video.passages[window.first : window.last + 1]
        events = tuple(Cited(text=passage.description, segments=(passage.index,)) for passage in told)
        return scripted or Items(events=events, keywords=tuple(f"слово {p.index}" for p in told))

    def _whole(self, video: Video, items: Sequence[Items]) -> Summary:
        ends = {"first_segment": video.passages[0].index, "last_segment": video.passages[-1].index}
        return Summary(
            title=f"О {video.name}",
            sentences=tuple(event for one in items for event in one.events),
            keywords=tuple(word for one in items for word in one.keywords),
            chapters=(Chapter(title="Всё", summary="", **ends),),
            faults=tuple(fault for one in items for fault in one.faults),
        )


class FakeFrameEmbedder:
    """A picture's vector is its mean colour and as much light again; a text's is that of the colour that it names."""

    name = "siglip2"
    languages: frozenset[str] | None = frozenset({"ru"})
    dimension = 4
    COLOURS: ClassVar[dict[str, tuple[int, int, int]]] = {"красный": (255, 0, 0), "синий": (0, 0, 255)}

    def __init__(self, model: str = "colours") -> None:
        self.model = model
        self.embedded = 0  # pictures
        self.break_at: int | None = None  # the picture at which it is interrupted

    def embed_frames(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        self.embedded += len(pictures)
        if self.break_at is not None and self.embedded > self.break_at:
            self.break_at = None
            raise KeyboardInterrupt
        return np.stack([self._vector(picture.reshape(-1, 3).mean(axis=0)) for picture in pictures])

    def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._vector(np.asarray(self.COLOURS.get(text, (128, 128, 128)))) for text in texts])

    def _vector(self, colour: np.ndarray) -> np.ndarray:
        vector = np.asarray([*(colour - 128), 1], np.float32)
        return vector / np.linalg.norm(vector)


class Project:
    """A folder with a list of videos, results and a database; the scripts run on it with scripted engines."""

    def __init__(self, folder: Path, capsys: Any, embedder: Any) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.transcriber = FakeTranscriber()
        self.analyzer = FakeAnalyzer()
        self.summarizer = FakeSummarizer()
        self.embedder = embedder
        self.frame_embedder = FakeFrameEmbedder()
        self.loads: list[str] = []  # engines that were built, in order
        self.out = ""  # what the last run printed
        self.err = ""
        self._capsys = capsys

    @property
    def db(self) -> ChromaDBManager:
        return ChromaDBManager(self.folder / "chroma_db", embedder=self.embedder)

    def video(self, name: str = "news.mp4", streams: str = "av") -> str:
        """A copy of the sample, whole, or its sound or pictures only; by its name a file of its own. Its path."""
        path = self.folder / name
        if streams == "av":
            shutil.copyfile(SAMPLE, path)
        else:
            remux(SAMPLE, path, "audio" if streams == "a" else "video")
        with path.open("ab") as file:  # a box that no player reads
            file.write((8 + 64).to_bytes(4, "big") + b"free" + name.encode().ljust(64, b"\0"))
        return str(path)

    def config(self, *entries: dict[str, Any]) -> None:
        (self.folder / "videos_config.json").write_text(json.dumps({"videos": entries}), encoding="utf-8")

    def one_video(self, **changes: Any) -> None:
        self.config({"name": "news", "path": self.video(), "language": "ru", **changes})

    def several_videos(self, *names: str) -> None:
        self.config(*({"name": name, "path": self.video(f"{name}.mp4"), "language": "ru"} for name in names))

    def record(self, name: str = "news") -> dict[str, Any]:
        return self.db.get_video_status(name)

    def phase1(self, *args: str) -> int:
        def load(transcriber: str, options: Any) -> FakeTranscriber:
            self.loads.append(f"transcriber {options.model}")
            self.transcriber.made_by["model"] = options.model
            return self.transcriber

        config = ["--config", str(self.folder / "videos_config.json")]
        return self._run(phase1_whisper_frames.main, [*config, *args], load)

    def phase2(self, *args: str) -> int:
        def load(name: str, output_language: str, options: Any) -> FakeAnalyzer:
            self.loads.append(f"analyzer {name}")
            self.analyzer.made_by["analyzer"] = name
            self.analyzer.output_language = output_language
            return self.analyzer

        return self._run(phase2_vllm_analysis.main, list(args), load)

    def phase4(self, *args: str) -> int:
        def load(name: str, options: Any, archive: Callable[[], Archive]) -> FakeSummarizer:
            self.loads.append(f"summarizer {name}")
            self.summarizer.made_by["summarizer"] = name
            self.summarizer.archive = archive()
            return self.summarizer

        return self._run(phase4_video_summary.main, list(args), load)

    def load(self, *args: str) -> int:
        def load(name: str, model: str | None) -> Any:
            self.loads.append(f"embedder {name}")
            return self.embedder

        def load_frames(name: str, model: str | None) -> Any:
            self.loads.append(f"frame embedder {name}")
            return self.frame_embedder

        return self._run(partial(load_data_to_chroma.main, load_frames=load_frames), list(args), load)

    def result1(self, name: str = "news") -> dict[str, Any]:
        return self._result(PHASE1, name)

    def result2(self, name: str = "news") -> dict[str, Any]:
        return self._result(PHASE2, name)

    def result4(self, name: str = "news") -> dict[str, Any]:
        return self._result(PHASE4, name)

    def _result(self, stage: Stage, name: str) -> dict[str, Any]:
        found = artifacts.read(stage, artifacts.path_of(stage, self.data, name))
        assert found is not None
        return found

    def files(self) -> list[str]:
        """Names of the files in data/, without the locks."""
        return sorted(path.name for path in self.data.iterdir() if path.is_file())

    def _run(self, main: Callable[..., int], args: list[str], load: Any) -> int:
        self._capsys.readouterr()
        code = main([*args, "--data-dir", str(self.data), "--db", str(self.folder / "chroma_db")], load)
        self.out, self.err = self._capsys.readouterr()
        return code


def remux(source: Path, target: Path, kind: str) -> None:
    """Copy the streams of one kind into another file, without coding them again."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = next(s for s in old.streams if s.type == kind)
        copy = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                new.mux(packet)
