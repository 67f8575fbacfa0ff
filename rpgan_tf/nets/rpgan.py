"""The nets of RP-GAN: a DCGAN-like generator, and K discriminators computed as one.

Neyshabur, Bhojanapalli, Chakrabarti, "Stabilizing GAN Training with Multiple Random Projections", arXiv 1705.07831,
section 3; paddings and initializers are those of the authors' program (github.com/ayanc/rpgan). Knows no loss.
"""

import math
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from rpgan_tf.config import Count
from rpgan_tf.devices import replicas, strategies
from rpgan_tf.nets import base, chunks
from rpgan_tf.projections import check_chunk, check_division

EPSILON = 1e-3  # of batch normalization


def uniform(fan_in, seeds):
    """Return the initializer U[-a, a] with a = sqrt(3 / fan_in): unit variance in, unit variance out."""
    limit = math.sqrt(3 / fan_in)
    return keras.initializers.RandomUniform(-limit, limit, seed=seeds)


class Generator(base.Net):
    """Map latents [B, zlen] to images [B, imsz, imsz, channels] in [-1, 1].

    Batch normalization takes the moments of the current batch, in training and after it: the net keeps no running
    averages. To generate images one by one, or a few, pass the `statistics` that `fixbn` stored.

    Args:
        ksz: kernel size of the transposed convolutions (stride 2).
        zlen: length of the latent vector.
        f1: channels of the first layer, at ksz - ksz % 2 pixels; every further layer has half of them.
        imsz: image size.
        channels: of an image.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    ksz: Count = 4
    zlen: Count = 100
    f1: Count = 1024

    rules = [
        (
            "ksz > 1 and imsz % (ksz - ksz % 2) == 0 and 2 <= imsz // (ksz - ksz % 2) <= 2 * f1",
            "ksz = {ksz}, imsz = {imsz}, f1 = {f1} do not fit: expected imsz = (ksz - ksz % 2) * 2^n with n >= 1 and "
            "f1 >= 2^(n-1), since each layer doubles the size and halves the channels; change one of them",
        ),
    ]

    def __init__(self, ksz, zlen, f1, imsz, channels=3, seeds=None, **kwargs):
        super().__init__(**kwargs)
        self.ksz, self.zlen, self.f1, self.imsz, self.channels = ksz, zlen, f1, imsz, channels
        self.first_size = ksz - ksz % 2
        num_doublings = math.log2(imsz / self.first_size)
        # As in the original: kernels [1, 1, zlen, f1 * size^2] and [ksz, ksz, f_out, f_in], a bias for each layer.
        self.kernels, self.biases = [], []
        for layer in range(1, int(num_doublings) + 2):
            if layer == 1:
                filters = f1
                shape, fan_in = (1, 1, zlen, f1 * self.first_size**2), zlen
            else:
                last = layer == num_doublings + 1
                previous, filters = filters, channels if last else filters // 2
                shape, fan_in = (ksz, ksz, filters, previous), ksz * ksz * previous
            self.kernels.append(self.add_weight(shape, uniform(fan_in, seeds), name=f"c{layer}_w"))
            self.biases.append(self.add_weight((filters,), "zeros", name=f"c{layer}_b"))

    def call(self, z, statistics=None, training=False):
        """Generate images.

        Args:
            z: float32 [B, zlen].
            statistics: list with (mean [C], variance [C]) for each batch normalization, or None for the batch's own.
            training: makes no difference.
        """
        x = self.convolve(0, z)
        for layer in range(len(self.kernels) - 1):
            x = tf.cast(x, tf.float32)
            moments = statistics[layer] if statistics else replicas.moments(x, [0, 1, 2], self.synchronized)
            x = self.normalize(layer, x, moments)
            x = self.convolve(layer + 1, x)
        return tf.tanh(tf.cast(x, tf.float32) + self.biases[-1])

    def convolve(self, layer, x):
        """Return the linear part of a layer, without its bias."""
        x, kernel = (tf.cast(each, self.product_type) for each in (x, self.kernels[layer]))
        if layer == 0:
            x = tf.matmul(x, kernel[0, 0])
            return tf.reshape(x, [-1, self.first_size, self.first_size, self.biases[0].shape[0]])
        shape = [tf.shape(x)[0], 2 * x.shape[1], 2 * x.shape[2], self.biases[layer].shape[0]]
        return tf.nn.conv2d_transpose(x, kernel, shape, strides=2, padding="SAME")

    def normalize(self, layer, x, moments):
        """Return relu(batch normalization of x): no scale, and the layer's bias is the shift."""
        mean, variance = moments
        return tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, self.biases[layer], None, EPSILON))

    def batch_statistics(self, z, chunk):
        """Compute the moments that every batch normalization has when all latents are one batch.

        Goes over the latents layer by layer, `chunk` at a time, so memory does not grow with their number.

        Args:
            z: float32 array [N, zlen].
            chunk: latents in memory at once.

        Returns:
            list with (mean [C], variance [C]) for each batch normalization, the variance biased.
        """
        statistics = []
        chunks = [z[i : i + chunk] for i in range(0, len(z), chunk)]
        for _ in self.kernels[:-1]:
            moments = strategies.each(lambda part: self._next_moments(part, statistics), chunks)
            means, variances = (np.array(parts, np.float64) for parts in zip(*moments))
            weights = [len(part) for part in chunks]
            mean = np.average(means, axis=0, weights=weights)
            variance = np.average(variances + (means - mean) ** 2, axis=0, weights=weights)
            statistics.append((np.float32(mean), np.float32(variance)))
        return statistics

    def _next_moments(self, z, statistics):
        """Return the moments in the first layer for which there are no statistics yet."""
        x = self.convolve(0, z)
        for layer, moments in enumerate(statistics):
            x = self.convolve(layer + 1, self.normalize(layer, x, moments))
        return tf.nn.moments(x, [0, 1, 2])

    def get_config(self):
        return super().get_config() | {name: getattr(self, name) for name in ("ksz", "zlen", "f1", "imsz", "channels")}


