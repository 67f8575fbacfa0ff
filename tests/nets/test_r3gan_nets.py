"""R3GAN's nets against the authors' program, and their initial weights, sizes and options."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config, factory
from rpgan_tf.devices import processor
from rpgan_tf.errors import UserError
from rpgan_tf.nets import fir, r3gan
from tests import r3gan as theirs
from tests.r3gan import NUMBERS, assert_close, assert_gradients

SMALL = {"gan": "R3GAN", "net": "r3gan", "imsz": 16, "channel_base": 128, "channel_max": 16, "group_width": 8}


def test_resampling():
    assert_close(fir.upsample(tf.constant(NUMBERS["resample/x_nhwc"])), NUMBERS["resample/up_nhwc"])
    assert_close(fir.downsample(tf.constant(NUMBERS["resample/x2_nhwc"])), NUMBERS["resample/down_nhwc"])
    np.testing.assert_allclose(fir.TAPS[:, :, 0, 0], NUMBERS["resample/kernel"], rtol=1e-6)


@pytest.mark.parametrize("prefix", ["", "cond/"])
def test_nets_and_their_gradients(prefix):
    y = NUMBERS["cond/y"] if prefix else None
    generator, discriminator = theirs.nets(prefix, theirs.CONFIG["classes"] if prefix else 0)
    z, x = (tf.constant(NUMBERS[prefix + name]) for name in ("z", "x_nhwc"))
    for net, letter, given, weights in (
        (generator, "G", z, NUMBERS[f"{prefix}cg_nhwc"]),
        (discriminator, "D", x, NUMBERS[f"{prefix}cd"]),
    ):
        with tf.GradientTape() as tape:
            tape.watch(given)
            output = net(given, y, training=True)
            scalar = tf.reduce_sum(output * weights)
        assert_close(output, NUMBERS[f"{prefix}G_out_nhwc" if letter == "G" else f"{prefix}D_out"])
        np.testing.assert_allclose(scalar, NUMBERS[f"{prefix}{letter}_scalar"], rtol=1e-4)
        *gradients, of_given = tape.gradient(scalar, [*[each.value for each in net.trainable_variables], given])
        assert_gradients(gradients, net, theirs.converted(theirs.of(f"{prefix}{letter}_grad/"), letter))
        assert_close(of_given, NUMBERS[f"{prefix}G_grad_z" if letter == "G" else f"{prefix}D_grad_x_nhwc"], 1e-4)


def test_a_new_block_is_the_identity():
    block, x = r3gan.Block(16, 4, 4), tf.random.stateless_normal([2, 4, 4, 16], [0, 1])
    assert np.array_equal(block(x), x)


def test_initial_weights():
    """N(0, gain^2 / fan_in): gain is 1, in blocks sqrt(2 / 1.04) L^(-1/4), and 0 in their last convolutions."""
    options = config.resolve(SMALL | {"channel_base": 4096, "channel_max": 256, "group_width": 16, "zlen": 64})
    for net in (factory.build_generator(options, 1), factory.build_discriminator(options, 2)):
        arrays, first = net.get_arrays(), np.sqrt(2 / 1.04) * 6**-0.25  # two blocks at 4, 8 and 16 pixels
        expected = {"conv1": first / 16, "conv2": first / 12, "last": 1 / 16, "scale": 1 / 8, "basis": 1 / 4}
        for name, array in arrays.items():
            layer = name.split("/")[-2] if "/" in name else "G's basis"
            if "bias" in name or layer == "conv3":
                assert not np.any(array)
            elif layer == "first":
                assert array.std() == pytest.approx(3**-0.5, rel=0.15)
            else:
                assert array.std() == pytest.approx(expected.get(layer, 1.0), rel=0.15), name


@pytest.mark.parametrize(
    "name, num_classes, expected",
    [
        ("r3gan_cifar10", 10, (20781952, 21280512)),
        ("r3gan_cifar10", 0, (20732160, 20683776)),
        ("r3gan_ffhq64", 0, (22429824, 22381440)),
        ("r3gan_ffhq256", 0, (23057952, 23009568)),
        ("r3gan_imagenet32", 1000, (82914304, 86548992)),
        ("r3gan_imagenet64", 1000, (103570432, 107205120)),
    ],
)
def test_presets_have_the_weights_of_the_authors(name, num_classes, expected):
    options = config.load(name)
    options.num_classes = num_classes
    with tf.Graph().as_default():  # where a variable is a name and a shape
        nets = factory.build_generator(options), factory.build_discriminator(options)
        assert tuple(sum(int(np.prod(each.shape)) for each in net.weights) for net in nets) == expected


def test_mistakes():
    for values, message in (
        ({"channel_base": 120}, "channel_base = 120 must be a multiple of imsz"),
        ({"group_width": 24}, "group_width = 24 must divide the channels of the 3x3 convolutions"),
        ({"imsz": 4}, "option 'imsz' must be a power of two >= 8"),
        ({"gan": "RealnessGAN", "num_outcomes": 3, "num_classes": 3}, "net = 'r3gan' has one logit for a label"),
        ({"filts": "filts/K12_dm12.npz"}, "has no option 'filts'"),
    ):
        with pytest.raises(UserError, match=message):
            config.resolve(SMALL | values)


def test_grouped_convolution_without_onednn(monkeypatch):
    """As the dense convolution whose kernel is 0 between groups: values and gradients."""
    monkeypatch.setattr(processor, "onednn", lambda: False)
    layer, x = r3gan.GroupedConvolution(8, 4, 1.0, seeds=1), tf.random.stateless_normal([2, 4, 4, 8], [1, 2])
    dense = np.zeros([3, 3, 8, 8], np.float32)
    blocks = [np.s_[:, :, i : i + 2, i : i + 2] for i in range(0, 8, 2)]
    for i, block in enumerate(blocks):
        dense[block] = layer.kernel[:, :, :, 2 * i : 2 * i + 2]
    dense = tf.constant(dense)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, dense])
        found, expected = layer(x), tf.nn.conv2d(x, dense, 1, "SAME")
        squares = found**2, expected**2
    assert_close(found, expected.numpy())
    assert_close(tape.gradient(squares[0], x), tape.gradient(squares[1], x).numpy())
    of_blocks = tape.gradient(squares[1], dense).numpy()
    of_blocks = np.concatenate([of_blocks[block] for block in blocks], axis=-1)
    assert_close(tape.gradient(squares[0], layer.kernel.value), of_blocks)
