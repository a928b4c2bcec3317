"""CMX 3600, the edit decision list that every editor reads: cuts of one frame rate a file, sources by reel names.

A reel is 8 letters and digits, which no file name is; a table beside the list says which file is which reel.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import PurePath

from videotag.editors.clips import Clip, plain
from videotag.errors import UserError
from videotag.text import cell, printable
from videotag.timecode import Timecode, can_number, timecode

RATES = {24, 25, 30, 48, 50, 60}
"""Numbers a second, of 1 or 1.001 s."""
_MOST = 999  # events, which have numbers of three digits
_REEL = 8  # characters
_TAKEN = {"", "AX", "BL", "BLACK", "BARS"}  # mean no source, or none that is a file
_RECORD_START = "01:00:00"


def as_edl(clips: Sequence[Clip], title: str) -> dict[str, str]:
    """The list and the table of its reels; a list a rate where there are several, with the rate in its name.

    Raises:
        UserError: more cuts than it can number, or a rate that it does not know.
    """
    rates = {clip.video.rate: clip.video for clip in clips if clip.video.rate}
    if odd := [video for rate, video in rates.items() if round(rate) not in RATES or not can_number(rate)]:
        rate = f"{float(odd[0].rate or 0):g}"
        raise UserError(f"{odd[0].file_name}: {rate} pictures a second are none of an EDL's rates; save otio or fcpxml")
    reels = reel_names(clip.video.path for clip in clips)
    files = {}
    for rate in rates:
        mark = "" if len(rates) == 1 else f"_{float(rate):.5g}".replace(".", "-")
        files[f"{mark}.edl"] = _list([clip for clip in clips if clip.video.rate == rate], title, reels)
    return files | {"_reels.csv": _table(reels)}


def reel_names(paths: Iterable[str]) -> dict[str, str]:
    """Each path's reel: at most 8 of A-Z and 0-9, no two alike."""
    reels: dict[str, str] = {}
    taken = set(_TAKEN)
    for path in dict.fromkeys(paths):
        name = base = re.sub("[^A-Z0-9]", "", PurePath(path).stem.upper())[:_REEL]
        number = 0
        while name in taken:
            number += 1
            name = f"{(base or 'REEL')[: _REEL - max(3, len(str(number)))]}{number:03d}"
        taken.add(name)
        reels[path] = name
    return reels


def _list(clips: Sequence[Clip], title: str, reels: dict[str, str]) -> str:
    if len(clips) > _MOST:
        raise UserError(f"{len(clips)} cuts: an EDL holds {_MOST}; save fewer, or otio or fcpxml")
    drop = any(clip.video.start and clip.video.start.drop for clip in clips)
    record = _record_start(clips[0].video.rate or Fraction(25), drop) if clips else None
    lines = [f"TITLE: {plain(title)[:70]}", f"FCM: {'DROP FRAME' if drop else 'NON-DROP FRAME'}", ""]
    for number, clip in enumerate(clips, start=1):
        assert record and clip.video.zero
        first, last = clip.span
        source, ends = clip.video.zero.after(first), record.after(last - first)
        reel = reels[clip.video.path]
        times = f"{source} {source.after(last - first)} {record} {ends}"
        channels = "B" if clip.video.sounds else "V"  # both, or pictures alone
        lines += [
            f"{number:03d}  {reel:<8} {channels}     C        {times}",
            f"* FROM CLIP NAME: {clip.video.file_name}",
        ]
        record = ends
    return "\n".join(lines) + "\n"


def _record_start(rate: Fraction, drop: bool) -> Timecode | None:
    return timecode(f"{_RECORD_START}{';' if drop else ':'}00", rate)


def _table(reels: dict[str, str]) -> str:
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(("reel", "file"))
    rows.writerows((reel, cell(printable(path))) for path, reel in reels.items())
    return file.getvalue()
