"""Words with times to subtitles: joined over the windows, cut into cues, written as SRT and WebVTT. Arithmetic, no I/O.

All times are seconds from the start of the video; those of a `Cue` are milliseconds.
"""

import html
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, groupby, pairwise
from typing import Any

from videotag.results import HeardSegment
from videotag.speech.words import Word
from videotag.text import READING_SPEED, UNSPACED, UNSPACED_LETTER, clean

LINE_CHARACTERS = 42
LINES = 2
LONGEST_SECONDS = 7.0  # as the lines: Netflix Timed Text Style Guide
SHORTEST_SECONDS = 1.0  # the same guide asks for 5/6 s at least
PAUSE_SECONDS = 1.0  # a longer silence ends a cue
PARAGRAPH_PAUSE_SECONDS = 2.0
PARAGRAPH_CHARACTERS = 500
_INSTANT = 0.02  # seconds: no word is said in so little

# What a cue costs; the cheapest row of cues is taken. A cue too short to be read is worse than any break.
_A_CUE, _AFTER_CLAUSE, _INSIDE_CLAUSE, _AFTER_SHORT_WORD, _SENTENCE_END_INSIDE, _TOO_SHORT = 3, 4, 10, 5, 12, 20
_OPENING = "(\\[{“‘«「『（《〈【"
_OPENS = re.compile(f"[{_OPENING}]")
_PIECE = re.compile(rf"\s*(?:[{UNSPACED}][^\s\w{_OPENING}]*|[^\s{UNSPACED}]+)")
_SENTENCE_END = re.compile(r"(?:[!?…。！？।۔։]|(?<!^\w)\.)[\"'»”’)\]」』）]*$")  # "г." and "А." end none
_CLAUSE_END = re.compile(r"[.,;:—–،、，；：-][\"'»”’)\]」』）]*$")


@dataclass(frozen=True)
class Cue:
    """What is shown from `start` to `end` (milliseconds): one or two lines of at most 42 characters."""

    start: int
    end: int
    lines: tuple[str, ...]


# --- words of the whole video


def joined(segments: Sequence[HeardSegment]) -> list[Word]:
    """What is said in the whole video: the words of all segments of a phase 1 result, each once.

    A word lies in every window that contains its middle; it is taken from the first of them.
    """
    words: list[Word] = []
    end = -math.inf
    for segment in segments:
        words += [word for word in words_of(segment) if (word.start + word.end) / 2 >= end]
        end = max(end, segment["end_time"])
    return words


def words_of(segment: HeardSegment) -> list[Word]:
    return [Word(**word) for word in segment["words"]]


def translation(segments: Sequence[HeardSegment], texts: Mapping[int, str]) -> list[Word]:
    """The translations of the segments as one, with times.

    A translation has no word times. It is laid over the words of its segment in proportion to the characters: what
    stands after a third of the translation is shown when a third of the speech is said. Of each window only what falls
    before the start of the next one that has a translation is taken, so no moment has two; near that seam some words
    may be missing or repeated, as the proportion is a guess. Where nothing is said, a translation has no time and is
    left out.

    `texts`: translations by `segment_index`; a segment without one has a gap.
    """
    texts = {index: clean(text).strip() for index, text in texts.items()}
    segments = [segment for segment in segments if segment["words"] and texts.get(segment["segment_index"])]
    words: list[Word] = []
    for number, segment in enumerate(segments):
        until = segments[number + 1]["start_time"] if number + 1 < len(segments) else math.inf
        text = texts[segment["segment_index"]]
        laid = _laid_over(text if UNSPACED_LETTER.match(text) else f" {text}", words_of(segment))
        words += [word for word in laid if (word.start + word.end) / 2 < until]
    return words


def _laid_over(text: str, spoken: Sequence[Word]) -> Iterator[Word]:
    """The words of `text`, at the times at which the same share of `spoken` is said."""
    sizes = [len(_bare(word.text)) for word in spoken]
    spoken = [word for word, size in zip(spoken, sizes, strict=True) if size]
    ends = list(accumulate(size for size in sizes if size))  # characters said up to the end of each word
    if not spoken:
        return
    pieces = _PIECE.findall(text)
    scale = ends[-1], sum(len(_bare(piece)) for piece in pieces)
    before = 0
    for piece in pieces:
        after = before + len(_bare(piece))
        # Where two words meet, what begins there begins with the second and what ends there ends with the first.
        start = _time_at(before * scale[0] / scale[1], spoken, ends, bisect_right)
        yield Word(piece, start, _time_at(after * scale[0] / scale[1], spoken, ends, bisect_left))
        before = after


def _time_at(position: float, spoken: Sequence[Word], ends: list[int], bisect: Any) -> float:
    """When so many characters have been said."""
    number = min(bisect(ends, position), len(ends) - 1)
    word, first = spoken[number], ends[number - 1] if number else 0
    if position == ends[number]:
        return word.end
    return word.start + (word.end - word.start) * (position - first) / (ends[number] - first)


