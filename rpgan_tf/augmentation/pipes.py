"""Augmentations of a discriminator's images that do not leak to the generator.

Karras et al., "Training generative adversarial networks with limited data" (ADA), arXiv 2006.06676, appendices B and C;
for features, Lee et al. (GGDR), arXiv 2207.13320. Each operation is applied to each image with probability p. All moves
are composed to one matrix and applied once: the image is doubled in size with the wavelet sym6, sampled bilinearly and
halved, so that the identity changes nothing. Written as matrix products and gathers, which have derivatives of any
order and static shapes, and compile with XLA.

Differs from the paper's program in: images are mirrored beyond their border at any distance, where that program mirrors
once; without `geom`, pixels are moved and not resampled; features are moved in maps of any size. Knows no GAN.
"""

import math

import numpy as np
import tensorflow as tf

from rpgan_tf.devices import replicas
from rpgan_tf.errors import UserError

STAGES = "blit", "geom", "color", "filter", "noise", "cutout"
PIPES = {name: (name,) for name in STAGES} | {"bgcfnc"[:n]: STAGES[:n] for n in range(2, 7)}
PIPES["r3gan"] = ("blit", "geom", "color", "cutout")  # of arXiv 2501.05441
COLORS = {"r3gan": 0.5}  # by pipe: probability of an operation on colors, as a share of p

# Low-pass filters of orthonormal wavelets (Daubechies, "Ten lectures on wavelets", tables 6.1 and 6.3).
SYM2 = np.array([1 - 3**0.5, 3 - 3**0.5, 3 + 3**0.5, 1 + 3**0.5]) / 32**0.5
SYM6 = np.array(
    [
        0.015404109327027373,
        0.0034907120842174702,
        -0.11799011114819057,
        -0.048311742585633,
        0.4910559419267466,
        0.787641141030194,
        0.3379294217276218,
        -0.07263752278646252,
        -0.021060292512300564,
        0.04472490177066578,
        0.0017677118642428036,
        -0.007800708325034148,
    ]
)
CENTRE = 5  # tap of SYM6 nearest to its centre of mass
SMOOTH = np.sqrt(2) * SYM6  # taps that double images
BILINEAR = np.array([0, 0, 0, 0, 0.5, 1, 0.5, 0, 0, 0, 0, 0])  # taps that double features


def array(rows: list) -> np.ndarray:
    """Return a float32 matrix of rows, or a diagonal matrix of its diagonal."""
    matrix = np.array(rows, "float32")
    return np.diag(matrix) if matrix.ndim == 1 else matrix


LUMA = np.pad(array([[1 / 3] * 3] * 3), (0, 1))  # projection of colors (r, g, b, 1) on the axis of greys
CHROMA = array([1, 1, 1, 0]) - LUMA  # projection on the plane perpendicular to that axis
TURN = array([[0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]]) / np.sqrt(3, dtype="float32")  # about it
LAST = array([0, 0, 0, 1])
SHIFT = array([[0, 0, 0, 1]] * 3 + [[0] * 4])

BAND_POWER = np.array([10, 1, 1, 1], "float32") / 13  # expected of natural images, lowest band first


def augment(images: tf.Tensor, p: float | tf.Tensor, seed: tf.Tensor, pipe: str = "bgc", groups: int = 1) -> tf.Tensor:
    """Return augmented images [B, S, S, C].

    Args:
        images: [B, S, S, C] in [-1, 1].
        p: probability of each operation, [].
        seed: int [2]; the same seed gives the same augmentation.
        pipe: key of `PIPES`, most of whose letters are the first letters of `STAGES`.
        groups: parts of the batch, one after the other, each of which is divided among the replicas.

    Raises:
        UserError: the pipe changes colors, and C is neither 1 nor 3.
    """
    stages, size = PIPES[pipe], images.shape[1]
    draw = Draws(tf.shape(images)[0], p, seed, groups)
    images = move(images, draw, stages, SMOOTH)
    if "color" in stages:
        images = recolor(images, color_matrix(draw, COLORS.get(pipe, 1.0) * p))
    if "filter" in stages:
        bands = tf.constant(band_filters(size), images.dtype)
        images = resample(images, tf.einsum("bnf,fij->bij", tf.cast(band_gains(draw), images.dtype), bands))
    if "noise" in stages:
        deviation = draw.gate(tf.abs(draw.normal(0.1)), 0.0)
        images += tf.cast(deviation[..., None] * draw.normal(1.0, size, size, images.shape[3]), images.dtype)
    if "cutout" in stages:
        images *= tf.cast(cutout_mask(draw, size), images.dtype)
    return images


