"""The losses of all papers: values and gradients of other implementations, and what they must be invariant to."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.evaluation import tfgan
from tests.conftest import on_points

REAL = np.float32([1.5, -0.5, 0.25, 2.0])
FAKE = np.float32([-1.0, 0.75, 0.0, -2.5])
LOSSES = {  # D's and G's loss of these logits, from a float64 computation of the papers' formulas
    ("DCGAN", ""): (1.02513183, 1.24304240),
    ("WGAN", ""): (-1.5, 0.6875),
    ("WGANGP", ""): (-1.5, 0.6875),
    ("SAGAN", ""): (1.25, 0.6875),
    ("SAGAN", "bce"): (1.02513183, 1.24304240),
    ("RSGAN", ""): (0.54195150, 2.04195150),
    ("RaSGAN", ""): (0.29037934, 1.79037934),
    ("RaLSGAN", ""): (1.48046875, 7.48046875),
    ("RaHingeGAN", ""): (0.25, 2.5),
}
GRADIENTS = {  # dG/df, dD/dr, dD/df
    "RSGAN": (
        [-0.231035, -0.055675, -0.140544, -0.247253],
        [-0.018965, -0.194325, -0.109456, -0.002747],
        [0.018965, 0.194325, 0.109456, 0.002747],
    ),
    "RaSGAN": (
        [-0.204356, -0.161351, -0.183478, -0.217505],
        [-0.042835, -0.086883, -0.065401, -0.038190],
        [0.045644, 0.088649, 0.066522, 0.032495],
    ),
    "RaLSGAN": (
        [-1.328125, -0.890625, -1.078125, -1.703125],
        [0.421875, -0.078125, 0.109375, 0.546875],
        [-0.328125, 0.109375, -0.078125, -0.703125],
    ),
    "RaHingeGAN": ([-0.25] * 4, [-0.0625, -0.1875, -0.1875, -0.0625], [0.0625, 0.1875, 0.1875, 0.0625]),
}
RELATIVISTIC = sorted(GRADIENTS)


@pytest.mark.parametrize("name, kind", LOSSES)
def test_values(name, kind):
    gan = on_points(name, **{"criterion": kind} if kind else {})
    received = gan.d_loss(REAL, FAKE), gan.g_loss(REAL, FAKE)
    np.testing.assert_allclose(received, LOSSES[name, kind], rtol=1e-6)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_gradients(name):
    gan, r, f = on_points(name), tf.constant(REAL), tf.constant(FAKE)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([r, f])
        d_loss, g_loss = gan.d_loss(r, f), gan.g_loss(r, f)
    received = tape.gradient(g_loss, f), tape.gradient(d_loss, r), tape.gradient(d_loss, f)
    for gradient, expected in zip(received, GRADIENTS[name]):
        np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["DCGAN", "WGAN", "WGANGP", "SAGAN", "RaSGAN"])
def test_values_of_tensorflow_gan(name):
    """Its relativistic losses are without the half that the authors' program has."""
    theirs, (real, fake) = tfgan.load().losses.wargs, np.random.default_rng(0).normal(0, 3, (2, 50)).astype(np.float32)
    d_name, g_name, factor = {
        "DCGAN": ("modified_discriminator_loss", "modified_generator_loss", 1),
        "WGAN": ("wasserstein_discriminator_loss", "wasserstein_generator_loss", 1),
        "WGANGP": ("wasserstein_discriminator_loss", "wasserstein_generator_loss", 1),
        "SAGAN": ("wasserstein_hinge_discriminator_loss", "wasserstein_hinge_generator_loss", 1),
        "RaSGAN": ("relativistic_discriminator_loss", "relativistic_generator_loss", 2),
    }[name]
    gan = on_points(name)
    smoothing = {"label_smoothing": 0.0} if name == "DCGAN" else {}
    d_loss = getattr(theirs, d_name)(tf.constant(real), tf.constant(fake), **smoothing)
    g_logits = (tf.constant(real), tf.constant(fake)) if name == "RaSGAN" else (tf.constant(fake),)
    g_loss = getattr(theirs, g_name)(*g_logits)
    np.testing.assert_allclose(factor * gan.d_loss(real, fake), d_loss, rtol=2e-6)
    np.testing.assert_allclose(factor * gan.g_loss(real, fake), g_loss, rtol=2e-6)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_relativistic_losses_know_differences_alone(name):
    gan = on_points(name)
    shifted = gan.d_loss(REAL + 7, FAKE + 7), gan.g_loss(REAL + 7, FAKE + 7)
    np.testing.assert_allclose(shifted, (gan.d_loss(REAL, FAKE), gan.g_loss(REAL, FAKE)), rtol=1e-5)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_relativistic_generator_takes_the_other_side(name):
    """What real images are to D, fake ones are to G."""
    gan = on_points(name)
    np.testing.assert_allclose(gan.g_loss(REAL, FAKE), gan.d_loss(FAKE, REAL), rtol=1e-6)


@pytest.mark.parametrize("name, kind", LOSSES)
def test_leading_axes_stay(name, kind):
    """The losses of a bank [K, B] are those of its rows."""
    gan = on_points(name, **{"criterion": kind} if kind else {})
    real, fake = np.random.default_rng(1).normal(size=(2, 3, 6)).astype(np.float32)
    for loss in (gan.d_loss, gan.g_loss):
        received = loss(real, fake)
        assert received.shape == (3,)
        np.testing.assert_allclose(received, [loss(r, f) for r, f in zip(real, fake)], rtol=1e-6)


def test_sigmoid_critic():
    gan = on_points("WGAN", sigmoid=True)
    real, fake = (1 / (1 + np.exp(-np.float64(logits))) for logits in (REAL, FAKE))
    np.testing.assert_allclose(gan.d_loss(REAL, FAKE), fake.mean() - real.mean(), rtol=1e-6)
    np.testing.assert_allclose(gan.g_loss(REAL, FAKE), -fake.mean(), rtol=1e-6)


@pytest.mark.parametrize("name", ["DCGAN", "SAGAN"])
def test_confident_discriminators_leave_a_gradient(name):
    """The generator's gradient does not vanish where D is sure, as it does for logarithms of sigmoids."""
    gan, fake = on_points(name), tf.constant([-40.0, -120.0])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        loss = gan.g_loss(None, fake)
    np.testing.assert_allclose(tape.gradient(loss, fake), [-0.5, -0.5], rtol=1e-6)
