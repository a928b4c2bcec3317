"""Texts that are there to be read: subtitles beside a file and in it, captions, chapters, the title."""

import subprocess

import av
import imageio_ffmpeg
import pytest

from tests import clips
from tests.clips import Pictures
from videotag.media.source import Source
from videotag.media.subtitle_text import cues, decoded
from videotag.media.texts import Track, texts
from videotag.results import Subtitle
from videotag.speech.from_subtitles import transcription

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Вода</i> & хлеб
на столе

2
00:00:00,200 --> 00:00:00,900
{\\an8}Раньше
"""
READ = [(0.2, 0.9, "Раньше"), (1.0, 2.5, "Вода & хлеб на столе")]


def ffmpeg(*arguments):
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *map(str, arguments)], check=True)


@pytest.fixture
def video(tmp_path):
    return clips.write(tmp_path / "news.mp4", Pictures(clips.steady(3.0)))


def read(path, languages=()):
    """Each track's name, language and texts."""
    found = texts(str(path), languages).tracks
    return [(t.source, t.language, [(s["start"], s["end"], s["text"]) for s in t.subtitles]) for t in found]


@pytest.mark.parametrize(
    "name",
    [
        *("news.srt", "news.ru.srt", "news.rus.forced.SRT", "news.ru-RU.srt", "NEWS.srt", "News.Ru.Srt"),
        *("news.forced.srt", "news.sdh.srt", "news.ru.hi.srt", "news.cc.rus.srt"),
    ],
)
def test_beside_the_file(video, name):
    video.with_name(name).write_text(SRT, encoding="utf-8")
    assert read(video, ["ru"]) == [(name, "ru", READ)]


@pytest.mark.parametrize(
    "name", ["news2.srt", "news.part.srt", "other.ru.srt", "news.txt", "news.2024.srt", "news.01.srt", "news.ru.kk.srt"]
)
def test_of_another_file(video, name):
    video.with_name(name).write_text(SRT, encoding="utf-8")
    assert read(video) == []


def test_of_another_video_that_is_called_by_a_language(video):
    video.with_name("news.ru.mkv").touch()
    video.with_name("news.ru.srt").write_text(SRT, encoding="utf-8")
    assert read(video) == []


def test_names_that_differ_in_capitals_where_both_are_there(video):
    for name in ("NEWS.srt", "NEWS.ru.srt", "news.kk.srt"):
        video.with_name(name).write_text(SRT, encoding="utf-8")
    assert len(read(video)) == 1  # they are of one text
    video.with_name("NEWS.mkv").touch()
    assert [name for name, _, _ in read(video)] == ["news.kk.srt"]


@pytest.mark.parametrize(("name", "beside"), [("a[1]*.mp4", "a[1]*.ru.srt"), ("н.2024.05.01.mp4", "н.2024.05.01.srt")])
def test_names_with_dots_and_signs(tmp_path, video, name, beside):
    path = video.rename(tmp_path / name)
    for other in ("a1.srt", "н.2024.srt", beside):
        path.with_name(other).write_text(SRT, encoding="utf-8")
    assert read(path, ["ru"]) == [(beside, "ru", READ)]


def test_a_name_that_another_system_has_composed(tmp_path, video):
    path = video.rename(tmp_path / "й.mp4")
    path.with_name("и\u0306.srt").write_text(SRT, encoding="utf-8")
    assert len(read(path)) == 1


def test_forced_ones_are_told(video):
    video.with_name("news.ru.forced.srt").write_text(SRT, encoding="utf-8")
    video.with_name("news.kk.srt").write_text(SRT.replace("хлеб", "нан"), encoding="utf-8")
    assert {track.source: track.forced for track in texts(str(video)).tracks} == {
        "news.kk.srt": False,
        "news.ru.forced.srt": True,
    }


def test_what_is_too_large_is_told(video, caplog, monkeypatch):
    monkeypatch.setattr("videotag.media.texts._LARGEST", 100)
    video.with_name("news.srt").write_text(SRT, encoding="utf-8")
    assert read(video) == []
    assert "news.srt: is left out: subtitles have no more than" in caplog.text
    assert "can be read" not in caplog.text


def test_a_folder_that_is_named_like_subtitles(video):
    video.with_name("news.srt").mkdir()
    assert read(video) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_encodings(video, encoding, ends):
    video.with_name("news.srt").write_bytes(SRT.replace("\n", ends).encode(encoding))
    assert read(video, ["ru"]) == [("news.srt", "ru", READ)]


