"""FCPXML 1.10, for Final Cut Pro and DaVinci Resolve.

Source: https://developer.apple.com/documentation/professional-video-applications/fcpxml-reference
Times are exact fractions of a second that lie on a picture of what they count: of the source, or of the sequence.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from videotag.editors.clips import Clip, Video, plain

_STANDARD = [Fraction(rate) for rate in (24, 25, 30, 50, 60)]
_STANDARD += [Fraction(rate * 1000, 1001) for rate in (24, 30, 60)]


def as_fcpxml(clips: Sequence[Clip], title: str) -> str:
    """An event with a sequence for each frame rate: the clips one after the other, each with its text as a marker."""
    root = Element("fcpxml", version="1.10")
    resources = SubElement(root, "resources")
    event = SubElement(SubElement(root, "library"), "event", name=plain(title))
    names = _Resources(resources)
    rates = dict.fromkeys(sequence_rate(clip.video.rate) for clip in clips if clip.video.rate)
    for rate in rates:
        name = plain(title) if len(rates) == 1 else f"{plain(title)} {float(rate):.5g}"
        same = [clip for clip in clips if clip.video.rate and sequence_rate(clip.video.rate) == rate]
        _sequence(SubElement(event, "project", name=name), same, rate, names)
    ElementTree.indent(root)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
    return f"{head}{ElementTree.tostring(root, encoding='unicode')}\n"


def sequence_rate(rate: Fraction) -> Fraction:
    """The rate of a sequence for such a source: its own, or of those that an editor has one that is a multiple."""
    return next((known for known in _STANDARD if known == rate), None) or next(
        (known for known in _STANDARD if (known / rate).denominator == 1), Fraction(30)
    )


def seconds(frames: int, rate: Fraction) -> str:
    """The time of so many pictures: `1001/30000s`."""
    count = frames * rate.denominator
    return "0s" if not frames else f"{count}s" if rate.numerator == 1 else f"{count}/{rate.numerator}s"


class _Resources:
    """The formats and files that clips refer to, each written down once."""

    def __init__(self, element: Element) -> None:
        self._element = element
        self._ids: dict[object, str] = {}

    def format(self, rate: Fraction, width: int, height: int) -> str:
        key = (rate, width, height)
        if key not in self._ids:
            self._ids[key] = f"r{len(self._ids) + 1}"
            size = {"width": str(width), "height": str(height)} if width and height else {}
            SubElement(self._element, "format", {"id": self._ids[key], "frameDuration": seconds(1, rate)} | size)
        return self._ids[key]

    def asset(self, video: Video) -> str:
        if video.path not in self._ids:
            assert video.rate and video.zero
            form = self.format(video.rate, video.width, video.height)
            self._ids[video.path] = f"r{len(self._ids) + 1}"
            start, duration = seconds(video.zero.frame, video.rate), seconds(video.pictures, video.rate)
            told = {"id": self._ids[video.path], "name": video.file_name, "start": start, "duration": duration}
            told |= {"hasVideo": "1", "format": form}
            told |= {"hasAudio": "1", "audioSources": "1", "audioChannels": "2"} if video.sounds else {}
            asset = SubElement(self._element, "asset", told)
            SubElement(asset, "media-rep", kind="original-media", src=video.address)
        return self._ids[video.path]


def _sequence(project: Element, clips: Sequence[Clip], rate: Fraction, names: _Resources) -> None:
    largest = clips[0].video
    form = names.format(rate, largest.width, largest.height)
    lengths = [_frames_in_sequence(clip, rate) for clip in clips]
    kind = _kind(clip.video for clip in clips)
    whole = seconds(sum(lengths), rate)
    sequence = SubElement(project, "sequence", format=form, duration=whole, tcStart="0s", tcFormat=kind)
    spine = SubElement(sequence, "spine")
    offset = 0
    for clip, length in zip(clips, lengths, strict=True):
        video = clip.video
        assert video.rate and video.zero
        start = seconds(video.zero.frame + clip.span[0], video.rate)
        told = {"ref": names.asset(video), "name": video.file_name, "offset": seconds(offset, rate), "start": start}
        told |= {"duration": seconds(length, rate), "tcFormat": _kind([video])}
        told |= {"format": names.format(video.rate, video.width, video.height)}  # else that of the sequence
        element = SubElement(spine, "asset-clip", told)
        if clip.note:
            SubElement(element, "marker", start=start, duration=seconds(1, video.rate), value=clip.note)
        offset += length


def _frames_in_sequence(clip: Clip, rate: Fraction) -> int:
    assert clip.video.rate
    first, last = clip.span
    return max(1, int((last - first) * rate / clip.video.rate))


def _kind(videos: Iterable[Video]) -> str:
    return "DF" if any(video.start and video.start.drop for video in videos) else "NDF"
