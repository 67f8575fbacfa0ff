"""Several devices: what they compute is what one does; a file of cases is run in processes with logical CPUs."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config, data, replicas
from tests import on_replicas
from tests.conftest import ROOT

GROUPS = ["RPGAN", "RaSGAN through projections", "WGAN", "RealnessGAN", "SAGAN", "RaLSGAN", "WGANGP"], ["RaSGAN"]
GROUPS += (["StyleGAN2", "GLeaD"],)


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: names[0])
def test_several_devices_compute_what_one_does(names, tmp_path):
    """After 20 iterations; a critic's last bias has a gradient of 0 but for rounding, which Adam makes a step of."""
    line = [sys.executable, "-m", "tests.on_replicas", *names]
    path = {"PYTHONPATH": str(ROOT), "PATH": ""}
    process = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, env=path)
    assert process.returncode == 0, process.stderr[-3000:]
    found = [json.loads(line) for line in process.stdout.splitlines()]
    assert [each["name"] for each in found] == names
    for each in found:
        if each["name"].startswith("WGAN"):
            each["weights"] = {key: value for key, value in each["weights"].items() if not key.endswith("last/bias")}
        assert max(each["losses"].values()) < 2e-3, each
        assert max(each["weights"].values()) < 2e-3, each
        assert np.median(list(each["weights"].values())) < 1e-5, each


def test_all_cases_are_run():
    assert sorted(name for names in GROUPS for name in names) == sorted(on_replicas.CASES)


@pytest.mark.parametrize("count", [2, 4])
def test_parts_of_the_data_make_the_whole(count):
    """Each replica gets its part of every batch, in order; of images and of points, whose draws go by position."""
    for source in ({"lfile": "digits:train", "channels": 1, "imsz": 8}, {"lfile": "mixture:ring8", "net": "toy"}):
        options = config.resolve(source | {"gan": "RaSGAN", "bsz": 8, "pack": 2, "MAXITER": 9, "zlen": 4})
        batches = 2  # one for D, one for G
        whole = next(iter(data.dataset(options, 3))).numpy()
        parts = list(data.dataset(options, 3, parts=(range(count), count)).take(count).as_numpy_iterator())
        divided = [part.reshape(batches, 2, 8 // count, *part.shape[1:]) for part in parts]
        np.testing.assert_array_equal(np.concatenate(divided, axis=2).reshape(whole.shape), whole)
        last = data.dataset(options, 3, parts=(range(count - 1, count), count)).take(1).as_numpy_iterator()
        np.testing.assert_array_equal(next(last), parts[-1])


def test_outside_of_replicas_all_is_plain():
    x = tf.constant([1.0, 2.0])
    assert replicas.count() == 1 and replicas.mean(x) is x and replicas.part_of_mean(x) is None
    drawn = tf.random.stateless_normal([4, 2], [1, 2], alg="philox")
    np.testing.assert_array_equal(replicas.normal([4, 2], [1, 2]), drawn)
