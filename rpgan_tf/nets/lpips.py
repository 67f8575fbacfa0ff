"""LPIPS: the distance between two images in the features of a classifier of photographs.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", arXiv 1801.03924, section 3; the
authors' code: github.com/richzhang/PerceptualSimilarity (version 0.1, its linear weights on frozen nets). Differs from
it in: the normalization has a finite gradient where all channels are 0. Knows no options and no file.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from rpgan_tf.errors import UserError
from rpgan_tf.files import lpips_weights

LARGEST = 256  # size of images that are compared for path lengths and projection, as in StyleGAN2's program
MEAN = (-0.030, -0.088, -0.188)  # mean of red, green and blue in ImageNet, in [-1, 1]
DEVIATION = (0.458, 0.448, 0.450)


class LPIPS:
    """Measure distances of images: sum over layers of E_hw sum_c w_c (y_c - y'_c)^2, with y of length 1.

    Args:
        arrays: weights of AlexNet or VGG16 from `rpgan_tf.files.lpips_weights.load`; they are not trained.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.net = lpips_weights.net_of(arrays)
        self.arrays = {name: tf.constant(array, tf.float32) for name, array in arrays.items()}

    def __call__(self, images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Return the distances [B] of images [B, H, W, C] in [-1, 1] from targets; C is 3, or 1 for grey images.

        Raises:
            UserError: images are too small for the net.
        """
        distances = []
        for i, pair in enumerate(zip(self.features(images), self.features(targets))):
            y, wanted = (tf.math.l2_normalize(x, axis=-1, epsilon=1e-20) for x in pair)
            squares = tf.reduce_sum(self.arrays[f"lin{i}"] * (y - wanted) ** 2, axis=-1)
            distances.append(tf.reduce_mean(squares, axis=[1, 2]))
        return tf.add_n(distances)

    def features(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Return the features [B, h, w, c] of the five stages for images [B, H, W, C]; raises `UserError`."""
        smallest = lpips_weights.SMALLEST[self.net]
        if min(images.shape[1:3]) < smallest:
            height, width = images.shape[1:3]
            raise UserError(
                f"LPIPS by the net '{self.net}' needs images of at least {smallest} pixels, received {height} x {width}"
            )
        x, found = (images - MEAN) / DEVIATION, []  # grey images get three channels
        for pool, kernels in lpips_weights.STAGES[self.net]:
            if pool:
                x = tf.nn.max_pool2d(x, pool, 2, "VALID")
            for number in kernels:
                kernel = self.arrays[f"features/{number}/kernel"]
                stride, padding = (4, 2) if kernel.shape[0] == 11 else (1, kernel.shape[0] // 2)
                paddings = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
                x = tf.nn.relu(tf.nn.conv2d(x, kernel, stride, paddings) + self.arrays[f"features/{number}/bias"])
            found.append(x)
        return found


def at_most_256(images: tf.Tensor) -> tf.Tensor:
    """Average images [B, H, W, C], whose sides are powers of two, down to 256 pixels if they are larger."""
    times = max(images.shape[1] // LARGEST, 1)
    return images if times == 1 else tf.nn.avg_pool2d(images, times, times, "VALID")
