"""What was measured, and the sentences that say it in Russian, English or Kazakh. Nothing else is claimed."""

import string
from collections.abc import Sequence
from dataclasses import dataclass

from videotag.errors import EngineError

SPEECH_QUOTED, SCREEN_QUOTED = 300, 500  # characters of each that a description quotes at most


@dataclass(frozen=True)
class Light:
    """`brightness`: "dark", "normal" or "bright"; `colours`: names of `Wording.colours`, the greatest area first."""

    brightness: str
    colours: tuple[str, ...]
    black_and_white: bool


@dataclass(frozen=True)
class Shots:
    """What a window is made of.

    Attributes:
        cuts: hard ones inside it, seconds of the video.
        mean_seconds: length of a shot.
        movement: "still", "slight", "strong" or None.
    """

    cuts: tuple[float, ...]
    mean_seconds: float
    movement: str | None


@dataclass(frozen=True)
class Seen:
    """All that is known of the picture. None: not measured."""

    has_picture: bool = False
    light: Light | None = None
    shots: Shots | None = None
    texts: tuple[str, ...] = ()
    times: tuple[float, ...] = ()  # when each of the texts is first seen, in seconds from the segment's start


@dataclass(frozen=True)
class Wording:
    """The sentences of one language; `{}` fields are filled in by `describe`."""

    nothing: str
    no_picture: str
    unreadable: str
    no_speech: str
    screen: tuple[str, str]  # of one text, of several
    speech: str
    picture: tuple[str, str]  # in black and white, in colour
    brightness: dict[str, str]
    main_colours: tuple[str, str]  # one, several
    movement: dict[str, str]
    no_cuts: str
    cuts: str
    colours: dict[str, str]
    decimal: str
    quotes: tuple[str, str, str, str]  # outer pair, then the pair that stands inside it


_RU = Wording(
    nothing="Нет изображения и речи.",
    no_picture="Изображения нет.",
    unreadable="Кадры не читаются.",
    no_speech="Распознанной речи нет.",
    screen=("На экране надпись: {texts}.", "На экране надписи: {texts}."),
    speech="Звучит речь: {speech}.",
    picture=("Изображение чёрно-белое, {brightness}", "Изображение цветное, {brightness}"),
    brightness={"dark": "тёмное", "normal": "средней яркости", "bright": "светлое"},
    main_colours=("основной цвет: {colours}", "основные цвета: {colours}"),
    movement={
        "still": "Движения в кадре почти нет.", "slight": "Движение в кадре небольшое.",
        "strong": "Движение в кадре сильное.",
    },
    no_cuts="Резких смен кадра нет.",
    cuts="Резких смен кадра: {cuts}, план длится в среднем {seconds} с.",
    colours={
        "red": "красный", "orange": "оранжевый", "brown": "коричневый", "beige": "бежевый", "yellow": "жёлтый",
        "green": "зелёный", "cyan": "голубой", "blue": "синий", "purple": "фиолетовый", "pink": "розовый",
        "black": "чёрный", "white": "белый", "grey": "серый",
    },
    decimal=",",
    quotes=("«", "»", "„", "“"),
)  # fmt: skip

_EN = Wording(
    nothing="No picture and no speech.",
    no_picture="No picture.",
    unreadable="The frames cannot be read.",
    no_speech="No speech was recognised.",
    screen=("Text on screen: {texts}.", "Texts on screen: {texts}."),
    speech="Speech: {speech}.",
    picture=("The picture is black and white, {brightness}", "The picture is in colour, {brightness}"),
    brightness={"dark": "dark", "normal": "of medium brightness", "bright": "bright"},
    main_colours=("main colour: {colours}", "main colours: {colours}"),
    movement={
        "still": "There is almost no movement.",
        "slight": "There is slight movement.",
        "strong": "There is strong movement.",
    },
    no_cuts="No hard cuts.",
    cuts="Hard cuts: {cuts}, a shot lasts {seconds} s on average.",
    colours={name: name for name in _RU.colours},
    decimal=".",
    quotes=("“", "”", "‘", "’"),
)

