"""GLeaD: StyleGAN2 whose D must be able to say what G needs to make an image again.

Bai et al., "GLeaD: Improving GANs with A Generator-Leading Task", arXiv 2212.03752, section 3; the authors' code:
github.com/EzioBy/glead. D's heads give features, an image and w, from which G, which is not trained here, goes on;
the images it makes are compared with those that D saw.

As in that code, and not said in the paper: the term of real images is part of the steps on R1, too, times their
interval, so that it counts twice over time (`r1_with_term = False`: it is not).
"""

from typing import Literal

import tensorflow as tf

from rpgan_tf import gan
from rpgan_tf.config import NonNegative
from rpgan_tf.gans.ggdr import cosine_distance
from rpgan_tf.gans.stylegan2 import StyleGAN2
from rpgan_tf.nets.glead import reconstruct


class GLeaD(StyleGAN2):
    """StyleGAN2, and for D

        + real_weight * E loss(G(D(x)), x)  +  fake_weight * E loss(G(D(G(z))), G(z)).

    With fake_target = 'features' the second is GGDR's (arXiv 2207.13320), for D's head of features. Needs net = 'glead'.
    """

    nets = ("glead",)
    real_target: Literal["image", "none"] = "image"
    real_weight: NonNegative = 10.0
    fake_target: Literal["image", "features", "none"] = "image"
    fake_weight: NonNegative = 3.0  # 10 in the paper's code where the target is features
    r1_with_term: bool = True  # whether the term of real images is also part of the steps on R1

    def judge_real(self, real, step):
        return self.judge_and_compare(real, self.real_target, self.real_weight, None, gan.RECONSTRUCTION, step)

    def judge_fake(self, fake, made, step):
        return self.judge_and_compare(fake, self.fake_target, self.fake_weight, made, gan.RECONSTRUCTION + 1, step)

    def r1_term(self, real, step):
        if not self.r1_with_term:
            return 0.0
        return self.judge_and_compare(real, self.real_target, self.real_weight, None, gan.RECONSTRUCTION + 2, step)[1]

    def judge_and_compare(self, images, target, weight, made, role, step):
        """Return D's logits of images, and how far what G makes of what D says is from its target, times weight."""
        if target == "none":
            return self.judge(self.augmented(images, role, step)), 0.0
        features = self.discriminator.features(self.augmented(images, role, step))
        logits, found = self.discriminator.judge_features(features), self.discriminator.decode(features)
        if target == "features":
            wanted = tf.stop_gradient(self.augmented_features(made[self.discriminator.res_g][0], role, step))
            return logits, weight * cosine_distance(found.features, wanted)
        again = reconstruct(self.generator, found, self.noise_seed(gan.NOISE + role, step))
        return logits, weight * self.distance(again, images)

    def distance(self, images, targets):
        """Return how far images are from their targets: twice [B, H, W, C] -> []."""
        return tf.reduce_mean((images - targets) ** 2)
