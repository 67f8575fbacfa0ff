"""Faulty images: which one stopped a run, why, and how to mend it."""

import itertools
import os
import types
from collections.abc import Iterable

import tensorflow as tf

from rpgan_tf.data import names, order, pixels, sources


def find_fault(
    options: types.SimpleNamespace, first_iteration: int, num_iterations: int, batches: order.Batches
) -> str | None:
    """Find the image that stopped a run, by checking the images of some iterations one after the other.

    Args:
        options: from `rpgan_tf.config`.
        first_iteration: the first iteration whose images are checked.
        num_iterations: how many iterations are checked.
        batches: number of batches of an iteration.

    Returns:
        One line about the first image that is missing, damaged or, without `crop` and `resize`, not imsz x imsz; None
        if there is none.
    """
    if names.is_computed(options.lfile):
        return None
    source = sources.find("lfile", options.lfile)
    chosen = order.choose(options, len(source.items))
    taken = itertools.islice(order.of_iterations(options, chosen, first_iteration, batches), num_iterations)
    return first_fault(source, dict.fromkeys(itertools.chain.from_iterable(each.entries for each in taken)), options)


def find_held_out_fault(options: types.SimpleNamespace) -> str | None:
    """Return one line about the first faulty image of `options.test_lfile`, as `find_fault`, or None."""
    if names.is_computed(options.test_lfile):
        return None
    source = sources.find("test_lfile", options.test_lfile)
    return first_fault(source, range(len(source.items)), options)


def first_fault(source: sources.Source, entries: Iterable[int], options: types.SimpleNamespace) -> str | None:
    """Return one line about the first faulty image among entries of a source, or None."""
    for entry in entries:
        fault = _fault(source, source.items[entry], options)
        if fault:
            return f"{source.place(entry)} {fault}"
    return None


def _fault(source: sources.Source, item: tf.Tensor, options: types.SimpleNamespace) -> str | None:
    """Return why an image is faulty and how to mend it, or None."""
    try:
        contents = source.read(item)
    except tf.errors.OpError as error:
        reason = error.message.partition(" [Op:")[0].rpartition("; ")[2]
        expected = f"expected an image file, seen from '{os.getcwd()}'"
        return f"cannot be read: {reason}; {expected}; correct the path or {source.removal}"
    try:
        height, width, _ = pixels.decode(contents).shape
    except tf.errors.OpError:
        return f"is damaged or no image: expected a whole image; replace it or {source.removal}"
    size = options.imsz
    if not options.crop and options.resize == "no" and (height, width) != (size, size):
        mend = f"set resize = 'cover' or crop = True, resize it, or {source.removal}"
        return f"is {width}x{height} pixels: expected {size}x{size}; {mend}"
    return None
