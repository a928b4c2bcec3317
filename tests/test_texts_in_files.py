"""Texts that lie in and beside the files, from phase 1 to the hit."""

import json

import pytest

from videotag.search.hits import texts
from videotag.segments import texts_of
from videotag.speech.faster_whisper import FasterWhisper
from videotag.store.records import segment_document

SHOWN = [
    (1.0, 3.0, "Өзендегі су көтерілді"),
    (33.0, 37.0, "Қала тұрғындары кетіп жатыр"),  # the second segment begins at 35
    (0.0, 94.0, "Тікелей эфир"),  # over all of them
]


def srt(*shown) -> str:
    def clock(second):
        return f"00:{int(second) // 60:02d}:{second % 60:06.3f}".replace(".", ",")

    return "\n".join(f"1\n{clock(start)} --> {clock(end)}\n{text}\n" for start, end, text in shown)


def beside(project, name, *shown):
    (project.folder / name).write_text(srt(*shown), encoding="utf-8")


def told(segment):
    return [(one["start"], one["text"], one["language"]) for one in segment.get("subtitles", [])]


def test_every_segment_has_what_is_shown_in_it(project):
    project.one_video()
    beside(project, "news.kk.srt", *SHOWN)
    assert project.phase1() == 0
    first, second, *rest = project.result1()["segments"]
    live, water, city = ((start, text, "kk") for start, _, text in (SHOWN[2], SHOWN[0], SHOWN[1]))
    assert told(first) == [live, water, city]
    assert told(second) == [live, city]
    assert [told(segment) for segment in rest] == [[live]] * len(rest)
    assert project.record()["transcript_source"] == "speech by faster-whisper, model base"
    assert project.result1()["segments"][0]["transcript"].startswith("0 1 2")


def test_a_file_without_texts_leaves_the_result_as_it_was(project):
    project.one_video()
    project.phase1()
    result = project.result1()
    assert not {"subtitles", "chapters"} & {key for segment in result["segments"] for key in segment}
    assert not {"title", "chapters", "timecode", "location", "transcript"} & result.keys()


def test_subtitles_are_the_transcript_where_the_list_says_so(project):
    project.one_video(language="kk", transcript="subtitles")
    beside(project, "news.kk.srt", *SHOWN[:2])
    assert project.phase1() == 0
    assert project.loads == []  # nothing is heard
    result = project.result1()
    assert [segment["transcript"] for segment in result["segments"]][:2] == [
        f"{SHOWN[0][2]} {SHOWN[1][2]}",
        "кетіп жатыр",  # 33 s and 15 of 24 letters of 4 s
    ]
    assert (result["spoken_language"], result["transcript_source"]) == ("kk", "subtitles: news.kk.srt")
    assert project.record()["transcript_source"] == "subtitles: news.kk.srt"
    assert project.phase1() == 0
    assert "1 skipped (done before" in project.out
    project.one_video(language="kk", transcript="speech")
    project.phase1()
    assert "news: transcript changed" in project.out
    assert project.loads == ["transcriber base"]
    assert project.result1()["segments"][0]["transcript"].startswith("0 1 2")


def test_a_list_that_speaks_of_it_no_more(project):
    project.one_video(transcript="subtitles")
    beside(project, "news.ru.srt", (1.0, 3.0, "Вода"))
    project.phase1()
    project.one_video()
    project.phase1()
    assert "news: transcript changed" in project.out
    assert project.loads == ["transcriber base"]


def test_no_engine_at_hand_knows_the_language(project, monkeypatch):
    monkeypatch.setattr("videotag.speech.together.at_hand", dict)
    project.one_video(language="kk")
    beside(project, "news.kk.srt", *SHOWN[:2])
    assert project.phase1() == 0
    assert project.loads == []
    doubt = str(FasterWhisper.doubt("base", "kk")).partition(";")[0]
    assert f"news: {doubt}: its subtitles are the transcript (news.kk.srt)" in project.err


def test_without_subtitles_it_is_heard_with_a_line(project):
    project.one_video(transcript="subtitles")
    project.phase1()
    assert "news: has no subtitles in the list's language, so what is said in it is heard" in project.err
    assert project.loads == ["transcriber base"]


