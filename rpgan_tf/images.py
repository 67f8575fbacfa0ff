"""Latents and pictures of the original: the same seed and weights give the same pixels."""

import numpy as np
import PIL.Image

from rpgan_tf import files

ROWS, COLUMNS = 10, 15


def latents(seed, length, count=ROWS * COLUMNS):
    """Draw U[-1, 1) latents float32 [count, length] as the original's sample.py does."""
    return np.float32(np.random.RandomState(seed).rand(count, 1, 1, length) * 2 - 1).reshape(count, length)


def grid(images, columns=COLUMNS):
    """Tile images [N, H, W, C] in [-1, 1] in reading order into uint8 [rows * H, columns * W, C].

    Pixels are truncated, as in the original: uint8((x * 0.5 + 0.5) * 255). Where the last row is not full, it is black.
    """
    pixels = np.uint8((np.asarray(images) * 0.5 + 0.5) * 255)
    pixels = np.pad(pixels, [(0, -len(pixels) % columns), (0, 0), (0, 0), (0, 0)])
    count, height, width, channels = pixels.shape
    pixels = pixels.reshape(count // columns, columns, height, width, channels)
    return pixels.transpose(0, 2, 1, 3, 4).reshape(count // columns * height, columns * width, channels)


def save_png(path, pixels):
    """Write uint8 pixels [H, W, 3] as PNG."""
    files.write(path, lambda file: PIL.Image.fromarray(pixels).save(file, format="PNG"))
