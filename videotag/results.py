"""What the stages leave in data/, key by key: plain values. Times are seconds in the video."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

Settings = dict[str, Any]
"""What something is made by: the engine, its model, and what else changes a result."""


class Subtitle(TypedDict):
    """A text that the file, or one beside it, shows from `start` to `end`. `language` is ISO 639-1, "" if unknown."""

    start: float
    end: float
    text: str
    language: str


class Chapter(TypedDict):
    start: float
    end: float
    title: str


class HeardSegment(TypedDict):
    """A window, as phase 1 leaves it. `words` are `speech.words.Word`s, `frames` numbers in the result's list."""

    segment_index: int
    start_time: float
    end_time: float
    duration: float
    transcript: str
    words: list[dict[str, Any]]
    frames: list[int]
    languages: NotRequired[list[str]]  # ISO 639-1, the one with most words first; older results have none
    subtitles: NotRequired[list[Subtitle]]  # all that are shown at some time of it, by the clock of the video


class Heard(TypedDict):
    """The result of phase 1. `source` is a `content.State`; a frame is its `time` and the file `jpeg`."""

    video_name: str
    video_path: str
    language: str  # as the list has it
    spoken_language: str
    detected_language: str
    language_probability: float
    video_duration: float
    width: int
    height: int
    fps: float
    source: dict[str, Any]
    made_by: Settings
    created_at: str
    frames: list[dict[str, Any]]
    segments: list[HeardSegment]
    spoken_languages: NotRequired[dict[str, float]]  # ISO 639-1 to seconds of speech, most first
    unheard: NotRequired[list[dict[str, Any]]]  # speech without words: `speech.words.Unheard`s
    audio_track: NotRequired[str]  # what was heard of the file's sound and what was not, in words
    audio_asked: NotRequired[str]  # the list's `audio_track`, "" for none
    transcript_source: NotRequired[str]  # who heard the words, or what they were read from; "" without sound
    transcript: NotRequired[str]  # as the list has it, if it does
    timecode: NotRequired[str]  # this and the next: `media.timecode.Slate`'s, where the file tells them
    frame_rate: NotRequired[str]
    shot_at: NotRequired[str]
    location: NotRequired[str]
    title: NotRequired[str]  # what the file calls itself
    chapters: NotRequired[list[Chapter]]
    result_id: NotRequired[str]  # as it is read


def chapters_of(phase4: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of a result of phase 4 in the form of the file's own (`Chapter`), with their `summary`."""
    keys = {"start": "start_time", "end": "end_time", "title": "title", "summary": "summary"}
    return [{key: one[name] for key, name in keys.items()} for one in phase4["chapters"]]


def languages_of(segment: HeardSegment, phase1: Heard) -> list[str]:
    """What is spoken in a segment, ISO 639-1, most first; [] where nothing is said. Of older results the video's."""
    spoken = phase1["spoken_language"]
    return segment.get("languages", [spoken] if segment["words"] and spoken else [])
