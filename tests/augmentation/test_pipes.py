"""Augmentations: each operation against NumPy, moves of images and features, derivatives, and frequencies."""

import math

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.augmentation import pipes as augment
from rpgan_tf.augmentation.pipes import PIPES, SYM2, SYM6, Draws
from rpgan_tf.errors import UserError

SEED = [3, 5]


class Forced(Draws):
    """Draws that apply one operation to one image, with forced random numbers.

    Args:
        operation: number of the call of `gate`, from 0, that lets its value pass; None: all.
        uniform: value of uniform numbers, in [0, 1).
        normal: value of normal numbers, in standard deviations.
    """

    def __init__(self, operation, uniform=0.0, normal=0.0):
        super().__init__(1, 1.0, SEED)
        self.forced, self.at, self.deviations, self.gates = operation, uniform, normal, 0

    def uniform(self, low, high, *leading):
        return tf.fill([*leading, 1, 1, 1], np.float32(low + self.at * (high - low)))

    def normal(self, deviation, *trailing):
        return tf.fill([1, *(trailing or (1, 1))], np.float32(self.deviations * deviation))

    def gate(self, value, neutral, p=None):
        self.gates += 1
        return tf.where(self.forced in (None, self.gates - 1), value, neutral)


def images_of(size=16, channels=3, batch=2):
    return np.random.default_rng(0).uniform(-1, 1, [batch, size, size, channels]).astype("float32")


def moved(images, pipe, draw):
    return augment.move(tf.constant(images), draw, PIPES[pipe], augment.SMOOTH).numpy()


@pytest.mark.parametrize("taps, moments", [(SYM2, 2), (SYM6, 6)])
def test_wavelets_are_orthonormal_with_vanishing_moments(taps, moments):
    k = np.arange(len(taps))
    products = [np.sum(taps[2 * i :] * taps[: len(taps) - 2 * i]) for i in range(len(taps) // 2)]
    np.testing.assert_allclose(products, [1] + [0] * (len(products) - 1), atol=1e-11)
    assert [np.sum((-1.0) ** k * k**i * taps) for i in range(moments)] == pytest.approx([0] * moments, abs=1e-8)
    assert np.sum(taps) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pipe", PIPES)
def test_nothing_is_changed_with_probability_0(pipe, channels):
    images = images_of(channels=channels)
    np.testing.assert_allclose(augment.augment(images, 0.0, SEED, pipe), images, atol=2e-6)


@pytest.mark.parametrize("pipe", ["blit", "bg"])
@pytest.mark.parametrize("doubling, atol", [(augment.SMOOTH, 2e-6), (augment.BILINEAR, 0.06)])
def test_doubling_and_halving_keep_a_smooth_image(doubling, atol, pipe):
    images = waves(np.eye(3))
    unmoved = augment.move(tf.constant(images), Draws(1, 0.0, SEED), PIPES[pipe], doubling)
    np.testing.assert_allclose(unmoved, images, atol=atol)


@pytest.mark.parametrize("quarters", range(4))
def test_flips_and_quarter_turns(quarters):
    images = images_of(batch=1)
    np.testing.assert_allclose(moved(images, "blit", Forced(0, 0.6)), images[:, :, ::-1], atol=1e-5)
    np.testing.assert_array_equal(moved(images, "blit", Forced(0, 0.4)), images)
    turned = np.rot90(images, quarters, axes=(1, 2))
    np.testing.assert_allclose(moved(images, "blit", Forced(1, quarters / 4 + 0.1)), turned, atol=1e-5)


@pytest.mark.parametrize("uniform, pixels", [(0.0, -2), (0.4, 0), (0.99, 2), (0.3, -1)])
def test_translations_by_whole_pixels_show_the_mirror_image(uniform, pixels):
    images = images_of(batch=1)
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], mode="reflect")
    expected = padded[:, 2 + pixels : 18 + pixels, 2 + pixels : 18 + pixels]
    np.testing.assert_allclose(moved(images, "blit", Forced(2, uniform)), expected, atol=1e-5)


