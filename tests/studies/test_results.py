"""RealnessGAN's figure 3 on tiny nets, and the page of results: every number on it is one of the records."""

import json
import shutil

import pytest

from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.conftest import ROOT
from tools import outcomes, results

COUNTS = {"mean": 8.0, "error": 0.5, "values": [7, 9]}


def test_outcomes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp").mkdir()
    values = (
        "gan = 'RealnessGAN'\nnet = 'toy'\nlfile = 'mixture:grid9'\nzlen = 2\ng_width = 4\nd_width = 2\nbsz = 500\n"
    )
    (tmp_path / "exp/realness_mog.py").write_text(values + "compile = 'eager'\nwts_dir = 'models/realness_mog'\n")
    outcomes.main(["--outcomes", "2", "--iterations", "2", "--out", "out/outcomes"])
    result = json.loads((tmp_path / "out/outcomes.json").read_text())
    (row,) = result["rows"]  # the paper took one step of G for two outcomes: its two rows are one
    assert (row["outcomes"], row["g_steps"], row["paper"]) == (2, 1, {"modes": 4, "high_quality": 0.43})
    assert row["picked_iterations"][0] in (1, 2) and 0 <= row["picked"]["high_quality"]["mean"] <= 1
    assert "about   43 %" in capsys.readouterr().out and (tmp_path / "out/outcomes.png").stat().st_size > 5000


def test_the_save_with_the_most_modes_is_picked():
    curve = [(i, {"4 std": {"modes": m, "high_quality": q}}) for i, m, q in ((1, 4, 0.9), (2, 6, 0.2), (3, 6, 0.3))]
    assert outcomes.best(curve)[0] == 3 and outcomes.best([]) is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--outcomes", "2", "7"], r"expected --outcomes of \[2, 5, 10, 20, 30, 40\], received \[7\]"),
        (["--seeds", "0"], "argument --seeds: expected a whole number, at least 1; received '0'"),
        (["--iterations", "0"], "argument --iterations: expected a whole number, at least 1; received '0'"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UserError, match=message):
        outcomes.main(arguments)


def test_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no records in 'docs/results'; make some with tools/modes.py"):
        results.main([])
    made = {"command": "modes.py ring8", "date": "2001-02-03 04:05 UTC", "seeds": [0, 1], "cores": 2}
    made |= {"versions": {"tensorflow": "9.9"}, "profile": "full", "rows": []}
    atomic.write_text("docs/results/modes.json", json.dumps(made))
    atomic.write_text("docs/results/modes.txt", "ring8  modes\nGAN    8.0 +- 0.5\n")
    claims = [
        {"statement": "It rises.", "verdict": "not seen", "seeds": "1 of 2", "found": [], "source": "", "rule": ""}
    ]
    quality = [{"iteration": i, "seconds": 2.0 * i, "fid": i / 3, "precision": 0.5, "recall": 0, "high_frequency": 1}
               for i in (10, 20, 30)]  # fmt: skip
    found = {"processor": "EPYC", "extensions": ["AVX2"], "limit": None, "onednn": False, "threads": 2}
    del made["cores"]
    made["machine"] = found
    row = {"experiment": "digits", "discriminators": 12, "seed": 1, "quality": quality, "equal_time_iteration": 30}
    made |= {"rows": [row], "claims": claims, "clock": "seconds", "iterations": 20, "samples": 99}
    atomic.write_text("docs/results/figure2.json", json.dumps(made))
    row = {"experiment": "rsgan", "iteration": 5, "seed": 0, "command": "evaluate.py rsgan", "date": "today"}
    atomic.write_text(
        "docs/results/evaluations.jsonl", json.dumps(row | {"protocol": "of this", "values": {"fid": 1.2345}}) + "\n"
    )
    row = {"losses": 2e-7, "weights": 0, "way": 1.26e-6, "same": True}
    for what, rows in (("mirrored:2", {"RPGAN": row, "WGAN": row | {"losses": 3e-6}}), ("2 processes", {"WGAN": row})):
        record = made | {"what": what, "rows": rows, "iterations": 20, "command": f"check_devices.py {what}"}
        atomic.write_text(f"docs/results/devices/{what.replace(' ', '_')}.json", json.dumps(record))
    atomic.write_text("docs/devices.md", "<!-- written by tools/results.py -->\n<!-- end -->\n")
    atomic.write_text("README.md", "before\n<!-- written by tools/results.py -->\nold\n<!-- end -->\nafter\n")
    results.main([])
    assert "old" in (tmp_path / "README.md").read_text()  # it has no tables of this program
    devices = (tmp_path / "docs/devices.md").read_text()
    assert (
        "| | 2 processes | mirrored:2 |\n|---|---|---|\n| WGAN | 1.3e-06 | 1.3e-06 |\n| RPGAN | - | 1.3e-06 |\n"
        in devices
    )
    assert (
        "differ by 3.0e-06 at most" in devices
        and "- 20 iterations: `check_devices.py mirrored:2`, seeds 0, 1" in devices
    )
    page = (tmp_path / "docs/results.md").read_text()
    assert "`modes.py ring8`, seeds 0, 1, 2001-02-03 04:05 UTC, 2 cores, tensorflow 9.9." in page
    assert "2001-02-03 04:05 UTC, EPYC (AVX2), without oneDNN, 2 threads, tensorflow 9.9." in page
    assert "GAN    8.0 +- 0.5" in page and "It rises." in page and "not seen (1 of 2 seeds)" in page
    assert "| K = 12 | 1 | 40 | 20 | 6.67 | 0.50 | 0.00 | 1.00 |" in page and "| 60 | 30 | 10.00 |" in page
    assert "| 20 | 10 |" not in page  # neither the last nor that of equal time
    assert "Not recorded here yet: `tools/outcomes.py` records it." in page
    assert "| rsgan | 5 | 0 | 1.23 |\n\n`evaluate.py rsgan`, today; of this.\n" in page
    assert "$" not in page and "wrote docs/results.md" in capsys.readouterr().out


def test_the_pages_are_those_of_the_records(tmp_path, monkeypatch):
    """The committed pages are what the programs write today."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    results.main([])
    for page in ("results.md", "devices.md"):
        assert (tmp_path / "docs" / page).read_text() == (ROOT / "docs" / page).read_text()
