"""What may be set back from the page: a phase that is completed, or whose worker has ended without a word."""

import shlex
import socket
import time
from pathlib import Path

from videotag import cli, jobs
from videotag.claims import Held, held_elsewhere, locked
from videotag.errors import UserError
from videotag.media.probe import probe
from videotag.stages import FORCED, PHASE1, Stage
from videotag.web.archive import Archive

DATA_DIR = "data"  # where the scripts look if they are not told


def again(archive: Archive, stage: Stage, video_name: str) -> None:
    """Make a phase of a video due for the next run of its script, as --force does, or the end of an interrupted run.

    Raises:
        Held: somebody is at work on it; the text says who and since when.
        UserError: there is no such video; it is due already; its file is gone, and what is done of it stays done.
    """
    if archive.record(video_name) is None:
        raise UserError(f"{video_name}: there is no such video")
    with locked(archive.db, archive.data_dir, stage, video_name), archive.db.session():
        record = archive.db.get_video_status(video_name)
        if by := held_elsewhere(stage, record, socket.gethostname(), time.time()):
            raise Held(by)
        match stage.status(record):
            case "completed":
                if stage is PHASE1:
                    probe(record["video_path"])
                jobs.mark_due(archive.db, stage, [record], FORCED[0])
            case "processing":
                reason, wanted = (record.get(stage.field(name)) for name in ("reason", "wanted"))
                jobs.mark_due(archive.db, stage, [record], reason, wanted)
            case _:
                raise UserError(f"{video_name}: is due already: {command(archive, stage, video_name)}")


def command(archive: Archive, stage: Stage, video_name: str = "") -> str:
    """What to type for a phase to be done, of one video or of all that are due."""
    db, words = archive.db, ["python", stage.script]
    words += ["--only", video_name] if video_name else []
    if db.chroma_url:
        words += ["--chroma-url", db.chroma_url]
    elif db.directory != Path(cli.DATABASE).resolve():
        words += ["--db", str(db.directory)]
    if archive.data_dir.resolve() != Path(DATA_DIR).resolve():
        words += ["--data-dir", str(archive.data_dir)]
    return shlex.join(words)