def augment_features(features: tf.Tensor, p: float | tf.Tensor, seed: tf.Tensor, pipe: str = "bgc") -> tf.Tensor:
    """Return features [B, S, S, C] moved as `augment` moves images of any size with the same p, seed and pipe.

    Translations by whole pixels of an image are rounded to whole pixels of the map.
    """
    return move(features, Draws(tf.shape(features)[0], p, seed), PIPES[pipe], BILINEAR)


class Draws:
    """Random numbers [..., B, 1, 1] for B images, new ones with each call, as functions of a seed.

    Args:
        size: B, [].
        p: probability that an operation is applied to an image, [].
        seed: int [2].
        groups: parts of the batch, one after the other, each of which is divided among the replicas.
    """

    def __init__(self, size: int | tf.Tensor, p: float | tf.Tensor, seed: tf.Tensor, groups: int = 1) -> None:
        self.size, self.p, self.seed, self.groups, self.count = size, p, seed, groups, 0

    def uniform(self, low: float, high: float, *leading: int) -> tf.Tensor:
        """Draw from U[low, high): [*leading, B, 1, 1]."""
        shape = [*leading, self.size, 1, 1]
        return replicas.uniform(shape, self.next(), low, high, axis=len(leading), groups=self.groups)

    def normal(self, deviation: float, *trailing: int) -> tf.Tensor:
        """Draw from N(0, deviation^2): [B, *trailing], or [B, 1, 1] without `trailing`."""
        shape = [self.size, *(trailing or (1, 1))]
        return replicas.normal(shape, self.next(), groups=self.groups, stddev=deviation)

    def gate(self, value: float | tf.Tensor, neutral: float, p: float | tf.Tensor | None = None) -> tf.Tensor:
        """Return `value` for a random share p of the images, `self.p` by default, and `neutral` for the others."""
        return tf.where(self.uniform(0, 1) < (self.p if p is None else p), value, neutral)

    def next(self) -> tf.Tensor:
        """Return the seed of the next draw, int [2]."""
        self.count += 1
        return tf.random.fold_in(self.seed, self.count, alg="philox")


def move(images: tf.Tensor, draw: Draws, stages: tuple[str, ...], doubling: np.ndarray) -> tf.Tensor:
    """Move the pixels of images or features [B, S, S, C]; `doubling` are the taps that double the size."""
    size = images.shape[1]
    if "geom" in stages:
        up, grid, down = resampler(size, doubling)
        images = resample(images, tf.constant(up, images.dtype))
        images = sample(images, grid, size, inverse_transform(draw, size, stages))
        return resample(images, tf.constant(down, images.dtype))
    if "blit" in stages:
        return sample(images, np.arange(size), size, inverse_transform(draw, size, stages))
    return images


def inverse_transform(draw: Draws, size: int, stages: tuple[str, ...]) -> tf.Tensor:
    """Draw matrices that map a point (x, y, 1) to its position before all moves: [B, 3, 3].

    Points are in pixels from the centre. The matrix of the first move is the first factor. Every move is as likely as
    its inverse, so that inverses are drawn directly.
    """
    matrix = tf.eye(3)
    if "blit" in stages:
        matrix @= scaling(1 - 2 * draw.gate(tf.floor(draw.uniform(0, 2)), 0.0), 1.0)
        matrix @= rotation(math.pi / 2 * draw.gate(tf.floor(draw.uniform(0, 4)), 0.0))
        matrix @= translation(tf.round(size * draw.gate(draw.uniform(-0.125, 0.125, 2), 0.0)))
    if "geom" in stages:
        either = 1 - tf.sqrt(tf.maximum(1.0 - draw.p, 0))  # so that at least one of two rotations has probability p
        scale = draw.gate(2 ** draw.normal(0.2), 1.0)
        matrix @= scaling(scale, scale)
        matrix @= rotation(draw.gate(draw.uniform(-math.pi, math.pi), 0.0, either))
        scale = draw.gate(2 ** draw.normal(0.2), 1.0)
        matrix @= scaling(scale, 1 / scale)
        matrix @= rotation(draw.gate(draw.uniform(-math.pi, math.pi), 0.0, either))
        matrix @= translation(size * draw.gate(tf.stack([draw.normal(0.125), draw.normal(0.125)]), 0.0))
    return matrix


