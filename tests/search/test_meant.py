"""What was meant by what was typed: mended where the archive knows better, left alone where it was right."""

import numpy as np
import pytest

from tests.fake_database import FakeDatabase, hit
from videotag.search.ask import Question, find
from videotag.search.filler import without_filler
from videotag.search.filters import Filters
from videotag.search.forms import document_words, query_words
from videotag.search.index import Entry, SegmentIndex
from videotag.search.kazakh import in_harmony, is_without_letters
from videotag.search.meant import readings
from videotag.search.spelling import key, keys

TEXTS = (
    "На полигоне нашли снаряд. Министр говорит о воде и плотине.",
    "Ауа райы туралы мектеп оқушылары айтады, күн ашық болады.",
    "Firefighters crossed the bridge near the harbour.",
)


def as_meant(question: str, archive: SegmentIndex) -> str:
    return readings(question, archive)[1]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    index = SegmentIndex(tmp_path_factory.mktemp("db") / "index.sqlite3")
    vector = np.array([1, 0], np.float32)
    index.update("1", (Entry(str(n), {}, text, vector) for n, text in enumerate(TEXTS)), since=None)
    return index


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("cyfhzl", "снаряд"),
        ("Vbybcnh ujdjhbn j djlt?", "Министр говорит о воде?"),
        ("fef hfqs nehfks", "ауа райы туралы"),
        ("Ашкуашпреукы скщыыув еру икшвпу", "Firefighters crossed the bridge"),
        ("мектеп о0ушылары к8н аш90", "мектеп оқушылары күн ашұқ"),  # ұ, not ы: a typo is left, for қ is right
        ("МИНИСТР ГОВОРИТ О ВОДЕ", "министр говорит о воде"),
        ("ministr govorit o vode", "министр говорит о воде"),
        ("пкуут ршдд щмук еру кшвпу", "green hill over the ridge"),  # no word of the archive
        ("ауа райы 5ашы0тар", "ауа райы ғашықтар"),
        ("schitaet korabl, skorb, torgovyy gorod", "считает корабль, скорбь, торговый город"),
        ("зимний го род", "зимний город"),
        ("aua raiy turaly", "ауа райы туралы"),
        ("aua rayy turaly", "ауа райы туралы"),
        ("mektep oqushylary", "мектеп оқушылары"),
        ("mektep oquşylary", "мектеп оқушылары"),
        ("mektep oqys'ylary", "мектеп оқушылары"),
        ("мектеп окушылары", "мектеп оқушылары"),
        ("densaulyk saktauga kansha karzhy bolindi", "денсаулық сақтауға қанша қаржы бөлінді"),  # none is there
        ("zhedel zhardem kolikteri", "жедел жәрдем көліктері"),
        ("бул жагдай тотенше болисуге", "бұл жағдай төтенше бөлісуге"),
        ("teachers wating for a mrtgage", "teachers waiting for a mortgage"),
        ("snow at theport", "snow at the port"),
        ("teac hers waiting for snow", "teachers waiting for snow"),
        ("СерикБалгимбаев", "Серик Балгимбаев"),
        ("мечКолесова", "меч Колесова"),
        ("почемуотменили пуск", "почему отменили пуск"),
        ("нaшли cнapяд", "нашли снаряд"),
        ("министар говорит", "министр говорит"),
        ("firefihters", "firefighters"),
        ("пло тине", "плотине"),
        ("нашлиснаряд", "нашли снаряд"),
        ("скажите пожалуйста, а вот где там снаряд", "снаряд"),
        ("мектеп оқушылары деген жерін маған көрсетіп беріңізші, рахмет", "мектеп оқушылары"),
        ("could you please show me the bridge, thanks in advance", "bridge"),
    ],
)
def test_what_typing_did_is_undone(archive, typed, meant):
    assert as_meant(typed, archive) == meant


