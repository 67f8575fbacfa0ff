"""Counting modes: by hand on points made for it, on the data themselves, and of runs that were trained."""

import json
import subprocess
import sys

import numpy as np
import pytest

from rpgan_tf.config import resolve
from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError
from rpgan_tf.studies import mode_coverage, mode_rules, training_runs
from tests.conftest import ROOT, command
from tools import modes as modes_tool

RING = mixtures.find("mixture:ring8")
GRID = mixtures.find("mixture:grid9")
WIDE = mixtures.find("mixture:1200d")


def points(mixture, *groups):
    """Return points from (mode, distance in standard deviations along the first axis, how many)."""
    shift = np.eye(1, mixture.dims) * mixture.scales.max()
    return np.concatenate([np.repeat(mixture.centers[[m]] + d * shift, n, axis=0) for m, d, n in groups])


def test_a_mode_counts_with_one_good_sample():
    counts = mode_rules.count(points(RING, (0, 0, 1250), (3, 2.9, 1249), (5, 3.1, 1)), RING, mode_rules.RULES["3 std"])
    assert counts["modes"] == 2 and counts["high_quality"] == 2499 / 2500
    shares = np.array([1250, 1249]) / 2499
    assert counts["reverse_kl"] == pytest.approx(np.sum(shares * np.log(8 * shares)), abs=1e-9)
    assert counts["width"] == pytest.approx(0, abs=1e-4)


def test_a_mode_counts_with_a_hundred_good_samples():
    drawn = points(GRID, (0, 3.9, 100), (1, 0, 99), (2, 4.1, 101), (8, 0, 9700))
    counts = mode_rules.count(drawn, GRID, mode_rules.RULES["4 std"])
    assert counts["modes"] == 2 and counts["high_quality"] == 0.9899


def test_the_nearest_mode_is_credited():
    middle = (GRID.centers[0] + GRID.centers[1]) / 2
    drawn = np.repeat([middle + 0.01 * (GRID.centers[1] - middle)], 2500, axis=0)
    far = mode_rules.Rule(within=100, samples=2500, least=1)
    assert mode_rules.count(drawn, GRID, far)["reverse_kl"] == pytest.approx(np.log(9))
    assert mode_rules.count(drawn, GRID, mode_rules.RULES["3 std"]) == {
        "modes": 0,
        "high_quality": 0,
        "reverse_kl": None,
        "width": None,
    }


def test_width_is_that_of_the_samples_about_their_own_mean():
    offset = np.array([[0.005, 0]], np.float32)  # half a standard deviation to and fro about a mean that is off
    drawn = np.concatenate([RING.centers[[2]] + (0.01 + sign * offset) for sign in (-1, 1) for _ in range(1250)])
    counts = mode_rules.count(drawn, RING, mode_rules.RULES["3 std"])
    assert counts["width"] == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)  # of two coordinates one varies


def test_the_data_score_what_mathematics_says():
    rule = mode_rules.RULES["3 std"]
    for mixture in (RING, GRID, mixtures.find("mixture:grid25")):
        counts = mode_rules.count(mixture.points(2500, seed=1), mixture, rule)
        assert counts["modes"] == len(mixture.centers)
        assert counts["high_quality"] == pytest.approx(1 - np.exp(-9 / 2), abs=0.01)  # 98.9 %: Rayleigh
        assert counts["reverse_kl"] < 0.01
        # Var of a Gaussian in two dimensions cut at r = 3: 1 - (9/2) e^(-9/2) / (1 - e^(-9/2))
        assert counts["width"] == pytest.approx(np.sqrt(1 - 4.5 * np.exp(-4.5) / (1 - np.exp(-4.5))), abs=0.02)
    counts = mode_rules.count(RING.points(10000, seed=2), RING, mode_rules.RULES["4 std"])
    assert counts["modes"] == 8 and counts["high_quality"] == pytest.approx(0.9997, abs=0.0006)


def test_ten_deviations_reject_all_data_of_many_dimensions_and_their_shell_what_collapsed():
    ball, shell = mode_rules.RULES["10 std"], mode_rules.RULES["10 std of the shell"]
    drawn = WIDE.points(2500, seed=0)
    assert mode_rules.count(drawn, WIDE, ball)["high_quality"] == 0
    counts = mode_rules.count(drawn, WIDE, shell)
    assert counts["modes"] == 10 and counts["high_quality"] == 1
    assert counts["width"] == pytest.approx(1, abs=0.01)
    collapsed = points(WIDE, (4, 9.9, 2500))
    assert mode_rules.count(collapsed, WIDE, ball)["high_quality"] == 1
    assert mode_rules.count(collapsed, WIDE, shell)["high_quality"] == 0
    noise = np.random.default_rng(0).normal(scale=5, size=[2500, 1200])  # no modes at all
    assert mode_rules.count(noise, WIDE, shell)["high_quality"] == 0
    assert mode_rules.count(np.zeros([2500, 1200]), WIDE, shell)["high_quality"] == 0


def test_points_that_cannot_be_counted():
    with pytest.raises(UserError, match=r"counted from points \[2500, 2\], received \[10, 2\]"):
        mode_rules.count(RING.points(10, 0), RING, mode_rules.RULES["3 std"])
    with pytest.raises(UserError, match="not finite"):
        mode_rules.count(np.full([2500, 2], np.nan), RING, mode_rules.RULES["3 std"])


