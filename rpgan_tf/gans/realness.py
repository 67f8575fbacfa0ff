"""RealnessGAN: the discriminator gives a distribution of realness instead of a number.

Xiangli, Deng, Dai, Loy, Lin, "Real or Not Real, that is the Question", ICLR 2020, arXiv 2002.05512. Authors' code:
github.com/kam1107/RealnessGAN.

Differs from it in: noise, anchors and order come from a seed; with objectives 1 and 3 the G step draws no real batch,
which the code draws, judges and does not use.

One iteration: anchors are drawn; D takes `d_steps` steps, each with new real images and noise; then G takes `g_steps`,
with real images of its own if its objective looks at them.
"""

import types
from typing import Literal

import numpy as np
import tensorflow as tf

from rpgan_tf import gan
from rpgan_tf.config import CountFrom2, Negative, Positive
from rpgan_tf.devices.steps import Schedule, Step
from rpgan_tf.randomness import ANCHORS

NUM_DRAWS = 1000  # draws in the histogram of an anchor


class RealnessGAN(gan.GAN):
    """GAN whose D(x) is a distribution over A outcomes, the softmax of logits [..., B, A].

    A_1 and A_0 are the anchors of real and fake images. The divergences of the paper are cross entropies H here, as in
    the code: they differ by what D (or G) has no part in. With positive and negative standing for the shift by the
    skew:

    D:  E H(A_1, D(x), positive) + E H(A_0, D(G(z)), negative)
    G:  objective 1 (equation 18)  -E H(A_0, D(G(z)), negative)
        objective 2 (equation 19)  -E H(A_0, D(G(z)), negative) + E H(D(x), D(G(z)), none)
        objective 3 (equation 20)  -E H(A_0, D(G(z)), negative) + E H(A_1, D(G(z)), positive)
    """

    num_outcomes: CountFrom2 = 51  # A
    objective: Literal[1, 2, 3] = 2
    anchors: Literal["normal_uniform", "skew_normal"] = (
        "normal_uniform"  # distributions whose histograms are A_0 and A_1
    )
    positive_skew: Positive = 1.0  # shift of A_1, and upper end of the support
    negative_skew: Negative = -1.0  # shift of A_0, and lower end of the support

    rules = [
        (
            "weighting != 'hypervolume'",
            "weighting = 'hypervolume' takes the logarithm of losses that are >= 0, and G's of gan = '{gan}' can be "
            "negative; take another weighting or gan",
        ),
    ]

    @classmethod
    def schedule(cls, options: types.SimpleNamespace, iteration: Step) -> Schedule:
        d_steps, g_steps, _, _ = super().schedule(options, iteration)
        sees_real = options.objective == 2
        return Schedule(d_steps, g_steps, d_steps + g_steps * sees_real, sees_real)

    def d_terms(
        self, real_logits: tf.Tensor, fake_logits: tf.Tensor, a_0: tf.Tensor, a_1: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        real_loss = self.cross_entropy(a_1, tf.nn.softmax(real_logits), self.positive_skew)
        return real_loss, self.cross_entropy(a_0, tf.nn.softmax(fake_logits), self.negative_skew)

    def g_loss(
        self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor, a_0: tf.Tensor, a_1: tf.Tensor
    ) -> tf.Tensor:
        fake = tf.nn.softmax(fake_logits)
        loss = -self.cross_entropy(a_0, fake, self.negative_skew)
        if self.objective == 2:
            loss += self.cross_entropy(tf.nn.softmax(real_logits), fake, 0.0)
        if self.objective == 3:
            loss += self.cross_entropy(a_1, fake, self.positive_skew)
        return loss

    def margins(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the expected outcomes: logits [..., B, A] -> twice [..., B]."""
        support = tf.linspace(self.negative_skew, self.positive_skew, self.num_outcomes)
        real, fake = (tf.reduce_sum(support * tf.nn.softmax(x), -1) for x in (real_logits, fake_logits))
        return real, fake

    def cross_entropy(self, anchor: tf.Tensor, p: tf.Tensor, skew: float) -> tf.Tensor:
        """Return `cross_entropy` of the shifted anchor on the support of this GAN."""
        return cross_entropy(anchor @ shift(self.num_outcomes, self.negative_skew, self.positive_skew, skew), p)

    def draw(self) -> tuple[tf.Tensor, tf.Tensor]:
        return self.draw_anchors()

    def draw_anchors(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw A_0 and A_1 of this iteration, float32 [1, A] each: histograms over their draws' own range."""
        seeds = tf.unstack(tf.random.split(self.noise_seed(ANCHORS), 2))
        if self.anchors == "normal_uniform":
            zeros = tf.random.stateless_normal([NUM_DRAWS], seeds[0], stddev=0.1, alg="philox")
            ones = tf.random.stateless_uniform([NUM_DRAWS], seeds[1], -1, 1, alg="philox")
        else:
            zeros, ones = (skew_normal(alpha, seed) for alpha, seed in ((-5.0, seeds[0]), (5.0, seeds[1])))
        return histogram(zeros, self.num_outcomes), histogram(ones, self.num_outcomes)


def cross_entropy(anchor: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """Return - mean_B sum_A anchor log p, for distributions [B, A] and [..., B, A] -> [...]."""
    return -tf.reduce_mean(tf.reduce_sum(anchor * tf.math.log(p + 1e-16), axis=-1), axis=-1)


def shift(num_outcomes: int, lowest: float, highest: float, skew: float) -> np.ndarray:
    """Return the matrix that moves a distribution over an evenly spaced support by `skew`.

    What leaves the support stays at its ends; what falls between two outcomes is divided among them, as in the
    distributional reinforcement learning of Bellemare et al. (arXiv 1707.06887, equation 7).

    Returns:
        float32 [A, A]: row i says where the mass of outcome i goes.
    """
    matrix = np.zeros([num_outcomes, num_outcomes], np.float32)
    support = np.linspace(lowest, highest, num_outcomes)
    place = (np.clip(support + skew, lowest, highest) - lowest) / (support[1] - support[0])
    below = np.minimum(np.floor(place).astype(int), num_outcomes - 2)
    rows = np.arange(num_outcomes)
    matrix[rows, below] = below + 1 - place
    matrix[rows, below + 1] = place - below
    return matrix


def histogram(draws: tf.Tensor, num_bins: int) -> tf.Tensor:
    """Return the share of draws in each of `num_bins` bins between the smallest and the largest, float32 [1, A]."""
    lowest, highest = tf.reduce_min(draws), tf.reduce_max(draws)
    places = tf.cast(num_bins * (draws - lowest) / (highest - lowest), tf.int32)
    bins = tf.one_hot(tf.minimum(places, num_bins - 1), num_bins)  # tf.histogram_fixed_width is not for XLA
    return tf.reduce_mean(bins, axis=0, keepdims=True)


def skew_normal(alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """Draw from the skew normal distribution of shape `alpha` (Azzalini 1985): [NUM_DRAWS]."""
    delta = alpha / np.sqrt(1 + alpha**2)
    normals = tf.random.stateless_normal([2, NUM_DRAWS], seed, alg="philox")
    return delta * tf.abs(normals[0]) + np.sqrt(1 - delta**2) * normals[1]
