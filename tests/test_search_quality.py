"""The benchmark of search: its set is well-formed, its figures are right, its converters read the published forms."""

import gzip
import json
import math
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import search_quality
from benchmarks.converters import Query, SearchSet, archive, flores, miracl
from benchmarks.search_quality import Answer, MiniLM, figures, find, misses, percentile, recall, reciprocal_rank
from tests.conftest import FakeEmbedder
from videotag.analyzers.contract import CONFIDENCES, CONTENT_TYPES
from videotag.errors import UserError
from videotag.store.records import segment_document, segment_record

OWN = archive(search_quality.FOLDER)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


def json_lines(*rows: dict) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# === The set ===


def test_200_segments_of_40_videos():
    ids = [row["id"] for row in OWN.documents]
    assert len(set(ids)) == len(ids) == 200
    assert ids == [f"{row['video_name']}_seg_{row['segment_index']}" for row in OWN.documents]
    assert set(Counter(row["video_name"] for row in OWN.documents).values()) == {5}
    assert Counter(row["language"] for row in OWN.documents) == {"ru": 110, "kk": 60, "en": 30}


def test_every_segment_is_as_phase_2_writes_it():
    for row in OWN.documents:
        record = segment_record(row, "-")
        assert (row["start_time"], record["duration"]) == (35.0 * row["segment_index"], 50.0)
        assert row["text"] == segment_document(record)
        assert row["content_type"] in CONTENT_TYPES and row["confidence"] in CONFIDENCES
        assert isinstance(row["on_screen_text"], list) and 5 <= len(row["keywords"]) <= 12
        assert bool(row["dialogue_translation"]) == (bool(row["transcript"]) and row["language"] != "ru"), row["id"]


def test_120_queries_20_of_them_without_an_answer():
    assert len({query.query for query in OWN.queries}) == len(OWN.queries) == 120
    ids = {row["id"] for row in OWN.documents}
    for query in OWN.queries:
        assert query.relevant <= ids and len(query.relevant) <= 4, query
        assert (query.kind == "none") == (not query.relevant), query
    assert Counter((query.language, query.kind == "none") for query in OWN.queries) == {
        ("ru", False): 40,
        ("kk", False): 30,
        ("en", False): 30,
        ("ru", True): 8,
        ("kk", True): 6,
        ("en", True): 6,
    }
    assert {query.kind for query in OWN.queries} == {"name", "number", "rare", "paraphrase", "question", "none"}


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("archive-2", {("ru", 0): 50, ("kk", 0): 30, ("en", 0): 20, ("ru", 1): 30, ("kk", 1): 15, ("en", 1): 15}),
        ("archive-3", {("ru", 0): 40, ("kk", 0): 30, ("en", 0): 30, ("ru", 1): 16, ("kk", 1): 12, ("en", 1): 12}),
    ],
)
def test_later_queries(name, counts):
    later = archive(search_quality.FOLDER, name)
    ids = {row["id"] for row in later.documents}
    assert ids == {row["id"] for row in OWN.documents}
    for query in later.queries:
        assert query.relevant <= ids and len(query.relevant) <= 4, query
        assert (query.kind == "none") == (not query.relevant), query
    assert Counter((query.language, query.kind == "none") for query in later.queries) == counts
    earlier = {query.query for query in OWN.queries}
    assert len({query.query for query in later.queries} - earlier) == len(later.queries)


# === Figures ===


