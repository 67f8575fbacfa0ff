"""Experiment files: what is accepted, and what a mistake is told."""

import ast
import contextlib
import functools
import itertools
import json
import pathlib
import re
import sys

import numpy as np
import pytest

from rpgan_tf import config, projections
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.conftest import ROOT, command

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
    assert not printed.keys() & {"num_classes", "heads"} and printed["filts"] == options.filts


def test_overrides_are_read_as_the_type_of_their_option(project):
    texts = ["bsz=8", "crop=True", "learning_rate=1e-3", "wts_dir=123", "SAVEFREQ=2e2", "beta_1=0"]
    options = config.load("tiny", config.parse_overrides(texts))
    received = [options.bsz, options.crop, options.learning_rate, options.wts_dir, options.SAVEFREQ, options.beta_1]
    assert received == [8, True, 1e-3, "123", 200, 0.0]
    assert [type(value) for value in received] == [int, bool, float, str, int, float]


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
        ("clip=1", "gan = 'RPGAN' with net = 'rpgan' has no option 'clip', gan = 'WGAN' would have; remove or change"),
        ("net=dcgan", "has no option 'ksz', net = 'rpgan' would have"),
        ("net=toy", "has no option 'ksz', net = 'rpgan' would have"),
        (
            "lfile=mixture:ring8",
            "lfile = 'mixture:ring8' has points, and net = 'rpgan' is for images; take net = 'toy'",
        ),
        ("bsz", "--set expects key=value, received 'bsz'"),
        ("learning_rate=1e999", "option 'learning_rate' must be a positive number, received '1e999'"),
        ("learning_rate=-1", "option 'learning_rate' must be a positive number, received '-1'"),
        ("filts=", "gan = 'RPGAN' needs filts, a file of tools/rproj.py, received None"),
        ("gan=Baseline", "gan = 'Baseline' with net = 'rpgan' has no option 'filts', gan = 'RPGAN', net = 'rpgan'"),
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


def check_filters(project, **changes):
    options = config.load("tiny", changes)
    config.check_files(options)


def test_missing_and_damaged_files(project):
    check_filters(project)
    with pytest.raises(UserError, match="filters not found: expected a file 'no.npz'; make one with tools/rproj.py"):
        check_filters(project, filts="no.npz")
    (project / "bad.npz").write_bytes((project / "K2.npz").read_bytes()[:500])
    with pytest.raises(UserError, match="cannot read 'bad.npz': expected an .npz file of plain arrays"):
        check_filters(project, filts="bad.npz")
    np.savez(project / "other.npz", a=1)
    with pytest.raises(UserError, match="'other.npz' is not a filter file"):
        check_filters(project, filts="other.npz")
    np.savez(project / "pickled.npz", nfilt=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="cannot read 'pickled.npz'.*allow_pickle=False"):
        check_filters(project, filts="pickled.npz")
    with pytest.raises(UserError, match="images not found: lfile = 'no.txt' is no list file and no folder or .zip"):
        check_filters(project, lfile="no.txt")


@pytest.mark.parametrize(
    "groups, imsz, message",
    [
        (
            [(8, 2, 1, 2), (4, 2, 1, 2)],
            16,
            "projections of one size, stride and number of channels; it has 4x4x3x1 stride 2",
        ),
        ([(7, 2, 1, 2)], 16, "filters of size 7 with stride 2 do not fit: expected an even size - stride >= 0"),
        ([(2, 4, 1, 2)], 16, "filters of size 2 with stride 4 do not fit"),
        ([(5, 3, 1, 2)], 16, "does not fit imsz = 16: imsz / stride must be a power of two >= 2, received 16 / 3"),
        ([(16, 16, 1, 2)], 16, "received 16 / 16"),
    ],
)
def test_filters_that_do_not_fit(project, groups, imsz, message):
    atomic.save_arrays("wrong.npz", projections.draw(groups, seed=0))
    with pytest.raises(UserError, match=re.escape(message)):
        check_filters(project, filts="wrong.npz", imsz=imsz)


