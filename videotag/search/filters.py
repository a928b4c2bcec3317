"""What a hit has to be, apart from what is asked: its video, its kind, its days, its time in the video."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from videotag.errors import UserError
from videotag.fields import FILTERS, FILTERS_OF_VIDEOS
from videotag.times import exact_clock, seconds

FIELDS = {filter_.option: name for name, filter_ in FILTERS}
"""What a filter is called, and the field of a segment that it looks at."""

Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Filters:
    """What a hit has to be. Fields by the names in FIELDS.

    Raises:
        UserError: the bounds leave nothing between them.
    """

    wanted: Values = field(default_factory=dict)  # any of a field's values will do
    without: Values = field(default_factory=dict)  # none of them may be
    added_after: str | None = None  # ISO date; that day counts
    added_before: str | None = None  # ISO date; that day does not count
    start: float | None = None  # seconds in the video
    end: float | None = None
    shot_after: str | None = None  # of the day of shooting, as `added_after`
    shot_before: str | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.start >= self.end:
            asked = f"from {exact_clock(self.start)} to {exact_clock(self.end)}"
            raise UserError(f"{asked}: the end has to come after the start")
        for what, after, before in (
            ("added", self.added_after, self.added_before),
            ("shot", self.shot_after, self.shot_before),
        ):
            if after and before and after >= before:
                raise UserError(f"{what} after {after} and before {before}: nothing can be; change one of them")

    def arguments(self) -> dict[str, Any]:
        """As `ChromaDBManager.search` takes them; nothing that is not set."""
        given: dict[str, Any] = {FIELDS[name]: list(values) for name, values in self.wanted.items()}
        if self.without:
            given["without"] = {FIELDS[name]: list(values) for name, values in self.without.items()}
        if self.added_after or self.added_before:
            given["added"] = (self.added_after, self.added_before)
        if self.shot_after or self.shot_before:
            given["shot"] = (self.shot_after, self.shot_before)
        if self.start is not None or self.end is not None:
            given["time"] = (self.start, self.end)
        return given

    def of_moments(self) -> str | None:
        """The first that whole videos do not have, as `:filter` takes it; None if they have all."""
        own = [name for name in (*self.wanted, *self.without) if FIELDS[name] not in FILTERS_OF_VIDEOS]
        bounds = {"from": self.start, "to": self.end, "shot-after": self.shot_after, "shot-before": self.shot_before}
        return next(iter([*own, *(name for name, bound in bounds.items() if bound is not None)]), None)

    def and_(self, other: "Filters") -> "Filters":
        """Both; what the other says of a field counts instead of what this one says of it."""
        bounds = ("added_after", "added_before", "shot_after", "shot_before", "start", "end")
        later = {name: getattr(other, name) for name in bounds if getattr(other, name) is not None}
        wanted, without = {**self.wanted, **other.wanted}, {**self.without, **other.without}
        return replace(self, wanted=wanted, without=without, **later)

    def __str__(self) -> str:
        """As `:filter` takes them."""
        parts = [f"{name}={_quoted(value)}" for name, values in self.wanted.items() for value in values]
        parts += [f"not-{name}={_quoted(value)}" for name, values in self.without.items() for value in values]
        days = {"added-after": self.added_after, "added-before": self.added_before}
        days |= {"shot-after": self.shot_after, "shot-before": self.shot_before}
        parts += [f"{name}={day}" for name, day in days.items() if day]
        times = {"from": self.start, "to": self.end}
        parts += [f"{name}={exact_clock(time)}" for name, time in times.items() if time is not None]
        return " ".join(parts)


def date(text: str) -> str:
    """A day, or a time of it, as the database writes them.

    Raises:
        UserError: it is no date, or one that has no number of seconds since 1970.
    """
    try:
        read = datetime.fromisoformat(text)
        local = read.astimezone().replace(tzinfo=None) if read.tzinfo else read
        local.timestamp()  # the first and the last year have days that have none
    except (ValueError, OverflowError, OSError):
        raise UserError(f"{text}: is no date; write 2026-01-31") from None
    return local.isoformat(timespec="seconds").removesuffix("T00:00:00")


def day(text: str) -> str:
    """As `date`, without the time."""
    return date(text)[:10]


BOUNDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "added-after": ("added_after", date),
    "added-before": ("added_before", date),
    "shot-after": ("shot_after", day),
    "shot-before": ("shot_before", day),
    "from": ("start", seconds),
    "to": ("end", seconds),
}
"""What a bound is called, the attribute of Filters, and how it is read."""

OPTIONS = (*FIELDS, *(f"not-{name}" for name in FIELDS), *BOUNDS)


def read(given: Mapping[str, Sequence[str]]) -> Filters:
    """The filters of texts by the names in OPTIONS: {"video": ["news"], "not-keyword": ["снег"], "from": ["1:00"]}.

    Raises:
        UserError: a value is empty or cannot be read, or the bounds leave nothing between them.
    """
    for name, values in given.items():
        if not all(value.strip() for value in values):
            raise UserError(f"{name}: the value is empty; leave it out")
    wanted = {name: tuple(given[name]) for name in FIELDS if given.get(name)}
    without = {name: tuple(values) for name in FIELDS if (values := given.get(f"not-{name}"))}
    bounds: dict[str, Any] = {}
    for name, (attribute, understood) in BOUNDS.items():
        for text in given.get(name, ()):
            try:
                bounds[attribute] = understood(text)
            except UserError as error:
                raise UserError(f"{name}: {error}") from None
    return Filters(wanted, without, **bounds)


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) else value
