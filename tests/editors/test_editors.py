"""Files for editors, read back by OpenTimelineIO, ElementTree and csv; the expected values are worked out by hand."""

import csv
import io
import json
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import opentimelineio as otio
import pytest

from videotag.editors import edl, fcpxml, formats
from videotag.editors.clips import Clip, Video, chapters_of, video_of
from videotag.errors import UserError
from videotag.timecode import timecode

NTSC = "30000/1001"


def video(path="/tapes/Новости дня.mxf", rate: str | None = "25", start: str | None = "10:00:00:00", **more) -> Video:
    known = {"video_duration": 600.0, "width": 1920, "height": 1080, **more}
    return video_of({"video_path": path, "frame_rate": rate, "timecode": start, **known})


TAPE = video()
DROP = video("/tapes/ntsc.mov", NTSC, "10:00:00;00")
PHONE = video("/tapes/phone.mp4", None, None)


def made(form, *clips, title="плотина"):
    return formats.written(form, clips, title)[0]


def only(form, *clips, title="плотина"):
    [text] = made(form, *clips, title=title).values()
    return text


# --- what is handed over


def test_pictures_of_a_stretch():
    assert Clip(TAPE, 71.7, 120.0, "").span == (1792, 3000)  # 71.7 * 25 = 1792.5: the picture on screen
    assert Clip(DROP, 60.0, 60.0, "").span == (1797, 1798)  # never empty
    assert Clip(TAPE, 590.0, 700.0, "").span == (14_750, 15_000)  # not beyond the end
    first, last = Clip(DROP, 60.0, 60.1, "").timecodes or (None, None)
    assert (str(first), str(last)) == ("10:00:59;28", "10:01:00;03")  # 1798 and 1801, after two numbers left out


def test_a_file_name_stays_as_it_is():
    """Editors find a file by it; screen recordings have a narrow space before PM."""
    for name in ("a  b.mp4", "9.41\u202fPM.mov", "Новости.mxf"):
        assert video(f"/tapes/{name}").file_name == name


def test_what_an_older_record_lacks():
    old = video_of({"video_path": "video/a.mp4", "video_duration": 9.5, "fps": 25.0})
    assert (old.rate, old.start, Clip(old, 1, 2, "").timecodes) == (None, None, None)
    assert chapters_of({"video_path": "a.mp4"}) == []


def test_chapters_of_a_record_and_of_a_result():
    told = [{"start": 0.0, "end": 12.5, "title": "Начало"}, {"start": 12.5, "end": 20.0, "title": ""}]
    for chapters in (told, json.dumps(told)):
        record = {"video_path": "a.mp4", "chapters": chapters}
        assert [(c.start, c.end, c.text) for c in chapters_of(record)] == [(0, 12.5, "Начало"), (12.5, 20, "")]


def test_a_source_without_sound_has_none_in_an_editor():
    mute = video("/tapes/mute.mov", transcript_source="")
    clips = [Clip(mute, 0, 2, "а"), Clip(TAPE, 0, 1, "")]
    assets = ElementTree.fromstring(only("fcpxml", *clips)).findall("resources/asset")
    assert [asset.get("hasAudio") for asset in assets] == [None, "1"]
    events = [line.split()[2] for line in made("edl", *clips)[".edl"].splitlines() if line[:3].isdigit()]
    assert events == ["V", "B"]
    text = only("otio", *clips)
    sound = otio.adapters.read_from_string(text, "otio_json").tracks[1]
    assert [type(item) for item in sound] == [otio.schema.Gap, otio.schema.Clip]
    assert sound.range_of_child(sound[1]).start_time.value == 50
    library = otio.adapters.write_to_string(otio.adapters.read_from_string(text, "otio_json"), "otio_json")
    assert json.loads(text) == json.loads(library)
    assert video(transcript_source="subtitles: a.srt").sounds  # nobody listened
    records = [{"video_path": "a.mp4", "phase1_version": version} for version in (1, 3)]
    assert [video_of(record).sounds for record in ({"video_path": "a.mp4"}, *records)] == [True, True, False]


# --- csv


