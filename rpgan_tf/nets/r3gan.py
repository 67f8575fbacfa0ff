"""The nets of R3GAN: residual blocks of grouped convolutions, without normalization.

Huang, Gokaslan, Kuleshov, Tompkin, "The GAN is dead; long live the GAN! A Modern GAN Baseline", arXiv 2501.05441,
section 4; initial weights as in the authors' program (github.com/brownvc/R3GAN).

The only biases are those of the activations, leaky_relu_0.2(x + bias). Each block starts as the identity: its last
convolution is 0 (fix-up initialization). Images are resampled by the filter [1, 3, 3, 1] / 8, padded with zeros.

Differs from the program in: any preset takes labels, where theirs for FFHQ fail with some. Knows no loss.
"""

import math
import types
from typing import NamedTuple

import keras
import tensorflow as tf

from rpgan_tf.config import Count, SizeFrom8, Whole
from rpgan_tf.devices import processor
from rpgan_tf.nets import base, fir
from rpgan_tf.nets.base import Seeds
from rpgan_tf.nets.layers import Convolution, Dense, Linear
from rpgan_tf.projections import Projections

EXPANSION = 2  # channels within a block, times those outside
SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))


class Stage(NamedTuple):
    """The blocks of one resolution.

    Attributes:
        width: channels.
        groups: of the 3x3 convolutions ("cardinality").
        blocks: number of them.
    """

    width: int
    groups: int
    blocks: int


