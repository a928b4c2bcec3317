"""What may be told of a video: the sentences that stand in it, in the language to write in where there are such.

Of a passage its speech or, where that is in another language, its translation; the subtitles; what is seen, where next
to nothing is said; what is written on the screen, where nobody has described what is seen.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from videotag.languages import language_in
from videotag.summaries.contract import Passage, Video
from videotag.summaries.local.words import overlap, terms
from videotag.text import clean

LONGEST = 45  # words; a longer sentence is speech without punctuation, or as good as that
PIECE = 20  # words, at most, of the pieces that such speech is cut into
SPOKEN = 8  # words of a passage; where fewer are said, what is seen is told as well
SEEN = 2  # sentences of a description that are told: it begins with what is seen first
CAPTION = 3  # words of a text on the screen that says something by itself
SAME = 0.75  # share of terms that two neighbours' sentences have in common and say the same (the overlap, worded anew)
JINGLE = 3  # a sentence that stands so often is a jingle
MOST = 1000  # characters; what `contract.Cited.text` holds

_END = re.compile(r"[.!?…]+[\"'»”)\]]*$")
_SHORT = re.compile(
    r"^[\"'«“(]*(?:[^\W\d_]|г|гг|в|вв|тыс|млн|млрд|трлн|ул|им|пр|т|д|п|см|руб|тг|mr|mrs|dr|st|vs)\.$", re.I
)

Words = Sequence[tuple[str, int]]
"""Words, each with the number of its passage in `Video.passages`."""


@dataclass(frozen=True)
class Sentence:
    """One that may be told. `passages`: numbers in `Video.passages`, in order, of those in which it stands."""

    text: str
    passages: tuple[int, ...]
    says: tuple[str, ...]  # its terms


def sentences(video: Video) -> list[Sentence]:
    """All of them in order of time; none twice, and no jingles where there is anything else."""
    found = _once(sorted(_all(video), key=lambda one: one.passages[0]))
    if found:
        return found
    first = next((p for p in enumerate(video.passages) if p[1].description.strip()), None)
    return [_sentence(first[1].description, (first[0],), video)] if first else []


def is_foreign(text: str, video: Video) -> bool:
    """Whether it is in another language than the one to write in."""
    return language_in(text, video.language or video.output_language) != video.output_language


def whole_sentences(words: Words) -> Iterator[Words]:
    """Cut a text into sentences, whatever passages they run over; speech without punctuation into pieces."""
    begun = 0
    for number, (word, _) in enumerate(words):
        after = " ".join(word for word, _ in words[number + 1 : number + 3]).lstrip("\"'«“(—–- ")
        if number + 1 == len(words) or (_END.search(word) and not after[:1].islower() and not _SHORT.match(word)):
            yield from _pieces(words[begun : number + 1])
            begun = number + 1


def _pieces(words: Words) -> Iterator[Words]:
    """Pieces of about equal length of each passage, where a sentence is too long to be one."""
    if len(words) <= LONGEST:
        yield words
        return
    for number in dict.fromkeys(number for _, number in words):
        some = [pair for pair in words if pair[1] == number]
        count = -(-len(some) // PIECE)
        for piece in range(count):
            yield some[piece * len(some) // count : (piece + 1) * len(some) // count]


def _all(video: Video) -> Iterator[Sentence]:
    spoken = [(word, n) for n, p in enumerate(video.passages) for word in clean(p.speech).split()]
    yield from (one for one in _cut(spoken, video) if _is_told(one, video))
    for number, passage in enumerate(video.passages):
        yield from _of_passage(number, passage, video)
    yield from (one for one in _cut(_subtitle_words(video), video) if _is_told(one, video))


def _is_told(sentence: Sentence, video: Video) -> bool:
    """A sentence in another language is told only where its passages have nothing in the right one."""
    speaks = any(video.output_language in (video.passages[n].languages or (video.language,)) for n in sentence.passages)
    return (speaks and not is_foreign(sentence.text, video)) or all(
        not _translation(video.passages[n], video) and (video.passages[n].measured or not video.passages[n].description)
        for n in sentence.passages
    )


def _translation(passage: Passage, video: Video) -> str:
    """What was said in another language, in the one to write in; "" where that is what was spoken."""
    return "" if passage.languages == (video.output_language,) else clean(passage.translation)


def _of_passage(number: int, passage: Passage, video: Video) -> Iterator[Sentence]:
    translation = [(word, number) for word in _translation(passage, video).split()]
    yield from _cut(translation, video)
    told = translation or passage.speech.split() or passage.subtitles.split()
    if len(told) >= SPOKEN:
        return
    if passage.description and not passage.measured:
        words = [(word, number) for word in clean(passage.description).split()]
        yield from list(_cut(words, video))[:SEEN]
    elif not told:
        before = video.passages[number - 1].on_screen if number else ()
        captions = (clean(text) for text in passage.on_screen if text not in before)
        yield from (_sentence(text, (number,), video) for text in captions if len(text.split()) >= CAPTION)


def _subtitle_words(video: Video) -> Words:
    """A line is shown in each passage that it reaches into: it counts in the first."""
    lines = {
        (line, number)
        for number, p in enumerate(video.passages)
        for line in map(clean, p.subtitles.split("\n"))
        if line
    }
    first = [
        (line, number)
        for number, p in enumerate(video.passages)
        for line in map(clean, p.subtitles.split("\n"))
        if (line, number - 1) not in lines
    ]
    return [(word, number) for line, number in first for word in line.split()]


def _cut(words: Words, video: Video) -> Iterator[Sentence]:
    for piece in whole_sentences(words):
        yield _sentence(" ".join(word for word, _ in piece), tuple(dict.fromkeys(n for _, n in piece)), video)


def _sentence(text: str, passages: tuple[int, ...], video: Video) -> Sentence:
    text = clean(text).strip(" —–-")
    text = text if len(text) <= MOST else text[: MOST - 1].rsplit(" ", 1)[0] + "…"
    return Sentence(text, passages, tuple(terms(text, video.output_language)))


def _once(found: Sequence[Sentence]) -> list[Sentence]:
    """Each once, with all passages in which it stands; of two neighbours that say the same the longer one."""
    often = Counter(one.says for one in found)
    kept: list[Sentence] = []
    for one in found:
        if not one.says:
            continue
        near = [n for n in range(max(0, len(kept) - 60), len(kept)) if _are_neighbours(kept[n], one)]
        same = next((n for n in near if overlap(kept[n].says, one.says) >= SAME and _is_like(kept[n], one)), None)
        if same is None:
            kept.append(one)
        else:
            longer = max(kept[same], one, key=lambda s: len(s.says))
            kept[same] = replace(longer, passages=tuple(sorted({*kept[same].passages, *one.passages})))
    jingles = {said for said, count in often.items() if count >= JINGLE}
    first = {one.says: one for one in reversed(kept)}
    once = [one for one in kept if first[one.says] is one]
    return [one for one in once if one.says not in jingles] or once


def _are_neighbours(one: Sentence, other: Sentence) -> bool:
    return other.passages[0] - one.passages[-1] <= 1


def _is_like(one: Sentence, other: Sentence) -> bool:
    """Whether so many words in common mean the same: few are chance, and other numbers are other news."""
    fewer, more = sorted((set(one.says), set(other.says)), key=len)
    return (len(fewer) >= 3 and {term for term in fewer if term[0].isdigit()} <= more) or fewer == more
