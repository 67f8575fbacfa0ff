"""Experiment files: values that are accepted, and the errors for others."""

import json
import re

import pytest

from rpgan_tf import config
from rpgan_tf.errors import UserError
from tests.conftest import ROOT

FACE = {"ksz": 4, "zlen": 100, "f1": 1024, "imsz": 64, "bsz": 64, "lfile": "data/faces.txt", "crop": False}
PUBLISHED = {  # the originals' values
    "face1": FACE | {"df": 64, "gan": "Baseline", "filts": None},
    "face12": FACE | {"df": 128, "filts": "filts/K12_dm12.npz"},
    "face24": FACE | {"df": 128, "filts": "filts/K24_dm12.npz"},
    "face48": FACE | {"df": 128, "filts": "filts/K48_dm12.npz"},
    "dog12": FACE
    | {"zlen": 200, "f1": 2048, "df": 64, "imsz": 128, "lfile": "data/dogs.txt", "crop": True}
    | {"filts": "filts/K12_dm12.npz"},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_experiments_have_the_originals_values(name):
    options = vars(config.load(str(ROOT / "exp" / f"{name}.py")))
    expected = PUBLISHED[name] | {"wts_dir": f"models/{name}", "SAVEFREQ": 1000, "MAXITER": 100000}
    assert {key: options[key] for key in expected} == expected


def test_an_unmodified_original_file_loads(tmp_path):
    """It sets neither gan nor filts: RP-GAN with the filters beside the weights."""
    path = tmp_path / "old.py"
    path.write_text(
        "ksz=4\nzlen=100\nf1=1024\ndf=128\nimsz=64\nbsz=64\nlfile='data/faces.txt'\ncrop=False\n"
        "wts_dir='models/face48'\nSAVEFREQ=1e3\nMAXITER=1e5\n"
    )
    options = config.load(str(path))
    assert (options.gan, options.filts) == ("RPGAN", "models/face48/filts.npz")
    assert (options.SAVEFREQ, options.MAXITER) == (1000, 100000)
    assert type(options.SAVEFREQ) is int
    printed = json.loads(config.to_json(options))
    assert printed.items() <= vars(options).items()
    assert not printed.keys() & {"num_outcomes", "heads"} and printed["filts"] == options.filts


def test_overrides_are_read_as_the_type_of_their_option(project):
    texts = ["bsz=8", "crop=True", "learning_rate=1e-3", "wts_dir=123", "SAVEFREQ=2e2", "beta_1=0"]
    options = config.load("tiny", config.parse_overrides(texts))
    received = [options.bsz, options.crop, options.learning_rate, options.wts_dir, options.SAVEFREQ, options.beta_1]
    assert received == [8, True, 1e-3, "123", 200, 0.0]
    assert [type(value) for value in received] == [int, bool, float, str, int, float]


def test_none_takes_back_what_the_file_says(project):
    (project / "exp" / "tiny.py").write_text(
        "lfile = 'digits'\nwts_dir = 'm'\ncache = 'disk'\ncache_dir = 'x'\nf1 = 16\n"
    )
    with pytest.raises(UserError, match="cache_dir is of cache = 'disk', .* or leave it out: --set cache_dir=None"):
        config.load("tiny", config.parse_overrides(["cache=None", "lfile=a"]))
    options = config.load("tiny", config.parse_overrides(["cache=None", "lfile=a", "cache_dir=None", "bsz=None"]))
    assert (options.cache, options.cache_dir, options.bsz) == (None, "m/cache", 64)
    toy = ["net=toy", "lfile=mixture:ring8", "cache_dir=None", "f1=None"]
    with pytest.raises(UserError, match="option 'cache' is of images, .*; leave it out: --set cache=None"):
        config.load("tiny", config.parse_overrides(toy))
    assert config.load("tiny", config.parse_overrides([*toy, "cache=None"])).channels == 2
    with pytest.raises(UserError, match="option 'bsz' must be a whole number, at least 1, received None"):
        config.resolve({"bsz": None})


@pytest.mark.parametrize(
    "text, message",
    [
        ("imsize=32", "unknown option 'imsize'; did you mean 'imsz'?"),
        ("Bsz=32", "unknown option 'Bsz'; did you mean 'bsz'?"),
        ("gan=RPGNA", "unknown gan 'RPGNA'; did you mean 'RPGAN'?"),
        ("net=rpgam", "unknown net 'rpgam'; did you mean 'rpgan'?"),
        ("bsz=many", "option 'bsz' must be a whole number, at least 1, received 'many'"),
        ("bsz=1.5", "option 'bsz' must be a whole number, at least 1, received '1.5'"),
        ("bsz=True", "option 'bsz' must be a whole number, at least 1, received 'True'"),
        ("crop=1", "option 'crop' must be True or False, received '1'"),
        ("learning_rate=fast", "option 'learning_rate' must be a positive number, received 'fast'"),
        ("bsz=0", "option 'bsz' must be a whole number, at least 1, received '0'"),
        ("imsz=48", "option 'imsz' must be a power of two >= 4, received '48'"),
        ("seed=-1", "option 'seed' must be a whole number, at least 0, received '-1'"),
        ("seed=3e9", "option 'seed' must be in 0 .. 2^31 - 1, received 3000000000"),
        ("decay=1", "option 'decay' must be a number >= 0 and below 1, received '1'"),
        ("weight_decay=nan", "option 'weight_decay' must be a number >= 0, received 'nan'"),
        ("channels=2", "option 'channels' must be one of 1, 3, received '2'"),
        ("prior=gauss", "option 'prior' must be one of 'normal', 'uniform', received 'gauss'"),
        (
            "clip=1",
            "gan = 'RPGAN' with net = 'rpgan' has no option 'clip' (gan = 'WGAN' has): change "
            "gan or net, or leave out options of others: --set clip=None",
        ),
        ("net=dcgan", "has no option 'ksz' (net = 'rpgan' has)"),
        ("net=toy", "leave out options of others: --set ksz=None f1=None df=None"),
        (
            "lfile=mixture:ring8",
            "lfile = 'mixture:ring8' has points, and net = 'rpgan' is for images; take net = 'toy'",
        ),
        ("bsz", "--set expects key=value, received 'bsz'"),
        ("learning_rate=1e999", "option 'learning_rate' must be a positive number, received '1e999'"),
        ("learning_rate=-1", "option 'learning_rate' must be a positive number, received '-1'"),
        ("filts=", "gan = 'RPGAN' needs filts, a file of tools/rproj.py, received None"),
        ("gan=Baseline", "gan = 'Baseline' with net = 'rpgan' has no option 'filts' (gan = 'RPGAN', net = 'rpgan'"),
    ],
)
def test_mistakes_in_options(project, text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        config.load("tiny", config.parse_overrides([text]))


def test_unknown_experiment_names_the_nearest(project):
    with pytest.raises(
        UserError, match=re.escape("no experiment 'tinny': expected a file 'exp/tinny.py'; did you mean 'tiny'?")
    ):
        config.load("tinny")


@pytest.mark.parametrize(
    "text, message",
    [
        ("imsz = = 3", "line 1: SyntaxError"),
        ("imsz = 16\nbsz = sixteen", "line 2: NameError: name 'sixteen' is not defined"),
        ("lfile = 'digits'", "'wts_dir' is missing; add wts_dir = '...'"),
        ("wts_dir = 'm'", "'lfile' is missing"),
        ("wts_dir = 3", "option 'wts_dir' must be a text, received 3"),
        ("raise SystemExit(3)", "line 1: SystemExit: 3"),
        ("imsz = 16\0", "SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_mistakes_in_files(project, text, message):
    (project / "exp" / "bad.py").write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        config.load("bad")


def test_imports_and_private_names_are_no_options(project):
    path = project / "exp" / "tiny.py"
    imports = "from __future__ import annotations\nimport math\nfrom math import log2\n"
    path.write_text(imports + "_base = 2\n" + path.read_text() + "bsz = _base * 2\n")
    assert config.load("tiny").bsz == 4


@pytest.mark.parametrize(
    "values, message",
    [
        ({"net": "toy"}, "net = 'toy' is for points: expected lfile = 'mixture:<name>', received lfile = ''"),
        (
            {"net": "toy", "lfile": "mixture:ring8", "imsz": 32},
            "option 'imsz' is of images, and lfile = 'mixture:ring8'",
        ),
        ({"net": "toy", "lfile": "mixture:rign8"}, "no mixture 'mixture:rign8'"),
        ({"gan": "RPGAN", "net": "toy", "lfile": "mixture:ring8"}, ""),
        ({"gan": "RPGAN", "net": "dcgan"}, "net = 'dcgan' has no discriminators for projections"),
        ({"gan": "RaSGAN", "net": "dcgan", "filts": "a.npz"}, "has no option 'filts'"),
        ({"resize": "cover", "crop": True}, "crop = True resizes by itself and excludes resize = 'cover'"),
        ({"gan": "WGAN", "beta_1": 0.5}, "gan = 'WGAN' with net = 'rpgan' has no option 'beta_1'"),
        ({"gan": "GAN"}, "unknown gan 'GAN'"),
        ({"gan": "_Averaging"}, "unknown gan '_Averaging'"),
        ({"gan": "Draws"}, "unknown gan 'Draws'"),
        ({"net": "layers"}, "unknown net 'layers'"),
        ({"gan": "StyleGAN2"}, "gan = 'StyleGAN2' trains the nets stylegan2 and glead, received net = 'rpgan'"),
        (
            {"gan": "DCGAN", "net": "stylegan2", "channel_base": 128},
            "channel_base = 128 leaves no channels at imsz = 256: expected at least 256",
        ),
        ({"ksz": 1}, "ksz = 1, imsz = 64, f1 = 1024 do not fit: expected imsz ="),
        ({"gan": "DCGAN", "net": "dcgan", "test_lfile": "mixture:ring8"}, "test_lfile = 'mixture:ring8' has points"),
        (
            {"net": "toy", "gan": "DCGAN", "lfile": "mixture:ring8", "test_lfile": "mixture:1200d"},
            "of another dimension",
        ),
        ({"net": "toy", "gan": "DCGAN", "lfile": "mixture:ring8", "test_lfile": "digits"}, "no mixture 'digits'"),
        ({"gan": "RealnessGAN", "positive_skew": -1.0}, "option 'positive_skew' must be a positive number"),
        ({"gan": "RealnessGAN", "negative_skew": 0}, "option 'negative_skew' must be a negative number"),
        ({"gan": "RealnessGAN", "num_outcomes": 1}, "'num_outcomes' must be a whole number, at least 2, received 1"),
        ({"gan": "DCGAN", "net": "dcgan", "imsz": 8}, "option 'imsz' must be a power of two >= 16, received 8"),
        ({"gan": "SAGAN", "net": "sagan", "ndf": 4}, "option 'ndf' must be a whole number, at least 8, received 4"),
    ],
)
def test_what_does_not_go_together(values, message):
    if not message:
        assert config.resolve(values).channels == 2
        return
    with pytest.raises(UserError, match=re.escape(message)):
        config.resolve(values)


def test_options_of_nets_and_papers():
    """Declared by its classes, those it is built on, and nets that a module takes from another."""
    options = config.resolve({"gan": "RaLSGAN", "net": "patchgan"})
    assert (options.g_real, options.d_steps, options.learning_rate, options.ngf) == ("resample", 1, 1e-4, 64)
    assert not hasattr(options, "f1") and options.filts is None
    assert config.resolve({"gan": "SAGAN", "net": "sagan"}).d_learning_rate == 4e-4


def test_options_that_changed_since_the_last_start(tmp_path):
    before = config.resolve({"gan": "DCGAN", "net": "dcgan", "bsz": 8})
    (tmp_path / "options.json").write_text(config.to_json(before))
    changed = config.resolve({"gan": "DCGAN", "net": "dcgan", "bsz": 16})
    lines = config.changes(changed, tmp_path / "options.json")
    assert lines == ["changed since the last start: bsz = 8 -> 16"]
    assert config.changes(changed, tmp_path / "none.json") == []
    with pytest.raises(UserError, match="was trained with gan = 'DCGAN', received 'RSGAN'; start a new run with"):
        config.changes(config.resolve({"gan": "RSGAN", "net": "dcgan"}), tmp_path / "options.json")


def test_unknown_digits():
    options = config.resolve({"gan": "DCGAN", "net": "dcgan", "lfile": "digits:foo", "wts_dir": "a"})
    with pytest.raises(UserError, match="no digits 'digits:foo' for lfile"):
        config.check_files(options)


def test_stacked_digits_have_three_channels():
    with pytest.raises(UserError, match="'digits:stacked' has a digit in each of three channels: expected channels"):
        config.resolve({"lfile": "digits:stacked", "channels": 1})
