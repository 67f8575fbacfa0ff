"""Nearest neighbours, and the test whether samples are nearer to training images than held-out ones are.

Meehan, Chaudhuri, Dasgupta, A Non-Parametric Test to Detect Data-Copying in Generative Models, arXiv 2004.05675. Knows
no experiment, no files and no extractor: rows are pixels or features, read a block at a time.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable

import numpy as np

from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import image_sets

AT_ONCE = 2**24  # numbers of the queries that are float64 at once: 128 MB
FEWEST = 20  # samples, and held-out images, without which a cell does not count: fewer are not nearly normal
MOST_CELLS, PER_CELL = 10, 50  # of the smaller set, on average
MOST_CLUSTERED = 10000  # training rows that the cells are made of


class Found(typing.NamedTuple):
    """The k nearest rows of M queries, nearest first.

    Attributes:
        distances: Euclidean, float64 [M, k].
        places: numbers of the rows, int64 [M, k].
    """

    distances: np.ndarray
    places: np.ndarray


def search(queries: np.ndarray, blocks: Iterable[np.ndarray], k: int, own: np.ndarray | None = None) -> Found:
    """Find the nearest rows of each query; distances of uint8 are exact.

    Args:
        queries: [M, D], uint8 or float32.
        blocks: the rows, blocks [n, D] of the same kind.
        k: number of neighbours.
        own: int [M, c], numbers of rows that are not neighbours of a query, such as itself; -1 stands for none.

    Raises:
        UserError: there are fewer than k rows, or a number is not finite.
    """
    best = np.full([len(queries), k], np.inf)
    places, first = np.full([len(queries), k], -1), 0
    squares = _squares(queries)
    for block in blocks:
        distances = _squared_distances(queries, block, squares)
        if own is not None:
            query, column = np.nonzero((first <= own) & (own < first + len(block)))
            distances[query, own[query, column] - first] = np.inf
        numbers = np.broadcast_to(np.arange(first, first + len(block)), distances.shape)
        both = np.concatenate([best, distances], axis=1), np.concatenate([places, numbers], axis=1)
        nearest = np.argsort(both[0], axis=1, kind="stable")[:, :k]  # of equal ones, the first
        best, places = (np.take_along_axis(each, nearest, axis=1) for each in both)
        first += len(block)
    if not np.all(np.isfinite(best)):
        raise UserError(f"expected at least {k} other training images and finite features, received {first} images")
    return Found(np.sqrt(best), places)


def _squares(rows: np.ndarray) -> np.ndarray:
    """Return the squared lengths of rows, float64 [n]."""
    return np.concatenate([np.sum(np.square(part, dtype=np.float64), axis=1) for part in np.array_split(rows, 16)])


def _squared_distances(queries: np.ndarray, block: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return |q - b|^2 = |q|^2 + |b|^2 - 2 q b, float64 [M, n], a part of the columns at a time."""
    distances = squares[:, None] + _squares(block)
    width = max(AT_ONCE // max(len(queries), 1), 1)
    for start in range(0, queries.shape[1], width):
        columns = slice(start, start + width)
        distances -= 2 * queries[:, columns].astype(np.float64) @ block[:, columns].astype(np.float64).T
    return np.maximum(distances, 0)


def z_score(test: np.ndarray, samples: np.ndarray) -> float:
    """Return Z_U, the z-score of the Mann-Whitney U of samples' distances against those of held-out images.

    U counts the pairs in which the sample is farther from the training images; ties count half. Under the null
    hypothesis of equal distributions, its mean is nm / 2 and its variance nm (n + m + 1) / 12. Negative: samples are
    nearer.

    Args:
        test: distances of held-out images to their nearest training image, [n].
        samples: those of samples, [m].
    """
    n, m, ordered = len(test), len(samples), np.sort(test)
    sides = (np.searchsorted(ordered, samples, side=side) for side in ("left", "right"))
    u = sum(np.sum(count, dtype=np.float64) for count in sides) / 2
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def num_cells(*counts: int) -> int:
    """Return the number of cells for sets of images of these counts."""
    return max(min(*counts, MOST_CELLS * PER_CELL) // PER_CELL, 1)


def cells(training: np.ndarray, sets: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Return the cell of each row of the sets, int [n]: k-means of at most 10,000 training rows, equally spaced.

    Args:
        training: features [N, d], may be an `np.memmap`.
        sets: features [n, d] each.
        count: number of cells.
    """
    from sklearn.cluster import KMeans

    chosen = image_sets.equally_spaced(len(training), min(len(training), MOST_CLUSTERED))
    means = KMeans(min(count, len(chosen)), n_init=3, random_state=0).fit(np.float64(training[chosen]))
    return [means.predict(np.float64(rows)) for rows in sets]


def copying_statistic(
    test: np.ndarray, samples: np.ndarray, test_cells: np.ndarray, sample_cells: np.ndarray
) -> tuple[float, float] | None:
    """Return C_T, and its standard deviation if both sets have one distribution; None if no cell has enough images.

    C_T = sum_c P(c) Z_U(c) / sum_c P(c) over the cells c with at least 20 images of both sets; P(c) is the share of
    held-out images in c (section 3.2 of the paper). Its Z_U are independent with deviation 1, so its deviation is
    (sum P^2)^(1/2) / sum P.

    Args:
        test, samples: distances to the nearest training image, [n] and [m].
        test_cells, sample_cells: their cells, int [n] and [m].
    """
    shares, scores = [], []
    for cell in np.unique(test_cells):
        parts = test[test_cells == cell], samples[sample_cells == cell]
        if min(map(len, parts)) >= FEWEST:
            shares.append(len(parts[0]) / len(test))
            scores.append(z_score(*parts))
    if not shares:
        return None
    total = np.sum(shares)
    return float(np.dot(shares, scores) / total), float(np.linalg.norm(shares) / total)
