"""Fixtures: the reference numbers, small options, and commands run as a user runs them."""

import atexit
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest

os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # keeps statistics with oneDNN and without
if "RPGAN_TF_CACHE" not in os.environ:  # one for the session: its commands share what XLA compiles
    os.environ["RPGAN_TF_CACHE"] = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, os.environ["RPGAN_TF_CACHE"], ignore_errors=True)

import rpgan_tf
from rpgan_tf import config, projections
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

ROOT = pathlib.Path(__file__).parent.parent
DATA = ROOT / "tests" / "reference"
TINY = {"ksz": 4, "zlen": 8, "f1": 16, "df": 8, "imsz": 16, "bsz": 4}  # the sizes of rpgan_step.npz, too


def pytest_collection_modifyitems(items):
    """Files that take long come first, so that all processes end at about the same time."""
    long = "test_training", "test_replicas", "test_resume", "test_modes", "test_devices"
    items.sort(key=lambda item: item.path.stem not in long)


@pytest.fixture(scope="session")
def reference():
    """The numbers of the original's first five iterations."""
    with np.load(DATA / "rpgan_step.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, reference):
    """Options of the sizes of the reference, with its three projections."""
    path = tmp_path_factory.mktemp("filts") / "K3.npz"
    atomic.save_arrays(path, {name[6:]: array for name, array in reference.items() if name.startswith("filts/")})
    return config.resolve(TINY | {"filts": str(path)})


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder to run commands in: exp/tiny.py trains six iterations of K = 2 on digits, saving every two."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp").mkdir()
    values = TINY | {"lfile": "digits", "filts": "K2.npz", "wts_dir": "models/tiny", "SAVEFREQ": 2, "MAXITER": 6}
    text = "".join(f"{key} = {value!r}\n" for key, value in values.items())
    (tmp_path / "exp" / "tiny.py").write_text(text)
    atomic.save_arrays(tmp_path / "K2.npz", projections.draw([(8, 2, 1, 2)], seed=1))
    return tmp_path


def through_projections():
    """Return the names of the GANs that train K discriminators on projections of points."""
    names = []
    for name in config.gans():
        with contextlib.suppress(UserError):
            config.resolve({"gan": name, "net": "toy", "lfile": "mixture:ring8", "filts": "filts/K12_ring.npz"})
            names.append(name)
    return names


def on_points(gan, filters=None, **values):
    """Build a GAN on the small nets for points, of the ring of eight; `filters` are random directions."""
    toy = {"net": "toy", "lfile": "mixture:ring8", "bsz": 6, "zlen": 4, "g_width": 8, "d_width": 5}
    return rpgan_tf.build(config.resolve(toy | ({"filts": filters} if filters else {}) | values | {"gan": gan}))


def command(*arguments, check=True, **environment):
    """Run a command of the root or of tools/ (or Python's -c) in the current folder; return the finished process."""
    process = subprocess.run(line(*arguments), capture_output=True, text=True, env=os.environ | environment)
    if check:
        assert process.returncode == 0, process.stdout + process.stderr
    return process


def line(name, *arguments):
    """Return the command line of a command of the root or of tools/."""
    return [sys.executable, name if name == "-c" else str(ROOT / name), *map(str, arguments)]
