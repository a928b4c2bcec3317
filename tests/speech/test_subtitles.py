"""Subtitles: words joined over the windows, cues worked out by hand, files read back by others."""

import html
import itertools
import re
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videotag import segments
from videotag.speech.subtitles import Cue, cues, joined, paragraphs, srt, translation, vtt
from videotag.speech.words import Word, words_in
from videotag.text import clean


def said(text, start=0.0, seconds=0.25):
    """The words of a text, one directly after the other."""
    return [Word(f" {word}", start + n * seconds, start + (n + 1) * seconds) for n, word in enumerate(text.split())]


def shown(words):
    return [(cue.start, cue.end, *cue.lines) for cue in cues(words)]


# --- cues, by hand


def test_a_cue_ends_with_its_sentence():
    words = [*said("Доброе утро.", 0, 0.5), *said("Идёт снег.", 1.2, 0.6)]
    assert shown(words) == [(0, 1000, "Доброе утро."), (1200, 2400, "Идёт снег.")]


def test_a_short_cue_lasts_a_second_if_the_next_one_lets_it_else_they_are_one():
    assert shown([Word(" Да.", 5.0, 5.2), Word(" Нет.", 6.1, 6.4)]) == [(5000, 6000, "Да."), (6100, 7100, "Нет.")]
    assert shown([Word(" Да.", 5.0, 5.2), Word(" Нет.", 5.9, 6.4)]) == [(5000, 6400, "Да. Нет.")]


def test_a_cue_stays_until_it_can_be_read_but_not_over_the_next_one():
    line = "а" * 16 + " " + "б" * 16 + "."  # 34 characters: 2 s at 17 a second
    assert shown(said(line, 0, 0.5)) == [(0, 2000, line)]
    assert shown([*said(line, 0, 0.5), *said("Снег.", 1.5)]) == [(0, 1500, line), (1500, 2500, "Снег.")]


def test_a_pause_of_more_than_a_second_ends_a_cue():
    assert len(cues([*said("Он", 0, 1), *said("пришёл", 1.9, 1)])) == 1
    assert shown([*said("Он", 0, 1), *said("пришёл", 2.1, 1)]) == [(0, 1000, "Он"), (2100, 3100, "пришёл")]


def test_a_long_sentence_is_broken_at_a_comma():
    text = "Сегодня утром на плотине открыли все шесть ворот, и теперь вода идёт вниз по реке до самого моря."
    assert shown(said(text)) == [
        # 8 words of 0.25 s; the next cue follows at once
        (0, 2000, "Сегодня утром на плотине", "открыли все шесть ворот,"),
        # 46 characters: 2.706 s
        (2000, 4706, "и теперь вода идёт вниз", "по реке до самого моря."),
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("x" * 42, ("x" * 42,)),
        ("x" * 42 + " y", ("x" * 42, "y")),
        # 29 and 28 characters after "keeps on", but a line does not end with a short word
        (
            "A small sailing boat keeps on to the warm southern islands",
            ("A small sailing boat keeps", "on to the warm southern islands"),
        ),
        # 24 and 20 after "поезде", but after a comma is better
        ("о воде о снеге, о поезде и о победе на севере", ("о воде о снеге,", "о поезде и о победе на севере")),
    ],
)
def test_lines(text, lines):
    [cue] = cues(said(text))
    assert cue.lines == lines


def test_words_without_a_space_between_stay_together():
    words = [Word(" " + "x" * 38, 0, 1), Word(" по", 1, 1.2), Word("-русски", 1.2, 1.6)]
    assert cues(words)[0].lines == ("x" * 38, "по-русски")


def test_a_word_longer_than_a_line_is_cut_hard():
    # 42 + 42 + 16 characters of 0.05 s; a line and two lines are nearer in length than two and one
    assert shown([Word(" " + "ы" * 100, 0.0, 5.0)]) == [
        (0, 2100, "ы" * 42),
        (2100, 2100 + 3412, "ы" * 42, "ы" * 16),  # 58 / 17 = 3.412 s
    ]


def test_chinese_is_broken_between_any_two_characters_but_not_before_a_full_stop():
    words = [Word("字", n / 10, (n + 1) / 10) for n in range(49)]
    assert shown([*words[:48], Word("字。", 4.8, 4.9)]) == [(0, 4900, "字" * 25, "字" * 24 + "。")]
    assert [len(line) for cue in cues([Word("字" * 100, 0, 10)]) for line in cue.lines] == [25, 25, 25, 25]


def test_no_line_begins_with_a_sign_that_belongs_to_the_word_before():
    # 42 + 42 characters would fit but for the sign
    words = [Word(sign, n / 100, n / 100 + 0.01) for n, sign in enumerate("字" * 42 + "%" + "字" * 41)]
    lines = [line for cue in cues(words) for line in cue.lines]
    assert "".join(lines) == "字" * 42 + "%" + "字" * 41
    assert not [line for line in lines if line.startswith("%")]


