"""Losses are copied in blocks, and all who read them see each iteration as if there were none."""

import itertools
import os
import re
import signal
import types

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from rpgan_tf import checkpoint
from rpgan_tf.data import stream
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError
from rpgan_tf.files import run_logs
from rpgan_tf.training import blocks, callbacks, monitor
from tests.conftest import on_points

POINTS = tf.zeros([6, 2])


@pytest.fixture
def clock(monkeypatch):
    """A clock in place of that of the callbacks, which goes on by a microsecond when it is read."""
    clock = types.SimpleNamespace(now=0.0)

    def read():
        clock.now += 1e-6
        return clock.now

    for module in (blocks, callbacks):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=read, process_time=lambda: 2 * clock.now))
    return clock


class OnDevice:
    """A log that counts how often it is looked at on the host."""

    looks = 0

    def __init__(self, value):
        self.tensor = tf.constant(value)

    def __array__(self, *_, **__):
        OnDevice.looks += 1
        return self.tensor.numpy()

    def __float__(self):
        return float(self.__array__())


tf.register_tensor_conversion_function(OnDevice, lambda log, dtype=None, name=None, as_ref=False: log.tensor)


def gan_of(folder, happens=lambda iteration, logs: None, log=tf.constant, **values):
    """Return a GAN whose iteration only counts, then lets something happen to its logs, as of a bank of two."""
    defaults = {"wts_dir": str(folder), "MAXITER": 100, "SAVEFREQ": 1000, "monitor_every": 0}
    gan = on_points("DCGAN", **defaults | values)

    def train_step(real):
        iteration = int(gan.iteration.assign_add(1))
        each = np.float32([iteration, iteration / 2])
        logs = {"g_losses": each, "d_losses": 1 / each, "g_loss": each.mean(), "d_loss": (1 / each).mean()}
        happens(iteration, logs)
        return {name: log(value) for name, value in logs.items()}

    gan.train_step = train_step
    gan.compile(run_eagerly=True)
    return gan


@pytest.fixture(autouse=True)
def few_held_out(monkeypatch):
    monkeypatch.setattr(stream, "NUM_HELD_OUT", 6)


def train(gan, steps, run=None):
    images = tf.data.Dataset.from_tensors(POINTS).repeat()
    run = run or callbacks.for_run(gan, gan.options)
    gan.fit(images, steps_per_epoch=steps, callbacks=run, verbose=0, shuffle=False)


def log_of(folder):
    """Return the lines of a log without their times."""
    return re.sub(r"^\d{4}-\S+ \S+ ", "", (folder / run_logs.LOG).read_text(), flags=re.MULTILINE).splitlines()


def test_copies_to_the_host_do_not_grow_with_the_iterations(tmp_path, clock, monkeypatch):
    copies, copy = [], ops._EagerTensorBase._numpy
    monkeypatch.setattr(ops._EagerTensorBase, "_numpy", lambda tensor: copies.append(tensor) or copy(tensor))
    gan = on_points("DCGAN", wts_dir=str(tmp_path), MAXITER=10**6, SAVEFREQ=10**6, compile="graph")
    gan.options.monitor_every = 0
    counts = []
    for steps in (1, 201):
        run = callbacks.for_run(gan, gan.options)
        run.callbacks = [each for each in run.callbacks if not isinstance(each, callbacks.Save | callbacks.TensorBoard)]
        copies.clear()
        train(gan, steps, run)
        counts.append(len(copies))
    # Two blocks of a hundred iterations: the two losses, the seconds of waiting, and which iterations are finite.
    assert counts[1] - counts[0] == 2 * 4
    assert len(log_of(tmp_path)) == 202


def test_no_log_is_looked_at_before_its_block_is_copied(tmp_path, clock):
    """Nor by Keras, which asks for the four logs of the last iteration when an epoch and training end."""
    gan = gan_of(tmp_path, log=OnDevice, MAXITER=300)
    train(gan, 300)
    assert len(log_of(tmp_path)) == 600
    assert OnDevice.looks == 2 * 4
    train(gan, 30, list(callbacks.for_run(gan, gan.options).callbacks))
    assert OnDevice.looks > 4 * 30  # Keras' own list of callbacks asks each time


def test_the_log_is_that_of_blocks_of_one_iteration(tmp_path, clock, monkeypatch):
    """With remarks of others in between, at iterations of their own."""
    clauses = itertools.cycle(["", "the discriminator has won (a)"])
    monkeypatch.setattr(monitor, "verdict", lambda looks: {"won": next(clauses), "unsteady": ""})
    values = {"monitor_every": 4, "test_lfile": "mixture:ring8", "test_every": 5, "SAVEFREQ": 7, "MAXITER": 23}
    lengths, rows_of = [], blocks.Blocks.rows
    spy = lambda run, columns: lengths.append(len(run.pending)) or rows_of(run, columns)  # noqa: E731
    monkeypatch.setattr(blocks.Blocks, "rows", spy)
    train(gan_of(tmp_path / "blocks", **values), 23)
    assert lengths == [1, 3, 1, 2, 1, 2, 2, 2, 1, 1, 4, 1, 2]  # to 1, 4, 5, 7, 8, 10, 12, 14, 15, 16, 20, 21, 23
    monkeypatch.setattr(blocks, "MOST", 1)
    train(gan_of(tmp_path / "one", **values), 23)
    assert lengths[13:] == [1] * 23
    expected = log_of(tmp_path / "one")
    assert log_of(tmp_path / "blocks") == expected
    kinds = "".join(
        "L" if "Loss" in line else "*" if "]*" in line else "m" if "monitor" in line else "h" for line in expected
    )
    assert kinds == "L*L*L*mL*L*hL*L*mL*L*L*hL*mL*L*L*L*hmL*L*L*L*mL*hL*L*L*"


