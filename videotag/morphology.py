"""What words are brought together by, for search and for keywords: pymorphy3's Russian dictionary, endings of names.

Search cuts Kazakh endings off in a way of its own: it must rather find too much ("егін", harvest, with "екі", two),
keywords and summaries must not call two words one.
"""

import logging
import re
from functools import cache, lru_cache
from typing import Any

_KAZAKH_ENDINGS = (
    re.compile("(?:[нтд][ыі]ң|[нтд][ае]н|[мбп]ен|[нтд][ыі]|[нд][ае]|т[ае]|[ғқгк][ае])$"),
    re.compile("(?:[ыі]м[ыі]з|[ыі]ң[ыі]з|с[ыі]|[ыі])$"),
    re.compile("(?:[лтд][ае]р)$"),
)
"""Case, possession and number, in the order in which they are taken off; e.g. "қала-лар-ымыз-дың"."""
PROPER = ("Name", "Surn", "Patr", "Geox", "Orgn")  # pymorphy3's marks of names
_NAME_ENDING = re.compile("(?:ого|ому|ыми|ами|ой|ом|ым|ых|ем|ей|а|у|е|ы|и|ю|я)$")


def without_name_ending(lower: str, least: int) -> str:
    """A Russian name, in lower case, without the ending of its case; whole where fewer than `least` letters stay."""
    shorter = _NAME_ENDING.sub("", lower)
    return shorter if len(shorter) >= least else lower


@cache
def russian() -> Any:
    """pymorphy3's `MorphAnalyzer`, made at the first call: its dictionary is a package, and nothing is downloaded."""
    import pymorphy3

    logging.getLogger("pymorphy3").setLevel(logging.WARNING)  # it announces its dictionary
    return pymorphy3.MorphAnalyzer(lang="ru")


@lru_cache(maxsize=20_000)
def readings(lower: str) -> list[Any]:
    """pymorphy3's readings of a word in lower case, the likeliest first; never none."""
    return russian().parse(lower)


def stem(lower: str, language: str) -> str:
    """A Kazakh or English word without its commonest endings; one of another language as it is."""
    if language == "kk":
        for ending in _KAZAKH_ENDINGS:
            shorter = ending.sub("", lower)
            lower = shorter if len(shorter) >= 3 else lower
        return lower
    if language == "en" and len(lower) > 4:
        return re.sub("ies$", "y", lower) if lower.endswith("ies") else re.sub("(?<![sui])s$", "", lower)
    return lower
