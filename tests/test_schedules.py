"""Schedules against R3GAN's program, as options of any GAN, and Adam whose beta_2 changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config, data, optimizers, schedules
from rpgan_tf.errors import UserError
from tests.conftest import on_points
from tests.r3gan import CONFIG, NUMBERS

PRESETS = {  # base and final values of each preset: lr, beta2, gamma, half-life in images, aug p
    "CIFAR10": {"gamma": (0.05, 0.005), "ema": (0, 5e6), "aug": (0, 0.55), "total": 2e7},
    "FFHQ-64": {"gamma": (2, 0.2), "ema": (0, 5e5), "aug": (0, 0.3), "total": 2e7},
    "FFHQ-256": {"gamma": (150, 15), "ema": (0, 5e5), "aug": (0, 0.3), "total": 2e7},
    "ImageNet-32": {"gamma": (0.5, 0.05), "ema": (0, 5e7), "aug": (0, 0.5), "total": 2e8},
    "ImageNet-64": {"gamma": (1, 0.1), "ema": (0, 5e7), "aug": (0, 0.4), "total": 2e8},
}


@pytest.mark.parametrize("preset", CONFIG["presets"])
def test_half_a_cosine(preset):
    n = tf.constant(NUMBERS[f"schedule/{preset}/nimg"])
    values = {"lr": (2e-4, 5e-5), "beta2": (0.9, 0.99)} | PRESETS[preset]
    total = values.pop("total")
    for name, (base, final) in values.items():
        received = schedules.half_cosine(n, base, final, total)
        np.testing.assert_allclose(received, NUMBERS[f"schedule/{preset}/{name}"], rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("preset", CONFIG["presets"])
def test_momentum_follows_the_half_life(preset):
    """In a run of DCGAN with batches of 256 images."""
    final, bsz = PRESETS[preset]["ema"][1], CONFIG["sched_batch"]
    gan = on_points("DCGAN", bsz=bsz, ema_kimg=0, final_ema_kimg=final / 1000, schedule_kimg=20000)
    numbers = NUMBERS[f"schedule/{preset}/nimg"], NUMBERS[f"schedule/{preset}/ema_beta"]
    for n, expected in [pair for pair in zip(*numbers) if pair[0] % bsz == 0]:
        gan.iteration.assign(int(n) // bsz + 1)  # as after `train_step` has counted
        np.testing.assert_allclose(gan.momentum(), expected, rtol=1e-6)


def test_warm_up_and_hold():
    n = tf.constant(NUMBERS["schedule/warmup/nimg"], tf.float64)
    received = schedules.half_cosine(n, 3e-4, 1e-5, 1000, warmup=100, hold=200, start=1e-6)
    np.testing.assert_allclose(received, NUMBERS["schedule/warmup/value"], rtol=1e-12)


def test_adam_corrects_the_bias_by_the_current_beta_2():
    beta_2 = tf.Variable(0.9)
    weights = keras.Variable(NUMBERS["adam/start"])
    adam = optimizers.TorchAdam(0.1, 0.0, lambda: tf.convert_to_tensor(beta_2), epsilon=1e-8)
    for rate, current, gradient, expected in zip(
        *(NUMBERS[f"adam/{name}"] for name in ("lr", "beta2", "grads", "weights"))
    ):
        beta_2.assign(current)
        adam.learning_rate = rate
        adam.apply([tf.constant(gradient)], [weights])
        np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-6)


def test_options_of_any_gan():
    """Half-way, each is the mean of its two values; at the end and later, the final one."""
    values = {"bsz": 5, "accumulation": 2, "schedule_kimg": 0.1, "penalty": 4.0, "final_penalty": 1.0}
    values |= {"learning_rate": 0.5, "d_learning_rate": 0.25, "final_learning_rate": 0.1, "final_beta_2": 0.5}
    gan = on_points("WGANGP", **values)
    for iteration, share in ((0, 1), (5, 0.5), (10, 0), (99, 0)):
        gan.iteration.assign(iteration)
        assert float(gan.g_optimizer.learning_rate) == pytest.approx(0.1 + 0.4 * share)
        assert float(gan.d_optimizer.learning_rate) == pytest.approx((0.1 + 0.4 * share) / 2)
        assert float(gan.current("penalty")) == pytest.approx(1 + 3 * share)
        assert float(gan.d_optimizer.beta_2()) == pytest.approx(0.5 + 0.4 * share)


def test_augmentation_sets_in():
    """From 0 without `aug_p`, from there with it."""
    images = {"lfile": "digits", "net": "dcgan", "imsz": 16, "ngf": 2, "ndf": 2, "channels": 1, "aug": "fixed"}
    for values, first in (({}, 0), ({"aug_p": 0.2}, 0.2)):
        options = images | {"gan": "DCGAN", "bsz": 10, "schedule_kimg": 0.1, "final_aug_p": 0.4} | values
        gan = rpgan_tf.build(config.resolve(options))
        for iteration, expected in ((0, first), (5, (first + 0.4) / 2), (10, 0.4)):
            gan.iteration.assign(iteration)
            assert float(gan.aug_strength) == pytest.approx(expected)
    with pytest.raises(UserError, match="expected a number, received schedule_kimg = None"):
        config.resolve(images | {"gan": "DCGAN", "final_aug_p": 0.4})


def test_without_a_schedule_options_are_numbers():
    gan = on_points("WGANGP")
    assert gan.current("penalty") == 10 and gan.d_optimizer.beta_2 == 0.9 and gan.momentum() == 0


def test_a_scheduled_run_moves_its_average_and_counts():
    gan = on_points("DCGAN", ema_kimg=0.006)
    before = gan.generator.get_arrays()
    gan.train_step(next(iter(data.dataset(gan.options))))
    now = gan.generator.get_arrays()
    for (name, array), weight in zip(gan.average.get_arrays().items(), gan.generator.weights):
        expected = (before[name] + now[name]) / 2 if weight.trainable else now[name]
        np.testing.assert_allclose(array, expected, atol=1e-7)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"final_beta_2": 0.9}, "expected a number, received schedule_kimg = None"),
        (
            {"schedule_kimg": 1, "final_penalty": 1.0},
            "final_penalty needs a penalty to start from: received penalty = 0.0",
        ),
        ({"schedule_kimg": 1, "final_learning_rate": 1e-5, "decay": 0.1}, "keep one: --set decay=0"),
        ({"schedule_kimg": 1, "final_ema_kimg": 5}, "final_ema_kimg needs a half-life to start from"),
        ({"ema": 0.9, "ema_kimg": 5}, "ema and ema_kimg both set the moving average"),
        ({"gan": "StyleGAN2", "net": "stylegan2", "final_r1_gamma": 0.1}, "set schedule_kimg, or leave it out"),
        ({"gan": "WGAN", "schedule_kimg": 1, "final_beta_2": 0.9}, "has no option 'final_beta_2'"),
        ({"gan": "StyleGAN2", "net": "stylegan2", "lfile": "digits", "ema_kimg": 5}, "keep one: --set ema=0"),
    ],
)
def test_mistakes(values, message):
    with pytest.raises(UserError, match=message):
        config.resolve({"gan": "DCGAN", "net": "toy", "lfile": "mixture:ring8"} | values)
