"""Texts that are there to be read: subtitles in a file and beside it, captions in its pictures, chapters, the title."""

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

from videotag.languages import code_of, written_in
from videotag.media.source import Source, opened
from videotag.media.subtitle_text import Cue, cue, cues, decoded, in_order
from videotag.results import Chapter, Subtitle
from videotag.text import clean

log = logging.getLogger("videotag")

_ENDINGS = (".srt", ".vtt", ".ass", ".ssa")
_LARGEST = 20_000_000  # bytes: an hour of subtitles has a hundred thousand
_FORCED = "forced"  # those of what is said in other languages alone
_HEARING_IMPAIRED = "hi"  # after a language; alone it is Hindi
_KINDS = {_FORCED, "sdh", "cc", "default", "full"}
"""What may stand in a name besides the language: which subtitles these are."""
_PICTURES = {"dvdsub", "dvbsub", "pgssub", "xsub", "dvd_subtitle", "dvb_subtitle", "hdmv_pgs_subtitle"}
_ASS_FIELDS = 8  # before the text, in Matroska's form of a line
_CAPTIONS_WITHIN = 60  # frames: captions fill every frame, with nothing where there is none


@dataclass(frozen=True)
class Track:
    """Subtitles of one language, in order of time.

    Attributes:
        source: what they are called in a message; a name or a place.
        language: ISO 639-1, "" if unknown.
        forced: whether they are of a few sentences alone, of those that are said in another language.
    """

    source: str
    language: str
    subtitles: tuple[Subtitle, ...]
    forced: bool = False


@dataclass(frozen=True)
class Texts:
    title: str = ""
    chapters: tuple[Chapter, ...] = ()
    tracks: tuple[Track, ...] = ()  # those beside the file first


def texts(path: str, languages: Sequence[str] = ()) -> Texts:
    """What a file and those beside it have to read. A track that is broken costs itself, and a line.

    Args:
        languages: ISO 639-1, of the list: what subtitles may be in that do not say it.

    Raises:
        UserError: the file cannot be opened.
    """
    found = list(_beside(Path(path), languages))
    with opened(path) as source:
        title = _plain(dict(source.container.metadata).get("title"))
        chapters = tuple(_chapters(source))
        found += _inside(source, languages)
    with opened(path) as source:
        found += _captions(source, languages)
    return Texts(title, chapters, tuple(_once(found)))


def _once(tracks: list[Track]) -> list[Track]:
    """Those of the same words once: files are given the same subtitles in several forms."""
    by_words = {"".join(s["text"] for s in track.subtitles).replace(" ", ""): track for track in reversed(tracks)}
    return [track for track in tracks if track in by_words.values()]


def _plain(text: Any) -> str:
    return " ".join(clean(str(text or "")).split())


def _chapters(source: Source) -> Iterator[Chapter]:
    for found in source.container.chapters():
        start, end = (source.time(found[side], Fraction(found["time_base"])) for side in ("start", "end"))
        title = _plain(found["metadata"].get("title"))
        if title and end > start:
            yield Chapter(start=round(max(0.0, start), 3), end=round(end, 3), title=title)


def _track(
    name: str, language: str, found: Sequence[Cue], languages: Sequence[str], forced: bool = False
) -> Iterator[Track]:
    if found:
        language = language or written_in(" ".join(cue.text for cue in found[:200]), languages)
        shown = tuple(Subtitle(start=c.start, end=c.end, text=c.text, language=language) for c in found)
        yield Track(name, language, shown, forced)


# --- beside the file


