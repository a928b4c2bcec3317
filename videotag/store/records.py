"""What the records of the three collections may hold: checks, documents, filters. The fields are in `videotag.fields`.

Values that poison a ChromaDB collection or vanish in it without a word (thousands of list elements, NaN, integers
beyond 64 bits, lone surrogates) are refused or cut here.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from videotag import fields as tables
from videotag.errors import did_you_mean
from videotag.fields import FILTERED_AMONG, SEGMENT, SEGMENT_FIELDS, SEGMENT_FILTERS, STATUSES, SUMMARY, SUMMARY_FIELDS
from videotag.results import chapters_of
from videotag.segments import unsaid
from videotag.text import clean_text

MAX_KEYWORDS = 50  # a record whose lists hold more than 5,461 elements makes its collection unusable for good
SEGMENT_REQUIRED = ("video_name", "segment_index", "start_time", "end_time")


def segment_document(segment: Mapping[str, Any]) -> str:
    """What is searched of a segment: its searched fields, the speech itself where there is no translation of all.

    Of subtitles what is not said in them anyway; of what was measured (colours, movement) nothing, but that nothing
    else is known.
    """
    parts = _searched(segment)
    return "\n".join(parts) if parts else (segment.get("description") or "").strip()


def only_measured(segment: Mapping[str, Any]) -> bool:
    """Whether nothing is known of a segment that a question could mean."""
    return bool(segment.get("measured")) and not _searched(segment)


def _searched(segment: Mapping[str, Any]) -> list[str]:
    values = {**segment, "dialogue_translation": _understood(segment), "subtitles": "\n".join(unsaid(segment))}
    if segment.get("measured"):
        values["description"] = ""
    found = (values.get(field.name) for field in SEGMENT if field.searched)
    parts = (", ".join(value) if isinstance(value, list) else value for value in found if value)
    return [part.strip() for part in parts if part.strip()]


def _understood(segment: Mapping[str, Any]) -> str:
    """The translation; the speech itself where there is none, or only what was said in that language anyway."""
    translation, transcript = segment.get("dialogue_translation") or "", segment.get("transcript") or ""
    if len(segment.get("languages") or ()) > 1 and set(translation.split()) < set(transcript.split()):
        return transcript
    return translation or transcript


def segment_words(document: str, segment: Mapping[str, Any]) -> str:
    """The text whose words are searched: the document, and the speech in its own language where that lacks it."""
    if only_measured(segment):
        return ""
    document = document or segment_document(segment)  # of another program's
    return f"{document}\n{segment.get('transcript') or ''}" if segment.get("dialogue_translation") else document


def video_document(record: Mapping[str, Any]) -> str:
    parts = (record.get("summary"), ", ".join(record.get("keywords") or ()))
    return "\n".join(part for part in parts if part)


def segment_record(segment: Mapping[str, Any], video_path: str) -> dict[str, Any]:
    """A segment's metadata, without what is None or empty lists."""
    title = f'video "{segment.get("video_name")}", segment {segment.get("segment_index")}'
    missing = [field for field in SEGMENT_REQUIRED if segment.get(field) is None]
    if missing:
        raise ValueError(f"{title}: no {', '.join(missing)}")
    values = {**segment, "video_path": exact(video_path, "video_path"), "duration": None}
    kinds = {field: kind for field, kind in SEGMENT_FIELDS.items() if values.get(field) is not None}
    record = {field: _checked(values[field], kind, f"{title}, {field}") for field, kind in kinds.items()}
    if record["segment_index"] < 0 or record["end_time"] < record["start_time"]:
        raise ValueError(f"{title}: segment_index below 0, or end_time before start_time")
    record["duration"] = round(record["end_time"] - record["start_time"], 3)
    exact(segment["video_name"], "video_name")
    return {key: value for key, value in record.items() if value != []}


def summary_document(summary: Mapping[str, Any]) -> str:
    """What is compared by meaning of a whole video: title, summary, keywords."""
    found = (summary.get(field.name) for field in SUMMARY if field.searched)
    return "\n".join(", ".join(value) if isinstance(value, list) else value for value in found if value)


