"""`active`: a few of K discriminators a time, against a slow iteration by hand; draws, counts, memory, mistakes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config, data, projections
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.training import memory, monitor
from tests.conftest import TINY, on_points, through_projections

K = 5


@pytest.fixture(scope="module")
def filts(tmp_path_factory):
    """Files of K = 5 projections: "points" and "images"."""
    folder = tmp_path_factory.mktemp("filts")
    atomic.save_arrays(folder / "points.npz", projections.draw([(1, 1, 1, K)], seed=1, channels=2))
    atomic.save_arrays(folder / "images.npz", projections.draw([(4, 2, 1, K)], seed=1))
    return folder


def on_images(filts, **values):
    return rpgan_tf.build(config.resolve(TINY | {"filts": str(filts / "images.npz")} | values))


def arrays(gan):
    """Return {name: array} of weights of D and of its optimizer's moments, all [K, ...]."""
    found = {f"weight{i}": weight for i, weight in enumerate(gan.discriminator.trainable_variables)}
    for kind in ("momentums", "velocities", "counts"):
        found |= {f"{kind}{i}": slot for i, slot in enumerate(getattr(gan.d_optimizer, f"_{kind}"))}
    return {name: np.array(variable.numpy()) for name, variable in found.items()}


def changed(before, after):
    """Return which of K differ in any array."""
    return np.any([[np.any(after[name][k] != before[name][k]) for k in range(K)] for name in before], axis=0)


def adam(gradient, weight, m, v, count, rate, beta_1, beta_2):
    """A step of Adam in float64, as Kingma and Ba write it."""
    gradient = np.float64(gradient)
    m, v = beta_1 * m + (1 - beta_1) * gradient, beta_2 * v + (1 - beta_2) * gradient**2
    rate = rate * np.sqrt(1 - beta_2**count) / (1 - beta_1**count)
    return weight - rate * m / (np.sqrt(v) + 1e-8), m, v


@pytest.mark.parametrize("compiled", ["eager", "graph"])
def test_iterations_by_hand(filts, compiled):
    """Four iterations with 2 of K = 5: those drawn take the steps of a bank without the others, with own counts."""
    gan = on_images(filts, active=2, compile=compiled)
    one = on_images(filts)  # all K, of which the drawn ones are taken by hand
    seen = []
    for iteration, real in enumerate(data.dataset(on_data(gan)).take(4)):
        before, drawn = arrays(gan), gan.subset.draw(gan).numpy()
        weights_of_g = gan.generator.get_arrays()
        one.generator.set_arrays(weights_of_g)
        for own, weight in zip(one.discriminator.trainable_variables, gan.discriminator.trainable_variables):
            own.assign(weight)
        one.iteration.assign(iteration)
        gradient_of_g = g_gradient(one, drawn)
        moments_of_g = [np.array(slot) for slot in gan.g_optimizer._momentums]
        gan.train_step(real) if compiled == "eager" else tf.function(gan.train_step, autograph=False)(real)
        for old, new, gradient in zip(moments_of_g, gan.g_optimizer._momentums, gradient_of_g):
            np.testing.assert_allclose(new, 0.5 * old + 0.5 * gradient, atol=2e-5 * np.abs(gradient).max())
        after = arrays(gan)
        assert np.array_equal(np.flatnonzero(changed(before, after)), drawn)
        one.generator.set_arrays(gan.generator.get_arrays())
        for i, gradient in enumerate(d_gradients(one, real)):
            for k in drawn:
                count = after[f"counts{i}"][k].item()
                slots = (before[f"{name}{i}"][k] for name in ("weight", "momentums", "velocities"))
                expected = adam(gradient[k], *slots, count, 2e-4, 0.5, 0.999)
                for name, value in zip(("weight", "momentums", "velocities"), expected):
                    scale = np.abs(value).max()
                    np.testing.assert_allclose(after[f"{name}{i}"][k], value, atol=2e-5 * scale, err_msg=name)
        seen += drawn.tolist()
    counts = [seen.count(k) for k in range(K)]
    assert np.array_equal(arrays(gan)["counts0"].ravel(), counts) and len(set(counts)) > 1
    assert int(gan.d_optimizer.iterations) == 4


