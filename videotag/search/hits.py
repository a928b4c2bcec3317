"""Hits and moments for other programs: JSON, CSV, Markdown, and the frames of a segment as files."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from videotag import artifacts
from videotag.errors import UserError
from videotag.fields import EXPORTED
from videotag.search.forms import matches
from videotag.search.moments import Hit
from videotag.segments import unsaid
from videotag.stages import PHASE1
from videotag.text import escaped
from videotag.times import clock, time_name

_NAMES = [field.name for field in EXPORTED]
_PLACE = _NAMES.index("end_time") + 1
KEYS = (*_NAMES[:_PLACE], "start", "end", "close", "score", *_NAMES[_PLACE:])
"""Of a moment in JSON. `start` and `end` are the moment's, `start_time` and `end_time` those of its best segment."""

_UNSEEN = re.compile("[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


def texts(moment: Hit, query: str) -> list[tuple[str, str]]:
    """What there is to read of a moment, each with what goes before it."""
    found = []
    for field in EXPORTED:
        value = spoken(moment, query) if field.name == "dialogue_translation" else moment.get(field.name)
        if field.name == "subtitles":  # what is said in them anyway is there already
            value = unsaid(moment)
            found += [(field.shown or "", " ".join(value))] if value else []
        elif field.shown is not None and value and field.name != "transcript":  # which `spoken` has, if it is wanted
            found.append((field.shown, field.joint.join(value) if isinstance(value, list) else str(value)))
    return [(mark, text) for mark, text in found if text.strip()]


def spoken(moment: Hit, query: str) -> str:
    """What is said: the translation, or the speech itself where there is none or only it holds the query's words."""
    translation, transcript = moment.get("dialogue_translation") or "", moment.get("transcript") or ""
    if translation and transcript and not matches(translation, query) and matches(transcript, query):
        return transcript
    return translation or transcript


def as_json(moments: Iterable[Hit]) -> str:
    """A JSON list, without anything that could steer a terminal."""
    text = json.dumps([{key: m.get(key) for key in KEYS} for m in moments], ensure_ascii=False, indent=2)
    # JSON escapes control characters up to 31 only; a terminal heeds others too.
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def save(moments: Sequence[Hit], query: str, target: Path) -> None:
    """Write moments to a new file: .json, .csv or .md.

    Raises:
        UserError: it is of another kind, exists already, or cannot be written.
    """
    write = {".json": _write_json, ".csv": _write_csv, ".md": _write_markdown}.get(target.suffix.lower())
    if write is None:
        raise UserError(f"{target}: choose a name that ends in .json, .csv or .md")
    # Excel takes a file without the mark at its front for another encoding than UTF-8.
    encoding = "utf-8-sig" if target.suffix.lower() == ".csv" else "utf-8"
    try:
        with target.open("x", encoding=encoding, newline="") as file:
            write(moments, query, file)
    except FileExistsError:
        raise UserError(f"{target}: exists already; choose another name, or delete it first") from None
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None


def _write_json(moments: Sequence[Hit], query: str, file: TextIO) -> None:
    file.write(as_json(moments) + "\n")


def _write_csv(moments: Sequence[Hit], query: str, file: TextIO) -> None:
    table = csv.writer(file)
    table.writerow(("number", *KEYS))
    for number, moment in enumerate(moments, start=1):
        table.writerow((number, *(_cell(moment.get(key)) for key in KEYS)))


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = "; ".join(value)
    # A spreadsheet would take it for a formula and compute it.
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _write_markdown(moments: Sequence[Hit], query: str, file: TextIO) -> None:
    file.write(f"# {escaped(query)}\n")
    for number, moment in enumerate(moments, start=1):
        times = f"{clock(moment['start'])}-{clock(moment['end'])}"
        file.write(f"\n## {number}. {escaped(moment['video_name'])} {times} ({moment['score']:.3f})\n")
        for mark, text in texts(moment, query):
            file.write(f"\n{mark}{escaped(text)}\n")


def write_frames(hit: Mapping[str, Any], data_dir: Path, folder: Path) -> list[Path]:
    """Write the frames of a hit's segment, as phase 1 has taken them, as JPEG files; their paths, in order.

    Frames that are there already are written again: they are the same.

    Raises:
        UserError: there are none, the segment is another one by now, or they cannot be written.
    """
    name = hit["video_name"]
    source = artifacts.path_of(PHASE1, data_dir, name)
    result = artifacts.read(PHASE1, source)
    if result is None:
        remedy = "give its folder by --data-dir, or run phase 1 with --force"
        raise UserError(f"{source}: is not there or damaged; {remedy}")
    segment = next((s for s in result["segments"] if s["segment_index"] == hit["segment_index"]), None)
    if segment is None or abs(segment["start_time"] - hit["start_time"]) > 0.01:
        remedy = "run phase 2 and load_data_to_chroma.py, and if they have nothing to do, doctor.py"
        raise UserError(f"{source}: is not what {name} was loaded from; {remedy}")
    frames = [result["frames"][number] for number in segment["frames"]]
    if not frames:
        raise UserError(f"{name}: has no pictures there")
    written = [folder / f"{number}_{time_name(frame['time'])}.jpg" for number, frame in enumerate(frames, start=1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, frame in zip(written, frames, strict=True):
            path.write_bytes(frame["jpeg"])
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    return written
