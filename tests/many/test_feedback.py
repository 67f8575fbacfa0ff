"""What reaches G of K losses: weighted steps of G by hand, Dropout-GAN's draws, several devices, mistakes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config, data, projections
from rpgan_tf.config import declared
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.many import feedback
from tests.conftest import TINY, on_points, through_projections

WEIGHTINGS = ["softmax", "softmax_detached", "hypervolume", "minimum_norm"]


@pytest.fixture(scope="module")
def filts(tmp_path_factory):
    """A file of K = 3 random directions."""
    path = tmp_path_factory.mktemp("filts") / "K3.npz"
    atomic.save_arrays(path, projections.draw([(1, 1, 1, 3)], seed=1, channels=2))
    return str(path)


def plain(gan):
    """Give G and D plain gradient descent, whose steps show gradients."""
    gan.compile(keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0), run_eagerly=True)
    return gan


def step_of_g(gan, z):
    """Return how G's weights change in a step, in one vector, and its losses."""
    before = [weight.numpy() for weight in gan.generator.trainable_variables]
    losses = gan.g_step(None, z)["g_loss"].numpy()
    after = [weight.numpy() for weight in gan.generator.trainable_variables]
    return np.concatenate([(new - old).ravel() for new, old in zip(after, before)]), losses


def gradients(gan, z):
    """Return the gradient of each loss by G's weights [K, P], one by one."""
    with tf.GradientTape(persistent=True) as tape:
        losses = gan.g_loss(None, gan.judge(gan.generator(z, training=True)))
        each = tf.unstack(losses)
    weights = [weight.value for weight in gan.generator.trainable_variables]
    return np.stack([np.concatenate([np.ravel(x) for x in tape.gradient(loss, weights)]) for loss in each])


def new(filts, **values):
    gan = plain(on_points("RPGAN", filts, **values))
    for weight in gan.discriminator.trainable_variables:  # losses and gradients that differ
        weight.assign(1.5 * weight)
    return gan


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_step_of_g_by_hand(weighting, dropout, filts):
    gan = new(filts, weighting=weighting, feedback_dropout=dropout)
    z = gan.latents(6, 0)
    each = gradients(gan, z)
    kept = np.ones(3, bool) if not dropout else feedback.kept(gan, 3).numpy()
    assert kept.any()
    step, losses = step_of_g(gan, z)
    w, chosen = np.zeros(3), losses[kept]
    if weighting == "hypervolume":
        w[kept] = 1 / (1.5 * chosen.max() + 1e-8 - chosen)
    elif weighting == "minimum_norm":
        gram = each @ each.T
        w[kept] = feedback.weighting.minimum_norm(tf.constant(gram[np.ix_(kept, kept)], tf.float64))
        assert np.min(each[kept] @ (w @ each)) >= np.sum((w @ each) ** 2) * (1 - 1e-3)
    else:
        w[kept] = np.exp(chosen) / np.exp(chosen).sum()
        w *= 1 + (losses - w @ losses) * (weighting == "softmax")
    np.testing.assert_allclose(step, -w @ each, atol=1e-4 * np.abs(step).max())


def test_dropped_losses_leave_the_mean_of_the_others(filts):
    gan = new(filts, feedback_dropout=0.7)
    z = gan.latents(6, 0)
    each, kept = gradients(gan, z), feedback.kept(gan, 3).numpy()
    step, _ = step_of_g(gan, z)
    np.testing.assert_allclose(step, -each[kept].mean(axis=0), atol=1e-4 * np.abs(step).max())


def test_unit_gradients(filts):
    gan = new(filts, weighting="minimum_norm", weighting_unit=True)
    z = gan.latents(6, 0)
    each = gradients(gan, z)
    unit = each / np.linalg.norm(each, axis=1, keepdims=True)
    w = feedback.weighting.minimum_norm(tf.constant(unit @ unit.T, tf.float64)).numpy()
    step, _ = step_of_g(gan, z)
    np.testing.assert_allclose(step, -w @ each, atol=1e-4 * np.abs(step).max())  # applied to the raw gradients


@pytest.mark.parametrize("weighting", ["mean", *WEIGHTINGS])
def test_discriminators_learn_alike(weighting, filts):
    """Weighting and dropping concern G alone."""
    one, other = new(filts), new(filts, weighting=weighting, feedback_dropout=0.5)
    real, z = np.ones((6, 2), np.float32), one.latents(6, 0)
    for gan in (one, other):
        gan.d_step(real, z)
    for own, others in zip(one.discriminator.get_arrays().values(), other.discriminator.get_arrays().values()):
        assert np.array_equal(own, others)


