"""What is searched of a segment changes with the program: the load makes it anew, and the doctor says it once."""

import dataclasses

import pytest

import db_manager
import doctor
import load_data_to_chroma
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from tests.test_database_check import VIDEOS, WHOLE, loaded  # noqa: F401  (a fixture)
from videotag.store.collection import SEGMENTS

TOLD = "what is searched has changed: run load_data_to_chroma.py"
NEW = {id_: text.partition("\n")[0] for id_, text in WHOLE.items()}  # without the keywords


@pytest.fixture
def outdated(loaded, monkeypatch):  # noqa: F811
    """A database of before there were versions, and a program that searches in descriptions only."""
    loaded.collection(
        lambda found: found.modify(metadata={k: v for k, v in found.metadata.items() if k != "document_version"})
    )
    changed = dataclasses.replace(SEGMENTS, version=3, document=lambda record: record["description"])
    monkeypatch.setattr(db_manager, "SEGMENTS", changed)
    return loaded


def load(outdated, *args: str, embedder: FakeEmbedder | None = None) -> int:
    arguments = [*outdated.place(), "--data-dir", str(outdated.data), *args]
    return load_data_to_chroma.main(arguments, lambda *_: embedder or FakeEmbedder())


def said_by_the_doctor(outdated) -> list[tuple[bool | None, str]]:
    return [(finding.good, finding.text) for finding in doctor.stored(outdated.asked)]


def version(outdated) -> int | None:
    return outdated.collection(lambda found: found.metadata.get("document_version"))


class Interrupted(FakeEmbedder):
    """By Ctrl-C, at the second video."""

    def embed_documents(self, texts):
        if self.embedded:
            raise KeyboardInterrupt
        return super().embed_documents(texts)


def test_a_new_collection_is_of_todays_version(loaded):  # noqa: F811
    assert version(loaded) == 2
    assert load(loaded) == 0


def test_the_load_makes_all_anew(outdated, capsys):
    assert load(outdated, "--dry-run") == 0
    out = capsys.readouterr().out
    assert [f"{name}: would run: what is searched has changed" in out for name in VIDEOS] == [True, True]
    assert (version(outdated), outdated.content()) == (None, WHOLE)
    assert load(outdated) == 0
    out = capsys.readouterr().out
    assert "news: what is searched has changed: 7 segments" in out
    assert "film: what is searched has changed: 3 segments" in out
    assert (version(outdated), outdated.content()) == (3, NEW)
    assert [good for good, _ in said_by_the_doctor(outdated)] == [True]
    again = FakeEmbedder()
    assert load(outdated, embedder=again) == 0
    assert again.embedded == []


def test_the_doctor_says_it_once_and_finds_other_faults(outdated):
    assert said_by_the_doctor(outdated)[0] == (False, TOLD)
    assert [good for good, _ in said_by_the_doctor(outdated)] == [False, True]
    outdated.collection(lambda found: found.delete(ids=["news_seg_3"]))
    assert [text.partition(";")[0] for _, text in said_by_the_doctor(outdated)] == [
        TOLD,
        "news: segments: 1 missing (3)",
    ]


def test_a_run_that_is_interrupted_goes_on(outdated, capsys):
    assert load(outdated, embedder=Interrupted()) == 130
    of_now = {id_.partition("_")[0] for id_, text in outdated.content().items() if text == NEW[id_]}
    assert len(of_now) == 1
    assert said_by_the_doctor(outdated)[0] == (False, TOLD)
    assert [good for good, _ in said_by_the_doctor(outdated)] == [False, True]
    db = ChromaDBManager(outdated.db.directory, chroma_url=outdated.db.chroma_url, embedder=FakeEmbedder())
    assert {hit["video_name"] for hit in db.search("слово1", limit=10)} == {"news", "film"}
    capsys.readouterr()
    rest = FakeEmbedder()
    assert load(outdated, embedder=rest) == 0
    assert f"1 skipped (done before: {of_now.pop()})" in capsys.readouterr().out
    assert sorted(rest.embedded) in (
        [f"film слово{i}" for i in range(3)],
        [f"news слово{i}" for i in range(7)],
    )
    assert (version(outdated), outdated.content()) == (3, NEW)
    assert [good for good, _ in said_by_the_doctor(outdated)] == [True]


def test_a_run_that_is_killed_before_it_notes_the_version(outdated, monkeypatch):
    def killed(db):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ChromaDBManager, "set_current", killed)
        assert load(outdated) == 130
    assert (version(outdated), outdated.content()) == (None, WHOLE)
    assert load(outdated, "--only", "film") == 0
    assert load(outdated) == 0
    assert (version(outdated), outdated.content()) == (3, NEW)


def test_a_rebuild_leaves_the_version_to_the_load(outdated):
    db = ChromaDBManager(outdated.db.directory, chroma_url=outdated.db.chroma_url)
    assert db.rebuild_segments(FakeEmbedder("other")) == 10
    assert (version(outdated), outdated.content()) == (1, WHOLE)
    assert db.is_outdated()
