"""The fields of the two collections' records: which there are, of what kind, and which can be filtered by."""

from functools import lru_cache

from videotag import stages
from videotag.stages import Stage

STATUSES = ("pending", "processing", "completed")

_STAGE_FIELDS: dict[str, type] = {
    "status": str,
    "start_time": str,
    "end_time": str,
    "error": str,
    "attempts": int,
    "owner": str,
    "heartbeat": float,
    "made_by": str,
    "result": str,
    "input": str,
    "reason": str,
    "wanted": str,
}
_VIDEO_FIELDS: dict[str, type] = {
    "video_path": str,
    "language": str,
    "description": str,
    "video_duration": float,
    "total_segments": int,
    "width": int,
    "height": int,
    "fps": float,
    "source_size": int,
    "source_mtime_ns": int,
    "config_hash": str,
    "phase1_key": str,
    "analyzer": str,
    "output_language": str,
    "detected_language": str,
    "language_probability": float,
    "summary": str,
    "keywords": list,
    "content_type": str,
}


def video_fields() -> dict[str, type]:
    """What can be written into a video's record: the kind of each field, those of all stages among them."""
    return _with_stages(stages.STAGES)


def video_filters() -> dict[str, type]:
    """What videos can be filtered by."""
    return {"video_name": str, **video_fields(), "created_at": str, "updated_at": str}


@lru_cache(maxsize=1)
def _with_stages(all_stages: tuple[Stage, ...]) -> dict[str, type]:
    own = {stage.field(field): kind for stage in all_stages for field, kind in _STAGE_FIELDS.items()}
    return {**_VIDEO_FIELDS, **own, **{stage.counter: int for stage in all_stages}}


ANALYSIS_FIELDS: dict[str, type] = {
    "description": str,
    "dialogue_translation": str,
    "on_screen_text": list,
    "keywords": list,
    "content_type": str,
    "mood_atmosphere": str,
    "confidence": str,
    "scene_change": bool,
}
"""What phase 2 says of a segment."""
SEGMENT_FIELDS: dict[str, type] = {
    "video_name": str,
    "video_path": str,
    "segment_index": int,
    "start_time": float,
    "end_time": float,
    "duration": float,
    "language": str,
    "transcript": str,
    **ANALYSIS_FIELDS,
    "word_times": str,
    "screen_times": str,
}
BOOKKEEPING = ("run_id", "added")
"""What a stored segment holds besides: which load wrote it (ms since 1970, growing), when it was first stored (s)."""
SEGMENT_FILTERS = {
    field: SEGMENT_FIELDS[field]
    for field in (
        "video_name",
        "language",
        "content_type",
        "mood_atmosphere",
        "confidence",
        "scene_change",
        "keywords",
    )
}
