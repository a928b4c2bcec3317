"""Words: forms brought together, numbers, scripts; the search index against kills, damage and several writers."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from videotag.errors import UserError
from videotag.search.forms import document_words, every_word, exact_pattern, is_all_quoted, matches, query_words, quoted
from videotag.search.index import Entry, Moved, SegmentIndex
from videotag.search.numerals import NUMERALS, joined

ROOT = Path(__file__).parents[2]


@pytest.fixture
def index(tmp_path):
    return SegmentIndex(tmp_path / "db" / "index.sqlite3")


def update(index, state, texts, removed=(), *, since):
    """With the vectors (1, 0) and (0, 1) in turn."""
    entries = (Entry(id_, {}, text, np.eye(1, 2, n % 2, np.float32)[0]) for n, (id_, text) in enumerate(texts))
    return index.update(state, entries, removed, since=since)


def shares(index, query):
    """Share of the query's words by id, the greatest first, without those that hold none."""
    segments = index.segments()
    if not segments.count:
        return {}
    of_each = index.shares(query, segments)
    numbers = np.flatnonzero(segments.alive & (of_each > 0))
    ids = segments.exactly(numbers)[0]
    found = zip(of_each[numbers].tolist(), ids, strict=True)
    return {id_: share for share, id_ in sorted(found, key=lambda pair: -pair[0])}


def found(index, query):
    return list(shares(index, query))


@pytest.mark.parametrize(
    ("document", "query"),
    [
        ("Выступает министр.", "слова министра"),
        ("Паводок затопил улицы", "о паводках"),
        ("Президент Токаев прибыл", "Токаева"),
        ("Встреча с Токаевым", "токаев"),
        ("Ёлка стоит", "елку"),
        ("В Шымкенте дождь", "Шымкент"),
        ("Президент Токаев прибыл", "Тоқаевтың сөзі"),  # Kazakh asks, Russian answers
        ("Чемпион поднял кубок", "чемпионы туралы"),
        ("Оқушылар мектептерде жиналды", "мектеп"),
        ("Ауылдағы көпір құлады", "көпірдің"),
        ("Қазақстанның ауылы", "ауылдар қазақша"),
        ("The firefighters crossed two bridges", "firefighter bridge"),
        ("Президент Токаев прибыл", "Tokayev"),
        ("В посёлке взбивают кумыс", "kumis"),
        ("Алматы ночью", "Almaty"),
    ],
)
def test_a_form_finds_another_form(index, document, query):
    update(index, "1", [("right", document), ("other", "Снегопад")], since=None)
    assert found(index, query) == ["right"]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("двести пятьдесят два человека", "252"),
        ("девять миллионов тонн", "9000000"),
        ("девяносто третья минута", "93"),
        ("жүз бір жаста, қала", "101"),
        ("он жетінші әлем", "17"),
        ("nine million tonnes", "9000000"),
        ("the 93rd minute", "93"),
        ("15 000 тенге", "15000"),
        ("школа №5", "5"),
        ("ол он бес жаста, қала", "15"),
        ("600 тысяч машин", "600000"),
    ],
)
def test_a_number_is_the_same_in_words_and_digits(written, number):
    assert number in document_words(written)


def test_neighbouring_numbers_stay_apart():
    assert [number for *_, number in joined([20, 5, 2024], [True] * 3)] == [20, 5, 2024]  # a date
    words = ["два", "один", "сто", "двести"]  # a score, then nothing that can be added
    values = [NUMERALS["ru"][word] for word in words]
    assert [number for *_, number in joined(values, [False] * 4)] == [2, 1, 100, 200]


def test_kazakh_words_that_look_like_numbers_are_none():
    for text in ("Қазақстан үшін", "оның үйі, мен оны көрдім", "Ұшақ Алматыға ұшты", "дүние жүзінде белгілі"):
        assert not [word for word in document_words(text) if word.isdigit()], text
    assert {"3", "10", "100"} <= {*document_words("үш әже"), *document_words("он үйге"), *document_words("жүз әже")}


