"""Gradient penalties on a discriminator f, for images, points and banks of K alike: [] or [K].

All have one signature, so that an objective may take any of them. They take images as D judged them in this step, so
that it judges them once: a GAN that uses `r1` or `r2` sets `penalizes_images`. For a bank, the gradient is taken at
what each discriminator sees, W_k^T x, the input of the function that the penalty makes smooth; those of R1 and R2 may
be taken at the image, where it is W_k times the former.
"""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf

from rpgan_tf.devices import replicas
from rpgan_tf.nets.base import Discriminator, Judged


def gradient_penalty(discriminator: Discriminator, real: Judged, fake: Judged, seed: tf.Tensor) -> tf.Tensor:
    """Return E (|| grad f(x_hat) ||_2 - 1)^2, x_hat = u real + (1 - u) fake (arXiv 1704.00028, equation 3).

    With projections, x_hat between real and fake images projects to points between their projections.

    Args:
        discriminator: f is its logits.
        real, fake: images [B, H, W, C] or points [B, dims], judged; with labels, image i of both has the same.
        seed: int [2], of u ~ U[0, 1), one for each image.
    """
    shape = [tf.shape(real.images)[0]] + [1] * (len(real.images.shape) - 1)
    u = replicas.uniform(shape, seed)
    between = discriminator.look(u * real.images + (1 - u) * fake.images, watch=True, labels=real.labels)
    norm = tf.sqrt(tf.maximum(squared_norm(discriminator, between), 1e-30))  # the root has no derivative at 0
    return mean(discriminator, between, (norm - 1) ** 2)


def r1(
    discriminator: Discriminator, real: Judged, fake: Judged | None = None, seed: Any = None, at: str = "seen"
) -> tf.Tensor:
    """Return E || grad f(x) ||^2 of watched real images (arXiv 1801.04406, equation 9); `at` as in `squared_norm`."""
    return mean(discriminator, real, squared_norm(discriminator, real, at))


def r2(
    discriminator: Discriminator, real: Judged | None, fake: Judged, seed: Any = None, at: str = "seen"
) -> tf.Tensor:
    """Return E || grad f(G(z)) ||^2 of watched fake images, R1's counterpart in arXiv 1801.04406."""
    return mean(discriminator, fake, squared_norm(discriminator, fake, at))


def squared_norm(discriminator: Discriminator, judged: Judged, at: str = "seen") -> tf.Tensor:
    """Return || grad f ||^2 for each watched image: [B], or [K, B] of a bank.

    Args:
        discriminator: f is its logits.
        judged: watched images.
        at: what the gradient is taken by: "seen", the projections; or "image", the images before they were viewed, by
            which each f_k is differentiated by itself.
    """
    gradient = judged.tape.gradient(judged.logits, judged.seen)
    if at == "seen":
        return tf.reduce_sum(gradient**2, axis=discriminator.feature_axes)
    gradient, rank = discriminator.pull_back(gradient), judged.images.shape.rank
    if judged.given is not judged.images:
        through = functools.partial(judged.tape.gradient, judged.images, judged.given)  # the view
        gradient = tf.stack([*map(through, tf.unstack(gradient))]) if gradient.shape.rank > rank else through(gradient)
    return tf.reduce_sum(gradient**2, axis=tuple(range(1 - rank, 0)))


def mean(discriminator: Discriminator, judged: Judged, values: tf.Tensor) -> tf.Tensor:
    """Return the mean of values of images over the batch, in the shape of a loss."""
    leading = tf.shape(judged.logits)[: discriminator.batch_axis]
    return tf.reshape(tf.reduce_mean(values, axis=-1), leading)
