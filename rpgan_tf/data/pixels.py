"""Pixels of an image: decoded, brought to imsz x imsz, scaled to [-1, 1]."""

import types

import numpy as np
import PIL.ImageColor
import tensorflow as tf

from rpgan_tf.files import image_folders

PNG, JPEG = b"\x89PN", b"\xff\xd8\xff"  # first bytes
HEAD = 4096  # bytes in which a file says whether it is transparent or turned


def decode(contents: tf.Tensor, channels: int = 3, background: str = "white") -> tf.Tensor:
    """Decode the bytes of an image file: PNG and JPEG by TensorFlow, all others that Pillow reads by Pillow.

    Grey, palette and 16-bit images become 8-bit RGB, or with one channel grey. Images are turned upright as EXIF says.
    Transparent ones are laid over the background, where the original of RP-GAN drops alpha and trains on the colours
    under it. Of several frames the first is taken.

    Args:
        contents: string [].
        channels: 1 or 3.
        background: a colour: "white", "black" or "#rrggbb".

    Returns:
        uint8 [H, W, channels].

    Raises:
        tf.errors.OpError: the file is damaged or no image.
    """
    first = tf.strings.substr(contents, 0, 3)
    known = (first == PNG) | (first == JPEG)
    as_it_is = known & ~(_mentions(contents, b"Exif\0") | _mentions(contents, b"eXIf"))
    converted = lambda: tf.numpy_function(_convert, [contents], tf.string)  # noqa: E731
    upright = tf.ensure_shape(tf.cond(as_it_is, lambda: contents, converted), [])
    image = tf.cond(
        _has_alpha(upright),
        lambda: _over(tf.io.decode_png(upright, channels=4), background, channels),
        lambda: tf.io.decode_image(upright, channels=channels, expand_animations=False),
    )
    return tf.ensure_shape(image, [None, None, channels])


def _mentions(contents: tf.Tensor, word: bytes) -> tf.Tensor:
    """Return whether the first bytes of a file hold a word, bool []."""
    return tf.size(tf.strings.split(tf.strings.substr(contents, 0, HEAD), word)) > 1


def _convert(contents: bytes | np.ndarray) -> bytes:
    """Return an image as PNG; no bytes, whose decoding fails, if Pillow cannot read it."""
    try:
        return image_folders.as_png(contents if isinstance(contents, bytes) else contents.item())  # eagerly an array
    except image_folders.UNREADABLE:
        return b""


def _has_alpha(contents: tf.Tensor) -> tf.Tensor:
    """Return whether a file is a PNG with an alpha channel or with transparent colours, bool []."""
    header = tf.io.decode_raw(tf.strings.substr(contents, 0, 26), tf.uint8)
    kind = tf.cond(tf.size(header) == 26, lambda: header[25], lambda: tf.constant(0, tf.uint8))
    is_png = tf.strings.substr(contents, 0, 3) == PNG
    return is_png & ((kind == 4) | (kind == 6) | _mentions(contents, b"tRNS"))


def _over(image: tf.Tensor, background: str, channels: int) -> tf.Tensor:
    """Return uint8 [H, W, 4] with alpha over a colour: uint8 [H, W, channels]."""
    image = tf.cast(image, tf.int32)
    color, alpha = image[..., :3], image[..., 3:]
    ground = tf.constant(PIL.ImageColor.getrgb(background), tf.int32)
    image = tf.cast((color * alpha + ground * (255 - alpha) + 127) // 255, tf.uint8)
    return image if channels == 3 else tf.image.rgb_to_grayscale(image)


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
