"""Does a generator copy? Samples beside their nearest training images, in pixels and in features.

Held-out images say how near new images are: samples of a generator that copies are nearer.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Iterator

import numpy as np

from rpgan_tf.data import order
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import feature_cache, image_sets, measures, neighbours
from rpgan_tf.evaluation.features import Extractor
from rpgan_tf.files import progress

NEAR = 0.01  # share of held-out images that are as near as a copy would be
SIGNIFICANT = 3  # deviations of C_T under the null hypothesis
BLOCK, BLOCK_BYTES = 1024, 2**26  # training images at once, and bytes of their pixels, at most


class Space(typing.NamedTuple):
    """Distances in pixels or in features.

    Attributes:
        found: the nearest training images of each sample; places count the images, then their mirror images.
        near: distance below which the nearest 1 % of the held-out images are.
        numbers: for a row of JSON.
    """

    found: neighbours.Found
    near: float
    numbers: dict[str, float | None]


def open_images(
    source: str, split: str, options: types.SimpleNamespace
) -> tuple[image_sets.ImageSet, image_sets.ImageSet | None]:
    """Open training images, and held-out ones: those of `test_lfile`, else those that `subset` leaves out, else None.

    Args:
        source: .npz file or value of `lfile`.
        split: "train" if `source` is the training data of `options`, of which `subset` is taken.
        options: from `rpgan_tf.config`.
    """
    is_file = source.endswith(".npz")
    training = image_sets.open_npz(source) if is_file else image_sets.open_data(source, options, of_training=True)
    held_out = image_sets.open_data(options.test_lfile, options) if options.test_lfile else None
    if split == "train" and options.subset is not None:
        chosen = order.choose(options, training.count)
        rest = np.setdiff1d(np.arange(training.count), chosen)
        if held_out is None and len(rest):
            name = f"{training.name} without the subset"
            held_out = dataclasses.replace(training.take(rest), name=name)
        training = dataclasses.replace(training.take(chosen), name=f"{training.name}, {len(chosen)} images of subset")
    return training, held_out


def compare(
    training: image_sets.ImageSet,
    mirror: bool,
    samples: np.ndarray,
    held_out: image_sets.ImageSet | None,
    extractor: Extractor,
    k: int,
) -> tuple[dict[str, Space], int]:
    """Compare samples with training images.

    Args:
        training: all images that the generator was trained on.
        mirror: whether it was trained on their mirror images, too.
        samples: uint8 [M, H, W, C].
        held_out: other images of the same distribution, as many as samples at most; None for the training images, each
            without itself.
        extractor: of features; those of the training images are kept in the cache.
        k: number of neighbours.

    Returns:
        {"pixels": ..., "features": ...}, and the number of held-out images. Distances in pixels are the root mean
        square difference in grey levels, 0 .. 255; those in features are Euclidean.

    Raises:
        UserError: images differ in size, or there are too few of them.
    """
    _check(training, samples.shape[1:], held_out)
    sets = [training, training.mirrored()] if mirror else [training]
    source = held_out or training
    wanted = image_sets.equally_spaced(source.count, min(len(samples), source.count))
    test = source.take(wanted).pixels()
    own = np.full([len(samples) + len(test), len(sets)], -1)
    if held_out is None:
        own[len(samples) :] = wanted[:, None] + training.count * np.arange(len(sets))

    queries = np.concatenate([samples, test])
    references = [measures.Reference(images, extractor, {}) for images in sets]
    rows = np.concatenate([extractor(part)[0] for part in np.array_split(queries, -(-len(queries) // BLOCK))])
    training_rows = [reference.features for reference in references]
    found = {
        "pixels": neighbours.search(queries.reshape(len(queries), -1), _blocks_of_pixels(sets), k, own),
        "features": neighbours.search(rows, _blocks_of_features(training_rows), k, own),
    }
    of_samples, of_test = slice(len(samples)), slice(len(samples), None)
    count = neighbours.num_cells(len(samples), len(test))
    cells = neighbours.cells(training_rows[0], [rows[of_test], rows[of_samples]], count)
    spaces = {}
    for name, (distances, places) in found.items():
        if name == "pixels":
            distances = distances / math.sqrt(math.prod(training.shape))
        near, numbers = summarize(distances[of_test, 0], distances[of_samples, 0], *cells)
        spaces[name] = Space(neighbours.Found(distances[of_samples], places[of_samples]), near, numbers)
    return spaces, len(test)


def _check(training, shape, held_out):
    """Raise a `UserError` unless all images have one size."""
    for images in (training, held_out):
        if images is not None and images.shape != shape:
            sizes = ["x".join(map(str, each)) for each in (images.shape, shape)]
            raise UserError(
                f"image sizes differ: '{images.name}' has {sizes[0]}, samples {sizes[1]} (height, width, channels); "
                "bring them to one size, as with --set resize=cover for a list or a folder"
            )


def _blocks_of_pixels(sets: list[image_sets.ImageSet]) -> Iterator[np.ndarray]:
    """Yield the pixels of all images, uint8 [n, H W C]."""
    size = min(BLOCK, max(BLOCK_BYTES // math.prod(sets[0].shape), 1))
    with progress.bar(sum(images.count for images in sets), "nearest in pixels") as bar:
        waiting: list[np.ndarray] = []
        for images in sets:
            for batch in images.each():
                waiting.append(batch.reshape(len(batch), -1))
                if sum(map(len, waiting)) >= size:
                    yield np.concatenate(waiting)
                    waiting.clear()
                bar.update(len(batch))
        if waiting:
            yield np.concatenate(waiting)


def _blocks_of_features(arrays: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the features of all images, float32 [n, d]."""
    with progress.bar(sum(map(len, arrays)), "nearest in features") as bar:
        for rows in arrays:
            for start in range(0, len(rows), feature_cache.BLOCK):
                block = np.array(rows[start : start + feature_cache.BLOCK])
                yield block
                bar.update(len(block))


