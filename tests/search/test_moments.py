"""Hits to moments: which hits are one, where it starts, how many are asked for, what is shown if nothing is close."""

from typing import Any

import pytest

from tests.fake_database import hit
from videotag.search import moments

#            0          1           2      3
SPEECH = "Сегодня на плотине открыли ворота"
TIMES = "5 30 42 60 75"  # tenths of a second


@pytest.mark.parametrize(
    ("hits", "kept"),
    [
        ([], []),
        ([("a", 0), ("a", 35), ("a", 70)], [("a", 0, 120)]),
        ([("a", 35), ("a", 0), ("a", 70)], [("a", 35, 120)]),  # the best one speaks, the end is the last one's
        ([("a", 0), ("b", 0), ("a", 35)], [("a", 0, 85), ("b", 0, 50)]),
        ([("a", 0), ("a", 50)], [("a", 0, 100)]),  # they touch
        ([("a", 0), ("a", 70)], [("a", 0, 50), ("a", 70, 120)]),
        ([("a", 70), ("b", 5), ("a", 0), ("a", 35)], [("a", 70, 120), ("b", 5, 55)]),  # the last one bridges
        ([("b", 0), ("a", 350), ("a", 0)], [("b", 0, 50), ("a", 350, 400), ("a", 0, 50)]),
    ],
)
def test_merge(hits, kept):
    found = moments.merge([hit(video, start, 1 - n / 10) for n, (video, start) in enumerate(hits)])
    assert [(m["video_name"], m["start_time"], m["end"]) for m in found] == kept


def test_a_hit_inside_another_does_not_shorten_it():
    long, short = hit("a", 0, end_time=100.0), hit("a", 10, end_time=20.0)
    [moment] = moments.merge([short, long])
    assert (moment["start"], moment["end"]) == (10.0, 100.0)


@pytest.mark.parametrize(
    ("query", "changes", "start"),
    [
        ("плотина", {}, 101.7),  # "плотине" is heard at 100 + 4.2 s
        ("ворота и плотина", {}, 101.7),  # the first word of the speech, not of the question
        ("ворота", {}, 105.0),  # 100 + 7.5 - 2.5
        ("сегодня", {}, 100.0),  # 98 s would be before the segment
        ("поезд", {}, 100.0),
        ("", {}, 100.0),
        ("плотина", {"word_times": "5 30 42 60"}, 100.0),  # one is missing
        ("плотина", {"word_times": "5 30 x 60 75"}, 100.0),
        ("плотина", {"word_times": None}, 100.0),
        ("плотина", {"transcript": "", "word_times": ""}, 100.0),
    ],
)
def test_a_moment_starts_shortly_before_the_first_matching_word(query, changes, start):
    [moment] = moments.merge([hit("a", 100, **{"transcript": SPEECH, "word_times": TIMES, **changes})], query)
    assert moment["start"] == start
    assert (moment["start_time"], moment["end"]) == (100.0, 150.0)


@pytest.mark.parametrize(
    ("first", "start"),
    [
        ("плотина", 90.5),  # at 93 s, and at 100 and 101 s again: one mention
        ("снегопад", 97.5),
    ],
)
def test_a_moment_may_begin_in_the_window_before(first, start):
    """Of 65-115 s and 100-150 s the later one is better, and begins in the middle of what is meant."""
    before = hit("a", 65, transcript=f"{first} открыта на плотине", word_times="280 300 340 350")
    best = hit("a", 100, 0.95, transcript="плотине вода", word_times="0 10")
    [moment] = moments.merge([best, before], "плотина")
    assert (moment["start_time"], moment["start"], moment["end"]) == (100.0, start, 150.0)


def test_a_mention_long_before_is_another_one():
    before = hit("a", 65, transcript="плотина", word_times="100")  # at 75 s
    best = hit("a", 100, 0.95, transcript="плотине вода", word_times="10 20")  # at 101 s
    assert moments.merge([best, before], "плотина")[0]["start"] == 100.0


@pytest.mark.parametrize("query", ["600 000", "600000", "600 тысяч", "600\u00a0000 жителей"])
def test_a_number_with_a_space_in_it_is_one(query):
    changes: dict[str, Any] = {"transcript": "Здесь уже больше 600 000 человек", "word_times": "0 50 100 300 310 400"}
    [moment] = moments.merge([hit("a", 100, **changes)], query)
    assert moment["start"] == 127.5


def test_words_with_signs_around_them_keep_their_times():
    speech = "— Да , «плотину» : открыли"  # six words by whitespace
    [moment] = moments.merge([hit("a", 0, transcript=speech, word_times="10 20 30 90 95 99")], "плотина")
    assert moment["start"] == 6.5


