"""Distances between real and generated images, by features, logits or pixels. Knows no experiment and no files.

Features may be an `np.memmap`: they are read a block at a time, so that memory hardly grows with their number. The
Inception score reads a split at a time, sliced Wasserstein distances keep patches of all images.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import tqdm

from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import tfgan

if typing.TYPE_CHECKING:
    import tensorflow as tf

BLOCK = 1024  # rows of features in memory at once
TRIM = (1, 99)  # percentiles between which path lengths are averaged
MIN_PYRAMID = 16  # lowest resolution of the Laplacian pyramid
PATCH, PATCHES = 7, 64  # size of a patch, patches of an image on each level
DIRECTIONS = 7, 21  # groups and their directions: one group's projections are in memory at a time


class Images(typing.Protocol):
    """Images as sliced Wasserstein distances read them; see `image_sets.ImageSet`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""

    @property
    def count(self) -> int:
        """Number of images."""

    def each(self) -> Iterable[np.ndarray]:
        """Yield all images in batches, uint8 [n, H, W, C]."""


class Moments:
    """Mean and covariance of features that come in batches.

    Sums are float64 and taken about a running mean (Chan, Golub, LeVeque 1979): batches and order change the result
    only by rounding.

    Attributes:
        count: number of features so far.
        mean: float64 [d].
        scatter: float64 [d, d], the sum of (x - mean) (x - mean)^T.
    """

    def __init__(self, count: int = 0, mean: np.ndarray | float = 0.0, scatter: np.ndarray | float = 0.0) -> None:
        self.count, self.mean, self.scatter = int(count), np.asarray(mean), np.asarray(scatter)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance, float64 [d, d], with divisor count - 1, as in TensorFlow-GAN."""
        if self.count < 2:
            raise UserError(f"a covariance needs two images or more, received {self.count}; set a larger --samples")
        return self.scatter / (self.count - 1)

    def update(self, features: np.ndarray) -> None:
        """Add features [n, d]; raises `UserError` if a value is not finite."""
        features = _finite(features)
        if not len(features):
            return
        mean = np.mean(features, axis=0)
        centered = features - mean
        scatter = centered.T @ centered
        if self.count:
            total, apart = self.count + len(features), mean - self.mean
            scatter += self.scatter + np.outer(apart, apart) * (self.count * len(features) / total)
            mean = self.mean + apart * (len(features) / total)
        self.count, self.mean, self.scatter = self.count + len(features), mean, scatter

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that `from_arrays` takes."""
        return {"count": np.array(self.count, np.int64), "mean": self.mean, "scatter": self.scatter}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Moments:
        """Return the moments whose `to_arrays` are these."""
        return cls(int(arrays["count"]), arrays["mean"], arrays["scatter"])


def frechet_distance(real: Moments, fake: Moments) -> float:
    """Return the Frechet distance of two Gaussians, the FID if features are Inception's.

    ||m_r - m_f||^2 + Tr(C_r + C_f - 2 (C_r C_f)^(1/2))  (Heusel et al., arXiv 1706.08500, equation 6). The trace of the
    root equals that of the symmetric (C_r^(1/2) C_f C_r^(1/2))^(1/2), computed in float64 from eigenvalues, negative
    ones, due to rounding, set to 0. No imaginary parts come up.

    Args:
        real, fake: moments of features.

    Raises:
        UserError: samples are not more than features, so that a covariance is singular; or all real features are the
            same.
    """
    if real.mean.shape != fake.mean.shape:
        raise UserError(f"features of two sizes: {real.mean.shape[0]} of real and {fake.mean.shape[0]} of fake images")
    for which, moments in (("real", real), ("generated", fake)):
        if moments.count <= len(moments.mean):
            raise UserError(
                f"the FID needs more images than features: expected over {len(moments.mean)} {which} images, received "
                f"{moments.count}; set a larger --samples, give a larger reference, or take kid"
            )
    if not np.any(real.scatter > 0):
        raise UserError("all real images have the same features: is the reference one and the same image?")
    root = _matrix_sqrt(real.covariance)
    values = np.linalg.eigvalsh(root @ fake.covariance @ root)
    trace = np.trace(real.covariance) + np.trace(fake.covariance) - 2 * np.sum(np.sqrt(np.maximum(values, 0)))
    return float(max(np.sum((real.mean - fake.mean) ** 2) + trace, 0.0))


