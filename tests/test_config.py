"""The list of videos: what is taken, and what each mistake is told as."""

import json

import pytest

from videotag.config import Video, load_videos, name_mistake, read_names
from videotag.errors import UserError
from videotag.speech.engines import knows


def load(tmp_path, content):
    path = tmp_path / "videos_config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return load_videos(path, knows)


def entry(**changes):
    return {"name": "news", "path": "video/news.mp4", "language": "kk", **changes}


def test_the_plans_list(tmp_path):
    plan = {
        "videos": [
            {"name": "news", "path": "video/news.mp4", "language": "kk"},
            {"name": "SovKz", "path": "video/SovKz.mp4", "language": "ru", "description": "архив"},
            {"name": "Алматы 2", "path": "video/a.mp4", "language": "AUTO", "force_reprocess": True},
        ]
    }
    assert load(tmp_path, plan) == [
        Video("news", "video/news.mp4", "kk"),
        Video("SovKz", "video/SovKz.mp4", "ru", "архив"),
        Video("Алматы 2", "video/a.mp4", "auto", "", True),
    ]


def test_several_languages_and_names(tmp_path):
    plan = {"names": ["Байтерек", "Абай"], "videos": [entry(language=["KK", "ru", "kk"], names=["Абай", " Ли "])]}
    (video,) = load(tmp_path, json.dumps(plan))
    assert (video.language, video.languages) == ("kk,ru", ("kk", "ru"))
    assert video.names == ("Абай", "Ли", "Байтерек")
    assert Video("a", "b", "auto").languages == ()
    assert Video("a", "b", "kk").languages == ("kk",)


def test_names_of_a_file(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("\ufeffБайтерек\n\n# люди\n Назарбаев  # президент\n", encoding="utf-8")
    assert read_names(file) == ["Байтерек", "Назарбаев"]
    file.write_bytes("Абай".encode("cp1251"))
    with pytest.raises(UserError, match=r"names\.txt: is not UTF-8"):
        read_names(file)
    file.write_text("ф" * 61, encoding="utf-8")
    with pytest.raises(UserError, match=r"names\.txt: names: .* is longer than 60 characters"):
        read_names(file)
    with pytest.raises(UserError, match=r"nowhere\.txt: cannot be read"):
        read_names(tmp_path / "nowhere.txt")


COMPOSED, DECOMPOSED = "\u0439огурт", "и\u0306огурт"


@pytest.mark.parametrize(("on_disk", "listed"), [(DECOMPOSED, COMPOSED), (COMPOSED, DECOMPOSED)])
def test_a_path_is_found_in_the_form_in_which_the_disk_has_it(tmp_path, monkeypatch, on_disk, listed):
    folder = tmp_path / f"Мои {on_disk}ы"
    folder.mkdir()
    file = folder / f"Новый {on_disk}.mp4"
    file.touch()
    path = f"{tmp_path}/Мои {listed}ы/Новый {listed}.mp4"
    videos = load(tmp_path, {"videos": [entry(name=listed, path=path), entry(path=f"{path}x")]})
    assert [(video.name, video.path) for video in videos] == [(COMPOSED, str(file)), ("news", f"{path}x")]
    monkeypatch.chdir(tmp_path)
    [video] = load(tmp_path, {"videos": [entry(path=path.removeprefix(f"{tmp_path}/"))]})
    assert video.path == str(file.relative_to(tmp_path))
    file.with_name(f"Новый {listed}.mp4").touch()  # both are there: the one that is listed
    [video] = load(tmp_path, {"videos": [entry(path=str(file.with_name(f"Новый {listed}.mp4")))]})
    assert video.path == str(file.with_name(f"Новый {listed}.mp4"))


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    assert load(tmp_path, "\ufeff" + json.dumps({"videos": [entry()]})) == [Video("news", "video/news.mp4", "kk")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ("[]", 'must be {"videos": [...]}'),
        ('{"videos": {}}', 'must be {"videos": [...]}'),
        ({"videos": ["news"]}, "video 1: must be an object"),
        ({"videos": [{"name": "news", "language": "kk"}]}, "video 1 (news): path: is missing"),
        ({"videos": [entry(path=3)]}, "video 1 (news): path: must be text"),
        ({"videos": [entry(path=" ")]}, "video 1 (news): path: is empty"),
        ({"videos": [entry(path="a\0b")]}, "video 1 (news): path: holds a NUL"),
        ({"videos": [entry(language="русский")]}, 'language: "русский" is not a language code'),
        ({"videos": [entry(language="kz")]}, 'language: "kz" is none that the engines know; write "kk"'),
        ({"videos": [entry(language="QQ")]}, 'language: "QQ" is none that the engines know; leave it to "auto"'),
        (json.dumps({"videos": [entry(path="\udcff.mp4")]}), "video 1 (news): path: holds half a character"),
        (json.dumps({"videos": [entry(description="\ud83d")]}), "video 1 (news): description: holds half a character"),
        ('{"videos": [], "videos": []}', '"videos" is given twice in one place; take one out'),
        ('{"videos": [{"name": "a", "path": "b", "path": "c"}]}', '"path" is given twice'),
        ('{"videos": [%s]}' % ("1" * 5000), "holds a number of thousands of digits; take it out"),
        ({"videos": [entry(force_reprocess="yes")]}, "force_reprocess: must be true or false"),
        ({"videos": [entry(langauge="kk")]}, "langauge: is not a field"),
        ({"videos": [entry(language=[])]}, "language: a list holds codes of languages alone"),
        ({"videos": [entry(language=["kk", "auto"])]}, "language: a list holds codes of languages alone"),
        ({"videos": [entry(language=["kk", "kz"])]}, 'language: "kz" is none that the engines know; write "kk"'),
        ({"videos": [entry(language=["kk", 3])]}, "language: must be text or a list of texts"),
        ({"videos": [entry(language=3)]}, "language: must be text or a list of texts"),
        ({"videos": [entry(names="Байтерек")]}, "video 1 (news): names: must be a list of texts"),
        ({"videos": [entry(names=["Байтерек", 3])]}, "names: must be a list of texts"),
        ({"videos": [entry(names=[""])]}, 'names: "" is no name'),
        ({"videos": [entry(names=["a\x1b[31m"])]}, "names: "),
        ({"videos": [entry(names=["<|en|>"])]}, 'names: "<|en|>" is no name'),
        ({"videos": [entry(names=["а" * 61])]}, "is longer than 60 characters"),
        ({"videos": [entry()], "names": ["а"] * 201}, "names: are 201, the engines can be given 200"),
        ({"videos": [entry(), entry(name="NEWS")]}, "video 2 (NEWS): name: is also the name of video 1"),
        ({"videos": [entry(name="../x")]}, "name: may hold letters"),
        ({"videos": [entry(name="a\x1b[31m")]}, "video 1 (a\ufffd[31m): name: may hold letters"),
    ],
)
def test_mistakes(tmp_path, content, said):
    with pytest.raises(UserError) as error:
        load(tmp_path, content)
    assert said in str(error.value)
    assert "videos_config.json" in str(error.value)
    assert "\x1b" not in str(error.value)


