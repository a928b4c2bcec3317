"""What a person types, and what is understood."""

import argparse

import pytest

from videotag import times
from videotag.errors import UserError
from videotag.search import ask
from videotag.search.filters import Filters
from videotag.store.records import segment_where
from videotag.terminal import typed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("750", 750), ("12.5", 12.5), ("12:30", 750), ("1:02:30", 3750), ("90:00", 5400), ("0:01.5", 1.5)],
)
def test_times(text, seconds):
    assert times.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "-5", "12:60", "1:60:00", "1:2:3:4", "12:", ":30", "noon", "1e3", "nan", "12 30"])
def test_what_is_no_time(text):
    with pytest.raises(UserError, match="is no time; write 12:30"):
        times.seconds(text)


def test_places():
    assert ask.place("news@12:30") == ("news", 750.0)
    assert ask.place("вечерние новости@1:02:30") == ("вечерние новости", 3750.0)
    for text in ("news", "@12:30", "news@", "news@noon"):
        with pytest.raises(UserError):
            ask.place(text)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ("video=news", {"video_name": ["news"]}),
        ("video=news video=film", {"video_name": ["news", "film"]}),
        ('video="вечерние новости"', {"video_name": ["вечерние новости"]}),
        ("--video news", {"video_name": ["news"]}),
        ('--video "a=b" language=kk', {"video_name": ["a=b"], "language": ["kk"]}),
        ("--video not", {"video_name": ["not"]}),
        ("content-type=новости", {"content_type": ["новости"]}),
        ("mood=тревожное confidence=низкая", {"mood_atmosphere": ["тревожное"], "confidence": ["низкая"]}),
        ("keyword=вода not-keyword=снег", {"keywords": ["вода"], "without": {"keywords": ["снег"]}}),
        ("not-language=kk --not-language en", {"without": {"language": ["kk", "en"]}}),
        ("added-after=2026-01-01", {"added": ("2026-01-01", None)}),
        ("added-after=2026-01-01 added-before=2026-02-01", {"added": ("2026-01-01", "2026-02-01")}),
        ("added-after=20260101", {"added": ("2026-01-01", None)}),  # also ISO 8601
        ("added-before=2026-01-01T12:30", {"added": (None, "2026-01-01T12:30:00")}),
        ("from=1:00 to=5:00", {"time": (60.0, 300.0)}),
        ("from=1:00", {"time": (60.0, None)}),
        ("to=300", {"time": (None, 300.0)}),
        ("video=--all video=a=b", {"video_name": ["--all", "a=b"]}),  # a value is no option
        (r"keyword=d'Artagnan keyword=a\b", {"keywords": ["d'Artagnan", r"a\b"]}),
    ],
)
def test_filters_as_typed(text, arguments):
    filters = typed.typed_filters(text)
    assert filters.arguments() == arguments
    assert typed.typed_filters(str(filters)) == filters  # what is shown can be typed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vidoe=news", "--vidoe=news: is no filter; did you mean --video?"),
        ("not-videos=news", "did you mean --not-video?"),
        ("content_type=новости", "did you mean --content-type?"),
        ("news", "news: write name=value, such as video=news"),
        ("not-from=1:00", "--not-from=1:00: is no filter"),
        ("video>=news", "did you mean --video?"),
        ("--video", "--video: expected one argument"),
        ("video=", "--video: the value is empty"),
        ("added-after=yesterday", "yesterday: is no date; write 2026-01-31"),
        ("added-after=2026-13-01", "is no date"),
        ("added-after=0001-01-01", "is no date"),  # it has no number of seconds since 1970 everywhere
        ("added-after=0001-01-01T00:00+05:00", "is no date"),
        (f"from={'9' * 400}", "is no time"),  # no float is so large
        ("from=5:00 to=1:00", "from 5:00 to 1:00: the end has to come after the start"),
        ("from=a", "a: is no time"),
        ("added-after=2026-02-01 added-before=2026-01-01", "nothing can be"),
        ("video=news not language=kk", "not: write not-language=kk"),  # as it was once
        ("added>=2026-01-01", "added>=2026-01-01: write added-after=2026-01-01 or added-before=2026-02-01"),
        ("added<2026-01-01", "write added-after="),
        ("time=1:00-5:00", "time=1:00-5:00: write from=1:00 to=5:00"),
        ('video="news', "never closed"),
    ],
)
def test_filters_that_cannot_be_read(text, told):
    with pytest.raises(UserError) as error:
        typed.typed_filters(text)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "words", "arguments"),
    [
        ("вода", "вода", {}),
        ('  "высокая плотина" вода ', '"высокая плотина" вода', {}),  # the quotes are the search's
        ("вода --video news --not-language kk", "вода", {"video_name": ["news"], "without": {"language": ["kk"]}}),
        ('"a b" --video "c d" --from 1:00', '"a b"', {"video_name": ["c d"], "time": (60.0, None)}),
        ("вода -- и камни", "вода -- и камни", {}),
        ("кто-то --- что", "кто-то --- что", {}),
    ],
)
def test_questions_as_typed(line, words, arguments):
    found, filters = typed.question(line)
    assert (found, filters.arguments()) == (words, arguments)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("вода --vide news", "--vide: is no filter; did you mean --video?"),
        ("вода --video", "--video: expected one argument"),
        ("вода --video news река", "река: is no filter; write the question first"),
        ("вода --from noon", "--from: noon: is no time"),
    ],
)
def test_questions_that_cannot_be_read(line, told):
    with pytest.raises(UserError) as error:
        typed.question(line)
    assert told in str(error.value)


