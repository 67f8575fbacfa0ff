"""The benchmark of mode coverage: its rows, its runs, and their counts. See test_mode_rules.py for the counting."""

import json
import re
import subprocess

import numpy as np
import pytest

from rpgan_tf.config import resolve
from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.studies import mode_coverage, mode_rules, training_runs
from tests.conftest import ROOT, command, line
from tools import modes as modes_tool

GRID25 = mixtures.find("mixture:grid25").points(10000, seed=0)


def test_summary_and_standard_error():
    summary = mode_coverage.summary([{"modes": 7, "width": None}, {"modes": 8, "width": 0.5}, {"modes": 9}])
    assert summary["modes"] == {"mean": 8, "error": pytest.approx(1 / np.sqrt(3)), "values": [7, 8, 9]}
    assert summary["width"] == {"mean": 0.5, "error": None, "values": [0.5]}
    assert mode_coverage.summary([{"width": None}])["width"]["mean"] is None


TOY = "net = 'toy'\ngan = 'DCGAN'\nlfile = 'mixture:{}'\nzlen = 2\ng_width = 4\nd_width = 2\nbsz = 500\n"
TOY += "compile = 'eager'\nMAXITER = 4\nSAVEFREQ = 2\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which two experiments of the benchmark are tiny."""
    folder = tmp_path_factory.mktemp("modes")
    (folder / "exp").mkdir()
    for name in ("ring8", "grid25"):
        text = TOY.format(name) + f"wts_dir = 'models/modes_{name}'\n"
        (folder / "exp" / f"modes_{name}.py").write_text(text)
    return folder


@pytest.fixture
def experiments(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def test_the_command(experiments, capsys):
    arguments = ["ring8", "--seeds", "2", "--objectives", "best", "--out", "out/modes"]
    modes_tool.main(arguments)
    first = capsys.readouterr()
    assert "training modes_ring8 in models/modes/full/ring8/best/seed1" in first.err
    result = json.loads((experiments / "out/modes.json").read_text())
    data, best = result["rows"]
    assert (data["name"], best["name"]) == ("the data", "best: DCGAN")
    assert data["rules"]["3 std"]["modes"]["mean"] == 8 and len(best["rules"]["3 std"]["modes"]["values"]) == 2
    assert [point["iteration"] for point in best["curve"]] == [2, 4] and result["seeds"] == [0, 1]
    assert "ring8, 3 std" in first.out and (experiments / "out/modes.png").stat().st_size > 5000

    modes_tool.main(arguments)  # finished runs are neither trained nor counted again
    assert "training" not in capsys.readouterr().err
    assert json.loads((experiments / "out/modes.json").read_text())["rows"] == result["rows"]

    path = experiments / "exp/modes_ring8.py"
    text = path.read_text()
    path.write_text(text + "beta_2 = 0.9\n")
    changed = command("tools/modes.py", *arguments, check=False)
    path.write_text(text)
    assert changed.returncode == 2 and "other options: beta_2 = 0.999 -> 0.9" in changed.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["ring9"], "no 'ring9'; did you mean 'ring8'?"),
        (["ring8", "--objectives", "rsgna"], "no 'rsgna'; did you mean 'rsgan'?"),
        (["ring8", "--seeds", "0"], "argument --seeds: expected a whole number, at least 1; received '0'"),
        (["ring8", "--processes", "0"], "argument --processes: expected a whole number, at least 1; received '0'"),
    ],
)
def test_mistakes(experiments, arguments, message):
    with pytest.raises(UserError, match=re.escape(message)):
        modes_tool.main(arguments)


@pytest.mark.parametrize("benchmark", modes_tool.BENCHMARKS)
@pytest.mark.parametrize("profile", ["full", "quick"])
def test_every_row_is_an_experiment(benchmark, profile, monkeypatch):
    monkeypatch.chdir(ROOT)
    for objective in modes_tool.OBJECTIVES:
        for projections in (None, False, True):
            row = modes_tool.Row(benchmark, objective, projections, profile)
            options = row.run(3).options()
            assert options.seed == 3 and options.wts_dir.startswith(f"models/modes/{profile}/{benchmark}/{objective}")
            assert bool(options.filts) == bool(projections) and options.MAXITER % options.SAVEFREQ == 0


