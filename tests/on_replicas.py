"""Trains cases on one and on several logical CPUs, as many for all; prints how far they are apart as JSON."""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config, data, files, projections

POINTS = {"net": "toy", "lfile": "mixture:ring8", "bsz": 8, "zlen": 4, "g_width": 8, "d_width": 5}
DIGITS = {"imsz": 16, "channels": 1, "bsz": 8, "zlen": 4, "lfile": "digits:train"}
BANK = DIGITS | {"net": "rpgan", "ksz": 4, "f1": 8, "df": 4, "filts": "K2.npz"}
STYLES = DIGITS | {"w_dim": 4, "map_layers": 1, "channel_base": 64, "channel_max": 4, "mbstd_group": 1}
STYLES |= {"d_interval": 2, "g_interval": 2, "ema": 0.9}
HEADS = {"gan": "GLeaD", "net": "glead", "res_d": 8, "res_g": 8, "real_loss": "mse", "fake_loss": "mse"}
CASES = {
    "RPGAN": (2, BANK | {"gan": "RPGAN"}),
    "RaSGAN through projections": (2, BANK | {"gan": "RaSGAN", "prior": "uniform", "d_steps": 2}),
    "RaSGAN": (4, POINTS | {"gan": "RaSGAN", "g_real": "stale", "d_steps": 2}),
    "RaLSGAN": (2, POINTS | {"gan": "RaLSGAN", "pack": 2, "weight_decay": 0.01, "ema": 0.9}),
    "WGAN": (2, POINTS | {"gan": "WGAN", "warmup_steps": 3, "warmup_iterations": 1, "warmup_every": 0, "d_steps": 2}),
    "WGANGP": (2, POINTS | {"gan": "WGANGP", "d_steps": 2}),
    "RealnessGAN": (2, DIGITS | {"gan": "RealnessGAN", "net": "realness", "ngf": 8, "ndf": 8}),
    "SAGAN": (2, DIGITS | {"gan": "SAGAN", "net": "sagan", "imsz": 32, "ngf": 8, "ndf": 8}),
    "StyleGAN2": (2, STYLES | {"gan": "StyleGAN2", "net": "stylegan2", "pl_weight": 0}),  # GLeaD has these steps
    "GLeaD": (2, STYLES | HEADS | {"num_classes": 10, "aug": "ada", "ada_kimg": 1}),
}
EAGER = ("WGANGP", "GLeaD")  # to save the time that large graphs take


def train(name, values, strategy, iterations):
    """Return {name: array} of the losses of the last iteration, and of all weights."""
    keras.backend.clear_session()
    options = config.resolve(values | {"wts_dir": "x", "MAXITER": 100, "sync_bn": True})
    with strategy.scope():
        gan = rpgan_tf.build(options)
        gan.compile(run_eagerly=name in EAGER, jit_compile=False)
        history = gan.fit(data.distributed(options), steps_per_epoch=iterations, verbose=0, shuffle=False).history
    weights = {weight.path: weight.numpy() for weight in gan.weights}
    return {key: np.array(value[-1]) for key, value in history.items()}, weights


def main(names, iterations=20):
    """Compare the cases of these names."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    count = CASES[names[0]][0]  # strategies of two sizes get in each other's way
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)])
    files.save_arrays("K2.npz", projections.draw([(8, 2, 1, 2)], seed=1, channels=1))
    for name in names:
        values, few = CASES[name][1], iterations // 4 if name in EAGER else iterations
        one, several = (train(name, values, each, few) for each in (tf.distribute.get_strategy(), strategy))
        apart = [
            {key: float(np.max(np.abs(np.float64(a[key]) - b[key]), initial=0)) for key in a}
            for a, b in zip(one, several)
        ]
        print(json.dumps({"name": name, "losses": apart[0], "weights": apart[1]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
