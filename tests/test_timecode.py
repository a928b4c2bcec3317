"""Timecode, against values counted by hand and against OpenTimelineIO."""

from fractions import Fraction

import opentimelineio.opentime as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videotag.timecode import Timecode, frames_until, rate_of, timecode

NTSC, NTSC60, FILM = Fraction(30_000, 1001), Fraction(60_000, 1001), Fraction(24_000, 1001)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("25", Fraction(25)),
        ("30000/1001", NTSC),
        ("29.97", NTSC),  # as AVI and some cameras tell it
        ("2997/100", NTSC),
        ("23.976", FILM),
        ("12.5", Fraction(25, 2)),
        ("24", Fraction(24)),
        *((text, None) for text in (None, "", "0", "variable", "25/0", "-25", "1e9", "٢٥")),
    ],
)
def test_rates(text, rate):
    assert rate_of(text) == rate


@pytest.mark.parametrize(
    ("start", "rate", "second", "shown"),
    [
        ("10:00:00:00", Fraction(25), 0, "10:00:00:00"),
        ("10:00:00:00", Fraction(25), 71.7, "10:01:11:17"),  # 0.7 s of 25 is 17.5
        ("10:00:00;00", NTSC, 60, "10:00:59;28"),  # 60 s are 1798.2 pictures; 1800 have the numbers up to 59;29
        ("10:00:00;00", NTSC, 60.06, "10:01:00;02"),  # picture 1800: ;00 and ;01 are left out
        ("10:00:00;00", NTSC, 600, "10:10:00;00"),  # 17982 pictures, each number of ten minutes but 18
        ("10:00:00:00", NTSC, 60.06, "10:01:00:00"),  # not dropped: behind the clock
        ("10:00:00;00", NTSC60, 60.06, "10:01:00;04"),  # 3600 pictures; four are left out
        ("01:00:00:00", FILM, 100.1, "01:01:40:00"),  # 2400 pictures, 24 to a number's second
        ("23:59:59:24", Fraction(25), 0.04, "00:00:00:00"),  # the next day
        ("09:59:59;28", NTSC, 0.067, "10:00:00;00"),  # two pictures, and a tenth minute drops none
        ("00:00:00:10", Fraction(15), 1, "00:00:01:10"),
    ],
)
def test_a_second_of_a_video_as_source_timecode(start, rate, second, shown):
    first = timecode(start, rate)
    assert first and str(first) == start
    assert str(first.after(frames_until(second, rate))) == shown


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10:00:00:25", Fraction(25)),  # pictures go up to 24
        ("10:60:00:00", Fraction(25)),
        ("10:00:00", Fraction(25)),
        ("", Fraction(25)),
        (None, Fraction(25)),
        ("10:00:00:00", None),
        ("10:00:00:00", Fraction(25, 2)),  # a second's pictures cannot be numbered
    ],
)
def test_what_is_no_timecode(text, rate):
    assert timecode(text, rate) is None


def test_drop_frame_only_where_there_is_such_a_thing():
    assert str(timecode("10:00:00;00", Fraction(25))) == "10:00:00:00"
    assert str(timecode("10:00:00;00", FILM)) == "10:00:00:00"
    assert str(timecode("10:00:00.00", NTSC)) == "10:00:00;00"  # as some programs write it


def test_a_rounded_time_of_a_picture_is_that_picture():
    """Thousandths of a second, up or down."""
    for rate in (Fraction(25), NTSC, NTSC60, FILM):
        assert [frames_until(round(float(n / rate), 3), rate) for n in range(5000)] == list(range(5000))


@given(st.integers(0, 24 * 3600 * 24 - 1), st.sampled_from([Fraction(24), Fraction(25), Fraction(50), NTSC, NTSC60]))
def test_as_opentimelineio_counts(number, rate):
    drops = rate in (NTSC, NTSC60)
    text = str(Timecode(number, rate, drops))
    assert text == otio.to_timecode(otio.RationalTime(number, float(rate)), float(rate), drops)
    assert timecode(text, rate) == Timecode(number, rate, drops)
