"""Gradient penalties through normalization and whole nets: their gradients are those of the penalty's values."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config, factory
from rpgan_tf.gans import penalties
from rpgan_tf.nets import base, layers, patchgan
from tests.conftest import DATA

AXES = {"batch": [0, 1, 2], "layer": [1, 2, 3], "instance": [1, 2]}
OURS = {
    "batch": lambda: lambda x: layers.BatchNormalization(3)(x, training=True),
    "layer": lambda: layers.LayerNormalization(3),
    "instance": lambda: patchgan.normalize,
}


def written_out(kind):
    """Return the normalization over these axes, of float64, by its formula."""

    def normalize(x):
        mean = tf.reduce_mean(x, AXES[kind], keepdims=True)
        return (x - mean) / tf.sqrt(tf.reduce_mean((x - mean) ** 2, AXES[kind], keepdims=True) + 1e-5)

    return normalize


def penalty(normalize, kernel, x, weights):
    """Return E || grad f(x) ||^2 of the critic f(x) = <weights, tanh(normalize(weights x kernel))>."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = tf.reduce_sum(weights * tf.tanh(normalize(tf.matmul(weights * x, kernel))))
    return tf.reduce_sum(tape.gradient(logits, x) ** 2)


@pytest.mark.parametrize("kind", OURS)
def test_penalty_through_a_normalization(kind):
    """By the difference quotient of the penalty's values, which need first derivatives alone."""
    random = np.random.default_rng(0)
    x, weights, kernel = random.normal(size=(2, 4, 4, 3)), random.normal(size=(2, 4, 4, 3)), random.normal(size=(3, 3))
    single = [tf.constant(each, tf.float32) for each in (kernel, x, weights)]
    with tf.GradientTape() as tape:
        tape.watch(single[0])
        value = penalty(OURS[kind](), *single)
    gradient = tape.gradient(value, single[0]).numpy()
    x, weights, step = tf.constant(x), tf.constant(weights), 1e-5
    expected = np.zeros([3, 3])
    for place in np.ndindex(3, 3):
        moved = np.zeros([3, 3])
        moved[place] = step
        high, low = (penalty(written_out(kind), tf.constant(kernel + by), x, weights) for by in (moved, -moved))
        expected[place] = (high - low) / (2 * step)
    np.testing.assert_allclose(value, penalty(written_out(kind), tf.constant(kernel), x, weights), rtol=1e-5)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


class Plain(base.Discriminator):
    """Two convolutions, batch normalization after the second, and a convolution over the whole map."""

    def __init__(self):
        super().__init__()
        self.first = layers.Convolution(3, 4, 4, 2, "SAME", bias=True)
        self.second, self.normalization = layers.Convolution(4, 8, 4, 2, "SAME"), layers.BatchNormalization(8)
        self.last = layers.Convolution(8, 1, 4, bias=True)

    def judge(self, seen, labels=None, training=False):
        x = tf.nn.leaky_relu(self.first(seen), 0.2)
        x = tf.nn.leaky_relu(self.normalization(self.second(x), training=training), 0.2)
        return self.flat(self.last(x))


NAMES = "conv0.weight", "conv0.bias", "conv1.weight", "bn1.weight", "bn1.bias", "out.weight", "out.bias"


def test_step_of_the_original_through_batch_normalization():
    """D's step of R3GAN's program: the relativistic loss with R1 and R2, real images before fake ones."""
    with np.load(DATA / "r3gan.npz", allow_pickle=False) as file:
        given = {name.removeprefix("step/"): file[name] for name in file.files if name.startswith("step/")}
    read = lambda name: given[f"plain_bn/{name}"]  # noqa: E731
    to_ours = lambda array: array.transpose(2, 3, 1, 0) if array.ndim == 4 else array  # noqa: E731
    discriminator = Plain()
    for variable, name in zip(discriminator.trainable_variables, NAMES):
        variable.assign(to_ours(read(f"D/{name}")))
    with tf.GradientTape() as tape:
        real, fake = (discriminator.look(tf.constant(given[f"{which}_nhwc"]), watch=True) for which in ("real", "fake"))
        penalty = penalties.r1(discriminator, real) + penalties.r2(discriminator, None, fake)
        loss = tf.reduce_mean(tf.nn.softplus(fake.logits - real.logits)) + 0.7 / 2 * penalty
    np.testing.assert_allclose(loss, read("d_loss"), rtol=1e-5)
    gradients = tape.gradient(loss, [variable.value for variable in discriminator.trainable_variables])
    largest = max(np.abs(read(f"d_grad/{name}")).max() for name in NAMES)
    for gradient, name in zip(gradients, NAMES):
        expected = to_ours(read(f"d_grad/{name}"))
        scale = largest if name == "out.bias" else np.abs(expected).max()  # which is 0 but for rounding
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-4 * scale, err_msg=name)
    running = discriminator.normalization
    np.testing.assert_allclose(running.moving_mean, read("running_mean_after"), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(running.moving_variance, read("running_var_after"), rtol=1e-5)


def smooth(x, slope):
    """Return LeakyReLU with a round corner: its penalty has no jumps, so that difference quotients converge."""
    return slope * x + (1 - slope) * tf.math.softplus(4 * x) / 4


SMALL = {"ndf": 8, "init": "pytorch"}


@pytest.mark.parametrize(
    "values",
    [
        SMALL | {"net": "dcgan", "d_norm": "batch"},
        SMALL | {"net": "dcgan", "d_norm": "layer"},
        SMALL | {"net": "dcgan", "d_norm": "none"},
        SMALL | {"net": "patchgan"},
        {"gan": "StyleGAN2", "net": "stylegan2", "mbstd_group": 2, "channel_base": 128, "channel_max": 8},
    ],
    ids=["batch", "layer", "none", "patchgan", "minibatch deviation"],
)
def test_penalty_through_a_net(values, monkeypatch):
    """Along a random direction of all weights; with constant means PatchGAN's is off by 14 %."""
    monkeypatch.setattr(tf.nn, "leaky_relu", smooth)
    discriminator = factory.build_discriminator(
        config.resolve({"gan": "DCGAN", "imsz": 32, "bsz": 4} | values), seeds=1
    )
    images = tf.random.stateless_uniform([4, 32, 32, 3], [1, 2], -1, 1)
    variables = discriminator.trainable_variables
    value = lambda: penalties.r1(discriminator, discriminator.look(images, watch=True))  # noqa: E731
    with tf.GradientTape() as tape:
        penalty = value()
    gradients = tape.gradient(penalty, [each.value for each in variables], unconnected_gradients="zero")
    random = np.random.default_rng(0)
    directions = [random.normal(size=each.shape) * np.std(each) for each in variables]
    found = sum(np.sum(a * b) for a, b in zip(gradients, directions))
    starts, moved = [each.numpy() for each in variables], []
    for step in (1e-3, -1e-3):
        for variable, start, direction in zip(variables, starts, directions):
            variable.assign(start + step * direction)
        moved.append(float(value()))
    assert found == pytest.approx((moved[0] - moved[1]) / 2e-3, rel=5e-3)
