"""Fixtures of the tests of nets."""

import keras
import pytest
import tensorflow as tf


@pytest.fixture
def zero_weights(monkeypatch):
    """Make initial weights zeros, which is faster, where only their shapes matter."""
    for kind in (keras.initializers.RandomNormal, keras.initializers.RandomUniform):
        monkeypatch.setattr(kind, "__call__", lambda self, shape, dtype=None: tf.zeros(shape, dtype))
