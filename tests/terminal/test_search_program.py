"""The search program as it is used: from the command line, and at the prompt."""

import csv
import io
import json
import os
import stat
import time
from concurrent import futures
from typing import Any

import cv2
import numpy as np
import pytest
from prompt_toolkit.application import create_app_session, get_app_session
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import test_search as search_program
from db_manager import ChromaDBManager
from tests.fake_database import FakeDatabase, FakeVideos, hit
from tests.fake_database import video as whole
from tests.pipeline import SAMPLE
from videotag.errors import UserError
from videotag.search import ask as asking
from videotag.search import hits, moments
from videotag.search.filters import Filters
from videotag.terminal import cards, commands, player
from videotag.terminal import prompt as prompt_session

SPEECH = "Сегодня на плотине открыли ворота"
NEWS = hit(
    "news",
    70,
    0.8765,
    description="Вид на высокую плотину",
    transcript=SPEECH,
    word_times="5 30 42 60 75",
    on_screen_text=["Новости", "12:00"],
    keywords=["плотина", "вода"],
    added="2026-01-01T10:00:00",
)
FILM = hit(
    "film",
    0,
    0.8,
    description="Поезд в степи",
    language="kk",
    mood_atmosphere="спокойное",
    keywords=["поезд"],
    added="2026-01-01T10:00:00",
)
LATER = hit(
    "film",
    350,
    0.7,
    description="Лес",
    content_type="фильм",
    confidence="высокая",
    keywords=[],
    added="2026-02-01T10:00:00",
)


def ask(capsys, db, *args):
    """Exit code, standard output and errors of a run on a scripted database."""
    capsys.readouterr()
    code = search_program.main(list(args), database=lambda *a, **options: db)
    out, err = capsys.readouterr()
    return code, out, err


def found(capsys, db, *args):
    code, out, err = ask(capsys, db, *args, "--json")
    assert (code, err) == (0, "")
    return [(moment["video_name"], moment["start_time"]) for moment in json.loads(out)]


def typed(capsys, monkeypatch, db, *lines, options=()):
    """What the prompt prints when these lines are piped into it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    code, out, err = ask(capsys, db, *options)
    assert code == 0
    return out.splitlines()[1:], err.splitlines()


@pytest.fixture
def db():
    return FakeDatabase(NEWS, FILM, LATER)


# --- the command line


def test_a_card(capsys, db):
    assert ask(capsys, db, "плотина", "--limit", "1")[:2] == (
        0,
        "1. news  01:11-02:00  0.876\n"  # 70 + 4.2 - 2.5 s
        "   Вид на высокую плотину\n"
        "   — Сегодня на плотине открыли ворота\n"
        "   on screen: Новости; 12:00\n"
        "   плотина, вода\n",
    )
    assert ask(capsys, db, "плотина")[1].count("\n") == 5 + 3 + 2  # what a segment does not have is no line


def test_json_is_a_list_and_nothing_else(capsys, db):
    code, out, err = ask(capsys, db, "плотина", "--json")
    moments = json.loads(out)
    assert (code, err, len(moments)) == (0, "", 3)
    assert list(moments[0]) == list(hits.KEYS)
    assert moments[0]["keywords"] == ["плотина", "вода"]
    times = [moments[0][key] for key in ("start", "end", "start_time", "end_time", "close")]
    assert times == [71.7, 120.0, 70.0, 120.0, True]
    assert moments[1]["dialogue_translation"] is None


def test_how_many(capsys):
    db = FakeDatabase(*(hit(video, 100 * n) for n in range(9) for video in ("a", "b")))
    assert len(found(capsys, db, "x")) == 5
    assert found(capsys, db, "x", "--limit", "3", "--per-video", "1") == [("a", 0.0), ("b", 0.0)]
    assert len(found(capsys, db, "x", "--all")) == 18
    assert len(found(capsys, db, "x", "--all", "--per-video", "4")) == 8


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ("--video film", "FL"),
        ("--video film --video news", "NFL"),
        ("--not-video film", "N"),
        ("--language kk", "F"),
        ("--not-language kk", "NL"),
        ("--content-type фильм", "L"),
        ("--not-content-type фильм --not-content-type спорт", "NF"),
        ("--mood спокойное", "F"),
        ("--not-mood спокойное", "NL"),
        ("--confidence высокая", "L"),
        ("--not-confidence высокая", "NF"),
        ("--keyword поезд --keyword вода", "NF"),
        ("--not-keyword поезд", "NL"),
        ("--added-after 2026-02-01", "L"),
        ("--added-before 2026-02-01", "NF"),
        ("--from 1:00 --to 3:00", "N"),
        ("--from 5:00", "L"),
        ("--to 60", "F"),
        ("--video film --not-language kk", "L"),
    ],
)
def test_filters(capsys, options, left):
    segments = {"N": NEWS, "F": FILM, "L": LATER}
    hits = found(capsys, FakeDatabase(*segments.values()), "x", *options.split())
    assert hits == [(segments[key]["video_name"], segments[key]["start_time"]) for key in left]


def test_like(capsys, db):
    assert found(capsys, db, "--like", "news@1:30", "--not-video", "news") == [("film", 0.0), ("film", 350.0)]
    assert db.asked == [("news@90.0", 15)]
    code, out, err = ask(capsys, db, "--like", "news@5:00")
    assert (code, out, err) == (2, "", "error: news: has no such moment\n")


SEEN = hit("film", 350, 0.7, description="", measured=True, seen_at=362.0, seen_frame=1)


def test_where_a_picture_shows_it(capsys):
    """Nothing in it is said or written: the moment starts 2.5 s before the picture."""
    db = FakeDatabase(NEWS, SEEN)
    [first, second] = json.loads(ask(capsys, db, "лес", "--json")[1])
    assert (first["seen_at"], first["seen_frame"]) == (None, None)
    assert (second["seen_at"], second["seen_frame"], second["start"]) == (362.0, 1, 359.5)
    assert "film  05:59-06:40  0.700  seen at 06:02\n" in ask(capsys, db, "лес")[1]
    table = hits.written([second], "лес", "csv")[0][".csv"].decode("utf-8-sig").splitlines()
    assert dict(zip(*csv.reader(table), strict=True))["seen_at"] == "362.0"
    assert "(0.700, seen at 06:02)" in hits.written([second], "лес", "md")[0][".md"].decode()


def test_a_moment_was_seen_where_one_of_its_segments_was():
    seen = hit("news", 35, 0.7, seen_at=80.0, seen_frame=5)
    [moment] = moments.best_moments(iter([NEWS, seen]), "плотина")
    assert (moment["segment_index"], moment["seen_at"], moment["seen_frame"]) == (2, 80.0, -1)


def test_how_the_pictures_were_asked_is_told(capsys, db):
    db.pictures.said = "pictures_not_asked", {"why": "the model is not there"}
    told = "(found by words and meaning alone; the pictures were not asked: the model is not there)"
    assert ask(capsys, db, "лес")[1].startswith(told)
    code, out, err = ask(capsys, db, "лес", "--json")
    assert (code, len(json.loads(out))) == (0, 3) and told in err
    assert told not in ask(capsys, db, "--like", "news@1:30")[1]


def test_asked_with_a_picture(capsys, tmp_path):
    """The file's own colours, red first, in any folder and name."""
    path = tmp_path / "снимок.png"
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:] = (30, 20, 10)  # blue, green, red, as OpenCV has them
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    db = FakeDatabase(NEWS, SEEN)
    assert ask(capsys, db, "--image", str(path), "--language", "ru")[0] == 0
    assert ask(capsys, db, "--like-picture", "film@6:02.5")[0] == 0
    assert [asked for asked, _ in db.asked] == ["[10, 20, 30]", "film@362.5"]


