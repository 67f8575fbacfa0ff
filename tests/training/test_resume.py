"""A run that was interrupted ends as one that was not, bit for bit: every objective, every net, every option."""

import numpy as np
import pytest

import rpgan_tf
from rpgan_tf import checkpoint, config, data
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

IMAGES = {"lfile": "digits", "imsz": 32, "channels": 1, "bsz": 2, "zlen": 4, "ngf": 2, "ndf": 2}
POINTS = {"net": "toy", "lfile": "mixture:ring8", "bsz": 4, "zlen": 4, "g_width": 8, "d_width": 5, "compile": "graph"}
STYLES = {"lfile": "digits", "imsz": 16, "channels": 1, "bsz": 2, "zlen": 4, "w_dim": 4, "map_layers": 1}
STYLES |= {"channel_base": 64, "channel_max": 4, "d_interval": 2, "g_interval": 2}
HEADS = {"gan": "GLeaD", "net": "glead", "res_d": 8, "res_g": 8, "real_loss": "mse", "fake_loss": "mse"}
RING = "filts/K12_ring.npz"
RUNS = {
    "running averages, moving average, decay": IMAGES | {"gan": "DCGAN", "net": "dcgan", "ema": 0.5, "decay": 0.1},
    "critic steps with warm-up": POINTS | {"gan": "WGAN", "warmup_steps": 3, "warmup_iterations": 1, "d_steps": 2},
    "gradient penalty, accumulation": POINTS | {"gan": "WGANGP", "d_steps": 1, "accumulation": 2},
    "spectral vectors, two learning rates": IMAGES | {"gan": "SAGAN", "net": "sagan", "ngf": 8, "ndf": 8},
    "new real images for G, instance norm": IMAGES | {"gan": "RaSGAN", "net": "patchgan"},
    "stale real images": POINTS | {"gan": "RSGAN", "g_real": "stale", "d_steps": 2},
    "packing, weight decay, by XLA": POINTS | {"gan": "RaLSGAN", "pack": 2, "weight_decay": 0.1, "compile": "xla"},
    "schedules, R1 and R2": IMAGES
    | {"gan": "R3GAN", "net": "r3gan", "imsz": 8, "channel_base": 64, "channel_max": 8, "blocks": 1, "ngf": None}
    | {"ndf": None, "schedule_kimg": 0.005, "final_ema_kimg": 0.01},
    "schedules of another objective": POINTS
    | {"gan": "WGANGP", "d_steps": 1, "schedule_kimg": 0.01, "final_beta_2": 0.5, "final_learning_rate": 1e-5}
    | {"final_penalty": 1.0, "ema_kimg": 0.1},
    "hinge with penalty": POINTS | {"gan": "RaHingeGAN", "penalty": 1.0},
    "lazy phases, accumulation, ramp, ADA": STYLES
    | {"gan": "StyleGAN2", "net": "stylegan2", "accumulation": 2, "aug": "ada", "aug_pipe": "cutout"},
    "reconstruction": STYLES | HEADS | {"g_interval": 1},
    "classes": IMAGES | {"gan": "SAGAN", "net": "sagan", "ngf": 8, "ndf": 8, "num_classes": 10, "ema": 0.5},
    "classes through projections": IMAGES
    | {"gan": "RPGAN", "net": "rpgan", "ngf": None, "ndf": None, "f1": 8, "df": 4, "num_classes": 10, "g_steps": 2}
    | {"filts": "filts/K12_dm12_grey.npz", "compile": "eager"},
    "augmentation, packing": IMAGES | {"gan": "DCGAN", "net": "dcgan", "aug": "ada", "ada_kimg": 0.1, "pack": 2},
    "light augmentation, real images for G": IMAGES | {"gan": "RSGAN", "net": "dcgan", "aug": "light"},
    "labels": STYLES | {"gan": "StyleGAN2", "net": "stylegan2", "num_classes": 10},
    "a subset of discriminators, weighted": POINTS
    | {
        "gan": "RSGAN",
        "filts": RING,
        "active": 4,
        "weighting": "hypervolume",
        "feedback_dropout": 0.5,
        "accumulation": 2,
    },
    "a subset, whose projections change": POINTS | {"gan": "RPGAN", "filts": RING, "active": 4, "redraw": 2},
    "new discriminators on new projections, by XLA": POINTS
    | {"gan": "RPGAN", "filts": RING, "redraw": 2, "redraw_discriminators": "new", "compile": "xla"},
    "minimum norm of gradients": POINTS | {"gan": "WGANGP", "filts": RING, "d_steps": 1, "weighting": "minimum_norm"},
    "anchors, resampling noise": IMAGES | {"gan": "RealnessGAN", "net": "realness", "num_outcomes": 3, "g_steps": 2},
}