def _matrix_sqrt(matrix):
    """Return the root of a symmetric positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def kernel_distance(
    real: np.ndarray, fake: np.ndarray, block_size: int = 1000, seed: int | None = 0
) -> tuple[float, float]:
    """Return the kernel distance and its standard error, the KID if features are Inception's.

    The unbiased squared maximum mean discrepancy with the kernel (x^T y / d + 1)^3 (Binkowski et al., arXiv
    1801.01401), computed by TensorFlow-GAN for blocks of both sets and averaged. It may be negative.

    Args:
        real, fake: features [N, d] and [M, d].
        block_size: images of the larger set in a block at most.
        seed: of the random division into blocks, since sets are often sorted; None for consecutive blocks.

    Returns:
        (distance, standard error over the blocks; NaN with a single block)
    """
    tfgan.load()
    import tensorflow as tf
    from tensorflow_gan.python.eval import classifier_metrics

    if min(len(real), len(fake)) < 2:
        raise UserError(f"the KID needs two images or more of each set, received {len(real)} and {len(fake)}")
    num_blocks = min(-(-max(len(real), len(fake)) // block_size), min(len(real), len(fake)) // 2)
    other = None if seed is None else [seed, 1]  # in another order: both may be sorted alike
    estimates = []
    for parts in zip(*(_divided(rows, num_blocks, each) for rows, each in ((real, seed), (fake, other)))):
        estimate, _ = classifier_metrics.kernel_classifier_distance_and_std_from_activations(
            *map(tf.constant, parts), max_block_size=max(block_size, *map(len, parts))
        )
        estimates.append(float(estimate))
    error = np.std(estimates, ddof=1) / np.sqrt(num_blocks) if num_blocks > 1 else np.nan
    return float(np.mean(estimates)), float(error)


def _divided(rows, num_blocks, seed):
    """Yield blocks of rows with TensorFlow-GAN's sizes, longer ones last: in the order of a seed, or consecutive."""
    order = np.arange(len(rows)) if seed is None else np.random.default_rng(seed).permutation(len(rows))
    size, longer = divmod(len(rows), num_blocks)
    for block in np.split(order, np.cumsum([size] * (num_blocks - longer) + [size + 1] * longer)[:-1]):
        yield _finite(rows[np.sort(block)])


def inception_score(logits: np.ndarray, num_splits: int = 10, seed: int | None = 0) -> tuple[float, float]:
    """Return mean and standard deviation over splits of exp(E KL(p(y | x) || p(y))), computed by TensorFlow-GAN.

    Salimans et al., arXiv 1606.03498, section 4.

    Args:
        logits: [N, num_classes].
        num_splits: number of parts, each with a score of its own.
        seed: of the random division into parts; None for consecutive parts.
    """
    tfgan.load()
    import tensorflow as tf
    from tensorflow_gan.python.eval import classifier_metrics

    if len(logits) < num_splits:
        raise UserError(f"expected at least {num_splits} images for the splits of the IS, received {len(logits)}")
    scores = [
        float(classifier_metrics.classifier_score_from_logits(tf.constant(part)))
        for part in _divided(logits, num_splits, seed)
    ]
    return float(np.mean(scores)), float(np.std(scores))


