"""Resampling by two with the filter [1, 3, 3, 1] / 8 along both axes, as in StyleGAN2 (arXiv 1912.04958, appendix B).

A depthwise convolution, or its transpose: derivatives of any order are convolutions again. The image is padded with
zeros, as in the paper's program.
"""

import numpy as np
import tensorflow as tf

TAPS = np.outer([1, 3, 3, 1], [1, 3, 3, 1])[:, :, None, None] / 64
BY_TWO = (1, 2, 2, 1)  # stride; "SAME" is then a zero on each side of an even size


def upsample(x: tf.Tensor) -> tf.Tensor:
    """Double the size, bilinearly except at the border: [B, H, W, C] -> [B, 2 H, 2 W, C]."""
    shape = [tf.shape(x)[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3]]
    return tf.nn.depthwise_conv2d_backprop_input(shape, _filter(x, 4), x, BY_TWO, "SAME")


def downsample(x: tf.Tensor) -> tf.Tensor:
    """Filter, then keep every other pixel: [B, H, W, C] -> [B, H / 2, W / 2, C]."""
    return tf.nn.depthwise_conv2d(x, _filter(x), BY_TWO, "SAME")


def blur(x: tf.Tensor, padding: int, gain: float = 1.0) -> tf.Tensor:
    """Filter images: [B, H, W, C] -> [B, H + 2 * padding - 3, W + 2 * padding - 3, C].

    Args:
        x: [B, H, W, C].
        padding: number of zeros on each side.
        gain: factor.
    """
    return tf.nn.depthwise_conv2d(x, _filter(x, gain), (1, 1, 1, 1), [[0, 0], *[[padding, padding]] * 2, [0, 0]])


def _filter(x: tf.Tensor, gain: float = 1.0) -> tf.Tensor:
    """Return gain * TAPS for each channel of x: [4, 4, C, 1]."""
    return tf.constant(np.tile(gain * TAPS, (1, 1, x.shape[3], 1)), x.dtype)
