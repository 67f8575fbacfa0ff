"""The notebook runs from its first cell to its last, at toy size."""

import os

import nbclient
import nbformat

from tests.conftest import ROOT

TOY = "EPOCHS, ITERATIONS = 2, 2\nK, BATCH, F1, DF = 2, 8, 16, 8\nSAMPLES = 100"


def test_notebook_runs(tmp_path, monkeypatch):
    notebook = nbformat.read(ROOT / "examples/digits.ipynb", as_version=4)
    assert all(cell.outputs or i < 3 for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    parameters = notebook.cells[1]
    assert parameters.metadata.tags == ["parameters"]
    assert [line.partition(" = ")[0] for line in parameters.source.splitlines()] == [
        line.partition(" = ")[0] for line in TOY.splitlines()
    ]
    parameters.source = TOY
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any(text.startswith("FID of samples ") for text in printed)
    assert "iteration 4 went on to 6\n" in printed
    assert {path.name for path in (tmp_path / "models/notebook").iterdir()} == {
        *("filts.npz", "losses.csv", "generator.npz", "gan.weights.h5")
    }
