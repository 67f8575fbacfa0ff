"""What runs before a commit, in CI and at a release agrees with the Makefile and the version."""

import re

import yaml

import rpgan_tf
from tests.conftest import ROOT


def recipe(target):
    """Return the commands of a target of the Makefile."""
    lines = re.search(rf"^{target}: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)[1]
    return [line.strip().replace("$(PY)", ".venv/bin/python") for line in lines.splitlines()]


def test_hooks_are_what_make_lint_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == recipe("lint")


def test_ci_runs_what_a_developer_runs():
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["ci"]["steps"]
    assert steps[-1] == {"run": ".ci/run"}
    for target in ("lint", "docs", "test", "demo"):
        assert re.search(rf"^make {target}\b", (ROOT / ".ci/run").read_text(), re.M) and recipe(target)


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == rpgan_tf.__version__
    assert f"\n## {rpgan_tf.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
