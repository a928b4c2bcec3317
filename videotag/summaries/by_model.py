"""A summary by a language model: each window is read into items that cite segments, and the items are made one whole.

The model reads text. It returns numbers of segments; a name, a number or a chapter that these do not bear out is asked
for once more and then left out, which is told.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from videotag.errors import EngineError, UserError
from videotag.models.chat import BYTES_A_TOKEN, Ask, messages
from videotag.models.servers import Failure, Refused
from videotag.summaries import prompt
from videotag.summaries.contract import (
    MOST_KEYWORDS,
    SENTENCES,
    Chapter,
    Cited,
    Items,
    News,
    Passage,
    Reading,
    Summary,
    Video,
    Window,
)
from videotag.summaries.judging import Faults, Material, items_of, parsed, summary_of

WINDOW_SHARE, LARGEST_WINDOW = 1 / 3, 8000
"""Of the model's context, and tokens at most: the rest is for instructions and the answer, and of more a model loses
what stands in the middle."""
LEAST_CONTEXT = 4096  # tokens: instructions of some 700, a window of a third, an answer of 2,000
UNREAD_SHARE = 0.2  # a video fails if more of its windows than this were not read

T = TypeVar("T")
R = TypeVar("R")


class Asker(Protocol):
    """Who asks the model: servers, or the engine in this process."""

    def context(self) -> int:
        """Tokens of a question and its answer together."""
        ...

    def tokens(self, text: str) -> int:
        """How many tokens a text has, by the model's own count where that can be had."""
        ...

    def answers(
        self, things: Iterable[T], answer: Callable[[T, Ask], Coroutine[Any, Any, R]]
    ) -> Generator[tuple[T, R], None, None]:
        """Yield each thing with what `answer` made of it, several at once, as it is finished.

        Things that have come to an end are asked again after each answer: it may have brought another.
        """
        ...


class ModelReader:
    """Windows, items and the whole of a video, by whoever asks: a `Summarizer` but for its name and options."""

    method = "llm"

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._room = min(int(asker.context() * WINDOW_SHARE), LARGEST_WINDOW)

    def windows(self, video: Video) -> list[Window]:
        """As many passages in each as the model reads at once."""
        lines = _lines(video.passages)
        whole = "\n".join(lines)
        each_byte = self._asker.tokens(whole) / max(1, len(whole.encode()))
        windows: list[Window] = []
        first, room = 0, 0.0
        for number, line in enumerate(lines):
            cost = len(line.encode()) * each_byte
            if number > first and room + cost > self._room:
                windows.append(Window(first, number - 1))
                first, room = number, 0.0
            room += cost
        return [*windows, Window(first, len(lines) - 1)]

    def summaries(self, readings: Iterable[Reading]) -> Generator[tuple[Reading, News], None, None]:
        tasks = _Tasks(readings)
        for (reading, window), made in self._asker.answers(tasks, self._answer):
            if window is not None and isinstance(made, Items):
                reading.items[window] = made
                yield reading, window
                if not reading.left:
                    tasks.read.append(reading)
            elif not isinstance(made, Items):
                yield reading, made

    async def _answer(self, task: "_Task", ask: Ask) -> Items | Summary | Exception:
        reading, window = task
        video = reading.video
        try:
            if window is not None:
                return await _Window(video, ask).read(list(video.passages[window.first : window.last + 1]))
            _check_read(reading.read)
            return await _Whole(video, ask, self._room).summary(reading.read)
        except EngineError:
            raise
        except Exception as error:  # it costs this video only
            return error


_Task = tuple[Reading, Window | None]  # None: the whole


class _Tasks(Iterator[_Task]):
    """What is to be asked next: the whole of a video as soon as its windows are read, else a window.

    There may be none now and one later: who has had an answer looks again.
    """

    def __init__(self, readings: Iterable[Reading]) -> None:
        self.read: deque[Reading] = deque()
        self._windows = _windows_left(readings)

    def __next__(self) -> _Task:
        while self.read:
            reading = self.read.popleft()
            if not reading.dropped:
                return reading, None
        return next(self._windows)


