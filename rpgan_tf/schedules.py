"""Options that change during a run, along half a cosine; functions of the iteration, so a resume needs no state.

Knows no paper; the schedule is R3GAN's (arXiv 2501.05441).
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import tensorflow as tf

from rpgan_tf.config import NonNegative, Positive, Rules, Share


class Scheduled:
    """A GAN whose options move from their values to `final_<option>` in the first `schedule_kimg` thousands of images.

    An iteration counts bsz * accumulation images, those of one optimizer step.
    """

    schedule_kimg: Positive | None = None  # thousands of images until options reach their final values; None: they stay
    final_learning_rate: Positive | None = None  # D's own learning rate falls by the same factor
    final_beta_2: Share | None = None
    final_penalty: NonNegative | None = None

    rules: ClassVar[Rules] = [
        (
            "schedule_kimg or not given & {'final_learning_rate', 'final_beta_2', 'final_penalty', 'final_ema_kimg'}",
            "final_learning_rate, final_beta_2, final_penalty and final_ema_kimg are reached after schedule_kimg "
            "thousands of images: expected a number, received schedule_kimg = None; set schedule_kimg, or leave "
            "each of them out, as in --set final_ema_kimg=None",
        ),
        (
            "not schedule_kimg or not decay or final_learning_rate is None",
            "decay and final_learning_rate both change the learning rates: received decay = {decay} and "
            "final_learning_rate = {final_learning_rate}; keep one: --set decay=0, or --set final_learning_rate=None",
        ),
        (
            "not schedule_kimg or final_penalty is None or penalty",
            "final_penalty needs a penalty to start from: received penalty = {penalty} with gan = '{gan}'; set a "
            "penalty where the gan has one, or --set final_penalty=None",
        ),
    ]

    accumulation: int
    decay: float
    iteration: keras.Variable
    learning_rate: float
    options: types.SimpleNamespace

    @property
    def step_images(self) -> int:
        """Images of an optimizer step: those that an iteration counts."""
        return self.options.bsz * self.accumulation

    def scheduled(self, name: str, factor: float = 1.0, finished: int = 0) -> tf.Tensor | None:
        """Return factor * the option `name` in this iteration, float64 []; None if it does not change.

        Args:
            name: of an option that has a final one.
            factor: float.
            finished: 1 once `train_step` has counted the iteration.
        """
        base, final = getattr(self, name) or 0.0, getattr(self, f"final_{name}")
        if not self.schedule_kimg or final is None:
            return None
        images = tf.cast(self.iteration - finished, tf.float64) * self.step_images
        return half_cosine(images, factor * base, factor * final, 1000 * self.schedule_kimg)

    def current(self, name: str) -> Any:
        """Return the option `name` in this iteration: its value, or if it changes, float32 []."""
        value = self.scheduled(name)
        return getattr(self, name) if value is None else tf.cast(value, tf.float32)

    def changing(self, name: str) -> Any:
        """Return the option `name`, or if it changes, the function that computes it for the current iteration."""
        if self.scheduled(name) is None:
            return getattr(self, name)
        return lambda: self.current(name)

    def changing_rate(self, learning_rate: float) -> float | Callable[[], tf.Tensor]:
        """Return a net's learning rate, or if it changes, the function that computes it for the current iteration."""
        if self.decay:
            return lambda: learning_rate * (1 - self.decay) ** tf.cast(self.iteration, tf.float32)
        factor = learning_rate / self.learning_rate
        if self.scheduled("learning_rate") is None:
            return learning_rate
        return lambda: tf.cast(self.scheduled("learning_rate", factor), tf.float32)


def half_cosine(
    n: tf.Tensor, base: float, final: float, total: float, warmup: float = 0, hold: float = 0, start: float = 0
) -> tf.Tensor:
    """Return the value after n images: base ... final along half a cosine, then final.

    Args:
        n: float64 [...], images.
        base, final: float.
        total: images until the final value.
        warmup: images of a linear rise from `start` to base before it.
        hold: images at base between the two.
        start: float.

    Returns:
        float64 [...].
    """
    n = tf.cast(n, tf.float64)
    share = tf.clip_by_value((n - warmup - hold) / (total - warmup - hold), 0, 1)
    value = final + (base - final) * (1 + tf.cos(math.pi * share)) / 2
    return tf.where(n < warmup, start + n * (base - start) / max(warmup, 1), value)


def of(function: Callable, value: Any) -> Any:
    """Return function(value), or if the value changes, the function that computes it."""
    return (lambda: function(value())) if callable(value) else function(value)
