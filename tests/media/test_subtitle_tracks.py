"""Subtitles in MP4 in forms that FFmpeg does not write, and those that can only be told of."""

import struct
import subprocess

import av
import imageio_ffmpeg
import pytest

from tests import clips
from tests.clips import Pictures
from videotag.media.texts import texts


def ffmpeg(*arguments):
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *map(str, arguments)], check=True)


@pytest.fixture
def video(tmp_path):
    return clips.write(tmp_path / "clip.mp4", Pictures(clips.steady(6.0), size=(64, 48)))


def box(kind, *bodies):
    body = b"".join(bodies)
    return struct.pack(">I", 8 + len(body)) + kind + body


def mp4(video, entry, handler, *samples):
    """A clip with a track of samples (start and end in seconds, bytes): 3GPP text of their lengths, written over."""
    fillers = [chr(ord("A") + number) * (len(data) - 2) for number, (_, _, data) in enumerate(samples)]
    clock = "00:00:0{:.3f} --> 00:00:0{:.3f}"
    shown = [f"{clock.format(*s[:2]).replace('.', ',')}\n{f}\n" for s, f in zip(samples, fillers, strict=True)]
    source, path = video.with_name("texts.srt"), video.with_name("a.mp4")
    source.write_text("\n".join(f"{number}\n{text}" for number, text in enumerate(shown, 1)))
    language = ["-metadata:s:s:0", "language=eng"]
    ffmpeg("-i", video, "-i", source, "-map", "0", "-map", "1", "-c:v", "copy", "-c:s", "mov_text", *language, path)
    data = path.read_bytes().replace(b"tx3g", entry).replace(b"sbtl", handler)
    for (_, _, sample), filler in zip(samples, fillers, strict=True):
        written = struct.pack(">H", len(filler)) + filler.encode()
        assert data.count(written) == 1
        data = data.replace(written, sample)
    path.write_bytes(data)
    return path


def read(path, languages=()):
    found = texts(str(path), languages).tracks
    return [(t.source, t.language, [(s["start"], s["end"], s["text"]) for s in t.subtitles]) for t in found]


def test_web_vtt_in_mp4(video):
    """Two cues at once are two boxes; one that stays while the other comes is in both samples, and counts once."""
    one, two = (
        box(b"vttc", box(b"iden", b"7"), box(b"payl", text)) for text in (b"<v Ann>Snow &amp; <i>ice</i>", b"Rain")
    )
    path = mp4(
        video,
        b"wvtt",
        b"text",
        (0.0, 1.0, box(b"vtte")),
        (1.0, 2.0, one),
        (2.0, 3.0, one + two),
        (3.0, 4.0, box(b"vtte")),
    )
    assert read(path) == [("track 2", "en", [(1.0, 2.0, "Snow & ice"), (2.0, 3.0, "Rain")])]


def test_captions_as_a_track(video):
    """QuickTime's c608: pairs with odd parity in a box; the last text is never erased."""
    snow = b"\x94\x20\x94\xae\x94\x70\xd3\x6e\xef\xf7\x94\x2f"  # "Snow"
    ice = b"\x94\x20\x94\xae\x94\x70\x49\xe3\xe5\x80\x94\x2f"  # "Ice"
    path = mp4(video, b"c608", b"clcp", (1.0, 1.04, box(b"cdat", snow)), (3.0, 3.04, box(b"cdat", ice)))
    assert read(path) == [("track 2", "en", [(1.0, 3.0, "Snow"), (3.0, 6.0, "Ice")])]


def test_a_kind_that_is_not_read_is_told(video, caplog):
    path = mp4(video, b"stpp", b"subt", (1.0, 2.0, b"<tt><body><p>Snow</p></body></tt>"))
    assert read(path) == []
    assert "a.mp4: track 2: its subtitles are of a kind (teletext, TTML) that are not read" in caplog.text


def test_pictures_are_told_and_cost_the_others_nothing(tmp_path, video, caplog):
    path = tmp_path / "a.ts"
    with av.open(str(video)) as old, av.open(str(path), "w") as new:
        pictures, drawn = new.add_stream_from_template(old.streams.video[0]), new.add_stream("dvbsub")
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = pictures
                new.mux(packet)
        packet = av.Packet(b"\x20\x00\x0f" + bytes(40))
        packet.stream, packet.pts, packet.dts = drawn, 90_000, 90_000
        new.mux(packet)
    path.with_suffix(".srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nSnow\n")
    assert read(path, ["en"]) == [("a.srt", "en", [(1.0, 2.0, "Snow")])]
    assert "a.ts: track 2: its subtitles are pictures that are not read" in caplog.text


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "srt"), ("a.mp4", "mov_text")])
def test_forced_tracks_are_told(tmp_path, video, name, codec):
    kinds = {"rus": "Вода", "kaz": "Су"}
    shown = [tmp_path / f"{language}.srt" for language in kinds]
    for path, text in zip(shown, kinds.values(), strict=True):
        path.write_text(f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n", encoding="utf-8")
    inputs = [part for path in shown for part in ("-i", path)]
    tags = ["-metadata:s:s:0", "language=rus", "-metadata:s:s:1", "language=kaz", "-disposition:s:0", "forced"]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-c:v", "copy", "-c:s", codec]
    ffmpeg("-i", video, *inputs, *maps, *tags, tmp_path / name)
    tracks = texts(str(tmp_path / name)).tracks
    assert [(track.language, track.forced) for track in tracks] == [("ru", True), ("kk", False)]


def test_what_was_shown_before_the_video_begins(tmp_path):
    """Cut between two keyframes: an edit list hides what comes before the cut."""
    source, whole, path = (tmp_path / name for name in ("texts.srt", "whole.mp4", "a.mp4"))
    shown = [("00:00:01,000 --> 00:00:02,000", "Out"), ("00:00:02,000 --> 00:00:03,900", "In")]
    source.write_text("\n".join(f"{n}\n{times}\n{text}\n" for n, (times, text) in enumerate(shown, 1)))
    video = clips.write(tmp_path / "clip.mp4", Pictures(clips.steady(6.0), size=(64, 48), gop=200))
    ffmpeg("-i", video, "-i", source, "-map", "0", "-map", "1", "-c:v", "copy", "-c:s", "mov_text", whole)
    ffmpeg("-ss", "1.5", "-i", whole, "-map", "0", "-c", "copy", path)
    with av.open(str(path)) as file:
        first = next(file.demux(file.streams.subtitles[0]))
    assert first.pts is not None and first.pts < 0  # else nothing is tried here
    (found,) = (track.subtitles for track in texts(str(path)).tracks)
    assert [one["text"] for one in found] == ["In"]


def test_remarks_and_drawings_of_an_author_are_no_text(tmp_path, video):
    events = [
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{checked: Ann}{\\k20}Snow, {\\kf9}ice",
        "Dialogue: 1,0:00:01.50,0:00:02.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}",
    ]
    head = "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, "
    source, path = tmp_path / "texts.ass", tmp_path / "a.mkv"
    source.write_text(head + "MarginV, Effect, Text\n" + "\n".join(events) + "\n")
    ffmpeg("-i", video, "-i", source, "-map", "0", "-map", "1", "-c", "copy", path)
    assert read(path, ["en"]) == [("track 2", "en", [(1.0, 2.0, "Snow, ice")])]


def test_the_title_of_ogg_is_its_tracks(tmp_path):
    path = tmp_path / "a.ogg"
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "flac", "-metadata", "title=Snow", path)
    assert texts(str(path)).title == "Snow"
