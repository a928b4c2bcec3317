"""The page of a video: it plays from a second; its segments, words, chapters; what can be taken away."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import Response

from videotag import exports
from videotag.editors import clips, formats
from videotag.errors import UserError
from videotag.exports import ORIGINAL, TRANSLATION, Source, Wanted
from videotag.fields import VIDEO
from videotag.media.copies import LINES
from videotag.search.ask import Question, find
from videotag.search.filters import Filters
from videotag.search.moments import Hit
from videotag.segments import texts_of
from videotag.speech import subtitles
from videotag.timecode import frames_until
from videotag.web.archive import Archive
from videotag.web.attached import attached
from videotag.web.films import LEAD, STEP, Film, Gone, film_of
from videotag.web.media import Second, state_of
from videotag.web.pages import LANGUAGES, Pages, address, language_of
from videotag.web.playable import browser_of
from videotag.web.proxies import Proxies
from videotag.web.results import Results, results_of

HITS = 100  # moments of one video that are shown at most
DOWNLOADS = ("srt", "vtt", "txt", "md", "json", "csv", "edl", "fcpxml", "otio")
TRACKS = (ORIGINAL, TRANSLATION)
_SHOWN = (
    "title", "shot_at", "location", "timecode", "frame_rate", "width", "height", "spoken_languages", "audio_track",
    "transcript_source", "unheard_seconds", "analyzer", "content_type", "description", "video_path", "created_at",
)  # fmt: skip
"""What is told of a video's record, in this order."""
_NAMES = {
    "hevc": "HEVC", "mpeg2video": "MPEG-2", "mpeg4": "MPEG-4 ASP", "prores": "ProRes", "dvvideo": "DV",
    "ac3": "AC-3", "eac3": "E-AC-3", "dca": "DTS", "mpegts": "MPEG-TS", "mpeg": "MPEG-PS", "asf": "Windows Media",
    "matroska": "Matroska",
}  # fmt: skip
"""What FFmpeg's names are called otherwise than in capitals."""
Words = Annotated[str, Query(max_length=1000)]


@dataclass(frozen=True)
class Look:
    """What there is to see of a video at a second."""

    results: Results
    second: float
    hits: Sequence[Hit]

    @property
    def source(self) -> Source:
        return self.results.source

    @cached_property
    def segments(self) -> list[dict[str, Any]]:
        """Each with what is known of it: its results' keys, `hit`, `chapter` (that begins in it) and `timecode`."""
        return [self._told(segment) for segment in self.source.segments]

    @property
    def current(self) -> int:
        """The number of the segment in which the second is best looked at: the last that has begun."""
        begun = [n for n, segment in enumerate(self.source.segments) if segment["start_time"] <= self.second]
        return begun[-1] if begun else 0

    @property
    def poster(self) -> str | None:
        """The address of the frame that is nearest to the second."""
        return address("frame", self.source.name, self.second) if self.source.phase1["frames"] else None

    @property
    def has_translation(self) -> bool:
        spoken = self.source.phase1["spoken_language"]
        other = self.source.phase2 is not None and self.source.phase2["output_language"] != spoken
        return other and any(entry["dialogue_translation"].strip() for entry in self.source.analyses.values())

    @cached_property
    def video(self) -> clips.Video:
        return clips.video_of(self.source.phase1)

    def timecode(self, second: float) -> str:
        """The source's own number of the picture at a second; "" where the file tells none."""
        start, rate = self.video.start, self.video.rate
        return str(start.after(frames_until(second, rate))) if start and rate else ""

    def _told(self, segment: Any) -> dict[str, Any]:
        index, start, end = segment["segment_index"], segment["start_time"], segment["end_time"]
        analysis = self.source.analyses.get(index) or texts_of(segment, self.source.phase1)
        begins = [c["title"] for c in self.source.chapters if start <= c["start"] < end]
        before = [c["title"] for c in self.source.chapters if c["start"] < start]
        empty = {"description": "", "on_screen_text": [], "keywords": [], "dialogue_translation": "", "subtitles": ""}
        own = {
            "hit": any(hit["segment_index"] == index for hit in self.hits),
            "chapter": next((title for title in begins if title not in before), ""),
            "timecode": self.timecode(start),
        }
        return {**empty, **segment, **analysis, **own}


