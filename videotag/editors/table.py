"""CSV: a row a stretch, for spreadsheets and for scripts."""

import csv
import io
from collections.abc import Sequence

from videotag.editors.clips import Clip, plain
from videotag.text import cell, printable

COLUMNS = ("number", "file", "path", "in", "out", "timecode_in", "timecode_out", "frame_rate", "drop_frame", "text")


def as_csv(clips: Sequence[Clip]) -> str:
    """In and out in seconds from the video's start, and as source timecode where the file tells one."""
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow((*COLUMNS, "guard"))
    for number, clip in enumerate(clips, start=1):
        video = clip.video
        codes = clip.timecodes or ("", "")
        drop = "" if video.start is None else "yes" if video.start.drop else "no"
        place = (f"{clip.start:.3f}", f"{clip.end:.3f}", *map(str, codes), str(video.rate or ""), drop)
        rows.writerow(
            (number, cell(video.file_name), cell(printable(video.path)), *place, cell(plain(clip.text)), video.guard)
        )
    return file.getvalue()
