"""WGAN-GP: the critic is kept Lipschitz by a penalty on the norm of its gradient.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein GANs", arXiv 1704.00028, algorithm 1.
Authors' code: github.com/igul222/improved_wgan_training, which was not compared.
The relativistic GANs take the same penalty, as in github.com/AlexiaJM/RelativisticGAN.

Differs from the paper in: with projections, each critic's gradient is taken at what it sees, W_k^T x. That is the input
of the critic whose Lipschitz constant is wanted, and random points between real and fake project to points between
their projections.

The paper leaves batch normalization out of the critic, where a penalty for each image makes no sense with it:
`d_norm = 'layer'` of the DCGAN nets is its advice; `d_norm = 'batch'` sees the points between as a third batch.

One iteration: the critic takes `d_steps` steps, each with new real images and noise; then G takes one.
"""

import tensorflow as tf

from rpgan_tf import gan
from rpgan_tf.config import Count, NonNegative, Positive, Share
from rpgan_tf.devices import replicas


def gradient_penalty(discriminator, real, fake, seed):
    """Return E (|| grad f(x_hat) ||_2 - 1)^2, x_hat = u real + (1 - u) fake (equation 3).

    Args:
        discriminator: net with `project` and `judge`; f is its logits.
        real, fake: images [B, H, W, C] or points [B, dims].
        seed: of u ~ U[0, 1), one for each image.

    Returns:
        float32 [], or [K] for a bank.
    """
    shape = [tf.shape(real)[0]] + [1] * (len(real.shape) - 1)
    u = replicas.uniform(shape, seed)
    seen = discriminator.project(u * real + (1 - u) * fake)
    with tf.GradientTape() as tape:
        tape.watch(seen)
        logits = discriminator.judge(seen, training=True)
    squared = tf.reduce_sum(tape.gradient(logits, seen) ** 2, axis=discriminator.feature_axes)
    norm = tf.sqrt(tf.maximum(squared, 1e-30))  # the root has no derivative at 0
    return tf.reshape(tf.reduce_mean((norm - 1) ** 2, axis=-1), tf.shape(logits)[:-1])


class WGANGP(gan.GAN):
    """Wasserstein GAN with gradient penalty.

    Critic:  minimize  E_z f(G(z)) - E_x f(x) + penalty * E (|| grad f(x_hat) ||_2 - 1)^2
    G:       minimize -E_z f(G(z))
    """

    d_steps: Count = 5
    penalty: NonNegative = 10.0  # lambda
    learning_rate: Positive = 1e-4
    beta_1: Share = 0.0
    beta_2: Share = 0.9

    def d_terms(self, real_logits, fake_logits):
        return -tf.reduce_mean(real_logits, axis=-1), tf.reduce_mean(fake_logits, axis=-1)

    def accuracy(self, real_logits, fake_logits):
        """Return the share of pairs that are ranked right: a critic's values have no zero."""
        return gan.share(real_logits > fake_logits)

    def g_loss(self, real_logits, fake_logits):
        del real_logits
        return -tf.reduce_mean(fake_logits, axis=-1)

    def d_penalty(self, real, fake, step):
        seed = self.noise_seed(gan.PENALTY, step)
        return self.penalty * gradient_penalty(self.discriminator, real, fake, seed)
