"""Grids, scatter plots and PNG files."""

import sys
import types

import numpy as np
import PIL.Image
import pytest

from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import pictures

RED = [214, 39, 40]  # matplotlib's "tab:red"


def test_grid_of_grey_images():
    values = np.linspace(-1, 1, 3)[:, None, None, None]  # 0, 127.5 and 255, truncated
    pixels = pictures.grid(np.broadcast_to(values, (3, 2, 2, 1)), columns=2)
    expected = [[0, 0, 127, 127]] * 2 + [[255, 255, 0, 0]] * 2
    assert pixels.shape == (4, 4, 1) and pixels[..., 0].tolist() == expected


@pytest.mark.parametrize("channels, mode", [(1, "L"), (3, "RGB")])
def test_png(tmp_path, channels, mode):
    pixels = np.uint8(np.arange(4 * 5 * channels).reshape(4, 5, channels))
    pictures.save_png(tmp_path / "a.png", pixels)
    with PIL.Image.open(tmp_path / "a.png") as image:
        assert image.mode == mode
        np.testing.assert_array_equal(np.array(image).reshape(pixels.shape), pixels)


def count_red(picture):
    assert picture.shape == (640, 600, 3) and picture.dtype == np.uint8
    return np.sum(np.all(picture == RED, axis=-1))


@pytest.mark.parametrize("name", mixtures.MIXTURES)
def test_scatter_shows_points(name):
    pytest.importorskip("matplotlib")
    mixture = mixtures.find(f"mixture:{name}")
    none, few = (count_red(pictures.scatter(mixture.points(count, seed=1), mixture)) for count in (0, 500))
    assert few > none + 100


def test_scatter_places_points():
    pytest.importorskip("matplotlib")
    mixture = mixtures.find("mixture:grid9")
    empty = pictures.scatter(np.zeros((0, 2)), mixture)
    places = []
    for point in ([-1, 1], [1, 1], [1, -1], [-1, -1]):
        picture = pictures.scatter(np.array([point] * 2, np.float32), mixture)
        rows, columns = np.nonzero(np.any(picture != empty, axis=-1))
        places.append((rows.mean(), columns.mean()))
    (top_left, top_right, bottom_right, bottom_left) = np.array(places)
    width, height = top_right[1] - top_left[1], bottom_left[0] - top_left[0]
    assert width > 100 and height == pytest.approx(width, abs=2)  # equal aspect
    assert top_left[0] == pytest.approx(top_right[0], abs=1) and bottom_left[1] == pytest.approx(top_left[1], abs=1)
    assert bottom_right[0] == pytest.approx(bottom_left[0], abs=1)


def test_scatter_counts_points_outside(monkeypatch):
    legends = pytest.importorskip("matplotlib.legend")
    texts = []
    draw = legends.Legend.draw
    monkeypatch.setattr(
        legends.Legend, "draw", lambda self, *a: [texts.extend(t.get_text() for t in self.get_texts()), draw(self, *a)]
    )
    ring = mixtures.find("mixture:ring8")
    pictures.scatter(np.array([[0, 0], [5, 0], [0, -9], [np.nan, 0], [1, 0]]), ring)
    assert texts[:2] == ["data", "generated (3 outside)"]


def test_principal_axes():
    mixture = mixtures.Mixture(np.float32([[-3, -3, 0], [3, 3, 0]]), np.float32([0.1, 0.1, 1]))
    expected = np.array([[np.sqrt(0.5), 0], [np.sqrt(0.5), 0], [0, 1]])
    np.testing.assert_allclose(pictures.principal_axes(mixture), expected, atol=1e-12)
    first = pictures.principal_axes(mixtures.find("mixture:1200d"))[:, 0]
    np.testing.assert_allclose(first, np.full(1200, 1200**-0.5), atol=1e-3)  # all its means lie on the diagonal


def test_scatter_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match="need matplotlib: pip install matplotlib"):
        pictures.scatter(np.zeros((1, 2)), mixtures.find("mixture:ring8"))


def test_picture():
    samples = np.zeros((2, 4, 4, 3), np.float32)
    np.testing.assert_array_equal(pictures.picture(samples, types.SimpleNamespace()), pictures.grid(samples))
    pytest.importorskip("matplotlib")
    options = types.SimpleNamespace(lfile="mixture:ring8")
    points = mixtures.find(options.lfile).points(20, seed=1)
    expected = pictures.scatter(points, mixtures.find(options.lfile))
    np.testing.assert_array_equal(pictures.picture(points, options), expected)
