"""What is taken out of a text before it is shown, stored, searched or written down."""

import re
import unicodedata

READING_SPEED = 17  # characters a second: Netflix Timed Text Style Guide, adult programmes
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3021-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd"
)
"""Thai, Lao, Burmese, Khmer, Chinese, Japanese: no spaces between words, so a line may break between any two."""
UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
_JOINERS = "\u200c\u200d"
_SIGNS = re.compile(r"[\\`*_\[\]<>&~|$]")
_FORMULA = set("=+-@＝＋－＠")
_BLOCK_START = re.compile(r"^(?:(\d{1,9})(?=[.)])|(?=[#+=-]))")


def printable(text: str) -> str:
    """`text` without what could steer a terminal: control and format characters become �."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)


def composed(text: str) -> str:
    """`text` in Unicode's composed form (NFC): й as one letter, which a Mac's file names spell as и and a breve."""
    return unicodedata.normalize("NFC", text)


def clean(text: str) -> str:
    """`text` without control and format characters; every kind of space, line breaks too, is one space.

    The two joiners stay, which Persian and the scripts of India are spelled with.
    """
    if text.isprintable():  # nearly all are: twenty times as quick
        return text
    return "".join(
        " " if char.isspace() else char
        for char in text
        if char.isspace() or char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    )


def one_line(text: str) -> str:
    """`text` cleaned, in one line, with single spaces."""
    return " ".join(clean(text).split())


def clean_text(text: str) -> str:
    """The text without what C strings and UTF-8 cannot hold: NUL would end it, a lone surrogate cannot be encoded."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def escaped(text: str) -> str:
    """`text` as one line of Markdown that shows just it. Source: https://spec.commonmark.org/0.31.2/."""
    line = _SIGNS.sub(lambda match: "\\" + match[0], one_line(text))
    return _BLOCK_START.sub(lambda match: f"{match[1] or ''}\\", line)


def cell(value: str) -> str:
    """`value` as a spreadsheet shows it, and never computes it: what could begin a formula is put after an apostrophe.

    Source of the signs: https://owasp.org/www-community/attacks/CSV_Injection; spaces before them may be skipped.
    """
    return f"'{value}" if value.startswith(("\t", "\r", "\n")) or value.lstrip()[:1] in _FORMULA else value
