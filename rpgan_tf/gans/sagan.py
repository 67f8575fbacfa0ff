"""SAGAN: hinge loss and two learning rates, on nets with self-attention and spectral normalization.

Zhang, Goodfellow, Metaxas, Odena, "Self-Attention Generative Adversarial Networks", arXiv 1805.08318. The program that
this one covers: github.com/zh-hike/GANs, whose nets are in `nets/sagan.py`; the paper's own experiments are residual
nets on ImageNet at 128 pixels, which are not here. Labels are used as in the paper (`num_classes`).

Differs from zh-hike/GANs in: the hinge loss of the paper, where that program has binary cross entropy on a sigmoid at
the revision its README describes (`criterion = 'bce'`); spectral normalization of every convolution, where it leaves
out those of attention and D's last one (`spectral = 'zoo'`); evaluation does not advance the power iteration; one model
is trained, where its several processes train unrelated ones.

One iteration: D takes a step; then, with new noise, G does.
"""

from typing import Literal

import tensorflow as tf

from rpgan_tf import gan
from rpgan_tf.config import Positive, Share


class SAGAN(gan.GAN):
    """Hinge loss (equation 4) and the two time-scale update rule (section 4.2 of the paper; arXiv 1706.08500).

    D:  E max(0, 1 - real_logits) + E max(0, 1 + fake_logits)
    G:  -E fake_logits
    """

    criterion: Literal["hinge", "bce"] = "hinge"  # bce: DCGAN's losses
    learning_rate: Positive = 1e-4
    d_learning_rate: Positive | None = 4e-4
    beta_1: Share = 0.0
    beta_2: Share = 0.9

    rules = [
        (
            "weighting != 'hypervolume' or criterion == 'bce'",
            "weighting = 'hypervolume' takes the logarithm of losses that are >= 0, and G's of gan = '{gan}' with "
            "criterion = '{criterion}' can be negative; take another weighting, or criterion = 'bce'",
        ),
    ]

    def d_terms(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        penalize = tf.nn.softplus if self.criterion == "bce" else lambda logits: tf.nn.relu(1 + logits)
        return tf.reduce_mean(penalize(-real_logits), axis=-1), tf.reduce_mean(penalize(fake_logits), axis=-1)

    def g_loss(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.softplus(-fake_logits) if self.criterion == "bce" else -fake_logits, axis=-1)
