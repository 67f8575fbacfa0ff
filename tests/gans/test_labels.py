"""Labels in the iteration: whose they are in each step, in penalties, and behind projections."""

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config, data
from rpgan_tf.devices import replicas
from rpgan_tf.devices.steps import Schedule, labels_of_g
from rpgan_tf.errors import UserError
from rpgan_tf.randomness import PENALTY
from tests.conftest import TINY

VALUES = {"gan": "DCGAN", "net": "dcgan", "lfile": "digits", "imsz": 16, "channels": 1, "bsz": 4, "zlen": 4}
VALUES |= {"ngf": 2, "ndf": 2, "num_classes": 10}
OF_RPGAN = TINY | {"lfile": "digits", "channels": 1, "num_classes": 10, "filts": "filts/K12_dm12_grey.npz"}


def classes_of_steps(**values):
    """Return what G is called with in an iteration, and the classes of its batches [n, B]."""
    gan = rpgan_tf.build(config.resolve(VALUES | values | {"compile": "eager"}))
    calls = []
    images, labels = next(iter(data.dataset(gan.options)))
    generate = gan.generate
    gan.generate = lambda z, labels: calls.append(np.argmax(labels, axis=1).tolist()) or generate(z, labels)
    gan.train_step((images, labels))
    return calls, np.argmax(labels, axis=1).reshape(-1, 4).tolist()


def test_generated_images_have_the_labels_of_real_ones():
    calls, (a, b, c) = classes_of_steps(d_steps=3)
    assert calls == [a, b, c, a]  # three steps of D, one of G
    calls, (a, b) = classes_of_steps(d_steps=2, g_steps=3)
    assert calls == [a, b, a, b, a]
    calls, (a, b) = classes_of_steps(accumulation=2)
    assert calls == [a, b, a, b]
    calls, (a,) = classes_of_steps(gan="RPGAN", net="rpgan", f1=8, df=4, ngf=None, ndf=None, filts=OF_RPGAN["filts"])
    assert calls == [a, a]  # G's step, then D's


@pytest.mark.parametrize("g_real, expected", [("resample", [0, 1, 2]), ("recompute", [0, 1, 1]), ("stale", [0, 0, 0])])
def test_the_generator_that_sees_real_images_has_their_labels(g_real, expected):
    calls, batches = classes_of_steps(gan="RaSGAN", g_real=g_real, d_steps=2)
    assert calls == [batches[i] for i in expected] and len(batches) == max(expected) + 1


def test_labels_of_g_where_the_number_of_batches_is_a_tensor():
    labels = tf.reshape(tf.range(6.0), [3, 2, 1])
    schedule = Schedule(tf.constant(3), 4, tf.constant(3))
    received = [float(labels_of_g(labels, schedule, i)[0, 0]) for i in range(4)]
    assert received == [0, 2, 4, 0]
    assert labels_of_g(None, schedule, 0) is None


def test_a_penalty_between_images_has_their_label():
    """WGAN-GP's critic is penalized as the function f(., y): by hand for the bank, against one call of it."""
    gan = rpgan_tf.build(config.resolve(OF_RPGAN | {"gan": "WGANGP"}))
    images, labels = next(iter(data.dataset(gan.options)))
    images, labels = images[:4], labels[:4]
    fake = images[::-1]
    net = gan.discriminator
    real, other = net.look_at_both(images, fake, labels=labels)
    received = gan.d_penalty(real, other, 0)
    u = replicas.uniform([4, 1, 1, 1], gan.noise_seed(PENALTY, 0))
    seen = net.project(u * images + (1 - u) * fake)
    with tf.GradientTape() as tape:
        tape.watch(seen)
        logits = net.judge(seen, labels)
    norm = tf.norm(tf.reshape(tf.transpose(tape.gradient(logits, seen), [0, 4, 1, 2, 3]), [12, 4, -1]), axis=-1)
    np.testing.assert_allclose(received, 10 * tf.reduce_mean((norm - 1) ** 2, axis=-1), rtol=1e-5)
    without = net.look(images, labels=labels[::-1]).logits
    assert np.abs(without - net.look(images, labels=labels).logits).max() > 1e-3


def test_both_in_one_call_are_each_by_itself():
    gan = rpgan_tf.build(config.resolve(OF_RPGAN | {"gan": "RPGAN"}))
    images, labels = next(iter(data.dataset(gan.options)))
    real, fake = gan.discriminator.look_at_both(images, -images, labels=labels)
    for judged, shown in ((real, images), (fake, -images)):
        np.testing.assert_allclose(judged.logits, gan.discriminator(shown, labels, training=True), atol=1e-5)
        assert judged.labels is labels


@pytest.mark.parametrize("name", sorted(config.gans()))
def test_every_objective_trains_with_labels(name):
    """One iteration; what only labels see has moved."""
    values = {"WGAN": {"warmup_iterations": 0, "warmup_every": 0}, "RealnessGAN": {"num_outcomes": 3}}.get(name, {})
    nets = {"net": "rpgan", "f1": 8, "df": 4, "ngf": None, "ndf": None}
    nets |= {"filts": OF_RPGAN["filts"]} if name == "RPGAN" else {}
    try:
        options = config.resolve(VALUES | values | (nets if name in ("RPGAN", "Baseline") else {}) | {"gan": name})
    except UserError as error:
        assert "trains" in str(error)  # nets of its own
        return
    gan = rpgan_tf.build(options)
    gan.compile(run_eagerly=True)
    before = gan.discriminator.get_arrays() | gan.generator.get_arrays()
    gan.fit(data.dataset(options), steps_per_epoch=1, verbose=0, shuffle=False)
    after = gan.discriminator.get_arrays() | gan.generator.get_arrays()
    new = [each for each in before if each.endswith(("classes_w", "classes/kernel", "_scale", "_shift", "gamma"))]
    assert len(new) > 1 and not any(np.array_equal(before[each], after[each]) for each in new)


def test_mistakes():
    with pytest.raises(UserError, match="expected pack = 1 with num_classes = 10, received 2; set pack=1"):
        config.resolve(VALUES | {"pack": 2})
    with pytest.raises(UserError, match="gan = 'DCGAN' with net = 'toy' has no option 'num_classes' .*net = 'dcgan'"):
        config.resolve({"gan": "DCGAN", "net": "toy", "lfile": "mixture:ring8", "num_classes": 8})
    with pytest.raises(UserError, match="has labels of 10 classes: received num_classes = 7; set num_classes=10"):
        config.check_files(config.resolve(VALUES | {"num_classes": 7}))
