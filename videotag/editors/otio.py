"""OpenTimelineIO's JSON, as version 0.18.1 writes it: read by DaVinci Resolve, Premiere Pro, Kdenlive and others."""

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from videotag.editors.clips import Clip, plain


def as_otio(clips: Sequence[Clip], title: str) -> str:
    """A timeline with the clips one after the other, their sound below them, each picture with its text as a marker.

    Source times are the source's timecode in pictures; where the file tells none they count from 0.
    """
    tracks = [
        _composition("Track.1", "V1", [_clip(clip, marked=True) for clip in clips], kind="Video"),
        _composition("Track.1", "A1", [_sound(clip) for clip in clips], kind="Audio"),
    ]
    stack = _composition("Stack.1", "tracks", tracks)
    timeline = _named("Timeline.1", plain(title), global_start_time=None, tracks=stack)
    return json.dumps(timeline, ensure_ascii=False, indent=4) + "\n"


def _clip(clip: Clip, marked: bool) -> dict[str, Any]:
    video = clip.video
    assert video.rate and video.zero
    first, last = clip.span
    start = video.zero.frame + first
    media = _named(
        "ExternalReference.1",
        video.file_name,
        available_range=_range(video.zero.frame, video.pictures, video.rate),
        available_image_bounds=None,
        target_url=video.address,
    )
    return _item(
        "Clip.2",
        video.file_name,
        source_range=_range(start, last - first, video.rate),
        markers=[_marker(clip.note, _range(start, 1, video.rate))] if marked and clip.note else [],
        media_references={"DEFAULT_MEDIA": media},
        active_media_reference_key="DEFAULT_MEDIA",
    )


def _sound(clip: Clip) -> dict[str, Any]:
    """The clip once more; of one without sound its length, so that those after it stay under their pictures."""
    if clip.video.sounds:
        return _clip(clip, marked=False)
    assert clip.video.rate
    first, last = clip.span
    return _item("Gap.1", "", source_range=_range(0, last - first, clip.video.rate), markers=[])


def _marker(note: str, marked: dict[str, Any]) -> dict[str, Any]:
    return _named("Marker.2", note, color="GREEN", marked_range=marked, comment=note)


def _composition(schema: str, name: str, children: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return _item(schema, name, source_range=None, markers=[], children=children, **more)


def _item(schema: str, name: str, **more: Any) -> dict[str, Any]:
    return _named(schema, name, effects=[], enabled=True, color=None, **more)


def _named(schema: str, name: str, **more: Any) -> dict[str, Any]:
    return {"OTIO_SCHEMA": schema, "metadata": {}, "name": name, **more}


def _range(first: int, count: int, rate: Fraction) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "TimeRange.1", "duration": _time(count, rate), "start_time": _time(first, rate)}


def _time(frames: int, rate: Fraction) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(frames)}