def _bare(text: str) -> str:
    return "".join(clean(text).split())


# --- tokens: what is never broken


@dataclass(frozen=True)
class _Token:
    """At most a line of text without spaces, whether a space comes before it, and when it is said."""

    text: str
    space: bool
    start: float
    end: float


def _tokens(words: Iterable[Word]) -> list[_Token]:
    """The words as tokens, their starts in order: speech engines are wrong by a fraction of a second."""
    tokens: list[_Token] = []
    space = False
    for word in _pieces(words):
        space = space or word.text[0] == " "
        text = word.text.strip()
        if not text:
            continue
        start = max(word.start, tokens[-1].start) if tokens else word.start
        token = _Token(text, space, start, max(word.end, start))
        last = tokens[-1] if tokens else None
        if last and not space and not _may_break(last.text, text) and len(last.text + text) <= LINE_CHARACTERS:
            tokens[-1] = _Token(last.text + text, last.space, last.start, max(last.end, token.end))
        else:
            tokens += _cut(token)
        space = word.text[-1] == " "
    return tokens


def _pieces(words: Iterable[Word]) -> Iterator[Word]:
    """The words, cleaned; one with spaces inside is several."""
    for word in words:
        text = clean(word.text)
        pieces = _PIECE.findall(text)
        if len(pieces) <= 1:
            if text:
                yield replace(word, text=text)
            continue
        pieces[-1] += text[len("".join(pieces)) :]  # a space at the end
        position = 0
        for piece in pieces:
            sides = (position / len(text), (position + len(piece)) / len(text))
            start, end = (word.start + (word.end - word.start) * side for side in sides)
            yield replace(word, text=piece, start=start, end=end)
            position += len(piece)


def _may_break(before: str, after: str) -> bool:
    """Whether a line may end between two words that no space parts: "по" and "-русски" no, two Chinese ones yes."""
    if _OPENS.match(before[-1]) or not after[0].isalnum():
        return False
    return bool(UNSPACED_LETTER.match(before[-1]) or UNSPACED_LETTER.match(after[0]))


def _cut(token: _Token) -> Iterator[_Token]:
    """A token longer than a line in pieces of a line."""
    size = len(token.text)
    span = token.end - token.start
    for first in range(0, size, LINE_CHARACTERS):
        text = token.text[first : first + LINE_CHARACTERS]
        start, end = (token.start + span * side / size for side in (first, first + len(text)))
        yield _Token(text, token.space and first == 0, start, end if first + len(text) < size else token.end)


def _width(tokens: Sequence[_Token]) -> int:
    return sum(len(token.text) + token.space for token in tokens) - (tokens[0].space if tokens else 0)


def _text(tokens: Sequence[_Token]) -> str:
    return "".join(" " * token.space + token.text for token in tokens).strip()


# --- cues


def cues(words: Iterable[Word]) -> list[Cue]:
    """Subtitles of at most two lines of 42 characters.

    They end with sentences, before pauses, else with clauses, else between words. A cue begins with its first word and
    ends with its last one, or later, where it would be shorter than a second or faster than 17 characters a second and
    a pause follows; none overlaps the next one.
    """
    groups = [group for run in _runs(_spread(_tokens(words))) for group in _grouped(run)]
    starts = [_milliseconds(group[0].start) for group in groups]
    made: list[Cue] = []
    for number, group in enumerate(groups):
        # Where there is no silence to spread them over, words at one instant fill cues of a millisecond.
        start = max(starts[number], made[-1].end if made else 0)
        lines = _lines(group)
        to_be_read = max(SHORTEST_SECONDS, sum(map(len, lines)) / READING_SPEED)
        end = max(_milliseconds(max(token.end for token in group)), start + _milliseconds(to_be_read))
        if number + 1 < len(groups):
            end = min(end, starts[number + 1])
        made.append(Cue(start, max(end, start + 1), lines))
    return made


def _spread(tokens: Sequence[_Token]) -> list[_Token]:
    """The tokens, but those timed at one instant laid over the silence after it and, if need be, before it.

    So do aligners at the end of a piece, where the words were said somewhat earlier.
    """
    spread: list[_Token] = []
    for instant, alike in groupby(tokens, key=lambda token: token.start if token.end - token.start < _INSTANT else -1):
        group = list(alike)
        if instant < 0 or len(group) < 2:
            spread += group
            continue
        sizes = [len(token.text) for token in group]
        needed = max(SHORTEST_SECONDS, sum(sizes) / READING_SPEED)
        number = len(spread) + len(group)
        end = instant + min(needed, tokens[number].start - instant if number < len(tokens) else needed)
        start = max(end - needed, min(instant, max((token.end for token in spread), default=0.0)))
        sides = [start + (end - start) * said / sum(sizes) for said in accumulate(sizes, initial=0)]
        spread += [replace(token, start=s, end=e) for token, (s, e) in zip(group, pairwise(sides), strict=True)]
    return spread


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _runs(tokens: Sequence[_Token]) -> Iterator[Sequence[_Token]]:
    """The tokens between long pauses."""
    first, said = 0, -math.inf
    for number, token in enumerate(tokens):
        if number > first and token.start - said > PAUSE_SECONDS:
            yield tokens[first:number]
            first = number
        said = max(said, token.end)
    if tokens:
        yield tokens[first:]


