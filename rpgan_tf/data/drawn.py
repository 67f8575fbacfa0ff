"""Data without end, drawn anew for each position: points of a mixture of Gaussians, stacked digits.

A position has counters of its own, so its draw is a function of (seed, role, position), whatever batch it comes in.
"""

from collections.abc import Callable

import tensorflow as tf

from rpgan_tf.data import digits, mixtures, names

# Roles of draws. Those of `rpgan_tf.randomness` count up from 0.
CROP, POINTS, HELD_OUT_POINTS, STACKED, HELD_OUT_STACKED = range(-1, -6, -1)


def points(lfile: str, seed: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the function that draws points of the mixture that `lfile` names.

    It maps ascending positions, int64 [n], to float32 [n, dims].

    Raises:
        UserError: there is no such mixture.
    """
    mixture = mixtures.find(lfile)
    key = [seed, HELD_OUT_POINTS if lfile.endswith(names.HELD_OUT) else POINTS]
    width = -(-mixture.dims // 4)

    def draw(positions):
        uniform = _numbers(tf.raw_ops.StatelessRandomUniformV2, key, positions, 1, 0)
        modes = tf.cast(uniform[:, 0] * len(mixture.centers), tf.int32)
        normal = _numbers(tf.raw_ops.StatelessRandomNormalV2, key, positions, width, 1)
        drawn = tf.gather(mixture.centers, modes) + mixture.scales * normal[:, : mixture.dims]
        return tf.ensure_shape(drawn, [positions.shape[0], mixture.dims])

    return draw


def stacked(size: int, seed: int, held_out: bool = False) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the function that draws three of scikit-learn's digits as red, green and blue of an image.

    It maps ascending positions, int64 [n], to uint8 [n, size, size, 3]. Held-out images are draws of another role.
    """
    grey = tf.constant(digits.images("digits", size, 1)[..., 0])
    key = [seed, HELD_OUT_STACKED if held_out else STACKED]

    def draw(positions):
        uniform = _numbers(tf.raw_ops.StatelessRandomUniformV2, key, positions, 1, 0)
        entries = tf.cast(uniform[:, :3] * len(grey), tf.int32)
        images = tf.transpose(tf.gather(grey, entries), [0, 2, 3, 1])
        return tf.ensure_shape(images, [positions.shape[0], size, size, 3])

    return draw


def _numbers(operation: Callable, seed: list[int], positions: tf.Tensor, width: int, stream: int) -> tf.Tensor:
    """Draw `width` times four random numbers for each of ascending positions: float32 [n, 4 * width].

    Philox turns a counter into four numbers. Its lower half counts positions, its upper half is `stream`, which keeps
    two draws for the same positions apart. Numbers of positions in between are drawn and dropped.
    """
    first = tf.cast(positions[0], tf.uint64) * tf.constant(width, tf.uint64)
    drawn = operation(
        shape=[positions[-1] - positions[0] + 1, 4 * width],
        key=tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed).key,
        counter=tf.stack([first, tf.constant(stream, tf.uint64)]),
        alg=tf.random.Algorithm.PHILOX.value,
    )
    return tf.gather(drawn, positions - positions[0])
