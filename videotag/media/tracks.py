"""What sound there is in a file, and which of it is heard.

The list's `audio_track` counts, else the list's language, else the container's word; what is said beside the film
(commentary, descriptions for the blind) comes last, and what is silent or cannot be decoded is passed over. Mono tracks
of one kind are the channels of one sound; two voices on the two sides of one are two sounds.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from videotag.config import MIX
from videotag.languages import code_of
from videotag.media.levels import SILENT, Levels, Signal, measured, sounding, two_at_once
from videotag.media.source import Source, opened
from videotag.text import printable

_ASIDE = {
    "comment": "commentary", "visual_impaired": "for the blind", "descriptions": "description",
    "hearing_impaired": "for the hard of hearing", "clean_effects": "effects", "karaoke": "karaoke",
}  # fmt: skip
"""FFmpeg's dispositions of tracks that come last, and what they are called here."""
_ASIDE_TITLES = {
    "description": r"descri|дескрип|тифло|сипатта|слабовид|незряч|visually|\bblind",
    "commentary": r"comment(?!at)|коммент(?!ат)|түсініктеме",
    "for the hard of hearing": r"hearing|слабослыш",
    "effects": r"\bm ?& ?e\b|music (?:and|&) effects|international sound|intersound|интершум|karaoke|караоке",
}  # fmt: skip
"""What titles of tracks that come last hold, small, and what such tracks are called here."""
_VERSION_TITLE = re.compile(r"dub|дубл|origin|оригинал|түпнұсқа|перевод|аударма|voice.?over|закадр|interpret")
_TITLES = ("title", "name", "handler_name")  # the latter two in MP4 and QuickTime
_VERSIONS = ("dub", "original")
_SIDES = ("left", "right")
_FRONT = ("FL", "FR", "FC")  # FFmpeg's mix of many channels is of these, and little of others


@dataclass(frozen=True)
class Part:
    """A track of which something is heard: its stream's index, and the channels; none: FFmpeg's mix of them all."""

    stream: int
    channels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Choice:
    """What of a file's sound is heard; nothing where there is none.

    Attributes:
        parts: mixed with equal weight, in no phase that cancels.
        text: in words what is heard and what is not: "track 2 (rus); not heard: track 1 (eng, commentary)".
        chosen: whether there was anything to choose.
    """

    parts: tuple[Part, ...] = ()
    text: str = ""
    chosen: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is one track as FFmpeg mixes it."""
        return len(self.parts) == 1 and not self.parts[0].channels


Told = Callable[[Sequence[Choice], float], int | None]
"""Which of several voices that speak at once from a second on is to be heard: its number; None if they are none."""


@dataclass(frozen=True)
class Track:
    """A sound track: what the container says of it. Numbers count from 1 among the sound tracks, as in players."""

    number: int
    stream: int
    tag: str  # its language as the container has it, "" where it tells none
    aside: str  # why it comes last, "" where it does not
    favoured: int  # 2: the container's best, 1: marked as default
    kind: tuple[str, int, int] | None  # codec, rate, channels; None: it cannot be decoded
    fronts: frozenset[int] = frozenset()  # its channels that are left, right or middle, as far as it tells
    version: str = ""  # what it is of a film that has several sounds: a flag or its title

    @property
    def language(self) -> str:
        return code_of(self.tag)

    @property
    def text(self) -> str:
        told = ", ".join(filter(None, (self.tag, self.aside)))
        return f"track {self.number}" + (f" ({told})" if told else "")


def choose(path: str, languages: Sequence[str] = (), wanted: str = "", told: Told | None = None) -> Choice:
    """What of the file's sound is heard. The same file, languages and wish give the same choice.

    Args:
        languages: ISO 639-1, those that the list expects, the most wanted first.
        wanted: the list's `audio_track`: a number from 1, a language, or "mix"; "": nothing.
        told: asked where two voices speak at once on the two sides of one sound; without it both are mixed.

    Raises:
        UserError: the file cannot be opened.
    """
    with opened(path) as source:
        found = _tracks(source)
    readable = [track for track in found if track.kind]
    if not readable:
        return Choice()
    if len(found) == 1 and readable[0].kind[2:] == (1,) and not wanted:  # type: ignore[index]
        return Choice((Part(readable[0].stream),), readable[0].text)
    return _Choosing(found, _looked_at(path, readable), languages, wanted, told).choice()


def heard_first(text: str | None) -> int:
    """The number of the first track that is heard, of a `Choice`'s text; 0 where that tells none."""
    found = re.match(r"tracks? (\d+)", text or "")
    return int(found[1]) if found else 0


def heard(text: str | None) -> tuple[int, ...]:
    """The numbers of all tracks that are heard, of a `Choice`'s text; none where that tells none."""
    found = re.match(r"tracks? (\d+(?:, \d+)*)", text or "")
    return tuple(map(int, found[1].split(", "))) if found else ()