def test_like_a_frame_at_the_prompt(capsys, monkeypatch):
    """The second of six frames of 350 to 400 s is at 350 + 1.5 / 6 * 50."""
    db = FakeDatabase(SEEN)
    lines = ["лес", ":like 1 2", ":like 1 seen", ":like 1 7", ":like 1 x"]
    _, err = typed(capsys, monkeypatch, db, *lines)
    assert [asked for asked, _ in db.asked] == ["лес", "film@362.5", "film@362"]
    assert err == [f"error: {wrong}: give the number of a frame, 1 to 6 or seen" for wrong in ("7", "x")]


def test_quotes_are_passed_on(capsys, db):
    ask(capsys, db, 'вода "высокая плотина"')
    assert db.asked[0][0] == 'вода "высокая плотина"'


def test_nothing_close(capsys):
    local: dict[str, Any] = {"measured": True}
    db = FakeDatabase(*(hit("a", 100 * n, 0.5, close=False, description=f"догадка {n}", **local) for n in range(7)))
    code, out, _ = ask(capsys, db, "динозавр")
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "nothing close")
    assert lines[1].startswith("(analyzed without a vision model")  # by `local`, as these are
    assert lines[2].startswith("── best guesses: ──")
    by_a_model = FakeDatabase(hit("a", 0, 0.5, close=False, measured=False))
    assert ask(capsys, by_a_model, "динозавр")[1].splitlines()[1].startswith("── best guesses: ──")
    assert [line for line in lines if "догадка" in line] == [f"   догадка {n}" for n in range(5)]
    assert [moment["close"] for moment in json.loads(ask(capsys, db, "динозавр", "--all", "--json")[1])] == [False] * 5
    assert len(found(capsys, FakeDatabase(*db.all, hit("b", 0, close=True)), "x")) == 1


