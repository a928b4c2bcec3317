"""The table of fields, walked through all that is derived from it, and through what has to name fields again."""

import json
from pathlib import Path
from typing import Any

import pytest

from videotag import exports
from videotag.analyzers.contract import Analysis
from videotag.analyzers.prompt import SCHEMA
from videotag.fields import ANALYSIS_FIELDS, SEGMENT, STATUSES, SUMMARY, VIDEO, Field, video_fields
from videotag.search import hits
from videotag.store.collection import SEGMENTS
from videotag.store.records import segment_document, segment_record, segment_where, segment_words
from videotag.store.records import video_fields as checked
from videotag.terminal import typed
from videotag.terminal.cards import Style, card

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
VALUES = {str: "слово {}", float: 1.5, int: 3, bool: True, list: ["слово {}", "другое"]}


def value_of(field: Field):
    value = VALUES[field.kind]
    if isinstance(value, list):
        return [text.format(field.name) for text in value]
    return value.format(field.name) if isinstance(value, str) else value


def whole() -> dict[str, Any]:
    segment = {field.name: value_of(field) for field in SEGMENT} | {"start_time": 10.0, "end_time": 60.0}
    return segment | {"duration": 50.0, "measured": False}


@pytest.mark.parametrize("field", SEGMENT, ids=lambda field: field.name)
def test_a_field_of_a_segment(field):
    segment = whole()
    record = segment_record(segment, segment["video_path"])
    assert record[field.name] == segment[field.name]

    value = segment[field.name]
    text = "; ".join(value) if field.joint == "; " else ", ".join(value) if isinstance(value, list) else str(value)
    document = segment_document(segment)
    assert field.searched == (field.kind in (str, list) and text.replace("; ", ", ") in document)

    if field.filter:
        wanted: dict[str, Any] = {field.name: value[0] if isinstance(value, list) else value}
        assert field.name in json.dumps(segment_where(**wanted))
    else:
        with pytest.raises(ValueError, match=f'there is no field "{field.name}"'):
            segment_where(**dict[str, Any]({field.name: value}))
    if field.filter and field.filter.option:
        _, filters = typed.question(f'вода --{field.filter.option} "a b" --not-{field.filter.option} c')
        given = filters.arguments()
        assert (given[field.name], given["without"]) == (["a b"], {field.name: ["c"]})

    hit = {**segment, "start": 12.0, "end": 20.0, "score": 0.9, "close": True}
    [moment] = json.loads(hits.as_json([hit]))
    assert moment.get(field.name) == (value if field.exported else None)
    lines = " ".join(line.strip() for line in card(1, hit, "", Style(environment={}))[1:])
    # Of the speech and its translation one is shown.
    assert (f"{field.shown}{text}" in lines) == (field.shown is not None and field.name != "transcript")


@pytest.mark.parametrize("field", [*SEGMENT, *SUMMARY], ids=lambda field: field.name)
def test_the_readme_has_a_line_for_each_field_of_a_segment_or_a_whole_video(field):
    labels = ", ".join(label for label in (field.label.en, field.label.ru, field.label.kk) if label)
    used = [
        *(["searched"] if field.searched else []),
        *([f"`--{field.filter.option}`"] if field.filter and field.filter.option else []),
    ]
    assert f"| `{field.name}` | {labels} | {field.made_by} | {', '.join(used)} |" in README


def test_what_people_see_has_a_label_in_every_language():
    for field in (*SEGMENT, *SUMMARY):
        assert all(field.label) == field.exported, field.name


def test_the_exports_of_a_video_have_what_is_exported():
    segment: Any = {**whole(), "words": [], "frames": []}
    head: Any = {"video_path": "a.mp4", "video_duration": 60.0, "spoken_language": "ru"}
    head["segments"] = [{**segment, "subtitles": []}]  # there they have their times
    source = exports.Source("a", head, {"output_language": "ru", "segments": [segment]})
    [found] = json.loads(exports.as_json(source))["segments"]
    once = {"video_name", "video_path", "language", "title"}  # what the file says once
    assert found == {field.name: segment[field.name] for field in SEGMENT if field.exported and field.name not in once}
    text = exports.as_markdown(source)
    for field in SEGMENT:
        titled = f"**{field.label.en}:** " in text
        assert titled == (field.shown is not None and field.name != "description"), field.name
    assert "слово description" in text


def test_what_is_asked_of_an_analyzer_is_in_the_table():
    own = {field.name for field in SEGMENT if field.made_by == "phase2"} - {"word_times", "measured"}
    assert set(Analysis.model_fields) == own
    assert set(SCHEMA["properties"]) == {*ANALYSIS_FIELDS, "screen_frames"}
    for name, field in Analysis.model_fields.items():
        kind = next(row.kind for row in SEGMENT if row.name == name)
        assert (kind is list) == (field.annotation == list[str]), name
        assert (kind is bool) == (name == "scene_change")


@pytest.mark.parametrize("field", [field for field in VIDEO if field.made_by], ids=lambda field: field.name)
def test_a_field_of_a_video(field):
    assert checked(**{field.name: value_of(field)}) == {field.name: value_of(field)}
    wrong = 1 if field.kind is str else "слово"
    with pytest.raises(ValueError, match=f"{field.name}: {field.kind.__name__} expected"):
        checked(**{field.name: wrong})
    if all(field.label):
        assert f"`{field.name}`" in README


def test_what_words_a_measurement_is_searched_only_where_nothing_else_is_known():
    segment = {"description": "Изображение цветное.", "measured": True, "transcript": "Вода", "keywords": ["река"]}
    assert segment_document(segment) == "Вода\nрека"
    assert segment_document({"description": "Изображение цветное.", "measured": True}) == "Изображение цветное."
    assert segment_document({**segment, "measured": False}) == "Изображение цветное.\nВода\nрека"
    silent = {"description": "Изображение цветное.", "measured": True, "on_screen_text": [" "]}
    assert segment_words("Изображение цветное.", silent) == ""
    assert segment_words("Вода\nрека", segment) == "Вода\nрека"


def test_what_is_searched_has_a_version():
    # Whoever changes this raises the version, or the documents that are stored stay as they were.
    searched = [field.name for field in SEGMENT if field.searched]
    by_version = {
        2: ["description", "dialogue_translation", "subtitles", "on_screen_text", "keywords", "chapters", "title"]
    }
    assert searched == by_version[SEGMENTS.version]


def test_fields_of_the_stages():
    kinds = video_fields()
    assert (kinds["phase1_status"], kinds["db_load_heartbeat"], kinds["phase2_version"]) == (str, float, int)
    for status in STATUSES:
        assert checked(phase2_status=status) == {"phase2_status": status}
    with pytest.raises(ValueError, match="is none of pending"):
        checked(phase2_status="failed")
