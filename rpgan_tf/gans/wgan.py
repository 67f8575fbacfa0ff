"""WGAN: the critic estimates the Wasserstein distance, kept Lipschitz by clipping its weights.

Arjovsky, Chintala, Bottou, "Wasserstein GAN", arXiv 1701.07875, algorithm 1. Authors' code:
github.com/martinarjovsky/WassersteinGAN. The other program that this one covers: github.com/zh-hike/GANs.

Differs from the authors' code in: weights are clipped after each critic step, as in algorithm 1, and not before it, so
that G, too, sees a critic inside the box; the signs are the paper's. Like the code, and unlike the text of the paper,
there is a warm-up: 100 critic steps in each of the first 25 iterations and in every 500th.
An iteration of warm-up takes 100 batches of real images at once, 315 MB of them with 64 images of 64x64.
zh-hike/GANs leaves the sigmoid in the critic (`sigmoid = True`), takes one critic step (`d_steps = 1`,
`warmup_iterations = 0`, `warmup_every = 0`) and PyTorch's initial weights (`init = 'pytorch'`); its learning rate is
2e-4 unless it is told otherwise, and its README does.

One iteration: the critic takes its steps, each with new real images and noise and followed by clipping; then G takes
one.
"""

import tensorflow as tf

from rpgan_tf import gan, optimizers
from rpgan_tf.config import Count, Fixed, Positive, Share, Whole
from rpgan_tf.devices import replicas


class WGAN(gan.GAN):
    """Wasserstein GAN (equation 2 and algorithm 1); f is the critic, its logits are its values.

    Critic:  minimize  E_z f(G(z)) - E_x f(x),  then  w <- clip(w, -clip, clip) for every trainable weight w
    G:       minimize -E_z f(G(z))
    """

    d_steps: Count = 5
    warmup_steps: Count = 100  # critic steps of a warm-up iteration
    warmup_iterations: Whole = 25  # at the start
    warmup_every: Whole = 500  # iterations; 0: never again
    clip: Positive = 0.01
    sigmoid: bool = False  # f = sigmoid(logits)
    learning_rate: Positive = 5e-5
    rho: Share = 0.99  # RMSprop's
    beta_1: Fixed[Share] = 0.0  # RMSprop has neither
    beta_2: Fixed[Share] = 0.0

    def d_terms(self, real_logits, fake_logits):
        return -tf.reduce_mean(self.value(real_logits), axis=-1), tf.reduce_mean(self.value(fake_logits), axis=-1)

    def accuracy(self, real_logits, fake_logits):
        """Return the share of pairs that are ranked right: a critic's values have no zero."""
        return gan.share(real_logits > fake_logits)

    def g_loss(self, real_logits, fake_logits):
        del real_logits
        return -tf.reduce_mean(self.value(fake_logits), axis=-1)

    def value(self, logits):
        """Return f."""
        return tf.sigmoid(logits) if self.sigmoid else logits

    def make_optimizer(self, learning_rate, **arguments):
        return optimizers.RMSprop(learning_rate, self.rho, epsilon=1e-8, **arguments)

    @staticmethod
    def warming_up(options, iteration):
        """Return whether this iteration, an int or an int tensor, is one of warm-up."""
        warm = iteration < options.warmup_iterations
        if options.warmup_every:
            warm |= iteration % options.warmup_every == 0
        return warm

    @classmethod
    def batches(cls, options, iteration):
        steps = options.warmup_steps if cls.warming_up(options, iteration) else options.d_steps
        return steps * options.accumulation

    def num_d_steps(self):
        warm = self.warming_up(self.options, tf.convert_to_tensor(self.iteration))
        return tf.where(warm, self.warmup_steps, self.d_steps)

    def num_batches(self):
        return self.num_d_steps() * self.accumulation

    def d_step(self, real, z, step=0):
        logs = super().d_step(real, z, step)
        clip = lambda weight: tf.clip_by_value(weight, -self.clip, self.clip)  # noqa: E731
        replicas.assign(self.discriminator.trainable_variables, clip)
        return logs
