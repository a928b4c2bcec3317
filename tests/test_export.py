"""Export: files and texts as the program writes them."""

import csv
import html
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import export
from tests.pipeline import analysis
from tests.speech.test_subtitles import dealt, parsed, said
from videotag import artifacts
from videotag.speech.words import Word
from videotag.stages import PHASE1, PHASE2, PHASE4
from videotag.text import escaped

ROOT = Path(__file__).parent.parent


# --- the program


NUMBERS = [Word(f" {n}", n + 0.25, n + 0.75, 0.5) for n in range(95)]


@pytest.fixture
def data(tmp_path):
    """A data folder with the result of phase 1 for "news": 95 s, three segments, a word a second: "0" to "94"."""
    heard(tmp_path / "data", "news", NUMBERS)
    return tmp_path / "data"


@pytest.fixture
def run(data, capsys):
    def run(*args, data=data):
        capsys.readouterr()
        code = export.main([*args, "--data-dir", str(data)])
        return code, *capsys.readouterr()

    return run


def heard(data, name, words, **more):
    made = [
        {**entry, "transcript": "".join(word["text"] for word in entry["words"]).strip()} for entry in dealt(words, 95)
    ]
    result = {
        "video_name": name,
        "video_path": f"video/{name}.mp4",
        "language": "auto",
        "spoken_language": "ru",
        "detected_language": "ru",
        "language_probability": 1.0,
        "video_duration": 95.0,
        "source": {},
        "made_by": {},
        "frames": [],
        "segments": made,
        **more,
    }
    with artifacts.Draft(artifacts.path_of(PHASE1, data, name), result) as draft:
        draft.publish()


def analyzed(data, analyses):
    """Write a result of phase 2 for "news", made of what was heard. `analyses` by the segments' numbers."""
    phase1 = artifacts.read(PHASE1, artifacts.path_of(PHASE1, data, "news"))
    assert phase1
    entries = [{"segment_index": number, **made.model_dump()} for number, made in analyses.items()]
    result = {"video_name": "news", "input": phase1["result_id"], "made_by": {}, "output_language": "ru"}
    result["segments"] = entries
    with artifacts.Draft(artifacts.path_of(PHASE2, data, "news"), result) as draft:
        draft.publish()


def text_of(subtitle_file):
    return " ".join(line for _, _, _, lines in parsed(subtitle_file) for line in lines)


def counted(*ranges):
    return " ".join(str(n) for numbers in ranges for n in numbers)


def test_a_video_from_the_file_to_subtitles(project, run):
    sound, pictures = project.video(), project.video("mute.mp4", streams="v")
    project.config(
        {"name": "news", "path": sound, "language": "ru"}, {"name": "mute", "path": pictures, "language": "ru"}
    )
    assert project.phase1() == 0
    project.analyzer.results = {
        ("news", 0): analysis("о", dialogue_translation=counted(range(50))),
        ("news", 1): analysis("о", dialogue_translation=counted(range(35, 85))),
        ("news", 2): analysis("о", dialogue_translation=counted(range(70, 95))),
    }
    assert project.phase2() == 0
    code, out, err = run("news", "--format", "srt", data=project.data)
    assert (code, err, text_of(out)) == (0, "", counted(range(95)))
    assert run("news", "--format", "srt", "--language", "translation", data=project.data) == (0, out, "")
    for form, text in {"srt": "", "vtt": "WEBVTT\n", "txt": ""}.items():
        for language in ("original", "translation"):
            ended = run("mute", "--format", form, "--language", language, data=project.data)
            assert ended == (0, text, "WARNING: mute: no speech was recognized in it\n")


def test_text_and_times_in_paragraphs(run):
    assert run("news", "--format", "txt") == (0, f"[00:00] {counted(range(95))}\n", "")


def test_a_translation_that_is_not_there(data, run):
    translated = ("news", "--format", "srt", "--language", "translation")
    code, out, err = run(*translated)
    assert (code, out) == (1, "")
    assert "news_phase2_vllm_analysis.json: is missing" in err and "run phase2_vllm_analysis.py" in err
    analyzed(data, {0: analysis("о"), 1: analysis("о")})
    code, out, err = run(*translated)
    assert (code, out) == (1, "")
    assert err.startswith("error: news: has no translation")


def test_a_translation_with_a_gap(data, run):
    texts = {0: counted(range(50)), 2: counted(range(70, 95))}
    analyzed(data, {number: analysis("о", dialogue_translation=text) for number, text in texts.items()})
    code, out, err = run("news", "--format", "vtt", "--language", "translation")
    assert (code, err) == (0, "WARNING: news: 1 of 3 segments have no translation\n")
    assert text_of(out) == counted(range(50), range(70, 95))
    assert next(start for _, start, _, lines in parsed(out) if lines[0].startswith("70")) == 70_250


