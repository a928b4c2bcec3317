"""Playlists of stretches. VLC plays each from its start to its end; other players play the whole files.

m3u8 is M3U in UTF-8; XSPF is https://www.xspf.org/spec. VLC's options: https://wiki.videolan.org/XSPF
"""

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from videotag.editors.clips import Clip, plain

_SPEC = "http://xspf.org/ns/0/"
_VLC = "http://www.videolan.org/vlc/playlist/ns/0/"
_APPLICATION = "http://www.videolan.org/vlc/playlist/0"


def as_m3u8(clips: Sequence[Clip]) -> str:
    lines = ["#EXTM3U"]
    for clip in clips:
        lines.append(f"#EXTINF:{max(1, round(clip.end - clip.start))},{_title(clip)}")
        lines += [f"#EXTVLCOPT:{option}" for option in _options(clip)]
        lines.append(clip.video.address)
    return "\n".join(lines) + "\n"


def as_xspf(clips: Sequence[Clip], title: str) -> str:
    root = Element("playlist", {"version": "1", "xmlns": _SPEC, "xmlns:vlc": _VLC})
    SubElement(root, "title").text = plain(title)
    tracks = SubElement(root, "trackList")
    for number, clip in enumerate(clips):
        track = SubElement(tracks, "track")
        SubElement(track, "location").text = clip.video.address
        SubElement(track, "title").text = _title(clip)
        SubElement(track, "duration").text = str(round(1000 * (clip.end - clip.start)))
        extension = SubElement(track, "extension", application=_APPLICATION)
        SubElement(extension, "vlc:id").text = str(number)  # no two alike, or VLC shows one of them
        for option in _options(clip):
            SubElement(extension, "vlc:option").text = option
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _options(clip: Clip) -> tuple[str, str]:
    return f"start-time={clip.start:.3f}", f"stop-time={clip.end:.3f}"


def _title(clip: Clip) -> str:
    return f"{clip.video.file_name}: {clip.note}" if clip.note else clip.video.file_name
