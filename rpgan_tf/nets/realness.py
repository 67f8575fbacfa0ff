"""The nets of RealnessGAN for images: DCGAN's generator against a spectrally normalized discriminator.

Xiangli, Deng, Dai, Loy, Lin, "Real or Not Real, that is the Question", arXiv 2002.05512; layers as in the authors'
code, github.com/kam1107/RealnessGAN. Differs from it in: the discriminator has one head, not a second one that goes
unused.
"""

import types
from typing import Any, Literal

import tensorflow as tf

from rpgan_tf.config import Count, Fixed, SizeFrom16
from rpgan_tf.devices import replicas
from rpgan_tf.nets import base, dcgan
from rpgan_tf.nets.base import Seeds
from rpgan_tf.nets.layers import Convolution, Dense, judge_classes
from rpgan_tf.projections import Projections


class Generator(dcgan.Generator):
    """DCGAN's generator with RealnessGAN's widths; see `rpgan_tf.nets.dcgan`."""

    imsz: SizeFrom16 = 64
    zlen: Count = 128
    ngf: Count = 32
    init: Fixed[Literal["dcgan"]] = "dcgan"


class Discriminator(base.Discriminator):
    """Map images [B, imsz, imsz, channels], and labels [B, num_classes] if there are any, to logits [B, A], or [B].

    Convolutions halve the size down to 4x4 and double the channels from `ndf` on; a dense head makes the logits. All
    are spectrally normalized, without bias. With labels it is a projection discriminator, in which each class has a
    head of its own, added to the common one: what all outcomes share would leave their distribution as it is.

    With adaptive reparameterization the head makes mean and log variance, and the logits are drawn: mean + exp(log
    variance / 2) * N(0, 1). The noise is a function of the seed and of a counter, which is saved with the weights.
    Calls in training advance the counter; calls in evaluation repeat the same noise.

    Args:
        ndf: channels of the first layer.
        imsz: image size, a power of two >= 16.
        channels: of an input, pack * those of an image.
        adaptive_reparam: whether logits are drawn.
        num_outcomes: A, or None.
        noise_seed: seed of the noise.
        seeds: `keras.random.SeedGenerator` of the initial weights.
        num_classes: length of a label, 0 without labels.
    """

    ndf: Count = 32
    adaptive_reparam: bool = True

    def __init__(
        self,
        ndf: int,
        imsz: int,
        channels: int = 3,
        adaptive_reparam: bool = True,
        num_outcomes: int | None = None,
        noise_seed: int = 0,
        seeds: Seeds = None,
        num_classes: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(num_outcomes, **kwargs)
        dcgan.check_size(imsz, 16)
        self.noise_seed = noise_seed
        arguments: dict[str, Any] = {"spectral": True, "seeds": seeds}
        self.convolutions = []
        inputs, filters = channels, ndf
        for i in range(1, imsz.bit_length() - 2):
            self.convolutions.append(Convolution(inputs, filters, 4, 2, "SAME", std=0.02, name=f"conv{i}", **arguments))
            inputs, filters = filters, 2 * filters
        units = (2 if adaptive_reparam else 1) * (num_outcomes or 1)
        self.head = Dense(16 * inputs, units, name="head", **arguments)
        self.classes = Dense(16 * inputs, num_classes * units, name="classes", **arguments) if num_classes else None
        self.counter = None
        if adaptive_reparam:
            same = {"trainable": False, "aggregation": "only_first_replica"}
            self.counter = self.add_weight((), "zeros", dtype="int32", name="counter", **same)

    def judge(self, seen: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        x = seen
        for convolution in self.convolutions:
            x = tf.nn.leaky_relu(convolution(x, training=training), 0.2)
        x = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [-1, self.head.kernel.shape[0]])  # PyTorch's order
        x = tf.cast(judge_classes(self.head, self.classes, x, labels, training), tf.float32)
        if self.counter is not None:
            if training:
                self.counter.assign(self.counter + 1)
            mean, log_variance = tf.split(x, 2, axis=-1)
            seed = tf.stack([self.noise_seed, tf.convert_to_tensor(self.counter)])
            noise = replicas.normal([tf.shape(mean)[0], mean.shape[1]], seed)
            x = mean + tf.exp(log_variance / 2) * noise
        return self.flat(x)


def build_generator(options: types.SimpleNamespace, seeds: Seeds = None) -> Generator:
    """Build the generator of an experiment."""
    sizes = options.zlen, options.ngf, options.imsz, options.channels
    return Generator(*sizes, seeds=seeds, num_classes=options.num_classes, name="generator")


def build_discriminator(
    options: types.SimpleNamespace, projections: Projections | None = None, seeds: Seeds = None
) -> Discriminator:
    """Build the discriminator of an experiment; this net takes no projections."""
    return Discriminator(
        options.ndf,
        options.imsz,
        options.pack * options.channels,
        adaptive_reparam=options.adaptive_reparam,
        num_outcomes=options.num_outcomes,
        noise_seed=options.seed,
        seeds=seeds,
        num_classes=options.num_classes,
        name="discriminator",
    )
