"""The fields of the three collections' records, a row each: what else names fields is derived from these rows.

What phase 2 makes is named twice more: in `analyzers.contract.Analysis`, and in `analyzers.prompt`, which asks for it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from videotag import stages
from videotag.stages import Stage


class Label(NamedTuple):
    """What a field is called for people, in Russian, Kazakh and English."""

    ru: str
    kk: str
    en: str


UNSEEN = Label("", "", "")


class Filter(NamedTuple):
    """How a search is narrowed by a field: its option, a placeholder and the help. No option: by programs only."""

    option: str = ""
    example: str = ""
    help: str = ""
    among: str = ""  # the list, in records that have it, of all values that count; the field itself holds the main one
    free: bool = False  # words that a model chooses: compared by their dictionary forms, each part between commas


@dataclass(frozen=True)
class Field:
    """A field of a record."""

    name: str  # in the database and in files
    kind: type  # bool, int, float, str, or list, which is of strings
    made_by: str  # key of the stage that makes it, "" for the database itself
    label: Label = UNSEEN
    searched: bool = False  # part of the document whose meaning and words are searched
    filter: Filter | None = None
    shown: str | None = None  # what goes before it on a card; None keeps it off the card
    joint: str = ", "  # what parts the strings of a list on a card
    exported: bool = True  # in the JSON and the tables of a search, and in what export.py writes


_NAMED = Filter("video", "NAME", "in this video")
_SPOKEN = Filter("language", "CODE", "spoken language, such as kk", "languages")
_TYPED = Filter("content-type", "TYPE", "such as новости", free=True)
_FELT = Filter("mood", "MOOD", "such as спокойное", free=True)
_SURE = Filter("confidence", "LEVEL", "of the description: высокая, средняя or низкая")
_TAGGED = Filter("keyword", "WORD", "one of the keywords", free=True)
_READ = "on screen: "

SEGMENT = (
    Field("video_name", str, "phase1", Label("видео", "бейне", "Video"), filter=_NAMED),
    Field("video_path", str, "phase1", Label("файл", "файл", "File")),
    Field("segment_index", int, "phase1", Label("фрагмент", "үзінді", "Segment")),
    Field("start_time", float, "phase1", Label("начало", "басы", "Start")),
    Field("end_time", float, "phase1", Label("конец", "соңы", "End")),
    Field("duration", float, "phase1", exported=False),
    Field("description", str, "phase2", Label("описание", "сипаттама", "Description"), True, shown=""),
    Field("transcript", str, "phase1", Label("речь", "сөз", "Speech"), shown="— "),
    Field("dialogue_translation", str, "phase2", Label("перевод", "аударма", "Translation"), True, shown="— "),
    Field("subtitles", str, "phase1", Label("субтитры", "субтитрлер", "Subtitles"), True, shown="subtitles: "),
    Field("on_screen_text", list, "phase2", Label("на экране", "экранда", "On the screen"), True, None, _READ, "; "),
    Field("keywords", list, "phase2", Label("ключевые слова", "түйін сөздер", "Keywords"), True, _TAGGED, ""),
    Field("chapters", list, "phase1", Label("главы", "тараулар", "Chapters"), True, None, "chapter: ", "; "),
    Field("title", str, "phase1", Label("название", "атауы", "Title"), True, shown="title: "),
    Field("shot_on", int, "phase1", Label("день съёмки", "түсірілген күн", "Day of shooting")),
    Field("language", str, "phase1", Label("язык речи", "сөз тілі", "Language"), filter=_SPOKEN),
    Field("languages", list, "phase1", Label("языки речи", "сөз тілдері", "Languages")),
    Field("content_type", str, "phase2", Label("вид", "түрі", "Kind"), filter=_TYPED),
    Field("mood_atmosphere", str, "phase2", Label("настроение", "көңіл күй", "Mood"), filter=_FELT),
    Field("confidence", str, "phase2", Label("уверенность", "сенімділік", "Confidence"), filter=_SURE),
    Field("scene_change", bool, "phase2", Label("смена сцены", "көрініс ауысуы", "Scene change"), filter=Filter()),
    Field("measured", bool, "phase2", exported=False),  # the description words what was measured, no more
    Field("word_times", str, "phase2", exported=False),
    Field("screen_times", str, "phase2", exported=False),
    Field("cut_times", str, "phase2", exported=False),
    Field("subtitle_times", str, "phase1", exported=False),
    Field("chapter_times", str, "phase1", exported=False),
)
BOOKKEEPING = ("run_id", "added", "text_key")
"""What a stored segment or summary holds besides: which load wrote it (ms since 1970, growing), when it was first
stored (s), a number that tells its document apart."""

SUMMARY = (
    Field("video_name", str, "phase1", Label("видео", "бейне", "Video"), filter=_NAMED),
    Field("video_path", str, "phase1", Label("файл", "файл", "File")),
    Field("video_duration", float, "phase1", Label("длительность", "ұзақтығы", "Duration")),
    Field("title", str, "phase4", Label("название", "атауы", "Title"), True),
    Field("summary", str, "phase4", Label("о чём", "не туралы", "Summary"), True, shown=""),
    Field("keywords", list, "phase4", Label("ключевые слова", "түйін сөздер", "Keywords"), True, _TAGGED, ""),
    Field("chapters", str, "phase4", Label("главы", "тараулар", "Chapters")),  # JSON: see `store.records.chapters`
    Field("people", list, "phase4", Label("люди", "адамдар", "People"), shown="people: "),
    Field("places", list, "phase4", Label("места", "жерлер", "Places"), shown="places: "),
    Field("organisations", list, "phase4", Label("организации", "ұйымдар", "Organisations"), shown="organisations: "),
    Field("language", str, "phase1", Label("язык речи", "сөз тілі", "Language"), filter=_SPOKEN),  # most spoken
    Field("languages", list, "phase1", Label("языки речи", "сөз тілдері", "Languages")),
    Field("content_type", str, "phase4", Label("вид", "түрі", "Kind"), filter=_TYPED),
    Field("method", str, "phase4", Label("способ", "тәсілі", "Method")),  # `summaries.contract.Summarizer.method`
    Field("segments_used", int, "phase4", Label("фрагментов учтено", "есепке алынған үзінді", "Segments used")),
    Field("segments_total", int, "phase4", Label("фрагментов всего", "барлық үзінді", "Segments in all")),
)
"""What is stored and searched of a whole video."""

VIDEO = (
    Field("video_name", str, "", Label("видео", "бейне", "Video")),
    Field("video_path", str, "phase1", Label("файл", "файл", "File")),
    Field("language", str, "phase1", Label("язык в списке", "тізімдегі тіл", "Language in the list")),
    Field("description", str, "phase1", Label("примечание", "ескерту", "Note")),
    Field("video_duration", float, "phase1", Label("длительность", "ұзақтығы", "Duration")),
    Field("total_segments", int, "phase1", Label("фрагментов", "үзінді саны", "Segments")),
    Field("width", int, "phase1", Label("ширина", "ені", "Width")),
    Field("height", int, "phase1", Label("высота", "биіктігі", "Height")),
    Field("fps", float, "phase1", Label("кадров в секунду", "секундына кадр", "Frames a second")),
    Field("title", str, "phase1", Label("название", "атауы", "Title")),
    Field("chapters", str, "phase1", Label("главы", "тараулар", "Chapters")),  # JSON: a list of `results.Chapter`
    Field("timecode", str, "phase1", Label("тайм-код", "таймкод", "Timecode")),  # these four: `media.timecode.Slate`
    Field("frame_rate", str, "phase1", Label("частота кадров", "кадр жиілігі", "Frame rate")),
    Field("shot_at", str, "phase1", Label("снято", "түсірілді", "Shot at")),
    Field("location", str, "phase1", Label("место съёмки", "түсірілген жер", "Place")),
    Field("source_size", int, "phase1"),
    Field("source_mtime_ns", int, "phase1"),
    Field("source_fingerprint", str, "phase1"),  # older records have none
    Field("config_hash", str, "phase1"),
    Field("transcript", str, "phase1"),  # as the list has it, if it does
    Field("phase1_key", str, "phase1"),
    Field("audio_asked", str, "phase1"),  # the list's `audio_track`, "" for none
    Field("audio_track", str, "phase1", Label("звуковая дорожка", "дыбыс жолы", "Sound track")),
    Field("detected_language", str, "phase1", Label("язык на слух", "естілген тіл", "Language heard")),
    Field("language_probability", float, "phase1", Label("уверенность в языке", "тілге сенім", "Certainty")),
    Field("spoken_languages", list, "phase1", Label("языки речи", "сөз тілдері", "Languages")),  # most first
    Field("spoken_seconds", str, "phase1"),  # JSON: how many of each language
    Field("transcript_source", str, "phase1", Label("источник речи", "сөз көзі", "Source of the speech")),
    Field("unheard_seconds", float, "phase1", Label("нераспознанная речь, с", "танылмаған сөз, с", "Unheard, s")),
    Field("analyzer", str, "phase2", Label("анализ", "талдау", "Analyzer")),
    Field("output_language", str, "phase2", Label("язык описаний", "сипаттама тілі", "Language of texts")),
    Field("summary", str, "phase4", Label("о чём", "не туралы", "Summary")),
    Field("keywords", list, "phase4", Label("ключевые слова", "түйін сөздер", "Keywords")),
    Field("content_type", str, "phase4", Label("вид", "түрі", "Kind")),
    Field("db_load_frames", str, "db_load"),  # who made the vectors of its frames: engine and model
    Field("created_at", str, "", Label("добавлено", "қосылған", "Added")),
    Field("updated_at", str, ""),
)
STATUSES = ("pending", "processing", "completed")
_DATABASES_OWN = {field.name for field in VIDEO if not field.made_by}
_TEXTS = ("status", "start_time", "end_time", "error", "owner", "made_by", "result", "input", "reason", "wanted")
OF_A_STAGE: dict[str, type] = {**dict.fromkeys(_TEXTS, str), "attempts": int, "version": int, "heartbeat": float}
"""What a video's record holds of each stage, after the stage's key: `phase1_status`."""

EXPORTED = tuple(field for field in SEGMENT if field.exported)
SEGMENT_FIELDS = {field.name: field.kind for field in SEGMENT}
SUMMARY_FIELDS = {field.name: field.kind for field in SUMMARY}
ANALYSIS_FIELDS = tuple(field.name for field in EXPORTED if field.made_by == "phase2")
"""What phase 2 says of a segment."""
SEGMENT_FILTERS = {field.name: field.kind for field in SEGMENT if field.filter}
FILTERED_AMONG = {field.name: field.filter.among for field in SEGMENT if field.filter and field.filter.among}
FREE = frozenset(field.name for field in SEGMENT if field.filter and field.filter.free)
_LISTS_LAST = sorted(SEGMENT, key=lambda field: field.kind is list)
FILTERS = [(field.name, field.filter) for field in _LISTS_LAST if field.filter and field.filter.option]
"""What a person can filter by: fields and their options; lists, which have the most values, come last."""
FILTERS_OF_VIDEOS = frozenset(field.name for field in SUMMARY if field.filter)
"""Those that whole videos have, too."""


def video_fields() -> dict[str, type]:
    """What can be written into a video's record: the kind of each field, those of all stages among them."""
    return {name: kind for name, kind in video_filters().items() if name not in _DATABASES_OWN}


def video_filters() -> dict[str, type]:
    """What videos can be filtered by."""
    return _with_stages(stages.STAGES)


@lru_cache(maxsize=1)
def _with_stages(all_stages: tuple[Stage, ...]) -> dict[str, type]:
    own = {stage.field(field): kind for stage in all_stages for field, kind in OF_A_STAGE.items()}
    return {field.name: field.kind for field in VIDEO} | own | {stage.counter: int for stage in all_stages}
