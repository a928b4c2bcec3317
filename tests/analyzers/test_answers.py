"""What is asked of a vision-language model, and what its answers are worth. Expected values are written by hand."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline import analysis
from videotag.analyzers.answers import Again, in_language, judge, parse
from videotag.analyzers.contract import Analysis, Frame, NotedAnalysis, Part, Segment, SegmentFailure
from videotag.analyzers.prompt import IN_LANGUAGE, SCHEMA, SHORTER, language_name, system_prompt, user_prompt
from videotag.fields import ANALYSIS_FIELDS

RUSSIAN = "На кадре зимний город: снег на крышах, люди идут по улице."
KAZAKH = "Бүгін таңертең Астана қаласында қар жауды. Министр көктемгі су тасқынына дайындық туралы айтты."
ENGLISH = "A city in winter: snow lies on the roofs, people walk along the street."
GOOD: dict[str, Any] = {
    "description": RUSSIAN,
    "dialogue_translation": "",
    "on_screen_text": ["НОВОСТИ"],
    "keywords": ["город", "снег", "зима", "люди", "улица"],
    "content_type": "новости",
    "mood_atmosphere": "спокойное",
    "confidence": "средняя",
    "scene_change": False,
}


def said(**changes) -> str:
    return json.dumps({**GOOD, **changes}, ensure_ascii=False)


def segment(output_language: str = "ru", **changes) -> Segment:
    fields = {
        "video_name": "news",
        "video_path": "news.mp4",
        "segment_index": 1,
        "start_time": 35.0,
        "end_time": 85.0,
        "frames": (Frame(39.16, b""), Frame(80.0, b"")),
        "transcript": " Добрый   вечер! ",
        "language": "ru",
        "output_language": output_language,
    }
    return Segment(**{**fields, **changes})


# --- the answer's text


@pytest.mark.parametrize(
    "text",
    [
        said(),
        f"```json\n{said()}\n```",
        f"Вот ответ: {said()} Надеюсь, это поможет {{!}}",
        f"<think>Может, {said(description='черновик')}? Или {{}}?</think>\n{said()}",
        f"Ну {said(description='черновик')}</think>{said()}",  # the server's template has eaten <think>
        f'Формат {{}} или {{"a": 1}}: {said()}',
        said(language="ru", note={"a": 1}),  # fields that nobody asked for
        said(content_type="Новости.", confidence=" СРЕДНЯЯ"),
        said().replace("снег на", "снег\\n \\u200b\\u0007на"),
        said(note="</think>"),
        f"{said(description='черновик')}</think>{said()}",
        said().replace("снег на", "снег\n\t\x01на"),  # raw control characters
        said().replace("снег на", "снег \\ud83d на"),  # half of a pair
        json.dumps(GOOD),
        f"\ufeff{said()}<|im_end|>",
    ],
)
def test_an_answer_is_found_in_what_a_model_says(text):
    assert parse(text) == Analysis(**GOOD)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the answer is not a JSON object"),
        ("   ", "the answer is not a JSON object"),
        ("null", "the answer is not a JSON object"),
        ("[1]", "the answer is not a JSON object"),
        ("{" * 5000, "the answer is not a JSON object"),
        ('{"a":' * 5000, "the answer is not a JSON object"),
        (said()[:-5], "the answer is not a JSON object"),
        ("<think>" + said() + "</think>", "the answer is not a JSON object"),
        ("{}", "the answer's description: Field required"),
        (said(description=""), "the answer's description: String should have at least 1 character"),
        (said(description=" \u200b\n"), "the answer's description: String should have at least 1 character"),
        (said(description=None), "the answer's description: Input should be a valid string"),
        (said(keywords="снег"), "the answer's keywords: Input should be a valid list"),
        (said(keywords=["снег", 1]), "the answer's keywords.1: Input should be a valid string"),
        (said(scene_change="нет"), "the answer's scene_change: Input should be a valid boolean"),
        (said(content_type="кино"), "the answer's content_type: Input should be "),
        (said(content_type=["новости"]), "the answer's content_type: Input should be "),
        (said(description="я" * 4001), "the answer's description: String should have at most 4000 characters"),
    ],
)
def test_what_is_wrong_with_an_answer(text, fault):
    found = parse(text)
    assert isinstance(found, str)
    assert found.startswith(fault)


def test_each_element_of_a_list_is_kept_once_and_in_order():
    found = parse(
        said(keywords=["снег", "город", "Снег", " ", "зима", "город "], on_screen_text=["ОРТ", "\u200b", "ОРТ"])
    )
    assert isinstance(found, Analysis)
    assert found.keywords == ["снег", "город", "зима"]
    assert found.on_screen_text == ["ОРТ"]


@pytest.mark.parametrize(
    ("texts", "frames", "times"),
    [
        (["ОРТ", "Иванов"], [1, 3], "42 458"),  # 4.16 and 45.84 s
        (["ОРТ", " орт", "Иванов", "\u200b"], [3, 1, 2, 2], "42 250"),  # where it is first, and where a text is none
        ([], [], ""),
        (["ОРТ", "Иванов"], [1], ""),  # one is missing
        (["ОРТ"], [1, 2], ""),
        (["ОРТ"], [0], ""),
        (["ОРТ"], [4], ""),  # there are three
        (["ОРТ"], [True], ""),
        (["ОРТ"], ["1"], ""),
        (["ОРТ"], 1, ""),
        (["ОРТ"], None, ""),
    ],
)
def test_when_a_text_is_first_seen(texts, frames, times):
    found = parse(said(on_screen_text=texts, screen_frames=frames), [4.16, 25.0, 45.84])
    assert isinstance(found, Analysis)
    assert found.screen_times == times
    assert parse(said(screen_frames=[1])) == Analysis(**GOOD)  # without frames


def test_frames_are_counted_from_the_segments_start():
    result = judge(segment(), said(screen_frames=[2]), cut=False, last=False)
    assert isinstance(result, Analysis) and result.screen_times == "450"  # at 80 s of 35 to 85
    assert not isinstance(judge(segment(), said(screen_frames=[9]), cut=False, last=False), Again)


# --- the language


@pytest.mark.parametrize(
    ("language", "description", "fits"),
    [
        ("ru", RUSSIAN, True),
        ("ru", ENGLISH, False),
        ("ru", KAZAKH, False),
        ("ru", "Президент Қасым-Жомарт Тоқаев открыл завод в Павлодаре, рядом стоят рабочие и журналисты.", True),
        ("ru", "Snow", True),  # too short to tell
        ("ru", "Выступает группа Radiohead, песня No Surprises, зал полон, свет синий.", True),
        ("kk", KAZAKH, True),
        ("kk", ENGLISH, False),
        ("kk", RUSSIAN + " Люди спешат домой.", False),
        ("kk", "Астана. Город и снег", True),  # too short to tell
        ("en", ENGLISH, True),
        ("en", RUSSIAN, False),
        ("zh", "雪が降る", True),  # of this one nothing is known
    ],
)
def test_the_language_of_an_answer(language, description, fits):
    assert in_language(analysis(description), language) is fits


def test_the_translation_counts_too():
    assert not in_language(analysis("Диктор.", dialogue_translation=ENGLISH * 3), "ru")


# --- the judgement


def test_a_good_answer_is_taken():
    assert judge(segment(), said(), cut=False, last=False) == Analysis(**GOOD)
    assert judge(segment(), said(), cut=False, last=True) == Analysis(**GOOD)


@pytest.mark.parametrize(("text", "cut"), [("", False), ("{", True), (said(), True), (said()[:-9], False)])
def test_a_bad_answer_is_asked_for_again_shorter(text, cut):
    assert judge(segment(), text, cut, last=False) == Again(SHORTER)


@pytest.mark.parametrize(
    ("text", "cut", "reason"),
    [
        ("", False, "the answer is not a JSON object, twice"),
        (said(), True, "the answer was cut off, twice"),
        (said(keywords=1), False, "the answer's keywords: Input should be a valid list, twice"),
    ],
)
def test_a_bad_answer_is_given_up_the_second_time(text, cut, reason):
    assert judge(segment(), text, cut, last=True) == SegmentFailure(reason, text)


def test_of_a_long_bad_answer_the_beginning_is_kept():
    verdict = judge(segment(), "я" * 9000, cut=True, last=True)
    assert isinstance(verdict, SegmentFailure)
    assert verdict.raw_text == "я" * 4000


def test_another_language_is_asked_for_again_then_doubted():
    text = said(description=KAZAKH, confidence="высокая")
    assert judge(segment("ru"), text, cut=False, last=False) == Again(IN_LANGUAGE.format(language="русском"))
    verdict = judge(segment("ru"), text, cut=False, last=True)
    expected = Analysis(**{**GOOD, "description": KAZAKH, "confidence": "низкая"})
    assert verdict == NotedAnalysis(expected, "the answer is not in the output language (ru)")


# --- the schema and the analysis agree


def from_schema(schema: dict) -> st.SearchStrategy:
    """Everything that a schema allows, as far as ours goes."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "string":
        return st.text(min_size=schema.get("minLength", 0), max_size=schema["maxLength"])
    if schema["type"] == "array":
        return st.lists(from_schema(schema["items"]), min_size=schema["minItems"], max_size=schema["maxItems"])
    if schema["type"] == "boolean":
        return st.booleans()
    return st.fixed_dictionaries({name: from_schema(part) for name, part in schema["properties"].items()})


