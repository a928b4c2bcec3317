"""What a person types: a question, filters, a place in a video. From the command line and from the prompt alike.

вода --video news --not-language kk          a question with filters for it alone
video=news not-language=kk from=1:00         filters, as `:filter` takes them
news@12:30                                   a place
"""

import argparse
import re
import shlex
from typing import NoReturn

from videotag.errors import UserError, did_you_mean
from videotag.fields import FILTERS
from videotag.search.filters import BOUNDS, OPTIONS, Filters, read

_OPTION = re.compile(r"(?:^|\s)--(?=[a-z])")
_NEW = {
    "not": "not-language=kk",
    "added": "added-after=2026-01-01 or added-before=2026-02-01",
    "time": "from=1:00 to=5:00",
}
"""How to say what was said in other words once."""
_SHOT = re.compile(r"(--)?shot(>=|<)(?=.)")
_OLD = re.compile(r"not$|(?:added|time)(?=[<>=])")


def add_filters(parser: argparse.ArgumentParser) -> None:
    """The options of the filters."""
    group = parser.add_argument_group("filters (repeatable: any of several; --not-... leaves out)")
    for _, (name, example, what, *_) in FILTERS:
        group.add_argument(f"--{name}", action="append", metavar=example, help=what)
        group.add_argument(f"--not-{name}", action="append", metavar=example, help=argparse.SUPPRESS)
    for name, metavar, what in (
        ("added-after", "DATE", "added to the database on that day or later"),
        ("added-before", "DATE", "added before that day: 2026-01-31"),
        ("shot-after", "DATE", "shot on that day or later, by the camera's word"),
        ("shot-before", "DATE", "shot before that day: 2026-01-31"),
        ("from", "TIME", "from there in the video: 1:30 or 90"),
        ("to", "TIME", "up to there in the video: 1:02:30"),
    ):
        group.add_argument(f"--{name}", metavar=metavar, help=what)


def filters(args: argparse.Namespace) -> Filters:
    """The filters among parsed arguments.

    Raises:
        UserError: as `videotag.search.filters.read`.
    """
    given = {name: getattr(args, name.replace("-", "_")) for name in OPTIONS}
    try:
        return read({name: [value] if name in BOUNDS else value for name, value in given.items() if value is not None})
    except UserError as error:
        raise UserError(re.sub(rf"^(?=({'|'.join(OPTIONS)}): )", "--", str(error))) from None


def question(line: str) -> tuple[str, Filters]:
    """A typed line: the question, quotes and all, and the filters behind it.

    Raises:
        UserError: an option is unknown or its value is wrong.
    """
    begin = _OPTION.search(line)
    if not begin:
        return line.strip(), Filters()
    return line[: begin.start()].strip(), _parsed([_compared(word) for word in _words(line[begin.start() :])])


def typed_filters(text: str) -> Filters:
    """What follows `:filter`: the same options, whose dashes may be left out: `video=news not-language=kk from=1:00`.

    Raises:
        UserError: an option is unknown or its value is wrong.
    """
    options: list[str] = []
    for word in map(_compared, _words(text)):
        is_value = bool(options) and options[-1].startswith("--") and "=" not in options[-1]
        if is_value or word.startswith("--"):
            options.append(word)
        elif old := _OLD.match(word):
            raise UserError(f"{word}: write {_NEW[old[0]]}")
        elif "=" in word:
            options.append(f"--{word}")
        else:
            raise UserError(f"{word}: write name=value, such as video=news; :help lists the names")
    return _parsed(options)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(message.removeprefix("argument "))


def _parsed(options: list[str]) -> Filters:
    parser = _Parser(add_help=False, allow_abbrev=False)
    add_filters(parser)
    args, rest = parser.parse_known_args(options)
    if rest:
        known = [f"--{option}" for option in OPTIONS]
        near = did_you_mean(rest[0].partition("=")[0], known) if rest[0].startswith("-") else ""
        raise UserError(f"{rest[0]}: is no filter{near or '; write the question first, filters after it'}")
    return filters(args)


def _words(text: str) -> list[str]:
    """Words; what is in double quotes is one. An apostrophe or a backslash is a letter like others."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.quotes, lexer.escape, lexer.commenters = True, '"', "", ""
    try:
        return list(lexer)
    except ValueError:
        raise UserError('a " is never closed; write it in pairs') from None


def _compared(word: str) -> str:
    """`shot>=2024-05-01` and `shot<2024-05-01` as options; another word as it is."""
    return _SHOT.sub(lambda match: f"--shot-{'before' if match[2] == '<' else 'after'}=", word)
