"""The light policy: three simple augmentations, each applied to every image.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", arXiv 2006.10738, section 4. Written from
the paper; its program was not compared. Each image has draws of its own. Knows no GAN.
"""

from collections.abc import Callable

import tensorflow as tf

from rpgan_tf.augmentation.pipes import Draws, cutout_mask


def augment(images: tf.Tensor, seed: tf.Tensor, policy: str = "color,translation,cutout", groups: int = 1) -> tf.Tensor:
    """Return augmented images [B, S, S, C].

    Args:
        images: [B, S, S, C] in [-1, 1].
        seed: int [2]; the same seed gives the same augmentation.
        policy: names in `OPERATIONS` in their order, separated by commas.
        groups: parts of the batch, one after the other, each of which is divided among the replicas.
    """
    for name in policy.split(","):
        images = OPERATIONS[name](images, draws(name, images, seed, groups))
    return images


def augment_features(features: tf.Tensor, size: int, seed: tf.Tensor, policy: str) -> tf.Tensor:
    """Return features [B, r, r, C], moved as `augment` moves images [B, size, size, C], by whole pixels of the map."""
    if "translation" not in policy:
        return features
    return translation(features, draws("translation", features, seed), size)


def draws(name: str, images: tf.Tensor, seed: tf.Tensor, groups: int = 1) -> Draws:
    """Return the draws of an operation, which do not depend on the rest of the policy."""
    return Draws(tf.shape(images)[0], 1.0, tf.random.fold_in(seed, list(OPERATIONS).index(name), alg="philox"), groups)


def color(images: tf.Tensor, draw: Draws) -> tf.Tensor:
    """Add U[-0.5, 0.5) to brightness, then multiply saturation by U[0, 2) and contrast by U[0.5, 1.5).

    Saturation is the distance from the mean of a pixel's channels, which grey images do not have; contrast is the
    distance from the mean of the image.
    """
    images += draw.uniform(-0.5, 0.5)[..., None]
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + draw.uniform(0, 2)[..., None] * (images - grey)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + draw.uniform(0.5, 1.5)[..., None] * (images - mean)


def translation(images: tf.Tensor, draw: Draws, size: int | None = None) -> tf.Tensor:
    """Move by whole pixels, up to 1/8 of the size in each direction; zeros come in.

    Args:
        images: [B, S, S, C], or features of images.
        draw: the draws.
        size: of these images, whose moves are rounded to pixels of their features; None for S.
    """
    own = images.shape[1]
    size = size or own
    most = (size + 4) // 8
    by = tf.floor(draw.uniform(-most, most + 1, 2))[..., 0]  # down and right, [2, B, 1]
    by = tf.cast(tf.round(by * own / size), tf.int32)
    vertical, horizontal = tf.unstack(tf.one_hot(tf.range(own) - by, own, dtype=images.dtype))
    # Matrices have derivatives of any order that compile with XLA. A row is 0 where its pixel comes from outside.
    return tf.einsum("bmx,bnxc->bnmc", horizontal, tf.einsum("bny,byxc->bnxc", vertical, images))


def cutout(images: tf.Tensor, draw: Draws) -> tf.Tensor:
    """Set a square of half the size to 0, at a centre that is uniform in the image."""
    return images * tf.cast(cutout_mask(draw, images.shape[1]), images.dtype)


OPERATIONS: dict[str, Callable[[tf.Tensor, Draws], tf.Tensor]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}
