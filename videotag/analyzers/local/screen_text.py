"""What is written on the screen: RapidOCR's detector finds the lines, the program `tesseract` reads them.

RapidOCR's own recogniser has no Cyrillic letter, and Tesseract on whole frames is useless; together they read boxed
Russian and Kazakh captions without an error. Pictures are BGR uint8 [h, w, 3].
"""

import difflib
import logging
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videotag.errors import EngineError
from videotag.languages import CYRILLIC_LANGUAGES, TESSERACT_NAMES
from videotag.morphology import russian

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")
CYRILLIC = ("kaz", "rus")
AT_ONCE, TIMEOUT = 40, 60.0  # lines that Tesseract gets, and its seconds for them; it takes 0.3 and 0.1 for each
DETECTOR_SIDE = 960
"""Larger frames are scaled down to this; smaller ones are not scaled up (5x the time, and no more lines found)."""
FAINT, CELL, CROWDED = 12, 32, 12
"""Levels of luma (of 255) between neighbours below which no letter can be read; pixels of a cell's side; and how many
such differences it has if a letter is in it: one 8 pixels high has 20 and more."""
MOST_BUSY = 0.85  # share of a picture from which on looking at a part of it saves nothing
LINE_HEIGHT, SMALLEST_LINE = 64, 8  # pixels: what Tesseract was measured with, and below what nothing can be read
MAX_LINES = 40  # lines read in one frame: a page of credits has 20, and one of a document must not hold up the run
GOOD, SURE = 70.0, 85.0
"""Tesseract's confidence (0-100) of a line to be kept, and to go without a second reading in more languages.
Measured: captions read in their language 90-97, in the wrong script 0-89, textures without text below 35."""
SAME_FRAME, SAME_LINE = 10, 60
"""Largest difference of luma (of 255) in thumbnails up to which frames, and lines, count as the same. Measured on
captions 14-24 px high: one other letter or digit gives 14 and more in a frame, 89 and more in a line; coding noise 4
in a frame, a moving background at the rim of the caption up to 50 in a line."""
ALIKE = 0.85
_AFTER_PREFIX = re.compile("[ьЬ](?=[еёюяЕЁЮЯ])")
_CYRILLIC = re.compile("[Ѐ-ӿ]")
_SEEN_AS = str.maketrans("АВЕКМНОРСТУХІЅЈ", "ABEKMHOPCTYXISJ")
_LOOK_ALIKE = re.compile("[АВЕКМНОРСТУХІЅЈ]{3,}")
"""Capitals of both scripts: a whole word of them may be Latin ("КЕСОС" for "KEGOC")."""
_LATIN_ONLY = re.compile("[DFGIJLNQRSUVWZ]")


@dataclass(frozen=True)
class Line:
    """A line as read, how sure Tesseract is of it (0-100), and on which of the pictures it was seen first."""

    text: str
    confidence: float
    picture: int = 0


def installed_languages() -> tuple[str, ...]:
    """Tesseract's languages that can be used here, in the order in which it should get them.

    Empty, with a warning that says what to install, where there are none.
    """
    program = shutil.which("tesseract")
    if program is None:
        log.warning("on-screen text is not read: the program tesseract is not installed (with its data rus, kaz, eng)")
        return ()
    listed = _run([program, "--list-langs"], b"").split()
    languages = tuple(name for name in TESSERACT_NAMES.values() if name in listed)
    if not languages:
        log.warning("on-screen text is not read: tesseract has no language data; install its rus, kaz and eng")
    return languages