def test_numbers_in_digits_stay_apart():
    assert [word for word in document_words("страница 5, 1000 рублей") if word.isdigit()] == ["5", "1000"]
    assert document_words("10, 100, 1000") == ["10", "100", "1000"]


def test_the_russian_pronoun_is_not_the_kazakh_ten():
    for text in ("Он сказал правду", "Тоқаев сказал, что он приехал", "о чём он говорит в Қарағанды"):
        assert "10" not in document_words(text)
        assert ("10",) not in query_words(text)


def test_double_quotes_mean_exact_words_and_titles_do_not():
    assert quoted('речь "о воде" и “Каспий” из фильма «Абай»') == ["о воде", "Каспий"]
    assert quoted('одна " кавычка') == quoted('пусто "..."') == []
    assert is_all_quoted('"о воде", “Каспий”')
    assert not is_all_quoted('речь "о воде"')
    assert not is_all_quoted('"..."')


@pytest.mark.parametrize(
    ("phrase", "document", "occurs"),
    [
        ("ёлка стоит", "Елка\nстоит", True),
        ("елка", "ЁЛКА", True),
        ("вода", "водами", False),
        ("Қазақстан", "в ҚАЗАҚСТАН, да", True),
        ("12.05", "дата 12-05", True),
        ("a.c", "abc", False),
        ("富士山", "ここから富士山が見える", True),  # no edges of words there
        ("富士 山", "ここから富士山が見える", False),
        ("กรุงเทพ", "ไปกรุงเทพมหานคร", True),
    ],
)
def test_an_exact_pattern(phrase, document, occurs):
    assert bool(re.search(exact_pattern(phrase), document)) is occurs


def test_a_word_that_says_nothing_is_no_other_word():
    assert matches("Алматы қаласы: бүгін күн ашық", "бұғы") == []
    assert matches("Өңірдегі қорықтың бұғысы", "бұғы") == [(18, 24)]
    assert matches("Бүгін ана мерекесі өтті", "аналар") == [(6, 9)]  # "ана" is that (there), and mother


def test_words_of_numbers_are_stored_too_for_exact_phrases():
    for text in ("бірінші қар, үш жүз адам", "the first forty", "первый из сорока", "он екі"):
        stored = set(document_words(text))
        assert all(stored & set(forms) for forms in every_word(text)), text


def test_asking_words_are_not_looked_for():
    assert query_words("Где и когда покажи, что это?") == []
    assert query_words("where is the video") == []


def test_a_rare_word_weighs_more_than_a_common_one(index):
    common = [(f"c{n}", "Вода в реке") for n in range(3)]
    filler = [(f"f{n}", "Снегопад") for n in range(20)]
    update(index, "1", [*common, ("rare", "Говорит Пятков"), *filler], since=None)
    (first, share), *rest = shares(index, "Пятков о воде").items()
    assert first == "rare" and 0.5 < share < 1
    assert {id_ for id_, _ in rest} == {"c0", "c1", "c2"}


def test_a_document_with_all_the_words_has_share_one(index):
    update(index, "1", [("a", "Наводнение в городе"), ("b", "Город"), ("c", "Снег"), ("d", "Лес")], since=None)
    assert shares(index, "наводнение") == {"a": 1.0}


@pytest.mark.parametrize(
    "query", ['"', 'вода" OR "', "NEAR(вода", "вода*", "-вода", "a AND NOT", "{x}: вода", "'; DROP"]
)
def test_no_query_is_syntax(index, query):
    update(index, "1", [("a", "Вода и лес"), ("b", "Снег")], since=None)
    assert set(found(index, query)) <= {"a"}
    assert found(index, "снег") == ["b"]


