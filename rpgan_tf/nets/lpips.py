"""LPIPS: the distance of two images in the features of a net that was trained to classify photographs.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", arXiv 1801.03924, section 3; the
authors' code: github.com/richzhang/PerceptualSimilarity (version 0.1, its linear weights on frozen nets). Differs from
it in: where all channels are 0 the normalization has a finite gradient. Knows no options and no file.
"""

import tensorflow as tf

from rpgan_tf.errors import UserError
from rpgan_tf.files import lpips_weights

LARGEST = 256  # of images that are compared to measure path lengths and to project, as StyleGAN2's program does
MEAN = (-0.030, -0.088, -0.188)  # of the red, green and blue of ImageNet in [-1, 1]
DEVIATION = (0.458, 0.448, 0.450)


class LPIPS:
    """Measure how far images are from others: sum over layers of E_hw sum_c w_c (y_c - y'_c)^2, y of length 1.

    Args:
        arrays: what `rpgan_tf.files.lpips_weights.load` returned, of AlexNet or of VGG16; they are not trained.
    """

    def __init__(self, arrays):
        self.net = lpips_weights.net_of(arrays)
        self.arrays = {name: tf.constant(array, tf.float32) for name, array in arrays.items()}

    def __call__(self, images, targets):
        """Return the distances [B] of images [B, H, W, C] in [-1, 1] from targets; C is 3, or 1 for grey ones.

        Raises:
            UserError: images are smaller than the net can see.
        """
        distances = []
        for i, pair in enumerate(zip(self.features(images), self.features(targets))):
            y, wanted = (tf.math.l2_normalize(x, axis=-1, epsilon=1e-20) for x in pair)
            squares = tf.reduce_sum(self.arrays[f"lin{i}"] * (y - wanted) ** 2, axis=-1)
            distances.append(tf.reduce_mean(squares, axis=[1, 2]))
        return tf.add_n(distances)

    def features(self, images):
        """Return the features [B, h, w, c] of each of the five stages for images [B, H, W, C]."""
        smallest = lpips_weights.SMALLEST[self.net]
        if min(images.shape[1:3]) < smallest:
            height, width = images.shape[1:3]
            raise UserError(
                f"LPIPS by the net '{self.net}' needs images of at least {smallest} pixels, received {height} x {width}"
            )
        x, found = (images - MEAN) / DEVIATION, []  # grey ones become three equal channels
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


def at_most_256(images):
    """Return images [B, H, W, C] whose sides are powers of two, averaged down to 256 pixels where they are larger."""
    times = max(images.shape[1] // LARGEST, 1)
    return images if times == 1 else tf.nn.avg_pool2d(images, times, times, "VALID")