def test_filters_are_kept_with_the_run_and_must_stay_the_same(project):
    atomic.save_arrays("K2b.npz", projections.draw([(8, 2, 1, 2)], seed=2))
    arrays = atomic.load_arrays("K2.npz")
    atomic.save_arrays("K2c.npz", arrays | {"s0": np.int64(4), "s1": np.int64(4)})
    kept = project / "models/tiny/filts.npz"
    for path in ("K2b.npz", "K2.npz", "K2.npz", "models/tiny/filts.npz"):  # nothing is trained yet: the last one counts
        check_filters(project, filts=path)
        content = (project / path).read_bytes()
        projections.keep(path, "models/tiny")
        assert kept.read_bytes() == content
    atomic.save_arrays("models/tiny/iter_2.dmodel.npz", {})
    check_filters(project)
    for other in ("K2b.npz", "K2c.npz"):
        with pytest.raises(UserError, match=f"'{other}' differs from 'models/tiny/filts.npz'.*--set filts="):
            check_filters(project, filts=other)


def test_drawn_filters_are_normal_and_of_unit_norm():
    arrays = projections.draw([(8, 2, 3, 40), (4, 1, 1, 2)], seed=5)
    assert arrays["nfilt"] == 42
    assert (arrays["p0"].shape, arrays["s0"], arrays["p41"].shape, arrays["s41"]) == ((8, 8, 3, 3), 2, (4, 4, 3, 1), 1)
    kernels = np.stack([arrays[f"p{i}"] for i in range(40)])
    assert kernels.dtype == np.float32
    np.testing.assert_allclose(np.sum(kernels**2, axis=(1, 2, 3)), 1, rtol=1e-5)
    standardized = kernels * np.sqrt(192)
    np.testing.assert_allclose([np.mean(standardized), np.mean(standardized**4)], [0, 3], atol=0.15)
    assert np.array_equal(arrays["p7"], projections.draw([(8, 2, 3, 8)], seed=5)["p7"])
    assert not np.array_equal(arrays["p7"], projections.draw([(8, 2, 3, 8)], seed=6)["p7"])


@pytest.mark.parametrize("count", [12, 24, 48])
def test_shipped_filters_are_those_of_their_command(count, tmp_path):
    command("tools/rproj.py", tmp_path / "f.npz", f"8,2,1,{count}", "--seed", count)
    shipped, made = (atomic.load_arrays(path) for path in (ROOT / f"filts/K{count}_dm12.npz", tmp_path / "f.npz"))
    assert shipped.keys() == made.keys()
    assert all(np.array_equal(shipped[name], made[name]) for name in made)
    projections.check_fit(projections.load(tmp_path / "f.npz"), 64, "f.npz")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["rproj.npz"], "the following arguments are required: k,stride,numf,K; usage: rproj.py"),
        (["f.npz", "8,2,1"], "expected k,stride,numf,K: four whole numbers >= 1, as 8,2,1,12; received '8,2,1'"),
        (["f.npz", "8,2,0,3"], "received '8,2,0,3'"),
        (["f.txt", "8,2,1,3"], "expected a file name that ends in .npz, received 'f.txt'"),
        (["f.npz", "8,2,1,3", "--seed", "-1"], "expected --seed >= 0"),
    ],
)
def test_mistakes_of_rproj(project, arguments, message):
    process = command("tools/rproj.py", *arguments, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("rproj.py: ") and message in process.stderr
    assert process.stderr.count("\n") == 1
    assert not list(pathlib.Path().glob("f.*"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["tinny"], "did you mean 'tiny'?"),
        (["tiny", "--set", "bzs=3"], "did you mean 'bsz'?"),
        (["tiny", "--set", "filts=no.npz"], "filters not found"),
        (["tiny", "--set", "lfile=no.txt"], "images not found"),
        (["tiny", "--stet"], "unrecognized arguments: --stet"),
        ([], "the following arguments are required: NAME"),
    ],
)
def test_mistakes_end_in_one_line_before_tensorflow_is_imported(project, arguments, message):
    """A finder that forbids the import stands in for measuring the time."""
    (project / "sitecustomize.py").write_text("import sys\nsys.modules['tensorflow'] = None\n")
    for name in ("train.py", "baseline_train.py")[: 1 if "filts=no.npz" in arguments else 2]:
        process = command(name, *arguments, check=False, PYTHONPATH=str(project))
        assert process.returncode == 2, process.stderr
        assert process.stderr.startswith(f"{name}: ") and message in process.stderr
        assert process.stderr.count("\n") == 1 and not process.stdout
    assert not (project / "models").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["tiny", "--set", "wts_dir=K2.npz"], "cannot write wts_dir = 'K2.npz': "),
        (["tiny", "--set", "wts_dir=K2.npz/below"], "cannot write wts_dir = 'K2.npz/below': "),
        (["tiny", "--set", "filts=exp"], "filters not found: expected a file 'exp'"),
        (["x" * 300], "File name too long"),
        (["tiny", "--set", f"lfile={'x' * 300}"], "File name too long"),
        (["tiny", "--set", f"filts={'x' * 300}"], "File name too long"),
    ],
)
def test_paths_that_cannot_be_used(project, arguments, message):
    process = command("train.py", *arguments, "--dry_run", check=False)
    assert process.returncode == 2, process.stderr
    assert message in process.stderr and process.stderr.count("\n") == 1


