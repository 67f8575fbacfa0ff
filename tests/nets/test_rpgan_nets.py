"""The nets of RP-GAN: sizes, initializers, statistics, and the convolution of a bank."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config, projections
from rpgan_tf.errors import UserError
from rpgan_tf.nets import rpgan


def bank(k, stride, num_channels, num_projections, seed=0):
    arrays = projections.draw([(k, stride, num_channels, num_projections)], seed)
    kernels = np.stack([arrays[f"p{i}"] for i in range(num_projections)])
    return projections.Projections(kernels, stride)


def count(net):
    return sum(int(np.prod(weight.shape)) for weight in net.weights)


@pytest.mark.usefixtures("zero_weights")
def test_parameter_counts_of_the_published_models():
    """Sizes of face48 and face1, counted from the paper's table of layers."""
    assert count(rpgan.Generator(4, 100, 1024, 64)) == 12656515
    assert count(rpgan.Discriminator(128, 64, bank(8, 2, 1, 1))) == 11018113
    assert count(rpgan.Discriminator(64, 64)) == 11150273


@pytest.mark.parametrize("imsz", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("ksz", [2, 3, 4, 5, 8, 9])
def test_generator_sizes(imsz, ksz):
    if ksz - ksz % 2 == imsz:
        return
    net = rpgan.Generator(ksz, 6, 64, imsz)
    images = net(tf.zeros([2, 6]))
    assert images.shape == (2, imsz, imsz, 3)
    assert np.max(np.abs(images)) <= 1


@pytest.mark.parametrize("ksz, imsz, f1", [(1, 16, 8), (4, 4, 8), (7, 16, 8), (4, 64, 4)])
def test_sizes_that_do_not_fit_are_refused(ksz, imsz, f1):
    with pytest.raises(UserError, match="do not fit: expected imsz ="):
        config.resolve({"ksz": ksz, "f1": f1, "imsz": imsz})


@pytest.mark.parametrize(
    "k, stride, num_channels, num_projections, imsz",
    [(8, 2, 1, 1, 16), (8, 2, 3, 2, 32), (8, 4, 1, 3, 64), (4, 4, 2, 2, 256), (2, 2, 1, 2, 128), (8, 8, 1, 2, 16)],
)
def test_discriminators_of_unusual_sizes_equal_plain_convolutions(k, stride, num_channels, num_projections, imsz):
    """Logits and gradients of the bank are those of tf.nn.conv2d on the original's kernels, one after the other."""
    filters = bank(k, stride, num_channels, num_projections)
    net = rpgan.Discriminator(2, imsz, filters, seeds=3)
    random = np.random.default_rng(0)
    net.set_arrays({name: random.normal(0, 0.3, a.shape).astype(np.float32) for name, a in net.get_arrays().items()})
    images = tf.constant(random.uniform(-1, 1, (3, imsz, imsz, 3)).astype(np.float32))
    arrays = net.get_arrays()

    def logits(i, images):
        p = (k - stride) // 2
        x = tf.nn.conv2d(tf.pad(images, [[0, 0], [p, p], [p, p], [0, 0]]), filters.kernels[i], stride, "VALID")
        layers = [name[:-2] for name in arrays if name.startswith(f"c{i}_") and name.endswith("_w")]
        for name in layers[:-1]:
            x = tf.nn.conv2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), arrays[name + "_w"], 2, "VALID")
            x = tf.nn.leaky_relu(x + arrays[name + "_b"], 0.2)
        return (tf.nn.conv2d(x, arrays[layers[-1] + "_w"], 1, "VALID") + arrays[layers[-1] + "_b"])[:, 0, 0, 0]

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        received = net(images)
        expected = tf.stack([logits(i, images) for i in range(num_projections)])
    scale = max(1, np.abs(expected).max())
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * scale)
    expected = tape.gradient(expected, images)
    np.testing.assert_allclose(tape.gradient(received, images), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_chunks_have_the_same_logits_and_gradients_of_all_orders():
    """Bit for bit, in a graph; WGAN-GP's penalty takes the gradient of a gradient."""
    images = tf.random.stateless_uniform([3, 8, 8, 3], [1, 2], -1, 1)

    def compute(net):
        with tf.GradientTape() as of_weights:
            seen = net.project(images)
            with tf.GradientTape() as of_seen:
                of_seen.watch(seen)
                logits = net.judge(seen)
                total = tf.reduce_sum(logits**2)
            gradient = of_seen.gradient(total, seen)
            penalty = tf.reduce_sum(gradient**2) + total
        return [logits, gradient, *of_weights.gradient(penalty, net.trainable_variables)]

    def built(chunk):
        return rpgan.Discriminator(2, 8, bank(4, 2, 1, 4), num_outcomes=3, chunk=chunk, seeds=3)

    expected, received = (tf.function(compute, autograph=False)(built(chunk)) for chunk in (None, 2))
    for one, other in zip(expected, received):
        assert np.any(one) and np.array_equal(one, other)


def test_chunks_must_divide_the_discriminators():
    message = (
        "K = 4 discriminators cannot be computed 3 at a time: expected chunk of 1, 2, 4; set one of these, or None"
    )
    with pytest.raises(UserError, match=message):
        rpgan.Discriminator(2, 16, bank(8, 2, 1, 4), chunk=3)


def test_a_step_is_traced_once_whatever_the_last_batch():
    """A batch of unknown size works in a graph, so that `fit` need not drop remainders."""
    net = rpgan.Discriminator(2, 16, bank(8, 2, 1, 2))
    call = tf.function(net.__call__, input_signature=[tf.TensorSpec([None, 16, 16, 3])], autograph=False)
    for batch_size in (1, 5):
        images = tf.random.stateless_uniform([batch_size, 16, 16, 3], [1, 2])
        np.testing.assert_allclose(call(images), net(images), atol=1e-6)


def test_initial_weights_have_the_original_bounds():
    generator = rpgan.Generator(4, 50, 64, 32)
    fan_ins = {"c1_w": 50, "c2_w": 16 * 64, "c3_w": 16 * 32, "c4_w": 16 * 16}
    discriminator = rpgan.Discriminator(16, 32, bank(8, 2, 1, 3))
    fan_ins |= {f"c{i}_{j}_w": fan_in for i in range(3) for j, fan_in in enumerate((16, 16 * 16, 16 * 32, 4 * 64))}
    for name, array in (generator.get_arrays() | discriminator.get_arrays()).items():
        if name.endswith("_b"):
            assert not array.any()
        else:
            bound = np.sqrt(3 / fan_ins[name])
            assert 0.95 * bound < np.abs(array).max() <= bound
            assert array.var() == pytest.approx(bound**2 / 3, rel=0.25)


def test_seeds_give_the_same_weights_and_different_ones_for_each_discriminator():
    arrays = [rpgan.Discriminator(4, 16, bank(8, 2, 1, 2), seeds=seed).get_arrays() for seed in (1, 1, 2)]
    assert np.array_equal(arrays[0]["c0_0_w"], arrays[1]["c0_0_w"])
    assert not np.array_equal(arrays[0]["c0_0_w"], arrays[2]["c0_0_w"])
    assert not np.array_equal(arrays[0]["c0_0_w"], arrays[0]["c1_0_w"])


def test_statistics_of_chunks_are_those_of_one_batch():
    net = rpgan.Generator(4, 6, 16, 16, seeds=1)
    z = np.random.default_rng(0).uniform(-1, 1, (100, 6)).astype(np.float32)
    whole = net.batch_statistics(z, 100)
    for chunk in (7, 64):
        for one, other in zip(whole, net.batch_statistics(z, chunk)):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net(z, whole), net(z), atol=1e-5)
    x = net.convolve(0, z)
    np.testing.assert_allclose(whole[0], [np.mean(x, axis=(0, 1, 2)), np.var(x, axis=(0, 1, 2))], rtol=1e-5, atol=1e-6)


def test_half_precision_is_rounded_once_where_inputs_are_unfolded():
    """Values and the gradient of the bias, a sum over all patches, are those of float32 on the same rounded input."""
    x = tf.cast(tf.random.stateless_normal([2, 3, 4, 4, 5], [1, 2]), tf.bfloat16)
    bias, found = tf.random.stateless_normal([2, 3], [3, 4]), []
    for given in (x, tf.cast(x, tf.float32)):
        with tf.GradientTape() as tape:
            tape.watch(bias)
            unfolded = rpgan.columns(given, bias)
        assert unfolded.dtype == given.dtype
        found.append((tf.cast(unfolded, tf.bfloat16), tape.gradient(unfolded, bias)))
    np.testing.assert_array_equal(*(tf.cast(each, tf.float32) for each, _ in found))
    np.testing.assert_allclose(*(each for _, each in found), rtol=1e-6)
