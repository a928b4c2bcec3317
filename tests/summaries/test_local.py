"""The summarizer `local`: what it tells stands in the segments that it cites."""

from videotag.summaries.contract import Archive, Passage, Reading, Summary, Video, Window
from videotag.summaries.local.keywords import keywords
from videotag.summaries.local.names import ORGANISATIONS, PEOPLE, PLACES, named, together
from videotag.summaries.local.sentences import sentences
from videotag.summaries.local.summarizer import LocalOptions, LocalSummarizer


def passage(index: int, speech: str = "", **fields) -> Passage:
    plain = {
        "translation": "", "subtitles": "", "description": "", "measured": False, "on_screen": (), "keywords": (),
        "languages": ("ru",) if speech else (),
    }  # fmt: skip
    return Passage(index=index, start=35.0 * index, end=35.0 * index + 50, speech=speech, **{**plain, **fields})


def video(*passages: Passage, language: str = "ru", chapters=()) -> Video:
    return Video("v", "", 35.0 * len(passages) + 15, language, "ru", passages, chapters)


def summed_up(one: Video):
    engine = LocalSummarizer(LocalOptions(), Archive)
    *_, (_, summary) = engine.summaries([Reading(one, engine.windows(one), {})])
    assert isinstance(summary, Summary), summary
    return summary


def test_a_sentence_runs_over_the_border_of_segments_and_cites_both():
    found = sentences(video(passage(3, "Вода поднялась высоко. Рабочие строят"), passage(5, "новую дамбу у реки.")))
    assert [(one.text, one.passages) for one in found] == [
        ("Вода поднялась высоко.", (0,)),
        ("Рабочие строят новую дамбу у реки.", (0, 1)),
    ]
    [*_, last] = summed_up(
        video(passage(3, "Здравствуйте. Рабочие строят у города"), passage(5, "новую дамбу из песка и глины."))
    ).sentences
    assert (last.text, last.segments) == ("Рабочие строят у города новую дамбу из песка и глины.", (3, 5))


def test_the_overlap_of_translations_is_told_once_and_another_number_is_other_news():
    kazakh = {"languages": ("kk",)}
    found = sentences(
        video(
            passage(0, "Су көтерілді.", translation="Дамбу строят солдаты. В Атырау эвакуировали 40 семей.", **kazakh),
            passage(1, "Су.", translation="В Атырау эвакуировали 40 семей. В Атырау эвакуировали 90 семей.", **kazakh),
            language="kk",
        )
    )
    assert [(one.text, one.passages) for one in found] == [
        ("Дамбу строят солдаты.", (0,)),
        ("В Атырау эвакуировали 40 семей.", (0, 1)),
        ("В Атырау эвакуировали 90 семей.", (1,)),
    ]


def test_speech_without_punctuation_is_cut_into_pieces_of_one_segment():
    words = " ".join(f"слово{n}" for n in range(60))
    assert [len(one.text.split()) for one in sentences(video(passage(0, words)))] == [20, 20, 20]


def test_a_silent_measured_video_is_told_by_its_description():
    silent = video(*(passage(n, description="Изображение цветное, тёмное.", measured=True) for n in range(2)))
    assert [(one.text, one.segments) for one in summed_up(silent).sentences] == [("Изображение цветное, тёмное.", (0,))]


def test_control_characters_are_cleaned():
    assert summed_up(video(passage(0, "Рабочие\x1b[2J строят новую дамбу."))).sentences[0].text == (
        "Рабочие[2J строят новую дамбу."
    )


def test_keywords_that_other_videos_have_come_last():
    some = (passage(0, keywords=("студия", "Жайык")), passage(1, keywords=("студия", "дамба")))
    assert keywords(some, Archive(9, {"студия": 9, "дамба": 1, "жайык": 1})) == ["Жайык", "дамба", "студия"]


def test_chapters_of_the_file_part_the_segments():
    own = [{"start": s, "end": s + 1, "title": t} for s, t in ((0, "Начало"), (5, "Титры"), (60, "Вода"))]
    found = summed_up(video(*(passage(n, "Вода поднялась у города.") for n in range(4)), chapters=own)).chapters
    assert [(c.title, c.first_segment, c.last_segment) for c in found] == [("Начало / Титры", 0, 1), ("Вода", 2, 3)]


def test_names_in_the_nominative_and_together():
    text = "Сегодня говорили с Маратом Бекетовым в Атырау, пришёл и представитель ООН."
    assert list(named(text, "ru")) == [(PEOPLE, "Марат Бекетов"), (PLACES, "Атырау"), (ORGANISATIONS, "ООН")]
    assert list(named("Я видел Лаун и Дом.", "en")) == []


def test_kept_windows_give_the_same():
    engine = LocalSummarizer(LocalOptions(), Archive)
    long = video(*(passage(n, f"Бригада номер {n} строит у посёлка новую дамбу из камня.") for n in range(45)))
    windows = engine.windows(long)
    assert windows == [Window(0, 19), Window(20, 39), Window(40, 44)]
    at_once = Reading(long, windows, {})
    *_, (_, summary) = engine.summaries([at_once])
    again = Reading(long, windows, {windows[1]: at_once.items[windows[1]]})
    told = list(engine.summaries([again]))
    assert [news for _, news in told] == [windows[0], windows[2], summary]
    assert again.items == at_once.items and together([]) == ()