def test_an_analysis_of_older_speech_is_not_used(data, run):
    analyzed(data, {0: analysis("Зима.")})
    heard(data, "news", NUMBERS[:90])
    code, _, err = run("news", "--format", "txt", "--language", "translation")
    assert code == 1 and "was made of an older phase 1; run phase2_vllm_analysis.py" in err
    code, out, err = run("news", "--format", "json")
    assert code == 0 and "the speech alone is exported" in err
    assert {entry["description"] for entry in json.loads(out)["segments"]} == {None}


def test_json(data, run):
    plain = json.loads(run("news", "--format", "json")[1])
    assert (plain["output_language"], plain["segments"][0]["description"]) == (None, None)
    analyzed(data, {1: analysis("Снег\x1b[2J", on_screen_text=["НОВОСТИ"], scene_change=True)})
    whole = json.loads(run("news", "--format", "json")[1])
    assert [word["text"] for word in whole["words"]] == [f" {n}" for n in range(95)]
    assert whole["words"][94] == {"text": " 94", "start": 94.25, "end": 94.75, "probability": 0.5, "language": ""}
    assert [(part["start_time"], part["end_time"]) for part in whole["segments"]] == [(0, 50), (35, 85), (70, 95)]
    assert [part["description"] for part in whole["segments"]] == [None, "Снег[2J", None]
    second = whole["segments"][1]
    assert (second["on_screen_text"], second["scene_change"]) == (["НОВОСТИ"], True)
    assert second["transcript"] == counted(range(35, 85))


def test_the_languages_that_are_spoken(data, run):
    assert run("news", "--format", "md")[1].splitlines()[2] == "ru, 01:35, video/news.mp4"
    older = json.loads(run("news", "--format", "json")[1])
    assert (older["spoken_languages"], older["segments"][0]["languages"]) == (None, ["ru"])

    entries = zip(dealt(NUMBERS, 95), (["ru"], ["en", "ru"], []), strict=True)
    made = [{**entry, "transcript": "", "languages": languages} for entry, languages in entries]
    heard(data, "news", NUMBERS, spoken_languages={"ru": 60.0, "en": 30.0}, segments=made)
    assert run("news", "--format", "md")[1].splitlines()[2] == "ru, en, 01:35, video/news.mp4"
    newer = json.loads(run("news", "--format", "json")[1])
    assert newer["spoken_languages"] == {"ru": 60.0, "en": 30.0}
    assert [part["languages"] for part in newer["segments"]] == [["ru"], ["en", "ru"], []]


MEAN = "# 1. *a* _b_ [c](http://d) <script> &amp; `e` | ~~f~~ \\ $g$ ![h](i) --- ==="


@pytest.mark.parametrize(
    "text", [MEAN, "1. a", "12) a", "- a", "+ a", "=====", "---", "> a", "~~~", "```", "    a\n\nb"]
)
def test_markdown_shows_texts_as_they_are(text):
    made = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(escaped(text))
    [paragraph] = re.findall(r"<p>(.*)</p>\n", made)
    assert html.unescape(paragraph) == " ".join(text.split())
    assert "<" not in paragraph


def test_markdown(data, run):
    first = analysis("Зима.", dialogue_translation="ноль *", on_screen_text=["А", "Б"], keywords=["x", "y"])
    analyzed(data, {0: first})
    assert run("news", "--format", "md") == (
        0,
        f"# news\n\nru, 01:35, video/news.mp4\n\n## 00:00-00:50\n\nЗима.\n\n**Speech:** {counted(range(50))}\n\n"
        "**Translation:** ноль \\*\n\n**On the screen:** А / Б\n\n**Keywords:** x, y\n\n"
        f"## 00:35-01:25\n\n**Speech:** {counted(range(35, 85))}\n\n"
        f"## 01:10-01:35\n\n**Speech:** {counted(range(70, 95))}\n",
        "",
    )


def test_files(tmp_path, run):
    out = tmp_path / "out"
    code, printed, _ = run("news", "--format", "srt", "--output", f"{out}/")
    assert (code, printed) == (0, f"news: {out}/news.srt\nexport: 1 done; results: {out}/\n")
    whole = (out / "news.srt").read_bytes()
    assert whole.decode() == run("news", "--format", "srt")[1]
    (out / "news.srt").write_text("older")
    run("news", "--format", "srt", "--output", str(out))
    (out / "link.srt").symlink_to(out / "real.srt")
    run("news", "--format", "srt", "--output", str(out / "link.srt"))
    assert (out / "link.srt").is_symlink()
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    assert files == {"news.srt": whole, "real.srt": whole, "link.srt": whole}