@dataclass(frozen=True)
class Playing:
    """How a video comes to be played on the page.

    Attributes:
        kinds: what is tried, one after the other: "copy" (of the whole), "file" (as it is), "clip" (a part).
        start: second at which playing starts.
        part: seconds (begin, end) of the clip.
        state: of the copy, as `state_of` tells.
    """

    film: Film
    kinds: tuple[str, ...]
    start: float
    part: tuple[float, float]
    state: Mapping[str, Any]

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """What keeps a browser from playing the file: keys of words, and the names of what is in the way."""
        return [(key, _NAMES.get(detail, detail.upper())) for key, detail in self.film.plays.why]

    @property
    def type(self) -> str | None:
        """What the browser has to say that it can play, before it is given the file."""
        return self.film.plays.type if self.film.plays.how == "ask" else None


def playing(film: Film, proxies: Proxies, second: float, wanted: str | None) -> Playing:
    """`wanted`: the kind that somebody has chosen."""
    state = state_of(film, proxies)
    by_itself = {"direct": ("file", "clip"), "ask": ("file", "clip"), "copy": ("clip",)}[film.plays.how]
    kinds = ("copy", "clip") if state["state"] == "ready" and film.plays.how != "direct" else by_itself
    if wanted in ("file", "clip"):
        kinds = (wanted,)
    span = film.part(second).span
    assert span
    return Playing(film, kinds, max(0.0, second - LEAD), span, state)


def routes(archive: Archive, pages: Pages, proxies: Proxies) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    def recorded(name: str) -> dict[str, Any]:
        record = archive.record(name)
        if record is None:
            raise HTTPException(404)
        return record

    @router.get("/video/{name}")
    def video(request: Request, name: str, t: Second | None = None, q: Words = "", play: str | None = None) -> Response:
        record = recorded(name)
        found = _hits(archive, name, q)
        second = t if t is not None else found[0]["start"] if found else 0.0
        try:
            film = film_of(record, browser_of(request.headers.get("user-agent", "")))
            player, gone = playing(film, proxies, second, play), ""
        except Gone as error:
            player, gone = None, str(error)
        try:
            look, unknown = Look(results_of(archive.data_dir, name), second, found), ""
        except UserError as error:
            look, unknown = None, str(error)
        given = {"name": name, "record": record, "q": q, "second": second, "hits": found, "look": look}
        facts = _facts(record, LANGUAGES.index(language_of(request)))
        given |= {"player": player, "gone": gone, "unknown": unknown, "facts": facts, "downloads": DOWNLOADS}
        given |= {"poster": look and look.poster, "file_name": Path(record.get("video_path") or name).name}
        return pages.render(request, "video.html", lead=LEAD, step=STEP, lines=LINES, **given)

    @router.get("/subtitles/{name}/{language}.vtt")
    def track(name: str, language: str, start: Second | None = None) -> Response:
        """Subtitles for a player: of the whole, or of the part that begins at `start` (s), by its own clock."""
        recorded(name)
        if language not in TRACKS:
            raise HTTPException(404)
        with _absent():
            results = results_of(archive.data_dir, name)
            spoken = results.original if language == ORIGINAL else results.translation
            cues = spoken.cues if start is None else spoken.part(start)
        return Response(subtitles.vtt(cues), media_type="text/vtt; charset=utf-8")

    @router.get("/download/{name}/{form}")
    def download(name: str, form: str, language: str = ORIGINAL) -> Response:
        """What export.py writes."""
        recorded(name)
        if form not in DOWNLOADS or language not in TRACKS:
            raise HTTPException(404)
        with _absent():
            files = exports.exported(archive.data_dir, name, Wanted(form, language))
        return attached(name, {ending: formats.encoded(ending, text) for ending, text in files.items()})

    return router


def _hits(archive: Archive, name: str, words: str) -> list[Hit]:
    """The moments of the video that answer, in the order of time."""
    if not words.strip():
        return []
    answer = find(archive.db, Question(words, None, Filters({"video": (name,)})), HITS)
    return sorted(answer.moments, key=lambda hit: hit["start"]) if answer.close else []


@contextmanager
def _absent() -> Iterator[None]:
    """What cannot be made of the results is not there."""
    try:
        yield
    except UserError as error:
        raise HTTPException(404, str(error)) from None


def _facts(record: Mapping[str, Any], language: int) -> list[tuple[str, str]]:
    """What is told of the video: labels in the page's language, and values."""
    labels = {field.name: field.label[language] for field in VIDEO}
    values = {name: record.get(name) for name in _SHOWN}
    shown = {
        name: ", ".join(value) if isinstance(value, list) else str(value) for name, value in values.items() if value
    }
    return [(labels[name], text) for name, text in shown.items()]
