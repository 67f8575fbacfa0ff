"""Latents and labels of samples: the one place that draws them, each a function of its seed.

Labels are float32 [N, num_classes], or None for a net without labels. Needs no TensorFlow unless the net has labels.
"""

import itertools
import types
from collections.abc import Callable, Iterator

import numpy as np

from rpgan_tf.data import names
from rpgan_tf.errors import UserError
from rpgan_tf.sampling.pictures import COLUMNS, ROWS

NUM_POINTS = 2500  # samples in the picture of an experiment on points
LARGEST_SEED = 2**32 - 1  # largest seed of np.random.RandomState

Labels = np.ndarray | None


def draw(seed: int | list[int], length: int, count: int = ROWS * COLUMNS, prior: str = "uniform") -> np.ndarray:
    """Draw latents from the prior.

    Args:
        seed: of `np.random.RandomState`.
        length: zlen.
        count: number of latents, by default those of a grid.
        prior: "uniform" for U[-1, 1), drawn as by the original's sample.py, or "normal" for N(0, 1).

    Returns:
        float32 [count, length].
    """
    return _draw(np.random.RandomState(seed), length, count, prior)


def draw_each(seeds: list[int], length: int) -> np.ndarray:
    """Draw one latent from N(0, 1) for each seed, as StyleGAN2's program: float32 [len(seeds), length]."""
    return np.concatenate([draw(seed, length, 1, "normal") for seed in seeds])


def inputs(options: types.SimpleNamespace, seed: int, count: int | None = None) -> tuple[np.ndarray, Labels]:
    """Draw the generator's inputs for samples.

    Args:
        options: from `rpgan_tf.config`.
        seed: of latents and labels.
        count: number of samples, by default as many as a picture shows.

    Returns:
        Latents, float32 [count, zlen], and labels.
    """
    if count is None:
        count = NUM_POINTS if names.is_mixture(options.lfile) else ROWS * COLUMNS
    return draw(seed, options.zlen, count, options.prior), labels(options, count, [seed, 0])


def batches(options: types.SimpleNamespace, seed: int, size: int) -> Iterator[tuple[np.ndarray, Labels]]:
    """Yield endless batches of `size` latents and labels; latents are consecutive parts of those of `inputs`."""
    random, draw_labels = np.random.RandomState(seed), _label_drawer(options)
    for i in itertools.count():
        yield _draw(random, options.zlen, size, options.prior), draw_labels(size, [seed, i])


def labels(options: types.SimpleNamespace, count: int, seed: list[int]) -> Labels:
    """Draw labels [count, num_classes] with the frequencies of the training data; None for a net without labels."""
    return _label_drawer(options)(count, seed)


def labels_of_class(options: types.SimpleNamespace, label: int | None, count: int) -> Labels:
    """Return the labels [count, num_classes] of one class; None for a net without labels.

    Raises:
        UserError: the net does not have this class, or has labels and `label` is None.
    """
    classes = options.num_classes
    if label is None and not classes:
        return None
    if label is None or not 0 <= label < classes:
        has = f"0 to {classes - 1}" if classes else "none, since the net has no labels"
        raise UserError(f"expected --class {has}; received {label}")
    return np.eye(classes, dtype=np.float32)[[label] * count]


def by_class(options: types.SimpleNamespace, seed: int, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw the generator's inputs for a grid that has a class in each row: as `inputs`, but for its labels.

    Args:
        options: from `rpgan_tf.config`, with `num_classes`.
        seed: of latents.
        rows: most rows, for the first classes; None for all.
    """
    rows = min(options.num_classes, rows or options.num_classes)
    classes = np.repeat(np.arange(rows), COLUMNS)
    return draw(seed, options.zlen, len(classes), options.prior), np.eye(options.num_classes, dtype=np.float32)[classes]


def of_progress(options: types.SimpleNamespace, seed: int) -> tuple[np.ndarray, Labels]:
    """Draw the inputs of pictures in training: `by_class` with ten rows where labels are classes, else `inputs`."""
    if options.num_classes:
        from rpgan_tf.data import labels as of_data

        if of_data.of_training(options).values.ndim == 1:
            return by_class(options, seed, ROWS)
    return inputs(options, seed)


def arguments(z: np.ndarray, labels: Labels = None) -> tuple[np.ndarray, ...]:
    """Return the positional arguments of a generator, which takes labels if there are any."""
    return (z,) if labels is None else (z, labels)


def chunks(size: int, z: np.ndarray, labels: Labels = None) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the `arguments` of consecutive parts, each of `size` samples but the last."""
    for start in range(0, len(z), size):
        yield tuple(array[start : start + size] for array in arguments(z, labels))


def parse_range(text: str) -> range | None:
    """Return the seeds of "600-605"; None if the text is no such range."""
    first, _, last = text.partition("-")
    if first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= LARGEST_SEED:
        return range(int(first), int(last) + 1)
    return None


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of "600-605" or "1,5,7-9".

    Raises:
        UserError: the text is no list of numbers and ranges.
    """
    seeds: list[int] = []
    for part in map(str.strip, text.split(",")):
        found = parse_range(part if "-" in part else f"{part}-{part}")
        if found is None:
            raise UserError(f"expected seeds such as 600-605 or 1,5,7-9; received '{text}'")
        seeds += found
    return seeds


def _draw(random: np.random.RandomState, length: int, count: int, prior: str) -> np.ndarray:
    """Draw the next latents of a random generator."""
    if prior == "normal":
        return random.randn(count, length).astype(np.float32)
    return (random.rand(count, length) * 2 - 1).astype(np.float32)


def _label_drawer(options: types.SimpleNamespace) -> Callable[[int, list[int]], Labels]:
    """Return the function from a count and a seed to what `labels` returns; it has read the data's labels."""
    if not options.num_classes:
        return lambda count, seed: None
    from rpgan_tf.data import labels as of_data

    found = of_data.of_training(options)
    return lambda count, seed: np.asarray(of_data.draw(found, count, seed))