def test_no_cue_is_longer_than_seven_seconds():
    # A word a second, "0" to "19": at most 7 fit, and cues of like length are cheapest.
    words = [Word(f" {n}", n + 0.25, n + 0.75) for n in range(20)]
    assert max(cue.end - cue.start for cue in cues(words)) <= 7000
    assert len(cues(words)) == 3


def test_no_words_no_cues():
    assert cues([]) == cues([Word("  ", 0, 1)]) == []
    assert (srt([]), vtt([]), paragraphs([])) == ("", "WEBVTT\n", [])


def test_paragraphs():
    long = "Слово " * 99 + "слово."  # 500 letters and the full stop
    words = [*said("Первое.", 0), *said("Второе", 1), *said("и третье.", 3.5), *said(long, 4), *said("Новое.", 29.5)]
    assert paragraphs(words) == [(0, "Первое. Второе"), (3.5, f"и третье. {long}"), (29.5, "Новое.")]


def test_times_of_paragraphs_do_not_go_back():
    long = "ы" * 40 + ". "
    words = [*(Word(" " + long.strip(), 10, 11) for _ in range(13)), Word(" Новое.", 9, 9.5)]
    assert paragraphs(words) == [(10, (long * 13).strip()), (10, "Новое.")]


def test_clean():
    assert clean(" a\nb\tc\u2028d\x1b[31m\x07\u202ee\ud800") == " a b c d[31me"
    assert clean("می\u200cخواهم") == "می\u200cخواهم"


# --- the files


def test_srt_and_vtt():
    made = [Cue(0, 1500, ("a & b", "<i> --> c")), Cue(359_999_999, 360_000_001, ("д",))]
    assert srt(made) == ("1\n00:00:00,000 --> 00:00:01,500\na & b\n<i> → c\n\n2\n99:59:59,999 --> 100:00:00,001\nд\n")
    assert vtt(made) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na &amp; b\n&lt;i&gt; --&gt; c\n\n99:59:59.999 --> 100:00:00.001\nд\n"
    )


TIMING = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})")


def parsed(text):
    """The cues of an SRT or WebVTT file: (number or None, start, end, lines)."""
    found = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        if lines in (["WEBVTT"], [""]):
            continue
        number = int(lines.pop(0)) if "-->" not in lines[0] else None
        match = TIMING.fullmatch(lines.pop(0))
        assert match
        h1, m1, s1, ms1, h2, m2, s2, ms2 = map(int, match.groups())
        found.append((number, ((h1 * 60 + m1) * 60 + s1) * 1000 + ms1, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2, lines))
    return found


@pytest.mark.parametrize(("form", "write"), [("srt", srt), ("webvtt", vtt)])
def test_ffmpeg_reads_the_same_cues(tmp_path, form, write):
    text = "Вы смотрите новости. R&D < 5 % расходов, сегодня мы расскажем о воде, о снеге. " * 20
    made = cues([*said(text), *said("Десять часов спустя.", 36_000), *said("Ещё позже.", 363_600)])
    path = tmp_path / "made"
    path.write_text(write(made), encoding="utf-8", newline="")
    with av.open(str(path), format=form) as file:
        packets = [packet for packet in file.demux() if packet.size]
        times = [
            [round(float((time or 0) * (p.time_base or 0)) * 1000) for time in (p.pts, p.duration)] for p in packets
        ]
        bodies = [html.unescape(bytes(p).decode()) for p in packets]
    assert times == [[cue.start, cue.end - cue.start] for cue in made]
    assert bodies == ["\n".join(cue.lines) for cue in made]
    assert len(made) > 20


# --- properties

LETTERS = st.text("абвgh.,!?—-<&字、。ก1", min_size=0, max_size=12)
TEXTS = st.one_of(
    LETTERS.map(lambda text: f" {text}"),
    LETTERS,
    st.sampled_from([" ", " a\nb", "\n-->", " " + "ъ" * 200, " в", "\x07"]),
)
TIMES = st.tuples(st.floats(-0.5, 0.9) | st.just(0.0) | st.floats(0, 400_000), st.floats(0, 3) | st.just(0.0))


@st.composite
def any_words(draw):
    """Words as an engine in its worst hour gives them: of no length, going back in time, of any text."""
    now, words = 0.0, []
    for text, (gap, length) in draw(st.lists(st.tuples(TEXTS, TIMES), max_size=60)):
        words.append(Word(text, max(now + gap, 0.0), max(now + gap, 0.0) + length))
        now = words[-1].end
    return words


