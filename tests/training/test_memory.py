"""What --memory_report says: by hand at toy size, and against what TensorFlow's allocator has seen."""

import types

import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config
from rpgan_tf.devices import processor
from rpgan_tf.errors import UserError
from rpgan_tf.training import memory
from tests.conftest import ROOT, command

GENERATOR = (8 * 256 + 16) + (16 * 16 * 8 + 8) + (16 * 8 * 3 + 3)  # kernels and biases at the sizes of TINY
DISCRIMINATOR = (16 * 8 + 8) + (16 * 8 * 16 + 16) + (4 * 16 + 1)


def test_height_of_a_graph_by_hand():
    """A square stands beside its sine; the sum takes the memory of one, and its reshaped form that of the sum."""

    @tf.function
    def function(x):
        y = tf.square(x)
        return tf.reshape(tf.tanh(tf.transpose(y + tf.sin(y))), [-1])

    graph = function.get_concrete_function(tf.TensorSpec([10, 100])).graph
    assert memory.Liveness(graph).height() == 2 * 4 * 1000
    names = [operation.type for operation in graph.get_operations()]
    assert memory.Liveness(graph).at(names.index("Sin")) == 4 * 1000


def test_height_of_branches_and_loops_by_hand():
    """A branch has three tensors of its own, of which it returns one; a loop's state stands beside the next."""

    @tf.function
    def branch(x):
        return tf.cond(x[0, 0] > 0, lambda: tf.transpose(tf.sin(x) @ tf.cos(x)), lambda: x + 1)

    @tf.function
    def loop(x):
        return tf.while_loop(lambda x: x[0, 0] > 0, lambda x: [tf.sin(x)], [tf.cos(x)])

    spec = tf.TensorSpec([100, 100])
    small = 100  # what a condition compares
    for function, tensors in ((branch, 3), (loop, 3)):
        height = memory.Liveness(function.get_concrete_function(spec).graph).height()
        assert tensors * 40000 <= height <= tensors * 40000 + small


def test_report_by_hand(tiny):
    options = types.SimpleNamespace(**vars(tiny) | {"ema": 0.9, "MAXITER": 10})
    found = memory.report(options)
    assert found["weights of G"] == found["average of G"] == 4 * GENERATOR
    assert found["weights of D"] == 4 * 3 * DISCRIMINATOR
    step_and_rate = 8 + 4
    assert found["optimizer of G"] == 2 * 4 * GENERATOR + step_and_rate
    assert found["optimizer of D"] == 2 * 4 * 3 * DISCRIMINATOR + step_and_rate
    assert found["input"] == 3 * 4 * (4 * 16 * 16 * 3)
    # Of 4 real and 4 fake images: what is unfolded for each of three layers, and what leaky ReLUs were given.
    unfolded, given = 16 * 16 + 16 * 8 * 4 + 4 * 16, 8 * 16 + 16 * 4
    logits = 2 * 4 * 3 * 4
    assert found["kept for D"] == pytest.approx(4 * 3 * 8 * (unfolded + given) + logits, rel=0.01)
    assert found["kept for D"] < found["iteration"]

    in_chunks = memory.report(types.SimpleNamespace(**vars(options) | {"chunk": 1}))
    projected = 4 * 3 * 8 * 8 * 8
    assert in_chunks["kept for D"] == pytest.approx(projected + logits, rel=0.05)
    assert in_chunks["iteration"] < found["iteration"] / 2
    halved = memory.report(options, num_replicas=2)
    assert halved["weights of D"] == found["weights of D"] and 2 * halved["input"] == found["input"]
    assert 2 * halved["kept for D"] == pytest.approx(found["kept for D"], rel=0.01)


def test_report_of_divided_discriminators(tiny):
    """Each of three devices has one of three, which is shown the images of all; G's part is that of a divided batch."""
    options = types.SimpleNamespace(**vars(tiny) | {"bsz": 6, "MAXITER": 10})
    one, batch = memory.report(options), memory.report(options, num_replicas=3)
    found = memory.report(types.SimpleNamespace(**vars(options) | {"divide": "discriminators"}), num_replicas=3)
    assert 3 * found["weights of D"] == one["weights of D"]
    assert found["input"] == batch["input"] and found["weights of G"] == one["weights of G"]
    assert 3 * found["kept for D"] == pytest.approx(one["kept for D"], rel=0.01)
    assert found["optimizer of D"] < one["optimizer of D"] / 2 and found["iteration"] < one["iteration"] / 2

    with pytest.raises(UserError, match="K = 3 discriminators cannot be divided among 2 devices: expected a multiple"):
        memory.report(types.SimpleNamespace(**vars(options) | {"divide": "discriminators"}), num_replicas=2)


def test_report_against_the_allocator():
    """Within half of it: the order of operations differs from that of tracing, and between iterations if threads do.

    A bank is matrix products, which need no workspace; a convolution's depends on whether oneDNN computes it.
    """
    filters = str(ROOT / "filts/K12_dm12.npz")
    sizes = {"ksz": 4, "zlen": 8, "f1": 32, "df": 16, "imsz": 32, "bsz": 64, "MAXITER": 10, "filts": filters}
    options = config.resolve(sizes)
    gan = rpgan_tf.build(options)
    step = tf.function(gan.train_step, autograph=False)
    real, taken = tf.zeros([64, 32, 32, 3]), []
    for _ in range(5):
        before = tf.config.experimental.get_memory_info("CPU:0")["current"]
        tf.config.experimental.reset_memory_stats("CPU:0")
        float(step(real)["d_loss"])
        taken.append(tf.config.experimental.get_memory_info("CPU:0")["peak"] - before)
    assert 2 / 3 <= max(taken) / memory.report(options)["iteration"] <= 3 / 2


def test_the_command_prints_it(project):
    """Without images, and what cannot be is said in one line."""
    arguments = ["train.py", "tiny", "--memory_report", "--set", "lfile=none.txt"]
    lines = command(*arguments, "chunk=1", "--strategy", "mirrored:2").stdout.splitlines()
    assert lines[0] == "2 images of a batch on each of 2 devices:"
    assert [line.split("  ")[0] for line in lines[1:6]] == [
        *("weights of G", "weights of D", "moving average of G's weights", "optimizer of G", "optimizer of D"),
    ]
    assert lines[-2].startswith("together ") and lines[-2].endswith(" MiB")
    assert lines[-1] == f"without TensorFlow itself, and the workspace of convolutions on {processor.line()}"
    assert not (project / "models").exists()
    process = command(*arguments, "chunk=3", check=False)
    assert process.returncode == 2 and process.stderr == (
        "train.py: K = 2 discriminators cannot be computed 3 at a time: expected chunk of 1, 2; set one of these, or "
        "None for all at once\n"
    )
