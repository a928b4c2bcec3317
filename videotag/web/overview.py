"""What the records say of the archive at a moment: each video by phase, and all of it in numbers. No I/O."""

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from videotag.claims import HEARTBEAT_SECONDS
from videotag.stages import STAGES, Record, Stage, better_today, lacking
from videotag.text import one_line
from videotag.underway import Step

STATES = ("working", "silent", "failed", "waiting", "blocked", "completed")
"""Of a phase of a video, the most urgent first. "silent": is being done by the record's word, and the worker does not
say so any more; "failed": is tried again by the next run; "waiting": the next run does it; "blocked": it needs the
result of a phase that is not completed."""
AT_WORK = ("working", "silent")
"""Of STATES: somebody works on it, or did when last heard of."""
SILENT_SECONDS = 3 * HEARTBEAT_SECONDS
"""One heartbeat may be late while others hold the database; a worker that missed two has ended or lost its machine."""
UNHEARD = "unheard"
"""Beside STATES, what videos are chosen by: some of the speech has no words."""
MOST_ERRORS = 5
_ENGINES = ("transcriber", "analyzer", "summarizer", "embedder")


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of a video.

    Attributes:
        status: as the record has it; `state`: what that means now, of STATES.
        since: local time, ISO 8601: when the work in hand began, or the last one ended; "" where none did.
        host, process: of the worker.
        error: of the last try, in one line; `attempts`: how often it failed one after the other.
        reason: why it is due, or was.
        made_by: engine and model of the result.
        better: today's version would make a better result.
    """

    status: str
    state: str
    since: str = ""
    host: str = ""
    process: str = ""
    step: Step | None = None
    error: str = ""
    attempts: int = 0
    reason: str = ""
    made_by: str = ""
    better: bool = False


@dataclass(frozen=True, slots=True)
class Video:
    """A video: seconds of it, of speech, and of speech that has no words; its phases by their stages' keys.

    `total_segments`: 0 until phase 1 has cut it; `created_at`: local time, ISO 8601.
    """

    video_name: str
    video_duration: float
    speech_seconds: float
    unheard_seconds: float
    phases: dict[str, Phase]
    total_segments: int = 0
    created_at: str = ""

    def urgency(self, phase: str = "") -> int:
        """The place in STATES of a phase, or of the most urgent one; videos that want nothing come last."""
        phases = [self.phases[phase]] if phase else self.phases.values()
        return min(STATES.index(one.state) for one in phases)


@dataclass(frozen=True)
class PhaseTotals:
    """Of a phase: videos by state, finished ones by what made them, those that a newer version would do better."""

    states: dict[str, int]
    made_by: dict[str, int]
    better: int


@dataclass(frozen=True)
class Failure:
    video_name: str
    phase: str
    since: str
    error: str


@dataclass(frozen=True)
class Totals:
    """Of all videos. `seconds` of video, of speech, and of speech without words in so many videos."""

    videos: int = 0
    seconds: float = 0.0
    speech_seconds: float = 0.0
    unheard_seconds: float = 0.0
    unheard_videos: int = 0
    phases: dict[str, PhaseTotals] = field(default_factory=dict)
    errors: tuple[Failure, ...] = ()  # the last ones first


def video_of(record: Record, clock: float, steps: Mapping[str, Step] | None = None) -> Video:
    """What a record says.

    Args:
        clock: seconds since the epoch, for the age of heartbeats.
        steps: how far the phases are that are under way, by their stages' keys.
    """
    return Video(
        str(record.get("video_name", "")),
        _number(record.get("video_duration")),
        math.fsum(map(_number, _object(record.get("spoken_seconds")).values())),
        _number(record.get("unheard_seconds")),
        {stage.key: _phase(stage, record, clock, (steps or {}).get(stage.key)) for stage in STAGES},
        int(_number(record.get("total_segments"))),
        _text(record.get("created_at")),
    )


def state_of(stage: Stage, record: Record, clock: float) -> str:
    """Of STATES. A status that no script writes is one of work that is not done."""
    status = stage.status(record)
    if status == "completed":
        return "completed"
    if status == "processing":
        silence = clock - _number(record.get(stage.field("heartbeat")))
        return "silent" if silence > SILENT_SECONDS else "working"
    if record.get(stage.field("error")):
        return "failed"
    return "blocked" if lacking(stage, record) else "waiting"


def _phase(stage: Stage, record: Record, clock: float, step: Step | None) -> Phase:
    state = state_of(stage, record, clock)
    at_work = state in AT_WORK
    host, _, rest = _text(record.get(stage.field("owner"))).partition(":") if at_work else ("", "", "")
    return Phase(
        status=_text(stage.status(record)),
        state=state,
        since=_text(record.get(stage.field("start_time" if at_work else "end_time"))),
        host=host,
        process=rest.partition(":")[0],
        step=step if at_work else None,
        error=_text(record.get(stage.field("error"))),
        attempts=int(_number(record.get(stage.field("attempts")))),
        reason="" if state == "completed" else _text(record.get(stage.field("reason"))),
        made_by=engine_of(made_by if isinstance(made_by := record.get(stage.field("made_by")), str) else ""),
        better=better_today(stage, record),
    )


@lru_cache(maxsize=1000)
def engine_of(made_by: str) -> str:
    """Engine and model of what made a result, as its record has it: `faster-whisper, base`; "" if that is unknown."""
    made = _object(made_by)
    names = [made.get(key) for key in (*_ENGINES, "model")]
    return ", ".join(_text(name) for name in names if name and name != "none")


def totals_of(videos: Collection[Video]) -> Totals:
    unheard = [video.unheard_seconds for video in videos if video.unheard_seconds > 0]
    return Totals(
        videos=len(videos),
        seconds=math.fsum(video.video_duration for video in videos),
        speech_seconds=math.fsum(video.speech_seconds for video in videos),
        unheard_seconds=math.fsum(unheard),
        unheard_videos=len(unheard),
        phases={stage.key: _totals_of(stage, videos) for stage in STAGES},
        errors=_last_errors(videos),
    )


def _totals_of(stage: Stage, videos: Iterable[Video]) -> PhaseTotals:
    phases = [video.phases[stage.key] for video in videos]
    states = Counter(phase.state for phase in phases)
    made_by = Counter(phase.made_by for phase in phases if phase.state == "completed" and phase.made_by)
    states_in_order = {state: states[state] for state in STATES}
    return PhaseTotals(states_in_order, dict(made_by.most_common()), sum(phase.better for phase in phases))


def _last_errors(videos: Iterable[Video]) -> tuple[Failure, ...]:
    found = [
        Failure(video.video_name, key, phase.since, phase.error)
        for video in videos
        for key, phase in video.phases.items()
        if phase.state == "failed"
    ]
    return tuple(sorted(found, key=lambda one: one.since, reverse=True)[:MOST_ERRORS])


SORTS: dict[str, Callable[[str], Callable[[Video], Any]]] = {
    "state": lambda phase: lambda video: (video.urgency(phase), video.video_name.casefold()),
    "name": lambda phase: lambda video: video.video_name.casefold(),
    "duration": lambda phase: lambda video: (-video.video_duration, video.video_name.casefold()),
}
"""By what videos are ordered, given the phase that they are chosen by: its key, or ""."""


def chosen(videos: Iterable[Video], phase: str = "", state: str = "", sort: str = "state") -> list[Video]:
    """The videos of which a phase ("": any) is in a state ("": whichever), in the order that is asked for.

    Args:
        phase: a stage's key, or "".
        state: of STATES, UNHEARD, or "".
        sort: of SORTS.
    """

    def passes(video: Video) -> bool:
        if state == UNHEARD:
            return video.unheard_seconds > 0
        phases = [video.phases[phase]] if phase else video.phases.values()
        return not state or any(one.state == state for one in phases)

    return sorted(filter(passes, videos), key=SORTS[sort](phase))


def _number(value: object) -> float:
    """The database may be anybody's: what is no number is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _text(value: object) -> str:
    return one_line(value) if isinstance(value, str) else ""


def _object(text: object) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}
