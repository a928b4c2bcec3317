"""What is handed out of the results for a video: subtitles, texts, and files for editors and players."""

import json
import logging
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from videotag import artifacts
from videotag.editors import clips, formats
from videotag.errors import UserError
from videotag.fields import EXPORTED
from videotag.results import Heard, HeardSegment, chapters_of, languages_of
from videotag.segments import texts_of
from videotag.speech import subtitles
from videotag.speech.words import Word
from videotag.stages import PHASE1, PHASE2, PHASE4
from videotag.text import clean, escaped, one_line
from videotag.times import clock

log = logging.getLogger("videotag")

ORIGINAL, TRANSLATION = "original", "translation"
OWN = ("title", "timecode", "frame_rate", "shot_at", "location")
"""What a file says of itself."""

SEGMENTS, CHAPTERS = "segments", "chapters"
FEWEST, SHORTEST = 3, 10  # chapters, and seconds of each, that YouTube wants
_UNBRACKETED = str.maketrans("<>", "‹›")
JOINTS = {"on_screen_text": " / "}


def anew(name: str) -> str:
    """To a script that may take a video for done: what was lost in data/ since."""
    return f"(with --force --only {shlex.quote(name)} if it is done before)"


@dataclass(frozen=True)
class Source:
    """The results for a video: phase 1, and phases 2 and 4 where they are there and each was made of the one before."""

    name: str
    phase1: Heard
    phase2: dict[str, Any] | None
    phase4: dict[str, Any] | None = None

    @cached_property
    def chapters(self) -> list[dict[str, Any]]:
        """Those of phase 4, else the file's own: `start` and `end` (s), `title`, `summary` ("" in the file's)."""
        if self.phase4:
            return chapters_of(self.phase4)
        return [{**one, "summary": ""} for one in self.phase1.get("chapters", [])]

    @property
    def segments(self) -> list[HeardSegment]:
        return self.phase1["segments"]

    @cached_property
    def analyses(self) -> dict[int, dict[str, Any]]:
        """Entries of phase 2 by `segment_index`."""
        return {entry["segment_index"]: entry for entry in self.phase2["segments"]} if self.phase2 else {}


@dataclass(frozen=True)
class Wanted:
    """What is made: a format of `FORMATS`, of what language its words are, of what its parts are."""

    format: str
    language: str = ORIGINAL
    parts: str = SEGMENTS


def exported(data_dir: Path, name: str, wanted: Wanted) -> formats.Files:
    """A video in the format asked for: what goes after the file's name, and the file.

    Raises:
        UserError: its results are damaged, or it has not what was asked for: a translation, chapters, a frame rate.
    """
    phase1 = read_phase1(data_dir, name)
    if wanted.format in formats.FORMATS:
        return for_editors(source_of(data_dir, name, phase1), wanted.format, wanted.parts)
    if wanted.parts == CHAPTERS:
        return {f".{wanted.format}": FROM_CHAPTERS[wanted.format](chaptered(source_of(data_dir, name, phase1)))}
    return {f".{wanted.format}": as_text_file(data_dir, name, phase1, wanted)}


def as_text_file(data_dir: Path, name: str, phase1: Heard, wanted: Wanted) -> str:
    """Subtitles or a text, as of `exported`."""
    if not any(segment["words"] for segment in phase1["segments"]):
        log.warning("%s: no speech was recognized in it", name)
    if wanted.format in FROM_SEGMENTS:
        return FROM_SEGMENTS[wanted.format](source_of(data_dir, name, phase1))
    if wanted.language != TRANSLATION:
        return FROM_WORDS[wanted.format](subtitles.joined(phase1["segments"]))
    phase2 = read_phase2(data_dir, name, phase1, needed=True)
    return FROM_WORDS[wanted.format](translated(Source(name, phase1, phase2)))


def read_phase1(data_dir: Path, name: str) -> Heard:
    """The result of phase 1; raises UserError where there is none that is whole."""
    path = artifacts.path_of(PHASE1, data_dir, name)
    phase1 = artifacts.read(PHASE1, path)
    if phase1 is None:
        raise UserError(f"{path}: is missing or damaged; run phase1_whisper_frames.py {anew(name)}, then this again")
    return phase1


