"""Models that hear this archive better, or find more in it, than those that come along: which there are, getting one.

    python models.py                                    what would serve this archive, what there is, what is here
    python models.py get gigaam-multilingual-ctc        fetch one; a second call goes on where the first one stopped
    python models.py get large-v3-turbo --to /mnt/usb   into another folder, for a machine without a network

They lie in a folder of the user's (VIDEOTAG_MODELS names another), where phase 1, the load and the search look; a
folder copied there by hand is as good. They come from huggingface.co, or from a mirror named by HF_ENDPOINT; HF_TOKEN
is for models whose licence has to be accepted. Nothing but `get` fetches anything.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from db_manager import ChromaDBManager
from videotag import cli, hub, model_shelf
from videotag.errors import UserError
from videotag.model_shelf import MODELS, Model


def main(argv: list[str] | None = None) -> int:
    parser = cli.parser(__doc__, stage=False)
    parser.add_argument("what", nargs="?", choices=["list", "get"], default="list")
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to get")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to put it: in a folder of its name there")
    args = parser.parse_args(argv)
    if (args.what == "get") != bool(args.names):
        parser.error("get needs the name of a model" if args.what == "get" else "list takes no names")
    return cli.run(get if args.what == "get" else show, args)


def show(args: argparse.Namespace) -> int:
    for advice in model_shelf.advice(videos(args)):
        there = "it is here" if advice.there else f"python3 run.py models get {advice.model.name}"
        cli.say(f"{advice}; {there}")
    for model in MODELS:
        here = model_shelf.is_there(model.name, args.to)
        cli.say(f"{'here ' if here else 'no   '}{model.name} ({model.kind}, {model.engine}, {size(model)})")
        cli.say(f"       {model.what_for}{': ' if model.languages else ''}{' '.join(model.languages)}")
        cli.say(f"       licence: {model.licence}; {hub.HUB}/{model.repository}")
    cli.say(f"folder: {args.to or model_shelf.shelf()}")
    return cli.OK


def videos(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The records of the archive; none where there is no database: to look makes none."""
    if not args.chroma_url and not Path(args.db, "chroma.sqlite3").is_file():
        return []
    try:
        return ChromaDBManager(args.db, chroma_url=args.chroma_url).list_videos()
    except UserError as error:
        cli.complain(f"the archive's languages are not known: {cli.short(error)}")
        return []


def get(args: argparse.Namespace) -> int:
    for model in [model_shelf.find(name) for name in args.names]:
        folder = model_shelf.folder_of(model.name, args.to)
        if not model_shelf.is_there(model.name, args.to):
            cli.say(f"{model.name}: {size(model)} from {model.repository}; licence: {model.licence}")
            hub.fetch(model, folder)
        cli.say(f"{model.name} is in {folder}")
        elsewhere = "there, or set VIDEOTAG_MODELS to the folder that it is in"
        cli.say(f"a machine without a network: copy {folder} to {model_shelf.shelf() / model.name} {elsewhere}")
    return cli.OK


def size(model: Model) -> str:
    return f"about {model.size / 1e9:.1f} GB" if model.size >= 1e9 else f"about {model.size / 1e6:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