def on_data(gan):
    return type(gan.options)(**vars(gan.options) | {"lfile": "digits"})


def g_gradient(gan, drawn):
    """Return the gradient of the mean of the losses of those drawn by G's weights, of the latents of an iteration."""
    with tf.GradientTape() as tape:
        losses = gan.g_loss(None, gan.judge(gan.generator(gan.latents(4, 0), training=True)))
        loss = tf.reduce_mean(tf.gather(losses, drawn))
    return tape.gradient(loss, [weight.value for weight in gan.generator.trainable_variables])


def d_gradients(gan, real):
    with tf.GradientTape() as tape:
        logits = [gan.judge(images) for images in (real, gan.generator(gan.latents(4, 1), training=True))]
        loss = tf.reduce_sum(gan.d_loss(*logits))
    return [np.array(each) for each in tape.gradient(loss, [w.value for w in gan.discriminator.trainable_variables])]


def test_a_subset_of_all_is_no_subset(filts):
    gan = on_images(filts, active=K)
    assert gan.subset is None and gan.discriminator.chunk is None
    both = [on_images(filts, **values) for values in ({}, {"active": K})]
    for one in both:
        one.fit(data.dataset(on_data(one)), steps_per_epoch=2, verbose=0, shuffle=False)
    for own, other in zip(*(one.get_weights() for one in both)):
        assert np.array_equal(own, other)


def test_draws(filts):
    """Ascending, without replacement, each as often as the others, and the same for the same seed and iteration."""
    gan = on_points("RPGAN", str(filts / "points.npz"), active=2)
    draw, drawn = tf.function(lambda: gan.subset.draw(gan)), []
    for iteration in range(1500):
        gan.iteration.assign(iteration)
        drawn.append(draw().numpy())
    assert np.all(np.diff(drawn, axis=1) > 0) and np.min(drawn) == 0 and np.max(drawn) == K - 1
    np.testing.assert_allclose(np.bincount(np.ravel(drawn)) / 1500, 2 / K, atol=0.05)
    assert len(set(map(tuple, drawn))) == 10  # all pairs
    gan.iteration.assign(3)
    assert np.array_equal(draw(), drawn[3])
    gan.options.seed, others = 1, []
    for iteration in range(10):
        gan.iteration.assign(iteration)
        others.append(gan.subset.draw(gan).numpy())
    assert not np.array_equal(others, drawn[:10])


@pytest.mark.parametrize("name", sorted(set(through_projections()) - {"Baseline"}))
def test_every_objective_trains_a_subset(name, filts):
    """Several steps of D, accumulation, weight decay, packing, weightings: those that rest do not change at all."""
    values = {"warmup_iterations": 0, "warmup_every": 0} if name == "WGAN" else {}
    values |= {"num_outcomes": 3} if name == "RealnessGAN" else {}
    values |= {"d_steps": 2, "accumulation": 2, "weight_decay": 0.1, "pack": 2, "feedback_dropout": 0.5}
    gan = on_points(name, str(filts / "points.npz"), active=2, weighting="softmax", compile="eager", **values)
    before = {str(i): weight.numpy() for i, weight in enumerate(gan.discriminator.trainable_variables)}
    drawn = gan.subset.draw(gan).numpy()
    logs = gan.train_step(next(iter(data.dataset(gan.options))))
    after = {str(i): weight.numpy() for i, weight in enumerate(gan.discriminator.trainable_variables)}
    assert np.array_equal(np.flatnonzero(changed(before, after)), drawn)
    assert logs["d_loss"].shape == () and "d_losses" not in logs  # another two each time
    assert not any(np.any(slot) for slot in gan.subset.optimizer._accumulated_gradients)