class ScreenReader:
    """Reads lines off frames, in the `languages` that `installed_languages` gave; there is one at least."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._all = tuple(languages)
        self._program = shutil.which("tesseract") or "tesseract"
        self._known: list[tuple[np.ndarray, Line]] = []
        self._warned: set[str] = set()

    def read(self, images: "Sequence[np.ndarray]", language: str) -> dict[str, int]:
        """The texts on the pictures in the order of their appearance, with the picture each is first on; no noise.

        What is written is most likely in the `language` of the speech (ISO 639-1).
        """
        if not likely_languages(self._all, language):
            # In another script's data Cyrillic becomes "CNPABKA", and Tesseract is sure of it: better nothing.
            if language not in self._warned:
                self._warned.add(language)
                needed = TESSERACT_NAMES.get(language, "rus")
                log.warning('on-screen text of "%s" videos is not read: install %s for tesseract', language, needed)
            return {}
        crops = list(_line_crops(images))
        lines = self._recognised([crop for _, crop in crops], language)
        found = [
            replace(line, picture=number)
            for (number, _), line in zip(crops, lines, strict=True)
            if line.confidence >= GOOD and _is_text(line.text)
        ]
        return {line.text: line.picture for line in _merged(found)}

    def _recognised(self, crops: "Sequence[np.ndarray]", language: str) -> list[Line]:
        """The text of each line. One that looks like another, of these or of the last call, is not read again."""
        new: list[np.ndarray] = []
        thumbnails = [known for known, _ in self._known]
        same: list[int] = []  # which of the thumbnails each line looks like
        for crop in crops:
            thumbnail = _line_thumbnail(crop)
            like = (n for n, known in enumerate(thumbnails) if _difference(known, thumbnail) < SAME_LINE)
            same.append(next(like, len(thumbnails)))
            if same[-1] == len(thumbnails):
                thumbnails.append(thumbnail)
                new.append(crop)
        lines = [*(line for _, line in self._known), *self._read_lines(new, language)]
        self._known = [(thumbnails[n], lines[n]) for n in dict.fromkeys(same)] or self._known
        return [lines[n] for n in same]

    def _read_lines(self, crops: "Sequence[np.ndarray]", language: str) -> "list[Line]":
        likely = likely_languages(self._all, language)
        lines = self._ask(crops, likely)
        if likely != self._all:
            self._ask_again(crops, lines, self._all, _surer, [line.confidence < SURE for line in lines])
        if "eng" in likely and likely != ("eng",):
            self._ask_again(crops, lines, ("eng",), _latin, [_may_be_latin(line) for line in lines])
        return [replace(line, text=_with_hard_signs(line.text)) for line in lines]

    def _ask_again(
        self,
        crops: "Sequence[np.ndarray]",
        lines: list[Line],
        languages: Sequence[str],
        better: Callable[[Line, Line], Line],
        doubtful: Sequence[bool],
    ) -> None:
        """Read the doubtful lines in other languages, and put the `better` of both readings in their place."""
        numbers = [number for number, doubt in enumerate(doubtful) if doubt]
        for number, line in zip(numbers, self._ask([crops[number] for number in numbers], languages), strict=True):
            lines[number] = better(lines[number], line)

    def _ask(self, crops: "Sequence[np.ndarray]", languages: Sequence[str]) -> list[Line]:
        """What Tesseract reads on each crop. Many go to it at once: it takes longer to start than to read a line."""
        import cv2

        command = [self._program, "stdin", "stdout", "--psm", "7", "--dpi", "150", "-l", "+".join(languages)]
        command += ["-c", "tessedit_create_tsv=1"]
        lines: list[Line] = []
        for first in range(0, len(crops), AT_ONCE):
            pages = list(crops[first : first + AT_ONCE])
            lines += _parsed(_run(command, cv2.imencodemulti(".tiff", pages)[1].tobytes()), len(pages))
        return lines


def likely_languages(installed: Sequence[str], language: str) -> tuple[str, ...]:
    """What a line is first read in: Kazakh and Russian together unless the speech is in another known language.

    Cyrillic ones with English: names and numbers are often in Latin letters, and Cyrillic data alone makes
    "ВКЕАКІМС МЕМ/5" of "BREAKING NEWS" and is sure of it.
    """
    own = TESSERACT_NAMES.get(language, "rus")
    wanted = CYRILLIC if own in CYRILLIC else (own,)
    likely = tuple(name for name in installed if name in wanted)
    cyrillic = own in CYRILLIC or language in CYRILLIC_LANGUAGES
    return (*likely, "eng") if likely and cyrillic and "eng" in installed else likely


def _run(command: list[str], given: bytes) -> str:
    """What Tesseract prints; "" where it fails."""
    # Tesseract's threads wait for each other: one is faster than four, and leaves the cores to others.
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=TIMEOUT, env=environment, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.debug("tesseract: %s", error)
        return ""
    if done.returncode:
        log.debug("tesseract: %s", done.stderr.decode(errors="replace").strip())
        return ""
    return done.stdout.decode(errors="replace")


def _parsed(table: str, pages: int) -> list[Line]:
    """The words of each page of Tesseract's TSV, and their confidence weighted by length.

    Columns: https://tesseract-ocr.github.io/tessdoc/Command-Line-Usage.html (level 5 is a word, page 1 the first).
    """
    rows = [row.split("\t") for row in table.splitlines()]
    words: list[list[tuple[str, float]]] = [[] for _ in range(pages)]
    for row in rows:
        if len(row) > 11 and row[0] == "5" and 0 < int(row[1]) <= pages:
            words[int(row[1]) - 1].append((_plain(row[11]), float(row[10])))
    return [_line(found) for found in words]


def _line(words: list[tuple[str, float]]) -> Line:
    # What stands at the ends without a letter or digit is the rim of the caption: "| Счёт 1:0".
    solid = [index for index, (text, _) in enumerate(words) if any(map(str.isalnum, text))]
    words = [word for word in words[solid[0] : solid[-1] + 1] if word[0]] if solid else []
    letters = sum(len(text) for text, _ in words)
    confidence = sum(len(text) * sure for text, sure in words) / letters if letters else 0.0
    return Line(" ".join(text for text, _ in words), confidence)


def _surer(one: Line, other: Line) -> Line:
    return max(one, other, key=lambda line: line.confidence)


def _may_be_latin(line: Line) -> bool:
    return any(map(_looks_latin, line.text.split())) or (line.confidence < SURE and not _CYRILLIC.search(line.text))


def _looks_latin(word: str) -> bool:
    """Only letters that look the same in both scripts, and no word that Russian knows."""
    return bool(_LOOK_ALIKE.fullmatch(word)) and not russian().word_is_known(word.lower())


def _latin(line: Line, english: Line) -> Line:
    """The line with those of its words in English that are written in letters which only look Cyrillic."""
    if not _CYRILLIC.search(line.text):
        return english if english.confidence >= SURE else line
    words, others = line.text.split(), english.text.split()
    if len(words) != len(others):
        return line
    mended = [
        other if _looks_latin(word) and _is_other(word, other) else word
        for word, other in zip(words, others, strict=True)
    ]
    return replace(line, text=" ".join(mended))


def _is_other(word: str, latin: str) -> bool:
    """Whether the Latin word has a letter that Cyrillic has nothing like, and else looks the same."""
    same = sum(one == other for one, other in zip(word.translate(_SEEN_AS), latin, strict=False))
    return len(word) == len(latin) and 2 * same >= len(word) and bool(_LATIN_ONLY.search(latin))


def _with_hard_signs(text: str) -> str:
    """The text with "ъ" in words that Russian knows with it alone: Tesseract's Kazakh data has none."""
    return re.sub(r"[^\W\d_]+", lambda word: _with_hard_sign(word[0]), text)


