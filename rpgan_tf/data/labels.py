"""Labels of images: found where the images are, checked, and drawn."""

import types

import numpy as np
import tensorflow as tf

from rpgan_tf.data import digits, names, order, sources
from rpgan_tf.files import image_folders


def find(option: str, lfile: str, num_classes: int) -> image_folders.Labels:
    """Return the labels of all images that an option names.

    Args:
        option: name of the option, for messages.
        lfile: its value.
        num_classes: expected length of a label, not 0.

    Raises:
        UserError: the images have no labels, or labels of another length.
    """
    found: image_folders.Labels | None = None
    if lfile in digits.PARTS:
        found = image_folders.Labels(digits.classes(lfile), digits.NUM_CLASSES)
    elif not names.is_computed(lfile):
        found = sources.find_labels(option, lfile)
    if found is None:
        raise image_folders.no_labels(option, lfile, num_classes)
    image_folders.check_labels(option, lfile, found.num_classes, num_classes)
    return found


def of_training(options: types.SimpleNamespace) -> image_folders.Labels:
    """Return the labels of the images to train on, each once, also with `mirror`; `num_classes` is not 0.

    Raises:
        UserError: as `rpgan_tf.data.stream.dataset`.
    """
    found = find("lfile", options.lfile, options.num_classes)
    return found._replace(values=found.values[order.choose(options, len(found.values))])


def draw(found: image_folders.Labels, count: int | tf.Tensor, seed: tf.Tensor | list[int]) -> tf.Tensor:
    """Draw labels, one image's as likely as another's.

    Args:
        found: labels of N images.
        count: how many, int or int tensor [].
        seed: int [2]; the draw is a function of it.

    Returns:
        float32 [count, num_classes].
    """
    size = tf.constant(len(found.values), tf.int64)
    entries = tf.random.stateless_uniform([count], seed, tf.constant(0, tf.int64), size, tf.int64, alg="philox")
    return take(found, entries)


def take(found: image_folders.Labels, entries: tf.Tensor | np.ndarray) -> tf.Tensor:
    """Return the labels of the images with these numbers, int64 [n]: float32 [n, num_classes]."""
    values = tf.gather(found.values, entries)
    return values if found.values.ndim == 2 else tf.one_hot(values, found.num_classes)