def source_of(data_dir: Path, name: str, phase1: Heard) -> Source:
    """All results of a video that belong together."""
    phase2 = read_phase2(data_dir, name, phase1, needed=False)
    path = artifacts.path_of(PHASE4, data_dir, name)
    phase4 = artifacts.read(PHASE4, path)
    if path.exists() and not (phase2 and phase4 and phase4["input"] == phase2["result_id"]):
        fault = "was made of an older phase 2" if phase2 and phase4 else "is damaged" if phase2 else "has no phase 2"
        log.warning("%s: %s; it is left out: run phase4_video_summary.py, then this again", path, fault)
        phase4 = None
    return Source(name, phase1, phase2, phase4)


def read_phase2(data_dir: Path, name: str, phase1: Heard, needed: bool) -> dict[str, Any] | None:
    """The result of phase 2, or None where there is none.

    Raises:
        UserError: it is needed, and is not there, is damaged, or was made of another phase 1.
    """
    path = artifacts.path_of(PHASE2, data_dir, name)
    found = artifacts.read(PHASE2, path)
    fault = "is missing or damaged" if path.exists() or needed else None
    if found is not None:
        fault = None if found["input"] == phase1.get("result_id") else "was made of an older phase 1"
    if fault and needed:
        raise UserError(f"{path}: {fault}; run phase2_vllm_analysis.py {anew(name)}, then this again")
    if fault:
        log.warning("%s: %s; the speech alone is exported", path, fault)
    return None if fault else found


def translated(source: Source) -> list[Word]:
    """The translation with times. A warning says how many segments with speech have none.

    Raises:
        UserError: none has.
    """
    texts = {index: entry["dialogue_translation"] for index, entry in source.analyses.items()}
    spoken = [segment["segment_index"] for segment in source.segments if segment["words"]]
    missing = [index for index in spoken if not texts.get(index, "").strip()]
    if spoken and len(missing) == len(spoken):
        remedy = "run phase2_vllm_analysis.py with --analyzer vllm or openai"
        raise UserError(f"has no translation: its analyzer made none; {remedy}")
    if missing:
        log.warning("%s: %d of %d segments have no translation", source.name, len(missing), len(spoken))
    return subtitles.translation(source.segments, texts)


def for_editors(source: Source, form: str, parts: str) -> formats.Files:
    """The video's segments, each with its description or else its speech, or its chapters.

    Raises:
        UserError: it has no chapters and they were asked for, or no steady frame rate and the format needs one.
    """
    chapters = {**source.phase1, "chapters": source.chapters}
    found = clips.chapters_of(chapters) if parts == CHAPTERS else segments_of(source)
    if not found:
        raise UserError(f"has no {parts}" + (f"; its {SEGMENTS} can be exported" if parts == CHAPTERS else ""))
    files, _ = formats.written(form, found, source.phase1.get("title") or source.name)
    return files


def segments_of(source: Source) -> list[clips.Clip]:
    video, analyses = clips.video_of(source.phase1), source.analyses
    texts = [
        (analyses.get(segment["segment_index"], {}).get("description") or segment["transcript"])
        for segment in source.segments
    ]
    return [
        clips.Clip(video, segment["start_time"], segment["end_time"], text)
        for segment, text in zip(source.segments, texts, strict=True)
    ]


def chaptered(source: Source) -> Source:
    """The same; raises UserError if it has no chapters."""
    if not source.chapters:
        raise UserError("has no chapters: its file has none; run phase4_video_summary.py, which makes some")
    return source


def chapters_as_vtt(source: Source) -> str:
    """A cue a chapter, for <track kind="chapters">."""
    milliseconds = [(round(1000 * one["start"]), round(1000 * one["end"])) for one in source.chapters]
    titles = (title_of(one) for one in source.chapters)
    return subtitles.vtt(
        subtitles.Cue(start, end, (title,)) for (start, end), title in zip(milliseconds, titles, strict=True)
    )


def chapters_as_text(source: Source) -> str:
    """A line a chapter, `00:00 Title`, as YouTube takes them from a description; a warning where it would not.

    It wants the first at 00:00, three at least, of 10 s at least, and no < or > in a description.
    Source: https://support.google.com/youtube/answer/9884579
    """
    chapters = source.chapters
    lines = [(one["start"], title_of(one)) for one in chapters]
    if lines[0][0] >= SHORTEST:
        lines.insert(0, (0.0, clean(source.phase1.get("title") or source.name)))
    lines[0] = 0.0, lines[0][1]
    ends = [*(start for start, _ in lines[1:]), chapters[-1]["end"]]
    short = [clock(start) for (start, _), end in zip(lines, ends, strict=True) if int(end) - int(start) < SHORTEST]
    if len(lines) < FEWEST:
        log.warning("%s: YouTube shows no chapters where there are fewer than %d", source.name, FEWEST)
    if short:
        message = "%s: YouTube shows no chapters where one is shorter than %d s: %s"
        log.warning(message, source.name, SHORTEST, ", ".join(short))
    return "".join(f"{clock(start)} {title.translate(_UNBRACKETED)}\n" for start, title in lines)


