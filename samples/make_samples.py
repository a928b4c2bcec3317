"""Make the two sample videos: a Russian news bulletin and a short English documentary.

    python samples/make_samples.py             both
    python samples/make_samples.py ru_news     one of them

In:  the tables of shots below. scenes_news.py and scenes_planet.py draw the pictures, RHVoice speaks the words.
Out: samples/ru_news.mp4, samples/en_planet.mp4 (640x360, h264 + AAC mono) and samples/texts.json: what is said, seen
     and written in each shot and when, for tests. It may be run again: the same programs make the same files.

Needs:
- Debian's rhvoice, rhvoice-russian, rhvoice-english (component non-free) and fonts-dejavu-core:
      apt-get install rhvoice rhvoice-russian rhvoice-english fonts-dejavu-core
- Python's numpy, opencv-python-headless, pillow, ffmpeg-python and imageio-ffmpeg (which brings ffmpeg itself):
      pip install numpy opencv-python-headless pillow ffmpeg-python imageio-ffmpeg
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import brush
import ffmpeg
import imageio_ffmpeg
import numpy as np
import scenes_news as news
import scenes_planet as planet
from PIL import ImageFont

HERE = Path(__file__).resolve().parent
VOICES = Path("/usr/share/RHVoice/voices")  # where Debian's packages put them
FRAMES_PER_SECOND = 15
KEYFRAME_SECONDS = 4
SAMPLE_RATE = 24_000  # Hz, RHVoice's own
SPEECH_STARTS = 0.6  # seconds into the shot
SPEECH_LOUDNESS = 0.1  # root mean square; full scale is 1
PEAK = 0.85  # nothing is louder
HUSH_LOUDNESS = 0.002  # under the shots in which nobody speaks


class CannotMake(Exception):
    """The message says what has to be installed or changed first."""


@dataclass(frozen=True)
class Shot:
    scene: Callable[[float], brush.Canvas]
    seconds: int
    caption: str
    said: str  # "" where nobody speaks
    seen: str
    archive: bool = False  # shown as an old black and white film


@dataclass(frozen=True)
class Sample:
    name: str
    language: str
    voice: str
    shots: tuple[Shot, ...]

    @property
    def path(self) -> Path:
        return HERE / f"{self.name}.mp4"


RU_NEWS = (
    Shot(
        news.studio,
        10,
        "Вечерние новости",
        "Добрый вечер! Вы смотрите новости. Сегодня мы расскажем о воде, о снеге, о поезде и о победе.",
        "ведущая в бордовом пиджаке за столом в студии, на экране вращается глобус",
    ),
    Shot(
        news.reservoir,
        12,
        "Водохранилище заполнено",
        "После сильных дождей водохранилище заполнилось до самого верха. "
        "Сегодня утром на плотине открыли ворота, и вода пошла вниз по реке.",
        "бетонная плотина в горах, из трёх ворот падает вода, внизу пена",
    ),
    Shot(
        news.winter_city,
        10,
        "Снегопад в городе",
        "Ночью на город обрушилась метель. Снег шёл до самого утра. На улицы вышли уборочные машины.",
        "ночной город с горящими окнами, идёт снег, оранжевая снегоуборочная машина чистит дорогу",
    ),
    Shot(
        news.train,
        10,
        "Новый скоростной поезд",
        "Между городами пошёл новый скоростной поезд. Дорога через горы стала вдвое короче.",
        "белый поезд с красной полосой едет по мосту с арками, позади снежные вершины",
    ),
    Shot(
        news.first_flight,
        10,
        "Архив: первый полёт",
        "А это старая архивная плёнка. Так первый самолёт поднялся в небо над нашим полем.",
        "чёрно-белая плёнка: биплан взлетает с поля у ангара, люди машут руками",
        archive=True,
    ),
    Shot(
        news.harvest,
        11,
        "Уборка урожая",
        "На юге началась уборка пшеницы. Урожай в этом году очень хороший. Люди работают в поле до самого заката.",
        "красный комбайн идёт по золотому полю пшеницы на закате, в небе птицы",
    ),
    Shot(
        news.football,
        12,
        "Финал кубка",
        "В последнем матче сезона всё решил один удар. Вратарь прыгнул, но мяч влетел в ворота. "
        "Зрители долго кричали от радости.",
        "футбольное поле и полные трибуны: игрок в красном бьёт, вратарь прыгает, гол, летит конфетти",
    ),
    Shot(
        news.fireworks,
        8,
        "Праздничный салют",
        "",
        "разноцветный салют над ночным городом, огни отражаются в реке",
    ),
    Shot(
        news.weather,
        12,
        "Прогноз погоды",
        "И в конце выпуска о погоде. "
        "Завтра на севере пройдёт дождь с грозой, а на юге будет солнце и жара. До свидания!",
        "карта погоды: вверху тучи, дождь и молнии, внизу яркое солнце, плюс двенадцать и плюс тридцать три",
    ),
)

EN_PLANET = (
    Shot(
        planet.earth,
        10,
        "Planet Earth",
        "This is our planet, seen from space. Blue oceans and white clouds turn slowly in the dark.",
        "the globe turns among stars, a satellite with blue panels flies past",
    ),
    Shot(
        planet.observatory,
        11,
        "Mountain observatory",
        "High on a mountain, astronomers open the dome of the observatory. "
        "A large telescope looks at distant galaxies.",
        "a white dome opens under a violet night sky with the Milky Way, a telescope comes out, a shooting star",
    ),
    Shot(
        planet.whale,
        12,
        "Ocean giant",
        "In the cold ocean, a whale comes up to breathe. A small sailing boat keeps a safe distance.",
        "a whale rises between waves, blows and shows its tail, a boat with white sails behind it",
    ),
    Shot(
        planet.moon_walk,
        10,
        "Archive film: the Moon",
        "This old film was made on the Moon. An astronaut walks across the grey dust beside the flag.",
        "black and white film: an astronaut hops over craters, a flag, a lander, the Earth in a black sky",
        archive=True,
    ),
    Shot(
        planet.forest,
        11,
        "Morning in the forest",
        "In the forest, the morning is quiet. A deer walks between the tall trees, and the fog slowly rises.",
        "a deer with antlers walks through a green fir forest, fog drifts upwards",
    ),
    Shot(
        planet.reef,
        8,
        "Coral reef",
        "",
        "orange, yellow and blue fish swim over pink corals and seaweed, bubbles rise",
    ),
    Shot(
        planet.volcano,
        13,
        "Volcano eruption",
        "At night the volcano wakes up. Hot lava runs down the slope, and people in the village leave their homes.",
        "a volcano throws sparks and smoke into a dark red sky, "
        "lava flows towards houses, people with torches walk away",
    ),
)

SAMPLES = {
    sample.name: sample
    for sample in (
        Sample("ru_news", "ru", "aleksandr", RU_NEWS),
        Sample("en_planet", "en", "clb", EN_PLANET),
    )
}


def main(names: list[str]) -> int:
    try:
        samples = [find(name) for name in names or SAMPLES]
        check_programs(samples)
        for sample in samples:
            make(sample)
    except CannotMake as reason:
        print(reason, file=sys.stderr)
        return 1
    write_whole(HERE / "texts.json", json.dumps(texts(), ensure_ascii=False, indent=2) + "\n")
    return 0


def find(name: str) -> Sample:
    if name not in SAMPLES:
        raise CannotMake(f"no sample is called {name!r}; there are: {', '.join(SAMPLES)}")
    return SAMPLES[name]


def check_programs(samples: list[Sample]) -> None:
    if not shutil.which("RHVoice-test"):
        raise CannotMake("RHVoice is not installed: apt-get install rhvoice (Debian's component non-free)")
    for sample in samples:
        if not (VOICES / sample.voice).is_dir():
            package = {"ru": "rhvoice-russian", "en": "rhvoice-english"}[sample.language]
            raise CannotMake(f"RHVoice's voice {sample.voice} is not installed: apt-get install {package}")
    try:
        ImageFont.truetype(brush.FONT)
    except OSError:
        raise CannotMake(f"the font {brush.FONT} is not installed: apt-get install fonts-dejavu-core") from None


def make(sample: Sample) -> None:
    sound = soundtrack(sample)
    part = sample.path.with_suffix(".mp4.part")
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "sound.wav"
        save_wav(wav, sound)
        encode(frames(sample), wav, part)
    os.replace(part, sample.path)
    print(f"{sample.path.name}: {len(sound) / SAMPLE_RATE:.1f} s, {sample.path.stat().st_size / 1e6:.2f} MB")


def frames(sample: Sample) -> Iterator[np.ndarray]:
    """uint8 RGB [360, 640, 3], FRAMES_PER_SECOND of them a second."""
    for shot in sample.shots:
        for number in range(round(shot.seconds * FRAMES_PER_SECOND)):
            t = number / FRAMES_PER_SECOND
            canvas = shot.scene(t)
            draw_caption(canvas, shot.caption)
            yield (brush.as_old_film(canvas, t) if shot.archive else canvas).picture()


def draw_caption(canvas: brush.Canvas, words: str) -> None:
    """White on a dark band along the lower edge, clear of the scenery so that OCR reads it too."""
    canvas.box(0, 294, brush.WIDTH, 66, "#0b1222")
    canvas.box(0, 294, brush.WIDTH, 4, "#ffc21f")
    canvas.text(32, 308, words, 30, "#ffffff")


def soundtrack(sample: Sample) -> np.ndarray:
    """Float mono [n], SAMPLE_RATE, -1..1; each shot's words begin SPEECH_STARTS after its cut."""
    return np.concatenate([shot_sound(sample.voice, shot) for shot in sample.shots])


