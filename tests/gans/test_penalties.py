"""Gradient penalties of linear and quadratic critics by hand; how often D judges an image in a step."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config, factory, projections
from rpgan_tf.files import atomic
from rpgan_tf.gans import penalties
from rpgan_tf.gans.dcgan import DCGAN
from rpgan_tf.nets import base
from tests.conftest import TINY, on_points


def critic_of(judge, feature_axes):
    """Return a critic with this `judge`, which sees images as they are."""
    critic = base.Discriminator()
    critic.judge, critic.feature_axes = judge, feature_axes
    return critic


def penalty_between(discriminator, real, fake, seed):
    """Return the gradient penalty of real and fake images, which it does not need judged."""
    judged = [base.Judged(tf.convert_to_tensor(images), None) for images in (real, fake)]
    return penalties.gradient_penalty(discriminator, *judged, seed)


def linear(weights):
    """Return a critic f(x) = <weights, x> of images [B, H, W, C]."""

    def judge(seen, labels=None, training=False):
        return tf.einsum("bhwc,hwc->b", seen, weights)

    return critic_of(judge, (1, 2, 3))


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_penalty_of_a_linear_critic(scale):
    """Its gradient is its weights everywhere: (||w|| - 1)^2."""
    random = np.random.default_rng(0)
    weights = random.normal(size=(4, 4, 3)).astype(np.float32) * np.float32(scale)
    real, fake = random.normal(size=(2, 5, 4, 4, 3)).astype(np.float32)
    received = penalty_between(linear(weights), real, fake, [1, 2])
    assert received.shape == ()
    np.testing.assert_allclose(received, (np.linalg.norm(weights) - 1) ** 2, rtol=1e-5)


def test_points_between_real_and_fake():
    """Of f(x) = x^2 / 2 the gradient is the point itself: with real 0 and fake 1 it is 1 - u, one u for each image."""
    seen = []

    def judge(points, labels=None, training=False):
        seen.append(points)
        return points[:, 0] ** 2 / 2

    received = penalty_between(critic_of(judge, (-1,)), tf.zeros([1000, 1]), tf.ones([1000, 1]), [3, 4])
    points = seen[0].numpy()[:, 0]
    assert 0 <= points.min() < 0.01 and 0.99 < points.max() <= 1 and abs(points.mean() - 0.5) < 0.03
    np.testing.assert_allclose(received, np.mean((points - 1) ** 2), rtol=1e-5)


def test_r1_of_a_linear_critic():
    """Its gradient is its weights everywhere: ||w||^2."""
    weights, images = np.random.default_rng(0).normal(size=(2, 4, 4, 4, 3)).astype(np.float32)
    critic = linear(weights[0])
    received = penalties.r1(critic, critic.look(tf.constant(images), watch=True))
    np.testing.assert_allclose(received, np.sum(weights[0] ** 2), rtol=1e-5)


def test_a_view_comes_before_the_projection():
    """D judges twice a real image and three times a fake one; the points between are those of what D was shown."""
    weights, real, fake = np.random.default_rng(0).normal(size=(3, 4, 4, 3)).astype(np.float32)
    critic, views = linear(weights), (lambda images: 2 * images, lambda images: 3 * images)
    for critic.independent in (False, True):
        judged = critic.look_at_both(tf.constant(real[None]), tf.constant(fake[None]), views=views)
        np.testing.assert_allclose([each.logits[0] for each in judged], [2 * np.sum(weights * real),
                                   3 * np.sum(weights * fake)], rtol=1e-5)  # fmt: skip
        np.testing.assert_array_equal([each.images[0] for each in judged], [2 * real, 3 * fake])


class Regularized(DCGAN):
    """The standard GAN with R1 and R2: what a paper writes for a penalty at the images."""

    penalizes_images = True

    def d_penalty(self, real, fake, step):
        return 0.5 * (penalties.r1(self.discriminator, real, fake) + penalties.r2(self.discriminator, real, fake))


def spied(gan):
    """Return the list to which the discriminator of `gan` adds how many images it judges, call by call."""
    calls, judge = [], gan.discriminator.judge

    def judge_and_count(seen, *labels, **arguments):
        logits = judge(seen, *labels, **arguments)
        calls.append(logits.shape[-1])
        return logits

    gan.discriminator.judge = judge_and_count
    return calls


@pytest.mark.parametrize(
    "name, values, expected",
    [
        ("DCGAN", {}, [12]),
        ("RaSGAN", {}, [12]),
        ("WGANGP", {}, [12, 6]),  # and the points between
        ("RSGAN", {"penalty": 1.0}, [12, 6]),
        ("R1 and R2", {}, [6, 6]),
    ],
)
def test_d_judges_each_image_once_in_a_step(name, values, expected):
    gan = on_points("DCGAN" if name == "R1 and R2" else name, **values)
    if name == "R1 and R2":
        gan = factory.build(gan.options, Regularized)
    calls = spied(gan)
    logs = gan.d_step(np.ones((6, 2), np.float32), gan.latents(6, 0))
    assert calls == expected
    assert ("d_penalty" in logs) == (len(expected) > 1)


@pytest.mark.parametrize("kind", ["images", "points"])
def test_r1_of_a_bank_is_that_of_each(kind, tmp_path):
    """At what a discriminator sees: with the weights of one alone, on its own projection, it is that one's."""
    channels, groups = (3, [(4, 2, 1, 2)]) if kind == "images" else (2, [(1, 1, 1, 2)])
    two = projections.draw(groups, seed=1, channels=channels)
    atomic.save_arrays(tmp_path / "two.npz", two)
    values = (
        TINY if kind == "images" else {"net": "toy", "lfile": "mixture:ring8", "zlen": 4, "g_width": 8, "d_width": 5}
    )
    bank = factory.build_discriminator(config.resolve(values | {"filts": str(tmp_path / "two.npz")}))
    shape = (4, 16, 16, 3) if kind == "images" else (4, 2)
    images = tf.random.stateless_normal(shape, [1, 2])
    together = penalties.r1(bank, bank.look(images, watch=True)).numpy()
    assert together.shape == (2,) and together.min() > 0
    for k in range(2):
        one = {"nfilt": np.int64(1), "p0": two[f"p{k}"], "s0": two["s0"]}
        atomic.save_arrays(tmp_path / "one.npz", one)
        alone = factory.build_discriminator(config.resolve(values | {"filts": str(tmp_path / "one.npz")}))
        for weight, stacked in zip(alone.trainable_variables, bank.trainable_variables):
            weight.assign(stacked[k : k + 1])
        np.testing.assert_allclose(penalties.r1(alone, alone.look(images, watch=True)), together[k : k + 1], rtol=1e-5)
