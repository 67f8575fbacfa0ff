"""Resampling against its definition: insert zeros, pad, convolve, keep every other pixel."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.nets import fir

TAPS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def upfirdn(x, up, down, before, after, gain):
    """Return what the definition says, in NumPy: [B, H, W, C]."""
    batch, height, width, channels = x.shape
    spread = np.zeros([batch, height * up, width * up, channels])
    spread[:, ::up, ::up] = x
    padded = np.pad(spread, [(0, 0), (before, after), (before, after), (0, 0)])
    out = sum(
        gain * TAPS[i, j] * padded[:, i : padded.shape[1] - 3 + i, j : padded.shape[2] - 3 + j]
        for i in range(4)
        for j in range(4)
    )
    return out[:, ::down, ::down]


CASES = {
    "upsample": (fir.upsample, (2, 1, 2, 1, 4)),
    "downsample": (fir.downsample, (1, 2, 1, 1, 1)),
    "before a convolution": (lambda x: fir.blur(x, 2), (1, 1, 2, 2, 1)),
    "after a transposed one": (lambda x: fir.blur(x, 1, gain=4.0), (1, 1, 1, 1, 4)),
}


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((2, 6, 8, 3))


@pytest.mark.parametrize("case", CASES)
def test_definition(case, x):
    function, arguments = CASES[case]
    np.testing.assert_allclose(function(tf.constant(x)), upfirdn(x, *arguments), atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_any_order_are_the_adjoint(case, x):
    function, _ = CASES[case]
    x = tf.constant(x)
    with tf.GradientTape() as outer:
        y = tf.random.stateless_normal(function(x).shape, [1, 2], dtype=tf.float64)
        outer.watch(y)
        with tf.GradientTape() as inner:
            inner.watch(x)
            product = tf.reduce_sum(function(x) * y)
        adjoint = inner.gradient(product, x)
        again = tf.reduce_sum(adjoint * x)  # <A x, y> = <x, A' y>
    np.testing.assert_allclose(again, product, rtol=1e-12)
    np.testing.assert_allclose(outer.gradient(again, y), function(x), atol=1e-12)


def test_constants_stay_inside_and_upsampling_is_bilinear(x):
    ones, x = tf.ones([1, 8, 8, 1]), tf.constant(x)
    np.testing.assert_allclose(fir.upsample(ones)[:, 1:-1, 1:-1], 1)
    np.testing.assert_allclose(fir.downsample(ones)[:, 1:-1, 1:-1], 1)
    bilinear = tf.image.resize(x, [12, 16])
    np.testing.assert_allclose(fir.upsample(x)[:, 1:-1, 1:-1], bilinear[:, 1:-1, 1:-1], atol=1e-6)
