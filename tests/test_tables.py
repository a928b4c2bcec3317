"""The tables are all there is to change: a copy of the project with a field, a stage and a collection more.

The copy gets the few lines that a developer would write, and its scripts are run as programs (with scripted engines).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline import SAMPLE

ROOT = Path(__file__).parent.parent

# A field that phase 1 makes: one row, and the line that makes it.
LABEL = 'Label("место", "орын", "Place")'
ROW = f'    Field("place", str, "phase1", {LABEL}, True, Filter("place", "PLACE", "where"), "at "),\n'
MADE = '        "place": "Астана",\n'

# A stage with two inputs, one of them optional, before the load: one row, and its script.
STAGE = """
PHASE5 = Stage(
    "phase5", "phase 5", "phase5.py", (Input("phase2"), Input("phase1", needed=False)), "phase5_sentences",
    "_phase5.json", ("video_name", "input", "made_by", "segments"),
)
STAGES = (PHASE1, PHASE2, PHASE4, PHASE5, LOAD)
"""
# Its results go into a collection of their own.
SCRIPT = """
from contextlib import closing
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
from videotag import claims, cli, jobs
from videotag.search.archive_search import ArchiveSearch
from videotag.stages import PHASE5
from videotag.store.collection import Kind
from videotag.store.documents import DocumentCollection
from videotag.store.stamp import Embedders

NAMED, TEXT = (lambda record: record["video_name"]), (lambda record: record["text"])
KIND = Kind("video_titles", "Whole videos", NAMED, TEXT, index="-v")

def work(args, report):
    db = ChromaDBManager(args.db, chroma_url=args.chroma_url)
    run = jobs.Run(db, PHASE5, args, report)
    due = run.due(run.why_due, finished_too=False)
    run.mark(due, object)
    for seen in due:
        intent = claims.Intent(run.why_due, seen)
        with report.outcome_of(seen["video_name"]), run.claimed(seen["video_name"], intent) as job:
            job.taken_over() or job.publish(made(job))
    return report.finish(args.data_dir)

def made(job):
    phase1, phase2 = job.inputs()["phase1"], job.inputs()["phase2"]
    with closing(job.part({"style": "short"}, object)) as part:
        for segment in phase2["segments"][len(part.records):]:
            part.append(f"{segment['description']} {phase1['spoken_language']} {segment['place']}")
        return {"video_name": job.video_name, **job.made_of, "made_by": {"style": "short"}, "segments": part.records}

def summaries(db):
    made = DocumentCollection(KIND, db._place, Embedders(KIND.name, FakeEmbedder("whole"), FakeEmbedder))
    ArchiveSearch(made)
    return made

def main(argv):
    report = cli.Report("phase 5")
    return cli.run(lambda args: work(args, report), cli.parser("").parse_args(argv), report)
"""
RUN = """
import sys
from tests.conftest import FakeEmbedder
from tests.pipeline import FakeAnalyzer, FakeTranscriber
import phase1_whisper_frames, phase2_vllm_analysis, load_data_to_chroma, test_search, export, doctor
script, *args = sys.argv[1:]
if script == "phase1":
    code = phase1_whisper_frames.main(args, lambda *_: FakeTranscriber())
elif script == "phase2":
    code = phase2_vllm_analysis.main(args, lambda *_: FakeAnalyzer())
elif script == "phase5":
    import phase5
    code = phase5.main(args)
elif script == "export":
    code = export.main(args)
else:
    mains = {"load": load_data_to_chroma.main, "search": test_search.main, "doctor": doctor.main}
    code = mains[script](args, lambda *_: FakeEmbedder())
