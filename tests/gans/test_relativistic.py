"""Relativistic GANs against the numbers of a PyTorch program: losses and gradients through DCGAN's nets."""

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config
from tests.conftest import DATA, on_points
from tests.gans import losses
from tools.import_torch import convert

LOSSES = {  # of D and G
    "RSGAN": (0.54195150, 2.04195150),
    "RaSGAN": (0.29037934, 1.79037934),
    "RaLSGAN": (1.48046875, 7.48046875),
    "RaHingeGAN": (0.25, 2.5),
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
SIZES = {"net": "dcgan", "zlen": 10, "ngf": 4, "ndf": 4, "imsz": 64, "channels": 1, "bsz": 5}


@pytest.fixture(scope="module")
def zoo():
    with np.load(DATA / "zoo.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module", params=["RSGAN", "RaSGAN", "RaLSGAN"])
def gan(request, zoo):
    """A GAN with the program's nets and weights."""
    gan = rpgan_tf.build(config.resolve(SIZES | {"gan": request.param}))
    for net, prefix in ((gan.generator, "G/"), (gan.discriminator, "D/")):
        state = {name[2:]: array for name, array in zoo.items() if name.startswith(prefix)}
        net.set_arrays(convert(state, net.get_arrays()))
    return gan


def assert_gradient(gradient, expected):
    """Compare with a PyTorch kernel: [out, in, k, k], or [in, out, k, k] if transposed; both axes 1, 0 of ours."""
    expected = expected.transpose(2, 3, 1, 0)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_discriminator(gan, zoo):
    name, kernel = type(gan).__name__, gan.discriminator.convolutions[0].kernel
    with tf.GradientTape() as tape:
        loss = gan.d_loss(gan.judge(zoo["real"]), gan.judge(zoo["fake"]))
    np.testing.assert_allclose(loss, zoo[f"{name}/d_loss"], rtol=0, atol=1e-5)
    assert_gradient(tape.gradient(loss, kernel), zoo[f"{name}/d_grad_first_conv"])


def test_generator(gan, zoo):
    """The program's real logits are those of D's step: constants to G."""
    name, kernel = type(gan).__name__, gan.generator.convolutions[0].kernel
    with tf.GradientTape() as tape:
        loss = gan.g_loss(zoo["D_real"], gan.judge(gan.generator(zoo["z"], training=True)))
    np.testing.assert_allclose(loss, zoo[f"{name}/g_loss"], rtol=0, atol=1e-5)
    assert_gradient(tape.gradient(loss, kernel), zoo[f"{name}/g_grad_first_conv"])


@pytest.mark.parametrize("name", LOSSES)
def test_losses_by_hand(name):
    losses.assert_losses(on_points(name), *LOSSES[name])


def test_losses_of_tensorflow_gan():
    """They are without the half that the authors' program has."""
    losses.assert_tensorflow_gan(on_points("RaSGAN"), "relativistic", factor=2, relativistic=True)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name):
    gan, r, f = on_points(name), tf.constant(losses.REAL), tf.constant(losses.FAKE)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([r, f])
        d_loss, g_loss = gan.d_loss(r, f), gan.g_loss(r, f)
    received = tape.gradient(g_loss, f), tape.gradient(d_loss, r), tape.gradient(d_loss, f)
    for gradient, expected in zip(received, GRADIENTS[name]):
        np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_relativistic_losses_know_differences_alone(name):
    gan = on_points(name)
    shifted = gan.d_loss(losses.REAL + 7, losses.FAKE + 7), gan.g_loss(losses.REAL + 7, losses.FAKE + 7)
    np.testing.assert_allclose(
        shifted, (gan.d_loss(losses.REAL, losses.FAKE), gan.g_loss(losses.REAL, losses.FAKE)), rtol=1e-5
    )


@pytest.mark.parametrize("name", LOSSES)
def test_relativistic_generator_takes_the_other_side(name):
    """What real images are to D, fake ones are to G."""
    gan = on_points(name)
    np.testing.assert_allclose(gan.g_loss(losses.REAL, losses.FAKE), gan.d_loss(losses.FAKE, losses.REAL), rtol=1e-6)