def _looked_at(path: str, tracks: Sequence[Track]) -> dict[int, Levels]:
    """What the tracks are like. That one is silent throughout, or a tone, is said of no sample."""
    measures = measured(path)
    heard = sounding(measures)
    streams = {stream for stream, _ in heard}
    silent = len(tracks) > 1 and any(track.stream not in streams for track in tracks)
    if silent or not heard or any(measures[stream].steady(channel) for stream, channel in heard):
        return measured(path, whole=True)
    return measures


@dataclass
class _Choosing:
    """One file's choice being made."""

    tracks: Sequence[Track]
    measures: dict[int, Levels]
    languages: Sequence[str]
    wanted: str
    told: Told | None
    remarks: list[str] = field(default_factory=list)
    why: dict[int, str] = field(default_factory=dict)  # track's number: why it is not heard

    def choice(self) -> Choice:
        self.audible = sounding(self.measures)
        chosen = self._wanted() or self._best()
        parts, heard = self._heard(chosen)
        left = [track for track in self.tracks if track.stream not in {part.stream for part in parts}]
        words = [heard, *self.remarks]
        if left:
            words.append("not heard: " + ", ".join(map(self._left, left)))
        plain = len(parts) == 1 and not parts[0].channels
        return Choice(parts, "; ".join(words), not plain or bool(left or self.remarks))

    def _left(self, track: Track) -> str:
        why = self.why.get(track.number, "")
        if track.kind is None or track.stream not in self.measures:
            why = "cannot be decoded"
        elif not self._sounds(track):
            why = "faint" if self.measures[track.stream].loudest() > SILENT else "silent"
        elif not why and not self._speaks(track):
            why = "tone or noise"
        told = ", ".join(filter(None, (track.tag, track.aside, why)))
        return f"track {track.number}" + (f" ({told})" if told else "")

    def _sounds(self, track: Track) -> bool:
        return any(stream == track.stream for stream, _ in self.audible)

    def _speaks(self, track: Track) -> bool:
        """Whether there is more in it than a tone or noise."""
        levels = self.measures.get(track.stream)
        signals = [c for s, c in self.audible if s == track.stream]
        return levels is not None and not all(levels.steady(channel) for channel in signals)

    def _wanted(self) -> list[Track]:
        """The tracks that the list asks for; with a remark where they are not there."""
        readable = [track for track in self.tracks if track.stream in self.measures]
        if self.wanted == MIX:
            return [track for track in readable if self._sounds(track) and self._speaks(track)] or readable[:1]
        if self.wanted.isdecimal():
            found = [track for track in readable if track.number == int(self.wanted)]
            missing = f"track {self.wanted}, asked for, " + (
                "cannot be decoded" if int(self.wanted) in range(1, len(self.tracks) + 1) else "is not there"
            )
        else:
            found = [track for track in readable if self.wanted and track.language == code_of(self.wanted)]
            missing = f"no track is tagged {self.wanted}, asked for"
        if self.wanted and not found:
            self.remarks.append(missing)
        first = self._first(found) if found else None
        return [] if first is None else [first] if self.wanted.isdecimal() else self._of_one_sound(first)

    def _best(self) -> list[Track]:
        readable = [track for track in self.tracks if track.stream in self.measures]
        first = self._first(readable or [track for track in self.tracks if track.kind])
        return self._of_one_sound(first)

    def _first(self, tracks: Sequence[Track]) -> Track:
        languages = list(self.languages)

        def last(track: Track) -> tuple[Any, ...]:
            known = track.language in languages
            rank = languages.index(track.language) if known else len(languages)
            nothing = not self._sounds(track), not self._speaks(track)
            return *nothing, bool(track.aside), rank, -track.favoured, track.number

        return min(tracks, key=last)

    def _of_one_sound(self, first: Track) -> list[Track]:
        """The mono tracks of the same kind and language, if it is one of several: the channels of one sound."""
        if first.kind is None or first.kind[2] != 1 or first.aside:
            return [first]
        one = (first.kind, first.language, "", first.version)
        alike = [t for t in self.tracks if (t.kind, t.language, t.aside, t.version) == one]
        return [track for track in alike if track.stream in self.measures]

    def _heard(self, tracks: list[Track]) -> tuple[tuple[Part, ...], str]:
        """What is heard of tracks that are one sound, and in words."""
        if self.wanted == MIX or not tracks or any(track.stream not in self.measures for track in tracks):
            return tuple(Part(track.stream) for track in tracks), _counted(tracks)
        if len(tracks) == 1:
            return self._of_one(tracks[0])
        signals = self._voices([(track.stream, 0) for track in tracks])
        streams = {stream for stream, _ in signals}
        kept = [track for track in tracks if track.stream in streams]
        return tuple(Part(track.stream) for track in kept), _counted(kept)

    def _of_one(self, track: Track) -> tuple[tuple[Part, ...], str]:
        """A track by itself: all its channels as FFmpeg mixes them, unless something is lost by that."""
        levels = self.measures[track.stream]
        signals = [(track.stream, channel) for channel in range(len(levels.power))]
        loud = [channel for stream, channel in self.audible if stream == track.stream]
        mixed = (Part(track.stream),), track.text
        opposed = len(signals) > 1 and levels.opposed()
        front = not loud or not track.fronts.isdisjoint(loud)
        if len(signals) == 1 or (len(signals) > 2 and front and not opposed):
            return mixed
        kept = tuple(channel for _, channel in self._voices(signals))
        heard = (Part(track.stream, kept),)
        if len(signals) > 2:
            return heard, f"{track.text}, channels {', '.join(str(channel + 1) for channel in kept)}"
        if set(kept) == set(loud) or not loud:
            return (heard, f"{track.text}, sides in opposite phase") if len(kept) == 2 and opposed else mixed
        return heard, f"{track.text}, {_SIDES[kept[0]]} channel"

    def _voices(self, signals: list[Signal]) -> list[Signal]:
        """Of the channels of one sound those that are heard: no silence, no tone, of two voices at once one."""
        loud = [signal for signal in signals if signal in self.audible]
        speaking = [signal for signal in loud if not self.measures[signal[0]].steady(signal[1])]
        for signal in loud:
            if speaking and signal not in speaking:
                self._tell(signal, "tone or noise")
        kept = speaking or loud or signals
        if not speaking or self.told is None:
            return kept
        voices, at = self._apart(kept)
        heard = None if at is None else self.told([Choice((self._part(voice[0]),)) for voice in voices], at)
        if heard is None:
            return kept
        for signal in kept:
            if signal not in voices[heard]:
                self._tell(signal, "another voice")
        return voices[heard]

    def _apart(self, signals: list[Signal]) -> tuple[list[list[Signal]], float | None]:
        """The signals by voices that sound at once, and a second at which two of them do; None for a single one."""
        voices: list[list[Signal]] = []
        at = None
        for signal in signals:
            times = [two_at_once(self.measures, voice[0], signal) for voice in voices]
            if None in times:
                voices[times.index(None)].append(signal)
            else:
                voices.append([signal])
                at = times[0] if times else at
        return voices, at

    def _part(self, signal: Signal) -> Part:
        stream, channel = signal
        return Part(stream, (channel,) if len(self.measures[stream].power) > 1 else ())

    def _tell(self, signal: Signal, why: str) -> None:
        stream, channel = signal
        channels = len(self.measures[stream].power)
        track = next(track for track in self.tracks if track.stream == stream)
        if channels == 1:
            self.why[track.number] = why
        else:
            name = f"{_SIDES[channel]} channel" if channels == 2 else f"channel {channel + 1}"
            self.remarks.append(f"not heard: {name} ({why})")