def test_csv_in_seconds_and_source_timecode():
    rows = list(csv.DictReader(io.StringIO(only("csv", Clip(DROP, 60, 600, "речь"), Clip(PHONE, 1.5, 2, "")))))
    assert [(row["in"], row["out"], row["timecode_in"], row["timecode_out"]) for row in rows] == [
        ("60.000", "600.000", "10:00:59;28", "10:10:00;00"),
        ("1.500", "2.000", "", ""),
    ]
    assert [(row["file"], row["frame_rate"], row["drop_frame"]) for row in rows] == [
        ("ntsc.mov", NTSC, "yes"),
        ("phone.mp4", "", ""),
    ]
    assert [row["guard"] for row in rows] == ["", "frame rate varies or is not known: seconds only, no timecode"]


@pytest.mark.parametrize("text", ["=1+1", "+7 701", "-5", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1+1", "\n@x"])
def test_no_cell_is_a_formula(text):
    for row in csv.reader(io.StringIO(only("csv", Clip(video(f"{text}/{text}.mp4"), 0, 1, text)), newline="")):
        assert not [cell for cell in row if cell.strip()[:1] in tuple("=+-@＝＋－＠")]


# --- edl


def read_edl(text, rate):
    return otio.adapters.read_from_string(text, "cmx_3600", rate=rate)


def test_an_edl_is_read_back():
    files = made("edl", Clip(TAPE, 71.7, 120.0, "один"), Clip(video("/tapes/b.mp4", start=None), 2, 3, "два"))
    lines = files[".edl"].splitlines()
    assert lines[:2] == ["TITLE: плотина", "FCM: NON-DROP FRAME"]
    track = read_edl(files[".edl"], 25).tracks[0]
    first, second = track.find_clips()
    assert [first.name, second.name] == ["Новости дня.mxf", "b.mp4"]
    start = first.source_range.start_time
    assert (start.to_timecode(), start.value) == ("10:01:11:17", 900_000 + 1792)
    assert (first.source_range.duration.value, second.source_range.duration.value) == (1208, 25)
    assert second.source_range.start_time.to_timecode() == "00:00:02:00"  # editors count from 0 there
    assert lines[-2].split()[-2:] == [
        "01:00:48:08",
        "01:00:49:08",
    ]  # where the first ends: 1208 pictures are 48 s and 8
    reels = list(csv.DictReader(io.StringIO(files["_reels.csv"])))
    assert [(row["reel"], row["file"]) for row in reels] == [
        ("REEL001", "/tapes/Новости дня.mxf"),
        ("B", "/tapes/b.mp4"),
    ]
    assert [clip.metadata["cmx_3600"]["reel"] for clip in (first, second)] == ["REEL001", "B"]


def test_an_edl_in_drop_frame():
    text = made("edl", Clip(DROP, 0, 60.06, ""), Clip(DROP, 60, 62, ""))[".edl"]
    assert "FCM: DROP FRAME" in text.splitlines()
    events = [line.split()[-4:] for line in text.splitlines() if line[:3].isdigit()]
    assert events[0] == ["10:00:00;00", "10:01:00;02", "01:00:00;00", "01:01:00;02"]  # 1800 pictures
    assert events[1] == ["10:00:59;28", "10:01:02;00", "01:01:00;02", "01:01:02;02"]  # 1798 to 1858, 60 pictures
    clips = list(read_edl(text, 30_000 / 1001).find_clips())
    assert [clip.source_range.duration.value for clip in clips[:2]] == [1800, 60]


def test_a_list_a_frame_rate():
    files = made("edl", Clip(TAPE, 0, 1, ""), Clip(DROP, 0, 1, ""), Clip(TAPE, 2, 3, ""))
    assert list(files) == ["_25.edl", "_29-97.edl", "_reels.csv"]
    assert [files[name].count("* FROM CLIP NAME") for name in ("_25.edl", "_29-97.edl")] == [2, 1]


def test_reels_are_short_plain_and_no_two_alike():
    paths = ["/a/news.mp4", "/b/NEWS.mov", "/новости.mp4", "/фильм.mp4", "/a/morning_news_2026.mp4", "/BL.mxf"]
    paths += ["/a/morning_news_2027.mp4", "/a/news.mp4", *(f"/{n}/клип.mp4" for n in range(1200))]
    reels = edl.reel_names(paths)
    assert list(reels.values())[:7] == ["NEWS", "NEWS001", "REEL001", "REEL002", "MORNINGN", "BL001", "MORNI001"]
    assert len(set(reels.values())) == len(set(paths))
    assert all(reel.isascii() and reel.isalnum() and len(reel) <= 8 for reel in reels.values())


def test_what_an_edl_cannot_hold():
    with pytest.raises(UserError, match=r"a.mp4: 15 pictures a second are none of an EDL's rates; save otio"):
        made("edl", Clip(video("a.mp4", "15", None), 0, 1, ""))
    with pytest.raises(UserError, match="1000 cuts: an EDL holds 999"):
        made("edl", *[Clip(TAPE, 0, 1, "")] * 1000)


@pytest.mark.parametrize("form", formats.ON_A_GRID)
def test_a_varying_rate_has_no_timecode_and_it_is_said(form):
    files, left_out = formats.written(form, [Clip(TAPE, 0, 1, ""), Clip(PHONE, 0, 1, ""), Clip(PHONE, 2, 3, "")], "x")
    assert files and left_out == [
        f"/tapes/phone.mp4: cannot be in {form}: its frame rate varies or is not known; "
        "save csv, m3u8 or xspf, which count seconds"
    ]
    with pytest.raises(UserError, match=r"phone\.mp4: cannot be in"):
        formats.written(form, [Clip(PHONE, 0, 1, "")], "x")


# --- otio


def test_otio_is_read_back():
    clips = [Clip(TAPE, 71.7, 120.0, "Снег\x1b[2J\nв горах"), Clip(DROP, 60, 62, "")]
    timeline = otio.adapters.read_from_string(only("otio", *clips), "otio_json")
    assert timeline.name == "плотина" and [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    first, second = timeline.tracks[0]
    assert first.source_range.start_time.to_timecode() == "10:01:11:17"
    assert first.source_range.duration.value == 1208
    assert first.media_reference.available_range.start_time.to_timecode() == "10:00:00:00"
    assert first.media_reference.available_range.duration.value == 15_000  # 600 s
    assert unquote(urlsplit(first.media_reference.target_url).path) == "/tapes/Новости дня.mxf"
    assert [(mark.comment, mark.marked_range.start_time) for mark in first.markers] == [
        ("Снег[2J в горах", first.source_range.start_time)
    ]
    assert second.source_range.start_time.to_timecode(second.source_range.start_time.rate, True) == "10:00:59;28"
    assert (second.source_range.duration.value, list(second.markers)) == (60, [])
    assert timeline.tracks[0].range_of_child(second).start_time.to_seconds() == pytest.approx(1208 / 25)


def test_otio_has_the_shape_that_the_library_writes():
    text = only("otio", Clip(TAPE, 0, 1, "а"))
    library = otio.adapters.write_to_string(otio.adapters.read_from_string(text, "otio_json"), "otio_json")
    assert json.loads(text) == json.loads(library)


# --- fcpxml


def seconds_of(text):
    return Fraction(text.removesuffix("s"))


def test_fcpxml_counts_on_the_pictures():
    text = only("fcpxml", Clip(DROP, 60, 62, "речь <&>\x07"), Clip(DROP, 0, 1.001, ""))
    root = ElementTree.fromstring(text)
    assert (text.splitlines()[1], root.get("version")) == ("<!DOCTYPE fcpxml>", "1.10")
    [asset], [form] = root.findall("resources/asset"), root.findall("resources/format")
    frame = Fraction(1001, 30_000)
    assert (form.get("frameDuration"), form.get("width"), form.get("id")) == (
        "1001/30000s",
        "1920",
        asset.get("format"),
    )
    start = timecode("10:00:00;00", Fraction(30_000, 1001))
    assert start and start.frame == 36_000 * 30 - 18 * 60  # 10 h of numbers less 18 in each ten minutes
    assert seconds_of(asset.get("start")) == start.frame * frame
    assert seconds_of(asset.get("duration")) == 17_982 * frame  # 600 s
    [media] = asset
    assert (media.get("kind"), media.get("src")) == ("original-media", Path("/tapes/ntsc.mov").absolute().as_uri())
    [sequence] = root.findall("library/event/project/sequence")
    assert (sequence.get("tcFormat"), seconds_of(sequence.get("duration"))) == ("DF", 90 * frame)
    one, two = sequence.findall("spine/asset-clip")
    assert [seconds_of(one.get(key)) / frame for key in ("offset", "start", "duration")] == [0, start.frame + 1798, 60]
    assert [seconds_of(two.get(key)) / frame for key in ("offset", "start", "duration")] == [60, start.frame, 30]
    assert {clip.get("name") for clip in (one, two)} == {"ntsc.mov"} and one.get("ref") == asset.get("id")
    [marker] = one
    assert (marker.get("start"), marker.get("value")) == (one.get("start"), "речь <&>")


def test_every_time_of_fcpxml_lies_on_a_picture():
    clips = [
        Clip(source, 0.4 * n, 0.4 * n + 7.7, "а") for n in range(9) for source in (TAPE, DROP, video("c.mp4", "15"))
    ]
    root = ElementTree.fromstring(only("fcpxml", *clips))
    rates = {form.get("id"): 1 / seconds_of(form.get("frameDuration")) for form in root.iter("format")}
    assets = {asset.get("id"): rates[asset.get("format")] for asset in root.iter("asset")}
    sequences = list(root.iter("sequence"))
    assert [rates[sequence.get("format")] for sequence in sequences] == [25, Fraction(30_000, 1001), 30]
    for sequence in sequences:
        end = Fraction(0)
        for clip in sequence.iter("asset-clip"):
            assert rates[clip.get("format")] == assets[clip.get("ref")]
            rate = rates[sequence.get("format")]
            assert seconds_of(clip.get("offset")) == end
            end += seconds_of(clip.get("duration"))
            assert (
                (end * rate).denominator == (seconds_of(clip.get("start")) * assets[clip.get("ref")]).denominator == 1
            )
        assert seconds_of(sequence.get("duration")) == end


def test_the_rate_of_a_sequence():
    own = [Fraction(24), Fraction(24_000, 1001), Fraction(25), Fraction(60_000, 1001)]
    assert [fcpxml.sequence_rate(rate) for rate in own] == own
    others = [Fraction(15), Fraction(25, 2), Fraction(15_000, 1001), Fraction(7, 3)]
    assert [fcpxml.sequence_rate(rate) for rate in others] == [30, 25, Fraction(30_000, 1001), 30]


# --- playlists


def test_m3u8_and_xspf():
    clips = [Clip(TAPE, 71.7, 120.0, "снег\n#EXTVLCOPT:sout=x"), Clip(PHONE, 0, 1.5, "")]
    place = Path("/tapes/Новости дня.mxf").absolute().as_uri()
    assert only("m3u8", *clips).splitlines() == [
        "#EXTM3U",
        "#EXTINF:48,Новости дня.mxf: снег #EXTVLCOPT:sout=x",  # one line: no option of a stranger's
        "#EXTVLCOPT:start-time=71.700",
        "#EXTVLCOPT:stop-time=120.000",
        place,
        "#EXTINF:2,phone.mp4",
        "#EXTVLCOPT:start-time=0.000",
        "#EXTVLCOPT:stop-time=1.500",
        Path("/tapes/phone.mp4").absolute().as_uri(),
    ]
    spec, vlc = "{http://xspf.org/ns/0/}", "{http://www.videolan.org/vlc/playlist/ns/0/}"
    root = ElementTree.fromstring(only("xspf", *clips))
    tracks = root.findall(f"{spec}trackList/{spec}track")
    assert tracks[0].findtext(f"{spec}location") == place
    assert [option.text for option in tracks[0].iter(f"{vlc}option")] == ["start-time=71.700", "stop-time=120.000"]
    assert [track.findtext(f"{spec}extension/{vlc}id") for track in tracks] == ["0", "1"]
    assert [track.findtext(f"{spec}duration") for track in tracks] == ["48300", "1500"]


@pytest.mark.parametrize("form", formats.FORMATS)
def test_control_characters_are_in_no_file(form):
    text = "\n".join(
        made(form, Clip(video("/a\x1b[2J/b\x07\u202e.mp4"), 0, 1, "a\x1b\ufffe\u202eb"), title="q\x1b").values()
    )
    assert not set(text) & set("\x1b\x07\u202e\ufffe")
