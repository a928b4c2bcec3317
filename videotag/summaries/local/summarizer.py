"""The `local` summarizer: what is told of a video is what stands in it, without a model and without an embedder."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from videotag.summaries.contract import SENTENCES, Archive, Cited, Items, News, Reading, Summary, Video, Window
from videotag.summaries.local import names
from videotag.summaries.local.chapters import chapters, title
from videotag.summaries.local.choosing import chosen
from videotag.summaries.local.keywords import keywords
from videotag.summaries.local.sentences import Sentence, sentences
from videotag.summaries.local.words import terms

WINDOW = 20  # passages, about 12 minutes
EVENTS = 2  # sentences a passage that may come into the summary
EACH = 5  # passages for which the summary has one more sentence, about 3 minutes


@dataclass(frozen=True)
class LocalOptions:
    """There is nothing to choose."""


class LocalSummarizer:
    """Sentences, names and keywords of the segments, chosen; see `Summarizer` for the contract."""

    name = "local"
    method = "extractive"
    description = ""
    Options = LocalOptions
    version = 1  # raised whenever the same video would get another summary

    def __init__(self, options: LocalOptions, archive: Callable[[], Archive]) -> None:
        self._archive = archive()
        self.made_by: dict[str, Any] = {"summarizer": self.name, "model": "none", "version": self.version}

    def windows(self, video: Video) -> list[Window]:
        last = len(video.passages) - 1
        return [Window(first, min(first + WINDOW - 1, last)) for first in range(0, last + 1, WINDOW)]

    def summaries(self, readings: Iterable[Reading]) -> Generator[tuple[Reading, News], None, None]:
        for reading in readings:
            try:
                for window, items in self._read(reading.video, reading.left):
                    reading.items[window] = items
                    yield reading, window
                yield reading, self._whole(reading.video, reading.read)
            except Exception as error:
                yield reading, error

    def _read(self, video: Video, windows: Sequence[Window]) -> Iterator[tuple[Window, Items]]:
        found = sentences(video) if windows else []
        for window in windows:
            inside = [one for one in found if window.first <= one.passages[0] <= window.last]
            count = EVENTS * (window.last - window.first + 1)
            events = chosen(inside, count, (window.first, window.last))
            people, places, organisations = names.in_sentences(video, inside, window)
            yield (
                window,
                Items(
                    events=tuple(Cited(text=one.text, segments=_numbers(video, one)) for one in events),
                    people=people,
                    places=places,
                    organisations=organisations,
                ),
            )

    def _whole(self, video: Video, items: Sequence[Items]) -> Summary:
        found = [_sentence(video, event) for one in items for event in one.events]
        last = len(video.passages) - 1
        count = min(SENTENCES[1], SENTENCES[0] + last // EACH)
        told = chosen(found, count, (0, last))
        return Summary(
            title=title(video, (0, last), self._archive),
            sentences=tuple(Cited(text=one.text, segments=_numbers(video, one)) for one in told),
            keywords=tuple(keywords(video.passages, self._archive)),
            chapters=tuple(chapters(video, found, self._archive)),
            people=names.together([cited for one in items for cited in one.people]),
            places=names.together([cited for one in items for cited in one.places]),
            organisations=names.together([cited for one in items for cited in one.organisations]),
        )


def _numbers(video: Video, sentence: Sentence) -> tuple[int, ...]:
    return tuple(video.passages[number].index for number in sentence.passages)


def _sentence(video: Video, event: Cited) -> Sentence:
    number = {passage.index: n for n, passage in enumerate(video.passages)}
    numbers = tuple(number[index] for index in event.segments)
    return Sentence(event.text, numbers, tuple(terms(event.text, video.output_language)))
