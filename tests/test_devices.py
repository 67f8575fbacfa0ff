"""--strategy: several devices and several processes on this machine, as a user starts them."""

import json
import os
import pathlib
import shutil
import socket
import subprocess

import numpy as np
import PIL.Image
import pytest

from rpgan_tf import checkpoint, devices, files
from rpgan_tf.errors import UserError
from tests.conftest import command, line
from tools import sample

VALUES = {"gan": "DCGAN", "net": "dcgan", "channels": 1, "imsz": 16, "bsz": 8, "zlen": 8, "ngf": 8, "ndf": 8}
VALUES |= {"lfile": "digits:train", "sync_bn": True, "ema": 0.9, "SAVEFREQ": 10, "MAXITER": 20, "wts_dir": "models/one"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with exp/small.py, and models/one, which one device trained for 20 iterations."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "exp").mkdir()
    (folder / "exp" / "small.py").write_text("".join(f"{key} = {value!r}\n" for key, value in VALUES.items()))
    process = subprocess.run(line("train.py", "small"), cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return folder


@pytest.fixture
def here(trained, monkeypatch):
    monkeypatch.chdir(trained)
    shutil.rmtree("models/several", ignore_errors=True)
    return trained


def assert_the_same(folder="models/several"):
    """The files of 20 iterations are those of one device, but for rounding."""
    for kind in ("gmodel", "dmodel", "ema"):
        one, several = (files.load_arrays(checkpoint.path_of(path, 20, kind)) for path in ("models/one", folder))
        for name in one:
            np.testing.assert_allclose(several[name], one[name], atol=1e-5, err_msg=f"{kind} {name}")


def ports(count):
    """Return free ports of this machine."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    found = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return found


def start(workers, index, *settings):
    """Start a worker of a cluster on these ports."""
    cluster = {"cluster": {"worker": [f"localhost:{port}" for port in workers]}}
    environment = {"TF_CONFIG": json.dumps(cluster | {"task": {"type": "worker", "index": index}})}
    arguments = line("train.py", "small", "--strategy", "multiworker", "--set", *settings)
    return subprocess.Popen(arguments, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process, seconds=240):
    """Wait for a process to end; return its exit code and what it wrote."""
    try:
        text = process.communicate(timeout=seconds)[0].decode()
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"a worker does not end: {process.communicate()[0].decode()[-3000:]}")
    return process.returncode, text


def test_two_devices_of_a_machine(here):
    process = command("train.py", "small", "--strategy", "mirrored:2", "--set", "wts_dir=models/several")
    assert "2 devices: 4 images of a batch on each\n" in process.stdout
    assert_the_same()


@pytest.mark.parametrize("name", ["sample.py", "tools/dump.py"])
def test_samples_are_those_of_one_device(here, name):
    out, count = ("samples.png", []) if name == "sample.py" else ("samples.npz", [200])
    command(name, "small", f"one_{out}", *count)
    command(name, "small", f"two_{out}", *count, "--strategy", "mirrored:2")
    if name == "sample.py":
        one, two = (np.array(PIL.Image.open(f"{which}_{out}")) for which in ("one", "two"))
    else:
        one, two = (files.load_arrays(f"{which}_{out}")["arr_0"] for which in ("one", "two"))
    np.testing.assert_array_equal(two, one)


def test_a_machine_is_lost_and_comes_back(here):
    """Killed after the first save, and started again: the other one waits; in the end it is one device's run."""
    workers, settings = ports(2), ("wts_dir=models/several",)
    chief, other = (start(workers, index, *settings) for index in (0, 1))
    lines = iter(chief.stdout.readline, b"")
    assert any(b"iter_10.gmodel.npz" in each for each in lines), "there was no save"
    other.kill()
    other.communicate()
    code, text = finish(start(workers, 1, *settings))
    assert code == 0, text
    code, chiefs = finish(chief)
    assert code == 0, chiefs
    assert "another machine is lost (" in chiefs and "waiting for it, to go on from the last save\n" in chiefs
    assert "wrote" not in text and "read models/several/iter_10.gmodel.npz" in text
    assert_the_same()


def test_machines_that_do_not_see_the_same_folder(here):
    workers = ports(2)
    found = [start(workers, i, f"wts_dir=models/{name}", "MAXITER=30") for i, name in enumerate(["one", "several"])]
    for process, iteration in zip(found, (20, 0)):
        code, text = finish(process)
        assert code == 2
        assert f"machines do not start from the same save: this one from iteration {iteration}, on average" in text
    assert not pathlib.Path("models/several").exists()


CLUSTER = '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}'
MISTAKES = {
    "many": ("", "expected --strategy of auto, one, mirrored, multiworker, tpu, or mirrored:N; received 'many'"),
    "mirrored:0": ("", "or mirrored:N; received 'mirrored:0'"),
    "one:2": ("", "or mirrored:N; received 'one:2'"),
    "multiworker ": ("", "reads the cluster from TF_CONFIG: expected TF_CONFIG='"),
    "multiworker": (CLUSTER, "TF_CONFIG names 2 workers and task 2: expected different workers, and an index from 0"),
    "multiworker  ": ('{"cluster": 3}', "received '{\"cluster\": 3}'"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(text, monkeypatch):
    environment, message = MISTAKES[text]
    monkeypatch.setenv("TF_CONFIG", environment)
    with pytest.raises(UserError) as error:
        devices.check(text.strip())
    assert message in str(error.value)


def test_several_machines_are_for_training():
    with pytest.raises(UserError, match="expected --strategy of auto, one, mirrored, or mirrored:N; received 'tpu'"):
        sample.main(["small", "out.png", "--strategy", "tpu"])


def test_batches_that_cannot_be_divided(here):
    process = command("train.py", "small", "--strategy", "mirrored:3", check=False)
    assert process.returncode == 2
    assert process.stderr == (
        "train.py: bsz = 8 images cannot be divided among 3 devices; set a multiple, such as --set bsz=9\n"
    )
