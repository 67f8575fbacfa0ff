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

from rpgan_tf.config import Count, NonNegative, Positive, Share
from rpgan_tf.devices.steps import Step
from rpgan_tf.gans import penalties
from rpgan_tf.gans.wgan import _Wasserstein
from rpgan_tf.nets.base import Judged
from rpgan_tf.randomness import PENALTY


class WGANGP(_Wasserstein):
    """Wasserstein GAN with gradient penalty.

    Critic:  minimize  E_z f(G(z)) - E_x f(x) + penalty * E (|| grad f(x_hat) ||_2 - 1)^2
    G:       minimize -E_z f(G(z))
    """

    d_steps: Count = 5
    penalty: NonNegative = 10.0  # lambda
    learning_rate: Positive = 1e-4
    beta_1: Share = 0.0
    beta_2: Share = 0.9

    def d_penalty(self, real: Judged, fake: Judged, step: Step) -> tf.Tensor:
        seed = self.noise_seed(PENALTY, step)
        return self.current("penalty") * penalties.gradient_penalty(self.discriminator, real, fake, seed)
