"""GGDR: StyleGAN2 whose D also predicts G's features of the image.

Lee et al., "Generator Knows What Discriminator Should Learn in Unconditional GANs", arXiv 2207.13320, section 3.2.
"""

from typing import Any

import tensorflow as tf

from rpgan_tf.config import NonNegative
from rpgan_tf.devices.steps import Step
from rpgan_tf.gans.stylegan2 import StyleGAN2, Term
from rpgan_tf.nets.glead import resize
from rpgan_tf.randomness import D_STEP


class GGDR(StyleGAN2):
    """StyleGAN2, with a task for D.

    It adds  fake_weight * E (1 - cos(D's map, G's features))  to its loss, where D's map is that of its decoder, G's
    features are those of its block of the size `res_g`, moved as the image is where this is augmented, and cos is taken
    over the channels of each pixel. Needs net = 'glead' with heads = False.
    """

    fake_weight: NonNegative = 10.0
    heads: bool = False

    rules = [
        ("net == 'glead'", "gan = '{gan}' trains net = 'glead' alone, received net = '{net}'"),
        (
            "not heads and min(channel_base // res_d, channel_max) == min(channel_base // res_g, channel_max)",
            "gan = 'GGDR' compares D's map with G's features, without heads: expected heads = False and as many "
            "channels at res_d as at res_g; received heads = {heads}, res_d = {res_d} and res_g = {res_g} with "
            "channel_base = {channel_base} and channel_max = {channel_max}; --set heads=False res_g={res_d}",
        ),
    ]

    def judge_fake(self, fake: tf.Tensor, made: dict, step: Step, labels: Any = None) -> tuple[tf.Tensor, Term]:
        features = self.discriminator.features(self.augmented(fake, D_STEP, step))
        found = self.discriminator.decode(features)
        target = tf.stop_gradient(self.augmented_features(made[self.discriminator.res_g][0], D_STEP, step))
        term = self.fake_weight * cosine_distance(resize(found.map, target.shape[1]), target)
        return self.discriminator.judge_features(features, labels), term


def cosine_distance(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Return the mean over images and pixels of 1 - cos over the channels: twice [B, H, W, C] -> []."""
    product = tf.sqrt(tf.maximum(tf.reduce_sum(a**2, axis=-1) * tf.reduce_sum(b**2, axis=-1), 1e-16))
    return 1 - tf.reduce_mean(tf.reduce_sum(a * b, axis=-1) / product)
