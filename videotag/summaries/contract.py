"""What a summarizer is: a video's segments in, what the whole is about out.

In two steps, as a long video does not fit into a model at once: the video is parted into windows, each is read into
`Items`, and from all items comes the `Summary`. Whatever it says cites segments by their numbers; times are made of
these by who stores it, never by a model.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from videotag.results import Chapter as FileChapter

MOST_KEYWORDS = 20
SENTENCES = (3, 8)  # of a summary; a video in which less is told has fewer


@dataclass(frozen=True)
class Passage:
    """A segment as phase 2 left it. Times are seconds from the start of the video."""

    index: int  # the segment's number
    start: float
    end: float
    speech: str  # what is said before the next one begins, so that no word comes twice; in its own language
    translation: str  # of all that is said in the segment, its overlap with the next one too; "" if there is none
    subtitles: str  # lines of the file's subtitles that neither the speech nor its translation has
    description: str
    measured: bool  # the description words colours and movement, and nothing that a question could mean
    on_screen: tuple[str, ...]
    keywords: tuple[str, ...]
    languages: tuple[str, ...]  # spoken, ISO 639-1, most first


@dataclass(frozen=True)
class Video:
    """What is to be summed up: the segments that could be analyzed, in order of time."""

    name: str
    title: str  # what the file calls itself; "" if it does not
    duration: float  # s
    language: str  # of most of the speech, ISO 639-1
    output_language: str  # to write in, ISO 639-1
    passages: tuple[Passage, ...]
    chapters: tuple[FileChapter, ...] = ()  # those of the file


@dataclass(frozen=True)
class Window:
    """Passages that are read together: numbers in `Video.passages`, the last one included."""

    first: int
    last: int


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cited(_Plain):
    """A sentence, or a name, and the numbers (`Passage.index`) of the segments in which it stands, in order."""

    text: str = Field(min_length=1, max_length=1000)
    segments: tuple[int, ...] = Field(min_length=1)


class Items(_Plain):
    """What is worth telling of a window. `faults`: what was left out of it, and why, in words."""

    events: tuple[Cited, ...] = ()
    keywords: tuple[str, ...] = ()
    people: tuple[Cited, ...] = ()
    places: tuple[Cited, ...] = ()
    organisations: tuple[Cited, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def unread(self) -> bool:
        """Whether nothing of the window could be kept."""
        return bool(self.faults) and not self.events


class Chapter(_Plain):
    """A part of a video: a title, one sentence, and the numbers of its first and last segment."""

    title: str = Field(min_length=1, max_length=200)
    summary: str = Field(max_length=1000)
    first_segment: int
    last_segment: int


class Summary(_Plain):
    """What a whole video is about. `faults` as of `Items`, of all windows."""

    title: str = Field(max_length=200)
    sentences: tuple[Cited, ...]
    keywords: tuple[str, ...] = Field(max_length=MOST_KEYWORDS)
    chapters: tuple[Chapter, ...]  # in order; they part the segments among them without a gap
    people: tuple[Cited, ...] = ()
    places: tuple[Cited, ...] = ()
    organisations: tuple[Cited, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Archive:
    """What the other videos are about, as far as was looked: in how many of `videos` each word is a keyword."""

    videos: int = 0
    keywords: dict[str, int] = field(default_factory=dict)  # in lower case


@dataclass
class Reading:
    """A video on its way to a summary."""

    video: Video
    windows: list[Window]  # all of them
    items: dict[Window, Items]  # of those that were read, in this run or before
    dropped: bool = False  # nobody waits for it any more: what is not begun need not be

    @property
    def left(self) -> list[Window]:
        return [window for window in self.windows if window not in self.items]

    @property
    def read(self) -> list[Items]:
        """The items of all windows, in order of time."""
        return [self.items[window] for window in self.windows]


News = Window | Summary | Exception
"""Of a reading: a window was read, it is summed up, or it cannot be."""


class Summarizer(Protocol):
    """The contract of an engine. Its class has `Options` (videotag/options.py).

    It is made of these and of what gives the `Archive`, which is asked only by one that has a use for it.
    """

    name: str  # its key in `SUMMARIZERS`
    method: str  # "extractive": sentences that are there, chosen; "llm": written by a language model
    made_by: dict[str, Any]
    """What made the summary, builtins only: at least "summarizer" and "model", and every setting that changes it."""
    description: str  # what the user should know of what was found or will be loaded, in one line; "" for nothing

    def windows(self, video: Video) -> list[Window]:
        """How the video is parted: each passage stands in one of them, in order."""
        ...

    def summaries(self, readings: Iterable[Reading]) -> Generator[tuple[Reading, News], None, None]:
        """Read the windows that are left of each video, then sum it up; yield what is new of any as it comes.

        A window's items are put into its reading before they are told. Readings are drawn in the calling thread, as
        there is room for them. A fault of one window is told in its items, one of a video by an Exception in place of
        its summary.

        Raises:
            EngineError: the engine as a whole cannot go on (model missing, server gone).
        """
        ...