def test_nothing_at_all(capsys, db):
    nothing = "nothing found: no segment is loaded (load_data_to_chroma.py loads them)\n"
    assert ask(capsys, FakeDatabase(), "снег")[:2] == (0, nothing)
    assert ask(capsys, FakeDatabase(), '"снег"')[1] == nothing
    for filters, why in ((Filters(), "no_segment"), (Filters(start=60.0), "no_segment_passes")):
        answer = asking.Answer(asking.Question('лес "снег"', None, filters), [], db)
        assert answer.remarks == ((why, {}),)
        assert not answer.close
    assert ask(capsys, FakeDatabase(), "снег", "--json")[:2] == (0, "[]\n")
    out = ask(capsys, db, "снег", "--video", "newz")[1]
    assert out == "nothing found: no video newz; did you mean news?\n"
    out = ask(capsys, db, "снег", "--video", "news", "--not-video", "news")[1]
    assert out.startswith("nothing found: no segment that passes the filters is loaded")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["  "], "the question is empty"),
        (["x", "--like", "news@1:00"], "leave one of them out"),
        (["--image", "x.jpg", "--like-picture", "news@1:00"], "--image stands instead of a question"),
        (["--videos", "--like-picture", "news@1:00"], "leave --like-picture out"),
        (["--like-picture", "news"], "write the video's name and the time"),
        (["--image", "not there.jpg"], "not there.jpg: cannot be read: No such file or directory"),
        (["--image", __file__], "is no picture that can be read; give a JPEG or PNG file"),
        (["--like", "news"], "write the video's name and the time"),
        (["x", "--video", ""], "--video: the value is empty"),
        (["x", "--from", "5:00", "--to", "1:00"], "the end has to come after the start"),
        (["x", "--from", "noon"], "--from: noon: is no time"),
        (["--json"], "--json and --all need a question"),
        (["--all"], "--json and --all need a question"),
    ],
)
def test_bad_usage_is_one_line(capsys, db, args, told):
    code, out, err = ask(capsys, db, *args)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err
    assert db.asked == []


@pytest.mark.parametrize("args", [["x", "--limit", "0"], ["x", "--limit", "many"], ["x", "--all", "--limit", "2"]])
def test_options_that_cannot_be_read_exit_2(capsys, args):
    with pytest.raises(SystemExit) as end:
        search_program.main([*args])
    assert end.value.code == 2
    assert capsys.readouterr().err