@pytest.mark.parametrize(
    "question",
    [
        "министр говорит о воде",
        "зимний город с высоты",  # not in the archive, but in the dictionary
        "Ауа райы туралы",
        "the bridge near the harbour",
        "winter water",
        "Maria Petrova from Poltava",
        "маьчик показыват",  # a letter is lost, the layout is right
        "glacier",
        '"cyfhzl"',
        "самолёт Ту-154",
        "2х комнатная квартира и 3й этаж",
        "пожалуйста",
        "США",
        "flooded dachas",
        "мың тонна, tonna zat",  # tonne is English; the question is not
        "iPhone в YouTube",
        "КазМунайГаз",
        "",
        "?",
    ],
)
def test_what_is_right_is_left_alone(archive, question):
    assert as_meant(question, archive) == question


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("schitaet korabl, torgovyy gorod", True),
        ("mektep oquşylary", True),
        ("пло тине", True),
        ("министар говорит", True),  # no dictionary has it
        ("Министар говорит", False),  # a name need not be in one
        ("мектеп окушилары", True),
        ("мектеп оқышылары", False),  # of Kazakh words there is no dictionary
        ("teachers wating for a mortgage", True),
        ("the bridge near the harbour", False),
    ],
)
def test_the_words_tell_or_do_not_that_others_were_meant(archive, typed, told):
    said, read, tells = readings(typed, archive)
    assert (tells and said != read) == told


def test_without_an_index_nothing_is_known_and_nothing_changed(tmp_path):
    assert as_meant("Хойлунд Fulham", SegmentIndex(tmp_path / "none.sqlite3")) == "Хойлунд Fulham"


def test_a_key_is_the_same_in_every_alphabet():
    assert {key("оқушы"), key("окушы"), *keys("oqushy"), *keys("oquşy")} == {"okuwi"}
    assert "okuwi" in keys("oqys'y") or key("оқушы") in keys("oqy's'y")


def test_kazakh_letters_by_harmony():
    assert in_harmony("кесенесы") == "кесенесі"
    assert in_harmony("казакстан") == "қазақстан"
    assert is_without_letters("окушы", "оқушы") and not is_without_letters("оқушы", "окушы")


def test_nothing_but_filler_stays_as_it_is():
    assert without_filler("пожалуйста, спасибо") == "пожалуйста, спасибо"
    assert without_filler("су тапшы") == "су тапшы"  # water is scarce


def test_an_answer_tells_what_was_asked_and_what_was_typed():
    db = FakeDatabase(hit())
    db.meant = {"cyfhzl": "снаряд", "ВОДА": "вода"}
    answer = find(db, Question("cyfhzl", None, Filters()), 5)
    assert (answer.question.words, answer.typed) == ("снаряд", "cyfhzl")
    assert answer.remarks == (("meant", {"words": "снаряд"}),)
    assert str(answer.remarks[0]) == "showing results for: снаряд"
    assert answer.moments[0]["asked_as"] == "снаряд"
    assert find(db, Question("ВОДА", None, Filters()), 5).remarks == ()  # capitals are no other words
    assert find(db, Question("cyfhzl", None, Filters(), as_typed=True), 5).question.words == "cyfhzl"


@pytest.mark.parametrize(
    ("document", "query"),
    [
        ("XX век был долгим", "20 век"),
        ("в 20 веке", "ХХ век"),  # Cyrillic letters
        ("в XX в. жили", "двадцатый век"),
        ("пробег 300 км", "километров"),
        ("рост 5%", "процент"),
        ("АҚШ президенті", "США"),
        ("the USA won", "АҚШ"),
        ("ООН решила", "UN"),
        ("в 2020 г. было", "год"),
        ("сделал эхо-тест", "эхотест"),
        ("сделал эхотест", "эхо-тест"),
        ("самолёт ту-154", "ту154"),
        ("самолёт ту154", "ту-154"),
        ("3,5 млн человек", "3500000"),
        ("3500000 человек", "3,5 млн"),
        ("1.5 тонны", "1,5"),
        ("two children and people", "child person"),
        ("they ran and won", "run win"),
        ("COVID-19", "ковид"),
    ],
)
def test_ways_of_writing_are_one(document, query):
    stored = set(document_words(document))
    assert all(not stored.isdisjoint(forms) for forms in query_words(query))


def test_kazakh_requests_are_not_looked_for():
    assert query_words("маған көрсетіп беріңізші меніңше") == []
