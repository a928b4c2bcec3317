"""From sound to words: what every engine has in common.

Speech is found (Silero's detector), the language of each span of it decided (`spoken_language`), spans of one language
joined to pieces, and each piece heard by an `Ear`. Where speech then has no words, or only such as are not to be
believed, it is heard again by itself; what still has none is told.
"""

from abc import abstractmethod
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol, TypeVar

from videotag.media.sound import SAMPLE_RATE
from videotag.speech.names import believed, near_misses, said
from videotag.speech.spoken_language import Spoken, spoken, surely
from videotag.speech.words import NO_WORDS, Audio, Expected, Heard, Transcription, Unheard, Word

Item = TypeVar("Item")

_PAUSE_SECONDS, _PAD_SECONDS = 0.3, 0.1  # a shorter pause parts no spans; so much is heard on either side of one
_SHORTEST_MS = 100  # the detector's clicks are shorter, no word is
_LONGEST_SPAN = 20.0
"""Seconds; the detector parts longer spans where they are quietest. Up to 28 s they cost 1.15 of the CPU, and as many
words are wrong (160 s of prompts read without a pause)."""
_JOINED_PAUSE = 3.0
"""Spans are joined over pauses up to this. Word errors of Whisper base on 104 utterances with pauses of 0.4 to 3 s, in
pieces up to 15 s: 0.074; over pauses up to 0.8 s alone 0.110. One window of 30 s after the other: 0.073."""
_NAMED = 3.0  # nats by which a name of the list is more likely than the engine thinks: twentyfold
_ASKED_SECONDS = 4.0  # of a span are enough to tell its language: 99 of 100 right, of 3 s 97, of 2 s 73
_TELLING_SECONDS = 1.0  # a shorter one tells nothing; its neighbours decide
_AGAIN_SECONDS = 1.0  # a span that long has words
_HOLE_SECONDS = 3.0  # so has each such stretch inside a span
_AGAIN_LONGEST = 10.0  # what is heard again is heard in stretches up to this
_WORD_SECONDS = 1.5  # a word that seems to last longer has swallowed others
_INSTANT, _AFTER = 0.02, 1.0  # seconds: no word is shorter; so far behind what was heard again they are squeezed
_SLACK = 0.3  # seconds that times of words may be wrong by
_TOLD_PAUSE, _TOLD_SECONDS = 1.0, 3.0  # shorter speech without words is a breath, a laugh, a knock


@dataclass(frozen=True)
class Piece:
    """What was heard in a piece of sound: words with times from the piece's start.

    `refused`: why the words are not to be believed, one of `WHY_UNHEARD`; "" where they are.
    """

    words: tuple[Word, ...] = ()
    refused: str = ""


class Ear(Protocol):
    """What an engine does itself, all else being common.

    Attributes:
        at_once: pieces that it hears together.
        longest: seconds of the longest piece that it takes.
        joins: seconds up to which spans are joined to one piece for it.
    """

    at_once: int
    longest: float
    joins: float

    @abstractmethod
    def likely(self, sounds: Sequence[Audio]) -> list[dict[str, float]]:
        """The probability of each language (ISO 639-1) in each sound. An engine that cannot tell gives {}."""
        ...

    @abstractmethod
    def hear(self, sounds: Sequence[Audio], language: str, names: Sequence[str]) -> list[Piece]:
        """At most `at_once` pieces of one language; "" where it is not known. A word may tell its own language."""
        ...

    @abstractmethod
    def hear_again(self, sound: Audio, language: str) -> Piece:
        """One piece of which `hear` made nothing, without names: slower, with more attempts."""
        ...

    @abstractmethod
    def takes_names(self, language: str) -> bool:
        """Whether `hear` makes use of names in that language."""
        ...

    @abstractmethod
    def likelihoods(self, sound: Audio, language: str, texts: Sequence[str]) -> list[float]:
        """The logarithm of the probability that the engine gives to each text as that of the sound, in nats."""
        ...


@dataclass(frozen=True)
class _Stretch:
    """Seconds of the sound, of one language."""

    start: float
    end: float
    language: str = ""

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def of(self, audio: Audio) -> Audio:
        return audio[round(self.start * SAMPLE_RATE) : round(self.end * SAMPLE_RATE)]


def listen(ear: Ear, audio: Audio, expected: Expected, heard: Heard | None = None) -> Transcription:
    """All that is said in the sound, each stretch in its own language."""
    found = _speech(audio, min(_LONGEST_SPAN, ear.longest))
    if not found:
        return Transcription()
    told = _languages(ear, audio, found, expected)
    spans = [_Stretch(*span, spoken.language) for span, spoken in zip(found, told, strict=True)]
    pieces = _joined(spans, ear.joins)
    words, refused = _heard(ear, audio, pieces, expected.names, heard)
    silent = [*refused, *_silent(spans, words, refused)]
    spoken_here = {*expected.languages[1:], *(span.language for span in spans)}
    more, unheard = _heard_again(ear, audio, sorted(silent, key=lambda stretch: stretch.start), spoken_here)
    words = sorted([*_apart(words, more), *more], key=lambda word: (word.start, word.end))
    if not words:
        return Transcription(unheard=unheard)
    language, probability = _mainly(words, told)
    return Transcription(tuple(words), language, probability, unheard)