def _windows_left(readings: Iterable[Reading]) -> Iterator[_Task]:
    for reading in readings:
        left = reading.left
        if not left:
            yield reading, None
        for window in left:
            if reading.dropped:
                break
            yield reading, window


def _check_read(items: Sequence[Items]) -> None:
    """Raises UserError if too much of the video was not read."""
    unread = [one for one in items if one.unread]
    if len(unread) > UNREAD_SHARE * len(items):
        raise UserError(f"{len(unread)} of {len(items)} parts of it were not read: {unread[0].faults[0]}")


class _Window:
    """Reading passages: asked again once where the answer is no good, in halves where it is too long."""

    def __init__(self, video: Video, ask: Ask) -> None:
        self._video, self._ask = video, ask
        self._instructions = prompt.instructions(video.output_language, whole=False)

    async def read(self, passages: list[Passage]) -> Items:
        lines, material = _lines(passages), Material(passages)
        kept, faults = Items(), Faults()
        for _ in range(2):
            question = prompt.question(lines, "; ".join(faults[:3]))
            try:
                answer = await self._ask(messages(self._instructions, question, []), prompt.WINDOW)
                found = parsed(answer, _tokens(self._instructions + question), whole=False)
            except Refused as error:  # it may be too long
                found = f"it is refused: {error}"
            except Failure as error:
                faults = [f"no answer: {error}"]
                break
            if isinstance(found, str):
                faults = [found]
                if len(passages) > 1:
                    return await self._halves(passages)
                continue
            items, faults = items_of(found, material, self._video.output_language, self._instructions)
            kept = items if len(items.events) >= len(kept.events) else kept
            if not faults:
                break
        return kept.model_copy(update={"faults": tuple(f"{_span(passages)}: {fault}" for fault in faults)})

    async def _halves(self, passages: list[Passage]) -> Items:
        middle = len(passages) // 2
        return joined([await self.read(passages[:middle]), await self.read(passages[middle:])])