def test_far_outside_is_mirrored_again_and_again():
    images, grid = images_of(size=4, batch=1), np.arange(4)
    padded = np.pad(images, [(0, 0), (0, 0), (9, 9), (0, 0)], mode="reflect")
    found = augment.sample(tf.constant(images), grid, 4, augment.translation(tf.constant([[[[9.0]]], [[[0.0]]]])))
    np.testing.assert_allclose(found, padded[:, :, 18:22], atol=1e-5)


def waves(inverse, size=32):
    """Return a smooth image, known everywhere, after a move: [1, size, size, 1]."""
    x, y = np.meshgrid(*[np.arange(size) - (size - 1) / 2] * 2)
    x, y, _ = inverse @ np.stack([x.ravel(), y.ravel(), np.ones(size**2)])
    return (np.cos(0.3 * x + 0.2 * y + 1) * np.cos(0.1 * x - 0.2 * y)).reshape(1, size, size, 1).astype("float32")


def turning(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    "draw, inverse",
    [
        (Forced(0, normal=-2), np.diag([2**-0.4, 2**-0.4, 1])),
        (Forced(1, uniform=0.6), turning(0.2 * np.pi)),
        (Forced(2, normal=-1), np.diag([2**-0.2, 2**0.2, 1])),
        (Forced(3, uniform=0.1), turning(-0.8 * np.pi)),
        (Forced(4, normal=0.7), np.array([[1, 0, 2.8], [0, 1, 2.8], [0, 0, 1]])),
    ],
    ids=["scale", "rotation", "stretch", "second rotation", "translation"],
)
def test_geometry_of_a_smooth_image(draw, inverse):
    """Away from the border, up to the asymmetry of sym6, a tenth of a pixel after half a turn."""
    received = moved(waves(np.eye(3)), "geom", draw)
    np.testing.assert_allclose(received[:, 8:-8, 8:-8], waves(inverse)[:, 8:-8, 8:-8], atol=0.04)


def test_moves_are_done_in_their_order():
    draw = Forced(None, uniform=0.7, normal=0.5)
    received = augment.inverse_transform(draw, 16, ("blit", "geom"))[0]
    angle, scale = 0.4 * np.pi, 2**0.1
    whole, part = np.eye(3), np.eye(3)
    whole[:2, 2], part[:2, 2] = 1, 1  # round(16 (0.7 / 4 - 1 / 8)), and 16 * 0.125 * 0.5
    expected = np.diag([-1, 1, 1]) @ turning(np.pi) @ whole @ np.diag([scale, scale, 1]) @ turning(angle)
    expected = expected @ np.diag([scale, 1 / scale, 1]) @ turning(angle) @ part
    np.testing.assert_allclose(received, expected, atol=1e-5)


def recolored(images, draw):
    return augment.recolor(tf.constant(images), augment.color_matrix(draw)).numpy()


def test_colors():
    x = images_of(batch=1)
    grey = x.mean(axis=-1, keepdims=True)
    expected = {
        "brightness": (Forced(0, normal=1.5), x + 0.3),
        "contrast": (Forced(1, normal=2), 2 * x),
        "luma flip": (Forced(2, uniform=0.7), x - 2 * grey),
        "hue by a third": (Forced(3, uniform=5 / 6), x[..., [2, 0, 1]]),
        "saturation": (Forced(4, normal=-1), grey + (x - grey) / 2),
    }
    for name, (draw, changed) in expected.items():
        np.testing.assert_allclose(recolored(x, draw), changed, atol=1e-5, err_msg=name)


def test_grey_images():
    x = images_of(channels=1, batch=1)
    grey = [x + 0.2, x * 2**0.5, -x, x, x]
    for operation, changed in enumerate(grey):
        np.testing.assert_allclose(recolored(x, Forced(operation, 0.8, 1)), changed, atol=1e-5)


