"""Scalars for TensorBoard, written by one call of a graph: eagerly, 100 of them take most of 0.1 s."""

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf


class Scalars:
    """Writes scalars to a folder; `writer` may write other things there."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.writer = tf.summary.create_file_writer(str(folder))
        self.graph = tf.function(self._write, autograph=False)

    def write(self, iteration: int, scalars: Mapping[str, float | np.ndarray]) -> None:
        """Write {tag: scalar}, the same tags in every call."""
        self.names = list(scalars)
        self.graph(tf.constant(iteration, tf.int64), tf.constant(list(scalars.values()), tf.float32))

    def _write(self, iteration: tf.Tensor, values: tf.Tensor) -> None:
        with self.writer.as_default(step=iteration):
            for name, value in zip(self.names, tf.unstack(values)):
                tf.summary.scalar(name, value)
