"""Errors that the user can mend, and text that is safe to print."""

import unicodedata


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