def test_nothing_of_another_kind_is_written_over(data, tmp_path, run):
    result = data / "news_phase2_vllm_analysis.json"
    mine = {"film.mp4": "a film", "list.json": '{"videos": []}', result: '{"video_name": "news", "result_id": "1"}'}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    for name, format_ in (("film.mp4", "srt"), ("list.json", "json"), (result, "json"), ("new", "txt")):
        code, _, err = run("news", "--format", format_, "--output", str(tmp_path / name))
        assert code == 1
        assert "choose a name that ends in" in err or "exists and is no export" in err
    assert {name: (tmp_path / name).read_text() for name in mine} == mine
    result.unlink()
    for _ in range(2):
        assert run("news", "--format", "json", "--output", str(tmp_path / "out.json"))[0] == 0


def test_one_that_fails_leaves_the_others_alone(data, tmp_path, run):
    artifacts.path_of(PHASE1, data, "torn").write_bytes(b"\x80")
    code, printed, err = run("torn", "news", "news", "--format", "txt", "--output", str(tmp_path / "out"))
    assert code == 1
    assert "torn_phase1_data.pkl: is missing or damaged; run phase1_whisper_frames.py" in err
    assert "export: 1 done, 1 failed" in printed
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["news.txt"]


@pytest.mark.parametrize(
    ("args", "code", "fault"),
    [
        (["nwes", "--format", "srt"], 2, "nwes: no such video in {data}; did you mean news?"),
        (["../x\x1b", "--format", "srt"], 2, "../x\ufffd: no such video in {data}; run phase1_whisper_frames.py"),
        (["film", "--format", "srt"], 2, "film: phase 1 is not finished; run phase1_whisper_frames.py"),
        (["news", "film", "--format", "srt"], 2, "several videos: name a folder"),
        (["news", "--format", "md", "--language", "original"], 2, "--language: md holds"),
        (["news", "--format", "srt", "--output", "{data}/mine/"], 1, "cannot be written"),
        (["news", "--format", "srt", "--output", os.devnull], 1, "is not a file"),
    ],
)
def test_mistakes_are_one_line(data, run, args, code, fault):
    (data / "film_phase1_data.pkl.part").write_bytes(b"")
    (data / "mine").write_text("mine")
    ended, _, err = run(*(arg.format(data=data) for arg in args))
    assert (ended, err.count("\n")) == (code, 1)
    assert fault.format(data=data) in err
    assert (data / "mine").read_text() == "mine"
    assert len(list(data.iterdir())) == 3


def test_it_pipes_utf_8_whatever_the_locale(data):
    heard(data, "news", said("Снег"))
    made = subprocess.run(
        [sys.executable, ROOT / "export.py", "news", "--format", "txt", "--data-dir", data],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=True,
    )
    assert made.stdout == "[00:00] Снег\n".encode()


def test_help_imports_nothing_heavy():
    code = "import sys, export; print([m for m in ('av', 'numpy', 'chromadb', 'pydantic') if m in sys.modules])"
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert made.stdout == "[]\n"


# --- for editors


CHAPTERS = [{"start": 0.0, "end": 60.0, "title": "Вода"}, {"start": 60.0, "end": 95.0, "title": "=Снег"}]
TAPE = {"frame_rate": "30000/1001", "timecode": "10:00:00;00", "title": "Новости недели", "chapters": CHAPTERS}


def test_segments_and_chapters_for_editors(data, run):
    heard(data, "news", NUMBERS, **TAPE)
    analyzed(data, {1: analysis("Плотина.")})
    rows = list(csv.DictReader(io.StringIO(run("news", "--format", "csv")[1])))
    assert [(row["in"], row["out"], row["timecode_in"]) for row in rows] == [
        ("0.000", "50.000", "10:00:00;00"),
        ("35.000", "85.000", "10:00:34;28"),  # 35 s are 1048.95 pictures: 1048 is on screen
        ("70.000", "95.000", "10:01:09;29"),  # 2097.9, and two numbers are left out: 2099
    ]
    assert [row["text"][:8] for row in rows] == ["0 1 2 3 ", "Плотина.", "70 71 72"]
    rows = list(csv.DictReader(io.StringIO(run("news", "--format", "csv", "--parts", "chapters")[1])))
    assert [(row["in"], row["out"], row["text"]) for row in rows] == [
        ("0.000", "60.000", "Вода"),
        ("60.000", "95.000", "'=Снег"),
    ]


