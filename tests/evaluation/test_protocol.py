"""The protocol: its mistakes are reported before TensorFlow starts."""

import importlib.util
import re

import numpy as np
import pytest

from rpgan_tf import config
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import protocol
from rpgan_tf.files import atomic
from rpgan_tf.sampling import pictures
from tests.conftest import ROOT, command
from tools import evaluate

MISTAKES = {
    "tiny --metrics fid,kit": "no metric 'kit'; did you mean 'kid'?",
    "tiny --metrics fid50k_full --samples 9": "fid50k_full is of 50000 samples, received 9; take fid",
    "tiny --metrics fid,fid": "expected different metrics of fid, intra_fid, kid, is, swd, pr, dc, ppl, ppl_w; ",
    "tiny --samples 1": "expected --samples of at least 2, received 1",
    "tiny --reference test": "there is no reference 'test': option 'test_lfile' is not set",
    "tiny --reference faces": "images not found: reference = 'faces' is no list file and no folder or .zip",
    "set --reference nothing": "mixture:<name>; set it with --reference...",
    "set --reference set --metrics swd": "swd needs images whose side is a power of two >= 8, received 20",
    "wide.npz --reference wide.npz --metrics swd": "swd needs square images, received 16x32",
    "tiny --metrics is --extractor keras:VGG16": "is needs classes, which the extractor 'keras:VGG16' does not have",
    "tiny --metrics is --extractor random:VGG16": "is needs classes, which the extractor 'random:VGG16' does not have",
    "tiny --reference mixture:ring8": "the reference 'mixture:ring8' has points: expected images",
    "tiny --reference other.npz": "no file 'other.npz'",
    "tiny 100": "no file 'models/tiny/iter_100.gmodel.npz': there is none at all; make it with train.py",
    "tiny all": "no file 'models/tiny/iter_<N>.gmodel.npz': there is none at all; make it with train.py",
    "tiny last": "expected an iteration, a whole number, or all; received 'last'",
    "tiny --experiment tiny": "--experiment is for a folder or an .npz file, received the experiment 'tiny'",
    "points": "metrics are of images, and lfile = 'mixture:ring8' has points; tools/modes.py counts these",
    "set": "'set' is a set of images and has no data 'train': expected --experiment NAME, or --reference",
    "set 100 --experiment tiny": "'set' is a set of images: an iteration and --statistics are for experiments",
    "set --experiment tiny": "image sizes differ: the reference has 16x16x3 (height, width, channels), 'set' 20x20x3",
    "set.npz --experiment tiny": "image sizes differ: the reference has 16x16x3 (height, width, channels), 'set.npz",
    "set --reference set --metrics ppl": "ppl needs a generator with stored statistics",
    "empty --experiment tiny": "no images below the folder 'empty'",
    "bad.npz --experiment tiny": "'bad.npz': expected images, an array uint8 [N, H, W, 1 or 3] in C order",
    "text.npz --experiment tiny": "cannot read 'text.npz': expected an .npz file of images; File is not a zip file",
}


@pytest.mark.parametrize("arguments, message", MISTAKES.items(), ids=MISTAKES)
def test_mistakes_are_told_before_tensorflow_starts(arguments, message, project, extractor, monkeypatch):
    monkeypatch.setattr("rpgan_tf.command.start_tensorflow", lambda: pytest.fail("TensorFlow was started"))
    (project / "exp/points.py").write_text("gan, net, lfile, wts_dir = 'RSGAN', 'toy', 'mixture:ring8', 'models/p'\n")
    pictures.save_png("set/a.png", np.zeros((20, 20, 3), np.uint8))
    atomic.save_arrays("set.npz", {"arr_0": np.zeros((2, 20, 20, 3), np.uint8)})
    atomic.save_arrays("wide.npz", {"arr_0": np.zeros((2, 16, 32, 3), np.uint8)})
    atomic.save_arrays("bad.npz", {"arr_0": np.zeros((2, 20, 20, 3), np.float32)})
    (project / "text.npz").write_text("text")
    (project / "empty").mkdir()
    with pytest.raises(UserError, match=re.escape(message)):
        evaluate.main(arguments.split())


def test_mistakes_in_what_training_measures(project, extractor):
    with pytest.raises(UserError, match="evaluate_every must be a multiple of SAVEFREQ = 2, received 3"):
        config.load("tiny", {"evaluate_every": 3})
    for key, value, message in (
        ("evaluate_metrics", "fid,swt", "no metric 'swt'; did you mean 'swd'?"),
        ("evaluate_metrics", "ppl", "ppl needs a generator with stored statistics"),
        ("evaluate_reference", "test", "there is no reference 'test'"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            protocol.check_run(config.load("tiny", {"evaluate_every": 2, key: value}))


@pytest.mark.parametrize("metric, package", [("kid", "tensorflow_gan"), ("swd", "tensorflow_gan"), ("pr", "sklearn")])
def test_packages_that_are_missing_are_told_before(metric, package, project, extractor, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else find_spec(name))
    with pytest.raises(UserError, match="pip install"):
        protocol.check(config.load("tiny", {"lfile": "set"}), [metric], None, "set", "")


def test_the_command_ends_with_two_and_a_line(project):
    process = command(ROOT / "tools/evaluate.py", "tiny", "--metrics", "fit", check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == "evaluate.py: no metric 'fit'; did you mean 'fid'?\n"


def test_published_names_of_metrics():
    assert protocol.parse("fid50k_full, swd", None) == (["fid", "swd"], 50000)
    assert protocol.parse("fid,kid", 700) == (["fid", "kid"], 700)
    assert protocol.parse("pr", None) == (["pr"], None)
