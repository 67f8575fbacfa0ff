"""WGAN: losses, critic steps, and the box of its weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import data
from rpgan_tf.errors import UserError
from tests.conftest import on_points
from tests.gans import losses


def test_losses_by_hand():
    losses.assert_losses(on_points("WGAN"), -1.5, 0.6875)


def test_losses_of_tensorflow_gan():
    losses.assert_tensorflow_gan(on_points("WGAN"), "wasserstein")


def test_sigmoid_critic():
    gan = on_points("WGAN", sigmoid=True)
    real, fake = (1 / (1 + np.exp(-np.float64(logits))) for logits in (losses.REAL, losses.FAKE))
    losses.assert_losses(gan, fake.mean() - real.mean(), -fake.mean())


def test_critic_steps_of_600_iterations():
    """100 in iterations 0 .. 24 and 500, 5 in the others."""
    gan = on_points("WGAN", MAXITER=600, bsz=2)
    pattern = [gan.schedule(gan.options, iteration).batches for iteration in range(600)]
    assert pattern == [100] * 25 + [5] * 475 + [100] + [5] * 99
    gan.fit(data.dataset(gan.options), steps_per_epoch=600, verbose=0, shuffle=False)
    assert (int(gan.iteration), int(gan.g_optimizer.iterations)) == (600, 600)
    assert int(gan.d_optimizer.iterations) == sum(pattern) == 5470


@pytest.mark.parametrize(
    "name, choice, compiled",
    [("WGAN", "auto", False), ("WGANGP", "auto", True), ("WGANGP", "graph", False), ("WGANGP", "eager", False)],
)
def test_what_xla_compiles(name, choice, compiled):
    """Where the number of batches changes it would compile every iteration anew, until no memory mappings are left."""
    gan = on_points(name, compile=choice)
    assert (gan.jit_compile, gan.run_eagerly) == (compiled, choice == "eager")


def test_xla_is_refused_where_the_number_of_batches_changes():
    with pytest.raises(UserError, match="compile = 'xla' is impossible: gan = 'WGAN' takes more batches in some"):
        on_points("WGAN", compile="xla")


def test_options_of_the_warm_up():
    gan = on_points("WGAN", d_steps=1, warmup_iterations=0, warmup_every=0, accumulation=2)
    assert [gan.schedule(gan.options, iteration).batches for iteration in (0, 1, 500)] == [2, 2, 2]
    assert int(gan.schedule(gan.options, tf.constant(0)).batches) == 2


def test_weights_stay_in_the_box():
    """After each critic step; the generator's are left alone."""
    gan = on_points("WGAN", clip=0.02)
    before = max(np.abs(weight.numpy()).max() for weight in gan.discriminator.trainable_variables)
    real = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    assert before > 0.1
    for step in range(3):
        gan.d_step(real, gan.latents(6, 1, step))
        for weight in gan.discriminator.trainable_variables:
            assert np.abs(weight.numpy()).max() <= np.float32(0.02)
        assert max(np.abs(weight.numpy()).max() for weight in gan.discriminator.trainable_variables) == np.float32(0.02)
    assert max(np.abs(weight.numpy()).max() for weight in gan.generator.trainable_variables) > 0.1


def test_rmsprop_by_hand():
    """PyTorch's: epsilon outside of the root. Two steps with gradients 3 and -1."""
    gan = on_points("WGAN", learning_rate=0.1)
    variable = keras.Variable([2.0])
    optimizer = gan.make_optimizer(0.1)
    optimizer.build([variable])
    v, expected = 0.0, 2.0
    for gradient in (3.0, -1.0):
        optimizer.apply([tf.constant([gradient])], [variable])
        v = 0.99 * v + 0.01 * gradient**2
        expected -= 0.1 * gradient / (np.sqrt(v) + 1e-8)
        np.testing.assert_allclose(variable.numpy(), [expected], rtol=1e-5)