class _Whole:
    """Making one of all items; of more than the model reads at once first fewer, level by level."""

    def __init__(self, video: Video, ask: Ask, room: int) -> None:
        self._video, self._ask, self._room = video, ask, room
        self._material = Material(video.passages)
        self._starts = {passage.index: passage.start for passage in video.passages}

    async def summary(self, items: Sequence[Items]) -> Summary:
        every = joined(items)
        events, noted = await self._fitting(list(every.events))
        language, instructions = self._video.output_language, prompt.instructions(self._video.output_language, True)
        best, faults = None, Faults()
        for _ in range(2):
            question = prompt.question(self._as_lines(events), "; ".join(faults[:3]))
            try:
                answer = await self._ask(messages(instructions, question, []), prompt.WHOLE)
            except (Failure, Refused) as error:
                faults = [f"no answer: {error}"]
                break
            found = parsed(answer, _tokens(instructions + question), whole=True)
            if isinstance(found, str):
                faults = [found]
                continue
            made, faults = summary_of(found, self._material, language, instructions)
            best = made if best is None or len(made.sentences) > len(best.sentences) else best
            if not faults:
                break
        told = tuple(f"the whole: {fault}" for fault in faults)
        return self._complete(best, every, events, (*every.faults, *noted, *told))

    def _complete(self, made: Summary | None, every: Items, events: list[Cited], faults: tuple[str, ...]) -> Summary:
        """What the model made of the whole, the names of the parts, and in place of what is missing their events."""
        sentences = made.sentences if made and made.sentences else ()
        if not sentences:
            step = max(1, math.ceil(len(events) / SENTENCES[1]))
            sentences = tuple(events[::step])
            faults += ("the summary is made of the parts' own events",)
        chapters = made.chapters if made else ()
        if not chapters:
            numbers = list(self._starts)
            title = (made and made.title) or sentences[0].text[:200]
            chapters = (Chapter(title=title, summary="", first_segment=numbers[0], last_segment=numbers[-1]),)
            faults += ("the chapters were no good: one for all",)
        return Summary(
            title=made.title if made else "",
            sentences=sentences,
            keywords=(made.keywords if made and made.keywords else every.keywords)[:MOST_KEYWORDS],
            chapters=chapters,
            people=every.people,
            places=every.places,
            organisations=every.organisations,
            faults=faults,
        )

    async def _fitting(self, events: list[Cited]) -> tuple[list[Cited], tuple[str, ...]]:
        """As many events as the model reads at once, and what went wrong on the way there."""
        faults: tuple[str, ...] = ()
        while _tokens("\n".join(self._as_lines(events))) > self._room and len(events) > 1:
            fewer: list[Cited] = []
            for part in self._parts(events):
                condensed, told = await self._condensed(part)
                fewer += condensed
                faults += told
            events = fewer
        return events, faults

    def _parts(self, events: list[Cited]) -> Iterable[list[Cited]]:
        count = math.ceil(_tokens("\n".join(self._as_lines(events))) / self._room)
        size = max(2, math.ceil(len(events) / count))
        return [events[start : start + size] for start in range(0, len(events), size)]

    async def _condensed(self, events: list[Cited]) -> tuple[list[Cited], tuple[str, ...]]:
        """Half as many at most: by the model, else every second one, which is told."""
        instructions = prompt.instructions(self._video.output_language, whole=False)
        most = max(1, len(events) // 2)
        fault = ""
        try:
            answer = await self._ask(messages(instructions, prompt.question(self._as_lines(events)), []), prompt.WINDOW)
            found = parsed(answer, 0, whole=False)
            if isinstance(found, str):
                fault = found
            else:
                made, _ = items_of(found, self._material, self._video.output_language, instructions)
                if made.events:
                    return list(made.events)[:most], ()
                fault = "nothing of it could be kept"
        except (Failure, Refused) as error:
            fault = str(error)
        told = f"{events[0].segments[0]} to {events[-1].segments[-1]}: {fault}; every second event is taken"
        return events[::2][:most], (told,)

    def _as_lines(self, events: Iterable[Cited]) -> list[str]:
        return [prompt.event_line(event, self._starts[event.segments[0]]) for event in events]


def joined(items: Iterable[Items]) -> Items:
    """One of several, in order of time; a name that comes twice has all its segments."""
    every = list(items)
    return Items(
        events=tuple(event for one in every for event in one.events),
        keywords=tuple(dict.fromkeys(word for one in every for word in one.keywords)),
        people=_together(one.people for one in every),
        places=_together(one.places for one in every),
        organisations=_together(one.organisations for one in every),
        faults=tuple(fault for one in every for fault in one.faults),
    )


def _together(found: Iterable[Sequence[Cited]]) -> tuple[Cited, ...]:
    names: dict[str, Cited] = {}
    for one in itertools.chain.from_iterable(found):
        before = names.get(one.text.casefold())
        segments = {*one.segments, *(before.segments if before else ())}
        names[one.text.casefold()] = Cited(text=(before or one).text, segments=tuple(sorted(segments)))
    return tuple(names.values())


def _lines(passages: Sequence[Passage]) -> list[str]:
    return [prompt.line(passage, before) for passage, before in zip(passages, [None, *passages], strict=False)]


def _tokens(text: str) -> int:
    """At least about so many tokens: to see whether a model has read what was sent."""
    return len(text.encode()) // (2 * BYTES_A_TOKEN)


def _span(passages: Sequence[Passage]) -> str:
    first, last = passages[0].index, passages[-1].index
    return f"segment {first}" if first == last else f"segments {first} to {last}"