@pytest.fixture
def found(project):
    """A video with Russian subtitles under Kazakh speech, loaded."""
    project.transcriber.language = "kk"
    beside(project, "news.kk.srt", (1.0, 3.0, "Өзендегі су көтерілді"))
    beside(project, "news.ru.srt", (1.0, 3.0, "Вода поднялась"), (40.0, 42.0, "Люди уходят"))
    project.config({"name": "news", "path": project.video(), "language": "kk", "transcript": "speech"})
    for stage in (project.phase1, project.phase2, project.load):
        assert stage() == 0
    return project


def test_the_translation_is_what_is_there(found):
    first, second, *_ = found.result2()["segments"]
    assert first["dialogue_translation"] == "Вода поднялась Люди уходят"
    assert second["dialogue_translation"] == "Люди уходят"
    assert first["subtitles"].split("\n") == ["Өзендегі су көтерілді", "Вода поднялась", "Люди уходят"]
    assert (first["subtitle_times"], second["subtitle_times"]) == ("10 10 400", "50")


def test_two_of_one_language_are_one_translation(project):
    """As those for the deaf beside the others: what both show counts once, what one adds is kept."""
    project.transcriber.language = "kk"
    beside(project, "news.ru.srt", (1.0, 3.0, "Вода поднялась"), (40.0, 42.0, "Люди уходят"))
    beside(project, "news.ru.sdh.srt", (1.2, 3.1, "Вода поднялась!"), (5.0, 6.0, "Гром"), (20.0, 21.0, "Люди уходят"))
    project.config({"name": "news", "path": project.video(), "language": "kk", "transcript": "speech"})
    assert project.phase1() == 0
    texts = [one[1] for one in told(project.result1()["segments"][0])]
    assert sorted(texts) == ["Вода поднялась!", "Гром", "Люди уходят", "Люди уходят"]


def test_they_are_searched_and_shown_once(found):
    hit = found.db.search("өзендегі", limit=1)[0]
    assert (hit["segment_index"], hit["document"].count("Вода поднялась")) == (0, 1)
    assert ("subtitles", "Өзендегі су көтерілді") in [(one.field.name, one.text) for one in texts(hit, "өзендегі")]


def test_a_database_of_before_is_not_loaded_again(found):
    assert found.load() == 0
    assert "1 skipped (done before" in found.out


# --- a segment's record


def segment(**changes):
    return {"start_time": 35.0, "end_time": 85.0, "words": [{"text": " су"}], "languages": ["kk"], **changes}


def heard(**changes):
    return {"spoken_language": "kk", **changes}


def test_chapters_title_and_day():
    chapters = [
        {"start": 0.0, "end": 35.0, "title": "Снег"},
        {"start": 35.0, "end": 40.0, "title": "Вода"},
        {"start": 40.0, "end": 99.0, "title": "Хоккейный матч"},
    ]
    file: dict = heard(chapters=chapters, title="Новости", shot_at="2024-05-01T23:20:30+05:00")
    record = texts_of(segment(), file)  # type: ignore[arg-type]
    assert record == {
        "chapters": ["Вода", "Хоккейный матч"],
        "chapter_times": "0 50",
        "title": "Новости",
        "shot_on": 20240501,
    }
    assert segment_document({"description": "д", **record}) == "д\nВода, Хоккейный матч\nНовости"


def test_a_segment_of_before_has_none_of_it():
    assert texts_of(segment(), heard()) == {}  # type: ignore[arg-type]


def test_what_is_said_in_them_anyway_is_not_doubled_in_the_document():
    record = {"description": "д", "transcript": "Вода, поднялась!", "subtitles": "вода поднялась\nКонец"}
    assert segment_document(record) == "д\nВода, поднялась!\nКонец"


def test_chapters_are_json_in_the_record(found):
    assert found.record().get("chapters") is None
    found.db.create_or_update_video_files({"news": {"video_path": "a", "chapters": json.dumps([])}})
    assert found.record()["chapters"] == "[]"