def title_of(chapter: dict[str, Any]) -> str:
    """In one line; that of one without a title is where it begins."""
    return one_line(chapter["title"]) or clock(chapter["start"])


def as_text(words: list[Word]) -> str:
    return "\n".join(f"[{clock(start)}] {text}\n" for start, text in subtitles.paragraphs(words))


def as_markdown(source: Source) -> str:
    """What is known of each segment, after the file's own facts; texts of overlapping ones stand in both, as stored."""
    analyses = source.analyses
    spoken = source.phase1.get("spoken_languages") or [source.phase1["spoken_language"]]
    own = (str(source.phase1.get(name, "")) for name in OWN)
    facts = [*spoken, clock(source.phase1["video_duration"]), source.phase1["video_path"], *own]
    blocks = [f"# {escaped(source.name)}", ", ".join(escaped(fact) for fact in facts if fact)]
    if of_all := source.phase4:
        blocks += [escaped(text) for text in (of_all["title"], of_all["summary"]) if text]
        blocks += [f"**Keywords:** {escaped(', '.join(of_all['keywords']))}"] if of_all["keywords"] else []
    for one in source.chapters:
        told = f": {escaped(one['summary'])}" if one["summary"] else ""
        blocks.append(f"- {clock(one['start'])} {escaped(one['title'])}{told}")
    for segment in source.segments:
        blocks += markdown_blocks(segment, analyses.get(segment["segment_index"]) or texts_of(segment, source.phase1))
    return "\n\n".join(blocks) + "\n"


def markdown_blocks(segment: HeardSegment, analysis: dict[str, Any]) -> list[str]:
    blocks = [f"## {clock(segment['start_time'])}-{clock(segment['end_time'])}"]
    for field in EXPORTED:
        value = analysis.get(field.name) or segment.get(field.name)
        if field.shown is None or not value:
            continue
        text = escaped(JOINTS.get(field.name, ", ").join(value) if isinstance(value, list) else str(value))
        if text.strip():
            blocks.append(text if field.name == "description" else f"**{field.label.en}:** {text}")
    return blocks


def as_json(source: Source) -> str:
    """Segments with their analyses (null where there is none), and the words, each once."""
    analyses = source.analyses
    head = {
        "video_name": source.name,
        "video_path": source.phase1["video_path"],
        "video_duration": source.phase1["video_duration"],
        "language": source.phase1["spoken_language"],
        "spoken_languages": source.phase1.get("spoken_languages"),
        "output_language": source.phase2["output_language"] if source.phase2 else None,
        **{name: source.phase1.get(name) for name in (*OWN, "transcript_source")},
    }
    names = [field.name for field in EXPORTED if field.name not in head]
    known = (
        {**segment, "subtitles": None, "languages": languages_of(segment, source.phase1)}
        | (analyses.get(segment["segment_index"]) or texts_of(segment, source.phase1))
        for segment in source.segments
    )
    segments = [{name: of_one.get(name) for name in names} for of_one in known]
    shown = {(s["start"], s["language"], s["text"]): s for each in source.segments for s in each.get("subtitles", [])}
    head |= {"chapters": source.phase1.get("chapters", []), "subtitles": list(shown.values())}
    whole = {**head, "segments": segments, "words": [asdict(w) for w in subtitles.joined(source.segments)]}
    return json.dumps(cleaned(whole), ensure_ascii=False, indent=2) + "\n"


def cleaned(value: Any) -> Any:
    """Plain values, their texts without control characters."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: cleaned(inner) for key, inner in value.items()}
    return [cleaned(inner) for inner in value] if isinstance(value, list) else value


FROM_WORDS: dict[str, Callable[[list[Word]], str]] = {
    "srt": lambda words: subtitles.srt(subtitles.cues(words)),
    "vtt": lambda words: subtitles.vtt(subtitles.cues(words)),
    "txt": as_text,
}
FROM_SEGMENTS: dict[str, Callable[[Source], str]] = {"json": as_json, "md": as_markdown}
FROM_CHAPTERS: dict[str, Callable[[Source], str]] = {"vtt": chapters_as_vtt, "txt": chapters_as_text}
FORMATS = (*FROM_WORDS, *FROM_SEGMENTS, *formats.FORMATS)
