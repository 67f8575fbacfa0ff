"""RP-GAN's gradients in float64, by plain convolutions, and those of the library with the sides of its activations.

The slope of ReLU and leaky ReLU jumps at 0, so an activation within rounding of 0 changes a gradient by far more than
rounding. With the sides of a computation in float32, float64 must give its gradients up to rounding.
"""

import contextlib
import unittest.mock
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from rpgan_tf.gan import GAN
from rpgan_tf.nets import layers, rpgan
from rpgan_tf.randomness import D_STEP, G_STEP


class Gradients(NamedTuple):
    """Gradients of the first steps of G and D, both from the initial weights.

    Attributes:
        of_g, of_d: arrays in the order of the trainable weights.
        sides: bool, whether activations are above 0. G's [B, H, W, C] and D's [K, C, H, W, B] of each layer in G's
            step, then D's in its own, of real and generated images.
    """

    of_g: list[np.ndarray]
    of_d: list[np.ndarray]
    sides: list[np.ndarray]


def in_float32(gan: GAN, real: tf.Tensor) -> Gradients:
    """Return what the library computes, as a graph, for real images [B, H, W, C]."""

    @tf.function(autograph=False)
    def compute() -> tuple:
        generator, discriminator = gan.generator, gan.discriminator
        fake = generator(gan.latents(len(real), D_STEP), training=True)
        with recording() as sides:
            with tf.GradientTape() as tape:
                logits = discriminator(generator(gan.latents(len(real), G_STEP), training=True))
                loss = tf.reduce_mean(gan.g_loss(None, logits))
            of_g = tape.gradient(loss, [weight.value for weight in generator.trainable_variables])
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(gan.d_loss(*(each.logits for each in discriminator.look_at_both(real, fake))))
            of_d = tape.gradient(loss, [weight.value for weight in discriminator.trainable_variables])
        return of_g, of_d, sides

    return Gradients(*tf.nest.map_structure(lambda tensor: tensor.numpy(), compute()))


@contextlib.contextmanager
def recording() -> Iterator[list[tf.Tensor]]:
    """Record whether activations of the library's nets are above 0."""
    sides: list[tf.Tensor] = []
    relu, columns = tf.nn.relu, rpgan.columns

    def recorded_relu(x: tf.Tensor) -> tf.Tensor:
        sides.append(x > 0)
        return relu(x)

    def recorded_columns(x: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
        if bias is not None:
            sides.append(x + bias[:, :, None, None, None] > 0)
        return columns(x, bias)

    with (
        unittest.mock.patch.object(tf.nn, "relu", recorded_relu),
        unittest.mock.patch.object(rpgan, "columns", recorded_columns),
    ):
        yield sides


def in_float64(gan: GAN, real: tf.Tensor, sides: list[np.ndarray] | None = None) -> Gradients:
    """Return what plain convolutions compute in float64; activations have the slopes of `sides`, or their own."""
    nets = _Float64(gan, sides)
    batch_size = len(real)
    with tf.GradientTape() as tape:
        tape.watch(nets.weights)
        loss = tf.reduce_mean(gan.g_loss(None, nets.judge(nets.generate(gan.latents(batch_size, G_STEP)))))
    of_g = tape.gradient(loss, [nets.weights[weight.path] for weight in gan.generator.trainable_variables])
    fake = _Float64(gan).generate(gan.latents(batch_size, D_STEP))
    with tf.GradientTape() as tape:
        tape.watch(nets.weights)
        logits = nets.judge(tf.concat([_double(real), fake], axis=0))
        loss = tf.reduce_sum(gan.d_loss(*tf.split(logits, 2, axis=-1)))
    of_d = tape.gradient(loss, [nets.weights[weight.path] for weight in gan.discriminator.trainable_variables])
    return Gradients(*tf.nest.map_structure(lambda tensor: tensor.numpy(), (of_g, of_d, nets.sides)))


class _Float64:
    """The nets of a GAN in float64.

    Attributes:
        weights: {path: float64 tensor}, in the library's layout.
        sides: of all activations so far, as in `Gradients`.
    """

    def __init__(self, gan: GAN, given: list[np.ndarray] | None = None) -> None:
        self.generator, self.discriminator = gan.generator, gan.discriminator
        variables = gan.generator.trainable_variables + gan.discriminator.trainable_variables
        self.weights = {variable.path: _double(variable) for variable in variables}
        self.given = given and iter(given)
        self.sides: list[tf.Tensor] = []

    def activate(self, x: tf.Tensor, slope: float) -> tf.Tensor:
        """Return x, times `slope` where it is below 0, or on that side by the sides that are given."""
        self.sides.append(x > 0)
        above = next(self.given) if self.given else self.sides[-1]
        return x * tf.where(above, tf.constant(1.0, x.dtype), tf.constant(slope, x.dtype))

    def generate(self, z: tf.Tensor) -> tf.Tensor:
        """Return images [B, H, W, C] of latents [B, zlen]."""
        net = self.generator
        kernels, biases = ([self.weights[each.path] for each in part] for part in (net.kernels, net.biases))
        x = tf.reshape(_double(z) @ kernels[0][0, 0], [len(z), net.first_size, net.first_size, -1])
        for kernel, bias in zip(kernels[1:], biases):
            mean, variance = layers.moments(x, [0, 1, 2])
            x = self.activate((x - mean) / tf.sqrt(variance + rpgan.EPSILON) + bias, 0.0)
            x = tf.nn.conv2d_transpose(x, kernel, [len(z), 2 * x.shape[1], 2 * x.shape[2], kernel.shape[2]], 2)
        return tf.tanh(x + biases[-1])

    def judge(self, images: tf.Tensor) -> tf.Tensor:
        """Return logits [K, B] of images [B, H, W, C]."""
        net = self.discriminator
        images = _pad(images, net.projections.padding)
        xs = [tf.nn.conv2d(images, _double(each), net.projections.stride, "VALID") for each in net.projections.kernels]
        for kernels, biases in zip(net.kernels, net.biases):
            if kernels is not net.kernels[0]:
                xs = [_swap(x) for x in tf.unstack(self.activate(tf.stack([_swap(x) for x in xs]), 0.2))]
            size = 4 if xs[0].shape[1] > 2 else 2
            shape = [size, size, xs[0].shape[3], kernels.shape[2]]
            xs = [
                tf.nn.conv2d(_pad(x, size // 2 - 1), tf.reshape(kernel, shape), 2, "VALID") + bias
                for x, kernel, bias in zip(xs, *(self.weights[each.path] for each in (kernels, biases)))
            ]
        return tf.stack([x[:, 0, 0, 0] for x in xs])


def _double(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(x), tf.float64)


def _pad(images: tf.Tensor, padding: int) -> tf.Tensor:
    return tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])


def _swap(x: tf.Tensor) -> tf.Tensor:
    """Return [B, H, W, C] as [C, H, W, B], or the other way round."""
    return tf.transpose(x, [3, 1, 2, 0])


def difference(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Return the largest difference of an entry, relative to the largest entry of its weight's gradient."""
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in zip(one, other))
