"""The nets of SAGAN on plain layers: self-attention and spectral normalization in both.

Zhang, Goodfellow, Metaxas, Odena, arXiv 1805.08318, on DCGAN's layers as in github.com/zh-hike/GANs; initial weights
are PyTorch's default. Differs from that program in: spectral = "all" also normalizes attention and the discriminator's
last convolution, as the paper does ("zoo" does not); the power iteration always rests in evaluation; sizes are any
power of two from 32 on.
"""

import types
from typing import Any, Literal

import tensorflow as tf

from rpgan_tf.config import Count, CountFrom8, SizeFrom32, Whole
from rpgan_tf.nets import base
from rpgan_tf.nets.base import Seeds
from rpgan_tf.nets.dcgan import check_size
from rpgan_tf.nets.layers import (
    Attention,
    BatchNormalization,
    Convolution,
    TransposedConvolution,
    judge_classes,
)
from rpgan_tf.projections import Projections


class Generator(base.Net):
    """Map latents [B, zlen], and labels [B, num_classes] if any, to images [B, imsz, imsz, channels] in [-1, 1].

    DCGAN's layers with normalized kernels, and attention at 16x16 and, for larger images, at 32x32. Attention maps grow
    with the fourth power of the size, so that larger ones would not fit into memory. With labels, batch normalization
    is conditional, as the paper's.

    Args:
        zlen: length of the latent vector.
        ngf: channels before the image, at least 8; ngf * imsz / 8 at 4x4.
        imsz: image size, a power of two >= 32.
        channels: of an image.
        spectral: which kernels are spectrally normalized: "all", or "zoo", those outside of attention.
        seeds: `keras.random.SeedGenerator` of the initial weights.
        num_classes: length of a label, 0 without labels.
    """

    imsz: SizeFrom32 = 64
    zlen: Count = 100
    ngf: CountFrom8 = 64
    spectral: Literal["all", "zoo"] = "all"
    num_classes: Whole = 0  # length of a label; 0: no labels

    needs = ["rpgan_tf.config.checks:check_classes"]

    def __init__(
        self,
        zlen: int,
        ngf: int,
        imsz: int,
        channels: int = 3,
        spectral: str = "all",
        seeds: Seeds = None,
        num_classes: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_size(imsz, 32)
        self.zlen = zlen
        arguments: dict[str, Any] = {"spectral": True, "seeds": seeds}
        self.convolutions, self.normalizations = [], []
        self.attentions: dict[int, Attention] = {}
        inputs, filters = zlen, ngf * imsz // 8
        for i in range(1, imsz.bit_length() - 2):
            stride, padding = (1, "VALID") if i == 1 else (2, "SAME")
            self.convolutions.append(
                TransposedConvolution(inputs, filters, 4, stride, padding, name=f"conv{i}", **arguments)
            )
            self.normalizations.append(BatchNormalization(filters, num_classes=num_classes, name=f"norm{i}"))
            inputs, filters = filters, filters // 2
        self.last = TransposedConvolution(inputs, channels, 4, 2, "SAME", name="last", **arguments)
        for size in (16, 32):  # after all other weights, as programs in PyTorch list them
            if size < imsz:
                width = ngf * imsz // (2 * size)
                self.attentions[size] = Attention(width, spectral == "all", seeds, name=f"attention{size}")

    def call(self, z: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        x = z[:, None, None, :]
        for convolution, normalization in zip(self.convolutions, self.normalizations):
            x = tf.nn.relu(normalization(convolution(x, training=training), labels, training=training))
            if x.shape[1] in self.attentions:
                x = self.attentions[x.shape[1]](x, training=training)
        return tf.tanh(tf.cast(self.last(x, training=training), tf.float32))


class Discriminator(base.Discriminator):
    """Map images [B, imsz, imsz, channels], and labels [B, num_classes] if there are any, to logits [B], or [B, A].

    DCGAN's layers with normalized kernels, no batch normalization, and attention at 8x8 and 4x4. With labels it is a
    projection discriminator, as the paper's, whose V is normalized where the last convolution is; phi is the input of
    that convolution, at 4x4, where the paper's has the sum over pixels.

    Args:
        ndf: channels of the first layer, at least 8.
        imsz: image size, a power of two >= 32.
        channels: of an input, pack * those of an image.
        spectral: which kernels are spectrally normalized: "all", or "zoo", those outside of attention except the last.
        num_outcomes: A, or None.
        seeds: `keras.random.SeedGenerator` of the initial weights.
        num_classes: length of a label, 0 without labels.
    """

    ndf: CountFrom8 = 64

    def __init__(
        self,
        ndf: int,
        imsz: int,
        channels: int = 3,
        spectral: str = "all",
        num_outcomes: int | None = None,
        seeds: Seeds = None,
        num_classes: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(num_outcomes, **kwargs)
        check_size(imsz, 32)
        self.convolutions = []
        self.attentions: dict[int, Attention] = {}
        inputs, filters = channels, ndf
        for i in range(1, imsz.bit_length() - 2):
            self.convolutions.append(
                Convolution(inputs, filters, 4, 2, "SAME", spectral=True, seeds=seeds, name=f"conv{i}")
            )
            inputs, filters = filters, 2 * filters
        units = num_outcomes or 1
        of_last: dict[str, Any] = {"spectral": spectral == "all", "seeds": seeds}
        self.last = Convolution(inputs, units, 4, bias=True, name="last", **of_last)
        for size in (8, 4):
            width = ndf * imsz // (2 * size)
            self.attentions[size] = Attention(width, spectral == "all", seeds, name=f"attention{size}")
        self.classes = Convolution(inputs, num_classes * units, 4, name="classes", **of_last) if num_classes else None

    def judge(self, seen: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        x = seen
        for convolution in self.convolutions:
            x = tf.nn.leaky_relu(convolution(x, training=training), 0.1)
            if x.shape[1] in self.attentions:
                x = self.attentions[x.shape[1]](x, training=training)
        return self.flat(judge_classes(self.last, self.classes, x, labels, training))


def build_generator(options: types.SimpleNamespace, seeds: Seeds = None) -> Generator:
    """Build the generator of an experiment."""
    sizes = options.zlen, options.ngf, options.imsz, options.channels
    return Generator(*sizes, options.spectral, seeds, options.num_classes, name="generator")


def build_discriminator(
    options: types.SimpleNamespace, projections: Projections | None = None, seeds: Seeds = None
) -> Discriminator:
    """Build the discriminator of an experiment; this net takes no projections."""
    return Discriminator(
        options.ndf,
        options.imsz,
        options.pack * options.channels,
        spectral=options.spectral,
        num_outcomes=options.num_outcomes,
        seeds=seeds,
        num_classes=options.num_classes,
        name="discriminator",
    )