def shot_sound(voice: str, shot: Shot) -> np.ndarray:
    sound = np.zeros(round(shot.seconds * SAMPLE_RATE))
    if not shot.said:
        return hush(len(sound))
    words, start = level(speak(voice, shot.said)), round(SPEECH_STARTS * SAMPLE_RATE)
    if start + len(words) > len(sound):
        raise CannotMake(f"{shot.caption!r} needs {SPEECH_STARTS + len(words) / SAMPLE_RATE:.1f} s for its words")
    sound[start : start + len(words)] = words
    return sound


def speak(voice: str, words: str) -> np.ndarray:
    """What RHVoice makes of the words: float mono [n], SAMPLE_RATE."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.wav"
        command = ["RHVoice-test", "-p", voice, "-q", "max", "-R", str(SAMPLE_RATE), "-o", str(path)]
        subprocess.run(command, input=words.encode(), check=True)
        with wave.open(str(path)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768


def level(sound: np.ndarray) -> np.ndarray:
    """The same loudness for each sentence; the few peaks above PEAK are rounded off, not clipped."""
    sound = sound * SPEECH_LOUDNESS / np.sqrt(np.mean(sound**2))
    return PEAK * np.tanh(sound / PEAK)


def hush(count: int) -> np.ndarray:
    """A faint breath of air, softly in and out: float mono [count]."""
    noise = np.random.default_rng(5).standard_normal(count)
    noise = np.convolve(noise, np.hanning(48), mode="same")
    return noise * np.sin(np.linspace(0, np.pi, count)) * HUSH_LOUDNESS / noise.std()


def save_wav(path: Path, sound: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((sound * 32767).astype(np.int16).tobytes())


def encode(pictures: Iterator[np.ndarray], wav: Path, path: Path) -> None:
    size = f"{brush.WIDTH}x{brush.HEIGHT}"
    video = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=size, r=FRAMES_PER_SECOND)
    output = ffmpeg.output(
        video,
        ffmpeg.input(str(wav)),
        str(path),
        format="mp4",
        movflags="+faststart",
        vcodec="libx264",
        preset="veryslow",
        tune="animation",
        crf=33,
        pix_fmt="yuv420p",
        g=KEYFRAME_SECONDS * FRAMES_PER_SECOND,
        threads=2,  # a fixed number, since the result depends on it
        acodec="aac",
        audio_bitrate="32k",
    )
    output = output.global_args("-fflags", "+bitexact", "-loglevel", "error").overwrite_output()
    process = output.run_async(cmd=imageio_ffmpeg.get_ffmpeg_exe(), pipe_stdin=True)
    with contextlib.suppress(BrokenPipeError):  # then ffmpeg's exit code tells
        for picture in pictures:
            process.stdin.write(picture.tobytes())
        process.stdin.close()
    if process.wait():
        raise CannotMake(f"ffmpeg could not write {path.name}; its own message is above")


def texts() -> dict:
    """For each sample its whole text and its shots, with their times in seconds."""
    return {
        sample.name: {
            "path": f"{HERE.name}/{sample.path.name}",
            "language": sample.language,
            "text": " ".join(shot.said for shot in sample.shots if shot.said),
            "shots": shot_texts(sample),
        }
        for sample in SAMPLES.values()
    }


def shot_texts(sample: Sample) -> list[dict]:
    ends = np.cumsum([shot.seconds for shot in sample.shots]).tolist()
    return [
        {
            "start": end - shot.seconds,
            "end": end,
            "caption": shot.caption,
            "said": shot.said,
            "seen": shot.seen,
        }
        for shot, end in zip(sample.shots, ends, strict=True)
    ]


def write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