def test_the_profile_of_the_paper(monkeypatch):
    monkeypatch.chdir(ROOT)
    options = modes_tool.Row("grid25", "pacgan2", None, "paper").run(0).options()
    assert (options.MAXITER, options.bsz, options.pack, options.g_width, options.ema) == (400000, 100, 2, 400, 0)
    with pytest.raises(UserError, match="--profile paper is PacGAN's for ring8 and grid25"):
        modes_tool.Row("stacked", "gan", None, "paper")


def test_a_run_that_diverges_is_a_result(experiments):
    run = training_runs.Run("modes_ring8", {"learning_rate": 1e30, "wts_dir": "models/wild", "MAXITER": 20})
    (failure,) = training_runs.train([run])
    assert "training diverged" in failure
    assert training_runs.train([run]) == [failure]  # and is not tried again


def test_a_run_that_fails_otherwise_is_an_error(experiments):
    (experiments / "bad.npz").write_bytes(b"")
    other = training_runs.Run("modes_ring8", {"wts_dir": "models/other", "MAXITER": 10**6, "SAVEFREQ": 10**6})
    with pytest.raises(RuntimeError, match="ended with exit code 2: .*cannot read"):
        training_runs.train([training_runs.Run("modes_ring8", {"filts": "bad.npz", "wts_dir": "models/bad"}), other])
    assert training_runs.reached(other.options()) < 10**6  # was told to end, too


def test_sigterm_ends_all_trainings(experiments):
    endless = f"{TOY.format('grid9')}MAXITER = {10**9}\nSAVEFREQ = {10**9}\nwts_dir = 'models/modes_grid9'\n"
    (experiments / "exp/modes_grid9.py").write_text(endless)
    arguments = line("tools/modes.py", "grid9", "--seeds", 1, "--objectives", "best", "best")
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        assert "training modes_grid9" in next(text for text in process.stderr if "training" in text)
        process.terminate()
        rest = process.stderr.read()  # ends when all that write to it have ended
    assert process.returncode == 130 and "interrupted" in rest and "training" not in rest


def test_counting_goes_on_where_it_was(experiments, monkeypatch):
    options, drawn = training_runs.Run("modes_grid25", {"wts_dir": "models/run"}).options(), []
    for iteration in (2, 4):  # names of generators, of which only the bytes are read
        atomic.write_text(f"models/run/iter_{iteration}.gmodel.npz", f"weights of iteration {iteration}")
    monkeypatch.setattr(mode_coverage, "samples", lambda options, iteration: drawn.append(iteration) or GRID25)
    counts = mode_coverage.count_run(options)
    assert [iteration for iteration, _ in counts] == [2, 4] and drawn == [2, 4]
    assert mode_coverage.count_run(options) == counts and drawn == [2, 4]
    folder = experiments / "models/run"
    (folder / "iter_2.gmodel.npz").write_bytes((folder / "iter_4.gmodel.npz").read_bytes() + b" ")  # trained anew
    mode_coverage.count_run(options)
    assert drawn == [2, 4, 2]
    rule = mode_rules.Rule(within=2, samples=2500, least=1)
    monkeypatch.setitem(mode_rules.RULES, "3 std", rule)
    mode_coverage.count_run(options)
    assert drawn == [2, 4, 2, 2, 4]


def test_the_curve_is_of_the_iterations_that_all_runs_have():
    curves = [[(2, {"3 std": {"modes": 1}}), (4, {"3 std": {"modes": 2}})], [(4, {"3 std": {"modes": 4}})]]
    assert mode_coverage.mean_curve(curves) == [{"iteration": 4, "3 std": {"modes": 3}}]
    assert mode_coverage.mean_curve([]) == []


def test_nets_that_normalize_by_the_batch_get_whole_batches(monkeypatch):
    seen = []
    monkeypatch.setattr(mode_coverage.generators, "find_weights", lambda options, iteration: None)
    monkeypatch.setattr(mode_coverage.generators, "load", lambda options, path: lambda z: seen.append(len(z)) or z)
    options = resolve({"lfile": "digits:stacked", "bsz": 7, "imsz": 16, "filts": "filts/K12_dm12.npz", "zlen": 3})
    assert mode_coverage.samples(options, count=10).shape == (10, 3) and seen == [7, 7]
