"""Resampling by two with the filter [1, 3, 3, 1] / 8 along both axes, as in StyleGAN2 (arXiv 1912.04958, appendix B).

Written as slices and adds, which have derivatives of any order and compile with XLA. The image is padded with zeros, as
in the paper's program.
"""

import tensorflow as tf

TAPS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


def upsample(x: tf.Tensor) -> tf.Tensor:
    """Double the size, bilinearly except at the border: [B, H, W, C] -> [B, 2 H, 2 W, C]."""
    for axis in (1, 2):
        x = _pad(x, axis, 1, 1)
        before, centre, after = (_slice(x, axis, i, x.shape[axis] - 2) for i in range(3))
        pairs = tf.stack([before / 4 + 3 * centre / 4, 3 * centre / 4 + after / 4], axis=axis + 1)
        shape = pairs.shape[1:]
        x = tf.reshape(pairs, [-1, *shape[: axis - 1], 2 * shape[axis - 1], *shape[axis + 1 :]])
    return x


def downsample(x: tf.Tensor) -> tf.Tensor:
    """Filter, then keep every other pixel: [B, H, W, C] -> [B, H / 2, W / 2, C]."""
    for axis in (1, 2):
        x = _filter(_pad(x, axis, 1, 1), axis, step=2)
    return x


def blur(x: tf.Tensor, padding: int, gain: float = 1.0) -> tf.Tensor:
    """Filter images: [B, H, W, C] -> [B, H + 2 * padding - 3, W + 2 * padding - 3, C].

    Args:
        x: [B, H, W, C].
        padding: number of zeros on each side.
        gain: factor along each axis.
    """
    for axis in (1, 2):
        x = _filter(_pad(x, axis, padding, padding), axis, gain=gain)
    return x


def _filter(x: tf.Tensor, axis: int, step: int = 1, gain: float = 1.0) -> tf.Tensor:
    length = (x.shape[axis] - len(TAPS)) // step + 1
    return sum(gain * tap * _slice(x, axis, i, length, step) for i, tap in enumerate(TAPS))


def _pad(x: tf.Tensor, axis: int, before: int, after: int) -> tf.Tensor:
    return tf.pad(x, [[before, after] if i == axis else [0, 0] for i in range(4)])


def _slice(x: tf.Tensor, axis: int, start: int, length: int, step: int = 1) -> tf.Tensor:
    """Return `length` entries along an axis, `step` apart."""
    index = [slice(None)] * 4
    index[axis] = slice(start, start + (length - 1) * step + 1, step)
    return x[tuple(index)]
