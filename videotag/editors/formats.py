"""The formats for editors and players, by the file's ending, and how stretches of videos become files."""

from collections.abc import Callable, Sequence

from videotag.editors.clips import Clip
from videotag.editors.edl import as_edl
from videotag.editors.fcpxml import as_fcpxml
from videotag.editors.otio import as_otio
from videotag.editors.playlists import as_m3u8, as_xspf
from videotag.editors.table import as_csv
from videotag.errors import UserError
from videotag.text import printable

Files = dict[str, str]
"""What goes after a file's name, and the file: most formats are one, `{".otio": ...}`."""

FORMATS: dict[str, Callable[[Sequence[Clip], str], Files]] = {
    "csv": lambda clips, title: {".csv": as_csv(clips)},
    "edl": as_edl,
    "fcpxml": lambda clips, title: {".fcpxml": as_fcpxml(clips, title)},
    "otio": lambda clips, title: {".otio": as_otio(clips, title)},
    "m3u8": lambda clips, title: {".m3u8": as_m3u8(clips)},
    "xspf": lambda clips, title: {".xspf": as_xspf(clips, title)},
}
ON_A_GRID = ("edl", "fcpxml", "otio")
"""Those that count pictures: a video without a steady rate cannot be in them."""


def written(form: str, clips: Sequence[Clip], title: str) -> tuple[Files, list[str]]:
    """The files of a format, and a line for each video that cannot be in them.

    Raises:
        UserError: none can, or the format cannot hold so many.
    """
    fit = [clip for clip in clips if form not in ON_A_GRID or clip.video.rate]
    lost = dict.fromkeys(clip.video.path for clip in clips if not clip.video.rate) if len(fit) < len(clips) else {}
    why = f"cannot be in {form}: its frame rate varies or is not known; save csv, m3u8 or xspf, which count seconds"
    lines = [f"{printable(path)}: {why}" for path in lost]
    if lost and not fit:
        raise UserError("\n".join(lines))
    return FORMATS[form](fit, title), lines


def encoded(ending: str, text: str) -> bytes:
    """UTF-8. Excel takes a table without the mark at its front for another encoding."""
    return text.encode("utf-8-sig" if ending.lower().endswith(".csv") else "utf-8")
