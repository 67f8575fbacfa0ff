"""Nearest neighbours against all distances, and the test for copying by hand and by its properties."""

import numpy as np
import pytest

from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import neighbours

RANDOM = np.random.default_rng(0)


def by_hand(queries, rows, k):
    distances = np.linalg.norm(np.float64(queries)[:, None] - np.float64(rows), axis=2)
    places = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, places, axis=1), places


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_neighbours_are_those_of_all_distances(kind, monkeypatch):
    monkeypatch.setattr(neighbours, "AT_ONCE", 60)  # five columns at a time
    queries, rows = (RANDOM.integers(0, 256, (n, 23)).astype(kind) for n in (12, 50))
    queries[3] = rows[31]
    found = neighbours.search(queries, [rows[:20], rows[20:41], rows[41:]], 4)
    distances, places = by_hand(queries, rows, 4)
    np.testing.assert_array_equal(found.places, places)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12, atol=1e-5)
    assert found.places[3, 0] == 31 and (kind != np.uint8 or found.distances[3, 0] == 0)


def test_own_rows_are_left_out():
    rows = RANDOM.normal(size=(30, 5)).astype(np.float32)
    own = np.stack([np.arange(30), (np.arange(30) + 1) % 30], axis=1)
    found = neighbours.search(rows, [rows[:13], rows[13:]], 2, own)
    others = np.linalg.norm(np.float64(rows)[:, None] - rows, axis=2)
    others[np.arange(30)[:, None], own] = np.inf
    np.testing.assert_array_equal(found.places, np.argsort(others, axis=1)[:, :2])
    with pytest.raises(UserError, match="expected at least 29 other training images and finite .* received 30"):
        neighbours.search(rows, [rows], 29, own)


def test_z_scores_by_hand():
    assert neighbours.z_score(np.array([1, 2, 3]), np.array([0, 2, 4])) == 0  # U = 0 + 1.5 + 3 of 9
    nearer = neighbours.z_score(np.array([4, 5, 6]), np.array([1, 2, 3]))  # U = 0
    np.testing.assert_allclose(nearer, -4.5 / np.sqrt(9 * 7 / 12))
    np.testing.assert_allclose(neighbours.z_score(np.array([1, 2, 3]), np.array([4, 5, 6])), -nearer)
    scipy = pytest.importorskip("scipy.stats")
    test, samples = RANDOM.normal(size=40), RANDOM.normal(0.3, size=60)
    u = scipy.mannwhitneyu(samples, test).statistic
    np.testing.assert_allclose(neighbours.z_score(test, samples), (u - 1200) / np.sqrt(2400 * 101 / 12), rtol=1e-12)


def test_the_statistic_averages_cells_with_enough_images():
    test, samples = RANDOM.normal(size=100), RANDOM.normal(size=100)
    test_cells, sample_cells = np.repeat([0, 1, 2], [25, 50, 25]), np.repeat([0, 1, 2], [40, 50, 10])
    z = [neighbours.z_score(test[test_cells == i], samples[sample_cells == i]) for i in (0, 1)]
    found = neighbours.copying_statistic(test, samples, test_cells, sample_cells)
    np.testing.assert_allclose(found, [(z[0] + 2 * z[1]) / 3, np.sqrt(5) / 3])
    assert neighbours.copying_statistic(test, samples, test_cells, np.full(100, 7)) is None


def test_the_statistic_has_its_deviation_without_copying():
    scores = []
    for _ in range(200):
        test, samples, cells = *RANDOM.normal(size=(2, 120)), RANDOM.integers(3, size=(2, 120))
        statistic, deviation = neighbours.copying_statistic(test, samples, *cells)
        scores.append(statistic / deviation)
    assert abs(np.mean(scores)) < 0.25 and 0.85 < np.std(scores) < 1.15


def test_copies_are_found_and_new_points_are_not():
    """Three samples of one Gaussian mixture; a copy is a training point with little noise."""
    training, test, new = (RANDOM.normal(size=(400, 8)) + RANDOM.integers(2, size=(400, 1)) * 9 for _ in range(3))
    copies = training + RANDOM.normal(scale=0.05, size=training.shape)
    found = {}
    for name, samples in {"new": new, "copies": copies, "noise": new * 3}.items():
        distances = [neighbours.search(rows, [training], 1).distances[:, 0] for rows in (test, samples)]
        cells = neighbours.cells(training, [test, samples], neighbours.num_cells(400, 400))
        statistic, deviation = neighbours.copying_statistic(*distances, *cells)
        found[name] = statistic / deviation
    assert abs(found["new"]) < 3 and found["copies"] < -10 and found["noise"] > 10


def test_cells_are_those_of_the_nearest_mean():
    centers = np.array([[0, 0], [10, 0], [0, 10]])
    training = np.repeat(centers, 20, axis=0) + RANDOM.normal(scale=0.1, size=(60, 2))
    (found,) = neighbours.cells(training, [centers[[0, 0, 1, 2]]], 3)
    assert found[0] == found[1] and len(set(found)) == 3
    assert [neighbours.num_cells(*counts) for counts in ((1000, 297), (20, 900), (1000, 1000))] == [5, 1, 10]
