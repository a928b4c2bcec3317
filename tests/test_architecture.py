"""The house as docs/architecture.md says it: what import-linter cannot hold, and how large a thing may be.

import-linter holds the layers inside videotag/ (pyproject.toml); it takes no single file as a root.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
AT_THE_TOP = sorted(ROOT.glob("*.py"))
INSIDE = sorted(ROOT.glob("videotag/**/*.py"))
LONGEST_FILE, LONGEST_CLASS = 500, 300  # lines
MOST_PARAMETERS = 6
# The plan's own method, with the plan's parameters.
AS_PLANNED = "create_or_update_video_file"
SCRIPTS = {
    "db_manager": set(),
    "phase1_whisper_frames": {"db_manager"},
    "phase2_vllm_analysis": {"db_manager"},
    "phase4_video_summary": {"db_manager"},
    "load_data_to_chroma": {"db_manager"},
    "test_search": {"db_manager"},
    "web": {"db_manager"},
    "doctor": {"db_manager", "load_data_to_chroma"},  # a repair is a load
    "models": {"db_manager"},
    "export": set(),
    "scale_out": {
        *("db_manager", "phase1_whisper_frames", "phase2_vllm_analysis", "phase4_video_summary"),
        "load_data_to_chroma",
    },
    "cluster": set(),
    "run": set(),
}
"""The files at the top, and which of them each may import."""


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[str]:
    """Every module that the file imports, inside functions too: `a.b`, and `a.b.c` for `from a.b import c`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_of(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def test_chromadb_is_imported_in_the_store_alone():
    users = {
        path.relative_to(ROOT) for path in (*AT_THE_TOP, *INSIDE) if any(is_of(m, "chromadb") for m in imported(path))
    }
    assert users and all(path.parts[:2] == ("videotag", "store") for path in users)


def test_which_file_at_the_top_imports_which():
    assert {path.stem for path in AT_THE_TOP} == SCRIPTS.keys()
    for path in AT_THE_TOP:
        others = {name for name in SCRIPTS for module in imported(path) if is_of(module, name)}
        assert others == SCRIPTS[path.stem], path


def test_nothing_inside_imports_a_file_at_the_top():
    assert [(path, m) for path in INSIDE for m in imported(path) for name in SCRIPTS if is_of(m, name)] == []


def test_the_database_knows_nothing_of_who_asks():
    """ChromaDBManager and the terminal are brothers."""
    above = ("videotag.terminal", "videotag.cli", "videotag.claims", "videotag.analyzers", "videotag.speech")
    assert [m for m in imported(ROOT / "db_manager.py") for wing in above if is_of(m, wing)] == []


@pytest.mark.parametrize(
    "path", [path for path in INSIDE if path.name == "__init__.py"], ids=lambda path: path.parent.name
)
def test_every_folder_says_what_it_is_for_and_hands_nothing_on(path):
    [only] = tree(path).body
    assert isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant)
    files = {file.stem for file in path.parent.iterdir() if file.suffix == ".py" or (file / "__init__.py").is_file()}
    told = str(only.value.value)
    if path.parent.name != "videotag":  # there the folders are told, and docs/architecture.md tells the files
        assert [name for name in files - {"__init__"} if name not in told] == []


@pytest.mark.parametrize("path", [*AT_THE_TOP, *INSIDE], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_too_large_to_be_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= LONGEST_CLASS, node.name
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != AS_PLANNED:
            taken = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            assert len([name for name in taken if name != "self"]) <= MOST_PARAMETERS, node.name


@pytest.mark.parametrize("path", [*AT_THE_TOP, *INSIDE], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_name_means_one_thing_in_a_file(path):
    """No function of the file, method or attribute of a class shares its name with another kind of thing."""
    whole = tree(path)
    outside = [name for node in whole.body for name in names_bound_by(node)]
    twice = {name for name in outside if outside.count(name) > 1}
    for made in (node for node in ast.walk(whole) if isinstance(node, ast.ClassDef)):
        methods = [n.name for n in made.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        attributes = {
            node.attr
            for node in ast.walk(made)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
        }
        attributes |= {
            n.target.id for n in made.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
        }
        twice |= set(outside) & {*methods, *attributes} | attributes & {*methods}
    assert twice == set()


def names_bound_by(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return []