# --- how it looks


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("terminal", "environment", "marks", "links"),
    [
        (True, {"TERM": "xterm-256color"}, True, False),
        (True, {"TERM": "xterm-256color", "VTE_VERSION": "7600"}, True, True),
        (True, {"TERM": "xterm-256color", "VTE_VERSION": "4205"}, True, False),
        (True, {"TERM": "xterm-kitty"}, True, True),
        (True, {"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, True, True),
        (True, {"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, True, False),
        (True, {"TERM": "screen-256color", "VTE_VERSION": "7600"}, True, False),
        (True, {"TERM": "xterm-kitty", "NO_COLOR": "1"}, False, False),
        (True, {"TERM": "dumb", "VTE_VERSION": "7600"}, False, False),
        (True, {}, False, False),
        (False, {"TERM": "xterm-kitty"}, False, False),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no TERM")
def test_what_a_terminal_understands(terminal, environment, marks, links):
    style = cards.Style(Terminal() if terminal else io.StringIO(), environment)
    assert (style.marks, style.links) == (marks, links)


KITTY = cards.Style(Terminal(), {"TERM": "xterm-kitty", "WT_SESSION": "1"})
PLAIN = cards.Style(io.StringIO(), {})


def moment(**changes):
    return {**NEWS, "start": 71.7, "end": 120.0, "close": True, **changes}


def test_matching_words_are_bold_and_the_place_is_a_link(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, seen, said, *_ = cards.card(1, moment(video_path="мой film #1%.mp4"), "плотина", KITTY)
    address = f"{tmp_path.as_uri()}/%D0%BC%D0%BE%D0%B9%20film%20%231%25.mp4#t=71.7"
    assert first == f"1. \x1b]8;;{address}\x1b\\\x1b[1mnews  01:11-02:00\x1b[0m\x1b]8;;\x1b\\  0.876"
    assert seen == "   Вид на высокую \x1b[1mплотину\x1b[0m"
    assert said == "   — Сегодня на \x1b[1mплотине\x1b[0m открыли ворота"


def test_what_comes_from_the_database_cannot_steer_the_terminal(capsys):
    evil = "\x1b]0;pwned\x07\x9b31m\u202e\x1b\\"
    lines = cards.card(
        1,
        moment(
            video_name=f"n{evil}",
            video_path=f"/v/{evil}",
            description=evil,
            transcript=f"плотина{evil}",
            keywords=[evil],
            on_screen_text=[evil],
        ),
        f"плотина {evil}",
        KITTY,
    )
    ours = "".join(lines).replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b]8;;", "").replace("\x1b\\", "")
    assert ours.count("pwned") == 6
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(ours)
    db = FakeDatabase(hit("news", description=evil, keywords=[evil]))
    for args in ([], ["--json"]):
        out = ask(capsys, db, "лес", *args)[1]
        assert "pwned" in out
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)


def test_a_long_text_is_cut_to_where_the_words_are():
    speech = " ".join([f"слово{n}" for n in range(200)] + ["плотина"] + [f"речь{n}" for n in range(200)])
    _, _, *said = cards.card(1, moment(transcript=speech, on_screen_text=[], keywords=[]), "плотину", KITTY, 80)
    assert len(said) == 3
    assert said[0].startswith("   — … слово19")
    assert "\x1b[1mплотина\x1b[0m речь0" in said[0]
    assert said[2].endswith(" …")
    assert all(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) <= 80 for line in said)
    _, _, *said = cards.card(1, moment(transcript=speech, on_screen_text=[], keywords=[]), "поезд", KITTY, 80)
    assert said[0].startswith("   — слово0 слово1 ")


def test_words_without_a_blank_are_still_cut_and_marked():
    speech = "x" * 500 + " плотина"
    lines = cards.card(1, moment(transcript=speech), "плотина", KITTY, 60)
    assert any("\x1b[1mплотина\x1b[0m" in line for line in lines[2:])


@pytest.mark.parametrize("text", ["水" * 300, "https://example.org/" + "a" * 300], ids=["no spaces", "an address"])
@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_a_text_without_spaces_is_cut(text, width):
    moment = hit("news", 0, transcript=text) | {"start": 0.0, "end": 50.0}
    lines = cards.card(1, moment, "вода", cards.Style(), width)
    shown = "".join(line.strip(" —…") for line in lines[1:])
    assert shown and shown in text and all(len(line) <= width for line in lines[1:])


def test_the_speech_itself_is_shown_if_only_it_has_the_words():
    both = moment(transcript="Бөгет ашылды", dialogue_translation="Плотину открыли")
    assert cards.card(1, both, "плотина", PLAIN)[2] == "   — Плотину открыли"
    assert cards.card(1, both, "бөгет", PLAIN)[2] == "   — Бөгет ашылды"
    assert cards.card(1, both, "снег", PLAIN)[2] == "   — Плотину открыли"


# --- the prompt


def test_questions_one_after_the_other(capsys, monkeypatch, db):
    out, err = typed(
        capsys, monkeypatch, db, "плотина", "", "поезд --video film", ":quit", "лес", options=["--limit", "1"]
    )
    assert [line for line in out if line.startswith("1.")] == [
        "1. news  01:11-02:00  0.876",
        "1. film  00:00-00:50  0.800",
    ]
    assert [words for words, _ in db.asked] == ["плотина", "поезд"]
    assert err == []


def test_more(capsys, monkeypatch):
    db = FakeDatabase(*(hit("a", 100 * n) for n in range(5)))
    out, _ = typed(capsys, monkeypatch, db, "x", ":more", ":more", ":more", options=["--limit", "2"])
    assert [line.split("  ")[0:2] for line in out[:5]] == [
        ["1. a", "00:00-00:50"],
        ["2. a", "01:40-02:30"],
        ["3. a", "03:20-04:10"],
        ["4. a", "05:00-05:50"],
        ["5. a", "06:40-07:30"],
    ]
    assert out[5:] == ["no more that are close"]


def test_filters_hold_until_they_are_off(capsys, monkeypatch, db):
    out, err = typed(
        capsys, monkeypatch, db, ":filter", ":filter not-language=kk", "x", ":filter video=film", ":filter off"
    )
    assert [line for line in out if line[0] in "nf123"] == [
        "no filters",
        "filters: not-language=kk",
        "1. news  01:10-02:00  0.876",
        "2. film  05:50-06:40  0.700",
        "filters: video=film not-language=kk",  # and the question is asked again
        "1. film  05:50-06:40  0.700",
        "no filters",
        "1. news  01:10-02:00  0.876",
        "2. film  00:00-00:50  0.800",
        "3. film  05:50-06:40  0.700",
    ]
    assert err == []


def test_filters_for_a_question_alone_go_with_it(capsys, monkeypatch, db):
    out, _ = typed(capsys, monkeypatch, db, "x --video film", ":filter not-language=kk", "x", ":filter")
    assert [line for line in out if line[0] in "f123"] == [
        "1. film  00:00-00:50  0.800",
        "2. film  05:50-06:40  0.700",
        "filters: not-language=kk",
        "1. film  05:50-06:40  0.700",  # the same question, still in that video
        "1. news  01:10-02:00  0.876",
        "2. film  05:50-06:40  0.700",
        "filters: not-language=kk",
    ]


def test_filters_of_the_command_line_hold_at_the_prompt(capsys, monkeypatch, db):
    out, _ = typed(capsys, monkeypatch, db, "x", ":filter", options=["--video", "news"])
    assert [line for line in out if line[0] in "f123"] == ["1. news  01:10-02:00  0.876", "filters: video=news"]


def test_facets(capsys, monkeypatch, db):
    out, err = typed(capsys, monkeypatch, db, ":facets content_type", ":facets", ":facets vidoe")
    assert out[0] == "content-type: новости (2), фильм (1)"
    assert out[1:] == [
        "video: film (2), news (1)",
        "language: ru (2), kk (1)",
        "content-type: новости (2), фильм (1)",
        "mood: спокойное (1)",
        "confidence: низкая (2), высокая (1)",
        "keyword: вода (1), плотина (1), поезд (1)",
    ]
    assert err == ["error: vidoe: there is no such field; did you mean video?"]
    many = FakeDatabase(*(hit(f"v{n}") for n in range(11)))
    assert typed(capsys, monkeypatch, many, ":facets")[0][0].endswith("v5 (1), v6 (1)  … 3 more, see :facets video")


def test_like_at_the_prompt(capsys, monkeypatch, db):
    _, err = typed(capsys, monkeypatch, db, ":like film@0:10", ":like 3", ":like 9", ":like", options=["--limit", "3"])
    assert [place for place, _ in db.asked] == ["film@10.0", "film@375.0"]
    assert err == [
        "error: 9: give the number of a hit, 1 to 3",
        "error: give the number of a hit or a place, such as news@12:30",
    ]


def test_errors_are_one_line_and_the_prompt_goes_on(capsys, monkeypatch, db):
    out, err = typed(
        capsys,
        monkeypatch,
        db,
        ":opn 3",
        ":xyzzy",
        ":q",
        ":open 1",
        ":save a.md",
        ":more",
        ":clip 1",
        "--video news",
        "x",
    )
    assert err == [
        "error: :opn: there is no such command; did you mean :open?",
        "error: :xyzzy: there is no such command; see :help",
        "error: :q: there is no such command; did you mean :quit?",
        "error: no hits yet: ask first",
        "error: no hits yet: ask first",
        "error: no hits yet: ask first",
        "error: no hits yet: ask first",
        "error: the question is empty; filters that stay are set by :filter",
    ]
    assert out[0].startswith("1. news")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UserError("the database is busy:\nrun again"), "error: the database is busy: run again"),
        (OSError(28, "No space left on device"), "error: OSError: [Errno 28] No space left on device"),
    ],
)
def test_a_database_that_fails(capsys, monkeypatch, db, error, told):
    db.broken = error
    out, err = typed(capsys, monkeypatch, db, "x", ":facets language")
    assert (out, err) == (["language: ru (2), kk (1)"], [told])