def test_discriminators_are_judged_as_often_as_they_take_part(filts, monkeypatch):
    """Of K = 5, no operation of a step judges more than the two that take part."""
    gan, seen = on_images(filts, active=2, compile="eager"), []
    judge = type(gan.discriminator).judge

    def spy(self, images, *arguments, **named):
        seen.append(images.shape[0])
        return judge(self, images, *arguments, **named)

    monkeypatch.setattr(type(gan.discriminator), "judge", spy)
    gan.train_step(next(iter(data.dataset(on_data(gan)))))
    assert seen == [2, 2]  # once in G's step, and real and fake together in D's


def test_statistics_are_of_all(filts):
    """The monitor's and held-out losses are those of all K, some at a time; as those of a bank where all take part."""
    gan, whole = on_images(filts, active=2), on_images(filts)
    assert gan.discriminator.chunk == 1  # the largest divisor of K = 5 that is at most 2
    real, z = next(iter(data.dataset(on_data(gan)))), gan.latents(4, 0)
    found, expected = (monitor.diagnose(one, real, z) for one in (gan, whole))
    for name, value in expected.items():
        assert value.shape == (K,)
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("chunk", [None, 3])
def test_memory_is_that_of_the_subset(filts, chunk, tmp_path):
    atomic.save_arrays(tmp_path / "K24.npz", projections.draw([(4, 2, 1, 24)], seed=1))
    atomic.save_arrays(tmp_path / "K6.npz", projections.draw([(4, 2, 1, 6)], seed=1))
    values = TINY | {"chunk": chunk, "df": 2, "bsz": 64, "MAXITER": 1, "f1": 8}
    some = memory.report(config.resolve(values | {"filts": str(tmp_path / "K24.npz"), "active": 6}))
    few = memory.report(config.resolve(values | {"filts": str(tmp_path / "K6.npz")}))
    for what in ("kept for D", "kept for G", "iteration"):
        assert some[what] == pytest.approx(few[what], rel=0.01)  # the filters of those drawn
    assert some["weights of D"] == 5 * few["weights of D"]  # all, and copies of those that take part


def test_optimizers_of_users_and_of_half_precision(filts):
    gan = on_images(filts, active=2)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), run_eagerly=True)
    before = [weight.numpy() for weight in gan.discriminator.trainable_variables]
    drawn = gan.subset.draw(gan).numpy()
    gan.train_step(next(iter(data.dataset(on_data(gan)))))
    moved = [np.any(new[k] != old[k]) for k in range(K)
             for new, old in [(gan.discriminator.trainable_variables[0].numpy(), before[0])]]  # fmt: skip
    assert np.array_equal(np.flatnonzero(moved), drawn)
    gan = on_images(filts, active=2, precision="mixed_float16", compile="eager")
    gan.train_step(next(iter(data.dataset(on_data(gan)))))
    assert int(gan.d_optimizer.iterations) == 1


def test_mistakes(filts, monkeypatch):
    path = str(filts / "images.npz")
    with pytest.raises(
        UserError, match="active = 6 of K = 5 discriminators cannot take part in an iteration: expected 1"
    ):
        config.check_filters(config.resolve(TINY | {"filts": path, "active": 6}))
    with pytest.raises(UserError, match="K = 4 discriminators cannot be computed 3 at a time"):
        config.check_filters(config.resolve(TINY | {"filts": path, "active": 4, "chunk": 3}))
    with pytest.raises(UserError, match="active = 2 and redraw = 0 are of K discriminators, received filts = None"):
        config.resolve(TINY | {"gan": "Baseline", "active": 2})
    with pytest.raises(UserError, match="has no option 'active'"):
        config.resolve({"gan": "DCGAN", "net": "dcgan", "active": 2})
    with pytest.raises(
        UserError, match="active = 3 discriminators cannot be divided among 2 devices: expected a multiple"
    ):
        projections.check_division(6, 2, 3)