def summary_words(document: str, summary: Mapping[str, Any]) -> str:
    """The text whose words are searched: the document, the chapters' titles, the names."""
    names = (name for field in ("people", "places", "organisations") for name in summary.get(field) or ())
    return "\n".join((document, *(chapter["title"] for chapter in chapters(summary)), *names))


def chapters(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of a stored summary, in order: `start` and `end` (s), `title`, `summary`; none where they are none."""
    try:
        found = json.loads(summary.get("chapters") or "[]")
    except ValueError:
        return []
    keys = {"start", "end", "title", "summary"}
    return [one for one in found if isinstance(one, dict) and one.keys() >= keys] if isinstance(found, list) else []


def summary_record(result: Mapping[str, Any], video_path: str) -> dict[str, Any]:
    """The metadata of a whole video, without empty lists. `result`: of phase 4, as data/ holds it."""
    title = f'summary of video "{exact(result["video_name"], "video_name")}"'
    of_chapter = {"start": float, "end": float, "title": str, "summary": str}
    parts = [
        {key: _checked(value, of_chapter[key], f"{title}, chapters") for key, value in chapter.items()}
        for chapter in chapters_of(result)
    ]
    values = {
        **result,
        "video_path": exact(video_path, "video_path"),
        "chapters": json.dumps(parts, ensure_ascii=False),
        **{kind: [one["text"] for one in result.get(kind) or ()] for kind in ("people", "places", "organisations")},
        "language": next(iter(result.get("languages") or ()), None),
        "segments_used": len(result["segments"]),
    }
    kinds = {field: kind for field, kind in SUMMARY_FIELDS.items() if values.get(field) is not None}
    record = {field: _checked(values[field], kind, f"{title}, {field}") for field, kind in kinds.items()}
    return {key: value for key, value in record.items() if value != []}


def one_video(records: Sequence[Mapping[str, Any]], video_name: str | None) -> str:
    names = {record["video_name"] for record in records} | ({video_name} if video_name else set())
    if len(names) != 1:
        raise ValueError(f"segments of one video expected, got those of {sorted(names) or 'none, and no video_name'}")
    indexes = [record["segment_index"] for record in records]
    if len(set(indexes)) < len(indexes):
        twice = next(index for position, index in enumerate(indexes) if index in indexes[:position])
        raise ValueError(f'video "{names.pop()}": segment_index {twice} is given twice')
    return names.pop()


def video_fields(**fields: Any) -> dict[str, Any]:
    """The fields, checked; None, and a list without words, stands for a key to delete."""
    kinds = tables.video_fields()
    check_known(fields, kinds)
    return {field: _video_value(field, value, kinds[field]) for field, value in fields.items()}


def _video_value(field: str, value: Any, kind: type) -> Any:
    if value is None and not field.endswith("_status"):
        return None
    checked = _checked(value, kind, field)
    return None if checked == [] else checked


def check_known(fields: Mapping[str, Any], table: Mapping[str, type]) -> None:
    for field in fields:
        if field not in table:
            raise ValueError(f'there is no field "{field}"{did_you_mean(field, table)}')


def _checked(value: Any, kind: Any, what: str) -> Any:
    """The value of a field as a builtin of that kind (list: of strings, at most MAX_KEYWORDS, blanks left out).

    `what`: for the message; ends with the field's name.
    """
    if kind is float and type(value) is int:
        value = float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):  # to Python a bool is an int
        raise ValueError(f"{what}: {kind.__name__} expected, got {value!r:.80}")
    if kind is list:
        words = [_checked(word, str, what) for word in value]
        return [word for word in words if word.strip()][:MAX_KEYWORDS]
    if kind is float and not math.isfinite(value):  # ChromaDB would drop the key without a word
        raise ValueError(f"{what}: {value} cannot be stored")
    if kind is int and not -(2**63) <= value < 2**63:  # and turn this into a float
        raise ValueError(f"{what}: {value} is beyond 64 bits")
    value = clean_text(value) if kind is str else kind(value)
    if what.endswith("_status") and value not in STATUSES:
        raise ValueError(f'{what}: "{value}" is none of {", ".join(STATUSES)}{did_you_mean(value, STATUSES)}')
    return value


def exact(text: str, what: str) -> str:
    """A name or path as it is: cleaned of what UTF-8 cannot hold it would name something else."""
    if not isinstance(text, str) or not text or clean_text(text) != text:
        raise ValueError(f"{what}: {text!r:.80} cannot be stored")
    return text


MANY = (list, tuple, set, frozenset)


def is_empty(value: Any) -> bool:
    return isinstance(value, MANY) and not value


def where_clause(
    filters: Mapping[str, Any], without: Mapping[str, Any], table: Mapping[str, type]
) -> dict[str, Any] | None:
    """ChromaDB's filter: all fields, each by a value or any of several, as of `list_videos`. None for no filter."""
    return joined("$and", _clauses(filters, table) + _clauses(without, table, False))


def segment_where(
    without: Mapping[str, Any] | None = None,
    added: tuple[str | None, str | None] | None = None,
    time: tuple[float | None, float | None] | None = None,
    shot: tuple[str | None, str | None] | None = None,
    **filters: Any,
) -> dict[str, Any] | None:
    """ChromaDB's filter of segments, as of `ChromaDBManager.search`; None for no filter."""
    wanted, unwanted = (
        {field: value for field, value in (given or {}).items() if value is not None and not is_empty(value)}
        for given in (filters, without)
    )
    (since, until), (start, end) = added or (None, None), time or (None, None)
    bounds = [{"added": {"$gte": _epoch(since)}}] if since is not None else []
    bounds += [{"added": {"$lt": _epoch(until)}}] if until is not None else []
    bounds += [{"end_time": {"$gt": start}}] if start is not None else []
    bounds += [{"start_time": {"$lt": end}}] if end is not None else []
    days = zip(("$gte", "$lt"), shot or (), strict=False)
    bounds += [{"shot_on": {operator: int(day.replace("-", ""))}} for operator, day in days if day]
    clauses = _clauses(wanted, SEGMENT_FILTERS, True, FILTERED_AMONG)
    clauses += _clauses(unwanted, SEGMENT_FILTERS, False, FILTERED_AMONG)
    return joined("$and", clauses + bounds)


def time_of(where: Mapping[str, Any] | None) -> tuple[float | None, float | None]:
    """The seconds in the video, from and to, that such a filter asks for."""
    clauses = (where or {}).get("$and") or [where or {}]
    start, end = (
        next((clause[field][operator] for clause in clauses if field in clause), None)
        for field, operator in (("end_time", "$gt"), ("start_time", "$lt"))
    )
    return start, end


def _epoch(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _clauses(
    filters: Mapping[str, Any], table: Mapping[str, type], wanted: bool = True, among: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """`among`: fields to lists that some records have, in which a field's value is one of several."""
    check_known(filters, table)
    clauses: list[Any] = []
    for field, value in filters.items():
        kind = str if table[field] is list else table[field]
        values = [_checked(one, kind, field) for one in (value if isinstance(value, MANY) else [value])]
        if not values:
            raise ValueError(f"{field}: an empty list filters everything out")
        each = [] if table[field] is list else [{field: {"$in" if wanted else "$nin": values}}]
        if listed := field if table[field] is list else (among or {}).get(field):  # $in does not look into lists
            each += [{listed: {"$contains" if wanted else "$not_contains": value}} for value in values]
        clauses += [joined("$or", each)] if wanted else each
    return clauses


def joined(operator: str, clauses: list[dict[str, Any]]) -> dict[str, Any] | None:
    """$and and $or want two members or more."""
    return {operator: clauses} if len(clauses) > 1 else (clauses[0] if clauses else None)


def ordered(metadata: Mapping[str, Any], table: Mapping[str, type]) -> dict[str, Any]:
    """The fields in the table's order, then the others; ChromaDB returns them in any."""
    return {key: metadata[key] for key in table if key in metadata} | dict(metadata)