def test_every_line_has_the_time_of_its_iteration(tmp_path, clock, monkeypatch):
    """Even where the device is behind: the times of a block are spread over what it took."""

    def wait(run):
        clock.now += 12 if len(run.pending) > 1 else 0
        return copy(run)

    copy = blocks.Blocks.copy
    monkeypatch.setattr(blocks.Blocks, "copy", wait)
    rows = []
    monkeypatch.setattr(callbacks.TensorBoard, "read", lambda _, block: rows.extend(block))
    monkeypatch.setattr(blocks, "SECONDS", 3.5)

    def happens(iteration, logs):
        clock.now += 1

    train(gan_of(tmp_path, happens, MAXITER=9), 9)
    # The first iteration; then blocks of four, whose iterations the host begins after a second each.
    assert [row.iteration for row in rows] == list(range(1, 10))
    np.testing.assert_allclose([row.time for row in rows], [1, 5, 9, 13, 17, 21, 25, 29, 33], atol=1e-3)
    np.testing.assert_allclose([row.waited for row in rows], 0, atol=1)


@pytest.mark.parametrize("bad", [2, 5, 6])
def test_divergence_in_a_block_keeps_the_last_good_files(tmp_path, clock, bad):
    """Whichever iteration of a block it was in; weights are finite, and still the save at its end is not made."""

    def happens(iteration, logs):
        if iteration == bad:
            logs["d_losses"][1] = -np.inf
            logs["d_loss"] = np.float32(np.nan)

    gan = gan_of(tmp_path, happens, SAVEFREQ=3)
    message = f"training diverged: d_losses of discriminator 1 is -inf in iteration {bad}, expected a finite number; "
    with pytest.raises(UserError, match=f"^{message}the last good files in '{tmp_path}' are kept; try a smaller"):
        train(gan, 100)
    assert int(gan.iteration) == (3 if bad == 2 else 6)
    assert checkpoint.saved_iterations(tmp_path, "state") == ([] if bad == 2 else [3])
    lines = log_of(tmp_path)
    assert len(lines) == 2 * bad and lines[-2].endswith(",D=nan") and not any("nan" in line for line in lines[:-2])


def test_divergence_before_the_end_of_training_saves_nothing(tmp_path, clock):
    gan = gan_of(tmp_path, lambda iteration, logs: logs.update(g_loss=np.float32(np.nan)) if iteration == 5 else None)
    with pytest.raises(UserError, match="g_loss is nan in iteration 5"):
        train(gan, 8)
    assert int(gan.iteration) == 8 and not list(tmp_path.glob("iter_*")) and len(log_of(tmp_path)) == 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_training_after_its_iteration(tmp_path, clock, number):
    before = signal.getsignal(number)
    gan = gan_of(tmp_path, lambda iteration, logs: os.kill(os.getpid(), number) if iteration == 5 else None)
    train(gan, 100)
    assert int(gan.iteration) == 5 and len(log_of(tmp_path)) == 10
    assert checkpoint.saved_iterations(tmp_path, "state") == [5]
    assert signal.getsignal(number) is before


def test_machines_end_blocks_in_the_same_iterations(tmp_path, clock, monkeypatch):
    """Whatever their clocks say, and though only one of them has all callbacks."""
    monkeypatch.setattr(strategies, "several_machines", lambda: True)
    asked, ends, rows_of = [], [], blocks.Blocks.rows
    monkeypatch.setattr(strategies, "anyone", lambda said: asked.append(said) or len(asked) == 4)
    spy = lambda run, columns: ends.append(run.pending[-1][0]) or rows_of(run, columns)  # noqa: E731
    monkeypatch.setattr(blocks.Blocks, "rows", spy)

    def happens(iteration, logs):
        clock.now += 10
        if iteration == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    values = {"monitor_every": 8, "test_lfile": "mixture:ring8", "test_every": 9, "SAVEFREQ": 3}
    gan = gan_of(tmp_path, happens, **values)
    train(gan, 100)
    assert asked == [False, True, True, True] and int(gan.iteration) == 20
    chief = list(ends)
    for each in (asked, ends):
        each.clear()
    gan.iteration.assign(0)
    train(gan, 100, callbacks.for_worker(gan, gan.options))
    assert ends == chief == [1, 3, 6, 8, 9, 12, 15, 16, 18, 20]


def test_time_of_iterations_alone(tmp_path, clock, monkeypatch):
    """Without the first, which compiles, and without looks and saves; with the time a copy waits for the device."""

    def takes(seconds, function):
        def call(*arguments):
            clock.now += seconds
            return function(*arguments)

        return call

    monkeypatch.setattr(blocks, "SECONDS", np.inf)
    monkeypatch.setattr(blocks.Blocks, "copy", takes(4, blocks.Blocks.copy))
    monkeypatch.setattr(callbacks.Save, "act", takes(100, callbacks.Save.act))
    monkeypatch.setattr(monitor.Monitor, "report", takes(100, monitor.Monitor.report))

    def happens(iteration, logs):
        clock.now += 1000 if iteration == 1 else 0.1

    train(gan_of(tmp_path, happens, monitor_every=3, SAVEFREQ=4, MAXITER=6), 6)
    looks = run_logs.read_looks(tmp_path)
    # Blocks end with iterations 1, 3, 4 and 6.
    np.testing.assert_allclose(run_logs.column(looks, "seconds"), [2 * 0.1 + 4, 5 * 0.1 + 3 * 4], atol=2e-3)
    np.testing.assert_allclose(run_logs.column(looks, "cpu_seconds"), [2 * 4.2, 2 * 12.5], atol=2e-3)