def test_kazakh_of_before_unicode(video):
    text = "Өзендегі су екі метрге көтерілді"
    video.with_name("news.kk.srt").write_bytes(f"1\n00:00:00,000 --> 00:00:02,000\n{text}\n".encode("kz1048"))
    assert read(video) == [("news.kk.srt", "kk", [(0.0, 2.0, text)])]


OLD = "Вода и хлеб на столе, а за окном снег"


@pytest.mark.parametrize(
    ("encoding", "text", "language"),
    [
        *((encoding, OLD, "ru") for encoding in ("cp1251", "koi8-r", "cp866", "iso8859-5")),
        ("cp1251", OLD.upper(), "ru"),
        ("koi8-r", OLD.upper(), "ru"),
        ("kz1048", "Қаладағы су екі метрге көтерілді", ""),
        ("cp1251", "Їхній ґанок є біля річки", ""),
        ("cp1252", "un café naïf", ""),
        ("cp1252", "smörgåsbord på svenska", "sv"),
        ("cp1250", "źdźbło trawy", "pl"),
        ("cp932", "こんにちは", "ja"),
        ("utf-16-le", "Всегда снег " * 9, "ru"),
    ],
)
def test_what_was_written_before_unicode(encoding, text, language):
    assert decoded(f"{text}\n".encode(encoding), language) == f"{text}\n"


def test_a_lost_byte_costs_itself():
    broken = "Вода и хлеб".encode()[:-1]
    assert decoded(broken, "ru") == "Вода и хле\ufffd"


@pytest.mark.parametrize(
    "times",
    [
        *("00:00:01,000 --> 00:00:02,500", "00:00:01:000 --> 00:00:02:500", "00:00:01.000 --> 00:00:02.500"),
        *("0:00:01,0 --> 0:00:02,5", "00:01,000 --> 00:02,500", "00:00:01,000-->00:00:02,500"),
        *("00:00:01,000 -> 00:00:02,500", "00:00:01 --> 00:00:02,5", "00: 00: 01,000 --> 00: 00: 02,500"),
        *(
            "00:00:01,000 –> 00:00:02,500",
            "00:00:01,000 --&gt; 00:00:02,500",
            "00:00:01,000 --> 00:00:02,500 X1:9 Y1:2",
        ),
    ],
)
def test_times_as_they_are_written(times):
    assert [(c.start, c.end, c.text) for c in cues(f"\ufeff1\n{times}\nда\n")] == [(1.0, 2.5, "да")]


T1, T2 = "00:00:01,000 --> 00:00:02,000", "00:00:03,000 --> 00:00:04,000"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"1\n{T1}\nда\n2\n{T2}\nнет\n", ["да", "нет"]),  # no blank line between them
        (f"{T1}\nда\n{T2}\nнет\n", ["да", "нет"]),
        (f"1\n{T1}\n\nда\n\nи\n\n2\n{T2}\nнет\n", ["да и", "нет"]),  # blank lines within
        (f"1\n{T1}\nГод\n1991\n\n2\n{T2}\n1992\n", ["Год 1991", "1992"]),
        (f"{T1}\n1991\n\n{T2}\n1992\n", ["1991", "1992"]),
        (f"1\n{T1}\n\n2\n{T2}\nнет\n", ["нет"]),
        (f"WEBVTT\n\n{T1}\nда\n\nNOTE что\n\nname\n{T2}\nнет\n\nNOTE где\n", ["да", "нет"]),
        (f"WEBVTT\n\n{T1}\nда\n{T2}\nнет\n", ["да", "нет"]),
        ("", []),
        ("WEBVTT\n", []),
    ],
)
def test_where_a_text_ends(text, found):
    assert [cue.text for cue in cues(text)] == found


def test_advanced_substation_beside_the_file(video):
    events = [
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
        "Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,нет",
        "Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}",
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\k20}Вода, {\\k10}снег\\Nи хлеб",
    ]
    text = "[Script Info]\nTitle: a\n\n[Events]\n" + "\n".join(events)
    video.with_name("news.ass").write_text(text, encoding="utf-8-sig")
    assert read(video, ["ru"]) == [("news.ass", "ru", [(1.0, 2.5, "Вода, снег и хлеб")])]


