"""The contract of a net: its weights as named arrays, and how losses and penalties ask a discriminator.

Knows no architecture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from rpgan_tf.config import Rules

Seeds: TypeAlias = keras.random.SeedGenerator | int | None  # seeds initial weights
View: TypeAlias = Callable[[tf.Tensor], tf.Tensor] | None  # from images to those that D is shown; None: as they are


class Net(keras.Model):
    """A net that has all its weights before its first call, and lets them be read and set by name."""

    rules: ClassVar[Rules] = []  # on options, see `config.checks`
    needs: ClassVar[list[str]] = []  # checks of files, see `config.checks`
    synchronized = False  # whether batch normalization normalizes the batches of all replicas as one
    product_type = "float32"  # dtype of convolutions and matrix products

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.built = True

    def get_arrays(self) -> dict[str, np.ndarray]:
        """Return {name, such as "conv1/kernel": array} of all weights, trainable or not, in order of definition."""
        return {weight.path.removeprefix(f"{self.name}/"): weight.numpy() for weight in self.weights}

    def set_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Assign the arrays that `get_arrays` returned."""
        for weight in self.weights:
            weight.assign(arrays[weight.path.removeprefix(f"{self.name}/")])

    def synchronize(self) -> None:
        """Let batch normalization normalize the batches of all replicas as one."""
        for layer in self._flatten_layers():
            layer.synchronized = True

    def compute_products_in(self, dtype: str) -> None:
        """Compute convolutions and products in half precision; weights, statistics, logits and images stay float32."""
        for layer in self._flatten_layers():
            layer.product_type = dtype


class Judged(NamedTuple):
    """Images and the logits of a discriminator for them.

    Attributes:
        images: [B, H, W, C], or points [B, dims], as they were shown.
        logits: [..., B], or [..., B, A].
        seen: output of `project`, if it was watched.
        tape: of the gradient of `logits` by `seen`, and of `images` by `given`; persistent.
        given: the images before they were viewed, if they were watched.
        labels: [B, num_classes] of the images, for nets that know labels.
    """

    images: tf.Tensor
    logits: tf.Tensor
    seen: tf.Tensor = None
    tape: tf.GradientTape = None
    given: tf.Tensor = None
    labels: tf.Tensor = None


class Discriminator(Net):
    """Map images [B, H, W, C] to logits [B], or to [B, A] for A outcomes; a bank of K puts an axis in front.

    A call is `judge(project(images))`. A net defines `judge`, and `project` unless it sees the images themselves:

        net                     images        project             feature_axes  judge
        most                    [B, H, W, C]  [B, H, W, C]        (1, 2, 3)     [B] or [B, A]
        rpgan, K projections    [B, H, W, C]  [K, C', H', W', B]  (1, 2, 3)     [K, B] or [K, B, A]
        rpgan, no projections   [B, H, W, C]  [1, C, H, W, B]     (1, 2, 3)     [B] or [B, A]
        toy                     [B, dims]     [B, dims]           (1,)          [B] or [B, A]
        toy, K projections      [B, dims]     [K, B, numf]        (2,)          [K, B] or [K, B, A]

    A penalty on gradients differentiates logits by the output of `project`. The sum of squares over `feature_axes` is
    then [..., B], one number per image and discriminator (with a leading axis of 1 for rpgan without projections).

    Attributes:
        feature_axes: axes of the output of `project` that hold the features of one image; the axes of K and of the
            batch are left out.
        batch_axis: axis of the batch in the logits: -1, or -2 where the last axis holds A outcomes. Logits of real
            and fake images are joined and split along it.
        independent: whether the logits of an image depend on no other image, and calls change no weights (no batch
            statistics, no power iteration): real and fake images may then share one call.
        jit_compile: whether XLA compiles the whole training step, if the option `compile` is "auto" and the machine
            has one device. Right for many small operations; wrong for large convolutions on CPUs.
        divided: whether each replica holds K / replicas of a bank's discriminators and judges the whole batch with
            them (divide = "discriminators"), instead of judging its part of the batch with all K.

    Args:
        num_outcomes: A, or None.
    """

    independent = False
    jit_compile = False
    divided = False

    def __init__(self, num_outcomes: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_outcomes = num_outcomes
        self.feature_axes: tuple[int, ...] = (1, 2, 3)
        self.batch_axis = -2 if num_outcomes else -1

    def call(self, images: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        return self.judge(self.project(images), labels, training=training)

    def project(self, images: tf.Tensor) -> tf.Tensor:
        """Return the input of `judge`: a fixed linear map of the images, without weights of its own."""
        return images

    def pull_back(self, gradients: tf.Tensor) -> tf.Tensor:
        """Apply the transpose of `project`: gradients of each logit at what D saw become those at the images.

        Returns:
            [B, H, W, C] or [B, dims]; [K, B, H, W, C] or [K, B, dims] of a bank, whose gradients are not added up.
        """
        return gradients

    def judge(self, seen: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Return logits.

        Args:
            seen: output of `project`.
            labels: [B, num_classes], for nets that know labels; the others ignore them.
            training: whether layers use batch statistics, draw noise and update their running state.
        """
        raise NotImplementedError

    def look(
        self, images: tf.Tensor, watch: bool = False, view: View = None, labels: tf.Tensor | None = None
    ) -> Judged:
        """Judge images in training; with `watch`, record the gradient of the logits by the output of `project`."""
        if not watch:
            shown = view(images) if view else images
            return Judged(shown, self.judge(self.project(shown), labels, training=True), labels=labels)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(images)
            shown = view(images) if view else images
            seen = self.project(shown)
            tape.watch(seen)
            logits = self.judge(seen, labels, training=True)
        return Judged(shown, logits, seen, tape, images, labels)

    def look_at_both(
        self,
        real: tf.Tensor,
        fake: tf.Tensor,
        watch: bool = False,
        views: tuple[View, View] = (None, None),
        labels: tf.Tensor | None = None,
    ) -> tuple[Judged, Judged]:
        """Judge real and fake images of the same labels, in one call if `independent` and nothing is watched."""
        if watch or not self.independent:
            return self.look(real, watch, views[0], labels), self.look(fake, watch, views[1], labels)
        real, fake = (view(images) if view else images for view, images in zip(views, (real, fake)))
        twice = None if labels is None else tf.concat([labels, labels], axis=0)
        logits = self.look(tf.concat([real, fake], axis=0), labels=twice).logits
        real_logits, fake_logits = tf.split(logits, 2, axis=self.batch_axis)
        return Judged(real, real_logits, labels=labels), Judged(fake, fake_logits, labels=labels)

    def flat(self, x: tf.Tensor) -> tf.Tensor:
        """Reshape the output of the last layer, [B, ..., A or 1], to logits: [B * P, A] or [B * P] for P patches."""
        return tf.reshape(tf.cast(x, tf.float32), [-1, self.num_outcomes] if self.num_outcomes else [-1])
