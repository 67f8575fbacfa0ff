"""RealnessGAN: losses and gradients of the original program, its anchors, and its toy experiment."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config
from rpgan_tf.data import mixtures
from rpgan_tf.gans import realness
from tests.conftest import DATA, ROOT, on_points


@pytest.fixture(scope="module")
def numbers():
    with np.load(DATA / "realness.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def with_anchors(numbers, **options):
    """Return a RealnessGAN whose anchors are those of the reference."""
    gan = on_points("RealnessGAN", num_outcomes=5, **options)
    gan.draw_anchors = lambda: (numbers["anchor0"][None], numbers["anchor1"][None])
    return gan


def test_discriminator_loss(numbers):
    real, fake = tf.constant(numbers["logits_real"]), tf.constant(numbers["logits_fake"])
    with tf.GradientTape() as tape:
        tape.watch([real, fake])
        gan = with_anchors(numbers)
        loss = gan.d_loss(real, fake, *gan.draw())
    np.testing.assert_allclose(loss, numbers["d_real"] + numbers["d_fake"], rtol=1e-6)
    for gradient, name in zip(tape.gradient(loss, [real, fake]), ("d_grad_real", "d_grad_fake")):
        np.testing.assert_allclose(gradient, numbers[name], atol=1e-6)


@pytest.mark.parametrize(
    "objective, loss_name, gradient_name",
    [(2, "g_relativistic", "g_rel_grad_fake"), (3, "g_plain", "g_plain_grad_fake")],
)
def test_generator_loss(numbers, objective, loss_name, gradient_name):
    fake = tf.constant(numbers["logits_fake"])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        gan = with_anchors(numbers, objective=objective)
        loss = gan.g_loss(numbers["logits_real"], fake, *gan.draw())
    np.testing.assert_allclose(loss, numbers[loss_name], rtol=2e-6)
    np.testing.assert_allclose(tape.gradient(loss, fake), numbers[gradient_name], atol=1e-6)


def test_first_objective_is_what_the_others_have_in_common(numbers):
    gan = with_anchors(numbers, objective=1)
    loss = gan.g_loss(None, tf.constant(numbers["logits_fake"]), *gan.draw())
    np.testing.assert_allclose(loss, -numbers["d_fake"], rtol=1e-6)
    assert gan.schedule(config.resolve({"gan": "RealnessGAN", "objective": 1}), 0) == (1, 1, 1, False)


@pytest.mark.parametrize("skew", ["-1", "-0.3", "0", "0.45", "1"])
def test_shifted_anchor(numbers, skew):
    p = tf.nn.softmax(numbers["logits_fake"])
    anchor = numbers["anchor0"][None] @ realness.shift(5, -1, 1, float(skew))
    np.testing.assert_allclose(realness.cross_entropy(anchor, p), numbers[f"loss_skew_{skew}"], rtol=1e-6)


def test_shift_by_hand():
    """Three outcomes at -1, 0, 1: half a step to the right divides each; a whole one piles up at the end."""
    np.testing.assert_allclose(realness.shift(3, -1, 1, 0.5), [[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1]])
    np.testing.assert_allclose(realness.shift(3, -1, 1, 1.0), [[0, 1, 0], [0, 0, 1], [0, 0, 1]])
    np.testing.assert_allclose(realness.shift(3, -1, 1, 0.0), np.eye(3))
    np.testing.assert_allclose(realness.shift(51, -1, 1, 0.37).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(realness.shift(51, -1, 1, -0.37), realness.shift(51, -1, 1, 0.37)[::-1, ::-1], atol=1e-5)


def test_two_outcomes_with_certain_anchors_are_the_standard_gan():
    """A_0 = (1, 0), A_1 = (0, 1): D's loss is binary cross entropy of the difference of its logits."""
    gan = on_points("RealnessGAN", num_outcomes=2)
    gan.draw_anchors = lambda: (np.float32([[1, 0]]), np.float32([[0, 1]]))
    real, fake = np.random.default_rng(0).normal(size=(2, 7, 2)).astype(np.float32)
    expected = np.logaddexp(0, real[:, 0] - real[:, 1]).mean() + np.logaddexp(0, fake[:, 1] - fake[:, 0]).mean()
    np.testing.assert_allclose(gan.d_loss(real, fake, *gan.draw()), expected, rtol=1e-5)


