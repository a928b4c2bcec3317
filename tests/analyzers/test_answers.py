"""What is asked of a vision-language model, and what its answers are worth. Expected values are written by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videotag.analyzers.answers import Again, faults_of, judge, parse
from videotag.analyzers.contract import Analysis, Frame, NotedAnalysis, Part, Segment, SegmentFailure
from videotag.analyzers.prompt import SCHEMA, SHORTER, language_name, system_prompt, user_prompt
from videotag.fields import ANALYSIS_FIELDS

CASES = Path(__file__).parents[3] / "shared" / "cases" / "reports"
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
    result = judge(segment(), said(screen_frames=[2]), cut=False)
    assert isinstance(result, Analysis) and result.screen_times == "450"  # at 80 s of 35 to 85
    assert not isinstance(judge(segment(), said(screen_frames=[9]), cut=False), Again)


# --- the judgement


def test_a_good_answer_is_taken():
    assert judge(segment(), said(), cut=False) == Analysis(**GOOD)
    assert judge(segment(), said(), cut=False, before=Again("")) == Analysis(**GOOD)


@pytest.mark.parametrize(("text", "cut"), [("", False), ("{", True), (said(), True), (said()[:-9], False)])
def test_a_bad_answer_is_asked_for_again_shorter(text, cut):
    assert judge(segment(), text, cut) == Again(SHORTER)


@pytest.mark.parametrize(
    ("text", "cut", "reason"),
    [
        ("", False, "the answer is not a JSON object, twice"),
        (said(), True, "the answer was cut off, twice"),
        (said(keywords=1), False, "the answer's keywords: Input should be a valid list, twice"),
    ],
)
def test_a_bad_answer_is_given_up_the_second_time(text, cut, reason):
    assert judge(segment(), text, cut, before=Again("")) == SegmentFailure(reason, text)


def test_of_a_long_bad_answer_the_beginning_is_kept():
    verdict = judge(segment(), "я" * 9000, cut=True, before=Again(""))
    assert isinstance(verdict, SegmentFailure)
    assert verdict.raw_text == "я" * 4000


COAT = "Женщина в красном пальто идёт по улице."
SPOKEN = "Бүгін таңертең Астана қаласында қар жауды, жолдар жабылды, балалар мектепке барған жоқ."
IN_RUSSIAN = "Сегодня утром в Астане выпал снег, дороги закрыты, дети не пошли в школу."
OTHER = "В прошлом ответе было не на том языке: {}. Пиши это только на русском языке."
LOOP = "В прошлом ответе одно и то же повторялось: {}. Скажи каждую мысль один раз и закончи."
ECHO = "В прошлом ответе были слова из этих указаний: {}. Напиши то, что видно на кадрах и слышно в речи."
UNTOLD = "В прошлом ответе речь осталась без перевода: {}. Напиши её на русском языке."
TASK = "Ты описываешь фрагменты видеоархива, чтобы их можно было найти поиском по смыслу."


@pytest.mark.parametrize(
    ("changes", "more", "left", "note"),
    [
        (
            {"description": KAZAKH},
            OTHER.format("description"),
            {"description": KAZAKH},
            "description: not in the output language (kept)",
        ),
        (
            {"description": f"{COAT} " * 15},
            LOOP.format("description"),
            {"description": COAT},
            "description: repeats itself (kept in part)",
        ),
        (
            {"description": f"{TASK} {COAT}"},
            ECHO.format("description"),
            {"description": COAT},
            "description: repeats the instructions (kept in part)",
        ),
        (
            {"dialogue_translation": ENGLISH},
            OTHER.format("dialogue_translation"),
            {"dialogue_translation": ""},
            "dialogue_translation: not in the output language (left out)",
        ),
        (
            {"dialogue_translation": f"{IN_RUSSIAN} " * 4},
            LOOP.format("dialogue_translation"),
            {"dialogue_translation": ""},
            "dialogue_translation: repeats itself (left out)",
        ),
        (
            {"dialogue_translation": "Жолдар жабылды, балалар мектепке барған жоқ"},  # few letters: the words tell
            UNTOLD.format("dialogue_translation"),
            {"dialogue_translation": ""},
            "dialogue_translation: not translated (left out)",
        ),
        (
            {"keywords": ["city", "snow on the roofs", "зима", "Netflix", "people"]},
            OTHER.format("keywords"),
            {"keywords": ["зима"]},
            "keywords: not in the output language (kept in part)",
        ),
        (
            {"keywords": ["предметы", "места", "имена", "темы", "действия"]},
            ECHO.format("keywords"),
            {"keywords": []},
            "keywords: repeats the instructions (left out)",
        ),
        (
            {"mood_atmosphere": "calm"},
            OTHER.format("mood_atmosphere"),
            {"mood_atmosphere": ""},
            "mood_atmosphere: not in the output language (left out)",
        ),
        (
            {"description": f"{COAT} " * 15, "dialogue_translation": ENGLISH, "mood_atmosphere": "平静"},
            OTHER.format("dialogue_translation, mood_atmosphere") + "\n" + LOOP.format("description"),
            {"description": COAT, "dialogue_translation": "", "mood_atmosphere": ""},
            "description: repeats itself (kept in part); "
            "dialogue_translation: not in the output language (left out); "
            "mood_atmosphere: not in the output language (left out)",
        ),
    ],
)
def test_each_text_is_judged_by_itself(changes, more, left, note):
    given = segment("ru", transcript=SPOKEN, language="kk")
    fine = {"dialogue_translation": IN_RUSSIAN, "confidence": "высокая"}
    text = said(**{**fine, **changes})
    asked = judge(given, text, cut=False)
    assert isinstance(asked, Again)
    expected = NotedAnalysis(Analysis(**{**GOOD, **fine, **left, "confidence": "низкая"}), note)
    assert isinstance(asked, Again) and asked == Again(more, expected)
    assert judge(given, text, cut=False, before=Again("")) == expected
    assert judge(given, said(**fine), cut=False, before=asked) == Analysis(**{**GOOD, **fine})


def test_what_is_on_the_screen_is_in_any_language():
    texts = {"on_screen_text": ["今日新闻一位女主播坐在演播室", "BREAKING NEWS FROM THE CITY"]}
    assert judge(segment(), said(**texts), cut=False) == Analysis(**{**GOOD, **texts})


def test_an_answer_with_a_fault_is_better_than_the_next_that_is_none():
    asked = judge(segment(), said(mood_atmosphere="calm"), cut=False)
    assert isinstance(asked, Again) and asked.worth is not None
    assert judge(segment(), "{", cut=True, before=asked) == asked.worth
    assert asked.worth.analysis.description == RUSSIAN


def test_a_description_of_nothing_but_the_instructions_is_none():
    asked = judge(segment(), said(description=TASK), cut=False)
    assert isinstance(asked, Again) and asked == Again(ECHO.format("description"))
    verdict = judge(segment(), said(description=TASK), cut=False, before=asked)
    assert isinstance(verdict, SegmentFailure)
    assert verdict.reason == "the answer's description is nothing but the instructions, twice"


@pytest.mark.parametrize(
    ("output_language", "language", "parts", "translation", "fits"),
    [
        ("ru", "ru", [("ru", IN_RUSSIAN)], IN_RUSSIAN, True),
        ("ru", "kk", [("ru", IN_RUSSIAN)], IN_RUSSIAN, True),
        ("ru", "kk", [("kk", IN_RUSSIAN)], IN_RUSSIAN, True),  # misheard: it is Russian as it is written
        ("ru", "", [("", IN_RUSSIAN)], IN_RUSSIAN, True),
        ("kk", "ru", [("ru", IN_RUSSIAN)], IN_RUSSIAN, False),
        ("kk", "ru", [("ru", SPOKEN)], SPOKEN, True),
        ("de", "en", [("en", ENGLISH)], ENGLISH, False),
        ("de", "en", [("en", ENGLISH)], ENGLISH.upper().lower().replace(",", ""), False),
        (
            "de",
            "en",
            [("en", ENGLISH)],
            "Eine Stadt im Winter: Schnee liegt auf den Dächern, Leute gehen vorbei.",
            True,
        ),
        ("ru", "kk", [("kk", SPOKEN), ("ru", IN_RUSSIAN)], f"{IN_RUSSIAN} {IN_RUSSIAN}", True),
        ("ru", "uk", [("uk", "Сьогодні вранці у місті сніг і дороги закриті")], "Сегодня утром в городе снег", True),
        (
            "ru",
            "uk",
            [("uk", "сьогодні вранці у місті сніг"), ("ru", "дороги закрыты")],
            "сьогодні вранці у місті сніг, дороги закрыты",
            False,
        ),
    ],
)
def test_speech_in_the_output_language_needs_no_translation(output_language, language, parts, translation, fits):
    given = segment(
        output_language,
        transcript=" ".join(text for _, text in parts),
        language=language,
        parts=tuple(Part(*part) for part in parts) if len(parts) > 1 else (),
    )
    good = parse(said(dialogue_translation=translation))
    assert isinstance(good, Analysis)
    assert ("dialogue_translation" not in faults_of(good, given)) is fits


def test_a_refrain_may_be_translated():
    given = segment(transcript="Lord, have mercy. " * 12, language="en")
    text = said(dialogue_translation="Господи, помилуй. " * 12)
    assert isinstance(judge(given, text, cut=False), Analysis)


@pytest.mark.parametrize("path", sorted(CASES.glob("answer_*.json")) or [None], ids=lambda path: path and path.stem)
def test_answers_that_were_reported(path):
    if path is None:
        pytest.skip("the reported cases are not here")
    case = json.loads(path.read_text("utf-8"))
    given, text = segment(case["output_language"]), json.dumps(case["answer"], ensure_ascii=False)
    asked = judge(given, text, cut=False)
    assert isinstance(asked, Again) and "description" in asked.more
    verdict = judge(given, text, cut=False, before=asked)
    assert isinstance(verdict, NotedAnalysis) and verdict.note.startswith("description: ")
    assert verdict.analysis.confidence == "низкая"
    assert verdict.analysis.dialogue_translation == case["answer"]["dialogue_translation"]


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
