"""Toy mixtures: means, widths and weights by hand; and the filters through which discriminators see their points."""

import numpy as np
import pytest

from rpgan_tf import projections
from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.conftest import ROOT
from tools import rproj

FILTS = ROOT / "filts"


def rows(array):
    return sorted(map(tuple, np.asarray(array).tolist()))


def test_ring8():
    ring = mixtures.find("mixture:ring8")
    half = np.sqrt(0.5)
    expected = [(1, 0), (half, half), (0, 1), (-half, half), (-1, 0), (-half, -half), (0, -1), (half, -half)]
    np.testing.assert_allclose(ring.centers, expected, atol=1e-7)
    np.testing.assert_allclose(ring.scales, [0.01, 0.01], rtol=1e-6)


@pytest.mark.parametrize("name, values", [("grid9", [-2, 0, 2]), ("grid25", [-4, -2, 0, 2, 4])])
def test_grids(name, values):
    grid = mixtures.find(f"mixture:{name}")
    assert rows(grid.centers) == sorted((x, y) for x in values for y in values)
    np.testing.assert_allclose(grid.scales, [0.05, 0.05], rtol=1e-6)


def test_1200d():
    mixture = mixtures.find("mixture:1200d")
    assert mixture.centers.shape == (10, 1200) and mixture.dims == 1200
    assert np.all(mixture.centers == mixture.centers[:, :1])
    assert mixture.centers[:, 0].tolist() == [-1, -0.5, 0, 0.5, -2, -2.5, 10, 0.25, -13, -5.5]
    assert mixture.scales.tolist() == [1] * 700 + [0] * 500


@pytest.mark.parametrize("name", mixtures.MIXTURES)
def test_points_have_the_means_widths_and_weights(name):
    mixture = mixtures.find(f"mixture:{name}")
    assert mixture.centers.dtype == mixture.scales.dtype == np.float32
    points = mixture.points(5000, seed=3)
    assert points.shape == (5000, mixture.dims) and points.dtype == np.float32
    check(points, mixture)
    np.testing.assert_array_equal(points, mixture.points(5000, seed=3))
    assert not np.array_equal(points, mixture.points(5000, seed=4))


def check(points, mixture):
    """Check points against the mixture, with bounds of about five standard errors."""
    distances = np.stack([np.linalg.norm(points - center, axis=1) for center in mixture.centers])
    modes = np.argmin(distances, axis=0)  # the modes are far apart
    expected = len(points) / len(mixture.centers)
    assert np.abs(np.bincount(modes, minlength=len(mixture.centers)) - expected).max() < 5 * np.sqrt(expected)
    noise = points - mixture.centers[modes]
    assert np.all(noise[:, mixture.scales == 0] == 0)
    noise = noise[:, mixture.scales > 0] / mixture.scales[mixture.scales > 0]
    assert np.abs(noise.mean(axis=0)).max() < 5 / np.sqrt(len(points))
    np.testing.assert_allclose(noise.std(axis=0), 1, atol=5 / np.sqrt(2 * len(points)))
    assert np.abs(np.corrcoef(noise[:, :2].T)[0, 1]) < 5 / np.sqrt(len(points))
    assert np.mean(np.abs(noise) < 1) == pytest.approx(0.6827, abs=5 * np.sqrt(0.22 / noise.size) + 1e-4)


def test_held_out_points_are_of_the_same_mixture():
    np.testing.assert_array_equal(mixtures.find("mixture:ring8:test").centers, mixtures.find("mixture:ring8").centers)


@pytest.mark.parametrize(
    "lfile, mend",
    [
        ("mixture:ring9", "did you mean 'ring8'"),
        ("mixture:grid_25", "did you mean 'grid25'"),
        ("mixture:", "known: 1200d, grid25, grid9, ring8"),
        ("mixture:ring8:train", "did you mean 'ring8'"),
        ("ring8", "expected mixture:<name>"),
    ],
)
def test_unknown_mixture(lfile, mend):
    with pytest.raises(UserError, match=f"no mixture '{lfile}': .*{mend}"):
        mixtures.find(lfile)


# Filters


@pytest.mark.parametrize(
    "name, shape, stride, seed, image_size",
    [
        ("K12_ring", (12, 1, 1, 2, 1), 1, 12, 1),
        ("K24_1200d", (24, 1, 1, 1200, 8), 1, 24, 1),
        ("K12_dm12_grey", (12, 8, 8, 1, 1), 2, 12, 64),
        ("K12_dm12", (12, 8, 8, 3, 1), 2, 12, 64),
    ],
)
def test_filters_of_the_repository(tmp_path, name, shape, stride, seed, image_size):
    filters = projections.load(FILTS / f"{name}.npz")
    assert filters.kernels.shape == shape and filters.kernels.dtype == np.float32 and filters.stride == stride
    np.testing.assert_allclose(np.sum(filters.kernels**2, axis=(1, 2, 3)), 1, rtol=1e-5)
    projections.check_fit(filters, image_size, name, shape[3])
    group = f"{shape[1]},{stride},{shape[4]},{shape[0]}"
    rproj.main([str(tmp_path / "again.npz"), group, "--channels", str(shape[3]), "--seed", str(seed)])
    np.testing.assert_array_equal(projections.load(tmp_path / "again.npz").kernels, filters.kernels)


def filters(k, stride, channels):
    return projections.Projections(np.ones((2, k, k, channels, 1), np.float32), stride)


def test_filters_of_colour_are_the_default(tmp_path):
    rproj.main([str(tmp_path / "f.npz"), "8,2,1,2"])
    assert atomic.load_arrays(tmp_path / "f.npz")["p1"].shape == (8, 8, 3, 1)
    projections.check_fit(projections.load(tmp_path / "f.npz"), 16, "f.npz")


@pytest.mark.parametrize(
    "k, stride, channels, image_size, wanted, reason",
    [
        (8, 2, 3, 16, 1, "expected filters for the 1 channels of the data, received some for 3; .*--channels 1"),
        (8, 2, 1, 16, 3, "expected filters for the 3 channels of the data, received some for 1; .*--channels 3"),
        (1, 1, 3, 1, 2, "expected filters for the 2 channels of the data, received some for 3; .*--channels 2"),
        (8, 2, 2, 1, 2, "expected filters of size 1 with stride 1, received size 8 with stride 2; .*1,1,1,12"),
        (2, 2, 2, 1, 2, "expected filters of size 1 with stride 1, received size 2 with stride 2"),
        (8, 2, 1, 24, 1, "imsz / stride must be a power of two >= 2, received 24 / 2"),
    ],
)
def test_filters_that_do_not_fit(k, stride, channels, image_size, wanted, reason):
    with pytest.raises(UserError, match=f"^'f.npz'.*{reason}"):
        projections.check_fit(filters(k, stride, channels), image_size, "f.npz", wanted)


def test_points_need_no_power_of_two():
    projections.check_fit(filters(1, 1, 2), 1, "f.npz", 2)
    assert filters(1, 1, 2).padding == 0


def test_channels_must_be_positive(tmp_path):
    with pytest.raises(UserError, match="expected --channels >= 1, received 0"):
        rproj.main([str(tmp_path / "f.npz"), "8,2,1,2", "--channels", "0"])
    assert not list(tmp_path.iterdir())
