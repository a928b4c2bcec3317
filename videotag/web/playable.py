"""Which files a browser plays as they are meant to be seen and heard: measured in Chromium 156 and Firefox 153.

Files of what is not in these tables give an error, silence or no pictures there, the latter two without a word. What is
played wrongly counts as not playable: combs, pale colours, another sound track than the one whose words were found,
another second than the one that is asked for. Of other browsers is believed what holds for Chromium.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from videotag.media.coding import Coding
from videotag.times import clock

How = Literal["direct", "ask", "copy"]
Browser = Literal["firefox", "other"]

_TYPES = {
    "mp4": "video/mp4", "matroska": "video/x-matroska", "webm": "video/webm",
    "mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg", "aac": "audio/aac",
}  # fmt: skip
"""Containers that are opened, by FFmpeg's names; not MPEG-TS and -PS, AVI, MXF, FLV, ASF."""
_PICTURES = {"h264", "vp8", "vp9", "av1", "libdav1d"}
"""Of any depth and sampling."""
_SOUNDS = {
    "aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "flac", "pcm_u8", "pcm_s16le", "pcm_s16be",
    "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le", "pcm_alaw", "pcm_mulaw",
}  # fmt: skip
_SILENT_IN_FIREFOX = {"flac", *(name for name in _SOUNDS if name.startswith("pcm_"))}
"""Beside pictures; these are shown without a word of the sound."""
_SLACK = 0.2  # s that a second may be missed by
_HEVC = {"yuv420p": "hvc1.1.6.L123.B0", "yuv420p10le": "hvc1.2.4.L123.B0"}
"""What a browser is asked about HEVC, main and main 10 of 1080 lines (ISO/IEC 14496-15, annex E)."""


@dataclass(frozen=True)
class Playable:
    """Whether a browser plays a file.

    Attributes:
        how: "direct": as it is; "ask": if the browser says that it can play `type`; "copy": by a copy alone.
        why: what is in the way, keys of the interface's words and what is named there: ("codec", "prores"). Empty
            where the file plays as it is.
        type: of its content, for the answer and for the question; fitting for what is not text.
    """

    how: How
    why: tuple[tuple[str, str], ...] = ()
    type: str = "application/octet-stream"


def browser_of(user_agent: str) -> Browser:
    """Which one says so of itself; Firefox on an iPhone is Safari, and says otherwise."""
    return "firefox" if "Firefox/" in user_agent else "other"


def verdict(coding: Coding, heard: Sequence[int], browser: Browser = "other") -> Playable:
    """How a browser plays a file of which these sound tracks are to be heard."""
    names = coding.container.split(",")
    type_ = next((kind for name, kind in _TYPES.items() if name in names), "")
    asked = coding.pictures == "hevc" and "mp4" in names and coding.tag == "hvc1" and _HEVC.get(coding.pixels)
    why = []
    if not type_ or (coding.pictures and type_.startswith("audio/")):
        why.append(("container", names[0]))
    if coding.pictures and coding.pictures not in _PICTURES and not asked:
        why.append(("pictures", coding.pictures))
    if coding.lost:
        why.append(("lost", coding.lost))
    if coding.interlaced:
        why.append(("interlaced", ""))
    if coding.is_hdr:
        why.append(("hdr", ""))
    why += _unheard(coding, heard, browser)
    why += _misplaced(coding, browser)
    type_ = type_ or Playable("copy").type
    if why:
        return Playable("copy", tuple(why), type_)
    if asked:
        return Playable("ask", (("some", coding.pictures),), f'{type_}; codecs="{asked}"')
    return Playable("direct", (), type_)


def tracks_heard(coding: Coding, told: Sequence[int]) -> tuple[int, ...]:
    """The numbers of the sound tracks to be heard: those that were, where that is told and they are there."""
    able = [number for number, (_, codec) in enumerate(coding.sounds, start=1) if codec]
    return tuple(number for number in told if number in able) or ((coding.best,) if coding.best else ())


def _unheard(coding: Coding, heard: Sequence[int], browser: Browser) -> list[tuple[str, str]]:
    """Browsers play the first track alone; in MP4 and QuickTime Chromium plays the one that is marked."""
    if not heard:
        return []
    if len(heard) > 1:
        return [("tracks", ", ".join(map(str, heard)))]
    codec = coding.sounds[heard[0] - 1][1]
    silent = codec not in _SOUNDS
    if browser == "firefox" and coding.pictures:
        silent |= codec in _SILENT_IN_FIREFOX or (codec.startswith("mp3") and "matroska" in coding.container)
    wrong = [("sound", codec)] if silent else []
    if heard[0] != 1:
        return [*wrong, ("track", str(heard[0]))]
    return [*wrong, ("other_track", str(coding.best))] if coding.best > 1 and "mp4" in coding.container else wrong


def _misplaced(coding: Coding, browser: Browser) -> list[tuple[str, str]]:
    """Why the second that is asked for would not be the one that is played."""
    name, why = coding.container.partition(",")[0], []
    if coding.reckoned:
        why.append(("index", name))
    if browser == "firefox":
        if coding.edited:
            why.append(("edited", ""))
        if name == "flac" or (not coding.length and name == "matroska"):
            why.append(("index", name))
    elif abs(coding.start) > _SLACK:  # which Chromium counts from, and Firefox does not
        why.append(("start", clock(max(0.0, coding.start))))
    return why
