"""WGAN-GP: the critic's losses, and its penalty, which other objectives may take."""

import numpy as np
import pytest

from rpgan_tf.randomness import PENALTY
from tests.conftest import on_points
from tests.gans import losses
from tests.gans.test_penalties import penalty_between


def test_losses_by_hand():
    losses.assert_losses(on_points("WGANGP"), -1.5, 0.6875)


def test_losses_of_tensorflow_gan():
    losses.assert_tensorflow_gan(on_points("WGANGP"), "wasserstein")


@pytest.mark.parametrize("name, weight", [("WGANGP", 10.0), ("RSGAN", 2.5), ("RaHingeGAN", 2.5)])
def test_penalty_is_added_to_the_loss(name, weight):
    gan = on_points(name, **({} if name == "WGANGP" else {"penalty": weight}))
    real = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    z = gan.latents(6, 1)
    fake = gan.generator(z, training=True)
    expected = weight * penalty_between(gan.discriminator, real, fake, gan.noise_seed(PENALTY))
    logs = gan.d_step(real, z)
    np.testing.assert_allclose(logs["d_penalty"], expected, rtol=1e-5)
    loss = gan.d_loss(logs["real_logits"], logs["fake_logits"])
    np.testing.assert_allclose(logs["d_loss"], loss + expected, rtol=1e-5)
    assert float(expected) > 0


def test_no_penalty_unless_asked_for():
    assert "d_penalty" not in on_points("RSGAN").d_step(np.zeros((6, 2), np.float32), np.ones((6, 4), np.float32))
