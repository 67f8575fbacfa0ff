"""DCGAN's generator against PatchGAN's discriminator, which judges an image patch by patch.

Isola, Zhu, Zhou, Efros, arXiv 1611.07004, section 3.2.2; layers as in github.com/Yagami360/
MachineLearning_Exercises_Python_PyTorch (GAN_RGAN_PyTorch), whose initial weights are init = "pytorch1.1".
"""

import tensorflow as tf

from rpgan_tf.config import Count, SizeFrom32
from rpgan_tf.nets import base
from rpgan_tf.nets.dcgan import Generator, build_generator, check_size, std_of
from rpgan_tf.nets.layers import Convolution

__all__ = ["Discriminator", "Generator", "build_discriminator", "build_generator"]


class Discriminator(base.Discriminator):
    """Map images [B, imsz, imsz, channels] to logits [B * P], or [B * P, A], for P = (imsz / 16)^2 patches of each.

    All patches of the first image come first. A loss takes each patch as an image of its own.

    Args:
        ndf: channels of the first of four layers, each of which has twice those of the one before.
        imsz: image size, a power of two >= 32.
        channels: of what is looked at.
        init: as for the generator; biases have PyTorch's default in any case.
        num_outcomes: A, or None.
        seeds: `keras.random.SeedGenerator` of the initial weights.
    """

    imsz: SizeFrom32 = 64
    ndf: Count = 64
    independent = True

    def __init__(self, ndf, imsz, channels=3, init="dcgan", num_outcomes=None, seeds=None, **kwargs):
        super().__init__(num_outcomes, **kwargs)
        check_size(imsz, 32)
        arguments = {"std": std_of(init), "seeds": seeds}
        self.convolutions = []
        inputs, filters = channels, ndf
        for i in range(1, 5):
            self.convolutions.append(
                Convolution(inputs, filters, 4, 2, "SAME", bias=True, name=f"conv{i}", **arguments)
            )
            inputs, filters = filters, 2 * filters
        self.last = Convolution(inputs, num_outcomes or 1, 4, name="last", **arguments)

    def judge(self, seen, training=False):
        x = tf.nn.leaky_relu(self.convolutions[0](seen), 0.2)
        for convolution in self.convolutions[1:]:
            x = tf.nn.leaky_relu(normalize(convolution(x)), 0.2)
        # One row and column of zeros above and to the left, and one on each side: the map keeps its size.
        return self.flat(self.last(tf.pad(x, [[0, 0], [2, 1], [2, 1], [0, 0]])))


def normalize(x):
    """Normalize each channel of each image over its pixels: [B, H, W, C] -> [B, H, W, C]."""
    dtype, x = x.dtype, tf.cast(x, tf.float32)
    mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
    return tf.cast(tf.nn.batch_normalization(x, mean, variance, None, None, 1e-5), dtype)


def build_discriminator(options, projections=None, seeds=None):
    """Build the discriminator that `options` describe; this net takes no projections."""
    return Discriminator(
        options.ndf,
        options.imsz,
        options.pack * options.channels,
        options.init,
        options.num_outcomes,
        seeds,
        name="discriminator",
    )
