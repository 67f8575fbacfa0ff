"""Commands that end before TensorFlow is imported, many in one process."""

import json

import pytest

from tests.conftest import ROOT, command

DRIVER = """
import contextlib, io, json, runpy, sys
sys.modules["tensorflow"] = None  # an import of it fails
root = sys.argv[1]
sys.path.insert(0, root)
for name, *arguments in json.loads(sys.argv[2]):
    out, err, sys.argv = io.StringIO(), io.StringIO(), [name, *arguments]
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(f"{root}/{name}", run_name="__main__")
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


@pytest.fixture
def run_all():
    """Return the function that runs command lines, and returns (exit code, stdout, stderr) of each."""

    def run_all(*lines):
        process = command("-c", DRIVER, ROOT, json.dumps([list(map(str, line)) for line in lines]))
        return [tuple(json.loads(line)) for line in process.stdout.splitlines()]

    return run_all