def test_how_often_a_loss_is_kept(filts):
    """1 - d of the time, and once in K more often where none would be left; the same in a run that is resumed."""
    gan, d, number = on_points("RPGAN", filts, feedback_dropout=0.6), 0.6, 3
    draw = tf.function(lambda: feedback.kept(gan, number))
    drawn = []
    for iteration in range(3000):
        gan.iteration.assign(iteration)
        drawn.append(draw().numpy())
    assert np.min(np.sum(drawn, axis=1)) == 1
    np.testing.assert_allclose(np.mean(drawn, axis=0), 1 - d + d**number / number, atol=0.03)
    gan.iteration.assign(7)
    assert np.array_equal(draw(), drawn[7])


@pytest.mark.parametrize("name", [name for name in through_projections() if name != "Baseline"])
def test_every_objective_takes_every_weighting_or_refuses(name, filts):
    values = {"d_steps": 1} | ({"warmup_iterations": 0, "warmup_every": 0} if name == "WGAN" else {})
    values |= {"num_outcomes": 3} if name == "RealnessGAN" else {}
    for weighting in WEIGHTINGS:
        try:
            gan = on_points(name, filts, weighting=weighting, feedback_dropout=0.5, compile="eager", **values)
        except UserError as error:
            assert weighting == "hypervolume" and "can be negative" in str(error)
            continue
        logs = gan.train_step(next(iter(data.dataset(gan.options))))
        assert np.isfinite(logs["g_loss"]) and logs["g_losses"].shape == (3,)


@pytest.mark.parametrize("name", declared.gans())
def test_losses_that_can_be_negative_are_no_hypervolume(name, filts):
    try:
        values = {"gan": name, "net": "toy", "lfile": "mixture:ring8", "filts": filts, "weighting": "hypervolume"}
        config.resolve(values)
    except UserError:
        return
    gan = on_points(name, filts)
    for logits in tf.random.stateless_normal([3, 2, 3, 6], [1, 2], stddev=5.0):
        assert np.min(gan.g_loss(*tf.unstack(logits), *gan.draw())) >= 0


def test_mistakes(filts):
    points = {"net": "toy", "lfile": "mixture:ring8", "gan": "RPGAN", "filts": filts}
    for values, text in {
        "weighting=softmax gan=DCGAN filts=None": "weighting = 'softmax' with feedback_dropout = 0.0 is for K disc",
        "feedback_dropout=0.5 gan=DCGAN filts=None": "is for K discriminators, received filts = None",
        "weighting=hypervolume gan=WGAN": "losses that are >= 0, and G's of gan = 'WGAN' can be negative",
        "weighting=hypervolume weighting_slack=1": "expected weighting_slack > 1, above the largest loss, received 1.0",
        "weighting_alpha=2": "weighting_alpha is of weighting = 'softmax' or 'softmax_detached', received weighting",
        "weighting_slack=2": "weighting_slack is of weighting = 'hypervolume', received weighting = 'mean'",
        "weighting_unit=True": "weighting_unit is of weighting = 'minimum_norm', received weighting = 'mean'",
        "feedback_dropout=1": "feedback_dropout",
        "weighting=max": "option .weighting. must be one of .mean., .softmax.",
    }.items():
        with pytest.raises(UserError, match=text.replace("(", r"\(")):
            config.resolve(points | config.parse_overrides(values.split()))
    with pytest.raises(UserError, match="minimum_norm' compares the gradients of all discriminators, received divide"):
        config.resolve(TINY | {"divide": "discriminators", "weighting": "minimum_norm"})
    with pytest.raises(UserError, match="has no option 'weighting'"):
        config.resolve({"gan": "DCGAN", "net": "dcgan", "lfile": "digits", "weighting": "softmax"})


def test_images_packs_chunks_and_xla(tmp_path, filts):
    """Losses and steps of the bank for images are the same in chunks; the step for points compiles with XLA."""
    atomic.save_arrays(tmp_path / "K4.npz", projections.draw([(4, 2, 1, 4)], seed=1))
    values = TINY | {"filts": str(tmp_path / "K4.npz"), "weighting": "minimum_norm", "pack": 2}
    found = []
    for chunk in (None, 2):
        gan = plain(rpgan_tf.build(config.resolve(values | {"chunk": chunk})))
        found.append(step_of_g(gan, gan.latents(8, 0)))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-5 * np.abs(found[0][0]).max())
    gan = on_points("RPGAN", filts, weighting="minimum_norm", feedback_dropout=0.5, compile="xla")
    gan.fit(data.dataset(gan.options), steps_per_epoch=2, verbose=0, shuffle=False)
    assert int(gan.iteration) == 2