def test_ctrl_c_during_a_search(capsys, monkeypatch, db):
    db.broken = KeyboardInterrupt()
    assert typed(capsys, monkeypatch, db, "x", ":facets language")[0] == ["interrupted", "language: ru (2), kk (1)"]


def test_open(capsys, monkeypatch, db):
    played = []
    monkeypatch.setattr(player, "play", lambda path, second: played.append((path, second)) or "playing in mpv")
    out, err = typed(capsys, monkeypatch, db, "плотина", ":open 1", ":open 0", ":open one", ":open")
    assert played == [("video/news.mp4", 71.7)]
    assert out[-1] == "news 01:11: playing in mpv"
    assert err[0] == "error: 0: give the number of a hit, 1 to 3"
    assert len(err) == 3


def test_open_plays_the_sound_that_was_heard(capsys, monkeypatch):
    played = []
    monkeypatch.setattr(player, "play", lambda path, second, track: played.append(track) or "playing in mpv")
    record = {"video_name": "news", "audio_track": "track 2 (kaz); not heard: track 1 (rus)"}
    monkeypatch.setattr(FakeDatabase, "list_videos", lambda self, where: [record], raising=False)
    typed(capsys, monkeypatch, FakeDatabase(NEWS), "плотина", ":open 1")
    assert played == [2]


def test_frames_and_clip(capsys, monkeypatch, project):
    project.one_video()
    assert project.phase1() == 0
    monkeypatch.chdir(project.folder)
    db = FakeDatabase(hit("news", 35, end_time=37.0, video_path=str(SAMPLE)))
    options = ["--data-dir", str(project.data)]
    lines = ["x", ":frames 1", ":clip 1", ":clip 1", ":clip 1 my clip.mkv"]
    out, err = typed(capsys, monkeypatch, db, *lines, options=options)
    folder = project.folder
    assert out[1:] == [
        f"6 frames in {folder / 'frames' / 'news_00-35'}",
        f"00:35-00:37 of news in {folder / 'news_00-35.mp4'}",
        f"00:35-00:37 of news in {folder / 'my clip.mkv'}",
    ]
    assert len(list((folder / "frames" / "news_00-35").iterdir())) == 6
    assert (folder / "my clip.mkv").stat().st_size > 1000
    assert err == [f"error: {folder / 'news_00-35.mp4'}: exists already; choose another name, or delete it first"]


def test_save(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    db = FakeDatabase({**NEWS, "description": "=cmd|'/c calc'!A1"}, hit("film", 0, description="# a *b* <i>\x1b[2J"))
    lines = [
        "плотина",
        ":save hits.json",
        ":save hits.csv",
        ":save hits.md",
        ":save hits.md",
        ":save hits.exe",
        ":save",
    ]
    out, err = typed(capsys, monkeypatch, db, *lines, ":save no/hits.md")
    assert f"2 moments in {tmp_path / 'hits.json'}" in out
    assert [m["video_name"] for m in json.loads((tmp_path / "hits.json").read_text("utf-8"))] == ["news", "film"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "hits.csv").read_text("utf-8-sig"))))
    assert [row["number"] for row in rows] == ["1", "2"]
    assert rows[0]["description"] == "'=cmd|'/c calc'!A1"  # no formula for a spreadsheet
    assert (rows[0]["keywords"], rows[0]["start"]) == ("плотина; вода", "71.7")
    text = (tmp_path / "hits.md").read_text("utf-8")
    assert text.startswith("# плотина\n\n## 1. news 01:11-02:00 (0.876)\n\n")
    assert "\n\\# a \\*b\\* \\<i\\>\\[2J\n" in text
    assert [line.split("; ")[0] for line in err] == [
        "error: hits.md: exists already",
        "error: hits.exe: choose a name that ends in .json, .csv, .md, .edl, .fcpxml, .otio, .m3u8, .xspf",
        "error: name a file: :save hits.csv",
        "error: no/hits.md: cannot be written: No such file or directory",
    ]


