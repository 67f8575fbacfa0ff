"""The nets of StyleGAN2 with the settings of its successor for limited data.

Karras et al., "Analyzing and improving the image quality of StyleGAN", arXiv 1912.04958, and "Training generative
adversarial networks with limited data", arXiv 2006.06676. The G with skip connections, the residual D (or the plain one
of the latter's CIFAR-10 settings). Modulation scales activations before and after an ordinary convolution, so that no
grouped convolution is needed. All kernels are N(0, 1) and scaled where they are used (equalized learning rate, arXiv
1710.10196, section 4.1).

Differs from the papers' program in: the image after the last convolutions of D is flattened as [H, W, C]; resampling is
slices and adds. Names of weights are those of its successor in PyTorch, with / for . and kernel for weight. Knows no
loss.
"""

import math
from typing import Literal

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

CLAMP = 256.0  # of activations, where some are in half precision


class Generator(base.Net):
    """Map latents [B, zlen], and labels [B, num_classes] if there are any, to images [B, imsz, imsz, channels].

    Labels may also stand behind the latents, [B, zlen + num_classes], so that all that knows of latents need not know
    of labels.
    A mapping network makes w [B, w_dim] of a latent, and each layer of the synthesis is modulated by its own copy of w,
    the `codes` [B, num_codes, w_dim] with num_codes = 2 (log2(imsz) - 1). Images are meant to be in [-1, 1], but not
    clipped.

    Args:
        imsz: image size, a power of two >= 16.
        channels: of an image.
        zlen: length of the latent vector.
        w_dim: length of w.
        map_layers: of the mapping network.
        channel_base: at size r there are channel_base / r channels, but
        channel_max: at most these.
        num_half: number of highest resolutions that are computed in half precision, with activations clamped.
        half: what half precision is.
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
        imsz=256,
        channels=3,
        zlen=512,
        w_dim=512,
        map_layers=8,
        channel_base=32768,
        channel_max=512,
        num_half=0,
        half="float16",
        num_classes=0,
        seeds=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_size(imsz, 16)
        self.zlen, self.num_codes = zlen, 2 * (imsz.bit_length() - 2)
        self.mapping = Mapping(zlen, num_classes, w_dim, map_layers, average=True, seeds=seeds, name="mapping")
        self.blocks, inputs = {}, None
        with keras.name_scope("synthesis"):
            for size, outputs in widths(imsz, channel_base, channel_max).items():
                dtype = half_type(size, imsz, num_half, half)
                arguments = {"dtype": dtype, "clamp": CLAMP if num_half else None, "seeds": seeds, "name": f"b{size}"}
                self.blocks[size] = SynthesisBlock(size, inputs, outputs, w_dim, channels, **arguments)
                inputs = outputs

    def call(self, z, labels=None, training=False, truncation=1.0, noise="const"):
        return self.synthesize(self.codes(z, labels, training, truncation), noise)[0]

    def codes(self, z, labels=None, training=False, truncation=1.0, cutoff=None):
        """Return the codes of latents [B, zlen]: [B, num_codes, w_dim].

        Args:
            z: latents.
            labels: [B, num_classes], or None.
            training: whether the moving average of w moves.
            truncation: psi of w_average + psi (w - w_average).
            cutoff: how many of the codes are truncated; None: all.
        """
        if labels is None and z.shape[1] > self.zlen:
            z, labels = z[:, : self.zlen], z[:, self.zlen :]
        w = self.mapping(z, labels, training=training)
        codes = tf.repeat(w[:, None], self.num_codes, axis=1)
        if truncation == 1:
            return codes
        average = tf.convert_to_tensor(self.mapping.w_avg)
        truncated = average + truncation * (codes - average)
        return truncated if cutoff is None else tf.concat([truncated[:, :cutoff], codes[:, cutoff:]], axis=1)

    def synthesize(self, codes, noise="const", start=None):
        """Return images [B, imsz, imsz, channels] and what each block made on the way.

        Args:
            codes: [B, num_codes, w_dim]; with `start`, those of the blocks that are run.
            noise: "const" for that which is part of the weights, "none", or the seed, int [2], of new noise.
            start: (features [B, r, r, C], image [B, r, r, channels]) instead of what block r makes: only larger blocks
                are run, as in GLeaD (arXiv 2212.03752).

        Returns:
            images, and {size: (features after the block, image after the block)}, all float32.
        """
        x, image, size = (None, None, 0) if start is None else (*start, start[0].shape[1])
        made, index = {}, 0
        for i, (block_size, block) in enumerate(self.blocks.items()):
            if block_size <= size:
                continue
            own = noise if isinstance(noise, str) else tf.random.fold_in(noise, i)
            x, image = block(x, image, tf.unstack(codes[:, index : index + block.num_codes], axis=1), noise=own)
            made[block_size] = tf.cast(x, tf.float32), image
            index += block.num_codes - 1  # the next block begins with the code of this one's image
        return image, made


class Discriminator(base.Discriminator):
    """Map images [B, imsz, imsz, channels], and labels [B, num_classes] if there are any, to logits [B].

    Args:
        imsz, channels, channel_base, channel_max, num_half, half, num_classes: as for the generator.
        d_arch: "resnet", or "orig" without skip connections.
        mbstd_group: images over which the standard deviation is taken; the batch is a multiple of it, or smaller.
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
    jit_compile = True

    def __init__(
        self,
        imsz=256,
        channels=3,
        channel_base=32768,
        channel_max=512,
        num_half=0,
        half="float16",
        num_classes=0,
        d_arch="resnet",
        mbstd_group=4,
        freeze=0,
        seeds=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_size(imsz, 16)
        self.mbstd_group = mbstd_group
        clamp = CLAMP if num_half else None
        width = widths(imsz, channel_base, channel_max)
        arguments = {"clamp": clamp, "seeds": seeds}
        with keras.name_scope(f"b{imsz}"):
            dtype = half_type(imsz, imsz, num_half, half)
            self.from_rgb = Convolution(channels, width[imsz], 1, dtype=dtype, name="fromrgb", **arguments)
        self.blocks = {}
        for size in reversed(sizes(imsz)[1:]):
            dtype = half_type(size, imsz, num_half, half)
            self.blocks[size] = DiscriminatorBlock(
                width[size], width[size // 2], d_arch == "resnet", dtype=dtype, name=f"b{size}", **arguments
            )
        with keras.name_scope("b4"):
            self.convolution = Convolution(width[4] + 1, width[4], 3, name="conv", **arguments)
            self.dense = Dense(16 * width[4], width[4], activate=True, seeds=seeds, name="fc")
            self.last = Dense(width[4], width[4] if num_classes else 1, seeds=seeds, name="out")
        self.mapping = None
        if num_classes:
            self.mapping = Mapping(0, num_classes, width[4], 8, seeds=seeds, name="mapping")
        layers = [self.from_rgb, *(layer for block in self.blocks.values() for layer in block.layers_of())]
        for layer in layers[:freeze]:
            layer.trainable = False

    def call(self, images, labels=None, training=False):
        return self.judge_features(self.features(images), labels)

    def judge(self, seen, labels=None, training=False):
        return self.call(seen, labels)

    def features(self, images):
        """Return what each block makes of images, and its size: {imsz / 2: [B, imsz / 2, imsz / 2, C], ..., 4: ...}."""
        x, features = self.from_rgb(images), {}
        for size, block in self.blocks.items():
            x = features[size // 2] = block(x)
        return features

    def judge_features(self, features, labels=None):
        """Return the logits [B] of what `features` returned."""
        x = tf.cast(features[4], tf.float32)
        x = self.convolution(tf.concat([x, minibatch_deviation(x, self.mbstd_group)], axis=-1))
        x = self.last(self.dense(tf.reshape(x, [-1, 16 * x.shape[-1]])))
        if self.mapping is None:
            return x[:, 0]
        return tf.reduce_sum(x * self.mapping(None, labels), axis=1) / math.sqrt(x.shape[1])


def widths(imsz, channel_base, channel_max):
    """Return {size: channels there}."""
    return {size: min(channel_base // size, channel_max) for size in sizes(imsz)}


def sizes(imsz):
    """Return 4, 8, ..., imsz."""
    return [2**i for i in range(2, imsz.bit_length())]


def half_type(size, imsz, num_half, half):
    """Return what the block of a size is computed in."""
    return half if num_half and size >= max(imsz >> (num_half - 1), 8) else "float32"


def build_generator(options, seeds=None):
    """Build the generator that `options` describe."""
    names = "imsz channels zlen w_dim map_layers channel_base channel_max num_half half num_classes"
    return Generator(**{name: getattr(options, name) for name in names.split()}, seeds=seeds, name="generator")


def build_discriminator(options, projections=None, seeds=None):
    """Build the discriminator that `options` describe; this net takes no projections."""
    return Discriminator(**discriminator_arguments(options), seeds=seeds, name="discriminator")


def discriminator_arguments(options):
    """Return the arguments of a discriminator that `options` describe."""
    names = "imsz channel_base channel_max num_half half num_classes d_arch mbstd_group freeze"
    return {name: getattr(options, name) for name in names.split()} | {"channels": options.pack * options.channels}