def _counted(tracks: Sequence[Track]) -> str:
    if len(tracks) == 1:
        return tracks[0].text
    return f"tracks {', '.join(str(track.number) for track in tracks)} mixed"


def _tracks(source: Source) -> list[Track]:
    # Read while the container is open: PyAV's streams do not outlive it.
    best = source.container.streams.best("audio", related=source.video)
    streams = source.container.streams.audio
    return [_track(number, stream, stream == best) for number, stream in enumerate(streams, start=1)]


def _track(number: int, stream: Any, best: bool) -> Track:
    from av.stream import Disposition

    tag = printable(stream.metadata.get("language", ""))[:20].strip()
    title = " ".join(stream.metadata.get(name, "") for name in _TITLES).lower()
    flags = [name for flag, name in _ASIDE.items() if Disposition[flag] & stream.disposition]
    titled = [name for name, words in _ASIDE_TITLES.items() if re.search(words, title)]
    aside = next(iter(flags + titled), "")
    versions = [flag for flag in _VERSIONS if Disposition[flag] & stream.disposition]
    versions += _VERSION_TITLE.findall(title)
    favoured = 2 if best else int(bool(Disposition.default & stream.disposition))
    track = Track(number, stream.index, "" if tag in ("und", "mul", "mis", "zxx") else tag, aside, favoured, None)
    track = replace(track, version=" ".join(versions))
    if (context := stream.codec_context) is None:
        return track
    channels = context.layout.channels
    fronts = frozenset(number for number, channel in enumerate(channels) if channel.name in _FRONT)
    return replace(track, kind=(context.name, context.sample_rate, len(channels)), fronts=fronts)
