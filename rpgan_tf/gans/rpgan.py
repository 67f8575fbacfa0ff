"""RP-GAN: one generator against K discriminators, each seeing a fixed random projection of the image.

Neyshabur, Bhojanapalli, Chakrabarti, "Stabilizing GAN Training with Multiple Random Projections", arXiv 1705.07831.
Authors' code: github.com/ayanc/rpgan. Differs from it in: noise, initial weights and crops come from a seed; the
optimizers' state is saved. `Baseline` is its single discriminator on the image itself.

One iteration: G takes a step; then, with new noise, the same real batch and the updated G, the discriminators do.
"""

from typing import Literal

import tensorflow as tf

from rpgan_tf.config import Fixed
from rpgan_tf.devices.steps import Logs, Schedule
from rpgan_tf.gans.dcgan import DCGAN


class RPGAN(DCGAN):
    """K discriminators D_k on K random projections W_k (equation 2, with the non-saturating loss of G).

    G:    mean_k  E_z  -log D_k(W_k^T G(z))                                       = mean_k  E sp(-fake_logits_k)
    D_k:  1/2 ( E_x -log D_k(W_k^T x)  +  E_z -log(1 - D_k(W_k^T G(z))) )         = 1/2 ( E sp(-real_logits_k)
                                                                                        + E sp(fake_logits_k) )
    with sp = softplus and D = sigmoid(logits). The half is in the authors' code, not in the paper.
    """

    filts: str | None = "<wts_dir>/filts.npz"  # from tools/rproj.py
    prior: Literal["normal", "uniform"] = "uniform"

    rules = [
        (
            "not filts or 'filts' in of_net",
            "net = '{net}' has no discriminators for projections, received filts = '{filts}'; take net = 'rpgan', or a "
            "gan without filts such as 'DCGAN'",
        ),
        (
            "filts or gan == 'Baseline'",
            "gan = '{gan}' needs filts, a file of tools/rproj.py, received None; gan = 'Baseline' has none",
        ),
    ]

    def d_terms(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        real_loss, fake_loss = super().d_terms(real_logits, fake_logits)
        return real_loss / 2, fake_loss / 2

    def iterate(self, real: tf.Tensor, labels: tf.Tensor | None, schedule: Schedule) -> Logs:
        """Do the steps of G, then those of D, unlike the other papers."""
        data = self.run(self.divide, real, labels, schedule)
        return self.all_g_steps(schedule, *data) | self.all_d_steps(schedule, *data)


class Baseline(RPGAN):
    """The same nets and losses with a single discriminator on the image: what the paper compares RP-GAN with."""

    filts: Fixed[str | None] = None
