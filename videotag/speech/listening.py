"""From sound to words: what every engine has in common.

Speech is found (Silero's detector), its language decided stretch by stretch (`stretch_languages`), joined to pieces of
one language, and heard piece by piece by an `Ear`. Where speech then has no words, or only such as the engine doubts,
it is heard again by itself; what still has none is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from videotag.speech.words import Audio, Word


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
    """

    at_once: int
    longest: float

    def likely(self, sounds: Sequence[Audio]) -> list[dict[str, float]]:
        """The probability of each language (ISO 639-1) in each sound. An engine that cannot tell gives {}."""
        ...

    def hear(self, sounds: Sequence[Audio], language: str, names: Sequence[str]) -> list[Piece]:
        """At most `at_once` pieces of one language; "" where it is not known. A word may tell its own language."""
        ...

    def hear_again(self, sound: Audio, language: str) -> Piece:
        """One piece of which `hear` made nothing, without names: slower, with more attempts."""
        ...
