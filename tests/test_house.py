"""The sizes of files, classes and functions, and the absence of circles among modules."""

import ast
import pathlib

import pytest

from tests.conftest import ROOT

LINES = {"file": 450, "ClassDef": 250, "FunctionDef": 60}
SOURCES = [path for folder in ("rpgan_tf", "tools", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
SOURCES += ROOT.glob("*.py")


def modules():
    """Return {module of the library: its tree}."""
    found = {}
    for path in (ROOT / "rpgan_tf").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = ast.parse(path.read_text())
    return found


def imported(tree, known):
    """Return the modules among `known` that a module imports, at its top or late; not those for types alone."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names & known


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes(path):
    text = path.read_text()
    assert len(text.splitlines()) <= LINES["file"]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            assert node.end_lineno - node.lineno < LINES[type(node).__name__], node.name


def test_the_iteration_is_on_one_page():
    assert len(pathlib.Path(ROOT / "rpgan_tf/gan.py").read_text().splitlines()) <= 230


def test_no_module_imports_itself_in_a_circle():
    """Late imports count, too; the package that a module is in does not."""
    trees = modules()
    rest = {name: imported(tree, set(trees) - {"rpgan_tf", name.rpartition(".")[0]}) for name, tree in trees.items()}
    while leaves := [name for name, others in rest.items() if not others & set(rest)]:
        for name in leaves:
            del rest[name]
    assert not rest
