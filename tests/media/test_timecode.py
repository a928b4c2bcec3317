"""What a camera wrote down: the time code of each container, the exact rate, the day and the place."""

from fractions import Fraction

import av
import imageio_ffmpeg
import pytest

from tests import clips
from tests.clips import Pictures
from videotag.media.timecode import Slate, slate

IRREGULAR = [0.0, 0.04, 0.09, 0.2, 0.21, 0.33, 0.4, 0.55, 0.6, 0.71]


def made(path, *arguments, fps="25", size="320x240"):
    """A second of FFmpeg's test picture."""
    import subprocess

    source = ["-f", "lavfi", "-i", f"testsrc=s={size}:r={fps}:d=1"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *source, *arguments, str(path)]
    subprocess.run(command, check=True)
    return str(path)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.mov", ["-c:v", "mpeg4", "-timecode", "10:00:00:00"]),
        ("a.mp4", ["-c:v", "mpeg4", "-timecode", "10:00:00:00"]),
        ("a.mkv", ["-c:v", "mpeg4", "-metadata", "timecode=10:00:00:00"]),
        ("a.mxf", ["-c:v", "mpeg2video", "-timecode", "10:00:00:00"]),
        ("a.ts", ["-c:v", "mpeg2video", "-gop_timecode", "10:00:00:00"]),
        ("a.mpg", ["-c:v", "mpeg2video", "-gop_timecode", "10:00:00:00"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_time_code_of_a_container(tmp_path, name, arguments):
    assert slate(made(tmp_path / name, *arguments)) == Slate("10:00:00:00", "25")


def test_of_dv(tmp_path):
    arguments = ["-pix_fmt", "yuv420p", "-c:v", "dvvideo", "-timecode", "09:59:58:12"]
    assert slate(made(tmp_path / "a.dv", *arguments, size="720x576")) == Slate("09:59:58:12", "25")


@pytest.mark.parametrize("name", ["a.mov", "a.ts"])
def test_drop_frame(tmp_path, name):
    coding = ["-c:v", "mpeg2video", "-gop_timecode"] if name == "a.ts" else ["-c:v", "mpeg4", "-timecode"]
    path = made(tmp_path / name, *coding, "01:00:00;02", fps="30000/1001")
    assert slate(path) == Slate("01:00:00;02", "30000/1001")


def test_a_group_of_pictures_that_was_told_none(tmp_path):
    assert slate(made(tmp_path / "a.mpg", "-c:v", "mpeg2video")).timecode == ""


def test_a_broadcast_wave_file_counts_samples_since_midnight(tmp_path):
    tags = {"time_reference": 48_000 * 36_000 + 12_000, "origination_date": "2024-05-01"}
    tags["origination_time"] = "10:20:30"
    told = [part for name, value in tags.items() for part in ("-metadata", f"{name}={value}")]
    path = tmp_path / "a.wav"
    sound = ["-f", "lavfi", "-i", "sine=d=1", "-map", "1:a", "-ar", "48000", "-write_bext", "1", *told]
    assert slate(made(path, *sound)) == Slate("10:00:00.250", "", "2024-05-01T10:20:30")


def test_when_and_where(tmp_path):
    tags = ["-metadata", "creation_time=2024-05-01T10:20:30Z", "-metadata", "location=+43.2389+076.8897/"]
    found = slate(made(tmp_path / "a.mp4", "-c:v", "mpeg4", *tags))
    assert (found.shot_at, found.location) == ("2024-05-01T10:20:30Z", "+43.2389+076.8897/")


def test_a_phones_own_clock_counts_before_that_of_the_container(tmp_path):
    tags = ["-metadata", "com.apple.quicktime.creationdate=2024-05-02T03:20:30+0500"]
    tags += ["-metadata", "com.apple.quicktime.location.ISO6709=+43.2389+076.8897+800.000/"]
    tags += ["-metadata", "creation_time=2024-05-01T22:20:30Z", "-movflags", "use_metadata_tags"]
    found = slate(made(tmp_path / "a.mov", "-c:v", "mpeg4", *tags))
    assert (found.shot_at, found.location) == ("2024-05-02T03:20:30+05:00", "+43.2389+076.8897+800.000/")


@pytest.mark.parametrize(
    ("name", "told", "shot_at"),
    [
        ("a.avi", "date=Sun Apr 05 12:34:56 2015", "2015-04-05T12:34:56"),
        ("a.avi", "date=SUN APR 05 12:34:56 2015", "2015-04-05T12:34:56"),
        ("a.avi", "date=2015-04-05", "2015-04-05T00:00:00"),
        ("a.avi", "date=2015", ""),
        ("a.mov", "date=2015:04:05 12:34:56", "2015-04-05T12:34:56"),
        ("a.mov", "date=2015-04-05T12:34:56+0500", "2015-04-05T12:34:56+05:00"),
        ("a.mov", "date=2015-04-05", ""),  # of a film the day on which it came out
        ("a.mkv", "date_recorded=2015/04/05 12:34:56", "2015-04-05T12:34:56"),
        ("a.mkv", "date_recorded=UTC 2015-04-05 12:34:56", "2015-04-05T12:34:56"),
        ("a.mkv", "date_recorded=20150405", "2015-04-05T00:00:00"),
        ("a.mkv", "date_recorded=2015-W14", ""),
        ("a.mkv", "date_recorded=0000-00-00", ""),
        ("a.mkv", "creation_time=1904-01-01T00:00:00Z", ""),
        ("a.mkv", "creation_time=2999-01-01T00:00:00Z", ""),
    ],
)
def test_days_as_cameras_write_them(tmp_path, name, told, shot_at):
    assert slate(made(tmp_path / name, "-c:v", "mpeg4", "-metadata", told)).shot_at == shot_at


def test_the_hour_of_a_broadcast_wave_file_with_other_signs(tmp_path):
    tags = ["-metadata", "origination_date=2024-05-01", "-metadata", "origination_time=10-20-30", "-write_bext", "1"]
    sound = ["-f", "lavfi", "-i", "sine=d=1", "-map", "1:a", *tags]
    assert slate(made(tmp_path / "a.wav", *sound)).shot_at == "2024-05-01T10:20:30"


@pytest.mark.parametrize(
    "told", ["creation_time=1970-01-01T00:00:00Z", "location=+00.0000+000.0000/", "location=Almaty"]
)
def test_what_nobody_has_set_is_nothing(tmp_path, told):
    found = slate(made(tmp_path / "a.mkv", "-c:v", "mpeg4", "-metadata", told))
    assert (found.shot_at, found.location) == ("", "")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_rate_that_varies_is_none(tmp_path, name):
    path = clips.write(tmp_path / name, Pictures(IRREGULAR))
    assert slate(str(path)).frame_rate == ""


def test_a_rate_that_varies_late_is_none(tmp_path):
    times = [*clips.steady(12.0), *(12.0 + time for time in IRREGULAR)]
    path = clips.write(tmp_path / "a.mp4", Pictures(times, size=(32, 24), gop=100))
    assert slate(str(path)).frame_rate == ""


@pytest.mark.parametrize("rate", ["24000/1001", "24", "25", "30000/1001", "50", "60000/1001", "12"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_constant_rate_is_exact(tmp_path, name, rate):
    assert slate(made(tmp_path / name, "-c:v", "mpeg4", fps=rate)).frame_rate == rate


def test_b_frames_come_at_a_constant_rate(tmp_path):
    path = clips.write(tmp_path / "a.mp4", Pictures(clips.steady(12.0), size=(32, 24), b_frames=3))
    assert slate(str(path)).frame_rate == "25"


def test_a_picture_of_two_coded_fields(tmp_path):
    path = made(tmp_path / "a.mkv", "-c:v", "mpeg4", fps="50")
    assert (slate(path, 25.0).frame_rate, slate(path, 50.0).frame_rate) == ("25", "50")


def test_control_characters_are_no_time_code(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["timecode"] = "10:00:00:00\x1b[31m"
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for packet in [*stream.encode(av.VideoFrame(64, 48, "yuv420p")), *stream.encode()]:
            container.mux(packet)
    assert slate(str(path)) == Slate()