def test_source_timecode_with_a_hit_and_files_for_editors(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    db = FakeDatabase(NEWS, hit("film", 0), hit("phone", 0))
    tape = {"frame_rate": "25", "timecode": "10:00:00:00", "video_duration": 300.0}
    db.records = [{"video_name": "news", **tape}, {"video_name": "film", "frame_rate": "25"}, {"video_name": "phone"}]
    shown = ask(capsys, db, "плотина")[1]
    assert [line for line in shown.splitlines() if line[:1].isdigit()] == [
        "1. news  01:11-02:00  0.876  TC 10:01:11:17",  # 71.7 s
        "2. film  00:00-00:50  0.900",
        "3. phone  00:00-00:50  0.900",
    ]
    told = json.loads(ask(capsys, db, "плотина", "--json")[1])
    assert [(m["source_timecode"], m["source_timecode_end"], m["frame_rate"]) for m in told] == [
        ("10:01:11:17", "10:02:00:00", "25"),
        (None, None, "25"),  # the file tells none
        (None, None, None),  # loaded by an older version, or of a varying rate
    ]
    out, err = typed(capsys, monkeypatch, db, "плотина", ":save hits.edl", ":save hits.m3u8", ":save hits.csv")
    assert f"3 moments but those in {tmp_path / 'hits.edl'}, {tmp_path / 'hits_reels.csv'}" in out
    why = "its frame rate varies or is not known; save csv, m3u8 or xspf, which count seconds"
    assert err == [f"error: video/phone.mp4: cannot be in edl: {why}"]
    assert "001  NEWS     B     C        10:01:11:17 10:02:00:00 01:00:00:00 01:00:48:08" in (
        (tmp_path / "hits.edl").read_text("utf-8").splitlines()
    )
    assert (tmp_path / "hits.m3u8").read_text("utf-8").count("start-time=") == 3
    rows = list(csv.DictReader(io.StringIO((tmp_path / "hits.csv").read_text("utf-8-sig"))))
    assert [row["source_timecode"] for row in rows] == ["10:01:11:17", "", ""]
    (tmp_path / "more_reels.csv").write_text("mine")
    assert typed(capsys, monkeypatch, db, "плотина", ":save more.edl")[1][0].startswith("error: more_reels.csv: exists")
    assert not (tmp_path / "more.edl").exists()


def test_the_home_of_somebody_who_is_not_there_is_a_name(capsys, monkeypatch, db, tmp_path):
    monkeypatch.chdir(tmp_path)
    out, err = typed(capsys, monkeypatch, db, "плотина", ":save ~nobody-of-that-name.csv", ":help")
    assert err == [] and any(line.startswith("3 moments in") for line in out) and ":open 3" in "\n".join(out)


def test_the_prompt_ends_when_nobody_reads(monkeypatch, db, tmp_path):
    def gone(*args, **more):
        raise BrokenPipeError

    monkeypatch.setattr(cards, "show", gone)
    prompt = commands.Prompt(db, Filters(), 5, None, tmp_path, cards.Style())
    with pytest.raises(BrokenPipeError):
        prompt.do("плотина")


def test_a_mistyped_like_leaves_what_was_found(capsys, monkeypatch, db, tmp_path):
    monkeypatch.chdir(tmp_path)
    out, err = typed(capsys, monkeypatch, db, "плотина", ":like nope@1", ":save hits.csv")
    assert err == ["error: nope: has no such moment"] and any(line.startswith("3 moments in") for line in out)


def test_help_names_every_command(capsys, monkeypatch, db):
    out = "\n".join(typed(capsys, monkeypatch, db, ":help")[0])
    assert all(command in out for command in commands.COMMANDS)


# --- the prompt on a terminal


@pytest.fixture
def keys(monkeypatch, tmp_path):
    """Keys pressed at a terminal; the history is kept in tmp_path."""
    monkeypatch.setattr(prompt_session, "_is_terminal", lambda: True)
    monkeypatch.setattr("platformdirs.user_state_path", lambda name: tmp_path / "state" / name)
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe.send_text


def values(name):
    return {"video": ["news", "вечерние новости"], "language": ["ru", "kk"]}.get(name, [])


def lines_of(keys, text):
    keys(text)
    return list(prompt_session.lines(commands.COMMANDS, values))


def test_ctrl_c_clears_the_line_and_ctrl_d_ends(keys):
    assert lines_of(keys, "снег\rвод\x03лес\r\r\x04") == ["снег", "лес"]


def test_history_is_kept_and_private(keys, tmp_path):
    assert lines_of(keys, "снег\rвода\r\x04") == ["снег", "вода"]
    path = tmp_path / "state" / "videotag" / "search_history"
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(FileHistory(str(path)).load_history_strings()) == ["вода", "снег"]


@pytest.mark.skipif(os.name == "nt", reason="no such rights there")
def test_history_of_others_is_left_alone(keys, tmp_path, capsys):
    path = tmp_path / "state" / "videotag" / "search_history"
    path.parent.mkdir(parents=True)
    path.write_text("")
    path.chmod(0o644)
    assert isinstance(prompt_session.history(), FileHistory)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # what was open before is no longer
    path.unlink()
    (tmp_path / "other").write_text("mine")
    path.symlink_to(tmp_path / "other")
    assert isinstance(prompt_session.history(), InMemoryHistory)
    assert "no history is kept" in capsys.readouterr().err
    assert lines_of(keys, "снег\r\x04") == ["снег"]
    assert (tmp_path / "other").read_text() == "mine"


def test_tab_completes(keys):
    app_session = get_app_session()

    def press(text, until):
        keys(text)
        end = time.monotonic() + 20
        while (not app_session.app or app_session.app.current_buffer.text != until) and time.monotonic() < end:
            time.sleep(0.02)

    def person():
        press(":fi\t", ":filter")
        press(" video=n\t", ":filter video=news")
        keys("\r\x04")

    with futures.ThreadPoolExecutor() as pool:
        pool.submit(person)
        assert list(prompt_session.lines(commands.COMMANDS, values)) == [":filter video=news"]


NAMES = ("video", "language", "content-type", "mood", "confidence", "keyword")
FILTERS = [
    *(f"{name}=" for name in NAMES),
    *(f"not-{name}=" for name in NAMES),
    *("added-after=", "added-before=", "shot-after=", "shot-before=", "from=", "to="),
]


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        (":f", [":frames", ":filter", ":facets"]),
        (":filter ", [*FILTERS, "off"]),
        (":filter la", ["language="]),
        (":filter not-la", ["not-language="]),
        (":filter --not-la", ["--not-language"]),
        (":filter --video n", ["news"]),
        (":filter video=news from=", []),
        ("вода video=", []),
        (":filter video=", ["video=news", 'video="вечерние новости"']),
        (":filter video=ве", ['video="вечерние новости"']),
        (':filter video="вечерние н', ['video="вечерние новости"']),
        (":filter not-language=k", ["not-language=kk"]),
        (":filter off ", FILTERS),
        (":facets mo", ["mood"]),
        (":like n", ["news@"]),
        (":open ", []),
        ("вода --vi", ["--video"]),
        ("вода --not-l", ["--not-language"]),
        ("вода --video n", ["news"]),
        ("вода --not-video вечерние", ['"вечерние новости"']),
        ("вода --from ", []),
        ("вода", []),
        ("", []),
    ],
)  # fmt: skip
def test_completion(line, completed):
    found = prompt_session.completer(commands.COMMANDS, values).get_completions(Document(line), None)
    assert [completion.text for completion in found] == completed


