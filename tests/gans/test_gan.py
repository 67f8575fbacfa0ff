"""The iteration: its steps and batches, options of all GANs, and banks of discriminators for every objective."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint, config, data, factory, projections
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, run_logs
from rpgan_tf.training import callbacks
from tests.conftest import TINY, on_points, through_projections

NAMES = through_projections()


def values_of(name):
    values = {"warmup_iterations": 0, "warmup_every": 0, "d_steps": 1} if name == "WGAN" else {}
    return values | ({"num_outcomes": 3} if name == "RealnessGAN" else {})


@pytest.fixture(scope="module")
def filters(tmp_path_factory):
    """Files of two, one, and twice the same projection: for images of 3 channels and for points of the plane."""
    folder = tmp_path_factory.mktemp("filts")
    for kind, groups, channels in (("images", [(4, 2, 1, 2)], 3), ("points", [(1, 1, 1, 2)], 2)):
        two = projections.draw(groups, seed=1, channels=channels)
        atomic.save_arrays(folder / f"{kind}.npz", two)
        for k in range(2):
            one = {"nfilt": np.int64(1), "p0": two[f"p{k}"], "s0": two["s0"]}
            atomic.save_arrays(folder / f"{kind}{k}.npz", one)
        atomic.save_arrays(folder / f"{kind}_same.npz", two | {"p1": two["p0"]})
    return folder


def on_images(name, filters):
    return rpgan_tf.build(config.resolve(TINY | values_of(name) | {"gan": name, "filts": str(filters)}))


def copy_discriminator(bank, k, one):
    """Give the single discriminator of `one` the weights of discriminator k of a bank."""
    for weight, stacked in zip(one.discriminator.trainable_variables, bank.discriminator.trainable_variables):
        weight.assign(stacked[k : k + 1])


@pytest.mark.parametrize("kind", ["images", "points"])
@pytest.mark.parametrize("name", NAMES)
def test_losses_of_a_bank_are_those_one_by_one(name, kind, filters):
    build = on_images if kind == "images" else lambda name, path: on_points(name, str(path), **values_of(name))
    bank, ones = build(name, filters / f"{kind}.npz"), [build(name, filters / f"{kind}{k}.npz") for k in range(2)]
    shape = (bank.options.bsz, 16, 16, 3) if kind == "images" else (bank.options.bsz, 2)
    real, z = np.random.default_rng(0).normal(size=shape).astype(np.float32), bank.latents(shape[0], 0)
    bank.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))  # whose steps show the size of gradients
    for k, one in enumerate(ones):
        one.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
        one.generator.set_arrays(bank.generator.get_arrays())
        copy_discriminator(bank, k, one)
    d_losses = bank.d_step(real, z)["d_loss"].numpy()
    g_losses = bank.g_step(real, z)["g_loss"].numpy()
    assert d_losses.shape == g_losses.shape == (2,)
    for k, one in enumerate(ones):
        np.testing.assert_allclose(one.d_step(real, z)["d_loss"], d_losses[k : k + 1], rtol=1e-5, atol=1e-6)
        for own, stacked in zip(one.discriminator.trainable_variables, bank.discriminator.trainable_variables):
            np.testing.assert_allclose(own, stacked[k : k + 1], atol=2e-6)  # after the step, too
        np.testing.assert_allclose(one.g_step(real, z)["g_loss"], g_losses[k : k + 1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_identical_discriminators_give_the_gradient_of_one_times_their_number(name, filters):
    bank = on_points(name, str(filters / "points_same.npz"), **values_of(name))
    one = on_points(name, str(filters / "points0.npz"), **values_of(name))
    for weight in bank.discriminator.trainable_variables:
        weight.assign(tf.repeat(weight[:1], 2, axis=0))
    copy_discriminator(bank, 0, one)
    real, fake = (tf.constant(a, tf.float32) for a in np.random.default_rng(0).normal(size=(2, 6, 2)))

    def gradients(gan):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(fake)
            r, f = gan.judge(real), gan.judge(fake)
            d_loss, g_loss = gan.d_loss(r, f, *gan.draw()), gan.g_loss(r, f, *gan.draw())
            d_sum, g_mean = tf.reduce_sum(d_loss), tf.reduce_mean(g_loss)
        return tape.gradient(d_sum, fake), tape.gradient(g_mean, fake)

    (d_bank, g_bank), (d_one, g_one) = gradients(bank), gradients(one)
    assert np.abs(d_one).max() > 0
    np.testing.assert_allclose(d_bank, 2 * d_one, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(g_bank, g_one, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["DCGAN", "WGAN", "RaSGAN", "RealnessGAN"])
def test_steps_and_batches_of_an_iteration(name):
    """Each of d_steps and g_steps has batches of its own; accumulation makes one step of several of them."""
    values = values_of(name) | {"d_steps": 3, "g_steps": 2, "accumulation": 2}
    gan = on_points(name, **values)
    looks = name.startswith("R")  # relativistic and realness objectives
    assert gan.schedule(gan.options, 0).batches == (3 + 2 * looks) * 2
    before = gan.generator.get_arrays()
    gan.fit(data.dataset(gan.options), steps_per_epoch=2, verbose=0, shuffle=False)
    assert (int(gan.iteration), int(gan.d_optimizer.iterations), int(gan.g_optimizer.iterations)) == (2, 6, 4)
    after = gan.generator.get_arrays()
    assert not any(np.array_equal(array, after[key]) for key, array in before.items() if key.endswith("kernel"))


def test_accumulated_gradients_are_those_of_one_large_batch():
    """Two batches of 3, in nets without batch normalization in D, are one of 6."""
    large, small = on_points("DCGAN", bsz=6), on_points("DCGAN", bsz=3, accumulation=2)
    real = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    z = large.latents(6, 0)
    large.generator.set_arrays(small.generator.get_arrays())
    fake = large.generator(z, training=True)
    for net in (large, small):
        net.generator = lambda z, training: z  # the same fake images for both
    large.d_step(real, fake)
    before = small.discriminator.get_arrays()
    small.d_step(real[:3], fake[:3])
    assert all(np.array_equal(array, small.discriminator.get_arrays()[key]) for key, array in before.items())
    small.d_step(real[3:], fake[3:])
    for one, other in zip(large.discriminator.trainable_variables, small.discriminator.trainable_variables):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_relativistic_generator_sees_the_real_images_it_should():
    """New ones; those of D's last step, judged by the new D; or what the old D said of them."""
    calls = []

    class Spy(factory.find(config.resolve({"gan": "RSGAN", "net": "toy", "lfile": "mixture:ring8"}))):
        def g_loss(self, r, f):
            calls.append(r.numpy())
            return super().g_loss(r, f)

        def d_loss(self, r, f):
            calls.append(r.numpy())
            return super().d_loss(r, f)

    def run(g_real, **values):
        base = on_points("RSGAN", g_real=g_real, learning_rate=0.1, **values)
        spy = Spy(base.generator, base.discriminator, base.options)
        spy.compile(run_eagerly=True)
        images = next(iter(data.dataset(spy.options)))
        calls.clear()
        old = base.discriminator(images[-6:]).numpy()
        spy.train_step(images)
        d_step, g_step = calls[-3:-1]
        return images.shape[0], np.allclose(g_step, d_step), np.allclose(g_step, base.discriminator(images[-6:])), old

    assert run("resample")[:3] == (12, False, True)
    assert run("recompute")[:3] == (6, False, True)
    assert run("stale")[:3] == (6, True, False)
    assert run("stale", d_steps=3)[:3] == (6, True, False)  # one batch serves all steps
    assert run("recompute", d_steps=3)[:3] == (18, False, True)


