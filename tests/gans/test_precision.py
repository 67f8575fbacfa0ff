"""Half precision: products are computed in it, what is kept is not, and float16's losses are scaled."""

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint, config, data, projections
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

DIGITS = {"lfile": "digits:train", "channels": 1, "imsz": 16, "bsz": 8, "zlen": 8, "wts_dir": "x"}
DIGITS |= {"compile": "eager"}
CASES = {
    "bank": {"gan": "RPGAN", "net": "rpgan", "ksz": 4, "f1": 16, "df": 8, "filts": "K2.npz"},
    "penalty": {"gan": "WGANGP", "net": "rpgan", "ksz": 4, "f1": 16, "df": 8, "filts": "K2.npz", "d_steps": 1},
    "dcgan": {"gan": "DCGAN", "net": "dcgan", "ngf": 8, "ndf": 8},
    "patchgan": {"gan": "RSGAN", "net": "patchgan", "ngf": 8, "ndf": 8, "imsz": 32},
    "sagan": {"gan": "SAGAN", "net": "sagan", "ngf": 8, "ndf": 8, "imsz": 32},
    "realness": {"gan": "RealnessGAN", "net": "realness", "ngf": 8, "ndf": 8},
    "r3gan": {"gan": "R3GAN", "net": "r3gan", "channel_base": 128, "channel_max": 16, "learning_rate": 1e-4},
    "toy": {"gan": "DCGAN", "net": "toy", "lfile": "mixture:ring8", "g_width": 8, "d_width": 8},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    atomic.save_arrays("K2.npz", projections.draw([(8, 2, 1, 2)], seed=1, channels=1))


def build(case, precision):
    values = DIGITS | CASES[case] | {"precision": precision}
    if values["net"] == "toy":
        values = {key: value for key, value in values.items() if key not in ("channels", "imsz")}
    return rpgan_tf.build(config.resolve(values))


def train(gan, iterations):
    return gan.fit(data.dataset(gan.options), steps_per_epoch=iterations, verbose=0, shuffle=False).history


@pytest.mark.parametrize("case", CASES)
def test_bfloat16_trains_as_float32_does(case):
    """Eight bits of a number are kept, which losses show after three iterations; and weights do move."""
    one, other = build(case, "float32"), build(case, "mixed_bfloat16")
    before = other.generator.get_arrays()
    losses = [train(gan, 3) for gan in (one, other)]
    for key in ("g_loss", "d_loss"):
        assert losses[1][key] == pytest.approx(losses[0][key], rel=0.05, abs=0.02)
        assert losses[1][key] != losses[0][key]
    assert {weight.dtype for weight in other.weights if weight.trainable} == {"float32"}
    assert any(not np.array_equal(before[name], array) for name, array in other.generator.get_arrays().items())
    assert other.generator(other.latents(2, 0)).dtype == tf.float32


def test_float16_trains_as_float32_does(tmp_path):
    losses = []
    for precision in ("float32", "mixed_float16"):
        gan = build("bank", precision)
        losses.append(train(gan, 3))
    assert losses[1]["d_loss"] == pytest.approx(losses[0]["d_loss"], rel=0.01)
    scale = gan.d_optimizer.dynamic_scale
    assert float(scale) == 2**15 and int(gan.d_optimizer.step_counter) == int(gan.d_optimizer.iterations) == 3
    scale.assign(2.0**10)
    checkpoint.save(gan, config.resolve(DIGITS | CASES["bank"] | {"wts_dir": str(tmp_path)}))
    again = build("bank", "mixed_float16")
    checkpoint.restore(again, tmp_path)
    assert float(again.d_optimizer.dynamic_scale) == 2**10 and int(again.d_optimizer.iterations) == 3


def test_steps_that_overflow_are_left_out():
    gan = build("bank", "mixed_float16")
    gan.d_optimizer.dynamic_scale.assign(2.0**100)
    before = gan.discriminator.get_arrays()
    train(gan, 1)
    assert all(np.array_equal(before[name], array) for name, array in gan.discriminator.get_arrays().items())
    assert float(gan.d_optimizer.dynamic_scale) == 2.0**99 and int(gan.g_optimizer.iterations) == 1


def test_weight_decay_is_not_scaled():
    """Where the gradient is nothing, plain float16 steps are by the decay alone."""
    gan = build("bank", "mixed_float16")
    gan.weight_decay, kept = 0.1, []
    gan.d_optimizer.inner_optimizer.apply = lambda gradients, trainable_variables: kept.extend(gradients)
    variables = gan.discriminator.trainable_variables
    with tf.GradientTape() as tape:
        objective = 0.0 * tf.add_n([tf.reduce_sum(variable.value) for variable in variables])
    gan.update(gan.d_optimizer, variables, objective, tape)
    for gradient, variable in zip(kept, variables):
        np.testing.assert_allclose(gradient, 0.1 * variable.numpy(), rtol=1e-6)


def test_nets_with_half_precision_of_their_own():
    with pytest.raises(UserError, match="net = 'stylegan2' has half precision of its own: expected num_half = 4"):
        config.resolve({"gan": "StyleGAN2", "net": "stylegan2", "precision": "mixed_bfloat16"})


def test_float16_is_for_one_device():
    gan = build("dcgan", "mixed_float16")
    several = type(type(gan).__name__, (type(gan),), {"num_replicas": 2})
    gan.__class__ = several
    with pytest.raises(UserError, match="'mixed_float16' is for one device, received 2: expected 'mixed_bfloat"):
        gan.compile()
