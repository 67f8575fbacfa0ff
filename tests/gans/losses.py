"""What the tests of single papers share: logits, and comparisons of losses at them."""

import numpy as np
import tensorflow as tf

from rpgan_tf.evaluation import tfgan

REAL = np.float32([1.5, -0.5, 0.25, 2.0])
FAKE = np.float32([-1.0, 0.75, 0.0, -2.5])


def assert_losses(gan, d_loss, g_loss):
    """Compare the losses at REAL and FAKE with numbers of a float64 computation of the paper's formula."""
    np.testing.assert_allclose((gan.d_loss(REAL, FAKE), gan.g_loss(REAL, FAKE)), (d_loss, g_loss), rtol=1e-6)


def assert_tensorflow_gan(gan, name, factor=1, relativistic=False, **smoothing):
    """Compare with TensorFlow-GAN's <name>_discriminator_loss and <name>_generator_loss of random logits."""
    theirs, (real, fake) = tfgan.load().losses.wargs, np.random.default_rng(0).normal(0, 3, (2, 50)).astype(np.float32)
    d_loss = getattr(theirs, f"{name}_discriminator_loss")(tf.constant(real), tf.constant(fake), **smoothing)
    g_logits = (tf.constant(real), tf.constant(fake)) if relativistic else (tf.constant(fake),)
    g_loss = getattr(theirs, f"{name}_generator_loss")(*g_logits)
    np.testing.assert_allclose(factor * gan.d_loss(real, fake), d_loss, rtol=2e-6)
    np.testing.assert_allclose(factor * gan.g_loss(real, fake), g_loss, rtol=2e-6)


def assert_confidence_leaves_a_gradient(gan):
    """The generator's gradient does not vanish where D is sure, as it does for logarithms of sigmoids."""
    fake = tf.constant([-40.0, -120.0])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        loss = gan.g_loss(None, fake)
    np.testing.assert_allclose(tape.gradient(loss, fake), [-0.5, -0.5], rtol=1e-6)
