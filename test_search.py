"""Search: find the moment. (A program, not a test.)

    python test_search.py "зимний город с высоты"          the moments nearest in meaning
    python test_search.py                                   a prompt: questions, and :help for the commands
    python test_search.py 'вода "высокая плотина"'          these exact words must occur
    python test_search.py "вода" --video news --limit 3     in one video
    python test_search.py --like news@12:30                 moments like that one
    python test_search.py --like-picture news@12:41         moments that look like the picture there
    python test_search.py --image photo.jpg                 moments that look like a picture of yours
    python test_search.py --videos "наводнения"             whole videos, by what phase 4 says of them
    python test_search.py "вода" --json | jq                for another program

Each hit: the video, from when to when, how near it is (1 is the same), where a picture shows it, what is seen, what is
said, text on the screen, keywords. Where nothing is close it says so, and shows the best guesses. A whole video: what
it is about, its chapters and when they begin.
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from db_manager import ChromaDBManager
from videotag import cli
from videotag.embedders.contract import Embedder
from videotag.embedders.engines import load_embedder
from videotag.errors import UserError
from videotag.search import ask, hits
from videotag.search.filters import Filters
from videotag.terminal import cards, commands, typed
from videotag.terminal import prompt as prompt_session
from videotag.terminal.picture import read_picture

log = logging.getLogger("videotag")

LIMIT = 5


def main(
    argv: list[str] | None = None,
    load: Callable[..., Embedder] = load_embedder,
    database: Callable[..., ask.Database] = ChromaDBManager,
) -> int:
    args = options().parse_args(argv)
    return cli.run(lambda args: work(args, database(args.db, chroma_url=args.chroma_url, load=load)), args)


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__, stage=False)
    parser.add_argument("query", nargs="?", help="what to find; without it you are asked")
    parser.add_argument("--like", metavar="VIDEO@TIME", help="instead of a question: news@12:30, news@750")
    parser.add_argument("--like-picture", metavar="VIDEO@TIME", help="instead of a question: looks like the one there")
    parser.add_argument("--image", type=Path, metavar="FILE", help="instead of a question: looks like this JPEG or PNG")
    parser.add_argument("--videos", action="store_true", help="whole videos instead of moments")
    number = parser.add_mutually_exclusive_group()
    number.add_argument(
        "--limit", type=_positive, default=LIMIT, metavar="N", help=f"at most so many moments or videos ({LIMIT})"
    )
    number.add_argument("--all", action="store_true", help="everything that is close")
    parser.add_argument("--per-video", type=_positive, metavar="N", help="at most so many moments of one video")
    parser.add_argument("--as-typed", action="store_true", help="mend nothing in the question")
    parser.add_argument("--json", action="store_true", help="print a JSON list, and nothing else")
    parser.add_argument(
        "--data-dir", type=Path, default=Path("data"), metavar="FOLDER", help="of phase 1, for :frames (data)"
    )
    typed.add_filters(parser)
    return parser


def work(args: argparse.Namespace, db: ask.Database) -> int:
    filters = typed.filters(args)
    given = {"--like": args.like, "--like-picture": args.like_picture, "--image": args.image}
    instead = [name for name, value in given.items() if value is not None]
    if args.query is None and not instead:
        return prompt(args, db, filters)
    if args.videos and instead:
        raise UserError(f"--videos: whole videos are found by a question; leave {instead[0]} out")
    if len(instead) + (args.query is not None) > 1:
        raise UserError(f"{instead[-1]} stands instead of a question: leave one of them out")
    like, place = (None if text is None else ask.place(text) for text in (args.like, args.like_picture))
    picture = place if args.image is None else read_picture(args.image)
    words = "" if instead else asked(args.query or "")
    question = ask.Question(words, like, filters, args.as_typed, args.videos, picture)
    answer = ask.find(db, question, None if args.all else args.limit, args.per_video)
    if args.json:
        print(hits.as_json(answer.moments, hits.KEYS_OF_VIDEOS if args.videos else hits.KEYS), flush=True)
        for remark in answer.remarks:
            if remark.key.startswith("pictures"):
                log.warning("%s", remark)
    else:
        cards.show(answer, cards.Style())
        if answer.typed is not None:
            cli.say("(--as-typed mends nothing)")
    return cli.OK


def asked(query: str) -> str:
    if not query.strip():
        raise UserError('the question is empty; write what to find, such as "зимний город"')
    return query


def prompt(args: argparse.Namespace, db: ask.Database, filters: Filters) -> int:
    """One line after the other, until :quit or Ctrl-D."""
    if args.json or args.all:
        raise UserError("--json and --all need a question on the command line; at the prompt there are :save and :more")
    if args.videos:
        raise UserError("--videos needs a question on the command line; at the prompt there is :videos")
    session = commands.Prompt(db, filters, args.limit, args.per_video, args.data_dir, cards.Style())
    cli.say("What are you looking for? (:help lists the commands, Ctrl-D ends)")
    for line in prompt_session.lines(commands.COMMANDS, session.values):
        if not session.do(line):
            break
    return cli.OK


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    cli.leave(main())