def test_later_filters_stand_for_earlier_ones_of_the_same_field():
    both = typed.typed_filters("video=a language=ru from=1:00 to=2:00").and_(
        typed.typed_filters("video=b not-keyword=c to=3:00")
    )
    assert str(both) == "video=b language=ru not-keyword=c from=1:00 to=3:00"
    with pytest.raises(UserError, match="after the start"):
        both.and_(typed.typed_filters("from=4:00"))


@pytest.mark.parametrize(
    ("text", "after", "before"),
    [
        ("shot>=2024-05-01", "2024-05-01", None),
        ("shot<2024-06-01", None, "2024-06-01"),
        ("shot>=2024-05-01 shot<2024-06-01", "2024-05-01", "2024-06-01"),
        ("shot-after=2024-05-01 --shot-before 2024-06-01", "2024-05-01", "2024-06-01"),
    ],
)
def test_the_day_of_shooting(text, after, before):
    assert typed.typed_filters(text) == Filters(shot_after=after, shot_before=before)
    arguments = typed.typed_filters(text).arguments()
    assert arguments == {"shot": (after, before)}
    bounds = [{"shot_on": {"$gte": 20240501}}] if after else []
    bounds += [{"shot_on": {"$lt": 20240601}}] if before else []
    assert segment_where(**arguments) == (bounds[0] if len(bounds) == 1 else {"$and": bounds})


def test_a_question_with_a_day_of_shooting():
    assert typed.question("вода --shot>=2024-05-01") == ("вода", Filters(shot_after="2024-05-01"))
    with pytest.raises(UserError, match="nothing can be"):
        typed.typed_filters("shot>=2024-05-02 shot<2024-05-01")


def test_the_command_line_knows_the_same_filters():
    parser = argparse.ArgumentParser()
    typed.add_filters(parser)
    line = "--video a --video b --not-mood c --keyword d --added-after 2026-01-01 --to 1:00 --not-content-type e"
    args = parser.parse_args(line.split())
    assert typed.filters(args) == Filters(
        {"video": ("a", "b"), "keyword": ("d",)}, {"content-type": ("e",), "mood": ("c",)}, "2026-01-01", None, None, 60
    )
