"""What the results say of a video, read once while they stay the same: a long film's are a hundred megabytes."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from videotag import artifacts, exports
from videotag.exports import Source
from videotag.speech import subtitles
from videotag.speech.words import Word
from videotag.stages import PHASE1, PHASE2, PHASE4
from videotag.web.films import PART

KEPT = 4  # videos: some ten megabytes of an hour's words each

State = tuple[int, int, int]
_reading = threading.Lock()  # one at a time, and none twice


@dataclass(frozen=True, eq=False)
class Spoken:
    """Words with their times in the video, and subtitles of them."""

    words: Sequence[Word]

    @cached_property
    def cues(self) -> Sequence[subtitles.Cue]:
        return subtitles.cues(self.words)

    def part(self, start: float) -> Sequence[subtitles.Cue]:
        """The subtitles of the part that begins at `start` (s), by its own clock."""
        inside = [word for word in self.words if start <= word.start < start + PART]
        return subtitles.cues(replace(w, start=w.start - start, end=min(w.end - start, PART)) for w in inside)


@dataclass(frozen=True, eq=False)
class Results:
    """The results that belong together, with the pictures' times alone, and what is made of them when it is asked for.

    `translation` raises UserError where there is none.
    """

    source: Source

    @cached_property
    def original(self) -> Spoken:
        return Spoken(subtitles.joined(self.source.segments))

    @cached_property
    def translation(self) -> Spoken:
        return Spoken(exports.translated(self.source))

    @cached_property
    def paragraphs(self) -> list[tuple[float, list[subtitles.Cue]]]:
        """What is said, as lines with times, parted where a paragraph begins (s)."""
        starts = [start for start, _ in subtitles.paragraphs(self.original.words)]
        parted: list[tuple[float, list[subtitles.Cue]]] = []
        for cue in self.original.cues:
            while starts and cue.end > 1000 * starts[0]:
                parted.append((starts.pop(0), []))
            if parted:
                parted[-1][1].append(cue)
        return [(start, cues) for start, cues in parted if cues]


def results_of(data_dir: Path, name: str) -> Results:
    """The results of a video.

    Raises:
        UserError: there is none of phase 1 that is whole.
    """
    with _reading:
        return _read(data_dir, name, *(_state(artifacts.path_of(s, data_dir, name)) for s in (PHASE1, PHASE2, PHASE4)))


@lru_cache(maxsize=KEPT)
def _read(data_dir: Path, name: str, *states: State | None) -> Results:
    """`states`: of the files, so that others are read anew."""
    phase1 = exports.read_phase1(data_dir, name)
    source = exports.source_of(data_dir, name, phase1)
    phase1["frames"] = [{"time": frame["time"]} for frame in phase1["frames"]]
    return Results(source)


def _state(path: Path) -> State | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