def test_what_was_put_in_or_taken_out_meanwhile_is_noticed(index):
    """Another client of a server may change the index between reading the segments and asking for words."""
    update(index, "1", [(f"s{n}", "вода") for n in range(4)] + [("x", "лес")] * 1, since=None)
    segments = index.segments()
    update(index, "2", [("s1", "вода"), ("new", "вода")], ["s3"], since="1")
    numbers = np.flatnonzero(segments.alive & (index.shares("вода", segments) > 0))
    assert numbers.tolist() == [1, 2, 3, 4]
    assert segments.exactly(numbers[[0, 2]])[0] == ["s0", "s2"]
    for gone in (1, 3):  # s1 has another number now
        with pytest.raises(Moved):
            segments.exactly(numbers[[0, gone]])


def test_an_update_replaces_and_removes(index):
    update(index, "1", [("a", "вода"), ("b", "вода"), ("c", "лес")], since=None)
    assert update(index, "2", [("a", "снег")], ["b"], since="1")
    assert (index.state, index.ids()) == ("2", {"a", "c"})
    assert (found(index, "вода"), found(index, "снег")) == ([], ["a"])


def test_an_update_from_another_state_does_nothing(index):
    update(index, "2", [("a", "вода")], since=None)
    assert not update(index, "3", [], ["a"], since="1")
    assert (index.state, found(index, "вода")) == ("2", ["a"])


def test_a_failure_halfway_leaves_the_state_before(index):
    update(index, "1", [("a", "вода")], since=None)

    def segments():
        yield "a", "снег"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        update(index, "2", segments(), since="1")
    assert (index.state, found(index, "вода")) == ("1", ["a"])


def test_no_file_is_no_index_and_reading_makes_none(index):
    assert (index.state, index.ids(), found(index, "вода")) == (None, set(), [])
    assert not index.path.exists()


@pytest.mark.parametrize("damage", ["garbage", "cut", "middle", "other form", "lost table"])
def test_a_damaged_file_is_dropped_with_a_warning_and_made_again(index, caplog, damage):
    segments = [(f"s{n}", f"вода номер {n}") for n in range(2000)]
    update(index, "1", segments, since=None)
    data = bytearray(index.path.read_bytes())
    if damage == "garbage":
        data[:] = b"no database" * 1000
    elif damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "middle":
        data[4096:-4096] = bytes(len(data) - 8192)
    index.path.write_bytes(data)
    if damage == "other form":
        with sqlite3.connect(index.path) as db:
            db.execute("PRAGMA user_version = 999")
    if damage == "lost table":
        with sqlite3.connect(index.path) as db:
            db.execute("DROP TABLE segment")
    found(index, "вода")
    assert index.state is None and "made anew" in caplog.text
    assert update(index, "2", segments, since=None)
    assert found(index, "1234") == ["s1234"]


def vectors(index):
    segments = index.segments()
    ids, exact = segments.exactly(np.flatnonzero(segments.alive)) if segments.count else ([], ())
    assert np.allclose(segments.vectors[segments.alive], exact) if ids else not segments.alive.any()
    return dict(zip(ids, map(list, exact), strict=True))


def test_vectors_come_back_as_they_are_now(index):
    assert vectors(index) == {}
    update(index, "1", [("a", "вода"), ("b", "лес"), ("c", "лес")], since=None)
    assert vectors(index) == {"a": [1, 0], "b": [0, 1], "c": [1, 0]}
    index.update("2", [Entry("a", {}, "вода", np.array([0.6, -0.8], np.float32))], ["b"], since="1")
    assert vectors(index) == {"a": pytest.approx([0.6, -0.8]), "c": [1, 0]}


@pytest.mark.parametrize(
    "vector", [[1, 0, 0], [0, 0], [0, 1.01], [np.nan, 1]], ids=["longer", "no length", "too long", "nan"]
)
def test_a_damaged_vector_is_never_compared_with(vector, index, caplog):
    update(index, "1", [("a", "вода"), ("b", "лес")], since=None)
    with sqlite3.connect(index.path) as db:
        db.execute("UPDATE vector SET exact = ? WHERE number = 2", (np.array(vector, "<f4").tobytes(),))
    assert vectors(index) == {} and index.state is None and "made anew" in caplog.text


