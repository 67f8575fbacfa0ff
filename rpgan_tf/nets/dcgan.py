"""The nets of DCGAN at any power-of-two size: Radford, Metz, Chintala, arXiv 1511.06434.

Layers as in github.com/AlexiaJM/RelativisticGAN; at 64 pixels they are those of the PyTorch example that most programs
follow. Convolutions have no bias. Knows no loss: the logits have no sigmoid.
"""

import types
from typing import Any, Literal

import keras
import tensorflow as tf

from rpgan_tf.config import Count, SizeFrom16, Whole
from rpgan_tf.errors import UserError
from rpgan_tf.nets import base
from rpgan_tf.nets.base import Seeds
from rpgan_tf.nets.layers import (
    BatchNormalization,
    Convolution,
    LayerNormalization,
    TransposedConvolution,
    judge_classes,
)
from rpgan_tf.projections import Projections


class Generator(base.Net):
    """Map latents [B, zlen], and labels [B, num_classes] if any, to images [B, imsz, imsz, channels] in [-1, 1].

    Transposed convolutions double the size from 4x4 on and halve the channels down to `ngf`, each followed by batch
    normalization and ReLU; a last one makes the image. With labels, batch normalization is conditional.

    Args:
        zlen: length of the latent vector.
        ngf: channels before the image; ngf * imsz / 8 at 4x4.
        imsz: image size, a power of two >= 16.
        channels: of an image.
        init: initial weights of both nets. "dcgan": the paper's, N(0, 0.02) for kernels and N(1, 0.02) for the scales
            of batch normalization. "pytorch": PyTorch's default. "pytorch1.1": the same with scales U[0, 1), PyTorch's
            default up to that version. "zoo": as "dcgan", but with PyTorch's default for transposed convolutions,
            which the name test of github.com/zh-hike/GANs misses.
        seeds: `keras.random.SeedGenerator` of the initial weights.
        num_classes: length of a label, 0 without labels.
    """

    imsz: SizeFrom16 = 64
    zlen: Count = 100
    ngf: Count = 64
    init: Literal["dcgan", "pytorch", "pytorch1.1", "zoo"] = "dcgan"
    num_classes: Whole = 0  # length of a label; 0: no labels

    needs = ["rpgan_tf.config.checks:check_classes"]

    def __init__(
        self,
        zlen: int,
        ngf: int,
        imsz: int,
        channels: int = 3,
        init: str = "dcgan",
        seeds: Seeds = None,
        num_classes: int = 0,
        **kwargs,
    ) -> None:
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
            self.normalizations.append(BatchNormalization(filters, gamma(init, seeds), num_classes, name=f"norm{i}"))
            inputs, filters = filters, filters // 2
        self.last = TransposedConvolution(inputs, channels, 4, 2, "SAME", std=std, seeds=seeds, name="last")

    def call(self, z: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        x = z[:, None, None, :]
        for convolution, normalization in zip(self.convolutions, self.normalizations):
            x = tf.nn.relu(normalization(convolution(x), labels, training=training))
        return tf.tanh(tf.cast(self.last(x), tf.float32))


class Discriminator(base.Discriminator):
    """Map images [B, imsz, imsz, channels], and labels [B, num_classes] if there are any, to logits [B], or [B, A].

    Convolutions halve the size down to 4x4 and double the channels from `ndf` on, each followed by a normalization
    (except the first) and LeakyReLU; a last one makes the logits. With labels it is a projection discriminator, whose
    phi is the input of that last convolution, at 4x4: the paper's has the sum over pixels in front of both terms.

    Args:
        ndf: channels of the first layer.
        imsz: image size, a power of two >= 16.
        channels: of an input, pack * those of an image.
        d_norm: "batch" as in the paper; "layer", each image over its pixels and channels, for gradient penalties, which
            belong to single images (Gulrajani et al., arXiv 1704.00028, section 4); "spectral", all kernels and no
            activations; or "none".
        init: as for the generator.
        num_outcomes: A, or None.
        seeds: `keras.random.SeedGenerator` of the initial weights.
        num_classes: length of a label, 0 without labels.
    """

    ndf: Count = 64
    d_norm: Literal["batch", "layer", "none", "spectral"] = "batch"

    def __init__(
        self,
        ndf: int,
        imsz: int,
        channels: int = 3,
        d_norm: str = "batch",
        init: str = "dcgan",
        num_outcomes: int | None = None,
        seeds: Seeds = None,
        num_classes: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(num_outcomes, **kwargs)
        check_size(imsz, 16)
        self.independent = d_norm in ("layer", "none")
        arguments: dict[str, Any] = {"spectral": d_norm == "spectral", "std": std_of(init), "seeds": seeds}
        self.convolutions, self.normalizations = [], []
        inputs, filters = channels, ndf
        for i in range(1, imsz.bit_length() - 2):
            self.convolutions.append(Convolution(inputs, filters, 4, 2, "SAME", name=f"conv{i}", **arguments))
            if i > 1 and d_norm == "batch":
                self.normalizations.append(BatchNormalization(filters, gamma(init, seeds), name=f"norm{i}"))
            elif i > 1 and d_norm == "layer":
                self.normalizations.append(LayerNormalization(filters, name=f"norm{i}"))
            inputs, filters = filters, 2 * filters
        units = num_outcomes or 1
        self.last = Convolution(inputs, units, 4, name="last", **arguments)
        self.classes = Convolution(inputs, num_classes * units, 4, name="classes", **arguments) if num_classes else None

    def judge(self, seen: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        x = seen
        for i, convolution in enumerate(self.convolutions):
            x = convolution(x, training=training)
            if i > 0 and self.normalizations:
                x = self.normalizations[i - 1](x, training=training)
            x = tf.nn.leaky_relu(x, 0.2)
        return self.flat(judge_classes(self.last, self.classes, x, labels, training))


def check_size(imsz: int, smallest: int) -> None:
    """Raise a `UserError` unless halving leads from `imsz` to 4x4, and `imsz` is at least `smallest`."""
    if imsz < smallest or imsz & (imsz - 1):
        raise UserError(
            f"imsz = {imsz} does not fit this net: expected a power of two >= {smallest}; change imsz or net"
        )


def std_of(init: str) -> float | None:
    """Return the standard deviation of initial kernels of convolutions, None for PyTorch's default."""
    return 0.02 if init in ("dcgan", "zoo") else None


def gamma(init: str, seeds: Seeds) -> str | keras.initializers.Initializer:
    """Return the initializer of the scales of batch normalization."""
    if init == "pytorch":
        return "ones"
    if init == "pytorch1.1":
        return keras.initializers.RandomUniform(0.0, 1.0, seed=seeds)
    return keras.initializers.RandomNormal(1.0, 0.02, seed=seeds)


def build_generator(options: types.SimpleNamespace, seeds: Seeds = None) -> Generator:
    """Build the generator of an experiment."""
    sizes = options.zlen, options.ngf, options.imsz, options.channels
    return Generator(*sizes, options.init, seeds, options.num_classes, name="generator")


def build_discriminator(
    options: types.SimpleNamespace, projections: Projections | None = None, seeds: Seeds = None
) -> Discriminator:
    """Build the discriminator of an experiment; this net takes no projections."""
    return Discriminator(
        options.ndf,
        options.imsz,
        options.pack * options.channels,
        d_norm=options.d_norm,
        init=options.init,
        num_outcomes=options.num_outcomes,
        seeds=seeds,
        num_classes=options.num_classes,
        name="discriminator",
    )
