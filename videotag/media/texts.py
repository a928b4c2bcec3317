"""Texts that are there to be read: subtitles in a file and beside it, captions in its pictures, chapters, the title."""

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from videotag.languages import code_of, written_in
from videotag.media import captions
from videotag.media.source import Source, opened
from videotag.media.subtitle_text import Cue, cue, cues, decoded, dialogue, in_order, sample_texts, uncommented
from videotag.results import Chapter, Subtitle
from videotag.text import one_line

log = logging.getLogger("videotag")

_ENDINGS = (".srt", ".vtt", ".ass", ".ssa")
_LARGEST = 20_000_000  # bytes: an hour of subtitles has a hundred thousand
_FORCED = "forced"  # those of what is said in other languages alone
_HEARING_IMPAIRED = "hi"  # after a language; alone it is Hindi
_KINDS = {_FORCED, "sdh", "cc", "default", "full"}
"""What may stand in a name besides the language: which subtitles these are."""
_PICTURES = {"dvdsub", "dvbsub", "pgssub", "xsub", "dvd_subtitle", "dvb_subtitle", "hdmv_pgs_subtitle"}
_CAPTIONS, _WEB_VTT = "cc_dec", "wvtt"
_ASS_FIELDS = 8  # before the text, in Matroska's form of a line


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
        title = _title(source)
        chapters = tuple(_chapters(source))
        found += _inside(source, languages)
    with opened(path) as source:
        for channel, shown in captions.in_pictures(source).items():
            found += _track(_channel_name("captions (CEA-608)", channel), "", shown, languages)
    return Texts(title, chapters, tuple(_once(found)))


def _once(tracks: list[Track]) -> list[Track]:
    """Those of the same words once: files are given the same subtitles in several forms."""
    by_words = {"".join(s["text"] for s in track.subtitles).replace(" ", ""): track for track in reversed(tracks)}
    return [track for track in tracks if track in by_words.values()]


def _title(source: Source) -> str:
    """What the file calls itself; in Ogg it is its first track that does."""
    holders = [source.container, *(source.container.streams if source.container.format.name == "ogg" else ())]
    return next(filter(None, (_plain(dict(holder.metadata).get("title")) for holder in holders)), "")


def _plain(text: Any) -> str:
    return one_line(str(text or ""))


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
        shown = tuple(
            Subtitle(start=max(0.0, c.start), end=c.end, text=c.text, language=language) for c in found if c.end > 0
        )
        yield Track(name, language, shown, forced)


# --- beside the file


def _beside(video: Path, languages: Sequence[str]) -> Iterator[Track]:
    for path, language, forced in _files(video):
        try:
            if path.stat().st_size > _LARGEST:
                most = _LARGEST // 10**6
                log.warning("%s: is left out: subtitles have no more than %d MB; move it away", path, most)
                continue
            data = path.read_bytes()
        except OSError as error:
            log.warning("%s: cannot be read (%s); mend its rights or move it away", path, error.strerror)
            continue
        found = cues(decoded(data, language or _only(languages)))
        if not found:
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
        of_another = others & {path.stem, path.stem.rsplit(".", len(kinds))[0]}
        if known and rest in ([], [_HEARING_IMPAIRED]) and not of_another:
            yield path, code_of(language), _FORCED in kinds


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _only(languages: Sequence[str]) -> str:
    return languages[0] if len(languages) == 1 else ""


# --- in the file


def _inside(source: Source, languages: Sequence[str]) -> Iterator[Track]:
    streams = source.container.streams
    kinds = {stream.index: _kind(stream) for stream in streams.subtitles}
    kinds |= {stream.index: _WEB_VTT for stream in streams.data if _is_web_vtt(source, stream)}
    for index, kind in kinds.items():
        if not kind or kind in _PICTURES:
            what = "pictures" if kind else "of a kind (teletext, TTML)"
            log.warning("%s: track %d: its subtitles are %s that are not read", source.path, index + 1, what)
    readable = [streams[index] for index, kind in kinds.items() if kind and kind not in _PICTURES]
    shown: defaultdict[int, list[Cue]] = defaultdict(list)
    codes: defaultdict[int, list[tuple[float, bytes]]] = defaultdict(list)
    for packet in source.packets(*readable) if readable else ():
        if packet.pts is not None and packet.size:
            index, start = packet.stream.index, source.time(packet.pts, packet.time_base)
            end = start + float((packet.duration or 0) * packet.time_base)
            if kinds[index] == _CAPTIONS:
                codes[index].append((start, bytes(packet)))
            else:
                shown[index] += cue(start, end, _lines(packet, kinds[index], languages))
    for stream in readable:
        said = [*codes[stream.index], (source.claimed, b"")]  # until when the last one stays, if nothing erases it
        tracks = list(_tracks(stream, shown[stream.index], said, languages))
        if not tracks:
            log.warning("%s: track %d, subtitles, holds none that can be read", source.path, stream.index + 1)
        yield from tracks


def _tracks(
    stream: Any, shown: list[Cue], codes: list[tuple[float, bytes]], languages: Sequence[str]
) -> Iterator[Track]:
    from av.stream import Disposition

    name, forced = f"track {stream.index + 1}", bool(stream.disposition & Disposition.forced)
    yield from _track(name, code_of(stream.language), in_order(shown), languages, forced)
    for channel, said in captions.read(codes).items():
        yield from _track(
            _channel_name(name, channel), code_of(stream.language) if channel == 1 else "", said, languages
        )


def _channel_name(name: str, channel: int) -> str:
    return name if channel == 1 else f"{name}, CC{channel}"


def _kind(stream: Any) -> str:
    """FFmpeg's name of what reads the subtitles, "" where it has nothing that does."""
    return stream.codec_context.name if stream.codec_context else ""


def _is_web_vtt(source: Source, stream: Any) -> bool:
    """Whether it is WebVTT in MP4 (ISO/IEC 14496-30), which FFmpeg does not know."""
    first = next(iter(stream.index_entries), None) if source.by_edits and not stream.codec_context else None
    if first is None:
        return False
    with Path(source.path).open("rb") as file:
        file.seek(first.pos)
        return file.read(8)[4:] in (b"vttc", b"vtte", b"vtta")


def _lines(packet: Any, kind: str, languages: Sequence[str]) -> list[str]:
    """The lines of a packet, read as they are: a decoder would refuse other encodings than UTF-8."""
    data, language = bytes(packet), code_of(packet.stream.language) or _only(languages)
    if kind == "mov_text":  # 3GPP TS 26.245, 5.17: the length in two bytes, the text, boxes of styles
        return re.split("[\r\n]", decoded(data[2 : 2 + int.from_bytes(data[:2])], language))
    if kind in ("ass", "ssa"):
        return [uncommented(line) for line in decoded(data, language).split(",", _ASS_FIELDS)[_ASS_FIELDS:]]
    if kind in ("srt", "subrip", "webvtt", "text"):
        return re.split("[\r\n]", decoded(data, language))
    if kind == _WEB_VTT:
        return [line for text in sample_texts(data) for line in text.splitlines()]
    return dialogue(packet.stream.codec_context, packet)