def _with_hard_sign(word: str) -> str:
    hard = _AFTER_PREFIX.sub(lambda sign: "ъ" if sign[0] == "ь" else "Ъ", word)
    known = russian().word_is_known
    return hard if hard != word and known(hard.lower()) and not known(word.lower()) else word


def _line_crops(images: "Sequence[np.ndarray]") -> "Iterator[tuple[int, np.ndarray]]":
    """The lines on each picture that is not the same as the last of its size: its number, and the line's crop."""
    lasts: dict[tuple[int, ...], np.ndarray] = {}
    for number, image in enumerate(images):
        thumbnail = _thumbnail(image, 160, 90)
        last = lasts.get(image.shape)
        if last is None or _difference(last, thumbnail) >= SAME_FRAME:
            crops = (_crop(image, box) for box in _boxes(image))
            yield from ((number, crop) for crop in [crop for crop in crops if crop is not None][:MAX_LINES])
        lasts[image.shape] = thumbnail


def _boxes(image: "np.ndarray") -> "list[np.ndarray]":
    """The corners of what the detector takes for lines, float [4, 2] each: x and y."""
    import cv2
    import numpy as np

    scale = min(1.0, DETECTOR_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR) if scale < 1 else image
    top, bottom, left, right = _busy(small)
    part = small[top:bottom, left:right]
    if not part.size:
        return []
    if part.shape == small.shape:
        part, scale = image, 1.0  # which it scales itself
    boxes = _detector()(part, use_det=True, use_cls=False, use_rec=False).boxes
    return [np.add(box, (left, top)) / scale for box in (boxes if boxes is not None else ())]