def test_completion_of_a_busy_database_and_of_hostile_values():
    def busy(name):
        raise UserError("the database is busy")

    assert prompt_session.suggestions(":filter video=", commands.COMMANDS, busy) == ("video=", [])
    assert prompt_session.suggestions(":like ", commands.COMMANDS, lambda name: ["a\x1b[2J", "b"]) == ("", ["b@"])


def test_values_are_asked_for_once(db):
    prompt = commands.Prompt(db, Filters(), 5, None, SAMPLE.parent, PLAIN)
    assert [prompt.values("video"), prompt.values("video")] == [["film", "news"]] * 2
    assert db.facets_of == ["video_name"]


# --- a real database


@pytest.fixture
def stored(tmp_path, fake_embedder):
    """The options of a database with two videos of two segments that do not touch."""
    texts = {"news": ("снег зима город", "река вода"), "film": ("поезд степь", "лес")}
    db = ChromaDBManager(tmp_path / "chroma_db", embedder=fake_embedder)
    for video, language in (("news", "ru"), ("film", "kk")):
        segments = [
            {
                "video_name": video,
                "segment_index": index,
                "start_time": 100.0 * index,
                "end_time": 100.0 * index + 50,
                "language": language,
                "transcript": "",
                "description": text,
                "dialogue_translation": "",
                "content_type": "новости",
            }
            for index, text in enumerate(texts[video])
        ]
        db.add_segments(f"{video}.mp4", segments)
    return ["--db", str(tmp_path / "chroma_db")], lambda *args: fake_embedder


