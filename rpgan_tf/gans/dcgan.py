"""DCGAN: the standard GAN with the non-saturating loss of G, on convolutional nets with batch normalization.

Goodfellow et al., "Generative Adversarial Networks", arXiv 1406.2661; Radford, Metz, Chintala, "Unsupervised
Representation Learning with Deep Convolutional Generative Adversarial Networks", arXiv 1511.06434 (its section 4: Adam
2e-4, beta_1 = 0.5, batches of 128, weights N(0, 0.02), slope 0.2). The other program that this one covers:
github.com/zh-hike/GANs (DCGAN on CelebA: batches of 64).

Differs from the latter in: losses of logits, where it clamps the logarithm of a sigmoid at -100, so that a confident
discriminator there has no gradient at all (no option does that); G's transposed convolutions are initialized as the
paper says, which that program misses (`init = 'zoo'` is its way).

One iteration: D takes a step; then, with new noise, G does.
"""

import tensorflow as tf

from rpgan_tf import gan


class DCGAN(gan.GAN):
    """Standard GAN (1406.2661, equation 1, and the non-saturating loss of G in section 3).

    D:  E_x -log D(x)  +  E_z -log(1 - D(G(z)))  =  E sp(-real_logits) + E sp(fake_logits)
    G:  E_z -log D(G(z))                         =  E sp(-fake_logits)
    """

    def d_terms(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        real_loss = tf.reduce_mean(tf.nn.softplus(-real_logits), axis=-1)
        fake_loss = tf.reduce_mean(tf.nn.softplus(fake_logits), axis=-1)
        return real_loss, fake_loss

    def g_loss(self, real_logits: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.softplus(-fake_logits), axis=-1)