def scaling(x: tf.Tensor, y: float | tf.Tensor) -> tf.Tensor:
    """Return the matrices [B, 3, 3] that multiply x and y."""
    return x * array([1, 0, 0]) + y * array([0, 1, 0]) + array([0, 0, 1])


def rotation(angle: tf.Tensor) -> tf.Tensor:
    """Return the matrices [B, 3, 3] that rotate by angles [B, 1, 1] in radians."""
    turn = array([[0, -1, 0], [1, 0, 0], [0, 0, 0]])
    return tf.cos(angle) * array([1, 1, 0]) + tf.sin(angle) * turn + array([0, 0, 1])


def translation(by: tf.Tensor) -> tf.Tensor:
    """Return the matrices [B, 3, 3] that add offsets (x, y), [2, B, 1, 1]."""
    return tf.eye(3) + by[0] * array([[0, 0, 1], [0] * 3, [0] * 3]) + by[1] * array([[0] * 3, [0, 0, 1], [0] * 3])


def resampler(size: int, doubling: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the matrices that double images [S, S] with a margin, and that halve them again.

    Pixel i of an image lies on pixel 2 i of the doubled image.

    Args:
        size: S.
        doubling: the 12 taps that double.

    Returns:
        the doubling matrix [2 S + 10, S], the positions [2 S + 10] of its rows in pixels of the image, and the halving
        matrix [S, 2 S + 10].
    """
    margin = len(SYM6) // 2
    image = np.pad(np.eye(size), [(margin, margin), (0, 0)], mode="reflect")
    apart = np.zeros([2 * len(image), size])
    apart[::2] = image
    rows = 2 * size + 2 * CENTRE  # those that halving needs, from -CENTRE on; "valid" begins one row before
    up = np.apply_along_axis(np.convolve, 0, apart, doubling, "valid")[1 : 1 + rows]
    down = np.apply_along_axis(np.correlate, 0, np.eye(rows), SYM6 / np.sqrt(2), "valid")[::2]
    return up, (np.arange(rows) - CENTRE) / 2, down


def resample(images: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Multiply both axes of images [B, S, S, C] by a matrix [N, S], or by one each [B, N, S]: [B, N, N, C]."""
    each = "b" if matrix.shape.rank == 3 else ""
    images = tf.einsum(f"{each}ny,byxc->bnxc", matrix, images)
    return tf.einsum(f"{each}nx,byxc->bync", matrix, images)


def sample(images: tf.Tensor, grid: np.ndarray, size: int, inverse: tf.Tensor) -> tf.Tensor:
    """Move images by bilinear interpolation: [B, N, N, C] -> [B, N, N, C].

    Args:
        images: [B, N, N, C].
        grid: [N], evenly spaced positions of their pixels; 0 ... S - 1 for images [S, S] without margin.
        size: S. Beyond the grid, the image [S, S] is mirrored about its outermost pixels.
        inverse: [B, 3, 3], from `inverse_transform`.
    """
    number, last = len(grid), size - 1
    x = tf.constant(grid - last / 2, tf.float32)
    y, inverse = x[:, None], inverse[..., None, None]
    found = inverse[:, :2, 0] * x + inverse[:, :2, 1] * y + inverse[:, :2, 2] + last / 2  # [B, (x, y), N, N]
    mirrored = last - tf.abs(last - found % (2 * last))
    found = tf.where((found < grid[0]) | (found > grid[-1]), mirrored, found)
    found = (found - grid[0]) / (grid[1] - grid[0])
    low = tf.floor(found)
    right, below = tf.unstack(tf.cast(found - low, images.dtype)[..., None], axis=1)
    x0, y0 = tf.unstack(tf.cast(low, tf.int32), axis=1)
    x1, y1 = tf.minimum(x0 + 1, number - 1), tf.minimum(y0 + 1, number - 1)
    pixels = tf.reshape(images, [-1, number * number, images.shape[3]])

    def line(y):
        left = tf.gather(pixels, number * y + x0, batch_dims=1)
        return left + right * (tf.gather(pixels, number * y + x1, batch_dims=1) - left)

    return (1 - below) * line(y0) + below * line(y1)


def color_matrix(draw: Draws, p: float | tf.Tensor | None = None) -> tf.Tensor:
    """Draw matrices for colors (r, g, b, 1): [B, 4, 4]; each operation has probability p, that of `draw` by default."""
    matrix = tf.eye(4) + draw.gate(draw.normal(0.2), 0.0, p) * SHIFT  # brightness
    matrix = (draw.gate(2 ** draw.normal(0.5), 1.0, p) * (LUMA + CHROMA) + LAST) @ matrix  # contrast
    matrix = (tf.eye(4) - 2 * draw.gate(tf.floor(draw.uniform(0, 2)), 0.0, p) * LUMA) @ matrix  # luma flip
    angle = draw.gate(draw.uniform(-math.pi, math.pi), 0.0, p)
    matrix = (LUMA + tf.cos(angle) * CHROMA + tf.sin(angle) * TURN + LAST) @ matrix  # hue
    return (LUMA + draw.gate(2 ** draw.normal(1.0), 1.0, p) * CHROMA + LAST) @ matrix  # saturation


def recolor(images: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Apply matrices [B, 4, 4] to the colors of images [B, S, S, 3]; grey images [B, S, S, 1] stay grey."""
    channels = images.shape[3]
    if channels not in (1, 3):
        raise UserError(
            f"images whose colors are augmented must have 1 or 3 channels, received {channels}; take a pipe without "
            "color, such as aug_pipe = 'bg'"
        )
    matrix = tf.cast(matrix, images.dtype)
    changed = tf.einsum("bij,byxj->byxi", matrix[:, :3, :3], tf.repeat(images, 3 // channels, axis=3))
    changed += matrix[:, None, None, :3, 3]
    return changed if channels == 3 else tf.reduce_mean(changed, axis=3, keepdims=True)


def band_filters(size: int) -> np.ndarray:
    """Return matrices [4, S, S] that split a line of pixels into four bands, lowest first, whose sum is the line.

    The paper's filter bank: the autocorrelation of SYM2 splits the lowest band in two, three times.
    """
    low = np.convolve(SYM2, SYM2[::-1]) / 2
    taps = np.eye(4, 1)
    for band in range(1, 4):
        apart = np.zeros([4, 2 * taps.shape[1] - 1])
        apart[:, ::2] = taps
        taps = np.stack([np.convolve(each, low) for each in apart])
        middle = taps.shape[1] // 2
        taps[band, middle - 3 : middle + 4] -= low
        taps[band, middle] += 1
    image = np.pad(np.eye(size), [(middle, middle), (0, 0)], mode="reflect")
    return np.stack([np.apply_along_axis(np.convolve, 0, image, each, "valid") for each in taps])


def band_gains(draw: Draws) -> tf.Tensor:
    """Draw gains of the bands that keep the expected power of an image: [B, 1, 4]."""
    gains = tf.ones([1, 1, 4])
    for band in np.eye(4, dtype="float32"):
        gain = 1 - band + band * draw.gate(2 ** draw.normal(1.0), 1.0)
        gains *= gain / tf.sqrt(tf.reduce_sum(BAND_POWER * gain**2, axis=2, keepdims=True))
    return gains


def cutout_mask(draw: Draws, size: int) -> tf.Tensor:
    """Draw masks [B, S, S, 1] that are 0 on a square of half the size, at a uniform centre, and 1 elsewhere."""
    half = draw.gate(0.25, 0.0)
    x, y = tf.unstack(draw.uniform(0, 1, 2))
    position = (np.arange(size, dtype="float32") + 0.5) / size
    kept = (tf.abs(position - x) >= half) | (tf.abs(position[:, None] - y) >= half)
    return tf.cast(kept, tf.float32)[..., None]
