#!/usr/bin/env python3
"""Time iterations that compute almost nothing: the overhead of Python, TensorFlow and the callbacks.

    benchmarks/overhead.py            2,000 iterations of each
    benchmarks/overhead.py --quick    200 iterations of each

Protocol. A GAN on points with layers of one unit and a batch of two, as a graph. `graph` calls its step with the same
points; `fit` adds Keras' loop and the input; `train` adds all callbacks of a run except saves. Rounds alternate, after
two that do not count; medians over the rounds are printed, without the first iteration of each round.
"""

import pathlib
import statistics
import tempfile
import time

import measuring

from rpgan_tf import command, config

SIZE = {"gan": "DCGAN", "net": "toy", "lfile": "mixture:ring8", "zlen": 1, "g_width": 1, "d_width": 1, "bsz": 2}


def main(argv):
    """Run the benchmark."""
    arguments = measuring.begin(__doc__, argv, "200 iterations of each")
    import keras
    import tensorflow as tf

    import rpgan_tf
    from rpgan_tf import data
    from rpgan_tf.training import callbacks

    count = 200 if arguments.quick else 2000
    table = measuring.Table(arguments)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "train.log").touch()
        values = SIZE | {"compile": "graph", "wts_dir": folder, "MAXITER": 10**6, "SAVEFREQ": 10**6}
        options = config.resolve(values | {"monitor_every": 0})
        gan = rpgan_tf.build(options)
        points = tf.zeros([2, 2])
        step, images = measuring.compiled(gan), data.dataset(options)

        def graph():
            start = time.perf_counter()
            for _ in range(count):
                logs = step(points)
            logs["d_loss"].numpy()
            return time.perf_counter() - start

        def fit(run=None):
            times = []
            append = lambda batch, logs: times.append(time.perf_counter())  # noqa: E731
            clock = keras.callbacks.LambdaCallback(on_train_batch_end=append)
            if run is not None:
                run.callbacks.append(clock)
            gan.fit(images, steps_per_epoch=count + 1, callbacks=run or [clock], verbose=0, shuffle=False)
            return times[-1] - times[0]

        def train():
            run = callbacks.for_run(gan, options)
            run.callbacks = [each for each in run.callbacks if not isinstance(each, callbacks.Save)]
            return fit(run)

        calls = {"graph": graph, "fit": fit, "train": train}
        rounds = [{name: call() for name, call in calls.items()} for _ in range(arguments.rounds + 2)][2:]
    table("loop  | microseconds  iterations/s")
    for name in calls:
        median = statistics.median(each[name] for each in rounds)
        table(f"{name:5} | {median / count * 1e6:12.0f} {count / median:13.0f}")
    table.close()


if __name__ == "__main__":
    command.run(main)
