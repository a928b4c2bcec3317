"""What was found for other programs: JSON, CSV, Markdown, editors' formats; the frames of a segment as files."""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from videotag import artifacts
from videotag.editors import formats
from videotag.editors.clips import Clip, video_of
from videotag.errors import UserError
from videotag.fields import EXPORTED, SUMMARY, Field
from videotag.search.forms import matches
from videotag.search.moments import Hit
from videotag.segments import unsaid
from videotag.stages import PHASE1
from videotag.text import cell, escaped
from videotag.times import clock, time_name

_NAMES = [field.name for field in EXPORTED]
_PLACE = _NAMES.index("end_time") + 1
_TIMECODES = ("source_timecode", "source_timecode_end", "frame_rate")
_SEEN = ("seen_at", "seen_frame")
KEYS = (*_NAMES[:_PLACE], "start", "end", *_TIMECODES, "close", "score", *_SEEN, *_NAMES[_PLACE:], "asked_as")
"""Of a moment in JSON. `start` and `end` are the moment's, `start_time` and `end_time` those of its best segment.

`seen_at`: where a picture shows what was asked, its second in the video; `seen_frame`: its place among the frames of
the segment that phase 1 stored, from 0, or -1 if it is none of them.
`asked_as`: the question that was meant, where it is not what was typed.
The timecodes are None where the file tells none, the rate (`30000/1001`) where it varies or is not known.
"""

KEYS_OF_VIDEOS = (*(field.name for field in SUMMARY), "close", "score", "asked_as")
"""Of a whole video in JSON. `chapters`: a list of `start`, `end` (s), `title`, `summary`."""

_UNSEEN = re.compile("[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


class Text(NamedTuple):
    """What there is to read of a moment, and the field that it is of."""

    field: Field
    text: str

    @property
    def mark(self) -> str:
        """What goes before it on a card."""
        return self.field.shown or ""


_FIELD = {field.name: field for field in EXPORTED}
_HOW = {
    "said": ("transcript", "dialogue_translation"),
    "written": ("on_screen_text", "subtitles", "chapters", "title"),
    "seen": ("description", "keywords"),
}


def texts(moment: Hit, query: str) -> list[Text]:
    """What there is to read of a moment."""
    found = []
    for field in EXPORTED:
        value = moment.get(field.name)
        if field.name == "dialogue_translation":
            found.append(spoken(moment, query))
        elif field.name == "subtitles":  # what is said in them anyway is there already
            found.append(Text(field, " ".join(unsaid(moment))))
        elif field.shown is not None and value and field.name != "transcript":  # which `spoken` has, if it is wanted
            found.append(Text(field, field.joint.join(value) if isinstance(value, list) else str(value)))
    return [one for one in found if one.text.strip()]


def spoken(moment: Hit, query: str) -> Text:
    """What is said: the translation, or the speech itself where there is none or only it holds the query's words."""
    translation, transcript = moment.get("dialogue_translation") or "", moment.get("transcript") or ""
    is_other = translation not in ("", transcript)
    if is_other and not (transcript and not matches(translation, query) and matches(transcript, query)):
        return Text(_FIELD["dialogue_translation"], translation)
    return Text(_FIELD["transcript"], transcript)


def found_by(read: Iterable[Text], query: str) -> list[str]:
    """How a moment holds the query's words: "said", "written", "seen"; none where it does only in meaning."""
    holding = {one.field.name for one in read if matches(one.text, query)}
    return [how for how, fields in _HOW.items() if not holding.isdisjoint(fields)]


def excerpt(text: str, query: str, width: int, lines: int, keep: int = 0) -> str:
    """The text from about a line before the first matching word on, if that would not be seen otherwise.

    Args:
        width: characters of a line.
        lines: so many are seen.
        keep: so many characters at the front stay in any case.
    """
    if len(text) <= lines * width:
        return text
    first = next((span[0] for span in matches(text[keep:], query)), 0) + keep
    if first < (lines - 1) * width:
        return text
    cut = text.index(" ", first - width // 2 - 1) + 1 if " " in text[first - width // 2 - 1 : first] else first
    return f"{text[:keep]}… {text[cut:]}"


def as_json(found: Iterable[Hit], keys: Sequence[str] = KEYS) -> str:
    """A JSON list, without anything that could steer a terminal."""
    text = json.dumps([{key: one.get(key) for key in keys} for one in found], ensure_ascii=False, indent=2)
    # JSON escapes control characters up to 31 only; a terminal heeds others too.
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def written(moments: Sequence[Hit], query: str, form: str) -> tuple[dict[str, bytes], list[str]]:
    """Moments in a form of ENDINGS: files by what goes after their common name, and a line for each video left out.

    Raises:
        UserError: there is no such form, or it can hold none of the moments.
    """
    if form in _WRITERS:
        files, lines = {f".{form}": _WRITERS[form](moments, query)}, []
    elif form in formats.FORMATS:
        files, lines = formats.written(form, [_clip(moment, query) for moment in moments], query)
    else:
        raise UserError(f"{form}: choose one of {', '.join(ENDINGS)}")
    return {ending: formats.encoded(ending, text) for ending, text in files.items()}, lines


def save(moments: Sequence[Hit], query: str, target: Path) -> tuple[list[Path], list[str]]:
    """Write moments to a new file, and beside it what belongs to it; these files, and a line for each video left out.

    Raises:
        UserError: it is of another kind, exists already, cannot be written, or can hold none of the moments.
    """
    form = target.suffix.lower().removeprefix(".")
    if form not in ENDINGS:
        raise UserError(f"{target}: choose a name that ends in {', '.join(f'.{kind}' for kind in ENDINGS)}")
    files, lines = written(moments, query, form)
    endings = {f".{form}": target.suffix}  # as it was typed
    wanted = {target.with_name(target.stem + endings.get(ending, ending)): data for ending, data in files.items()}
    for path in wanted:
        if os.path.lexists(path):
            raise UserError(f"{path}: exists already; choose another name, or delete it first")
    for path, data in wanted.items():
        _write_new(path, data)
    return list(wanted), lines


def _write_new(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise UserError(f"{path}: exists already; choose another name, or delete it first") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _clip(moment: Hit, query: str) -> Clip:
    text = " ".join(f"{one.mark}{one.text}" for one in texts(moment, query))
    return Clip(moment.get("video") or video_of(moment), moment["start"], moment["end"], text)


def _as_csv(moments: Sequence[Hit], query: str) -> str:
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(("number", *KEYS))
    for number, moment in enumerate(moments, start=1):
        table.writerow((number, *(_cell(moment.get(key)) for key in KEYS)))
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = "; ".join(value)
    return cell(value) if isinstance(value, str) else value


def _as_markdown(moments: Sequence[Hit], query: str) -> str:
    blocks = [f"# {escaped(query)}\n"]
    for number, moment in enumerate(moments, start=1):
        times = f"{clock(moment['start'])}-{clock(moment['end'])}"
        shown = f", seen at {clock(moment['seen_at'])}" if "seen_at" in moment else ""
        blocks.append(f"\n## {number}. {escaped(moment['video_name'])} {times} ({moment['score']:.3f}{shown})\n")
        blocks += [f"\n{one.mark}{escaped(one.text)}\n" for one in texts(moment, query)]
    return "".join(blocks)


_WRITERS: dict[str, Callable[[Sequence[Hit], str], str]] = {
    "json": lambda moments, query: as_json(moments) + "\n",
    "csv": _as_csv,
    "md": _as_markdown,
}
ENDINGS = tuple(dict.fromkeys((*_WRITERS, *formats.FORMATS)))
"""What a file of hits can be."""


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
