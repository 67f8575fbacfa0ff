"""R3GAN: the relativistic GAN with R1 and R2 on every step, and settings that change during the run.

Huang, Gokaslan, Kuleshov, Tompkin, "The GAN is dead; long live the GAN! A Modern GAN Baseline", arXiv 2501.05441.
Authors' code: github.com/brownvc/R3GAN (commit 19a7ddf).

r and f are the logits of real and fake images, sp = softplus. Pairs are image i of the one and image i of the other
batch; with labels, both have the same. The penalties are on gradients at the images themselves, real and generated, in
each step of D, from the forward passes that make its loss.

Behind K projections P_k, each discriminator is penalized by the gradient of its own logits: at what it sees, P_k x, or
at the image, where that gradient is P_k^T times the former (`penalty_at`).

Differs from the authors' code in: all in float32, where their presets have bfloat16 in the highest resolutions
(`precision`); theirs count the images of a run, so that a schedule goes on where it was at another batch size, and ours
are functions of the iteration.

One iteration: D takes a step; then, with new noise and new real images, G does; then the average of G moves.
"""

from typing import Any, Literal

import keras
import tensorflow as tf

from rpgan_tf import optimizers
from rpgan_tf.config import Fixed, NonNegative, Positive, Share
from rpgan_tf.devices.steps import Step
from rpgan_tf.gans import penalties
from rpgan_tf.gans.relativistic import RSGAN
from rpgan_tf.nets.base import Judged


class R3GAN(RSGAN):
    """The relativistic pairing loss (that of RSGAN), with R1 and R2.

    D:  E sp(-(r - f)) + penalty / 2 * (E || grad_x D(x) ||^2 + E || grad_x D(x) ||^2 at x = G(z))
    G:  E sp(-(f - r))
    """

    penalty: NonNegative = 0.05  # gamma; its best value grows with the image size, from 0.05 at 32 to 150 at 256
    penalty_at: Literal["image", "seen"] = "image"  # what gradients are taken at; seen: its projection
    g_real: Fixed[Literal["resample", "recompute", "stale"]] = "resample"
    learning_rate: Positive = 2e-4
    beta_1: Share = 0.0
    beta_2: Share = 0.9
    ema_kimg: NonNegative | None = 0.0
    schedule_kimg: Positive | None = 20000.0
    final_learning_rate: Positive | None = 5e-5
    final_beta_2: Share | None = 0.99
    final_penalty: NonNegative | None = 0.005
    final_ema_kimg: NonNegative | None = 5000.0

    rules = [
        (
            "penalty_at == 'image' or filts",
            "penalty_at = 'seen' is of projections, received filts = None: without any, D sees the image; take "
            "penalty_at = 'image'",
        ),
    ]
    penalizes_images = True

    def make_optimizer(self, learning_rate: Any, **arguments: Any) -> keras.Optimizer:
        return optimizers.TorchAdam(learning_rate, self.beta_1, self.changing("beta_2"), epsilon=1e-8, **arguments)

    def d_penalty(self, real: Judged, fake: Judged, step: Step) -> tf.Tensor:
        r1, r2 = (each(self.discriminator, real, fake, at=self.penalty_at) for each in (penalties.r1, penalties.r2))
        return self.current("penalty") / 2 * (r1 + r2)
