"""Export: subtitles and texts of a video, for a player, an editor or another program.

In:   data/{video}_phase1_data.pkl, and where they are there data/{video}_phase2_vllm_analysis.json and
      data/{video}_phase4_summary.json.
Out:  printed, or written to --output. No database is needed.

    python export.py news --format srt                                    subtitles, printed
    python export.py news --format vtt --output news.vtt                  for a web page
    python export.py news --format srt --language translation             in the language of the analysis
    python export.py news film --format txt --output texts                a folder: texts/news.txt, texts/film.txt
    python export.py news --format md | less                              what is seen, said and written, to be read
    python export.py news --format edl --output news.edl                  its segments for an editor
    python export.py news --format otio --parts chapters --output news.otio
    python export.py news --format txt --parts chapters                   lines for YouTube: 00:00 Title
    python export.py news --format vtt --parts chapters --output news.vtt chapters for a web page

srt, vtt   subtitles: two lines of 42 characters at most, timed by the words
txt        the speech in paragraphs, each after its time
vtt, txt   with --parts chapters: the chapters, those of phase 4 or else the file's own
md         summary and chapters of the video, then each segment with description, speech, translation, text on the
           screen, keywords
json       the same for a program, and all words with their times
csv, edl, fcpxml, otio, m3u8, xspf      its segments or its chapters, in source timecode where the file tells one, for
           spreadsheets, editors and players; beside an EDL lies a table of its reels

A translation has no word times: it is spread over the speech of its segment by the number of characters, and of each
segment only what comes before the next one's start is used. So its times are a guess of a few seconds, and where two
segments meet some words may be missing or repeated.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from videotag import artifacts, cli
from videotag.editors import formats
from videotag.errors import UserError, did_you_mean
from videotag.exports import (
    CHAPTERS,
    FORMATS,
    FROM_CHAPTERS,
    FROM_SEGMENTS,
    ORIGINAL,
    SEGMENTS,
    TRANSLATION,
    Wanted,
    anew,
    exported,
)
from videotag.stages import PHASE1


def main(argv: list[str] | None = None) -> int:
    return cli.run(work, options().parse_args(argv))


def options() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__, stage=False, database=False)
    parser.add_argument("names", nargs="+", metavar="NAME", help="the video; several with --output")
    parser.add_argument("--format", required=True, choices=FORMATS, help="what to make")
    parser.add_argument(
        "--language", choices=[ORIGINAL, TRANSLATION], help="of srt, vtt and txt (original); md and json hold both"
    )
    kinds = f"of {', '.join(formats.FORMATS)} ({SEGMENTS}); {CHAPTERS} also of {' and '.join(FROM_CHAPTERS)}"
    parser.add_argument("--parts", choices=[SEGMENTS, CHAPTERS], help=kinds)
    parser.add_argument("--output", metavar="PATH", help="a file, or a folder, made where there is none for several")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), metavar="FOLDER", help="of results (data)")
    return parser


def work(args: argparse.Namespace) -> int:
    names = list(dict.fromkeys(args.names))
    check(args, names)
    wanted = Wanted(args.format, args.language or ORIGINAL, args.parts or SEGMENTS)
    report = cli.Report("export", args.debug)
    for name in names:
        files = {}
        with report.outcome_of(name):
            files = exported(args.data_dir, name, wanted)
            if args.output:
                path = target(args, name, len(names))
                write_all(path, files, args.format)
                report.done.append(name)
                cli.say(f"{name}: {path}")
        if not args.output:
            for text in files.values():
                # Bytes: neither the console's encoding nor its line ends.
                sys.stdout.buffer.write(text.encode())
                sys.stdout.buffer.flush()
    if args.output:
        return report.finish(args.output)
    return cli.SOME_FAILED if report.failed else cli.OK


def check(args: argparse.Namespace, names: list[str]) -> None:
    """Refuse what cannot be done before anything is.

    Raises:
        UserError: a line for each mistake.
    """
    if len(names) > 1 and not args.output:
        raise UserError("several videos: name a folder for them with --output")
    if args.format == "edl" and not args.output:
        raise UserError("edl: a table of its reels belongs to it; name a file with --output")
    of_chapters = args.parts == CHAPTERS and args.format in FROM_CHAPTERS
    if args.parts and args.format not in formats.FORMATS and not of_chapters:
        also = f", {CHAPTERS} also of {' and '.join(FROM_CHAPTERS)}"
        raise UserError(f"--parts: is of {', '.join(formats.FORMATS)}{also}; leave it out")
    if args.language and of_chapters:
        raise UserError("--language: chapters have one language; leave it out")
    if args.language and args.format in formats.FORMATS:
        raise UserError("--language: is of srt, vtt and txt; leave it out")
    if args.language and args.format in FROM_SEGMENTS:
        raise UserError(f"--language: {args.format} holds speech and translation; leave it out")
    files = [entry.name for entry in args.data_dir.iterdir()] if args.data_dir.is_dir() else []
    if faults := [fault for name in names if (fault := fault_of(name, files, args.data_dir))]:
        raise UserError("\n".join(faults))


def fault_of(name: str, files: list[str], data_dir: Path) -> str | None:
    """Why a video cannot be exported, or None. `files`: the names of those in the data folder."""
    known = [file.removesuffix(PHASE1.ending) for file in files if file.endswith(PHASE1.ending)]
    if name in known:
        return None
    if f"{name}{PHASE1.ending}.part" in files:
        return f"{name}: phase 1 is not finished; run phase1_whisper_frames.py, then this again"
    near = did_you_mean(name, known)
    hint = f"{near} If it is new," if near else ";"
    again = f"run phase1_whisper_frames.py {anew(name)}, then this again"
    return f"{name}: no such video in {data_dir}{hint} {again}"


def target(args: argparse.Namespace, name: str, count: int) -> Path:
    folder = count > 1 or os.path.isdir(args.output) or args.output.endswith(("/", os.sep))
    return Path(args.output, f"{name}.{args.format}") if folder else Path(args.output)


def write_all(path: Path, files: formats.Files, format_: str) -> None:
    """Write the file, and beside it what belongs to it, each as `write` does."""
    for ending, text in files.items():
        own = ending == f".{format_}"
        write(path if own else path.with_name(f"{path.stem}{ending}"), text, Path(f"x{ending}").suffix[1:])


def write(path: Path, text: str, format_: str) -> None:
    """Write a file whole or not at all; never over a file of another kind.

    Raises:
        UserError: it cannot be written, is a device, its name ends otherwise, or it is a JSON file of something else.
    """
    path = path.resolve()  # a link stays one
    if path.exists() and not path.is_file():
        raise UserError(f"{path}: is not a file; name one, or leave --output out to print")
    if path.suffix.lower() != f".{format_}":
        raise UserError(f"{path}: choose a name that ends in .{format_}")
    if format_ == "json" and path.exists() and not is_export(path):
        raise UserError(f"{path}: exists and is no export; name another file, or delete it first")
    artifacts.write_whole(path, formats.encoded(path.suffix, text))


def is_export(path: Path) -> bool:
    """Whether a JSON file is an earlier export, and not the list of videos or a result of phase 2."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "video_name" in found and "result_id" not in found


if __name__ == "__main__":
    cli.leave(main())