def test_anchors_are_histograms_of_fresh_draws():
    gan = on_points("RealnessGAN", num_outcomes=51)
    zero, one = (anchor.numpy()[0] for anchor in gan.draw_anchors())
    again = gan.draw_anchors()[0].numpy()[0]
    assert np.array_equal(zero, again)
    gan.iteration.assign(1)
    assert not np.array_equal(zero, gan.draw_anchors()[0].numpy()[0])
    assert zero.sum() == pytest.approx(1) and one.sum() == pytest.approx(1)
    assert zero[20:31].sum() > 2 * one[20:31].sum()  # a bell over the whole support, and a flat one
    assert min(zero[0], zero[-1]) >= 1e-3  # its range is that of the draws
    np.testing.assert_allclose(realness.histogram(tf.constant([1.0, 2, 2, 5]), 4), [[0.25, 0.5, 0, 0.25]])


def test_skew_normal_anchors():
    """Azzalini: mean sqrt(2 / pi) alpha / sqrt(1 + alpha^2)."""
    draws = realness.skew_normal(5.0, [1, 2])
    np.testing.assert_allclose(np.mean(draws), np.sqrt(2 / np.pi) * 5 / np.sqrt(26), atol=0.06)
    np.testing.assert_allclose(np.var(draws), 1 - 2 / np.pi * 25 / 26, atol=0.06)
    zero, one = (a.numpy()[0] for a in on_points("RealnessGAN", num_outcomes=9, anchors="skew_normal").draw_anchors())
    assert zero[5:].sum() > zero[:4].sum() and one[:4].sum() > one[5:].sum()  # the tails point to each other's side


def test_leading_axes_stay():
    gan = on_points("RealnessGAN", num_outcomes=4)
    real, fake = np.random.default_rng(1).normal(size=(2, 3, 6, 4)).astype(np.float32)
    anchors = gan.draw()
    for loss in (gan.d_loss, gan.g_loss):
        each = [loss(r, f, *anchors) for r, f in zip(real, fake)]
        np.testing.assert_allclose(loss(real, fake, *anchors), each, rtol=1e-5)


def test_toy_experiment_of_the_paper(monkeypatch):
    """`realness_mog`, 500 iterations: how many of nine modes, what share of 10,000 samples is good.

    Here: 4 modes and 12 %. The paper's figure 3 has about 4 modes and 54 % for five outcomes and three
    steps of G, of converged runs, which take three times as many iterations. A mode counts from 100 samples within
    four standard deviations on. The bounds leave room for the rounding of other machines.
    """
    import rpgan_tf
    from rpgan_tf import data
    from rpgan_tf.sampling import latents

    monkeypatch.chdir(ROOT)
    mixture, options = mixtures.find("mixture:grid9"), config.load("realness_mog")
    assert (options.num_outcomes, options.g_steps, options.bsz, options.MAXITER) == (5, 3, 100, 500)
    gan = rpgan_tf.build(options)
    gan.fit(data.dataset(options), steps_per_epoch=500, verbose=0, shuffle=False)
    points = gan.generator(latents.draw(0, options.zlen, 10000, "normal")).numpy()
    distances = np.linalg.norm(points[:, None] - mixture.centers, axis=2) / mixture.scales[0]
    good = distances.min(axis=1) < 4
    modes = np.sum(np.bincount(distances.argmin(axis=1)[good], minlength=9) >= 100)
    assert modes >= 2 and good.mean() > 0.04, (modes, good.mean())
