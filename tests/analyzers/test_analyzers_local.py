"""The `local` analyzer: pictures, films and texts made here, with answers that follow from how they were made."""

import logging
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.clips import Pictures, steady, write
from videotag.analyzers.contract import Analysis, Frame, Part, Segment, SegmentFailure
from videotag.analyzers.local import analyzer as local
from videotag.analyzers.local.analyzer import LocalAnalyzer
from videotag.analyzers.local.captions import MOST
from videotag.analyzers.local.keywords import keywords
from videotag.analyzers.local.pictures import decode, look, without_bars
from videotag.analyzers.local.screen_text import (
    Line,
    ScreenReader,
    _busy,
    _merged,
    _parsed,
    installed_languages,
    likely_languages,
)
from videotag.analyzers.local.sentences import WORDINGS, Light, Seen, Shots, Wording, clip, describe, wording
from videotag.analyzers.local.shots import Pass, Videos
from videotag.errors import EngineError, UserError
from videotag.media.pictures import small_frames
from videotag.media.skim import Skimmed, skim

RED, GREEN, BLUE, WHITE, BLACK = (0, 0, 220), (0, 180, 0), (220, 0, 0), (250, 250, 250), (0, 0, 0)  # BGR
CLIPS = Path(__file__).parents[3] / "shared" / "media"
RATE = 10  # frames a second of the films made here


def plain(colour: tuple[int, int, int], width: int = 320, height: int = 180) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def captioned(*lines: str) -> np.ndarray:
    """A grey picture with a dark box at the bottom, and the lines in it."""
    image = plain((90, 110, 100), 640, 360)
    cv2.rectangle(image, (10, 340 - 40 * len(lines)), (630, 350), (40, 30, 30), -1)
    for number, line in enumerate(reversed(lines)):
        cv2.putText(image, line, (24, 336 - 40 * number), (240, 240, 240), cv2.FontFace("sans"), 26)
    return image


def square(at: int) -> np.ndarray:
    """A white square of 40 pixels on grey, its left side at `at`."""
    image = plain((100, 100, 100))
    image[60:100, at : at + 40] = 255
    return image