def test_several_options_after_one_set(project):
    process = command("train.py", "tiny", "--set", "bsz=2", "crop=True", "--set", "seed=3", "--dry_run")
    options = json.loads(process.stdout)
    assert (options["bsz"], options["crop"], options["seed"]) == (2, True, 3)


def test_dry_run_prints_the_options_and_writes_nothing(project):
    process = command("train.py", "tiny", "--set", "bsz=2", "--dry_run")
    assert json.loads(process.stdout)["bsz"] == 2
    assert not (project / "models").exists()


def test_importing_the_library_does_not_import_tensorflow():
    process = command(
        "-c", "import rpgan_tf, sys; rpgan_tf.checkpoint, rpgan_tf.images; print('tensorflow' in sys.modules)"
    )
    assert process.stdout == "False\n", sys.path


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
        ({"net": "layers"}, "unknown net 'layers'"),
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


@functools.cache
def combinations():
    """Return the options of each GAN with each net, where these go together."""
    found = []
    for gan, net in itertools.product(config.gans(), config.nets()):
        data = {"lfile": "mixture:ring8"} if net == "toy" else {}
        with contextlib.suppress(UserError):
            found.append(config.resolve({"gan": gan, "net": net} | data))
    assert {options.gan for options in found} == set(config.gans())
    return found


def test_every_option_that_others_look_at_has_a_value_for_every_gan():
    """Else a module that is of no single GAN or net fails for those that do not offer it."""
    everywhere = set.intersection(*(set(vars(options)) for options in combinations()))
    anywhere = set.union(*(set(vars(options)) for options in combinations()))
    assert {"num_classes", "divide", "d_steps", "penalty", "filts"} <= everywhere and "f1" in anywhere - everywhere
    known = {"lpips_weights.py"}  # of GLeaD's terms, asked for by GLeaD
    folders = ("gans", "nets", "tests", "benchmarks", ".venv")
    for path in ROOT.rglob("*.py"):
        if path.name in known or set(path.relative_to(ROOT).parts) & set(folders):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("options", "self.options"):
                assert node.attr in everywhere or node.attr not in anywhere, f"{path}: {node.attr}"


def test_values_that_cannot_be_set():
    options = config.resolve({"gan": "StyleGAN2", "net": "stylegan2"})
    assert (options.d_steps, options.decay, options.num_outcomes, options.filts) == (1, 0.0, None, None)
    assert config.resolve({"num_classes": None, "heads": None}).num_classes == 0
    with pytest.raises(UserError, match="has no option 'd_steps', gan = 'DCGAN', gan = 'RealnessGAN'"):
        config.resolve({"gan": "StyleGAN2", "net": "stylegan2", "d_steps": 1})
    with pytest.raises(UserError, match="has no option 'heads', net = 'glead' would have"):
        config.resolve({"heads": False})


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
