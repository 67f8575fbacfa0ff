"""Order of training images: which of them stands at which position of the stream. Needs NumPy only."""

import itertools
import types
import typing
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from rpgan_tf.errors import UserError

Batches = Callable[[int], int]  # from an iteration to its number of batches of real images


class Taken(typing.NamedTuple):
    """The images of an iteration, in the order of their positions.

    Attributes:
        positions: int64 [n], ascending.
        entries: int64 [n], the images in stored order; the positions themselves where data have no end.
        mirrored: bool [n], whether the mirror image is taken.
    """

    positions: np.ndarray
    entries: np.ndarray
    mirrored: np.ndarray


def choose(options: types.SimpleNamespace, num_images: int) -> np.ndarray:
    """Return the entries of the images to train on, int64 [m], ascending.

    Raises:
        UserError: there are fewer images than `subset`.
    """
    if options.subset is None:
        return np.arange(num_images)
    if options.subset > num_images:
        raise UserError(
            f"lfile = '{options.lfile}' has {num_images} images: expected subset of at most as many, received "
            f"{options.subset}; set a smaller subset, or None for all images"
        )
    return np.sort(np.random.RandomState(options.seed).permutation(num_images)[: options.subset])


def of_iterations(
    options: types.SimpleNamespace, chosen: np.ndarray | None, start: int, batches: Batches
) -> Iterator[Taken]:
    """Yield what iterations start, start + 1, ... take.

    Images come in the original's order: `RandomState(seed).permutation(n)`, and when these are used up, the next
    permutation of the same generator. With `mirror`, n counts the mirror images, which follow all of `chosen`.

    Args:
        options: from `rpgan_tf.config`.
        chosen: as returned by `choose`; None where data have no end.
        start: first iteration.
        batches: number of batches of an iteration.
    """
    random = np.random.RandomState(options.seed)
    num_images = 0 if chosen is None else len(chosen) * (1 + options.mirror)
    position = sum(map(batches, range(start))) * options.bsz * options.pack
    ahead, first = np.zeros(0, np.int64), 0  # the images of positions first, first + 1, ...
    for iteration in itertools.count(start):
        size = batches(iteration) * options.bsz * options.pack
        positions = np.arange(position, position + size)
        if chosen is None:
            yield Taken(positions, positions, np.zeros(size, bool))
        else:
            while first + len(ahead) < position + size:
                used = min(position - first, len(ahead))
                ahead, first = np.concatenate([ahead[used:], random.permutation(num_images)]), first + used
            taken = ahead[position - first :][:size]
            yield Taken(positions, chosen[taken % len(chosen)], taken >= len(chosen))
        position += size


def divide(
    order: Iterable[Taken], options: types.SimpleNamespace, numbers: Iterable[int], count: int
) -> Iterator[Taken]:
    """Yield the parts with these numbers of each iteration, whose batches are divided into `count` parts each."""
    for taken in order:
        divided = [array.reshape(-1, options.pack, count, options.bsz // count) for array in taken]
        for number in numbers:
            yield Taken(*(array[:, :, number].reshape(-1) for array in divided))


def stack(order: Iterator[Taken], count: int) -> Iterator[Taken]:
    """Yield `count` elements of an endless order at a time, as arrays [count, n]."""
    while True:
        yield Taken(*map(np.stack, zip(*itertools.islice(order, count))))