@settings(max_examples=60, deadline=None)
@given(from_schema(SCHEMA), st.booleans())
def test_what_the_schema_allows_is_an_analysis(answer, escaped):
    found = parse(json.dumps(answer, ensure_ascii=escaped))
    # A description of nothing but spaces and control characters is the one thing a schema cannot forbid.
    if isinstance(found, str):
        assert found == "the answer's description: String should have at least 1 character"
        assert not any(char.isalnum() for char in answer["description"])
    else:
        assert found.content_type == answer["content_type"]


def test_the_fullest_answer_is_an_analysis():
    fullest = dict(GOOD)
    for name, part in SCHEMA["properties"].items():
        if "maxLength" in part:
            fullest[name] = "я" * part["maxLength"]
        elif part["type"] == "array" and name != "screen_frames":
            fullest[name] = [f"{n:02d}" + "я" * (part["items"]["maxLength"] - 2) for n in range(part["maxItems"])]
    assert len("".join(fullest["on_screen_text"])) == 8 * 80
    assert parse(json.dumps(fullest)) == Analysis(**fullest)


def test_the_schema_asks_for_all_fields_and_no_other():
    fields = [*ANALYSIS_FIELDS, "screen_frames"]
    assert list(SCHEMA["properties"]) == fields
    assert SCHEMA["required"] == fields
    assert SCHEMA["additionalProperties"] is False


