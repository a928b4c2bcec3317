"""Errors that the user can mend, and what their lines are made of."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """One line that names the file, what is wrong and what to do.

    The scripts print it without a traceback. Everything else that is raised is a defect of ours.
    """


class EngineError(UserError):
    """An engine cannot work at all: the run ends, and no video is to blame."""


class ClaimLost(Exception):
    """Another worker has taken over the video: stop, and write nothing."""


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """ "; did you mean ...?" with the nearest of the words, or ""."""
    near = nearest(word, words)
    return f"; did you mean {near}?" if near else ""


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one of the words that begins with `word` or is spelled most like it."""
    words = list(words)
    near = [known for known in words if word and known.startswith(word)] or difflib.get_close_matches(word, words, n=1)
    return near[0] if near else None
