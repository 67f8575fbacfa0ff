"""LPIPS: against NumPy, by what a distance must be, and from the files of PyTorch to the file that is read."""

import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, lpips_weights
from rpgan_tf.nets import lpips
from tools import convert_lpips

WIDTHS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}


def weights(net):
    """Random ones: kernels that keep the size of features, linear weights that are positive."""
    random, arrays = np.random.default_rng(0), {}
    for name, shape in lpips_weights.shapes(net).items():
        if name.startswith("lin"):
            array = random.uniform(size=shape)
        elif name.endswith("bias"):
            array = random.normal(0, 0.1, shape)
        else:
            array = random.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[:3]))
        arrays[name] = np.float32(array)
    return arrays


@pytest.fixture(scope="module")
def alex():
    return weights("alex")


@pytest.fixture(scope="module")
def distance(alex):
    return lpips.LPIPS(alex)


def images(seed, size=32, channels=3):
    return np.float32(np.random.default_rng(seed).uniform(-1, 1, [2, size, size, channels]))


def convolve(x, kernel, bias, stride, padding):
    x = np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    return np.maximum(np.einsum("bijchw,hwco->bijo", windows, kernel, optimize=True) + bias, 0)


def pool(x):
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(-2, -1))


def alexnet(x, arrays):
    """The convolutions of torchvision's alexnet, as its definition lists them."""
    x = (x.astype(np.float64) - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
    found = []
    for number, stride, padding, pooled in ((0, 4, 2, 0), (3, 1, 2, 1), (6, 1, 1, 1), (8, 1, 1, 0), (10, 1, 1, 0)):
        kernel, bias = (np.float64(arrays[f"features/{number}/{name}"]) for name in ("kernel", "bias"))
        x = convolve(pool(x) if pooled else x, kernel, bias, stride, padding)
        found.append(x)
    return found


@pytest.mark.parametrize("size", [31, 32, 35])
def test_features_and_distance_of_alexnet_are_those_of_numpy(alex, distance, size):
    x, y = images(1, size), images(2, size)
    expected = [alexnet(each, alex) for each in (x, y)]
    for own, other in zip(distance.features(x), expected[0]):
        np.testing.assert_allclose(own, other, atol=1e-4)
    total = 0
    for i, (a, b) in enumerate(zip(*expected)):
        a, b = (each / (np.sqrt(np.sum(each**2, axis=-1, keepdims=True)) + 1e-10) for each in (a, b))
        total += np.mean(np.sum(alex[f"lin{i}"] * (a - b) ** 2, axis=-1), axis=(1, 2))
    np.testing.assert_allclose(distance(x, y), total, rtol=1e-5)


def test_sizes_of_features(distance):
    assert [tuple(x.shape[1:]) for x in distance.features(images(1))] == [
        (7, 7, 64), (3, 3, 192), (1, 1, 384), (1, 1, 256), (1, 1, 256)
    ]  # fmt: skip
    sizes = [x.shape[1] for x in distance.features(images(1, 64))]
    assert sizes == [15, 7, 3, 3, 3]
    assert [shape for name, shape in lpips_weights.shapes("alex").items() if "lin" in name] == [
        (width,) for width in WIDTHS["alex"]
    ]


def test_features_of_vgg():
    """Its first two stages by NumPy, and the sizes of all."""
    arrays = weights("vgg")
    found = lpips.LPIPS(arrays).features(images(1, 16))
    assert [tuple(x.shape[1:]) for x in found] == [(16 >> i, 16 >> i, width) for i, width in enumerate(WIDTHS["vgg"])]
    x = (images(1, 16) - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
    for number in (0, 2):
        x = convolve(x, arrays[f"features/{number}/kernel"], arrays[f"features/{number}/bias"], 1, 1)
    np.testing.assert_allclose(found[0], x, atol=1e-4)
    x = x.reshape(2, 8, 2, 8, 2, 64).max(axis=(2, 4))
    for number in (5, 7):
        x = convolve(x, arrays[f"features/{number}/kernel"], arrays[f"features/{number}/bias"], 1, 1)
    np.testing.assert_allclose(found[1], x, atol=1e-4)


def test_it_is_a_distance(distance):
    x, y = images(1), images(2)
    assert not np.any(distance(x, x))
    np.testing.assert_allclose(distance(x, y), distance(y, x), rtol=1e-6)
    assert distance(x, y).shape == (2,) and np.all(distance(x, y) > 0)
    near = x + 0.1 * (y - x)
    assert np.all(distance(x, near) < distance(x, y))


def test_grey_images_are_three_equal_channels(distance):
    x, y = images(1, channels=1), images(2, channels=1)
    expected = distance(np.repeat(x, 3, axis=-1), np.repeat(y, 3, axis=-1))
    np.testing.assert_allclose(distance(x, y), expected, rtol=1e-5)


def test_gradients_where_all_features_are_zero(alex):
    """With biases so low that no unit is active for one image, or for both."""
    dead = lpips.LPIPS(alex | {name: -100 + 0 * array for name, array in alex.items() if name.endswith("bias")})
    x = tf.constant(images(1))
    for distance, y in ((dead, images(2)), (lpips.LPIPS(alex), x)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(distance(x, y))
        assert not np.any(total) and not np.any(tape.gradient(total, x))
    zeros, units = tf.zeros([1, 2, 2, 4]), tf.ones([1, 2, 2, 4])
    half = lpips.LPIPS(alex | {"lin0": np.ones(4)})
    half.features = lambda x: [x]
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        distance = half(zeros, units)
    assert float(distance[0]) == pytest.approx(1) and np.all(np.isfinite(tape.gradient(distance, zeros)))


def test_gradients_are_those_of_finite_differences(distance):
    x, y, direction = images(1), images(2), images(3)
    variable = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        total = tf.reduce_sum(distance(variable, y))
    slope = float(tf.reduce_sum(tape.gradient(total, variable) * direction))
    ends = [float(tf.reduce_sum(distance(x + step * direction, y))) for step in (0.01, -0.01)]
    assert slope == pytest.approx((ends[0] - ends[1]) / 0.02, rel=0.05)


def test_images_that_are_too_small(distance):
    with pytest.raises(UserError, match="'alex' needs images of at least 31 pixels, received 30 x 32"):
        distance(np.zeros([1, 30, 32, 3]), np.zeros([1, 30, 32, 3]))


class Tensor:
    """As much of a tensor of PyTorch as is needed."""

    def __init__(self, array):
        self.array = array

    def numpy(self):
        return self.array


@pytest.fixture
def torch(monkeypatch):
    """A stand-in for PyTorch, whose files are .npz files."""

    def load(path, map_location, weights_only):
        assert map_location == "cpu" and weights_only
        with np.load(path, allow_pickle=False) as arrays:
            return {name: Tensor(arrays[name]) for name in arrays.files}

    module = types.SimpleNamespace(load=load)
    monkeypatch.setitem(sys.modules, "torch", module)
    return module


def states(arrays):
    """Return the two state_dicts of PyTorch, the first with a classifier that is not needed."""
    net, linear = {"classifier.1.weight": np.zeros([2, 3], np.float32)}, {}
    for name, array in arrays.items():
        if name.startswith("lin"):
            linear[f"{name}.model.1.weight"] = array[None, :, None, None]
        else:
            array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
            net[name.replace("/", ".").replace("kernel", "weight")] = array
    return net, linear


def save(path, arrays):
    with open(path, "wb") as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_converted_files_are_read(torch, tmp_path, monkeypatch, net):
    monkeypatch.chdir(tmp_path)
    arrays = weights(net)
    for path, state in zip(("net.pth", "linear.pth"), states(arrays)):
        save(path, state)
    convert_lpips.main(["net.pth", "linear.pth", "out.npz"])
    read = lpips_weights.load("out.npz")
    assert list(read) == list(arrays) and lpips_weights.net_of(read) == net
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_mistakes_of_the_conversion(torch, alex, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net, linear = states(alex)
    save("net.pth", net)
    save("vgg.pth", {name: np.zeros([1, 128, 1, 1]) for name in linear})
    (tmp_path / "damaged.pth").write_text("no weights")
    for wrong, message in (
        ("none.pth", "no file 'none.pth'"),
        ("damaged.pth", "cannot read 'damaged.pth': expected a state_dict of PyTorch"),
        ("vgg.pth", r"expected lin0\.model\.1\.weight \[1, 64, 1, 1\], received \[1, 128, 1, 1\]; is the first file"),
        ("net.pth", r"expected lin0\.model\.1\.weight \[1, 64, 1, 1\], received none"),
    ):
        with pytest.raises(UserError, match=message):
            convert_lpips.main(["net.pth", wrong, "out.npz"])
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match="needs PyTorch, to read its files: pip install torch"):
        convert_lpips.main(["net.pth", "vgg.pth", "out.npz"])
    assert not (tmp_path / "out.npz").exists()


def test_files_that_are_no_weights(alex, tmp_path):
    path = tmp_path / "wrong.npz"
    atomic.save_arrays(path, alex | {"lin2": np.zeros(3)})
    with pytest.raises(UserError, match=r"expected lin2 \[384\], received \[3\]; make it with tools/convert_lpips.py"):
        lpips_weights.load(path)
    atomic.save_arrays(path, {"lin0": np.zeros(3)})
    with pytest.raises(UserError, match=r"expected features/0/kernel \[11, 11, 3, 64\], received none"):
        lpips_weights.load(path)