def summarize(
    test: np.ndarray, samples: np.ndarray, test_cells: np.ndarray, sample_cells: np.ndarray
) -> tuple[float, dict[str, float | None]]:
    """Return the 1st percentile of held-out images' distances, and the numbers of a space.

    Args:
        test, samples, test_cells, sample_cells: as for `neighbours.copying_statistic`.
    """
    near = float(np.quantile(test, NEAR))
    statistic, deviation = neighbours.copying_statistic(test, samples, test_cells, sample_cells) or (None, None)
    return near, {
        "median": float(np.median(samples)),
        "median_held_out": float(np.median(test)),
        "near": near,
        "share_near": float(np.mean(samples < near)),
        "z_u": neighbours.z_score(test, samples),
        "c_t": statistic,
        "c_t_deviation": deviation,
    }


def text_of(name: str, numbers: dict[str, float | None]) -> str:
    """Return the numbers of a space as a line that says what they mean."""
    statistic, deviation = numbers["c_t"], numbers["c_t_deviation"]
    if statistic is None or deviation is None:
        verdict = f"C_T needs {neighbours.FEWEST} samples and held-out images in a cell: take more of both"
    else:
        verdict = f"C_T {statistic:.2f}, expected 0 +- {deviation:.2f}: samples are "
        if abs(statistic) <= SIGNIFICANT * deviation:
            verdict += "as near as held-out images, no sign of copying"
        elif statistic < 0:
            verdict += "nearer than held-out images: copying"
        else:
            verdict += "farther than held-out images: no copying, but unlike the data"
    return (
        f"{name}: median distance to the nearest training image {numbers['median']:.4g}, of held-out images "
        f"{numbers['median_held_out']:.4g}; {numbers['share_near']:.1%} of samples are nearer than the nearest 1% of "
        f"held-out images ({numbers['near']:.4g}); {verdict}"
    )
