"""What the text of CTC models lacks is made: sentence ends from pauses, capitals at sentence starts.

Numbers stay in words, as they were said: the search reads those as digits itself (search/numerals.py).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from videotag.speech.words import Word

SENTENCE_PAUSE = 0.7
"""Seconds of silence between two words that part sentences."""
CUT = 0.08
"""A word as near to the start or the end of a piece, in seconds: there the piece was cut, and the speech goes on.
Pieces that begin and end at pauses have 0.1 s on either side (listening.py)."""
_NUMERAL = re.compile(
    # Russian: every word of a number has cases.
    r"ноль|одн[аиоу]\w{0,3}|один|дв(?:а|е|ух|ум|умя)|тр(?:и|[её]х|[её]м|емя)|четыр(?:е|[её]х|[её]м|ьмя)"
    r"|(?:пят|шест|сем|восем|девят|десят)(?:ь|и|ью|ый|ого|ому|ом|ая|ой|ое)|восьм(?:и|ью|ой|ого)|втор(?:ой|ого|ом)"
    r"|(?:перв|четверт|четв[её]рт|седьм)(?:ый|ого|ому|ом|ая|ой|ое)|трет(?:ий|ьего|ьем|ья)"
    r"|\w{2,7}надцат(?:ь|и|ью|ый|ого|ому|ом|ая|ой|ое)|(?:два|три)дцат(?:ь|и|ью|ый|ого|ому|ом|ая|ой|ое)|сорока?|сороков\w+"
    r"|(?:пят|шест|сем|восем|восьми)ь?и?десят\w{0,3}|девяност\w{1,3}|ст[оа]|двест\w|трист\w|четырест\w|\w{2,7}сот"
    r"|тысяч\w{0,3}|миллион\w{0,3}|миллиард\w{0,3}"
    # Kazakh: only the last word of a number takes an ending, here that of ordinals.
    r"|(?:бір|екі|үш|төрт|бес|алты|жеті|сегіз|тоғыз|он|жиырма|отыз|қырық|елу|алпыс|жетпіс|сексен|тоқсан|жүз|мың)"
    r"(?:с?[ыі]?нш[ыі]\w*)?"
    r"|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|thousand|million|billion)(?:th)?|first|second|third|fifth"
)


def with_sentences(words: Sequence[Word], seconds: float) -> list[Word]:
    """The words of a piece of sound that is `seconds` long, with full stops and capitals.

    A sentence ends at a pause, but not inside a number, and at the end of the piece if the speech ends there.
    """
    if not words:
        return []
    ends = [_parts(word, after) for word, after in pairwise(words)]
    starts = [words[0].start >= CUT, *ends]
    ends.append(seconds - words[-1].end >= CUT)
    return [
        replace(word, text=(_capital(word.text) if start else word.text) + ("." if end else ""))
        for word, start, end in zip(words, starts, ends, strict=True)
    ]


def _parts(word: Word, after: Word) -> bool:
    number = _NUMERAL.fullmatch(word.text.strip()) and _NUMERAL.fullmatch(after.text.strip())
    return after.start - word.end >= SENTENCE_PAUSE and not number


def _capital(text: str) -> str:
    return re.sub(r"\w", lambda letter: letter[0].upper(), text, count=1)
