"""The moving average of a generator's weights, which draws the samples. Knows no paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import tensorflow as tf

from rpgan_tf import schedules
from rpgan_tf.config import NonNegative, Rules, Share
from rpgan_tf.devices import replicas

if TYPE_CHECKING:
    from rpgan_tf.nets.base import Net


class Averaged(schedules.Scheduled):
    """A GAN with `generator`, and `average`, a second one that holds the moving average of its weights; or None."""

    ema: Share = 0.0  # momentum of the moving average of G that draws samples; 0: G itself draws them
    ema_kimg: NonNegative | None = None  # in place of ema: half-life of the moving average, in thousands of images
    final_ema_kimg: NonNegative | None = None

    rules: ClassVar[Rules] = [
        (
            "not ema or ema_kimg is None",
            "ema and ema_kimg both set the moving average: received ema = {ema} and ema_kimg = {ema_kimg}; keep one: "
            "--set ema=0, or --set ema_kimg=None",
        ),
        (
            "not schedule_kimg or final_ema_kimg is None or ema_kimg is not None",
            "final_ema_kimg needs a half-life to start from: expected ema_kimg, a number >= 0, received None; set "
            "ema_kimg, or --set final_ema_kimg=None",
        ),
    ]

    average: Net | None
    generator: Net

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
        if self.ema_kimg is None:
            return self.ema
        half_life = self.scheduled("ema_kimg", 1000, finished=1)
        half_life = 1000 * self.ema_kimg if half_life is None else half_life
        return tf.cast(0.5 ** (self.step_images / tf.maximum(tf.cast(half_life, tf.float64), 1e-8)), tf.float32)