def test_stacked_digits_by_hand():
    shares = np.full(10, 0.1)
    counts = mode_rules.count_stacked(np.array([[1, 2, 3], [3, 2, 1], [1, 2, 3], [0, 0, 0]]), shares)
    kl = 0.5 * np.log(500) + 2 * 0.25 * np.log(250)
    assert counts == {"modes": 3, "reverse_kl": pytest.approx(kl)}
    everything = np.stack(np.meshgrid(*[range(10)] * 3), axis=-1).reshape(-1, 3)
    assert mode_rules.count_stacked(everything, shares) == {"modes": 1000, "reverse_kl": pytest.approx(0, abs=1e-12)}
    uneven = np.arange(1, 11) / 55
    drawn = np.random.default_rng(0).choice(10, size=[260000, 3], p=uneven)
    kl = mode_rules.count_stacked(drawn, uneven)["reverse_kl"]
    assert kl == pytest.approx(999 / 2 / 260000, rel=0.15)  # half of chi squared over the number of draws


def test_summary_and_standard_error():
    summary = mode_coverage.summary([{"modes": 7, "width": None}, {"modes": 8, "width": 0.5}, {"modes": 9}])
    assert summary["modes"] == {"mean": 8, "error": pytest.approx(1 / np.sqrt(3)), "values": [7, 8, 9]}
    assert summary["width"] == {"mean": 0.5, "error": None, "values": [0.5]}
    assert mode_coverage.summary([{"width": None}])["width"]["mean"] is None


TOY = "net = 'toy'\ngan = 'DCGAN'\nlfile = 'mixture:{}'\nzlen = 2\ng_width = 4\nd_width = 2\nbsz = 50\n"


@pytest.fixture
def experiments(tmp_path, monkeypatch):
    """A folder in which the experiments of the benchmark are tiny."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp").mkdir()
    for name in ("ring8", "grid25"):
        text = TOY.format(name) + f"MAXITER = 4\nSAVEFREQ = 2\nwts_dir = 'models/modes_{name}'\n"
        (tmp_path / "exp" / f"modes_{name}.py").write_text(text)
    return tmp_path


def test_the_command(experiments):
    (experiments / "published.json").write_text("[]")
    arguments = ["tools/modes.py", "ring8", "--seeds", "2", "--objectives", "best", "--out", "out/modes"]
    first = command(*arguments)
    assert "training modes_ring8 in models/modes/full/ring8/best/seed1" in first.stderr
    result = json.loads((experiments / "out/modes.json").read_text())
    data, best = result["rows"]
    assert (data["name"], best["name"]) == ("the data", "best: DCGAN")
    assert data["rules"]["3 std"]["modes"]["mean"] == 8 and len(best["rules"]["3 std"]["modes"]["values"]) == 2
    assert [point["iteration"] for point in best["curve"]] == [2, 4] and result["seeds"] == [0, 1]
    assert "ring8, 3 std" in first.stdout and (experiments / "out/modes.png").stat().st_size > 5000

    again = command(*arguments)  # finished runs are neither trained nor counted again
    assert "training" not in again.stderr
    assert json.loads((experiments / "out/modes.json").read_text())["rows"] == result["rows"]

    (experiments / "exp/modes_ring8.py").write_text((experiments / "exp/modes_ring8.py").read_text() + "beta_2 = 0.9\n")
    changed = command(*arguments, check=False)
    assert changed.returncode == 2 and "other options: beta_2 = 0.999 -> 0.9" in changed.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["ring9"], "no 'ring9'; did you mean 'ring8'?"),
        (["ring8", "--objectives", "rsgna"], "no 'rsgna'; did you mean 'rsgan'?"),
        (["ring8", "--seeds", "0"], "--seeds and --processes must be at least 1"),
    ],
)
def test_mistakes(experiments, arguments, message):
    process = command("tools/modes.py", *arguments, check=False)
    assert process.returncode == 2 and message in process.stderr and "Traceback" not in process.stderr


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
    (experiments / "models/bad").mkdir(parents=True)
    (experiments / "models/bad/iter_2.gmodel.npz").write_bytes(b"")
    other = training_runs.Run("modes_ring8", {"wts_dir": "models/other", "MAXITER": 10**6, "SAVEFREQ": 10**6})
    with pytest.raises(RuntimeError, match="ended with exit code 2: .*cannot read"):
        training_runs.train([training_runs.Run("modes_ring8", {"wts_dir": "models/bad"}), other])
    assert training_runs.reached(other.options()) < 10**6  # was told to end, too


def test_sigterm_ends_all_trainings(experiments):
    endless = f"{TOY.format('ring8')}MAXITER = {10**9}\nSAVEFREQ = {10**9}\nwts_dir = 'models/modes_ring8'\n"
    (experiments / "exp/modes_ring8.py").write_text(endless)
    arguments = [sys.executable, str(ROOT / "tools/modes.py"), "ring8", "--seeds", "1", "--objectives", "best", "best"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        assert "training modes_ring8" in next(line for line in process.stderr if "training" in line)
        process.terminate()
        rest = process.stderr.read()  # ends when all that write to it have ended
    assert process.returncode == 130 and "interrupted" in rest and "training" not in rest


def test_counting_goes_on_where_it_was(experiments, monkeypatch):
    run = training_runs.Run("modes_grid25", {"wts_dir": "models/run"})
    training_runs.train([run])
    options, drawn = run.options(), []
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


GRID25 = mixtures.find("mixture:grid25").points(10000, seed=0)


def test_nets_that_normalize_by_the_batch_get_whole_batches(monkeypatch):
    seen = []
    monkeypatch.setattr(mode_coverage.generators, "find_weights", lambda options, iteration: None)
    monkeypatch.setattr(mode_coverage.generators, "load", lambda options, path: lambda z: seen.append(len(z)) or z)
    options = resolve({"lfile": "digits:stacked", "bsz": 7, "imsz": 16, "filts": "filts/K12_dm12.npz", "zlen": 3})
    assert mode_coverage.samples(options, count=10).shape == (10, 3) and seen == [7, 7]
