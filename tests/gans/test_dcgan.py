"""DCGAN: the standard GAN's losses."""

from tests.conftest import on_points
from tests.gans import losses


def test_losses_by_hand():
    losses.assert_losses(on_points("DCGAN"), 1.02513183, 1.24304240)


def test_losses_of_tensorflow_gan():
    losses.assert_tensorflow_gan(on_points("DCGAN"), "modified", label_smoothing=0.0)


def test_confident_discriminators_leave_a_gradient():
    losses.assert_confidence_leaves_a_gradient(on_points("DCGAN"))
