"""Datasets of a training run: an endless stream of batches, held-out batches, or all images once.

Data are images of a list, a folder, a .zip or tensorflow-datasets, scikit-learn's digits, or points of a mixture. The
order, crops and points of the stream are functions of (seed, position) alone, so it can start at any iteration.
"""

import types
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from rpgan_tf.data import cache, digits, drawn, faults, labels, names, order, pixels, sources
from rpgan_tf.errors import UserError

NUM_HELD_OUT = 10000  # where data have no end
PARALLEL_IMAGES = 16  # read and decoded at the same time
AT_ONCE = 32  # elements whose order is computed at once

Load = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # from positions and entries, int64 [n], to scaled data


def distributed(
    options: types.SimpleNamespace, start: int = 0, *, batches: order.Batches
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Return `dataset` for the strategy that is in use: each replica gets its part of every batch.

    Every pipeline, one per machine, reads only the images of its own replicas.
    """
    strategy = tf.distribute.get_strategy()
    count = strategy.num_replicas_in_sync
    if count == 1:
        return dataset(options, start, batches=batches)

    def of_machine(context):
        own = count // context.num_input_pipelines
        first = context.input_pipeline_id * own
        return dataset(options, start, batches=batches, parts=(range(first, first + own), count))

    return strategy.distribute_datasets_from_function(of_machine)


def dataset(
    options: types.SimpleNamespace,
    start: int = 0,
    *,
    batches: order.Batches,
    parts: tuple[Iterable[int], int] = (range(1), 1),
) -> tf.data.Dataset:
    """Return the data of `options.lfile` as an endless dataset with one element for each iteration.

    An element holds all batches of its iteration, each of bsz * pack images, one after the other. Elements take
    consecutive positions of one stream, whose order is that of `rpgan_tf.data.order`; they run across its ends.
    `subset` draws that many of the images at random; `mirror` adds the mirror image of each.

    Args:
        options: from `rpgan_tf.config`.
        start: iteration of the first element.
        batches: number of batches of an iteration.
        parts: (numbers, count): bsz is divided into `count` parts, and an iteration has one element for each of the
            parts with these numbers.

    Returns:
        `tf.data.Dataset` of float32 [batches(i) * bsz * pack, imsz, imsz, channels] in [-1, 1], or of points
        [batches(i) * bsz * pack, dims]; the first axis is static if it is the same for all iterations up to MAXITER.
        Where the net has `num_classes`, of pairs of images and labels, float32 [batches(i) * bsz * pack, num_classes].
        Iterating it raises a `tf.errors.OpError` at the first element with an image that is missing, damaged or,
        without `crop` and `resize`, not imsz x imsz: see `rpgan_tf.data.faults`.

    Raises:
        UserError: there are no images, fewer than `subset`, or `lfile` cannot be read; or the labels are not of length
            `num_classes`; or with `cache`, an image is missing or damaged, or the images take too much space.
    """
    num_images, load = _open("lfile", options.lfile, options, options.seed, keep=options.cache is not None)
    chosen = None if num_images is None else order.choose(options, num_images)
    found = labels.find("lfile", options.lfile, options.num_classes) if options.num_classes else None

    def element(taken):
        images = load(taken.positions, taken.entries)
        if options.mirror:
            images = tf.where(taken.mirrored[:, None, None, None], images[:, :, ::-1], images)
        return images if found is None else (images, labels.take(found, taken.entries))

    numbers = set(map(batches, range(options.MAXITER)))
    size = max(numbers) * options.bsz * options.pack // parts[1] if len(numbers) == 1 else None
    later = set(map(batches, range(options.MAXITER, options.MAXITER + AT_ONCE)))  # read ahead, the order goes on
    # Elements whose order takes one call of Python, a fifth of a millisecond.
    count = AT_ONCE if size and later == numbers else 1
    taken = tf.data.Dataset.from_generator(
        lambda: order.stack(order.divide(order.of_iterations(options, chosen, start, batches), options, *parts), count),
        output_signature=order.Taken(*(tf.TensorSpec([count, size], kind) for kind in (tf.int64, tf.int64, tf.bool))),
    )
    return taken.unbatch().map(element).prefetch(num_ahead(numbers))


def num_ahead(numbers: set[int]) -> int:
    """Return how many iterations' data are read ahead: a single one where it may take a hundred batches."""
    return 2 if numbers == {1} else 1


def held_out(options: types.SimpleNamespace) -> tf.data.Dataset:
    """Return the data of `options.test_lfile` once, in stored order, as batches of bsz * pack.

    Values and labels are those of `dataset`, with central instead of random crops, and without `subset` and `mirror`.
    Images that do not fill a batch are left out. Where data have no end, 10,000 are drawn.

    Raises:
        UserError: the images do not fill one batch, or `test_lfile` cannot be read; or the labels are not of length
            `num_classes`.
    """
    num_images, load = _open("test_lfile", options.test_lfile, options, None)
    num_images, size = num_images or NUM_HELD_OUT, options.bsz * options.pack
    if num_images < size:
        raise UserError(
            f"test_lfile = '{options.test_lfile}' has {num_images} images: expected at least one batch of bsz * pack = "
            f"{size}; add images, or set a smaller bsz"
        )
    found = labels.find("test_lfile", options.test_lfile, options.num_classes) if options.num_classes else None

    def element(entries):
        images = load(entries, entries)
        return images if found is None else (images, labels.take(found, entries))

    return tf.data.Dataset.range(num_images).batch(size, drop_remainder=True).map(element).prefetch(2)


def once(
    option: str, lfile: str, options: types.SimpleNamespace
) -> tuple[int, Callable[[int, int], Iterator[np.ndarray]]]:
    """Open data to go through all of them once, in stored order.

    Values are those of `held_out`, without labels; no image is left out.

    Args:
        option: name of the option or argument, for messages; stacked digits are those of `dataset` if it is "lfile",
            others if not.
        lfile: its value.
        options: as for `dataset`.

    Returns:
        The number of images; and a function from the number of the first image and a size to an iterator over batches,
        float32 [<= size, imsz, imsz, channels] in [-1, 1]. The iterator raises a `UserError` that names the first image
        that is missing, damaged or not imsz x imsz.

    Raises:
        UserError: there are no images, or they cannot be read.
    """
    num_images, load = _open(option, lfile, options, None)
    num_images = num_images or NUM_HELD_OUT

    def batches(first, size):
        entries = tf.data.Dataset.range(first, num_images).batch(size)
        try:
            yield from entries.map(lambda entries: load(entries, entries)).prefetch(1).as_numpy_iterator()
        except tf.errors.OpError:
            source = sources.find(option, lfile)
            fault = faults.first_fault(source, range(len(source.items)), options)
            if fault is None:
                raise
            raise UserError(fault) from None

    return num_images, batches


def _open(
    option: str, lfile: str, options: types.SimpleNamespace, seed: int | None, keep: bool = False
) -> tuple[int | None, Load]:
    """Open data.

    Args:
        option, lfile, options: as for `once`.
        seed: of random crops; None for central ones.
        keep: whether the images to train on are decoded once and kept, where `options.cache` says.

    Returns:
        The number of images, None where data have no end; and the function that loads them: float32
        [n, imsz, imsz, channels] or [n, dims].
    """
    if names.is_mixture(lfile):
        draw = drawn.points(lfile, options.seed)
        return None, lambda positions, entries: draw(positions)
    names.check_digits(option, lfile)
    if lfile == names.STACKED:
        stack = drawn.stacked(options.imsz, options.seed, held_out=option != "lfile")
        return None, lambda positions, entries: pixels.scale(stack(positions))
    if lfile in names.DIGITS:
        images = tf.constant(digits.images(lfile, options.imsz, options.channels))
        return len(images), lambda positions, entries: pixels.scale(tf.gather(images, entries))
    return _open_encoded(sources.find(option, lfile), options, seed, keep)


def _open_encoded(
    source: sources.Source, options: types.SimpleNamespace, seed: int | None, keep: bool
) -> tuple[int, Load]:
    """Open encoded images; arguments and results as for `_open`."""
    shape = [options.imsz, options.imsz, options.channels]

    def decode(entry):
        return pixels.decode(source.read(source.items[entry]), options.channels, options.background)

    decoded = _keep(options, source, decode) if keep else decode

    def load(position, entry):
        place = None if seed is None else tf.random.fold_in([seed, drawn.CROP], position)
        return pixels.scale(tf.ensure_shape(pixels.fit(decoded(entry), options, place), shape))

    return len(source.items), lambda positions, entries: tf.map_fn(
        lambda index: load(*index),
        (positions, entries),
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
        parallel_iterations=PARALLEL_IMAGES,
    )


def _keep(options: types.SimpleNamespace, source: sources.Source, decode: Callable) -> Callable:
    """Return the function of `cache.keep`; raises `UserError` as that, and if an image is missing or damaged."""
    chosen = order.choose(options, len(source.items))
    try:
        return cache.keep(options, source, chosen, decode)
    except tf.errors.OpError:
        fault = faults.first_fault(source, chosen, options)
        if fault is None:
            raise
        raise UserError(fault) from None