@settings(max_examples=150, deadline=None)
@given(any_words())
def test_every_word_is_shown_once_in_order_within_the_limits(words):
    made = cues(words)
    letters = "".join("".join(clean(word.text) for word in words).split())
    assert "".join("".join(line.split()) for cue in made for line in cue.lines) == letters
    for cue in made:
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= 42 and line == line.strip() for line in cue.lines)
        assert 0 <= cue.start < cue.end
    assert all(cue.end <= following.start for cue, following in itertools.pairwise(made))
    expected = [(cue.start, cue.end, list(cue.lines)) for cue in made]
    assert [(n, *rest) for n, (_, *rest) in enumerate(parsed(vtt(made)))] == [
        (n, start, end, [html.escape(line, quote=False) for line in lines])
        for n, (start, end, lines) in enumerate(expected)
    ]
    assert parsed(srt(made)) == [
        (n, start, end, [line.replace("-->", "→") for line in lines])
        for n, (start, end, lines) in enumerate(expected, start=1)
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(50, 900), st.integers(1, 12)), min_size=1, max_size=60))
def test_cues_keep_the_times_of_their_words(spoken):
    """With words in order of time: a cue begins with its first word, and ends with its last one or in the pause."""
    now, words = 0, []
    for pause, length, size in spoken:  # milliseconds
        words.append(Word(f" {'ж' * size}", (now + pause) / 1000, (now + pause + length) / 1000))
        now += pause + length
    left = list(words)
    made = cues(words)
    for number, cue in enumerate(made):
        mine = [left.pop(0) for _ in " ".join(cue.lines).split()]
        assert cue.start == round(mine[0].start * 1000)
        assert cue.end >= round(mine[-1].end * 1000)
        assert all(b.start - a.end <= 1.0001 for a, b in itertools.pairwise(mine))
        assert mine[-1].end - mine[0].start <= 7.0001 or len(mine) == 1
        if number + 1 == len(made) or made[number + 1].start - cue.start >= 1000:
            assert cue.end - cue.start >= 1000
    assert not left


# --- windows joined, translations spread


def dealt(words, duration, cut=None) -> list[Any]:
    """Segments as phase 1 deals words out to them."""
    made = segments.windows(duration, cut or segments.Windows())
    return [
        {
            "segment_index": window.index,
            "start_time": window.start,
            "end_time": window.end,
            "words": [
                {"text": w.text, "start": w.start, "end": w.end, "probability": w.probability}
                for w in words_in(window, words, last=window is made[-1])
            ],
        }
        for window in made
    ]


CUTS = st.builds(
    lambda seconds, share: segments.Windows(seconds, seconds * share), st.floats(1, 60), st.sampled_from([0, 0.3, 0.8])
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3)), max_size=40), CUTS)
def test_windows_are_joined_to_the_words_they_were_dealt(times, cut):
    now, words = 0.0, []
    for pause, length in times:
        words.append(Word(f" {len(words)}", now + pause, now + pause + length))
        now += pause + length
    made = dealt(words, now + 0.5, cut)
    assert joined(made) == words
    # A translation that says the same has the same times: nothing twice, nothing lost at the seams.
    same = {s["segment_index"]: "".join(word["text"] for word in s["words"]).strip() for s in made}
    assert translation(made, same) == words


def segment(index, start, end, *words) -> Any:
    fields = ("text", "start", "end")
    return {
        "segment_index": index,
        "start_time": start,
        "end_time": end,
        "words": [dict(zip(fields, word, strict=True)) for word in words],
    }


OVERLAPPING = [
    segment(0, 0, 10, (" aa", 0, 2), (" bb", 4, 6), (" cc", 7, 9)),
    segment(1, 6, 16, (" cc", 7, 9), (" dd", 12, 14)),
]


def test_a_word_of_two_windows_is_taken_once():
    assert [word.text for word in joined(OVERLAPPING)] == [" aa", " bb", " cc", " dd"]


def test_a_translation_is_spread_by_characters_over_the_words():
    spoken = [segment(0, 0, 50, (" аб", 0, 2), (" вгде", 4, 8))]
    # 6 characters for 6: x ends in the middle of "аб" (1 s), y after three quarters of "вгде" (4 + 3 s)
    assert translation(spoken, {0: "x yyyy z"}) == [Word(" x", 0, 1), Word(" yyyy", 1, 7), Word(" z", 7, 8)]
    # 3 characters for 6: q ends with "аб", and what follows begins after the pause
    assert translation(spoken, {0: "q w e"}) == [Word(" q", 0, 2), Word(" w", 4, 6), Word(" e", 6, 8)]


@pytest.mark.parametrize(
    ("texts", "times"),
    [
        ({0: "Q W E", 1: "E R"}, [(" Q", 0, 2), (" W", 4, 6), (" E", 7, 9), (" R", 12, 14)]),
        ({0: "Q W E"}, [(" Q", 0, 2), (" W", 4, 6), (" E", 7, 9)]),  # the overlap is the first window's then
        ({1: "E R", 0: " \n"}, [(" E", 7, 9), (" R", 12, 14)]),
        ({}, []),
    ],
)
def test_translations_of_overlapping_windows_are_not_shown_at_once(texts, times):
    assert translation(OVERLAPPING, texts) == [Word(*word) for word in times]


def test_a_translation_of_silence_is_left_out():
    assert translation([segment(0, 0, 50)], {0: "Выдумка"}) == []