def build(options):
    """Build a GAN; that of StyleGAN2's nets runs eagerly, since its graphs are large."""
    gan = rpgan_tf.build(options)
    if options.net in ("stylegan2", "glead"):
        gan.compile(run_eagerly=True)
    return gan


def arrays_of(gan, folder):
    options = type(gan.options)(**vars(gan.options) | {"wts_dir": str(folder)})
    return {(path.name.split(".")[1], name): array for path in checkpoint.save(gan, options) for name, array in
            atomic.load_arrays(path).items()}  # fmt: skip


def traces(gan):
    """Return a list that gets longer when the Python of the GAN's step is called."""
    calls, step = [], gan.train_step
    gan.train_step = lambda real: calls.append(real) or step(real)
    return calls


def train(gan, start, steps):
    gan.fit(data.dataset(gan.options, start), steps_per_epoch=steps, verbose=0, shuffle=False)


@pytest.mark.parametrize("values", RUNS.values(), ids=RUNS)
def test_resumed_run_equals_an_uninterrupted_one(values, tmp_path):
    options = config.resolve(values | {"SAVEFREQ": 10})
    gan = build(options)
    start, traced = gan.get_weights(), traces(gan)
    train(gan, 0, 1)
    arrays_of(gan, tmp_path / "first")
    train(gan, 1, 2)
    expected = arrays_of(gan, tmp_path / "whole")
    resumed = build(options)
    traced_again = traces(resumed)
    assert all(np.array_equal(one, other) for one, other in zip(start, resumed.get_weights()))
    lines = checkpoint.restore(resumed, tmp_path / "first")
    assert all(line.startswith("read ") for line in lines) and len(lines) == 3 + checkpoint.has_average(options) + bool(
        options.redraw
    )
    train(resumed, 1, 2)
    received = arrays_of(resumed, tmp_path / "resumed")
    assert [len(traced), len(traced_again)] == ([3, 2] if gan.run_eagerly else [1, 1])
    assert expected.keys() == received.keys()
    for key, array in expected.items():
        assert np.array_equal(array, received[key]), key


def test_moving_average_that_was_not_saved_starts_from_the_generator(tmp_path):
    without = config.resolve(POINTS | {"gan": "DCGAN"})
    gan = build(without)
    train(gan, 0, 1)
    arrays_of(gan, tmp_path)
    average = build(config.resolve(POINTS | {"gan": "DCGAN", "ema": 0.9}))
    lines = checkpoint.restore(average, tmp_path)
    assert f"no '{tmp_path}/iter_1.ema.npz': the moving average starts from the generator" in lines
    expected = gan.generator.get_arrays()
    assert all(np.array_equal(array, expected[name]) for name, array in average.average.get_arrays().items())


def test_start_from_another_run(tmp_path):
    """What has the same name and shape is taken over, the rest is new, and so are optimizers and the iteration."""
    gan = build(config.resolve(STYLES | {"gan": "StyleGAN2", "net": "stylegan2"}))
    train(gan, 0, 2)
    arrays_of(gan, tmp_path)
    other = build(config.resolve(STYLES | HEADS | {"imsz": 32, "start_from": str(tmp_path)}))
    before = other.discriminator.get_arrays()
    lines = checkpoint.transfer(other, tmp_path)
    assert int(other.iteration) == int(other.g_optimizer.iterations) == 0
    old, new = gan.discriminator.get_arrays(), other.discriminator.get_arrays()
    assert np.array_equal(new["b16/conv0/kernel"], old["b16/conv0/kernel"])
    assert np.array_equal(new["b8_dec/kernel"], before["b8_dec/kernel"])
    assert np.array_equal(other.average.get_arrays()["mapping/w_avg"], gan.average.get_arrays()["mapping/w_avg"])
    assert lines[1] == (
        f"started from '{tmp_path}/iter_2.dmodel.npz': 16 of 31 arrays; new: b32/fromrgb/kernel, b32/fromrgb/bias, "
        "b32/conv0/kernel, b32/conv0/bias, b32/conv1/kernel, ..."
    )


def test_mistakes_in_start_from(tmp_path):
    options = config.resolve(POINTS | {"gan": "DCGAN", "wts_dir": str(tmp_path), "start_from": str(tmp_path / "x")})
    with pytest.raises(UserError, match="no weights to start from: start_from = '.*/x' has no iter_<N>.gmodel.npz"):
        config.check_files(options)
    atomic.save_arrays(checkpoint.path_of(tmp_path, 1, "gmodel"), {"a": np.zeros(1)})
    with pytest.raises(UserError, match="has no array that fits the generator"):
        checkpoint.transfer(build(options), tmp_path)
