"""Markdown, of which the search saves hits and export.py writes texts."""

from __future__ import annotations

import re

from videotag.subtitles import clean

_SIGNS = re.compile(r"[\\`*_\[\]<>&~|$]")
_BLOCK_START = re.compile(r"^(?:(\d{1,9})(?=[.)])|(?=[#+=-]))")


def escaped(text: str) -> str:
    """`text` as one line of Markdown that shows just it. Source: https://spec.commonmark.org/0.31.2/."""
    line = _SIGNS.sub(lambda match: "\\" + match[0], " ".join(clean(text).split()))
    return _BLOCK_START.sub(lambda match: f"{match[1] or ''}\\", line)