def test_images_that_do_not_divide_are_refused():
    gan = on_points("RaSGAN", d_steps=2, pack=2)
    with pytest.raises(
        UserError, match="takes 3 batches of real images, each a multiple of 2: received 8 images; rpgan_tf"
    ):
        gan.train_step(np.zeros((8, 2), np.float32))


def test_learning_rates_decay_by_iteration():
    gan = on_points("DCGAN", learning_rate=0.5, d_learning_rate=0.25, decay=0.1, d_steps=2)
    for iteration, factor in ((0, 1), (3, 0.9**3)):
        gan.iteration.assign(iteration)
        for optimizer, rate in ((gan.g_optimizer, 0.5), (gan.d_optimizer, 0.25)):
            assert float(optimizer.learning_rate) == pytest.approx(rate * factor)


def test_weight_decay_is_added_to_the_gradient():
    """With plain gradient descent: w <- w - rate (g + decay w)."""
    plain, decayed = on_points("DCGAN"), on_points("DCGAN", weight_decay=0.5)
    real, z = np.ones((6, 2), np.float32), plain.latents(6, 0)
    before = decayed.discriminator.get_arrays()
    for one in (plain, decayed):
        one.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
        one.d_step(real, z)
    after = plain.discriminator.get_arrays()
    for key, array in decayed.discriminator.get_arrays().items():
        np.testing.assert_allclose(array, after[key] - 0.1 * 0.5 * before[key], atol=1e-6)