def _beside(video: Path, languages: Sequence[str]) -> Iterator[Track]:
    for path, language, forced in _files(video):
        try:
            large = path.stat().st_size > _LARGEST
            data = b"" if large else path.read_bytes()
        except OSError as error:
            log.warning("%s: cannot be read (%s); mend its rights or move it away", path, error.strerror)
            continue
        found = cues(decoded(data, language or _only(languages)))
        if large:
            log.warning("%s: is left out: subtitles have no more than %d MB; move it away", path, _LARGEST // 10**6)
        elif not found:
            log.warning("%s: holds no subtitles that can be read, and is left out; mend it or move it away", path)
        yield from _track(path.name, language, found, languages, forced)


def _files(video: Path) -> Iterator[tuple[Path, str, bool]]:
    """The subtitles named like a video, their language and whether they are forced, as their names tell it.

    news.srt, news.kk.srt, news.ru.forced.srt, news.sdh.srt; capitals and how letters are composed count for nothing.
    """
    try:
        there = sorted(video.parent.iterdir())
    except OSError:  # a folder that may be entered and not listed
        return
    others = {path.stem for path in there if path.suffix.lower() not in _ENDINGS} - {video.stem}
    own = _alike(video.stem)
    for path in there:
        stem = _alike(path.stem)
        if path.suffix.lower() not in _ENDINGS or not f"{stem}.".startswith(f"{own}.") or not path.is_file():
            continue
        kinds = stem[len(own) + 1 :].split(".") if stem != own else []
        language, *rest = [kind for kind in kinds if kind not in _KINDS] or [""]
        known = not language or code_of(language)
        if (
            known
            and rest in ([], [_HEARING_IMPAIRED])
            and not others & {path.stem, path.stem.rsplit(".", len(kinds))[0]}
        ):
            yield path, code_of(language), _FORCED in kinds


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _only(languages: Sequence[str]) -> str:
    return languages[0] if len(languages) == 1 else ""


# --- in the file


def _inside(source: Source, languages: Sequence[str]) -> Iterator[Track]:
    streams = [stream for stream in source.container.streams.subtitles if stream.codec_context]
    if any(stream.codec_context.name in _PICTURES for stream in streams):
        log.warning("%s: has subtitles that are pictures, which are not read", source.path)
    readable = {stream.index: stream for stream in streams if stream.codec_context.name not in _PICTURES}
    shown: defaultdict[int, list[Cue]] = defaultdict(list)
    for packet in source.packets(*readable.values()) if readable else ():
        if packet.pts is not None and packet.size:
            start = source.time(packet.pts, packet.time_base)
            length = float((packet.duration or 0) * packet.time_base)
            shown[packet.stream.index] += cue(start, start + length, _lines(packet, languages))
    for index, stream in readable.items():
        if not shown[index]:
            log.warning("%s: track %d, subtitles, holds none that can be read", source.path, index + 1)
        yield from _track(f"track {index + 1}", code_of(stream.language), in_order(shown[index]), languages)


def _lines(packet: Any, languages: Sequence[str]) -> list[str]:
    """The lines of a packet, read as they are: a decoder would refuse other encodings than UTF-8."""
    kind, data = packet.stream.codec_context.name, bytes(packet)
    language = code_of(packet.stream.language) or _only(languages)
    if kind == "mov_text":  # 3GPP TS 26.245, 5.17: the length in two bytes, the text, boxes of styles
        return re.split("[\r\n]", decoded(data[2 : 2 + int.from_bytes(data[:2])], language))
    if kind in ("ass", "ssa"):
        return decoded(data, language).split(",", _ASS_FIELDS)[_ASS_FIELDS:]
    if kind in ("srt", "subrip", "webvtt", "text"):
        return re.split("[\r\n]", decoded(data, language))
    return [said.decode("utf-8", "replace") for said in _dialogue(packet.stream.codec_context, packet)]


def _dialogue(context: Any, packet: Any) -> list[bytes]:
    """What a decoder makes of a packet; nothing of one that it cannot read."""
    from av.error import FFmpegError

    try:
        return [part.dialogue for shown in [context.decode(packet)] for part in shown if hasattr(part, "dialogue")]
    except (FFmpegError, ValueError):
        return []


# --- in the pictures


def _captions(source: Source, languages: Sequence[str]) -> Iterator[Track]:
    """CEA-608 captions, which are there in every frame or in none."""
    if source.video is None or source.video.codec_context.name not in ("h264", "mpeg2video", "hevc", "mpegvideo"):
        return
    source.video.thread_type = "AUTO"
    codes = _codes(source)
    first = list(islice(codes, _CAPTIONS_WITHIN))
    if any(code for _, code in first):
        found = _read_captions(chain(first, codes))
        yield from _track("captions (CEA-608)", "", in_order(found), languages)


def _codes(source: Source) -> Iterator[tuple[float, bytes]]:
    """The second of each frame, and its captions' codes. No frame is kept: sixty of 4K are a gigabyte and more."""
    for frame in source.frames(source.video):
        sides = [bytes(side) for side in frame.side_data if side.type.name == "A53_CC"]
        yield source.time(frame.pts, source.video.time_base), b"".join(sides)


def _read_captions(codes: Iterable[tuple[float, bytes]]) -> list[Cue]:
    """Each text from when it is on the screen until another is, or none."""
    import av

    decoder: Any = av.CodecContext.create("cc_dec", "r")
    decoder.options = {"real_time": "1", "real_time_latency_msec": "0"}  # else the last text never comes
    found: list[Cue] = []
    shown, since, time = "", 0.0, 0.0
    for time, code in codes:
        if not code:
            continue
        packet = av.Packet(code)
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = round(time * 1000)
        for said in _dialogue(decoder, packet):
            found += cue(since, time, [shown])
            shown, since = said.decode("utf-8", "replace"), time
    return [*found, *cue(since, time, [shown])]
