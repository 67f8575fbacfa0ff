"""Files of features: complete or resumed, by one process at a time."""

import os
import signal
import subprocess
import sys

import numpy as np

from rpgan_tf import config
from rpgan_tf.evaluation import feature_cache, image_sets, subjects
from rpgan_tf.files import atomic
from tests.conftest import ROOT

KILLED = """
import os, sys
import numpy as np
from pathlib import Path
from rpgan_tf.evaluation import feature_cache, image_sets

feature_cache.GROUP = 64

class Extractor:
    num_features, calls = 3, 0
    def __call__(self, pixels):
        self.calls += 1
        if self.calls == 3:
            file = next(Path(".").glob("*.part"))
            with open(file, "ab") as torn:  # the third chunk, half of it
                torn.write(bytes(100))
            os.kill(os.getpid(), 9)
        return np.float32(pixels).mean((1, 2)), None

feature_cache.extract(Path("real_1.npy"), image_sets.open_npz("images.npz"), Extractor())
"""


def test_features_of_a_process_that_was_killed_are_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (200, 4, 5, 3), np.uint8)
    atomic.save_arrays("images.npz", {"arr_0": pixels})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.run([sys.executable, "-c", KILLED], env=environment)
    assert process.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.glob("real*")] == ["real_1.part"]
    monkeypatch.setattr(feature_cache, "GROUP", 64)
    seen = []

    def extract(batch):
        seen.append(len(batch))
        return np.float32(batch).mean((1, 2)), None

    extract.num_features = 3
    rows = feature_cache.extract(tmp_path / "real_1.npy", image_sets.open_npz("images.npz"), extract)
    assert seen == [64, 8] and isinstance(rows, np.memmap)
    np.testing.assert_array_equal(rows, np.float32(pixels).mean((1, 2)))
    assert [path.name for path in tmp_path.glob("real*")] == ["real_1.npy"]


def test_features_that_are_all_there_already(project, extractor, monkeypatch):
    """Of a process that was killed between writing the last group and giving the file its name."""
    options = config.load("tiny")
    monkeypatch.setattr(feature_cache, "GROUP", 4)
    generated = subjects.draw("zeros", lambda z: np.zeros((len(z), 16, 16, 3)), options, 0, 8, 4)  # without end
    path = project / "fake_1.npy"
    expected = np.array(feature_cache.extract(path, generated, extractor))
    path.rename(path.with_suffix(".part"))
    np.testing.assert_array_equal(feature_cache.extract(path, generated, extractor), expected)
    assert extractor.seen == [4, 4]