def test_a_real_database(stored, capsys):
    options, load = stored

    def first(*args):
        capsys.readouterr()
        assert search_program.main([*args, *options, "--json"], load) == 0
        hits = json.loads(capsys.readouterr().out)
        return {hit["video_name"] for hit in hits}, hits[0]["start"] if hits else None

    assert first("река вода", "--limit", "1") == ({"news"}, 100.0)
    assert first("поезд степь", "--limit", "1") == ({"film"}, 0.0)
    assert first("снег", "--video", "film")[0] == {"film"}
    assert first("снег", "--language", "kk")[0] == {"film"}
    assert first("снег", "--content-type", "спорт") == (set(), None)


def test_a_database_that_is_not_there_is_not_made(tmp_path, capsys, fake_embedder):
    options = ["--db", str(tmp_path / "chroma_db")]
    assert search_program.main(["снег", *options], lambda *args: fake_embedder) == 0
    assert capsys.readouterr().out.startswith("nothing found: no segment is loaded")
    assert not (tmp_path / "chroma_db").exists()


# --- whole videos


CHAPTERS = [{"start": 90.0 * n, "end": 90.0 * n + 90, "title": f"Глава {n}", "summary": ""} for n in range(12)]
CHAPTERS[11]["title"] = "Паводок у \x1bреки"
FLOOD = whole(
    "flood",
    0.9,
    end=1080.0,
    title="Весенний паводок",
    summary="Вода пришла в посёлки.",
    chapters=CHAPTERS,
    people=["Абай"],
    keywords=["паводок", "вода"],
    segments_used=30,
    segments_total=31,
)


def test_a_whole_video(capsys, db):
    db.whole_videos = FakeVideos(FLOOD)
    code, out, err = ask(capsys, db, "паводок", "--videos")
    assert (code, err) == (0, "")
    assert out == (
        "1. flood  18:00  0.900  extractive  of 30 of 31 segments\n"
        "   Весенний паводок\n"
        "   Вода пришла в посёлки.\n"
        "   паводок, вода\n"
        "   00:00  Глава 0\n   01:30  Глава 1\n   03:00  Глава 2\n   04:30  Глава 3\n"
        "   06:00  Глава 4\n   07:30  Глава 5\n   09:00  Глава 6\n   16:30  Паводок у \ufffdреки\n"
        "   … 4 more chapters\n"
        "   people: Абай\n"
    )


def test_whole_videos_for_programs(capsys, db):
    db.whole_videos = FakeVideos(FLOOD, whole("film", 0.5, language="kk"))
    code, out, err = ask(capsys, db, "паводок", "--videos", "--json")
    [first, second] = json.loads(out)
    assert (code, err, list(first)) == (0, "", list(hits.KEYS_OF_VIDEOS))
    assert (first["chapters"], first["keywords"], second["video_name"]) == (CHAPTERS, ["паводок", "вода"], "film")
    assert len(json.loads(ask(capsys, db, "паводок", "--videos", "--json", "--limit", "1")[1])) == 1
    [other] = json.loads(ask(capsys, db, "паводок", "--videos", "--json", "--language", "kk")[1])
    assert other["video_name"] == "film"
    code, _, err = ask(capsys, db, "паводок", "--videos", "--mood", "x")
    assert code == 2 and "mood: is a filter of moments; whole videos have video, " in err
    assert ask(capsys, db, "--videos")[0] == ask(capsys, db, "--videos", "--like", "news@10")[0] == 2


def test_no_whole_video_is_close(capsys, db):
    db.whole_videos = FakeVideos(whole("film", 0.2, close=False))
    assert ask(capsys, db, "x", "--videos")[1].splitlines()[0] == "nothing close"
    db.whole_videos = FakeVideos()
    assert "nothing found: no summary is loaded (phase4_video_summary.py" in ask(capsys, db, "x", "--videos")[1]


def test_the_line_above_the_moments(capsys, db):
    db.whole_videos = FakeVideos(FLOOD, whole("film", 0.5), whole("far", close=False))
    lines = ask(capsys, db, "паводок", "--limit", "1")[1].splitlines()
    assert lines[0] == "whole videos (:videos, --videos): flood: Весенний паводок; film"
    assert lines[1].startswith("1. news ")
    assert len(found(capsys, db, "паводок")) == 3
    assert ask(capsys, db, "паводок", "--mood", "спокойное")[1].startswith("1. film ")  # which whole videos have not


def test_whole_videos_at_the_prompt(capsys, monkeypatch, db):
    played = []
    monkeypatch.setattr(player, "play", lambda path, second, *track: played.append((path, second)) or "played")
    db.whole_videos = FakeVideos(FLOOD, whole("film", 0.5))
    commands_ = [":videos паводок", ":open 1", ":open 1 16:30", ":clip 1", ":like 1", ":save x.csv", ":open 1 x"]
    out, err = typed(capsys, monkeypatch, db, *commands_, ":filter video=film", ":videos", options=["--limit", "2"])
    assert played == [("video/flood.mp4", 0.0), ("video/flood.mp4", 990.0)]
    assert out[0].startswith("1. flood ")
    assert out[-1].startswith("1. film ")
    assert [line.split(": ")[1] for line in err] == [
        *("1", "1", "these are whole videos, of which no file is made here", "x", "name what they are about")
    ]