@pytest.mark.parametrize(
    ("query", "changes", "start"),
    [
        ("Иванов", {}, 118.7),  # on the screen from 100 + 21.2 s on
        ("Иванов на плотине", {}, 101.7),  # said before
        ("Гидролог", {}, 118.7),
        ("Прогноз", {}, 100.0),  # 0.5 s: not before the segment
        ("Прогноз Иванова", {}, 100.0),
        ("Иванов", {"screen_times": "5"}, 100.0),  # one is missing
        ("Иванов", {"screen_times": "5 x"}, 100.0),
        ("Иванов", {"screen_times": None}, 100.0),
        ("Иванов", {"on_screen_text": None, "screen_times": ""}, 100.0),
        ("Иванов", {"transcript": "", "word_times": ""}, 118.7),
    ],
)
def test_or_before_the_first_text_on_the_screen(query, changes, start):
    fields: dict[str, Any] = {"transcript": SPEECH, "word_times": TIMES}
    fields |= {"on_screen_text": ["Прогноз погоды", "Гидролог Иванов"], "screen_times": "5 212", **changes}
    [moment] = moments.merge([hit("a", 100, **fields)], query)
    assert moment["start"] == start


@pytest.mark.parametrize(
    ("query", "start"),
    [
        ("уровень воды в плотине", 127.5),  # all three from 130 s on, at 105 s one of them
        ("уровень воды", 127.5),
        ("вода", 102.5),
        ("дождь и вода", 122.5),
        ("дождь в плотине", 122.5),  # each alone: the first
        ('"в плотине"', 136.5),
    ],
)
def test_a_moment_starts_where_most_of_the_question_is_told(query, start):
    speech = "вода везде и дождь уровень воды поднялся в плотине"
    [moment] = moments.merge([hit("a", 100, transcript=speech, word_times="50 60 70 250 300 310 350 390 450")], query)
    assert moment["start"] == start


class Read:
    """Hits that are given one after the other, and how many were."""

    def __init__(self, *hits):
        self.hits, self.given = iter(hits), 0

    def __iter__(self):
        return self

    def __next__(self):
        hit = next(self.hits)
        self.given += 1
        return hit


def test_more_hits_are_read_until_there_are_enough_moments():
    one = [hit("a", start) for start in (0, 10, 20, 30, 40, 45)]
    others = [hit(f"v{n}", 0) for n in range(20)]
    few = Read(*one[:5], *others)
    assert [m["video_name"] for m in moments.best_moments(few, limit=2)] == ["a", "v0"]
    assert few.given == 6
    more = Read(*one, *others)
    assert [m["video_name"] for m in moments.best_moments(more, limit=2)] == ["a", "v0"]
    assert more.given == 18  # each once
    assert len(moments.best_moments(Read(*one, *others[:2]), limit=5)) == 3  # there are no more


def test_all_that_are_close_and_none_that_is_not():
    stored = [hit("a", 100 * n, close=True) for n in range(70)] + [hit("b", 100 * n, close=False) for n in range(70)]
    found = moments.best_moments(iter(stored), limit=None)
    assert [m["start"] for m in found] == [100.0 * n for n in range(70)]
    assert {m["close"] for m in found} == {True}


def test_what_is_not_close_does_not_lengthen_a_moment():
    stored = [hit("a", 0, close=True), hit("a", 35, close=False), hit("a", 70, close=True)]
    assert [(m["start"], m["end"]) for m in moments.best_moments(iter(stored))] == [(0.0, 50.0), (70.0, 120.0)]


def test_the_best_guesses_where_nothing_is_close():
    stored = [hit("a", 100 * n, close=False) for n in range(9)]
    found = moments.best_moments(iter(stored), limit=5)
    assert [(m["start"], m["close"]) for m in found] == [(100.0 * n, False) for n in range(5)]
    assert len(moments.best_moments(iter(stored), limit=2)) == 2
    assert len(moments.best_moments(iter(stored), limit=8)) == 5
    assert len(moments.best_moments(iter(stored), limit=None)) == 5


def test_at_most_so_many_of_one_video():
    stored = [hit("a", 100 * n) for n in range(5)] + [hit("b", 100 * n) for n in range(5)]
    found = moments.best_moments(iter(stored), limit=3, per_video=2)
    assert [(m["video_name"], m["start"]) for m in found] == [("a", 0.0), ("a", 100.0), ("b", 0.0)]


@pytest.mark.parametrize(
    ("within", "start", "end"),
    [
        ((None, None), 101.7, 150.0),  # "плотине" at 104.2 s
        ((103.0, 120.0), 103.0, 120.0),
        ((105.0, None), 105.0, 150.0),  # "ворота" at 107.5 s
        ((None, 104.0), 100.0, 104.0),  # both words come later
    ],
)
def test_a_moment_lies_in_what_was_asked_about(within, start, end):
    given = hit("a", 100, transcript=SPEECH, word_times=TIMES)
    [moment] = moments.best_moments(iter([given]), "плотина ворота", within=within)
    assert (moment["start"], moment["end"]) == (start, end)