def _busy(image: "np.ndarray") -> tuple[int, int, int, int]:
    """Top, bottom, left, right of the part that may hold text: sky, walls and black bars around it are left out.

    The detector takes as much less time as it is smaller. Empty (0, 0, 0, 0) if nothing is in the picture.
    """
    import cv2
    import numpy as np

    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    differs = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > FAINT
    padded = np.pad(differs, ((0, -height % CELL), (0, -width % CELL)))
    cells = padded.reshape(padded.shape[0] // CELL, CELL, -1, CELL).sum(axis=(1, 3)) >= CROWDED
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    # With a cell around: the detector goes by what surrounds a line, too.
    top, bottom = max(0, int(rows[0]) - 1) * CELL, min(height, (int(rows[-1]) + 2) * CELL)
    left, right = max(0, int(columns[0]) - 1) * CELL, min(width, (int(columns[-1]) + 2) * CELL)
    whole = (bottom - top) * (right - left) > MOST_BUSY * height * width
    return (0, height, 0, width) if whole else (top, bottom, left, right)


def _plain(text: str) -> str:
    """Without control and format characters, which could steer a terminal."""
    return "".join(char for char in text if unicodedata.category(char)[0] != "C").strip()


def _is_text(text: str) -> bool:
    """At least two letters, and mostly letters and digits."""
    solid = text.replace(" ", "")
    return sum(map(str.isalpha, solid)) >= 2 and sum(map(str.isalnum, solid)) >= 0.6 * len(solid)


def _merged(lines: Sequence[Line]) -> list[Line]:
    """Each text once, in its surest reading. Two lines of one picture are two texts, however alike."""
    kept: list[Line] = []
    last: list[int] = []  # the picture on which each of them was seen last
    for line in lines:
        same = [i for i, other in enumerate(kept) if line.picture != last[i] and _alike(line.text, other.text)]
        if not same:
            kept.append(line)
            last.append(line.picture)
            continue
        index = min(same, key=lambda i: kept[i].text != line.text)
        last[index] = line.picture
        if line.confidence > kept[index].confidence:
            kept[index] = replace(line, picture=kept[index].picture)
    return kept


def _alike(one: str, other: str) -> bool:
    """The same but for a misread letter. Other digits are another text: a score, a date, a telephone number."""
    if list(filter(str.isdigit, one)) != list(filter(str.isdigit, other)):
        return False
    return difflib.SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False).ratio() >= ALIKE


def _crop(image: "np.ndarray", box: "np.ndarray") -> "np.ndarray | None":
    """The line in grey, uint8 [LINE_HEIGHT, w]. None where nothing can be read.

    The border repeats the background's level (median of the rim): letters that touch the edge are misread.
    """
    import cv2
    import numpy as np

    (left, top), (right, bottom) = box.min(axis=0), box.max(axis=0)
    rim = 0.1 * (bottom - top)
    left, right = max(0, int(left - rim)), min(image.shape[1], int(right + rim))
    top, bottom = max(0, int(top - rim / 2)), min(image.shape[0], int(bottom + rim / 2))
    if bottom - top < SMALLEST_LINE or right - left < SMALLEST_LINE:
        return None
    grey = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    level = float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))
    pad = max(4, grey.shape[0] // 4)
    padded = cv2.copyMakeBorder(grey, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(level,))
    scale = LINE_HEIGHT / padded.shape[0]
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(padded, (max(1, round(padded.shape[1] * scale)), LINE_HEIGHT), interpolation=way)


def _thumbnail(image: "np.ndarray", width: int, height: int) -> "np.ndarray":
    import cv2

    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)


def _line_thumbnail(crop: "np.ndarray") -> "np.ndarray":
    import cv2

    return cv2.blur(_thumbnail(crop, 512, LINE_HEIGHT // 2), (3, 3))


def _difference(one: "np.ndarray", other: "np.ndarray") -> float:
    import cv2

    return float(cv2.absdiff(one, other).max())


@cache
def _detector() -> Any:
    """RapidOCR's detector with the model of its own wheel. A path that is given leaves it nothing to download.

    Raises:
        EngineError: this version of the wheel has another model.
    """
    import rapidocr

    model = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_det_small.onnx"
    if not model.is_file():
        raise EngineError(f"{model}: is missing; install the version of rapidocr that requirements.txt names")
    options = {
        "Global.log_level": "critical",
        "Det.model_path": str(model),
        "Det.limit_type": "max",
        "Det.limit_side_len": DETECTOR_SIDE,
        # Without it each run asks the system for its memory anew: 0.85 of the processor time.
        "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
        # Its threads wait in a busy loop; with one the wall time is little more and the processor time a third.
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    }
    return rapidocr.RapidOCR(params=options)
