#!/usr/bin/env python3
"""Time RP-GAN's iteration on one device, on parts of the CPU, and on several processes over loopback.

    benchmarks/scaling.py            12 discriminators, a batch of 48
    benchmarks/scaling.py --quick    4 small ones

Protocol. Each kind of division runs in its own processes, one kind after the other, with the same experiment: `fit` on
random images, medians over iterations after five that do not count. All share the processors of one machine, so nothing
can become faster: the table shows the cost of dividing. `over one` is the time relative to one device; the last column
is the memory of the discriminators' weights and optimizer on each device. `least` is the time of the operations or
bytes of all devices together, at the processors' rates for sgemm and for copies (benchmarks/cost.py). Processes
communicate by gRPC.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import cost
import measuring

from rpgan_tf import command, config, projections
from rpgan_tf.devices import strategies
from rpgan_tf.files import atomic

COUNTS = {"one": 1, "mirrored:2": 2, "2 processes": 2, "3 processes": 3}
SIZE = {"imsz": 32, "df": 32, "f1": 128, "zlen": 100, "bsz": 48}
SMALL = {"df": 4, "f1": 32, "bsz": 12}


def main(argv):
    """Time as `argv` says."""
    parser = command.Parser(__doc__)
    measuring.add_options(parser, "4 small discriminators, without three processes")
    parser.add_argument("--worker", help="(started by this program itself)")
    arguments = parser.parse_args(argv)
    if arguments.worker:
        train(arguments.worker, arguments.rounds, arguments.quick)
        return
    command.start_tensorflow()
    one, table = None, measuring.Table(arguments)
    number = 4 if arguments.quick else 12
    work = cost.Work(number, **SIZE | (SMALL if arguments.quick else {}))
    _, machine = measuring.medians_and_machine({}, arguments.rounds)
    table("devices      divide          | least ms      ms  over one | MiB of D on each")
    with tempfile.TemporaryDirectory() as folder:
        atomic.save_arrays(f"{folder}/filts.npz", projections.draw([(8, 2, 1, number)], seed=0))
        for kind in list(COUNTS)[: 3 if arguments.quick else None]:
            for divide in ("batch", "discriminators")[: 1 if kind == "one" else 2]:
                seconds, size = run(kind, divide, folder, arguments)
                one = one or seconds
                flops, moved, _ = cost.share(work, COUNTS[kind], divide)
                least = machine.seconds(COUNTS[kind] * flops, COUNTS[kind] * moved)
                table(
                    f"{kind:12} {divide:15} | {least * 1e3:8.1f} {seconds * 1e3:7.1f} {seconds / one:9.2f} | "
                    f"{size / 2**20:7.1f}"
                )
    table.close()


def run(kind, divide, folder, arguments):
    """Run a kind of division; return the (seconds, bytes) of its first process."""
    count = COUNTS[kind] if kind.endswith("processes") else 1
    strategy = kind if count == 1 else "multiworker"
    line = [sys.executable, __file__, "--worker", json.dumps([strategy, divide, f"{folder}/filts.npz"])]
    line += ["--rounds", str(arguments.rounds), *["--quick"] * arguments.quick]
    processes = []
    for task in strategies.local_tasks(count):
        environment = os.environ | ({"TF_CONFIG": task} if count > 1 else {})
        processes.append(subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    outputs = [process.communicate(timeout=600) for process in processes]
    if processes[0].returncode:
        raise SystemExit(outputs[0][1].decode()[-3000:])
    return json.loads(outputs[0][0].decode().splitlines()[-1])


def train(text, rounds, quick):
    """Train as a process of `run`, and print its seconds per iteration and bytes of the discriminators."""
    strategy, divide, filts = json.loads(text)
    strategies.check(strategy)
    command.start_tensorflow(strategy)
    import keras
    import numpy as np
    import tensorflow as tf

    import rpgan_tf
    from rpgan_tf import factory
    from rpgan_tf.data import stream

    size = SIZE | (SMALL if quick else {})
    options = config.resolve(size | {"filts": filts, "divide": divide, "lfile": "digits", "wts_dir": "unused"})
    gan = rpgan_tf.build(options)

    class Clock(keras.callbacks.Callback):
        times = []

        def on_train_batch_end(self, batch, logs=None):
            np.asarray(logs["d_loss"])  # waits for it
            self.times.append(time.perf_counter())

    clock = Clock()
    images = stream.distributed(options, batches=factory.batches(options))
    gan.fit(images, steps_per_epoch=rounds + 6, callbacks=[clock], verbose=0, shuffle=False)
    seconds = statistics.median(b - a for a, b in zip(clock.times[5:], clock.times[6:]))
    kept = [*gan.discriminator.trainable_variables, *gan.d_optimizer.variables]
    print(json.dumps([seconds, sum(4 * int(tf.size(each)) for each in kept)]), flush=True)


if __name__ == "__main__":
    command.run(main)
