"""DCGAN's generator against PatchGAN's discriminator, which judges an image patch by patch.

Isola, Zhu, Zhou, Efros, arXiv 1611.07004, section 3.2.2; layers as in github.com/Yagami360/
MachineLearning_Exercises_Python_PyTorch (GAN_RGAN_PyTorch), whose initial weights are init = "pytorch1.1".
"""

import types
from typing import Any

import tensorflow as tf

from rpgan_tf.config import Count, SizeFrom32
from rpgan_tf.nets import base, layers
from rpgan_tf.nets.base import Seeds
from rpgan_tf.nets.dcgan import Generator, build_generator, check_size, std_of
from rpgan_tf.nets.layers import Convolution, judge_classes
from rpgan_tf.projections import Projections

__all__ = ["Discriminator", "Generator", "build_discriminator", "build_generator"]


class Discriminator(base.Discriminator):
    """Map images [B, imsz, imsz, channels] to logits [B * P], or [B * P, A], for P = (imsz / 16)^2 patches of each.

    The patches of an image are adjacent. Losses treat each patch as an image. With labels [B, num_classes] it is a
    projection discriminator patch by patch: V is a convolution like the last one, with an output for each class.

    Args:
        ndf: channels of the first of four layers; each further layer doubles them.
        imsz: image size, a power of two >= 32.
        channels: of an input, pack * those of an image.
        init: as for the generator; biases always have PyTorch's default.
        num_outcomes: A, or None.
        seeds: `keras.random.SeedGenerator` of the initial weights.
        num_classes: length of a label, 0 without labels.
    """

    imsz: SizeFrom32 = 64
    ndf: Count = 64
    independent = True

    def __init__(
        self,
        ndf: int,
        imsz: int,
        channels: int = 3,
        init: str = "dcgan",
        num_outcomes: int | None = None,
        seeds: Seeds = None,
        num_classes: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(num_outcomes, **kwargs)
        check_size(imsz, 32)
        arguments: dict[str, Any] = {"std": std_of(init), "seeds": seeds}
        self.convolutions = []
        inputs, filters = channels, ndf
        for i in range(1, 5):
            self.convolutions.append(
                Convolution(inputs, filters, 4, 2, "SAME", bias=True, name=f"conv{i}", **arguments)
            )
            inputs, filters = filters, 2 * filters
        units = num_outcomes or 1
        self.last = Convolution(inputs, units, 4, name="last", **arguments)
        self.classes = Convolution(inputs, num_classes * units, 4, name="classes", **arguments) if num_classes else None

    def judge(self, seen: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        x = tf.nn.leaky_relu(self.convolutions[0](seen), 0.2)
        for convolution in self.convolutions[1:]:
            x = tf.nn.leaky_relu(normalize(convolution(x)), 0.2)
        # A row of zeros above and a column to the left, then one on each side: the map keeps its size.
        x = tf.pad(x, [[0, 0], [2, 1], [2, 1], [0, 0]])
        return self.flat(judge_classes(self.last, self.classes, x, labels, training))


def normalize(x: tf.Tensor) -> tf.Tensor:
    """Normalize each channel of each image over its pixels: [B, H, W, C] -> [B, H, W, C]."""
    dtype, x = x.dtype, tf.cast(x, tf.float32)
    mean, variance = layers.moments(x, [1, 2])
    return tf.cast(tf.nn.batch_normalization(x, mean, variance, None, None, 1e-5), dtype)


def build_discriminator(
    options: types.SimpleNamespace, projections: Projections | None = None, seeds: Seeds = None
) -> Discriminator:
    """Build the discriminator of an experiment; this net takes no projections."""
    return Discriminator(
        options.ndf,
        options.imsz,
        options.pack * options.channels,
        init=options.init,
        num_outcomes=options.num_outcomes,
        seeds=seeds,
        num_classes=options.num_classes,
        name="discriminator",
    )