def _speech(audio: Audio, longest: float, pause: float = _PAUSE_SECONDS) -> list[tuple[float, float]]:
    """Where somebody speaks, in seconds, by Silero's detector as faster-whisper brings it.

    `longest`: what is longer is parted where it is quietest; `pause`: a shorter one parts nothing.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        max_speech_duration_s=longest,
        min_speech_duration_ms=_SHORTEST_MS,
        min_silence_duration_ms=round(1000 * pause),
        speech_pad_ms=round(1000 * _PAD_SECONDS),
    )
    spans = get_speech_timestamps(audio, options)
    return [(span["start"] / SAMPLE_RATE, span["end"] / SAMPLE_RATE) for span in spans]


def _languages(ear: Ear, audio: Audio, found: Sequence[tuple[float, float]], expected: Expected) -> list[Spoken]:
    beginnings = [_Stretch(start, min(end, start + _ASKED_SECONDS)) for start, end in found]
    telling = [stretch for stretch in beginnings if stretch.seconds >= _TELLING_SECONDS] or beginnings
    answers = dict(zip(telling, ear.likely([stretch.of(audio) for stretch in telling]), strict=True))
    likely = [answers.get(stretch, {}) for stretch in beginnings]
    return spoken([end - start for start, end in found], likely, expected)


def _joined(spans: Sequence[_Stretch], longest: float) -> list[_Stretch]:
    pieces: list[_Stretch] = []
    for span in spans:
        last = pieces[-1] if pieces else None
        if (
            last
            and last.language == span.language
            and span.start - last.end <= _JOINED_PAUSE
            and span.end - last.start <= longest
        ):
            pieces[-1] = replace(last, end=span.end)
        else:
            pieces.append(span)
    return pieces


def _heard(
    ear: Ear, audio: Audio, pieces: Sequence[_Stretch], names: Sequence[str], heard: Heard | None
) -> tuple[list[Word], list[_Stretch]]:
    """The words of all pieces, and the pieces whose words were refused."""
    words: list[Word] = []
    refused: list[_Stretch] = []
    done, total = 0.0, sum(piece.seconds for piece in pieces)
    by_length = sorted(pieces, key=lambda piece: piece.seconds)  # all of a batch cost as much as its longest
    for batch in batches(by_length, ear.at_once, lambda piece: piece.language):
        sounds = [piece.of(audio) for piece in batch]
        for piece, result in zip(batch, _by_names(ear, sounds, batch[0].language, names), strict=True):
            words += _placed(result.words, piece)
            if result.refused:
                refused.append(piece)
            done += piece.seconds
        if heard:  # pieces are not heard in the order in which they stand
            heard(done / total * len(audio) / SAMPLE_RATE)
    return words, refused


def _by_names(ear: Ear, sounds: Sequence[Audio], language: str, names: Sequence[str]) -> list[Piece]:
    """As the ear hears the sounds, by names that may be said in them: none that is not, or that makes it loop."""
    pieces = ear.hear(sounds, language, names)
    if names and ear.takes_names(language):
        doubtful = [n for n, piece in enumerate(pieces) if piece.refused or said(piece.words, names)]
        again = ear.hear([sounds[at] for at in doubtful], language, ()) if doubtful else []
        for at, plain in zip(doubtful, again, strict=True):
            if pieces[at].refused or not believed(pieces[at].words, names, plain.words):
                pieces[at] = plain
    if names:
        pieces = [_mended(ear, sound, language, piece, names) for sound, piece in zip(sounds, pieces, strict=True)]
    return pieces


def _mended(ear: Ear, sound: Audio, language: str, piece: Piece, names: Sequence[str]) -> Piece:
    """The piece with names in place of their near-misses, where that is hardly less likely to be what was said."""
    words = list(piece.words)
    for first, last, name in near_misses(words, names):
        other = [*words[:first], name, *words[last:]]
        as_heard, as_named = ear.likelihoods(sound, language, [_text(words), _text(other)])
        if as_named >= as_heard - _NAMED:
            words = other
    return replace(piece, words=tuple(words))


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words)


def batches(items: Sequence[Item], size: int, kind: Callable[[Item], Any] = lambda item: 0) -> Iterator[list[Item]]:
    """At most `size` items at once, all of one kind, else in the order in which they are given."""
    for _, alike in groupby(sorted(items, key=kind), key=kind):
        group = list(alike)
        yield from (group[at : at + size] for at in range(0, len(group), size))


def _placed(words: Sequence[Word], piece: _Stretch) -> Iterator[Word]:
    """The words at their times in the whole sound, each with its language."""
    for word in words:
        start, end = min(piece.start + word.start, piece.end), min(piece.start + word.end, piece.end)
        yield replace(word, start=start, end=end, language=word.language or piece.language)


def _silent(spans: Sequence[_Stretch], words: Sequence[Word], but: Sequence[_Stretch]) -> Iterator[_Stretch]:
    """Speech without words: spans of 1 s, and holes of 3 s within longer ones. `but`: not in these."""
    middles = sorted((word.start, min(word.end, word.start + _WORD_SECONDS)) for word in words)
    for span in spans:
        if any(stretch.start <= span.start and span.end <= stretch.end for stretch in but):
            continue
        inside = [times for times in middles if span.start - _SLACK < sum(times) / 2 < span.end + _SLACK]
        if not inside:
            if span.seconds >= _AGAIN_SECONDS:
                yield span
            continue
        ends = [span.start, *(end for _, end in inside)]
        for before, after in zip(ends, [*(start for start, _ in inside), span.end], strict=True):
            if after - before > _HOLE_SECONDS:
                yield replace(span, start=before, end=after)


def _heard_again(
    ear: Ear, audio: Audio, silent: Sequence[_Stretch], languages: Collection[str]
) -> tuple[list[Word], tuple[Unheard, ...]]:
    """Each stretch by itself, in its own language: words, and what still has none."""
    words: list[Word] = []
    unheard: list[Unheard] = []
    for stretch in silent:
        found = _speech(stretch.of(audio), min(_AGAIN_LONGEST, ear.longest))
        # A single word is not heard by itself: too much would be made up.
        parts = _near(found, min(_AGAIN_LONGEST, ear.longest))
        if not parts:  # the detector doubts what it found in the whole
            unheard.append(Unheard(stretch.start, stretch.end, NO_WORDS))
        for start, end in parts:
            part = _Stretch(stretch.start + start, stretch.start + end)
            if part.seconds < _AGAIN_SECONDS:
                continue
            (likely,) = ear.likely([part.of(audio)])
            part = replace(part, language=surely(likely, languages) or stretch.language)
            result = ear.hear_again(part.of(audio), part.language)
            words += _placed(result.words, part)
            if not result.words:
                unheard.append(Unheard(part.start, part.end, result.refused or NO_WORDS))
    return words, tuple(_told(unheard))


def _near(spans: Sequence[tuple[float, float]], longest: float) -> list[tuple[float, float]]:
    """The spans, but short ones with their neighbours."""
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        short = joined and min(end - start, joined[-1][1] - joined[-1][0]) < _AGAIN_SECONDS
        if short and start - joined[-1][1] <= _TOLD_PAUSE and end - joined[-1][0] <= longest:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _apart(words: Sequence[Word], more: Sequence[Word]) -> Iterator[Word]:
    """The words of the first time, apart from those of the second.

    Aligners squeeze words that they cannot place into an instant after the hole in which they were said, or let one
    word last through it: what was heard there now takes their place.
    """
    ends = sorted(word.end for word in more)
    starts = sorted(word.start for word in more)
    for word in words:
        before = bisect_right(ends, word.end + _SLACK)
        squeezed = word.end - word.start < _INSTANT
        if squeezed and before and word.start - ends[before - 1] < _AFTER:
            continue
        after = bisect_right(starts, word.start)
        if after < len(starts) and starts[after] < word.end:
            word = replace(word, end=starts[after])
        yield word


def _told(unheard: Sequence[Unheard]) -> Iterator[Unheard]:
    """Neighbours as one; what is shorter than is told is left out."""
    joined: list[Unheard] = []
    for stretch in unheard:
        if joined and joined[-1].why == stretch.why and stretch.start - joined[-1].end <= _TOLD_PAUSE:
            joined[-1] = replace(joined[-1], end=stretch.end)
        else:
            joined.append(stretch)
    return (stretch for stretch in joined if stretch.end - stretch.start >= _TOLD_SECONDS)


def _mainly(words: Sequence[Word], told: Sequence[Spoken]) -> tuple[str | None, float]:
    """The language of most of the speech, and how likely it is where it is spoken."""
    language = next(iter(seconds_by_language(words)), None)
    found = [spoken.probability for spoken in told if spoken.language == language]
    return language, sum(found) / len(found) if found else 0.0


def seconds_by_language(words: Sequence[Word]) -> dict[str, float]:
    """How long each language is spoken, the longest first."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for word in words:
        if word.language:  # some engines cannot tell it
            seconds[word.language] += word.end - word.start
    return dict(sorted(seconds.items(), key=lambda language: -language[1]))
