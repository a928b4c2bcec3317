"""What an analyzer is: segments in, descriptions, tags and keywords in the output language out.

An analyzer takes a stream of segments and gives back one result for each, as soon as it has it and in any
order. It pulls the next segments itself, so an engine with a queue is never idle between two videos.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from videotag.media.jpeg import in_bgr

if TYPE_CHECKING:
    import numpy as np

CONFIDENCES = ("высокая", "средняя", "низкая")
CONTENT_TYPES = (
    "новости", "интервью", "документальное", "репортаж", "реклама", "музыка", "фильм", "спорт", "обучение", "другое",
)  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """A picture of the video: its presentation time in seconds, and the JPEG file's bytes."""

    time: float
    jpeg: bytes

    def decoded(self) -> "np.ndarray":
        """BGR uint8 [height, width, 3].

        Raises:
            ValueError: it is not a picture.
        """
        image = in_bgr(self.jpeg)
        if image is None:
            raise ValueError(f"the frame at {self.time:.1f} s is not a picture")
        return image


@dataclass(frozen=True)
class Part:
    """A stretch of speech in one language, ISO 639-1."""

    language: str
    text: str


@dataclass(frozen=True)
class Segment:
    """One window of a video, as an analyzer gets it. Times are seconds from the start of the video."""

    video_name: str
    video_path: str
    segment_index: int
    start_time: float
    end_time: float
    frames: tuple[Frame, ...]
    transcript: str
    language: str  # of the speech, ISO 639-1 ("kk", "ru"): of most of it, if there are several
    output_language: str  # to write in, ISO 639-1
    parts: tuple[Part, ...] = ()  # the transcript in order of time; () if all of it is in `language`
    video_language: str = ""  # of most of the whole video's speech; "" if it is `language`

    @property
    def languages(self) -> tuple[str, ...]:
        """All that are spoken in it, `language` first."""
        spoken = (self.language, *(part.language for part in self.parts))
        return tuple(dict.fromkeys(code for code in spoken if code))


class Analysis(BaseModel):
    """What is stored of a segment: the plan's fields, and what is on the screen, whichever analyzer filled them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Field(min_length=1, max_length=4000)
    dialogue_translation: str = Field(max_length=20000)
    """The speech in the output language; empty where nobody translated it."""
    on_screen_text: list[str] = Field(max_length=50)  # captions, signs and titles as they are written, one an element
    keywords: list[str] = Field(max_length=50)
    content_type: Literal[CONTENT_TYPES]  # type: ignore[valid-type]
    mood_atmosphere: str = Field(max_length=200)
    confidence: Literal[CONFIDENCES]  # type: ignore[valid-type]
    scene_change: StrictBool
    screen_times: str = Field("", pattern=r"^(\d+( \d+)*)?$")
    """When each on-screen text is first seen: tenths of a second after the segment's start; empty if not known."""
    cut_times: str = Field("", pattern=r"^(\d+( \d+)*)?$")
    """When a shot begins, likewise; known to who has seen all frames."""


@dataclass(frozen=True)
class SegmentFailure:
    """An analyzer's word that it could not analyze a segment. Never stored as an analysis."""

    reason: str
    raw_text: str = ""


@dataclass(frozen=True)
class NotedAnalysis:
    """An analysis that is kept with a remark on what is doubtful about it."""

    analysis: Analysis
    note: str


Result = Analysis | NotedAnalysis | SegmentFailure


class Analyzer(Protocol):
    """The contract of a vision engine. Its class has `Options` (videotag/options.py), too."""

    name: str  # its key in `ANALYZERS`
    made_by: dict[str, Any]
    """What made the results, builtins only: at least "analyzer" and "model", and every setting that changes an answer.
    Stored with each video."""
    description: str  # what the user should know of what was found or will be loaded, in one line; "" for nothing

    def analyze(self, segments: Iterable[Segment]) -> Generator[tuple[Segment, Result], None, None]:
        """Yield each given segment with its result, once, in any order, as it is finished.

        Segments of several videos may be mixed; those of one video come in the order of their time.

        Raises:
            UserError: the engine as a whole cannot go on (model missing, server gone). A fault of one segment
                is a `SegmentFailure` instead.
        """
        ...
