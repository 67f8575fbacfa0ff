"""Curves of runs, and the paper's statements on them."""

import json
import pathlib

import numpy as np
import pytest

import rpgan_tf
from rpgan_tf import checkpoint, config, projections
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, run_logs
from rpgan_tf.studies import rpgan_claims, rpgan_figure2
from tests.conftest import TINY
from tests.training.runs import looks_of
from tools import curves as tool
from tools import stability as study_tool


@pytest.fixture
def two_kinds(tmp_path):
    """Folders of tiny runs, with generators of iterations 10 and 20: two seeds of K = 2, and a single discriminator."""
    filters, folders = tmp_path / "K2.npz", []
    atomic.save_arrays(filters, projections.draw([(8, 2, 1, 2)], seed=1))
    for gan, seed in (("RPGAN", 0), ("RPGAN", 1), ("Baseline", 0)):
        folder = tmp_path / f"{gan}{seed}"
        values = {"gan": gan, "lfile": "digits", "seed": seed, "wts_dir": str(folder), "SAVEFREQ": 10}
        built = rpgan_tf.build(config.resolve(TINY | values | ({"filts": str(filters)} if gan == "RPGAN" else {})))
        for iteration in (10, 20):
            built.iteration.assign(iteration)
            checkpoint.save(built, built.options)
        num = 2 if gan == "RPGAN" else 1
        lines = []
        for i in range(1, 21):
            lines.append(f"[{i:09d}] Adam Loss: G={1 + seed + i / 10},D=0.5\n")
            lines.append(f"[{i:09d}]* L00={seed + i / 10},L01={2 + seed + i / 10}\n" if num == 2 else "")
        atomic.write_text(folder / "train.log", "".join(lines))
        looks = looks_of([0.1 * i for i in range(10)], num=num)
        looks = [{"seconds": look["iteration"] / 10.0, "cpu_seconds": 1.0} | look for look in looks]
        atomic.write_text(folder / run_logs.FILE, "".join(map(run_logs.to_line, looks)))
        without = {key: value for key, value in vars(built.options).items() if key != "evaluate_every"}  # an older run
        atomic.write_text(folder / "options.json", json.dumps(without))
        folders.append(str(folder))
    return folders


def test_curves_of_runs(two_kinds, tmp_path, capsys):
    out = tmp_path / "out.png"
    tool.main([*two_kinds, str(out), "--samples"])
    expected = f"wrote {out}: RPGAN, K = 2 (2); Baseline, single discriminator (1)\n"
    assert capsys.readouterr().out == expected and out.read_bytes()[:4] == b"\x89PNG"
    groups = rpgan_figure2.grouped([rpgan_figure2.Run(folder) for folder in two_kinds])
    figure = rpgan_figure2.draw(groups)
    losses = figure.axes[0]
    thick = {line.get_label(): line for line in losses.lines if not line.get_label().startswith("_")}
    line = thick["RPGAN, K = 2, 2 seeds"]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(2, 21))
    # Over a window of two iterations and both seeds.
    np.testing.assert_allclose(line.get_ydata(), 1 + 0.5 + (np.arange(2, 21) - 0.5) / 10)
    over_time = [line for line in figure.axes[1].lines if line.get_label() == "RPGAN, K = 2, 2 seeds"][0]
    np.testing.assert_allclose(over_time.get_xdata(), np.arange(2, 21) / 10)
    assert len(losses.lines) == 2 + 3  # K thin lines of the first seed, and those of the single one


def test_curves_without_looks(two_kinds, tmp_path):
    for folder in two_kinds:
        (pathlib.Path(folder) / run_logs.FILE).unlink()
    figure = rpgan_figure2.draw(rpgan_figure2.grouped([rpgan_figure2.Run(folder) for folder in two_kinds]))
    assert len(figure.axes) == 1


def test_curves_of_a_run_that_diverged(two_kinds):
    with open(pathlib.Path(two_kinds[2]) / "train.log", "a") as log:
        log.write("[000000021] Adam Loss: G=nan,D=nan\n")
    figure = rpgan_figure2.draw(rpgan_figure2.grouped([rpgan_figure2.Run(folder) for folder in two_kinds]))
    assert np.all(np.isfinite(figure.axes[0].get_ylim()))


def test_mistakes_of_curves(two_kinds, tmp_path):
    with pytest.raises(UserError, match="ends in .png, received 'out.jpg'"):
        tool.main([two_kinds[0], "out.jpg"])
    with pytest.raises(UserError, match="no experiment 'nothing'"):
        tool.main(["nothing", "out.png"])
    (pathlib.Path(two_kinds[0]) / "train.log").unlink()
    with pytest.raises(UserError, match="train.log'; train the experiment first"):
        tool.main([two_kinds[0], "out.png"])


def of_run(mean, num, fids, gradient_norm, **more):
    mean = np.float64(mean)
    each = mean[:, None] + np.linspace(-1, 1, num) if num > 1 else mean[:, None]
    return {"losses": rpgan_claims.losses(mean, each), "fids": fids, "gradient_norm": gradient_norm} | more


def test_statements_of_the_paper():
    """Losses of a run as the paper describes it, and of one that is the other way round."""
    i = np.arange(600)
    rising, swinging = 1 + i / 600, 3 + i / 300 + (i > 300) * np.where(i % 2, 1.0, -1.0)
    single = of_run(swinging, 1, [9.0, 4.0, 5.0], 0.1, long_fids=[9.0, 4.0, 6.0], equal_time_fid=6.0)
    pair = {"projected": of_run(rising, 3, [5.0, 3.0, 2.0], 1.0), "single": single}
    found = rpgan_claims.of_figure2([pair, pair])
    assert {each["verdict"] for each in found} == {"seen"} and found[0]["seeds"] == "2 of 2"
    numbers = found[2]["found"][0]
    assert numbers["single"] == pytest.approx(1, rel=0.01) and numbers["projected"] == pytest.approx(0.0241, rel=0.01)

    falling = of_run(3 - i / 600, 3, [5.0, 3.0, 4.0], 0.1)
    calm = of_run(1 - i / 1e4, 1, [4.0, 3.0, 3.0], 1.0, long_fids=[4.0, 3.0, 3.0], equal_time_fid=3.0)
    found = rpgan_claims.of_figure2([pair, {"projected": falling, "single": calm}])
    assert {each["verdict"] for each in found} == {"not seen"} and {each["seeds"] for each in found} == {"1 of 2"}
    assert rpgan_claims.text(found).startswith("not seen (1 of 2 seeds)  With a single discriminator")


def test_statements_on_the_number_of_projections():
    sweep = {
        k: {"seconds_per_iteration": 0.5 + 0.2 * k, "fid": 30 / k, "high_frequency": 2 - k / 24} for k in (1, 12, 24)
    }
    found = rpgan_claims.of_ksweep([sweep])
    assert [each["verdict"] for each in found] == ["seen"] * 3
    assert found[0]["found"][0]["slope"] == pytest.approx(0.2)
    sweep[12]["seconds_per_iteration"] = 5.0
    assert rpgan_claims.of_ksweep([sweep])[0]["verdict"] == "not seen"
    assert rpgan_claims.of_ksweep([{1: sweep[1], 3: sweep[1]}]) == []


def test_mistakes_of_the_study():
    with pytest.raises(UserError, match="--iterations of at least 6"):
        study_tool.main(["figure2", "--iterations", "5"])
    with pytest.raises(UserError, match="--samples of 65"):
        study_tool.main(["figure2", "--samples", "64"])
