"""Counting modes: by hand on points made for it, and on the data themselves."""

import numpy as np
import pytest

from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError
from rpgan_tf.studies import mode_rules

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
