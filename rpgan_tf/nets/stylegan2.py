"""The nets of StyleGAN2, with the settings of its successor for limited data.

Karras et al., "Analyzing and improving the image quality of StyleGAN", arXiv 1912.04958, and "Training generative
adversarial networks with limited data", arXiv 2006.06676: G with skip connections, and the residual D (or the plain one
of the latter's CIFAR-10 settings). All kernels are N(0, 1) and scaled where they are used (equalized learning rate,
arXiv 1710.10196, section 4.1). Their layers are in `rpgan_tf.nets.stylegan2_blocks`.

Differs from the papers' program in: modulation scales activations before and after an ordinary convolution, so that no
grouped convolution is needed; the gain of LeakyReLU is in the kernel before it; the image after the last convolutions
of D is flattened as [H, W, C]. Names of weights are those of its successor in PyTorch, with / for . and kernel for
weight. Knows no loss.
"""

import math
import types
from typing import Any, Literal

import keras
import tensorflow as tf

from rpgan_tf.config import Count, SizeFrom16, Whole
from rpgan_tf.nets import base
from rpgan_tf.nets.dcgan import check_size
from rpgan_tf.nets.stylegan2_blocks import (
    Convolution,
    Dense,
    DiscriminatorBlock,
    Mapping,
    SynthesisBlock,
    minibatch_deviation,
)
from rpgan_tf.projections import Projections

CLAMP = 256.0  # largest activation, with half precision


