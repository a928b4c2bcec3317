"""What words are brought together by, for search and for keywords: pymorphy3's Russian dictionary, endings of names.

The two cut Kazakh endings off each in its own way: a search must rather find too much ("егін", harvest, with "екі",
two), keywords must not call two words one.
"""

import logging
import re
from functools import cache
from typing import Any

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
