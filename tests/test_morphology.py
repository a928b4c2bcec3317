"""The dictionary that morphology reads says the same whoever reads it: DAWG2 here, pymorphy3's own Python elsewhere."""

import json
import subprocess
import sys

import pytest

# Known, bent, of two readings, with a name, unknown, misspelt, Kazakh, joined by a hyphen, a numeral, foreign letters.
WORDS = [
    "стали",
    "ёлки",
    "людей",
    "ушедшей",
    "Тлеубаевой",
    "нурлыбекова",
    "гуглил",
    "рысепшон",
    "хорощо",
    "қала",
    "жұмысшылардың",
    "қонақүй",
    "научно-популярный",
    "эхо-тест",
    "кто-то",
    "шестьюдесятью",
    "пятьсот",
    "кино",
    "ту",
    "по-",
    "ъ",
    "й",
    "ааааааааа",
    "news",
    "ии2",
    "-",
]
READ = """
import json, sys
if sys.argv[1] == "in Python":
    sys.modules["dawg"] = None
from videotag.morphology import readings
found = [readings(word.lower()) for word in sys.argv[2:]]
read = [[(one.word, str(one.tag), one.normal_form, one.score) for one in some] for some in found]
print(json.dumps(["dawg_python" in sys.modules, read]))
"""


def read(how: str) -> list:
    done = subprocess.run([sys.executable, "-c", READ, how, *WORDS], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_who_reads_the_dictionary_makes_no_difference() -> None:
    pytest.importorskip("dawg", reason="DAWG2 is not installed here (requirements.txt)")
    slow, by_python = read("in Python")
    other, by_dawg2 = read("by DAWG2")
    assert (slow, other) == (True, False)
    assert by_dawg2 == by_python
    assert "стать" in {normal for _, _, normal, _ in by_dawg2[0]}