WRITER = """
import sys
import numpy as np
from videotag.search.index import Entry, SegmentIndex
index = SegmentIndex(sys.argv[1])
state = int(index.state)
while True:
    segments = [Entry(f"s{n}", {}, f"вода заход{state + 1}", np.eye(1, 2, n % 2, np.float32)[0]) for n in range(50)]
    index.update(str(state + 1), segments, since=str(state))
    state += 1
    print(state, flush=True)
"""


def test_kill_9_leaves_a_whole_state(index):
    update(index, "0", [(f"s{n}", "вода заход0") for n in range(50)], since=None)
    for delay in (0.0, 0.003, 0.007, 0.013, 0.02):
        command = [sys.executable, "-c", WRITER, str(index.path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged = int(writer.stdout.readline())
            time.sleep(delay)
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().split("\n")[:-1])])
        state = int(index.state or -1)
        assert state >= acknowledged
        assert len(found(index, f"заход{state}")) == 50
        assert index.ids() == {f"s{n}" for n in range(50)}


def test_of_writers_at_once_from_one_state_one_wins(index):
    update(index, "0", [("a", "вода")], since=None)
    won = []

    def write(number):
        other = SegmentIndex(index.path)
        if update(other, f"by {number}", [(f"n{number}", "снег")], since="0"):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and index.state == f"by {won[0]}" and index.ids() == {"a", f"n{won[0]}"}


def test_a_busy_index_is_one_clear_line_and_is_kept(index, monkeypatch):
    monkeypatch.setattr("videotag.search.index.BUSY", 0.05)
    update(index, "1", [("a", "вода")], since=None)
    with sqlite3.connect(index.path) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UserError, match="cannot be used"):
            index.segments()
        db.rollback()
    assert found(index, "вода") == ["a"]


def test_what_is_kept_open_holds_no_lock(index):
    update(index, "1", [("a", "снег")], since=None)
    assert (index.state, found(index, "снег")) == ("1", ["a"])
    with sqlite3.connect(index.path, timeout=0) as other:
        other.execute("BEGIN EXCLUSIVE")


def test_an_index_that_another_put_in_the_place_of_the_old_one_is_read(index, tmp_path):
    update(index, "1", [("a", "снег")], since=None)
    assert found(index, "снег") == ["a"]
    other = SegmentIndex(tmp_path / "other.sqlite3")
    update(other, "2", [("b", "снег")], since=None)
    os.replace(other.path, index.path)
    assert (index.state, found(index, "снег")) == ("2", ["b"])
    index.path.unlink()
    assert (index.state, index.ids()) == (None, set())


def test_an_index_is_read_in_several_threads(index):
    update(index, "1", [(f"s{n}", "снег") for n in range(50)], since=None)
    read: list[int] = []

    def ask():
        read.extend(len(index.ids()) for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [50] * 200
    assert len(index._kept) <= 4  # no more than read at once


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="search index"):
        SegmentIndex(tmp_path / "file" / "index").update("1", [], since=None)


@pytest.mark.parametrize(
    ("text", "query", "words"),
    [
        ("Воды реки и вода, водный мир.", "вода", ["Воды", "вода"]),
        ("Президент Токаев прибыл", "выступление Токаева", ["Токаев"]),
        ("мосты в городе", "и в на", []),  # words that say nothing are not marked
        ("trains and a train", "the train", ["trains", "train"]),
        ("Тоқаев сөйледі", "токаев", ["Тоқаев"]),
        ("Кто там? Там, где кто-то", '"кто там"', ["Кто", "там"]),  # these words in this order, though they say nothing
        ("", "вода", []),
        ("Выросло на сорок два сантиметра. Два дня", "42", ["сорок", "два"]),
        ("Выросло на 42 см", "сорок два", ["42"]),
        ("Қаланың көшелері", "қала", ["Қаланың"]),
        ("Су тасқыны болды", "тасқын", ["тасқыны"]),
    ],
)
def test_matches(text, query, words):
    assert [text[first:last] for first, last in matches(text, query)] == words
