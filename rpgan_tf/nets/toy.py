"""The nets for points: an MLP, and maxout discriminators, K of which are computed as one.

As in RealnessGAN's toy experiment (arXiv 2002.05512; github.com/kam1107/RealnessGAN), which has the layers of ALI's and
PacGAN's. Knows no loss.
"""

import types
from typing import Any

import keras
import tensorflow as tf

from rpgan_tf.config import Count, Fixed
from rpgan_tf.nets import banks, base
from rpgan_tf.nets.base import Seeds
from rpgan_tf.nets.dcgan import gamma
from rpgan_tf.nets.layers import BatchNormalization, Dense
from rpgan_tf.projections import Projections

POOL = 5  # units in a group of maxout


class Generator(base.Net):
    """Map latents [B, zlen] to points [B, dims]: four times dense, batch normalization and ReLU; then dense.

    Initial weights are PyTorch's default, except N(1, 0.02) for the scales of batch normalization.

    Args:
        zlen: length of the latent vector.
        g_width: width of the layers.
        dims: coordinates of a point.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    zlen: Count = 128
    g_width: Count = 400
    points: Fixed[bool] = True

    def __init__(self, zlen: int, g_width: int, dims: int, seeds: Seeds = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.zlen = zlen
        arguments: dict[str, Any] = {"bias": True, "seeds": seeds}
        self.denses, self.normalizations = [], []
        for i in range(1, 5):
            self.denses.append(Dense(zlen if i == 1 else g_width, g_width, name=f"dense{i}", **arguments))
            self.normalizations.append(BatchNormalization(g_width, gamma("dcgan", seeds), name=f"norm{i}"))
        self.last = Dense(g_width, dims, name="last", **arguments)

    def call(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        x = z
        for dense, normalization in zip(self.denses, self.normalizations):
            x = tf.nn.relu(normalization(dense(x), training=training))
        return tf.cast(self.last(x), tf.float32)


class Discriminator(banks.Bank):
    """Map points [B, dims] to logits [B], or [B, A]; with K projections, to [K, B] or [K, B, A].

    Three layers of maxout in groups of five, then dense. The projection of a point is its product with a matrix
    [dims, numf]; packed points are projected one by one.

    Args:
        d_width: width of the layers.
        dims: coordinates of an input, pack * those of a point.
        projections: `rpgan_tf.projections.Projections` with kernels [K, 1, 1, dims, numf], or None.
        num_outcomes: A, or None.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    d_width: Count = 200
    independent = True
    jit_compile = True  # many small operations: about half the time per iteration on a CPU

    def __init__(
        self,
        d_width: int,
        dims: int,
        projections: Projections | None = None,
        num_outcomes: int | None = None,
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(num_outcomes, **kwargs)
        self.projections, self.limits = projections, []
        self.hold_filters()
        self.matrices, num_discriminators, inputs = None, 1, dims
        self.feature_axes = (1,)
        if projections is not None:
            self.matrices = tf.constant(projections.kernels[:, 0, 0])  # [K, dims, numf]
            num_discriminators, single, inputs = self.matrices.shape
            inputs *= dims // single
            self.feature_axes = (2,)
        self.maxouts = []
        for i in range(1, 4):
            self.maxouts.append(Bank(num_discriminators, inputs, POOL * d_width, seeds, name=f"maxout{i}"))
            self.limits += 2 * [inputs**-0.5]
            inputs = d_width
        self.limits += 2 * [inputs**-0.5]
        self.last = Bank(num_discriminators, inputs, num_outcomes or 1, seeds, name="last")

    def project(self, images: tf.Tensor) -> tf.Tensor:
        if self.matrices is None:
            return images
        num_discriminators, dims, _ = self.matrices.shape
        points = tf.reshape(images, [1, -1, dims])  # [1, B * pack, dims]
        return tf.reshape(tf.matmul(points, self.own_matrices()), [num_discriminators, tf.shape(images)[0], -1])

    def own_matrices(self) -> tf.Tensor:
        """Return the projections of now, [K, dims, numf]."""
        return self.each_filter()[:, 0, 0] if self.projections and self.projections.moving else self.matrices

    def pull_back(self, gradients: tf.Tensor) -> tf.Tensor:
        if self.matrices is None:
            return gradients
        num_discriminators, dims, numf = self.matrices.shape
        points = tf.matmul(tf.reshape(gradients, [num_discriminators, -1, numf]), self.own_matrices(), transpose_b=True)
        return tf.reshape(points, [num_discriminators, tf.shape(gradients)[1], gradients.shape[2] // numf * dims])

    def judge(self, seen: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        x = seen[None] if self.matrices is None else seen
        for maxout in self.maxouts:
            x = maxout(x)
            x = tf.reduce_max(tf.reshape(x, [x.shape[0], -1, x.shape[2] // POOL, POOL]), axis=-1)
        x = tf.cast(self.last(x), tf.float32)
        x = x if self.num_outcomes else x[..., 0]
        return x[0] if self.matrices is None else x


class Bank(keras.layers.Layer):
    """K dense layers: [K, B, in] -> [K, B, units], with PyTorch's default initial weights.

    Args:
        num: K.
        inputs: length of the last axis.
        units: outputs of each.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    product_type = "float32"

    def __init__(self, num: int, inputs: int, units: int, seeds: Seeds = None, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        uniform = keras.initializers.RandomUniform(-(inputs**-0.5), inputs**-0.5, seed=seeds)
        self.kernel = self.add_weight((num, inputs, units), uniform, name="kernel")
        self.bias = self.add_weight((num, units), uniform, name="bias")
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x, kernel, bias = (tf.cast(each, self.product_type) for each in (x, self.kernel, self.bias))
        return tf.matmul(x, kernel) + bias[:, None]


def build_generator(options: types.SimpleNamespace, seeds: Seeds = None) -> Generator:
    """Build the generator of an experiment; points have `channels` coordinates."""
    return Generator(options.zlen, options.g_width, options.channels, seeds, name="generator")


def build_discriminator(
    options: types.SimpleNamespace, projections: Projections | None = None, seeds: Seeds = None
) -> Discriminator:
    """Build the discriminator of an experiment, or with projections the bank of K."""
    return Discriminator(
        options.d_width,
        options.pack * options.channels,
        projections,
        num_outcomes=options.num_outcomes,
        seeds=seeds,
        name="discriminator",
    )
