"""SAGAN: the hinge loss, or DCGAN's, and two learning rates."""

import pytest

from tests.conftest import on_points
from tests.gans import losses


@pytest.mark.parametrize("criterion, values", [("hinge", (1.25, 0.6875)), ("bce", (1.02513183, 1.24304240))])
def test_losses_by_hand(criterion, values):
    losses.assert_losses(on_points("SAGAN", criterion=criterion), *values)


def test_losses_of_tensorflow_gan():
    losses.assert_tensorflow_gan(on_points("SAGAN"), "wasserstein_hinge")


def test_confident_discriminators_leave_a_gradient():
    losses.assert_confidence_leaves_a_gradient(on_points("SAGAN"))


def test_learning_rates_of_two_time_scales():
    gan = on_points("SAGAN")
    rates = [float(optimizer.learning_rate) for optimizer in (gan.d_optimizer, gan.g_optimizer)]
    assert rates == pytest.approx([4e-4, 1e-4])