def test_recall_and_rank():
    relevant = frozenset("ab")
    assert [recall(list("xaybz"), relevant, k) for k in (1, 2, 3, 4)] == [0, 0.5, 0.5, 1]
    assert reciprocal_rank(list("xxb"), relevant, 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(list("xxb"), relevant, 2) == 0
    assert reciprocal_rank([], relevant, 10) == 0


def test_percentile_by_nearest_rank():
    assert [percentile([30, 10, 40, 20], percent) for percent in (25, 50, 51, 95, 100)] == [10, 20, 30, 40, 40]
    assert percentile([7], 50) == 7


def answer(relevant: str, ids: str, nothing_close: bool = False, ms: float = 1.0, language: str = "ru") -> Answer:
    return Answer(Query("?", frozenset(relevant), language), list(ids), nothing_close, ms)


def test_figures():
    of = figures(
        [
            answer("a", "a", ms=4.0),  # first
            answer("ab", "xxaxxxb", True, ms=2.0),  # third and seventh, and wrongly called not close
            answer("", "x", True, ms=1.0),  # rightly
            answer("", "x", ms=3.0),
        ]
    )
    assert (of.queries, of.unanswerable, of.nothing_right, of.nothing_wrong) == (4, 2, 1, 1)
    assert of.recall == {1: 0.5, 5: 0.75, 10: 1.0}
    assert of.mrr == pytest.approx((1 + 1 / 3) / 2)
    assert (of.p50, of.p95) == (2.0, 4.0)
    assert math.isnan(figures([answer("", "x")]).mrr)


def perfect(right: int, wrong: int) -> list[Answer]:
    answers = [answer("a", "a", number < wrong, language=("ru", "kk", "en")[number % 3]) for number in range(99)]
    return answers + [answer("", "x", number < right) for number in range(20)]


def test_goals():
    assert misses({"vectors": perfect(14, 5)}) == []
    assert [line.split(", ")[0] for line in misses({"vectors": perfect(13, 6)})] == [
        'vectors: "nothing close" for 13 of 20 without an answer',
        'vectors: "nothing close" for 6 with an answer',
    ]


def test_together_must_not_lose_against_vectors():
    worse = [Answer(a.query, ["x"], a.nothing_close, 1) if i < 3 else a for i, a in enumerate(perfect(14, 5))]
    # One of 33 lost in each language: 0.970, above every goal, but 0.030 below vectors alone.
    assert misses({"vectors": perfect(14, 5), "together": worse}) == [
        f"together, {language}: recall@5 is 0.970, vectors alone have 1.000" for language in ("ru", "kk", "en")
    ]


# === Converters ===


@pytest.fixture
def miracl_folder(tmp_path: Path) -> Path:
    topics, qrels = (f"miracl-v1.0-ru/{name}/{name}.miracl-v1.0-ru-dev.tsv" for name in ("topics", "qrels"))
    write(tmp_path / topics, "5\tКогда вскрылась река?\n7\tКто построил мост?\n")
    write(tmp_path / qrels, "5\tQ0\t10#0\t1\n5\tQ0\t10#1\t0\n7\tQ0\t11#2\t1\n7\tQ0\t10#0\t1\n")
    corpus = [{"docid": id_, "title": "Ока", "text": f"текст {id_}"} for id_ in ("10#0", "10#1", "10#2", "11#2")]
    write(tmp_path / "miracl-corpus-v1.0-ru/docs-0.jsonl.gz", json_lines(*corpus[:2]))
    write(tmp_path / "miracl-corpus-v1.0-ru/docs-1.jsonl.gz", json_lines(*corpus[2:]))
    return tmp_path


def test_miracl(miracl_folder):
    found = find("miracl", miracl_folder)
    assert found
    assert found.documents == [{"id": id_, "text": f"Ока\nтекст {id_}"} for id_ in ("10#0", "10#1", "11#2")]
    assert found.queries == [
        Query("Когда вскрылась река?", frozenset({"10#0"}), "ru"),
        Query("Кто построил мост?", frozenset({"11#2", "10#0"}), "ru"),
    ]


def test_miracl_with_a_part_of_the_corpus(miracl_folder):
    (miracl_folder / "miracl-corpus-v1.0-ru/docs-1.jsonl.gz").unlink()
    with pytest.raises(UserError, match="1 judged passages are not there, 11#2 for one: fetch all 20 parts"):
        miracl(miracl_folder)


def test_xquad(tmp_path):
    for language, context, question in (("ru", "Защита", "Сколько очков?"), ("en", "The defense", "How many points?")):
        qa = {"id": "56beb", "question": question, "answers": [{"text": "308", "answer_start": 34}]}
        data = {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": [qa]}]}]}
        write(tmp_path / f"xquad/xquad.{language}.json", json.dumps(data))
    assert find("xquad", tmp_path) == SearchSet(
        "xquad",
        [{"id": "0-0", "text": "Защита"}],
        [Query("Сколько очков?", frozenset({"0-0"}), "ru"), Query("How many points?", frozenset({"0-0"}), "en")],
    )


def belebele_row(link: str, number: int, passage: str, question: str) -> dict:
    answers = {f"mc_answer{place}": str(place) for place in (1, 2, 3, 4)}
    return {
        "link": link,
        "question_number": number,
        "flores_passage": passage,
        "question": question,
        **answers,
        "correct_answer_num": "2",
        "dialect": "rus_Cyrl",
        "ds": "2023-05-03",
    }


def test_belebele(tmp_path):
    for code in ("rus_Cyrl", "kaz_Cyrl", "eng_Latn"):
        rows = [
            belebele_row("w/1", 1, f"one {code}", f"1.1 {code}"),
            belebele_row("w/1", 2, f"one {code}", f"1.2 {code}"),
            belebele_row("w/2", 1, f"two {code}", f"2.1 {code}"),
            belebele_row("w/2", 1, f"three {code}", f"3.1 {code}"),  # which passage is meant cannot be told
        ]
        write(tmp_path / f"Belebele/{code}.jsonl", json_lines(*(rows if code == "rus_Cyrl" else rows[::-1])))
    found = find("belebele", tmp_path)
    assert found
    assert [row["text"] for row in found.documents] == ["one rus_Cyrl", "two rus_Cyrl", "three rus_Cyrl"]
    first = frozenset({found.documents[0]["id"]})
    assert {(query.query, query.language) for query in found.queries if query.relevant == first} == {
        ("1.1 rus_Cyrl", "ru"),
        ("1.2 rus_Cyrl", "ru"),
        ("1.1 kaz_Cyrl", "kk"),
        ("1.2 kaz_Cyrl", "kk"),
        ("1.1 eng_Latn", "en"),
        ("1.2 eng_Latn", "en"),
    }
    assert len(found.queries) == 6


def test_flores(tmp_path):
    base = tmp_path / "flores200_dataset/devtest"
    texts = {"rus_Cyrl": "Раз\u2028и.\nДва.\n", "kaz_Cyrl": "Бір.\nЕкі.\n", "eng_Latn": "One.\nTwo.\n"}
    for code, text in texts.items():
        write(base / f"{code}.devtest", text)
    found = find("flores", tmp_path)
    assert found
    assert found.documents == [{"id": "0", "text": "Раз\u2028и."}, {"id": "1", "text": "Два."}]
    assert found.queries[1] == Query("Екі.", frozenset("1"), "kk")
    assert found.queries[2] == Query("One.", frozenset("0"), "en")
    write(base / "eng_Latn.devtest", "One.\n")
    with pytest.raises(UserError, match="differ in length"):
        flores(tmp_path)


def test_a_set_that_is_not_there_is_skipped_by_name(tmp_path, capsys):
    write(tmp_path / "xquad/xquad.ru.json", "{}")
    assert find("xquad", tmp_path) is None and find("flores", None) is None
    assert capsys.readouterr().out.splitlines() == [
        f"skipped xquad: {tmp_path / 'xquad/xquad.en.json'} is not there",
        "skipped flores: --sets does not say where it is",
    ]


def test_a_set_in_another_form(tmp_path):
    write(tmp_path / "xquad/xquad.ru.json", "{}")
    write(tmp_path / "xquad/xquad.en.json", "{}")
    with pytest.raises(UserError, match=r"xquad: a file in .* is not in its published form"):
        find("xquad", tmp_path)


# === Running ===


def part() -> SearchSet:
    """Ten segments; the queries are whole texts, so that a bag of words finds them, and one has no answer."""
    documents, languages = OWN.documents[:10], ["ru"] * 6 + ["kk"] * 2 + ["en"] * 2
    queries = [
        Query(row["text"], frozenset({row["id"]}), language, "name")
        for row, language in zip(documents, languages, strict=True)
    ]
    return SearchSet("archive", documents, [*queries, Query("вулкан", frozenset(), "kk", "none")])


def test_run_goes_through_the_database_in_every_mode():
    def refuses(db, query, limit):
        ids, _ = search_quality.vectors(db, query, limit)
        return ids[::-1], True

    embedder = FakeEmbedder(dimension=512)
    found = search_quality.run(part(), embedder, {"vectors": search_quality.vectors, "refuses": refuses})
    assert set(embedder.embedded[:10]) == {row["text"] for row in OWN.documents[:10]}  # then the typical segments
    straight, backwards = figures(found["vectors"]), figures(found["refuses"])
    assert (straight.recall[1], straight.mrr, straight.nothing_right, straight.nothing_wrong) == (1, 1, 0, 0)
    assert (backwards.recall[1], backwards.mrr) == (0, pytest.approx(0.1))  # ten of ten are found, the right one last
    assert (backwards.nothing_right, backwards.nothing_wrong) == (1, 10)


def test_a_video_alone_is_asked_what_it_answers_and_what_none_does():
    documents = [{"id": f"{name}{i}", "video_name": name} for name in ("a", "b") for i in range(2)]
    both, one, none = (Query("q", frozenset(ids), "ru") for ids in (["a0", "b1"], ["a1"], []))
    alone = list(search_quality.videos_alone(SearchSet("x", documents, [both, one, none])))
    assert [part.documents for part in alone] == [documents[:2], documents[2:]]
    asked = [[sorted(query.relevant) for query in part.queries] for part in alone]
    assert asked == [[["a0"], ["a1"], []], [["b1"], []]]


def test_a_public_set_keeps_its_own_ids():
    found = SearchSet("x", [{"id": "10#0", "text": "река"}, {"id": "11#2", "text": "мост"}], [])
    asked = SearchSet(found.name, found.documents, [Query("мост", frozenset({"11#2"}), "ru")])
    [only] = search_quality.run(asked, FakeEmbedder(dimension=512), {"vectors": search_quality.vectors})["vectors"]
    assert only.ids == ["11#2", "10#0"]


def test_the_program(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(search_quality, "archive", lambda folder, name: part())
    monkeypatch.setattr(MiniLM, "CACHE", tmp_path)
    code = search_quality.main(["--set", "archive", "--check"], lambda *names: FakeEmbedder(dimension=512))
    out = capsys.readouterr().out
    assert code == 1
    assert f"skipped MiniLM: {tmp_path / 'config.json'} is not there, and is not downloaded" in out
    assert "| archive | vectors | ru | 6 | 1.000 | 1.000 | 1.000 | 1.000 | 0/0 | 0/6 |" in out
    assert "| archive | vectors | kk | 3 | 1.000 | 1.000 | 1.000 | 1.000 | 0/1 | 0/2 |" in out
    assert "| archive | words | ru | 6 | 1.000 | 1.000 |" in out and "| archive | together | kk | 3 | 1.000 |" in out
    assert "| archive | vectors | none | 1 | - | - | - | - | 0/1 | 0/0 |" in out
    assert [line for line in out.splitlines() if line.startswith("missed")] == [
        'missed: together: "nothing close" for 1 of 1 without an answer, to reach: 14'
    ]


@pytest.mark.slow
def test_the_goals_are_reached(capsys):
    assert search_quality.main(["--set", "archive", "--check"]) == 0, capsys.readouterr().out


def test_check_is_about_the_own_set(capsys):
    assert search_quality.main(["--set", "xquad", "--check"]) == 2
    assert "--check is about the set archive" in capsys.readouterr().err


def test_the_baseline_is_never_downloaded(monkeypatch, tmp_path):
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    asked = []
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "DOWNLOAD_PATH", tmp_path)
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "_download", lambda *args, **named: asked.append(args))
    with pytest.raises(Exception, match="No such file"):
        MiniLM().embed_documents(["город"])
    assert asked == []
