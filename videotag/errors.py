"""Errors that the user can mend, and what their lines are made of."""

import difflib
import unicodedata
from collections.abc import Iterable


class UserError(Exception):
    """One line that names the file, what is wrong and what to do.

    The scripts print it without a traceback. Everything else that is raised is a defect of ours.
    """


class EngineError(UserError):
    """An engine cannot work at all: the run ends, and no video is to blame."""


class ClaimLost(Exception):
    """Another worker has taken over the video: stop, and write nothing."""


def printable(text: str) -> str:
    """`text` without what could steer a terminal: control and format characters become �."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """ "; did you mean ...?" with the one of the words that begins with `word` or is spelled most like it, or ""."""
    words = list(words)
    near = [known for known in words if word and known.startswith(word)] or difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {near[0]}?" if near else ""