def _grouped(run: Sequence[_Token]) -> list[Sequence[_Token]]:
    """A run cut into what one cue shows: the cheapest way (shortest path over the places to break)."""
    count = len(run)
    best = [0.0] + [math.inf] * count
    came_from = [0] * (count + 1)
    for first in range(count):
        for last, cost in _candidates(run, first):
            if best[first] + cost < best[last + 1]:
                best[last + 1], came_from[last + 1] = best[first] + cost, first
    groups = []
    while count:
        groups.append(run[came_from[count] : count])
        count = came_from[count]
    return groups[::-1]


def _candidates(run: Sequence[_Token], first: int) -> Iterator[tuple[int, float]]:
    """The cues that could begin with the token `first`: the number of the last token, and the cost."""
    line, width, length, inside = 1, 0, 0, 0.0
    for last in range(first, len(run)):
        token = run[last]
        size = len(token.text) + (token.space if last > first else 0)
        length += size
        if width + size <= LINE_CHARACTERS:  # filled like this, it fits if it can fit at all
            width += size
        else:
            line, width = line + 1, len(token.text)
        if line > LINES or (last > first and token.end - run[first].start > LONGEST_SECONDS):
            return
        following = run[last + 1] if last + 1 < len(run) else None
        brief = following is not None and following.start - run[first].start < SHORTEST_SECONDS
        # The square makes two cues of like length cheaper than a long and a short one.
        fill = 3 * (length / (LINES * LINE_CHARACTERS)) ** 2
        yield last, _A_CUE + fill + inside + _TOO_SHORT * brief + (_break_cost(token) if following else 0)
        if _SENTENCE_END.search(token.text):
            inside += _SENTENCE_END_INSIDE


def _break_cost(token: _Token) -> int:
    if _SENTENCE_END.search(token.text):
        return 0
    if _CLAUSE_END.search(token.text):
        return _AFTER_CLAUSE
    # Three letters at most: nearly all prepositions, conjunctions, articles of Russian and English.
    return _INSIDE_CLAUSE + _AFTER_SHORT_WORD * (len(token.text) <= 3 and token.text.isalpha())


def _lines(tokens: Sequence[_Token]) -> tuple[str, ...]:
    """One line if it fits, else two of like length, rather after punctuation and not after a short word."""
    if _width(tokens) <= LINE_CHARACTERS:
        return (_text(tokens),)

    def cost(at: int) -> tuple[bool, int]:
        left, right = _width(tokens[:at]), _width(tokens[at:])
        return max(left, right) > LINE_CHARACTERS, abs(left - right) + 2 * _break_cost(tokens[at - 1])

    at = min(range(1, len(tokens)), key=cost)
    return _text(tokens[:at]), _text(tokens[at:])


# --- text


def paragraphs(words: Iterable[Word]) -> list[tuple[float, str]]:
    """Start and text of each paragraph: they end before silences of 2 s, and with a sentence after 500 characters."""
    made: list[tuple[float, str]] = []
    open_: list[_Token] = []
    size = 0
    for token in _tokens(words):
        if open_:
            silence = token.start - open_[-1].end
            full = size > PARAGRAPH_CHARACTERS and _SENTENCE_END.search(open_[-1].text)
            if silence > PARAGRAPH_PAUSE_SECONDS or full:
                made.append((open_[0].start, _text(open_)))
                open_, size = [], 0
        open_.append(token)
        size += len(token.text)
    return [*made, (open_[0].start, _text(open_))] if open_ else made


def srt(shown: Iterable[Cue]) -> str:
    """SubRip, LF at line ends. It has no way to escape its arrow, which becomes "→"."""
    blocks = (_block(cue, ",", lambda text: text.replace("-->", "→")) for cue in shown)
    return "\n".join(f"{number}\n{block}" for number, block in enumerate(blocks, start=1))


def vtt(shown: Iterable[Cue]) -> str:
    """WebVTT. Source: https://www.w3.org/TR/webvtt1/."""
    return "\n".join(["WEBVTT\n", *(_block(cue, ".", partial(html.escape, quote=False)) for cue in shown)])


def _block(cue: Cue, point: str, escaped: Callable[[str], str]) -> str:
    body = escaped("\n".join(cue.lines))
    return f"{_clock(cue.start, point)} --> {_clock(cue.end, point)}\n{body}\n"


def _clock(milliseconds: int, point: str) -> str:
    """`HH:MM:SS,mmm`; from 100 hours on with more digits."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{rest:03d}"
