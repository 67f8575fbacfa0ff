"""The light policy: each operation by hand, its range, and derivatives."""

import itertools
import typing

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.augmentation import light
from rpgan_tf.augmentation.augmented import Augmented
from rpgan_tf.augmentation.pipes import Draws

SEED = [3, 5]
POLICIES = typing.get_args(typing.get_type_hints(Augmented)["aug_policy"])


class Forced(Draws):
    """Draws of one image whose uniform numbers are at given shares of their range, one after the other."""

    def __init__(self, *shares):
        super().__init__(1, 1.0, SEED)
        self.shares = iter(shares)

    def uniform(self, low, high, *leading):
        shares = np.float32([next(self.shares) for _ in range(int(np.prod(leading or 1)))])
        return tf.constant(low + (high - low) * shares.reshape([*leading, 1, 1, 1]))


def images_of(batch=3, size=16, channels=3):
    return np.random.default_rng(0).uniform(-1, 1, (batch, size, size, channels)).astype(np.float32)


def test_color_by_hand():
    """Two pixels: brightness + 0.25, saturation times 0.5, contrast times 1.25, each of its own range."""
    image = np.float32([[[[0.5, -0.5, 0.0], [0.25, 0.25, 0.25]]]])
    received = light.color(tf.constant(image), Forced(0.75, 0.25, 0.75))
    # + 0.25: (0.75, -0.25, 0.25), (0.5, 0.5, 0.5); halfway to the mean 0.25: (0.5, 0, 0.25), (0.5, 0.5, 0.5)
    # the mean of the image is 0.375: 0.375 + 1.25 (x - 0.375)
    expected = [[[[0.53125, -0.09375, 0.21875], [0.53125] * 3]]]
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_grey_images_have_no_saturation():
    image = images_of(1, channels=1)
    pale, strong = (light.color(tf.constant(image), Forced(0.5, saturation, 0.5)) for saturation in (0.0, 0.9))
    np.testing.assert_allclose(pale, image, atol=1e-6)
    np.testing.assert_array_equal(pale, strong)


@pytest.mark.parametrize("shares, down, right", [((0.0, 0.999), -2, 2), ((0.5, 0.7), 0, 1), ((0.999, 0.3), 2, -1)])
def test_translation_by_hand(shares, down, right):
    """Of 16 pixels, up to 2 in each direction; what comes in is 0."""
    image = images_of(1)
    received = light.translation(tf.constant(image), Forced(*shares)).numpy()
    expected = np.zeros_like(image)
    rows, columns = (slice(max(by, 0), 16 + min(by, 0)) for by in (down, right))
    from_rows, from_columns = (slice(max(-by, 0), 16 + min(-by, 0)) for by in (down, right))
    expected[:, rows, columns] = image[:, from_rows, from_columns]
    np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize("size, most", [(4, 1), (8, 1), (16, 2), (32, 4), (64, 8)])
def test_translations_reach_an_eighth_of_the_size(size, most):
    """All distances up to it are equally likely."""
    position = np.tile(np.arange(1, size + 1, dtype=np.float32)[:, None, None], (3000, 1, size, 1))
    moved = light.augment(tf.constant(position), SEED, "translation").numpy()[:, size // 2, size // 2, 0]
    found, counts = np.unique(size // 2 + 1 - moved, return_counts=True)
    assert list(found) == list(range(-most, most + 1))
    assert np.all(np.abs(counts / 3000 - 1 / len(found)) < 0.04)


def test_features_move_with_images():
    """An image of 4x4 blocks moves by 8 of 64 pixels, its map of 16x16 by a quarter of that; nothing else is done."""
    features = images_of(64)
    image = np.repeat(np.repeat(features, 4, axis=1), 4, axis=2)
    moved = light.augment(tf.constant(image), SEED, "translation").numpy()[:, 2::4, 2::4]  # the middle of each block
    received = light.augment_features(tf.constant(features), 64, SEED, "color,translation,cutout").numpy()
    equal = np.all(received == moved, axis=(1, 2, 3))
    assert 0.5 < np.mean(equal) < 1  # where both moves are rounded up or down alike
    assert len({each.tobytes() for each in light.draws("translation", features, SEED).uniform(0, 1).numpy()}) == 64
    np.testing.assert_array_equal(light.augment_features(features, 64, SEED, "color,cutout"), features)


def test_cutout_by_hand():
    """A square of half the size around (x, y) = (0.5, 0.25): columns 4 to 11, rows 0 to 7."""
    image = images_of(1)
    received = light.cutout(tf.constant(image), Forced(0.0, 0.5, 0.25)).numpy()
    expected = image.copy()
    expected[:, 0:8, 4:12] = 0
    np.testing.assert_array_equal(received, expected)


def test_every_image_is_cut_out_somewhere_else():
    cut = light.augment(tf.ones([200, 16, 16, 1]), SEED, "cutout").numpy() == 0
    areas = cut.sum(axis=(1, 2, 3))
    assert areas.min() >= 16 and areas.max() == 64  # a centre in a corner leaves a quarter of the square
    assert len({each.tobytes() for each in cut}) > 100


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_its_operations_one_after_the_other(policy):
    """Each image has draws of its own, and a seed says them all."""
    images = tf.constant(images_of())
    received = light.augment(images, SEED, policy).numpy()
    expected = images
    for name in policy.split(","):
        expected = light.augment(expected, SEED, name)
    np.testing.assert_array_equal(received, expected)
    assert not np.allclose(received, light.augment(images, [3, 6], policy))
    same = light.augment(tf.constant(np.repeat(images_of(1), 8, axis=0)), SEED, policy).numpy()
    assert len({each.tobytes() for each in same}) > 4


def test_policies_are_all_selections_in_order():
    chosen = [",".join(each) for n in (1, 2, 3) for each in itertools.combinations(light.OPERATIONS, n)]
    assert sorted(POLICIES) == sorted(chosen)


def test_gradients_flow_and_have_a_derivative():
    """The gradient of a sum of squares against finite differences, and D's second order through it."""
    images, direction = (tf.constant(images_of(2, 8)), tf.constant(images_of(2, 8)[::-1].copy()))

    def f(x):
        return tf.reduce_sum(light.augment(x, SEED) ** 2) / 2

    with tf.GradientTape() as outer:
        outer.watch(images)
        with tf.GradientTape() as tape:
            tape.watch(images)
            value = f(images)
        gradient = tape.gradient(value, images)
        along = tf.reduce_sum(gradient * direction)
    step = 0.01  # f is quadratic
    numeric = (f(images + step * direction) - f(images - step * direction)) / (2 * step)
    np.testing.assert_allclose(along, numeric, rtol=1e-3)
    second = tf.reduce_sum(outer.gradient(along, images) * direction)
    blank = tf.zeros_like(images)
    linear = light.augment(direction, SEED) - light.augment(blank, SEED)
    np.testing.assert_allclose(second, tf.reduce_sum(linear**2), rtol=1e-4)


def test_the_same_by_xla():
    images = tf.constant(images_of(4))
    draws = lambda images: light.augment(images, SEED)  # noqa: E731
    one, other = (tf.function(draws, jit_compile=xla, autograph=False)(images) for xla in (False, True))
    assert one.shape == other.shape and np.all(np.isfinite(other))