sys.exit(code)
"""
SUMMARIES = """
import sys
from db_manager import ChromaDBManager
from tests.conftest import FakeEmbedder
import phase5
db = ChromaDBManager(sys.argv[1], load=lambda *_: FakeEmbedder())
found, embedder = phase5.summaries(db), FakeEmbedder("whole")
records, vectors = [{"video_name": "news", "text": "о чём"}], embedder.embed_documents(["о чём"])
found.replace("news", records, vectors, by=embedder)
print(found.count(), found.stamp()["model"], db.count_segments(), db.stamp()["model"])
"""


def changed(path: Path, before: str, put: str, after: bool = False) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, (path.name, before)
    path.write_text(text.replace(before, before + put if after else put + before), encoding="utf-8")


class Copy:
    """The project with what is added, on one video, whose phases 1 and 2 and load the project itself has done."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.data = folder / "tree", folder / "data"
        self.where = ["--db", str(folder / "chroma_db")]
        self.stage = [*self.where, "--data-dir", str(self.data)]
        shutil.copyfile(SAMPLE, folder / "news.mp4")
        videos = [{"name": "news", "path": str(folder / "news.mp4"), "language": "ru"}]
        self.config = folder / "list.json"
        self.config.write_text(json.dumps({"videos": videos}), encoding="utf-8")
        shutil.copytree(ROOT / "videotag", self.tree / "videotag", ignore=shutil.ignore_patterns("__pycache__"))
        for script in ROOT.glob("*.py"):
            shutil.copyfile(script, self.tree / script.name)
        (self.tree / "requirements.txt").write_text("")
        fields, stages = self.tree / "videotag" / "fields.py", self.tree / "videotag" / "stages.py"
        changed(fields, '    Field("word_times"', ROW)
        changed(self.tree / "phase1_whisper_frames.py", '        "segment_index": window.index,\n', MADE)
        changed(stages, "\nFORCED = ", STAGE)
        (self.tree / "phase5.py").write_text(SCRIPT, encoding="utf-8")

    def python(self, tree: Path, code: str, *args: str) -> str:
        environment = {**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{ROOT}", "PYTHONSAFEPATH": "1"}
        command = [sys.executable, "-c", code, *args]
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, (args, done.stdout, done.stderr)
        return done.stdout

    def run(self, script: str, *args: str, tree: Path | None = None) -> str:
        config = ["--config", str(self.config)] if script == "phase1" else []
        return self.python(tree or self.tree, RUN, script, *config, *args)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_a_field_a_stage_and_a_collection_of_a_few_lines_each(copy: Copy) -> None:
    for script in ("phase1", "phase2", "load"):  # by the project as it is
        assert "1 done" in copy.run(script, *copy.stage, tree=ROOT)

    # The stage finds the video, whose record is older than it. What phase 1 made lacks the new field: made again.
    assert "news: would run: new" in copy.run("phase5", "--dry-run", *copy.stage)
    assert "loaded 1" in copy.run("doctor", *copy.stage, "--analyzer", "local")
    for script in ("phase1", "phase2", "phase5", "load"):
        assert "1 done" in copy.run(script, *(["--force"] if script == "phase1" else []), *copy.stage), script
    for script in ("phase1", "phase2", "phase5", "load"):
        assert "0 done, 1 skipped (done before: news)" in copy.run(script, *copy.stage)

    phase2 = json.loads((copy.data / "news_phase2_vllm_analysis.json").read_text(encoding="utf-8"))
    assert {segment["place"] for segment in phase2["segments"]} == {"Астана"}
    phase5 = json.loads((copy.data / "news_phase5.json").read_text(encoding="utf-8"))
    assert phase5["segments"][0] == "news 0 ru Астана"
    record = copy.python(
        copy.tree,
        "from db_manager import ChromaDBManager as D; import sys; print(D(sys.argv[1]).get_video_status('news'))",
        copy.where[1],
    )
    assert "'phase5_status': 'completed'" in record and f"'phase5_sentences': {len(phase5['segments'])}" in record

    # The field is searched, filtered by, shown and exported.
    assert "at Астана" in copy.run("search", "Астана", "--place", "Астана", *copy.where)
    assert "nothing found: no place Алматы" in copy.run("search", "снег", "--place", "Алматы", *copy.where)
    [moment, *_] = json.loads(copy.run("search", "снег", "--json", *copy.where))
    assert moment["place"] == "Астана"
    exported = copy.run("export", "news", "--format", "json", "--data-dir", str(copy.data))
    assert json.loads(exported)["segments"][0]["place"] == "Астана"
    assert "**Place:** Астана" in copy.run("export", "news", "--format", "md", "--data-dir", str(copy.data))

    # The doctor knows stage and field; the collection stands beside the segments.
    count = len(phase2["segments"])
    assert copy.python(copy.tree, SUMMARIES, copy.where[1]).split() == ["1", "whole", str(count), "words"]
    told = copy.run("doctor", *copy.stage, "--analyzer", "local")
    assert "phase 1 done for 1, phase 2 for 1, phase 4 for 0, phase 5 for 1, loaded 1" in told
    assert "nothing is missing" in told