def film(path: Path, *shots: list[np.ndarray]) -> str:
    """An mp4 of the shots' pictures, `RATE` a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=RATE)
        first = shots[0][0]
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = first.shape[1], first.shape[0], "yuv420p", 10**7
        for image in (image for shot in shots for image in shot):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode())
    return str(path)


def frames(*images: np.ndarray) -> tuple[Frame, ...]:
    return tuple(Frame(float(number), jpeg(image)) for number, image in enumerate(images))


def segment(path: str = "", start: float = 0.0, end: float = 6.0, index: int = 0, **fields: object) -> Segment:
    given = {"frames": (), "transcript": "", "language": "ru", "output_language": "ru", **fields}
    return Segment("film", path, index, start, end, **given)  # type: ignore[arg-type]


def no_video(path: str, start: float) -> Iterator[Skimmed]:
    return iter(())


def one(given: Segment, analyzer: LocalAnalyzer | None = None) -> Analysis:
    [(back, result)] = (analyzer or LocalAnalyzer(given.output_language)).analyze([given])
    assert back is given
    assert isinstance(result, Analysis)
    return result


@pytest.fixture
def no_tesseract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def needs(*languages: str) -> pytest.MarkDecorator:
    listed = ""
    if shutil.which("tesseract"):
        listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=False).stdout
    missing = [language for language in languages if language not in listed.split()]
    return pytest.mark.skipif(bool(missing), reason=f"tesseract or its data {' '.join(missing)} is not installed")


# --- light and colour


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        (RED, "red"), (GREEN, "green"), (BLUE, "blue"), ((0, 230, 230), "yellow"), ((0, 130, 240), "orange"),
        ((20, 60, 100), "brown"), ((150, 190, 220), "beige"), ((220, 200, 0), "cyan"), ((200, 30, 120), "purple"),
        ((180, 80, 240), "pink"),
    ],
)  # fmt: skip
def test_a_plain_colour_has_its_name(colour: tuple[int, int, int], name: str) -> None:
    assert look([plain(colour)]).colours == (name,)


def test_colours_are_told_by_area_and_small_ones_left_out() -> None:
    image = plain(BLUE)  # 320 columns: 160 blue, 128 green, 32 (a tenth) red
    image[:, 160:288] = GREEN
    image[:, 288:] = RED
    assert look([image]).colours == ("blue", "green")


@pytest.mark.parametrize(("level", "brightness"), [(30, "dark"), (120, "normal"), (230, "bright")])
def test_brightness(level: int, brightness: str) -> None:
    assert look([plain((level, level, level))]) == Light(brightness, (), True)


def test_black_and_white_only_if_all_pictures_are() -> None:
    grey = np.tile(np.linspace(0, 255, 320, dtype=np.uint8)[None, :, None], (180, 1, 3))
    assert look([grey, grey]).black_and_white
    assert not look([grey, plain(GREEN)]).black_and_white


def test_black_bars_are_not_measured() -> None:
    image = plain(BLACK)
    image[30:150] = WHITE  # bars of 30 rows above and below, as around a wide film
    assert without_bars(image).shape == (120, 320, 3)
    assert look([image]).brightness == "bright"


def test_a_dark_picture_is_not_taken_for_bars() -> None:
    image = plain(BLACK)
    image[80:100, 150:170] = WHITE
    assert without_bars(image).shape == image.shape
    assert without_bars(plain(BLACK)).shape == image.shape


def test_a_broken_jpeg_is_left_out() -> None:
    good = jpeg(plain(RED))
    images, times = decode(Frame(time, data) for time, data in enumerate([b"", b"no jpeg", good[:20], good]))
    assert (len(images), times) == (1, [3])


# --- cuts and movement


def test_cuts_and_mean_length_of_shots(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [plain(RED)] * 20, [plain(GREEN)] * 20, [plain(BLUE)] * 20)  # cuts at 2 and 4 s
    videos = Videos()
    assert videos.shots(path, 0, 6) == Shots((2.0, 4.0), 2.0, "still")
    assert videos.shots(path, 3, 6) == Shots((4.0,), 1.5, "still")
    assert videos.shots(path, 4, 6) == Shots((), 2.0, "still")  # the shot begins with the window
    assert videos.shots(path, 6, 9) is None  # past the end
    videos.close()


@pytest.mark.parametrize(
    ("step", "movement"),
    # A frame has 57,600 pixels. The square uncovers and covers 40 x 2·step pixels each 0.2 s (two frames).
    [(0, "still"), (4, "slight")],
)
def test_movement_of_a_square(tmp_path: Path, step: int, movement: str) -> None:
    path = film(tmp_path / "a.mp4", [square(step * number) for number in range(50)])
    assert Videos().shots(path, 0, 5) == Shots((), 5.0, movement)


def test_strong_movement_is_no_cut(tmp_path: Path) -> None:
    # A pattern of stripes 80 pixels wide moves by 10 each frame: in 0.2 s a quarter of all pixels change.
    stripes = np.tile(np.where(np.arange(320) // 80 % 2, 130, 90).astype(np.uint8)[None, :, None], (180, 1, 3))
    path = film(tmp_path / "a.mp4", [np.roll(stripes, 10 * number, axis=1) for number in range(50)])
    assert Videos().shots(path, 0, 5) == Shots((), 5.0, "strong")


def test_a_cut_is_no_movement(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", *([plain(colour)] * 10 for colour in (RED, GREEN, BLUE, WHITE) * 2))
    assert Videos().shots(path, 0, 8) == Shots((1, 2, 3, 4, 5, 6, 7), 1.0, "still")


def test_each_frame_is_decoded_once_however_windows_overlap(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [plain(RED)] * 30, [plain(GREEN)] * 30, [plain(BLUE)] * 30)
    taken: Counter[float] = Counter()

    def counted(path: str, start: float) -> Iterator[Skimmed]:
        for frame in skim(path, start):
            taken[round(frame.time, 3)] += 1
            yield frame

    picture = frames(plain(RED))
    windows = [segment(path, start, start + 5, index, frames=picture) for index, start in enumerate((0, 2, 4))]
    results = [result for _, result in LocalAnalyzer(read_frames=counted).analyze(windows)]
    assert set(taken.values()) == {1}
    assert len(taken) == 90
    # Cuts at 3 and 6 s: in 0-5 and 2-7 and 4-9.
    assert [result.scene_change for result in results if isinstance(result, Analysis)] == [True, True, True]
    assert "Резких смен кадра: 2" in results[1].description  # type: ignore[union-attr]
    assert [result.cut_times for result in results if isinstance(result, Analysis)] == ["30", "10 40", "20"]


def test_a_run_resumed_in_the_middle_finds_the_same(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [plain(RED)] * 42, [plain(GREEN)] * 18)  # cut at 4.2 s
    videos = Videos()
    videos.shots(path, 0, 5)
    assert videos.shots(path, 4, 6) == Videos().shots(path, 4, 6) == Shots((4.2,), 1.0, "still")


def test_segments_of_several_videos_may_be_mixed(tmp_path: Path) -> None:
    paths = [film(tmp_path / f"{n}.mp4", [plain(RED)] * 10 * (n + 1), [plain(BLUE)] * 40) for n in range(6)]
    videos = Videos()
    for start in (0, 1, 2):  # more videos than are kept open; video n has its only cut at n + 1 s
        found = [videos.shots(path, start, start + 2) for path in paths]
        assert [shots.cuts for shots in found if shots] == [
            (n + 1,) if start < n + 1 < start + 2 else () for n in range(6)
        ]
    videos.close()


def skimmed(time: float, image: np.ndarray) -> Skimmed:
    return Skimmed(time, image, passed=0, intra=False, scaled=lambda width: image, jpeg=bytes)


def test_a_picture_that_changes_its_shape_is_a_cut() -> None:
    def switched(path: str, start: float) -> Iterator[Skimmed]:
        yield from (skimmed(number / 10, plain(RED, 320, 240)) for number in range(20))
        yield from (skimmed(number / 10, plain(RED, 320, 180)) for number in range(20, 40))

    assert Videos(switched).shots("", 0, 4) == Shots((2.0,), 2.0, "still")


@pytest.mark.parametrize("b_frames", [0, 1, 3])
def test_a_cut_is_named_within_one_frame_though_frames_are_passed_over(tmp_path: Path, b_frames: int) -> None:
    # Cuts wherever they lie in the pattern of B-frames, and no keyframes but the first.
    cuts = [31, 62, 93, 124, 155]
    colours = (RED, GREEN, BLUE, WHITE, (0, 130, 240), (120, 30, 200))

    def draw(number: int, size: tuple[int, int]) -> np.ndarray:
        return plain(colours[sum(number >= cut for cut in cuts)], *size)

    pictures = Pictures(steady(8), gop=500, b_frames=b_frames, size=(320, 180), draw=draw)
    path = str(write(tmp_path / "a.mp4", pictures))
    found = Pass(path, skim(path))
    found.window(0, 8)
    assert found._cuts == pytest.approx([cut / 25 for cut in cuts], abs=1 / 25 + 1e-3)


def test_frames_passed_on_without_the_loop_filter_hardly_differ(tmp_path: Path) -> None:
    def draw(number: int, size: tuple[int, int]) -> np.ndarray:
        grain = np.random.default_rng(3).integers(40, 220, (size[1] // 8, size[0] // 4, 3), np.uint8)
        return np.roll(cv2.resize(grain, (2 * size[0], size[1])), 5 * number, axis=1)[:, : size[0]]

    pictures = Pictures(steady(4), gop=500, b_frames=3, size=(640, 360), draw=draw, options={"crf": "38"})
    path = str(write(tmp_path / "a.mp4", pictures))
    whole = {round(time, 3): image for time, image in small_frames(path, width=160)}
    skimmed = [(frame.image, whole[round(frame.time, 3)]) for frame in skim(path)]
    differences = [float(cv2.absdiff(one, other).mean()) for one, other in skimmed]
    assert len(differences) < len(whole) and max(differences) < 1  # of 255; without any loop filter 5


def test_of_a_film_of_keyframes_alone_no_frame_is_passed_over(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.mkv", Pictures(steady(2), codec="mjpeg", gop=1)))
    assert [(frame.time, frame.passed) for frame in skim(path)] == [
        (pytest.approx(n / 25, abs=1e-3), 0) for n in range(50)
    ]


def test_a_quick_dissolve_is_no_cut_though_frames_are_passed_over(tmp_path: Path) -> None:
    # From black to white in 15 steps of 17 levels: three steps together are a cut's worth (51 / 3 channels of HSV
    # are 17; so the scale is of a colour that changes hue, saturation and value alike).
    def draw(number: int, size: tuple[int, int]) -> np.ndarray:
        step = min(max(number - 50, 0), 6)
        hsv = np.full((size[1], size[0], 3), (25 * step, 40 * step, 40 * step), np.uint8)
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)

    path = str(write(tmp_path / "a.mp4", Pictures(steady(4), gop=500, b_frames=3, size=(320, 180), draw=draw)))
    found = Pass(path, skim(path))
    every = Pass(path, (skimmed(time, image) for time, image in small_frames(path)))
    found.window(0, 4)
    every.window(0, 4)
    assert len(found._cuts) == len(every._cuts)
    assert found._cuts == pytest.approx(every._cuts, abs=1 / 25 + 1e-3)


# --- text on the screen


@needs("rus")
def test_a_russian_caption_is_read() -> None:
    given = segment(frames=frames(captioned("Погода в Алматы", "Завтра ожидается снег")))
    found = one(given, LocalAnalyzer(read_frames=no_video))
    assert "На экране надписи: «Погода в Алматы», «Завтра ожидается снег»." in found.description
    assert {"погода", "снег"} <= set(found.keywords)


@needs("rus", "kaz")
def test_a_kazakh_caption_keeps_its_letters() -> None:
    reader = ScreenReader(installed_languages())
    assert reader.read([captioned("ҚАЗАҚСТАН ЖАҢАЛЫҚТАРЫ")], "kk") == {"ҚАЗАҚСТАН ЖАҢАЛЫҚТАРЫ": 0}


@needs("rus", "eng")
def test_an_english_line_in_a_russian_video() -> None:
    reader = ScreenReader(installed_languages())
    assert reader.read([captioned("World Water Forum")], "ru") == {"World Water Forum": 0}


@needs("rus")
def test_a_caption_that_stays_is_told_once_and_a_new_digit_is_news() -> None:
    reader = ScreenReader(installed_languages())
    pictures = [captioned(text) for text in ("Счёт матча 1:0", "Счёт матча 1:0", "Счёт матча 2:0")]
    assert reader.read(pictures, "ru") == {"Счёт матча 1:0": 0, "Счёт матча 2:0": 2}


@needs("rus")
def test_it_is_kept_when_each_text_is_first_seen() -> None:
    none = plain(GREEN, *reversed(captioned("").shape[:2]))
    pictures = [none, captioned("Добрый вечер"), captioned("Добрый вечер"), captioned("Погода в Алматы")]
    shown = tuple(Frame(time, jpeg(image)) for time, image in zip((37.0, 41.25, 45.5, 49.75), pictures, strict=True))
    broken = (Frame(36.0, b"no jpeg"), *shown)
    for given in (shown, broken):
        found = one(segment(start=35.0, end=55.0, frames=given), LocalAnalyzer(read_frames=no_video))
        assert found.on_screen_text == ["Добрый вечер", "Погода в Алматы"]
        assert found.screen_times == "62 148"  # 6.25 and 14.75 s after 35 s; a half goes to the even tenth
    assert one(segment(frames=frames(none)), LocalAnalyzer(read_frames=no_video)).screen_times == ""


@needs("rus", "kaz", "eng")
def test_latin_words_of_a_russian_or_kazakh_video_stay_latin() -> None:
    lines = ("BREAKING NEWS", "Курс USD 512,30", "KEGOC", "ҚАЗАҚСТАН ЖАҢАЛЫҚТАРЫ", "АТАМЕКЕН", "Завод KEGOC")
    for language in ("ru", "kk"):
        assert tuple(ScreenReader(installed_languages()).read([captioned(*lines)], language)) == lines


@needs("rus", "kaz")
def test_a_hard_sign_stays_one() -> None:
    lines = ("Объявление о съезде", "ПОДЪЕЗД ЗАКРЫТ", "Семья и интервью")
    assert tuple(ScreenReader(installed_languages()).read([captioned(*lines)], "ru")) == lines


@needs("rus")
def test_a_page_of_credits_is_kept_whole() -> None:
    jobs = ("Оператор", "Режиссёр", "Монтаж", "Звук", "Свет", "Костюмы", "Грим", "Музыка", "Художник", "Редактор")
    image = plain((20, 20, 20), 1280, 720)
    lines = [f"{job} {name}" for name in ("Иванов", "Петрова") for job in jobs]
    for number, line in enumerate(lines):
        cv2.putText(image, line, (400, 40 + 34 * number), (240, 240, 240), cv2.FontFace("sans"), 22)
    assert len(ScreenReader(installed_languages()).read([image], "ru")) == len(lines)


@needs("rus")
@pytest.mark.parametrize("place", [(60, 60), (1400, 1040)])
def test_a_line_in_the_corner_of_an_empty_picture_is_read(place: tuple[int, int]) -> None:
    image = plain((200, 170, 140), 1920, 1080)
    cv2.putText(image, "Погода в Алматы", place, (160, 130, 100), cv2.FontFace("sans"), 36)
    assert ScreenReader(installed_languages()).read([image], "ru") == {"Погода в Алматы": 0}


def test_of_an_empty_picture_the_detector_gets_the_part_that_may_hold_text() -> None:
    # Cells of 32 pixels: the strokes lie in rows 4 and 5 and columns 10 to 12, and a cell around goes with them.
    image = plain((100, 100, 100), 960, 540)
    image[140:180, 330:400:4] = 125
    assert _busy(image) == (3 * 32, 7 * 32, 9 * 32, 14 * 32)
    image[140:180, 330:400:4] = 110  # less than can be read
    assert _busy(image) == (0, 0, 0, 0)
    assert _busy(np.random.default_rng(1).integers(0, 255, (540, 960, 3), np.uint8)) == (0, 540, 0, 960)


def test_two_lines_of_one_picture_are_two_texts_however_alike() -> None:
    names = [Line("Оператор А. Иванов", 90.0), Line("Оператор А. Иванова", 95.0)]
    assert _merged([*names, Line("Оператор А. Иванова", 96.0, 1), Line("Оператор А. Иванoв", 80.0, 1)]) == [
        names[0],
        Line("Оператор А. Иванова", 96.0),
    ]


def over_a_street(number: int, caption: str) -> np.ndarray:
    """A picture of which all moves but the caption."""
    image = cv2.resize(np.random.default_rng(7).integers(60, 200, (18, 64, 3), dtype=np.uint8), (1280, 360))
    image = np.ascontiguousarray(np.roll(image, 24 * number, axis=1)[:, :640])
    if caption:
        cv2.rectangle(image, (40, 264), (600, 314), (90, 40, 20), -1)
        cv2.putText(image, caption, (58, 298), (250, 250, 250), cv2.FontFace("sans"), 30, weight=600)
    return image


def street(path: Path, seconds: int, captions: dict[tuple[float, float], str]) -> str:
    """A film with captions, each from one time to another."""
    times = [number / RATE for number in range(seconds * RATE)]
    shown = ["".join(text for (start, end), text in captions.items() if start <= time < end) for time in times]
    return film(path, [over_a_street(number, caption) for number, caption in enumerate(shown)])


@needs("rus")
def test_captions_between_the_stored_frames_are_read(tmp_path: Path) -> None:
    captions = {(1.0, 4.0): "Литейный цех завода", (4.0, 7.0): "Полевой стан", (9.0, 11.0): "Горный перевал"}
    path = street(tmp_path / "a.mp4", 12, captions)
    stored = (Frame(0.5, jpeg(over_a_street(5, ""))), Frame(8.0, jpeg(over_a_street(80, ""))))
    found = one(segment(path, 0, 12, frames=stored))
    # Where a word ends is not what is tested, nor what the rim of the box is taken for.
    read, written = (["".join(filter(str.isalpha, t)) for t in ts] for ts in (found.on_screen_text, captions.values()))
    assert read == written
    when = [int(tenths) / 10 for tenths in found.screen_times.split()]
    assert [start <= time < end for (start, end), time in zip(captions, when, strict=True)] == [True] * 3


def test_a_caption_that_a_stored_frame_shows_is_not_read_twice(tmp_path: Path) -> None:
    path = street(tmp_path / "a.mp4", 8, {(1.0, 4.0): "Литейный цех завода", (5.0, 7.0): "Полевой стан"})
    videos = Videos()
    videos.shots(path, 0, 8)
    assert videos.captions(path, 0, 8, [2.5, 6.0]) == []
    [second] = videos.captions(path, 0, 8, [2.5])
    assert 5.0 <= second.frame.time < 7.0
    # One picture does for two captions that stand together, and there are never more than MOST.
    assert len(videos.captions(path, 0, 8, [])) == 2


def test_of_many_captions_the_bound_holds(tmp_path: Path) -> None:
    path = street(
        tmp_path / "a.mp4", 20, {(2.0 * n, 2.0 * n + 1.7): f"{chr(65 + n) * 8} {n * 1111}" for n in range(10)}
    )
    videos = Videos()
    videos.shots(path, 0, 20)
    times = [band.frame.time for band in videos.captions(path, 0, 20, [])]
    assert len(times) == MOST
    assert times == sorted(times)


def test_without_text_nothing_is_read_besides(tmp_path: Path) -> None:
    path = street(tmp_path / "a.mp4", 6, {})
    videos = Videos()
    videos.shots(path, 0, 6)
    assert videos.captions(path, 0, 6, []) == []


@needs("rus")
def test_no_text_on_textures() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (360, 640, 3)).astype(np.uint8)
    assert (
        ScreenReader(installed_languages()).read([noise, cv2.blur(noise, (9, 9)), plain(GREEN, 640, 360)], "ru") == {}
    )


def test_without_tesseract_it_says_so_once_and_goes_on(
    no_tesseract: None, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level(logging.WARNING, logger="videotag"):
        analyzer = LocalAnalyzer()
        path = film(tmp_path / "a.mp4", [plain(GREEN)] * 20)
        windows = [
            segment(path, 0, 2, frames=frames(captioned("Погода"))),
            segment(path, 0, 2, transcript="Добрый день"),
        ]
        results = [result for _, result in analyzer.analyze(windows)]
    assert analyzer.made_by["on_screen_text"] == "none"
    assert [isinstance(result, Analysis) for result in results] == [True, True]
    assert [record.message for record in caplog.records if "tesseract" in record.message] == [
        "on-screen text is not read: the program tesseract is not installed (with its data rus, kaz, eng)"
    ]


def test_cyrillic_is_not_read_with_english_data_alone(caplog: pytest.LogCaptureFixture) -> None:
    reader = ScreenReader(["eng"])
    assert reader.read([captioned("Погода")], "ru") == reader.read([captioned("Погода")], "ru") == {}
    assert [record.message for record in caplog.records] == [
        'on-screen text of "ru" videos is not read: install rus for tesseract'
    ]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("ru", ("kaz", "rus", "eng")),
        ("kk", ("kaz", "rus", "eng")),
        ("en", ("eng",)),
        ("ja", ("kaz", "rus", "eng")),
        ("de", ()),
        ("uk", ()),
    ],
)
def test_the_languages_of_the_first_reading(language: str, expected: tuple[str, ...]) -> None:
    assert likely_languages(("kaz", "rus", "eng"), language) == expected


def test_the_confidence_of_a_line_is_weighted_by_length_and_control_characters_go() -> None:
    # Three pages, the second of them empty.
    table = "level\tpage\tblock\tpar\tline\tword\tleft\ttop\twidth\theight\tconf\ttext\n"
    for confidence, text in ((20, "|"), (90, "ab\x1bc\u202ed"), (96, "-"), (50, "x"), (30, "«")):
        table += f"5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t{confidence}\t{text}\n"
    table += "5\t3\t1\t1\t1\t1\t0\t0\t9\t9\t91\tab\n"
    line, empty, third = _parsed(table, 3)
    assert line.text == "abcd - x"
    assert line.confidence == pytest.approx(506 / 6)  # (4·90 + 1·96 + 1·50) / 6; what has no letter at the ends is gone
    assert (empty, third) == (Line("", 0.0), Line("ab", 91.0))
    assert _parsed("", 1) == [Line("", 0.0)]


def test_readings_of_one_text_are_merged_into_the_surest() -> None:
    weather, better = Line("Погода в Алмзты", 75), Line("Погода в Алматы", 95, 2)
    merged = _merged([weather, Line("Счёт 1:0", 90, 1), better, Line("Счёт 1:1", 91, 3)])
    assert [(line.text, line.picture) for line in merged] == [("Погода в Алматы", 0), ("Счёт 1:0", 1), ("Счёт 1:1", 3)]


# --- sentences


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "ru",
            "На экране надпись: «ПОГОДА». Звучит речь: «Завтра снег». Изображение цветное, светлое; основные цвета: "
            "белый, синий. Движения в кадре почти нет. Резких смен кадра: 3, план длится в среднем 12 с.",
        ),
        (
            "en",
            "Text on screen: “ПОГОДА”. Speech: “Завтра снег”. The picture is in colour, bright; main colours: white, "
            "blue. There is almost no movement. Hard cuts: 3, a shot lasts 12 s on average.",
        ),
        (
            "kk",
            "Экрандағы жазу: «ПОГОДА». Айтылған сөз: «Завтра снег». Бейне түрлі-түсті, жарық; негізгі түстері: ақ, "
            "көк. Кадрда қозғалыс жоқтың қасы. Кадрдың күрт ауысуы: 3, бір көрініс орта есеппен 12 с.",
        ),
    ],
)
def test_all_that_was_measured(language: str, expected: str) -> None:
    seen = Seen(True, Light("bright", ("white", "blue"), False), Shots((1.0, 2.0, 3.0), 12.5, "still"), ("ПОГОДА",))
    assert describe(seen, "Завтра снег.", wording(language)) == expected


def test_black_and_white_film_without_speech() -> None:
    seen = Seen(True, Light("dark", (), True), Shots((1.0,), 8.3333, "strong"))
    assert describe(seen, "", wording("ru")) == (
        "Распознанной речи нет. Изображение чёрно-белое, тёмное. Движение в кадре сильное. "
        "Резких смен кадра: 1, план длится в среднем 8,3 с."
    )


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert describe(Seen(), "", wording("ru")) == "Нет изображения и речи."
    assert describe(Seen(), "Добрый день!", wording("ru")) == "Звучит речь: «Добрый день!». Изображения нет."
    assert describe(Seen(True), "", wording("ru")) == "Распознанной речи нет. Кадры не читаются."


def test_the_languages_have_words_for_the_same_things() -> None:
    for words in WORDINGS.values():
        assert words.colours.keys() == WORDINGS["ru"].colours.keys()
        assert words.movement.keys() == {"still", "slight", "strong"}
        assert words.brightness.keys() == {"dark", "normal", "bright"}


def test_a_long_speech_is_quoted_up_to_a_word() -> None:
    assert clip("одно два, три", 10) == "одно два…"
    assert clip("одно", 4) == "одно"
    assert clip("оченьдлинноеслово", 6) == "очень…"
    text = describe(Seen(), "и слово " * 100, wording("ru"))
    assert text.startswith("Звучит речь: «…и слово")
    assert len(text) < 300 + 50


def test_another_output_language_is_refused_with_the_three_named() -> None:
    with pytest.raises(EngineError, match=r'output language "de".*ru, en, kk'):
        LocalAnalyzer("de")


# --- keywords


def keywords_of(speech: str, screen: list[str], language: str) -> list[str]:
    return keywords([Part(language, speech)], screen, language)


def test_russian_keywords_are_dictionary_forms_names_and_pairs() -> None:
    text = (
        "Вчера Токаев провёл совещание по водным ресурсам. Министры обсудили уровень воды в Каспийском море. "
        "Воды не хватает жителям Актау. Токаеву доложили о работе телефонной станции."
    )
    found = keywords_of(text, [], "ru")
    assert found[0] == "Токаев"
    assert {"Каспийское море", "Актау", "водный ресурс", "телефонная станция", "вода"} <= set(found)
    assert not {"ресурс", "станция", "не", "вчера", "Токаеву"} & set(found)  # told already, or telling nothing
    assert len(found) <= 12


def test_words_on_the_screen_weigh_more_than_spoken_ones() -> None:
    found = keywords_of("Покажем лес, поле, реку.", ["НАВОДНЕНИЕ"], "ru")
    assert found == ["наводнение", "лес", "поле", "река"]


@pytest.mark.parametrize(
    ("speech", "pair"),
    [
        ("Уважаемые коллеги, начнём. Уважаемые коллеги!", "уважаемый коллега"),
        ("Нашли серийных убийц. Серийные убийцы молчат.", "серийный убийца"),
        ("Здесь живут круглые сироты, круглые сироты.", "круглый сирота"),
    ],
)
def test_nouns_of_either_gender_have_an_adjective(speech: str, pair: str) -> None:
    assert pair in keywords_of(speech, [], "ru")


def test_kazakh_inflections_are_one_word_and_kazakh_function_words_none() -> None:
    found = keywords_of("Біз мектеп туралы айтамыз. Мектепте бала көп. Мектептің ауласы бар.", [], "kk")
    assert found[0] == "мектеп"
    assert not {"біз", "туралы", "көп", "бар"} & set(found)
    assert sum(word.startswith("мектеп") for word in found) == 1


def test_russian_inside_kazakh_speech_is_told_apart() -> None:
    found = keywords_of("Мектепте сабақ басталды. Все наши операторы заняты на линии.", [], "kk")
    assert {"оператор", "линия"} <= set(found)


def test_english_keywords() -> None:
    found = keywords_of("The telescopes of NASA are in Greenbelt. A telescope is the heart of it.", [], "en")
    assert found == ["telescope", "NASA", "Greenbelt", "heart"]  # each of the first three weighs 2: twice, or a name


def test_a_language_without_a_stop_list_gives_names_and_long_words() -> None:
    assert keywords_of("Das ist in Berlin die Wasserversorgung.", [], "de") == ["Berlin", "Wasserversorgung"]


def test_no_keywords_without_material() -> None:
    assert keywords_of("", [], "ru") == []
    assert keywords_of("Ну да, это же как бы и не то. www.example.org 8500", [], "ru") == []


def test_each_part_of_the_speech_is_treated_in_its_own_language() -> None:
    german, english = Part("de", "Wir reden über die Wasserversorgung."), Part("en", "and of these telescopes")
    found = keywords([german, Part("ru", "Жителям Актау не хватает воды"), english], [], "ru")
    assert set(found) == {"Wasserversorgung", "Актау", "житель", "вода", "telescopes"}


# --- the whole analyzer


@pytest.mark.parametrize(("language", "translation"), [("ru", "Добрый день."), ("kk", ""), ("en", "")])
def test_speech_is_its_own_translation_only_in_the_output_language(language: str, translation: str) -> None:
    found = one(segment(language=language, transcript=" Добрый\nдень. "))
    assert found.dialogue_translation == translation


@pytest.mark.parametrize(
    ("language", "translation"), [("ru", "Добрый день. До встречи."), ("en", "Good day."), ("kk", "")]
)
def test_of_speech_in_several_languages_what_is_in_the_output_language_is_understood(
    language: str, translation: str
) -> None:
    parts = (Part("ru", "Добрый день."), Part("en", "Good\nday."), Part("ru", "До встречи."))
    given = segment(output_language=language, transcript="Добрый день. Good\nday. До встречи.", parts=parts)
    found = one(given, LocalAnalyzer(language))
    assert found.dialogue_translation == translation
    assert "Добрый день. Good day. До встречи" in found.description


def test_the_screen_is_read_in_the_language_of_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Reader:
        def __init__(self, languages: object) -> None: ...

        def read(self, images: object, language: str) -> dict[str, int]:
            asked.append(language)
            return {}

    monkeypatch.setattr(local, "installed_languages", lambda: ("kaz", "rus", "eng"))
    monkeypatch.setattr(local, "ScreenReader", Reader)
    pictures = frames(plain(GREEN))
    guest = segment(frames=pictures, language="en", video_language="ru")
    list(LocalAnalyzer(read_frames=no_video).analyze([guest, segment(frames=pictures, language="en")]))
    assert asked == ["ru", "en"]


def test_what_it_cannot_know_it_does_not_say() -> None:
    found = one(segment(transcript="Добрый день."))
    assert (found.content_type, found.mood_atmosphere, found.confidence) == ("другое", "", "низкая")
    assert found.scene_change is False


def test_audio_only_never_opens_the_file() -> None:
    assert one(segment("/no/such/file.mp4")).description == "Нет изображения и речи."


def test_broken_frames_cost_themselves(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [plain(GREEN)] * 20)
    given = segment(path, 0, 2, frames=(Frame(0.0, b"broken"), *frames(plain(GREEN))))
    assert "основной цвет: зелёный" in one(given).description
    assert "Кадры не читаются." in one(segment(path, 0, 2, frames=(Frame(0.0, b"broken"),))).description


def test_a_missing_video_fails_its_segments_and_no_other(tmp_path: Path) -> None:
    good, gone = film(tmp_path / "a.mp4", [plain(GREEN)] * 20), str(tmp_path / "gone.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    picture = frames(plain(GREEN))
    paths = [gone, good, gone, str(tmp_path / "text.mp4")]
    results = [r for _, r in LocalAnalyzer().analyze([segment(path, 0, 2, frames=picture) for path in paths])]
    assert [type(result) for result in results] == [SegmentFailure, Analysis, SegmentFailure, SegmentFailure]
    reason = results[0].reason  # type: ignore[union-attr]
    assert gone in reason
    assert "\n" not in reason


def test_a_fault_over_one_segment_fails_it_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real = local.describe

    def fails_once(seen: Seen, speech: str, words: Wording) -> str:
        if speech == "плохо":
            raise ValueError("Unknown grammeme: None")
        return real(seen, speech, words)

    monkeypatch.setattr(local, "describe", fails_once)
    segments = [segment(index=0, transcript="плохо"), segment(index=1, transcript="хорошо")]
    results = {given.segment_index: result for given, result in LocalAnalyzer("ru").analyze(segments)}
    assert results[0] == SegmentFailure("ValueError: Unknown grammeme: None")
    assert isinstance(results[1], Analysis)


def test_another_language_in_a_segment_ends_the_run() -> None:
    with pytest.raises(UserError, match="ru, en, kk"):
        list(LocalAnalyzer().analyze([segment(output_language="de")]))


@needs("rus", "kaz")
def test_made_by_tells_what_reads_the_screen() -> None:
    made_by = LocalAnalyzer("kk").made_by
    assert made_by["on_screen_text"].startswith("tesseract kaz+rus")
    assert (made_by["analyzer"], made_by["model"], made_by["output_language"]) == ("local", "none", "kk")
    assert made_by["version"] == LocalAnalyzer.version


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not here")
def test_the_joins_of_a_real_composite_are_found() -> None:
    path = str(CLIPS / "ru_ivr_composite.mp4")
    videos = Videos()
    # Joins at 30, 42, 52, 60, 72, 77.5 and 85.5 s; the clips between 30-42, 52-60 and 60-72 hold cuts of their own.
    assert videos.shots(path, 0, 29).cuts == ()  # type: ignore[union-attr]
    assert videos.shots(path, 43, 51).cuts == ()  # type: ignore[union-attr]
    assert len(videos.shots(path, 71, 90).cuts) == 3  # type: ignore[union-attr]
    videos.close()