def test_everything_in_the_schema_is_bounded_and_known_to_all_engines():
    def check(part: dict) -> None:
        assert "uniqueItems" not in part  # guidance refuses the whole schema for it
        if part["type"] == "array":
            assert part["maxItems"] > 0
            check(part["items"])
        elif part["type"] == "string" and "enum" not in part:
            assert part["maxLength"] > 0
        else:
            assert part["type"] in ("string", "boolean") or len(part["enum"]) == 16

    for part in SCHEMA["properties"].values():
        check(part)


# --- the question


def test_the_question_about_a_segment():
    assert user_prompt(segment()).splitlines() == [
        "Фрагмент: 00:35.0 - 01:25.0.",
        "Кадры: 1 - 00:39.2, 2 - 01:20.0.",
        "Расшифровка речи (язык: ru): «Добрый вечер!»",
    ]
    assert user_prompt(segment(frames=(), transcript=" ", start_time=3599.96, end_time=3650), SHORTER).splitlines() == [
        "Фрагмент: 60:00.0 - 60:50.0.",
        "Кадров нет: есть только звук.",
        "Речи нет.",
        SHORTER,
    ]


def test_all_languages_of_the_speech_are_told():
    parts = (Part("en", "Good evening."), Part("ru", "Добрый вечер!"))
    asked = user_prompt(segment(transcript="Good evening. Добрый вечер!", parts=parts)).splitlines()
    assert asked[2] == "Расшифровка речи (языки: ru, en): «Good evening. Добрый вечер!»"


def test_long_speech_is_cut():
    assert len(user_prompt(segment(transcript="да " * 9000))) < 4200


def test_the_instructions_name_the_language_and_the_lists():
    text = system_prompt("kk")
    assert "Пиши на казахском языке." in text
    assert "новости, интервью, документальное, репортаж, реклама, музыка, фильм, спорт, обучение, другое" in text
    assert "высокая, средняя, низкая" in text
    assert all(f"- {field}:" in text for field in SCHEMA["properties"])
    assert "JSON" in text  # a server's json_object form wants to read the word
    assert language_name("xx") == "«xx» (код ISO 639)"
