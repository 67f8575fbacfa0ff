"""scikit-learn's 1,797 handwritten digits and their classes. Needs no TensorFlow."""

import numpy as np
import PIL.Image

from rpgan_tf.errors import UserError

NUM_CLASSES = 10
PARTS = {"digits": slice(None), "digits:train": slice(1500), "digits:test": slice(1500, None)}


def images(lfile: str, size: int, channels: int = 3) -> np.ndarray:
    """Return digits as grey images, enlarged bicubically from 8x8 pixels of 0 .. 16.

    Args:
        lfile: key of `PARTS`.
        size: pixels of both sides.
        channels: how often the grey channel is repeated.

    Returns:
        uint8 [N, size, size, channels].

    Raises:
        UserError: scikit-learn is not installed.
    """
    small = (_load().images[PARTS[lfile]] * 255 / 16).astype(np.uint8)
    large = [PIL.Image.fromarray(image).resize((size, size), PIL.Image.Resampling.BICUBIC) for image in small]
    return np.repeat(np.stack([np.asarray(image) for image in large])[..., None], channels, axis=-1)


def classes(lfile: str) -> np.ndarray:
    """Return the digit that each image of `images` shows, int64 [N]; raises as `images`."""
    return _load().target[PARTS[lfile]].astype(np.int64)


def _load():
    try:
        import sklearn.datasets
    except ImportError:
        raise UserError("lfile = 'digits' needs scikit-learn: pip install scikit-learn") from None
    return sklearn.datasets.load_digits()
