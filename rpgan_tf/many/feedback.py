"""What reaches G of the losses of K discriminators: some are dropped, the others weighted.

Dropping: Mordido, Yang, Meinel, "Dropout-GAN", arXiv 1807.11346; no code of the authors' is known. Each loss is dropped
with probability `feedback_dropout`, drawn from (seed, iteration); if none is left, one is kept, drawn uniformly. Every
discriminator learns all the same. Weighting: see `weighting`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from rpgan_tf.devices import replicas
from rpgan_tf.many import weighting
from rpgan_tf.nets.base import Judged
from rpgan_tf.randomness import FEEDBACK


def objective(gan: keras.Model, losses: tf.Tensor) -> tf.Tensor:
    """Return what G minimizes, []: the mean of its losses [] or [K], or a sum with the weights d objective / d L_k.

    Weights are those of the losses of the whole batch and of all K, however these are divided among replicas. With the
    weighting "minimum_norm" they depend on gradients: see `tape`.
    """
    options = gan.options
    if options.weighting == "minimum_norm" or (options.weighting == "mean" and not options.feedback_dropout):
        return tf.reduce_mean(losses)
    divided, constant = gan.discriminator.divided, tf.stop_gradient(losses)
    everyone = replicas.gather(constant) if divided else replicas.mean(constant)
    with tf.GradientTape() as tape:
        tape.watch(everyone)
        value = weighted(gan, everyone)
    weights = tape.gradient(value, everyone)
    if divided:  # this replica's part, which it averages over its own
        weights = replicas.count() * replicas.own_part(weights)
    return tf.reduce_sum(tf.stop_gradient(weights) * losses)


def weighted(gan: keras.Model, losses: tf.Tensor) -> tf.Tensor:
    """Return the objective of losses [K] as the option `weighting` says."""
    alpha, slack = gan.options.weighting_alpha, gan.options.weighting_slack
    combine: dict[str, Callable] = {
        "mean": weighting.mean,
        "softmax": functools.partial(weighting.softmax, alpha=alpha),
        "softmax_detached": functools.partial(weighting.softmax_detached, alpha=alpha),
        "hypervolume": functools.partial(weighting.hypervolume, slack=slack),
    }
    return combine[gan.options.weighting](losses, kept=kept(gan, losses.shape[0]))


def kept(gan: keras.Model, number: int) -> tf.Tensor | None:
    """Draw which of the losses reach G in this iteration: bool [K] with at least one; None for all."""
    dropout = gan.options.feedback_dropout
    if not dropout:
        return None
    stays, one = tf.unstack(tf.random.stateless_uniform([2, number], gan.noise_seed(FEEDBACK), alg="philox"))
    return (stays >= dropout) | (
        tf.reduce_all(stays < dropout) & (tf.range(number) == tf.argmax(one, output_type="int32"))
    )


def look(gan: keras.Model, images: tf.Tensor, labels: tf.Tensor | None = None) -> Judged:
    """Judge generated images [pack * B, ...]; for "minimum_norm" with the gradient by what each discriminator sees."""
    if gan.options.weighting != "minimum_norm":
        return Judged(images, gan.judge(images, labels))
    labels = None if labels is None else gan.packed(labels)
    return gan.discriminator.look(gan.packed(images), watch=True, labels=labels)


def tape(gan: keras.Model, tape: tf.GradientTape, fake: Judged, losses: tf.Tensor) -> Any:
    """Return what `GAN.update` takes G's gradients from: the tape itself, or for "minimum_norm" a `MinimumNorm`."""
    if gan.options.weighting != "minimum_norm":
        return tape
    return MinimumNorm(gan, tape, fake, losses)


class MinimumNorm:
    """Gives the shortest vector of the convex hull of K gradients in place of the gradient of their mean.

    One pass goes backwards through all discriminators, each of which has a projection of its own, and K through the
    projections and G.

    Args:
        gan: with the options `weighting_unit`, `feedback_dropout`.
        tape: persistent, of G's step.
        fake: images, watched.
        losses: of G, [K].
    """

    def __init__(self, gan: keras.Model, tape: tf.GradientTape, fake: Judged, losses: tf.Tensor) -> None:
        self.gan, self.tape, self.fake, self.losses = gan, tape, fake, losses

    def gradient(self, objective: tf.Tensor, values: list, weight: tf.Tensor) -> list:
        """Return weight * sum_k w_k g_k for each of `values`; `objective` is not looked at."""
        number, fake = self.losses.shape[0], self.fake
        at_logits = self.tape.gradient(self.losses, fake.logits, tf.fill(self.losses.shape, weight))
        at_seen = fake.tape.gradient(fake.logits, fake.seen, at_logits)
        each = []
        for k in range(number):
            own = tf.reshape(tf.one_hot(k, number), [-1] + [1] * (at_seen.shape.rank - 1)) * at_seen
            each.append([replicas.mean(gradient) for gradient in self.tape.gradient(fake.seen, values, own)])
        stacked = [tf.stack(gradients) for gradients in zip(*each)]  # [K, ...] for each of the values
        flat = [tf.cast(tf.reshape(gradients, [number, -1]), tf.float64) for gradients in stacked]
        w = self.weights(tf.add_n([x @ tf.transpose(x) for x in flat]))  # float32 would not be positive semidefinite
        return [tf.tensordot(tf.cast(w, gradients.dtype), gradients, 1) for gradients in stacked]

    def weights(self, gram: tf.Tensor) -> tf.Tensor:
        """Return w [K] for the products of gradients g_i . g_j; with `weighting_unit`, for those of unit length."""
        if self.gan.options.weighting_unit:
            lengths = tf.sqrt(tf.maximum(tf.linalg.diag_part(gram), 1e-300))
            gram = gram / lengths[:, None] / lengths
        return weighting.minimum_norm(gram, kept(self.gan, gram.shape[0]))
