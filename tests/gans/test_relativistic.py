"""Relativistic GANs against the numbers of a PyTorch program: losses and gradients through DCGAN's nets."""

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config
from tests.conftest import DATA
from tools.import_torch import convert

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
