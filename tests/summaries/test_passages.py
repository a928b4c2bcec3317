"""What a summarizer is given, worked out by hand."""

from videotag.summaries.passages import video_of


def segment(index: int, start: float, words: str, times: str, **more):
    return {
        "segment_index": index,
        "start_time": start,
        "end_time": start + 50,
        "transcript": words,
        "word_times": times,
        "description": "Город.",
        "keywords": ["город"],
        "language": "ru",
        **more,
    }


def result(*segments, analyzer: str = "vllm"):
    return {
        "video_name": "news",
        "video_path": "news.mp4",
        "video_duration": 85.0,
        "language": "ru",
        "made_by": {"analyzer": analyzer},
        "segments": list(segments),
    }


def test_what_is_said_in_the_overlap_counts_once():
    # The first segment ends at 50 s, the second begins at 35 s: "три" at 36 s belongs to the second.
    video = video_of({}, result(segment(0, 0, "раз два три", "0 345 360"), segment(1, 35, "три", "10")), "ru")
    assert [passage.speech for passage in video.passages] == ["раз два", "три"]
    assert [(passage.index, passage.start, passage.end) for passage in video.passages] == [(0, 0, 50), (1, 35, 85)]


def test_words_without_times_are_all_there():
    older = result(segment(0, 0, "раз два", ""), segment(1, 35, "два", ""))
    assert [passage.speech for passage in video_of({}, older, "ru").passages] == ["раз два", "два"]


def test_what_a_segment_has_and_what_it_lacks():
    more = {"dialogue_translation": "Snow.", "on_screen_text": ["НОВОСТИ"], "languages": ["kk", "ru"]}
    video = video_of({}, result(segment(3, 0, "", "", subtitles="Снег.\nЛёд.", **more), analyzer="local"), "en")
    [passage] = video.passages
    assert (passage.translation, passage.on_screen, passage.languages) == ("Snow.", ("НОВОСТИ",), ("kk", "ru"))
    assert (passage.subtitles, passage.measured, passage.keywords) == ("Снег.\nЛёд.", True, ("город",))
    assert (video.output_language, video.duration, video.title, video.chapters) == ("en", 85.0, "", ())


def test_title_and_chapters_are_the_files():
    record = {"title": "Выпуск", "chapters": '[{"start": 0.0, "end": 40.0, "title": "Погода"}]'}
    video = video_of(record, result(segment(0, 0, "снег", "0")), "ru")
    assert (video.title, video.chapters) == ("Выпуск", ({"start": 0.0, "end": 40.0, "title": "Погода"},))
