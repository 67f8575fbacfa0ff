"""The losses of all papers keep the axes in front of the batch."""

import numpy as np
import pytest

from tests.conftest import on_points, through_projections

CASES = [(name, {}) for name in through_projections() if name != "RealnessGAN"]  # test_realness.py, with its outcomes


@pytest.mark.parametrize("name, values", [*CASES, ("SAGAN", {"criterion": "bce"})])
def test_leading_axes_stay(name, values):
    """The losses of a bank [K, B] are those of its rows."""
    gan = on_points(name, **values | ({"filts": "filts/K12_ring.npz"} if name == "RPGAN" else {}))
    real, fake = np.random.default_rng(1).normal(size=(2, 3, 6)).astype(np.float32)
    for loss in (gan.d_loss, gan.g_loss):
        received = loss(real, fake)
        assert received.shape == (3,)
        np.testing.assert_allclose(received, [loss(r, f) for r, f in zip(real, fake)], rtol=1e-6)