def sliced_wasserstein(real: Images, fake: Images, seed: int = 0) -> dict[int, float]:
    """Return the sliced Wasserstein distance of 7x7 patches for each level of a Laplacian pyramid.

    Karras et al., arXiv 1710.10196, section 5; there, the numbers are multiplied by 1000 and made with 8,192 images.
    Pyramids and distances are computed by TensorFlow-GAN. Grey images count as colour. Differs from TensorFlow-GAN in:
    patches are normalized over all patches as in the paper, not each by its own mean and deviation; and their places do
    not depend on the batches, of which only one is in memory at a time.

    The patches of a level are in memory: about 2.5 GB for 8,192 images of any size. Images are read once for each
    level.

    Args:
        real, fake: as many images of both; their size is a power of two >= 8.
        seed: of patches and directions; also becomes TensorFlow's global seed.

    Returns:
        {size of the level: distance}, the largest first.
    """
    tfgan.load()
    import tensorflow as tf
    from tensorflow_gan.python.eval import sliced_wasserstein as swd

    size = real.shape[0]
    if (real.count, real.shape) != (fake.count, fake.shape) or size != real.shape[1] or size < 8 or size & (size - 1):
        raise UserError(
            "sliced Wasserstein distances are of as many real as generated images, square, with a side that is a power "
            f"of two >= 8; received {[real.count, *real.shape]} and {[fake.count, *fake.shape]}"
        )
    tf.random.set_seed(seed)  # draws the directions; TensorFlow cannot restore the state before
    num_levels = max(size // MIN_PYRAMID, 1).bit_length()
    distances = {}
    for level in range(num_levels):
        patches = [_patches(images, level, num_levels, [seed, level, i]) for i, images in enumerate((real, fake))]
        distances[size >> level] = float(swd._sliced_wasserstein(*patches, *DIRECTIONS))
    return distances


def _patches(images: Images, level: int, num_levels: int, seed: list[int]) -> np.ndarray:
    """Return patches at random places of a level of the images' pyramids, float32 [N * PATCHES, 3 * PATCH * PATCH].

    Each channel has mean 0 and deviation 1.
    """
    import tensorflow as tf
    from tensorflow_gan.python.eval import sliced_wasserstein as swd

    num_places = (images.shape[0] >> level) - PATCH + 1
    places = np.random.default_rng(seed).integers(num_places, size=[2, images.count, PATCHES])
    found, first = np.empty([images.count, PATCHES, 3, PATCH, PATCH], np.float32), 0
    for pixels in images.each():
        part = slice(first, first + len(pixels))
        colour = tf.constant(np.broadcast_to(pixels, [*pixels.shape[:3], 3]), tf.float32)
        of_level = swd.laplacian_pyramid(colour, num_levels)[level].numpy()
        windows = np.lib.stride_tricks.sliding_window_view(of_level, [PATCH, PATCH], axis=(1, 2))
        found[part] = windows[np.arange(len(pixels))[:, None], *places[:, part]]
        first += len(pixels)
    for channel in np.moveaxis(found, 2, 0):
        channel -= np.mean(channel, dtype=np.float64)
        channel /= np.sqrt(np.mean(np.square(channel), dtype=np.float64) + 1e-12)
    return found.reshape(images.count * PATCHES, -1)


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Return improved precision and recall (Kynkaanniemi et al., arXiv 1904.06991, equations 1 and 2).

    Precision is the share of fake features closer to a real one than its k-th neighbour is; recall exchanges real and
    fake.

    Args:
        real, fake: features [N, d] and [M, d].
        k: number of neighbours, the feature itself not counted.
    """
    precision = np.mean(_inside(fake, real, _radii(real, k))[0] > 0)
    recall = np.mean(_inside(real, fake, _radii(fake, k))[0] > 0)
    return float(precision), float(recall)


def density_coverage(real: np.ndarray, fake: np.ndarray, k: int = 5) -> tuple[float, float]:
    """Return density and coverage (Naeem et al., arXiv 2002.09797, equations 3 and 4).

    Each real feature has a ball that reaches to its k-th neighbour. Density is the mean number of balls that hold a
    fake feature, over k; coverage is the share of balls that hold one.

    Args:
        real, fake: features [N, d] and [M, d].
        k: number of neighbours, the feature itself not counted.
    """
    balls, covered = _inside(fake, real, _radii(real, k))
    return float(np.mean(balls) / k), float(np.mean(covered))


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Return the distance of each feature [N, d] to its k-th neighbour, float64 [N]."""
    if len(features) <= k:
        raise UserError(f"expected more than k = {k} images for their neighbours, received {len(features)}")
    radii: list[np.ndarray] = []
    for rows in _blocks(features, "neighbours"):
        nearest = np.full([len(rows), k + 1], np.inf)  # the feature itself included
        for columns in _blocks(features):
            distances = np.concatenate([nearest, _distances(rows, columns)], axis=1)
            nearest = np.partition(distances, k, axis=1)[:, : k + 1]
        radii.append(nearest.max(axis=1))
    return np.concatenate(radii)


def _inside(points: np.ndarray, centers: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of balls that hold each point, int [M], and whether each ball holds a point, bool [N]."""
    counts, held = np.zeros(len(points), int), np.zeros(len(centers), bool)
    for i, rows in enumerate(_blocks(points, "in balls")):
        for j, columns in enumerate(_blocks(centers)):
            mine = slice(j * BLOCK, j * BLOCK + len(columns))
            within = _distances(rows, columns) <= radii[mine]
            counts[i * BLOCK : i * BLOCK + len(rows)] += within.sum(axis=1)
            held[mine] |= within.any(axis=0)
    return counts, held


def _distances(rows, columns):
    from sklearn.metrics.pairwise import euclidean_distances

    return euclidean_distances(rows, columns)


def _blocks(features: np.ndarray, progress: str | None = None) -> Iterator[np.ndarray]:
    """Yield features a block at a time, as float64; `progress` names the bar on a terminal."""
    starts = range(0, len(features), BLOCK)
    for start in tqdm.tqdm(starts, progress, leave=False, disable=None if progress and len(starts) > 4 else True):
        yield _finite(features[start : start + BLOCK])


def path_length(
    generate: Callable[[np.ndarray], np.ndarray],
    z_0: np.ndarray,
    z_1: np.ndarray,
    t: np.ndarray,
    extractor: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]],
    path: str = "slerp",
    epsilon: float = 1e-4,
    batch: int = 32,
) -> float:
    """Return the perceptual path length, as in StyleGAN, in the latent space of any generator.

    E d(G(p(t)), G(p(t + epsilon))) / epsilon^2 over paths p from z_0 to z_1 (Karras et al., arXiv 1812.04948, section
    4.1), without the lowest and highest percentile. Differs from it in: d is the squared distance of features of unit
    length, not LPIPS, so that numbers of different extractors, or of the paper, cannot be compared. Images are not
    rounded to 8 bits, which would hide so small a step.

    Args:
        generate: function from latents [n, zlen] to images [n, H, W, C] in [-1, 1].
        z_0, z_1: ends of the paths, latents [N, zlen].
        t: places on the paths, float [N] in [0, 1).
        extractor: of `rpgan_tf.evaluation.features`.
        path: "slerp" for normal latents, "lerp" for uniform ones.
        epsilon: step on the path.
        batch: paths at a time.
    """
    lengths: list[np.ndarray] = []
    interpolate = _slerp if path == "slerp" else _lerp
    for start in tqdm.tqdm(range(0, len(z_0), batch), "paths", leave=False, disable=None):
        part = slice(start, start + batch)
        a, b = z_0[part].astype(np.float64), z_1[part].astype(np.float64)
        unit = []
        for place in (t[part], t[part] + epsilon):
            z = interpolate(a, b, place.astype(np.float64)[:, None]).astype(np.float32)
            features = _finite(extractor(np.asarray(generate(z)) * 127.5 + 127.5)[0])
            unit.append(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12))
        lengths.append(np.sum((unit[0] - unit[1]) ** 2, axis=1) / epsilon**2)
    return _trimmed_mean(np.concatenate(lengths))


def path_length_in_w(
    synthesize: Callable[[np.ndarray, int], np.ndarray | tf.Tensor],
    w_0: np.ndarray,
    w_1: np.ndarray,
    distance: Callable[[np.ndarray | tf.Tensor, np.ndarray | tf.Tensor], np.ndarray | tf.Tensor],
    epsilon: float = 1e-4,
    batch: int = 16,
) -> float:
    """Return the perceptual path length at the starts of paths in w.

    E d(G(w_0), G(w_0 + epsilon (w_1 - w_0))) / epsilon^2, without the lowest and highest percentile (Karras et al.,
    arXiv 1812.04948, section 4.1); as in the tables of arXiv 1912.04958 and 2006.06676, where d is LPIPS by VGG16.

    Args:
        synthesize: function from codes, float32 [n, ...], and the number of the batch, for its noise, to images
            [n, H, W, C] in [-1, 1].
        w_0, w_1: codes [N, ...].
        distance: function from two batches of images to distances [n].
        epsilon: step on the path.
        batch: paths at a time.
    """
    lengths: list[np.ndarray] = []
    for i, start in enumerate(tqdm.tqdm(range(0, len(w_0), batch), "paths", leave=False, disable=None)):
        a, b = (w[start : start + batch].astype(np.float64) for w in (w_0, w_1))
        pair = [synthesize(_lerp(a, b, t).astype(np.float32), i) for t in (0, epsilon)]
        lengths.append(_finite(distance(*pair)) / epsilon**2)
    return _trimmed_mean(np.concatenate(lengths))


def _trimmed_mean(lengths: np.ndarray) -> float:
    low, high = np.percentile(lengths, TRIM[0], method="lower"), np.percentile(lengths, TRIM[1], method="higher")
    return float(np.mean(lengths[(low <= lengths) & (lengths <= high)]))


def _lerp(a: np.ndarray, b: np.ndarray, t: np.ndarray | float) -> np.ndarray:
    return a + (b - a) * t


def _slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray | float) -> np.ndarray:
    """Return points at t: directions on the arc from that of a to that of b, lengths on the line between theirs."""
    length_a, length_b = (np.linalg.norm(z, axis=1, keepdims=True) for z in (a, b))
    a, b = a / length_a, b / length_b
    angle = np.arccos(np.clip(np.sum(a * b, axis=1, keepdims=True), -1, 1))
    away = b - np.sum(a * b, axis=1, keepdims=True) * a
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    return (a * np.cos(angle * t) + away * np.sin(angle * t)) * _lerp(length_a, length_b, t)


def _finite(features: np.ndarray | tf.Tensor) -> np.ndarray:
    """Return features as float64; raises `UserError` if one is not finite."""
    features = np.asarray(features, np.float64)
    if not np.all(np.isfinite(features)):
        raise UserError("a feature is not finite: did training diverge, or are pixels damaged?")
    return features
