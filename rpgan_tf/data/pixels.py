"""Pixels of an image: decoded, brought to imsz x imsz, scaled to [-1, 1]."""

import types

import tensorflow as tf


def decode(contents: tf.Tensor, channels: int = 3) -> tf.Tensor:
    """Decode the bytes of a PNG or JPEG file.

    Grey, palette and 16-bit images become 8-bit RGB, or with one channel grey; alpha is dropped, as in the original.

    Args:
        contents: string [].
        channels: 1 or 3.

    Returns:
        uint8 [H, W, channels].

    Raises:
        tf.errors.OpError: the file is damaged or no image.
    """
    head = tf.strings.substr(contents, 0, 3)
    tf.debugging.Assert((head == b"\x89PN") | (head == b"\xff\xd8\xff"), ["neither PNG nor JPEG"])
    image = tf.io.decode_image(contents, channels=channels, expand_animations=False)
    return tf.ensure_shape(image, [None, None, channels])


def fit(image: tf.Tensor, options: types.SimpleNamespace, place: tf.Tensor | None) -> tf.Tensor:
    """Bring an image to imsz x imsz pixels by `crop` or `resize`; without either, return it as it is.

    Args:
        image: uint8 [H, W, C].
        options: from `rpgan_tf.config`.
        place: seed, int [2], of a random crop, uniform over all places; None for the central crop.

    Returns:
        float32 [imsz, imsz, C] in 0 .. 255, or the image.
    """
    size = options.imsz
    if options.crop:
        image = _resize_as_original(image, size + 1)
        if place is not None:
            return tf.image.stateless_random_crop(image, [size, size, image.shape[-1]], place)
    elif options.resize == "no":
        return image
    else:
        sides = tf.shape(image)[:2]
        shorter = tf.reduce_min(sides)
        sides = [size, size] if options.resize == "stretch" else (sides * size + shorter // 2) // shorter  # rounded
        image = tf.clip_by_value(tf.image.resize(image, sides, options.resize_filter, antialias=True), 0, 255)
    top, left = tf.unstack((tf.shape(image)[:2] - size) // 2)
    return image[top : top + size, left : left + size]


def scale(image: tf.Tensor) -> tf.Tensor:
    """Return pixels of 0 .. 255 as float32 in [-1, 1]."""
    return tf.cast(image, tf.float32) * 2 / 255 - 1


def _resize_as_original(image: tf.Tensor, shorter: int) -> tf.Tensor:
    """Resize uint8 [H, W, C] to its shorter side, rarely one less by rounding: float32 in 0 .. 255.

    Sides and pixels are the original's: float32 arithmetic, truncated; bilinear without half-pixel centers.
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    sides = tf.cast(float(shorter) / tf.reduce_min(sides) * sides, tf.int32)
    return tf.raw_ops.ResizeBilinear(images=image[None], size=sides, align_corners=False, half_pixel_centers=False)[0]
