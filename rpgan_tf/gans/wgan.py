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

import types
from typing import Any

import keras
import tensorflow as tf

from rpgan_tf import gan, optimizers
from rpgan_tf.config import Count, Fixed, Positive, Share, Whole
from rpgan_tf.devices import replicas
from rpgan_tf.devices.steps import Logs, Schedule, Step


class _Wasserstein(gan.GAN):
    """The Wasserstein distance (equation 2); f is the critic.

    Critic:  minimize  E_z f(G(z)) - E_x f(x)
    G:       minimize -E_z f(G(z))
    """

    rules = [
        (
            "weighting != 'hypervolume'",
            "weighting = 'hypervolume' takes the logarithm of losses that are >= 0, and G's of gan = '{gan}' can be "
            "negative; take another weighting or gan",
        ),
        (
            "aug != 'ada'",
            "aug = 'ada' follows the sign of D's logits, and the values of a critic, gan = '{gan}', have no threshold; "
            "take aug = 'light', or aug = 'fixed' with aug_p",
        ),
    ]

    def value(self, logits: tf.Tensor) -> tf.Tensor:
        """Return f."""
        return logits

    def d_terms(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return -tf.reduce_mean(self.value(real_logits), axis=-1), tf.reduce_mean(self.value(fake_logits), axis=-1)

    def g_loss(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_mean(self.value(fake_logits), axis=-1)

    def accuracy(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """Return the share of pairs that are ranked right: the values of a critic have no threshold."""
        return gan.share(real_logits > fake_logits)


class WGAN(_Wasserstein):
    """Wasserstein GAN (algorithm 1): w <- clip(w, -clip, clip) for each weight w after each critic step."""

    d_steps: Count = 5
    warmup_steps: Count = 100  # critic steps of a warm-up iteration
    warmup_iterations: Whole = 25  # at the start
    warmup_every: Whole = 500  # iterations between later ones; 0: none
    clip: Positive = 0.01
    sigmoid: bool = False  # f = sigmoid(logits)
    learning_rate: Positive = 5e-5
    rho: Share = 0.99  # RMSprop's
    beta_1: Fixed[Share] = 0.0  # RMSprop has neither
    beta_2: Fixed[Share] = 0.0
    final_beta_2: Fixed[Share | None] = None

    @classmethod
    def schedule(cls, options: types.SimpleNamespace, iteration: Step) -> Schedule:
        warm = iteration < options.warmup_iterations
        if options.warmup_every:
            warm |= iteration % options.warmup_every == 0
        d_steps = options.d_steps + (tf.cast(warm, tf.int32) if tf.is_tensor(warm) else warm) * (
            options.warmup_steps - options.d_steps
        )
        d_steps *= options.accumulation
        return Schedule(d_steps, options.g_steps * options.accumulation, batches=d_steps)

    def value(self, logits: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(logits) if self.sigmoid else logits

    def make_optimizer(self, learning_rate: Any, **arguments: Any) -> keras.Optimizer:
        return optimizers.RMSprop(learning_rate, self.rho, epsilon=1e-8, **arguments)

    def d_step(self, real: Any, z: Any, step: Step = 0, labels: Any = None) -> Logs:
        logs = super().d_step(real, z, step, labels)
        clip = lambda weight: tf.clip_by_value(weight, -self.clip, self.clip)  # noqa: E731
        replicas.assign(self.discriminator.trainable_variables, clip)
        return logs
