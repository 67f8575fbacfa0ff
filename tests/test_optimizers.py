"""The fused Adam against the formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import optimizers


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_adam_agrees_with_the_formula(compiled):
    random = np.random.default_rng(0)
    start = random.normal(size=(3, 4))
    w, m, v = start.copy(), 0, 0
    variable = keras.Variable(start, dtype="float32")
    optimizer = optimizers.Adam(2e-3, 0.5, 0.9, epsilon=1e-8)
    optimizer.build([variable])

    def apply(gradient):
        optimizer.apply([gradient], [variable])

    apply = tf.function(apply, autograph=False) if compiled else apply
    for t in range(1, 6):
        gradient = random.normal(size=(3, 4))
        m, v = 0.5 * m + 0.5 * gradient, 0.9 * v + 0.1 * gradient**2
        w = w - 2e-3 * np.sqrt(1 - 0.9**t) / (1 - 0.5**t) * m / (np.sqrt(v) + 1e-8)
        apply(tf.constant(gradient, tf.float32))
        np.testing.assert_allclose(variable.numpy(), w, rtol=0, atol=2e-6)
    assert int(optimizer.iterations) == 5
    np.testing.assert_allclose(optimizer.variables[-1].numpy(), v, rtol=1e-5)