class Discriminator(base.Discriminator):
    """K discriminators, each on its own fixed random projection of the image; or one on the image itself.

    Maps images [B, imsz, imsz, channels] to logits [K, B], or [B] without projections; with A outcomes, to [K, B, A] or
    [B, A]. Each discriminator halves its input with 4x4 convolutions of stride 2 down to 2x2, and ends in a 2x2
    convolution to its logits. Where several images are stacked, it sees the projection of each, stacked.

    All K are one computation: activations lie as [K, C, H, W, B], the stacked kernels as [K, kernel * kernel * C, F],
    and a convolution is a product of K matrices with the unfolded input. With the batch innermost, unfolding copies
    long runs. XLA fuses the activation with it, while the products go to the platform's matrix library, which is
    faster than XLA's on CPUs (benchmarks/train_step.py).

    Args:
        df: channels of the first layer; every further layer has twice as many.
        imsz: image size.
        projections: `rpgan_tf.projections.Projections`, or None for one discriminator on the image.
        channels: of an image.
        pack: images stacked on the channels of what is looked at.
        num_outcomes: A, or None.
        divided: whether each replica of the strategy has K / replicas of them; they are called there alone.
        chunk: how many of the K are computed at a time, and once more for their gradients; None: all, and once.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    df: Count = 64
    filts: str | None = None
    divide: Literal["batch", "discriminators"] = "batch"  # among several devices
    chunk: Count | None = None  # discriminators whose activations are in memory at a time

    rules = [
        (
            "divide == 'batch' or filts",
            "divide = 'discriminators' is for those of filts, received filts = None; take divide = 'batch'",
        ),
    ]
    independent = True

    def __init__(
        self,
        df,
        imsz,
        projections=None,
        channels=3,
        pack=1,
        num_outcomes=None,
        divided=False,
        chunk=None,
        seeds=None,
        **kwargs,
    ):
        super().__init__(num_outcomes, **kwargs)
        self.df, self.projections, self.pack, self.divided, self.chunk = df, projections, pack, divided, chunk
        num_discriminators, size, inputs = 1, imsz, pack * channels
        if projections is not None:
            num_discriminators, k, _, _, num_filters = projections.kernels.shape
            size, inputs = imsz // projections.stride, pack * num_filters
            # One convolution computes all projections: [k, k, channels, K * numf].
            self.filters = tf.constant(
                projections.kernels.transpose(1, 2, 3, 0, 4).reshape(k, k, channels, num_discriminators * num_filters)
            )
        check_chunk(chunk, num_discriminators // (strategies.count() if divided else 1))
        self.kernels, self.biases = [], []
        for layer in range(int(math.log2(size))):
            last = layer == math.log2(size) - 1
            kernel_size, filters = (2, num_outcomes or 1) if last else (4, df << layer)
            fan_in = kernel_size**2 * inputs
            shape = (num_discriminators, fan_in, filters)
            self.kernels.append(self.add(shape, uniform(fan_in, seeds), f"c{layer}_w"))
            self.biases.append(self.add((num_discriminators, filters), keras.initializers.Zeros(), f"c{layer}_b"))
            inputs = filters

    def add(self, shape, initializer, name):
        """Add a weight [K, ...]."""
        if not self.divided:
            return self.add_weight(shape, initializer, name=name)
        weight = self.add_weight((shape[0] // strategies.count(), *shape[1:]), "zeros", name=name)
        replicas.divide(weight)
        replicas.put([weight], [initializer(shape)])
        return weight

    def project(self, images):
        """Return what the discriminators see: [B, H, W, pack * C] -> [K, pack * numf, H / stride, W / stride, B].

        Without projections it is [1, pack * C, H, W, B].
        """
        if self.projections is None:
            return tf.transpose(images, [3, 1, 2, 0])[None]
        padding, stride = self.projections.padding, self.projections.stride
        num_projections, num_filters = self.kernels[0].shape[0], self.projections.kernels.shape[-1]
        filters = self.filters
        if self.divided:
            filters = tf.transpose(replicas.own_part(tf.transpose(filters, [3, 0, 1, 2])), [1, 2, 3, 0])
        batch_size = tf.shape(images)[0]
        images = tf.concat(tf.split(images, self.pack, axis=-1), axis=0) if self.pack > 1 else images
        images = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
        x = tf.transpose(tf.nn.conv2d(images, filters, stride, "VALID"), [3, 1, 2, 0])
        size = x.shape[1]
        if self.pack > 1:
            x = tf.reshape(x, [num_projections, num_filters, size, size, self.pack, batch_size])
            x = tf.transpose(x, [0, 4, 1, 2, 3, 5])
        return tf.reshape(x, [num_projections, self.pack * num_filters, size, size, batch_size])

    def judge(self, seen, training=False):
        weights = [tf.convert_to_tensor(weight) for weight in (*self.kernels, *self.biases)]
        if self.chunk:
            blank = tf.zeros([self.kernels[0].shape[0], self.num_outcomes or 1, tf.shape(seen)[-1]])
            logits = chunks.compute(self.convolve, self.chunk, blank, seen, weights)
        else:
            logits = self.convolve(seen, weights)
        logits = tf.transpose(logits, [0, 2, 1]) if self.num_outcomes else logits[:, 0]
        return logits[0] if self.projections is None else logits

    def convolve(self, seen, weights):
        """Return logits [K, A or 1, B] of what discriminators with these kernels, then biases, see."""
        x, bias, num_layers = tf.cast(seen, self.product_type), None, len(self.kernels)
        for kernels, biases in zip(weights[:num_layers], weights[num_layers:]):
            size = x.shape[2] // 2
            x = tf.matmul(tf.cast(kernels, self.product_type), columns(x, bias), transpose_a=True)
            x = tf.reshape(x, [kernels.shape[0], -1, size, size, tf.shape(seen)[-1]])
            bias = biases
        return tf.cast(x[:, :, 0, 0], tf.float32) + bias[:, :, None]

    def get_arrays(self):
        """Return {name in the original's file: float32 array}, a kernel [k, k, C, F] for each discriminator."""
        arrays = {}
        for layer, (kernels, biases) in enumerate(zip(replicas.get(self.kernels), replicas.get(self.biases))):
            size, shape = self._kernel_size(layer), kernels.shape
            kernels = kernels.reshape(shape[0], size, size, shape[1] // size**2, shape[2])
            for i, (kernel, bias) in enumerate(zip(kernels, biases)):
                arrays[self._name(i, layer) + "_w"], arrays[self._name(i, layer) + "_b"] = kernel, bias
        return arrays

    def set_arrays(self, arrays):
        """Assign what `get_arrays` returned, or a file of the original held."""
        number = 1 if self.projections is None else len(self.projections.kernels)
        for layer, (kernels, biases) in enumerate(zip(self.kernels, self.biases)):
            names = [self._name(i, layer) for i in range(number)]
            values = [[arrays[name + "_w"].reshape(kernels.shape[1:]) for name in names]]
            replicas.put([kernels, biases], values + [[arrays[name + "_b"] for name in names]])

    def _kernel_size(self, layer):
        return 2 if layer == len(self.kernels) - 1 else 4

    def _name(self, i, layer):
        return f"c{layer}" if self.projections is None else f"c{i}_{layer}"


@tf.function(jit_compile=True, autograph=False)
def columns(x, bias):
    """Return what a layer's kernels are multiplied with: leaky_relu(x + bias), unfolded for its convolution.

    That is 4x4 of stride 2 on x zero-padded by 1, or 2x2 if x has only 2x2 pixels. Half precision is that of x and of
    what is returned; between, and where gradients are added, it is float32, which is also faster on CPUs.

    Args:
        x: [K, C, H, W, B].
        bias: float32 [K, C] of the layer before; None before the first layer, where nothing is to be done to x.

    Returns:
        [K, kernel * kernel * C, H/2 * W/2 * B]: column (h, w, b) is the patch under output pixel (h, w) of
        image b, its rows in the order (kernel row, kernel column, channel).
    """
    product_type, x = x.dtype, tf.cast(x, tf.float32)
    if bias is not None:
        x = tf.nn.leaky_relu(x + bias[:, :, None, None, None], 0.2)
    num, channels, height, width = x.shape[:4]
    if height == 2:
        return tf.cast(tf.reshape(tf.transpose(x, [0, 2, 3, 1, 4]), [num, 4 * channels, -1]), product_type)
    height, width = height // 2, width // 2
    x = tf.pad(x, [[0, 0], [0, 0], [1, 1], [1, 1], [0, 0]])
    # Split rows and columns into even and odd: a patch is then 2x2 neighbours, each with its four phases.
    x = tf.reshape(x, [num, channels, height + 1, 2, width + 1, 2, -1])
    x = tf.transpose(x, [0, 3, 5, 1, 2, 4, 6])
    rows = [
        tf.stack([x[..., i : i + height, j : j + width, :] for j in range(2)], axis=2)  # [K, di, j, dj, C, h, w, B]
        for i in range(2)
    ]
    return tf.cast(tf.reshape(tf.stack(rows, axis=1), [num, 16 * channels, -1]), product_type)


def build_generator(options, seeds=None):
    """Build the generator that `options` describe."""
    return Generator(options.ksz, options.zlen, options.f1, options.imsz, options.channels, seeds, name="generator")


def build_discriminator(options, projections=None, seeds=None):
    """Build the discriminator, or the bank of K, that `options` and `projections` describe.

    Raises:
        UserError: the discriminators cannot be divided among the devices.
    """
    divided = strategies.divide_discriminators(options)
    if divided:
        check_division(len(projections.kernels), strategies.count())
    return Discriminator(
        options.df,
        options.imsz,
        projections,
        options.channels,
        options.pack,
        options.num_outcomes,
        divided,
        options.chunk,
        seeds,
        name="discriminator",
    )