def test_an_edl_and_its_table_of_reels(data, run, tmp_path):
    heard(data, "news", NUMBERS, **TAPE)
    target = tmp_path / "cut.edl"
    assert run("news", "--format", "edl", "--parts", "chapters", "--output", str(target))[0] == 0
    lines = target.read_text("utf-8").splitlines()
    assert lines[:2] == ["TITLE: Новости недели", "FCM: DROP FRAME"]
    assert lines[3] == "001  NEWS     B     C        10:00:00;00 10:00:59;28 01:00:00;00 01:00:59;28"
    assert (tmp_path / "cut_reels.csv").read_text("utf-8-sig") == "reel,file\nNEWS,video/news.mp4\n"
    code, _, err = run("news", "--format", "edl")
    assert code == 2 and "edl: a table of its reels belongs to it; name a file with --output" in err


def test_what_cannot_be_exported_for_editors(data, run):
    for asked, failed, told in (
        (("--format", "otio"), 1, "cannot be in otio: its frame rate varies or is not known; save csv, m3u8 or xspf"),
        (("--format", "csv", "--parts", "chapters"), 1, "has no chapters; its segments can be exported"),
        (("--format", "srt", "--parts", "chapters"), 2, "--parts: is of csv, edl, fcpxml, otio, m3u8, xspf"),
        (("--format", "xspf", "--language", "original"), 2, "--language: is of srt, vtt and txt"),
    ):
        code, out, err = run("news", *asked)
        assert (code, out) == (failed, "") and told in err


# --- chapters and summaries of whole videos


def summed_up_in(data, **changes):
    """Write a result of phase 4 for "news", made of phase 2's."""
    phase2 = artifacts.read(PHASE2, artifacts.path_of(PHASE2, data, "news"))
    assert phase2
    chapters = [("О <b>снеге</b> --> & воде", 0.0, 35.0), ("Поезд", 35.0, 90.0), ("Конец", 90.0, 95.0)]
    result = {
        "video_name": "news",
        "input": phase2["result_id"],
        "made_by": {},
        "output_language": "ru",
        "segments": [0, 1, 2],
        "title": "Зима",
        "summary": "Идёт *снег*.",
        "keywords": ["снег", "поезд"],
        "chapters": [
            {"title": title, "summary": "Коротко.", "start_time": start, "end_time": end}
            for title, start, end in chapters
        ],
        **changes,
    }
    with artifacts.Draft(artifacts.path_of(PHASE4, data, "news"), result) as draft:
        draft.publish()


def test_summary_and_chapters_in_markdown(run, data):
    analyzed(data, {0: analysis("Вид")})
    summed_up_in(data)
    code, out, err = run("news", "--format", "md")
    assert (code, err) == (0, "")
    assert out.split("\n\n")[2:7] == [
        "Зима",
        "Идёт \\*снег\\*.",
        "**Keywords:** снег, поезд",
        "- 00:00 О \\<b\\>снеге\\</b\\> --\\> \\& воде: Коротко.",
        "- 00:35 Поезд: Коротко.",
    ]


def test_chapters_for_a_web_page(run, data):
    analyzed(data, {0: analysis("Вид")})
    summed_up_in(data)
    code, out, err = run("news", "--format", "vtt", "--parts", "chapters")
    assert (code, err) == (0, "")
    assert out == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:35.000\nО &lt;b&gt;снеге&lt;/b&gt; --&gt; &amp; воде\n\n"
        "00:00:35.000 --> 00:01:30.000\nПоезд\n\n"
        "00:01:30.000 --> 00:01:35.000\nКонец\n"
    )


def test_chapters_for_youtube(run, data):
    analyzed(data, {0: analysis("Вид")})
    summed_up_in(data)
    code, out, err = run("news", "--format", "txt", "--parts", "chapters")
    assert (code, out) == (0, "00:00 О ‹b›снеге‹/b› --› & воде\n00:35 Поезд\n01:30 Конец\n")
    assert "one is shorter than 10 s: 01:30" in err and "fewer" not in err


def test_the_files_own_chapters(run, data):
    chapters = [{"start": 20.0, "end": 60.0, "title": "А"}, {"start": 60.0, "end": 95.0, "title": " "}]
    heard(data, "film", NUMBERS, chapters=chapters)
    code, out, err = run("film", "--format", "txt", "--parts", "chapters")
    assert (code, out, err) == (0, "00:00 film\n00:20 А\n01:00 01:00\n", "")
    heard(data, "film", NUMBERS, chapters=[{**chapters[0], "start": 4.0}])
    code, out, err = run("film", "--format", "txt", "--parts", "chapters")
    assert out == "00:00 А\n" and "fewer than 3" in err
    assert run("news", "--format", "vtt", "--parts", "chapters")[0] == 1
    assert run("news", "--format", "srt", "--parts", "chapters")[0] == 2


def test_a_summary_of_an_older_analysis_is_left_out(run, data):
    analyzed(data, {0: analysis("Вид")})
    summed_up_in(data, input="other")
    code, out, err = run("news", "--format", "md")
    assert code == 0 and "Зима" not in out and "was made of an older phase 2; it is left out" in err
