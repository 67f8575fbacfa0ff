"""GGDR: the cosine distance of D's map from G's features."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import randomness
from rpgan_tf.augmentation import pipes as augment
from rpgan_tf.errors import UserError
from rpgan_tf.gans import ggdr
from tests.gans.test_stylegan2 import build


def test_cosine_distance():
    a = tf.random.stateless_normal([2, 4, 4, 3], [1, 2])
    assert float(ggdr.cosine_distance(a, 3 * a)) == pytest.approx(0, abs=1e-6)
    assert float(ggdr.cosine_distance(a, -a)) == pytest.approx(2, abs=1e-6)
    zeros = tf.zeros_like(a)
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        distance = ggdr.cosine_distance(zeros, a)
    assert float(distance) == 1 and np.all(np.isfinite(tape.gradient(distance, zeros)))


def test_features_of_ggdr_move_with_the_image():
    gan = build(net="glead", res_d=8, res_g=8, heads=False, gan="GGDR", aug="fixed", aug_p=1.0, aug_pipe="bgc")
    images, made = gan.generator.synthesize(gan.generator.codes(gan.latents(4, 0)))
    seed = gan.noise_seed(randomness.AUGMENTATION + randomness.D_STEP)
    features = gan.discriminator.features(augment.augment(images, 1.0, seed))
    wanted = augment.augment_features(made[8][0], 1.0, seed)
    assert np.max(np.abs(wanted - made[8][0])) > 0.1
    expected = 10 * ggdr.cosine_distance(gan.discriminator.decode(features).map, wanted)
    logits, term = gan.judge_fake(images, made, 0)
    assert float(term) == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(logits, gan.discriminator.judge_features(features), rtol=1e-5)


def test_mistakes():
    for values in ({"heads": True}, {"heads": False, "res_g": 4, "channel_base": 16}):
        with pytest.raises(UserError, match="gan = 'GGDR' compares D's map with G's features|option 'res_g'"):
            build(**{"gan": "GGDR", "net": "glead", "res_d": 8, "res_g": 8} | values)
