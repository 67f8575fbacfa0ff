"""The time that training waits for its images, by a clock that a slow source and the steps move on."""

import types

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.training import blocks, callbacks
from tests.conftest import on_points

SOURCE, STEP = 3.0, 5.0  # seconds that they take


@pytest.fixture
def clock(monkeypatch):
    """In place of those of TensorFlow and of the callbacks; has the seconds, `now`."""
    clock = types.SimpleNamespace(now=1e9)
    stamp = lambda: tf.numpy_function(lambda: np.float64(clock.now), [], tf.float64)  # noqa: E731
    monkeypatch.setattr(tf, "timestamp", stamp)
    for module in (callbacks, blocks):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: clock.now, process_time=lambda: 0))
    return clock


@pytest.fixture
def slow(clock, monkeypatch, tmp_path):
    """Return a GAN that takes STEP seconds for an iteration, and its data, which take SOURCE seconds."""
    gan = on_points("DCGAN", wts_dir=str(tmp_path), MAXITER=4)
    train_step = gan.train_step

    def pass_time(images):
        clock.now += STEP
        return images

    def points():
        while True:
            clock.now += SOURCE
            yield np.zeros([6, 2], np.float32)

    def slow_step(real):
        return train_step(tf.ensure_shape(tf.numpy_function(pass_time, [real], tf.float32), real.shape))

    monkeypatch.setattr(gan, "train_step", slow_step)
    stream = tf.data.Dataset.from_generator(points, output_signature=tf.TensorSpec([6, 2], tf.float32))
    only_when_asked = tf.data.Options()
    only_when_asked.experimental_optimization.inject_prefetch = False
    return gan, stream.with_options(only_when_asked)


@pytest.mark.parametrize("arguments, count", [({}, 1), ({"steps_per_execution": 2}, 2), ({"run_eagerly": True}, 1)])
def test_a_gan_measures_the_wait_for_data_alone(slow, arguments, count):
    gan, points = slow
    gan.compile(jit_compile=False, **arguments)
    gan.fit(points, steps_per_epoch=4, verbose=0, shuffle=False)
    assert float(gan.waited) == count * SOURCE and int(gan.iteration) == 4


def test_the_share_of_time_is_shown(slow, capsys):
    from tensorboard.backend.event_processing import event_accumulator

    gan, points = slow
    gan.compile(jit_compile=False)
    run = [callbacks.Log(gan.options), callbacks.TensorBoard(gan.options, interval=2)]
    gan.fit(points, steps_per_epoch=4, verbose=0, shuffle=False, callbacks=blocks.Blocks(run, gan, gan.options))
    share = SOURCE / (SOURCE + STEP)
    assert capsys.readouterr().out.endswith(f", 1 images/s, 0:00:00 left, {share:.0%} of the time waiting for data\n")
    events = event_accumulator.EventAccumulator(f"{gan.options.wts_dir}/tensorboard", {"tensors": 0}).Reload()
    shown = events.Tensors("share_of_time_waiting_for_data")
    assert [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in shown] == [(2, share), (4, share)]
