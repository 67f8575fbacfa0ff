"""The nets of DCGAN at any power-of-two size: Radford, Metz, Chintala, arXiv 1511.06434.

Layers as in github.com/AlexiaJM/RelativisticGAN, which at 64 pixels are those of the PyTorch example that most programs
follow. Convolutions have no bias. Knows no loss: the logits have no sigmoid.
"""

from typing import Literal

import keras
import tensorflow as tf

from rpgan_tf.config import Count, SizeFrom16
from rpgan_tf.errors import UserError
from rpgan_tf.nets import base
from rpgan_tf.nets.layers import BatchNormalization, Convolution, TransposedConvolution


class Generator(base.Net):
    """Map latents [B, zlen] to images [B, imsz, imsz, channels] in [-1, 1].

    Transposed convolutions double the size from 4x4 on and halve the channels down to `ngf`, each followed by batch
    normalization and ReLU; a last one makes the image.

    Args:
        zlen: length of the latent vector.
        ngf: channels before the image; ngf * imsz / 8 at 4x4.
        imsz: image size, a power of two >= 16.
        channels: of an image.
        init: initial weights of both nets. "dcgan": the paper's, N(0, 0.02) for kernels, N(1, 0.02) for the scales of
            batch normalization. "pytorch": PyTorch's default. "pytorch1.1": the same with scales U[0, 1), as up to that
            version. "zoo": as "dcgan", but PyTorch's default for transposed convolutions, which the name test of
            github.com/zh-hike/GANs misses.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    imsz: SizeFrom16 = 64
    zlen: Count = 100
    ngf: Count = 64
    init: Literal["dcgan", "pytorch", "pytorch1.1", "zoo"] = "dcgan"

    def __init__(self, zlen, ngf, imsz, channels=3, init="dcgan", seeds=None, **kwargs):
        super().__init__(**kwargs)
        check_size(imsz, 16)
        self.zlen = zlen
        std = 0.02 if init == "dcgan" else None
        self.convolutions, self.normalizations = [], []
        inputs, filters = zlen, ngf * imsz // 8
        for i in range(1, imsz.bit_length() - 2):
            stride, padding = (1, "VALID") if i == 1 else (2, "SAME")
            self.convolutions.append(
                TransposedConvolution(inputs, filters, 4, stride, padding, std=std, seeds=seeds, name=f"conv{i}")
            )
            self.normalizations.append(BatchNormalization(filters, gamma(init, seeds), name=f"norm{i}"))
            inputs, filters = filters, filters // 2
        self.last = TransposedConvolution(inputs, channels, 4, 2, "SAME", std=std, seeds=seeds, name="last")

    def call(self, z, training=False):
        x = z[:, None, None, :]
        for convolution, normalization in zip(self.convolutions, self.normalizations):
            x = tf.nn.relu(normalization(convolution(x), training=training))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class Discriminator(base.Discriminator):
    """Map images [B, imsz, imsz, channels] to logits [B], or [B, A].

    Convolutions halve the size down to 4x4 and double the channels from `ndf` on, each followed by LeakyReLU and, but
    for the first, a normalization before it; a last one makes the logits.

    Args:
        ndf: channels of the first layer.
        imsz: image size, a power of two >= 16.
        channels: of what is looked at.
        d_norm: "batch" as in the paper. "layer": of each image over its pixels and channels, for gradient penalties,
            which are of single images (Gulrajani et al., arXiv 1704.00028, section 4). "spectral": of all kernels, and
            none of activations. "none".
        init: as for the generator.
        num_outcomes: A, or None.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    ndf: Count = 64
    d_norm: Literal["batch", "layer", "none", "spectral"] = "batch"

    def __init__(self, ndf, imsz, channels=3, d_norm="batch", init="dcgan", num_outcomes=None, seeds=None, **kwargs):
        super().__init__(num_outcomes, **kwargs)
        check_size(imsz, 16)
        self.independent = d_norm in ("layer", "none")
        arguments = {"spectral": d_norm == "spectral", "std": std_of(init), "seeds": seeds}
        self.convolutions, self.normalizations = [], []
        inputs, filters = channels, ndf
        for i in range(1, imsz.bit_length() - 2):
            self.convolutions.append(Convolution(inputs, filters, 4, 2, "SAME", name=f"conv{i}", **arguments))
            if i > 1 and d_norm == "batch":
                self.normalizations.append(BatchNormalization(filters, gamma(init, seeds), name=f"norm{i}"))
            elif i > 1 and d_norm == "layer":
                self.normalizations.append(keras.layers.GroupNormalization(1, epsilon=1e-5, name=f"norm{i}"))
                self.normalizations[-1].build((None, None, None, filters))
            inputs, filters = filters, 2 * filters
        self.last = Convolution(inputs, num_outcomes or 1, 4, name="last", **arguments)

    def judge(self, seen, training=False):
        x = seen
        for i, convolution in enumerate(self.convolutions):
            x = convolution(x, training=training)
            if i > 0 and self.normalizations:
                x = self.normalizations[i - 1](x, training=training)
            x = tf.nn.leaky_relu(x, 0.2)
        return self.flat(self.last(x, training=training))


def check_size(imsz, smallest):
    """Raise a `UserError` unless nets that halve an image down to 4x4 can be built."""
    if imsz < smallest or imsz & (imsz - 1):
        raise UserError(
            f"imsz = {imsz} does not fit this net: expected a power of two >= {smallest}; change imsz or net"
        )


def std_of(init):
    """Return the standard deviation of the initial kernels of convolutions, None for PyTorch's default."""
    return 0.02 if init in ("dcgan", "zoo") else None


def gamma(init, seeds):
    """Return the initializer of the scales of batch normalization."""
    if init == "pytorch":
        return "ones"
    if init == "pytorch1.1":
        return keras.initializers.RandomUniform(0.0, 1.0, seed=seeds)
    return keras.initializers.RandomNormal(1.0, 0.02, seed=seeds)


def build_generator(options, seeds=None):
    """Build the generator that `options` describe."""
    return Generator(options.zlen, options.ngf, options.imsz, options.channels, options.init, seeds, name="generator")


def build_discriminator(options, projections=None, seeds=None):
    """Build the discriminator that `options` describe; this net takes no projections."""
    return Discriminator(
        options.ndf,
        options.imsz,
        options.pack * options.channels,
        options.d_norm,
        options.init,
        options.num_outcomes,
        seeds,
        name="discriminator",
    )
