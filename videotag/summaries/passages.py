"""What a summarizer gets: made of a video's record and its result of phase 2."""

import json
from collections.abc import Mapping
from typing import Any

from videotag.results import Chapter
from videotag.segments import described, unsaid
from videotag.stages import Record
from videotag.summaries.contract import Passage, Video


def video_of(record: Record, phase2: Mapping[str, Any], output_language: str) -> Video:
    """The video, with its segments that could be analyzed."""
    segments = described(phase2)
    starts = [*(segment["start_time"] for segment in segments[1:]), float("inf")]
    return Video(
        name=phase2["video_name"],
        title=record.get("title", ""),
        duration=float(phase2.get("video_duration") or 0.0),
        language=phase2.get("language", ""),
        output_language=output_language,
        passages=tuple(_passage(*pair) for pair in zip(segments, starts, strict=True)),
        chapters=tuple(_chapters(record)),
    )


def _passage(segment: Mapping[str, Any], next_start: float) -> Passage:
    return Passage(
        index=segment["segment_index"],
        start=segment["start_time"],
        end=segment["end_time"],
        speech=_said_before(segment, next_start),
        translation=segment.get("dialogue_translation") or "",
        subtitles="\n".join(unsaid(segment)),
        description=segment.get("description") or "",
        measured=bool(segment.get("measured")),
        on_screen=tuple(segment.get("on_screen_text") or ()),
        keywords=tuple(segment.get("keywords") or ()),
        languages=tuple(segment.get("languages") or [segment["language"]] if segment.get("language") else ()),
    )


def _said_before(segment: Mapping[str, Any], end: float) -> str:
    """The words of a segment's transcript that begin before `end`; all of them where their times are not known."""
    words = (segment.get("transcript") or "").split()
    tenths = (segment.get("word_times") or "").split()
    if len(tenths) != len(words):
        return " ".join(words)
    start = segment["start_time"]
    return " ".join(word for word, tenth in zip(words, tenths, strict=True) if start + int(tenth) / 10 < end)


def _chapters(record: Record) -> list[Chapter]:
    return json.loads(record.get("chapters") or "[]")