def test_web_vtt(video):
    text = (
        "WEBVTT - a title\n\nSTYLE\n::cue { color: red }\n\nNOTE nothing\n\nfirst\n"
        "00:01.000 --> 00:02.000 align:start\n<v Анна>Вода &lt; хлеба</v>\n\n"
        "00:00:02.000 --> 00:00:03.000\n<00:00:02.000><c.red>Снег</c>\x1b[31m\n"
    )
    video.with_name("news.vtt").write_text(text, encoding="utf-8")
    assert read(video, ["ru"]) == [("news.vtt", "ru", [(1.0, 2.0, "Вода < хлеба"), (2.0, 3.0, "Снег[31m")])]


def test_what_is_broken_is_told_and_left_out(video, caplog):
    video.with_name("news.srt").write_bytes(bytes(range(256)) * 20)
    video.with_name("news.ru.srt").write_text(SRT, encoding="utf-8")
    assert [name for name, _, _ in read(video)] == ["news.ru.srt"]
    assert "news.srt: holds no subtitles that can be read, and is left out" in caplog.text


def test_a_text_without_an_end_is_there_to_be_read():
    (found,) = cues("00:00:05,000 --> 00:00:04,000\nдо свидания, до завтра, до встречи\n")  # 34 letters, 17 a second
    assert (found.start, found.end) == (5.0, 7.0)


def test_lines_that_roll_up_count_once():
    lines = ["one", "one\ntwo", "two\nthree", "three"]
    text = "\n\n".join(f"00:00:0{n}.000 --> 00:00:0{n + 1}.000\n{line}" for n, line in enumerate(lines))
    assert [(cue.start, cue.end, cue.text) for cue in cues(text)] == [(0, 1, "one"), (1, 2, "two"), (2, 4, "three")]


@pytest.mark.parametrize("text", ["{", "{\\", "{\\p1", "("])
def test_what_is_never_closed_is_text_and_costs_no_square_of_its_length(text):
    """Where it does, this takes minutes."""
    hostile = text * (100_000 // len(text))
    (found,) = cues(f"00:01.000 --> 00:02.000\n{hostile}\n")
    said = Subtitle(start=found.start, end=found.end, text=found.text, language="")
    assert [word.text for word in transcription(Track("news.srt", "", (said,))).words] == [f" {hostile}"]


def test_the_same_line_after_a_silence_is_said_again():
    text = "00:00:00.000 --> 00:00:01.000\nда\n\n00:00:03.000 --> 00:00:04.000\nда\n"
    assert [cue.start for cue in cues(text)] == [0.0, 3.0]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "srt"), ("a.mkv", "ass"), ("a.mkv", "webvtt"), ("a.mp4", "mov_text"), ("a.mov", "mov_text")],
)
def test_in_the_file(tmp_path, video, name, codec):
    source = tmp_path / "texts.srt"
    source.write_text(SRT.replace("00:00:00,200 --> 00:00:00,900", "00:00:02,500 --> 00:00:02,900"), encoding="utf-8")
    path = tmp_path / name
    copied = ["-map", "0", "-map", "1", "-c:v", "copy", "-c:s", codec, "-metadata:s:s:0", "language=rus"]
    ffmpeg("-i", video, "-i", source, *copied, path)
    assert read(path) == [("track 2", "ru", [(1.0, 2.5, "Вода & хлеб на столе"), (2.5, 2.9, "Раньше")])]


def test_another_encoding_in_the_file(tmp_path, video):
    path, source, there = tmp_path / "a.mkv", tmp_path / "texts.srt", b"ABCDEFGHIJK"
    source.write_bytes(b"1\n00:00:00,000 --> 00:00:02,000\n" + there + b"\n")
    ffmpeg("-i", video, "-i", source, "-map", "0", "-map", "1", "-c:v", "copy", "-c:s", "srt", path)
    path.write_bytes(path.read_bytes().replace(there, "Вода и хлеб".encode("cp1251")))
    assert read(path, ["ru"]) == [("track 2", "ru", [(0.0, 2.0, "Вода и хлеб")])]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov"])
