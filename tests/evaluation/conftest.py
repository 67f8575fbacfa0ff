"""Fixtures of evaluations: weights to measure, an extractor that needs no training, the command."""

import json
import pathlib
import shutil

import numpy as np
import pytest

import rpgan_tf
from rpgan_tf import config
from rpgan_tf.evaluation import features
from rpgan_tf.training import callbacks
from tests.conftest import TINY
from tools import evaluate


class Means:
    """Extractor: the means of 4 x 4 fields, in grey; and four logits."""

    name, key, num_features, num_classes = "means of 16 fields", "means", 16, 4
    stop_after = None

    def __init__(self):
        self.seen = []  # images a call

    def __call__(self, pixels):
        if self.stop_after is not None and sum(self.seen) >= self.stop_after:
            raise KeyboardInterrupt
        self.seen.append(len(pixels))
        grey = np.float32(pixels).mean(-1) / 255
        size = grey.shape[1] // 4
        found = grey.reshape(len(pixels), 4, size, 4, size).mean((2, 4)).reshape(len(pixels), 16)
        return found, 4 * found[:, :4]


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A folder with iterations 2 and 4 of exp/tiny.py of the fixture `project`."""
    values = TINY | {"lfile": "digits", "gan": "Baseline", "SAVEFREQ": 2, "compile": "eager"}
    options = config.resolve(values | {"wts_dir": str(tmp_path_factory.mktemp("weights"))})
    gan, data = rpgan_tf.build(options), rpgan_tf.data.dataset(options)
    gan.fit(data, steps_per_epoch=4, verbose=0, shuffle=False, callbacks=[callbacks.Save(options)])
    return pathlib.Path(options.wts_dir)


@pytest.fixture
def extractor(monkeypatch):
    """The extractor of all names."""
    found = Means()
    monkeypatch.setattr(features, "find_extractor", lambda name: found)
    monkeypatch.setattr(features, "check", lambda name: None)
    return found


@pytest.fixture
def trained(project, weights, extractor, monkeypatch):
    """The folder of `project` with those weights, and a cache of its own."""
    shutil.copytree(weights, "models/tiny")
    monkeypatch.setenv("RPGAN_TF_CACHE", str(project / "cache"))
    return project


@pytest.fixture
def measure(capsys):
    """Run the command; return the rows on standard output, and the lines on standard error."""

    def run(*arguments):
        capsys.readouterr()
        evaluate.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return [json.loads(line) for line in out.splitlines()], [
            line for line in err.splitlines() if "it/s" not in line
        ]

    return run
