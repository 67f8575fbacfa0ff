"""Promises of experiments and of the pages of papers: expected numbers, options, tests; and no circle of imports."""

import ast
import re
import runpy

import pytest

from tests.conftest import ROOT

EXPERIMENTS = {path.stem: path.read_text() for path in sorted((ROOT / "exp").glob("*.py"))}
PAGES = {path.stem: path.read_text() for path in (ROOT / "docs" / "papers").glob("*.md") if path.stem != "index"}
PAPERS = [path.stem for path in sorted((ROOT / "rpgan_tf" / "gans").glob("*.py")) if path.stem in PAGES]


def classes(paper):
    tree = ast.parse((ROOT / "rpgan_tf" / "gans" / f"{paper}.py").read_text())
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_say_what_to_expect(name):
    """Command, settings, a published number or none, and one measured here or the data that this would need."""
    docstring = ast.get_docstring(ast.parse(EXPERIMENTS[name]))
    command = f"tools/modes.py {name.removeprefix('modes_')}" if name.startswith("modes_") else f"./train.py {name}"
    assert command in docstring
    for start in ("Settings: ", "Published: ", "(Measured|Not run here): "):
        assert len(re.findall(f"^{start}", docstring, re.MULTILINE)) == 1


def test_every_gan_of_an_experiment_has_a_page():
    gans = {found[1] for text in EXPERIMENTS.values() if (found := re.search(r'^gan = "(\w+)"', text, re.MULTILINE))}
    assert gans <= {node.name for paper in PAPERS for node in classes(paper)}
    assert PAPERS == sorted(set(PAGES) - {"many_discriminators"})  # which is for all objectives


@pytest.mark.parametrize("paper", PAPERS)
def test_pages_name_options_and_experiments(paper):
    names = [node.name for node in classes(paper)]
    options = {
        item.target.id
        for node in classes(paper)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and not re.match("None|Fixed|ClassVar", ast.unparse(item.annotation))
    }
    own = {
        name
        for name, text in EXPERIMENTS.items()
        if (found := re.search(r'^gan = "(\w+)"', text, re.MULTILINE)) and found[1] in names
    }
    own |= {name for name, text in EXPERIMENTS.items() if paper == "rpgan" and "\ngan = " not in text}
    missing = [name for name in sorted(options | own) if f"`{name}`" not in PAGES[paper]]
    assert not missing


def test_tests_that_pages_name_are_there():
    for name, text in PAGES.items():
        assert (found := set(re.findall(r"tests/\w+/?\w*\.py", text)))
        assert not [path for path in found if not (ROOT / path).is_file()], name


def test_no_wing_imports_itself_in_a_circle():
    wings = runpy.run_path(str(ROOT / "docs" / "wings.py"))
    heights = wings["heights"](wings["measure"]())
    assert heights["files"] < heights["config"] < heights["gan"] < heights["gans"] < heights["studies"]