_KK = Wording(
    nothing="Бейне де, сөз де жоқ.",
    no_picture="Бейне жоқ.",
    unreadable="Кадрлар оқылмайды.",
    no_speech="Танылған сөз жоқ.",
    screen=("Экрандағы жазу: {texts}.", "Экрандағы жазулар: {texts}."),
    speech="Айтылған сөз: {speech}.",
    picture=("Бейне ақ-қара, {brightness}", "Бейне түрлі-түсті, {brightness}"),
    brightness={"dark": "қараңғы", "normal": "жарықтығы орташа", "bright": "жарық"},
    main_colours=("негізгі түсі: {colours}", "негізгі түстері: {colours}"),
    movement={
        "still": "Кадрда қозғалыс жоқтың қасы.", "slight": "Кадрда аздаған қозғалыс бар.",
        "strong": "Кадрдағы қозғалыс күшті.",
    },
    no_cuts="Кадрдың күрт ауысуы жоқ.",
    cuts="Кадрдың күрт ауысуы: {cuts}, бір көрініс орта есеппен {seconds} с.",
    colours={
        "red": "қызыл", "orange": "қызғылт сары", "brown": "қоңыр", "beige": "бежевый", "yellow": "сары",
        "green": "жасыл", "cyan": "көгілдір", "blue": "көк", "purple": "күлгін", "pink": "қызғылт",
        "black": "қара", "white": "ақ", "grey": "сұр",
    },
    decimal=",",
    quotes=("«", "»", "„", "“"),
)  # fmt: skip

WORDINGS = {"ru": _RU, "en": _EN, "kk": _KK}


def wording(language: str) -> Wording:
    """The sentences of an ISO 639-1 language.

    Raises:
        EngineError: there are none.
    """
    if language not in WORDINGS:
        known = ", ".join(WORDINGS)
        raise EngineError(f'output language "{language}": the analyzer "local" writes {known}; choose one of them')
    return WORDINGS[language]


def describe(seen: Seen, speech: str, words: Wording) -> str:
    """Plain sentences: what is written and said first, since that is what people search for."""
    if not seen.has_picture and not speech:
        return words.nothing
    parts = [_screen(seen.texts, words), _speech(speech, words), _picture(seen, words), _shots(seen.shots, words)]
    return " ".join(part for part in parts if part)


def clip(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, cut between words and marked with "…"."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    whole = head if text[limit - 1].isspace() else head.rpartition(" ")[0]
    return (whole or head).rstrip(string.whitespace + ",;:-–—") + "…"


def _screen(texts: Sequence[str], words: Wording) -> str:
    quoted: list[str] = []
    for text in texts:
        quoted.append(_quoted(clip(text, SCREEN_QUOTED), words))
        if sum(map(len, quoted)) > SCREEN_QUOTED:
            break
    one, several = words.screen
    return (one if len(quoted) == 1 else several).format(texts=", ".join(quoted)) if quoted else ""


def _speech(speech: str, words: Wording) -> str:
    if not speech:
        return words.no_speech
    # A window may begin in the middle of a sentence.
    opening = "…" if speech[0].islower() else ""
    return words.speech.format(speech=_quoted(opening + clip(speech, SPEECH_QUOTED), words))


def _quoted(text: str, words: Wording) -> str:
    left, right, inner_left, inner_right = words.quotes
    # A full stop inside the quotes would make two with the sentence's own.
    text = text.removesuffix(".").replace(left, inner_left).replace(right, inner_right)
    return f"{left}{text}{right}"


def _picture(seen: Seen, words: Wording) -> str:
    if not seen.has_picture:
        return words.no_picture
    if (light := seen.light) is None:
        return words.unreadable
    grey, in_colour = words.picture
    sentence = (grey if light.black_and_white else in_colour).format(brightness=words.brightness[light.brightness])
    if light.colours:
        one, several = words.main_colours
        colours = ", ".join(words.colours[name] for name in light.colours)
        sentence += "; " + (one if len(light.colours) == 1 else several).format(colours=colours)
    return sentence + "."


def _shots(shots: Shots | None, words: Wording) -> str:
    if shots is None:
        return ""
    movement = words.movement[shots.movement] + " " if shots.movement else ""
    if not shots.cuts:
        return movement + words.no_cuts
    digits = 0 if shots.mean_seconds >= 10 else 1
    seconds = f"{shots.mean_seconds:.{digits}f}".removesuffix(".0")
    return movement + words.cuts.format(cuts=len(shots.cuts), seconds=seconds.replace(".", words.decimal))
