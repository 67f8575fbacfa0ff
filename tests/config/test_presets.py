"""The named settings of StyleGAN2: the published ones, and what wins over what."""

import pytest

from rpgan_tf import config
from rpgan_tf.config import presets
from rpgan_tf.errors import UserError


def resolve(**values):
    return config.resolve({"gan": "StyleGAN2", "net": "stylegan2"} | values)


def test_the_row_of_the_paper_at_256():
    options = resolve(cfg="paper256", imsz=256)
    published = {"bsz": 64, "mbstd_group": 8, "channel_base": 16384, "channel_max": 512, "learning_rate": 0.0025}
    published |= {"r1_gamma": 1.0, "map_layers": 8, "ema_ramp": 0.0, "num_half": 4, "MAXITER": 390625}
    assert {key: getattr(options, key) for key in published} == published
    assert options.ema == pytest.approx(0.997784, abs=1e-6)


@pytest.mark.parametrize(
    "imsz, bsz, r1_gamma, half_life",
    [(32, 32, 0.0064, 10), (64, 32, 0.0256, 10), (128, 32, 0.1024, 10), (256, 16, 0.8192, 5)],
)
def test_auto_depends_on_the_size(imsz, bsz, r1_gamma, half_life):
    options = resolve(cfg="auto", imsz=imsz)
    assert (options.bsz, options.mbstd_group, options.map_layers) == (bsz, 4, 2)
    assert options.r1_gamma == pytest.approx(r1_gamma) and options.learning_rate == 0.0025
    assert options.ema == pytest.approx(0.5 ** (bsz / (half_life * 1000)))
    assert presets.values("auto", 1024)["learning_rate"] == 0.002
    assert presets.values("auto", 1024)["channel_base"] == 2 * options.channel_base


def test_cifar_leaves_out_what_its_paper_leaves_out():
    options = resolve(cfg="cifar", imsz=32)
    assert (options.pl_weight, options.style_mixing, options.d_arch, options.ema_ramp) == (0, 0, "orig", 0.05)


def test_what_the_experiment_says_wins():
    options = resolve(cfg="paper256", imsz=256, bsz=config.Text("8"), accumulation=4, r1_gamma=7)
    assert (options.bsz, options.r1_gamma, options.MAXITER) == (8, 7, 25000 * 1000 // 32)
    assert options.ema == pytest.approx(0.5 ** (32 / 20000))


def test_mistakes():
    with pytest.raises(UserError, match="option 'cfg' must be one of '', 'auto', .* received 'paper128'"):
        resolve(cfg="paper128")
    with pytest.raises(UserError, match="gan = 'DCGAN' with net = 'dcgan' has no option 'cfg' .gan = 'GGDR'"):
        config.resolve({"gan": "DCGAN", "net": "dcgan", "cfg": "auto"})