def test_chapters_and_the_title(tmp_path, video, name):
    parts = [(0, 1200, "Снег"), (1200, 3000, "Хоккейный матч")]
    chapters = "".join(f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={a}\nEND={b}\ntitle={title}\n" for a, b, title in parts)
    (tmp_path / "meta.txt").write_text(f";FFMETADATA1\ntitle=Вечерние новости\n{chapters}", encoding="utf-8")
    path = tmp_path / name
    ffmpeg("-i", video, "-i", tmp_path / "meta.txt", "-map", "0:v", "-map_metadata", "1", "-c", "copy", path)
    found = texts(str(path))
    assert found.title == "Вечерние новости"
    assert [(c["start"], c["end"], c["title"]) for c in found.chapters] == [
        (0.0, 1.2, "Снег"),
        (1.2, 3.0, "Хоккейный матч"),
    ]
    assert found.tracks == ()


# --- CEA-608


def coded(*pairs: int) -> bytes:
    """Pairs of bytes of field 1 with odd parity, one in a frame's list of captions: ATSC A/53, part 4."""
    odd = [byte | (0x80 if bin(byte).count("1") % 2 == 0 else 0) for byte in pairs]
    body = bytes([0xFC, *odd])
    payload = b"\xb5\x00\x31GA94\x03" + bytes([0xC0 | len(body) // 3, 0xFF]) + body + b"\xff"
    return b"\x06\x04" + bytes([len(payload)]) + payload + b"\x80"  # SEI, user data registered by ITU-T T.35


def captioned(path, source, shown, without=0):
    """The clip with a pair of each of `shown` in its frames, as SEI before each picture (H.264, Annex B).

    `without`: so many frames at the start have no captions at all.
    """
    raw = path.with_suffix(".h264")
    ffmpeg("-i", source, "-c", "copy", "-bsf:v", "h264_mp4toannexb", raw)
    with av.open(str(raw)) as old:
        packets = [bytes(packet) for packet in old.demux(old.streams.video[0]) if packet.size]
    start = b"\x00\x00\x00\x01"
    pairs = iter(shown)
    with raw.open("wb") as file:
        for number, packet in enumerate(packets):
            at = min(
                at
                for kind in (b"\x65", b"\x41", b"\x61", b"\x01", b"\x21")
                if (at := packet.find(b"\x00\x00\x01" + kind)) >= 0
            )
            sei = start + coded(*next(pairs, (0, 0))) if number >= without else b""
            file.write(packet[:at] + sei + packet[at:])
    ffmpeg("-r", "25", "-i", raw, "-c", "copy", path)
    return path


def pop_on(text: str) -> list[tuple[int, int]]:
    """Load a text in row 15 and show it: CEA-608-E, RCL, ENM, PAC, characters, EOC."""
    characters = [ord(char) for char in text + " " * (len(text) % 2)]
    return [
        (0x14, 0x20),
        (0x14, 0x2E),
        (0x14, 0x70),
        *zip(characters[::2], characters[1::2], strict=True),
        (0x14, 0x2F),
    ]


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_captions_in_the_pictures(tmp_path, name):
    clip = clips.write(tmp_path / "clip.mp4", Pictures(clips.steady(3.0)))
    shown = [*pop_on("SNOW"), *[(0, 0)] * 19, *pop_on("ROUGH"), *[(0, 0)] * 11, (0x14, 0x2C)]  # and erased
    [(source, _, found)] = read(captioned(tmp_path / name, clip, shown))
    assert source == "captions (CEA-608)"
    assert [text for _, _, text in found] == ["SNOW", "ROUGH"]
    # SNOW is shown by pair 6, ROUGH by pair 6 + 19 + 7, the screen is empty after 11 more; a frame has 0.04 s.
    assert [time for start, end, _ in found for time in (start, end)] == pytest.approx(
        [0.2, 1.24, 1.24, 1.72], abs=0.05
    )


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
def test_captions_of_a_programme_that_begins_later(tmp_path, name):
    """Advertisements of three seconds without any come before it."""
    clip = clips.write(tmp_path / "clip.mp4", Pictures(clips.steady(8.0), size=(64, 48)))
    [(_, _, found)] = read(captioned(tmp_path / name, clip, pop_on("SNOW"), without=75))
    assert [text for _, _, text in found] == ["SNOW"]
    assert found[0][0] == pytest.approx(3.2, abs=0.05)  # pair 6 of those from 3 s on


def test_pictures_without_captions_are_not_decoded(video, monkeypatch):
    def never(*_):
        raise AssertionError

    monkeypatch.setattr(Source, "frames", never)
    assert read(video) == []
