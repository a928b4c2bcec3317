"""Windows, frame times, words into windows: tables worked out by hand, and what must hold for every input."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videotag.segments import Window, Windows, frame_times, windows, word_times
from videotag.speech.words import Word, words_in

PLAN = Windows()


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (0.0, []),
        (0.2, [(0, 0.2)]),
        (20.0, [(0, 20)]),
        (50.0, [(0, 50)]),
        (50.5, [(0, 50), (35, 50.5)]),
        (85.0, [(0, 50), (35, 85)]),  # (70, 85) would lie inside (35, 85)
        (86.0, [(0, 50), (35, 85), (70, 86)]),
        (120.0, [(0, 50), (35, 85), (70, 120)]),
    ],
)
def test_windows_of_the_plan(duration, expected):
    assert [(w.start, w.end) for w in windows(duration)] == expected
    assert [w.index for w in windows(duration)] == list(range(len(expected)))


def test_fifty_minutes_are_86_segments():
    # 35 * 85 = 2975; the 86th window, 2975-3000, begins before the 85th (2940-2990) has come to the end.
    assert len(windows(3000.0)) == 86


def test_windows_without_overlap():
    assert [(w.start, w.end) for w in windows(25.0, Windows(10, 0))] == [(0, 10), (10, 20), (20, 25)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"segment_seconds": 0},
        {"segment_seconds": float("nan")},
        {"overlap_seconds": -1},
        {"overlap_seconds": 50.0},
        {"frames_per_segment": 0},
    ],
)
def test_windows_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=r"segment|overlap|frame"):
        Windows(**wrong)


cuts = st.tuples(st.floats(0.5, 300), st.floats(0, 0.95)).map(lambda c: Windows(c[0], c[0] * c[1]))


@given(st.floats(0.01, 4000), cuts)
@settings(deadline=None)
def test_windows_cover_the_video_and_none_is_idle(duration, cut):
    # 1e-6 s: a window shorter than the clock's rounding may be left out.
    made = windows(duration, cut)
    assert made[0].start == 0
    assert made[-1].end == pytest.approx(duration, abs=1e-6)
    for one, following in itertools.pairwise(made):
        assert following.start <= one.end + 1e-6  # no hole
        assert following.end > one.end  # something new
        assert one.end - one.start == pytest.approx(cut.segment_seconds)


def test_frame_times_are_the_middles_of_equal_slices():
    assert frame_times(Window(0, 0.0, 48.0), 6) == [4, 12, 20, 28, 36, 44]
    assert frame_times(Window(1, 35.0, 47.0), 3) == [37, 41, 45]
    assert frame_times(Window(0, 0.0, 1.0), 1) == [0.5]


def word(start, end):
    return Word(f" {start:g}", start, end, 0.9)


def test_a_word_belongs_to_every_window_that_holds_its_middle():
    words = [word(0, 1), word(34, 35.8), word(34.5, 35.5), word(49, 51), word(49, 50.8), word(60, 61)]
    first, second = Window(0, 0, 50), Window(1, 35, 85)
    # Middles: 0.5, 34.9, 35.0, 50.0, 49.9, 60.5
    assert words_in(first, words) == [words[0], words[1], words[2], words[4]]
    assert words_in(second, words) == [words[2], words[3], words[4], words[5]]


def test_words_past_the_end_belong_to_the_last_window():
    late = word(19.9, 20.7)
    assert words_in(Window(0, 0, 20), [late], last=False) == []
    assert words_in(Window(0, 0, 20), [late], last=True) == [late]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0.01, 3)), max_size=60), cuts, st.floats(1, 500))
def test_no_word_is_lost(times, cut, duration):
    words = [word(start, start + length) for start, length in sorted(times)]
    made = windows(duration, cut)
    dealt = [w for window in made for w in words_in(window, words, last=window is made[-1])]
    assert {id(w) for w in dealt} == {id(w) for w in words}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ""),
        ([(" вода", 50.5), (" и", 50.96), (" снег", 51.0)], "5 10 10"),
        ([(" кто", 50.0), ("-то", 50.4), (" пришёл", 50.8)], "0 8"),  # one word in two pieces
        ([("Нью Йорк", 51.0), (" ", 52.0), ("шумит", 52.3)], "10 10 23"),
        ([(" раньше", 49.9)], "0"),  # its middle lies in the segment, its beginning before
    ],
)
def test_word_times(words, expected):
    assert word_times(words, 50.0) == expected


@given(st.lists(st.tuples(st.text(" аб\n", max_size=4), st.floats(0, 50)), max_size=20))
@settings(deadline=None)
def test_there_is_a_time_for_each_word(words):
    transcript = "".join(text for text, _ in words)
    assert len(word_times(words, 0.0).split()) == len(transcript.split())