def test_moving_average_of_the_generator():
    gan = on_points("DCGAN", ema=0.9)
    expected = gan.generator.get_arrays()
    for images in data.dataset(gan.options).take(3):
        gan.train_step(images)
        now = gan.generator.get_arrays()
        for key, weight in zip(list(now), gan.generator.weights):
            expected[key] = 0.9 * expected[key] + 0.1 * now[key] if weight.trainable else now[key]
    for key, array in gan.average.get_arrays().items():
        np.testing.assert_allclose(array, expected[key], atol=1e-6)
    z = gan.latents(6, 0)
    assert np.array_equal(gan(z), gan.average(z)) and not np.array_equal(gan(z), gan.generator(z))
    assert gan.sampler is gan.average and on_points("DCGAN").average is None


def test_packing():
    """Image i of the pack's first half and image i of its second lie on each other's channels."""
    gan = on_points("DCGAN", pack=2, bsz=3)
    points = np.arange(12, dtype=np.float32).reshape(6, 2)
    assert np.array_equal(gan.packed(points), np.concatenate([points[:3], points[3:]], axis=1))
    images = next(iter(data.dataset(gan.options)))
    assert images.shape == (6, 2) and gan.judge(images).shape == (3,)
    assert gan.train_step(images)["d_loss"].shape == ()


def test_priors():
    normal = np.asarray(on_points("DCGAN").latents(20000, 0))
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02
    uniform = np.asarray(on_points("DCGAN", prior="uniform").latents(20000, 0))
    assert -1 <= uniform.min() < -0.99 and 0.99 < uniform.max() < 1
    steps = on_points("DCGAN")
    assert np.array_equal(steps.latents(4, 0), steps.latents(4, 0, 0))
    assert not np.array_equal(steps.latents(4, 0), steps.latents(4, 0, tf.constant(1)))


def test_held_out_losses_by_hand():
    """In evaluation mode, of fixed latents, and nothing changes."""
    gan = on_points("RaSGAN")
    real = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    before = gan.get_weights()
    first = {key: float(value) for key, value in gan.test_step(real).items()}
    gan.iteration.assign(5)
    assert first == {key: float(value) for key, value in gan.test_step(real).items()}
    gan.iteration.assign(0)
    assert all(np.array_equal(one, other) for one, other in zip(before, gan.get_weights()))
    assert sorted(first) == ["d_loss", "g_loss"] and first["d_loss"] > 0


def test_a_run_traces_its_step_once(tmp_path):
    """Over several epochs and calls of `fit`, with all callbacks, which count the iterations as the model does."""
    model, traces = on_points("DCGAN", wts_dir=str(tmp_path), MAXITER=7, SAVEFREQ=3, monitor_every=2), []
    train_step = model.train_step
    model.train_step = lambda real: traces.append(real) or train_step(real)
    for epochs, steps in ((2, 2), (1, 3)):
        arguments = {"epochs": epochs, "steps_per_epoch": steps, "callbacks": callbacks.for_run(model, model.options)}
        model.fit(data.dataset(model.options), verbose=0, shuffle=False, **arguments)
    assert len(traces) == 1
    assert checkpoint.saved_iterations(tmp_path, "gmodel") == [3, 6, 7]
    assert [look["iteration"] for look in run_logs.read_looks(tmp_path)] == [2, 4, 6]