def test_every_mistake_is_told_in_one_go(tmp_path):
    with pytest.raises(UserError) as error:
        load(tmp_path, {"videos": [entry(name=""), {"name": "b"}, entry(language="x", path="")]})
    lines = str(error.value).splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        "video 1 (): name: is empty",
        "video 2 (b): path: is missing",
        "video 2 (b): language: is missing",
        "video 3 (news): path: is empty",
        'video 3 (news): language: "x" is not a language code such as "kk", "ru", "en", or "auto"',
    ]


def test_of_many_mistakes_the_first_are_told(tmp_path):
    with pytest.raises(UserError) as error:
        load(tmp_path, {"videos": [entry(name=f"v{n}", path="") for n in range(10_000)]})
    lines = str(error.value).splitlines()
    assert len(lines) == 21
    assert lines[19].endswith("video 20 (v19): path: is empty")
    assert lines[20].endswith("videos_config.json: and 9980 more mistakes")


def test_a_list_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(UserError, match="not found"):
        load_videos(tmp_path / "none.json", knows)
    with pytest.raises(UserError, match="cannot be read"):
        load_videos(tmp_path, knows)
    (tmp_path / "cp1251.json").write_bytes('{"videos": "архив"}'.encode("cp1251"))
    with pytest.raises(UserError, match="is not UTF-8"):
        load_videos(tmp_path / "cp1251.json", knows)


@pytest.mark.parametrize("name", ["news", "Алматы 2", "Жаңалық_1", "a.b-c", "日本", "ф" * 100, "café"])
def test_good_names(name):
    assert name_mistake(name) is None


BAD = ["", " a", "a ", ".a", "a.", "..", "a/b", "a\\b", "a:b", "a\nb", "a\0", "con", "COM1.x", "ф" * 101, "cafe\u0301"]
BAD_CHARACTERS = ["a*", "a?", 'a"', "a|b", "\u202eabc", "\ud800", "\N{GRINNING FACE}"]


@pytest.mark.parametrize("name", [*BAD, *BAD_CHARACTERS])
def test_bad_names(name):
    assert name_mistake(name)


def test_the_hash_changes_with_the_entry_alone():
    video = Video("news", "video/news.mp4", "kk")
    assert video.config_hash == Video("news", "video/news.mp4", "kk").config_hash
    others = [
        Video("news", "video/news.mp4", "ru"),
        Video("news", "video/other.mp4", "kk"),
        Video("news", "video/news.mp4", "kk", "x"),
        Video("news", "video/news.mp4", "kk", "", True),
    ]
    assert len({video.config_hash, *(other.config_hash for other in others)}) == 5


def test_the_transcript_of_subtitles(tmp_path):
    """Where the list does not speak of it, nothing of today becomes due."""
    (plain,) = load(tmp_path, {"videos": [entry()]})
    (read,) = load(tmp_path, {"videos": [entry(transcript="subtitles")]})
    assert (plain.transcript, read.transcript) == ("", "subtitles")
    assert plain.config_hash == Video("news", "video/news.mp4", "kk").config_hash != read.config_hash
    with pytest.raises(UserError, match='transcript: "subs" is none of subtitles, speech'):
        load(tmp_path, {"videos": [entry(transcript="subs")]})


@pytest.mark.parametrize(("given", "kept"), [(2, "2"), ("2", "2"), ("KK", "kk"), ("rus", "rus"), ("mix", "mix")])
def test_a_track_of_sound(tmp_path, given, kept):
    (video,) = load(tmp_path, {"videos": [entry(audio_track=given)]})
    assert video.audio_track == kept
    assert video.config_hash != Video("news", "video/news.mp4", "kk").config_hash


@pytest.mark.parametrize("given", [0, -1, True, 1.5, "", "left", "русский", 100, ["kk"]])
def test_what_is_no_track_of_sound(tmp_path, given):
    with pytest.raises(UserError, match=r"audio_track: must be a number from 1, a language code, or .mix."):
        load(tmp_path, {"videos": [entry(audio_track=given)]})


def test_the_hash_of_an_entry_is_that_of_before_there_were_tracks():
    """SHA-256 of the fields as JSON, worked out by `printf ... | sha256sum`."""
    assert Video("news", "video/news.mp4", "kk").config_hash == "0c602619a8593143"