class Generator(base.Net):
    """Map latents [B, zlen], and labels [B, num_classes] if there are any, to images [B, imsz, imsz, channels].

    A learned tensor [4, 4, C], whose channels are scaled by a linear map of the latent and the embedded label; blocks;
    then for each further stage resampling and blocks; then a 1x1 convolution. Images are trained towards [-1, 1], but
    not clipped.

    Args:
        stages: of 4x4 pixels and each further size.
        zlen: length of the latent vector.
        channels: of an image.
        num_classes: length of a label, 0 without labels.
        embedding: length of an embedded label.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    imsz: SizeFrom8 = 32
    zlen: Count = 64
    channel_base: Count = 24576  # at size r the features have channel_base / r channels, but
    channel_max: Count = 768  # at most this many
    group_width: Count = 16  # channels of a group of the 3x3 convolutions, which have twice the features' channels
    blocks: Count = 2  # residual blocks of each size
    num_classes: Whole = 0
    embedding: Count = 64  # length of an embedded label in G; in D it has D's channels at 4x4

    rules = [
        (
            "channel_base % imsz == 0",
            "channel_base = {channel_base} must be a multiple of imsz, since features of size r have channel_base / r "
            "channels: received imsz = {imsz}; change one",
        ),
        (
            "2 * channel_base // imsz % group_width == 0 and 2 * channel_max % group_width == 0",
            "group_width = {group_width} must divide the channels of the 3x3 convolutions, 2 * channel_base / imsz and "
            "2 * channel_max: received channel_base = {channel_base}, channel_max = {channel_max}, imsz = {imsz}; "
            "change one",
        ),
        (
            "not num_classes or num_outcomes is None",
            "net = 'r3gan' has one logit for a label: expected num_classes = 0 with gan = '{gan}', received "
            "{num_classes}",
        ),
    ]

    def __init__(
        self,
        stages: list[Stage],
        zlen: int,
        channels: int = 3,
        num_classes: int = 0,
        embedding: int = 64,
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.zlen, width, count = zlen, stages[0].width, sum(stage.blocks for stage in stages)
        self.embed = dense(num_classes, embedding, seeds, name="embed") if num_classes else None
        self.basis = self.add_weight((4, 4, width), keras.initializers.RandomNormal(0, 1, seed=seeds), name="basis")
        self.scale = dense(zlen + embedding * bool(num_classes), width, seeds, name="scale")
        self.resamplings, self.stages = [], []
        for i, stage in enumerate(stages):
            if i:
                widens = stage.width != width
                self.resamplings.append(convolution(width, stage.width, seeds, name=f"up{4 << i}") if widens else None)
            self.stages.append(blocks(stage, count, 4 << i, seeds))
            width = stage.width
        self.last = convolution(width, channels, seeds, name="last")

    def call(self, z: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        given = z if self.embed is None else tf.concat([z, tf.cast(self.embed(labels), z.dtype)], axis=-1)
        scale = self.scale(given)
        x = tf.cast(self.basis, scale.dtype) * scale[:, None, None]
        for i, stage in enumerate(self.stages):
            if i:
                narrow = self.resamplings[i - 1]
                x = fir.upsample(x if narrow is None else narrow(x))
            for block in stage:
                x = block(x)
        return tf.cast(self.last(x), tf.float32)


class Discriminator(base.Discriminator):
    """Map images [B, imsz, imsz, channels] to logits [B], or [B, A].

    A 1x1 convolution; for each size but 4x4 blocks and resampling; blocks at 4x4; then a 4x4 depthwise convolution and
    a linear map. With labels, the logit is the product of its output and the embedded label.

    Args:
        stages: of 4x4 pixels and each further size, as for the generator.
        channels: of an input, pack * those of an image.
        num_classes: length of a label, 0 without labels.
        num_outcomes: A, or None.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    independent = True

    def __init__(
        self,
        stages: list[Stage],
        channels: int = 3,
        num_classes: int = 0,
        num_outcomes: int | None = None,
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(num_outcomes, **kwargs)
        count, width = sum(stage.blocks for stage in stages), stages[0].width
        self.first = convolution(channels, stages[-1].width, seeds, name="first")
        self.resamplings, self.stages = [], []
        for i, stage in reversed(list(enumerate(stages))):
            self.stages.append(blocks(stage, count, 4 << i, seeds))
            if i:
                widens = stages[i - 1].width != stage.width
                self.resamplings.append(
                    convolution(stage.width, stages[i - 1].width, seeds, name=f"down{4 << i}") if widens else None
                )
        self.basis = Basis(width, seeds, name="basis")
        self.last = dense(width, width if num_classes else num_outcomes or 1, seeds, name="last")
        self.embed = dense(num_classes, width, seeds, width**-0.5, name="embed") if num_classes else None

    def judge(self, seen: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        x = self.first(seen)
        for i, stage in enumerate(self.stages):
            if i:
                widen, x = self.resamplings[i - 1], fir.downsample(x)
                x = x if widen is None else widen(x)
            for block in stage:
                x = block(x)
        x = self.last(self.basis(x))
        if self.embed is not None:
            x = tf.reduce_sum(tf.cast(x, tf.float32) * tf.cast(self.embed(labels), tf.float32), axis=-1, keepdims=True)
        return self.flat(x)


class Block(keras.layers.Layer):
    """A residual block: [B, H, W, C] -> [B, H, W, C].

    x + conv1x1(act(grouped conv3x3(act(conv1x1(x))))), with 2 C channels within.

    Args:
        width: C.
        groups: of the 3x3 convolution.
        count: L, the residual blocks of the whole net: the first two convolutions start smaller by L^(-1/4).
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    def __init__(self, width: int, groups: int, count: int, seeds: Seeds = None, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        inner, gain = EXPANSION * width, GAIN * count**-0.25
        with keras.name_scope(self.name):
            self.narrow = convolution(width, inner, seeds, gain, name="conv1")
            self.grouped = GroupedConvolution(inner, groups, gain, seeds, name="conv2")
            self.wide = convolution(inner, width, seeds, 0.0, name="conv3")
        self.biases = [self.add_weight((inner,), "zeros", name=f"bias{i}") for i in (1, 2)]
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        y = activate(self.narrow(x), self.biases[0])
        y = activate(self.grouped(y), self.biases[1])
        return x + self.wide(y)


class GroupedConvolution(Linear):
    """Map [B, H, W, C] to [B, H, W, C] by a 3x3 convolution in groups: those of C / groups channels see each other.

    Args:
        width: C.
        groups: number of groups.
        gain: of the initial weights.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    def __init__(self, width: int, groups: int, gain: float, seeds: Seeds = None, **kwargs) -> None:
        inputs = width // groups
        super().__init__((3, 3, inputs, width), width, std=gain / math.sqrt(9 * inputs), seeds=seeds, **kwargs)
        self.groups = groups

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if processor.onednn() or tf.config.list_physical_devices("GPU"):
            return tf.nn.conv2d(x, kernel, 1, "SAME")
        # Group by group: TensorFlow's own kernels for CPUs have no gradient of a grouped convolution.
        parts = zip(*(tf.split(each, self.groups, axis=-1) for each in (x, kernel)))
        return tf.concat([tf.nn.conv2d(*part, 1, "SAME") for part in parts], axis=-1)


class Basis(Linear):
    """Map [B, 4, 4, C] to [B, C], each channel by itself.

    Args:
        width: C.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    def __init__(self, width: int, seeds: Seeds = None, **kwargs) -> None:
        super().__init__((4, 4, width), width, std=1 / 4, seeds=seeds, **kwargs)

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(x * kernel, axis=(1, 2))


def activate(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Return leaky_relu(x + bias); the gain of an activation is in the initial weights."""
    return tf.nn.leaky_relu(x + tf.cast(bias, x.dtype), SLOPE)


def convolution(inputs: int, channels: int, seeds: Seeds, gain: float = 1.0, **kwargs) -> Convolution:
    """Return a 1x1 convolution with initial weights N(0, gain^2 / inputs)."""
    return Convolution(inputs, channels, 1, std=gain / math.sqrt(inputs), seeds=seeds, **kwargs)


def dense(inputs: int, units: int, seeds: Seeds, std: float | None = None, **kwargs) -> Dense:
    """Return a linear map with initial weights N(0, 1 / inputs), or N(0, std^2)."""
    return Dense(inputs, units, std=std or inputs**-0.5, seeds=seeds, **kwargs)


def blocks(stage: Stage, count: int, size: int, seeds: Seeds) -> list[Block]:
    """Return the residual blocks of a stage; arguments as for `Block`."""
    return [Block(stage.width, stage.groups, count, seeds, name=f"b{size}_{i}") for i in range(1, stage.blocks + 1)]


def stages(options: types.SimpleNamespace) -> list[Stage]:
    """Return the stages of an experiment's nets, from 4x4 to imsz."""
    sizes = [2**i for i in range(2, options.imsz.bit_length())]
    widths = [min(options.channel_base // size, options.channel_max) for size in sizes]
    return [Stage(width, EXPANSION * width // options.group_width, options.blocks) for width in widths]


def build_generator(options: types.SimpleNamespace, seeds: Seeds = None) -> Generator:
    """Build the generator of an experiment."""
    return Generator(
        stages(options),
        options.zlen,
        options.channels,
        options.num_classes,
        options.embedding,
        seeds=seeds,
        name="generator",
    )


def build_discriminator(
    options: types.SimpleNamespace, projections: Projections | None = None, seeds: Seeds = None
) -> Discriminator:
    """Build the discriminator of an experiment; this net takes no projections."""
    return Discriminator(
        stages(options),
        options.pack * options.channels,
        options.num_classes,
        num_outcomes=options.num_outcomes,
        seeds=seeds,
        name="discriminator",
    )
