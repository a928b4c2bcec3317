"""The `local` analyzer: an honest inventory of a segment without a generative model.

It measures light, colours, movement and cuts, reads what is written on the screen, and picks keywords from that
and from the speech. It does not know what happens in the picture, and never says so.
"""

import importlib.util
import logging
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from videotag.analyzers.contract import Analysis, Part, Result, Segment, SegmentFailure
from videotag.analyzers.local.screen_text import ScreenReader, installed_languages
from videotag.analyzers.local.sentences import Seen, Wording, clip, describe, wording
from videotag.errors import EngineError, UserError
from videotag.times import tenths

if TYPE_CHECKING:
    from videotag.analyzers.local.shots import FrameReader, Videos

log = logging.getLogger("videotag")
NEEDED = ("cv2", "rapidocr", "pymorphy3")
MAX_TRANSLATION = 20_000  # characters; what `Analysis.dialogue_translation` holds
MAX_SCREEN_LINES = 50  # what `Analysis.on_screen_text` holds


@dataclass(frozen=True)
class LocalOptions:
    """There is nothing to choose."""


class LocalAnalyzer:
    """Measures and reads; see `Analyzer` for the contract. The pictures of a video come from `read_frames`.

    Raises:
        EngineError: it cannot write in that language (see `WORDINGS`), or a package is missing.
    """

    name = "local"
    Options = LocalOptions
    description = ""
    version = 4  # raised whenever the same segment would get another answer

    def __init__(
        self,
        output_language: str = "ru",
        options: LocalOptions = LocalOptions(),
        read_frames: "FrameReader | None" = None,
    ) -> None:
        wording(output_language)
        missing = [package for package in NEEDED if not importlib.util.find_spec(package)]
        if missing:
            raise EngineError(f"the analyzer local needs {', '.join(missing)}: pip install -r requirements.txt")
        languages = installed_languages()
        self._screen = ScreenReader(languages) if languages else None
        self._read_frames = read_frames
        self.made_by: dict[str, Any] = {
            "analyzer": self.name,
            "model": "none",
            "version": self.version,
            "output_language": output_language,
            "on_screen_text": f"tesseract {'+'.join(languages)}" if languages else "none",
        }

    def analyze(self, segments: Iterable[Segment]) -> Generator[tuple[Segment, Result], None, None]:
        """Yield each segment with its result, one by one; a video is decoded once, however its windows overlap.

        Raises:
            EngineError: a segment asks for an output language that there are no sentences for.
        """
        from videotag.analyzers.local.shots import Videos

        with closing(Videos(self._read_frames)) as videos:
            for segment in segments:
                yield segment, self._result(segment, wording(segment.output_language), videos)

    def _result(self, segment: Segment, words: Wording, videos: "Videos") -> Result:
        try:
            return _analysis(segment, self._look(segment, videos) if segment.frames else Seen(), words)
        except EngineError:
            raise
        except UserError as error:
            return SegmentFailure(str(error))
        except Exception as error:  # a library's, over a word or a picture: that is no reason to stop the others
            log.debug("%s", segment.video_name, exc_info=True)
            return SegmentFailure(f"{type(error).__name__}: {error}")

    def _look(self, segment: Segment, videos: "Videos") -> Seen:
        from videotag.analyzers.local.pictures import decode, look

        shots = videos.shots(segment.video_path, segment.start_time, segment.end_time)
        images, times = decode(segment.frames)
        light = look(images) if images else None
        if not self._screen:
            return Seen(True, light, shots)
        bands = videos.captions(segment.video_path, segment.start_time, segment.end_time, times)
        between = [(band.frame.time, band.cut(band.frame.decoded())) for band in bands]
        order = sorted([*zip(times, images, strict=True), *between], key=lambda one: one[0])
        # The captions stay in the video's language where a guest speaks another.
        texts = self._screen.read([image for _, image in order], segment.video_language or segment.language)
        when = tuple(order[picture][0] - segment.start_time for picture in texts.values())
        return Seen(True, light, shots, tuple(texts), when)


def _analysis(segment: Segment, seen: Seen, words: Wording) -> Analysis:
    from videotag.analyzers.local.keywords import keywords

    speech = " ".join(segment.transcript.split())
    parts = segment.parts or (Part(segment.language, segment.transcript),)
    understood = " ".join(" ".join(part.text for part in parts if part.language == segment.output_language).split())
    return Analysis(
        description=describe(seen, speech, words),
        dialogue_translation=clip(understood, MAX_TRANSLATION),
        on_screen_text=list(seen.texts)[:MAX_SCREEN_LINES],
        keywords=keywords(parts, seen.texts, segment.video_language or segment.language),
        content_type="другое",  # it cannot know
        mood_atmosphere="",  # nor this
        confidence="низкая",
        scene_change=bool(seen.shots and seen.shots.cuts),
        screen_times=tenths(seen.times[:MAX_SCREEN_LINES]),
        cut_times=tenths(cut - segment.start_time for cut in seen.shots.cuts) if seen.shots else "",
    )
