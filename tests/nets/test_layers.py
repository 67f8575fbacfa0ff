"""Layers: properties that the reference numbers do not show."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.nets.layers import Attention, BatchNormalization, Convolution, Dense, TransposedConvolution


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(params=[Convolution, TransposedConvolution, Dense])
def layer(request):
    sizes = (3, 5) if request.param is Dense else (3, 5, 4, 2, "SAME")
    return request.param(*sizes, spectral=True, seeds=1)


def inputs_of(layer):
    return normal(2, 3) if isinstance(layer, Dense) else normal(2, 8, 8, 3)


def test_spectral_normalization(layer):
    """After many calls sigma is numpy's largest singular value, and the raw kernel is what it was."""
    kernel = layer.kernel.numpy()
    for _ in range(200):
        layer.iterate()
    normalized = layer.current_kernel(training=True).numpy()
    sigma = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
    np.testing.assert_allclose(normalized, kernel / sigma, rtol=1e-4, atol=1e-6)
    assert np.array_equal(layer.kernel, kernel)
    np.testing.assert_allclose([np.linalg.norm(layer.u), np.linalg.norm(layer.v)], 1, rtol=1e-5)


def test_gradient_goes_through_sigma(layer):
    """The normalized kernel does not change with the scale of the raw one, so the gradient is orthogonal to it."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs_of(layer), training=True) ** 2)
    gradient = tape.gradient(loss, layer.kernel).numpy()
    assert np.abs(gradient).max() > 0.1
    product = np.sum(gradient * layer.kernel)
    assert abs(product) < 1e-4 * np.linalg.norm(gradient) * np.linalg.norm(layer.kernel)


def test_evaluation_iterates_nothing(layer):
    x, u, v = inputs_of(layer), layer.u.numpy(), layer.v.numpy()
    assert np.array_equal(layer(x), layer(x))
    assert np.array_equal(layer.u, u) and np.array_equal(layer.v, v)
    layer(x, training=True)
    assert not np.array_equal(layer.u, u)


def test_one_iteration_by_hand():
    layer = Dense(2, 2, spectral=True)
    layer.kernel.assign([[3.0, 0.0], [0.0, 1.0]])  # W = diag(3, 1)
    layer.u.assign([0.8, 0.6])
    v = np.array([2.4, 0.6]) / np.sqrt(2.4**2 + 0.6**2)
    u = np.array([3 * v[0], v[1]]) / np.hypot(3 * v[0], v[1])
    received = layer(np.eye(2, dtype=np.float32), training=True)
    np.testing.assert_allclose(received, np.diag([3.0, 1.0]) / (3 * u[0] * v[0] + u[1] * v[1]), rtol=1e-6)
    np.testing.assert_allclose([layer.u, layer.v], [u, v], rtol=1e-6)


def test_initial_weights_have_the_bounds_of_pytorch():
    """The fan-in of a transposed convolution is that of its output channels."""
    cases = [
        (Convolution(64, 32, 4, bias=True, seeds=1), 64 * 16),
        (TransposedConvolution(64, 32, 4, bias=True, seeds=1), 32 * 16),
        (Dense(100, 200, bias=True, seeds=1), 100),
    ]
    for layer, fan_in in cases:
        bound = fan_in**-0.5
        for weight in layer.weights:
            assert 0.8 * bound < np.abs(weight).max() <= bound
        assert np.var(layer.kernel) == pytest.approx(bound**2 / 3, rel=0.1)
    assert np.std(Convolution(64, 32, 4, std=0.02, seeds=1).kernel) == pytest.approx(0.02, rel=0.05)


def test_batch_normalization_by_hand():
    """Two values 1 and 3: mean 2, variance 1 for the batch and 2 for the running average."""
    layer = BatchNormalization(1)
    y = layer(np.array([[1.0], [3.0]], np.float32), training=True)
    np.testing.assert_allclose(y, [[-1], [1]], rtol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, [0.2], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, [0.9 + 0.1 * 2], rtol=1e-6)
    np.testing.assert_allclose(layer(np.float32([[5.0]])), [[(5 - 0.2) / np.sqrt(1.1 + 1e-5)]], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_mean, [0.2], rtol=1e-6)


@pytest.mark.parametrize("spectral", [False, True])
def test_attention(spectral):
    layer, x = Attention(16, spectral, seeds=1), normal(2, 4, 4, 16)
    assert np.array_equal(layer(x), x)  # gamma starts at 0
    attention_map = layer.attention_map(x)
    assert attention_map.shape == (2, 16, 16)
    np.testing.assert_allclose(np.sum(attention_map, axis=-1), 1, rtol=1e-5)
    assert len(layer.non_trainable_weights) == (6 if spectral else 0)
