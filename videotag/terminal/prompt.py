"""The prompt: lines that a person types, with history and completion on a terminal, plain elsewhere."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unicodedata import normalize

from videotag import cli
from videotag.errors import UserError
from videotag.search.filters import FIELDS, OPTIONS
from videotag.text import printable

PROMPT = "> "

_LAST = re.compile(r'(?:[^\s"]|"[^"]*"?)*$')  # the word before the cursor; quotes hold it together

Values = Callable[[str], Iterable[str]]
"""Gives the values that a field (a key of FIELDS) has in the database."""


def lines(commands: Iterable[str], values: Values) -> Iterator[str]:
    """The typed lines, without blanks at the ends, until Ctrl-D or the end of the input. Ctrl-C clears a line.

    Raises:
        KeyboardInterrupt: Ctrl-C while the lines come from elsewhere.
    """
    read = _terminal(commands, values) if _is_terminal() else _plain
    is_typed = _is_terminal() or sys.stdin.isatty()
    while True:
        try:
            line = read().strip()
        except KeyboardInterrupt:
            if not is_typed:
                raise
            continue
        except EOFError:
            return
        if line:
            yield line


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _plain() -> str:
    return input(PROMPT if sys.stdin.isatty() else "")


def _terminal(commands: Iterable[str], values: Values) -> Callable[[], str]:
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession(
        PROMPT,
        history=history(),
        completer=completer(commands, values),
        complete_in_thread=True,  # the values come from the database
        complete_while_typing=False,
        enable_suspend=True,
    )
    return session.prompt


def history() -> Any:
    """What was typed before, in a file that only its owner can read; in memory where there can be no such file."""
    from platformdirs import user_state_path
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    path = user_state_path("videotag") / "search_history"
    try:
        make_private(path)
    except OSError as error:
        cli.complain(f"{path}: no history is kept: {error.strerror}")
        return InMemoryHistory()
    return FileHistory(str(path))


def make_private(path: Path) -> None:
    """Make the file, if there is none, in a folder of its own; nobody else may read it, now or before.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if os.name != "nt":
            os.fchmod(handle, 0o600)
    finally:
        os.close(handle)


# === Completion ===


def completer(commands: Iterable[str], values: Values) -> Any:
    """prompt_toolkit's form of `suggestions`."""
    from prompt_toolkit.completion import Completer, Completion

    names = tuple(commands)

    class Suggestions(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Iterator[Completion]:
            typed, words = suggestions(document.text_before_cursor, names, values)
            for word in words:
                yield Completion(word, start_position=-len(typed))

    return Suggestions()


def suggestions(line: str, commands: Iterable[str], values: Values) -> tuple[str, list[str]]:
    """The last word of a line as it is, and the words that may stand in its place."""
    typed = _LAST.search(line)
    assert typed is not None
    last, before = typed[0], line[: typed.start()].split()
    begun, candidates = normalize("NFC", last), _candidates(last, before, commands, values)
    return last, [word for word in candidates if normalize("NFC", word).startswith(begun) or '"' in word]


def _candidates(last: str, before: list[str], commands: Iterable[str], values: Values) -> list[str]:
    if not before and last.startswith(":"):
        return list(commands)
    valued = before and ("=" in before[-1] or not before[-1].startswith("--"))
    if valued and before[0] == ":filter" and not last.startswith("--"):
        name, equals, _ = last.partition("=")
        if equals:
            return _beginning(last, f"{name}=", _known(name, values))
        return [*(f"{option}=" for option in OPTIONS), *(["off"] if len(before) == 1 else [])]
    if before == [":facets"]:
        return list(FIELDS)
    if before == [":like"]:
        return [f"{name}@" for name in _known("video", values)]
    if before and before[0].startswith(":") and before[0] != ":filter":
        return []
    if last.startswith("--"):
        return [f"--{option}" for option in OPTIONS]
    option = before[-1].removeprefix("--") if before and before[-1].startswith("--") else ""
    return _beginning(last, "", _known(option, values))


def _beginning(last: str, front: str, words: Iterable[str]) -> list[str]:
    """Those of the words that begin as typed, quoted where they hold blanks."""
    begun = normalize("NFC", last.removeprefix(front).strip('"').lower())
    fitting = [word for word in words if normalize("NFC", word.lower()).startswith(begun)]
    return [f'{front}"{word}"' if re.search(r"\s", word) else f"{front}{word}" for word in fitting]


def _known(option: str, values: Values) -> list[str]:
    field = option.removeprefix("not-")
    if field not in FIELDS:
        return []
    try:
        # What cannot be printed could steer the terminal; with the substitute in its place it would not be found.
        return [value for value in values(field) if value == printable(value)]
    except UserError:  # told when the question is asked
        return []
