"""Labels in nets: conditional batch normalization, projection discriminators, and nets without labels as they were."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config, factory
from rpgan_tf.nets import layers

SMALL = {"lfile": "digits", "imsz": 32, "channels": 1, "zlen": 4, "ngf": 8, "ndf": 8}
OF_RPGAN = {"lfile": "digits", "imsz": 16, "channels": 1, "zlen": 4, "f1": 8, "df": 4}
NETS = {
    "dcgan": SMALL | {"gan": "DCGAN", "net": "dcgan"},
    "dcgan, spectral": SMALL | {"gan": "DCGAN", "net": "dcgan", "d_norm": "spectral"},
    "sagan": SMALL | {"gan": "SAGAN", "net": "sagan"},
    "patchgan": SMALL | {"gan": "RaSGAN", "net": "patchgan"},
    "realness": SMALL | {"gan": "RealnessGAN", "net": "realness", "num_outcomes": 3, "adaptive_reparam": False},
    "rpgan": OF_RPGAN | {"gan": "Baseline"},
    "rpgan-bank": OF_RPGAN | {"gan": "RPGAN", "filts": "filts/K12_dm12_grey.npz"},
    "rpgan-bank of outcomes": OF_RPGAN
    | {"gan": "RealnessGAN", "net": "rpgan", "filts": "filts/K12_dm12_grey.npz", "num_outcomes": 3},
}  # fmt: skip
LABELS = np.eye(3, dtype=np.float32)[[2, 0, 1, 2]]


def build(name, num_classes=3, **values):
    options = config.resolve(NETS[name] | {"seed": 5, "num_classes": num_classes} | values)
    seeds = keras.random.SeedGenerator(options.seed)
    return options, factory.build_generator(options, seeds), factory.build_discriminator(options, seeds)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def vary(net):
    """Give the weights of labels random values, since scales of all classes start as equals."""
    arrays = net.get_arrays()
    for i, (name, array) in enumerate(arrays.items()):
        if name.endswith(("gamma", "beta", "_scale", "_shift")):
            arrays[name] = array + 0.3 * random(*array.shape, seed=i)
    net.set_arrays(arrays)


@pytest.mark.parametrize("training", [False, True])
def test_conditional_batch_normalization_by_hand(training):
    layer = layers.BatchNormalization(2, num_classes=3)
    gamma, beta, x = random(3, 2), random(3, 2, seed=1), random(4, 5, 5, 2, seed=2)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    layer.moving_mean.assign([0.5, -1.0])
    layer.moving_variance.assign([2.0, 3.0])
    mean, variance = (x.mean((0, 1, 2)), x.var((0, 1, 2))) if training else (np.float32([0.5, -1]), np.float32([2, 3]))
    classes = LABELS.argmax(axis=1)
    expected = (x - mean) / np.sqrt(variance + 1e-5) * gamma[classes][:, None, None] + beta[classes][:, None, None]
    np.testing.assert_allclose(layer(x, LABELS, training=training), expected, atol=2e-6)
    halves = (LABELS + LABELS[::-1]) / 2  # between two classes: scales and shifts between theirs
    whole = [layer(x, labels, training=False) for labels in (LABELS, LABELS[::-1])]
    np.testing.assert_allclose(layer(x, halves, training=False), (whole[0] + whole[1]) / 2, atol=1e-5)


def test_equal_scales_are_ordinary_batch_normalization():
    layer, plain = layers.BatchNormalization(2, num_classes=3), layers.BatchNormalization(2)
    x = random(4, 5, 5, 2)
    for each in (plain, layer):
        each.gamma.assign(tf.ones_like(each.gamma) * [1.5, 0.5])
    for _ in range(2):
        np.testing.assert_allclose(layer(x, LABELS, training=True), plain(x, training=True), atol=1e-6)
    np.testing.assert_array_equal(layer.moving_variance, plain.moving_variance)


@pytest.mark.parametrize("name", [name for name in NETS if "rpgan" not in name])
def test_projection_discriminator_by_hand(name):
    """A logit is psi + y^T V phi, with phi taken from the input of the last layer, and V from the weights."""
    _, _, net = build(name)
    images, found = random(4, 32, 32, 1), []
    head = net.head if name == "realness" else net.last
    apply = head.apply_kernel
    head.apply_kernel = lambda x, kernel: found.append(x) or apply(x, kernel)
    logits = net(images, LABELS).numpy()
    (phi,) = found
    psi, kernel = head(phi).numpy(), net.classes.current_kernel(False).numpy()
    units = psi.shape[-1]
    expected = [
        psi[i : i + 1] + net.classes.apply_kernel(phi[i : i + 1], kernel[..., units * c : units * (c + 1)])
        for i, c in enumerate(LABELS.argmax(axis=1))
    ]
    np.testing.assert_allclose(logits.ravel(), np.ravel(expected), rtol=1e-5, atol=1e-6)
    assert net.classes.spectral == head.spectral and net.classes.bias is None


def test_v_of_a_bank_by_hand():
    """Each discriminator has its V_k; with class c alone it is one whose last kernel is the sum of both."""
    for name in ("rpgan", "rpgan-bank", "rpgan-bank of outcomes"):
        _, _, net = build(name)
        _, _, plain = build(name, num_classes=0)
        images = random(4, 16, 16, 1)
        received, units = net(images, LABELS).numpy(), net.num_outcomes or 1
        for c in range(3):
            for weight, other in zip(plain.kernels + plain.biases, net.kernels + net.biases):
                weight.assign(other)
            plain.kernels[-1].assign(net.kernels[-1] + net.classes[..., units * c : units * (c + 1)])
            expected, own = plain(images).numpy(), LABELS[:, c] == 1
            axis = net.batch_axis
            np.testing.assert_allclose(received.compress(own, axis), expected.compress(own, axis), atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_nets_without_labels_are_as_they_were(name):
    """The same names, and initial weights that labels do not change: they are drawn after all others."""
    _, *labelled = build(name)
    _, *plain = build(name, num_classes=0)
    for net, other in zip(labelled, plain):
        arrays, expected = net.get_arrays(), other.get_arrays()
        assert [each for each in arrays if each in expected] == list(expected)
        new = arrays.keys() - expected.keys()
        assert all("classes" in each or each.endswith(("_scale", "_shift")) for each in new)
        for each, array in expected.items():
            if arrays[each].shape == array.shape:
                np.testing.assert_array_equal(arrays[each], array)
            else:
                assert each.endswith(("gamma", "beta")) and arrays[each].shape == (3, *array.shape)


@pytest.mark.parametrize("name", NETS)
def test_labels_make_a_difference_image_by_image(name):
    _, generator, discriminator = build(name)
    for net in (generator, discriminator):
        vary(net)
    z, images = random(4, 4), random(4, *generator(random(4, 4), LABELS).shape[1:])
    images_of, logits_of = lambda y: generator(z, y).numpy(), lambda y: discriminator(images, y).numpy()  # noqa: E731
    other = LABELS.copy()
    other[1] = LABELS[0]
    if not name.startswith("rpgan"):  # whose images depend on their batch
        changed = np.any(images_of(LABELS) != images_of(other), axis=(1, 2, 3))
        np.testing.assert_array_equal(changed, [False, True, False, False])
    statistics = {"statistics": generator.batch_statistics(z, 2, LABELS)} if name.startswith("rpgan") else {}
    if statistics:
        np.testing.assert_allclose(generator(z, LABELS, **statistics), images_of(LABELS), atol=1e-5)
        changed = np.any(generator(z, other, **statistics) != generator(z, LABELS, **statistics), axis=(1, 2, 3))
        np.testing.assert_array_equal(changed, [False, True, False, False])
    axis = discriminator.batch_axis
    differ = np.moveaxis(logits_of(LABELS) != logits_of(other), axis, 0).reshape(4, -1).any(axis=1)
    np.testing.assert_array_equal(differ, [False, True, False, False])


@pytest.mark.parametrize("name", NETS)
def test_weights_of_labels_are_saved(name):
    _, *nets = build(name)
    _, *others = build(name, seed=6)
    for net, other in zip(nets, others):
        vary(net)
        other.set_arrays(net.get_arrays())
        for one, two in zip(net.weights, other.weights):
            np.testing.assert_array_equal(one, two)


def test_labels_that_are_missing():
    for name in NETS:
        _, generator, discriminator = build(name)
        with pytest.raises(ValueError, match=r"expected labels \[B, num_classes\], received None"):
            generator(random(4, 4))
        with pytest.raises(ValueError, match=r"expected labels \[B, num_classes\], received None"):
            discriminator(random(4, *generator(random(4, 4), LABELS).shape[1:]))


def test_chunks_of_a_bank_with_labels():
    _, _, whole = build("rpgan-bank")
    _, _, chunked = build("rpgan-bank", chunk=4)
    images = tf.constant(random(4, 16, 16, 1))
    gradients = []
    for net in (whole, chunked):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(net(images, LABELS) ** 2)
        gradients.append(tape.gradient(total, net.trainable_variables))
    for one, other in zip(*gradients):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_names_of_kernels_of_classes():
    assert build("rpgan-bank")[2].get_arrays()["c11_classes_w"].shape == (2, 2, 8, 3)
    assert build("rpgan")[2].get_arrays()["classes_w"].shape == (2, 2, 16, 3)
