#!/usr/bin/env python3
"""Time what training adds to the bare step: Python, TensorFlow, the input and the callbacks.

    benchmarks/overhead.py                 2,000 iterations that compute almost nothing, and an experiment of each net
    benchmarks/overhead.py dcgan_digits    the experiment alone
    benchmarks/overhead.py --quick         200 iterations that compute almost nothing, and the net for points

Protocol. The iterations that compute almost nothing are those of a GAN on points with layers of one unit and a batch of
two, as a graph. `graph` calls its step with the same points; `fit` adds Keras' loop and the input; `train` adds all
callbacks of a run except saves. Rounds alternate, after two that do not count; medians over the rounds are printed,
without the first iteration of each round.

An experiment runs once with all callbacks of a run except saves. After every hundred iterations, with one look of the
monitor, come a hundred calls of the bare step on a batch of the data; medians are printed, without the first hundred.
"""

import contextlib
import io
import pathlib
import statistics
import tempfile
import time

import measuring

from rpgan_tf import command, config

SIZE = {"gan": "DCGAN", "net": "toy", "lfile": "mixture:ring8", "zlen": 1, "g_width": 1, "d_width": 1, "bsz": 2}
EXPERIMENTS = ["gan_ring8", "digits", "dcgan_digits", "wgangp_digits", "sagan_digits", "realness_digits"]
EXPERIMENTS += ["stylegan2_digits", "glead_digits"]
PERIOD = 100  # iterations between looks of the monitor
SECONDS = 20  # for which an experiment runs, and at least two periods


def main(argv):
    """Run the benchmark."""
    parser = command.Parser(__doc__)
    measuring.add_options(parser, "200 iterations that compute almost nothing, and the net for points")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"experiments alone; all: {', '.join(EXPERIMENTS)}")
    arguments = parser.parse_args(argv)
    command.start_tensorflow()
    table = measuring.Table(arguments)
    if not arguments.names:
        empty_iterations(table, 200 if arguments.quick else 2000, arguments.rounds)
        table("")
    table("experiment       |  step ms  train ms  train / step")
    for name in arguments.names or EXPERIMENTS[: 1 if arguments.quick else None]:
        step, train = step_and_train(name)
        table(f"{name:16} | {step * 1e3:8.2f} {train * 1e3:9.2f} {train / step:13.3f}")
    table.close()


def empty_iterations(table, count, rounds):
    """Print the table of iterations that compute almost nothing, so many in a round."""
    import keras
    import tensorflow as tf

    import rpgan_tf
    from rpgan_tf import data

    with tempfile.TemporaryDirectory() as folder:
        options = config.resolve(SIZE | {"compile": "graph"} | unsaved(folder) | {"monitor_every": 0})
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

        calls = {"graph": graph, "fit": fit, "train": lambda: fit(callbacks_of(gan, options))}
        found = [{name: call() for name, call in calls.items()} for _ in range(rounds + 2)][2:]
    table("loop  | microseconds  iterations/s")
    for name in calls:
        median = statistics.median(each[name] for each in found)
        table(f"{name:5} | {median / count * 1e6:12.0f} {count / median:13.0f}")


def step_and_train(name):
    """Return the seconds of the bare step of an experiment, and those of an iteration of its training."""
    import keras

    import rpgan_tf
    from rpgan_tf import data

    with tempfile.TemporaryDirectory() as folder:
        options = command.load_options(name, [], unsaved(folder) | {"monitor_every": PERIOD})
        gan, images = rpgan_tf.build(options), data.dataset(options)
        step, real = measuring.compiled(gan), next(iter(images))

        def end(batch, logs):
            if (batch + 1) % PERIOD == 0:
                marks.append(time.perf_counter())
                for _ in range(PERIOD):
                    logs = step(real)
                logs["d_loss"].numpy()
                marks.append(time.perf_counter())
                gan.stop_training = len(marks) >= 7 and marks[-1] - marks[2] > SECONDS

        marks = [time.perf_counter()]  # training, steps, training, steps, ...
        run = callbacks_of(gan, options)
        run.callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=end))
        with contextlib.redirect_stdout(io.StringIO()):  # progress
            gan.fit(images, steps_per_epoch=10**6, callbacks=run, verbose=0, shuffle=False)
    seconds = [end - begin for begin, end in zip(marks, marks[1:])][2:]
    return statistics.median(seconds[1::2]) / PERIOD, statistics.median(seconds[::2]) / PERIOD


def unsaved(folder):
    """Return options of a run in a folder that saves nothing."""
    return {"wts_dir": folder, "MAXITER": 10**6, "SAVEFREQ": 10**6}


def callbacks_of(gan, options):
    """Return the callbacks of a run, except saves."""
    from rpgan_tf.training import callbacks

    pathlib.Path(options.wts_dir, "train.log").touch()
    run = callbacks.for_run(gan, options)
    run.callbacks = [each for each in run.callbacks if not isinstance(each, callbacks.Save)]
    return run


if __name__ == "__main__":
    command.run(main)
