"""Nothing is traced again in a run with looks, held-out losses, saves and pictures; nor in one that is resumed."""

import pytest
import tensorflow as tf
from tensorflow.python.framework import func_graph, ops

import rpgan_tf
from rpgan_tf import checkpoint, config, data, projections
from rpgan_tf.data import stream
from rpgan_tf.files import atomic
from rpgan_tf.training import callbacks
from tests.conftest import on_points

RUNS = {  # every objective and net, without callbacks: test_resume.py
    "rpgan": {"gan": "RPGAN", "filts": "K2.npz", "ksz": 4, "zlen": 4, "f1": 8, "df": 2, "imsz": 16, "bsz": 2},
    "toy": {"gan": "DCGAN", "bsz": 4, "zlen": 4, "g_width": 8, "d_width": 5, "compile": "graph"},
}
EVERY_TWO = {"monitor_every": 2, "test_every": 2, "SAVEFREQ": 2}


def train(options, monkeypatch):
    """Train, or resume; return how often the step was traced, and {iteration: what was traced in it or after it}."""
    gan, steps, traced = rpgan_tf.build(options), [], {}
    checkpoint.restore(gan, options.wts_dir)
    start, run = int(gan.iteration), callbacks.for_run(gan, options)
    step, trace, begin = gan.train_step, func_graph.func_graph_from_py_func, run.on_train_batch_begin
    next(each for each in run.callbacks if isinstance(each, callbacks.TensorBoard)).interval = 2

    def begins(batch, logs=None):
        traced[start + batch + 1] = []
        begin(batch, logs)

    def traces(name, *arguments, **keywords):
        if traced:
            list(traced.values())[-1].append(name)
        return trace(name, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(gan, "train_step", lambda *arguments: steps.append(1) or step(*arguments))
        patch.setattr(run, "on_train_batch_begin", begins)
        patch.setattr(func_graph, "func_graph_from_py_func", traces)
        images = data.dataset(options, start)
        gan.fit(images, steps_per_epoch=options.MAXITER - start, callbacks=run, verbose=0, shuffle=False)
    return len(steps), traced


@pytest.mark.parametrize("net, lfile, runs", [("rpgan", "digits", [6]), ("toy", "mixture:ring8", [6, 9])])
def test_nothing_is_traced_again(net, lfile, runs, tmp_path, monkeypatch):
    """After the first iteration with all callbacks. The Python of a step is called once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stream, "NUM_HELD_OUT", 8)
    atomic.save_arrays("K2.npz", projections.draw([(8, 2, 1, 2)], seed=1))
    values = RUNS[net] | {"net": net, "lfile": lfile, "test_lfile": f"{lfile}:test", "wts_dir": "run"} | EVERY_TWO
    for last in runs:
        steps, traced = train(config.resolve(values | {"MAXITER": last}), monkeypatch)
        first, second, *others = traced
        assert steps == 1 and traced[first] and "_write" in traced[second]
        assert not any(traced[iteration] for iteration in others), traced


def test_eager_steps_do_not_number_functions():
    """A numbered trace advances the count by up to 100,000, which no eager iteration should pay for."""
    gan, images = on_points("DCGAN", compile="eager"), tf.data.Dataset.from_tensors(tf.zeros([6, 2])).repeat()
    before = ops.uid()
    gan.fit(images, steps_per_epoch=3, verbose=0, shuffle=False)
    assert ops.uid() - before < 100_000
