"""--strategy: several devices and several processes on this machine, as a user starts them."""

import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import textwrap

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from rpgan_tf import checkpoint, config
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.conftest import ROOT, command, line
from tools import evaluate, sample

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
        one, several = (atomic.load_arrays(checkpoint.path_of(path, 20, kind)) for path in ("models/one", folder))
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
    assert "of the time waiting for data\n" in process.stdout
    assert_the_same()


def test_samples_are_those_of_one_device(here):
    sample.main(["small", "one.png"])
    command("sample.py", "small", "two.png", "--strategy", "mirrored:2")
    np.testing.assert_array_equal(*(np.array(PIL.Image.open(f"{which}.png")) for which in ("one", "two")))


def test_numbers_are_those_of_one_device(here, capsys):
    """Of 200 samples, whose features are computed 64 at a time by a net in Inception's place."""
    tf.saved_model.save(Pixels(), "inception")
    arguments = ["small", "--samples", "200", "--metrics", "fid,is", "--extractor", "inception:inception", "--again"]
    arguments += ["--reference", "digits:test"]
    two = command("tools/evaluate.py", *arguments, "--strategy", "mirrored:2", RPGAN_TF_CACHE="cache_of_two").stdout
    evaluate.main(arguments)
    assert json.loads(two)["values"] == json.loads(capsys.readouterr().out)["values"]


class Pixels(tf.Module):
    """Gives what TensorFlow-GAN's Inception does, of means of pixels."""

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable(tf.random.stateless_normal([9, 4], [1, 2]))

    @tf.function(input_signature=[tf.TensorSpec([None, 299, 299, 3])])
    def __call__(self, images):
        found = tf.image.resize(images, [3, 3])[..., 0]
        found = tf.reshape(found, [-1, 9]) @ self.weight
        return {"pool_3": found[:, None, None], "logits": found}


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


BY_PROCESSES = "RPGAN", "RaSGAN", "RealnessGAN", "WGANGP", "SAGAN", "GLeaD"


@functools.cache
def check_processes():
    """Check all of them in two processes, which import TensorFlow once; return the text."""
    arguments = line("tools/check_devices.py", *BY_PROCESSES, "--processes", 2, "--iterations", 3)
    return finish(subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT), 600)[1]


@pytest.mark.parametrize("name", BY_PROCESSES)
def test_two_processes_compute_what_one_does(name):
    text = check_processes()
    rows = [row.split() for row in text.splitlines() if row.split()[:1] == [name]]
    assert len(rows) == 1 and 0 < float(rows[0][3]) < 1e-3, text


def test_machines_that_do_not_see_the_same_folder(here):
    workers = ports(2)
    found = [start(workers, i, f"wts_dir=models/{name}", "MAXITER=30") for i, name in enumerate(["one", "several"])]
    for process, iteration in zip(found, (20, 0)):
        code, text = finish(process)
        assert code == 2
        assert f"machines start from different saves: this one from iteration {iteration}, all on average" in text
    assert not pathlib.Path("models/several").exists()


STAND_INS = {
    "train.py": 'echo "$TF_CONFIG" >> found',
    "ssh": 'shift; exec bash -c "$*"',
    "scontrol": "echo node0; echo node1",
    "srun": 'for i in 0 1; do SLURM_PROCID=$i "$@"; done',
}


@pytest.mark.parametrize("section", ["Plain ssh", "SLURM", "Kubernetes"])
def test_scripts_of_the_page_start_two_workers(section, tmp_path, monkeypatch):
    """With stand-ins for what starts processes elsewhere: each worker gets a TF_CONFIG that is sound."""
    text = (ROOT / "docs" / "devices.md").read_text().partition(f"### {section}\n")[2]
    script = re.search(r"```\w+\n(.*?)```", text, re.DOTALL)[1]
    times = 1
    if section == "Kubernetes":  # which starts the container as often as it says
        times = int(re.search(r"completions: (\d)", script)[1])
        script = textwrap.dedent(re.search(r"- \|\n(.*?)\n *resources:", script, re.DOTALL)[1])
    for name, lines in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    for index in range(times):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": str(index)}
        subprocess.run(["bash", "-c", script], cwd=tmp_path, env=os.environ | environment, check=True)
    found = (tmp_path / "found").read_text().splitlines()
    for config_of_one in found:
        monkeypatch.setenv("TF_CONFIG", config_of_one)
        strategies.check("multiworker")
    tasks = [json.loads(each) for each in found]
    assert sorted(task["task"]["index"] for task in tasks) == [0, 1]
    assert len(tasks[0]["cluster"]["worker"]) == 2 and tasks[0]["cluster"] == tasks[1]["cluster"]


def test_ctrl_c_ends_the_waiting(here):
    process = start(ports(2), 0, "wts_dir=models/several")
    assert process.stdout.readline() == b"worker 0 of 0 to 1: waiting until all are there\n"
    process.send_signal(signal.SIGINT)
    assert finish(process) == (-signal.SIGINT, "")


def test_a_port_that_is_taken(here):
    with socket.create_server(("localhost", 0)) as taken:
        code, text = finish(start([taken.getsockname()[1], *ports(1)], 0, "wts_dir=models/several"))
    assert code == 2 and "worker 0 cannot listen at 'localhost:" in text and "Traceback" not in text


def test_machines_with_other_lists_of_machines(here):
    """One has two workers, one three: each says so, and nothing is written."""
    workers, settings = ports(3), ("wts_dir=models/several", "bsz=12")
    for process, count in [(start(workers[:2], 0, *settings), 2), (start(workers, 1, *settings), 3)]:
        code, text = finish(process)
        assert code == 2
        assert f"machines have different lists of workers: this one has {count} in TF_CONFIG, localhost:" in text
        assert "Traceback" not in text
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
        strategies.check(text.strip())
    assert message in str(error.value)


def test_several_machines_are_for_training():
    with pytest.raises(UserError, match="expected --strategy of auto, one, mirrored, or mirrored:N; received 'tpu'"):
        sample.main(["small", "out.png", "--strategy", "tpu"])


def test_batches_that_cannot_be_divided(monkeypatch):
    monkeypatch.setattr(strategies, "count", lambda: 3)
    with pytest.raises(UserError) as error:
        strategies.check_batch(config.resolve(VALUES))
    message = "bsz = 8 images cannot be divided among 3 devices; set a multiple, such as --set bsz=9"
    assert str(error.value) == message
