"""Real voices and their texts, from Debian's packages of Asterisk's prompts (CC-BY-SA); how wrong a text is."""

import gzip
import random
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np
import pytest

RATE = 16_000
SPEAKERS = {"ru": "ru_RU_f_IvrvoiceRU", "en": "en_US_f_Allison"}
PACKAGES = [f"asterisk-core-sounds-{language}{kind}" for language in SPEAKERS for kind in ("", "-g722")]
BYTES_A_SECOND = 8000  # of G.722


@dataclass(frozen=True)
class Utterance:
    audio: np.ndarray  # float32 mono [n], 16 kHz
    text: str
    language: str


@dataclass(frozen=True)
class Voices:
    """The unpacked packages."""

    folder: Path

    @cached_property
    def texts(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for language in SPEAKERS:
            name = f"usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
            with gzip.open(self.folder / name, "rt", encoding="utf-8", errors="replace") as lines:
                pairs = [line.split(":", 1) for line in lines if ":" in line and not line.startswith(";")]
            found[language] = {key.strip(): text.strip() for key, text in pairs}
        return found

    def one(self, language: str, name: str) -> Utterance:
        path = self.folder / "usr/share/asterisk/sounds" / SPEAKERS[language] / f"{name}.g722"
        blocks = []
        with av.open(str(path), format="g722") as container:
            resampler = av.AudioResampler("flt", "mono", RATE)
            for frame in container.decode(audio=0):
                blocks += [block.to_ndarray()[0] for block in resampler.resample(frame)]
        return Utterance(np.concatenate(blocks), self.texts[language][name], language)

    def some(self, language: str, shortest: float, longest: float, seconds: float, seed: int) -> list[Utterance]:
        """Utterances without digits, each of a length in seconds between these, until they are `seconds` together."""
        folder = self.folder / "usr/share/asterisk/sounds" / SPEAKERS[language]
        texts = self.texts[language]
        names = [
            path.stem
            for path in sorted(folder.glob("*.g722"))
            if shortest <= path.stat().st_size / BYTES_A_SECOND <= longest
            and re.search(r"\w", texts.get(path.stem, ""))
            and not re.search(r"[\d(\[]", texts[path.stem])
        ]
        random.Random(seed).shuffle(names)
        chosen: list[Utterance] = []
        while names and sum(len(one.audio) for one in chosen) < seconds * RATE:
            chosen.append(self.one(language, names.pop()))
        return chosen


def normalised(text: str) -> list[str]:
    """Words in lower case, ё as е, without punctuation; hyphens part words; digits stay as they are."""
    text = unicodedata.normalize("NFC", text).lower().replace("ё", "е")
    return re.findall(r"\w+", text)


def errors(right: Sequence[str], found: Sequence[str]) -> int:
    """Words that are wrong, missing or too many (Levenshtein)."""
    row = list(range(len(found) + 1))
    for i, word in enumerate(right, start=1):
        above, row[0] = row[0], i
        for j, other in enumerate(found, start=1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (word != other))
    return row[-1]


def together(utterances: Sequence[Utterance], pause: float = 0.6) -> np.ndarray:
    """One after the other, with a pause after each."""
    silence = np.zeros(int(pause * RATE), np.float32)
    return np.concatenate([part for one in utterances for part in (one.audio, silence)])


def fetched(folder: Path) -> Voices:
    """Debian's packages by apt, unpacked; skips the test where there is no apt, or it cannot fetch them."""
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not here: the real voices are packages of Debian")
    got = subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, capture_output=True, text=True)
    if got.returncode:
        pytest.skip(f"apt cannot fetch the real voices: {got.stderr.strip().splitlines()[-1:]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package.name, "."], cwd=folder, check=True)
        package.unlink()
    return Voices(folder)
