"""Nets with random weights, whose features measure any data without a download. Knows no metric and no files.

Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, arXiv 2002.09797, recommend a randomly
initialized VGG16 for images far from ImageNet. Chosen here: 64 units in the second fully connected layer, so that few
images determine an FID; images of 32 to 224 pixels keep their size, since random weights prefer none, and the last map
is resized to 7x7 before the fully connected layers; features are taken before the last ReLU, which would set about half
of them to 0 for all images alike; He's initialization.
"""

from __future__ import annotations

import typing

import numpy as np

from rpgan_tf.errors import UserError, nearest
from rpgan_tf.sampling.latents import LARGEST_SEED

if typing.TYPE_CHECKING:
    import keras

SIZES = {"VGG16": (32, 224), "VGG19": (32, 224), "ResNet50": (32, 224), "InceptionV3": (75, 299)}  # of sides, in pixels
LAST_MAP, HIDDEN, FEATURES = 7, 4096, 64  # side of VGG's last map at 224 pixels; units of its fully connected layers
PART = 2**22  # weights drawn at once


def parse(text: str) -> tuple[str, int]:
    """Return the net and the seed of "VGG16" or "VGG16:7"; raises `UserError`."""
    name, colon, seed = text.partition(":")
    if name not in SIZES:
        raise UserError(f"no net '{name}' for random:<net>[:<seed>]; {nearest(name, SIZES)}")
    if colon and (not seed.isdecimal() or int(seed) > LARGEST_SEED):
        raise UserError(f"expected a seed from 0 to {LARGEST_SEED} in random:{name}:<seed>, received '{seed}'")
    return name, int(seed or 0)


def build(name: str, seed: int) -> keras.Model:
    """Build a net of `keras.applications` with random weights, from images in [-1, 1] to features [N, d].

    VGG's end with their two fully connected layers, the others with the average of their last map. Kernels are He's:
    U(-b, b) with b = (6 / fan_in)^(1/2) (He et al., arXiv 1502.01852); biases are 0, normalizations are the identity.
    `np.random.RandomState` draws the same bits on every machine.

    Args:
        name: key of `SIZES`.
        seed: of the weights.
    """
    import keras

    images = keras.Input([None, None, 3])
    net = getattr(keras.applications, name)(include_top=False, weights=None, input_tensor=images)
    if name.startswith("VGG"):
        last = keras.layers.Resizing(LAST_MAP, LAST_MAP)(net.output)
        hidden = keras.layers.Dense(HIDDEN, activation="relu", kernel_initializer="zeros")(keras.layers.Flatten()(last))
        features = keras.layers.Dense(FEATURES)(hidden)
    else:
        features = keras.layers.GlobalAveragePooling2D()(net.output)
    net = keras.Model(images, features)
    for number, weight in enumerate(net.weights):
        if len(weight.shape) > 1:
            weight.assign(draw(tuple(weight.shape), [seed, number]))
    return net


def draw(shape: tuple[int, ...], seed: list[int]) -> np.ndarray:
    """Draw a kernel of He's uniform initialization, float32 [..., outputs]."""
    random, kernel = np.random.RandomState(seed), np.empty(np.prod(shape), np.float32)
    bound = np.sqrt(6 / np.prod(shape[:-1]))
    for start in range(0, len(kernel), PART):  # float64 for a part at a time
        part = kernel[start : start + PART]
        part[:] = (2 * random.random_sample(len(part)) - 1) * bound
    return kernel.reshape(shape)
