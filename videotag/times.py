"""Times as people read and write them, and as they are stored. Seconds are from the start of a video."""

import math
import re
from collections.abc import Iterable
from datetime import datetime

from videotag.errors import UserError

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]\d(?:\.\d+)?)")
_SECONDS = re.compile(r"\d+(?:\.\d+)?")


def clock(seconds: float) -> str:
    """`mm:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def exact_clock(time: float) -> str:
    """As `seconds` reads it, without loss."""
    minutes, rest = divmod(round(time, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:06.3f}".rstrip("0").rstrip(".") if rest % 1 else f"{int(rest):02d}"
    return f"{hours}:{minutes:02d}:{text}" if hours else f"{minutes}:{text}"


def seconds(text: str) -> float:
    """Seconds of `750`, `12:30` or `1:02:30`.

    Raises:
        UserError: it is no such time.
    """
    text = text.strip()
    if match := _CLOCK.fullmatch(text):
        hours, minutes = int(match[1] or 0), int(match[2])
        if not match[1] or minutes < 60:
            return hours * 3600 + minutes * 60 + float(match[3])
    elif _SECONDS.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    raise UserError(f"{text or 'the time'}: is no time; write 12:30, 1:02:30 or seconds")


def time_name(seconds: float) -> str:
    """A time for the name of a file: `01-30`, `1-02-30`."""
    return clock(seconds).replace(":", "-")


def tenths(seconds: Iterable[float]) -> str:
    """Tenths of a second, none below 0, separated by spaces."""
    return " ".join(str(max(0, round(10 * second))) for second in seconds)


def seconds_of(tenths: str | None) -> list[float]:
    """What `tenths` wrote, in seconds; none if it is anything else."""
    numbers = (tenths or "").split()
    return [int(number) / 10 for number in numbers] if all(map(str.isdecimal, numbers)) else []


def now() -> str:
    """The time of the clock on the wall, ISO 8601 to the second."""
    return datetime.now().isoformat(timespec="seconds")
