"""The moving average of a generator's weights, which draws the samples. Knows no paper."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from rpgan_tf.config import Share
from rpgan_tf.devices import replicas

if TYPE_CHECKING:
    from rpgan_tf.nets.base import Net


class Averaged:
    """A GAN with `generator`, and `average`, a second one that holds the moving average of its weights; or None."""

    ema: Share = 0.0  # momentum of the moving average of G that draws samples; 0: G itself draws them

    average: Net | None
    generator: Net
    iteration: keras.Variable
    options: types.SimpleNamespace

    @property
    def sampler(self) -> Net:
        """The generator that draws samples: with `ema` the moving average of the trained one."""
        return self.generator if self.average is None else self.average

    def call(self, z: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        return self.sampler(z) if labels is None else self.sampler(z, labels)

    def start_average(self) -> None:
        """Copy the generator's weights to the average."""
        if self.average is not None:
            for variable, weight in zip(self.average.weights, self.generator.weights):
                variable.assign(weight.value)

    def update_average(self) -> None:
        """Do average += (1 - momentum) (weight - average) for trained weights, and copy the others."""
        if self.average is None:
            return
        average, generator, momentum = self.average, self.generator, self.momentum()
        move = lambda average, weight: average + (1 - momentum) * (weight - average)  # noqa: E731
        replicas.assign(average.trainable_variables, move, generator.trainable_variables)
        replicas.assign(average.non_trainable_variables, lambda _, weight: weight, generator.non_trainable_variables)

    def momentum(self) -> float | tf.Tensor:
        """Return the momentum of the iteration that `train_step` has just counted."""
        return self.ema
