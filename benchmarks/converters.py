"""Public retrieval sets, as they are published, in the form of the archive: documents to search in, and queries.

What is asked of a set is what this project does: questions in Kazakh, Russian and English, texts in Russian or Kazakh.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videotag.errors import UserError

DIALECTS = {"ru": "rus_Cyrl", "kk": "kaz_Cyrl", "en": "eng_Latn"}  # query language to FLORES-200's code


@dataclass(frozen=True)
class Query:
    """A question; `relevant` are ids of documents, none where the set has no answer. `kind`: "" in public sets."""

    query: str
    relevant: frozenset[str]
    language: str
    kind: str = ""


@dataclass(frozen=True)
class SearchSet:
    """Documents, each a dict with "id" and "text" (the archive's have a segment's fields too), and queries."""

    name: str
    documents: list[dict[str, Any]]
    queries: list[Query]


ARCHIVE = {"archive": "queries.jsonl", "archive-2": "queries_2.jsonl", "archive-3": "queries_3.jsonl"}
"""The project's own sets, and their questions."""


def archive(folder: Path, name: str = "archive") -> SearchSet:
    """One of the project's own sets: the same documents, other questions."""
    queries = [
        Query(row["query"], frozenset(row["relevant"]), row["language"], row["kind"])
        for row in _json_lines(folder / ARCHIVE[name])
    ]
    return SearchSet(name, list(_json_lines(folder / "segments.jsonl")), queries)


def miracl(folder: Path) -> SearchSet:
    """MIRACL, Russian, dev: Wikipedia. Searched are the judged passages only (some 13,000), not all 9.5 million.

    Files: topics (`qid TAB query`), qrels (TREC: `qid Q0 docid relevance`), corpus (JSON Lines: docid, title, text).

    Raises:
        UserError: a judged passage is in none of the parts of the corpus.
    """
    base = folder / "miracl-v1.0-ru"
    topics = _lines(base / "topics" / "topics.miracl-v1.0-ru-dev.tsv")
    questions = dict(line.split("\t", 1) for line in topics)
    relevant: dict[str, set[str]] = {}
    judged: set[str] = set()
    for line in _lines(base / "qrels" / "qrels.miracl-v1.0-ru-dev.tsv"):
        question, _, passage, grade = line.split()
        judged.add(passage)
        if int(grade) > 0:
            relevant.setdefault(question, set()).add(passage)
    corpus = folder / "miracl-corpus-v1.0-ru"
    parts = sorted(corpus.glob("docs-*.jsonl.gz"))
    documents = [
        {"id": row["docid"], "text": f"{row['title']}\n{row['text']}"}
        for part in parts
        for row in _json_lines(part)
        if row["docid"] in judged
    ]
    if missing := judged - {document["id"] for document in documents}:
        raise UserError(
            f"{corpus}: {len(missing)} judged passages are not there, {min(missing)} for one: fetch all 20 parts"
        )
    queries = [Query(questions[question], frozenset(ids), "ru") for question, ids in relevant.items()]
    return SearchSet("miracl", documents, queries)


def xquad(folder: Path) -> SearchSet:
    """XQuAD: questions in Russian and English on 240 Russian paragraphs. The form of SQuAD 1.1, parallel by place."""
    documents, queries = [], []
    for language in ("ru", "en"):
        for place, paragraph in _paragraphs(folder / "xquad" / f"xquad.{language}.json"):
            if language == "ru":
                documents.append({"id": place, "text": paragraph["context"]})
            queries += [Query(qa["question"], frozenset({place}), language) for qa in paragraph["qas"]]
    return SearchSet("xquad", documents, queries)


def _paragraphs(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for article, content in enumerate(json.loads(file.read_text(encoding="utf-8"))["data"]):
        for number, paragraph in enumerate(content["paragraphs"]):
            yield f"{article}-{number}", paragraph


KAZQAD = "kazqad/kazqad-reading-comprehension-v1.0-kk-validation.jsonl"


def kazqad(folder: Path) -> SearchSet:
    """KazQAD, reading comprehension, validation: questions and passages in Kazakh, of Wikipedia and school exams.

    The file: JSON Lines with title, context, question.
    """
    rows = list(_json_lines(folder / KAZQAD))
    texts = list(dict.fromkeys(f"{row['title']}\n{row['context']}" for row in rows))
    ids = {text: str(number) for number, text in enumerate(texts)}
    queries = [Query(row["question"], frozenset({ids[f"{row['title']}\n{row['context']}"]}), "kk") for row in rows]
    return SearchSet("kazqad", [{"id": ids[text], "text": text} for text in texts], queries)


def belebele(folder: Path) -> SearchSet:
    """Belebele: questions in three languages on the passages in Russian.

    Rows of the languages belong together by link, split (where the file has it) and question number; without a split
    these can stand for two passages, whose questions are left out.
    """
    passages: dict[tuple, set[str]] = {}
    rows = {language: list(_json_lines(folder / "Belebele" / f"{code}.jsonl")) for language, code in DIALECTS.items()}
    for row in rows["ru"]:
        passages.setdefault(_question(row), set()).add(row["flores_passage"])
    texts = list(dict.fromkeys(row["flores_passage"] for row in rows["ru"]))
    ids = {text: str(number) for number, text in enumerate(texts)}
    queries = [
        Query(row["question"], frozenset(ids[text] for text in passages[_question(row)]), language)
        for language in DIALECTS
        for row in rows[language]
        if len(passages.get(_question(row), ())) == 1
    ]
    return SearchSet("belebele", [{"id": ids[text], "text": text} for text in texts], queries)


def _question(row: dict[str, Any]) -> tuple:
    return row["link"], row.get("split"), int(row["question_number"])


def flores(folder: Path) -> SearchSet:
    """FLORES-200, devtest: a sentence in Kazakh or English finds the same one in Russian. Text, parallel by line.

    Raises:
        UserError: the files differ in length.
    """
    base = folder / "flores200_dataset" / "devtest"
    sentences = {language: _lines(base / f"{code}.devtest") for language, code in DIALECTS.items()}
    if len({len(lines) for lines in sentences.values()}) > 1:
        raise UserError(f"{base}: the files of {', '.join(DIALECTS.values())} differ in length: fetch them again")
    documents = [{"id": str(number), "text": text} for number, text in enumerate(sentences["ru"])]
    queries = [
        Query(text, frozenset({str(number)}), language)
        for language in ("kk", "en")
        for number, text in enumerate(sentences[language])
    ]
    return SearchSet("flores", documents, queries)


def _lines(file: Path) -> list[str]:
    """The lines that are not blank. Not splitlines(), which also cuts at characters inside a text."""
    return [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


Converter = Callable[[Path], SearchSet]

PUBLIC: dict[str, tuple[Converter, tuple[str, ...]]] = {
    "miracl": (
        miracl,
        (
            "miracl-v1.0-ru/topics/topics.miracl-v1.0-ru-dev.tsv",
            "miracl-v1.0-ru/qrels/qrels.miracl-v1.0-ru-dev.tsv",
            "miracl-corpus-v1.0-ru/docs-0.jsonl.gz",
        ),
    ),
    "xquad": (xquad, ("xquad/xquad.ru.json", "xquad/xquad.en.json")),
    "kazqad": (kazqad, (KAZQAD,)),
    "belebele": (belebele, tuple(f"Belebele/{code}.jsonl" for code in DIALECTS.values())),
    "flores": (flores, tuple(f"flores200_dataset/devtest/{code}.devtest" for code in DIALECTS.values())),
}
"""Name to (converter, the files that it needs in the folder of sets)."""