class Generator(base.Net):
    """Map latents [B, zlen], and labels [B, num_classes] if there are any, to images [B, imsz, imsz, channels].

    A mapping network makes w [B, w_dim] of a latent, and each layer of the synthesis is modulated by its own copy of w,
    the `codes` [B, num_codes, w_dim] with num_codes = 2 (log2(imsz) - 1). Images are trained towards [-1, 1], but not
    clipped.

    Args:
        imsz: image size, a power of two >= 16.
        channels: of an image.
        zlen: length of the latent vector.
        w_dim: length of w.
        map_layers: number of layers of the mapping network.
        channel_base: at size r the features have channel_base / r channels, but
        channel_max: at most this many.
        num_half: number of highest resolutions in half precision; all activations are clamped if there are any.
        half: dtype of half precision.
        num_classes: length of a label, 0 without labels.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    imsz: SizeFrom16 = 256
    zlen: Count = 512
    w_dim: Count = 512
    map_layers: Count = 8
    channel_base: Count = 32768
    channel_max: Count = 512
    num_half: Whole = 0
    half: Literal["float16", "bfloat16"] = "float16"
    num_classes: Whole = 0

    rules = [
        (
            "channel_base >= imsz",
            "channel_base = {channel_base} leaves no channels at imsz = {imsz}: expected at least {imsz}; change one",
        ),
        (
            "precision == 'float32'",
            "net = '{net}' has half precision of its own: expected num_half = 4 (or another number of resolutions) and "
            "half = 'float16' or 'bfloat16', received precision = '{precision}'",
        ),
    ]

    def __init__(
        self,
        *,
        imsz: int,
        channels: int,
        zlen: int,
        w_dim: int,
        map_layers: int,
        channel_base: int,
        channel_max: int,
        num_half: int,
        half: str,
        num_classes: int,
        seeds: base.Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_size(imsz, 16)
        self.zlen, self.num_codes = zlen, 2 * (imsz.bit_length() - 2)
        self.mapping = Mapping(zlen, num_classes, w_dim, map_layers, average=True, seeds=seeds, name="mapping")
        self.blocks: dict[int, SynthesisBlock] = {}
        inputs = None
        with keras.name_scope("synthesis"):
            for size, outputs in widths(imsz, channel_base, channel_max).items():
                dtype, clamp = half_type(size, imsz, num_half, half), CLAMP if num_half else None
                self.blocks[size] = SynthesisBlock(
                    size, inputs, outputs, w_dim, channels, clamp=clamp, dtype=dtype, seeds=seeds, name=f"b{size}"
                )
                inputs = outputs

    def call(
        self,
        z: tf.Tensor,
        labels: tf.Tensor | None = None,
        training: bool = False,
        truncation: float = 1.0,
        noise: str | tf.Tensor = "const",
    ) -> tf.Tensor:
        """Generate images; the arguments are those of `codes` and `synthesize`."""
        return self.synthesize(self.codes(z, labels, training, truncation), noise)[0]

    def codes(
        self,
        z: tf.Tensor,
        labels: tf.Tensor | None = None,
        training: bool = False,
        truncation: float = 1.0,
        cutoff: int | None = None,
    ) -> tf.Tensor:
        """Map latents to codes [B, num_codes, w_dim].

        Args:
            z: [B, zlen].
            labels: [B, num_classes], or None for a net without labels.
            training: whether the moving average of w moves.
            truncation: psi of w_average + psi (w - w_average).
            cutoff: number of codes that are truncated, the first ones; None: all.
        """
        w = self.mapping(z, labels, training=training)
        codes = tf.repeat(w[:, None], self.num_codes, axis=1)
        if truncation == 1:
            return codes
        average = tf.convert_to_tensor(self.mapping.w_avg)
        truncated = average + truncation * (codes - average)
        return truncated if cutoff is None else tf.concat([truncated[:, :cutoff], codes[:, cutoff:]], axis=1)

    def synthesize(
        self,
        codes: tf.Tensor,
        noise: str | tf.Tensor = "const",
        start: tuple[tf.Tensor, tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, dict[int, tuple[tf.Tensor, tf.Tensor]]]:
        """Make images of codes, and return the output of every block along with them.

        Args:
            codes: [B, num_codes, w_dim]; with `start`, only the codes of the blocks that are run.
            noise: "const": the noise stored with the weights; "none"; or the seed, int [2], of new noise.
            start: (features [B, r, r, C], image [B, r, r, channels]) in place of the output of block r: only larger
                blocks are run, as in GLeaD (arXiv 2212.03752).

        Returns:
            images [B, imsz, imsz, channels], and {size: (features, image)} after each block, all float32.
        """
        x, image, size = (None, None, 0) if start is None else (*start, start[0].shape[1])
        made: dict[int, tuple[tf.Tensor, tf.Tensor]] = {}
        index = 0
        for i, (block_size, block) in enumerate(self.blocks.items()):
            if block_size <= size:
                continue
            own = noise if isinstance(noise, str) else tf.random.fold_in(noise, i)
            x, image = block(x, image, tf.unstack(codes[:, index : index + block.num_codes], axis=1), noise=own)
            made[block_size] = tf.cast(x, tf.float32), image
            index += block.num_codes - 1  # the code of this block's image is also the first of the next block
        return image, made


class Discriminator(base.Discriminator):
    """Map images [B, imsz, imsz, channels], and labels [B, num_classes] if there are any, to logits [B].

    Args:
        imsz, channels, channel_base, channel_max, num_half, half, num_classes: as for the generator.
        d_arch: "resnet", or "orig" without skip connections.
        mbstd_group: images in a group of the minibatch standard deviation; divides the batch, or is larger.
        freeze: number of first layers that are not trained (Mo et al., arXiv 2002.10964).
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    d_arch: Literal["resnet", "orig"] = "resnet"
    mbstd_group: Count = 4
    freeze: Whole = 0

    rules = [
        (
            "bsz <= mbstd_group or bsz % mbstd_group == 0",
            "bsz = {bsz} must be a multiple of mbstd_group = {mbstd_group}, or smaller; change one",
        ),
    ]

    def __init__(
        self,
        *,
        imsz: int,
        channels: int,
        channel_base: int,
        channel_max: int,
        num_half: int,
        half: str,
        num_classes: int,
        d_arch: str,
        mbstd_group: int,
        freeze: int,
        seeds: base.Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_size(imsz, 16)
        self.mbstd_group = mbstd_group
        width = widths(imsz, channel_base, channel_max)
        arguments: dict[str, Any] = {"clamp": CLAMP if num_half else None, "seeds": seeds}
        with keras.name_scope(f"b{imsz}"):
            dtype = half_type(imsz, imsz, num_half, half)
            self.from_rgb = Convolution(channels, width[imsz], 1, dtype=dtype, name="fromrgb", **arguments)
        self.blocks: dict[int, DiscriminatorBlock] = {}
        for size in reversed(sizes(imsz)[1:]):
            dtype = half_type(size, imsz, num_half, half)
            self.blocks[size] = DiscriminatorBlock(
                width[size], width[size // 2], d_arch == "resnet", dtype=dtype, name=f"b{size}", **arguments
            )
        with keras.name_scope("b4"):
            self.convolution = Convolution(width[4] + 1, width[4], 3, name="conv", **arguments)
            self.dense = Dense(16 * width[4], width[4], activate=True, seeds=seeds, name="fc")
            self.last = Dense(width[4], width[4] if num_classes else 1, seeds=seeds, name="out")
        self.mapping = Mapping(0, num_classes, width[4], 8, seeds=seeds, name="mapping") if num_classes else None
        layers = [self.from_rgb, *(layer for block in self.blocks.values() for layer in block.convolutions())]
        for layer in layers[:freeze]:
            layer.trainable = False

    def judge(self, seen: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        return self.judge_features(self.features(seen), labels)

    def features(self, images: tf.Tensor) -> dict[int, tf.Tensor]:
        """Return the output of each block by its size: {imsz / 2: [B, imsz / 2, imsz / 2, C], ..., 4: [B, 4, 4, C]}."""
        x, features = self.from_rgb(images), {}
        for size, block in self.blocks.items():
            x = features[size // 2] = block(x)
        return features

    def judge_features(self, features: dict[int, tf.Tensor], labels: tf.Tensor | None = None) -> tf.Tensor:
        """Return the logits [B] of the output of `features`."""
        x = tf.cast(features[4], tf.float32)
        x = self.convolution(tf.concat([x, minibatch_deviation(x, self.mbstd_group)], axis=-1))
        x = self.last(self.dense(tf.reshape(x, [-1, 16 * x.shape[-1]])))
        if self.mapping is None:
            return x[:, 0]
        return tf.reduce_sum(x * self.mapping(None, labels), axis=1) / math.sqrt(x.shape[1])


def widths(imsz: int, channel_base: int, channel_max: int) -> dict[int, int]:
    """Return {size: channels of the features of that size}."""
    return {size: min(channel_base // size, channel_max) for size in sizes(imsz)}


def sizes(imsz: int) -> list[int]:
    """Return 4, 8, ..., imsz."""
    return [2**i for i in range(2, imsz.bit_length())]


def half_type(size: int, imsz: int, num_half: int, half: str) -> str:
    """Return the dtype in which the block of a size computes."""
    return half if num_half and size >= max(imsz >> (num_half - 1), 8) else "float32"


def build_generator(options: types.SimpleNamespace, seeds: base.Seeds = None) -> Generator:
    """Build the generator of an experiment."""
    names = "imsz channels zlen w_dim map_layers channel_base channel_max num_half half num_classes"
    return Generator(**{name: getattr(options, name) for name in names.split()}, seeds=seeds, name="generator")


def build_discriminator(
    options: types.SimpleNamespace, projections: Projections | None = None, seeds: base.Seeds = None
) -> Discriminator:
    """Build the discriminator of an experiment; this net takes no projections."""
    return Discriminator(**discriminator_arguments(options), seeds=seeds, name="discriminator")


def discriminator_arguments(options: types.SimpleNamespace) -> dict:
    """Return the arguments of the discriminator of an experiment."""
    names = "imsz channel_base channel_max num_half half num_classes d_arch mbstd_group freeze"
    return {name: getattr(options, name) for name in names.split()} | {"channels": options.pack * options.channels}