def test_channels_that_are_no_colors():
    with pytest.raises(UserError, match="must have 1 or 3 channels, received 2; take a pipe without color"):
        augment.augment(images_of(channels=2), 0.5, SEED, "bgc")
    assert augment.augment(images_of(channels=2), 0.5, SEED, "bg").shape == (2, 16, 16, 2)


def test_bands_are_those_of_the_wavelet():
    """Each band scales a cosine that is symmetric about both ends by its frequency response."""
    size = 65
    bands = augment.band_filters(size)
    np.testing.assert_allclose(bands.sum(axis=0), np.eye(size), atol=1e-12)

    def low(w):  # half of |sum_k SYM2_k e^(-ikw)|^2
        return np.cos(w / 2) ** 4 * (1 + 2 * np.sin(w / 2) ** 2)

    for w in np.pi * np.array([0, 3, 9, 20, 40, 64]) / (size - 1):
        one, two, four = low(w), low(2 * w), low(4 * w)
        passed = [one * two * four, one * two * (1 - four), one * (1 - two), 1 - one]
        line = np.cos(w * np.arange(size))
        np.testing.assert_allclose(bands @ line, np.outer(passed, line), atol=1e-11)


@pytest.mark.parametrize("band", range(4))
def test_gains_keep_the_expected_power(band):
    gains = augment.band_gains(Forced(band, normal=1)).numpy()[0, 0]
    power = np.array([10, 1, 1, 1]) / 13
    assert np.sum(power * gains**2) == pytest.approx(1)
    np.testing.assert_allclose(gains / gains[band - 1], np.where(np.arange(4) == band, 2, 1), rtol=1e-5)


def test_filter_of_one_axis_after_the_other():
    images = images_of()
    received = augment.augment(images, 1.0, SEED, "filter")
    gains = augment.band_gains(Draws(2, 1.0, SEED)).numpy()[:, 0]
    for image, gain, other in zip(images, gains, received.numpy()):
        matrix = np.tensordot(gain, augment.band_filters(16), 1)
        np.testing.assert_allclose(other, np.einsum("ny,yxc,mx->nmc", matrix, image, matrix), atol=1e-5)


def test_noise():
    noise = augment.augment(np.zeros([400, 16, 16, 1], "float32"), 1.0, SEED, "noise").numpy()
    deviations = noise.std(axis=(1, 2, 3))
    assert np.sqrt(np.mean(deviations**2)) == pytest.approx(0.1, rel=0.1)  # |N(0, 0.1^2)|
    assert np.mean(deviations) == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.1)


@pytest.mark.parametrize("centre, first, last", [(0.5, 4, 12), (0.0, 0, 4), (0.875, 10, 16)])
def test_cutout(centre, first, last):
    expected = np.ones([1, 16, 16, 1])
    expected[:, first:last, first:last] = 0
    np.testing.assert_array_equal(augment.cutout_mask(Forced(0, centre), 16), expected)


def test_each_operation_is_done_with_probability_p():
    """In 4000 images, within four standard deviations: 0.03."""
    draws = lambda: Draws(4000, 0.4, SEED)  # noqa: E731
    blit = augment.inverse_transform(draws(), 16, ("blit",)).numpy()
    geometry = augment.inverse_transform(draws(), 16, ("geom",)).numpy()
    cutout = augment.cutout_mask(draws(), 4).numpy()
    gates = draws()
    first, second = (gates.gate(1.0, 0.0).numpy() for _ in range(2))
    shares = {
        "flip, half of it": (np.linalg.det(blit) < 0, 0.4 / 2),
        "turn to the side, half of it": (np.abs(blit[:, 0, 1]) > 0.5, 0.4 / 2),
        "translation, 0 both ways in one of 16": (np.any(blit[:, :2, 2], axis=1), 0.4 * 15 / 16),
        "one of two rotations": (geometry[:, 0, 1] != 0, 0.4),
        "fractional translation": (np.any(geometry[:, :2, 2], axis=1), 0.4),
        "cutout": (np.any(cutout == 0, axis=(1, 2, 3)), 0.4),
        "both of two gates": (first * second, 0.16),
    }
    for name, (done, expected) in shares.items():
        assert np.mean(done) == pytest.approx(expected, abs=0.03), name


