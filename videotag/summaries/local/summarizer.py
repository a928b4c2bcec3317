"""The `local` summarizer (to be written)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from videotag.options import option
from videotag.summaries.contract import Archive, Chapter, Cited, Items, Summary, Video, Window


@dataclass(frozen=True)
class LocalOptions:
    model: str | None = option(None, "name or folder of the model", metavar="MODEL")


class LocalSummarizer:
    name = "local"
    method = "extractive"
    description = ""
    Options = LocalOptions

    def __init__(self, options: LocalOptions, archive: Archive) -> None:
        self.made_by: dict[str, Any] = {"summarizer": self.name, "model": "none"}

    def windows(self, video: Video) -> list[Window]:
        return [Window(n, min(n + 19, len(video.passages) - 1)) for n in range(0, len(video.passages), 20)]

    def read(self, video: Video, windows: Sequence[Window]) -> Generator[tuple[Window, Items], None, None]:
        for window in windows:
            some = video.passages[window.first : window.last + 1]
            yield (
                window,
                Items(events=tuple(Cited(text=(p.speech or p.description)[:1000], segments=(p.index,)) for p in some)),
            )

    def whole(self, video: Video, items: Sequence[Items]) -> Summary:
        events = [event for one in items for event in one.events]
        chapter = Chapter(
            title="Видео", summary="", first_segment=video.passages[0].index, last_segment=video.passages[-1].index
        )
        return Summary(title="", sentences=tuple(events[:3]), keywords=(), chapters=(chapter,))
