"""A picture of what a discriminator is shown: real images, and the same augmented several times."""

from __future__ import annotations

import types

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import tensorflow as tf

from rpgan_tf import factory
from rpgan_tf.augmentation import augmented
from rpgan_tf.data import faults
from rpgan_tf.errors import UserError
from rpgan_tf.randomness import AUGMENTATION, REAL
from rpgan_tf.sampling import pictures

COLUMNS = 8
TIMES = 5  # rows of the same probability
OF_ADA = (0.2, 0.4, 0.6, 0.8, 1.0)  # probabilities, of which ADA chooses one in training
SMALLEST = 64  # pixels of an image in the picture
FRAME = 1  # white pixels around an image
MARGIN = 72  # pixels for the labels of rows


def rows(options: types.SimpleNamespace) -> list[tuple[str, np.ndarray]]:
    """Return [(label, images [N, H, W, C]), ...]: real images of the first batch, then what D is shown of them.

    Row i has the draws of D's first step in iteration i - 1. Probabilities that change in training go from the first to
    the last.

    Raises:
        UserError: an image of the first iteration is faulty.
    """
    batches = factory.batches(options)
    try:
        data = next(iter(factory.dataset(options)))
    except tf.errors.OpError:
        fault = faults.find_fault(options, 0, 1, batches)
        if fault is None:
            raise
        raise UserError(fault) from None
    images = (data[0] if isinstance(data, tuple) else data)[: options.pack * options.bsz]
    probabilities = OF_ADA if options.aug == "ada" else [options.aug_p] * TIMES
    if options.final_aug_p:
        probabilities = np.linspace(options.aug_p or 0, options.final_aug_p, TIMES).tolist()
    found = [("real", images)]
    for iteration, p in enumerate(probabilities):
        seed = tf.random.fold_in([options.seed, AUGMENTATION + REAL], tf.constant(iteration, tf.int64))
        label = options.aug if p is None else f"p = {p:g}"
        found.append((label, augmented.augment(options, images, p, seed)))
    return [(label, each[:COLUMNS].numpy()) for label, each in found]


def picture(options: types.SimpleNamespace) -> np.ndarray:
    """Draw the rows of `rows` with their labels: uint8 [H, W, 3]."""
    found = rows(options)
    pixels = pictures.to_pixels(np.concatenate([images for _, images in found]))
    zoom = -(-SMALLEST // options.imsz)
    pixels = np.repeat(np.repeat(pixels, zoom, axis=1), zoom, axis=2)
    pixels = np.pad(pixels, [(0, 0), (FRAME, FRAME), (FRAME, FRAME), (0, 0)], constant_values=255)
    image = pictures.tile(pixels, len(found[0][1]))
    image = np.broadcast_to(image, [*image.shape[:2], 3])
    canvas = PIL.Image.fromarray(np.pad(image, [(0, 0), (MARGIN, 0), (0, 0)], constant_values=255))
    draw, font = PIL.ImageDraw.Draw(canvas), PIL.ImageFont.load_default(14)
    height = pixels.shape[1]
    for i, (label, _) in enumerate(found):
        draw.text((MARGIN - 8, (i + 0.5) * height), label, fill=0, font=font, anchor="rm")
    return np.asarray(canvas)