def test_features_move_with_images():
    """Maps of half the size are close to the halved image; only moves are applied to them."""
    images = np.concatenate([waves(turning(angle), 32) for angle in (0.1, 1, 2, 4)])
    halved = lambda images: np.mean(np.reshape(images, [4, 16, 2, 16, 2, 1]), axis=(2, 4))  # noqa: E731
    received = augment.augment_features(halved(images), 1.0, SEED, "geom").numpy()
    expected = halved(augment.augment(images, 1.0, SEED, "geom").numpy())
    assert np.mean(np.abs(received - expected)) < 0.05 < 0.3 < np.mean(np.abs(received - halved(images)))
    np.testing.assert_array_equal(augment.augment_features(images, 1.0, SEED, "color"), images)
    everything = augment.augment_features(halved(images), 1.0, SEED, "bgcfnc")
    np.testing.assert_array_equal(everything, augment.augment_features(halved(images), 1.0, SEED, "bg"))
    np.testing.assert_array_equal(
        augment.augment_features(images, 1.0, SEED, "blit"), augment.augment(images, 1.0, SEED, "blit")
    )


def test_derivatives_of_a_gradients_norm():
    """R1 through all augmentations: its derivative along a direction against finite differences, in float64."""
    x = tf.constant(images_of(), tf.float64)
    direction = tf.random.stateless_normal(x.shape, [1, 2], dtype=tf.float64)
    weights = tf.random.stateless_normal(x.shape, [1, 3], dtype=tf.float64)

    @tf.function(autograph=False)
    def penalty(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(weights * tf.tanh(augment.augment(x, 0.8, SEED, "bgcfnc")))
        return tf.reduce_sum(tape.gradient(total, x) ** 2)

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = penalty(x)
    derivative = tf.reduce_sum(tape.gradient(value, x) * direction)
    step = 1e-5
    numeric = (penalty(x + step * direction) - penalty(x - step * direction)) / (2 * step)
    assert float(derivative) == pytest.approx(float(numeric), rel=1e-6)


def test_the_same_by_xla():
    images, p = tf.constant(images_of(batch=4)), tf.constant(0.8)
    call = lambda images, p: augment.augment(images, p, SEED, "bgcfnc")  # noqa: E731
    by_xla = tf.function(call, jit_compile=True, autograph=False)(images, p)
    np.testing.assert_allclose(by_xla, tf.function(call, autograph=False)(images, p), atol=1e-4)


def test_a_seed_says_it_all():
    images = images_of()
    one = augment.augment(images, 0.9, SEED, "bgcfnc").numpy()
    np.testing.assert_array_equal(one, augment.augment(images, 0.9, SEED, "bgcfnc"))
    assert not np.allclose(one, augment.augment(images, 0.9, [3, 6], "bgcfnc"))
    assert not np.allclose(one[0] - images[0], one[1] - images[1])


def test_colors_of_r3gan_change_half_as_often():
    """By 0.5 p: with p = 0.4, 0.8^3 of grey images keep their color, as hue and saturation do nothing to these."""
    images = np.full((4000, 2, 2, 1), 0.3, np.float32)
    changed = augment.recolor(images, augment.color_matrix(augment.Draws(4000, 0.4, [1, 2]), 0.2)).numpy()
    kept = np.isclose(changed, images, atol=1e-6).all(axis=(1, 2, 3))
    assert kept.mean() == pytest.approx(0.8**3 + 0.5 * 0.2 * 0.8**2, abs=0.03)  # half of the flips are none
    assert augment.COLORS == {"r3gan": 0.5} and augment.PIPES["r3gan"] == ("blit", "geom", "color", "cutout")
