"""Timecode: the numbers of pictures as hours, minutes, seconds and frames. SMPTE ST 12-1.

At 29.97 and 59.94 pictures a second drop-frame timecode leaves out the numbers 0 and 1 (0 to 3) of each minute but
every tenth, so that it keeps with the clock; no picture is left out. All is counted in exact fractions.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

TEXT = re.compile(r"(\d\d):([0-5]\d):([0-5]\d)([:;.])(\d{2,3})", re.ASCII)
_RATE = re.compile(r"\d{1,9}(?:/[1-9]\d{0,8}|\.\d{1,6})?", re.ASCII)
_NEAR = Fraction(1, 1000)  # pictures a second by which 29.97 and the like miss what they stand for
_DROPPING = {Fraction(30_000, 1001): 2, Fraction(60_000, 1001): 4}  # numbers left out at a minute's start
_SLACK = Fraction(1, 1000)  # s; times of pictures are rounded to thousandths, maybe to before the picture


@lru_cache(maxsize=64)
def rate_of(text: str | None) -> Fraction | None:
    """Pictures a second of `30000/1001`, `25` or `29.97` (which is 30000/1001); None of anything else, and of 0."""
    if not text or not _RATE.fullmatch(text):
        return None
    rate = Fraction(text)
    television = Fraction(round(rate) * 1000, 1001)
    return (television if abs(rate - television) < _NEAR else rate) or None


@dataclass(frozen=True)
class Timecode:
    """A picture's number. As text `10:00:00:00`, with `;` before the frames where numbers are dropped.

    Attributes:
        frame: pictures since 00:00:00:00.
        rate: pictures a second.
        drop: whether it is drop-frame, as only 29.97 and 59.94 can be.
    """

    frame: int
    rate: Fraction
    drop: bool = False

    @property
    def second(self) -> Fraction:
        """Real seconds since 00:00:00:00."""
        return self.frame / self.rate

    def after(self, frames: int) -> "Timecode":
        return replace(self, frame=self.frame + frames)

    def __str__(self) -> str:
        base, number = round(self.rate), self.frame
        if self.drop:
            left_out = _DROPPING[self.rate]
            a_minute = 60 * base - left_out
            tens, rest = divmod(number, 10 * a_minute + left_out)
            number += 9 * left_out * tens + left_out * max(0, (rest - left_out) // a_minute)
        seconds, frames = divmod(number % (24 * 3600 * base), base)
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{';' if self.drop else ':'}{frames:02d}"


def timecode(text: str | None, rate: Fraction | None) -> Timecode | None:
    """The timecode that a text is at a rate; None where it is none, or where the rate can have none (12.5).

    `;` or `.` before the frames is drop-frame; at a rate that knows none it is as `:`.
    """
    match = TEXT.fullmatch(text or "")
    if match is None or rate is None or not can_number(rate) or int(match[5]) >= round(rate):
        return None
    hours, minutes, seconds, frames = (int(match[part]) for part in (1, 2, 3, 5))
    drop = match[4] != ":" and rate in _DROPPING
    minutes += 60 * hours
    number = (60 * minutes + seconds) * round(rate) + frames
    if drop:
        number -= _DROPPING[rate] * (minutes - minutes // 10)
    return Timecode(number, rate, drop)


def can_number(rate: Fraction) -> bool:
    """Whether pictures at this rate can be numbered: as many a second each second, if need be of 1.001 s."""
    return rate.denominator in (1, 1001) and round(rate) >= 1


def frames_until(second: float, rate: Fraction) -> int:
    """The number, from 0, of the picture on screen at a second of the video."""
    return int((Fraction(str(second)) + _SLACK) * rate)
